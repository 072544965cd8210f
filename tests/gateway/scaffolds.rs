//! What `wampgate policy new` writes, deployed as its README says: in component text, which needs no tool chain.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, Gateway, Jar,
    auth::{Login, joe},
    command::{run, wampgate},
    config::{With as _, tracked, untracked, web},
};

/// A gateway with a project's component, and what its README says to write into the configuration put into this one.
fn deployed(kind: &str, config: impl FnOnce(&Value) -> Value) -> Gateway {
    let folder = TempDir::new().unwrap();
    let new = ["policy", "new", "mine", "--lang", "wat", "--kind", kind];
    run(wampgate().args(new).current_dir(folder.path()), "").printed();
    let project = folder.path().join("mine");
    let component = wat::parse_file(project.join("component.wat")).unwrap();
    fs::write(project.join("component.wasm"), &component).unwrap();

    let config = config(&advice(&project));
    let gateway = Gateway::prepare(&config);
    fs::create_dir(gateway.path().join("policies")).unwrap();
    let gateway = gateway.file("policies/mine.wasm", &component);
    let check = run(wampgate().arg("check").arg("--config").arg(gateway.path().join("config.json")), "");
    assert!(check.success, "{check:?}");
    gateway.run()
}

/// The members that a project's README says to write, with the hash that the command prints, and time enough on the busiest machine.
fn advice(project: &Path) -> Value {
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let deploy = readme.split("## Deploy it").nth(1).unwrap();
    let members = deploy.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let inspect = ["policy", "inspect", "--json", "component.wasm"];
    let seen = run(wampgate().args(inspect).current_dir(project), "").printed();
    let seen: Value = serde_json::from_str(&seen).unwrap();
    let sha256 = seen["sha256"].as_str().unwrap();
    let told = members.replace("<what `wampgate policy inspect component.wasm` prints>", sha256);
    assert!(told.contains(sha256), "{told}");
    let told = told.replace("\"component\":", "\"deadline\": \"10s\", \"component\":");
    serde_json::from_str(&format!("{{{told}}}")).unwrap()
}

#[test]
fn a_policy_keeps_the_names_of_returning_visitors() {
    let gateway = deployed("policy", |advice| web(&tracked().with("policy", advice["policy"].clone())));
    let mut jar = Jar::default();
    let first = Client::open(&gateway, &mut jar).joins();
    let second = Client::open(&gateway, &mut jar).joins();
    let third = Client::open(&gateway, &mut jar).joins();
    assert_ne!(first["authid"], second["authid"], "a new visitor has a random name");
    assert_eq!(second["authid"], third["authid"]);
}

#[test]
fn an_authenticator_lets_in_whose_ticket_is_right() {
    let auth = |advice: &Value| {
        let component = advice["auth"]["ticket"].clone();
        // "`wampcra` takes the same members."
        web(&untracked().with("auth", json!({ "ticket": component.clone(), "wampcra": component })))
    };
    let gateway = deployed("authenticator", auth);
    let open = || Client::open(&gateway, &mut Jar::default());
    let welcome = open().join_by_ticket("ann", "q7ZrT2m9wXcK4vLb").unwrap();
    assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("ann"), &json!("member")));
    for (authid, ticket) in [("ann", "q7ZrT2m9wXcK4vLc"), ("eve", "q7ZrT2m9wXcK4vLb")] {
        open().join_by_ticket(authid, ticket).unwrap_err();
    }
    let wampcra = |authid, secret| open().join_by(&Login { authid: Some(authid), secret, ..joe("wampcra") });
    assert_eq!(wampcra("ann", "q7ZrT2m9wXcK4vLb").unwrap()["authrole"], "member");
    wampcra("ann", "unknown").unwrap_err();
    // What stands in for the ticket of an unknown name opens nothing.
    wampcra("eve", "unknown").unwrap_err();
}

#[test]
fn an_authorizer_lets_sessions_speak_under_their_own_names() {
    let gateway = deployed("authorizer", |advice| {
        web(&untracked()).with("version", json!(2)).with("realms", advice["realms"].clone())
    });
    let mut client = Client::open(&gateway, &mut Jar::default());
    let welcome = client.joins();
    let authid = welcome["authid"].as_str().unwrap();
    let none = json!([]);
    client.subscribe("com.example.chat.joe.said").unwrap();
    client.publish(&format!("com.example.chat.{authid}.said"), &none, &json!({})).unwrap();
    client.register(&format!("com.example.chat.{authid}.answer")).unwrap();
    let denied = "wamp.error.not_authorized";
    assert_eq!(client.publish("com.example.chat.joe.said", &none, &json!({})).unwrap_err(), denied);
    assert_eq!(client.register("com.example.chat.joe.answer").unwrap_err(), denied);
    assert_eq!(client.subscribe("com.example.other").unwrap_err(), denied);
}
