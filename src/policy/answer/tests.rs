//! Every rule of the contract, from both sides.

use super::RawDecision;
use crate::policy::{ContractError, CookieView, Decision, HelloView, JoinRequest, PolicyError};

const ID: &str = "abcdef-ABCDEF";

/// A tracked client that offers `ticket` and `anonymous` to a service that has these and `wampcra`, in a realm with two
/// roles.
fn check(answer: RawDecision) -> Result<Decision, PolicyError> {
    let cookie = CookieView {
        id: ID,
        public_id: "public",
        is_new: true,
        created: 0,
        last_seen: 0,
        max_age: 60,
        connections: 1,
        authentication: None,
    };
    answer.check(&JoinRequest {
        cookie: Some(cookie),
        hello: Some(HelloView { authmethods: &["ticket", "anonymous", "scram"], ..HelloView::default() }),
        methods: &["anonymous", "wampcra", "ticket"],
        roles: &["guest", "frontend"],
        ..JoinRequest::EMPTY
    })
}

fn identity(authid: Option<&str>, authrole: Option<&str>, authextra: Option<&str>) -> RawDecision {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    RawDecision::Anonymous { authid: owned(authid), authrole: owned(authrole), authextra: owned(authextra) }
}

fn defer(method: &str) -> RawDecision {
    RawDecision::Defer(method.to_owned())
}

fn deny(reason: &str, message: &str) -> RawDecision {
    RawDecision::Deny { reason: reason.to_owned(), message: message.to_owned() }
}

/// How an answer breaks the contract. No message shows the tracking ID.
#[track_caller]
fn breaks(answer: RawDecision) -> ContractError {
    match check(answer) {
        Err(PolicyError::Contract(error)) => {
            assert!(!format!("{error} {error:?}").contains(ID), "{error}");
            error
        }
        other => panic!("accepted: {other:?}"),
    }
}

#[test]
fn an_authid_is_a_name() {
    for name in ["a", &"ä".repeat(255), "with blanks", "🙂"] {
        assert!(check(identity(Some(name), None, None)).is_ok(), "{name}");
    }
    for name in ["", &"a".repeat(256), "a\0b", "a\nb", "a\u{7f}", "a\u{200b}b", "a\u{202e}b", "a\u{2028}b"] {
        assert!(matches!(breaks(identity(Some(name), None, None)), ContractError::Authid(_)), "{name:?}");
    }
}

#[test]
fn a_role_is_a_name_that_the_realm_has() {
    assert!(check(identity(None, Some("frontend"), None)).is_ok());
    for name in ["", "a\u{200b}b", "r\u{202e}nimda"] {
        assert!(matches!(breaks(identity(None, Some(name), None)), ContractError::Authrole(_)), "{name:?}");
    }
    assert!(
        matches!(breaks(identity(None, Some("admin"), None)), ContractError::NoSuchRole(role) if &*role == "admin")
    );
    // No roles: the realm takes any.
    assert!(identity(None, Some("admin"), None).check(&JoinRequest::EMPTY).is_ok());
}

#[test]
fn authextra_is_a_bounded_json_object() {
    let Ok(Decision::Anonymous(got)) = check(identity(None, None, Some(r#"{"a":[1,null]}"#))) else {
        panic!("refused");
    };
    assert_eq!(got.authextra.unwrap()["a"][0], 1);
    for text in
        ["", "[]", "null", "{\"a\":}", "{} {}", &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200))]
    {
        assert!(matches!(breaks(identity(None, None, Some(text))), ContractError::Extra { .. }), "{text}");
    }
    let large = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert!(check(identity(None, None, Some(&large(16 * 1024)))).is_ok());
    let error = breaks(identity(None, None, Some(&large(16 * 1024 + 1))));
    assert_eq!(error, ContractError::ExtraSize { bytes: 16 * 1024 + 1, most: 16 * 1024 });
}

#[test]
fn a_method_has_a_short_ascii_name() {
    let long = "x".repeat(64);
    let request = JoinRequest {
        hello: Some(HelloView { authmethods: &[&long], ..HelloView::default() }),
        methods: &[&long],
        ..JoinRequest::EMPTY
    };
    assert_eq!(defer(&long).check(&request), Ok(Decision::Defer(long.clone())));
    for method in ["", &"x".repeat(65), "tïcket", "two words", "a\n"] {
        assert!(matches!(breaks(defer(method)), ContractError::Method(64)), "{method:?}");
    }
}

#[test]
fn a_method_is_configured_and_offered() {
    for method in ["ticket", "anonymous"] {
        assert_eq!(check(defer(method)), Ok(Decision::Defer(method.to_owned())));
    }
    for method in ["scram", "bogus", "Ticket"] {
        assert_eq!(breaks(defer(method)), ContractError::NotConfigured(method.to_owned()));
    }
    assert_eq!(breaks(defer("wampcra")), ContractError::NotOffered("wampcra".to_owned()));
}

#[test]
fn a_client_that_offers_nothing_comes_as_anonymous_and_one_without_a_hello_also_by_its_cookie() {
    for (hello, by_cookie) in [(Some(HelloView::default()), false), (None, true)] {
        let request =
            JoinRequest { hello, methods: &["anonymous", "cookie", "ticket"], ..JoinRequest::EMPTY };
        let is_taken = |method: &str| defer(method).check(&request).is_ok();
        assert!(is_taken("anonymous") && !is_taken("ticket"));
        assert_eq!(is_taken("cookie"), by_cookie);
    }
}

#[test]
fn a_denial_has_a_uri_and_a_short_message() {
    assert!(check(deny("wamp.error.not_authorized", &"x".repeat(1024))).is_ok());
    assert!(check(deny(&format!("a.{}", "b".repeat(253)), "")).is_ok());
    for reason in ["", "a..b", "no uri", "a#b", "a.\u{202e}b", "a.\u{200b}b", &"a".repeat(256)] {
        assert_eq!(breaks(deny(reason, "")), ContractError::Reason(255), "{reason:?}");
    }
    assert_eq!(
        breaks(deny("a.b", &"x".repeat(1025))),
        ContractError::MessageSize { bytes: 1025, most: 1024 }
    );
}

#[test]
fn the_tracking_id_may_be_the_authid_and_stands_nowhere_else() {
    assert!(check(identity(Some(ID), None, None)).is_ok(), "its own client sees it");
    let inside = format!("user-{ID}");
    let escaped = ID.replace('a', "\\u0061");
    for answer in [
        identity(Some(&inside), None, None),
        identity(Some(&format!("{ID}.")), None, None),
        identity(None, Some(ID), None),
        identity(None, Some(&inside), None),
        identity(None, None, Some(&format!(r#"{{"id": "{ID}"}}"#))),
        identity(None, None, Some(&format!(r#"{{"id": "{escaped}"}}"#))),
        identity(None, None, Some(&format!(r#"{{"deep": [1, {{"er": ["{inside}"]}}]}}"#))),
        identity(None, None, Some(&format!(r#"{{"{inside}": 1}}"#))),
        defer(ID),
        deny(&format!("com.example.{ID}"), ""),
    ] {
        assert!(matches!(breaks(answer), ContractError::Leak(_)));
    }
    // Without tracking there is no credential to protect, whatever the name looks like.
    assert!(identity(Some(&inside), None, None).check(&JoinRequest::EMPTY).is_ok());
}

#[test]
fn a_denial_is_told_without_the_tracking_id_and_in_one_line() {
    let Ok(Decision::Deny(denial)) = check(deny("a.b", &format!("go away, {ID}\n"))) else {
        panic!("refused")
    };
    assert_eq!(denial.message, "go away, [tracking ID]\\n");
}
