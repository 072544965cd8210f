//! A session of a router: what passes between it and its client, and how the two hear of each other's end.
//!
//! | what happens | the client gets | the router gets |
//! |---|---|---|
//! | the client says GOODBYE | GOODBYE, and may say HELLO again | GOODBYE with the client's reason |
//! | the client vanishes, or the gateway ends its session | as it says | GOODBYE `wamp.close.normal` |
//! | the router says GOODBYE, or ABORT | the same reason and message, then 1000 | GOODBYE |
//! | the router says GOODBYE `wamp.close.system_shutdown` | the same reason and message, then 1012 | GOODBYE |
//! | the router vanishes, or answers no ping | GOODBYE `wamp.close.system_shutdown`, then 1012 | |
//! | the router sends what makes no sense | the same, then 1014 | 1002 |
//! | the router takes nothing | the same, then 1013 | |
//! | the client takes nothing | | GOODBYE `wamp.close.normal` |
//!
//! Each direction has one bounded queue, the outbox of the wire that it leads to. While that is full the other wire is not read.

mod farewell;

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::farewell::{Departing, Words};
use super::{Remote, fault, hello::Welcomed};
use crate::{
    identity::Identity,
    upstream::{Place, Tally},
    wamp::{
        RouterFeatures, Serializer, SessionId,
        passing::{FromClient, FromRouter, Reply, Request},
        uri::error::{GOODBYE_AND_OUT, LOGOUT, SYSTEM_SHUTDOWN},
    },
    wire::{CloseCode, Ending, Wire, WireError},
};

/// How often the gateway looks whether a side takes what waits for it: one that has taken nothing between two looks is given up.
const LOOK: Duration = Duration::from_secs(15);

/// How long a router may take to answer a client's GOODBYE.
const LEAVING: Duration = Duration::from_secs(2);

/// A client's session of a router. Dropping it leaves the router.
#[derive(Debug)]
pub struct RouterSession {
    /// None once the router has been left.
    link: Option<Box<Link>>,
    session: SessionId,
    features: RouterFeatures,
}

/// The connection to the router.
#[derive(Debug)]
struct Link {
    remote: Remote,
    wire: Wire,
    serializer: Serializer,
    /// Whether the client has said GOODBYE, which the router has to answer.
    is_leaving: bool,
    /// Whether GOODBYE has been said to the router.
    has_parted: bool,
    /// Which wires, the client's and the router's, had something waiting at the last look, and have sent something since.
    had_waiting: [bool; 2],
    has_sent: [bool; 2],
    /// Bytes that passed from the client and to it and are not counted yet.
    passed: [u64; 2],
    tally: Tally,
    place: Place,
}

impl RouterSession {
    pub(super) fn new(
        remote: Remote,
        wire: Wire,
        serializer: Serializer,
        Welcomed { session, features }: Welcomed,
        tally: Tally,
        place: Place,
    ) -> Self {
        let link = Link {
            remote,
            wire,
            serializer,
            is_leaving: false,
            has_parted: false,
            had_waiting: [false; 2],
            has_sent: [false; 2],
            passed: [0; 2],
            tally,
            place,
        };
        Self { link: Some(Box::new(link)), session, features }
    }

    /// Its identifier, which the router has given it.
    pub const fn id(&self) -> SessionId {
        self.session
    }

    /// What the client can do with the router.
    pub const fn features(&self) -> &RouterFeatures {
        &self.features
    }

    /// Passes messages on until the client or the router ends the session, or the gateway does. `is_tracked`: the client has a cookie
    /// that it can log out with.
    pub async fn run(
        mut self,
        client: &mut Wire,
        identity: &Identity,
        is_tracked: bool,
        shutdown: &CancellationToken,
    ) -> Ending {
        let Some(link) = &mut self.link else { return Ending::Closed };
        let mut ending = link.pass_on(client, identity, is_tracked, shutdown).await;
        if let Some(link) = self.link.take() {
            if let (Ending::Router(fault), Some(name)) = (&mut ending, link.tally.upstream()) {
                fault.why = fault::named(name, &fault.why);
            }
            let (words, name) = link.last_words(&ending);
            link.tally.ended_by(name);
            let departing = link.departing(words);
            if matches!(ending, Ending::Shutdown) {
                // The process waits for its connections and for nothing else.
                departing.run().await;
            } else {
                tokio::spawn(departing.run());
            }
        }
        ending
    }
}

/// The connection ends while the session waits: its cookie was revoked, or the client is gone.
impl Drop for RouterSession {
    fn drop(&mut self) {
        let (Some(link), Ok(runtime)) = (self.link.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        link.tally.ended_by("revoked");
        runtime.spawn(link.departing(Words::Goodbye).run());
    }
}

impl Link {
    async fn pass_on(
        &mut self,
        client: &mut Wire,
        identity: &Identity,
        is_tracked: bool,
        shutdown: &CancellationToken,
    ) -> Ending {
        let (mut shutdown, mut clock) = (pin!(shutdown.cancelled()), pin!(sleep(LOOK)));
        let mut rules = self.remote.watch();
        // They may have changed while the router was joined.
        rules.mark_changed();
        loop {
            let [received, sent] = &mut self.passed;
            self.tally.count(received, sent);
            let reads_client = !self.is_leaving && self.wire.has_room();
            let reads_router = client.has_room();
            let is_timed = self.is_leaving || self.wire.is_waiting() || client.is_waiting();
            let was_leaving = self.is_leaving;
            let ending = tokio::select! {
                biased;
                got = client.exchange(reads_client) => self.client_says(client, got, is_tracked),
                got = self.wire.exchange(reads_router) => self.router_says(client, got),
                () = &mut shutdown => Some(Ending::Shutdown),
                // The sender lives as long as the remote, which is here.
                Ok(()) = rules.changed() => {
                    let is_welcome = rules.borrow_and_update().admit(identity);
                    (!is_welcome).then_some(Ending::NotStanding)
                }
                () = clock.as_mut(), if is_timed => {
                    clock.as_mut().reset(Instant::now() + LOOK);
                    if self.is_leaving { Some(Ending::Left) } else { self.look(client) }
                }
            };
            if let Some(ending) = ending {
                return ending;
            }
            if self.is_leaving && !was_leaving {
                clock.as_mut().reset(Instant::now() + LEAVING);
            }
        }
    }

    /// What comes from the client, as long as there is something and room for it.
    fn client_says(
        &mut self,
        client: &mut Wire,
        got: Result<Option<Bytes>, WireError>,
        is_tracked: bool,
    ) -> Option<Ending> {
        let mut next = match got {
            Ok(None) => {
                self.has_sent[0] = true;
                return None;
            }
            Ok(Some(message)) => Ok(Some(message)),
            Err(error) => return Some(error.into()),
        };
        loop {
            match next {
                Ok(Some(message)) => {
                    if let Some(ending) = self.of_client(client, message, is_tracked) {
                        return Some(ending);
                    }
                }
                Ok(None) => return None,
                Err(error) => return Some(WireError::into(error)),
            }
            if self.is_leaving || !self.wire.has_room() {
                return None;
            }
            next = client.try_next();
        }
    }

    fn of_client(&mut self, client: &Wire, message: Bytes, is_tracked: bool) -> Option<Ending> {
        let (serializer, depth) = (client.serializer(), client.max_depth());
        match serializer.client_message(&message, depth) {
            Ok(FromClient::Message) => match serializer.rewrite(message, self.serializer) {
                Ok(message) => {
                    self.passed[0] += message.len() as u64;
                    self.wire.pass(message);
                    None
                }
                Err(error) => Some(Ending::violation(error.to_string())),
            },
            Ok(FromClient::Goodbye) => match serializer.read_reply(&message, depth) {
                // Crossbar.io's reason: the client wants its cookie to stand for nothing any more.
                Ok(Reply::Goodbye { reason, .. }) if reason.as_str() == LOGOUT && is_tracked => {
                    Some(Ending::Logout(None))
                }
                Ok(Reply::Goodbye { reason, .. }) => {
                    // What the client has asked for before is answered before GOODBYE is.
                    self.say_goodbye(reason.as_str());
                    self.is_leaving = true;
                    None
                }
                Ok(_) => Some(Ending::violation("GOODBYE with other elements than it has")),
                Err(error) => Some(Ending::violation(error.to_string())),
            },
            // The client has given up, and expects no answer (section "Session Termination").
            Ok(FromClient::Abort) => Some(Ending::Close(CloseCode::Normal, String::new())),
            // Section "Protocol Violations": a second HELLO during the lifetime of the session is one.
            Ok(FromClient::Early(name)) => {
                Some(Ending::violation(format!("{name} in an established session")))
            }
            Err(error) => Some(Ending::violation(error.to_string())),
        }
    }

    /// What comes from the router, as long as there is something and room for it.
    fn router_says(&mut self, client: &Wire, got: Result<Option<Bytes>, WireError>) -> Option<Ending> {
        let mut next = match got {
            Ok(None) => {
                self.has_sent[1] = true;
                return None;
            }
            got => got,
        };
        loop {
            match next {
                Ok(Some(message)) => {
                    if let Some(ending) = self.of_router(client, message) {
                        return Some(ending);
                    }
                }
                Ok(None) => return None,
                Err(_) if self.is_leaving => return Some(Ending::Left),
                Err(error) => return Some(Ending::Router(Box::new(fault::of_session(error)))),
            }
            if !client.has_room() {
                return None;
            }
            next = self.wire.try_next();
        }
    }

    fn of_router(&mut self, client: &Wire, message: Bytes) -> Option<Ending> {
        let nonsense = |error: &dyn std::fmt::Display| {
            Some(Ending::Router(Box::new(fault::nonsense(&error.to_string()))))
        };
        let depth = self.wire.max_depth();
        match self.serializer.router_message(&message, depth) {
            Ok(FromRouter::Message) => match self.serializer.rewrite(message, client.serializer()) {
                Ok(message) => {
                    self.passed[1] += message.len() as u64;
                    client.pass(message);
                    None
                }
                Err(error) => nonsense(&error),
            },
            Ok(FromRouter::Farewell) if self.is_leaving => Some(Ending::Left),
            Ok(FromRouter::Farewell) => match self.serializer.read_reply(&message, depth) {
                Ok(Reply::Goodbye { reason, message }) => {
                    self.say_goodbye(GOODBYE_AND_OUT);
                    Some(if reason.as_str() == SYSTEM_SHUTDOWN {
                        // The client may come back, which the code of a restart tells it.
                        Ending::Router(Box::new(fault::shut_down(message)))
                    } else {
                        Ending::Killed { reason, message }
                    })
                }
                Ok(Reply::Abort { reason, message }) => {
                    self.has_parted = true;
                    Some(Ending::Router(Box::new(fault::aborted(reason, message))))
                }
                Ok(_) => nonsense(&"neither GOODBYE nor ABORT"),
                Err(error) => nonsense(&error),
            },
            Err(error) => nonsense(&error),
        }
    }

    /// Whether a side takes what waits for it.
    fn look(&mut self, client: &Wire) -> Option<Ending> {
        let waiting = [client.is_waiting(), self.wire.is_waiting()];
        let had_waiting = std::mem::replace(&mut self.had_waiting, waiting);
        let has_sent = std::mem::take(&mut self.has_sent);
        let is_stuck = |side: usize| {
            let is = |facts: &[bool; 2]| facts.get(side).copied().unwrap_or_default();
            is(&waiting) && is(&had_waiting) && !is(&has_sent)
        };
        if is_stuck(1) {
            return Some(Ending::Router(Box::new(fault::stuck())));
        }
        is_stuck(0).then_some(Ending::Slow)
    }

    fn say_goodbye(&mut self, reason: &str) {
        self.wire.pass(self.serializer.write_request(Request::Goodbye { reason }));
        self.has_parted = true;
    }

    /// What the router is told at the end, and the end's name in metrics.
    fn last_words(&self, ending: &Ending) -> (Words, &'static str) {
        let name = match ending {
            Ending::Left | Ending::Closed | Ending::Logout(_) | Ending::Close(CloseCode::Normal, _) => {
                "client-closed"
            }
            Ending::Lost => "client-lost",
            Ending::Silent => "client-silent",
            Ending::Slow => "client-stuck",
            Ending::Killed { .. } => "upstream-closed",
            Ending::Shutdown => "shutdown",
            // A lease that lapses ends the session by its outbox, with the code of a policy.
            Ending::NotStanding | Ending::Lapsed(_) | Ending::Close(CloseCode::Policy, _) => "lapsed",
            Ending::Router(fault) => match fault.reason {
                fault::LOST => "upstream-lost",
                fault::ABORTED | fault::SHUT_DOWN => "upstream-closed",
                fault::STUCK | fault::SILENT => "upstream-stuck",
                _ => "upstream-broken",
            },
            _ => "client-broken",
        };
        let words = match ending {
            Ending::Router(fault) if fault.reason == fault::NONSENSE => Words::Close(CloseCode::Protocol),
            Ending::Router(fault) if !self.has_parted && fault.reason != fault::ABORTED => Words::Nothing,
            _ if self.has_parted => Words::Close(CloseCode::Normal),
            _ => Words::Goodbye,
        };
        (words, name)
    }

    fn departing(self: Box<Self>, words: Words) -> Departing {
        let Self { wire, serializer, place, .. } = *self;
        Departing { wire, serializer, words, _place: place }
    }
}
