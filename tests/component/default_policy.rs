//! The decision table, row by row, through the component that ships.

use wampgate::policy::{Decision, PolicyError, PolicyLoadFault, PolicyOptions, WasmPolicy, default_policy};

use super::support::{Cookie, DEFAULT, ENGINE, PUBLIC_ID, TRACKING_ID, ask, authid, honest, options};

/// A page of WebAssembly memory, in bytes.
const PAGE: usize = 64 * 1024;

fn configured(config: &str, max_memory: usize) -> Result<WasmPolicy, PolicyLoadFault> {
    let options = PolicyOptions { config: config.to_owned(), max_memory, ..options() };
    WasmPolicy::from_bytes(&ENGINE, "default", DEFAULT, options).map_err(|error| error.fault)
}

fn shown(decision: Result<Decision, PolicyError>) -> String {
    match decision {
        Ok(Decision::Anonymous(identity)) => {
            assert_eq!((identity.authrole, identity.authextra), (None, None));
            match identity.authid.expect("an authid").as_str() {
                TRACKING_ID => "cookie-id".to_owned(),
                PUBLIC_ID => "public-id".to_owned(),
                other => panic!("an authid from nowhere: {other}"),
            }
        }
        Ok(Decision::None) => "none".to_owned(),
        Ok(Decision::Defer(method)) => format!("defer {method}"),
        Ok(Decision::DeferAs { method, authrole }) => format!("defer {method} as {authrole}"),
        Ok(Decision::Deny(denial)) => {
            assert!(!denial.message.is_empty());
            format!("deny {}", denial.reason)
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_component_is_built_in() {
    let policy = default_policy(&ENGINE).unwrap();
    // It has the default deadline, for which a busy machine may need more than one try.
    let mut answers = (0..100).map(|_| ask(&policy, &[], Cookie::Known, &[]));
    let decided = answers.find(|answer| !matches!(answer, Err(PolicyError::Deadline(_))));
    assert_eq!(authid(decided.unwrap()), TRACKING_ID);
}

#[test]
fn every_row_of_the_table() {
    use Cookie::{Authenticated, Known, New, Off};
    let policy = honest();
    let anonymous = &["anonymous"][..];
    let ticket = &["ticket"][..];
    let both = &["anonymous", "ticket"][..];
    let with_cookie = &["ticket", "cookie"][..];
    let no_method = "deny wamp.error.no_auth_method";
    let rows = [
        // 1. no authentication configured
        (&[][..], New, &[][..], "cookie-id"),
        (&[], Known, &[], "cookie-id"),
        (&[], Known, anonymous, "cookie-id"),
        (&[], Known, &["ticket", "anonymous"], "cookie-id"),
        (&[], Off, &[], "none"),
        (&[], Off, anonymous, "none"),
        (&[], Known, ticket, no_method),
        (&[], Off, &["cookie"], no_method),
        // 2. only anonymous configured
        (anonymous, New, anonymous, "cookie-id"),
        (anonymous, Known, &[], "cookie-id"),
        (anonymous, Authenticated, anonymous, "cookie-id"),
        (anonymous, Off, anonymous, "none"),
        (anonymous, Off, &[], "none"),
        (anonymous, Known, ticket, no_method),
        // 3. other methods: the first that the client offers and that is configured
        (ticket, Known, ticket, "defer ticket"),
        (ticket, Off, ticket, "defer ticket"),
        (ticket, New, &["wampcra", "ticket"], "defer ticket"),
        (&["ticket", "wampcra"], Off, &["scram", "wampcra", "ticket"], "defer wampcra"),
        (ticket, Off, &["wampcra"], no_method),
        (ticket, Known, anonymous, no_method),
        (ticket, Known, &[], no_method),
        // a login that the cookie remembers
        (with_cookie, Authenticated, &["cookie"], "defer cookie"),
        (with_cookie, Authenticated, &["ticket", "cookie"], "defer cookie"),
        (with_cookie, Authenticated, ticket, "defer ticket"),
        (with_cookie, Known, &["cookie", "ticket"], "defer ticket"),
        (with_cookie, Known, &["cookie"], no_method),
        (with_cookie, Off, &["cookie"], no_method),
        (ticket, Authenticated, &["cookie", "ticket"], "defer ticket"),
        (&["anonymous", "cookie"], Authenticated, &["anonymous", "cookie"], "defer cookie"),
        (&["anonymous", "cookie"], Authenticated, anonymous, "public-id"),
        (&["cookie"], Known, &["cookie"], no_method),
        // anonymous beside other methods: the ID is a credential there
        (both, Known, anonymous, "public-id"),
        (both, New, &[], "public-id"),
        (both, Off, anonymous, "none"),
        (both, Off, &[], "none"),
        (both, Known, both, "public-id"),
        (both, Known, &["ticket", "anonymous"], "defer ticket"),
        (both, Off, &["wampcra"], no_method),
    ];
    for (methods, cookie, offered, expected) in rows {
        let decision = shown(ask(&policy, methods, cookie, offered));
        assert_eq!(decision, expected, "{methods:?} configured, {cookie:?}, {offered:?} offered");
    }
}

#[test]
fn the_public_id_can_be_chosen_as_the_name() {
    let policy = configured(r#"{"authid": "public-id"}"#, PAGE).unwrap();
    assert_eq!(authid(ask(&policy, &[], Cookie::Known, &[])), PUBLIC_ID);
    let policy = configured(r#"{"authid": "cookie-id"}"#, PAGE).unwrap();
    assert_eq!(authid(ask(&policy, &[], Cookie::Known, &[])), TRACKING_ID);
}

#[test]
fn a_configuration_that_it_does_not_know_is_refused_with_what_to_write() {
    for (config, remedy) in [
        (r#"{"authid": "random"}"#, "authid: use \"cookie-id\" or \"public-id\""),
        (r#"{"name": "public-id"}"#, "the default policy knows only \"authid\""),
        ("[]", "use {}"),
    ] {
        match configured(config, PAGE) {
            Err(PolicyLoadFault::Config(errors)) => {
                assert_eq!(errors.len(), 1);
                assert!(errors[0].contains(remedy), "{config}: {errors:?}");
            }
            other => panic!("{config}: {other:?}"),
        }
    }
}

#[test]
fn it_imports_nothing_but_types() {
    // Read by an engine of its own, independent of what the gateway's loader lets through.
    let engine = wasmtime::Engine::default();
    let component = wasmtime::component::Component::new(&engine, DEFAULT).unwrap();
    let world = component.component_type();
    let imports: Vec<&str> = world.imports(&engine).map(|(name, _)| name).collect();
    let exports: Vec<&str> = world.exports(&engine).map(|(name, _)| name).collect();
    assert_eq!(imports, ["wampgate:authid/types@0.2.0"]);
    assert_eq!(exports, ["wampgate:authid/policy@0.2.0"]);
}

/// More memory than the first page would cost each decision as much again.
#[test]
fn an_ordinary_decision_stays_inside_its_first_page() {
    let policy = configured("{}", PAGE).unwrap();
    let methods = ["anonymous", "ticket", "wampcra", "scram", "cookie"];
    assert_eq!(shown(ask(&policy, &methods, Cookie::Authenticated, &["ticket", "cookie"])), "defer cookie");
    let too_small = configured("{}", PAGE - 1);
    assert!(matches!(too_small, Err(PolicyLoadFault::CheckConfig(PolicyError::Memory(_)))), "{too_small:?}");
}

#[test]
fn a_request_that_is_larger_than_the_page_is_decided_all_the_same() {
    let large = "x".repeat(60_000);
    let policy = honest();
    let offered = [large.as_str(), "ticket"];
    assert_eq!(shown(ask(&policy, &["ticket"], Cookie::Known, &offered)), "defer ticket");
}

#[test]
fn eight_threads_share_one_engine() {
    let policy = honest();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    assert_eq!(authid(ask(&policy, &[], Cookie::Known, &[])), TRACKING_ID);
                }
            });
        }
    });
}
