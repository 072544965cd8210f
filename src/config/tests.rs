use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::{Endpoint, Roles, StoreOptions, TargetOptions};

/// No environment variables, and no folders.
const NOTHING_OUTSIDE: Outside<'static> = Outside {
    env: &|_| None,
    options: LoadOptions { port: None, interface: None, allow_missing_secrets: true, without_files: false },
};

fn check_text(text: &str) -> Result<Config, Box<ConfigError>> {
    let surroundings = NOTHING_OUTSIDE.at(Path::new("/node"), None);
    check("config.json", text.as_bytes(), surroundings).map(|(config, _)| config)
}

#[test]
fn the_built_in_configuration_is_a_page_and_a_tracked_open_realm_on_loopback() {
    let config = check_text(EMBEDDED).unwrap();
    assert_eq!(config.realms.len(), 1);
    assert_eq!(config.realms[0].name.as_str(), "realm1");
    assert_eq!(config.realms[0].roles, Roles::Open);
    let [transport] = &config.transports[..] else { panic!("{:?}", config.transports) };
    assert!(
        matches!(transport.listener.endpoint, Endpoint::Tcp { interface, port: 8080, .. } if interface.is_loopback())
    );
    assert_eq!(transport.edge.root.target, Some(TargetOptions::Page));
    let Some(TargetOptions::WebSocket(service)) = &transport.edge.root.children["ws"].target else {
        panic!()
    };
    assert!(service.auth.is_none() && service.policy.is_none());
    assert!(matches!(service.cookie.as_ref().unwrap().store, StoreOptions::Memory { .. }));
}

#[test]
fn the_built_in_configuration_runs_only_where_there_is_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let node_dir = dir.path().join("absent");
    let load = |instead| load_from(&node_dir, node_dir.join(FILE_NAME), instead, NOTHING_OUTSIDE);
    let loaded = load(Some(EMBEDDED)).unwrap();
    assert_eq!((loaded.file, loaded.config.node_dir.as_path()), (None, node_dir.as_path()));
    assert!(load(None).is_err());

    std::fs::create_dir(&node_dir).unwrap();
    assert!(load(Some(EMBEDDED)).is_ok());
    std::fs::write(node_dir.join("config.yaml"), "version: 2").unwrap();
    assert!(load(Some(EMBEDDED)).unwrap_err().to_string().contains("reads only JSON"));
    std::fs::write(node_dir.join(FILE_NAME), "{").unwrap();
    assert!(load(Some(EMBEDDED)).unwrap_err().to_string().contains("the file ends too early"));
}

#[test]
fn a_program_can_bring_its_own_text() {
    let load = |text: &str| {
        load_with(&ConfigSource::Text { node_dir: "/node".into(), text: text.to_owned() }, &|_| None)
    };
    let loaded = load(EMBEDDED).unwrap();
    assert_eq!((loaded.file, loaded.config.node_dir.as_path()), (None, Path::new("/node")));
    assert_eq!(load("[]").unwrap_err().to_string(), "the configuration: expected an object, found a list");
}

#[test]
fn only_so_many_faults_are_listed() {
    let keys: serde_json::Map<String, Value> = (0..1000).map(|n| (format!("key{n}"), json!(0))).collect();
    let faults = check_text(&Value::Object(keys).to_string()).unwrap_err();
    assert_eq!((faults.faults.len(), faults.count()), (100, 1001));
    assert!(faults.to_string().ends_with(" more)"), "{faults}");
}

#[test]
fn principals_of_a_file_are_measured_by_the_realms_only_if_all_are_known() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("principals.json");
    std::fs::write(&file, r#"{"joe": {"ticket": "a ticket", "role": "backend", "realm": "inner"}}"#).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let faults = |role: &str| {
        let text = json!({
            "realms": [{ "name": "inner", "roles": [{ "name": role, "permissions": [] }] }],
            "transports": [{ "type": "web", "endpoint": { "type": "tcp", "port": 8080 }, "paths": {
                "ws": { "type": "websocket", "auth": { "ticket": { "type": "file", "filename": file } } },
            } }],
        });
        check_text(&text.to_string()).map_err(|faults| faults.to_string())
    };
    assert!(faults("backend").is_ok());
    let missing = faults("frontend").unwrap_err();
    assert!(missing.contains("the realm `inner` with the role `backend`, and there is none"), "{missing}");
    let other = faults("back\u{7}end").unwrap_err();
    assert!(other.starts_with("realms[0].roles[0].name: ") && other.lines().count() == 1, "{other}");
}

#[test]
fn many_and_long_names_make_no_long_message() {
    let name = |n: usize| format!("{n}.{}", "x".repeat(500));
    let names: Vec<String> = (0..1000).map(name).collect();
    let realms: Vec<Value> = names.iter().map(|name| json!({ "name": name, "roles": [] })).collect();
    let policies: serde_json::Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({ "component": "policy.wasm" }))).collect();
    let principals = json!({
        "joe": { "ticket": "a ticket", "role": "backend", "realm": "other" },
        "eve": { "ticket": "a ticket", "role": "backend", "realm": names[0] },
    });
    let service = json!({
        "type": "websocket", "policy": "Ω", "auth": { "ticket": { "type": "static", "principals": principals } },
    });
    let mut paths: serde_json::Map<String, Value> =
        (0..300).map(|n| (format!("ws{n}"), json!({ "type": "websocket" }))).collect();
    paths.insert("ws".to_owned(), service);
    paths.insert("ask".to_owned(), json!({ "type": "forward-auth", "websocket": "/other" }));
    let text = json!({
        "realms": realms,
        "policies": policies,
        "transports": [{ "type": "web", "endpoint": { "type": "tcp", "port": 8080 }, "paths": paths }],
    });
    let faults = check_text(&text.to_string()).unwrap_err().faults;
    let told = |text: &str| faults.iter().filter(|fault| fault.message.contains(text)).count();
    assert_eq!((told("or 960 more"), told("and 261 more"), told("…\" has no role")), (2, 1, 1), "{faults:?}");
    assert!(faults.iter().all(|fault| fault.message.chars().count() < 3000), "{faults:?}");
}

#[test]
fn where_files_do_not_count_no_secret_is_judged() {
    let store = |more: Value| {
        let mut store = json!({ "type": "redis", "url": "${SECRET}" });
        store.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "store": store })
    };
    let joe = json!({ "secret": "${SECRET}", "role": "r", "salt": "s", "iterations": 200_000 });
    let eve = json!({
        "kdf": "pbkdf2", "iterations": 4096, "salt": "00112233445566778899aabbccddeeff", "stored-key": "${SECRET}", "server-key": "${SECRET}", "role": "r",
    });
    let keys =
        json!({ "type": "jwt", "algorithms": ["HS256"], "keys": { "secret": "${SECRET}" }, "role": "r" });
    let auth = json!({
        "wampcra": { "type": "static", "users": { "joe": joe } },
        "scram": { "type": "static", "principals": { "eve": eve } },
        "ticket": keys,
    });
    let text = json!({
        "realms": [{ "name": "realm1", "roles": [{ "name": "r", "permissions": [{ "uri": "", "match": "prefix", "allow": { "call": true } }] }] }],
        "transports": [
            { "type": "web", "endpoint": { "type": "tcp", "port": 8080 }, "paths": {
                "ws": { "type": "websocket", "auth": auth, "cookie": store(json!({})) },
                "other": { "type": "websocket", "cookie": store(json!({ "durability": "always" })) },
            } },
            { "type": "admin", "token": "${SECRET}" },
        ],
    });
    for (secret, faults) in [(None, 7), (Some(""), 7), (Some("wrong"), 7), (Some("redis+cluster://host"), 5)]
    {
        let check = |without_files| {
            let env = |_: &str| secret.map(str::to_owned);
            let options = LoadOptions { without_files, ..LoadOptions::default() };
            check(
                "config.json",
                text.to_string().as_bytes(),
                Outside { env: &env, options }.at(Path::new("/node"), None),
            )
        };
        let error = check(false).unwrap_err();
        assert_eq!(error.count(), faults, "{secret:?}: {error}");
        let (config, _) = check(true).unwrap();
        let services = config.transports.iter().flat_map(|transport| transport.edge.services());
        let (unknown, known): (Vec<_>, Vec<_>) = services
            .map(|(_, service)| &service.cookie.as_ref().unwrap().store)
            .partition(|store| store.why_unknown().is_some());
        // Only a store without `durability` takes a cluster.
        let is_one_known = secret == Some("redis+cluster://host");
        assert_eq!((unknown.len(), known.len()), if is_one_known { (1, 1) } else { (2, 0) }, "{secret:?}");
    }
}

#[test]
fn relative_paths_are_joined_to_the_node_directory() {
    let text = json!({ "transports": [{
        "type": "websocket",
        "endpoint": { "type": "unix", "path": "/run/gate.sock" },
        "cookie": { "store": { "type": "file", "filename": "./data/./cookies.dat" } },
    }] });
    let config = check_text(&text.to_string()).unwrap();
    assert!(
        matches!(&config.transports[0].listener.endpoint, Endpoint::Unix { path, .. } if path == Path::new("/run/gate.sock"))
    );
    let Some(TargetOptions::WebSocket(service)) = &config.transports[0].edge.root.target else { panic!() };
    let StoreOptions::File { path, .. } = &service.cookie.as_ref().unwrap().store else { panic!() };
    assert_eq!(path, Path::new("/node/data/cookies.dat"));
}

#[test]
fn realm_records_the_events_of_the_topics_that_its_store_names() {
    let with = |store: &Value| {
        let mut config: Value = serde_json::from_str(EMBEDDED).unwrap();
        config["realms"] = json!([{ "name": "realm1", "roles": [{ "name": "anonymous" }], "store": store }]);
        check_text(&config.to_string())
    };
    let entries = json!([
        { "uri": "com.example.log" },
        { "uri": "com.example.", "match": "prefix", "limit": 7, "max_age": 90 },
    ]);
    let config = with(&json!({ "type": "memory", "limit": 50, "event-history": entries })).unwrap();
    let histories = &config.realms[0].histories;
    let read: Vec<_> = histories.iter().map(|it| (it.pattern.as_str(), it.limit, it.max_age)).collect();
    assert_eq!(
        read,
        [("com.example.log", 50, None), ("com.example.", 7, Some(std::time::Duration::from_secs(90)))]
    );
    let config = with(&json!({ "type": "memory", "event-history": [{ "uri": "com.example" }] })).unwrap();
    assert_eq!(config.realms[0].histories[0].limit, 1_000);

    for (entries, place) in [
        (json!([{ "uri": "com..log" }]), "realms[0].store.event-history[0].uri: "),
        (json!([{ "uri": "wamp.session.on_join" }]), "realms[0].store.event-history[0].uri: "),
        (json!([{ "uri": "com.a" }, { "uri": "com.a" }]), "realms[0].store.event-history[1]: "),
        (json!([{ "uri": "com.a", "limit": 0 }]), "realms[0].store.event-history[0].limit: "),
    ] {
        let error = with(&json!({ "type": "memory", "event-history": entries })).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    }
    let error = with(&json!({ "type": "memory", "event-history": [], "call-queue": [] })).unwrap_err();
    assert!(error.to_string().contains("concurrency"), "{error}");
}

#[test]
fn sync_takes_crossbars_switch() {
    for (written, expected) in [
        (json!(true), crate::config::SyncMode::Always),
        (json!(false), crate::config::SyncMode::Never),
        (json!("interval"), crate::config::SyncMode::Interval),
    ] {
        let text = json!({ "transports": [{
            "type": "websocket",
            "endpoint": { "type": "tcp", "port": 0 },
            "cookie": { "store": { "type": "database", "path": "db", "maxsize": 131_072, "sync": written } },
        }] });
        let config = check_text(&text.to_string()).unwrap();
        let Some(TargetOptions::WebSocket(service)) = &config.transports[0].edge.root.target else {
            panic!()
        };
        let StoreOptions::Lmdb { sync, max_size, .. } = &service.cookie.as_ref().unwrap().store else {
            panic!()
        };
        assert_eq!((*sync, *max_size), (expected, 131_072));
    }
}

/// Keys that lead deep into the loader, and a few that lead nowhere.
const KEYS: &[&str] = &[
    "transports",
    "realms",
    "workers",
    "policies",
    "type",
    "endpoint",
    "paths",
    "ws",
    "/",
    "options",
    "cookie",
    "store",
    "auth",
    "ticket",
    "principals",
    "joe",
    "roles",
    "name",
    "permissions",
    "uri",
    "match",
    "policy",
    "component",
    "headers",
    "deadline",
    "port",
    "path",
    "filename",
    "max_size",
    "x",
    "",
];

const WORDS: &[&str] = &[
    "web",
    "websocket",
    "tcp",
    "unix",
    "memory",
    "file",
    "lmdb",
    "router",
    "static",
    "path",
    "json",
    "redirect",
    "realm1",
    "$PORT",
    "$",
    "20ms",
    "99999999999999999999ms",
    "32MiB",
    "é\u{0}\r\n",
    "",
];

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e300..1e300_f64).prop_map(Value::from),
        (0..70_i64).prop_map(Value::from),
        proptest::sample::select(WORDS).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(12, 256, 8, |inner| {
        let key = prop_oneof![9 => proptest::sample::select(KEYS).prop_map(str::to_owned), 1 => ".*"];
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => proptest::collection::hash_map(key, inner, 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Puts arbitrary JSON at a place of a sound configuration, so that the walk gets that far.
fn with_arbitrary_part() -> impl Strategy<Value = Value> {
    let sound: Value = serde_json::from_str(EMBEDDED).unwrap_or_default();
    let places = proptest::sample::select(vec![
        "",
        "/transports",
        "/transports/0",
        "/transports/0/endpoint",
        "/transports/0/paths",
        "/transports/0/paths/ws",
        "/transports/0/paths/ws/cookie",
        "/transports/0/paths/ws/cookie/store",
    ]);
    (places, arbitrary_json()).prop_map(move |(place, part)| {
        let mut value = sound.clone();
        *value.pointer_mut(place).expect("a place in the sound configuration") = part;
        value
    })
}

proptest! {
    #[test]
    fn arbitrary_json_is_checked_to_the_end(value in with_arbitrary_part()) {
        if let Err(faults) = check_text(&value.to_string()) {
            prop_assert!(!faults.faults.is_empty());
            // What people or logs read cannot be made to move a cursor.
            prop_assert!(!faults.to_string().chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let surroundings = NOTHING_OUTSIDE.at(Path::new("/node"), None);
        prop_assert!(check("config.json", &bytes, surroundings).is_err());
    }
}
