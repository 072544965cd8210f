//! What several tests of authentication need, and the tests of methods through the front door.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    config::{AnonymousConfig, Secret, TicketConfig, TicketPrincipal},
    cookie::{MaxAge, TrackingId},
    store::CookieRecord,
    tracking::Connections,
};

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(super) const ID: &str = "ynxeF9djpFhvdtla3T-sM_2N";
pub(super) const PUBLIC: &str = "public-of-record";

pub(super) fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap()
}

pub(super) fn tracked() -> Tracked {
    let id = TrackingId::parse(ID).unwrap();
    let (presence, connections) = Arc::new(Connections::default()).enter(&id);
    Tracked {
        id,
        public_id: Arc::from(PUBLIC),
        record: CookieRecord::new(NOW, MaxAge::DEFAULT),
        is_new: true,
        connections,
        set_cookie: None,
        presence,
    }
}

pub(super) fn hello(authmethods: &[&str], authid: Option<&str>) -> HelloDetails {
    HelloDetails {
        authmethods: authmethods.iter().map(|&name| name.to_owned()).collect(),
        authid: authid.map(str::to_owned),
        ..HelloDetails::default()
    }
}

pub(super) fn anonymous(role: &str) -> AuthConfig {
    AuthConfig { anonymous: Some(AnonymousConfig { role: role.to_owned() }), ..AuthConfig::default() }
}

/// `joe` may join anywhere, `ann` only `home`.
pub(super) fn ticket() -> AuthConfig {
    let principal = |ticket: &str, role: &str, realm| TicketPrincipal {
        ticket: Secret::new(ticket.to_owned()),
        role: role.to_owned(),
        realm,
    };
    let principals = BTreeMap::from([
        ("joe".to_owned(), principal("secret!!!", "frontend", None)),
        ("ann".to_owned(), principal("hidden", "backend", Some(uri("home")))),
        ("nil".to_owned(), principal("", "frontend", None)),
    ]);
    AuthConfig { ticket: Some(TicketConfig { principals }), ..AuthConfig::default() }
}

/// Runs `ticket` for an authid in a realm, answering with a ticket after some seconds.
fn run(authid: &str, realm: &str, answer: &str, seconds: u64) -> Result<Principal, Refusal> {
    let (config, hello, realm) = (ticket(), hello(&["ticket"], Some(authid)), uri(realm));
    let applicant = Applicant { config: Some(&config), realm: &realm, hello: &hello, tracked: None };
    match begin(Method::Ticket, &applicant, NOW).unwrap() {
        Step::Challenge { method, extra, pending } => {
            assert_eq!((method, extra.len()), ("ticket", 0), "the challenge is the same for everybody");
            pending.finish(answer, &Map::new(), NOW.plus_seconds(seconds))
        }
        Step::Done(principal) => panic!("{principal:?} without a ticket"),
    }
}

#[test]
fn the_right_ticket_makes_the_configured_principal() {
    let principal = run("joe", "realm1", "secret!!!", 1).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
    assert_eq!((principal.authmethod, principal.authprovider), ("ticket", "static"));
    assert_eq!((principal.realm, principal.authextra), (uri("realm1"), None));
}

#[test]
fn an_unknown_principal_and_a_wrong_ticket_are_refused_alike() {
    let refused = Err(Refusal::Credentials("ticket"));
    for (authid, answer) in [
        ("joe", "wrong"),
        ("joe", ""),
        ("joe", "secret!!"),
        ("joe", "secret!!!!"),
        ("joe", "hidden"),
        ("eve", "secret!!!"),
        ("eve", ""),
        ("", ""),
        ("Joe", "secret!!!"),
        // What unknown principals are compared with is no ticket.
        ("eve", "no ticket opens this"),
    ] {
        assert_eq!(run(authid, "realm1", answer, 1), refused, "{authid} {answer}");
    }
}

#[test]
fn a_principal_joins_its_own_realm_only_and_only_its_ticket_tells() {
    assert_eq!(run("ann", "home", "hidden", 1).unwrap().realm, uri("home"));
    assert_eq!(run("ann", "realm1", "hidden", 1), Err(Refusal::OtherRealm));
    assert_eq!(run("ann", "realm1", "wrong", 1), Err(Refusal::Credentials("ticket")));
}

#[test]
fn an_answer_counts_for_30_seconds() {
    assert!(run("joe", "realm1", "secret!!!", 29).is_ok());
    assert_eq!(run("joe", "realm1", "secret!!!", 30), Err(Refusal::TooLate));
}

#[test]
fn a_ticket_needs_an_authid() {
    let (config, hello, realm) = (ticket(), hello(&["ticket"], None), uri("realm1"));
    let applicant = Applicant { config: Some(&config), realm: &realm, hello: &hello, tracked: None };
    let refused = begin(Method::Ticket, &applicant, NOW).unwrap_err();
    assert_eq!(refused, Refusal::AuthidMissing("ticket"));
}

#[test]
fn a_method_that_is_not_configured_does_not_begin() {
    let (hello, realm) = (hello(&["ticket"], Some("joe")), uri("realm1"));
    for config in [None, Some(&anonymous("guest"))] {
        let applicant = Applicant { config, realm: &realm, hello: &hello, tracked: None };
        let refused = begin(Method::Ticket, &applicant, NOW).unwrap_err();
        assert_eq!(refused, Refusal::NotConfigured("ticket".into()));
    }
}

#[test]
fn a_principal_is_admitted_only_with_a_role_of_the_realm() {
    let principal = run("joe", "realm1", "secret!!!", 1).unwrap();
    let refused = principal.clone().admit(|_| false);
    assert_eq!(refused, Err(Refusal::NoSuchRole("frontend".into())));
    let identity = principal.admit(|role| role == "frontend").unwrap();
    assert_eq!((identity.authid.own(), identity.authid.public()), ("joe", "joe"));
    assert_eq!((identity.authmethod, identity.authprovider), ("ticket", "static"));
}

#[test]
fn configured_methods_are_listed_for_the_policy() {
    let listed = |config: Option<&AuthConfig>| configured(config).collect::<Vec<_>>();
    assert!(listed(None).is_empty());
    assert!(listed(Some(&AuthConfig::default())).is_empty());
    assert_eq!(listed(Some(&anonymous("guest"))), ["anonymous"]);
    let both = AuthConfig { anonymous: anonymous("guest").anonymous, ..ticket() };
    assert_eq!(listed(Some(&both)), ["anonymous", "ticket"]);
}

#[test]
fn debug_shows_no_ticket() {
    let (config, hello, realm) = (ticket(), hello(&["ticket"], Some("joe")), uri("realm1"));
    let applicant = Applicant { config: Some(&config), realm: &realm, hello: &hello, tracked: None };
    let step = begin(Method::Ticket, &applicant, NOW).unwrap();
    let digest = format!("{:?}", <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest("secret!!!")));
    for shown in [format!("{step:?}"), format!("{applicant:?}")] {
        assert!(!shown.contains("secret") && !shown.contains(&digest), "{shown}");
    }
}
