//! Attempts to become another client by its cookie, or to end another client's login: all refused.
//!
//! Planted and replayed cookies stand in `rotation`, logouts that last in `logout`, replayed answers to a challenge in `auth`,
//! the session meta API in `meta`, and credentials that get out in `secrets`.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use super::cookie_auth::{assert_is_joe, gateway, is_challenged, logged_in, offer, with_cookie};
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    auth::{every_method, joe},
    code,
    config::{
        TICKET, With as _, anonymous_auth, is_durable, stores, ticket_auth, tracked, tracked_in,
        tracked_in_file, untracked, web, web_paths,
    },
    http::Connection,
};

#[test]
fn a_failed_attempt_leaves_the_authentication_as_it_was_in_every_store() {
    for store in stores() {
        let auth = every_method().with("cookie", json!({}));
        let mut gateway = Gateway::start(&web(&tracked_in(&store).with("auth", auth)));
        let mut jar = logged_in(&gateway);
        let wrong = Client::open(&gateway, &mut jar).join_by_ticket("joe", "guess").unwrap_err();
        assert_eq!(wrong.reason, "wamp.error.not_authorized");
        Client::open(&gateway, &mut jar).join_by_ticket("eve", TICKET).unwrap_err();
        // Without any method, as an anonymous client, which is not configured here.
        offer(&gateway, &mut jar, &[]).unwrap_err();
        offer(&gateway, &mut jar, &["anonymous"]).unwrap_err();
        offer(&gateway, &mut jar, &["wampcra"]).unwrap_err();
        Client::open(&gateway, &mut jar).join("nope", json!({ "authmethods": ["cookie"] })).unwrap_err();
        // Challenged, and gone.
        Client::open(&gateway, &mut jar).challenged(&joe("ticket"));
        if is_durable(&store) {
            gateway.kill9();
            gateway.restart();
        }
        assert_is_joe(&offer(&gateway, &mut jar, &["cookie", "ticket"]).unwrap());
    }
}

#[test]
fn a_client_that_comes_as_anonymous_ends_nobodys_login() {
    let auth = with_cookie().with("anonymous", anonymous_auth()["anonymous"].clone());
    let gateway = gateway(auth);
    let mut jar = logged_in(&gateway);
    for offered in [&[][..], &["anonymous"], &["anonymous", "ticket"]] {
        let welcome = offer(&gateway, &mut jar, offered).unwrap();
        assert_eq!(
            (&welcome["authmethod"], &welcome["authrole"]),
            (&json!("anonymous"), &json!("anonymous"))
        );
        assert_eq!(welcome["authid"], welcome["x_wampgate_public_id"]);
    }
    assert_is_joe(&offer(&gateway, &mut jar, &["cookie"]).unwrap());
}

#[test]
fn a_cookie_is_not_moved_to_another_realm() {
    let roles = json!([{ "name": "frontend", "permissions": [] }]);
    let config = web(&tracked().with("auth", with_cookie()))
        .with("realms", json!([{ "name": "realm1", "roles": roles }, { "name": "realm2", "roles": roles }]));
    let gateway = Gateway::start(&config);
    let mut jar = logged_in(&gateway);
    let elsewhere = Client::open(&gateway, &mut jar)
        .join("realm2", json!({ "authmethods": ["cookie", "ticket"], "authid": "joe" }));
    assert_eq!(elsewhere.unwrap_err().reason, "wamp.error.not_authorized");
    assert_is_joe(&offer(&gateway, &mut jar, &["cookie"]).unwrap());
}

/// Starts again with another configuration.
#[track_caller]
fn reconfigure(gateway: &mut Gateway, config: &Value) {
    gateway.kill9();
    gateway.configure(config);
    gateway.restart();
}

#[test]
fn a_removed_principal_is_denied_and_forgotten() {
    for store in stores().iter().filter(|store| is_durable(store)) {
        let service = |auth: Value| web(&tracked_in(store).with("auth", auth));
        let mut gateway = Gateway::start(&service(with_cookie()));
        let mut jar = logged_in(&gateway);
        // It survives a restart as long as the configuration still has him.
        reconfigure(&mut gateway, &service(with_cookie()));
        assert_is_joe(&offer(&gateway, &mut jar, &["cookie", "ticket"]).unwrap());

        let mut without_joe = with_cookie();
        without_joe["ticket"]["principals"] =
            json!({ "eve": { "ticket": "tulip-ladder", "role": "frontend" } });
        reconfigure(&mut gateway, &service(without_joe));
        let refused = offer(&gateway, &mut jar, &["cookie", "ticket"]).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.not_authorized");
        // Dropped: nothing is left to stand on, neither now nor when he is back.
        assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap_err().reason, "wamp.error.no_auth_method");
        reconfigure(&mut gateway, &service(with_cookie()));
        assert!(is_challenged(&gateway, &mut jar));
    }
}

#[test]
fn a_principal_whose_role_is_gone_from_the_realm_is_denied_and_forgotten() {
    let config = |roles: &[&str]| {
        let roles: Vec<_> = roles.iter().map(|name| json!({ "name": name, "permissions": [] })).collect();
        // Another realm keeps the role, or it could not be configured at all.
        let other = json!({ "name": "realm2", "roles": [{ "name": "frontend", "permissions": [] }] });
        web(&tracked_in_file().with("auth", with_cookie()))
            .with("realms", json!([{ "name": "realm1", "roles": roles }, other]))
    };
    let mut gateway = Gateway::start(&config(&["frontend"]));
    let mut jar = logged_in(&gateway);
    reconfigure(&mut gateway, &config(&["backend"]));
    let refused = offer(&gateway, &mut jar, &["cookie", "ticket"]).unwrap_err();
    assert_eq!(refused.reason, "wamp.error.no_such_role");
    reconfigure(&mut gateway, &config(&["frontend"]));
    assert!(is_challenged(&gateway, &mut jar));
}

#[test]
fn wrong_guesses_of_new_clients_leave_no_record_in_any_store() {
    for store in stores() {
        let auth = with_cookie().with("max_failures", json!(2));
        let gateway = Gateway::start(&web(&tracked_in(&store).with("auth", auth)));
        let mut joe = logged_in(&gateway);
        let records = || gateway.command_said("cookies", &["ls", "--json"]).lines().count();
        let mut jars: Vec<Jar> = (0..5).map(|_| Jar::default()).collect();
        for jar in &mut jars {
            let mut client = Client::open(&gateway, jar);
            client.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
            // Later ones are refused before they are asked.
            let mut answer = client.receive();
            if answer[0] == code::CHALLENGE {
                client.send(&json!([code::AUTHENTICATE, "guess", {}]));
                answer = client.receive();
            }
            assert_eq!(answer[0], code::ABORT, "{answer}");
        }
        let begun = Instant::now();
        while records() > 1 {
            assert!(begun.elapsed() < PATIENCE, "{} records, {store}", records());
        }
        for jar in &mut jars {
            let gone = jar.id.clone();
            drop(Client::open(&gateway, jar));
            assert_ne!(jar.id, gone, "a cookie that stands for nothing");
        }
        let refused = offer(&gateway, &mut Jar::default(), &["cookie"]).unwrap_err();
        assert_eq!(refused.reason, "wamp.error.no_auth_method", "a new client, which may log in next");
        assert_eq!(records(), 1 + jars.len() + 1, "records of clients that have guessed nothing stay");
        assert_is_joe(&offer(&gateway, &mut joe, &["cookie"]).unwrap());
    }
}

#[test]
fn a_principal_has_the_role_that_the_configuration_gives_it_now() {
    let service = |auth: Value| web(&tracked_in_file().with("auth", auth));
    let mut gateway = Gateway::start(&service(with_cookie()));
    let mut jar = logged_in(&gateway);
    let mut demoted = with_cookie();
    demoted["ticket"]["principals"]["joe"]["role"] = "guest".into();
    reconfigure(&mut gateway, &service(demoted));
    assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap()["authrole"], "guest");
}

#[test]
fn a_page_of_a_foreign_origin_cannot_use_a_visitors_cookie() {
    let service = tracked()
        .with("auth", with_cookie())
        .with("options", json!({ "allowed_hosts": ["gateway.example"] }));
    let gateway = Gateway::start(&web(&service));
    let jar = logged_in(&gateway);
    let from =
        |origin: &str| Handshake::default().cookie(jar.id.as_deref().unwrap()).header("Origin", origin);
    for foreign in [
        "https://evil.example",
        "http://gateway.example.evil.example",
        "http://evil.example:80",
        "http://gateway.example:8080",
        "http://evil-gateway.example",
        "http://sub.gateway.example",
        "null",
        "file://",
        "",
        "gateway.example",
    ] {
        let refused = from(foreign).is_refused(&gateway, 403);
        assert!(refused.body.contains("may not connect"), "{refused:?}");
    }
    for own in ["http://gateway.example", "https://gateway.example", "http://GATEWAY.example:80"] {
        from(own).opens(&gateway);
    }
    // A client that is no browser.
    Handshake::default().opens(&gateway);
    Handshake::default().replace("Host", "evil.example").is_refused(&gateway, 403);
}

#[test]
fn a_name_that_was_rebound_to_loopback_makes_no_page_the_gateways_own() {
    for service in [tracked(), tracked().with("auth", with_cookie()), untracked()] {
        let gateway = Gateway::start(&web(&service));
        let port = gateway.address().port();
        let page = |host: &str| {
            Handshake::default().replace("Host", host).header("Origin", &format!("http://{host}"))
        };
        for own in ["localhost", "127.0.0.1", "[::1]", "app.localhost"] {
            page(&format!("{own}:{port}")).opens(&gateway);
        }
        for rebound in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
            let host = format!("{rebound}:{port}");
            let refused = page(&host).is_refused(&gateway, 403);
            let told = format!("its Host is '{host}'");
            assert!(refused.body.contains("allowed_hosts") && refused.body.contains(&told), "{refused:?}");
        }
    }
}

#[test]
fn a_name_that_was_rebound_to_loopback_reads_nothing() {
    let paths = json!({
        "/": { "type": "page" },
        "ws": untracked(),
        "info": { "type": "json", "value": { "secret": 1 } },
        "files": { "type": "static", "directory": "web" },
        "old": { "type": "redirect", "url": "/info" },
        "metrics": { "type": "metrics" },
        "health": { "type": "health" },
    });
    let prepare = |config: &Value| {
        let gateway = Gateway::prepare(config);
        fs::create_dir(gateway.path().join("web")).unwrap();
        gateway.file("web/page.html", "page").run()
    };
    let gateway = prepare(&web_paths(&paths));
    let ask = |gateway: &Gateway, host: &str, path: &str| {
        let mut connection = Connection::open(gateway);
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        connection.response()
    };
    for path in ["/", "/info", "/files/page.html", "/old", "/metrics"] {
        for own in ["localhost", "127.0.0.1:8080", "[::1]", "app.localhost"] {
            let response = ask(&gateway, own, path);
            assert!(response.status < 400, "{own} {path}: {response:?}");
        }
        let refused = ask(&gateway, "evil.example:8080", path);
        assert_eq!(refused.status, 403, "{path}: {refused:?}");
        assert!(refused.body.contains("`allowed_hosts`"), "{refused:?}");
        assert!(refused.body.contains("its Host is 'evil.example:8080'"), "{refused:?}");
    }
    gateway.output().until("a request was refused: this Host may not be used", 1);
    // Probes name what they like.
    assert_eq!(ask(&gateway, "evil.example", "/health").status, 200);

    // The names that the operator gives hold for all that is served.
    let mut config = web_paths(&paths);
    config["transports"][0]["options"] = json!({ "allowed_hosts": ["app.example"] });
    let gateway = prepare(&config);
    for (host, is_own) in [("app.example", true), ("localhost", false), ("evil.example", false)] {
        let response = ask(&gateway, host, "/info");
        assert_eq!(response.status, if is_own { 200 } else { 403 }, "{response:?}");
        let page = Handshake::default().replace("Host", host).header("Origin", &format!("http://{host}"));
        assert_eq!(page.send(&gateway).1.status, if is_own { 101 } else { 403 }, "{host}");
    }
}

#[test]
fn no_web_page_of_another_origin_may_use_the_built_in_configuration() {
    let mut config: Value = serde_json::from_str(include_str!("../../examples/default.json")).unwrap();
    config["transports"][0]["endpoint"]["port"] = 0.into();
    let gateway = Gateway::start(&config);
    let host = format!("localhost:{}", gateway.address().port());
    let page = |origin: &str| Handshake::default().replace("Host", &host).header("Origin", origin);
    for foreign in ["https://evil.example", "null", "file://", "http://localhost:3000"] {
        page(foreign).is_refused(&gateway, 403);
    }
    page(&format!("http://{host}")).opens(&gateway);
}

#[test]
fn configured_origins_stand_in_place_of_the_own_one() {
    let options = json!({ "allowed_origins": ["https://app.example"] });
    let service = tracked().with("auth", with_cookie()).with("options", options);
    let gateway = Gateway::start(&web(&service));
    Handshake::default().header("Origin", "https://app.example").opens(&gateway);
    Handshake::default().header("Origin", "http://gateway.example").is_refused(&gateway, 403);
    Handshake::default().header("Origin", "null").is_refused(&gateway, 403);
    // Every page may come only where that is written, as in Crossbar.
    let options = json!({ "allowed_origins": ["*"] });
    let open = Gateway::start(&web(&tracked().with("auth", ticket_auth()).with("options", options)));
    for origin in ["https://evil.example", "null"] {
        Handshake::default().header("Origin", origin).opens(&open);
    }
}
