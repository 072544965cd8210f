//! Cookie authentication with the default policy: the decision table of Crossbar's documentation row by row,
//! and how long a login is remembered.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE,
    auth::{METHODS, every_method, joe},
    client::Refused,
    code,
    config::{TICKET, With as _, anonymous_auth, ticket_auth, tracked, tracked_in_file, untracked, web},
};

/// `ticket` and `cookie`.
pub(super) fn with_cookie() -> Value {
    ticket_auth().with("cookie", json!({}))
}

pub(super) fn gateway(auth: Value) -> Gateway {
    Gateway::start(&web(&tracked().with("auth", auth)))
}

/// Joe logs in by his ticket; the jar of his browser.
#[track_caller]
pub(super) fn logged_in(gateway: &Gateway) -> Jar {
    let mut jar = Jar::default();
    Client::open(gateway, &mut jar).join_by_ticket("joe", TICKET).unwrap();
    jar
}

/// Offers these methods with the jar's cookie.
#[track_caller]
pub(super) fn offer(gateway: &Gateway, jar: &mut Jar, methods: &[&str]) -> Result<Value, Refused> {
    Client::open(gateway, jar).join("realm1", json!({ "authmethods": methods }))
}

#[track_caller]
pub(super) fn assert_is_joe(welcome: &Value) {
    assert_eq!(welcome["authid"], "joe", "{welcome}");
    assert_eq!(welcome["authrole"], "frontend", "{welcome}");
    assert_eq!(welcome["authmethod"], "ticket", "the original method: {welcome}");
    assert_eq!(welcome["authprovider"], "cookie", "{welcome}");
}

/// Whether the gateway asks for the ticket, when cookie and ticket are offered.
#[track_caller]
pub(super) fn is_challenged(gateway: &Gateway, jar: &mut Jar) -> bool {
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
        // A method that does not exist is passed over like one that is not configured.
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
    // With rotation that cookie may be in other hands, so that it stands for no client now: eve logs in once more.
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
        // A connection that is older than the login. With rotation it has another ID: it could be any client's.
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
    let auth = ticket_auth().with("cookie", json!({ "idle_timeout": 1 }));
    let often = json!({ "max_joins_per_second": 0 });
    let gateway = Gateway::start(&web(&tracked().with("auth", auth).with("options", often)));
    let mut jar = Jar::default();
    let mut connected = Client::open(&gateway, &mut jar);
    connected.join_by_ticket("joe", TICKET).unwrap();
    let mut takes_its_time = Client::open(&gateway, &mut jar);
    let deadline = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < deadline {
        connected.send(&json!([code::GOODBYE, {}, "wamp.close.normal"]));
        connected.expect(code::GOODBYE);
        assert_is_joe(&connected.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap());
        // Nor is its other tab.
        assert_is_joe(&offer(&gateway, &mut jar, &["cookie"]).unwrap());
    }
    // Nor is one that has not said HELLO for so long.
    assert_is_joe(&takes_its_time.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap());
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
