//! How long something takes: a histogram with fixed buckets.
//!
//! Noting a duration is two relaxed atomic additions. The library's own histogram takes a lock for each, which threads that
//! decide at the same time would wait for.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric, exemplar::Exemplar},
};

/// The upper bounds of the buckets in nanoseconds: from a decision of a compiled policy to a disk that hangs. All durations
/// have the same ones, so that they can be laid side by side.
const BOUNDS: [u64; 18] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
];

/// Durations, counted by how long they were. Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Timings(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// One for each bound, and one for what takes longer.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Timings {
    /// Counts a duration.
    pub fn note(&self, took: Duration) {
        // Six hundred years fit.
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < nanos);
        if let Some(bucket) = self.0.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.0.nanos.fetch_add(nanos, Relaxed);
    }

    /// How many durations were counted.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

impl TypedMetric for Timings {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Timings {
    #[expect(clippy::cast_precision_loss, reason = "a sum of seconds need not be exact to the nanosecond")]
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let bounds = BOUNDS.into_iter().map(seconds).chain([f64::INFINITY]);
        let buckets: Vec<_> =
            bounds.zip(&self.0.buckets).map(|(bound, bucket)| (bound, bucket.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let examples = None::<&HashMap<usize, Exemplar<NoLabelSet, f64>>>;
        encoder.encode_histogram(seconds(self.0.nanos.load(Relaxed)), count, &buckets, examples)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Family, Labels, Registry};

    #[test]
    fn durations_stand_in_their_buckets() {
        let registry = Registry::new();
        let family = Family::<Labels<1>, Timings>::default();
        registry.register("took_seconds", "How long it took.", family.clone());
        let timings = family.get_or_create_owned(&[("policy", "default".to_owned())]);
        for micros in [0, 10, 11, 1_000, 20_000_000] {
            timings.note(Duration::from_micros(micros));
        }
        assert_eq!(timings.count(), 5);
        let seen = registry.render();
        for line in [
            "# TYPE took_seconds histogram",
            r#"took_seconds_count{policy="default"} 5"#,
            r#"took_seconds_bucket{policy="default",le="1e-05"} 2"#,
            r#"took_seconds_bucket{policy="default",le="2.5e-05"} 3"#,
            r#"took_seconds_bucket{policy="default",le="0.001"} 4"#,
            r#"took_seconds_bucket{policy="default",le="5"} 4"#,
            r#"took_seconds_bucket{policy="default",le="+Inf"} 5"#,
        ] {
            assert!(seen.lines().any(|found| found == line), "{line} is missing in {seen}");
        }
        let sum = seen.lines().find_map(|line| line.strip_prefix(r#"took_seconds_sum{policy="default"} "#));
        assert!((sum.unwrap().parse::<f64>().unwrap() - 20.001_021).abs() < 1e-9, "{seen}");
    }
}
