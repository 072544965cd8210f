//! The authentication methods through the front door: a client that is right joins, and no other one learns anything.

use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    auth::{Login, METHODS, SECRET, every_method, joe},
    client::Refused,
    code,
    config::{TICKET, With as _, ticket_auth, tracked, untracked, web},
};

fn gateway() -> Gateway {
    Gateway::start(&web(&untracked().with("auth", every_method())))
}

#[track_caller]
fn login(gateway: &Gateway, login: &Login<'_>) -> Result<Value, Refused> {
    Client::open(gateway, &mut Jar::default()).join_by(login)
}

#[test]
fn the_right_secret_joins_as_the_principal() {
    let gateway = gateway();
    let by = |authid, method| Login { authid: Some(authid), ..joe(method) };
    let others = [by("ann", "wampcra"), by("ann", "scram"), by("amy", "wamp-scram")];
    let logins = METHODS.map(joe).into_iter().chain(others);
    for right in logins {
        let mut client = Client::open(&gateway, &mut Jar::default());
        let welcome = client.join_by(&right).unwrap_or_else(|refused| panic!("{right:?}: {refused:?}"));
        assert_eq!(welcome["authid"].as_str(), right.authid, "{welcome}");
        assert_eq!(welcome["authrole"], "frontend");
        assert_eq!(welcome["authmethod"], right.method);
        assert_eq!(welcome["authprovider"], "static");
        client.echoes();
    }
}

#[test]
fn the_gateway_proves_itself_to_a_client_of_scram() {
    let gateway = gateway();
    for (method, key) in [("scram", "scram_server_signature"), ("wamp-scram", "verifier")] {
        let welcome = login(&gateway, &joe(method)).unwrap();
        assert!(welcome["authextra"][key].as_str().unwrap().len() >= 44, "{welcome}");
    }
}

#[test]
fn a_key_that_one_principal_has_tells_who_it_is() {
    let gateway = gateway();
    let welcome = login(&gateway, &Login { authid: None, ..joe("cryptosign") }).unwrap();
    assert_eq!(welcome["authid"], "joe");
    login(&gateway, &Login { authid: Some("ann"), ..joe("cryptosign") }).unwrap_err();
}

#[test]
fn a_wrong_secret_and_an_unknown_principal_are_refused_alike() {
    let gateway = gateway();
    for method in METHODS {
        let wrong = Login { secret: "guess", seed: [8; 32], ..joe(method) };
        let unknown = Login { authid: Some("eve"), ..joe(method) };
        let nameless = Login { authid: Some(""), ..joe(method) };
        let refused = login(&gateway, &wrong).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized", "{method}");
        assert!(!refused.message.contains("joe"), "{refused:?}");
        assert_eq!(login(&gateway, &unknown).unwrap_err(), refused, "{method}: a client can tell who exists");
        assert_eq!(login(&gateway, &nameless).unwrap_err(), refused, "{method}");
    }
    gateway.assert_joe_still_joins();
}

/// The keys of a dictionary and how long their texts are, also in a text that is JSON itself. Numbers are drawn at random.
fn shape(value: &Value) -> Vec<(String, usize)> {
    let entries = value.as_object().unwrap().iter();
    let lengths = entries.flat_map(|(key, value)| {
        let text = value.as_str().unwrap_or_default();
        match serde_json::from_str::<Value>(text) {
            Ok(inner @ Value::Object(_)) => shape(&inner),
            _ => vec![(key.clone(), text.len())],
        }
    });
    lengths.collect()
}

#[test]
fn the_challenge_does_not_tell_who_exists() {
    let gateway = gateway();
    let challenge = |method, authid| {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.challenged(&Login { authid: Some(authid), ..joe(method) })[2].clone()
    };
    for method in METHODS {
        // A stand-in answers for a name that does not exist, and `jod` is as long as `joe`.
        let known = ["joe", "ann"].map(|name| shape(&challenge(method, name)));
        let unknown = shape(&challenge(method, "jod"));
        assert!(known.contains(&unknown), "{method}: {unknown:?} {known:?}");
    }
    // A salt that changed from one try to the next would give an unknown name away.
    for method in ["scram", "wamp-scram", "wampcra"] {
        for authid in ["jod", "anm", "aaa", "zzz"] {
            let (first, second) = (challenge(method, authid), challenge(method, authid));
            assert_eq!(first["salt"], second["salt"], "{method}");
            let is_real =
                |name| first["salt"].is_string() && first["salt"] == challenge(method, name)["salt"];
            assert!(!is_real("joe") && !is_real("ann"), "{method}: {first}");
        }
    }
}

#[test]
fn a_replayed_answer_is_refused() {
    let gateway = gateway();
    // A ticket is the secret itself; every other answer is good for one challenge only.
    for method in METHODS.into_iter().filter(|method| *method != "ticket") {
        let login = joe(method);
        let mut first = Client::open(&gateway, &mut Jar::default());
        let answer = login.authenticate(&first.challenged(&login));
        first.send(&answer);
        first.outcome().unwrap();

        let mut thief = Client::open(&gateway, &mut Jar::default());
        thief.challenged(&login);
        thief.send(&answer);
        assert_eq!(thief.outcome().unwrap_err().reason, "wamp.error.not_authorized", "{method}");

        // Nor on the connection of the one who was challenged, after the session.
        first.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        first.expect(code::GOODBYE);
        first.challenged(&login);
        first.send(&answer);
        assert_eq!(first.outcome().unwrap_err().reason, "wamp.error.not_authorized", "{method}");
    }
}

#[test]
fn an_answer_to_somebody_elses_challenge_is_refused() {
    let gateway = gateway();
    for method in METHODS.into_iter().filter(|method| *method != "ticket") {
        let login = joe(method);
        let (mut one, mut other) =
            (Client::open(&gateway, &mut Jar::default()), Client::open(&gateway, &mut Jar::default()));
        let (to_one, to_other) = (one.challenged(&login), other.challenged(&login));
        assert_ne!(to_one[2], to_other[2], "{method}: the same challenge twice");
        one.send(&login.authenticate(&to_other));
        other.send(&login.authenticate(&to_one));
        one.outcome().unwrap_err();
        other.outcome().unwrap_err();
    }
}

#[test]
fn answers_of_every_shape_are_refused() {
    let auth = every_method().with("max_failures", json!(0));
    let gateway = Gateway::start(&web(&untracked().with("auth", auth)));
    for method in METHODS {
        for signature in ["", "=", "AAAA", "00", &"A".repeat(44), &"0".repeat(192), "\u{1f6aa}"] {
            let mut client = Client::open(&gateway, &mut Jar::default());
            client.challenged(&joe(method));
            client.send(&json!([code::AUTHENTICATE, signature, {}]));
            let refused = client.outcome().unwrap_err();
            assert_eq!(refused.reason, "wamp.error.not_authorized", "{method} {signature}");
        }
    }
    gateway.assert_joe_still_joins();
}

#[test]
fn what_a_method_needs_must_be_there() {
    let gateway = gateway();
    for (method, details) in [
        ("wampcra", json!({})),
        ("scram", json!({ "authid": "joe" })),
        ("scram", json!({ "authid": "joe", "authextra": { "nonce": "not base64!" } })),
        ("wamp-scram", json!({ "authextra": { "nonce": "AAAA" } })),
        ("cryptosign", json!({ "authid": "joe" })),
        ("cryptosign", json!({ "authid": "joe", "authextra": { "pubkey": "7" } })),
    ] {
        let details = details.with("authmethods", json!([method]));
        let refused = Client::open(&gateway, &mut Jar::default()).join("realm1", details).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized", "{method}");
        assert!(refused.message.contains("HELLO.Details."), "{refused:?}");
    }
}

#[test]
fn a_channel_binding_that_is_impossible_is_refused_clearly() {
    let gateway = gateway();
    for method in ["cryptosign", "scram", "wamp-scram"] {
        let mut details = joe(method).hello(&[method]);
        details["authextra"]["channel_binding"] = "tls-exporter".into();
        let refused = Client::open(&gateway, &mut Jar::default()).join("realm1", details).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized");
        assert!(refused.message.contains("channel binding"), "{refused:?}");
    }
}

#[test]
fn a_client_that_offers_several_methods_gets_the_policys_choice() {
    let gateway = gateway();
    let login = joe("scram");
    for (offered, chosen) in [
        (&["bogus", "wampcra", "ticket"][..], "wampcra"),
        (&["scram", "wampcra"], "scram"),
        (&["cookie", "ticket"], "ticket"),
        (&["anonymous", "wamp-scram"], "wamp-scram"),
    ] {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.hello("realm1", login.hello(offered));
        assert_eq!(client.expect(code::CHALLENGE)[1], chosen, "{offered:?}");
    }
}

#[test]
fn a_principal_of_another_realm_is_told_only_with_its_secret() {
    let principals = json!({ "joe": { "secret": SECRET, "role": "frontend", "realm": "realm2" } });
    let roles = json!([{ "name": "frontend", "permissions": [] }]);
    let auth = json!({ "wampcra": { "type": "static", "principals": principals } });
    let config = web(&tracked().with("auth", auth))
        .with("realms", json!([{ "name": "realm1", "roles": roles }, { "name": "realm2", "roles": roles }]));
    let gateway = Gateway::start(&config);
    let right = login(&gateway, &joe("wampcra")).unwrap_err();
    let wrong = login(&gateway, &Login { secret: "guess", ..joe("wampcra") }).unwrap_err();
    assert_eq!(
        (right.reason.as_str(), wrong.reason.as_str()),
        ("wamp.error.not_authorized", "wamp.error.not_authorized")
    );
    assert!(right.message.contains("realm") && !wrong.message.contains("realm"), "{right:?} {wrong:?}");
}

impl Gateway {
    /// A client that is right is served after all that.
    #[track_caller]
    fn assert_joe_still_joins(&self) {
        for method in METHODS {
            login(self, &joe(method)).unwrap();
        }
    }
}

/// What a guesser is told that tries a ticket for a principal; `None`: the gateway lets it in.
pub(super) fn guess(
    gateway: &Gateway,
    from: Option<&str>,
    authid: &str,
    ticket: &str,
) -> Option<(String, String)> {
    let mut handshake = Handshake::default();
    handshake.source = from.map(|address| address.parse().unwrap());
    let mut client = Client::open_by(gateway, &mut Jar::default(), handshake, Serializer::Json, false);
    client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": authid }));
    let mut answer = client.receive();
    if answer[0] == code::CHALLENGE {
        client.send(&json!([code::AUTHENTICATE, ticket, {}]));
        answer = client.receive();
    }
    (answer[0] == code::ABORT)
        .then(|| (answer[2].as_str().unwrap().to_owned(), answer[1]["message"].as_str().unwrap().to_owned()))
}

/// What a guesser is told that tries the right ticket, which the gateway does not look at while it makes him wait. A wait may be over
/// just then: he guesses on until there is the next one.
#[track_caller]
pub(super) fn waits_with_the_right_secret(
    gateway: &Gateway,
    from: Option<&str>,
    authid: &str,
) -> (String, String) {
    let end = Instant::now() + PATIENCE;
    loop {
        match guess(gateway, from, authid, TICKET) {
            Some(told) if told.0 == "wamp.error.unavailable" => return told,
            _ => assert!(Instant::now() < end, "the right secret is looked at"),
        }
        while guess(gateway, from, authid, "guess").is_some_and(|told| told.0 == "wamp.error.not_authorized")
        {
            assert!(Instant::now() < end, "no guess has to wait");
        }
    }
}

#[test]
fn wrong_secrets_are_throttled_whether_the_principal_exists_or_not() {
    const WRONG: &str = "wamp.error.not_authorized";
    const WAIT: &str = "wamp.error.unavailable";
    let mut gateway = Gateway::start(&web(&untracked().with("auth", ticket_auth())));
    let mut told = Vec::new();
    for authid in ["joe", "no-such-principal"] {
        let reasons: Vec<_> = (0..40).map(|_| guess(&gateway, None, authid, "guess").unwrap().0).collect();
        assert!(reasons[..10].iter().all(|reason| reason == WRONG), "{authid}: {reasons:?}");
        let looked_at = reasons.iter().filter(|reason| *reason == WRONG).count();
        // A slow machine may take some of the first waits, which are short.
        assert!(looked_at < 16, "{authid}: {looked_at} guesses: {reasons:?}");
        told.push(waits_with_the_right_secret(&gateway, None, authid));
    }
    for (reason, message) in told {
        assert_eq!(reason, WAIT, "the right secret is not looked at either");
        assert!(message.starts_with("too many failed logins: try again in "), "{message}");
    }
    assert_eq!(guess(&gateway, Some("127.0.0.2"), "joe", TICKET), None, "another address need not wait");
    assert!(gateway.terminate().success());
    let said = gateway.output().text();
    let lines = said.lines().filter(|line| line.contains("reason=\"throttled\"")).count();
    assert!((1..20).contains(&lines), "{said}");
    assert!(!said.contains("no-such-principal"), "a claimed name may be a secret in the wrong place");
}

#[test]
fn who_has_many_challenges_open_has_no_more_guesses() {
    let gateway = Gateway::start(&web(&untracked().with("auth", ticket_auth())));
    let challenged = (0..40).map(|_| {
        let mut client = Client::open(&gateway, &mut Jar::default());
        client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
        client.expect(code::CHALLENGE);
        client
    });
    let clients: Vec<_> = challenged.collect();
    let answers = clients.into_iter().map(|mut client| {
        client.send(&json!([code::AUTHENTICATE, "guess", {}]));
        client.receive()[2].clone()
    });
    let looked_at = answers.filter(|reason| reason == "wamp.error.not_authorized").count();
    assert!((10..16).contains(&looked_at), "{looked_at}");
}

#[test]
fn a_service_may_let_clients_guess() {
    let gateway =
        Gateway::start(&web(&untracked().with("auth", ticket_auth().with("max_failures", json!(0)))));
    for _ in 0..30 {
        assert_eq!(guess(&gateway, None, "joe", "guess").unwrap().0, "wamp.error.not_authorized");
    }
    assert_eq!(guess(&gateway, None, "joe", TICKET), None);
}
