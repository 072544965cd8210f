//! What a connection that does nothing holds.

use crate::support::{Client, Jar, gateway::tracking_gateway, resident};

/// Enough for the figure to stand out of what the process takes otherwise.
const CONNECTIONS: u64 = 200;
/// The most that one may hold, in KiB: more than twice what a build without optimization needs. Unit tests bound single futures; this
/// bounds all of them together with everything that they point to, as the system counts it.
const MOST: u64 = 16;

#[test]
fn a_connection_that_does_nothing_holds_little_memory() {
    let gateway = tracking_gateway();
    let process = gateway.pid().to_string();
    let join = || Client::joined(&gateway, &mut Jar::default()).0;
    // What the gateway takes with the first sessions, it takes once.
    let first: Vec<Client> = (0..20).map(|_| join()).collect();
    let before = resident::kib(&process);
    let idle: Vec<Client> = (0..CONNECTIONS).map(|_| join()).collect();
    let each = resident::kib(&process).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST, "{each} KiB each");
    drop((first, idle));
    gateway.assert_next_client_is_served();
}
