//! The host's last word: answers that the contract does not allow are refused, whatever the types say.

use wampgate::policy::{Decision, PolicyError, PolicyOptions};

use super::support::{Cookie, TRACKING_ID, ask, authid, guest, load, options};

/// What becomes of an answer: its first letter is its kind.
fn say(answer: &str) -> Result<Decision, PolicyError> {
    let options = PolicyOptions { config: answer.to_owned(), ..options() };
    let policy = load(guest::SAY, options).unwrap_or_else(|error| panic!("{error}"));
    // A method that it defers to is configured and offered.
    let method = answer.strip_prefix('d').unwrap_or("anonymous");
    ask(&policy, &[method], Cookie::Known, &[method])
}

#[test]
fn answers_inside_the_bounds_are_taken() {
    assert_eq!(authid(say("ijoe")), "joe");
    assert_eq!(authid(say(&format!("i{}", "ü".repeat(255)))), "ü".repeat(255));
    assert_eq!(say(&format!("d{}", "x".repeat(64))), Ok(Decision::Defer("x".repeat(64))));
    for answer in [
        "rfrontend",
        r#"x{"level": 3}"#,
        "ycom.example.closed",
        "mgo away",
        &format!("m{}", "x".repeat(1024)),
    ] {
        assert!(say(answer).is_ok(), "{answer}");
    }
}

#[test]
fn answers_outside_the_bounds_break_the_contract() {
    let long = |kind: &str, length: usize| format!("{kind}{}", "x".repeat(length));
    for (answer, what) in [
        ("i".to_owned(), "authid"),
        (long("i", 256), "authid"),
        ("ia\u{7}b".to_owned(), "authid"),
        ("ia\nb".to_owned(), "authid"),
        ("r".to_owned(), "authrole"),
        (long("r", 256), "authrole"),
        ("r\u{202e}nimda".to_owned(), "authrole"),
        ("x[]".to_owned(), "authextra"),
        ("x".to_owned(), "authextra"),
        (format!("x{{\"a\":\"{}\"}}", "x".repeat(16 * 1024)), "authextra"),
        ("d".to_owned(), "defer"),
        (long("d", 65), "defer"),
        ("dtícket".to_owned(), "defer"),
        ("y".to_owned(), "deny"),
        ("ynot a uri".to_owned(), "deny"),
        ("ya..b".to_owned(), "deny"),
        (long("y", 256), "deny"),
        (long("m", 1025), "deny"),
    ] {
        match say(&answer) {
            Err(PolicyError::Contract(error)) => {
                assert!(error.to_string().starts_with(what), "{answer}: {error}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
}

#[test]
fn an_error_of_the_policy_refuses_without_giving_the_tracking_id_away() {
    let error = say(&format!("eno idea who {TRACKING_ID} is\n")).expect_err("it decided");
    assert_eq!(error, PolicyError::Refused("no idea who [tracking ID] is\\n".to_owned()));
    let Err(PolicyError::Refused(text)) = say(&format!("e{}", "x".repeat(60_000))) else {
        panic!("accepted")
    };
    assert!(text.len() < 1100);
}

#[test]
fn the_debug_form_of_a_decision_does_not_show_the_authid() {
    assert!(!format!("{:?}", say(&format!("i{TRACKING_ID}"))).contains(TRACKING_ID));
}
