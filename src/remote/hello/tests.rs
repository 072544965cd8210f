use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{
    identity::{AuthId, Lease, Name},
    wamp::{ClientMessage, Serializer},
};

fn announced(roles: &Value) -> Value {
    let hello = Bytes::from(json!([1, "realm1", { "roles": roles }]).to_string());
    let Ok(ClientMessage::Hello { details, .. }) = Serializer::Json.decode(&hello, 16) else {
        panic!("no HELLO")
    };
    Value::from(Announced::read(&details.roles).0)
}

fn identity() -> Identity {
    Identity {
        authid: AuthId::Open(Name::known("joe")),
        authrole: Name::known("frontend"),
        authmethod: "ticket",
        authprovider: "static",
        authextra: None,
        lease: Lease::default(),
        standing: None,
    }
}

fn account(proof: Proof) -> Login {
    Login::Account(Account { authid: Name::known("edge"), proof })
}

fn secret() -> Secret {
    Secret::new("secret".to_owned())
}

#[test]
fn a_client_announces_roles_and_features_and_nothing_else() {
    let said = json!({
        "caller": { "features": { "call_timeout": true, "off": false, "text": "true", "Big": true } },
        "callee": { "x": 1 },
        "subscriber": [],
        "root": { "features": { "all": true } },
    });
    assert_eq!(
        announced(&said),
        json!({
            "caller": { "features": { "call_timeout": true } },
            "callee": { "features": {} },
            "subscriber": { "features": {} },
        })
    );
    let all = json!({ "features": {} });
    let every_role = json!({ "caller": all, "callee": all, "publisher": all, "subscriber": all });
    assert_eq!(announced(&json!({ "other": {} })), every_role, "a router wants to hear a role");
    let many: Map<_, _> = (0..1000).map(|number| (format!("f{number}"), true.into())).collect();
    let few = announced(&json!({ "caller": { "features": many, "x": "y".repeat(100) } }));
    assert_eq!(few["caller"]["features"].as_object().unwrap().len(), MOST_FEATURES);
}

#[test]
fn a_secret_answers_only_the_method_that_was_offered() {
    let none = Map::new();
    let challenge = Map::from_iter([("challenge".to_owned(), "x".into())]);
    let ticket = Login::Ticket(secret());
    let answer = |login: &Login, method: &str, extra: &Map<String, Value>| {
        login.answer((method, extra), &identity(), &Uri::known("realm1"))
    };
    assert_eq!(answer(&ticket, "ticket", &none).as_deref(), Some("secret"));
    assert_eq!(answer(&ticket, "wampcra", &challenge), None);
    let cra = account(Proof::WampCra(secret()));
    assert_eq!(answer(&cra, "ticket", &none), None);
    assert_eq!(answer(&cra, "wampcra", &none), None);
    let signature = answer(&cra, "wampcra", &challenge).unwrap();
    assert!(signature.len() == 44 && !signature.contains("secret"), "{signature}");
    let salted = |iterations: Value, length: Value| {
        let mut extra = challenge.clone();
        extra.extend([("salt".to_owned(), "pepper".into())]);
        extra.extend([("iterations".to_owned(), iterations), ("keylen".to_owned(), length)]);
        answer(&cra, "wampcra", &extra)
    };
    assert!(salted(100.into(), 32.into()).is_some_and(|other| other != signature));
    for (iterations, length) in
        [(0.into(), 32.into()), (u64::MAX.into(), 32.into()), (1.into(), 65.into()), ("1".into(), 32.into())]
    {
        assert_eq!(salted(iterations, length), None);
    }
}

#[test]
fn a_hello_names_the_client_or_the_account() {
    let of =
        |login: &Login| Value::from(login.hello(&identity(), &Uri::known("realm1"), Announced(Map::new())));
    let ticket = Login::Ticket(secret());
    assert_eq!(of(&ticket), json!({ "roles": {}, "authmethods": ["ticket"], "authid": "joe" }));
    let cra = account(Proof::WampCra(secret()));
    assert_eq!(of(&cra), json!({ "roles": {}, "authmethods": ["wampcra"], "authid": "edge" }));
    assert!(ticket.names_the_client() && !cra.names_the_client());
    assert!(cra.is_in("the secret is secret") && !cra.is_in("nothing"));
}
