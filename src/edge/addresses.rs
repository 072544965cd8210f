//! What one address may have: open connections, handshakes and new records in the cookie store.
//!
//! One client with one address must not take what is there for all. A peer counts by its address, an IPv6 peer by its network of
//! 64 bits, a client behind a trusted proxy by the address that the proxy gives (`PeerAddr::network`).
//!
//! *Bound*: an address with open connections is remembered, and connections are bounded. Of the others the latest are
//! remembered, at most [`REMEMBERED`] of them; one that is forgotten begins anew.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::time::bucket::{Bucket, Rate};

use super::AddressOptions;

/// How many addresses without an open connection are remembered, at 80 bytes each.
const REMEMBERED: usize = 65_536;

/// Seconds' worth of handshakes that an address may make at once: with the default, as many as it may have connections, which all
/// come back when the gateway has been restarted.
const SAVED_HANDSHAKES: u32 = 20;

/// The same for new records: with the default, as many as there may be connections, where a restart has lost all records. The rate
/// alone stays below a million a day, which is what a store holds by default.
const SAVED_RECORDS: u32 = 200;

/// How long an address with too many connections is asked to wait: until some of them may have ended.
const WAIT_FOR_CONNECTIONS: Duration = Duration::from_secs(5);

/// Why connections are turned away that have said nothing yet.
pub(crate) const CONNECTION_REASONS: [&str; 4] =
    ["full", "descriptors", Limit::Connections.reason(), "memory"];

/// Why handshakes are refused for their address.
pub(crate) const ADDRESS_REASONS: [&str; 3] =
    [Limit::Connections.reason(), Limit::Handshakes.reason(), Limit::NewRecords.reason()];

/// The addresses of a transport's clients, and what each of them may have.
#[derive(Debug)]
pub(crate) struct Addresses {
    max_connections: u32,
    handshakes: Option<Rate>,
    records: Option<Rate>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Open connections.
    open: HashMap<IpAddr, u32>,
    /// What the addresses have used of their rates; those that were not seen since the last turn stand in `older`.
    used: HashMap<IpAddr, Used>,
    older: HashMap<IpAddr, Used>,
}

#[derive(Debug, Clone, Copy)]
struct Used {
    handshakes: Bucket,
    tls: Bucket,
    records: Bucket,
}

/// What an address has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Connections,
    Handshakes,
    NewRecords,
}

/// An address has reached a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) limit: Limit,
    /// How long the client should wait.
    pub(crate) wait: Duration,
}

/// An open connection of an address, for as long as it is held.
#[derive(Debug)]
pub struct Seat {
    state: Arc<Mutex<State>>,
    address: IpAddr,
}

/// A new record that an address may make. If it makes none, it gives this back.
#[derive(Debug)]
pub(crate) struct NewRecord<'a> {
    addresses: &'a Addresses,
    address: Option<IpAddr>,
}

// === impl Limit ===

impl Limit {
    /// Its name in metrics and in the log.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Connections => "address-connections",
            Self::Handshakes => "address-handshakes",
            Self::NewRecords => "address-new-records",
        }
    }

    /// The key in the configuration that sets it.
    const fn key(self) -> &'static str {
        match self {
            Self::Connections => "max_connections",
            Self::Handshakes => "handshakes_per_second",
            Self::NewRecords => "new_records_per_second",
        }
    }
}

// === impl TooMany ===

impl TooMany {
    /// What the operator is told.
    pub(crate) fn cause(&self) -> String {
        let key = self.limit.key();
        format!(
            "its address has what `per_address.{key}` lets it have; if a proxy speaks for many clients there, name it in `trusted_proxies`"
        )
    }
}

// === impl Addresses ===

impl Addresses {
    pub(crate) fn new(options: &AddressOptions) -> Self {
        Self {
            max_connections: options.max_connections,
            handshakes: Rate::new(options.handshakes_per_second, SAVED_HANDSHAKES),
            records: Rate::new(options.new_records_per_second, SAVED_RECORDS),
            state: Arc::default(),
        }
    }

    /// These limits, for what the addresses of another set have already: after a reload they have it still.
    pub(crate) fn after(self, before: &Self) -> Self {
        Self { state: Arc::clone(&before.state), ..self }
    }

    /// Counts a connection of a peer; none if its connections are not limited.
    pub(crate) fn enter(&self, peer: Option<IpAddr>) -> Result<Option<Seat>, TooMany> {
        let Some(address) = peer.filter(|_| self.max_connections > 0) else { return Ok(None) };
        let mut state = self.lock();
        let open = state.open.entry(address).or_default();
        if *open >= self.max_connections {
            return Err(TooMany { limit: Limit::Connections, wait: WAIT_FOR_CONNECTIONS });
        }
        *open += 1;
        Ok(Some(Seat { state: Arc::clone(&self.state), address }))
    }

    /// Counts a handshake of a client.
    pub(crate) fn handshake(&self, client: Option<IpAddr>, now: Instant) -> Result<(), TooMany> {
        let (Some(address), Some(rate)) = (client, self.handshakes) else { return Ok(()) };
        let taken = self.lock().used(address, now).handshakes.take(rate, now);
        taken.map_err(|wait| TooMany { limit: Limit::Handshakes, wait })
    }

    /// Counts a TLS handshake of a client: as often as one of WebSocket, which comes behind it.
    pub(crate) fn tls_handshake(&self, client: Option<IpAddr>, now: Instant) -> Result<(), TooMany> {
        let (Some(address), Some(rate)) = (client, self.handshakes) else { return Ok(()) };
        let taken = self.lock().used(address, now).tls.take(rate, now);
        taken.map_err(|wait| TooMany { limit: Limit::Handshakes, wait })
    }

    /// Takes one of the new records that an address may make. If it may not, the caller finds out first whether it needs one.
    pub(crate) fn new_record(&self, client: Option<IpAddr>, now: Instant) -> Result<NewRecord<'_>, TooMany> {
        let (Some(address), Some(rate)) = (client, self.records) else {
            return Ok(NewRecord { addresses: self, address: None });
        };
        let taken = self.lock().used(address, now).records.take(rate, now);
        taken.map_err(|wait| TooMany { limit: Limit::NewRecords, wait })?;
        Ok(NewRecord { addresses: self, address: Some(address) })
    }

    // Held for a few look-ups and never across an await; a poisoned one is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn used(&mut self, address: IpAddr, now: Instant) -> &mut Used {
        if !self.used.contains_key(&address) {
            if self.used.len() >= REMEMBERED / 2 {
                self.older = mem::take(&mut self.used);
            }
            let used = self.older.remove(&address).unwrap_or_else(|| Used::none(now));
            self.used.insert(address, used);
        }
        self.used.entry(address).or_insert_with(|| Used::none(now))
    }
}

impl Used {
    const fn none(now: Instant) -> Self {
        Self { handshakes: Bucket::full(now), tls: Bucket::full(now), records: Bucket::full(now) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if let Some(open) = state.open.get_mut(&self.address) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                state.open.remove(&self.address);
            }
        }
    }
}

impl NewRecord<'_> {
    /// The client is known already.
    pub(crate) fn give_back(self) {
        let Some((address, rate)) = self.address.zip(self.addresses.records) else { return };
        if let Some(used) = self.addresses.lock().used.get_mut(&address) {
            used.records.give_back(rate);
        }
    }
}

#[cfg(test)]
mod tests;
