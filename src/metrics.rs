//! What monitoring reads: the registry at the bottom, which is handed to every part that counts.
//!
//! A part has a small struct of its own metrics, made once when the gateway is put together
//! (`realm::RealmMetrics`, `policy::PolicyMetrics`), and keeps the handles that it needs:
//!
//! - *counting* is one relaxed atomic addition on a [`Counter`] that was looked up beforehand. A [`Family`] is a map
//!   behind a lock; asking it with each message would cost more than the message;
//! - *how long something takes* is two such additions, on [`Timings`];
//! - *what is there anyway*, such as the number of sessions or the length of a queue, is not counted again: [`Readings`]
//!   ask for it when a request for metrics comes;
//! - *a default* of such a struct counts as well, but no registry shows it: for tests.
//!
//! Labels come from the configuration and from this program: realms, policies, outcomes. What is read on demand is read from a part
//! of the gateway, and goes with that part. No label names a client, neither by tracking ID
//! nor by public ID, address or authid. Which client a failure was about stands in the log, with the name that the counter
//! has here.

mod refusals;
mod timings;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use prometheus_client::{
    collector::Collector,
    encoding::{EncodeMetric, MetricEncoder, prometheus_text},
    metrics::{MetricType, info::Info},
    registry::{Metric, Registry as Inner},
};

pub use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
pub use refusals::{Refusals, Stage};
pub use timings::Timings;

/// The media type of what [`Registry::render`] gives.
pub const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The labels of one value: names and values.
pub type Labels<const N: usize> = [(&'static str, String); N];

/// Counters of one name, told apart by their labels.
pub type Counters<const N: usize> = Family<Labels<N>, Counter>;

/// Numbers that go up and down, of one name, told apart by their labels.
pub type Gauges<const N: usize> = Family<Labels<N>, Gauge>;

/// Every metric of a gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Mutex<Inner>>);

/// Gauges of one name whose values are read when monitoring asks. Cheap to clone.
#[derive(Clone)]
pub struct Readings<const N: usize>(Arc<Mutex<Vec<Reading<N>>>>);

/// A value's labels and where to read it; none: what it was read from is gone.
type Reading<const N: usize> = (Labels<N>, Box<dyn Fn() -> Option<i64> + Send + Sync>);

// === impl Registry ===

impl Registry {
    /// A registry of nothing but the gateway's version.
    pub fn new() -> Self {
        let mut inner = Inner::default();
        inner.register(
            "wampgate",
            "The gateway's version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self(Arc::new(Mutex::new(inner)))
    }

    /// Adds a metric; the caller keeps a clone to count with. A counter's `name` gets the ending `_total` by itself.
    pub fn register(&self, name: &'static str, help: &'static str, metric: impl Metric) {
        // The full stop is added when the text is written.
        self.lock().register(name, help.trim_end_matches('.'), metric);
    }

    /// Adds metrics that are made when they are asked for.
    pub fn collect(&self, collector: impl Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// Everything, in the text format of Prometheus. Families and their values stand in no particular order.
    pub fn render(&self) -> String {
        let mut out = String::new();
        // A `String` takes everything, and no metric here fails to be written.
        let _ = prometheus_text::encode(&mut out, &self.lock());
        out
    }

    // Held while a part registers or a request is answered, and never across an await.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Readings ===

impl<const N: usize> Readings<N> {
    /// Adds a value that is there as long as the gateway. `read` must be quick and must not wait.
    pub fn add(&self, labels: Labels<N>, read: impl Fn() -> usize + Send + Sync + 'static) {
        self.put(labels, move || Some(i64::try_from(read()).unwrap_or(i64::MAX)));
    }

    /// Adds a value of a part, which is there as long as the part. It takes the place of a value with the same labels.
    pub fn watch<T: Send + Sync + 'static>(
        &self,
        labels: Labels<N>,
        part: &Arc<T>,
        read: impl Fn(&T) -> i64 + Send + Sync + 'static,
    ) {
        let part: Weak<T> = Arc::downgrade(part);
        self.put(labels, move || part.upgrade().map(|part| read(&part)));
    }

    fn put(&self, labels: Labels<N>, read: impl Fn() -> Option<i64> + Send + Sync + 'static) {
        let mut readings = self.lock();
        readings.retain(|(known, read)| *known != labels && read().is_some());
        readings.push((labels, Box::new(read)));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Reading<N>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Default for Readings<N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<const N: usize> fmt::Debug for Readings<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|(labels, _)| labels)).finish()
    }
}

impl<const N: usize> EncodeMetric for Readings<N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, read) in &*self.lock() {
            if let Some(value) = read() {
                encoder.encode_family(labels)?.encode_gauge(&value)?;
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests;
