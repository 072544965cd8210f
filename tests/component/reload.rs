//! Policies change while they decide.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use wampgate::{
    policy::{
        Decision, Instances, PolicyError, PolicyFile, PolicyGate, PolicyLoadFault, PolicyOptions, Reload,
        Reloader,
    },
    testkit::Request,
};

use super::support::{DEADLINE, ENGINE, bytes, file, guest, options};

/// Answers with its authid, which is as long as the placeholder.
fn named(name: &str) -> Vec<u8> {
    assert_eq!(name.len(), 4);
    bytes(&format!(
        r#"(func (export "decide") (param i32) (result i32)
          (i32.store (i32.const 64) (i32.const {}))
          (i32.store8 (i32.const 8) (i32.const 1))
          (i32.store (i32.const 12) (i32.const 64)) (i32.store (i32.const 16) (i32.const 4))
          (i32.const 0))"#,
        u32::from_le_bytes(name.as_bytes().try_into().unwrap())
    ))
}

struct Watched {
    _folder: tempfile::TempDir,
    file: PathBuf,
    reloader: Reloader,
    gate: Arc<PolicyGate>,
}

impl Watched {
    fn new(component: &[u8], instances: Instances) -> Self {
        Self::with(component, |options| PolicyOptions { instances, ..options })
    }

    /// One whose options are changed like this.
    fn with(component: &[u8], change: impl FnOnce(PolicyOptions) -> PolicyOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.wasm");
        fs::write(&path, component).unwrap();
        let reloader = Reloader::new(ENGINE.clone());
        let gate = reloader.load(&PolicyFile { options: change(options()), ..file(&path) }).unwrap();
        Self { _folder: folder, file: path, reloader, gate }
    }
}

fn decide(gate: &PolicyGate) -> Result<Decision, PolicyError> {
    decide_for(gate, "203.0.113.9:52100")
}

fn decide_for(gate: &PolicyGate, peer: &str) -> Result<Decision, PolicyError> {
    let mut request = Request::new();
    peer.clone_into(&mut request.connection.peer);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    request.with(|request| runtime.block_on(gate.decide(request)))
}

fn authid(gate: &PolicyGate) -> String {
    super::support::authid(decide(gate))
}

#[test]
fn services_with_the_same_policy_share_its_gate_and_others_have_their_own() {
    let watched = Watched::new(&named("one "), Instances::Fresh);
    let file = file(&watched.file);
    let again = watched.reloader.load(&file).unwrap();
    assert!(Arc::ptr_eq(&watched.gate, &again));
    let options = PolicyOptions { max_concurrent: 1, ..options() };
    let other = watched.reloader.load(&PolicyFile { options, ..file }).unwrap();
    assert!(!Arc::ptr_eq(&watched.gate, &other));
    assert_eq!(watched.reloader.files().len(), 2, "one is compiled for each");
}

#[test]
fn a_changed_file_decides_and_an_unchanged_one_is_not_loaded_again() {
    let watched = Watched::new(&named("one "), Instances::Fresh);
    assert_eq!(authid(&watched.gate), "one ");
    assert!(watched.reloader.reload().is_empty());
    fs::write(&watched.file, named("two ")).unwrap();
    assert!(matches!(watched.reloader.reload()[..], [Reload::Replaced(_)]));
    assert_eq!(authid(&watched.gate), "two ");
}

#[test]
fn a_bad_file_leaves_the_old_policy_serving_and_is_told_once() {
    let watched = Watched::new(&named("one "), Instances::Warm);
    for bad in [bytes(guest::NOTHING), b"nonsense".to_vec(), bytes(guest::TRAPPING_CHECK), Vec::new()] {
        fs::write(&watched.file, bad).unwrap();
        assert!(matches!(watched.reloader.reload()[..], [Reload::Kept(_)]));
        assert!(watched.reloader.reload().is_empty(), "told twice");
        assert_eq!(authid(&watched.gate), "one ");
    }
    fs::remove_file(&watched.file).unwrap();
    match &watched.reloader.reload()[..] {
        [Reload::Kept(error)] => assert!(matches!(error.fault, PolicyLoadFault::Read(_)), "{error}"),
        other => panic!("{other:?}"),
    }
    assert!(watched.reloader.reload().is_empty(), "told twice");
    assert_eq!(authid(&watched.gate), "one ");

    fs::write(&watched.file, named("two ")).unwrap();
    assert!(matches!(watched.reloader.reload()[..], [Reload::Replaced(_)]));
    assert_eq!(authid(&watched.gate), "two ");
}

#[test]
fn a_hundred_reloads_under_load_fail_no_decision() {
    for instances in [Instances::Fresh, Instances::Warm] {
        let names = ["one ", "two "];
        let components = names.map(named);
        let watched = Watched::new(&components[0], instances);
        let (stop, decided) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        assert!(names.contains(&authid(&watched.gate).as_str()));
                        decided.fetch_add(1, Relaxed);
                    }
                });
            }
            for round in 1..=100 {
                fs::write(&watched.file, &components[round % 2]).unwrap();
                assert!(matches!(watched.reloader.reload()[..], [Reload::Replaced(_)]));
                assert_eq!(authid(&watched.gate), names[round % 2], "a join behind the reload");
            }
            stop.store(true, Relaxed);
        });
        assert!(decided.load(Relaxed) > 100, "there was no load");
    }
}

#[test]
fn a_peer_whose_decisions_never_end_is_refused_early_and_others_are_not() {
    let guest = bytes(guest::ENDLESS_LOOP);
    let watched = Watched::with(&guest, |options| PolicyOptions { deadline: DEADLINE, ..options });
    let failures_of = |peer: &str| {
        let mut answers = (0..100).map(|_| decide_for(&watched.gate, peer));
        answers.position(|answer| answer == Err(PolicyError::Penalty))
    };
    // Failures count for ten seconds. A machine on which five deadlines take longer has to try again.
    let in_time = (1..20).find_map(|number| {
        let begun = Instant::now();
        let failures = failures_of(&format!("203.0.113.{number}:52100"));
        (begun.elapsed() < Duration::from_secs(10)).then_some(failures)
    });
    assert_eq!(in_time.expect("never five deadlines in ten seconds"), Some(5));
    let other = decide_for(&watched.gate, "203.0.113.200:52100");
    assert_eq!(other, Err(PolicyError::Deadline(DEADLINE)));
}
