//! Every bound of the contract, from both sides.

use super::{check, wit};
use crate::policy::{Decision, PolicyError};

fn identity(
    authid: Option<&str>,
    authrole: Option<&str>,
    authextra: Option<&str>,
) -> Result<Decision, PolicyError> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    check(
        wit::Decision::Anonymous(wit::Identity {
            authid: owned(authid),
            authrole: owned(authrole),
            authextra: owned(authextra),
        }),
        None,
    )
}

fn deny(reason: &str, message: &str) -> Result<Decision, PolicyError> {
    let denial = wit::Denial { reason: reason.to_owned(), message: message.to_owned() };
    check(wit::Decision::Deny(denial), Some("abcdef"))
}

fn breaks(answer: Result<Decision, PolicyError>) -> String {
    match answer {
        Err(PolicyError::Contract(fault)) => fault,
        other => panic!("accepted: {other:?}"),
    }
}

#[test]
fn names_have_1_to_255_printable_characters() {
    for name in ["a", &"ä".repeat(255), "with blanks", "🙂"] {
        assert!(identity(Some(name), None, None).is_ok(), "{name}");
        assert!(identity(None, Some(name), None).is_ok(), "{name}");
    }
    for name in ["", &"a".repeat(256), "a\0b", "a\nb", "a\u{7f}", "a\u{202e}b", "a\u{2028}b"] {
        assert!(breaks(identity(Some(name), None, None)).starts_with("authid: "));
        assert!(breaks(identity(None, Some(name), None)).starts_with("authrole: "));
    }
}

#[test]
fn authextra_is_a_bounded_json_object() {
    let Ok(Decision::Anonymous(identity_)) = identity(None, None, Some(r#"{"a":[1,null]}"#)) else {
        panic!("refused");
    };
    assert_eq!(identity_.authextra.unwrap()["a"][0], 1);
    for text in
        ["", "[]", "null", "{\"a\":}", "{} {}", &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200))]
    {
        assert!(breaks(identity(None, None, Some(text))).starts_with("authextra: "), "{text}");
    }
    let large = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert!(identity(None, None, Some(&large(16 * 1024))).is_ok());
    breaks(identity(None, None, Some(&large(16 * 1024 + 1))));
}

#[test]
fn a_method_is_a_short_ascii_name() {
    for method in ["ticket", &"x".repeat(64)] {
        assert_eq!(
            check(wit::Decision::Defer(method.to_owned()), None),
            Ok(Decision::Defer(method.to_owned()))
        );
    }
    for method in ["", &"x".repeat(65), "tïcket", "two words", "a\n"] {
        breaks(check(wit::Decision::Defer(method.to_owned()), None));
    }
}

#[test]
fn a_denial_has_a_uri_and_a_short_message() {
    assert!(deny("wamp.error.not_authorized", &"x".repeat(1024)).is_ok());
    assert!(deny(&format!("a.{}", "b".repeat(253)), "").is_ok());
    for reason in ["", "a..b", "no uri", "a#b", "a.\u{202e}b", &"a".repeat(256)] {
        breaks(deny(reason, ""));
    }
    breaks(deny("a.b", &"x".repeat(1025)));
}

#[test]
fn a_denial_never_carries_the_tracking_id() {
    let Ok(Decision::Deny(denial)) = deny("a.b", "go away, abcdef\n") else { panic!("refused") };
    assert_eq!(denial.message, "go away, [tracking ID]\\n");
    assert!(!breaks(deny("a.abcdef", "")).contains("abcdef"));
}
