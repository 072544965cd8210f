//! The session meta API: who is here, who comes and goes, who has to leave, and that nothing of it is a credential.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Jar, Serializer,
    client::uri,
    code,
    config::{self, With as _, anonymous_auth, ticket_auth, tracked, web},
    gateway::tracking_gateway,
};

/// Every procedure of the API that ends sessions, with arguments that name a session.
const DEADLY: [&str; 4] = ["kill", "kill_by_authid", "kill_by_authrole", "kill_all"];

/// The only result of a meta procedure, or the error's URI.
#[track_caller]
fn ask(client: &mut Client, procedure: &str, args: &Value, kwargs: &Value) -> Result<Value, String> {
    let call = client.call(&format!("wamp.session.{procedure}"), args, kwargs);
    client.result(call).map(|result| result[3][0].clone()).map_err(|error| uri(&error))
}

/// A gateway on whose realm the role `frontend` (joe's) may do everything, and `anonymous` everything by one rule that
/// covers all there is.
#[track_caller]
fn gateway_with_roles() -> Gateway {
    let everything = config::everything();
    let all = json!({ "uri": "", "match": "prefix", "allow": everything });
    let meta = json!({ "uri": "wamp.session.", "match": "prefix", "allow": everything });
    let realm = json!({ "name": "realm1", "roles": [
        { "name": "anonymous", "permissions": [all] },
        { "name": "frontend", "permissions": [all, meta] },
        { "name": "mute", "permissions": [] },
    ] });
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    Gateway::start(&web(&tracked().with("auth", auth)).with("realms", json!([realm])))
}

/// Joe, logged in by his ticket.
#[track_caller]
pub(super) fn joe(gateway: &Gateway) -> Client {
    Client::joe(gateway, &mut Jar::default()).0
}

#[test]
fn an_anonymous_client_reads_public_names_and_no_credential() {
    let gateway = tracking_gateway();
    let mut victims = Jar::default();
    let (mut victim, welcome) = Client::joined(&gateway, &mut victims);
    let id = victims.id.unwrap();
    let public_id = &welcome["x_wampgate_public_id"];
    for serializer in [Serializer::Json, Serializer::MsgPack, Serializer::Cbor] {
        let mut reader = Client::open_with(&gateway, &mut Jar::default(), serializer, false);
        reader.joins();
        let mut said = Vec::new();
        let all = ask(&mut reader, "list", &json!([]), &json!({})).unwrap();
        assert_eq!(ask(&mut reader, "count", &json!([]), &json!({})).unwrap(), all.as_array().unwrap().len());
        let mut authids = Vec::new();
        for session in all.as_array().unwrap() {
            let details = ask(&mut reader, "get", &json!([session]), &json!({})).unwrap();
            authids.push(details["authid"].clone());
            said.push(details);
        }
        assert!(authids.contains(public_id), "{authids:?}");
        for procedure in DEADLY {
            said.push(ask(&mut reader, procedure, &json!([public_id]), &json!({})).unwrap_err().into());
        }
        assert!(!json!(said).to_string().contains(&id), "a credential");
        reader.leaves();
    }
    victim.echoes();
}

#[test]
fn joining_and_leaving_are_told_without_credentials() {
    let gateway = tracking_gateway();
    let (mut watcher, _) = Client::joined(&gateway, &mut Jar::default());
    let joins = watcher.subscribe("wamp.session.on_join").unwrap();
    let leaves = watcher.subscribe("wamp.session.on_leave").unwrap();
    let mut jar = Jar::default();
    let (mut client, welcome) = Client::joined(&gateway, &mut jar);
    let joined = watcher.expect(code::EVENT);
    client.leaves();
    let left = watcher.expect(code::EVENT);
    let public_id = &welcome["x_wampgate_public_id"];
    assert_eq!((&joined[1], &joined[4][0]["authid"]), (&joins, public_id), "{joined}");
    let details = &joined[4][0];
    assert_eq!(left[1], leaves, "{left}");
    assert_eq!(left[4], json!([details["session"], public_id, "anonymous"]), "{left}");
    let keys: Vec<&String> = details.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["authid", "authmethod", "authprovider", "authrole", "session", "transport"]);
    let id = jar.id.unwrap();
    for event in [&joined, &left] {
        assert!(!event.to_string().contains(&id), "a credential");
    }
}

#[test]
fn an_open_realm_lets_nobody_kill() {
    let gateway = tracking_gateway();
    let (mut victim, welcome) = Client::joined(&gateway, &mut Jar::default());
    let (mut attacker, _) = Client::joined(&gateway, &mut Jar::default());
    for procedure in DEADLY {
        for argument in [&welcome["x_wampgate_public_id"], &json!("anonymous"), &json!(1)] {
            let error = ask(&mut attacker, procedure, &json!([argument]), &json!({})).unwrap_err();
            assert_eq!(error, "wamp.error.not_authorized", "{procedure}");
        }
    }
    let error = ask(&mut attacker, "modify_details", &json!([1, {}]), &json!({})).unwrap_err();
    assert_eq!(error, "wamp.error.no_such_procedure");
    victim.echoes();
}

#[test]
fn a_rule_that_covers_everything_lets_nobody_kill() {
    let gateway = gateway_with_roles();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    assert_eq!(ask(&mut client, "count", &json!([]), &json!({})).unwrap(), 1);
    for procedure in DEADLY {
        let error = ask(&mut client, procedure, &json!(["joe"]), &json!({})).unwrap_err();
        assert_eq!(error, "wamp.error.not_authorized", "{procedure}");
    }
}

#[test]
fn a_killed_session_gets_its_goodbye_and_is_closed() {
    let gateway = gateway_with_roles();
    let mut admin = joe(&gateway);
    let leaves = admin.subscribe("wamp.session.on_leave").unwrap();
    let cases = [
        ("kill", json!({}), "wamp.close.killed", Value::Null),
        ("kill_by_authrole", json!({ "message": "off" }), "wamp.close.killed", json!("off")),
        ("kill_all", json!({ "reason": "com.example.bye" }), "com.example.bye", Value::Null),
        ("kill_by_authid", json!({ "reason": "com.example.bye" }), "com.example.bye", Value::Null),
    ];
    for (procedure, kwargs, reason, message) in cases {
        let (mut victim, welcome) = Client::joined(&gateway, &mut Jar::default());
        let listed = ask(&mut admin, "list", &json!([["anonymous"]]), &json!({})).unwrap();
        let argument = match procedure {
            "kill" => listed[0].clone(),
            "kill_by_authid" => welcome["authid"].clone(),
            _ => json!("anonymous"),
        };
        let arguments = if procedure == "kill_all" { json!([]) } else { json!([argument]) };
        let result = ask(&mut admin, procedure, &arguments, &kwargs).unwrap();
        let expected = match procedure {
            "kill" => Value::Null,
            "kill_by_authid" => listed.clone(),
            _ => json!(1),
        };
        assert_eq!(result, expected, "{procedure}");
        let goodbye = victim.receive();
        assert_eq!(
            (&goodbye[0], &goodbye[2]),
            (&json!(code::GOODBYE), &json!(reason)),
            "{procedure}: {goodbye}"
        );
        assert_eq!(goodbye[1]["message"], message, "{procedure}: {goodbye}");
        victim.socket().await_close();
        let event = admin.expect(code::EVENT);
        assert_eq!((&event[1], &event[4][0]), (&leaves, &listed[0]), "{procedure}: {event}");
    }
    assert_eq!(ask(&mut admin, "kill", &json!([1]), &json!({})).unwrap_err(), "wamp.error.no_such_session");
    let error = ask(&mut admin, "kill_all", &json!([]), &json!({ "reason": "not a uri" })).unwrap_err();
    assert_eq!(error, "wamp.error.invalid_uri");
    // It does not end one role's sessions only, whatever its caller thinks.
    let error = ask(&mut admin, "kill_all", &json!(["anonymous"]), &json!({})).unwrap_err();
    assert_eq!(error, "wamp.error.invalid_argument");
    admin.echoes();
}
