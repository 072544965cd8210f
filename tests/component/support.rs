//! An engine for all tests, guests from text, and requests to ask them with.
// A guest that no test uses is dead code, and a build with dead code fails.
#![deny(dead_code)]

use std::{sync::LazyLock, time::Duration};

use wampgate::{
    policy::{
        ConnectionView, CookieView, Decision, EngineOptions, HelloView, JoinRequest, LoadError, LoadFault,
        Policy, PolicyEngine, PolicyError, PolicyOptions, WasmPolicy,
    },
    store::Authentication,
    time::Timestamp,
};

/// The deadline of every guest.
pub(crate) const DEADLINE: Duration = Duration::from_millis(20);
/// What a busy machine may add to it.
pub(crate) const SLACK: Duration = Duration::from_secs(2);

/// A tracking ID that must show up nowhere.
pub(crate) const TRACKING_ID: &str = "abcdefABCDEF-_0123456789";
/// The record's public ID.
pub(crate) const PUBLIC_ID: &str = "pub-5f3a91";

/// Without a cache, so that the tests leave nothing behind.
pub(crate) static ENGINE: LazyLock<PolicyEngine> = LazyLock::new(|| {
    PolicyEngine::new(&EngineOptions { cache: None, ..EngineOptions::default() }).expect("an engine")
});

macro_rules! guests {
    ($($name:ident = $file:literal),+ $(,)?) => {
        /// The guests' texts.
        pub(crate) mod guest {
            $(pub(crate) const $name: &str = include_str!(concat!("guests/", $file, ".wat"));)+
        }
        const GUEST_FILES: &[&str] = &[$(concat!($file, ".wat")),+];
    };
}

guests! {
    BAD_ANSWER = "bad-answer",
    BAD_CASE = "bad-case",
    BAD_POINTER = "bad-pointer",
    BAD_UTF8 = "bad-utf8",
    CORE_MODULE = "core-module",
    CUSTOM = "custom",
    ENDLESS_LOOP = "endless-loop",
    ENDLESS_START = "endless-start",
    FORTY_MEGABYTES = "forty-megabytes",
    FRAME = "frame",
    HALF = "half",
    HUGE_STRING = "huge-string",
    LOG_BAD_LEVEL = "log-bad-level",
    LOG_FLOOD = "log-flood",
    LOG_HUGE = "log-huge",
    LOG_SECRETS = "log-secrets",
    MARK = "mark",
    MEMORY_BOMB = "memory-bomb",
    NOTHING = "nothing",
    OTHER_LOG = "other-log",
    OTHER_TYPES = "other-types",
    OUT_OF_BOUNDS = "out-of-bounds",
    PICKY = "picky",
    RECURSION = "recursion",
    SAY = "say",
    TABLE_BOMB = "table-bomb",
    TRAP = "trap",
    TRAPPING_CHECK = "trapping-check",
    WANTS_CLOCK = "wants-clock",
    WANTS_MORE = "wants-more",
    WANTS_WASI = "wants-wasi",
}

/// The text of a whole component: a guest that is only its functions is put into the frame.
pub(crate) fn text(guest: &str) -> String {
    let begins_with = |form: &str| guest.lines().any(|line| line.starts_with(form));
    if begins_with("(component") || begins_with("(module") {
        return guest.to_owned();
    }
    let check_config = if guest.contains("\"check-config\"") {
        ""
    } else {
        r#"(func (export "check-config") (param i32 i32) (result i32) (i32.const 0))"#
    };
    guest::FRAME.replace(";; GUEST\n", &format!("{guest}\n{check_config}\n"))
}

/// A guest as a component's bytes.
pub(crate) fn bytes(guest: &str) -> Vec<u8> {
    wat::parse_str(text(guest)).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn load(guest: &str, options: PolicyOptions) -> Result<WasmPolicy, LoadError> {
    WasmPolicy::from_bytes(&ENGINE, "guest", &bytes(guest), options)
}

/// A guest that loads, with the default limits.
pub(crate) fn policy(guest: &str) -> WasmPolicy {
    load(guest, PolicyOptions { deadline: DEADLINE, ..PolicyOptions::default() })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Why bytes are no policy.
pub(crate) fn fault(bytes: &[u8]) -> LoadFault {
    let loaded = WasmPolicy::from_bytes(&ENGINE, "guest", bytes, PolicyOptions::default());
    loaded.expect_err("it loads").fault
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
    let authentication = Authentication {
        authid: "joe".to_owned(),
        authrole: "frontend".to_owned(),
        authmethod: "ticket".to_owned(),
        authrealm: "realm1".to_owned(),
        authextra: "{}".to_owned(),
        at: Timestamp::from_millis(1_790_000_000_000),
        succession: None,
    };
    let record = CookieView {
        id: TRACKING_ID,
        public_id: PUBLIC_ID,
        is_new: cookie == Cookie::New,
        created: 1_789_999_000_000,
        last_seen: 1_790_000_000_000,
        max_age: 86_400,
        connections: 1,
        authentication: (cookie == Cookie::Authenticated).then_some(&authentication),
    };
    let headers = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
        ("accept-language", "de-CH,de;q=0.8,en-US;q=0.5,en;q=0.3"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cache-control", "no-cache"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-mode", "websocket"),
        ("sec-fetch-site", "same-origin"),
        ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
    ];
    let connection = ConnectionView {
        id: "c-17",
        peer: "203.0.113.9:52100",
        tls: true,
        host: "chat.example.org",
        path: "/ws",
        origin: Some("https://chat.example.org"),
        subprotocol: "wamp.2.json",
        headers: &headers,
    };
    let hello =
        HelloView { realm: Some("realm1"), authmethods: offered, authid, authrole: None, authextra: "{}" };
    policy.decide(&JoinRequest {
        connection,
        cookie: (cookie != Cookie::Off).then_some(record),
        hello: Some(hello),
        methods,
        roles: &["anonymous", "frontend"],
        now: 1_790_000_000_500,
    })
}

/// An anonymous answer's authid.
pub(crate) fn authid(decision: Result<Decision, PolicyError>) -> String {
    match decision {
        Ok(Decision::Anonymous(identity)) => identity.authid.expect("an authid"),
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
