//! Payload between clients with different serializers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn transcode(from: Serializer, bytes: &[u8], to: Serializer) -> Bytes {
    let payload = Payload { serializer: from, args: Some(Bytes::copy_from_slice(bytes)), kwargs: None };
    payload.transcoded(to).args.unwrap()
}

#[test]
fn what_all_serializers_have_is_the_same_in_all_directions() {
    let cases: &[Forms] = &[
        ("[]", b"\x90", b"\x80"),
        ("[null,true,false]", b"\x93\xc0\xc3\xc2", b"\x83\xf6\xf5\xf4"),
        (
            "[0,127,128,65536,4294967296]",
            b"\x95\0\x7f\xcc\x80\xce\0\x01\0\0\xcf\0\0\0\x01\0\0\0\0",
            b"\x85\0\x18\x7f\x18\x80\x1a\0\x01\0\0\x1b\0\0\0\x01\0\0\0\0",
        ),
        (
            "[-1,-33,-129,-32769]",
            b"\x94\xff\xd0\xdf\xd1\xff\x7f\xd2\xff\xff\x7f\xff",
            b"\x84\x20\x38\x20\x38\x80\x39\x80\0",
        ),
        (
            "[18446744073709551615,-9223372036854775808]",
            b"\x92\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xd3\x80\0\0\0\0\0\0\0",
            b"\x82\x1b\xff\xff\xff\xff\xff\xff\xff\xff\x3b\x7f\xff\xff\xff\xff\xff\xff\xff",
        ),
        (
            "[1.0,-0.5]",
            b"\x92\xcb\x3f\xf0\0\0\0\0\0\0\xcb\xbf\xe0\0\0\0\0\0\0",
            b"\x82\xfb\x3f\xf0\0\0\0\0\0\0\xfb\xbf\xe0\0\0\0\0\0\0",
        ),
        (r#"["\u0000AQL/",""]"#, b"\x92\xc4\x03\x01\x02\xff\xa0", b"\x82\x43\x01\x02\xff\x60"),
        (r#"["\u0000"]"#, b"\x91\xc4\0", b"\x81\x40"),
        (
            r#"["\u0000not base64","\n\"é😀"]"#,
            b"\x92\xab\0not base64\xa8\n\"\xc3\xa9\xf0\x9f\x98\x80",
            b"\x82\x6b\0not base64\x68\n\"\xc3\xa9\xf0\x9f\x98\x80",
        ),
        (
            r#"[{"a":[],"b":{"c":[1,2,[3]]}},4]"#,
            b"\x92\x82\xa1a\x90\xa1b\x81\xa1c\x93\x01\x02\x91\x03\x04",
            b"\x82\xa2\x61a\x80\x61b\xa1\x61c\x83\x01\x02\x81\x03\x04",
        ),
    ];
    for &forms in cases {
        for from in ALL {
            for to in ALL {
                let transcoded = transcode(from, &form(forms, from), to);
                assert_eq!(transcoded, form(forms, to), "{from:?} to {to:?}: {transcoded:?}");
            }
        }
    }
}

#[test]
fn what_only_one_serializer_has_becomes_the_nearest_thing() {
    use Serializer::{Cbor, Json, MsgPack};
    let cases: &[(Serializer, &[u8], Serializer, &[u8])] = &[
        // NaN and infinities
        (MsgPack, b"\x92\xcb\x7f\xf8\0\0\0\0\0\0\xca\xff\x80\0\0", Json, b"[null,null]"),
        (Cbor, b"\x83\xf9\x7e\0\xf9\x7c\0\xf9\xfc\0", Json, b"[null,null,null]"),
        // floats of 16 and 32 bits: the smallest subnormal, 1.5, -65504, 0.5
        (
            Cbor,
            b"\x84\xf9\0\x01\xf9\x3e\0\xf9\xfb\xff\xfa\x3f\0\0\0",
            Json,
            b"[5.960464477539063e-8,1.5,-65504.0,0.5]",
        ),
        // integers beyond 64 bits, and -2^64, which only CBOR has
        (Json, b"[100000000000000000000]", Cbor, b"\x81\xc2\x49\x05\x6b\xc7\x5e\x2d\x63\x10\0\0"),
        (Json, b"[100000000000000000000]", MsgPack, b"\x91\xcb\x44\x15\xaf\x1d\x78\xb5\x8c\x40"),
        (Json, b"[1e20]", Cbor, b"\x81\xfb\x44\x15\xaf\x1d\x78\xb5\x8c\x40"),
        (Json, b"[-18446744073709551616]", Cbor, b"\x81\x3b\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Cbor, b"\x81\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Json, b"[-18446744073709551616]"),
        (Cbor, b"\x81\x3b\xff\xff\xff\xff\xff\xff\xff\xff", MsgPack, b"\x91\xcb\xc3\xf0\0\0\0\0\0\0"),
        // keys that are no strings
        (
            MsgPack,
            b"\x91\x85\x01\x02\xc3\x02\xc0\x02\xc4\x01\xff\x02\xcb\x3f\xf8\0\0\0\0\0\0\x02",
            Json,
            br#"[{"1":2,"true":2,"null":2,"\u0000/w==":2,"1.5":2}]"#,
        ),
        (MsgPack, b"\x91\x81\x01\x02", Cbor, b"\x81\xa1\x01\x02"),
        // a decimal fraction beyond a double's range, 10^1000
        (Cbor, b"\x81\xc4\x82\x19\x03\xe8\x01", Json, b"[null]"),
        (Cbor, b"\x81\xc4\x82\x19\x03\xe8\x01", MsgPack, b"\x91\xcb\x7f\xf0\0\0\0\0\0\0"),
        // extensions, tags, undefined, an unassigned simple value
        (MsgPack, b"\x92\xd4\x05\x01\xc7\x02\x05\x01\x02", Json, br#"["\u0000AQ==","\u0000AQI="]"#),
        (MsgPack, b"\x91\xd4\x05\x01", Cbor, b"\x81\x41\x01"),
        (Cbor, b"\x81\xd8\x20\x1a\x51\x4b\x67\xb0", Json, b"[1363896240]"),
        // points in time
        (Cbor, b"\x81\xc1\x1a\x51\x4b\x67\xb0", Json, br#"["2013-03-21T20:04:00Z"]"#),
        (Cbor, b"\x81\xc1\x1a\x51\x4b\x67\xb0", MsgPack, b"\x91\xd6\xff\x51\x4b\x67\xb0"),
        (Cbor, b"\x81\xc1\x20", MsgPack, b"\x91\xc7\x0c\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
        (Cbor, b"\x81\xc1\xf9\x38\0", Json, br#"["1970-01-01T00:00:00.5Z"]"#),
        (Cbor, b"\x81\xc1\x61x", Json, br#"["x"]"#),
        (Cbor, b"\x81\xc0\x742013-03-21T20:04:00Z", MsgPack, b"\x91\xb42013-03-21T20:04:00Z"),
        (MsgPack, b"\x91\xd6\xff\x51\x4b\x67\xb0", Cbor, b"\x81\xc1\x1a\x51\x4b\x67\xb0"),
        (MsgPack, b"\x91\xd6\xff\x51\x4b\x67\xb0", Json, br#"["2013-03-21T20:04:00Z"]"#),
        (
            MsgPack,
            b"\x91\xd7\xff\0\0\0\x04\x51\x4b\x67\xb0",
            Cbor,
            b"\x81\xc0\x78\x1e2013-03-21T20:04:00.000000001Z",
        ),
        (MsgPack, b"\x91\x81\xd6\xff\0\0\0\0\x01", Json, br#"[{"1970-01-01T00:00:00Z":1}]"#),
        // of the type for timestamps, and none: nanoseconds beyond a second, and no length that one has
        (
            MsgPack,
            b"\x92\xd4\xff\x01\xd7\xff\xff\xff\xff\xff\0\0\0\0",
            Json,
            br#"["\u0000AQ==","\u0000/////wAAAAA="]"#,
        ),
        (Cbor, b"\x83\xf7\xe0\xf8\x20", Json, b"[null,null,null]"),
        (Cbor, b"\x82\xf7\xe0", MsgPack, b"\x92\xc0\xc0"),
        // indefinite lengths
        (
            Cbor,
            b"\x9f\x7f\x61a\x61b\xff\x5f\x41\x01\x41\x02\xff\xbf\x61k\x9f\x01\xff\xff\xff",
            MsgPack,
            b"\x93\xa2ab\xc4\x02\x01\x02\x81\xa1k\x91\x01",
        ),
    ];
    for (from, bytes, to, expected) in cases {
        let transcoded = transcode(*from, bytes, *to);
        assert_eq!(transcoded, *expected, "{from:?} to {to:?}: {transcoded:?}");
    }
}

#[test]
fn long_lists_and_strings_have_their_lengths() {
    let value = json!([vec![1; 15], vec![2; 16], vec![3; 70_000], "s".repeat(300), "t".repeat(70_000)]);
    let text = value.to_string();
    let msgpack = transcode(Serializer::Json, text.as_bytes(), Serializer::MsgPack);
    let cbor = transcode(Serializer::MsgPack, &msgpack, Serializer::Cbor);
    assert_eq!(rmp_serde::from_slice::<Value>(&msgpack).unwrap(), value);
    assert_eq!(ciborium::from_reader::<Value, _>(&*cbor).unwrap(), value);
    assert_eq!(transcode(Serializer::Cbor, &cbor, Serializer::Json), text);
}

/// Any JSON value, none of whose strings stands for binary data.
fn any_value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[^\0].{0,8}".prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..20)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn other_implementations_read_what_is_written(value in any_value()) {
        let text = Value::from(vec![value.clone()]).to_string();
        let msgpack = transcode(Serializer::Json, text.as_bytes(), Serializer::MsgPack);
        prop_assert_eq!(&rmp_serde::from_slice::<Vec<Value>>(&msgpack).unwrap(), std::slice::from_ref(&value));
        let cbor = transcode(Serializer::Json, text.as_bytes(), Serializer::Cbor);
        prop_assert_eq!(&ciborium::from_reader::<Vec<Value>, _>(&*cbor).unwrap(), std::slice::from_ref(&value));
        prop_assert_eq!(transcode(Serializer::MsgPack, &msgpack, Serializer::Cbor), &cbor);
        prop_assert_eq!(transcode(Serializer::Cbor, &cbor, Serializer::MsgPack), &msgpack);
        prop_assert_eq!(transcode(Serializer::MsgPack, &msgpack, Serializer::Json), &text);
        prop_assert_eq!(transcode(Serializer::Cbor, &cbor, Serializer::Json), &text);
    }

    #[test]
    fn what_others_write_is_read(value in any_value()) {
        let text = Value::from(vec![value.clone()]).to_string();
        let mut cbor = Vec::new();
        ciborium::into_writer(&vec![&value], &mut cbor).unwrap();
        let msgpack = rmp_serde::to_vec(&vec![&value]).unwrap();
        for (serializer, bytes) in [(Serializer::Cbor, cbor), (Serializer::MsgPack, msgpack)] {
            prop_assert_eq!(transcode(serializer, &bytes, Serializer::Json), text.as_bytes());
        }
    }

    #[test]
    fn binary_data_comes_back_from_json(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut msgpack = vec![0x91];
        rmp::encode::write_bin(&mut msgpack, &bytes).unwrap();
        let text = transcode(Serializer::MsgPack, &msgpack, Serializer::Json);
        prop_assert_eq!(transcode(Serializer::Json, &text, Serializer::MsgPack), msgpack);
    }
}

#[test]
fn tagged_numbers_of_cbor_keep_their_value() {
    // 2^70 and -2^70 as bignums, bignums that fit 64 bits, 273.15 and -0.5e300 as decimal fractions, 1.5 as a bigfloat.
    let cases: &[(&[u8], &str, f64)] = &[
        (b"\xc2\x49\x40\0\0\0\0\0\0\0\0", "1180591620717411303424", 2f64.powi(70)),
        (b"\xc3\x49\x3f\xff\xff\xff\xff\xff\xff\xff\xff", "-1180591620717411303424", -(2f64.powi(70))),
        (b"\xc2\x5f\x41\x40\x48\0\0\0\0\0\0\0\0\xff", "1180591620717411303424", 2f64.powi(70)),
        (b"\xc4\x82\x21\x19\x6a\xb3", "273.15", 273.15),
        (b"\xc4\x82\x19\x01\x2b\x24", "-5e+299", -5e299),
        (b"\xc5\x82\x20\x03", "1.5", 1.5),
        (b"\xc4\x9f\x20\x0f\xff", "1.5", 1.5),
        (b"\xc4\x82\x3b\xff\xff\xff\xff\xff\xff\xff\xff\x01", "0.0", 0.0),
    ];
    for (cbor, json, number) in cases {
        let list = [b"\x81", *cbor].concat();
        let as_json = transcode(Serializer::Cbor, &list, Serializer::Json);
        assert_eq!(as_json, format!("[{json}]"), "{cbor:02x?}");
        let expected = [&b"\x91\xcb"[..], &number.to_be_bytes()].concat();
        assert_eq!(transcode(Serializer::Cbor, &list, Serializer::MsgPack), expected, "{cbor:02x?}");
    }
    // A bignum that an integer holds is that integer.
    for (cbor, json) in
        [(&b"\x81\xc2\x43\0\x01\0"[..], "[256]"), (b"\x81\xc3\x41\0", "[-1]"), (b"\x81\xc3\x40", "[-1]")]
    {
        assert_eq!(transcode(Serializer::Cbor, cbor, Serializer::Json), json);
    }
    // A date that is text keeps its text.
    assert_eq!(transcode(Serializer::Cbor, b"\x81\xc0\x61t", Serializer::Json), "[\"t\"]");
}

#[test]
fn integers_of_json_beyond_64_bits_are_bignums_in_cbor() {
    // 2^64, -2^64 - 1, 2^128 - 1, 2^128, -2^128 - 1, -2^128, 10^57 with groups of zeros, and 2^1000.
    let large = format!("{:.0}", 2f64.powi(1000));
    let two_to_the_1000 = [&b"\xc2\x58\x7e\x01"[..], &[0; 125]].concat();
    let cases: &[(&str, &[u8])] = &[
        ("18446744073709551616", b"\xc2\x49\x01\0\0\0\0\0\0\0\0"),
        ("-18446744073709551617", b"\xc3\x49\x01\0\0\0\0\0\0\0\0"),
        ("340282366920938463463374607431768211455", &[&b"\xc2\x50"[..], &[0xff; 16]].concat()),
        ("340282366920938463463374607431768211456", &[&b"\xc2\x51\x01"[..], &[0; 16]].concat()),
        ("-340282366920938463463374607431768211457", &[&b"\xc3\x51\x01"[..], &[0; 16]].concat()),
        ("-340282366920938463463374607431768211456", &[&b"\xc3\x50"[..], &[0xff; 16]].concat()),
        (
            "1000000000000000000000000000000000000000000000000000000000",
            b"\xc2\x58\x18\x28\xc8\x7c\xb5\xc8\x9a\x25\x71\xeb\xfd\xcb\x54\x86\x4a\xda\x83\x4a\0\0\0\0\0\0\0",
        ),
        (&large, &two_to_the_1000),
    ];
    for (json, cbor) in cases {
        let list = format!("[{json}]");
        let expected = [b"\x81", *cbor].concat();
        assert_eq!(transcode(Serializer::Json, list.as_bytes(), Serializer::Cbor), expected, "{json}");
        assert_eq!(transcode(Serializer::Cbor, &expected, Serializer::Json), list, "and back");
        let nearest = [&b"\x91\xcb"[..], &json.parse::<f64>().unwrap().to_be_bytes()].concat();
        assert_eq!(transcode(Serializer::Json, list.as_bytes(), Serializer::MsgPack), nearest, "{json}");
    }
    // JSON and MessagePack have no number beyond a double's range, here.
    let text = format!("AQ{}", "A".repeat(170));
    for (tag, text) in [(b'\xc2', text.clone()), (b'\xc3', format!("~{text}"))] {
        let beyond = [&b"\x81"[..], &[tag], b"\x58\x81\x01", &[0; 128]].concat();
        assert_eq!(transcode(Serializer::Cbor, &beyond, Serializer::Json), format!("[\"{text}\"]"));
        let length = u8::try_from(text.len()).unwrap();
        let expected = [&b"\x91\xd9"[..], &[length], text.as_bytes()].concat();
        assert_eq!(transcode(Serializer::Cbor, &beyond, Serializer::MsgPack), expected);
    }
}

#[test]
fn tag_for_a_number_around_something_else_is_malformed() {
    for tagged in
        [&b"\xc2\x01"[..], b"\xc3\x61x", b"\xc4\x81\x01", b"\xc4\x82\x41x\x01", b"\xc5\x82\x01\x41x"]
    {
        let message = [b"\x84\x18\x46\x01\xa0\x81", tagged].concat();
        let error = Serializer::Cbor.decode(&message.into(), 100).unwrap_err();
        assert!(matches!(error, DecodeError::Malformed(_)), "{tagged:02x?}: {error}");
    }
}
