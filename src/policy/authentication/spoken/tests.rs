use serde_json::{Value, json};

use super::*;
use crate::{
    policy::authentication::{AuthenticationQuestion, KnownSecret},
    wamp::Uri,
};

fn judged(question: &AuthenticationQuestion, said: Said) -> Result<Verdict, PolicyError> {
    question.with(|question| answer::check(read(said, question)?, question))
}

fn result(question: &AuthenticationQuestion, answer: &Value) -> Result<Verdict, PolicyError> {
    judged(question, Said::Result(answer.clone()))
}

fn with_roles(question: AuthenticationQuestion) -> AuthenticationQuestion {
    AuthenticationQuestion { roles: vec!["frontend".to_owned()], ..question }
}

#[test]
fn a_ticket_is_accepted_by_a_role_or_by_an_object() {
    let ticket = with_roles(AuthenticationQuestion::ticket("hunter2"));
    for answer in [json!("frontend"), json!({ "role": "frontend", "secret": "x", "other": [1] })] {
        let Verdict::Accept(known) = result(&ticket, &answer).unwrap() else { panic!("{answer}") };
        assert_eq!((known.authid, known.authrole.as_str(), known.realm), (None, "frontend", None));
    }
    let whole = json!({ "role": "frontend", "authid": "ann", "realm": "realm2", "extra": { "a": [1, 2] } });
    let Verdict::Accept(known) = result(&ticket, &whole).unwrap() else { panic!() };
    assert_eq!(known.authid.as_deref(), Some("ann"));
    assert_eq!(known.realm, Some(Uri::known("realm2")));
    assert_eq!(known.authextra.map(Value::Object), Some(json!({ "a": [1, 2] })));
    assert_eq!(result(&ticket, &Value::Null).unwrap(), Verdict::Unknown(None));
}

#[test]
fn an_answer_of_other_types_is_none() {
    let ticket = with_roles(AuthenticationQuestion::ticket("hunter2"));
    for nonsense in [
        json!(true),
        json!(1),
        json!(["frontend"]),
        json!({}),
        json!({ "role": 1 }),
        json!({ "role": "frontend", "authid": 1 }),
        json!({ "role": "frontend", "realm": 1 }),
        json!({ "role": "frontend", "realm": "not a uri" }),
        json!({ "role": "frontend", "extra": "text" }),
        json!({ "role": "frontend", "extra": { "long": "x".repeat(20_000) } }),
        json!({ "role": "admin" }),
        json!("a role that does not exist"),
        json!(""),
    ] {
        assert!(result(&ticket, &nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_method_that_challenges_needs_its_own_secret_and_accepts_nothing() {
    let hex = "01".repeat(32);
    let scram = json!({
        "role": "frontend", "kdf": "argon2id-13", "iterations": 2, "memory": 64,
        "salt": "00".repeat(16), "stored-key": hex, "server-key": hex,
    });
    let cases = [
        ("wampcra", json!({ "role": "frontend", "secret": "hunter2" })),
        (
            "wampcra",
            json!({ "role": "frontend", "secret": "prq7+YkJ1/KlW1X0YczMHw==", "salt": "salt123", "iterations": 100, "keylen": 16 }),
        ),
        ("scram", scram.clone()),
        ("wamp-scram", scram),
        ("cryptosign", json!({ "role": "frontend", "pubkey": hex })),
        ("cryptosign", json!({ "role": "frontend", "pubkey": [hex, hex] })),
        ("cryptosign", json!({ "role": "frontend", "authorized_keys": [hex] })),
    ];
    for (method, answer) in cases {
        let question = with_roles(AuthenticationQuestion::by(method));
        let verdict = result(&question, &answer).unwrap();
        assert!(matches!(verdict, Verdict::Secret(_)), "{method}: {verdict:?}");
        // A role alone would let in a client that has proved nothing.
        assert!(result(&question, &json!("frontend")).is_err(), "{method}");
        assert!(result(&question, &json!({ "role": "frontend" })).is_err(), "{method}");
        let absent = Said::Error { uri: Uri::known(NO_SUCH_PRINCIPAL), message: String::new() };
        assert_eq!(judged(&question, absent).unwrap(), Verdict::Unknown(None), "{method}");
        let remembered = AuthenticationQuestion { remembered: true, ..question };
        assert!(matches!(result(&remembered, &answer).unwrap(), Verdict::Accept(_)), "{method}");
    }
    for (method, nonsense) in [
        ("wampcra", json!({ "role": "frontend", "secret": 1 })),
        ("wampcra", json!({ "role": "frontend", "secret": "a", "salt": "s", "iterations": -1 })),
        ("wampcra", json!({ "role": "frontend", "secret": "a", "salt": "s", "keylen": 1.5 })),
        ("cryptosign", json!({ "role": "frontend", "pubkey": "01" })),
        ("cryptosign", json!({ "role": "frontend", "pubkey": [1] })),
        ("cryptosign", json!({ "role": "frontend", "pubkey": [] })),
        ("scram", json!({ "role": "frontend", "kdf": "bcrypt", "iterations": 1 })),
    ] {
        let question = with_roles(AuthenticationQuestion::by(method));
        assert!(result(&question, &nonsense).is_err(), "{method}: {nonsense}");
    }
    let question = with_roles(AuthenticationQuestion::by("wampcra"));
    let Verdict::Secret(known) =
        result(&question, &json!({ "role": "frontend", "secret": "hunter2" })).unwrap()
    else {
        panic!()
    };
    assert_eq!(known.secret, KnownSecret::WampCra { key: "hunter2".to_owned(), salting: None });
}

#[test]
fn an_error_denies_in_the_words_of_the_procedure_and_ends_a_login_that_is_remembered() {
    let said = || Said::Error {
        uri: Uri::known("com.example.invalid_ticket"),
        message: "no such ticket\n".repeat(1000),
    };
    let ticket = AuthenticationQuestion::ticket("hunter2");
    let Verdict::Deny(denial) = judged(&ticket, said()).unwrap() else { panic!() };
    assert_eq!(denial.reason.as_str(), "com.example.invalid_ticket");
    assert!(denial.message.len() <= 1024 && !denial.message.contains('\n'), "{}", denial.message);
    let remembered = AuthenticationQuestion { remembered: true, ..ticket };
    assert_eq!(judged(&remembered, said()).unwrap(), Verdict::Unknown(None));
}

#[test]
fn no_client_learns_by_a_guess_that_a_principal_does_not_exist() {
    let absent = || Said::Error { uri: Uri::known(NO_SUCH_PRINCIPAL), message: "there is no joe".to_owned() };
    let ticket = AuthenticationQuestion::ticket("hunter2");
    assert_eq!(judged(&ticket, absent()).unwrap(), Verdict::Unknown(None));
    // The gateway has drawn the name of a client that claims to be no one.
    let anonymous = AuthenticationQuestion::by(ANONYMOUS);
    assert!(matches!(judged(&anonymous, absent()).unwrap(), Verdict::Deny(_)));
}

#[test]
fn the_details_have_the_ticket_and_no_other_credential() {
    let question = AuthenticationQuestion {
        cookie: Some(crate::policy::question::Cookie::default()),
        ..AuthenticationQuestion::ticket("hunter2")
    };
    let told = question.with(|question| {
        let id = question.whom().tracking_id.map(str::to_owned);
        (arguments(question, SessionId(4711), Some(r#"{"table":"users"}"#)), id)
    });
    let (arguments, id) = told;
    assert_eq!((&arguments[0], &arguments[1]), (&json!("realm1"), &json!("joe")));
    let details = &arguments[2];
    assert_eq!(details["session"], 4711);
    assert_eq!(details["ticket"], "hunter2");
    assert_eq!(details["config"], json!({ "table": "users" }));
    assert_eq!(details["transport"]["type"], "websocket");
    if let Some(id) = id {
        assert!(!details.to_string().contains(&id), "{details}");
    }
    let remembered = AuthenticationQuestion { remembered: true, ticket: None, ..question };
    let arguments = remembered.with(arguments_of);
    assert_eq!(arguments[2]["remembered"], true);
    assert!(arguments[2].get("ticket").is_none());
}

fn arguments_of(question: &AuthenticationRequest<'_>) -> Vec<Value> {
    arguments(question, SessionId(1), None)
}

#[test]
fn the_procedure_is_told_what_the_client_speaks_over() {
    for (subprotocol, transport) in [("wamp.2.json", "websocket"), ("", "rawsocket")] {
        let mut question = AuthenticationQuestion::ticket("hunter2");
        subprotocol.clone_into(&mut question.connection.subprotocol);
        let details = question.with(|question| arguments(question, SessionId(1), None)).remove(2);
        assert_eq!(details["transport"]["type"], transport);
    }
}
