//! The servers of a Redis Cluster: which of them has which key.
//!
//! Each key lies in one of 16,384 slots, and each slot with one primary. The gateway asks a server for the list when it connects,
//! and connects to all primaries. Slots that move later are learned from the servers that have them no more; a primary that is new
//! makes the gateway connect again, and so does one that is lost. So a cluster is as one server to the rest of the store: it
//! answers, or it does not. A server that gets its first slot stands in no list until it has the slot: the gateway connects to it
//! beside the others.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cmd, pipe,
};
use tokio::sync::Mutex as AsyncMutex;

use self::slots::{SLOTS, arguments, key, ranges, slot};
use super::{connect_to, unfit};
use crate::store::{
    RedisOptions, RedisUrlError,
    options::{self, Way},
};

mod slots;

/// Most primaries that the gateway connects to. Redis itself advises no more than a thousand.
const MOST: usize = 256;

/// How often a command goes to another server than was thought.
const MAX_MOVES: usize = 3;

/// Connections to all primaries of a cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::store::redis) struct Cluster(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    map: Mutex<Map>,
    options: RedisOptions,
    /// Held while a server joins the others.
    joining: AsyncMutex<()>,
}

#[derive(Debug)]
struct Map {
    /// By where they are, as the servers themselves say it.
    servers: Vec<(String, MultiplexedConnection)>,
    /// The place of a slot's server among them.
    slots: Vec<usize>,
}

/// A connection to any of the servers that the configuration names.
pub(super) async fn any(
    cluster: &options::Cluster,
    options: &RedisOptions,
    config: AsyncConnectionConfig,
) -> RedisResult<(MultiplexedConnection, ConnectionInfo)> {
    let mut latest = None;
    for place in cluster.each() {
        let place = place.map_err(unfit)?;
        match connect_to(place.clone(), options, config.clone()).await {
            Ok(redis) => return Ok((redis, place)),
            Err(error) => latest = Some(error),
        }
    }
    Err(latest.unwrap_or_else(|| unfit(RedisUrlError::Cluster)))
}

fn down(what: &'static str) -> RedisError {
    RedisError::from((ErrorKind::Server(ServerErrorKind::ClusterDown), what))
}

impl Cluster {
    /// Connects to all primaries.
    pub(super) async fn connect(cluster: &options::Cluster, options: &RedisOptions) -> RedisResult<Self> {
        let (mut redis, asked) = any(cluster, options, AsyncConnectionConfig::new()).await?;
        let list: Value = cmd("CLUSTER").arg("SLOTS").query_async(&mut redis).await?;
        let ranges =
            ranges(&list, &asked).ok_or_else(|| down("the servers do not tell who has which slots"))?;
        let mut addresses: BTreeMap<String, (&str, &str)> = BTreeMap::new();
        for range in &ranges {
            addresses.insert(range.address(), (&range.host, &range.port));
        }
        if addresses.len() > MOST {
            return Err(down("it has more primaries than the gateway connects to"));
        }
        let mut servers = Vec::with_capacity(addresses.len());
        // In their order, so that a walk over all of them keeps its place.
        for (address, (host, port)) in addresses {
            let place = cluster.server(host, port).map_err(unfit)?;
            servers.push((address, connect_to(place, options, AsyncConnectionConfig::new()).await?));
        }
        let mut slots = vec![usize::MAX; SLOTS.into()];
        for range in &ranges {
            let address = range.address();
            let server = servers.iter().position(|(other, _)| *other == address);
            for slot in range.first..=range.last {
                if let (Some(slot), Some(server)) = (slots.get_mut(usize::from(slot)), server) {
                    *slot = server;
                }
            }
        }
        if slots.contains(&usize::MAX) {
            return Err(down("some of its slots have no server"));
        }
        let map = Mutex::new(Map { servers, slots });
        Ok(Self(Arc::new(Shared { map, options: options.clone(), joining: AsyncMutex::default() })))
    }

    /// All primaries, always in the same order.
    pub(super) fn each(&self) -> Vec<MultiplexedConnection> {
        self.lock().servers.iter().map(|(_, redis)| redis.clone()).collect()
    }

    /// Asks the server that has the key of a command.
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        let Some(key) = key(command) else { return self.ask_all(command).await };
        let slot = slot(key);
        let (mut at, mut redis) = self.server_of(slot)?;
        let mut outcome = answer(&mut redis, command).await;
        for _ in 0..MAX_MOVES {
            let Err(error) = &outcome else { return outcome };
            let Some((address, _)) = error.redirect_node() else { return outcome };
            let address = self.whole(address, at);
            let is_on_its_way = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
            let found = match self.server_at(&address) {
                None if is_on_its_way => self.join(&address).await,
                found => found,
            };
            // A primary that is not known: the caller connects again.
            let Some(found) = found else { return outcome };
            (at, redis) = found;
            outcome = if is_on_its_way {
                // This key has moved already; its slot is on the way.
                let mut asking = pipe();
                asking.cmd("ASKING").ignore().add_command(command.clone());
                asking.query_async(&mut redis).await.map(|(value,): (Value,)| value)
            } else {
                self.move_slot(slot, at);
                answer(&mut redis, command).await
            };
        }
        outcome
    }

    /// Connects to a server that is about to get its first slot. One at a time: those that have waited for the same server find it
    /// here, or are not made to wait for another attempt.
    async fn join(&self, address: &str) -> Option<(usize, MultiplexedConnection)> {
        let (_turn, has_waited) = match self.0.joining.try_lock() {
            Ok(turn) => (turn, false),
            Err(_) => (self.0.joining.lock().await, true),
        };
        let known = self.server_at(address);
        if known.is_some() || has_waited || self.lock().servers.len() >= MOST {
            return known;
        }
        let Way::Cluster(cluster) = self.0.options.url.way() else { return None };
        let (host, port) = address.rsplit_once(':')?;
        let place = cluster.server(host, port).ok()?;
        let redis = connect_to(place, &self.0.options, AsyncConnectionConfig::new()).await.ok()?;
        self.lock().servers.push((address.to_owned(), redis));
        self.server_at(address)
    }

    /// What concerns no key goes to all servers, and counts if all take it; a message to the first one, which tells the others.
    async fn ask_all(&self, command: &Cmd) -> RedisResult<Value> {
        let is_message = arguments(command).next().is_some_and(|name| name == b"PUBLISH");
        let mut value = Value::Nil;
        for mut redis in self.each().into_iter().take(if is_message { 1 } else { MOST }) {
            value = answer(&mut redis, command).await?;
        }
        Ok(value)
    }

    /// Asks each server for its share of many commands.
    pub(super) async fn ask_many(&self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let mut shares: BTreeMap<usize, Vec<(usize, &Cmd)>> = BTreeMap::new();
        let mut values = vec![Value::Nil; commands.len()];
        let mut put = |place: usize, value| {
            if let Some(slot) = values.get_mut(place) {
                *slot = value;
            }
        };
        for (place, command) in commands.into_iter().enumerate() {
            match key(command) {
                Some(key) => {
                    let (server, _) = self.server_of(slot(key))?;
                    shares.entry(server).or_default().push((place, command));
                }
                None => put(place, self.ask_all(command).await?),
            }
        }
        let servers = self.each();
        for (server, share) in shares {
            let mut redis = servers.get(server).cloned().ok_or_else(|| down("a server is gone"))?;
            let mut part = pipe();
            for (_, command) in &share {
                part.add_command((*command).clone());
            }
            let answers = redis.req_packed_commands(&part, 0, share.len()).await?;
            for ((place, command), value) in share.into_iter().zip(answers) {
                let value = match value.extract_error() {
                    Err(error) if error.redirect_node().is_some() => self.ask(command).await?,
                    value => value?,
                };
                put(place, value);
            }
        }
        Ok(values)
    }

    fn server_of(&self, slot: u16) -> RedisResult<(usize, MultiplexedConnection)> {
        let map = self.lock();
        let place = map.slots.get(usize::from(slot)).copied();
        let server = place.and_then(|place| Some((place, map.servers.get(place)?.1.clone())));
        server.ok_or_else(|| down("a slot has no server"))
    }

    fn server_at(&self, address: &str) -> Option<(usize, MultiplexedConnection)> {
        let map = self.lock();
        let place = map.servers.iter().position(|(other, _)| other == address)?;
        Some((place, map.servers.get(place)?.1.clone()))
    }

    /// An address as a server says it, which leaves out its own host if it does not know by which name others reach it.
    fn whole(&self, address: &str, said_by: usize) -> String {
        let map = self.lock();
        let host = || map.servers.get(said_by).and_then(|(address, _)| address.rsplit_once(':'));
        match host().filter(|_| address.starts_with(':')) {
            Some((host, _)) => format!("{host}{address}"),
            None => address.to_owned(),
        }
    }

    fn move_slot(&self, slot: u16, place: usize) {
        if let Some(server) = self.lock().slots.get_mut(usize::from(slot)) {
            *server = place;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.0.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(redis: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    redis.req_packed_command(command).await?.extract_error()
}
