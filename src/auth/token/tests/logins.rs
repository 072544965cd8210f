//! From a token to a principal: by a challenge, by the handshake, and by a cookie that remembers it.

use super::*;
use crate::{
    auth::{
        AuthError, AuthOptions, Method, MethodStep, Principal, StaleLogin, cookie,
        tests::{Scene, hello, name, tracked, uri},
    },
    identity::Lease,
    store::Authentication,
};

/// Runs `ticket` in `realm1` for a client that claims an authid, if it does.
fn run(options: TokenOptions, claimed: Option<&str>, payload: &str) -> Result<Principal, AuthError> {
    let config = AuthOptions { token: Some(Arc::new(options)), ..AuthOptions::default() };
    let scene = Scene::new(Some(config), hello(&["ticket"], claimed));
    let (extra, pending) = scene.challenge(Method::Ticket);
    assert!(extra.is_empty());
    pending.finish(&signed(payload), &crate::wamp::Dictionary::default(), NOW)
}

#[test]
fn a_token_names_its_principal() {
    let principal = run(shared(), None, &claims().to_string()).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
    assert_eq!((principal.authmethod, principal.authprovider), ("ticket", "jwt"));
    assert_eq!(principal.authextra, Some(Map::from_iter([("exp".to_owned(), (NOW_SECONDS + 60).into())])));
    assert_eq!(principal.lease, Lease::default());
    assert!(run(shared(), Some("joe"), &claims().to_string()).is_ok());
    for (claimed, changes, expected) in [
        (Some("ann"), json!({}), TokenError::OtherAuthId),
        (None, json!({ "sub": null }), TokenError::NoAuthId),
        (None, json!({ "sub": 7 }), TokenError::Text),
        (None, json!({ "sub": "a\u{202e}b" }), TokenError::Text),
        (None, json!({ "sub": "" }), TokenError::Text),
        (None, json!({ "role": null }), TokenError::NoRole),
        (None, json!({ "role": ["frontend"] }), TokenError::Text),
    ] {
        assert_eq!(run(shared(), claimed, &with(&changes)), Err(expected.into()), "{changes}");
    }
}

#[test]
fn the_configuration_says_which_claims_count() {
    let claims = ClaimNames {
        authid: "email".to_owned(),
        role: "group".to_owned(),
        realm: Some("home".to_owned()),
        extra: vec!["name".to_owned(), "absent".to_owned()],
    };
    let options = || TokenOptions {
        claims: claims.clone(),
        role: Some(name("guest")),
        end_at_expiry: true,
        ..shared()
    };
    let payload = json!({ "email": "joe@example.com", "home": "realm1", "name": { "first": "Joe" } });
    let principal = run(options(), None, &with(&payload)).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe@example.com", "guest"));
    assert_eq!(principal.authextra.unwrap()["name"], json!({ "first": "Joe" }));
    assert_eq!(principal.lease.until, Some(NOW.plus_seconds(60)));
    let other = json!({ "email": "joe@example.com", "home": "realm2" });
    assert_eq!(run(options(), None, &with(&other)), Err(AuthError::OtherRealm));
    let none = json!({ "email": "joe@example.com" });
    assert_eq!(run(options(), None, &with(&none)), Err(TokenError::NoRealm.into()));
}

#[test]
fn a_token_of_the_handshake_needs_no_challenge() {
    let config = AuthOptions { token: Some(Arc::new(shared())), ..AuthOptions::default() };
    let scene = |token: String| Scene {
        token: Some(token),
        ..Scene::new(Some(config.clone()), hello(&["ticket"], None))
    };
    let Ok(MethodStep::Done(principal)) = scene(signed(&claims().to_string())).begin(Method::Ticket) else {
        panic!("no principal")
    };
    assert_eq!(&*principal.authid, "joe");
    let expired = signed(&with(&json!({ "exp": 1 })));
    assert!(matches!(scene(expired).begin(Method::Ticket), Err(AuthError::Token(TokenError::Expired))));
}

/// What a cookie makes of a login by this token, so many seconds later; and what the policy gave it.
fn by_cookie(options: TokenOptions, given: Option<&str>, later: u64) -> Result<Principal, AuthError> {
    let cookie = crate::auth::CookieAuthOptions::default();
    let config =
        AuthOptions { token: Some(Arc::new(options)), cookie: Some(cookie), ..AuthOptions::default() };
    let first = Scene {
        token: Some(signed(&claims().to_string())),
        ..Scene::new(Some(config.clone()), hello(&["ticket"], None))
    };
    let MethodStep::Done(principal) = first.begin(Method::Ticket).unwrap() else { panic!("a challenge") };
    let identity = principal.admit(given.map(name), |_| true).unwrap();
    let remembered: Authentication = cookie::remembered(&identity, "realm1", NOW).unwrap();
    let mut tracked = tracked();
    tracked.record.authentication = Some(Arc::new(remembered));
    let scene = Scene { tracked: Some(tracked), ..Scene::new(Some(config), hello(&["cookie"], None)) };
    match crate::auth::begin(Method::Cookie, &scene.applicant(), NOW.plus_seconds(later), &mut rand::rng())? {
        MethodStep::Done(principal) => Ok(principal),
        MethodStep::Challenge { .. } => panic!("a challenge"),
    }
}

#[test]
fn a_cookie_remembers_a_token_for_as_long_as_it_holds() {
    let ends = || TokenOptions { end_at_expiry: true, ..shared() };
    let principal = by_cookie(ends(), None, 59).unwrap();
    assert_eq!((&*principal.authid, &*principal.authrole), ("joe", "frontend"));
    assert_eq!(principal.authprovider, "cookie");
    assert_eq!(principal.lease.until, Some(NOW.plus_seconds(60)));
    assert_eq!(by_cookie(shared(), None, 60), Err(StaleLogin::Expired.into()));
    let outlives = TokenOptions { cookie_may_outlive: true, ..ends() };
    assert_eq!(by_cookie(outlives, None, 60).unwrap().lease, Lease::default());
}

#[test]
fn a_role_that_a_policy_gave_does_not_stay_on_the_cookie() {
    assert_eq!(&*by_cookie(shared(), Some("admin"), 1).unwrap().authrole, "frontend");
}

#[test]
fn a_login_that_no_token_has_made_does_not_stand_for_one() {
    let config = shared();
    for (role, extra) in
        [("frontend", "{}"), ("frontend", ""), ("frontend", r#"{"exp":"x"}"#), ("", r#"{"exp":9}"#)]
    {
        assert!(config.remembered(role, extra).is_none(), "{role} {extra}");
    }
    assert_eq!(uri("realm1").as_str(), "realm1");
}
