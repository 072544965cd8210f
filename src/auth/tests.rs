//! What several tests of authentication need, and the tests of methods through the front door.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
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

pub(super) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(super) fn tracked() -> Tracked {
    let id = TrackingId::parse(ID).unwrap();
    let mut presence = Arc::new(Connections::default()).enter(&id);
    let connections = presence.count();
    Tracked {
        id,
        public_id: Arc::from(PUBLIC),
        record: CookieRecord::new(NOW, MaxAge::DEFAULT),
        is_new: true,
        is_exclusive: true,
        connections,
        is_successor: false,
        set_cookie: None,
        presence,
        family: None,
    }
}

pub(super) fn hello(authmethods: &[&str], authid: Option<&str>) -> HelloDetails {
    HelloDetails {
        authmethods: authmethods.iter().map(|&name| name.to_owned()).collect(),
        authid: authid.map(str::to_owned),
        ..HelloDetails::default()
    }
}

pub(super) fn anonymous(role: &str) -> AuthOptions {
    AuthOptions { anonymous: Some(AnonymousOptions { role: name(role) }), ..AuthOptions::default() }
}

/// `joe` may join anywhere, `ann` only `home`.
pub(super) fn ticket() -> AuthOptions {
    let principal = |ticket: &str, role: &str, realm| TicketPrincipal {
        ticket: Secret::new(ticket.to_owned()),
        role: name(role),
        realm,
    };
    let principals = BTreeMap::from([
        (name("joe"), principal("secret!!!", "frontend", None)),
        (name("ann"), principal("hidden", "backend", Some(uri("home")))),
        (name("nil"), principal("", "frontend", None)),
    ]);
    AuthOptions { ticket: Some(TicketOptions { principals, file: None }), ..AuthOptions::default() }
}

/// Every method, with `joe` in each: `secret!!!` where a secret is shared, keys of 77s for SCRAM.
pub(super) fn every_method() -> AuthOptions {
    let key = || SecretKey([77; 32]);
    let role = || name("frontend");
    let cra =
        WampCraPrincipal { key: Secret::new("secret!!!".into()), salting: None, role: role(), realm: None };
    let kdf = Kdf::Pbkdf2 { iterations: 4096 };
    let scram = ScramPrincipal {
        kdf,
        salt: vec![1; 16],
        stored_key: key(),
        server_key: key(),
        role: role(),
        realm: None,
    };
    let cryptosign = CryptosignPrincipal { keys: vec![[1; 32]], role: role(), realm: None };
    let joe = || name("joe");
    AuthOptions {
        wampcra: Some(WampCraOptions { principals: BTreeMap::from([(joe(), cra)]), file: None }),
        scram: Some(ScramOptions { principals: BTreeMap::from([(joe(), scram)]), file: None }),
        cryptosign: Some(CryptosignOptions { principals: BTreeMap::from([(joe(), cryptosign)]), file: None }),
        cookie: Some(CookieAuthOptions::default()),
        ..ticket()
    }
}

/// An applicant together with what it borrows.
pub(super) struct Scene {
    pub(super) config: Option<AuthOptions>,
    pub(super) realm: Uri,
    pub(super) hello: HelloDetails,
    pub(super) tracked: Option<Tracked>,
    pub(super) key: PublicIdKey,
    pub(super) stand_ins: StandIns,
    pub(super) token: Option<String>,
    pub(super) tls_exporter: Option<[u8; 32]>,
}

impl Scene {
    /// A client of `realm1`, untracked.
    pub(super) fn new(config: Option<AuthOptions>, hello: HelloDetails) -> Self {
        let key = PublicIdKey::random().unwrap();
        let stand_ins = StandIns::new(config.as_ref(), &key);
        Self {
            config,
            realm: uri("realm1"),
            hello,
            tracked: None,
            key,
            stand_ins,
            token: None,
            tls_exporter: None,
        }
    }

    pub(super) fn applicant(&self) -> Applicant<'_> {
        let place = Standing::of_place(0);
        Applicant {
            place,
            unproved: unproved(place, self.config.as_ref()),
            config: self.config.as_ref(),
            realm: &self.realm,
            hello: &self.hello,
            tracked: self.tracked.as_ref(),
            session: SessionId(3_251_278_072_152_162),
            key: &self.key,
            stand_ins: &self.stand_ins,
            token: self.token.as_deref(),
            tls_exporter: self.tls_exporter,
        }
    }

    pub(super) fn begin(&self, method: Method) -> Result<MethodStep, AuthError> {
        begin(method, &self.applicant(), NOW, &mut rand::rng())
    }

    /// The challenge of a method that has one.
    pub(super) fn challenge(&self, method: Method) -> (Map<String, Value>, Pending) {
        match self.begin(method).unwrap() {
            MethodStep::Challenge { method: named, extra, pending } => {
                assert_eq!(named, method.name());
                (extra, pending)
            }
            MethodStep::Done(principal) => panic!("{principal:?} without a challenge"),
        }
    }
}

/// Runs `ticket` for an authid in a realm, answering with a ticket after some seconds.
fn run(authid: &str, realm: &str, answer: &str, seconds: u64) -> Result<Principal, AuthError> {
    let scene = Scene { realm: uri(realm), ..Scene::new(Some(ticket()), hello(&["ticket"], Some(authid))) };
    let (extra, pending) = scene.challenge(Method::Ticket);
    assert!(extra.is_empty(), "the challenge is the same for all clients");
    pending.finish(answer, &Dictionary::default(), NOW.plus_seconds(seconds))
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
    let refused = Err(AuthError::Credentials("ticket"));
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
        // `nil` stands next to these in order, and its ticket is empty.
        ("kim", ""),
        ("zoe", "hidden"),
    ] {
        assert_eq!(run(authid, "realm1", answer, 1), refused, "{authid} {answer}");
    }
}

#[test]
fn a_principal_joins_its_own_realm_only_and_only_its_ticket_tells() {
    assert_eq!(run("ann", "home", "hidden", 1).unwrap().realm, uri("home"));
    assert_eq!(run("ann", "realm1", "hidden", 1), Err(AuthError::OtherRealm));
    assert_eq!(run("ann", "realm1", "wrong", 1), Err(AuthError::Credentials("ticket")));
}

#[test]
fn an_answer_counts_for_30_seconds() {
    assert!(run("joe", "realm1", "secret!!!", 29).is_ok());
    assert_eq!(run("joe", "realm1", "secret!!!", 30), Err(AuthError::TooLate));
}

#[test]
fn methods_with_names_need_an_authid() {
    for method in [Method::Ticket, Method::WampCra, Method::Scram, Method::WampScram] {
        let refused =
            Scene::new(Some(every_method()), hello(&[method.name()], None)).begin(method).unwrap_err();
        assert_eq!(refused, AuthError::Missing(method.name(), "authid"));
    }
}

#[test]
fn a_method_that_is_not_configured_does_not_begin() {
    for config in [None, Some(anonymous("guest"))] {
        for method in Method::ALL {
            let scene = Scene::new(config.clone(), hello(&[method.name()], Some("joe")));
            assert_eq!(scene.begin(method).unwrap_err(), AuthError::NotConfigured(method.name().into()));
        }
    }
}

#[test]
fn a_method_without_principals_lets_nobody_in() {
    let mut config = every_method();
    config.ticket.as_mut().unwrap().principals.clear();
    config.wampcra.as_mut().unwrap().principals.clear();
    config.scram.as_mut().unwrap().principals.clear();
    config.cryptosign.as_mut().unwrap().principals.clear();
    let mut hello = hello(&[], Some("joe"));
    hello.authextra.insert("nonce", "egVDf3DMJh0=");
    hello.authextra.insert("pubkey", "00".repeat(32));
    let scene = Scene::new(Some(config), hello);
    for method in Method::ALL.into_iter().filter(|method| *method != Method::Cookie) {
        assert_eq!(scene.begin(method).unwrap_err(), AuthError::Credentials(method.name()));
    }
}

#[test]
fn a_principal_is_admitted_only_with_a_role_of_the_realm() {
    let principal = run("joe", "realm1", "secret!!!", 1).unwrap();
    let refused = principal.clone().admit(None, |_| false);
    assert_eq!(refused, Err(AuthError::NoSuchRole(name("frontend"))));
    let identity = principal.admit(None, |role| role == "frontend").unwrap();
    assert_eq!((identity.authid.own(), identity.authid.public()), ("joe", "joe"));
    assert_eq!((identity.authmethod, identity.authprovider), ("ticket", "static"));
}

#[test]
fn configured_methods_are_listed_for_the_policy() {
    let listed = |config: Option<&AuthOptions>| configured(config).collect::<Vec<_>>();
    assert!(listed(None).is_empty());
    assert!(listed(Some(&AuthOptions::default())).is_empty());
    assert_eq!(listed(Some(&anonymous("guest"))), ["anonymous"]);
    let both = AuthOptions { anonymous: anonymous("guest").anonymous, ..ticket() };
    assert_eq!(listed(Some(&both)), ["anonymous", "ticket"]);
    let every = listed(Some(&every_method()));
    assert_eq!(every, ["cookie", "cryptosign", "wamp-scram", "scram", "wampcra", "ticket"]);
    assert!(every.iter().all(|name| Method::parse(name).is_some_and(|method| method.name() == *name)));
}

#[test]
fn debug_shows_no_secret() {
    let mut hello = hello(&[], Some("joe"));
    hello.authextra.insert("nonce", "egVDf3DMJh0=");
    hello.authextra.insert("pubkey", "00".repeat(32));
    let scene = Scene::new(Some(every_method()), hello);
    let digest = format!("{:?}", <[u8; 32]>::from(<sha2::Sha256 as sha2::Digest>::digest("secret!!!")));
    let key = format!("{:?}", [77_u8; 32]);
    let steps = Method::ALL.into_iter().filter(|method| *method != Method::Cookie);
    for shown in steps
        .map(|method| format!("{:?}", scene.begin(method).unwrap()))
        .chain([format!("{:?}", scene.applicant())])
    {
        for secret in ["secret", &digest, digest.trim_matches(['[', ']']), key.trim_matches(['[', ']'])] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
