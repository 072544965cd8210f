//! Signatures and headers: the attacks of RFC 8725, and what is no token.

use super::*;

#[test]
fn tokens_of_another_implementation_are_right_for_their_algorithm_only() {
    for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| algorithm.least_secret().is_none()) {
        let (_folder, options) = public(&[algorithm]);
        options.verify(&pyjwt(algorithm.name()), NOW).unwrap();
        let mut broken = pyjwt(algorithm.name());
        let place = broken.rfind('.').unwrap() + 5;
        let other = if &broken[place..=place] == "A" { "B" } else { "A" };
        broken.replace_range(place..=place, other);
        assert_eq!(refusal(&options, &broken), TokenError::Signature, "{algorithm:?}");
        for other in
            Algorithm::ALL.into_iter().filter(|other| *other != algorithm && other.least_secret().is_none())
        {
            assert_eq!(refusal(&options, &pyjwt(other.name())), TokenError::Algorithm, "{other:?}");
        }
    }
}

/// RFC 8725, 2.1 and 3.1.
#[test]
fn a_token_without_a_signature_is_refused_however_none_is_written() {
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": none, "typ": "JWT" }).to_string();
        let token = sign(&header, &claims().to_string(), SECRET.as_bytes());
        let bare = format!("{}.", token.rsplit_once('.').unwrap().0);
        assert_eq!(refusal(&shared(), &token), TokenError::Algorithm);
        assert_eq!(refusal(&shared(), &bare), TokenError::Algorithm);
    }
    let bare = signed(&claims().to_string());
    assert_eq!(refusal(&shared(), &format!("{}.", bare.rsplit_once('.').unwrap().0)), TokenError::Signature);
}

/// RFC 8725, 2.1: the attacker signs with the public key, as if it were a secret.
#[test]
fn a_public_key_is_no_secret() {
    let made: Value = serde_json::from_str(PYJWT).unwrap();
    let n = BASE64_URL_SAFE_NO_PAD.decode(made["keys"][0]["n"].as_str().unwrap()).unwrap();
    let keys = [PYJWT.as_bytes().to_vec(), n, made["keys"][0].to_string().into_bytes(), b"".to_vec()];
    let (_folder, pinned) = public(&[Algorithm::Rs256]);
    // Even if the operator lets both kinds be used.
    let (_other, both) = public(&[Algorithm::Rs256, Algorithm::Hs256]);
    for key in keys {
        for header in [r#"{"alg":"HS256","kid":"r"}"#, r#"{"alg":"HS256"}"#] {
            let token = sign(header, &claims().to_string(), &key);
            assert_eq!(refusal(&pinned, &token), TokenError::Algorithm);
            assert_eq!(refusal(&both, &token), TokenError::NoKey);
        }
    }
}

/// A signature of zeros holds for each message where a verifier divides by it unchecked; and the same numbers in DER are no signature.
#[test]
fn signatures_that_a_careless_verifier_takes_are_refused() {
    for algorithm in
        [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256]
    {
        let (_folder, options) = public(&[algorithm]);
        let token = pyjwt(algorithm.name());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let length = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap().len();
        for forged in [
            vec![0; length],
            vec![0xff; length],
            vec![0; length - 1],
            vec![0; length + 1],
            vec![0],
            Vec::new(),
        ] {
            let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(&forged));
            assert_eq!(refusal(&options, &token), TokenError::Signature, "{algorithm:?}: {forged:?}");
        }
    }
    let (_folder, options) = public(&[Algorithm::Es256]);
    let token = pyjwt("ES256");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut der = Vec::new();
    for number in signature.chunks(32) {
        // Positive, whatever its first bit.
        der.extend([2, 33, 0]);
        der.extend(number);
    }
    let der = [&[0x30, u8::try_from(der.len()).unwrap()][..], &der].concat();
    let token = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(der));
    assert_eq!(refusal(&options, &token), TokenError::Signature);
}

#[test]
fn a_key_that_is_named_is_the_only_one_that_counts() {
    let (_folder, options) = public(&[Algorithm::Es256, Algorithm::Es384]);
    let token = pyjwt("ES256");
    let (header, rest) = token.split_once('.').unwrap();
    let header = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    for other in ["f", "x", "", "../../../dev/null", "e' OR '1'='1"] {
        let header = header.replace("\"kid\":\"e\"", &format!("\"kid\":{}", json!(other)));
        let token = format!("{}.{rest}", BASE64_URL_SAFE_NO_PAD.encode(header));
        assert_eq!(refusal(&options, &token), TokenError::NoKey, "{other}");
    }
}

/// RFC 8725, 3.10: what comes with the token is the attacker's.
#[test]
fn keys_that_a_token_brings_along_are_refused() {
    for member in [
        json!({ "jwk": { "kty": "oct", "k": "AAAA" } }),
        json!({ "jku": "https://attacker.example/jwks.json" }),
        json!({ "x5c": ["MII"] }),
        json!({ "x5u": "https://attacker.example/cert" }),
        json!({ "jwk": null }),
    ] {
        let mut header = member;
        header["alg"] = "HS256".into();
        let token = sign(&header.to_string(), &claims().to_string(), SECRET.as_bytes());
        assert_eq!(refusal(&shared(), &token), TokenError::EmbeddedKey, "{header}");
    }
}

#[test]
fn what_a_header_asks_for_and_the_gateway_does_not_know_is_refused() {
    let payload = claims().to_string();
    let header = |header: &str| refusal(&shared(), &sign(header, &payload, SECRET.as_bytes()));
    assert_eq!(header(r#"{"alg":"HS256","crit":["b64"],"b64":false}"#), TokenError::Critical);
    assert_eq!(header(r#"{"alg":"HS256","crit":[]}"#), TokenError::Critical);
    for typ in ["logout+jwt", "secevent+jwt", "dpop+jwt", "JWE", ""] {
        assert_eq!(header(&json!({ "alg": "HS256", "typ": typ }).to_string()), TokenError::Type, "{typ}");
    }
    assert_eq!(header(r#"{"alg":"HS256","cty":"JWT"}"#), TokenError::Type);
    assert_eq!(header(r#"{"alg":"HS256","typ":1}"#), TokenError::Type);
    assert_eq!(header(r#"{"alg":"HS256","alg":"none"}"#), TokenError::Header);
    assert_eq!(header(r#"{"alg":"HS256","kid":1}"#), TokenError::Header);
    assert_eq!(header(r#"["HS256"]"#), TokenError::Header);
    assert_eq!(header("{"), TokenError::Header);
    for typ in ["at+jwt", "application/AT+JWT", "jwt"] {
        let header = json!({ "alg": "HS256", "typ": typ }).to_string();
        shared().verify(&sign(&header, &payload, SECRET.as_bytes()), NOW).unwrap();
    }
}

#[test]
fn a_huge_token_is_refused_before_it_is_looked_at() {
    let fill = |size: usize| signed(&with(&json!({ "x": "a".repeat(size) })));
    assert_eq!(refusal(&shared(), &fill(error::MAX_TOKEN)), TokenError::TooLarge);
    assert_eq!(refusal(&shared(), &"a".repeat(60_000)), TokenError::TooLarge);
    assert_eq!(refusal(&shared(), &".".repeat(8000)), TokenError::Form);
    // Nesting takes no more of the stack than its size allows.
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
    assert_eq!(refusal(&shared(), &signed(&deep)), TokenError::Claims);
    shared().verify(&fill(5000), NOW).unwrap();
}

#[test]
fn what_is_no_token_is_refused() {
    let sound = signed(&claims().to_string());
    let (rest, signature) = sound.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        rest.to_owned(),
        format!("{sound}."),
        format!("{sound}="),
        format!("{rest}.{signature}="),
        format!(" {sound}"),
        format!("{rest}.{}", signature.replace(['-', '_'], "+")) + "/",
        "a.é.c".to_owned(),
    ] {
        let error = refusal(&shared(), &token);
        assert!(matches!(error, TokenError::Form | TokenError::Header), "{token}: {error:?}");
    }
}
