//! Cryptosign with the specification's test vectors.

use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;

use super::*;
use crate::{
    auth::{
        AuthOptions,
        tests::{NOW, Scene, hello, name, uri},
    },
    wamp::Dictionary,
};

/// Section "Computing the Signature", "Test Vectors", and one of autobahn: channel, private key, challenge, signature.
const VECTORS: [(Option<&str>, &str, &str, &str); 7] = [
    (
        None,
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "b32675b221f08593213737bef8240e7c15228b07028e19595294678c90d11c0c\
         ae80a357331bfc5cc9fb71081464e6e75013517c2cf067ad566a6b7b728e5d03\
         ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ),
    (
        None,
        "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
        "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
        "d4209ad10d5aff6bfbc009d7e924795de138a63515efc7afc6b01b7fe5201372\
         190374886a70207b042294af5bd64ce725cd8dceb344e6d11c09d1aaaf4d660f\
         b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
    ),
    (
        None,
        "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
        "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
        "7beb282184baadd08f166f16dd683b39cab53816ed81e6955def951cb2ddad1e\
         c184e206746fd82bda075af03711d3d5658fc84a76196b0fa8d1ebc92ef9f30b\
         b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
    ),
    (
        Some("62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"),
        "4d57d97a68f555696620a6d849c0ce582568518d729eb753dc7c732de2804510",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "9b6f41540c9b95b4b7b281c3042fa9c54cef43c842d62ea3fd6030fcb66e70b3\
         e80d49d44c29d1635da9348d02ec93f3ed1ef227dfb59a07b580095c2b82f80f\
         9d16ca518aa0c2b707f2b2a609edeca73bca8dd59817a633f35574ac6fd80d00",
    ),
    (
        Some("62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"),
        "d511fe78e23934b3dadb52fcd022974b80bd92bccc7c5cf404e46cc0a8a2f5cd",
        "b26c1f87c13fc1da14997f1b5a71995dff8fbe0a62fae8473c7bdbd05bfb607d",
        "305aaa3ac25e98f651427688b3fc43fe7d8a68a7ec1d7d61c61517c519bd4a42\
         7c3015599d83ca28b4c652333920223844ef0725eb5dc2febfd6af7677b73f01\
         d0852a29b460fc92ec943242ac638a053bbacc200512b18b30d15083cbdc9282",
    ),
    (
        Some("62e935ae755f3d48f80d4d59f6121358c435722a67e859cc0caa8b539027f2ff"),
        "6e1fde9cf9e2359a87420b65a87dc0c66136e66945196ba2475990d8a0c3a25b",
        "b05e6b8ad4d69abf74aa3be3c0ee40ae07d66e1895b9ab09285a2f1192d562d2",
        "ee3c7644fd8070532bc1fde3d70d742267da545d8c8f03e63bda63f1ad4214f4\
         d2c4bfdb4eb9526def42deeb7e31602a6ff99eba893e0a4ad4d45892ca75e608\
         d2b75e24a189a7f78ca776ba36fc53f6c3e31c32f251f2c524f0a44202f2902d",
    ),
    // By `sign_challenge` of autobahn for Python 26.10.2, which does the same for `tls-unique` as we do for `tls-exporter`.
    (
        Some("030a11181f262d343b424950575e656c737a81888f969da4abb2b9c0c7ced5dc"),
        "0707070707070707070707070707070707070707070707070707070707070707",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        "15e4a311259447b8df695e0ac6e1933ce8b0121074eb9701890b371bf8ca45ce\
         1d162ba8e1ea2a958881b989bb4a34b0b6904223d30fa3ed29fc06d3e7b4de09\
         030b131b1b232b33334b435b5b536b63636b939b9b838bb3b3aba3dbdbd3cbc3",
    ),
];

/// `joe` has the keys of seeds 1 and 2 and `ann`, of `home`, those of seeds 2 and 3.
fn scene(authid: Option<&str>, seed: u8, realm: &str) -> Scene {
    let principal = |seeds: [u8; 2], realm: Option<&str>| CryptosignPrincipal {
        keys: seeds.map(|seed| signing(seed).verifying_key().to_bytes()).to_vec(),
        role: name("frontend"),
        realm: realm.map(uri),
    };
    let principals =
        [(name("joe"), principal([1, 2], None)), (name("ann"), principal([2, 3], Some("home")))].into();
    let config = AuthOptions {
        cryptosign: Some(CryptosignOptions { principals, file: None }),
        ..AuthOptions::default()
    };
    let mut hello = hello(&["cryptosign"], authid);
    hello.authextra.insert("pubkey", to_hex(&signing(seed).verifying_key().to_bytes()));
    Scene { realm: uri(realm), ..Scene::new(Some(config), hello) }
}

fn signing(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// What a client answers: signature and message, in hex.
fn answer(key: &SigningKey, challenge: &Map<String, Value>, channel: Option<[u8; 32]>) -> String {
    let challenge = from_hex::<32>(challenge["challenge"].as_str().unwrap()).unwrap();
    let message = bound(challenge, channel);
    to_hex(&key.sign(&message).to_bytes()) + &to_hex(&message)
}

fn run(authid: Option<&str>, seed: u8, realm: &str) -> Result<Principal, AuthError> {
    let (challenge, pending) = scene(authid, seed, realm).challenge(Method::Cryptosign);
    assert_eq!(challenge["channel_binding"], Value::Null);
    pending.finish(&answer(&signing(seed), &challenge, None), &Dictionary::default(), NOW)
}

#[test]
fn verifies_the_specifications_vectors() {
    for (channel, private, challenge, signature) in VECTORS {
        let channel = channel.map(|channel| from_hex::<32>(channel).unwrap());
        let key = SigningKey::from_bytes(&from_hex(private).unwrap());
        let message = bound(from_hex(challenge).unwrap(), channel);
        let public = key.verifying_key().to_bytes();
        assert!(is_signed(signature, &public, &message));
        assert_eq!(to_hex(&key.sign(&message).to_bytes()) + &to_hex(&message), signature);
        // Any other bit, in the signature or in the message, and it is none.
        let flip = |at: usize| {
            let mut bytes = from_hex::<96>(signature).unwrap();
            bytes[at] ^= 1;
            to_hex(&bytes)
        };
        assert!([0, 31, 32, 40, 64, 95].into_iter().all(|at| !is_signed(&flip(at), &public, &message)));
        assert!(!is_signed(&signature[..128], &public, &message), "the message must stand behind");
    }
}

#[test]
fn a_principal_logs_in_with_any_of_its_keys_and_with_or_without_its_name() {
    for (authid, seed, realm, expected) in [
        (Some("joe"), 1, "realm1", "joe"),
        (Some("joe"), 2, "realm1", "joe"),
        (Some("ann"), 2, "home", "ann"),
        (None, 1, "realm1", "joe"),
        (None, 3, "home", "ann"),
    ] {
        let principal = run(authid, seed, realm).unwrap();
        assert_eq!((&*principal.authid, principal.authmethod), (expected, "cryptosign"));
    }
}

#[test]
fn other_keys_unknown_names_and_other_realms_are_refused() {
    let refused = Err(AuthError::Credentials("cryptosign"));
    for (authid, seed) in [
        (Some("joe"), 3),
        (Some("joe"), 9),
        (Some("eve"), 1),
        (Some(""), 2),
        (None, 9),
        // The key of two principals names neither.
        (None, 2),
    ] {
        assert_eq!(run(authid, seed, "realm1"), refused, "{authid:?} {seed}");
    }
    assert_eq!(run(Some("ann"), 3, "realm1"), Err(AuthError::OtherRealm));
}

#[test]
fn a_signature_counts_for_its_own_challenge_and_key_only() {
    let scene = scene(Some("joe"), 1, "realm1");
    let ((old, _), (new, pending)) =
        (scene.challenge(Method::Cryptosign), scene.challenge(Method::Cryptosign));
    assert_ne!(old, new);
    let replayed = pending.finish(&answer(&signing(1), &old, None), &Dictionary::default(), NOW);
    assert_eq!(replayed, Err(AuthError::Credentials("cryptosign")));
    // Signed with the principal's other key, which is not the one that was announced.
    let (challenge, pending) = scene.challenge(Method::Cryptosign);
    let other = pending.finish(&answer(&signing(2), &challenge, None), &Dictionary::default(), NOW);
    assert_eq!(other, Err(AuthError::Credentials("cryptosign")));
}

#[test]
fn a_public_key_is_required() {
    for pubkey in
        [Value::Null, "".into(), "00".repeat(31).into(), "zz".repeat(32).into(), "\u{e9}".repeat(32).into()]
    {
        let mut scene = scene(Some("joe"), 1, "realm1");
        scene.hello.authextra.insert("pubkey", pubkey.clone());
        assert!(
            matches!(scene.begin(Method::Cryptosign), Err(AuthError::Missing("cryptosign", _))),
            "{pubkey}"
        );
    }
}

#[test]
fn a_channel_binding_that_the_connection_has_not_is_refused() {
    for (kind, channel) in [
        ("tls-unique", None),
        ("tls-exporter", None),
        ("tls-unique", Some([7; 32])),
        ("bogus", Some([7; 32])),
    ] {
        let mut scene = scene(Some("joe"), 1, "realm1");
        scene.tls_exporter = channel;
        scene.hello.authextra.insert("channel_binding", kind);
        let refused = scene.begin(Method::Cryptosign).unwrap_err();
        assert_eq!(refused, AuthError::ChannelBinding(kind.into()));
    }
    let mut scene = scene(Some("joe"), 1, "realm1");
    scene.hello.authextra.insert("channel_binding", true);
    assert!(matches!(scene.begin(Method::Cryptosign), Err(AuthError::Missing(..))));
}

#[test]
fn a_bound_channel_is_part_of_what_is_signed() {
    let run = |signed: [u8; 32]| {
        let mut scene = scene(Some("joe"), 1, "realm1");
        scene.tls_exporter = Some([7; 32]);
        scene.hello.authextra.insert("channel_binding", "tls-exporter");
        let (challenge, pending) = scene.challenge(Method::Cryptosign);
        assert_eq!(challenge["channel_binding"], "tls-exporter");
        pending.finish(&answer(&signing(1), &challenge, Some(signed)), &Dictionary::default(), NOW)
    };
    assert!(run([7; 32]).is_ok());
    assert_eq!(run([8; 32]), Err(AuthError::Credentials("cryptosign")), "another channel's");
}
