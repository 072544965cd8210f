//! Sound configurations: the documents' examples, Crossbar's, and one of everything.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use serde_json::{Value, json};
use wampgate::config::{
    AllowedHosts, AuthOptions, Config, ConfigSource, CookieAuthOptions, Endpoint, Kdf, LoadedConfig,
    PathTree, Roles, Salting, SameSite, SecretKey, Serializer, ServiceOptions, SocketAccess, StoreOptions,
    SyncMode, TargetOptions, TrustedProxy, UriMatch, load_with,
};

use super::{check, compare, env, json_files};

fn loaded(file: &str) -> LoadedConfig {
    load_with(&ConfigSource::File(file.into()), &env).unwrap_or_else(|faults| panic!("{file}:\n{faults}"))
}

fn good(name: &str) -> Config {
    loaded(&format!("tests/config/good/{name}.json")).config
}

fn tree<'c>(config: &'c Config, path: &[&str]) -> &'c PathTree {
    path.iter().fold(&config.transports[0].edge.root, |tree, component| &tree.children[*component])
}

fn websocket(tree: &PathTree) -> &ServiceOptions {
    match &tree.target {
        Some(TargetOptions::WebSocket(service)) => service,
        other => panic!("{other:?}"),
    }
}

fn store(service: &ServiceOptions) -> &StoreOptions {
    &service.cookie.as_ref().unwrap().store
}

#[test]
fn every_sound_configuration_is_accepted_with_its_warnings() {
    let mut differences = String::new();
    // A file of a secret that every user may read is a warning, and that is how git writes files.
    for secret in ["eve.secret", "scram.key", "signing.pem"] {
        let path = Path::new("tests/config/good").join(secret);
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let files = ["tests/config/good", "examples", "examples/forward-auth", "examples/crossbar-router"]
        .map(json_files)
        .concat();
    assert!(files.len() >= 10, "only {} configurations were found", files.len());
    for file in files {
        let (printed, is_sound) = check(&file);
        assert!(is_sound, "{printed}");
        let folder = if file.starts_with("examples") { "tests/config/examples" } else { "tests/config/good" };
        let golden = Path::new(folder).join(file.file_name().unwrap()).with_extension("txt");
        differences.extend(compare(&golden, &printed));
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn the_documents_examples_are_tracked_and_open() {
    for name in ["cookie_memory", "cookie_file"] {
        let config = good(name);
        assert_eq!(config.realms[0].name.as_str(), "realm1");
        assert_eq!(config.realms[0].roles, Roles::Open);
        let endpoint = &config.transports[0].listener.endpoint;
        assert!(
            matches!(endpoint, Endpoint::Tcp { interface, port: 8080, backlog: 1024, shared: false }
                if interface.is_unspecified()),
            "{endpoint:?}"
        );
        let files = tree(&config, &[]);
        assert!(
            matches!(&files.target, Some(TargetOptions::Static(files)) if files.directory.ends_with("../web"))
        );
        let service = websocket(tree(&config, &["ws"]));
        assert_eq!(service.auth, None);
        let cookie = &service.cookie.as_ref().unwrap().cookie;
        assert_eq!((cookie.name.as_str(), cookie.length.get()), ("cbtid", 24));
        assert_eq!(cookie.max_age.as_seconds(), 864_000);
        assert_eq!((cookie.secure, cookie.http_only, cookie.same_site), (None, true, SameSite::Lax));
    }
    let memory = good("cookie_memory");
    assert_eq!(
        store(websocket(tree(&memory, &["ws"]))),
        &StoreOptions::Memory { max_cookies: 1_000_000, max_per_principal: 100 }
    );
    let file = good("cookie_file");
    let expected = StoreOptions::File {
        path: file.node_dir.join("cookies.dat"),
        max_cookies: 1_000_000,
        max_per_principal: 100,
        sync: SyncMode::Always,
    };
    assert_eq!(store(websocket(tree(&file, &["ws"]))), &expected);
    assert!(file.node_dir.is_absolute());
}

#[test]
fn a_crossbar_node_brings_its_roles_and_methods() {
    for (name, methods) in
        [("none", None), ("anonymous", Some((true, false))), ("ticket", Some((false, true)))]
    {
        let config = good(&format!("crossbar_{name}"));
        let Roles::Listed(roles) = &config.realms[0].roles else { panic!("{name}") };
        assert_eq!(
            roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
            ["anonymous", "frontend"]
        );
        let all = &roles[0].permissions[0];
        assert_eq!((all.uri.as_str(), all.matching), ("", UriMatch::Prefix));
        assert!(all.call && all.register && all.publish && all.subscribe);
        assert!(!all.disclose_caller && !all.disclose_publisher);
        let auth = &websocket(tree(&config, &["ws"])).auth;
        let configured = auth
            .as_ref()
            .map(|AuthOptions { anonymous, ticket, .. }| (anonymous.is_some(), ticket.is_some()));
        assert_eq!(configured, methods, "{name}");
    }
    let config = good("crossbar_ticket");
    let service = websocket(tree(&config, &["ws"]));
    let joe = &service.auth.as_ref().unwrap().ticket.as_ref().unwrap().principals["joe"];
    assert_eq!((joe.ticket.expose(), joe.role.as_str(), &joe.realm), ("secret1", "frontend", &None));
    assert!(matches!(store(service), StoreOptions::Lmdb { path, max_size: 1_073_741_824, .. }
        if path.ends_with("cookies.db")));
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = good("everything");
    let Roles::Listed(roles) = &config.realms[0].roles else { panic!("{:?}", config.realms) };
    let [starred, wildcard] = [&roles[0].permissions[0], &roles[1].permissions[0]];
    assert_eq!((starred.uri.as_str(), starred.matching), ("com.app.", UriMatch::Prefix));
    assert!(starred.call && starred.subscribe && starred.disclose_caller && !starred.publish);
    assert_eq!((wildcard.uri.as_str(), wildcard.matching), ("com..created", UriMatch::Wildcard));
    assert!(wildcard.publish && wildcard.register && wildcard.disclose_publisher && !wildcard.call);

    let front = &config.transports[0];
    let interface = std::net::Ipv6Addr::LOCALHOST.into();
    assert_eq!((front.edge.id.as_str(), front.listener.max_connections), ("front", Some(100)));
    assert_eq!(front.listener.endpoint, Endpoint::Tcp { interface, port: 8443, backlog: 50, shared: true });
    assert_eq!((front.edge.http.max_head_size, front.edge.http.max_headers), (8192, 32));
    assert_eq!((front.edge.http.access_log, front.edge.http.hsts_max_age), (true, Some(60)));
    assert_eq!(front.edge.http.head_timeout, Duration::from_millis(2500));
    assert_eq!(
        (front.edge.http.trusted_proxies.len(), front.edge.http.trusted_proxies[3]),
        (4, TrustedProxy::Unix)
    );
    let Some(TargetOptions::Static(files)) = &front.edge.root.target else { panic!("{:?}", front.edge.root) };
    assert!(files.listing);
    assert_eq!((files.index.as_str(), files.cache_timeout), ("start.html", None));
    assert_eq!(files.media_types[".md"], "text/markdown");
    assert_eq!(tree(&config, &["old"]).target, Some(TargetOptions::Redirect("/new".parse().unwrap())));
    let value = serde_json::json!({ "answer": [42] });
    assert_eq!(tree(&config, &["value"]).target, Some(TargetOptions::Json(value)));
    assert_eq!(tree(&config, &["nested"]).target, Some(TargetOptions::Page));
    let echo = &tree(&config, &["nested", "echo"]).target;
    let Some(TargetOptions::Testee(testee)) = echo else { panic!("{echo:?}") };
    assert_eq!((testee.wire.max_frame_size, testee.wire.max_message_size), (1 << 24, 1 << 24));
    assert_eq!((testee.wire.close_handshake_timeout.as_secs(), testee.wire.tcp_nodelay), (1, false));
    assert_eq!(testee.handshake.allowed_origins, ["https://suite.example"]);
    assert!(!testee.handshake.same_origin);

    let service = websocket(tree(&config, &["nested", "ws"]));
    assert_eq!(service.handshake.serializers, [Serializer::Cbor, Serializer::Json]);
    let cookie = &service.cookie.as_ref().unwrap().cookie;
    assert_eq!((cookie.name.as_str(), cookie.length.get()), ("sid_x", 32));
    assert_eq!((cookie.secure, cookie.http_only, cookie.same_site), (Some(true), false, SameSite::Strict));
    let lmdb = StoreOptions::Lmdb {
        path: config.node_dir.join("cookies.lmdb"),
        max_size: 1_048_576,
        max_per_principal: 100,
        sync: SyncMode::Never,
    };
    assert_eq!(store(service), &lmdb);
    let auth = service.auth.as_ref().unwrap();
    assert_eq!(auth.anonymous.as_ref().unwrap().role.as_str(), "anonymous");
    let principals = &auth.ticket.as_ref().unwrap().principals;
    assert_eq!(principals["joe"].ticket.expose(), "from the environment");
    assert_eq!(principals["joe"].realm.as_ref().unwrap().as_str(), "realm1");
    assert_eq!(principals["eve"].ticket.expose(), "from a file");
    let policy = service.policy.as_ref().unwrap();
    assert_eq!(policy.component, config.node_dir.join("policies/vip.wasm"));
    assert_eq!(policy.sha256.unwrap()[..8], [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
    assert_eq!(policy.options.config, r#"{"a":null,"b":[1,2]}"#);
    assert_eq!(policy.options.headers, ["user-agent"]);
    assert_eq!(policy.options.deadline, Duration::from_millis(50));
    assert_eq!((policy.options.max_memory, policy.options.max_concurrent), (64 << 20, 4));
    let ServiceOptions { handshake, wire, .. } = service;
    assert_eq!(handshake.allowed_origins, ["https://*.example.com"]);
    assert!(!handshake.allow_null_origin && !service.enable_webstatus);
    assert_eq!((wire.max_message_size, wire.max_frame_size), (2000, 2000));
    assert_eq!(wire.max_message_size_before_welcome, 2000);
    assert_eq!(wire.pings.interval, None);

    let back = &config.transports[1];
    let path = config.node_dir.join("ws.sock");
    let access = SocketAccess { mode: 0o660, owner: Some(0), group: Some(0) };
    assert_eq!(
        (back.edge.id.as_str(), &back.listener.endpoint),
        ("1", &Endpoint::Unix { path, access, backlog: 1024 })
    );
    assert_eq!(back.edge.http.head_timeout, Duration::from_millis(100));
    let service = websocket(&back.edge.root);
    assert_eq!(service.policy.as_ref().unwrap().options.config, "{}");
    let expected = StoreOptions::File {
        path: config.node_dir.join("cookies.dat"),
        max_cookies: 10,
        max_per_principal: 0,
        sync: SyncMode::Interval,
    };
    assert_eq!(store(service), &expected);
}

#[test]
fn every_method_arrives_with_its_principals() {
    let config = good("methods");
    let service = websocket(tree(&config, &["ws"]));
    let auth = service.auth.as_ref().unwrap();

    let users = &auth.wampcra.as_ref().unwrap().principals;
    assert_eq!((users["plain"].key.expose(), &users["plain"].salting), ("from the environment", &None));
    let salting = |name: &str| {
        let Salting { salt, iterations, key_length } = users[name].salting.clone().unwrap();
        (salt, iterations, key_length)
    };
    assert_eq!(salting("salted"), ("salt123".to_owned(), 1000, 32));
    assert_eq!(users["salted"].key.expose(), "KTe1IeeBjMyHvMzAfxUH/P6J/tYDJfCY3mJOUrkHlHE=");
    assert_eq!(salting("password"), salting("salted"));
    assert_eq!(users["password"].key.expose(), "w5Bt4mrUTwGu+PeEmAuZemmkTyXCAmrNv6aSx8v9vfM=");
    assert_eq!(salting("short"), ("salt123".to_owned(), 5000, 16));
    assert_eq!(users["salted"].realm.as_ref().unwrap().as_str(), "realm1");

    let scram = &auth.scram.as_ref().unwrap().principals;
    assert_eq!(scram["joe"].kdf, Kdf::Argon2id13 { iterations: 4, memory: 65536 });
    assert_eq!(scram["joe"].kdf, scram["eve"].kdf);
    assert_eq!(scram["ann"].kdf, Kdf::Pbkdf2 { iterations: 4096 });
    let salt: Vec<u8> = (0..16).map(|byte| byte * 0x11).collect();
    assert_eq!(scram["joe"].salt, salt);
    assert_eq!(scram["joe"].stored_key, SecretKey([0x5e; 32]));
    assert_eq!(scram["eve"].stored_key.0[..3], [0xa0, 0xa1, 0xa2]);
    assert_eq!(scram["eve"].server_key, SecretKey([0x5e; 32]));

    let keys = &auth.cryptosign.as_ref().unwrap().principals["joe"].keys;
    assert_eq!(keys.iter().map(|key| key[0]).collect::<Vec<_>>(), [0xd7, 0x3d]);
    let expected = CookieAuthOptions {
        max_age: Some(Duration::from_hours(1)),
        idle_timeout: Some(Duration::from_hours(2)),
        rotate: false,
    };
    assert_eq!(auth.cookie, Some(expected));
    assert_eq!(service.cookie.as_ref().unwrap().cookie.name.as_str(), "__Host-sid");
}

#[test]
fn pages_of_the_same_origin_may_come_unless_the_configuration_names_others() {
    let config = good("methods");
    let options = &websocket(tree(&config, &["ws"])).handshake;
    assert!(options.same_origin && options.allowed_origins.is_empty() && !options.allow_null_origin);
    let config = good("warnings_auth");
    let options = &websocket(tree(&config, &["ws"])).handshake;
    assert!(!options.same_origin && options.allow_null_origin);
    assert_eq!(options.allowed_origins, ["https://example.com", "*"]);
    let options = &websocket(tree(&config, &["open"])).handshake;
    assert!(options.same_origin && options.allowed_origins.is_empty() && !options.allow_null_origin);
    let options = &websocket(tree(&config, &["every-page"])).handshake;
    assert!(!options.same_origin && options.allow_null_origin);
    assert_eq!(options.allowed_origins, ["*"]);
}

#[test]
fn on_loopback_a_service_is_reached_by_names_of_the_machine_unless_it_names_others() {
    let hosts = |endpoint: Value, options: Value| {
        let service = json!({ "type": "websocket", "endpoint": endpoint, "options": options });
        let config = json!({ "transports": [service] });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), config.to_string()).unwrap();
        let loaded = loaded(&file.path().display().to_string());
        let root = &loaded.config.transports[0].edge.root;
        let Some(TargetOptions::WebSocket(service)) = &root.target else { panic!("{root:?}") };
        service.handshake.allowed_hosts.clone()
    };
    for interface in ["127.0.0.1", "::1", "localhost", "127.8.9.1"] {
        let endpoint = json!({ "type": "tcp", "port": 0, "interface": interface });
        assert_eq!(hosts(endpoint.clone(), json!({})), AllowedHosts::Loopback, "{interface}");
        let listed = AllowedHosts::Listed(vec!["chat.example".to_owned()]);
        assert_eq!(hosts(endpoint, json!({ "allowed_hosts": ["chat.example"] })), listed);
    }
    for endpoint in [json!({ "type": "tcp", "port": 0 }), json!({ "type": "unix", "path": "ws.sock" })] {
        assert_eq!(hosts(endpoint, json!({})), AllowedHosts::Any);
    }
}

#[test]
fn no_debug_output_shows_a_secret() {
    let config = format!("{:?} {:?}", good("everything"), good("methods"));
    assert!(config.contains("frontend"));
    for secret in ["from the environment", "from a file", "s3cret", "KTe1Iee", "94, 94", "160, 161"] {
        assert!(!config.contains(secret), "{secret}");
    }
}

#[test]
fn a_node_directory_is_read_like_its_file() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy("tests/config/good/cookie_file.json", dir.path().join("config.json")).unwrap();
    let by_dir = load_with(&ConfigSource::NodeDir(dir.path().to_owned()), &env).unwrap();
    let by_file = load_with(&ConfigSource::File(dir.path().join("config.json")), &env).unwrap();
    assert_eq!(by_dir, by_file);
    assert_eq!(by_dir.config.node_dir, dir.path());
}

#[test]
fn what_is_named_has_to_exist() {
    let dir = tempfile::tempdir().unwrap();
    for source in
        [ConfigSource::NodeDir(dir.path().to_owned()), ConfigSource::File(dir.path().join("my.json"))]
    {
        let faults = load_with(&source, &env).unwrap_err().to_string();
        assert!(faults.contains("there is no such file"), "{faults}");
    }
    fs::write(dir.path().join("config.yaml"), "version: 2").unwrap();
    let faults = load_with(&ConfigSource::NodeDir(dir.path().to_owned()), &env).unwrap_err().to_string();
    assert!(faults.contains("reads only JSON"), "{faults}");
}

#[test]
fn a_file_that_is_no_configuration_by_its_size_is_not_parsed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    fs::write(&file, " ".repeat(1024 * 1024 + 1)).unwrap();
    let faults = load_with(&ConfigSource::File(file), &env).unwrap_err().to_string();
    assert!(faults.contains("larger than 1048576 bytes"), "{faults}");
}
