//! What is no policy is refused when it is loaded, with what is wrong and what to do.

use std::{fs, path::Path};

use wampgate::policy::{
    MAX_COMPONENT_BYTES, PolicyEngine, PolicyEngineOptions, PolicyError, PolicyFile, PolicyLoadError,
    PolicyLoadFault, PolicyOptions, WasmPolicy,
};

use super::support::{
    Cookie, DEFAULT, ENGINE, TRACKING_ID, ask, authid, bytes, fault, file, guest, options, text,
};

fn load_file(path: &Path, sha256: Option<[u8; 32]>) -> Result<WasmPolicy, PolicyLoadError> {
    WasmPolicy::load(&ENGINE, &PolicyFile { sha256, ..file(path) })
}

#[test]
fn a_file_is_loaded_and_its_hash_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("custom.wasm");
    let component = bytes(guest::CUSTOM);
    fs::write(&path, &component).unwrap();
    assert!(load_file(&path, None).is_ok());
    let hash: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&component).into();
    assert!(load_file(&path, Some(hash)).is_ok());

    let error = load_file(&path, Some([0xab; 32])).expect_err("it loads");
    assert!(matches!(error.fault, PolicyLoadFault::Hash { .. }));
    let message = error.to_string();
    assert!(message.contains("custom.wasm: sha256 is ") && message.contains(&"ab".repeat(32)), "{message}");
}

#[test]
fn what_cannot_be_read_is_no_policy() {
    let folder = tempfile::tempdir().unwrap();
    let load = |path: &Path| load_file(path, None).expect_err("it loads").fault;
    assert!(matches!(load(&folder.path().join("missing.wasm")), PolicyLoadFault::Read(_)));
    assert!(matches!(load(folder.path()), PolicyLoadFault::NotAFile));
    assert!(matches!(load(Path::new("/dev/zero")), PolicyLoadFault::NotAFile));

    let large = folder.path().join("large.wasm");
    fs::File::create(&large).unwrap().set_len(MAX_COMPONENT_BYTES + 1).unwrap();
    assert!(matches!(load(&large), PolicyLoadFault::TooLarge));
}

#[test]
fn what_is_no_component_is_told_so() {
    for (bytes, hint) in [
        (&b""[..], "empty"),
        (b"\x7fELF and so on", "does not begin with"),
        (b"\n(component)", "wasm-tools parse"),
        (b";; a comment\n(component)", "wasm-tools parse"),
    ] {
        let fault = fault(bytes);
        assert!(matches!(fault, PolicyLoadFault::NotWasm { .. }), "{fault}");
        assert!(fault.to_string().contains(hint), "{fault}");
    }
    let core = fault(&bytes(guest::CORE_MODULE));
    assert!(matches!(core, PolicyLoadFault::CoreModule), "{core}");
    assert!(core.to_string().contains("wasm-component-ld"));
}

#[test]
fn a_damaged_component_does_not_compile() {
    let whole = bytes(guest::CUSTOM);
    let mut cuts = 0;
    for length in (4..whole.len()).step_by(97) {
        match fault(&whole[..length]) {
            // A cut between two sections leaves a component, but none that is a policy.
            PolicyLoadFault::Compile(_) | PolicyLoadFault::Export(_) => cuts += 1,
            other => panic!("cut at {length}: {other}"),
        }
    }
    assert!(cuts > 10);
}

#[test]
fn an_import_that_is_not_granted_is_named() {
    for (guest, import, advice) in [
        (guest::WANTS_WASI, "`wasi:cli/environment@0.2.0`", "the grant `wasi`"),
        (guest::WANTS_CLOCK, "`wampgate:authid/clock@0.2.0`", "the grant `clock`"),
        (guest::WANTS_MORE, "`launch`", "not granted"),
    ] {
        let fault = fault(&bytes(guest));
        assert!(matches!(fault, PolicyLoadFault::Import { .. }), "{fault}");
        let message = fault.to_string();
        assert!(message.contains(import) && message.contains(advice), "{message}");
    }
}

#[test]
fn another_version_is_named_together_with_ours() {
    let newer = text(guest::TRAP).replace("@0.2.0", "@0.4.0");
    let fault = fault(&wat::parse_str(newer).unwrap());
    assert!(matches!(fault, PolicyLoadFault::Version { .. }), "{fault}");
    let message = fault.to_string();
    assert!(message.contains("@0.4.0") && message.contains("0.1.0, 0.2.0 and 0.3.0"), "{message}");
}

#[test]
fn a_missing_or_different_export_is_named() {
    for (guest, hint) in [
        (guest::NOTHING, "it exports nothing"),
        (guest::HALF, "decide"),
        (guest::OTHER_TYPES, "type"),
        (guest::OTHER_LOG, "log"),
    ] {
        let fault = fault(&bytes(guest));
        assert!(matches!(fault, PolicyLoadFault::Export(_)), "{fault}");
        let message = fault.to_string();
        assert!(message.contains("`wampgate:authid/policy@0.3.0`") && message.contains(hint), "{message}");
    }
}

#[test]
fn what_chooses_upstreams_has_to_do_it_as_the_contract_has_it() {
    // The same component with a further export, which has a function of another type, or none.
    let returning = include_str!("../../plugins/returning-wat/component.wat");
    let with = |functions: &str| {
        let export = "(export \"wampgate:authid/policy@0.3.0\" (instance $exports))";
        let routing = format!(
            "{export} (instance $routing {functions}) (export \"wampgate:authid/routing@0.3.0\" (instance $routing))"
        );
        assert!(returning.contains(export));
        wat::parse_str(returning.replace(export, &routing)).unwrap()
    };
    for functions in ["(export \"choose-upstream\" (func $check-config))", ""] {
        let fault = fault(&with(functions));
        assert!(matches!(fault, PolicyLoadFault::Export(_)), "{fault}");
        assert!(fault.to_string().contains("routing"), "{fault}");
    }
    let to_choose = PolicyOptions { routes: true, ..options() };
    let load = |bytes: &[u8]| WasmPolicy::from_bytes(&ENGINE, "guest", bytes, to_choose.clone());
    let fault = load(&wat::parse_str(returning).unwrap()).unwrap_err().fault;
    assert!(matches!(fault, PolicyLoadFault::NoRouting), "{fault}");
    let chooses = load(include_bytes!("scripted-policy.wasm")).unwrap();
    assert!(chooses.routes());
}

#[test]
fn the_policy_has_a_say_about_its_configuration() {
    match fault(&bytes(guest::PICKY)) {
        PolicyLoadFault::Config(errors) => assert_eq!(errors, ["no key", "two\\nlines"]),
        other => panic!("{other}"),
    }
    let trapped = fault(&bytes(guest::TRAPPING_CHECK));
    assert!(matches!(trapped, PolicyLoadFault::CheckConfig(PolicyError::Trap(_))), "{trapped}");
}

#[test]
fn compiled_code_is_kept_in_the_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    for _ in 0..2 {
        let cached = PolicyEngineOptions { cache: Some(cache.clone()), ..PolicyEngineOptions::default() };
        let engine = PolicyEngine::new(&cached).unwrap();
        let policy = WasmPolicy::from_bytes(&engine, "default", DEFAULT, options()).unwrap();
        assert_eq!(authid(ask(&policy, &[], Cookie::Known, &[])), TRACKING_ID);
        assert!(fs::read_dir(&cache).unwrap().next().is_some(), "nothing was kept");
    }
}
