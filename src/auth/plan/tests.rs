//! The decision table, row by row, with decisions made by hand.

use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{
        AuthOptions,
        tests::{ID, PUBLIC, Scene, anonymous, hello, name, ticket, tracked, uri},
    },
    policy::Denial,
};

const ROLES: [&str; 3] = ["anonymous", "guest", "frontend"];

/// Plans for a client of a realm with `ROLES`.
fn planned(options: Option<&AuthOptions>, is_tracked: bool, decision: Decision) -> Result<Plan, AuthError> {
    let tracked = is_tracked.then(tracked);
    let scene = Scene { tracked, ..Scene::new(options.cloned(), hello(&[], None)) };
    plan(decision, &scene.applicant(), |role| ROLES.contains(&role), &mut rand::rng())
}

fn as_named(authid: &str) -> Decision {
    Decision::Anonymous(AnonymousIdentity { authid: Some(name(authid)), ..AnonymousIdentity::default() })
}

fn with_role(role: &str) -> Decision {
    Decision::Anonymous(AnonymousIdentity { authrole: Some(name(role)), ..AnonymousIdentity::default() })
}

/// The identity of a plan to join; own authid, public authid, role.
fn joined(plan: Result<Plan, AuthError>) -> (String, String, String) {
    match plan {
        Ok(Plan::Join(identity)) => {
            assert_eq!((identity.authmethod, identity.authprovider), ("anonymous", "static"));
            let Identity { authid, authrole, .. } = identity;
            (authid.own().to_owned(), authid.public().to_owned(), authrole.to_string())
        }
        other => panic!("{other:?}"),
    }
}

fn is_random(authid: &str) -> bool {
    authid.len() == 29 && authid.split('-').count() == 6
}

#[test]
fn the_cookie_id_as_authid_is_told_to_its_own_client_only() {
    for options in [None, Some(&anonymous("guest"))] {
        let role = if options.is_some() { "guest" } else { "anonymous" };
        let (own, public, authrole) = joined(planned(options, true, as_named(ID)));
        assert_eq!((&*own, &*public, &*authrole), (ID, PUBLIC, role));
    }
}

#[test]
fn the_public_id_and_any_other_name_are_open() {
    for name in [PUBLIC, "joe", "x"] {
        let (own, public, _) = joined(planned(None, true, as_named(name)));
        assert_eq!((&*own, &*public), (name, name));
    }
    // Without tracking there is no credential to protect, whatever the name looks like.
    let (own, public, _) = joined(planned(None, false, as_named(ID)));
    assert_eq!((&*own, &*public), (ID, ID));
}

#[test]
fn none_gets_a_random_authid_each_time() {
    for (options, is_tracked) in [(None, true), (None, false), (Some(&anonymous("guest")), false)] {
        let one = joined(planned(options, is_tracked, Decision::None));
        let other = joined(planned(options, is_tracked, Decision::None));
        assert!(is_random(&one.0) && one.0 == one.1 && one.0 != other.0, "{one:?} {other:?}");
    }
    let unnamed = Decision::Anonymous(AnonymousIdentity::default());
    assert!(is_random(&joined(planned(None, true, unnamed)).0));
}

#[test]
fn a_deferred_method_runs() {
    let defer = Decision::Defer("ticket".to_owned());
    assert_eq!(
        planned(Some(&ticket()), true, defer),
        Ok(Plan::Run { method: Method::Ticket, authrole: None })
    );
    let bogus = Decision::Defer("bogus".to_owned());
    assert_eq!(planned(Some(&ticket()), true, bogus), Err(AuthError::NotConfigured("bogus".to_owned())));
}

#[test]
fn deferring_to_anonymous_joins_under_a_random_authid() {
    let defer = Decision::Defer("anonymous".to_owned());
    let (own, _, role) = joined(planned(Some(&anonymous("guest")), true, defer));
    assert!(is_random(&own) && role == "guest", "{own} {role}");
}

#[test]
fn a_role_must_exist_on_the_realm() {
    assert_eq!(joined(planned(None, true, with_role("frontend"))).2, "frontend");
    let missing = |role: &str| Err(AuthError::NoSuchRole(name(role)));
    assert_eq!(planned(None, true, with_role("admin")), missing("admin"));
    // The configuration's own, which a policy that assigns none does not know.
    assert_eq!(planned(Some(&anonymous("visitors")), true, Decision::None), missing("visitors"));
}

#[test]
fn the_policys_extra_is_handed_on() {
    let Value::Object(extra) = json!({"a": [1]}) else { panic!("an extra is an object") };
    let decision = Decision::Anonymous(AnonymousIdentity {
        authextra: Some(extra.clone()),
        ..AnonymousIdentity::default()
    });
    let Ok(Plan::Join(identity)) = planned(None, true, decision) else { panic!("refused") };
    assert_eq!(identity.authextra, Some(extra));
}

#[test]
fn a_denial_refuses_in_the_policys_words() {
    let denial = Denial { reason: uri("com.example.closed"), message: "after hours".into() };
    assert_eq!(planned(None, true, Decision::Deny(denial.clone())), Err(AuthError::Denied(denial)));
}

#[test]
fn a_role_that_the_policy_gives_goes_with_the_method() {
    let staff = || Name::known("guest");
    let defer = Decision::DeferAs { method: "ticket".to_owned(), authrole: staff() };
    let run = Plan::Run { method: Method::Ticket, authrole: Some(staff()) };
    assert_eq!(planned(Some(&ticket()), true, defer), Ok(run));
    let bogus = Decision::DeferAs { method: "bogus".to_owned(), authrole: staff() };
    assert_eq!(planned(Some(&ticket()), true, bogus), Err(AuthError::NotConfigured("bogus".to_owned())));
    let anonymous = Decision::DeferAs { method: "anonymous".to_owned(), authrole: staff() };
    let Ok(Plan::Join(identity)) = planned(Some(&ticket()), true, anonymous) else { panic!() };
    assert_eq!((&*identity.authrole, identity.authmethod), ("guest", ANONYMOUS));
}
