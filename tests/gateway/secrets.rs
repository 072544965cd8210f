//! Credentials stay where they belong: no tracking ID and no ticket in anything that the gateway says.

use std::{path::Path, time::Instant};

use serde_json::json;

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    auth::{Login, METHODS, SECRET, every_method, joe},
    code,
    config::{
        TICKET, With as _, anonymous_auth, is_durable, stores, ticket_auth, tracked_in, tracked_in_file, web,
        web_paths,
    },
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
        assert!(said.contains(&public_id), "the log does not even name the client");
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
    assert!(said.contains("joe"), "the log does not even name the principal");
    for secret in credentials {
        let line = said.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "the log holds a secret");
    }
}

#[test]
fn nothing_that_is_stored_beside_the_store_or_served_holds_a_credential() {
    for store in stores() {
        let auth =
            every_method().with("cookie", json!({})).with("anonymous", anonymous_auth()["anonymous"].clone());
        let paths = json!({
            "/": { "type": "static", "directory": "web" },
            "info": { "type": "json", "value": { "a": 1 } },
            "ws": tracked_in(&store).with("auth", auth),
        });
        let mut config = web_paths(&paths);
        config["transports"][0]["options"] = json!({ "allowed_hosts": ["gateway.example"] });
        let prepared = Gateway::prepare(&config);
        std::fs::create_dir(prepared.path().join("web")).unwrap();
        let record = prepared.path().join("cases.jsonl");
        let mut gateway = prepared
            .arguments(&["--record", record.to_str().unwrap()])
            .environment("WAMPGATE_LOG", "trace")
            .run();

        let mut credentials = vec![SECRET.to_owned(), TICKET.to_owned(), MISTYPED.to_owned()];
        let mut served = seen_by_all(&gateway, &mut credentials);
        for id in credentials.iter().skip(3) {
            served.extend(replies(&gateway, id));
        }
        let path = gateway.path().to_owned();
        await_line(&record, "wamp-scram");
        assert!(gateway.terminate().success());
        served.push(("the gateway's output".to_owned(), gateway.output().text()));
        files(&path, &mut served);

        for (what, text) in &served {
            assert!(!credentials.iter().any(|secret| text.contains(secret)), "{what} holds a credential");
        }
        // Without these the test would pass if nothing were served, or if there were no credentials.
        for (place, expected) in [
            ("cases.jsonl", "joe"),
            ("cookies ls", "joe"),
            ("cookies show", "public ID"),
            ("a reply of 404", "404"),
            ("a reply of 403", "403"),
            ("an event", "joe"),
            ("details of a session", "joe"),
            ("the gateway's output", "joe"),
        ] {
            let is_there = served.iter().any(|(what, text)| what == place && text.contains(expected));
            assert!(is_there, "{place}: no {expected}");
        }
        assert_eq!(served.iter().any(|(what, _)| what == "public-id.key"), is_durable(&store));
        assert!(credentials.len() > 3 + 2 * METHODS.len(), "{}", credentials.len());
    }
}

/// What clients are told, about themselves and about others, and what commands print, while people log in by each method,
/// come back, fail and log out. Their IDs and answers are added to the credentials.
#[track_caller]
fn seen_by_all(gateway: &Gateway, credentials: &mut Vec<String>) -> Vec<(String, String)> {
    let mut served = Vec::new();
    let mut tell =
        |what: &str, text: &dyn std::fmt::Display| served.push((what.to_owned(), text.to_string()));
    let mut watchers = Jar::default();
    let (mut watcher, _) = Client::joined(gateway, &mut watchers);
    for topic in ["wamp.session.on_join", "wamp.session.on_leave", "com.example.topic"] {
        watcher.subscribe(topic).unwrap();
    }
    credentials.extend(watchers.id);
    for method in METHODS {
        let mut jar = Jar::default();
        let mut client = Client::open(gateway, &mut jar);
        credentials.extend(jar.id.clone());
        let answer = joe(method).authenticate(&client.challenged(&joe(method)));
        client.send(&answer);
        tell("a WELCOME", &client.outcome().unwrap());
        credentials.push(answer[1].as_str().unwrap().to_owned());
        client.publish("com.example.topic", &json!([]), &json!({})).unwrap();

        let mut back = Client::open(gateway, &mut jar);
        tell("a WELCOME", &back.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap());
        credentials.extend(jar.id.clone());
        let wrong = Login { secret: MISTYPED, seed: [8; 32], ..joe(method) };
        let refused = Client::open(gateway, &mut jar).join_by(&wrong).unwrap_err();
        tell("an ABORT", &format!("{refused:?}"));

        // Joined, published, joined again.
        (0..3).for_each(|_| tell("an event", &watcher.expect(code::EVENT)));
        let call = watcher.call("wamp.session.list", &json!([]), &json!({}));
        for session in watcher.result(call).unwrap()[3][0].as_array().unwrap() {
            let call = watcher.call("wamp.session.get", &json!([session]), &json!({}));
            tell("details of a session", &watcher.result(call).unwrap());
        }
        for arguments in
            [&["ls"][..], &["ls", "--json"], &["show", "nobody-has-this"], &["show", &credentials[3]]]
        {
            tell(&format!("cookies {}", arguments[0]), &gateway.command_said("cookies", arguments));
        }
        back.send(&json!([code::GOODBYE, {}, "wamp.close.logout"]));
        tell("a GOODBYE", &back.receive());
    }
    served
}

/// What HTTP answers to requests that have an ID, or a secret, in every place that they may have it in.
#[track_caller]
fn replies(gateway: &Gateway, id: &str) -> Vec<(String, String)> {
    let request = || Handshake::default().cookie(id);
    let plain = || request().without("Upgrade").without("Connection");
    // The gateway tells a refused page's Origin if it is a host's name as browsers write it: in small letters. A ticket of small
    // letters cannot be told from one; an ID can.
    let site = if id.chars().any(|letter| letter.is_ascii_uppercase()) { id } else { "no-id" };
    let requests = [
        plain().path("/"),
        plain().path("/info"),
        plain().path("/ws"),
        plain().path(&format!("/{id}")),
        plain().path(&format!("/nothing?{id}")),
        plain().path(&format!("/%2e%2e/{id}")),
        plain().method("POST"),
        request().protocol(id),
        request().header("Origin", &format!("https://{site}.example")),
        request().replace("Sec-WebSocket-Version", id),
        request().replace("Sec-WebSocket-Key", id),
        request().header("X-Large", &"x".repeat(20_000)),
    ];
    let answers = requests.map(|request| request.send(gateway).1);
    let told = answers.iter().map(|answer| (format!("a reply of {}", answer.status), format!("{answer:?}")));
    told.collect()
}

/// The text of every file in a folder, but for the configuration and the cookie store, where credentials belong.
fn files(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["config.json", "cookies.dat", "cookies"].contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            files(&path, texts);
        } else if path.is_file() {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            texts.push((name, text));
        }
    }
}

/// Waits until a file that the gateway writes beside its work holds a text.
#[track_caller]
fn await_line(file: &Path, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(file).is_ok_and(|content| content.contains(text)) {
        assert!(Instant::now() < deadline, "{} never holds {text}", file.display());
        std::thread::yield_now();
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

    let disclosing = json!({ "disclose_me": true });
    client.request(code::PUBLISH, &json!([disclosing, "com.example.topic"]));
    client.request(code::CALL, &json!([disclosing, "com.example.procedure"]));
    let event = watcher.expect(code::EVENT);
    let invocation = watcher.expect(code::INVOCATION);
    assert_eq!(event[3]["publisher_authid"], welcome["x_wampgate_public_id"], "{event}");
    assert_eq!(invocation[3]["caller_authid"], welcome["x_wampgate_public_id"], "{invocation}");
    for message in [event, invocation] {
        assert!(!message.to_string().contains(&id), "another client's credential");
    }
}
