//! What monitoring reads of the process, under the names that Prometheus' own libraries give it.

use std::{
    fmt, fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};
use rustix::time::{ClockId, clock_gettime};

use crate::descriptors;

/// The process, since it was put together.
#[derive(Debug)]
pub(super) struct Process {
    started: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: since.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut show = |name: &str, help: &str, metric: &dyn Shown| metric.show(&mut encoder, name, help);
        show(
            "process_start_time_seconds",
            "When the gateway started, in seconds since 1970",
            &ConstGauge::new(self.started),
        )?;
        let used: Duration = clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default();
        show(
            "process_cpu_seconds",
            "Processor time of the process, in seconds",
            &ConstCounter::new(used.as_secs_f64()),
        )?;
        if let Some(bytes) = resident() {
            show(
                "process_resident_memory_bytes",
                "Memory of the process that is in RAM",
                &ConstGauge::new(bytes),
            )?;
        }
        let open = i64::try_from(descriptors::open()).unwrap_or(i64::MAX);
        show("process_open_fds", "File descriptors that are open", &ConstGauge::new(open))?;
        let limit = i64::try_from(descriptors::limit()).unwrap_or(i64::MAX);
        show("process_max_fds", "File descriptors that may be open", &ConstGauge::new(limit))
    }
}

/// A value that is encoded as it is read.
trait Shown {
    fn show(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result;
}

impl<M: EncodeMetric> Shown for M {
    fn show(&self, encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, None, self.metric_type())?)
    }
}

/// How much of the process is in RAM, in bytes; none where the system does not tell.
fn resident() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    size.trim().strip_suffix(" kB")?.parse::<i64>().ok()?.checked_mul(1024)
}
