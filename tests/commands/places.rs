//! What `check` finds sound must start: it looks at the places that the start will use, and makes nothing there.

use std::{collections::BTreeMap, fs, os::unix::net::UnixListener, path::Path, process};

use serde_json::{Value, json};

use super::{command, node, text};

/// A transport that needs no port.
fn unix(path: &str) -> Value {
    json!({ "type": "web", "endpoint": { "type": "unix", "path": path }, "paths": { "/": { "type": "page" } } })
}

fn with_store(store: &Value) -> Value {
    let mut transport = unix("gate.sock");
    transport["paths"] = json!({ "ws": { "type": "websocket", "cookie": { "store": store } } });
    json!([transport])
}

fn file(filename: &str) -> Value {
    with_store(&json!({ "type": "file", "filename": filename }))
}

fn lmdb(path: &str) -> Value {
    with_store(&json!({ "type": "lmdb", "path": path }))
}

fn tcp_at(interface: &str, shared: bool) -> Value {
    // No other program listens there: port 1 is for root, and the check comes first.
    let endpoint = json!({ "type": "tcp", "port": 1, "interface": interface, "shared": shared });
    json!({ "type": "websocket", "endpoint": endpoint })
}

/// The names in a folder, with their sizes.
fn listing(folder: &Path) -> BTreeMap<String, u64> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect()
}

#[test]
fn a_place_that_the_start_cannot_use_is_a_fault_of_check_and_of_the_start() {
    const FILE: &str = "transports[0].paths.ws.cookie.store.filename: ";
    const FOLDER: &str = "transports[0].paths.ws.cookie.store.path: ";
    for (transports, said) in [
        (file("folder"), format!("{FILE}it is a directory, name a file")),
        (file("pipe"), format!("{FILE}it is a pipe, name a file")),
        (file("link"), format!("{FILE}it is a pipe, name a file")),
        (file("/dev/null"), format!("{FILE}it is a device, name a file")),
        (file("config.json"), format!("{FILE}that is the place of the configuration, use another path")),
        (file("to-config"), format!("{FILE}that is the place of the configuration, use another path")),
        (file("public-id.key"), format!("{FILE}that is the place of the key of the public IDs")),
        (file("wampgate.sock"), format!("{FILE}that is the place of the socket for commands")),
        (file("gate.sock"), format!("{FILE}that is the place of a socket")),
        (file("none/cookies.dat"), format!("{FILE}there is no folder ")),
        (file("text/cookies.dat"), FILE.to_owned()),
        (file("dangling"), format!("{FILE}there is no folder ")),
        (lmdb("text"), format!("{FOLDER}it is a file, name a folder")),
        (lmdb("none/cookies"), format!("{FOLDER}there is no folder ")),
        (lmdb("wampgate.sock"), format!("{FOLDER}that is the place of the socket for commands")),
        (json!([unix("none/gate.sock")]), "transports[0].endpoint.path: there is no folder ".to_owned()),
        (json!([unix("text")]), "transports[0].endpoint.path: a file stands there".to_owned()),
        (json!([unix("link")]), "transports[0].endpoint.path: a symbolic link stands there".to_owned()),
        (
            json!([unix("config.json")]),
            "transports[0].endpoint.path: that is the place of the configuration".to_owned(),
        ),
        (
            json!([unix("wampgate.sock"), file("cookies.dat")[0]]),
            "transports[0].endpoint.path: that is the place of the socket for commands".to_owned(),
        ),
        (
            json!([unix("a.sock"), unix("folder/../a.sock")]),
            "transports[1].endpoint: transports[0].endpoint listens there already".to_owned(),
        ),
        (
            json!([tcp_at("127.0.0.1", false), tcp_at("0.0.0.0", true)]),
            "transports[1].endpoint: transports[0].endpoint listens there already".to_owned(),
        ),
        (
            json!([tcp_at("::", false), tcp_at("::1", false)]),
            "transports[1].endpoint: transports[0].endpoint listens there already".to_owned(),
        ),
    ] {
        let dir = node(&transports);
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("text"), "text").unwrap();
        assert!(process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        for (link, to) in [("link", "pipe"), ("to-config", "config.json"), ("dangling", "none/cookies.dat")] {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        let before = listing(dir.path());
        let checked = command(&["check", "--node-dir", text(dir.path())], &[]);
        assert!(!checked.success && checked.stdout.contains(&said), "{said}\n{}", checked.stdout);
        assert!(checked.stdout.ends_with(": 1 fault\n"), "{}", checked.stdout);
        let ran = command(&["run", "--node-dir", text(dir.path())], &[]);
        assert!(!ran.success && ran.stderr.contains(&said), "{said}\n{}", ran.stderr);
        assert_eq!(listing(dir.path()), before, "{said}");
    }
}

#[test]
fn places_that_the_start_can_use_pass() {
    let shared = |interface| tcp_at(interface, true);
    let dir = node(&json!([unix("gate.sock"), shared("127.0.0.1"), shared("0.0.0.0"), tcp_at("::1", false)]));
    // A gateway runs, or the service manager listens for it.
    let _listener = UnixListener::bind(dir.path().join("gate.sock")).unwrap();
    command(&["check", "--node-dir", text(dir.path())], &[]).printed();
    for store in [file("cookies.dat"), lmdb("cookies"), file("to-come")] {
        let dir = node(&store);
        std::os::unix::fs::symlink("cookies.dat", dir.path().join("to-come")).unwrap();
        command(&["check", "--node-dir", text(dir.path())], &[]).printed();
        assert_eq!(listing(dir.path()).len(), 2);
    }
}

#[test]
fn a_key_or_a_node_directory_that_is_no_such_thing_is_a_fault() {
    let dir = node(&file("cookies.dat"));
    fs::write(dir.path().join("public-id.key"), "short").unwrap();
    let checked = command(&["check", "--node-dir", text(dir.path())], &[]);
    assert!(!checked.success && checked.stdout.contains("should be a key of 32 bytes"), "{}", checked.stdout);

    let config = dir.path().join("config.json");
    let none = dir.path().join("none");
    let arguments = ["--config", text(&config), "--node-dir", text(&none)];
    let checked = command(&[&["check"][..], &arguments].concat(), &[]);
    assert!(!checked.success && checked.stdout.contains("there is no folder "), "{}", checked.stdout);
    // The folder of a socket, of the store and of the key: the operator makes it once.
    assert!(checked.stdout.ends_with(": 1 fault\n"), "{}", checked.stdout);
    // Where the gateway does not run, its folders need not be.
    let elsewhere = command(&[&["check", "--allow-missing-secrets"][..], &arguments].concat(), &[]).printed();
    assert!(elsewhere.contains("warning: ") && elsewhere.contains("there is no folder "), "{elsewhere}");
}

#[test]
fn commands_on_cookies_need_no_folder_of_a_socket() {
    let mut transports = file("cookies.dat");
    transports[0]["endpoint"]["path"] = json!("run/gate.sock");
    let dir = node(&transports);
    assert_eq!(
        command(&["cookies", "import", "--node-dir", text(dir.path())], &[]).printed(),
        "added 0 cookies\n"
    );
}
