//! Questions that every authorizer must survive, whatever it answers.

use serde_json::{Map, Value, json};

use crate::{
    policy::authorization::{Action, AuthorizationQuestion, Matching, Session},
    testkit::generic::{LONG, ODD, nested},
};

/// What a session may want to do, by name.
const ACTIONS: [(&str, Action); 4] = [
    ("call", Action::Call),
    ("register", Action::Register),
    ("publish", Action::Publish),
    ("subscribe", Action::Subscribe),
];
/// The longest URI that an authorizer is asked about, in bytes.
const LONGEST_URI: usize = 1024;

/// Each with its name.
pub(super) fn questions() -> Vec<(String, AuthorizationQuestion)> {
    let mut all = Vec::new();
    for (name, action) in ACTIONS {
        let mut add = |what: &str, question| all.push((format!("{name}, {what}"), question));
        for (what, uri, matching) in uris(action) {
            add(what, AuthorizationQuestion::about(action, &uri).matching(matching));
        }
        for (what, session) in sessions() {
            add(what, AuthorizationQuestion::about(action, "com.example.topic").by(session));
        }
        for (what, options) in options() {
            add(
                what,
                AuthorizationQuestion {
                    options,
                    ..AuthorizationQuestion::about(action, "com.example.topic")
                },
            );
        }
        for (what, now) in [("the smallest time", 0), ("the largest time", u64::MAX)] {
            add(
                what,
                AuthorizationQuestion { now, ..AuthorizationQuestion::about(action, "com.example.topic") },
            );
        }
    }
    all
}

/// URIs, and the patterns of actions that take some.
fn uris(action: Action) -> Vec<(&'static str, String, Matching)> {
    let mut uris = vec![
        ("an empty URI", String::new(), Matching::Exact),
        ("a URI of one sign", "a".to_owned(), Matching::Exact),
        ("the longest URI", "u".repeat(LONGEST_URI), Matching::Exact),
        ("a URI of many components", "a.".repeat(LONGEST_URI / 2 - 1) + "a", Matching::Exact),
        ("a URI with odd Unicode", ODD.to_owned(), Matching::Exact),
        ("a URI of the gateway's own", "wamp.session.list".to_owned(), Matching::Exact),
    ];
    if matches!(action, Action::Register | Action::Subscribe) {
        uris.extend([
            ("every URI by prefix", String::new(), Matching::Prefix),
            ("the longest prefix", "p".repeat(LONGEST_URI), Matching::Prefix),
            ("every URI of two components by wildcard", ".".to_owned(), Matching::Wildcard),
            ("a wildcard of empty components", ".".repeat(LONGEST_URI), Matching::Wildcard),
            ("a wildcard with odd Unicode", format!("{ODD}..{ODD}"), Matching::Wildcard),
        ]);
    }
    uris
}

/// A session, with each of its texts made by this.
fn session(text: impl Fn() -> String, public_id: bool) -> Session {
    Session {
        id: text(),
        realm: text(),
        authid: text(),
        authrole: text(),
        authmethod: text(),
        authprovider: text(),
        public_id: public_id.then(&text),
        connection: text(),
        peer: text(),
    }
}

fn sessions() -> Vec<(&'static str, Session)> {
    let anonymous = Session {
        authid: "KYRP-X5HP-4AEK-LKQT-G3NG-4QGM".to_owned(),
        authrole: "anonymous".to_owned(),
        authmethod: "anonymous".to_owned(),
        authprovider: "anonymous".to_owned(),
        ..Session::default()
    };
    vec![
        ("an anonymous session", anonymous.clone()),
        (
            "an anonymous session with a cookie",
            Session { public_id: Some("test-public-id-0001".to_owned()), ..anonymous },
        ),
        ("a session of empty texts", session(String::new, true)),
        ("a session of empty texts without a cookie", session(String::new, false)),
        ("a session of the longest texts", session(|| "t".repeat(LONGEST_URI), true)),
        ("a session of odd Unicode", session(|| ODD.to_owned(), true)),
        ("a session of dots", session(|| "..".to_owned(), true)),
    ]
}

fn options() -> Vec<(&'static str, Map<String, Value>)> {
    let one = |key: &str, value| Map::from_iter([(key.to_owned(), value)]);
    let many = (0..LONG / 16).map(|number| (format!("option-{number}"), json!(number))).collect();
    vec![
        ("an option of odd Unicode", one(ODD, json!([ODD, 1e300, -1, true, null]))),
        ("a large option", one("x", json!("x".repeat(LONG)))),
        ("many options", many),
        ("nested options", one("nested", nested())),
    ]
}
