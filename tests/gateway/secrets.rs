//! Credentials stay where they belong: no tracking ID and no ticket in anything that the gateway says.

use serde_json::json;

use crate::support::{
    Client, Gateway, Handshake, Jar,
    auth::{Login, METHODS, SECRET, every_method, joe},
    code,
    config::{TICKET, With as _, anonymous_auth, ticket_auth, tracked_in_file, web},
    http::Connection,
};

/// A ticket that opens nothing: what people type by mistake is a secret as well.
const MISTYPED: &str = "correct-horse-battery-stapel";

#[test]
fn the_most_verbose_log_holds_no_credential() {
    for arguments in [&[][..], &["--log-format", "json"]] {
        let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
        let mut gateway = Gateway::prepare(&web(&tracked_in_file().with("auth", auth)))
            .arguments(arguments)
            .environment("WAMPGATE_LOG", "trace")
            .run();
        let mut jar = Jar::default();
        let public_id = everything(&gateway, &mut jar);
        let id = jar.id.clone().unwrap();
        assert!(gateway.terminate().success());

        let said = gateway.output().text();
        // Without this the test would pass with the log switched off.
        assert!(said.contains(&public_id), "the log does not even name the client{}", gateway.output());
        for (what, secret) in
            [("tracking ID", id.as_str()), ("ticket", TICKET), ("mistyped ticket", MISTYPED)]
        {
            let line = said.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "the log holds a {what}");
        }
        let line = said.lines().find(|line| line.contains(&UNKNOWN[..12]));
        assert_eq!(line, None, "the log holds an ID that a client made up, which may be another gateway's");
    }
}

#[test]
fn the_most_verbose_log_holds_no_secret_of_any_method() {
    let service = tracked_in_file().with("auth", every_method().with("cookie", json!({})));
    let mut gateway = Gateway::prepare(&web(&service)).environment("WAMPGATE_LOG", "trace").run();
    let mut credentials = vec![SECRET.to_owned(), TICKET.to_owned(), MISTYPED.to_owned()];
    for method in METHODS {
        let mut jar = Jar::default();
        let mut client = Client::open(&gateway, &mut jar);
        let challenge = client.challenged(&joe(method));
        let answer = joe(method).authenticate(&challenge);
        client.send(&answer);
        client.outcome().unwrap();
        Client::open(&gateway, &mut jar).join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
        let wrong = Login { secret: MISTYPED, seed: [8; 32], ..joe(method) };
        Client::open(&gateway, &mut jar).join_by(&wrong).unwrap_err();
        credentials.extend(jar.id);
        credentials.push(answer[1].as_str().unwrap().to_owned());
    }
    // What the configuration holds in place of passwords.
    let auth = every_method();
    for key in ["stored-key", "server-key"] {
        credentials.push(auth["scram"]["principals"]["joe"][key].as_str().unwrap().to_owned());
    }
    credentials.push(auth["wampcra"]["users"]["ann"]["secret"].as_str().unwrap().to_owned());
    assert!(gateway.terminate().success());
    let said = gateway.output().text();
    assert!(said.contains("joe"), "the log does not even name the principal{}", gateway.output());
    for secret in credentials {
        let line = said.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "the log holds a secret");
    }
}

/// An ID that this gateway has not handed out.
const UNKNOWN: &str = "made-up-made-up-made-up-";

/// Everything that a client may do with its credentials, in order and out of order; its public ID.
fn everything(gateway: &Gateway, jar: &mut Jar) -> String {
    let (mut client, welcome) = Client::joined(gateway, jar);
    client.echoes();
    client.leaves();
    let id = jar.id.clone().unwrap();

    Client::open(gateway, jar).join_by_ticket("joe", TICKET).unwrap();
    Client::open(gateway, jar).join_by_ticket("joe", MISTYPED).unwrap_err();
    Client::open(gateway, jar).join_by_ticket(&id, TICKET).unwrap_err();
    let mut careless = Client::open(gateway, jar);
    careless.hello("realm1", json!({ "authmethods": ["anonymous"], "authextra": { "ticket": MISTYPED } }));
    careless.outcome().unwrap();
    Client::open(gateway, jar).join(&id, json!({})).unwrap_err();

    let _ = Handshake::default().cookie(UNKNOWN).opens(gateway);
    let _ = Handshake::default().cookie(&id).protocol("soap").send(gateway);
    let _ = Handshake::default().cookie(&id).path(&format!("/ws?cbtid={id}")).send(gateway);
    let _ = Handshake::default().cookie(&id).replace("Sec-WebSocket-Version", "8").send(gateway);
    let mut broken = Connection::open(gateway);
    broken.send(format!("GET /ws HTTP/1.1\r\nCookie: cbtid={id}\r\n: broken\r\n\r\n"));
    broken.finish_sending();
    broken.assert_ends();

    let mut violator = Client::open(gateway, jar);
    violator.send(&json!([code::AUTHENTICATE, TICKET, {}]));
    violator.socket().await_close();
    welcome["x_wampgate_public_id"].as_str().unwrap().to_owned()
}

#[test]
fn other_clients_see_the_public_id_only() {
    let gateway = crate::support::gateway::tracking_gateway();
    let (mut watcher, _) = Client::joined(&gateway, &mut Jar::default());
    watcher.subscribe("com.example.topic").unwrap();
    watcher.register("com.example.procedure").unwrap();
    let mut jar = Jar::default();
    let (mut client, welcome) = Client::joined(&gateway, &mut jar);
    let id = jar.id.unwrap();

    client.publish("com.example.topic", &json!([]), &json!({})).unwrap();
    client.call("com.example.procedure", &json!([]), &json!({}));
    let event = watcher.expect(code::EVENT);
    let invocation = watcher.expect(code::INVOCATION);
    assert_eq!(event[3]["publisher_authid"], welcome["x_wampgate_public_id"], "{event}");
    assert_eq!(invocation[3]["caller_authid"], welcome["x_wampgate_public_id"], "{invocation}");
    for message in [event, invocation] {
        assert!(!message.to_string().contains(&id), "another client's credential");
    }
}
