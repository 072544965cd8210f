//! Which process may open a store.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    process::{Command, Stdio},
};

use wampgate::store::StoreOpenError;

use super::support::{Kind, StoreFolder, THIS_BINARY, id, record, wait};

/// Told to a second process: which folder to try.
const CHILD: &str = "WAMPGATE_TEST_LOCKED_STORE";

#[test]
fn second_process_is_refused_with_the_files_name() {
    if let Some(path) = std::env::var_os(CHILD) {
        let kind = if path.to_string_lossy().ends_with(".dat") { Kind::File } else { Kind::Lmdb };
        let config = StoreFolder::new(kind).config_at(path.into());
        match wampgate::store::open(&config, super::support::at(0)) {
            Ok(_) => println!("opened"),
            Err(error) => println!("refused: {error}"),
        }
        return;
    }
    for kind in [Kind::File, Kind::Lmdb] {
        let place = StoreFolder::new(kind);
        let store = place.open(0);
        wait(store.create(&id(1), record(0, 60))).unwrap();
        let told = try_elsewhere(&place);
        assert!(told.contains("refused: ") && told.contains("is in use already"), "{told}");
        assert!(told.contains(&place.path().display().to_string()), "{told}");
        drop(store);
        assert!(try_elsewhere(&place).contains("opened"), "let go of");
    }
}

fn try_elsewhere(place: &StoreFolder) -> String {
    let output = Command::new(THIS_BINARY)
        .args(["--exact", "store::locking::second_process_is_refused_with_the_files_name", "--nocapture"])
        .env(CHILD, place.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn second_store_of_the_same_process_is_refused_also_by_another_name() {
    let place = StoreFolder::new(Kind::File);
    let _store = place.open(0);
    assert!(matches!(place.try_open(0), Err(StoreOpenError::InUse { .. })));
    let other = StoreFolder::new(Kind::File);
    symlink(place.path(), other.path()).unwrap();
    assert!(matches!(other.try_open(0), Err(StoreOpenError::InUse { .. })));
}

#[test]
fn file_is_readable_by_its_owner_only() {
    let mode = |place: &StoreFolder| std::fs::metadata(place.path()).unwrap().permissions().mode() & 0o777;
    let place = StoreFolder::new(Kind::File);
    drop(place.open(0));
    assert_eq!(mode(&place), 0o600);
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(place.open(0));
    assert_eq!(mode(&place), 0o600, "as Crossbar leaves it");
    let place = StoreFolder::new(Kind::Lmdb);
    drop(place.open(0));
    assert_eq!(mode(&place), 0o700);
}

#[test]
fn what_cannot_be_a_store_is_refused_with_a_remedy() {
    let place = StoreFolder::new(Kind::File);
    std::fs::create_dir(place.path()).unwrap();
    let error = place.try_open(0).unwrap_err().to_string();
    assert!(error.contains(&place.path().display().to_string()), "{error}");

    let place = StoreFolder::new(Kind::Lmdb);
    std::fs::write(place.path(), "a file").unwrap();
    let error = place.try_open(0).unwrap_err().to_string();
    assert!(error.contains(&place.path().display().to_string()), "{error}");

    let place = StoreFolder::new(Kind::Lmdb);
    std::fs::create_dir(place.path()).unwrap();
    std::fs::write(place.path().join("data.mdb"), "x".repeat(20_000)).unwrap();
    assert!(matches!(place.try_open(0), Err(StoreOpenError::Lmdb { .. })));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing is left in the folder");
}
