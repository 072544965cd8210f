//! Both forms of SCRAM keys against what Python's `argon2-cffi`, `hashlib` and `hmac` make of the same password and salt; the form of
//! autobahn is also what its `derive_scram_credential` prints, and `tests/interop` logs in with it.

use super::*;

const SALT: [u8; 16] =
    [0x78, 0x67, 0x5c, 0xc1, 0x76, 0x08, 0x13, 0x72, 0xc4, 0x3a, 0xba, 0xb3, 0xea, 0x9f, 0xb7, 0x0c];

#[test]
fn each_form_is_what_an_independent_program_derives() {
    let argon2id = |form| Kdf::Argon2id { memory: 512, passes: 4096, form };
    for (kdf, [stored_key, server_key]) in [
        (
            argon2id(Form::Text),
            [
                "b78539e17bacde7e09926071bbc054f3789417eb900ec54f5c3939f8fc28d186",
                "b39be06d9fc22dcf096eb0752debfb095b198be1bf16199094dcd87bb5315791",
            ],
        ),
        (
            argon2id(Form::Bytes),
            [
                "735699ef4de88ce9012b227edd7a63c5078d6bee7e91c71b0370a61e973f6907",
                "00315cbfef4ab0841885017aec4b424bf37de7639edc3e8d7b49b2644704c98a",
            ],
        ),
        (
            Kdf::Pbkdf2 { iterations: 4096 },
            [
                "b8d25fe2e88d5c1c218fc0afc501160096724e6343c83618840f7e060b9fb177",
                "aaf63e4f565ab9933c8177e3b26050965662a171d498e5aa00731e04f6b9602a",
            ],
        ),
    ] {
        let members = verifier("interop-secret", &SALT, kdf).unwrap();
        assert_eq!(members["stored-key"], stored_key, "{kdf:?}");
        assert_eq!(members["server-key"], server_key, "{kdf:?}");
        assert_eq!(members["salt"], "78675cc176081372c43abab3ea9fb70c");
    }
}

#[test]
fn each_principal_has_a_salt_of_its_own() {
    let kdf = Kdf::Argon2id { memory: 512, passes: 3, form: Form::Text };
    let [one, other] = [(); 2].map(|()| scram("pencil", kdf).unwrap());
    assert_ne!(one["salt"], other["salt"]);
    assert_ne!(one["stored-key"], other["stored-key"]);
    assert_eq!(
        (&one["kdf"], &one["iterations"], &one["memory"]),
        (&json!("argon2id-13"), &json!(3), &json!(512))
    );
}
