use std::sync::Arc;

use serde_json::json;

use super::{
    arguments::{MAX_ARGUMENTS, MAX_ROLES, invalid},
    *,
};
use crate::{
    identity::Name,
    realm::{
        Client, Roles,
        member::Member,
        permissions::Permissions,
        router::testing::{identity, payload},
    },
    wamp::{
        Serializer,
        uri::error::{INVALID_ARGUMENT, INVALID_URI, KILLED},
    },
    wire::Outbox,
};

const CALLER: SessionId = SessionId(1);

/// The caller 1 and the sessions 2 to 4; 4 has another role.
fn members() -> Members {
    let permissions = Permissions::new(&Roles::Open);
    let mut members = Members::default();
    for session in 1..=4 {
        let mut identity = identity(session);
        if session == 4 {
            Arc::make_mut(&mut identity).authrole = Name::known("admin");
        }
        let role = permissions.role(&identity.authrole);
        let outbox = Arc::new(Outbox::new(Serializer::Cbor, 1024));
        let member = Member { number: session, identity, outbox, role, client: Client::default() };
        assert!(members.insert(SessionId(session), member).is_ok());
    }
    members
}

fn ask(
    procedure: MetaProcedure,
    args: &'static str,
    kwargs: &'static str,
) -> Result<MetaAnswer, RequestError> {
    let kwargs =
        Some(kwargs).filter(|text| !text.is_empty()).map(|text| bytes::Bytes::from_static(text.as_bytes()));
    procedure.answer(CALLER, &Payload { kwargs, ..payload(args) }, &members())
}

fn result(procedure: MetaProcedure, args: &'static str) -> Value {
    match ask(procedure, args, "").unwrap().result {
        MetaResult::Nothing => Value::Null,
        MetaResult::Value(value) => value,
        MetaResult::Sessions(sessions) => sessions.into(),
        other @ (MetaResult::Lists(_) | MetaResult::Events(_)) => panic!("{other:?}"),
    }
}

fn killed(procedure: MetaProcedure, args: &'static str, kwargs: &'static str) -> Killed {
    let mut killed = ask(procedure, args, kwargs).unwrap().killed.unwrap();
    killed.sessions.sort_unstable();
    killed
}

fn refused(procedure: MetaProcedure, args: &'static str, kwargs: &'static str) -> &'static str {
    ask(procedure, args, kwargs).unwrap_err().error
}

fn sorted(list: Value) -> Vec<u64> {
    let mut list: Vec<u64> = serde_json::from_value(list).unwrap();
    list.sort_unstable();
    list
}

#[test]
fn sessions_are_counted_and_listed_by_role() {
    assert_eq!(result(MetaProcedure::Count, "[]"), 4);
    assert_eq!(result(MetaProcedure::Count, "[null]"), 4);
    assert_eq!(result(MetaProcedure::Count, r#"[["user"]]"#), 3);
    assert_eq!(result(MetaProcedure::Count, r#"[["user", "admin"]]"#), 4);
    assert_eq!(result(MetaProcedure::Count, "[[]]"), 0);
    assert_eq!(sorted(result(MetaProcedure::List, "[]")), [1, 2, 3, 4]);
    assert_eq!(sorted(result(MetaProcedure::List, r#"[["admin"]]"#)), [4]);
    assert_eq!(refused(MetaProcedure::List, r#"["admin"]"#, ""), INVALID_ARGUMENT);
    assert_eq!(refused(MetaProcedure::Count, "[[1]]", ""), INVALID_ARGUMENT);
    assert_eq!(result(MetaProcedure::Count, r#"[["user", "user"]]"#), 3, "a role that is named twice");
}

#[test]
fn what_a_caller_writes_is_small() {
    let members = members();
    let ask = |args: String| {
        let payload = Payload { args: Some(args.into()), ..Payload::empty() };
        MetaProcedure::Count.answer(CALLER, &payload, &members)
    };
    let roles = |count: usize| serde_json::to_string(&[vec!["user"; count]]).unwrap();
    assert!(ask(roles(MAX_ROLES)).is_ok());
    let refusal = ask(roles(MAX_ROLES + 1)).unwrap_err();
    assert_eq!(refusal, invalid("at most 64 roles as the first argument"));
    let padded = |size: usize| format!("[null{}]", " ".repeat(size - 6));
    assert!(ask(padded(MAX_ARGUMENTS)).is_ok());
    let refusal = ask(padded(MAX_ARGUMENTS + 1)).unwrap_err();
    assert_eq!(refusal, invalid("arguments of at most 16384 bytes"));
}

/// As JavaScript has identifiers of more than 32 bits in CBOR and MessagePack.
#[test]
fn identifiers_that_are_written_as_floats_are_read_exactly() {
    for id in [8_432_145_444_855_257_u64, 7_843_598_221_073_946, 8_969_603_237_356_893, (1 << 53) - 1] {
        for text in [format!("{id}.0"), format!("{id}e0"), format!("{id}0e-1")] {
            let read: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(super::arguments::identifier(&read), Some(id), "{text}");
        }
    }
    let mut id = 1_u64;
    while id < 1 << 53 {
        let read: Value = serde_json::from_str(&format!("{id}.0")).unwrap();
        assert_eq!(super::arguments::identifier(&read), Some(id));
        id += id / 7 + 1;
    }
}

#[test]
fn session_is_told_by_its_public_names_only() {
    let details = json!({
        "session": 2, "authid": "public2", "authrole": "user", "authmethod": "anonymous", "authprovider": "policy",
        "transport": { "type": "websocket", "channel": "tcp", "serializer": "cbor" },
    });
    assert_eq!(result(MetaProcedure::Get, "[2]"), details);
    assert_eq!(result(MetaProcedure::Get, "[2.0]"), details, "as JavaScript has it in CBOR");
    assert_eq!(refused(MetaProcedure::Get, "[9]", ""), NO_SUCH_SESSION);
    for args in ["[]", r#"["2"]"#, "[-2]", "[2.5]"] {
        assert_eq!(refused(MetaProcedure::Get, args, ""), INVALID_ARGUMENT, "{args}");
    }
}

#[test]
fn no_answer_of_any_procedure_holds_a_credential() {
    let calls = [
        (MetaProcedure::Count, "[]"),
        (MetaProcedure::List, "[]"),
        (MetaProcedure::Get, "[1]"),
        (MetaProcedure::Get, "[2]"),
        (MetaProcedure::Get, "[9]"),
        (MetaProcedure::Kill, "[2]"),
        (MetaProcedure::Kill, "[9]"),
        (MetaProcedure::KillByAuthid, r#"["public2"]"#),
        (MetaProcedure::KillByAuthid, r#"["secret2"]"#),
        (MetaProcedure::KillByAuthrole, r#"["user"]"#),
        (MetaProcedure::KillAll, "[]"),
    ];
    for (procedure, args) in calls {
        let answer = match ask(procedure, args, "") {
            Ok(answer) => format!("{:?} {:?}", answer.killed.map(|killed| killed.sessions), answer.result),
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
    assert_eq!(killed(MetaProcedure::Kill, "[2]", ""), plain(&[2], None));
    assert_eq!(refused(MetaProcedure::Kill, "[1]", ""), NO_SUCH_SESSION, "the caller itself");
    assert_eq!(refused(MetaProcedure::Kill, "[9]", ""), NO_SUCH_SESSION);
    assert_eq!(killed(MetaProcedure::KillByAuthid, r#"["public2"]"#, ""), plain(&[2], Some("public2")));
    assert_eq!(killed(MetaProcedure::KillByAuthid, r#"["public1"]"#, ""), plain(&[], Some("public1")));
    assert_eq!(killed(MetaProcedure::KillByAuthrole, r#"["user"]"#, ""), plain(&[2, 3], None));
    assert_eq!(killed(MetaProcedure::KillAll, "[]", ""), plain(&[2, 3, 4], None));
    assert_eq!(result(MetaProcedure::KillByAuthid, r#"["public2"]"#), json!([2]));
    assert_eq!(result(MetaProcedure::KillByAuthrole, r#"["user"]"#), 2);
    assert_eq!(result(MetaProcedure::KillAll, "[]"), 3);
    assert_eq!(ask(MetaProcedure::Kill, "[2]", "").unwrap().result, MetaResult::Nothing);
}

#[test]
fn nobody_is_killed_by_a_credential() {
    assert_eq!(killed(MetaProcedure::KillByAuthid, r#"["secret2"]"#, "").sessions, []);
}

#[test]
fn reason_and_message_are_passed_on_if_they_are_sound() {
    let killed = killed(MetaProcedure::Kill, "[2]", r#"{"reason": "com.example.bye", "message": "see you"}"#);
    assert_eq!((killed.reason.as_str(), killed.message.as_deref()), ("com.example.bye", Some("see you")));
    for kwargs in [r#"{"reason": ""}"#, r#"{"reason": "a b"}"#, r#"{"reason": 1}"#] {
        assert_eq!(refused(MetaProcedure::KillAll, "[]", kwargs), INVALID_URI, "{kwargs}");
    }
    let of_length = |length: usize| {
        let kwargs = format!(r#"{{"reason": "{}"}}"#, "x".repeat(length));
        let payload = Payload { kwargs: Some(kwargs.into()), ..payload("[]") };
        MetaProcedure::KillAll.answer(CALLER, &payload, &members())
    };
    assert_eq!(of_length(1024).unwrap().killed.unwrap().reason.as_str().len(), 1024);
    let refusal = of_length(1025).unwrap_err();
    assert_eq!(refusal.error, INVALID_URI);
    assert_eq!(
        refusal.message,
        "the keyword argument `reason`: a URI may have 1024 bytes: use a shorter one"
    );
    assert_eq!(refused(MetaProcedure::KillAll, "[]", r#"{"message": 1}"#), INVALID_ARGUMENT);
}

#[test]
fn arguments_that_a_procedure_would_ignore_are_refused() {
    let unknown = |procedure, args, kwargs| {
        let refusal = ask(procedure, args, kwargs).unwrap_err();
        assert_eq!(refusal.error, INVALID_ARGUMENT, "{procedure:?} {args} {kwargs}");
        refusal.message.into_owned()
    };
    let count = unknown(MetaProcedure::Count, "[]", r#"{"filter_authroles": ["user"]}"#);
    assert_eq!(count, "this procedure takes no keyword arguments");
    assert_eq!(
        unknown(MetaProcedure::List, r#"[["user"], 5]"#, ""),
        "this procedure takes one positional argument and no more"
    );
    assert_eq!(
        unknown(MetaProcedure::KillAll, "[]", r#"{"reason": "com.x", "secret": 1}"#),
        "this procedure takes the keyword arguments reason, message and no others"
    );
    unknown(MetaProcedure::Kill, r#"[2, "com.example.bye"]"#, "");
    unknown(MetaProcedure::KillAll, "[2]", "");
    unknown(MetaProcedure::AddTestament, r#"["com.x", [], {}, "detached"]"#, "");
    unknown(MetaProcedure::AddTestament, "[]", r#"{"options": {}}"#);
    unknown(MetaProcedure::FlushTestaments, r#"["detached"]"#, "");
    for kind in [Kind::Subscription, Kind::Registration] {
        let routing = |query| MetaProcedure::Routing(kind, query);
        unknown(routing(Query::List), "[1]", "");
        unknown(routing(Query::Remove), "[1, 2, 3]", "");
        for query in [Query::Match, Query::Get, Query::Members, Query::Count] {
            unknown(routing(query), r#"[1, {"match": "prefix"}]"#, "");
            unknown(routing(query), "[1]", r#"{"match": "prefix"}"#);
        }
        unknown(routing(Query::Lookup), r#"["a", {}, 1]"#, "");
    }
    assert!(
        ask(MetaProcedure::Count, "[null, null]", r#"{"filter_authroles": null}"#).is_ok(),
        "null is none"
    );
}

#[test]
fn only_the_specifications_procedures_are_known() {
    for known in ["count", "list", "get", "kill", "kill_by_authid", "kill_by_authrole", "kill_all"] {
        let procedure = MetaProcedure::parse(&format!("wamp.session.{known}")).unwrap();
        assert_eq!(procedure.kills(), known.starts_with("kill"));
    }
    for (known, query) in
        [("list", Query::List), ("lookup", Query::Lookup), ("match", Query::Match), ("get", Query::Get)]
    {
        for (kind, name) in [(Kind::Subscription, "subscription"), (Kind::Registration, "registration")] {
            let procedure = MetaProcedure::parse(&format!("wamp.{name}.{known}"));
            assert_eq!(procedure, Some(MetaProcedure::Routing(kind, query)));
        }
    }
    for unknown in [
        "wamp.subscription.list_callees",
        "wamp.registration.list_subscribers",
        "wamp.session.modify_details",
        "wamp.session",
        "wamp.session.",
        "session.count",
        "wamp.session.count.x",
    ] {
        assert_eq!(MetaProcedure::parse(unknown), None, "{unknown}");
    }
}
