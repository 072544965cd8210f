//! An engine for all tests, and requests to ask guests with.

#[path = "../support/full_request.rs"]
mod full_request;

use std::{path::Path, sync::LazyLock, time::Duration};

use wampgate::{
    policy::{
        Decision, PolicyEngine, PolicyEngineOptions, PolicyError, PolicyFile, PolicyLoadError,
        PolicyLoadFault, PolicyOptions, WasmPolicy,
    },
    testkit::{Hello, Request},
};

pub(crate) use self::full_request::{PUBLIC_ID, TRACKING_ID, full_request};
pub(crate) use super::guests::{GUEST_FILES, bytes, guest, text};

/// The deadline of guests that do not end by themselves.
pub(crate) const DEADLINE: Duration = Duration::from_millis(20);
/// The deadline of all others: what is tested is what they answer, however busy the machine is.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);

/// The component of the policy that is built in.
pub(crate) const DEFAULT: &[u8] = include_bytes!("../../plugins/default/wampgate-default-policy.wasm");

/// Without a cache, so that the tests leave nothing behind.
pub(crate) static ENGINE: LazyLock<PolicyEngine> = LazyLock::new(|| {
    PolicyEngine::new(&PolicyEngineOptions { cache: None, ..PolicyEngineOptions::default() })
        .expect("an engine")
});

pub(crate) fn load(guest: &str, options: PolicyOptions) -> Result<WasmPolicy, PolicyLoadError> {
    WasmPolicy::from_bytes(&ENGINE, "guest", &bytes(guest), options)
}

/// The default options, with time enough.
pub(crate) fn options() -> PolicyOptions {
    PolicyOptions { deadline: PATIENT, ..PolicyOptions::default() }
}

/// A guest that loads, with these options.
pub(crate) fn policy(guest: &str) -> WasmPolicy {
    load(guest, options()).unwrap_or_else(|error| panic!("{error}"))
}

/// The policy that is built in, with time enough.
pub(crate) fn honest() -> WasmPolicy {
    WasmPolicy::from_bytes(&ENGINE, "default", DEFAULT, options()).unwrap_or_else(|error| panic!("{error}"))
}

/// Why bytes are no policy.
pub(crate) fn fault(bytes: &[u8]) -> PolicyLoadFault {
    let loaded = WasmPolicy::from_bytes(&ENGINE, "guest", bytes, PolicyOptions::default());
    loaded.expect_err("it loads").fault
}

/// A policy that is this file, with time enough.
pub(crate) fn file(component: &Path) -> PolicyFile {
    PolicyFile { options: options(), ..PolicyFile::new(component) }
}

/// How the client of a request is tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    Off,
    New,
    Known,
    Authenticated,
}

/// Asks a policy about a HELLO.
pub(crate) fn ask(
    policy: &WasmPolicy,
    methods: &[&str],
    cookie: Cookie,
    offered: &[&str],
) -> Result<Decision, PolicyError> {
    ask_as(policy, methods, cookie, offered, None)
}

/// Asks a policy about a HELLO with an authid.
pub(crate) fn ask_as(
    policy: &WasmPolicy,
    methods: &[&str],
    cookie: Cookie,
    offered: &[&str],
    authid: Option<&str>,
) -> Result<Decision, PolicyError> {
    let full = full_request();
    let mut record = full.cookie.clone().expect("a record");
    record.is_new = cookie == Cookie::New;
    record.authentication = record.authentication.filter(|_| cookie == Cookie::Authenticated);
    let hello = Hello {
        authmethods: offered.iter().map(ToString::to_string).collect(),
        authid: authid.map(str::to_owned),
        ..Hello::default()
    };
    let request = Request {
        cookie: (cookie != Cookie::Off).then_some(record),
        hello: Some(hello),
        methods: methods.iter().map(ToString::to_string).collect(),
        ..full
    };
    request.with(|view| policy.decide(view))
}

/// An anonymous answer's authid.
pub(crate) fn authid(decision: Result<Decision, PolicyError>) -> String {
    match decision {
        Ok(Decision::Anonymous(identity)) => identity.authid.expect("an authid").to_string(),
        other => panic!("not anonymous: {other:?}"),
    }
}

#[test]
fn every_guest_in_the_folder_is_known() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/component/guests");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    assert_eq!(found, GUEST_FILES);
}
