//! Spans in a build that records them.

use std::sync::OnceLock;

use http::{HeaderMap, Method, StatusCode, request::Parts};
use opentelemetry::{
    Context, KeyValue, Value,
    propagation::TextMapPropagator as _,
    trace::{Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span as Recorded},
};

use crate::shown;

/// Semantic conventions: why an operation did not succeed.
const ERROR_TYPE: &str = "error.type";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Records the spans of all gateways of this process by this tracer. The first tracer counts; a later one comes back as the error.
pub fn record_with(tracer: SdkTracer) -> Result<(), SdkTracer> {
    TRACER.set(tracer)
}

/// Whether spans are recorded.
pub(crate) fn are_on() -> bool {
    TRACER.get().is_some()
}

/// A span, which ends when this is dropped; none while there is no tracer.
#[derive(Debug, Default)]
pub(crate) struct Span(Option<Box<Recorded>>);

/// What a span is part of; none while there is no tracer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parent<'a>(Option<&'a SpanContext>);

/// What the spans of a visitor are part of: its request, then its connection, and its join while there is one.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<Box<SpanContext>>);

fn begin(builder: SpanBuilder, parent: Option<&SpanContext>) -> Span {
    let Some(tracer) = TRACER.get() else { return Span::NONE };
    let parent =
        parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent.clone()));
    Span(Some(Box::new(tracer.build_with_context(builder, &parent))))
}

impl Span {
    /// No span.
    pub(crate) const NONE: Self = Self(None);

    /// The span of a request. It continues the trace of a proxy that is trusted. What another client says of a trace would let it
    /// choose which traces are kept, so that it gets a trace of its own, with a link to the one that the client names.
    pub(crate) fn of_request(name: &'static str, request: &Parts, is_trusted: bool) -> Self {
        let method = known(&request.method);
        let mut builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("http.request.method", method)]);
        let named = TraceContextPropagator::new()
            .extract_with_context(&Context::new(), &HeaderExtractor(&request.headers));
        let named = named.span().span_context().clone();
        if !named.is_valid() {
            return begin(builder, None);
        }
        if is_trusted {
            return begin(builder, Some(&named));
        }
        builder = builder.with_links(vec![Link::with_context(named)]);
        begin(builder, None)
    }

    /// What the spans within this one are part of.
    pub(crate) fn parent(&self) -> Parent<'_> {
        Parent(self.0.as_ref().map(|span| span.span_context()))
    }

    /// Adds an attribute.
    pub(crate) fn tell<V: Into<Value>>(&mut self, key: &'static str, value: impl FnOnce() -> V) {
        if let Some(span) = self.0.as_mut().filter(|span| span.is_recording()) {
            span.set_attribute(KeyValue::new(key, value()));
        }
    }

    /// It came to nothing, by the client's doing: that is no fault of the gateway.
    pub(crate) fn refused(&mut self, reason: &'static str) {
        self.tell(ERROR_TYPE, || reason);
    }

    /// It came to nothing, by a fault of the gateway, its policy or its store.
    pub(crate) fn failed(&mut self, reason: &'static str) {
        self.tell(ERROR_TYPE, || reason);
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(reason));
        }
    }

    /// The answer to a request. Of a path that was refused it tells only what cannot be a credential.
    pub(crate) fn answered(&mut self, status: StatusCode, transport: &str, path: &str) {
        self.tell("http.response.status_code", || i64::from(status.as_u16()));
        self.tell("wampgate.transport", || transport.to_owned());
        self.tell("url.path", || shown::path(path).into_owned());
        if status.is_server_error()
            && let Some(span) = &mut self.0
        {
            span.set_status(Status::error(status.as_str().to_owned()));
        }
    }
}

impl Place {
    /// A visitor that has come with a request.
    pub(crate) fn of(Parent(parent): Parent<'_>) -> Self {
        Self(parent.cloned().map(Box::new))
    }

    /// A span within.
    pub(crate) fn child(&self, name: &'static str) -> Span {
        self.0.as_ref().map_or(Span::NONE, |parent| begin(SpanBuilder::from_name(name), Some(parent)))
    }

    /// A span within, which the next ones are part of. A connection that no request has made begins a trace.
    pub(crate) fn enter(&mut self, name: &'static str) -> Span {
        let span = begin(SpanBuilder::from_name(name), self.0.as_deref());
        self.return_to(&span);
        span
    }

    /// The next spans are part of this one.
    pub(crate) fn return_to(&mut self, span: &Span) {
        *self = Self::of(span.parent());
    }

    /// Tells the next server what its spans are part of.
    pub(crate) fn announce(&self, headers: &mut HeaderMap) {
        if let Some(context) = &self.0 {
            let context = Context::new().with_remote_span_context(SpanContext::clone(context));
            TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
        }
    }
}

/// A method by the names that the semantic conventions know, so that no client invents attributes.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests;
