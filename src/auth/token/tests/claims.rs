//! What a token claims: times, issuer, audience, and claims that stand twice.

use super::*;

#[test]
fn claims_that_stand_twice_are_refused() {
    for twice in [
        r#"{"sub":"joe","sub":"admin","role":"frontend","exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        r#"{"sub":"joe","role":"frontend","exp":1,"exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        r#"{"sub":"joe","x":{"a":1,"\u0061":2},"exp":4102444800,"iss":"https://issuer.example","aud":"wampgate"}"#,
        "[]",
        "",
        "{\"sub\":\"joe\"} {}",
    ] {
        assert_eq!(refusal(&shared(), &signed(twice)), TokenError::Claims, "{twice}");
    }
}

#[test]
fn times_count_with_the_leeway_and_no_more() {
    let at = |seconds: i64| NOW_SECONDS.saturating_add_signed(seconds);
    for (changes, expected) in [
        (json!({ "exp": at(1) }), None),
        (json!({ "exp": at(-29) }), None),
        (json!({ "exp": at(-30) }), Some(TokenError::Expired)),
        (json!({ "exp": 0 }), Some(TokenError::Expired)),
        (json!({ "exp": null }), Some(TokenError::Endless)),
        (json!({ "exp": "4102444800" }), Some(TokenError::Value("exp"))),
        (json!({ "exp": -1 }), Some(TokenError::Value("exp"))),
        (json!({ "exp": 1e300 }), Some(TokenError::Value("exp"))),
        (json!({ "exp": [] }), Some(TokenError::Value("exp"))),
        (json!({ "exp": 4_102_444_800.5 }), None),
        (json!({ "exp": u64::MAX }), None),
        (json!({ "nbf": at(30) }), None),
        (json!({ "nbf": at(31) }), Some(TokenError::NotYet)),
        (json!({ "nbf": "x" }), Some(TokenError::Value("nbf"))),
        (json!({ "iat": at(31) }), Some(TokenError::NotYet)),
        (json!({ "iat": at(-1_000_000) }), None),
    ] {
        let got = shared().verify(&signed(&with(&changes)), NOW).err();
        assert_eq!(got, expected, "{changes}");
    }
    let aged = TokenOptions { max_age: Some(Duration::from_secs(100)), ..shared() };
    for (changes, expected) in [
        (json!({ "iat": at(-100) }), None),
        (json!({ "iat": at(-130) }), Some(TokenError::TooOld)),
        (json!({ "iat": at(-130), "exp": null }), Some(TokenError::TooOld)),
        (json!({ "iat": at(-100), "exp": null }), None),
        (json!({ "iat": null }), Some(TokenError::Endless)),
        (json!({ "iat": at(-100), "exp": at(-40) }), Some(TokenError::Expired)),
    ] {
        let got = aged.verify(&signed(&with(&changes)), NOW).err();
        assert_eq!(got, expected, "{changes}");
    }
}

/// RFC 8725, 3.8 and 3.9.
#[test]
fn a_token_of_another_issuer_or_for_another_audience_is_refused() {
    for (changes, expected) in [
        (json!({ "iss": "https://issuer.example/" }), Some(TokenError::Issuer)),
        (json!({ "iss": ["https://issuer.example"] }), Some(TokenError::Issuer)),
        (json!({ "iss": null }), Some(TokenError::Issuer)),
        (json!({ "aud": "other" }), Some(TokenError::Audience)),
        (json!({ "aud": null }), Some(TokenError::Audience)),
        (json!({ "aud": [] }), Some(TokenError::Audience)),
        (json!({ "aud": { "wampgate": true } }), Some(TokenError::Audience)),
        (json!({ "aud": ["other", "wampgate"] }), None),
    ] {
        assert_eq!(shared().verify(&signed(&with(&changes)), NOW).err(), expected, "{changes}");
    }
    let open = TokenOptions { issuer: None, audience: Vec::new(), ..shared() };
    assert_eq!(refusal(&open, &signed(&claims().to_string())), TokenError::NoAudience);
    open.verify(&signed(&with(&json!({ "iss": null, "aud": null }))), NOW).unwrap();
}
