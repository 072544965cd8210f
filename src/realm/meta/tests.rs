use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    realm::{
        Channel, Roles,
        member::Member,
        permissions::Permissions,
        router::testing::{identity, payload},
    },
    wire::Outbox,
};

const CALLER: SessionId = SessionId(1);

/// The caller 1 and the sessions 2 to 4; 4 has another role.
fn members() -> Members {
    let permissions = Permissions::new(&Roles::Open);
    let member = |session: u64| {
        let mut identity = identity(session);
        if session == 4 {
            Arc::make_mut(&mut identity).authrole = Arc::from("admin");
        }
        let role = permissions.role(&identity.authrole);
        let outbox = Arc::new(Outbox::new(Serializer::Cbor, 1024));
        (SessionId(session), Member { number: session, identity, outbox, role, channel: Channel::Tcp })
    };
    (1..=4).map(member).collect()
}

fn ask(procedure: Procedure, args: &'static str, kwargs: &'static str) -> Result<Answer, Refusal> {
    let kwargs =
        Some(kwargs).filter(|text| !text.is_empty()).map(|text| bytes::Bytes::from_static(text.as_bytes()));
    procedure.answer(CALLER, &Payload { kwargs, ..payload(args) }, &members())
}

fn result(procedure: Procedure, args: &'static str) -> Value {
    ask(procedure, args, "").unwrap().result
}

fn killed(procedure: Procedure, args: &'static str, kwargs: &'static str) -> Killed {
    let mut killed = ask(procedure, args, kwargs).unwrap().killed.unwrap();
    killed.sessions.sort_unstable();
    killed
}

fn refused(procedure: Procedure, args: &'static str, kwargs: &'static str) -> &'static str {
    ask(procedure, args, kwargs).unwrap_err().error
}

fn sorted(list: Value) -> Vec<u64> {
    let mut list: Vec<u64> = serde_json::from_value(list).unwrap();
    list.sort_unstable();
    list
}

#[test]
fn sessions_are_counted_and_listed_by_role() {
    assert_eq!(result(Procedure::Count, "[]"), 4);
    assert_eq!(result(Procedure::Count, "[null]"), 4);
    assert_eq!(result(Procedure::Count, r#"[["user"]]"#), 3);
    assert_eq!(result(Procedure::Count, r#"[["user", "admin"]]"#), 4);
    assert_eq!(result(Procedure::Count, "[[]]"), 0);
    assert_eq!(sorted(result(Procedure::List, "[]")), [1, 2, 3, 4]);
    assert_eq!(sorted(result(Procedure::List, r#"[["admin"]]"#)), [4]);
    assert_eq!(refused(Procedure::List, r#"["admin"]"#, ""), INVALID_ARGUMENT);
    assert_eq!(refused(Procedure::Count, "[[1]]", ""), INVALID_ARGUMENT);
}

#[test]
fn session_is_told_by_its_public_names_only() {
    let details = json!({
        "session": 2, "authid": "public2", "authrole": "user", "authmethod": "anonymous", "authprovider": "policy",
        "transport": { "type": "websocket", "channel": "tcp", "serializer": "cbor" },
    });
    assert_eq!(result(Procedure::Get, "[2]"), details);
    assert_eq!(refused(Procedure::Get, "[9]", ""), NO_SUCH_SESSION);
    for args in ["[]", r#"["2"]"#, "[-2]", "[2.5]"] {
        assert_eq!(refused(Procedure::Get, args, ""), INVALID_ARGUMENT, "{args}");
    }
}

#[test]
fn no_answer_of_any_procedure_holds_a_credential() {
    let calls = [
        (Procedure::Count, "[]"),
        (Procedure::List, "[]"),
        (Procedure::Get, "[1]"),
        (Procedure::Get, "[2]"),
        (Procedure::Get, "[9]"),
        (Procedure::Kill, "[2]"),
        (Procedure::Kill, "[9]"),
        (Procedure::KillByAuthid, r#"["public2"]"#),
        (Procedure::KillByAuthid, r#"["secret2"]"#),
        (Procedure::KillByAuthrole, r#"["user"]"#),
        (Procedure::KillAll, "[]"),
    ];
    for (procedure, args) in calls {
        let answer = match ask(procedure, args, "") {
            Ok(answer) => format!("{:?} {}", answer.killed.map(|killed| killed.sessions), answer.result),
            Err(refusal) => format!("{refusal:?}"),
        };
        assert!(!answer.contains("secret"), "{procedure:?}: {answer}");
    }
}

#[test]
fn sessions_are_killed_one_by_one_or_by_name_and_never_the_caller() {
    let plain = |sessions: &[u64], authid: Option<&str>| Killed {
        sessions: sessions.iter().copied().map(SessionId).collect(),
        reason: Uri::known(KILLED),
        message: None,
        authid: authid.map(str::to_owned),
    };
    assert_eq!(killed(Procedure::Kill, "[2]", ""), plain(&[2], None));
    assert_eq!(refused(Procedure::Kill, "[1]", ""), NO_SUCH_SESSION, "the caller itself");
    assert_eq!(refused(Procedure::Kill, "[9]", ""), NO_SUCH_SESSION);
    assert_eq!(killed(Procedure::KillByAuthid, r#"["public2"]"#, ""), plain(&[2], Some("public2")));
    assert_eq!(killed(Procedure::KillByAuthid, r#"["public1"]"#, ""), plain(&[], Some("public1")));
    assert_eq!(killed(Procedure::KillByAuthrole, r#"["user"]"#, ""), plain(&[2, 3], None));
    assert_eq!(killed(Procedure::KillAll, "[]", ""), plain(&[2, 3, 4], None));
    assert_eq!(result(Procedure::KillByAuthid, r#"["public2"]"#), json!([2]));
    assert_eq!(result(Procedure::KillByAuthrole, r#"["user"]"#), 2);
    assert_eq!(result(Procedure::KillAll, "[]"), 3);
    assert_eq!(ask(Procedure::Kill, "[2]", "").unwrap().payload(), Payload::empty());
}

#[test]
fn nobody_is_killed_by_a_credential() {
    assert_eq!(killed(Procedure::KillByAuthid, r#"["secret2"]"#, "").sessions, []);
}

#[test]
fn reason_and_message_are_passed_on_if_they_are_sound() {
    let killed = killed(Procedure::Kill, "[2]", r#"{"reason": "com.example.bye", "message": "see you"}"#);
    assert_eq!((killed.reason.as_str(), killed.message.as_deref()), ("com.example.bye", Some("see you")));
    for kwargs in [r#"{"reason": ""}"#, r#"{"reason": "a b"}"#, r#"{"reason": 1}"#] {
        assert_eq!(refused(Procedure::KillAll, "[]", kwargs), INVALID_URI, "{kwargs}");
    }
    assert_eq!(refused(Procedure::KillAll, "[]", r#"{"message": 1}"#), INVALID_ARGUMENT);
}

#[test]
fn only_the_specifications_procedures_are_known() {
    for known in ["count", "list", "get", "kill", "kill_by_authid", "kill_by_authrole", "kill_all"] {
        let procedure = Procedure::parse(&format!("{PREFIX}{known}")).unwrap();
        assert_eq!(procedure.kills(), known.starts_with("kill"));
    }
    for unknown in [
        "wamp.session.modify_details",
        "wamp.session",
        "wamp.session.",
        "session.count",
        "wamp.session.count.x",
    ] {
        assert_eq!(Procedure::parse(unknown), None, "{unknown}");
    }
}
