//! The table, row by row, without a component around it.

use super::decide;
use crate::{
    config::{Config, TrackedAuthid},
    contract::{
        exports::wampgate::authid::policy::{Decision, JoinRequest},
        wampgate::authid::types::{Authentication, Connection, CookieRecord, Hello},
    },
};

/// How the client is tracked.
#[derive(Clone, Copy)]
enum Cookie {
    Off,
    Known,
    Authenticated,
}

fn ask(methods: &[&str], cookie: Cookie, offered: &[&str]) -> String {
    show(decide(Config::default(), &request(methods, cookie, Some(offered))))
}

fn request(methods: &[&str], cookie: Cookie, offered: Option<&[&str]>) -> JoinRequest {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let authentication = matches!(cookie, Cookie::Authenticated).then(|| Authentication {
        authid: "joe".into(),
        authrole: "frontend".into(),
        authmethod: "ticket".into(),
        authrealm: "realm1".into(),
        authextra: "{}".into(),
        at: 1,
    });
    let record = CookieRecord {
        id: "the-id".into(),
        public_id: "the-public-id".into(),
        is_new: false,
        created: 0,
        last_seen: 1,
        max_age: 60,
        connections: 1,
        authentication,
    };
    JoinRequest {
        connection: Connection {
            id: "1".into(),
            peer: "unix".into(),
            tls: false,
            host: String::new(),
            path: "/ws".into(),
            origin: None,
            subprotocol: "wamp.2.json".into(),
            headers: Vec::new(),
        },
        cookie: (!matches!(cookie, Cookie::Off)).then_some(record),
        hello: offered.map(|offered| Hello {
            realm: Some("realm1".into()),
            authmethods: owned(offered),
            authid: None,
            authrole: None,
            authextra: "{}".into(),
        }),
        methods: owned(methods),
        roles: Vec::new(),
        now: 2,
    }
}

fn show(decision: Decision) -> String {
    match decision {
        Decision::Anonymous(identity) => format!("anonymous {}", identity.authid.unwrap_or_default()),
        Decision::None => "none".into(),
        Decision::Defer(method) => format!("defer {method}"),
        Decision::Deny(denial) => denial.reason,
    }
}

#[test]
fn without_authentication_the_cookie_is_the_name() {
    for methods in [&[][..], &["anonymous"]] {
        for offered in [&[][..], &["anonymous"], &["ticket", "anonymous"]] {
            assert_eq!(ask(methods, Cookie::Known, offered), "anonymous the-id");
            assert_eq!(ask(methods, Cookie::Off, offered), "none");
        }
    }
}

#[test]
fn the_operator_may_choose_the_public_id_instead() {
    let config = Config { authid: TrackedAuthid::PublicId };
    let decision = decide(config, &request(&[], Cookie::Known, None));
    assert_eq!(show(decision), "anonymous the-public-id");
}

#[test]
fn further_methods_go_by_the_order_of_the_client() {
    let methods = ["wampcra", "anonymous", "ticket"];
    for cookie in [Cookie::Off, Cookie::Known] {
        assert_eq!(ask(&methods, cookie, &["ticket", "wampcra"]), "defer ticket");
        assert_eq!(ask(&methods, cookie, &["scram", "wampcra", "ticket"]), "defer wampcra");
        assert_eq!(ask(&methods, cookie, &["ticket", "anonymous"]), "defer ticket");
    }
    assert_eq!(ask(&methods, Cookie::Known, &["anonymous", "ticket"]), "anonymous the-public-id");
    assert_eq!(ask(&methods, Cookie::Off, &["anonymous", "ticket"]), "none");
}

#[test]
fn a_client_that_offers_nothing_comes_as_anonymous() {
    assert_eq!(ask(&["ticket", "anonymous"], Cookie::Known, &[]), "anonymous the-public-id");
    assert_eq!(ask(&["ticket", "anonymous"], Cookie::Off, &[]), "none");
    assert_eq!(ask(&["ticket"], Cookie::Known, &[]), "wamp.error.no_auth_method");
}

#[test]
fn a_remembered_login_counts_only_where_configured_and_offered() {
    let methods = ["ticket", "cookie"];
    assert_eq!(ask(&methods, Cookie::Authenticated, &["ticket", "cookie"]), "defer cookie");
    assert_eq!(ask(&methods, Cookie::Authenticated, &["ticket"]), "defer ticket");
    assert_eq!(ask(&methods, Cookie::Known, &["cookie", "ticket"]), "defer ticket");
    assert_eq!(ask(&["ticket"], Cookie::Authenticated, &["cookie", "ticket"]), "defer ticket");
}

#[test]
fn nothing_that_fits_is_a_denial() {
    for cookie in [Cookie::Off, Cookie::Known] {
        for (methods, offered) in [
            (&[][..], &["ticket"][..]),
            (&["anonymous"], &["ticket", "cookie"]),
            (&["ticket"], &["wampcra"]),
            (&["ticket"], &["anonymous"]),
            (&["cookie"], &["cookie"]),
        ] {
            assert_eq!(ask(methods, cookie, offered), "wamp.error.no_auth_method");
        }
    }
}
