//! Keys of Crossbar's as they stand in real configurations, each with what becomes of it.
//!
//! A key that can change neither what a client sees nor what it may do is taken with one warning, which says what happens
//! instead. Any other key is known by name, and refused with what to write.

use serde_json::{Value, json};
use wampgate::config::{ConfigSource, LoadedConfig, load_with};

use super::env;

/// What becomes of a key.
#[derive(Debug)]
enum Outcome {
    /// Taken, and nothing is said.
    Taken,
    /// Taken with one warning, at the key itself, that contains the text.
    Warned(&'static str),
    /// Refused with one fault, at the key itself, that contains the text.
    Refused(&'static str),
}

use Outcome::{Refused, Taken, Warned};

/// A node that passes without a warning. The rows below put their keys into it.
fn node() -> Value {
    json!({
        "version": 2,
        "controller": {},
        "workers": [{
            "type": "router",
            "realms": [{
                "name": "realm1",
                "roles": [{
                    "name": "anonymous",
                    "permissions": [{ "uri": "com.app.", "match": "prefix", "allow": { "call": true } }],
                }],
            }],
            "transports": [
                {
                    "type": "web",
                    "endpoint": { "type": "tcp", "port": 8080 },
                    "paths": { "ws": {
                        "type": "websocket",
                        "cookie": { "store": { "type": "memory" } },
                        "auth": {
                            "anonymous": { "type": "static" },
                            "ticket": { "type": "static", "principals": {
                                "joe": { "ticket": "a ticket", "role": "anonymous" },
                            } },
                        },
                        "options": {},
                    } },
                    "options": {},
                },
                { "type": "websocket", "endpoint": { "type": "tcp", "port": 8081 } },
            ],
        }],
    })
}

const WORKER: &str = "/workers/0";
const REALM: &str = "/workers/0/realms/0";
const ROLE: &str = "/workers/0/realms/0/roles/0";
const PERMISSION: &str = "/workers/0/realms/0/roles/0/permissions/0";
const WEB_OPTIONS: &str = "/workers/0/transports/0/options";
const SERVICE: &str = "/workers/0/transports/0/paths/ws";
const OPTIONS: &str = "/workers/0/transports/0/paths/ws/options";
const COOKIE: &str = "/workers/0/transports/0/paths/ws/cookie";
const ANONYMOUS: &str = "/workers/0/transports/0/paths/ws/auth/anonymous";
const TICKET: &str = "/workers/0/transports/0/paths/ws/auth/ticket";
const JOE: &str = "/workers/0/transports/0/paths/ws/auth/ticket/principals/joe";
const TRANSPORT: &str = "/workers/0/transports/1";

/// Where a key is put, the key, its value, and what becomes of it.
fn rows() -> Vec<(&'static str, &'static str, Value, Outcome)> {
    vec![
        // The process of a worker, and the controller.
        (WORKER, "options", json!({ "pythonpath": [".."] }), Warned("one process without Python")),
        (WORKER, "options", json!({ "title": "router", "cpu_affinity": [0] }), Warned("one process")),
        (WORKER, "options", json!({ "env": { "inherit": true }, "disabled": false }), Warned("one process")),
        (WORKER, "options", json!({}), Taken),
        (WORKER, "options", json!({ "$comment": "none" }), Taken),
        (WORKER, "options", json!({ "$comment": "none", "disabled": false }), Taken),
        (WORKER, "options", json!({ "$comment": "some", "title": "router" }), Warned("one process")),
        (WORKER, "options", json!({ "disabled": false }), Taken),
        (WORKER, "title", json!("router"), Warned("the name of the gateway's process stays")),
        (WORKER, "manhole", json!({ "endpoint": {}, "users": [] }), Warned("no manhole")),
        (WORKER, "manhole", json!({ "$comment": "none" }), Taken),
        (WORKER, "components", json!([{ "type": "class" }]), Refused("runs no components")),
        (WORKER, "connections", json!([]), Refused("connects to no databases")),
        ("/controller", "options", json!({ "title": "node" }), Warned("no controller to set up")),
        ("/controller", "options", json!({ "$comment": "none" }), Taken),
        ("/controller", "fabric", json!({ "transport": null }), Warned("no management service")),
        ("/controller", "fabric-center", json!({ "metering": {} }), Warned("no management service")),
        ("/controller", "enable_docker", json!(true), Warned("controls no containers")),
        ("/controller", "enable_docker", json!(false), Taken),
        ("/controller", "keyring", json!({ "type": "file" }), Warned("no node key")),
        ("/controller", "manhole", json!({ "users": [] }), Warned("no manhole")),
        ("/controller", "connections", json!([]), Refused("connects to no databases")),
        ("", "version", json!(1), Refused("1 is Crossbar's old format")),
        ("", "processes", json!([]), Refused("write `workers`")),
        // A WebSocket service.
        (SERVICE, "debug", json!(true), Warned("`--log debug`")),
        (SERVICE, "debug", json!(false), Taken),
        (SERVICE, "paths", json!({}), Refused("a transport with `paths` is of \"type\": \"web\"")),
        (TRANSPORT, "debug", json!(true), Warned("`--log debug`")),
        (TRANSPORT, "paths", json!({}), Refused("is of \"type\": \"web\"")),
        (OPTIONS, "compression", json!({ "deflate": {} }), Warned("refuses every offer of compression")),
        (OPTIONS, "compression", json!({}), Taken),
        (OPTIONS, "auto_fragment_size", json!(65536), Warned("each message in one piece")),
        (OPTIONS, "auto_fragment_size", json!(0), Taken),
        (OPTIONS, "auto_ping_size", json!(12), Taken),
        (OPTIONS, "auto_ping_size", json!(125), Taken),
        (OPTIONS, "auto_ping_size", json!(4), Warned("pings of 12 bytes instead")),
        (OPTIONS, "auto_ping_size", json!(200), Warned("pings of 125 bytes instead")),
        (OPTIONS, "fail_by_drop", json!(true), Warned("tells a client why it ends a connection")),
        (OPTIONS, "fail_by_drop", json!(false), Taken),
        (OPTIONS, "echo_close_codereason", json!(true), Warned("the client's own code and reason")),
        (OPTIONS, "enable_flash_policy", json!(true), Warned("Flash is gone")),
        (OPTIONS, "flash_policy", json!("<policy/>"), Warned("Flash is gone")),
        // These change what a client sees or may do.
        (OPTIONS, "enable_hybi10", json!(true), Refused("true is not supported")),
        (OPTIONS, "validate_utf8", json!(false), Refused("false is not supported")),
        (OPTIONS, "external_port", json!(443), Refused("`external_port` is not supported")),
        (WEB_OPTIONS, "display_tracebacks", json!(true), Warned("there are no tracebacks")),
        (WEB_OPTIONS, "display_tracebacks", json!(false), Taken),
        (WEB_OPTIONS, "client_timeout", json!(10), Refused("use `head_timeout`")),
        // Cookies.
        (COOKIE, "http_only", json!(true), Refused("write `http_strict`")),
        (COOKIE, "httponly", json!(true), Refused("write `http_strict`")),
        (COOKIE, "domain", json!("example.com"), Refused("belongs to the host that sets it")),
        (COOKIE, "path", json!("/"), Refused("leave `path` out")),
        (COOKIE, "expires", json!(10), Refused("`max_age`")),
        // Who may do what.
        (REALM, "rlinks", json!([]), Refused("`rlinks` is not supported: the gateway links no realms")),
        (REALM, "inventory", json!({}), Refused("`inventory` is not supported")),
        (REALM, "stats", json!({}), Refused("`stats` is not supported")),
        (REALM, "trace", json!({ "traced": true }), Warned("no trace of messages")),
        (ROLE, "allow-by-default", json!(true), Refused("`allow-by-default` is not supported: list")),
        (ROLE, "authorizer", json!("com.app.authorize"), Refused("stands beside `permissions`")),
        (
            PERMISSION,
            "publish",
            json!(true),
            Refused("the form of Crossbar's version 1: write it inside `allow`"),
        ),
        (PERMISSION, "call", json!(true), Refused("write it inside `allow`")),
        (
            ANONYMOUS,
            "authenticator-realm",
            json!("realm1"),
            Refused("`authenticator-realm` is not supported"),
        ),
        (TICKET, "authenticator-realm", json!("realm1"), Refused("`authenticator-realm` is not supported")),
        (TICKET, "authenticator-role", json!("backend"), Refused("`authenticator-role` is not supported")),
        (TICKET, "authenticator", json!("com.app.auth"), Refused("`authenticator` is not supported")),
        (TICKET, "expose_controller", json!(true), Refused("`expose_controller` is not supported")),
        (TICKET, "type", json!("function"), Refused("\"function\" is not supported")),
        // Variables: Crossbar writes them with braces.
        (JOE, "ticket", json!("${TICKET}"), Taken),
        (JOE, "ticket", json!("$TICKET"), Warned("where Crossbar takes the text itself")),
        (JOE, "ticket", json!("${UNSET}"), Refused("the environment variable UNSET is not set")),
        (JOE, "ticket", json!("$ecret"), Refused("this names an environment variable that is not set")),
        (JOE, "ticket", json!("$1ecret"), Refused("a secret that begins with `$` into a file")),
        (JOE, "ticket", json!("${TICKET"), Refused("a secret that begins with `$` into a file")),
        ("/workers/0/transports/1/endpoint", "port", json!("${PORT}"), Taken),
        ("/workers/0/transports/1/endpoint", "port", json!("$PORT"), Taken),
        ("/workers/0/transports/1/endpoint", "port", json!("${UNSET}"), Refused("UNSET is not set")),
    ]
}

/// `/workers/0/realms` as the messages write it: `workers[0].realms`.
fn written(pointer: &str, key: &str) -> String {
    let steps = pointer.split('/').chain([key]).filter(|step| !step.is_empty());
    steps.fold(String::new(), |path, step| match step.parse::<usize>() {
        Ok(index) => format!("{path}[{index}]"),
        Err(_) if path.is_empty() => step.to_owned(),
        Err(_) => format!("{path}.{step}"),
    })
}

fn load(node: &Value) -> Result<LoadedConfig, String> {
    let source = ConfigSource::Text { node_dir: "/node".into(), text: node.to_string() };
    load_with(&source, &env).map_err(|error| error.to_string())
}

#[test]
fn the_node_without_any_of_the_keys_passes_without_a_warning() {
    assert_eq!(load(&node()).unwrap().warnings, []);
}

#[test]
fn each_key_of_crossbars_has_its_outcome() {
    for (pointer, key, value, outcome) in rows() {
        let mut node = node();
        let object = node.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
        object.insert(key.to_owned(), value.clone());
        let row = format!("{}: {value}", written(pointer, key));
        let found = load(&node);
        match (&found, &outcome) {
            (Ok(loaded), Taken) => assert_eq!(loaded.warnings, [], "{row}"),
            (Ok(loaded), Warned(text)) => {
                let [warning] = &loaded.warnings[..] else { panic!("{row}: {:?}", loaded.warnings) };
                assert_eq!(warning.path, written(pointer, key), "{row}");
                assert!(warning.message.contains(text), "{row}: {warning}");
            }
            (Err(faults), Refused(text)) => {
                let at_key = format!("{}: ", written(pointer, key));
                assert!(faults.starts_with(&at_key) && faults.contains(text), "{row}: {faults}");
                assert_eq!(faults.lines().count(), 1, "{row}: {faults}");
            }
            (found, expected) => panic!("{row}: expected {expected:?}, found {found:?}"),
        }
    }
}

#[test]
fn no_message_about_a_secret_that_begins_with_a_dollar_repeats_it() {
    for secret in ["$ecret", "$1ecret", "${ecret"] {
        let mut node = node();
        *node.pointer_mut(&format!("{JOE}/ticket")).unwrap() = secret.into();
        let faults = load(&node).unwrap_err();
        assert!(!faults.replace("secret", "").contains("ecret"), "{faults}");
    }
}

#[test]
fn a_worker_that_crossbar_would_not_start_is_refused() {
    for disabled in [json!(true), json!("${DISABLED}"), json!("yes")] {
        let mut node = node();
        node["workers"][0]["options"] = json!({ "disabled": disabled });
        let faults = load(&node).unwrap_err();
        assert!(
            faults.starts_with("workers[0].options.disabled: Crossbar does not start this worker"),
            "{faults}"
        );
    }
}

#[test]
fn a_comment_is_text_even_where_nothing_else_is_read() {
    for (pointer, key) in
        [(WORKER, "options"), (WORKER, "manhole"), ("/controller", "options"), ("", "manhole")]
    {
        let mut node = node();
        let object = node.pointer_mut(pointer).and_then(Value::as_object_mut).unwrap();
        object.insert(key.to_owned(), json!({ "$comment": 5 }));
        let place = written(&format!("{pointer}/{key}"), "$comment");
        let expected = format!("{place}: expected a comment as text, found a number");
        assert_eq!(load(&node).unwrap_err(), expected);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_a_fault_even_where_it_has_no_effect() {
    let mut node = node();
    *node.pointer_mut(OPTIONS).unwrap() = json!({ "fail_by_drop": "yes", "auto_fragment_size": -1 });
    let faults = load(&node).unwrap_err();
    assert_eq!(faults.lines().count(), 2, "{faults}");
}
