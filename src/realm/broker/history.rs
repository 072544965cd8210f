//! Event history: the latest events of the topics that the operator names, for clients that ask for them (section "Event
//! History").
//!
//! - *What is recorded*: publications of clients. Those for certain sessions are not, as the specification asks: a session that asks
//!   later has another identifier. Lists of authids and roles count when the history is read.
//! - *Bound*: so many events and so many bytes for each pattern, and a time if the operator says so. Beyond them, and without room in the
//!   memory that all clients share, the oldest are forgotten. It is gone with the process.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{Audience, Publication};
use crate::{
    memory::Charge,
    realm::options::HistoryOptions,
    time::Timestamp,
    wamp::{
        Payload, Serializer, Uri,
        message::{Disclosed, Passthru},
        pattern::{Pattern, PatternMap},
    },
};

/// How many bytes the events of one pattern take.
const MAX_LOG_BYTES: usize = 16 * 1024 * 1024;

/// How many events one answer has: its client asks again for the others.
pub(in crate::realm) const MAX_RECALLED: usize = 1_000;

/// How many bytes the events of one answer take, so that it fits among what may wait for a client. A larger event comes alone.
const MAX_RECALLED_BYTES: usize = 256 * 1024;

/// The histories of a realm.
#[derive(Debug, Default)]
pub(super) struct Histories {
    /// Where the log of each pattern is.
    places: PatternMap<usize>,
    logs: Vec<Log>,
}

/// The latest events of a pattern, in the order in which they were published.
#[derive(Debug)]
struct Log {
    limit: usize,
    max_age: Option<Duration>,
    events: VecDeque<Arc<Recorded>>,
    charge: Charge,
}

/// An event that was published.
#[derive(Debug, PartialEq)]
pub(in crate::realm) struct Recorded {
    at: Timestamp,
    publication: u64,
    pub(super) topic: Uri,
    publisher: Option<Disclosed>,
    pub(super) audience: Audience,
    passthru: Option<Box<Passthru>>,
    payload: Payload,
}

/// Which events a client asks for. All conditions have to be met.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields carry the specification's own names")]
pub(in crate::realm) struct Filter {
    /// The latest first.
    pub(in crate::realm) reverse: bool,
    pub(in crate::realm) limit: usize,
    pub(in crate::realm) from_time: Option<Timestamp>,
    pub(in crate::realm) after_time: Option<Timestamp>,
    pub(in crate::realm) before_time: Option<Timestamp>,
    pub(in crate::realm) until_time: Option<Timestamp>,
    pub(in crate::realm) topic: Option<String>,
    pub(in crate::realm) publisher: Option<u64>,
    pub(in crate::realm) publisher_authid: Option<String>,
    pub(in crate::realm) publisher_authrole: Option<String>,
    pub(in crate::realm) from_publication: Option<u64>,
    pub(in crate::realm) after_publication: Option<u64>,
    pub(in crate::realm) before_publication: Option<u64>,
    pub(in crate::realm) until_publication: Option<u64>,
}

/// What a client gets of a history.
#[derive(Debug, PartialEq)]
pub(in crate::realm) struct Recalled {
    subscription: u64,
    events: Vec<Arc<Recorded>>,
    bytes: usize,
    /// Whether there are more that the client asked for, beyond the limit.
    has_more: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nothing is recorded of these topics.
    NoHistory,
    /// A publication that the client names is not in the history, or no longer.
    NoSuchPublication(u64),
}

// === impl Histories ===

impl Histories {
    /// Records the events of one pattern more.
    pub(super) fn add(&mut self, options: &HistoryOptions) {
        let place = self.logs.len();
        let HistoryOptions { pattern, limit, max_age } = options;
        self.places.get_or_insert_with(pattern, || place);
        let (limit, max_age) = (*limit, *max_age);
        self.logs.push(Log { limit, max_age, events: VecDeque::new(), charge: Charge::default() });
    }

    /// Records an event in all histories of its topic.
    pub(super) fn record(&mut self, publication: &Publication<'_>, now: Timestamp) {
        if self.logs.is_empty() || publication.audience.names_sessions() {
            return;
        }
        let mut places: Vec<usize> = self.places.exact(publication.topic).copied().into_iter().collect();
        self.places.each_pattern(publication.topic.as_str(), |place| places.push(*place));
        if places.is_empty() {
            return;
        }
        let event = Arc::new(Recorded {
            at: now,
            publication: publication.id,
            topic: publication.topic.clone(),
            publisher: publication.publisher.map(|publisher| publisher.disclosed()),
            audience: publication.audience.for_all_sessions(),
            passthru: publication.passthru.clone(),
            payload: publication.payload.detached(),
        });
        for place in places {
            if let Some(log) = self.logs.get_mut(place) {
                log.record(Arc::clone(&event));
            }
        }
    }

    /// The events of a pattern that a client asks for and may see.
    pub(super) fn recall(
        &self,
        pattern: &Pattern,
        subscription: u64,
        filter: &Filter,
        now: Timestamp,
        sees: impl Fn(&Recorded) -> bool,
    ) -> Result<Recalled, Unanswered> {
        let log = self.places.get(pattern).and_then(|place| self.logs.get(*place));
        let log = log.ok_or(Unanswered::NoHistory)?;
        let mut recalled = Recalled { subscription, events: Vec::new(), bytes: 0, has_more: false };
        let limit = filter.limit.min(MAX_RECALLED);
        for event in log.range(filter)? {
            if log.is_late(event, now) || !filter.fits(event) || !sees(event) {
                continue;
            }
            let bytes = recalled.bytes + event.size();
            if recalled.events.len() >= limit || !recalled.events.is_empty() && bytes > MAX_RECALLED_BYTES {
                recalled.has_more = true;
                break;
            }
            recalled.events.push(Arc::clone(event));
            recalled.bytes = bytes;
        }
        Ok(recalled)
    }
}

// === impl Log ===

impl Log {
    fn record(&mut self, event: Arc<Recorded>) {
        let size = event.size();
        while self.events.front().is_some_and(|oldest| self.is_late(oldest, event.at)) {
            self.forget();
        }
        while self.events.len() >= self.limit || self.charge.bytes().saturating_add(size) > MAX_LOG_BYTES {
            if !self.forget() {
                return;
            }
        }
        while !self.charge.grow(size) {
            if !self.forget() {
                return;
            }
        }
        self.events.push_back(event);
    }

    /// Forgets the oldest event, if there is one.
    fn forget(&mut self) -> bool {
        let oldest = self.events.pop_front();
        self.charge.shrink(oldest.as_deref().map_or(0, Recorded::size));
        oldest.is_some()
    }

    /// Whether the time of an event is over.
    fn is_late(&self, event: &Recorded, now: Timestamp) -> bool {
        self.max_age.is_some_and(|max_age| {
            u128::from(now.as_millis().saturating_sub(event.at.as_millis())) >= max_age.as_millis()
        })
    }

    /// The events between the publications that a filter names, in its order.
    fn range(&self, filter: &Filter) -> Result<Box<dyn Iterator<Item = &Arc<Recorded>> + '_>, Unanswered> {
        let place = |publication: Option<u64>| {
            let Some(id) = publication else { return Ok(None) };
            let place = self.events.iter().position(|event| event.publication == id);
            place.map(Some).ok_or(Unanswered::NoSuchPublication(id))
        };
        let from = place(filter.from_publication)?.unwrap_or(0);
        let after = place(filter.after_publication)?.map_or(0, |place| place + 1);
        let before = place(filter.before_publication)?.unwrap_or(self.events.len());
        let until = place(filter.until_publication)?.map_or(self.events.len(), |place| place + 1);
        let (start, end) = (from.max(after), before.min(until));
        let events = self.events.range(start.min(end)..end);
        Ok(if filter.reverse { Box::new(events.rev()) } else { Box::new(events) })
    }
}

impl Filter {
    fn fits(&self, event: &Recorded) -> bool {
        self.from_time.is_none_or(|time| event.at >= time)
            && self.after_time.is_none_or(|time| event.at > time)
            && self.before_time.is_none_or(|time| event.at < time)
            && self.until_time.is_none_or(|time| event.at <= time)
            && self.topic.as_ref().is_none_or(|topic| *topic == event.topic.as_str())
            && self.fits_publisher(event.publisher.as_ref())
    }

    /// Whether an event is of the publisher that is asked for. No event is of a publisher that was not disclosed.
    fn fits_publisher(&self, publisher: Option<&Disclosed>) -> bool {
        let is = |fits: &dyn Fn(&Disclosed) -> bool| publisher.is_some_and(fits);
        self.publisher.is_none_or(|session| is(&|publisher| publisher.session.0 == session))
            && self.publisher_authid.as_ref().is_none_or(|authid| is(&|it| *it.authid == **authid))
            && self.publisher_authrole.as_ref().is_none_or(|role| is(&|it| *it.authrole == **role))
    }
}

// === impl Recorded ===

impl Recorded {
    fn size(&self) -> usize {
        let passthru = self.passthru.as_deref().map_or(0, Passthru::size);
        let topic = self.topic.as_str().len();
        size_of::<Self>() + topic + self.payload.size() + self.audience.size() + passthru
    }

    /// The original details: what EVENT.Details would say.
    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut set = |name: &str, value: Value| drop(details.insert(name.to_owned(), value));
        set("topic", self.topic.as_str().into());
        if let Some(Disclosed { session, authid, authrole }) = &self.publisher {
            set("publisher", session.0.into());
            set("publisher_authid", (**authid).into());
            set("publisher_authrole", (**authrole).into());
        }
        for (name, value) in
            self.passthru.as_deref().map(Passthru::attributes).into_iter().flatten().flatten()
        {
            set(name, value.into());
        }
        details
    }

    /// Writes it as JSON. The payload stays as it was written, so that large numbers keep their digits.
    fn write(&self, subscription: u64, out: &mut Vec<u8>) {
        let head = json!({
            "timestamp": self.at.to_text(),
            "subscription": subscription,
            "publication": self.publication,
            "details": self.details(),
        });
        let head = head.to_string();
        out.extend_from_slice(head.strip_suffix('}').unwrap_or(&head).as_bytes());
        let payload = self.payload.transcoded(Serializer::Json);
        for (name, part) in [("args", &payload.args), ("kwargs", &payload.kwargs)] {
            if let Some(part) = part {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                out.extend_from_slice(part);
            }
        }
        out.push(b'}');
    }
}

// === impl Recalled ===

impl Recalled {
    /// How many bytes the events take.
    pub(in crate::realm) const fn size(&self) -> usize {
        self.bytes
    }

    /// The RESULT's arguments: a list of events, and whether it has an end only for its limit.
    pub(in crate::realm) fn payload(&self) -> Payload {
        let mut args = b"[[".to_vec();
        for (place, event) in self.events.iter().enumerate() {
            if place > 0 {
                args.push(b',');
            }
            event.write(self.subscription, &mut args);
        }
        args.extend_from_slice(b"]]");
        let kwargs = json!({ "is_limit_reached": self.has_more }).to_string();
        Payload { serializer: Serializer::Json, args: Some(args.into()), kwargs: Some(kwargs.into()) }
    }
}

#[cfg(test)]
mod tests;
