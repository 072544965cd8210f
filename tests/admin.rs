//! `wampgate cookies`: each command on a store that no gateway has open, and on the one of a running gateway.

mod offline;
mod running;
mod socket;

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar,
    command::{Ran, run, wampgate},
    config::{TICKET, With as _, ticket_auth, tracked_in, web},
};

/// Two cookies as Crossbar keeps them, the second one joe's. They live for ten years.
const CROSSBAR: &str = r#"{"cbtid": "dsI6D8i7pycVhma20uj5g+/G", "status": "created", "created": "2026-11-22T10:14:33.139Z", "modified": null, "deleted": null, "max_age": 311040000, "authid": null, "authrole": null, "authmethod": null, "authrealm": null, "authextra": null}
{"cbtid": "ynxeF9djpFhvdtla3T/sM+2N", "status": "modified", "created": "2026-11-22T10:14:33.139Z", "modified": "2026-11-22T10:14:33.195Z", "deleted": null, "max_age": 311040000, "authid": "joe", "authrole": "frontend", "authmethod": "ticket", "authrealm": "realm1", "authextra": {"foo": "b\u00e4r"}}
"#;

/// The IDs in it.
const PLAIN: &str = "dsI6D8i7pycVhma20uj5g+/G";
const JOES: &str = "ynxeF9djpFhvdtla3T/sM+2N";

/// Runs `wampgate cookies` on a node directory.
#[track_caller]
fn cookies(node_dir: &Path, arguments: &[&str]) -> Ran {
    cookies_with(node_dir, arguments, "")
}

/// The same with a text on its standard input.
#[track_caller]
fn cookies_with(node_dir: &Path, arguments: &[&str], input: &str) -> Ran {
    let (command, rest) = arguments.split_first().unwrap();
    run(wampgate().args(["cookies", command, "--node-dir"]).arg(node_dir).args(rest), input)
}

/// The live cookies with their IDs, by ID.
#[track_caller]
fn listed(node_dir: &Path) -> Vec<Value> {
    let mut list = cookies(node_dir, &["ls", "--json", "--reveal"]).json();
    list.sort_by_key(|cookie| cookie["id"].to_string());
    list
}

/// A gateway on which joe, beside another user, has logged in three times: his cookies, oldest first, and the connections
/// with them.
#[track_caller]
fn joes_line(store: &Value) -> (Gateway, Vec<String>, Vec<Client>) {
    let auth = ticket_auth().with("cookie", json!({}));
    let gateway = Gateway::start(&web(&tracked_in(store).with("auth", auth)));
    Client::open(&gateway, &mut Jar::default()).join_by_ticket("joe", TICKET).unwrap();
    let (mut jar, mut ids, mut clients) = (Jar::default(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut client = Client::open(&gateway, &mut jar);
        client.join_by_ticket("joe", TICKET).unwrap();
        ids.extend(jar.id.clone());
        clients.push(client);
    }
    (gateway, ids, clients)
}

/// The public ID of a cookie.
#[track_caller]
fn public_id(node_dir: &Path, id: &str) -> String {
    let cookie = cookies(node_dir, &["show", "--json", id]).json();
    cookie[0]["public_id"].as_str().unwrap().to_owned()
}
