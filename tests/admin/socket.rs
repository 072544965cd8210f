//! The socket of a running gateway.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
};

use super::{cookies, listed};
use crate::support::{
    Gateway, PATIENCE,
    config::{tracked, tracked_in_file, untracked, web},
};

#[test]
fn the_socket_is_its_owners_alone_and_goes_with_the_gateway() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    let path = gateway.path().join("wampgate.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(gateway.terminate().success());
    assert!(!path.exists());
    assert_eq!(listed(gateway.path()).len(), 0, "the command opens the store itself");
}

#[test]
fn a_gateway_without_cookies_takes_commands_too_and_starts_beside_another_one() {
    let gateway = Gateway::start(&web(&untracked()));
    let socket = gateway.path().join("wampgate.sock");
    assert!(UnixStream::connect(&socket).is_ok());
    let second = Gateway::prepare(&web(&untracked()));
    std::os::unix::fs::symlink(&socket, second.path().join("wampgate.sock")).unwrap();
    let second = second.run();
    second.output().until("will not reach this gateway", 1);
    second.assert_next_client_is_served();
}

#[test]
fn what_a_killed_gateway_left_is_replaced() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    gateway.kill9();
    assert!(gateway.path().join("wampgate.sock").exists());
    assert_eq!(listed(gateway.path()).len(), 0, "no gateway listens there");
    gateway.restart();
    gateway.assert_next_client_is_served();
    assert_eq!(listed(gateway.path())[0]["connections"], 0);
}

#[test]
fn a_second_gateway_on_the_node_directory_is_refused_with_the_sockets_name() {
    let first = Gateway::start(&web(&tracked()));
    let socket = first.path().join("wampgate.sock");
    let mut second = Gateway::prepare(&web(&tracked()));
    std::os::unix::fs::symlink(&socket, second.path().join("wampgate.sock")).unwrap();
    assert!(!second.run_to_end().success());
    let said = second.output().text();
    assert!(
        said.contains("wampgate.sock") && said.contains("is in use already: stop the other process"),
        "{said}"
    );
    first.assert_next_client_is_served();
    assert!(UnixStream::connect(socket).is_ok());
}

#[test]
fn nonsense_on_the_socket_is_refused_and_harms_no_client() {
    let gateway = Gateway::start(&web(&tracked_in_file()));
    let too_long = "x".repeat(300_000);
    let cases = [
        ("", "no request"),
        ("\n", "no request that this version knows"),
        ("{}\n", "no request that this version knows"),
        ("cut off", "no request"),
        (too_long.as_str(), "no request"),
        (r#"{"v":2,"store":"s","reveal":false,"command":"purge"}"#, "no request"),
        ("{\"v\":2,\"store\":\"s\",\"reveal\":false,\"command\":\"purge\"}\n", "version 1"),
        ("{\"v\":1,\"store\":\"s\",\"reveal\":false,\"command\":\"purge\"}\n", "no_such_store"),
        ("{\"v\":1,\"store\":\"s\",\"reveal\":false,\"command\":\"format\"}\n", "no request"),
    ];
    for (request, expected) in cases {
        let answer = ask(&gateway, request);
        assert!(answer.contains(expected), "{request:.60}: {answer}");
    }
    let store = fs::canonicalize(gateway.path().join("cookies.dat")).unwrap();
    let import = format!(
        "{{\"v\":1,\"store\":{:?},\"reveal\":false,\"command\":{{\"import\":{{\"total\":1}}}}}}\ngarbage\n",
        store.to_str().unwrap()
    );
    assert!(ask(&gateway, &import).contains("is damaged"));
    gateway.assert_next_client_is_served();
    assert_eq!(cookies(gateway.path(), &["purge"]).printed(), "dropped 0 expired cookies\n");
}

/// Sends a text and nothing more; what comes back.
fn ask(gateway: &Gateway, request: &str) -> String {
    let mut stream = UnixStream::connect(gateway.path().join("wampgate.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The gateway may hang up on what it does not want to read to the end.
    let _ = stream.write_all(request.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_command_that_says_nothing_does_not_hold_up_the_end() {
    let mut gateway = Gateway::start(&web(&tracked_in_file()));
    let _silent = UnixStream::connect(gateway.path().join("wampgate.sock")).unwrap();
    let start = std::time::Instant::now();
    assert!(gateway.terminate().success());
    assert!(start.elapsed() < std::time::Duration::from_secs(8), "{:?}", start.elapsed());
}
