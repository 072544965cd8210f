//! Clients that are refused: how many for which reason, and when the log says so again.
//!
//! The stage that refuses a client asks [`Refusals::count`] with the reason's name. That counts, and says
//! whether a line may be written: each reason has a [`Ration`] of its own.

mod recent;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use self::recent::Recent;
use super::{Counter, Counters, Registry};
use crate::ration::{Line, Ration};

pub(crate) use self::recent::Refused;

/// How far a client has come that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It has connected.
    Connection,
    /// It makes a TLS handshake.
    Tls,
    /// It has sent a request that asks for no WebSocket, or none that can be read.
    Request,
    /// It has asked a proxy for something, and the proxy asks the gateway about it.
    ForwardAuth,
    /// It has asked for a WebSocket.
    Handshake,
    /// It has a WebSocket, and no session yet.
    Join,
    /// It has joined.
    Session,
    /// It has a WebSocket that goes on to an upstream.
    Relay,
}

/// The refused clients of a gateway, by stage and reason. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    counts: Counters<2>,
    /// As many as there are reasons in this program.
    reasons: RwLock<HashMap<(Stage, &'static str), Reason>>,
    /// The last ones, if the operator's page shows them.
    recent: OnceLock<Recent>,
}

#[derive(Debug, Default)]
struct Reason {
    count: Counter,
    ration: Ration,
}

impl Stage {
    /// The stage's name in metrics and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::ForwardAuth => "forward-auth",
            Self::Handshake => "handshake",
            Self::Join => "join",
            Self::Session => "session",
            Self::Relay => "relay",
        }
    }
}

impl Refusals {
    /// Metrics that monitoring is shown.
    pub fn register(registry: &Registry) -> Self {
        let refusals = Self::default();
        let help = "Clients that were refused or thrown out, by how far they had come and by the reason.";
        registry.register("wampgate_refusals", help, refusals.0.counts.clone());
        refusals
    }

    /// Shows these reasons to monitoring before a client is refused for one of them: a value that appears when it is 1 already
    /// raises no alarm.
    pub fn expect(&self, stage: Stage, reasons: impl IntoIterator<Item = &'static str>) {
        let mut known = self.0.reasons.write().unwrap_or_else(PoisonError::into_inner);
        for reason in reasons {
            known.entry((stage, reason)).or_insert_with(|| self.reason(stage, reason));
        }
    }

    /// Counts a client that is refused for this reason. A line means that the caller may tell the operator.
    pub fn count(&self, stage: Stage, reason: &'static str) -> Option<Line> {
        {
            let known = self.0.reasons.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(&(stage, reason)) {
                return known.count();
            }
        }
        let mut known = self.0.reasons.write().unwrap_or_else(PoisonError::into_inner);
        known.entry((stage, reason)).or_insert_with(|| self.reason(stage, reason)).count()
    }

    /// Keeps the last clients that the log has a line about, from now on.
    pub(crate) fn keep_recent(&self) {
        self.0.recent.get_or_init(Recent::default);
    }

    /// Keeps what the log says of a client that was refused, where that is wanted.
    pub fn note(
        &self,
        stage: Stage,
        reason: &'static str,
        line: Line,
        peer: &dyn fmt::Display,
        why: &dyn fmt::Display,
    ) {
        if let Some(recent) = self.0.recent.get() {
            recent.add(stage, reason, line, peer, why);
        }
    }

    /// The last clients that were kept, the newest first.
    pub(crate) fn recent(&self) -> Vec<Refused> {
        self.0.recent.get().map_or_else(Vec::new, Recent::newest_first)
    }

    /// How many clients were refused for this reason.
    #[cfg(test)]
    fn of(&self, stage: Stage, reason: &str) -> u64 {
        let known = self.0.reasons.read().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().find(|((at, name), _)| *at == stage && *name == reason);
        found.map_or(0, |(_, found)| found.count.get())
    }

    fn reason(&self, stage: Stage, reason: &'static str) -> Reason {
        let labels = [("stage", stage.name().to_owned()), ("reason", reason.to_owned())];
        Reason { count: self.0.counts.get_or_create_owned(&labels), ration: Ration::SPARING }
    }
}

impl Reason {
    fn count(&self) -> Option<Line> {
        self.count.inc();
        self.ration.line()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_counts_and_is_told_by_itself() {
        let registry = Registry::new();
        let refusals = Refusals::register(&registry);
        refusals.expect(Stage::Join, ["credentials"]);
        assert!(registry.render().contains(r#"refusals_total{stage="join",reason="credentials"} 0"#));
        let told = (0..1000).filter(|_| refusals.count(Stage::Join, "credentials").is_some()).count();
        assert!((5..100).contains(&told), "{told}");
        let first =
            refusals.count(Stage::Handshake, "origin").expect("another reason has a ration of its own");
        assert_eq!(first.left_out, None);
        assert_eq!(refusals.of(Stage::Join, "credentials"), 1000);
        let seen = registry.render();
        for line in
            [r#"{stage="join",reason="credentials"} 1000"#, r#"{stage="handshake",reason="origin"} 1"#]
        {
            assert!(seen.contains(line), "{line} is missing in {seen}");
        }
    }
}
