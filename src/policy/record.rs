//! Records what policies are asked and what they answer, as cases for `wampgate policy test`.
//!
//! A tracking ID is a credential and must not stand in a file: a stand-in replaces it, the same one
//! for the same client as long as the gateway runs. Everything else is as the policy saw it, addresses and
//! headers included: the file is for its owner alone.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use rand::{TryRng as _, rngs::SysRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    CookieView, Decision, JoinRequest, PolicyError, RoutingRequest, answer_json, choice_json,
    question::Request,
};
use crate::file;

/// Lines that wait to be written. If the disk is slower than the joins, the recorder drops lines rather than delay joins.
const MAX_WAITING: usize = 1024;
/// Bytes of a digest that a stand-in shows: enough to tell clients apart.
const SHOWN: usize = 8;

/// Writes cases to a file, one a line.
#[derive(Debug)]
pub struct Recorder {
    lines: SyncSender<String>,
    /// Makes stand-ins that cannot be traced back to an ID.
    key: [u8; 32],
    count: AtomicU64,
    lost: AtomicU64,
}

impl Recorder {
    /// Appends to a file, which is made for its owner alone if it is not there.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            let advice = "there will be one case a line: give the file a name that ends in .jsonl";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, advice));
        }
        // Opening a pipe would wait for its reader.
        file::check_place(path)?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let mut key = [0; 32];
        SysRng.try_fill_bytes(&mut key).map_err(io::Error::other)?;
        let (lines, written) = sync_channel(MAX_WAITING);
        thread::Builder::new().name("policy-record".to_owned()).spawn(move || {
            if let Err(error) = write(file, &written) {
                tracing::error!(target: "wampgate::policy", "recording ends: {error}");
            }
        })?;
        Ok(Self { lines, key, count: AtomicU64::new(0), lost: AtomicU64::new(0) })
    }

    /// Records a request with its answer.
    pub(super) fn record(&self, request: &JoinRequest<'_>, answer: &Result<Decision, PolicyError>) {
        self.write(answer.as_ref().err(), request.cookie.as_ref(), || {
            (Request::from(request), answer_json(answer))
        });
    }

    /// Records the choice of an upstream.
    pub(super) fn record_choice(&self, request: &RoutingRequest<'_>, answer: &Result<String, PolicyError>) {
        self.write(answer.as_ref().err(), request.cookie.as_ref(), || {
            (Request::from(request), choice_json(answer))
        });
    }

    fn write(
        &self,
        error: Option<&PolicyError>,
        cookie: Option<&CookieView<'_>>,
        case: impl FnOnce() -> (Request, Value),
    ) {
        if matches!(error, Some(PolicyError::Overloaded | PolicyError::Penalty)) {
            // The policy was not asked.
            return;
        }
        let number = self.count.fetch_add(1, Relaxed) + 1;
        let (request, expect) = case();
        let line = self.line(number, &request, &expect, cookie);
        if self.lines.try_send(line).is_err() && self.lost.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(target: "wampgate::policy", "requests come faster than they can be recorded, some are left out");
        }
    }

    fn line(
        &self,
        number: u64,
        request: &Request,
        expect: &Value,
        cookie: Option<&CookieView<'_>>,
    ) -> String {
        let mut case = json!({
            "name": format!("{number}: {} from {}", request.connection.path, request.connection.peer),
            "request": request.to_json(),
            "expect": expect,
        })
        .to_string();
        if let Some(cookie) = cookie {
            // Neither has characters that JSON would escape; they are replaced wherever they stand, the answer
            // included.
            for (name, prefix) in [(cookie.id, "recorded-id"), (cookie.public_id, "recorded-public")] {
                if !name.is_empty() {
                    case = case.replace(name, &self.stand_in(prefix, name));
                }
            }
        }
        case.push('\n');
        case
    }

    fn stand_in(&self, prefix: &str, name: &str) -> String {
        let digest = Sha256::new().chain_update(self.key).chain_update(name).finalize();
        digest.iter().take(SHOWN).fold(format!("{prefix}-"), |name, byte| format!("{name}{byte:02x}"))
    }
}

/// Writes until the recorder is gone. Whenever no line waits, all of them are on their way to the disk.
fn write(file: File, lines: &Receiver<String>) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Ok(first) = lines.recv() {
        file.write_all(first.as_bytes())?;
        while let Ok(next) = lines.try_recv() {
            file.write_all(next.as_bytes())?;
        }
        file.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Decision, PolicyError, Recorder, answer_json};
    use crate::{
        identity::Name,
        policy::AnonymousIdentity,
        testkit::{Case, Client, Cookie, Expectation, Request},
    };

    const ID: &str = "AbCd+/efGHij_-0123";

    fn record(recorder: &Recorder, answer: &Result<Decision, PolicyError>) -> (String, Case) {
        let cookie = Cookie { id: ID.to_owned(), public_id: "the-public-id".to_owned(), ..Cookie::default() };
        let request = Request::new().cookie(cookie).authid(ID).header("x-id", ID);
        let expect = answer_json(answer);
        let line = request.with(|view| recorder.line(7, &Request::from(view), &expect, view.cookie.as_ref()));
        let case = serde_json::from_str(&line).unwrap();
        (line, case)
    }

    #[test]
    fn a_line_is_a_case_without_the_ids_and_with_one_stand_in_for_each() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::open(&folder.path().join("cases.jsonl")).unwrap();
        let authid = Name::parse(ID).ok();
        let identity = AnonymousIdentity { authid, ..AnonymousIdentity::default() };
        let (line, case) = record(&recorder, &Ok(Decision::Anonymous(identity)));
        assert!(line.ends_with('\n') && !line.contains(ID) && !line.contains("the-public-id"), "{line}");
        assert_eq!(case.name, "7: /ws from 203.0.113.9:52100");
        let cookie = case.request.cookie.unwrap();
        assert!(cookie.id.starts_with("recorded-id-") && cookie.public_id.starts_with("recorded-public-"));
        assert_eq!(case.request.hello.unwrap().authid.as_ref(), Some(&cookie.id));
        match case.expect {
            Expectation::Anonymous(identity) => assert_eq!(identity.authid, Some(cookie.id)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_recorded_is_in_the_file_and_what_was_not_asked_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cases.jsonl");
        let recorder = Recorder::open(&file).unwrap();
        let request = Request::new();
        request.with(|view| recorder.record(view, &Err(PolicyError::Overloaded)));
        request.with(|view| recorder.record(view, &Ok(Decision::None)));
        let client = Client { authrole: "staff".to_owned(), ..Client::default() };
        let routing = Request::new().upstreams(["eu", "us"]).client(client);
        routing.with_routing(|view| recorder.record_choice(view, &Ok("eu".to_owned())));
        drop(recorder);
        let begun = std::time::Instant::now();
        let text = loop {
            let text = std::fs::read_to_string(&file).unwrap();
            if text.ends_with('\n') && text.lines().count() > 1 {
                break text;
            }
            assert!(begun.elapsed().as_secs() < 60, "nothing is written");
            std::thread::yield_now();
        };
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with(r#"{"expect":"none","name":"1: "#), "{text}");
        let choice: Case = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(choice.request, routing);
        assert_eq!(choice.expect, Expectation::Upstream("eu".to_owned()));
    }

    #[test]
    fn a_file_of_another_name_is_refused() {
        let error = Recorder::open(std::path::Path::new("cases.json")).unwrap_err();
        assert!(error.to_string().contains(".jsonl"));
    }
}
