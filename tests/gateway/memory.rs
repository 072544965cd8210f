//! What a connection that does nothing holds.

use serde_json::json;

use crate::support::{
    Client, Gateway, Handshake, Jar, Serializer, code,
    config::{With as _, ticket_auth, untracked, web},
    gateway::tracking_gateway,
    resident,
    tls::Authority,
};

/// Enough for the figure to stand out of what the process takes otherwise.
const CONNECTIONS: u64 = 200;
/// The most that one may hold, in KiB: more than twice what a build without optimization needs. Unit tests bound single futures; this
/// bounds all of them together with everything that they point to, as the system counts it.
const MOST: u64 = 16;
/// The same with TLS, which has a buffer for a record and its keys.
const MOST_WITH_TLS: u64 = 28;

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
    println!("{each} KiB for each connection");
    assert!(each <= MOST, "{each} KiB each");
    drop((first, idle));
    gateway.assert_next_client_is_served();
}

#[test]
fn a_connection_with_tls_that_does_nothing_holds_little_more() {
    let authority = Authority::new();
    let mut config = web(&untracked());
    config["transports"][0]["endpoint"]["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let gateway = Gateway::prepare(&config);
    authority.issue(&["gateway.example"]).write(gateway.path(), "server");
    let (gateway, tls) = (gateway.run(), authority.client("gateway.example"));
    let process = gateway.pid().to_string();
    let join = || {
        let handshake = Handshake::default().over(&tls);
        let mut client = Client::open_by(&gateway, &mut Jar::default(), handshake, Serializer::Json, false);
        client.joins();
        client
    };
    let first: Vec<Client> = (0..20).map(|_| join()).collect();
    let before = resident::kib(&process);
    let idle: Vec<Client> = (0..CONNECTIONS).map(|_| join()).collect();
    let each = resident::kib(&process).saturating_sub(before) / CONNECTIONS;
    println!("{each} KiB for each connection with TLS");
    assert!(each <= MOST_WITH_TLS, "{each} KiB each");
    drop((first, idle));
}

/// What a client has said is not kept while it answers a challenge, nor the room that it took to read it.
#[test]
fn a_connection_that_is_challenged_holds_little_memory() {
    const SAID: usize = 60_000;
    let gateway = Gateway::start(&web(&untracked().with("auth", ticket_auth())));
    let process = gateway.pid().to_string();
    // Lists in lists: as values, these would take a hundred times as much memory.
    let lists = json!(vec![json!([{ "": 0 }]); 1000]);
    let extra = json!({ "authmethods": ["ticket"], "authid": "joe", "authextra": { "lists": lists },
        "x_padding": "x".repeat(SAID - 13_000) });
    let challenged = || {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.hello("realm1", extra.clone());
        assert_eq!(client.receive()[0], code::CHALLENGE);
        client
    };
    let first: Vec<Client> = (0..20).map(|_| challenged()).collect();
    let before = resident::kib(&process);
    let waiting: Vec<Client> = (0..CONNECTIONS).map(|_| challenged()).collect();
    let each = resident::kib(&process).saturating_sub(before) / CONNECTIONS;
    assert!(each <= MOST, "{each} KiB each");
    drop((first, waiting));
}
