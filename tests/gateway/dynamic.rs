//! Methods whose principals a procedure knows, through the front door: a client that has logged in otherwise has registered it, the
//! gateway calls it as Crossbar.io does, and whatever goes wrong refuses the client.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, Serializer,
    auth::{Login, METHODS, SECRET, every_method, joe},
    client::Refused,
    code,
    config::{With as _, everything, tracked, untracked, web_paths},
};

/// What knows the principals.
const PROCEDURE: &str = "com.example.authenticate";

fn dynamic() -> Value {
    json!({ "type": "dynamic", "authenticator": PROCEDURE })
}

/// Clients come to `/ws`; the server of the procedure logs in at `/server`.
fn config_with(service: &Value, auth: &Value) -> Value {
    let all = everything();
    let free =
        |name: &str| json!({ "name": name, "permissions": [{ "uri": "", "match": "prefix", "allow": all }] });
    let server = json!({ "ticket": { "type": "static", "principals": {
        "server": { "ticket": "server-ticket", "role": "backend" },
    } } });
    let roles = json!([free("backend"), free("frontend"), { "name": "anonymous", "permissions": [] }]);
    web_paths(&json!({
        "ws": service.clone().with("auth", auth.clone()),
        "server": untracked().with("auth", server),
    }))
    .with("version", json!(2))
    .with("realms", json!([{ "name": "realm1", "roles": roles }, { "name": "realm2", "roles": roles }]))
}

fn config(auth: &Value) -> Value {
    config_with(&untracked(), auth)
}

/// A client at `/server`, which has registered the procedure in a realm.
#[track_caller]
fn server_in(gateway: &Gateway, realm: &str) -> Client {
    let mut server = Client::open_at(gateway, &mut Jar::default(), "/server");
    server.hello(realm, json!({ "authmethods": ["ticket"], "authid": "server" }));
    server.expect(code::CHALLENGE);
    server.send(&json!([code::AUTHENTICATE, "server-ticket", {}]));
    server.outcome().unwrap();
    server.register(PROCEDURE).unwrap();
    server
}

#[track_caller]
fn server(gateway: &Gateway) -> Client {
    server_in(gateway, "realm1")
}

/// Answers the next call of the gateway's; what it was called with.
#[track_caller]
fn answers(server: &mut Client, answer: &Value) -> Value {
    let invocation = server.expect(code::INVOCATION);
    server.send(&json!([code::YIELD, invocation[1], {}, [answer]]));
    invocation[4].clone()
}

/// Raises an error at the next call.
#[track_caller]
fn raises(server: &mut Client, error: &str, message: &str) {
    let invocation = server.expect(code::INVOCATION);
    server.send(&json!([code::ERROR, code::INVOCATION, invocation[1], {}, error, [message]]));
}

/// A client that has said all that its method lets it say before the procedure is asked.
#[track_caller]
fn asks(gateway: &Gateway, jar: &mut Jar, login: &Login<'_>) -> Client {
    let mut client = Client::open(gateway, jar);
    client.hello("realm1", login.hello(&[login.method]));
    if login.method == "ticket" {
        let challenge = client.expect(code::CHALLENGE);
        client.send(&login.authenticate(&challenge));
    }
    client
}

/// What becomes of it once the procedure has answered.
#[track_caller]
fn outcome(mut client: Client, login: &Login<'_>) -> Result<(Value, Client), Refused> {
    let answer = client.receive();
    if answer[0] == code::CHALLENGE {
        client.send(&login.authenticate(&answer));
        return client.outcome().map(|welcome| (welcome, client));
    }
    client.put_back(answer);
    client.outcome().map(|welcome| (welcome, client))
}

/// What a procedure answers about Joe for a method.
fn joes(method: &str) -> Value {
    if method == "ticket" {
        return json!("frontend");
    }
    let configured = every_method();
    let name = if method == "wamp-scram" { "scram" } else { method };
    let principals = configured[name].get("principals").unwrap_or(&configured[name]["users"]);
    let mut known = principals["joe"].clone();
    if method == "cryptosign" {
        known["pubkey"] = known["authorized_keys"][0].take();
        known.as_object_mut().unwrap().remove("authorized_keys");
    }
    known
}

fn every_method_dynamic() -> Value {
    let methods = ["ticket", "wampcra", "scram", "cryptosign"];
    Value::Object(methods.into_iter().map(|method| (method.to_owned(), dynamic())).collect())
}

#[test]
fn each_method_joins_as_the_principal_that_the_procedure_knows() {
    let gateway = Gateway::start(&config(&every_method_dynamic()));
    let mut server = server(&gateway);
    for method in METHODS {
        let login = joe(method);
        let client = asks(&gateway, &mut Jar::default(), &login);
        let called = answers(&mut server, &joes(method));
        assert_eq!((&called[0], &called[1]), (&json!("realm1"), &json!("joe")), "{called}");
        let details = &called[2];
        assert_eq!(
            (&details["authmethod"], details["session"].is_u64()),
            (&json!(method), true),
            "{details}"
        );
        assert_eq!(details.get("ticket"), (method == "ticket").then_some(&json!(login.secret)), "{details}");
        assert!(details["transport"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{details}");
        let (welcome, mut client) =
            outcome(client, &login).unwrap_or_else(|error| panic!("{method}: {error:?}"));
        assert_eq!((&welcome["authid"], &welcome["authrole"]), (&json!("joe"), &json!("frontend")));
        assert_eq!((&welcome["authmethod"], &welcome["authprovider"]), (&json!(method), &json!("dynamic")));
        client.echoes();
        if method != "ticket" {
            let wrong = Login { secret: "guess", seed: [8; 32], ..joe(method) };
            let client = asks(&gateway, &mut Jar::default(), &wrong);
            answers(&mut server, &joes(method));
            assert_eq!(outcome(client, &wrong).unwrap_err().reason, "wamp.error.not_authorized");
        }
    }
}

#[test]
fn a_salted_secret_is_the_key_or_the_password() {
    let gateway = Gateway::start(&config(&json!({ "wampcra": dynamic() })));
    let mut server = server(&gateway);
    let login = Login { authid: Some("ann"), ..joe("wampcra") };
    let known = every_method()["wampcra"]["users"]["ann"].clone();
    for secret in [known["secret"].clone(), json!(SECRET)] {
        let client = asks(&gateway, &mut Jar::default(), &login);
        answers(&mut server, &known.clone().with("secret", secret));
        let (welcome, _) = outcome(client, &login).unwrap();
        assert_eq!(welcome["authid"], "ann");
    }
    // A client must not make the gateway hash for long.
    let client = asks(&gateway, &mut Jar::default(), &login);
    answers(&mut server, &known.with("secret", json!(SECRET)).with("iterations", json!(1_000_000)));
    assert_eq!(outcome(client, &login).unwrap_err().reason, "wamp.error.authentication_failed");
}

#[test]
fn the_procedure_names_the_principal_and_tells_the_client_more() {
    let auth = json!({
        "ticket": dynamic().with("config", json!({ "table": "users" })).with("headers", json!(["x-app"])),
        "anonymous": dynamic(),
    });
    let gateway = Gateway::start(&config_with(&tracked(), &auth));
    let mut server = server(&gateway);
    let mut jar = Jar::default();
    let handshake = Handshake::default().header("X-App", "chat").header("X-Other", "secret");
    let mut client = Client::open_by(&gateway, &mut jar, handshake, Serializer::Json, false);
    client.hello("realm1", joe("ticket").hello(&["ticket"]));
    client.expect(code::CHALLENGE);
    client.send(&json!([code::AUTHENTICATE, "the-ticket", {}]));
    let called = answers(
        &mut server,
        &json!({ "role": "frontend", "authid": "ann", "realm": "realm1", "extra": { "a": [1, 2] } }),
    );
    let welcome = client.outcome().unwrap();
    assert_eq!((&welcome["authid"], &welcome["authextra"]["a"]), (&json!("ann"), &json!([1, 2])));
    let details = &called[2];
    assert_eq!(details["config"], json!({ "table": "users" }));
    assert_eq!(details["transport"]["http_headers_received"]["x-app"], "chat");
    let text = details.to_string();
    assert!(!text.contains(&jar.id.unwrap()) && !text.contains("x-other"), "{text}");
    assert!(details["public_id"].is_string(), "{text}");

    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello("realm1", json!({}));
    let called = answers(&mut server, &json!("frontend"));
    let welcome = client.outcome().unwrap();
    assert_eq!(welcome["authid"], called[1], "the name that the client would get");
    assert_eq!((&welcome["authrole"], &welcome["authprovider"]), (&json!("frontend"), &json!("dynamic")));
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.hello("realm1", json!({}));
    raises(&mut server, "com.example.closed", "come back tomorrow");
    let refused = client.outcome().unwrap_err();
    assert_eq!(
        (refused.reason.as_str(), refused.message.as_str()),
        ("com.example.closed", "come back tomorrow")
    );
}

#[test]
fn another_realm_may_have_the_procedure_and_a_role_may_call_it() {
    let other =
        dynamic().with("authenticator-realm", json!("realm2")).with("authenticator-role", json!("frontend"));
    let gateway = Gateway::start(&config(&json!({ "ticket": other })));
    let login = joe("ticket");
    // In the realm of the client nothing would be asked.
    let _decoy = server(&gateway);
    let refused = outcome(asks(&gateway, &mut Jar::default(), &login), &login).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.authentication_failed");
    let mut server = server_in(&gateway, "realm2");
    let client = asks(&gateway, &mut Jar::default(), &login);
    let called = answers(&mut server, &json!("frontend"));
    assert_eq!(called[0], "realm1", "the realm of the client");
    outcome(client, &login).unwrap();
}

#[test]
fn whatever_goes_wrong_refuses_and_the_operator_is_told() {
    let gateway = Gateway::start(&config(&json!({
        "ticket": dynamic().with("timeout", json!("5s")), "wampcra": dynamic(), "cryptosign": dynamic(),
    })));
    let refused = |server: &mut Client, method: &'static str, answer: &Value| {
        let login = joe(method);
        let client = asks(&gateway, &mut Jar::default(), &login);
        answers(server, answer);
        outcome(client, &login).map(drop).unwrap_err().reason
    };
    let failed = "wamp.error.authentication_failed";
    let login = joe("ticket");
    let absent = outcome(asks(&gateway, &mut Jar::default(), &login), &login).unwrap_err();
    assert_eq!(absent.reason, failed);
    gateway.output().until("no session has registered it", 1);

    let mut server = server(&gateway);
    for nonsense in [
        json!(1),
        json!(true),
        json!([]),
        json!({}),
        json!({ "role": 1 }),
        json!({ "role": "frontend", "authid": {} }),
        json!({ "role": "frontend", "extra": [] }),
        json!("x".repeat(100_000)),
    ] {
        assert_eq!(refused(&mut server, "ticket", &nonsense), failed, "{nonsense}");
    }
    assert_eq!(refused(&mut server, "ticket", &json!("admin")), "wamp.error.no_such_role");
    let elsewhere = json!({ "role": "frontend", "realm": "realm2" });
    assert_eq!(refused(&mut server, "ticket", &elsewhere), "wamp.error.not_authorized");
    assert_eq!(refused(&mut server, "ticket", &Value::Null), "wamp.error.not_authorized");
    // A role alone proves nothing.
    for method in ["wampcra", "cryptosign"] {
        assert_eq!(refused(&mut server, method, &json!("frontend")), failed, "{method}");
        assert_eq!(refused(&mut server, method, &json!({ "role": "frontend" })), failed, "{method}");
    }
    // Nothing at all takes a challenge, and so does an error that says so.
    let login = joe("wampcra");
    for is_error in [false, true] {
        let mut client = asks(&gateway, &mut Jar::default(), &login);
        if is_error {
            raises(&mut server, "wamp.error.no_such_principal", "there is no joe");
        } else {
            answers(&mut server, &Value::Null);
        }
        let challenge = client.expect(code::CHALLENGE);
        client.send(&login.authenticate(&challenge));
        assert_eq!(client.outcome().unwrap_err().reason, "wamp.error.not_authorized");
    }

    // Slow: the gateway waits so long and no longer.
    let login = joe("ticket");
    let begun = Instant::now();
    let client = asks(&gateway, &mut Jar::default(), &login);
    server.expect(code::INVOCATION);
    assert_eq!(outcome(client, &login).unwrap_err().reason, failed);
    assert!(begun.elapsed() >= Duration::from_secs(4), "{:?}", begun.elapsed());
    // A client that has left does not matter to the next one.
    let gone = asks(&gateway, &mut Jar::default(), &login);
    let invocation = server.expect(code::INVOCATION);
    drop(gone);
    server.send(&json!([code::YIELD, invocation[1], {}, ["frontend"]]));
    let client = asks(&gateway, &mut Jar::default(), &login);
    answers(&mut server, &json!("frontend"));
    outcome(client, &login).unwrap();
    // Nor does a server that leaves before it has answered keep its client waiting.
    let client = asks(&gateway, &mut Jar::default(), &login);
    server.expect(code::INVOCATION);
    drop(server);
    assert_eq!(outcome(client, &login).unwrap_err().reason, failed);
    assert!(!gateway.output().text().contains(login.secret), "the ticket stands in no log");
}

#[test]
fn a_login_that_a_cookie_remembers_is_asked_about() {
    let auth = json!({ "ticket": dynamic(), "cookie": {} });
    let gateway = Gateway::start(&config_with(&tracked(), &auth));
    let mut server = server(&gateway);
    let mut jar = Jar::default();
    let login = joe("ticket");
    let client = asks(&gateway, &mut jar, &login);
    answers(&mut server, &json!("frontend"));
    outcome(client, &login).unwrap();
    for (answer, joins) in [(json!("frontend"), true), (Value::Null, false)] {
        let mut client = Client::open(&gateway, &mut jar);
        client.hello("realm1", json!({ "authmethods": ["cookie", "ticket"] }));
        let called = answers(&mut server, &answer);
        assert_eq!((&called[1], &called[2]["remembered"]), (&json!("joe"), &json!(true)), "{called}");
        assert!(called[2].get("ticket").is_none(), "{called}");
        assert_eq!(client.outcome().is_ok(), joins);
    }
    // The login is over, so that the ticket is asked for.
    let client = asks(&gateway, &mut jar, &login);
    answers(&mut server, &json!("frontend"));
    outcome(client, &login).unwrap();
}

#[test]
fn a_reload_that_calls_another_procedure_ends_the_sessions_of_the_one_before() {
    let gateway = Gateway::start(&config(&json!({ "ticket": dynamic() })));
    let mut server = server(&gateway);
    let login = joe("ticket");
    let client = asks(&gateway, &mut Jar::default(), &login);
    answers(&mut server, &json!("frontend"));
    let (_, mut client) = outcome(client, &login).unwrap();
    // How long it may take is no matter of who the client is.
    let slower = dynamic().with("timeout", json!("10s"));
    let (said, status) = gateway.reload(&config(&json!({ "ticket": slower })));
    assert_eq!(status, 0, "{said}");
    client.echoes();
    let other = dynamic().with("authenticator", json!("com.example.other"));
    let (said, status) = gateway.reload(&config(&json!({ "ticket": other })));
    assert_eq!(status, 0, "{said}");
    client.expect(code::GOODBYE);
    let refused = outcome(asks(&gateway, &mut Jar::default(), &login), &login).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.authentication_failed");
    server.register("com.example.other").unwrap();
    let client = asks(&gateway, &mut Jar::default(), &login);
    answers(&mut server, &json!("frontend"));
    outcome(client, &login).unwrap();
}
