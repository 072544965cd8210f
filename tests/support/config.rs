//! Configurations, as small as a test can say them. Every listener takes a free port of the loopback interface.

use serde_json::{Value, json};

/// One web transport with a WebSocket service at `/ws`.
pub(crate) fn web(service: &Value) -> Value {
    web_paths(&json!({ "ws": service }))
}

/// One web transport with these paths.
pub(crate) fn web_paths(paths: &Value) -> Value {
    json!({ "transports": [{ "type": "web", "endpoint": endpoint(), "paths": paths }] })
}

/// The same, and a second transport that serves `/metrics`.
pub(crate) fn with_metrics(paths: &Value) -> Value {
    let mut config = web_paths(paths);
    config["transports"].as_array_mut().unwrap().push(metrics_transport());
    config
}

/// A web transport that serves `/metrics` and nothing else.
pub(crate) fn metrics_transport() -> Value {
    json!({ "type": "web", "endpoint": endpoint(), "paths": { "metrics": { "type": "metrics" } } })
}

/// A free port of the loopback interface.
pub(crate) fn endpoint() -> Value {
    json!({ "type": "tcp", "interface": "127.0.0.1", "port": 0 })
}

/// A WebSocket service without tracking and without authentication.
pub(crate) fn untracked() -> Value {
    json!({ "type": "websocket" })
}

/// A WebSocket service with tracking in memory.
pub(crate) fn tracked() -> Value {
    json!({ "type": "websocket", "cookie": { "store": { "type": "memory" } } })
}

/// A WebSocket service with tracking in `cookies.dat` of the node directory.
pub(crate) fn tracked_in_file() -> Value {
    tracked_in(&stores()[1])
}

/// A store of each kind. None waits for the disk, on which other programs may have so much to write that a store tells its
/// clients that the disk hangs.
pub(crate) fn stores() -> [Value; 3] {
    [
        json!({ "type": "memory" }),
        json!({ "type": "file", "filename": "cookies.dat", "sync": "never" }),
        json!({ "type": "lmdb", "path": "cookies", "sync": "never" }),
    ]
}

/// Whether such a store survives a restart.
pub(crate) fn is_durable(store: &Value) -> bool {
    store["type"] != "memory"
}

/// A WebSocket service with tracking in such a store.
pub(crate) fn tracked_in(store: &Value) -> Value {
    json!({ "type": "websocket", "cookie": { "store": store } })
}

/// The principal `joe`, whose ticket is [`TICKET`].
pub(crate) fn ticket_auth() -> Value {
    json!({ "ticket": { "type": "static", "principals": { "joe": { "ticket": TICKET, "role": "frontend" } } } })
}

/// A WebSocket service with tracking in memory, where joe can log in, cookies remember it, and others may stay anonymous.
pub(crate) fn logins() -> Value {
    tracked()
        .with("auth", ticket_auth().with("cookie", json!({})).with("anonymous", json!({ "type": "static" })))
}

/// What a permission for everything allows.
pub(crate) fn everything() -> Value {
    json!({ "call": true, "register": true, "publish": true, "subscribe": true })
}

/// The method `anonymous`.
pub(crate) fn anonymous_auth() -> Value {
    json!({ "anonymous": { "type": "static", "role": "anonymous" } })
}

/// Joe's secret.
pub(crate) const TICKET: &str = "correct-horse-battery-staple";

/// Combinators for the values above.
pub(crate) trait With {
    /// Sets a key, or merges objects.
    #[must_use]
    fn with(self, key: &str, value: Value) -> Self;
}

impl With for Value {
    #[track_caller]
    fn with(mut self, key: &str, value: Value) -> Self {
        match (&mut self[key], value) {
            (Value::Object(old), Value::Object(new)) => old.extend(new),
            (place, value) => *place = value,
        }
        self
    }
}
