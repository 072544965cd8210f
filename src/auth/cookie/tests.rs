//! Whether a stored principal stands, against changing configurations.

use std::{sync::Arc, time::Duration};

use serde_json::Map;

use super::*;
use crate::auth::{
    MethodStep,
    tests::{NOW, Scene, every_method, hello, ticket, tracked, uri},
};

fn stored(authid: &str, method: &str, realm: &str) -> Authentication {
    Authentication {
        authid: authid.to_owned(),
        authrole: "as it was".to_owned(),
        authmethod: method.to_owned(),
        authrealm: realm.to_owned(),
        authextra: r#"{"a":1}"#.to_owned(),
        at: NOW,
        succession: None,
    }
}

/// A client with `stored` on its cookie, in `realm1`.
fn scene(config: AuthOptions, stored: Option<Authentication>) -> Scene {
    let mut tracked = tracked();
    tracked.record.authentication = stored.map(Arc::new);
    // What HELLO says about the client does not count.
    Scene { tracked: Some(tracked), ..Scene::new(Some(config), hello(&["cookie"], Some("another one"))) }
}

fn run(scene: &Scene) -> Result<Principal, AuthError> {
    match scene.begin(Method::Cookie)? {
        MethodStep::Done(principal) => Ok(principal),
        step @ MethodStep::Challenge { .. } => panic!("{step:?}"),
    }
}

fn options(options: CookieAuthOptions) -> AuthOptions {
    AuthOptions { cookie: Some(options), ..every_method() }
}

#[test]
fn an_authenticated_cookie_stands_for_its_principal_with_the_role_that_is_configured_now() {
    for method in ["ticket", "wampcra", "scram", "wamp-scram", "cryptosign"] {
        let principal = run(&scene(every_method(), Some(stored("joe", method, "realm1")))).unwrap();
        assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
        assert_eq!((principal.authmethod, principal.authprovider), (method, "cookie"));
        assert_eq!(principal.realm, uri("realm1"));
        assert_eq!(principal.authextra.unwrap()["a"], 1);
    }
}

#[test]
fn a_cookie_without_authentication_stands_for_nobody() {
    let refused = Err(AuthError::Stale(StaleLogin::NoLogin));
    assert_eq!(run(&scene(every_method(), None)), refused);
    assert_eq!(run(&Scene { tracked: None, ..scene(every_method(), None) }), refused);
}

#[test]
fn what_the_configuration_no_longer_has_does_not_stand() {
    let only_cookie = AuthOptions { cookie: Some(CookieAuthOptions::default()), ..AuthOptions::default() };
    let moved = AuthOptions { cookie: Some(CookieAuthOptions::default()), ..ticket() };
    for (config, stored) in [
        (every_method(), stored("removed", "ticket", "realm1")),
        (only_cookie, stored("joe", "ticket", "realm1")),
        (every_method(), stored("joe", "anonymous", "realm1")),
        (every_method(), stored("joe", "cookie", "realm1")),
        (every_method(), stored("joe", "bogus", "realm1")),
        // `ann` belongs to `home` only.
        (moved, stored("ann", "ticket", "realm1")),
    ] {
        let refused = run(&scene(config, Some(stored.clone())));
        assert_eq!(refused, Err(AuthError::Stale(StaleLogin::Removed)), "{stored:?}");
    }
}

#[test]
fn a_cookie_of_another_realm_is_not_moved_and_keeps_its_authentication() {
    let refused = run(&scene(every_method(), Some(stored("joe", "ticket", "other")))).unwrap_err();
    assert_eq!(refused, AuthError::Stale(StaleLogin::OtherRealm));
    assert!(!refused.ends_stored_authentication(Method::Cookie));
}

#[test]
fn an_authentication_ends_with_its_age_and_a_client_that_is_connected_is_not_absent() {
    let minute = Some(Duration::from_mins(1));
    let aged = CookieAuthOptions { max_age: minute, ..CookieAuthOptions::default() };
    let idle = CookieAuthOptions { idle_timeout: minute, ..CookieAuthOptions::default() };
    let at = |seconds: u64| Timestamp::from_millis(NOW.as_millis() - seconds * 1000);
    for (options_of, at_of, seen, stands) in [
        (aged, at(59), at(0), true),
        (aged, at(60), at(0), false),
        (idle, at(3600), at(60), true),
        (CookieAuthOptions::default(), at(3600), at(3600), true),
    ] {
        let stored = Authentication { at: at_of, ..stored("joe", "ticket", "realm1") };
        let mut scene = scene(options(options_of), Some(stored));
        scene.tracked.as_mut().unwrap().record.last_seen = seen;
        let outcome = run(&scene).map(|_| ());
        let expected = if stands { Ok(()) } else { Err(AuthError::Stale(StaleLogin::Expired)) };
        assert_eq!(outcome, expected, "{options_of:?}");
    }
}

/// How a principal joins.
fn joined(principal: Principal) -> Identity {
    principal.admit(None, |_| true).unwrap()
}

#[test]
fn who_has_verified_something_is_remembered_and_who_was_remembered_is_not_renewed() {
    let from_record = joined(run(&scene(every_method(), Some(stored("joe", "ticket", "realm1")))).unwrap());
    assert_eq!(remembered(&from_record, "realm1", NOW), None);
    let verified = Identity { authprovider: "static", ..from_record };
    let expected = Authentication { authrole: "frontend".to_owned(), ..stored("joe", "ticket", "realm1") };
    assert_eq!(remembered(&verified, "realm1", NOW), Some(expected));
    let anonymous = Identity { authmethod: "anonymous", ..verified };
    assert_eq!(remembered(&anonymous, "realm1", NOW), None);
}

#[test]
fn a_scram_verifier_is_not_remembered() {
    let verifier = Map::from_iter([("verifier".to_owned(), "v=abc".into())]);
    for method in ["scram", "wamp-scram"] {
        let principal = run(&scene(every_method(), Some(stored("joe", method, "realm1")))).unwrap();
        let verified =
            Identity { authprovider: "static", authextra: Some(verifier.clone()), ..joined(principal) };
        assert_eq!(remembered(&verified, "realm1", NOW).unwrap().authextra, "{}");
    }
}
