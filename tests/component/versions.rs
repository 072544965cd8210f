//! Two versions of the contract side by side.

use wampgate::policy::{CONTRACT_VERSIONS, Decision, WasmPolicy};

use super::support::{
    Cookie, ENGINE, TRACKING_ID, ask, ask_as, authid, guest, honest, options, policy, text,
};

/// The default policy as it was built for the contract's first version. It is never rebuilt: it stands for the
/// components that people have.
const FIRST: &[u8] = include_bytes!("contract-0.1.0.wasm");

/// A guest's text for the first version, whose question ends with the methods.
fn for_the_first_version(guest: &str) -> Vec<u8> {
    let text = text(guest);
    let old = text.replace(r#" (field "roles" $texts) (field "now" u64)"#, "").replace("@0.2.0", "@0.1.0");
    assert!(old.contains("@0.1.0") && old.len() + 40 < text.len() + 5);
    wat::parse_str(old).unwrap()
}

fn load(component: &[u8]) -> WasmPolicy {
    WasmPolicy::from_bytes(&ENGINE, "guest", component, options()).unwrap()
}

#[test]
fn a_component_of_the_first_version_decides_as_todays_default_policy_does() {
    let (first, todays) = (load(FIRST), honest());
    let mut decisions = Vec::new();
    for methods in [&[][..], &["anonymous"], &["ticket"], &["anonymous", "ticket", "cookie"]] {
        for cookie in [Cookie::Off, Cookie::New, Cookie::Known, Cookie::Authenticated] {
            for offered in [&[][..], &["anonymous"], &["ticket"], &["cookie", "ticket"]] {
                let decision = ask(&first, methods, cookie, offered).unwrap();
                assert_eq!(Ok(&decision), ask(&todays, methods, cookie, offered).as_ref());
                decisions.push(decision);
            }
        }
    }
    assert!(decisions.contains(&Decision::None) && decisions.contains(&Decision::Defer("ticket".to_owned())));
    assert_eq!(authid(ask(&first, &[], Cookie::Known, &["anonymous"])), TRACKING_ID);
    assert!(matches!(ask(&first, &["ticket"], Cookie::Off, &["anonymous"]), Ok(Decision::Deny(_))));
}

#[test]
fn every_answer_of_the_first_version_is_understood() {
    // The guest checks what it gets by the offsets of the first version.
    let custom = load(&for_the_first_version(guest::CUSTOM));
    let decide =
        |cookie, offered: &[&str], name| ask_as(&custom, &["ticket"], cookie, offered, name).unwrap();
    assert_eq!(decide(Cookie::New, &["anonymous"], None), Decision::None);
    assert_eq!(decide(Cookie::New, &["ticket"], None), Decision::Defer("ticket".to_owned()));
    assert!(matches!(decide(Cookie::Known, &[], None), Decision::Anonymous(_)));
    assert!(matches!(decide(Cookie::Off, &[], Some("banned")), Decision::Deny(_)));
}

#[test]
fn the_log_of_the_first_version_is_served() {
    let flood = load(&for_the_first_version(guest::LOG_FLOOD));
    let failure = ask(&flood, &[], Cookie::Off, &[]).expect_err("it goes on for ever");
    assert_eq!(failure, wampgate::policy::PolicyError::HostCalls);
}

#[test]
fn the_second_version_tells_the_roles_and_the_time() {
    assert_eq!(CONTRACT_VERSIONS, ["0.1.0", "0.2.0", "0.3.0"]);
    let named_by_role = policy(
        r#"(func (export "decide") (param $arguments i32) (result i32)
          (local $role i32)
          (if (i64.ne (i64.load offset=256 (local.get $arguments)) (i64.const 1790000120000)) (then (unreachable)))
          (if (i32.ne (i32.load offset=252 (local.get $arguments)) (i32.const 2)) (then (unreachable)))
          (local.set $role (i32.load offset=248 (local.get $arguments)))
          (i32.store8 (i32.const 8) (i32.const 1))
          (i64.store (i32.const 12) (i64.load offset=8 (local.get $role)))
          (i32.const 0))"#,
    );
    assert_eq!(authid(ask(&named_by_role, &[], Cookie::Off, &[])), "frontend");
}
