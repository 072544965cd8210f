//! Files of principals: their form, their faults, changes while sessions are open, and large files.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{CryptosignPrincipal, LoginFiles, ScramPrincipal, TicketPrincipal, WampCraPrincipal},
    cookie::PublicIdKey,
};

const KEY: &str = "020b4ba1bb0ea7f0d3b2a2c5f8d6f34e0e0f8f0d2f5b0f6ba9f2a5c4b2d2b4a1";

fn realms() -> Vec<KnownRealm> {
    let role = |name: &str| Name::parse(name).unwrap();
    vec![(Uri::parse("realm1").unwrap(), Some(vec![role("frontend"), role("backend")]))]
}

/// A public key of Ed25519.
fn public_key(seed: u8) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    key.as_bytes().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn principals() -> Value {
    json!({
        "$comment": "one of each",
        "joe": { "ticket": "secret!!!", "role": "frontend" },
        "ann": { "secret": "secret!!!", "role": "backend", "realm": "realm1" },
        "eve": {
            "secret": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=", "salt": "salt", "iterations": 1000, "keylen": 32,
            "role": "frontend", "$comment": "salted",
        },
        "sue": {
            "kdf": "argon2id-13", "iterations": 2, "memory": 19456, "salt": "00112233445566778899aabbccddeeff",
            "stored-key": KEY, "server-key": KEY, "role": "frontend",
        },
        "bob": { "authorized_keys": [public_key(1), public_key(2)], "role": "frontend" },
        "cat": { "authorized_keys": [public_key(2)], "role": "frontend" },
    })
}

fn parse<P: FilePrincipal>(value: &Value) -> Result<Table<P>, String> {
    Table::parse(value.to_string().as_bytes(), Some(&realms())).map_err(|faults| faults.to_string())
}

fn write(file: &Path, principals: &Value) {
    fs::write(file, principals.to_string()).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn each_method_takes_the_principals_with_its_credential() {
    let all = principals();
    let tickets = parse::<TicketPrincipal>(&all).unwrap();
    assert_eq!(tickets.len(), 1);
    assert_eq!(&*tickets.get("joe").unwrap().1.role, "frontend");
    assert!(tickets.get("ann").is_none() && tickets.get("").is_none());
    let shared = parse::<WampCraPrincipal>(&all).unwrap();
    assert_eq!(shared.get("ann").unwrap().1.realm.as_ref().unwrap().as_str(), "realm1");
    assert_eq!(shared.get("eve").unwrap().1.salting.as_ref().unwrap().iterations, 1000);
    assert_eq!(parse::<ScramPrincipal>(&all).unwrap().get("sue").unwrap().1.salt.len(), 16);
    let keys = parse::<CryptosignPrincipal>(&all).unwrap();
    let key = |seed| hex::decode_exactly(&public_key(seed)).unwrap();
    assert_eq!(keys.owner(&key(1)).unwrap().as_str(), "bob");
    assert!(keys.owner(&key(2)).is_none(), "two have it");
    assert!(keys.owner(&key(3)).is_none());
}

#[test]
fn a_fault_names_the_principal_and_shows_no_secret() {
    let entry = |changes: Value| json!({ "joe": changes });
    let long = "s3cr3t".repeat(3);
    for (text, expected) in [
        (
            entry(json!({ "ticket": long, "role": "visitor" })),
            "principal `joe` has the role `visitor`, which no realm has",
        ),
        (
            entry(json!({ "ticket": long, "role": "frontend", "realm": "realm2" })),
            "belongs to the realm `realm2`",
        ),
        (entry(json!({ "ticket": long })), "has no `role`"),
        (entry(json!({ "role": "frontend" })), "has no credential"),
        (
            entry(json!({ "ticket": long, "secret": long, "role": "frontend" })),
            "credentials of several methods",
        ),
        (entry(json!({ "ticket": "", "role": "frontend" })), "has no `ticket`"),
        (entry(json!({ "ticket": "${s3cr3t}", "role": "frontend" })), "begins with `$`"),
        (entry(json!({ "ticket": [long], "role": "frontend" })), "a value must be text at line 1"),
        (entry(json!({ "ticket": 5_737_374, "role": "frontend" })), "a value must be text"),
        (entry(json!({ "tikcet": long, "role": "frontend" })), "unknown field `tikcet`"),
        (json!({ "j\u{202e}oe": { "ticket": long, "role": "frontend" } }), "principal 1 of the file"),
        (json!({ "joe": long }), "line 1"),
        (json!([long]), "line 1"),
        (json!(long), "line 1"),
    ] {
        let fault = parse::<TicketPrincipal>(&text).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
        assert!(!fault.contains("s3cr3t") && !fault.contains("5737374"), "{fault}");
    }
    let many: serde_json::Map<_, _> =
        (0..100).map(|n| (format!("user{n}"), json!({ "role": "frontend" }))).collect();
    assert_eq!(
        Table::<TicketPrincipal>::parse(json!(many).to_string().as_bytes(), Some(&realms()))
            .unwrap_err()
            .iter()
            .count(),
        21
    );
    let twice = r#"{"joe":{"ticket":"a","role":"frontend"},"joe":{"ticket":"b","role":"frontend"}}"#;
    let fault = Table::<TicketPrincipal>::parse(twice.as_bytes(), Some(&realms())).unwrap_err().to_string();
    assert!(fault.starts_with("principal `joe` stands twice"), "{fault}");
    for (kind, expected) in [
        (json!({ "kdf": "md5", "iterations": 2 }), "has no `kdf`"),
        (json!({ "kdf": "argon2id-13", "iterations": 2 }), "has no `memory`"),
        (json!({ "kdf": "pbkdf2" }), "has no `iterations`"),
        (json!({ "kdf": "pbkdf2", "iterations": 0 }), "has `iterations` out of range"),
        (json!({ "kdf": "pbkdf2", "iterations": 4096, "salt": "00" }), "has no `salt`"),
        (json!({ "kdf": "pbkdf2", "iterations": 4096, "server-key": "00" }), "has no `server-key`"),
    ] {
        let mut sue = principals()["sue"].clone();
        for absent in ["kdf", "iterations", "memory"] {
            sue.as_object_mut().unwrap().remove(absent);
        }
        sue.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        let fault = parse::<ScramPrincipal>(&json!({ "sue": sue })).unwrap_err();
        assert!(fault.contains(expected), "{fault}");
    }
    let salted = json!({ "eve": { "secret": "plain", "salt": "salt", "role": "frontend" } });
    assert!(parse::<WampCraPrincipal>(&salted).unwrap_err().contains("32 bytes in base64"));
    let weak = json!({ "bob": { "authorized_keys": ["00".repeat(32)], "role": "frontend" } });
    assert!(parse::<CryptosignPrincipal>(&weak).unwrap_err().contains("no public key of Ed25519"));
}

#[test]
fn an_unknown_name_always_has_the_same_stand_in() {
    let many = |from: usize| -> Value {
        (from..300)
            .map(|n| (format!("user{n}"), json!({ "ticket": "x", "role": "frontend" })))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let key = PublicIdKey::random().unwrap();
    let (before, after) =
        (parse::<TicketPrincipal>(&many(0)).unwrap(), parse::<TicketPrincipal>(&many(1)).unwrap());
    let stand_in = |table: &Table<TicketPrincipal>, n: usize| {
        table.stand_in(&format!("x{n}"), &key).unwrap().0.to_string()
    };
    let changed = (0..500).filter(|&n| stand_in(&before, n) != stand_in(&after, n)).count();
    assert!(changed < 60, "{changed} of 500 have another one since one principal went");
    assert!(Table::<TicketPrincipal>::default().stand_in("x", &key).is_none());
}

#[test]
fn a_changed_file_counts_and_ends_the_sessions_of_those_that_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("principals.json");
    let joe = |ticket: &str, role: &str| json!({ "ticket": ticket, "role": role });
    write(
        &file,
        &json!({ "joe": joe("a", "frontend"), "ann": joe("b", "frontend"), "sue": joe("c", "frontend") }),
    );
    let principals = PrincipalFile::<TicketPrincipal>::open(&file, Some(realms())).unwrap();
    assert!(principals.reload().is_none(), "nothing has changed");
    let vouched = |name: &str| {
        let table = principals.current();
        let (name, principal) = table.get(name).unwrap();
        principals.vouch(name, principal)
    };
    let ended = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ended = Arc::clone(&ended);
        move || {
            ended.fetch_add(1, Relaxed);
        }
    };
    let (joes, anns) = (vouched("joe"), vouched("ann"));
    let held = [joes.open(count()), anns.open(count()), vouched("sue").open(count())];
    // A file that is wrong ends nothing.
    write(&file, &json!({ "joe": joe("", "frontend") }));
    assert!(principals.reload().unwrap().is_err());
    assert_eq!(ended.load(Relaxed), 0);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(principals.reload().unwrap().unwrap_err().contains("chmod"));
    write(
        &file,
        &json!({ "joe": joe("a", "frontend"), "ann": joe("b", "frontend"), "sue": joe("c", "frontend") }),
    );
    assert!(principals.reload().unwrap().unwrap().contains("nothing has changed"));
    assert_eq!(ended.load(Relaxed), 0);
    // Joe goes, Ann gets another role, Sue stays.
    write(&file, &json!({ "ann": joe("b", "backend"), "sue": joe("c", "frontend") }));
    let told = principals.reload().unwrap().unwrap();
    assert!(told.contains("2 now; ended sessions") && told.ends_with("changed: 2"), "{told}");
    assert_eq!(ended.load(Relaxed), 2);
    // A session that begins while its principal goes meets the change as well.
    drop(joes.open(count()));
    assert_eq!(ended.load(Relaxed), 3);
    drop(held);
    write(&file, &json!({}));
    assert!(principals.reload().unwrap().unwrap().ends_with("changed: 0"));
    assert_eq!(ended.load(Relaxed), 3);
}

/// The text of a file with so many principals of SCRAM.
fn many(count: usize) -> String {
    use std::fmt::Write as _;
    let mut text = "{".to_owned();
    for n in 0..count {
        let comma = if n == 0 { "" } else { "," };
        let key = format!("{n:064x}");
        write!(
            text,
            r#"{comma}"user{n}@example.com":{{"kdf":"argon2id-13","iterations":2,"memory":19456,"salt":"{n:032x}","stored-key":"{key}","server-key":"{key}","role":"frontend","realm":"realm1"}}"#
        )
        .unwrap();
    }
    text + "}"
}

#[test]
fn a_look_up_compares_as_many_names_in_a_large_file_as_in_a_small_one() {
    for count in [100, 20_000] {
        let table = Table::<ScramPrincipal>::parse(many(count).as_bytes(), Some(&realms())).unwrap();
        assert_eq!(table.len(), count);
        // About ten of each hundred: the hash table compares names only where seven bits of their hashes are the same as well. Hashes
        // are random, so the bounds lie far above.
        let compared = |name: &str| table.compared(name);
        let known: usize =
            (0..count).step_by(count / 100).map(|n| compared(&format!("user{n}@example.com"))).sum();
        assert!((100..=150).contains(&known), "{known} names for 100 look-ups among {count}");
        let unknown: usize = (0..100).map(|n| compared(&format!("eve{n}@example.com"))).sum();
        assert!(unknown <= 50, "{unknown} names for 100 look-ups in vain among {count}");
        // However many there are, the stand-ins of unknown names are of so many.
        let key = PublicIdKey::random().unwrap();
        let stand_ins: std::collections::HashSet<_> =
            (0..5000).map(|n| table.stand_in(&format!("eve{n}"), &key).unwrap().0.to_string()).collect();
        assert!(stand_ins.len() <= 1024);
        // A million of them fit into what the documentation says.
        assert!(size_of::<(Name, ScramPrincipal)>() <= 200);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_once_with_the_methods_that_it_is_wrong_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("principals.json");
    write(&file, &json!({}));
    let files = LoginFiles::default();
    files.are(vec![
        PrincipalFile::<TicketPrincipal>::open(&file, Some(realms())).unwrap() as _,
        PrincipalFile::<ScramPrincipal>::open(&file, Some(realms())).unwrap() as _,
    ]);
    let told = |content: &Value| {
        write(&file, content);
        files.reload().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let both = told(&json!({ "joe": { "role": "frontend" } }));
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(both[0].contains(": the principals of ticket, scram: principal `joe` "), "{both:?}");
    let one = told(&json!({ "joe": { "ticket": "a", "role": "nothing" } }));
    assert_eq!(one.len(), 2, "{one:?}");
    assert!(one[0].contains(": the principals of ticket: principal `joe` has the role"), "{one:?}");
    assert!(one[1].contains("the principals of scram were reloaded"), "{one:?}");
}
