//! What is logged is what the operator asks for.

use crate::support::{
    Client, Gateway, Jar,
    config::{With as _, ticket_auth, tracked, web},
};

/// What a gateway with this filter says while a client comes and goes.
fn said(filter: &str) -> String {
    let mut gateway = Gateway::prepare(&web(&tracked())).arguments(&["--log", filter]).run();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.leaves();
    assert!(gateway.terminate().success());
    gateway.output().text()
}

#[test]
fn a_filter_is_a_level_or_a_list_of_levels_by_target() {
    for (filter, is_told_of_joins, is_told_of_the_end) in [
        ("off", false, false),
        ("info", false, true),
        ("debug", true, true),
        ("warn,wampgate=debug", true, true),
        ("warn,wampgate=info", false, true),
    ] {
        let said = said(filter);
        assert_eq!(said.contains("DEBUG"), is_told_of_joins, "{filter}");
        assert_eq!(said.contains("shutting down"), is_told_of_the_end, "{filter}");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_refused_with_what_to_write() {
    let mut gateway = Gateway::prepare(&web(&tracked())).arguments(&["--log", "wampgate=loud"]);
    assert!(!gateway.run_to_end().success());
    let said = gateway.output().text();
    assert!(said.contains("--log wampgate=loud: use a level (error, warn, info, debug, trace)"), "{said}");
}

#[test]
fn the_operator_is_told_why_a_client_is_refused() {
    let mut gateway =
        Gateway::prepare(&web(&tracked().with("auth", ticket_auth()))).arguments(&["--log", "debug"]).run();
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.join_by_ticket("joe", "guess").unwrap_err();
    assert!(gateway.terminate().success());
    let said = gateway.output().text();
    assert!(said.contains("refused, wamp.error.not_authorized: `ticket` failed: "), "no reason is logged");
    assert!(!said.contains("guess"), "the log holds what the client sent");
}
