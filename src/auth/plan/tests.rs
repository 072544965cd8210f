//! The decision table, row by row, with decisions made by hand.

use serde_json::json;

use super::*;
use crate::{
    auth::{
        AuthOptions,
        tests::{ID, PUBLIC, Scene, anonymous, hello, ticket, tracked, uri},
    },
    wamp::Uri,
};

const ROLES: [&str; 3] = ["anonymous", "guest", "frontend"];

/// Plans for a client of a realm with `ROLES`.
fn planned(
    config: Option<&AuthOptions>,
    is_tracked: bool,
    offered: &[&str],
    decision: Decision,
) -> Result<Plan, Refusal> {
    let tracked = is_tracked.then(tracked);
    let scene = Scene { tracked, ..Scene::new(config.cloned(), hello(offered, None)) };
    plan(decision, &scene.applicant(), |role| ROLES.contains(&role), &mut rand::rng())
}

fn as_named(authid: &str) -> Decision {
    Decision::Anonymous(AnonymousIdentity { authid: Some(authid.to_owned()), ..AnonymousIdentity::default() })
}

fn with_role(role: &str) -> Decision {
    Decision::Anonymous(AnonymousIdentity { authrole: Some(role.to_owned()), ..AnonymousIdentity::default() })
}

fn with_extra(extra: Value) -> Decision {
    let Value::Object(extra) = extra else { panic!("an extra is an object") };
    Decision::Anonymous(AnonymousIdentity { authextra: Some(extra), ..AnonymousIdentity::default() })
}

fn defer(name: &str) -> Decision {
    Decision::Defer(name.to_owned())
}

/// The identity of a plan to join; own authid, public authid, role.
fn joined(plan: Result<Plan, Refusal>) -> (String, String, String) {
    match plan {
        Ok(Plan::Join(identity)) => {
            assert_eq!((identity.authmethod, identity.authprovider), ("anonymous", "static"));
            let Identity { authid, authrole, .. } = identity;
            (authid.own().to_owned(), authid.public().to_owned(), authrole.as_ref().to_owned())
        }
        other => panic!("{other:?}"),
    }
}

fn is_random(authid: &str) -> bool {
    authid.len() == 29 && authid.split('-').count() == 6
}

fn breaks_contract(plan: &Result<Plan, Refusal>) -> bool {
    matches!(plan, Err(Refusal::Policy(PolicyError::Contract(_))))
}

#[test]
fn the_cookie_id_as_authid_is_told_to_its_own_client_only() {
    for config in [None, Some(&anonymous("guest"))] {
        let role = if config.is_some() { "guest" } else { "anonymous" };
        let (own, public, authrole) = joined(planned(config, true, &["anonymous"], as_named(ID)));
        assert_eq!((&*own, &*public, &*authrole), (ID, PUBLIC, role));
    }
}

#[test]
fn the_public_id_and_any_other_name_are_open() {
    for name in [PUBLIC, "joe", "x"] {
        let (own, public, _) = joined(planned(None, true, &[], as_named(name)));
        assert_eq!((&*own, &*public), (name, name));
    }
    // Without tracking there is no credential to protect, whatever the name looks like.
    let (own, public, _) = joined(planned(None, false, &[], as_named(ID)));
    assert_eq!((&*own, &*public), (ID, ID));
}

#[test]
fn none_gets_a_random_authid_each_time() {
    for (config, is_tracked) in [(None, true), (None, false), (Some(&anonymous("guest")), false)] {
        let one = joined(planned(config, is_tracked, &[], Decision::None));
        let other = joined(planned(config, is_tracked, &[], Decision::None));
        assert!(is_random(&one.0) && one.0 == one.1 && one.0 != other.0, "{one:?} {other:?}");
    }
    let unnamed = Decision::Anonymous(AnonymousIdentity::default());
    assert!(is_random(&joined(planned(None, true, &[], unnamed)).0));
}

#[test]
fn a_deferred_method_runs_if_it_is_configured_and_offered() {
    let config = ticket();
    for offered in [&["ticket"] as &[&str], &["cookie", "ticket"], &["ticket", "anonymous"]] {
        assert_eq!(planned(Some(&config), true, offered, defer("ticket")), Ok(Plan::Run(Method::Ticket)));
    }
}

#[test]
fn a_deferred_method_that_is_not_configured_refuses_the_session() {
    let (guests, tickets) = (anonymous("guest"), ticket());
    for (config, name) in [
        (None, "ticket"),
        (None, "anonymous"),
        (Some(&guests), "ticket"),
        (Some(&tickets), "anonymous"),
        (Some(&tickets), "bogus"),
        (Some(&tickets), ""),
        (Some(&tickets), "Ticket"),
    ] {
        let refused = planned(config, true, &[name, "ticket", "anonymous"], defer(name));
        assert_eq!(refused, Err(Refusal::NotConfigured(name.into())));
    }
}

#[test]
fn a_deferred_method_that_was_not_offered_refuses_the_session() {
    let config = ticket();
    for offered in [&[] as &[&str], &["anonymous"], &["wampcra", "Ticket"]] {
        let refused = planned(Some(&config), true, offered, defer("ticket"));
        assert_eq!(refused, Err(Refusal::NotOffered("ticket".into())), "{offered:?}");
    }
    let refused = planned(Some(&anonymous("guest")), true, &["ticket"], defer("anonymous"));
    assert_eq!(refused, Err(Refusal::NotOffered("anonymous".into())));
}

#[test]
fn deferring_to_anonymous_joins_under_a_random_authid() {
    let config = anonymous("guest");
    for offered in [&[] as &[&str], &["anonymous"]] {
        let (own, _, role) = joined(planned(Some(&config), true, offered, defer("anonymous")));
        assert!(is_random(&own) && role == "guest", "{own} {role}");
    }
}

#[test]
fn a_role_must_exist_on_the_realm() {
    assert_eq!(joined(planned(None, true, &[], with_role("frontend"))).2, "frontend");
    let missing = |role: &str| Err(Refusal::NoSuchRole(role.to_owned()));
    assert_eq!(planned(None, true, &[], with_role("admin")), missing("admin"));
    let config = anonymous("visitors");
    assert_eq!(planned(Some(&config), true, &[], Decision::None), missing("visitors"));
    for malformed in ["", "a\nb"] {
        assert!(breaks_contract(&planned(None, true, &[], with_role(malformed))), "{malformed:?}");
    }
}

#[test]
fn an_authid_that_is_none_breaks_the_contract() {
    for authid in ["", "a\nb", "\u{202e}eoj", &"a".repeat(256)] {
        assert!(breaks_contract(&planned(None, true, &[], as_named(authid))), "{authid:?}");
    }
}

#[test]
fn a_credential_in_a_place_that_others_see_refuses_the_session() {
    let inside = format!("user-{ID}");
    let denial = |reason: &str, message: &str| {
        Decision::Deny(Denial { reason: Uri::parse(reason).unwrap(), message: message.to_owned() })
    };
    for decision in [
        as_named(&inside),
        as_named(&format!("{ID}.")),
        with_role(&inside),
        with_extra(json!({"id": ID})),
        with_extra(json!({"deep": [1, {"er": [inside.as_str()]}]})),
        with_extra(json!({inside.as_str(): 1})),
        denial("com.example.no", &inside),
        denial(&inside, "no"),
    ] {
        let refused = planned(None, true, &[], decision);
        assert!(breaks_contract(&refused), "{refused:?}");
        assert!(!format!("{refused:?}").contains(ID));
    }
}

#[test]
fn the_policys_extra_is_handed_on() {
    let Ok(Plan::Join(identity)) = planned(None, true, &[], with_extra(json!({"a": [1]}))) else {
        panic!("refused")
    };
    assert_eq!(identity.authextra.map(Value::Object), Some(json!({"a": [1]})));
}

#[test]
fn a_denial_refuses_in_the_policys_words() {
    let denial = Denial { reason: uri("com.example.closed"), message: "after hours".into() };
    assert_eq!(planned(None, true, &[], Decision::Deny(denial.clone())), Err(Refusal::Denied(denial)));
}
