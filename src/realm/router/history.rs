//! Questions about the events of the past: `wamp.subscription.get_events` (section "Event History").

use serde_json::Value;

use super::{
    super::{
        broker::{Filter, MAX_RECALLED},
        deliveries::RequestError,
        member::{Actor, Members},
        meta::{Arguments, MetaProcedure, MetaResult, identifier},
        permissions::Action,
        turn::Kind,
    },
    Now, Router,
    checks::authorize,
    meta::no_such,
};
use crate::{
    time::Timestamp,
    wamp::{Payload, uri::error::INVALID_ARGUMENT},
};

impl Router {
    /// Answers with events of the past. The caller has the permission for the question; it also needs one to subscribe.
    pub(in crate::realm) fn recall(
        &mut self,
        actor: &Actor<'_>,
        payload: &Payload,
        members: &Members,
        now: Now,
    ) -> Result<MetaResult, RequestError> {
        let arguments = Arguments::read(MetaProcedure::GetEvents, payload)?;
        let id = arguments.id("a subscription's identifier")?;
        let filter = filter(&arguments)?;
        let pattern = self.broker.pattern(id).ok_or_else(|| no_such(Kind::Subscription, id))?;
        authorize(&self.rules.permissions, actor, Action::Subscribe, pattern.as_str(), false)?;
        let turn = &turn!(self, members, now);
        self.broker.recall(actor.session, id, &filter, turn).map(MetaResult::Events)
    }
}

/// What the arguments ask for.
///
/// Crossbar.io has the limit as a second positional argument, and gives the latest events first. Its clients get what they expect.
fn filter(arguments: &Arguments) -> Result<Filter, RequestError> {
    let keyword = |name| arguments.keyword(name).filter(|value| !value.is_null());
    let positional = arguments.argument(1).filter(|value| !value.is_null());
    let limit = match (positional, keyword("limit")) {
        (Some(_), Some(_)) => return Err(invalid("limit", "one number, by its place or by its name")),
        (Some(limit), None) | (None, Some(limit)) => {
            let limit = limit.as_u64().filter(|limit| *limit > 0);
            let limit = limit.ok_or_else(|| invalid("limit", "a whole number from 1"))?;
            usize::try_from(limit).unwrap_or(usize::MAX)
        }
        (None, None) => MAX_RECALLED,
    };
    let reverse = match keyword("reverse") {
        None => positional.is_some(),
        Some(reverse) => reverse.as_bool().ok_or_else(|| invalid("reverse", "a boolean"))?,
    };
    let text =
        |name, expected| read(keyword(name), name, expected, |value| value.as_str().map(str::to_owned));
    let time = |name| read(keyword(name), name, TIME, |value| Timestamp::from_rfc3339(value.as_str()?));
    let publication = |name| read(keyword(name), name, "a publication's identifier", identifier);
    Ok(Filter {
        reverse,
        limit,
        from_time: time("from_time")?,
        after_time: time("after_time")?,
        before_time: time("before_time")?,
        until_time: time("until_time")?,
        topic: text("topic", "a URI")?,
        publisher: read(keyword("publisher"), "publisher", "a session's identifier", identifier)?,
        publisher_authid: text("publisher_authid", "text")?,
        publisher_authrole: text("publisher_authrole", "text")?,
        from_publication: publication("from_publication")?,
        after_publication: publication("after_publication")?,
        before_publication: publication("before_publication")?,
        until_publication: publication("until_publication")?,
    })
}

const TIME: &str = "a time such as \"2026-11-22T10:14:33.139Z\" (RFC 3339)";

fn read<T>(
    value: Option<&Value>,
    name: &str,
    expected: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>, RequestError> {
    value.map(|value| parse(value).ok_or_else(|| invalid(name, expected))).transpose()
}

fn invalid(name: &str, expected: &str) -> RequestError {
    RequestError::new(INVALID_ARGUMENT, format!("this procedure takes the argument `{name}` as {expected}"))
}
