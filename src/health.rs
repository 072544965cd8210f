//! Whether the gateway is ready for clients, and if not, why.
//!
//! Parts that can fail while the gateway runs are watched: a closure tells whether the part is well now. Nothing is counted and
//! nothing waits, so that a probe costs the gateway next to nothing. No report names a client.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// The state of a gateway. Cheap to clone; all clones tell the same.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set once the gateway serves. It is cancelled when the gateway drains.
    shutdown: OnceLock<CancellationToken>,
    parts: Mutex<Vec<Part>>,
}

/// A part that may fail.
struct Part {
    cause: Cause,
    name: String,
    is_well: IsWell,
}

/// Tells whether a part is well now.
pub(crate) type IsWell = Box<dyn Fn() -> bool + Send + Sync>;

/// What the gateway says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReport {
    /// Whether clients may come.
    pub status: Readiness,
    /// Why they may not; empty if they may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Unreadiness>,
}

/// Whether clients may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Readiness {
    /// They may.
    Ready,
    /// They had better go elsewhere.
    NotReady,
}

/// A reason why clients had better go elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadiness {
    /// The reason for programs.
    pub reason: Cause,
    /// Which store, or which policy, by the name that the metrics have; only the operator's own commands are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The reason for people.
    pub message: String,
}

/// What a reason is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The gateway does not serve yet.
    Starting,
    /// The gateway ends.
    Draining,
    /// A cookie store on a disk of this machine takes no changes.
    Store,
    /// A cookie store that gateways share cannot be reached, or takes no changes.
    SharedStore,
    /// A policy gives no answers.
    Policy,
}

// === impl Health ===

impl Health {
    /// Watches these parts of a kind, and no others of the kind. The closures must be quick and must not wait.
    pub(crate) fn watch(&self, cause: Cause, kind: impl IntoIterator<Item = (String, IsWell)>) {
        let kind: Vec<_> = kind.into_iter().map(|(name, is_well)| Part { cause, name, is_well }).collect();
        let mut parts = self.parts();
        parts.retain(|part| part.cause != cause);
        parts.extend(kind);
    }

    /// The gateway serves from now on, until `shutdown` is cancelled.
    pub(crate) fn serve_until(&self, shutdown: CancellationToken) {
        self.0.shutdown.get_or_init(|| shutdown);
    }

    /// Whether the gateway ends.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.shutdown.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Whether clients may come now, and why not.
    pub(crate) fn report(&self) -> HealthReport {
        let stage = match self.0.shutdown.get() {
            None => Some(Cause::Starting),
            Some(shutdown) => shutdown.is_cancelled().then_some(Cause::Draining),
        };
        let mut reasons: Vec<_> = stage.map(|cause| Unreadiness::new(cause, None)).into_iter().collect();
        let parts = self.parts();
        let failing = parts.iter().filter(|part| !(part.is_well)());
        reasons.extend(failing.map(|part| Unreadiness::new(part.cause, Some(part.name.clone()))));
        let status = if reasons.is_empty() { Readiness::Ready } else { Readiness::NotReady };
        HealthReport { status, reasons }
    }

    // Held while a part is added or a report is made, and never across an await.
    fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts().iter().map(|part| &part.name)).finish()
    }
}

// === impl HealthReport ===

impl HealthReport {
    /// Whether clients may come.
    pub fn is_ready(&self) -> bool {
        self.status == Readiness::Ready
    }

    /// The report for readers that the gateway does not know: names of stores and policies are mostly paths of files.
    #[must_use]
    pub(crate) fn without_names(mut self) -> Self {
        for reason in &mut self.reasons {
            reason.name = None;
        }
        self.reasons.dedup();
        self
    }
}

impl Unreadiness {
    fn new(reason: Cause, name: Option<String>) -> Self {
        let message = match reason {
            Cause::Starting => "the gateway starts",
            Cause::Draining => "the gateway ends: no new clients come in",
            Cause::Store => {
                "the cookie store takes no changes, since its disk fails or hangs: see the gateway's log"
            }
            Cause::SharedStore => {
                "the cookie store in Redis cannot be reached, or takes no changes: see the gateway's log"
            }
            Cause::Policy => "the policy has answered none of the last questions: see the gateway's log",
        };
        Self { reason, name, message: message.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use super::*;

    fn reasons(health: &Health) -> Vec<Cause> {
        health.report().reasons.iter().map(|found| found.reason).collect()
    }

    #[test]
    fn a_gateway_is_ready_between_its_start_and_its_drain() {
        let (health, shutdown) = (Health::default(), CancellationToken::new());
        assert_eq!(reasons(&health), [Cause::Starting]);
        health.serve_until(shutdown.clone());
        assert!(health.report().is_ready());
        shutdown.cancel();
        assert_eq!(reasons(&health), [Cause::Draining]);
    }

    #[test]
    fn a_part_that_fails_is_named_until_it_is_well_again() {
        let health = Health::default();
        health.serve_until(CancellationToken::new());
        let is_well = Arc::new(AtomicBool::new(true));
        let store = || watched_part("cookies.dat", &is_well);
        health.watch(Cause::Store, [store()]);
        health.watch(Cause::Policy, [("default".to_owned(), Box::new(|| true) as IsWell)]);
        assert_eq!(serde_json::to_string(&health.report()).unwrap(), r#"{"status":"ready"}"#);
        is_well.store(false, Relaxed);
        let report = health.report();
        assert_eq!(report.reasons[0].name.as_deref(), Some("cookies.dat"));
        let text = serde_json::to_string(&report).unwrap();
        assert!(text.starts_with(
            r#"{"status":"not-ready","reasons":[{"reason":"store","name":"cookies.dat","message":"#
        ));
        assert_eq!(serde_json::from_str::<HealthReport>(&text).unwrap(), report);
        is_well.store(true, Relaxed);
        assert!(health.report().is_ready());
        is_well.store(false, Relaxed);
        health.watch(Cause::Store, [store(), watched_part("more.dat", &is_well)]);
        let (all, shown) = (health.report(), health.report().without_names());
        assert_eq!((all.reasons.len(), shown.reasons.len()), (2, 1), "no part is there twice");
        assert_eq!(shown.reasons[0].name, None);
        health.watch(Cause::Store, []);
        assert!(health.report().is_ready(), "a part that is gone fails no more");
    }

    fn watched_part(name: &str, is_well: &Arc<AtomicBool>) -> (String, IsWell) {
        let watched = Arc::clone(is_well);
        (name.to_owned(), Box::new(move || watched.load(Relaxed)))
    }
}
