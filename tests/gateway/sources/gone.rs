//! What knows the principals, or decides what they may do, goes away while sessions are open.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use super::{COMPONENT, KEYS, PRINCIPALS, Scene, Source, auth, config};
use crate::support::{
    Client, Gateway, Jar, code,
    config::{With as _, anonymous_auth, untracked, web},
};

#[test]
fn a_file_that_is_gone_ends_no_session_and_the_gateway_goes_on_with_what_it_has_read() {
    let told = "goes on with what the file held before";
    for (source, file, told) in [
        (Source::File, PRINCIPALS, told),
        (Source::Token, KEYS, told),
        (Source::Component, COMPONENT, "the old policy goes on"),
    ] {
        let (scene, mut jar, mut joe) = Scene::with_joe(source);
        let path = scene.gateway.path().join(file);
        let content = fs::read(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions();
        fs::remove_file(&path).unwrap();
        scene.gateway.signal(Signal::HUP);
        scene.gateway.output().until(told, 1);
        joe.echoes();
        scene.is_joe(&mut jar);
        let (mut ann, _) = scene.logs_in(&mut Jar::default(), "ann").unwrap();
        // It is back, and nothing has happened.
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, mode).unwrap();
        let (said, status) = scene.gateway.reload(&config(&auth(source)));
        assert_eq!(status, 0, "{source:?}: {said}");
        joe.echoes();
        ann.echoes();
        scene.logs_in(&mut Jar::default(), "joe").unwrap();
    }
}

#[test]
fn a_procedure_that_is_gone_ends_no_session_and_forgets_no_login() {
    let (mut scene, mut jar, mut joe) = Scene::with_joe(Source::Procedure);
    scene.end();
    joe.echoes();
    let failed = "wamp.error.authentication_failed";
    assert_eq!(scene.logs_in(&mut Jar::default(), "ann").unwrap_err().reason, failed);
    assert_eq!(scene.comes_back(&mut jar).unwrap_err().reason, failed);
    scene.gateway.output().until("no session has registered it", 1);
    joe.echoes();
    // Another server takes its place.
    scene.serve();
    scene.is_joe(&mut jar);
    scene.logs_in(&mut Jar::default(), "ann").unwrap();
    joe.echoes();
}

#[test]
fn a_reload_that_takes_the_method_away_ends_its_sessions_and_no_others() {
    for source in Source::ALL {
        let (scene, mut jar, mut joe) = Scene::with_joe(source);
        let mut by_cookie = Client::open(&scene.gateway, &mut jar);
        by_cookie.join("realm1", json!({ "authmethods": ["cookie"] })).unwrap();
        let mut waiting = Client::open(&scene.gateway, &mut Jar::default());
        waiting.hello("realm1", json!({ "authmethods": ["ticket"], "authid": "joe" }));
        waiting.expect(code::CHALLENGE);
        let mut anonymous = Client::open(&scene.gateway, &mut Jar::default());
        anonymous.joins();

        let (said, status) = scene.gateway.reload(&config(&anonymous_auth().with("cookie", json!({}))));
        assert_eq!(status, 0, "{source:?}: {said}");
        joe.expect(code::GOODBYE);
        by_cookie.expect(code::GOODBYE);
        waiting.send(&json!([code::AUTHENTICATE, source.ticket("joe"), {}]));
        waiting.outcome().unwrap_err();
        scene.comes_back(&mut jar).unwrap_err();
        anonymous.leaves();
    }
}

/// A role about which a component decides.
#[test]
fn an_authorizer_whose_file_is_gone_goes_on_and_ends_no_session() {
    let file = "own-topics.wasm";
    let authorizer = json!({
        "component": file, "deadline": "5s",
        "config": { "own": "com.example.user.", "shared": ["com.example.public."], "readable": true },
    });
    let roles = json!([{ "name": "anonymous", "authorizer": authorizer }]);
    let config = web(&untracked())
        .with("version", json!(2))
        .with("realms", json!([{ "name": "realm1", "roles": roles }]));
    let content = include_bytes!("../../component/own-topics.wasm");
    let gateway = Gateway::prepare(&config).file(file, content).run();
    let mut client = Client::joined(&gateway, &mut Jar::default()).0;
    client.subscribe("com.example.public.one").unwrap();
    fs::remove_file(gateway.path().join(file)).unwrap();
    gateway.signal(Signal::HUP);
    gateway.output().until("the old policy goes on", 1);
    client.subscribe("com.example.public.two").unwrap();
    client.subscribe("com.example.secret").unwrap_err();
    let mut other = Client::joined(&gateway, &mut Jar::default()).0;
    other.subscribe("com.example.public.three").unwrap();
    other.subscribe("com.example.secret").unwrap_err();
}
