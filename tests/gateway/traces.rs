//! Traces, in a build with the feature `otel`: what a collector gets, and that none is needed.

mod collector;

use std::time::{Duration, Instant};

use serde_json::json;

use self::collector::{Collector, Span};
use crate::support::{
    Client, Gateway, Handshake, Jar, PATIENCE, Serializer,
    config::{TICKET, With as _, ticket_auth, tracked, web, web_paths},
    http::Connection,
};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn traceparent() -> String {
    format!("00-{TRACE}-{SPAN}-01")
}

/// A gateway that believes this machine, and sends its traces to this address.
fn traced(endpoint: &str) -> Gateway {
    let mut config = web(&tracked()
        .with("auth", ticket_auth().with("anonymous", json!({ "type": "static", "role": "anonymous" }))));
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1"] });
    Gateway::prepare(&config)
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .environment("OTEL_BSP_SCHEDULE_DELAY", "100")
}

#[track_caller]
fn one<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found.next().unwrap_or_else(|| panic!("no span {name}: {spans:?}"));
    assert_eq!(found.next(), None, "{spans:?}");
    first
}

#[test]
fn a_join_is_one_trace_that_goes_on_where_the_proxy_began_it() {
    let collector = Collector::start("200 OK");
    let mut gateway = traced(&collector.endpoint()).environment("OTEL_SERVICE_NAME", "gate").run();
    let mut jar = Jar::default();
    let handshake = Handshake::default().header("traceparent", &traceparent());
    let mut client = Client::open_by(&gateway, &mut jar, handshake, Serializer::Json, false);
    let welcome = client.join_by_ticket("joe", TICKET).unwrap();
    client.leaves();
    drop(client);
    // What has not been sent yet is sent at the end.
    assert!(gateway.terminate().success());

    let spans = collector.spans();
    assert_eq!(spans.len(), 5, "{spans:?}");
    assert!(spans.iter().all(|span| span.trace == TRACE), "{spans:?}");
    let handshake = one(&spans, "handshake");
    assert_eq!((&*handshake.parent, handshake.attribute("http.request.method")), (SPAN, Some("GET")));
    assert_eq!(handshake.attribute("http.response.status_code"), Some("101"));
    assert_eq!(handshake.attribute("url.path"), Some("/ws"));
    let connection = one(&spans, "connection");
    assert_eq!(connection.parent, handshake.id);
    let join = one(&spans, "join");
    assert_eq!(join.parent, connection.id);
    assert_eq!(join.attribute("wampgate.realm"), Some("realm1"));
    assert_eq!(join.attribute("wampgate.method"), Some("ticket"));
    assert_eq!(join.attribute("wampgate.role"), Some("frontend"));
    let (decision, challenge) = (one(&spans, "decision"), one(&spans, "challenge"));
    assert_eq!((&decision.parent, &challenge.parent), (&join.id, &join.id));
    assert_eq!(decision.attribute("wampgate.outcome"), Some("challenged"));

    // Neither who the client is nor what it has shown.
    let sent = collector.everything();
    assert!(sent.contains("service.name") && sent.contains("gate"), "{sent:?}");
    let public_id = welcome["x_wampgate_public_id"].as_str().unwrap();
    for private in [jar.id.as_deref().unwrap(), public_id, "joe", TICKET, "127.0.0.1"] {
        assert!(!sent.contains(private), "{private} was sent");
    }
}

#[test]
fn a_client_that_is_refused_has_the_reason_in_its_trace() {
    let collector = Collector::start("200 OK");
    let mut gateway = traced(&collector.endpoint()).run();
    let mut client = Client::open(&gateway, &mut Jar::default());
    client.join_by_ticket("joe", "wrong").unwrap_err();
    Handshake::default().replace("Origin", "https://evil.example").is_refused(&gateway, 403);
    assert!(gateway.terminate().success());
    let spans = collector.spans();
    assert_eq!(one(&spans, "join").attribute("error.type"), Some("credentials"));
    assert_eq!(one(&spans, "connection").attribute("error.type"), Some("credentials"));
    let refused = spans.iter().find(|span| span.attribute("http.response.status_code") == Some("403"));
    assert!(refused.unwrap().attribute("error.type").is_some(), "{spans:?}");
}

#[test]
fn a_client_that_is_no_proxy_does_not_choose_its_trace() {
    let collector = Collector::start("200 OK");
    let config = web(&tracked());
    let mut gateway = Gateway::prepare(&config)
        .environment("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/v1/traces", collector.endpoint()))
        .run();
    let handshake = Handshake::default().header("traceparent", &traceparent());
    drop(handshake.opens(&gateway));
    assert!(gateway.terminate().success());
    let spans = collector.spans();
    let handshake = one(&spans, "handshake");
    assert_ne!(handshake.trace, TRACE);
    assert_eq!((&*handshake.parent, &*handshake.links), ("", &[TRACE.to_owned()][..]));
}

#[test]
fn a_request_that_goes_on_takes_its_trace_along() {
    let (collector, server) = (Collector::start("200 OK"), Collector::start("200 OK"));
    let app = json!({ "type": "proxy", "upstream": { "addresses": [server.endpoint()] } });
    let mut config = web_paths(&json!({ "app": app, "page": { "type": "json", "value": {} } }));
    config["transports"][0]["options"] = json!({ "trusted_proxies": ["127.0.0.1"], "allowed_hosts": ["*"] });
    let mut gateway =
        Gateway::prepare(&config).environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()).run();
    for path in ["/app", "/page"] {
        let mut connection = Connection::open(&gateway);
        let traceparent = traceparent();
        connection
            .send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nTraceparent: {traceparent}\r\n\r\n"));
        assert_eq!(connection.response().status, 200, "{path}");
    }
    assert!(gateway.terminate().success());
    let spans = collector.spans();
    let request = one(&spans, "request");
    assert_eq!((&*request.trace, &*request.parent), (TRACE, SPAN));
    let told = format!("traceparent: 00-{TRACE}-{}-01\r\n", request.id);
    assert!(server.heads().contains(&told), "{told}: {}", server.heads());
}

#[test]
fn clients_notice_nothing_of_a_collector_that_is_not_there_and_the_operator_is_told_once() {
    let refuses = Collector::start("503 Service Unavailable");
    for (endpoint, why) in [
        ("http://127.0.0.1:1".to_owned(), "cannot be reached"),
        (refuses.endpoint(), "it answers 503"),
        ("localhost:4318".to_owned(), "records no traces"),
    ] {
        let mut gateway = traced(&endpoint).run();
        for _ in 0..3 {
            drop(Client::joined(&gateway, &mut Jar::default()));
            std::thread::sleep(Duration::from_millis(150));
        }
        gateway.output().until(why, 1);
        let began = Instant::now();
        assert!(gateway.terminate().success());
        assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
        let said = gateway.output().text();
        assert_eq!(said.matches("WARN").count(), 1, "{said}");
    }
}

#[test]
fn nothing_is_recorded_unless_a_variable_asks_for_it() {
    let gateway = Gateway::start(&web(&tracked()));
    drop(Client::joined(&gateway, &mut Jar::default()));
    assert!(!gateway.output().text().contains("traces"));
    for (name, value, complaint) in [
        ("OTEL_TRACES_EXPORTER", "zipkin", "write otlp or none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "only http/protobuf is built in"),
    ] {
        let gateway = traced("http://127.0.0.1:1").environment(name, value).run();
        gateway.output().until(complaint, 1);
        drop(Client::joined(&gateway, &mut Jar::default()));
    }
}
