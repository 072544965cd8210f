//! Asks the addresses of an upstream whether they answer, whether or not clients come.
//!
//! *Bound*: one question at a time for each address, each within its time, and none once the gateway drains or goes by a configuration
//! that has no such question.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, Request, StatusCode, header};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    ProbeOptions, UpstreamAddress,
    handshake::status_of,
    link::{self, LinkFault},
    member::Member,
    metrics::ProbeTally,
    told,
};
use crate::{descriptors, tls::Connector};

/// When the first question comes at the latest: what is out is known soon.
const FIRST: Duration = Duration::from_secs(1);

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("wampgate/", env!("CARGO_PKG_VERSION")));

/// The questions to one address.
#[derive(Debug)]
pub struct Probe {
    pub(super) options: ProbeOptions,
    pub(super) address: UpstreamAddress,
    pub(super) member: Arc<Member>,
    pub(super) tls: Option<Arc<Connector>>,
    pub(super) tally: ProbeTally,
    /// Where its upstream stands in the configuration, for the log.
    pub(super) transport: Box<str>,
    pub(super) path: Box<str>,
}

/// The questions to all addresses of a gateway.
#[derive(Debug, Default)]
pub struct Probes(Mutex<Asking>);

#[derive(Debug, Default)]
struct Asking {
    tasks: JoinSet<()>,
    has_ended: bool,
}

impl Probes {
    /// From here on these are asked, and no others. Needs a tokio runtime.
    pub fn are(&self, probes: impl IntoIterator<Item = Probe>) {
        // First: an address that is asked as before stays out while it is silent.
        let probes: Vec<_> = probes.into_iter().map(|probe| (probe.member.probed(), probe)).collect();
        let mut asking = self.lock();
        // Dropping the tasks ends them.
        asking.tasks = JoinSet::new();
        if asking.has_ended {
            return;
        }
        for (probed, probe) in probes {
            asking.tasks.spawn(async move {
                let _probed = probed;
                probe.run().await;
            });
        }
    }

    /// No address is asked any more.
    pub fn end(&self) {
        let mut asking = self.lock();
        asking.has_ended = true;
        asking.tasks = JoinSet::new();
    }

    // Held while tasks start, and never across an await.
    fn lock(&self) -> MutexGuard<'_, Asking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe {
    /// Asks again and again.
    async fn run(self) {
        let Self { member, .. } = &self;
        sleep(self.options.interval.min(FIRST).mul_f64(rand::random::<f64>())).await;
        loop {
            match self.ask().await {
                Some(Ok(())) => {
                    self.tally.ok.inc();
                    if member.answers(Instant::now()) {
                        self.tell_of_a_return();
                    }
                }
                Some(Err(why)) => {
                    self.tally.failed.inc();
                    if member.misses(self.options.failures, Instant::now(), &why) {
                        self.tell_of_a_loss(&why);
                    }
                }
                // The process has no descriptor left, which says nothing about the address.
                None => {}
            }
            // Several gateways must not ask in the same moment.
            sleep(self.options.interval.mul_f64(0.8 + 0.4 * rand::random::<f64>())).await;
        }
    }

    fn tell_of_a_loss(&self, why: &str) {
        let (transport, path, address) = (&*self.transport, &*self.path, &self.address);
        warn!(transport, path, %address, "an address of an upstream does not answer its probes, and is tried last until it does: {why}");
    }

    fn tell_of_a_return(&self) {
        let (transport, path, address) = (&*self.transport, &*self.path, &self.address);
        info!(transport, path, %address, "an address of an upstream answers its probes again");
    }

    /// Asks once. None: it was not possible to ask.
    async fn ask(&self) -> Option<Result<(), String>> {
        let _descriptor = descriptors::take()?;
        let limit = self.options.timeout;
        let asked = timeout(limit, Box::pin(self.question())).await;
        Some(asked.unwrap_or_else(|_| Err(format!("it has not answered within {limit:?}"))))
    }

    async fn question(&self) -> Result<(), String> {
        let link = link::open(&self.address, self.tls.as_deref()).await.map_err(|fault| match fault {
            LinkFault::Unreachable(error) => format!("it cannot be reached: {error}"),
            LinkFault::Tls(error) => format!("no TLS: {error}"),
        })?;
        let Some(path) = &self.options.path else { return Ok(()) };
        let mut request = Request::new(String::new());
        *request.uri_mut() = path.clone();
        let host = HeaderValue::try_from(self.address.host()).ok();
        let headers = request.headers_mut();
        headers.extend(self.options.host.clone().or(host).map(|host| (header::HOST, host)));
        headers.insert(header::USER_AGENT, AGENT);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let status =
            status_of(link, request).await.map_err(|error| format!("it makes no sense: {}", told(&error)))?;
        if is_well(status) { Ok(()) } else { Err(format!("it has answered {status}")) }
    }
}

/// Whether an answer means that clients may come.
fn is_well(status: StatusCode) -> bool {
    status.is_success() || status.is_redirection()
}

#[cfg(test)]
mod tests;
