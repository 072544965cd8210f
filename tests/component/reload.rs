//! Policies change while they decide.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use wampgate::{
    config::PolicyConfig,
    policy::{
        ConnectionView, DEFAULT_DEADLINE, DEFAULT_MAX_MEMORY, Decision, Grants, Instances, JoinRequest,
        LoadFault, PolicyError, PolicyGate, Reload, Reloader,
    },
};

use crate::support::{ENGINE, bytes, guest};

const REQUEST: JoinRequest<'static> = JoinRequest {
    connection: ConnectionView {
        id: "1",
        peer: "203.0.113.9:52100",
        tls: false,
        host: "",
        path: "/",
        origin: None,
        subprotocol: "wamp.2.json",
        headers: &[],
    },
    cookie: None,
    hello: None,
    methods: &[],
    roles: &[],
    now: 0,
};

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
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.wasm");
        fs::write(&file, component).unwrap();
        let mut reloader = Reloader::new(ENGINE.clone());
        let config = PolicyConfig {
            component: file.clone(),
            sha256: None,
            config: "{}".to_owned(),
            headers: Vec::new(),
            deadline: DEFAULT_DEADLINE,
            max_memory: DEFAULT_MAX_MEMORY,
            max_concurrent: 16,
            grants: Grants::default(),
            instances,
        };
        let gate = reloader.load(&config).unwrap();
        Self { _folder: folder, file, reloader, gate }
    }
}

fn decide(gate: &PolicyGate) -> Result<Decision, PolicyError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(gate.decide(&REQUEST))
}

fn authid(gate: &PolicyGate) -> String {
    crate::support::authid(decide(gate))
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
        [Reload::Kept(error)] => assert!(matches!(error.fault, LoadFault::Read(_)), "{error}"),
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
    let watched = Watched::new(&bytes(guest::ENDLESS_LOOP), Instances::Fresh);
    let mut deadlines = 0;
    while matches!(decide(&watched.gate), Err(PolicyError::Deadline(_))) {
        deadlines += 1;
        assert!(deadlines < 100, "nobody stops it");
    }
    assert_eq!(deadlines, 5);
    assert_eq!(decide(&watched.gate), Err(PolicyError::Penalty));
    let mut other = REQUEST;
    other.connection.peer = "203.0.113.10:52100";
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(watched.gate.decide(&other)), Err(PolicyError::Deadline(_))));
}
