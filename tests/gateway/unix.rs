//! Unix endpoints: what stands at their path, and who may connect.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::{UnixListener, UnixStream},
    },
    path::Path,
};

use serde_json::{Value, json};

use crate::support::{Gateway, config::tracked};

fn at(path: &str) -> Value {
    let endpoint = json!({ "type": "unix", "path": path });
    json!({ "transports": [{ "type": "web", "endpoint": endpoint, "paths": { "ws": tracked() } }] })
}

/// Starts, and waits until the gateway listens.
fn start(config: &Value) -> Gateway {
    let gateway = Gateway::start(config);
    gateway.output().until("listening on unix:", 1);
    gateway
}

/// Whether a gateway answers at a socket.
fn answers(path: &Path) -> bool {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.starts_with("HTTP/1.1 404")
}

#[test]
fn what_is_not_a_socket_stays_and_is_a_fault_of_check_and_start() {
    for kind in ["file", "folder", "link"] {
        let mut gateway = Gateway::prepare(&at("notes.txt"));
        let path = gateway.path().join("notes.txt");
        match kind {
            "file" => fs::write(&path, "notes").unwrap(),
            "folder" => fs::create_dir(&path).unwrap(),
            _ => {
                fs::write(gateway.path().join("other"), "notes").unwrap();
                symlink("other", &path).unwrap();
            }
        }
        let said = gateway.command_said("check", &[]);
        assert!(said.contains("transports[0].endpoint.path: a ") && said.contains("1 fault"), "{said}");
        assert!(!gateway.run_to_end().success());
        assert!(fs::symlink_metadata(&path).is_ok(), "the {kind} is gone");
    }
}

#[test]
fn every_user_may_connect_unless_the_mode_says_otherwise() {
    let gateway = start(&at("gate.sock"));
    let path = gateway.path().join("gate.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    assert!(answers(&path));
    let mut config = at("gate.sock");
    config["transports"][0]["endpoint"]["mode"] = "0620".into();
    let gateway = start(&config);
    let path = gateway.path().join("gate.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o620);
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_is_left_to_its_owner() {
    let mut gateway = start(&at("gate.sock"));
    let path = gateway.path().join("gate.sock");
    gateway.kill9();
    assert!(path.exists());
    gateway.restart();
    gateway.output().until("listening on unix:", 1);
    assert!(answers(&path));

    let mut second = Gateway::prepare(&at(path.to_str().unwrap()));
    assert!(!second.run_to_end().success());
    let said = second.output().text();
    assert!(said.contains("another program listens there"), "{said}");
    assert!(answers(&path));

    // Another program takes the path over: the gateway leaves it alone when it ends.
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    assert!(gateway.terminate().success());
    assert!(path.exists());
}

#[test]
fn the_admin_socket_removes_nothing_but_sockets() {
    let mut gateway = Gateway::prepare(&at("gate.sock")).file("wampgate.sock", "notes").run();
    gateway.output().until("listening on unix:", 1);
    gateway.output().until("a file stands there", 1);
    assert!(gateway.terminate().success());
    assert_eq!(fs::read(gateway.path().join("wampgate.sock")).unwrap(), b"notes");
}

#[test]
fn no_browser_is_sent_to_a_socket() {
    let mut config = at("gate.sock");
    config["transports"][0]["paths"]["/"] = json!({ "type": "page" });
    let mut gateway = start(&config);
    assert!(gateway.terminate().success());
    assert!(!gateway.output().text().contains("in a browser"), "{}", gateway.output().text());
}

#[test]
fn a_socket_that_is_removed_while_the_gateway_runs_is_told_once() {
    const TOLD: &str = "the socket's file was removed or replaced while the gateway runs";
    let mut config = at("gate.sock");
    config["transports"][0]["paths"]["ws"] =
        json!({ "type": "websocket", "cookie": { "store": { "type": "memory" } } });
    let mut gateway = start(&config);
    fs::remove_file(gateway.path().join("gate.sock")).unwrap();
    gateway.output().until(TOLD, 1);
    let admin = gateway.path().join("wampgate.sock");
    fs::rename(&admin, gateway.path().join("moved")).unwrap();
    gateway.output().until(TOLD, 2);
    assert!(gateway.terminate().success());
    assert_eq!(gateway.output().text().matches(TOLD).count(), 2);
}
