//! Cookie authentication with the default policy: the decision table of Crossbar's documentation row by row, and
//! attempts to become somebody else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    auth::{METHODS, every_method, joe},
    client::Refused,
    code,
    config::{
        TICKET, With as _, anonymous_auth, is_durable, stores, ticket_auth, tracked, tracked_in,
        tracked_in_file, untracked, web,
    },
};

/// `ticket` and `cookie`.
fn with_cookie() -> Value {
    ticket_auth().with("cookie", json!({}))
}

fn gateway(auth: Value) -> Gateway {
    Gateway::start(&web(&tracked().with("auth", auth)))
}

/// Joe logs in by his ticket; the jar of his browser.
#[track_caller]
fn logged_in(gateway: &Gateway) -> Jar {
    let mut jar = Jar::default();
    Client::open(gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    jar
}

/// Offers these methods with the jar's cookie.
#[track_caller]
fn offer(gateway: &Gateway, jar: &mut Jar, methods: &[&str]) -> Result<Value, Refused> {
    Client::open(gateway, jar).join("realm1", json!({ "authmethods": methods }))
}

#[track_caller]
fn assert_is_joe(welcome: &Value) {
    assert_eq!(welcome["authid"], "joe", "{welcome}");
    assert_eq!(welcome["authrole"], "frontend", "{welcome}");
    assert_eq!(welcome["authmethod"], "ticket", "the original method: {welcome}");
    assert_eq!(welcome["authprovider"], "cookie", "{welcome}");
}

/// Whether the gateway asks for the ticket, when cookie and ticket are offered.
#[track_caller]
fn is_challenged(gateway: &Gateway, jar: &mut Jar) -> bool {
    let mut client = Client::open(gateway, jar);
    client.hello("realm1", json!({ "authmethods": ["cookie", "ticket"], "authid": "joe" }));
    client.receive()[0] == code::CHALLENGE
}

// === The table ===

#[test]
fn the_table_of_first_visits() {
    let absent = Value::Null;
    let anonymous_and_cookie = anonymous_auth().with("cookie", json!({}));
    let (id, public, random) = ("cookie id", "public id", "random");
    let refused = "wamp.error.no_auth_method";
    for (auth, is_tracked, offered, expected) in [
        (&absent, false, &[][..], random),
        (&absent, false, &["anonymous"], random),
        (&absent, true, &[], id),
        (&absent, true, &["anonymous"], id),
        (&absent, true, &["cookie", "anonymous"], id),
        (&absent, true, &["cookie"], refused),
        (&absent, false, &["cookie"], refused),
        (&anonymous_auth(), true, &["anonymous"], id),
        (&anonymous_auth(), true, &[], id),
        (&anonymous_and_cookie, true, &[], public),
        (&anonymous_and_cookie, true, &["anonymous"], public),
        (&anonymous_and_cookie, true, &["cookie", "anonymous"], public),
        (&anonymous_and_cookie, true, &["cookie"], refused),
        (&ticket_auth(), true, &["cookie"], refused),
        (&ticket_auth(), true, &[], refused),
        (&with_cookie(), true, &["cookie"], refused),
        (&with_cookie(), true, &["anonymous"], refused),
        // A method that nobody knows is passed over like one that is not configured.
        (&with_cookie(), true, &["bogus"], refused),
    ] {
        let service = if is_tracked { tracked() } else { untracked() };
        let service = if auth.is_null() { service } else { service.with("auth", auth.clone()) };
        let gateway = Gateway::start(&web(&service));
        let mut jar = Jar::default();
        for visit in 0..2 {
            let row = format!("{auth} {is_tracked} {offered:?}, visit {visit}");
            match offer(&gateway, &mut jar, offered) {
                Ok(welcome) => {
                    let authid = welcome["authid"].as_str().unwrap();
                    let kind = if Some(authid) == jar.id.as_deref() {
                        id
                    } else if welcome["x_wampgate_public_id"] == authid {
                        public
                    } else {
                        random
                    };
                    assert_eq!(kind, expected, "{row}: {welcome}");
                    let said = ["authrole", "authmethod", "authprovider"].map(|key| &welcome[key]);
                    assert_eq!(said, ["anonymous", "anonymous", "static"], "{row}");
                }
                Err(refusal) => assert_eq!(refusal.reason, expected, "{row}"),
            }
        }
    }
}

#[test]
fn an_authenticated_cookie_joins_without_a_challenge() {
    let gateway = gateway(with_cookie());
    let mut jar = logged_in(&gateway);
    // Wherever `cookie` stands in the list, and however often.
    for offered in [&["cookie"][..], &["cookie", "ticket"], &["ticket", "cookie"], &["anonymous", "cookie"]] {
        assert_is_joe(&offer(&gateway, &mut jar, offered).unwrap());
    }
    // Who the client says it is counts for nothing.
    let claims = json!({ "authmethods": ["cookie"], "authid": "admin", "authrole": "admin" });
    assert_is_joe(&Client::open(&gateway, &mut jar).join("realm1", claims).unwrap());
}

#[test]
fn every_method_that_verifies_something_is_remembered_by_its_own_name() {
    let gateway = gateway(every_method().with("cookie", json!({})));
    for method in METHODS {
        let mut jar = Jar::default();
        Client::open(&gateway, &mut jar).join_by(&joe(method)).unwrap();
        let welcome = offer(&gateway, &mut jar, &["cookie", method]).unwrap();
        let said = ["authid", "authrole", "authmethod", "authprovider"].map(|key| &welcome[key]);
        assert_eq!(said, ["joe", "frontend", method, "cookie"]);
        // The proof belonged to that exchange.
        assert!(welcome["authextra"]["verifier"].is_null(), "{welcome}");
        assert!(welcome["authextra"]["scram_server_signature"].is_null(), "{welcome}");
    }
}

#[test]
fn without_cookie_authentication_a_login_is_not_remembered() {
    let gateway = gateway(ticket_auth());
    let mut jar = logged_in(&gateway);
    assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap_err().reason, "wamp.error.no_auth_method");
    assert!(is_challenged(&gateway, &mut jar));
}

#[test]
fn a_client_that_does_not_offer_cookie_authenticates_again() {
    let gateway = gateway(with_cookie());
    let mut jar = logged_in(&gateway);
    let welcome = Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    assert_eq!(welcome["authprovider"], "static");
    assert_is_joe(&offer(&gateway, &mut jar, &["cookie"]).unwrap());
}

#[test]
fn another_login_on_the_same_cookie_takes_its_place() {
    let mut auth = with_cookie();
    auth["ticket"]["principals"]["eve"] = json!({ "ticket": "tulip-ladder", "role": "frontend" });
    let mut log_in = |rotate: bool| {
        auth["cookie"]["rotate"] = rotate.into();
        let gateway = gateway(auth.clone());
        let mut jar = logged_in(&gateway);
        Client::open(&gateway, &mut jar).join_by_ticket("eve", "tulip-ladder").unwrap();
        (gateway, jar)
    };
    let (gateway, mut jar) = log_in(false);
    assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap()["authid"], "eve");
    // With rotation that cookie may be in other hands, so that it stands for nobody now: eve logs in once more.
    let (gateway, mut jar) = log_in(true);
    assert!(is_challenged(&gateway, &mut jar));
    Client::open(&gateway, &mut jar).join_by_ticket("eve", "tulip-ladder").unwrap();
    assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap()["authid"], "eve");
}

#[test]
fn a_session_after_the_login_knows_of_it_on_the_same_connection_and_on_others() {
    for rotate in [false, true] {
        let gateway = gateway(with_cookie().with("cookie", json!({ "rotate": rotate })));
        let mut jar = Jar::default();
        let mut first = Client::open(&gateway, &mut jar);
        let mut tab = Client::open(&gateway, &mut jar);
        first.join_by_ticket("joe", TICKET).unwrap();
        first.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        first.expect(code::GOODBYE);
        assert_is_joe(&first.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap());
        // A connection that is older than the login. With rotation it has another ID: it could be anybody's.
        let joined = tab.join("realm1", json!({ "authmethods": ["cookie"] }));
        if rotate {
            assert_eq!(joined.unwrap_err().reason, "wamp.error.no_auth_method");
        } else {
            assert_is_joe(&joined.unwrap());
        }
    }
}

#[test]
fn an_authentication_that_is_too_old_is_asked_for_again() {
    for options in [json!({ "max_age": 1 }), json!({ "idle_timeout": 1 })] {
        let gateway = gateway(ticket_auth().with("cookie", options));
        let mut jar = logged_in(&gateway);
        let deadline = Instant::now() + PATIENCE;
        while !is_challenged(&gateway, &mut jar) {
            assert!(Instant::now() < deadline, "the authentication never ends");
        }
        assert_eq!(offer(&gateway, &mut jar, &["cookie"]).unwrap_err().reason, "wamp.error.no_auth_method");
        Client::open(&gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    }
}

#[test]
fn a_client_that_is_connected_is_not_away() {
    let gateway = gateway(ticket_auth().with("cookie", json!({ "idle_timeout": 1 })));
    let mut jar = Jar::default();
    let mut connected = Client::open(&gateway, &mut jar);
    connected.join_by_ticket("joe", TICKET).unwrap();
    let deadline = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < deadline {
        connected.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        connected.expect(code::GOODBYE);
        assert_is_joe(&connected.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap());
        // Nor is its other tab.
        assert_is_joe(&offer(&gateway, &mut jar, &["cookie"]).unwrap());
    }
}

#[test]
fn an_anonymous_client_that_crossbar_remembered_is_just_anonymous() {
    let id = "dsI6D8i7pycVhma20uj5gvZG";
    // Records from the future count: this one does not grow old with the test.
    let line = format!(
        r#"{{"cbtid": "{id}", "status": "modified", "created": "2099-01-01T00:00:00.000Z", "modified": "2099-01-01T00:00:00.000Z", "deleted": null, "max_age": 864000, "authid": "JLSW-5YVK-7CG3-EAMN-KV7Y-XC4U", "authrole": "anonymous", "authmethod": "anonymous", "authrealm": "realm1", "authextra": {{}}}}"#
    );
    let auth = anonymous_auth().with("cookie", json!({}));
    let service = tracked_in_file().with("auth", auth);
    let gateway = Gateway::prepare(&web(&service)).file("cookies.dat", line + "\n").run();
    let mut jar = Jar { id: Some(id.to_owned()) };
    let welcome = offer(&gateway, &mut jar, &["cookie", "anonymous"]).unwrap();
    assert_eq!(jar.id.as_deref(), Some(id), "the record was not read");
    assert_eq!(welcome["authid"], welcome["x_wampgate_public_id"], "{welcome}");
    assert_eq!(welcome["authprovider"], "static", "{welcome}");
}

// === Attempts to become somebody else ===

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
    std::fs::write(gateway.path().join("config.json"), config.to_string()).unwrap();
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
    let gateway = gateway(with_cookie());
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
        assert!(!refused.body.contains("evil"), "{refused:?}");
    }
    for own in ["http://gateway.example", "https://gateway.example", "http://GATEWAY.example:80"] {
        from(own).opens(&gateway);
    }
    // A client that is no browser.
    Handshake::default().opens(&gateway);
}

#[test]
fn configured_origins_stand_in_place_of_the_own_one() {
    let options = json!({ "allowed_origins": ["https://app.example"] });
    let service = tracked().with("auth", with_cookie()).with("options", options);
    let gateway = Gateway::start(&web(&service));
    Handshake::default().header("Origin", "https://app.example").opens(&gateway);
    Handshake::default().header("Origin", "http://gateway.example").is_refused(&gateway, 403);
    Handshake::default().header("Origin", "null").is_refused(&gateway, 403);
    // Without cookie authentication everybody may come, as in Crossbar.
    let open = self::gateway(ticket_auth());
    for origin in ["https://evil.example", "null"] {
        Handshake::default().header("Origin", origin).opens(&open);
    }
}

// === Prefixes ===

#[test]
fn a_prefixed_cookie_is_handed_out_and_recognised_by_its_whole_name() {
    for (prefix, name) in [("host", "__Host-cbtid"), ("secure", "__Secure-cbtid")] {
        let service = tracked().with("cookie", json!({ "prefix": prefix, "secure": true }));
        let gateway = Gateway::start(&web(&service));
        let (_, response) = Handshake::default().opens(&gateway);
        let [cookie] = response.set_cookies()[..] else { panic!("{response:?}") };
        let id = cookie.strip_prefix(&format!("{name}=")).unwrap().split(';').next().unwrap();
        assert!(cookie.contains("; Secure") && cookie.contains("; Path=/;"), "{cookie}");
        assert!(!cookie.to_ascii_lowercase().contains("domain"), "{cookie}");

        let presenting = |line: String| Handshake::default().header("Cookie", &line).opens(&gateway).1;
        assert!(presenting(format!("{name}={id}")).set_cookies().is_empty(), "not recognised");
        // A name without the prefix is what a page of another host or without TLS could have set.
        for other in ["cbtid", "__host-cbtid", "__Host-", "x__Host-cbtid"] {
            assert!(!presenting(format!("{other}={id}")).set_cookies().is_empty(), "{other}");
        }
    }
}
