//! Questions that every policy must survive, whatever it answers.

use serde_json::{Map, Value, json};

use super::{Certificate, Client, Connection, Cookie, Hello, Login, Request};

/// What a policy may be shown of headers: as many, with as many bytes in all.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;
/// Authentication methods that a client may offer.
const OFFERED: usize = 64;
/// Methods are the operator's, not the client's: there are no others than these.
const METHODS: [&str; 7] = ["anonymous", "ticket", "wampcra", "wamp-scram", "scram", "cryptosign", "cookie"];
/// As long a text as fits into a HELLO several times.
pub(super) const LONG: usize = 8 * 1024;
/// Nesting of `authextra`.
const DEPTH: usize = 64;

/// Characters that trip programs up: controls, marks that turn the direction of text, combining and
/// joined characters, those beyond the basic plane, the last of all, and quotes of several languages.
pub(super) const ODD: &str = "\u{0}\t\r\n\u{1b}[31m\u{7f}\u{feff}\u{202e}e\u{301}👩\u{200d}👩\u{200d}👧ß𝒳\u{10ffff}\u{fffd}'\"\\`${x}%s";

/// A ticket such as no operator gives out, longer than any that one does.
pub(super) fn ticket() -> String {
    ODD.repeat(LONG / ODD.len())
}

/// Each with its name.
pub(super) fn requests() -> Vec<(&'static str, Request)> {
    vec![
        ("no cookie", Request::new()),
        ("no HELLO", Request::new().cookie(Cookie::default()).without_hello()),
        ("no cookie and no HELLO", Request::new().without_hello()),
        ("a first visit", Request::new().first_visit()),
        ("a returning visitor", Request::new().cookie(Cookie::default())),
        ("a login on the record", with_methods(Request::new().logged_in(Login::default()))),
        ("empty lists and texts", empty()),
        ("the largest lists", largest_lists()),
        ("the longest texts", longest_texts()),
        ("odd Unicode", odd()),
        ("nested authextra", nested_authextra()),
        ("an expired record", at(1, 1, 1)),
        ("a record from the future", at(u64::from(u32::MAX) * 1000, u64::from(u32::MAX) * 1000, 60)),
        ("last seen before it was created", at(1_790_000_000_000, 0, 60)),
        ("asked before it was created", at(1_790_000_000_000, 1_790_000_000_000, 60).now(1)),
        ("the smallest numbers", at(0, 0, 1).now(0)),
        ("the largest numbers", at(u64::MAX, u64::MAX, 315_360_000).now(u64::MAX)),
        ("repeated headers", repeated_headers()),
        ("unknown methods", Request::new().offers(["", "unknown", ODD]).methods(["ticket"])),
    ]
}

/// The same clients where the policy chooses among these upstreams, and odd ones.
pub(super) fn routing(upstreams: &[String]) -> Vec<(String, Request)> {
    let odd_client = |text: &str| Client {
        authid: text.to_owned(),
        authrole: text.to_owned(),
        authmethod: text.to_owned(),
        authprovider: text.to_owned(),
        realm: text.to_owned(),
    };
    let clients = [
        ("an upstream for an odd client", odd_client(ODD)),
        ("an upstream for a client with empty names", odd_client("")),
    ];
    let clients = clients.into_iter().map(|(name, client)| (name.to_owned(), Request::new().client(client)));
    let others = requests().into_iter().map(|(name, request)| {
        let Request { connection, cookie, certificate, now, .. } = request;
        let request = Request { connection, cookie, now, certificate, ..Request::new() };
        (format!("an upstream: {name}"), request)
    });
    clients
        .chain(others)
        .map(|(name, request)| (name, request.upstreams(upstreams.iter().cloned())))
        .collect()
}

fn with_methods(request: Request) -> Request {
    request.offers(["cookie", "ticket", "anonymous"]).methods(["anonymous", "ticket", "cookie"])
}

fn empty() -> Request {
    let text = String::new;
    Request {
        connection: Connection {
            id: text(),
            peer: text(),
            tls: false,
            host: text(),
            path: text(),
            origin: Some(text()),
            subprotocol: text(),
            headers: vec![(text(), text())],
        },
        // An ID is never empty: this is the shortest.
        cookie: Some(Cookie { id: "abcdef".to_owned(), connections: 0, ..Cookie::default() }),
        hello: Some(Hello {
            realm: Some(text()),
            authmethods: vec![text()],
            authid: Some(text()),
            authrole: Some(text()),
            authextra: Map::new(),
        }),
        methods: Vec::new(),
        roles: Vec::new(),
        certificate: Some(Certificate { subject: text(), names: vec![text()], sha256: text() }),
        now: 0,
        upstreams: Vec::new(),
        client: None,
    }
}

fn largest_lists() -> Request {
    let value = "v".repeat(HEADER_BYTES / HEADERS - "x-00".len());
    let names = |prefix: &str| (0..OFFERED).map(|n| format!("{prefix}-{n:02}")).collect::<Vec<_>>();
    let mut request = Request::new().cookie(Cookie::default()).offers(names("offered")).methods(METHODS);
    request.roles = names("role");
    request.connection.headers = names("x").into_iter().map(|name| (name, value.clone())).collect();
    request
}

fn longest_texts() -> Request {
    let long = |sign: &str| sign.repeat(LONG / sign.len());
    let authextra = Map::from_iter([(long("k"), json!(long("ä")))]);
    let mut request =
        with_methods(Request::new().logged_in(Login { authid: "j".repeat(255), ..Login::default() }));
    request.hello = Some(Hello {
        realm: Some(long("r")),
        authmethods: vec!["ticket".to_owned(), long("m")],
        authid: Some(long("𝒳")),
        authrole: Some(long("o")),
        authextra,
    });
    request.connection.path = long("/p");
    request
}

fn odd() -> Request {
    let text = || ODD.to_owned();
    let login = Login {
        authid: text(),
        authrole: text(),
        authmethod: text(),
        authrealm: text(),
        authextra: Map::from_iter([(text(), json!(ODD)), ("__proto__".to_owned(), json!({ "x": null }))]),
        at: 0,
    };
    let mut request = with_methods(Request::new().logged_in(login));
    request.connection.host = text();
    request.connection.origin = Some(text());
    request.connection.headers = vec![("user-agent".to_owned(), text())];
    request.hello = Some(Hello {
        realm: Some(text()),
        authmethods: vec![text(), "ticket".to_owned()],
        authid: Some(text()),
        authrole: Some(text()),
        authextra: Map::from_iter([(text(), json!([ODD, 1e300, -1, true, null]))]),
    });
    request
}

/// A value that is nested as deeply as no program expects.
pub(super) fn nested() -> Value {
    (0..DEPTH)
        .fold(Value::Null, |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({ "a": inner }) })
}

fn nested_authextra() -> Request {
    let authextra = Map::from_iter([("nested".to_owned(), nested())]);
    Request::new().cookie(Cookie::default()).hello(Hello { authextra, ..Hello::default() })
}

fn at(created: u64, last_seen: u64, max_age: u32) -> Request {
    let login = Login { at: created, ..Login::default() };
    let connections = if max_age > 60 { u32::MAX } else { 1 };
    with_methods(Request::new().cookie(Cookie {
        created,
        last_seen,
        max_age,
        connections,
        authentication: Some(login),
        ..Cookie::default()
    }))
}

fn repeated_headers() -> Request {
    ["203.0.113.9", "198.51.100.7, 192.0.2.1", ""]
        .iter()
        .fold(Request::new(), |request, value| request.header("x-forwarded-for", value))
}
