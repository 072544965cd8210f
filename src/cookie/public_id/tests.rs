use std::os::unix::fs::PermissionsExt as _;

use super::*;

fn id(text: &str) -> TrackingId {
    TrackingId::parse(text).unwrap()
}

#[test]
fn a_public_id_is_the_cut_hmac_of_the_id() {
    // printf %s ynxeF9djpFhvdtla3T/sM+2N | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707… -binary
    //   | head -c 12 | base64 | tr +/ -_
    let key = PublicIdKey::new(&[7; KEY_SIZE]);
    assert_eq!(&*key.public_id(&id("ynxeF9djpFhvdtla3T/sM+2N")), "nAgRtBpITBx_E3t0");
}

#[test]
fn what_looks_like_a_public_id_has_its_length_and_its_characters() {
    assert!(PublicIdKey::may_have_made("nAgRtBpITBx_E3t0"));
    assert!(PublicIdKey::may_have_made("-AgRtBpITBx_E3t0"));
    for other in ["", "joe", "nAgRtBpITBx_E3t", "nAgRtBpITBx_E3t00", "nAgRtBpITBx/E3t0", "joe@example.com."] {
        assert!(!PublicIdKey::may_have_made(other), "{other}");
    }
}

#[test]
fn public_ids_differ_by_id_and_by_key() {
    let (one, other) = (PublicIdKey::random().unwrap(), PublicIdKey::random().unwrap());
    assert_eq!(one.public_id(&id("abcdef")), one.public_id(&id("abcdef")));
    assert_ne!(one.public_id(&id("abcdef")), one.public_id(&id("abcdeg")));
    assert_ne!(one.public_id(&id("abcdef")), other.public_id(&id("abcdef")));
}

#[test]
fn a_key_file_is_made_once_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("public-id.key");
    let made = PublicIdKey::load_or_create(&path).unwrap();
    let loaded = PublicIdKey::load_or_create(&path).unwrap();
    assert_eq!(made.public_id(&id("abcdef")), loaded.public_id(&id("abcdef")));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, 32));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no draft stays behind");
}

#[test]
fn whoever_starts_at_the_same_moment_gets_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("public-id.key");
    let names: std::collections::HashSet<_> = std::thread::scope(|scope| {
        let make = || PublicIdKey::load_or_create(&path).unwrap().public_id(&id("abcdef"));
        let makers: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect()
    });
    assert_eq!(names.len(), 1);
}

#[test]
fn a_file_of_another_size_is_refused_by_name_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    for size in [0, 31, 33, 1000] {
        let path = directory.path().join(format!("key-of-{size}"));
        fs::write(&path, vec![1; size]).unwrap();
        let error = PublicIdKey::load_or_create(&path).unwrap_err();
        assert!(matches!(error, PublicIdKeyError::Size { .. }), "{error:?}");
        assert!(error.to_string().contains(&format!("key-of-{size}")), "{error}");
        assert_eq!(fs::read(&path).unwrap().len(), size);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("public-id.key");
    let error = PublicIdKey::load_or_create(&path).unwrap_err();
    assert!(error.to_string().contains("missing/public-id.key"), "{error}");
}

#[test]
fn debug_does_not_show_a_key() {
    assert_eq!(format!("{:?}", PublicIdKey::new(&[7; KEY_SIZE])), "PublicIdKey(..)");
}
