//! Requests as JSON and as views.

use serde_json::json;

use super::{Client, Cookie, Request};
use crate::policy::upstream_names::MAX_UPSTREAMS;

fn parse(value: serde_json::Value) -> Result<Request, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn what_is_left_out_is_ordinary_and_null_is_nothing() {
    assert_eq!(parse(json!({})), Ok(Request::new()));
    assert_eq!(parse(json!({ "hello": null, "cookie": null })), Ok(Request::new().without_hello()));
    assert_eq!(parse(json!({ "cookie": {} })), Ok(Request::new().cookie(Cookie::default())));
    assert_eq!(parse(json!({ "cookie": { "public-id": "p" } })), Ok(Request::new().returning("p")));
    let ticket = parse(json!({ "hello": { "authmethods": ["ticket"] }, "methods": ["ticket"] }));
    assert_eq!(ticket, Ok(Request::new().offers(["ticket"]).methods(["ticket"])));
}

#[test]
fn headers_are_an_object_or_pairs() {
    let expected = Ok(Request::new().header("User-Agent", "x"));
    assert_eq!(parse(json!({ "connection": { "headers": { "user-agent": "x" } } })), expected);
    assert_eq!(parse(json!({ "connection": { "headers": [["user-agent", "x"]] } })), expected);
    for wrong in [json!("x"), json!([["a"]]), json!({ "a": 1 }), json!([["a", "b", "c"]])] {
        let fault = parse(json!({ "connection": { "headers": wrong } })).unwrap_err();
        assert!(fault.contains("headers: use"), "{fault}");
    }
}

#[test]
fn a_misspelt_key_is_refused() {
    for wrong in
        [json!({ "cooky": {} }), json!({ "cookie": { "new": true } }), json!({ "hello": { "role": "" } })]
    {
        assert!(parse(wrong).unwrap_err().contains("unknown field"));
    }
}

#[test]
fn a_request_survives_being_asked_and_written() {
    let request = Request::new().logged_in(super::Login::default()).header("a", "b").authid("me");
    assert_eq!(request.with(|view| Request::from(view)), request);
    assert_eq!(parse(serde_json::to_value(&request).unwrap()), Ok(request));
}

#[test]
fn a_choice_is_one_that_a_gateway_would_ask_for() {
    let fault = |request: &Request| request.fault().unwrap();
    let choice = |names: &[&str]| Request::new().upstreams(names.iter().copied());
    assert_eq!((Request::new().fault(), choice(&["eu", "us"]).fault()), (None, None));
    assert!(fault(&choice(&["eu", "e u"])).contains("`upstreams`: \"e u\" is no name of an upstream"));
    assert!(fault(&choice(&["eu", "us", "eu"])).contains("\"eu\" stands there more than once"));
    let many = (0..=MAX_UPSTREAMS).map(|number| format!("u{number}"));
    assert!(fault(&Request::new().upstreams(many)).contains("65 upstreams are too many, use at most 64"));
    assert!(fault(&choice(&["eu"]).methods(["ticket"])).contains("leave `hello`, `methods` and `roles` out"));
    assert!(fault(&Request::new().client(Client::default())).contains("name these as well"));
    // A list that is written down and empty is no question about a HELLO either.
    for wrong in [json!({ "upstreams": [] }), json!({ "upstreams": [], "client": {} })] {
        let fault = parse(wrong).unwrap_err();
        assert!(fault.contains("`upstreams`: the list is empty"), "{fault}");
    }
}

#[test]
fn a_choice_that_is_written_says_nothing_of_a_hello() {
    let choice = Request::new().returning("p").upstreams(["eu"]).client(Client::default());
    let written = choice.with_routing(|view| Request::from(view)).to_json();
    for part in ["hello", "methods", "roles"] {
        assert!(written.get(part).is_none(), "{written}");
    }
    assert_eq!(parse(written), Ok(choice));
}
