use http::{HeaderValue, Request};

use super::*;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn request(traceparent: Option<&'static str>) -> Parts {
    let mut request = Request::new(());
    if let Some(text) = traceparent {
        request.headers_mut().insert("traceparent", HeaderValue::from_static(text));
    }
    request.into_parts().0
}

fn trace_of(span: &Span) -> String {
    span.parent().0.unwrap().trace_id().to_string()
}

/// One test, because a process has one tracer.
#[test]
fn a_trace_goes_on_where_a_trusted_proxy_began_it() {
    use opentelemetry::trace::TracerProvider as _;

    assert!(!are_on());
    let mut none = Span::of_request("handshake", &request(Some(TRACEPARENT)), true);
    none.tell("never", || -> &'static str { panic!("nothing is recorded yet") });
    assert!(none.0.is_none() && Place::of(none.parent()).enter("connection").0.is_none());

    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    record_with(provider.tracer("test")).unwrap();
    record_with(provider.tracer("second")).unwrap_err();
    assert!(are_on());

    let continued = Span::of_request("handshake", &request(Some(TRACEPARENT)), true);
    assert_eq!(trace_of(&continued), "4bf92f3577b34da6a3ce929d0e0e4736");
    let linked = Span::of_request("handshake", &request(Some(TRACEPARENT)), false);
    assert_ne!(trace_of(&linked), trace_of(&continued), "a client does not choose its trace");
    for nonsense in ["", "00-0-0-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        let begun = Span::of_request("handshake", &request(Some(nonsense)), true);
        assert!(begun.parent().0.unwrap().is_valid(), "{nonsense}");
    }

    let mut place = Place::of(continued.parent());
    let connection = place.enter("connection");
    let join = place.enter("join");
    assert_eq!(trace_of(&place.child("decision")), trace_of(&continued));
    let mut headers = HeaderMap::new();
    place.announce(&mut headers);
    let of_join = join.parent().0.unwrap().span_id().to_string();
    assert!(headers["traceparent"].to_str().unwrap().contains(&of_join), "{headers:?}");
    place.return_to(&connection);
    assert_eq!(place.0.unwrap().span_id(), connection.parent().0.unwrap().span_id());
}

#[test]
fn methods_that_nothing_defines_have_one_name() {
    assert_eq!(known(&Method::GET), "GET");
    assert_eq!(known(&Method::from_bytes(b"SECRET").unwrap()), "_OTHER");
}
