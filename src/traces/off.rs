//! Spans in a build that records none.
#![allow(
    clippy::unused_self,
    clippy::needless_pass_by_ref_mut,
    reason = "the functions are those of `on.rs`"
)]

use std::marker::PhantomData;

use http::{HeaderMap, StatusCode, request::Parts};

/// Whether spans are recorded.
pub(crate) const fn are_on() -> bool {
    false
}

/// A span that is not recorded.
#[derive(Debug, Default)]
pub(crate) struct Span;

/// What a span would be part of.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Parent<'a>(PhantomData<&'a ()>);

/// What the spans of a visitor would be part of.
#[derive(Debug, Default)]
pub(crate) struct Place;

impl Span {
    pub(crate) const NONE: Self = Self;

    pub(crate) const fn of_request(_: &'static str, _: &Parts, _: bool) -> Self {
        Self
    }

    pub(crate) const fn parent(&self) -> Parent<'_> {
        Parent(PhantomData)
    }

    pub(crate) fn tell<V>(&mut self, _: &'static str, _: impl FnOnce() -> V) {}

    pub(crate) const fn refused(&mut self, _: &'static str) {}

    pub(crate) const fn failed(&mut self, _: &'static str) {}

    pub(crate) const fn answered(&mut self, _: StatusCode, _: &str, _: &str) {}
}

impl Place {
    pub(crate) const fn of(_: Parent<'_>) -> Self {
        Self
    }

    pub(crate) const fn child(&self, _: &'static str) -> Span {
        Span
    }

    pub(crate) const fn enter(&mut self, _: &'static str) -> Span {
        Span
    }

    pub(crate) const fn return_to(&mut self, _: &Span) {}

    pub(crate) const fn announce(&self, _: &mut HeaderMap) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_are_not_recorded_take_no_memory() {
        assert_eq!((size_of::<Span>(), size_of::<Parent<'_>>(), size_of::<Place>()), (0, 0, 0));
    }
}
