//! The operator's page: who may open it, what it shows, and what it does.

use serde_json::{Value, json};

use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, Response, WebSocket, code,
    config::{With as _, anonymous_auth, endpoint, ticket_auth, tracked, tracked_in_file},
    http::Connection,
    upstream::Upstream,
    websocket::opcode,
};

const TOKEN: &str = "a-token-that-is-long-enough";
const HOST: &str = "localhost:9091";

/// A service with cookies and logins, and the page at a listener of its own.
fn config(page: &Value) -> Value {
    let auth = ticket_auth().with("anonymous", anonymous_auth()["anonymous"].clone());
    json!({ "transports": [
        { "type": "web", "endpoint": endpoint(), "paths": { "ws": tracked_in_file().with("auth", auth) } },
        page,
    ]})
}

fn page() -> Value {
    json!({ "type": "admin", "id": "page", "endpoint": endpoint() })
}

fn start() -> Gateway {
    Gateway::start(&config(&page()))
}

fn get(gateway: &Gateway, path: &str) -> Response {
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    connection.response()
}

/// The key that stands in the page.
fn key(gateway: &Gateway) -> String {
    let html = get(gateway, "/").body;
    let (_, rest) = html.split_once(r#"name="wampgate-key" content=""#).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The handshake of the page's WebSocket.
fn live() -> Handshake {
    Handshake::default()
        .path("/live")
        .replace("Host", HOST)
        .header("Origin", &format!("http://{HOST}"))
        .without("Sec-WebSocket-Protocol")
}

fn send(socket: &mut WebSocket, message: &Value) {
    socket.send(&Frame::text(message.to_string()));
}

#[track_caller]
fn receive(socket: &mut WebSocket) -> Value {
    let frame = socket.receive().expect("the page's connection is open");
    assert_eq!(frame.opcode, opcode::TEXT, "{:?}", String::from_utf8_lossy(&frame.payload));
    serde_json::from_slice(&frame.payload).unwrap()
}

/// A page that has said this first.
fn open_with(gateway: &Gateway, hello: &Value) -> WebSocket {
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send(live().bytes());
    assert_eq!(connection.head().status, 101);
    let mut socket = WebSocket::new(connection);
    send(&mut socket, hello);
    socket
}

fn open(gateway: &Gateway) -> WebSocket {
    open_with(gateway, &json!({ "key": key(gateway) }))
}

/// The first view that is as it should be.
#[track_caller]
fn view_where(socket: &mut WebSocket, is_it: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..60 {
        let message = receive(socket);
        if message["view"].is_object() && is_it(&message["view"]) {
            return message["view"].clone();
        }
    }
    panic!("no view is as it should be");
}

/// Gives an order, and reads what came of it.
#[track_caller]
fn order(socket: &mut WebSocket, order: &Value) -> Value {
    send(socket, &json!({ "number": 7, "order": order }));
    loop {
        let message = receive(socket);
        if message["number"] == 7 {
            return message;
        }
    }
}

fn status(gateway: &Gateway, handshake: &Handshake) -> (u16, String) {
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send(handshake.bytes());
    let response = connection.response();
    (response.status, response.body)
}

fn rows(view: &Value) -> &Vec<Value> {
    view["sessions"]["rows"].as_array().unwrap()
}

#[test]
fn the_page_comes_with_all_that_it_needs_and_may_do_nothing_else() {
    let gateway = start();
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/console.js", "text/javascript; charset=utf-8"),
        ("/console.css", "text/css; charset=utf-8"),
    ] {
        let response = get(&gateway, path);
        assert_eq!((response.status, response.header("content-type")), (200, Some(media_type)), "{path}");
        let policy = response.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(response.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        for foreign in ["http://", "https://", "style=", "onclick=", "innerHTML", "eval("] {
            assert!(!response.body.contains(foreign), "{path}: {foreign}");
        }
    }
    assert_eq!(get(&gateway, "/live").status, 426);
    assert_eq!(get(&gateway, "/else").status, 404);
    assert_ne!(key(&gateway), key(&start()), "each process has a key of its own");
}

#[test]
fn the_page_shows_who_is_there_and_by_which_policy_and_no_credential() {
    let gateway = start();
    let mut jar = Jar::default();
    let mut joe = Client::open(&gateway, &mut jar);
    joe.join_by_ticket("joe", "correct-horse-battery-staple").unwrap();
    let (_visitor, welcome) = Client::joined(&gateway, &mut Jar::default());
    let public_id = &welcome["x_wampgate_public_id"];
    let mut page = open(&gateway);
    let view = view_where(&mut page, |view| rows(view).len() == 2);
    let row = rows(&view).iter().find(|row| row["authid"] == "joe").unwrap();
    for (name, value) in
        [("realm", "realm1"), ("role", "frontend"), ("method", "ticket"), ("path", "/ws"), ("transport", "0")]
    {
        assert_eq!(row[name], value, "{row}");
    }
    assert!(row["policy"].as_str().unwrap().contains("default"), "{row}");
    let visitor = rows(&view).iter().find(|row| row["method"] == "anonymous").unwrap();
    assert_eq!((&visitor["authid"], &visitor["client"]), (public_id, public_id));
    assert_eq!(view["realms"], json!(["realm1"]));
    assert_eq!(view["policies"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(view["stores"][0]["type"], "file");
    assert_eq!(view["listeners"][1]["paths"], json!([{ "path": "/", "type": "admin" }]));
    assert_eq!(view["health"]["status"], "ready");
    assert!(view["metrics"].as_str().unwrap().contains("wampgate_policy_decision_seconds_bucket"));
    let text = view.to_string();
    assert!(!text.contains(jar.id.as_deref().unwrap()), "a tracking ID is shown");
    assert!(!text.contains("correct-horse"), "a secret is shown");

    send(&mut page, &json!({ "watch": "front" }));
    let view = view_where(&mut page, |view| rows(view).len() == 1);
    assert_eq!((&view["sessions"]["all"], &view["sessions"]["found"]), (&json!(2), &json!(1)));
}

#[test]
fn a_session_is_ended_and_a_cookie_revoked_from_the_page_and_the_log_says_by_whom() {
    let gateway = start();
    let (mut first, _) = Client::joined(&gateway, &mut Jar::default());
    let mut page = open(&gateway);
    let view = view_where(&mut page, |view| rows(view).len() == 1);
    let kill = json!({ "kill": { "realm": "realm1", "session": rows(&view)[0]["session"] } });
    assert_eq!(order(&mut page, &kill)["done"]["sessions"], 1);
    assert_eq!(first.expect(code::GOODBYE)[2], "wamp.close.killed");
    assert_eq!(order(&mut page, &kill)["failed"], "the session has ended already");
    gateway.output().until("command=\"kill\"", 1);

    let mut jar = Jar::default();
    let (mut second, _) = Client::joined(&gateway, &mut jar);
    let id = jar.id.clone().unwrap();
    let view = view_where(&mut page, |view| rows(view).len() == 1);
    let (store, client) = (rows(&view)[0]["store"].clone(), rows(&view)[0]["client"].clone());
    let found = order(&mut page, &json!({ "find": { "store": store, "client": client } }));
    let cookie = &found["done"]["cookies"][0];
    assert_eq!((&cookie["public_id"], &cookie["connections"]), (&client, &json!(1)), "{found}");
    assert!(!found.to_string().contains(&id), "a tracking ID is shown");
    let done = order(&mut page, &json!({ "revoke": { "store": store, "client": client } }));
    assert_eq!(done["done"]["summary"]["revoked"], json!({ "records": 1, "connections": 1 }), "{done}");
    assert_eq!(second.expect(code::GOODBYE)[0], code::GOODBYE);
    let (_, response) = Handshake::default().cookie(&id).opens(&gateway);
    assert_ne!(response.tracking_id().as_deref(), Some(id.as_str()));
    assert!(response.tracking_id().is_some(), "the revoked cookie is known still");
    gateway.output().until("command=\"revoke-id\"", 1);
    let told = gateway.output().text();
    let line = told.lines().find(|line| line.contains("command=\"revoke-id\"")).unwrap();
    assert!(line.contains(&format!("public_id={client}")), "{line}");
    let gone = order(&mut page, &json!({ "find": { "store": "elsewhere", "client": client } }));
    assert!(gone["failed"].is_string(), "{gone}");
}

#[test]
fn the_last_refusals_are_shown_with_their_reasons() {
    let gateway = start();
    let mut guess = Client::open(&gateway, &mut Jar::default());
    guess.join_by_ticket("joe", "wrong").unwrap_err();
    let mut page = open(&gateway);
    let view = view_where(&mut page, |view| view["refusals"].as_array().is_some_and(|all| !all.is_empty()));
    let refusal = &view["refusals"][0];
    assert_eq!((&refusal["stage"], &refusal["reason"]), (&json!("join"), &json!("credentials")), "{refusal}");
    assert!(refusal["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{refusal}");
    assert!(!refusal["why"].as_str().unwrap().is_empty());
}

#[test]
fn no_other_page_and_no_proxy_gets_in() {
    let gateway = start();
    for (what, handshake) in [
        ("no origin", live().without("Origin")),
        ("another origin", live().replace("Origin", "https://evil.example")),
        ("another port of the machine", live().replace("Origin", "http://localhost:8080")),
        ("no origin at all", live().replace("Origin", "null")),
        ("a rebound name", live().replace("Host", "evil.example").replace("Origin", "http://evil.example")),
        ("a proxy", live().header("X-Forwarded-For", "192.0.2.1")),
        ("another proxy", live().header("Via", "1.1 proxy")),
        ("a proxy that tells the port", live().header("X-Forwarded-Port", "443")),
        ("a proxy that tells the scheme", live().header("X-Forwarded-Proto", "https")),
        ("a content network", live().header("CF-Connecting-IP", "192.0.2.1")),
        ("another content network", live().header("True-Client-IP", "192.0.2.1")),
        ("a balancer", live().header("X-Client-IP", "192.0.2.1")),
        ("another balancer", live().header("Client-IP", "192.0.2.1")),
        ("a balancer of a cluster", live().header("X-Cluster-Client-IP", "192.0.2.1")),
    ] {
        let (status, body) = status(&gateway, &handshake);
        assert_eq!(status, 403, "{what}: {body}");
    }
    let rebound = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let mut connection = Connection::open_at(gateway.address_of(1));
    connection.send(rebound);
    assert_eq!(connection.response().status, 403, "the page's key is read by another page");

    for hello in [json!({ "key": "x" }), json!({}), json!([]), json!({ "watch": "" })] {
        let mut socket = open_with(&gateway, &hello);
        assert_eq!(socket.receive().unwrap().close_code(), Some(4401), "{hello}");
    }
    gateway.output().until("reason=\"console\"", 1);
}

#[test]
fn a_page_with_a_token_shows_nothing_without_it() {
    let page = page().with("token", json!(TOKEN));
    let gateway = Gateway::start(&config(&page));
    let key = key(&gateway);
    for hello in [
        json!({ "key": key }),
        json!({ "key": key, "token": "" }),
        json!({ "key": key, "token": format!("{TOKEN}x") }),
        json!({ "key": "x", "token": TOKEN }),
    ] {
        let mut socket = open_with(&gateway, &hello);
        assert_eq!(socket.receive().unwrap().close_code(), Some(4401), "{hello}");
    }
    let mut socket = open_with(&gateway, &json!({ "key": key, "token": TOKEN }));
    view_where(&mut socket, |view| view["health"]["status"] == "ready");
    assert!(get(&gateway, "/").body.contains(r#"asks-for-token" content="yes""#));
    assert!(!gateway.output().text().contains(TOKEN));
}

#[test]
fn connections_that_show_no_token_keep_no_operator_out() {
    let gateway = Gateway::start(&config(&page().with("token", json!(TOKEN))));
    let key = key(&gateway);
    let mut idle: Vec<_> = (0..12)
        .map(|_| {
            let mut connection = Connection::open_at(gateway.address_of(1));
            connection.send(live().bytes());
            assert_eq!(connection.head().status, 101);
            WebSocket::new(connection)
        })
        .collect();
    assert_eq!(idle[0].receive().unwrap().close_code(), Some(1008), "the oldest goes");
    let wrong = json!({ "key": key, "token": "wrong" });
    let _guesses: Vec<_> = (0..12).map(|_| open_with(&gateway, &wrong)).collect();
    let mut operator = open_with(&gateway, &json!({ "key": key, "token": TOKEN }));
    view_where(&mut operator, |view| view["health"]["status"] == "ready");
    // A page that has come in waits no longer, so that none takes its place.
    let _more: Vec<_> = (0..12).map(|_| open_with(&gateway, &wrong)).collect();
    view_where(&mut operator, |_| true);
    view_where(&mut operator, |_| true);
}

#[test]
fn as_many_pages_are_open_as_may_be_and_a_reload_has_them_come_again() {
    let config = config(&page());
    let gateway = Gateway::start(&config);
    let mut pages: Vec<_> = (0..8).map(|_| open(&gateway)).collect();
    for page in &mut pages {
        view_where(page, |_| true);
    }
    assert_eq!(status(&gateway, &live()).0, 503);
    let changed = config.clone().with("max_memory", json!(100_000_000));
    assert_eq!(gateway.reload(&changed).1, 0);
    for page in &mut pages {
        let closed = loop {
            let frame = page.receive().expect("a close");
            if frame.opcode == opcode::CLOSE {
                break frame;
            }
        };
        assert_eq!(closed.close_code(), Some(1012));
    }
    drop(pages);
    let mut page = open(&gateway);
    view_where(&mut page, |view| view["health"]["status"] == "ready");
    send(&mut page, &json!({ "something": "else" }));
    let closed = std::iter::from_fn(|| page.receive()).find(|frame| frame.opcode == opcode::CLOSE);
    assert_eq!(closed.unwrap().close_code(), Some(1008));
}

#[test]
fn a_page_beside_a_service_works_by_its_token() {
    let paths = json!({ "ws": tracked(), "operator": { "type": "admin", "token": TOKEN } });
    let gateway =
        Gateway::start(&json!({ "transports": [{ "type": "web", "endpoint": endpoint(), "paths": paths }] }));
    let mut connection = Connection::open(&gateway);
    connection.send(format!("GET /operator HTTP/1.1\r\nHost: {HOST}\r\n\r\n"));
    let response = connection.response();
    assert_eq!((response.status, response.header("location")), (307, Some("/operator/")));
}

#[test]
fn the_page_shows_the_servers_behind_the_gateway_and_which_are_out() {
    let upstream = Upstream::echo();
    let mut config = config(&page());
    config["transports"][0]["paths"]["app"] = json!({
        "type": "websocket-proxy",
        "upstream": {
            "addresses": [upstream.url("/socket"), "unix:nowhere.sock"],
            "choice": "least-connections",
            "probe": { "interval": 100, "timeout": 20_000, "failures": 1 },
        },
    });
    let gateway = Gateway::start(&config);
    let handshake = Handshake::default().path("/app").without("Sec-WebSocket-Protocol");
    let (_socket, _) = handshake.opens(&gateway);
    let mut page = open(&gateway);
    let view = view_where(&mut page, |view| {
        let addresses = &view["upstreams"][0]["addresses"];
        addresses[0]["clients"] == 1 && addresses[1]["out"].is_object()
    });
    let row = &view["upstreams"][0];
    for (name, value) in [("transport", "0"), ("path", "/app"), ("choice", "least-connections")] {
        assert_eq!(row[name], value, "{row}");
    }
    assert_eq!((&row["probed"], &row["addresses"][0]["out"]), (&json!(true), &Value::Null), "{row}");
    let out = &row["addresses"][1]["out"];
    assert!(out["why"].as_str().unwrap().contains("cannot be reached"), "{out}");
    assert!(out["since"].as_str().unwrap().starts_with("20"), "{out}");
}

#[test]
fn the_page_shows_each_of_several_upstreams_once_by_its_name() {
    const CHOOSES: &[u8] = include_bytes!("../component/scripted-policy.wasm");
    let probe = json!({ "interval": 100, "timeout": 20_000, "failures": 1 });
    let (up, down) = (Upstream::echo(), "unix:nowhere.sock");
    let server = |address: &str| json!({ "addresses": [address], "probe": probe });
    let router = |address: &str| {
        json!({
            "type": "wamp", "addresses": [address], "probe": probe,
            "realms": [{ "name": "one", "roles": ["anonymous"] }, { "name": "two", "roles": ["anonymous"] }],
            "auth": { "type": "account", "authid": "edge", "ticket": "secret-of-the-edge" },
        })
    };
    let policy = json!({ "component": "scripted.wasm", "deadline": "10s", "config": { "choose": "eu" } });
    let mut config = config(&page());
    let paths = &mut config["transports"][0]["paths"];
    paths["app"] = json!({
        "type": "websocket-proxy", "policy": policy,
        "upstreams": { "eu": server(&up.url("/")), "us": server(down) },
    });
    paths["behind"] = json!({
        "type": "websocket", "policy": policy,
        "upstreams": { "eu": router(&up.url("/")), "us": router(down) },
    });
    let gateway = Gateway::prepare(&config).file("scripted.wasm", CHOOSES).run();
    let handshake = Handshake::default().path("/app").without("Sec-WebSocket-Protocol");
    let (socket, _) = handshake.opens(&gateway);
    let mut page = open(&gateway);
    let view = view_where(&mut page, |view| {
        let rows = view["upstreams"].as_array().unwrap();
        let is_out = |row: &&Value| row["addresses"][0]["out"].is_object();
        rows[0]["addresses"][0]["clients"] == 1 && rows.iter().filter(is_out).count() == 2
    });
    let rows = view["upstreams"].as_array().unwrap();
    let row = |row: &Value| {
        let path = row["path"].as_str().unwrap().to_owned();
        (path, row["addresses"][0]["clients"].clone(), row["addresses"][0]["out"].is_object())
    };
    let expected =
        [("/app#eu", 1, false), ("/app#us", 0, true), ("/behind#eu", 0, false), ("/behind#us", 0, true)];
    let expected = expected.map(|(path, clients, is_out)| (path.to_owned(), json!(clients), is_out));
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected);

    // What a reload takes is shown as long as a client uses it.
    let mut upstreams = config["transports"][0]["paths"]["app"]["upstreams"].take();
    upstreams["north"] = upstreams["eu"].take();
    upstreams.as_object_mut().unwrap().remove("eu");
    config["transports"][0]["paths"]["app"]["upstreams"] = upstreams;
    let (said, code) = gateway.reload(&config);
    assert_eq!(code, 0, "{said}");
    let mut page = open(&gateway);
    let left = |view: &Value| {
        let rows = view["upstreams"].as_array().unwrap();
        rows.iter().find(|row| row["path"] == "/app#eu").cloned()
    };
    let view = view_where(&mut page, |view| left(view).is_some());
    let row = left(&view).unwrap();
    assert_eq!((&row["configured"], &row["addresses"][0]["clients"]), (&json!(false), &json!(1)), "{row}");
    drop(socket);
    view_where(&mut page, |view| left(view).is_none());
}
