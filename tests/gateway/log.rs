//! What is logged is what the operator asks for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::support::{
    Client, Frame, Gateway, Handshake, Jar, WebSocket, code,
    config::{TICKET, With as _, ticket_auth, tracked, untracked, web, web_paths},
    http::Connection,
    websocket::opcode,
};

/// What a gateway with this filter says while a client comes and goes.
fn said(filter: &str) -> String {
    let mut gateway = Gateway::prepare(&web(&tracked())).arguments(&["--log", filter]).run();
    let (mut client, _) = Client::joined(&gateway, &mut Jar::default());
    client.leaves();
    assert!(gateway.terminate().success());
    gateway.output().text()
}

#[test]
fn a_filter_is_a_level_or_a_list_of_levels_by_target() {
    for (filter, is_told_of_joins, is_told_of_the_end) in [
        ("off", false, false),
        ("info", false, true),
        ("debug", true, true),
        ("warn,wampgate=debug", true, true),
        ("warn,wampgate=info", false, true),
    ] {
        let said = said(filter);
        assert_eq!(said.contains("DEBUG"), is_told_of_joins, "{filter}");
        assert_eq!(said.contains("shutting down"), is_told_of_the_end, "{filter}");
    }
}

#[test]
fn a_level_alone_is_the_gateways_and_no_librarys() {
    for (filter, tells_of_libraries) in [("trace", false), ("wampgate=trace,wasmtime=trace", true)] {
        let said = said(filter);
        assert!(said.contains("DEBUG"), "{filter} says nothing of the gateway");
        assert_eq!(said.contains("RecGroup"), tells_of_libraries, "{filter}");
    }
}

#[test]
fn a_filter_that_cannot_be_read_is_refused_with_what_to_write() {
    let mut gateway = Gateway::prepare(&web(&tracked())).arguments(&["--log", "wampgate=loud"]);
    assert!(!gateway.run_to_end().success());
    let said = gateway.output().text();
    assert!(said.contains("--log wampgate=loud: use a level (error, warn, info, debug, trace)"), "{said}");
}

#[test]
fn the_operator_is_told_why_a_client_is_refused() {
    let mut gateway = Gateway::start(&web(&tracked().with("auth", ticket_auth())));
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.join_by_ticket("joe", "guess").unwrap_err();
    assert!(gateway.terminate().success());
    let said = gateway.output().text();
    assert!(said.contains("refused, wamp.error.not_authorized: `ticket` failed: "), "no reason is logged");
    assert!(!said.contains("guess"), "the log holds what the client sent");
}

#[test]
fn each_kind_of_refusal_has_a_line_and_a_flood_of_one_hides_no_other() {
    const FLOOD: usize = 100;
    let service = tracked().with("options", json!({ "allowed_origins": ["https://a.example"] }));
    let paths = json!({ "ws": service, "login": untracked().with("auth", ticket_auth()) });
    let mut gateway = Gateway::start(&web_paths(&paths));
    for _ in 0..FLOOD {
        Handshake::default().header("Origin", "https://evil.example").is_refused(&gateway, 403);
    }
    Handshake::default().path("/nowhere/kA8dKA8d").is_refused(&gateway, 404);
    let twice =
        Handshake::default().header("Origin", "https://a.example").header("Origin", "https://a.example");
    let refused = twice.is_refused(&gateway, 403);
    assert!(refused.body.contains("Origin is there 2 times"), "{refused:?}");
    let open = |path: &str| Client::open_at(&gateway, &mut Jar::default(), path);
    open("/login").join_by_ticket("joe", "guess").unwrap_err();
    open("/login").join("no.such.realm", json!({ "authmethods": ["ticket"], "authid": "joe" })).unwrap_err();
    open("/ws").join("realm1", json!({ "roles": {} })).unwrap_err();
    let mut broken = open("/ws");
    broken.send(&json!([1, "realm1", 5]));
    broken.expect(code::ABORT);
    let mut callee = open("/ws");
    callee.joins();
    callee.send(&json!([70, 77, {}]));
    callee.expect(code::ABORT);
    let mut slow = open("/login");
    slow.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
    slow.expect(code::CHALLENGE);
    slow.send(&json!([3, {}, "com.example.no"]));
    assert!(gateway.terminate().success());

    let said = gateway.output().text();
    let warnings = || said.lines().filter(|line| line.contains(" WARN "));
    let of = |reason: &str| warnings().filter(|line| line.contains(&format!("reason=\"{reason}\""))).count();
    for (reason, least) in
        [("origin", 5), ("not-found", 1), ("credentials", 1), ("realm", 1), ("protocol", 1)]
    {
        assert!((least..FLOOD / 2).contains(&of(reason)), "{} lines with {reason}: {said}", of(reason));
    }
    for (reason, text) in [
        ("origin", "a handshake was refused: this Origin may not connect"),
        ("credentials", "no such principal or a wrong secret"),
        ("protocol", "protocol violation: HELLO.Details.roles must name at least one role"),
        ("protocol", "protocol violation: invalid WAMP message: HELLO.Details: expected a dictionary"),
        (
            "protocol",
            "a session was ended: protocol violation: an answer to an invocation that was never sent",
        ),
        ("not-found", "path=/nowhere/… "),
        ("realm", "the client names the realm 'no.such.realm', which is not there"),
    ] {
        let mut lines = warnings().filter(|line| line.contains(&format!("reason=\"{reason}\"")));
        let line = lines.find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text}: {said}"));
        assert!(line.contains("peer=127.0.0.1:") && line.contains("path=/"), "{line}");
    }
}

#[test]
fn a_login_and_a_logout_have_a_line_each_and_an_anonymous_join_has_none() {
    let auth = json!({ "ticket": ticket_auth()["ticket"], "anonymous": { "type": "static" }, "cookie": {} });
    let mut gateway = Gateway::start(&web(&tracked().with("auth", auth)));
    let mut jar = Jar::default();
    let mut client = Client::open(&gateway, &mut jar);
    let welcome = client.join_by_ticket("joe", TICKET).unwrap();
    let public_id = welcome["authextra"]["public_id"].as_str().map(str::to_owned);
    client.send(&json!([6, {}, "wamp.close.logout"]));
    client.expect(code::GOODBYE);
    Client::open(&gateway, &mut Jar::default())
        .join("realm1", json!({ "authmethods": ["anonymous"] }))
        .unwrap();
    assert!(gateway.terminate().success());

    let said = gateway.output().text();
    for what in ["logged in", "logged out"] {
        let lines: Vec<_> = said.lines().filter(|line| line.contains(what)).collect();
        let [line] = *lines else { panic!("{} lines of {what}: {said}", lines.len()) };
        let parts = [
            " INFO ",
            "method=\"ticket\"",
            "authid=\"joe\"",
            "role=\"frontend\"",
            "peer=127.0.0.1:",
            "public_id=",
        ];
        for part in parts.into_iter().chain(public_id.as_deref()) {
            assert!(line.contains(part), "{part} is missing: {line}");
        }
        assert!(!line.contains(jar.id.as_deref().unwrap()), "{line}");
    }
    assert!(!said.contains("method=\"anonymous\""), "{said}");
}

#[test]
fn lines_for_people_name_their_target_and_have_no_colors_where_nobody_looks() {
    let said = said("debug");
    let line = said.lines().find(|line| line.contains("websocket open")).expect("a line");
    assert!(line.contains("DEBUG wampgate::connection: websocket open connection="), "{line}");
    assert!(!said.contains('\x1b'), "{said}");
}

fn with_access_log(mut config: Value) -> Value {
    config["transports"][0]["options"] = json!({ "access_log": true });
    config
}

const DOCUMENTED: &str = include_str!("../../docs/logs.md");

/// Whether the table of fields has it.
fn is_documented(field: &str) -> bool {
    let fields = DOCUMENTED.split("## Fields").nth(1).unwrap();
    let mut names = fields.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    names.any(|names| format!("`{names}").split(", ").any(|name| name.trim_matches('`') == field))
}

#[test]
fn each_line_for_machines_is_an_object_with_documented_fields() {
    let auth = json!({ "ticket": ticket_auth()["ticket"], "anonymous": { "type": "static" } });
    let config = with_access_log(web(&tracked().with("auth", auth)));
    let mut gateway = Gateway::prepare(&config).arguments(&["--log", "trace", "--log-format", "json"]).run();
    Client::open(&gateway, &mut Jar::default()).join_by_ticket("joe", TICKET).unwrap();
    Client::open(&gateway, &mut Jar::default()).join_by_ticket("joe", "guess").unwrap_err();
    Handshake::default().path("/nowhere").is_refused(&gateway, 404);
    assert!(gateway.terminate().success());

    let said = gateway.output().text();
    let lines: Vec<Map<String, Value>> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line.get(field).is_some_and(Value::is_string), "no {field} in {line:?}");
        }
        for (field, value) in line {
            assert!(is_documented(field), "{field} is missing in docs/logs.md: {line:?}");
            assert!(!value.is_object() && !value.is_array(), "{line:?}");
        }
        let target = line["target"].as_str().unwrap();
        let part = target.split("::").take(2).collect::<Vec<_>>().join("::");
        assert!(part == "wampgate" || DOCUMENTED.contains(&format!("| `{part}` |")), "{target}");
    }
    for (message, target) in [
        ("websocket open", "wampgate::connection"),
        ("logged in", "wampgate::connection"),
        ("request", "wampgate::access"),
        ("shutting down; a second signal ends at once", "wampgate::cli::run"),
    ] {
        assert!(
            lines.iter().any(|line| line["message"] == message && line["target"] == target),
            "no {message}: {said}"
        );
    }
}

/// The names of the fields of all lines that a source file writes.
fn fields_of(source: &str) -> Vec<String> {
    let code = Regex::new(r"(?m)^\s*//.*$").unwrap().replace_all(source, "");
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let text = Regex::new(r#""(?:[^"\\]|\\.)*""#).unwrap();
    let code = text.replace_all(code, "\"\"");
    let field = Regex::new(r"^[%?]?([a-z_]+)\s*(?:=[^=]|$)").unwrap();
    let begin = Regex::new(r"(?-u:\b)(?:trace|debug|info|warn|error|\$level)!\(").unwrap();
    let mut fields = Vec::new();
    for found in begin.find_iter(&code) {
        let (mut depth, mut arguments) = (1, vec![String::new()]);
        for character in code[found.end()..].chars() {
            depth += match character {
                '(' | '[' | '{' => 1,
                ')' | ']' | '}' => -1,
                _ => 0,
            };
            match character {
                _ if depth == 0 => break,
                ',' if depth == 1 => arguments.push(String::new()),
                other => arguments.last_mut().unwrap().push(other),
            }
        }
        let named =
            arguments.iter().filter_map(|argument| Some(field.captures(argument.trim())?[1].to_owned()));
        fields.extend(named);
    }
    fields
}

#[test]
fn every_target_and_every_field_that_the_gateway_writes_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    let named = Regex::new(r#"target: "(wampgate::[a-z_]+)"#).unwrap();
    let line = Regex::new(r"(?-u:\b)(?:trace|debug|info|warn|error|\$level)!\(").unwrap();
    let targeted = Regex::new(r"!\(\s*target: ").unwrap();
    let mut fields = 0;
    for file in found {
        let source = fs::read_to_string(&file).unwrap();
        let written = fields_of(&source);
        let first = file.strip_prefix(&root).unwrap().components().next().unwrap();
        let part = Path::new(&first).with_extension("");
        // Without a target a line has that of its module.
        let has_own =
            !written.is_empty() && line.find_iter(&source).count() > targeted.find_iter(&source).count();
        let own = has_own.then(|| format!("wampgate::{}", part.display()));
        for target in named.captures_iter(&source).map(|found| found[1].to_owned()).chain(own) {
            let is_told = DOCUMENTED.contains(&format!("| `{target}` |"));
            assert!(is_told, "docs/logs.md lacks {target}");
        }
        for field in written {
            fields += 1;
            assert!(is_documented(&field), "docs/logs.md lacks {field}, which {} writes", file.display());
        }
    }
    assert!(fields > 100, "only {fields} were found");
}

#[test]
fn the_access_log_tells_what_was_answered_and_nothing_that_may_be_a_credential() {
    let config = with_access_log(web(&tracked()));
    let mut gateway = Gateway::prepare(&config).run();
    let ask = |path: &str| {
        let mut connection = Connection::open(&gateway);
        connection.send(format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8 \"ä\"\r\nCookie: cbtid=kA8dSecretSecretSecretSe\r\nConnection: close\r\n\r\n"
        ));
        connection.response()
    };
    let page = ask("/ws?ticket=secret-of-joe");
    ask("/nowhere/kA8dSecretSecretSecretSe");
    Client::open(&gateway, &mut Jar::default());
    assert!(gateway.terminate().success());

    let said = gateway.output().text();
    let lines: Vec<_> = said.lines().filter(|line| line.contains(" wampgate::access: ")).collect();
    let [answered, refused, upgraded, _ended] = *lines else { panic!("{} lines: {said}", lines.len()) };
    for (line, path, status, bytes) in [
        (answered, "/ws", page.status, page.body.len().to_string()),
        (refused, "/nowhere/…", 404, String::new()),
        (upgraded, "/ws", 101, "0 ".to_owned()),
    ] {
        assert!(
            line.contains(&format!("method=GET path=\"{path}\" status={status} bytes={bytes}")),
            "{line}"
        );
        assert!(
            line.contains(" transport=\"0\" peer=127.0.0.1:") && line.contains(" duration_us="),
            "{line}"
        );
    }
    assert!(answered.ends_with(r#" user_agent="curl/8 \"ä\"""#), "{answered}");
    for secret in ["secret-of-joe", "Secret"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// What the access log says of the ends of connections that were upgraded.
fn ends(said: &str) -> Vec<String> {
    said.lines().filter(|line| line.contains("websocket ended")).map(str::to_owned).collect()
}

#[test]
fn the_access_log_tells_how_each_websocket_ended() {
    let paths = json!({ "ws": tracked(), "echo": { "type": "websocket-testee" } });
    let mut gateway = Gateway::start(&with_access_log(web_paths(&paths)));
    let number = |line: &str, name: &str| -> u64 {
        let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name}: {line}"));
        rest.split(' ').next().unwrap().parse().unwrap()
    };

    let (mut client, welcome) = Client::joined(&gateway, &mut Jar::default());
    client.socket().send(&Frame::new(opcode::CLOSE, 4000_u16.to_be_bytes()));
    client.socket().connection().assert_ends();
    gateway.output().until("websocket ended", 1);
    let line = &ends(&gateway.output().text())[0];
    let public_id = welcome["x_wampgate_public_id"].as_str().unwrap();
    for part in [
        " transport=\"0\" peer=127.0.0.1:",
        " path=\"/ws\" ",
        &format!(" public_id=\"{public_id}\" "),
        " close=4000 how=\"closed by the client\" ",
    ] {
        assert!(line.contains(part), "no {part}: {line}");
    }
    assert!(number(line, "bytes_in") > 40 && number(line, "bytes_out") > 100, "{line}");

    let (mut socket, _) =
        Handshake::default().path("/echo").without("Sec-WebSocket-Protocol").opens(&gateway);
    socket.send(&Frame::text("0123456789"));
    socket.receive().unwrap();
    drop(socket);
    gateway.output().until("websocket ended", 2);
    let line = &ends(&gateway.output().text())[1];
    assert!(line.contains(" how=\"lost\" ") && !line.contains(" close="), "{line}");
    assert_eq!((number(line, "bytes_in"), number(line, "bytes_out")), (16, 12), "{line}");

    // What comes right behind the head counts as well.
    let mut connection = Connection::open(&gateway);
    let handshake = Handshake::default().path("/echo").without("Sec-WebSocket-Protocol");
    connection.send([handshake.bytes(), Frame::text("x").masked()].concat());
    assert_eq!(connection.head().status, 101);
    let mut socket = WebSocket::new(connection);
    assert_eq!(socket.receive().unwrap(), Frame::text("x"));
    assert!(gateway.terminate().success());
    let line = &ends(&gateway.output().text())[2];
    assert!(line.contains(" close=1001 how=\"the gateway shuts down\" "), "{line}");
    // The client has not answered the close frame.
    assert_eq!(number(line, "bytes_in"), 7, "{line}");
}

#[test]
fn without_an_access_log_no_websocket_has_a_line() {
    let mut gateway = Gateway::start(&web(&tracked()));
    let (client, _) = Client::joined(&gateway, &mut Jar::default());
    drop(client);
    assert!(gateway.terminate().success());
    assert_eq!(ends(&gateway.output().text()), Vec::<String>::new());
}

/// The source files at a place and below it.
fn sources(place: &Path, found: &mut Vec<PathBuf>) {
    if place.is_dir() {
        for entry in fs::read_dir(place).unwrap() {
            sources(&entry.unwrap().path(), found);
        }
    } else if place.extension().is_some_and(|extension| extension == "rs") {
        found.push(place.to_owned());
    }
}

#[test]
fn what_a_client_can_cause_as_often_as_it_likes_has_a_ration() {
    let mut found = Vec::new();
    for part in
        ["admission", "auth", "connection", "edge", "realm", "session", "tracking", "wire", "policy/gate"]
    {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part);
        sources(&place.with_extension("rs"), &mut found);
        if place.is_dir() {
            sources(&place, &mut found);
        }
    }
    let mut lines = 0;
    // A line there tells of a file that the operator has changed.
    found.retain(|file| !file.ends_with("auth/watch.rs"));
    for file in found {
        let source = fs::read_to_string(&file).unwrap();
        for line in ["warn!(", "error!("].into_iter().flat_map(|name| source.split(name).skip(1)) {
            lines += 1;
            let line = line.split(");").next().unwrap();
            assert!(line.contains("left_out"), "{} writes this without a ration: {line}", file.display());
        }
    }
    assert!(lines >= 9, "only {lines} were found");
}
