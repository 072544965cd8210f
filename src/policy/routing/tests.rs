//! What a policy may choose.

use super::*;
use crate::policy::JoinRequest;

const ID: &str = "AbCd+/efGHij_-0123";

fn check(name: &str) -> Result<String, PolicyError> {
    let cookie = CookieView {
        id: ID,
        public_id: "public",
        is_new: false,
        created: 0,
        last_seen: 0,
        max_age: 60,
        connections: 1,
        authentication: None,
    };
    let client = ClientView {
        authid: "joe",
        authrole: "frontend",
        authmethod: "ticket",
        authprovider: "static",
        realm: "realm1",
    };
    let request = RoutingRequest {
        connection: JoinRequest::EMPTY.connection,
        cookie: Some(cookie),
        certificate: None,
        client,
        upstreams: &["eu", "us"],
        now: 0,
    };
    RawChoice(name.to_owned()).check(&request)
}

#[test]
fn a_name_of_the_path_is_taken() {
    assert_eq!(check("eu"), Ok("eu".to_owned()));
    assert_eq!(check("us"), Ok("us".to_owned()));
}

#[test]
fn another_name_is_told_to_the_operator_and_a_tracking_id_is_not() {
    for wrong in ["", "EU", "eu ", "eu\0", "asia"] {
        let error = check(wrong).unwrap_err();
        assert_eq!(error.kind(), "contract");
        assert!(error.to_string().contains("none of the path's `upstreams`"), "{error}");
    }
    assert!(check("asia").unwrap_err().to_string().contains("\"asia\""));
    let long = check(&"x".repeat(10_000)).unwrap_err().to_string();
    assert!(long.len() < 1000, "{long}");
    let error = check(&format!("to-{ID}")).unwrap_err().to_string();
    assert!(!error.contains(ID) && error.contains("choose-upstream"), "{error}");
}
