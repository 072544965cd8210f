//! The servers of a Redis Cluster: which of them has which key.
//!
//! Each key lies in one of 16,384 slots, and each slot with one primary. The gateway asks a server for the list when it connects,
//! and connects to all primaries. Slots that move later are learned from the servers that have them no more; a primary that is new
//! makes the gateway connect again, and so does one that is lost. So a cluster is as one server to the rest of the store: it
//! answers, or it does not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use redis::{
    Arg, AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError,
    RedisResult, ServerErrorKind, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
    cmd, pipe,
};

use super::connect_to;
use crate::store::{RedisOptions, RedisUrlError, options};

/// How many slots a cluster has.
const SLOTS: u16 = 16_384;

/// Most primaries that the gateway connects to. Redis itself advises no more than a thousand.
const MOST: usize = 256;

/// How often a command goes to another server than was thought.
const MAX_MOVES: usize = 3;

/// Connections to all primaries of a cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::store::redis) struct Cluster(Arc<Mutex<Map>>);

#[derive(Debug)]
struct Map {
    /// By where they are, as the servers themselves say it.
    servers: Vec<(String, MultiplexedConnection)>,
    /// The place of a slot's server among them.
    slots: Vec<usize>,
}

/// Some slots, one behind the other, and the host and port of their primary.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    host: String,
    port: String,
}

impl Range {
    fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
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

fn unfit(error: RedisUrlError) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "address", error.to_string()))
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
        Ok(Self(Arc::new(Mutex::new(Map { servers, slots }))))
    }

    /// All primaries, always in the same order.
    pub(super) fn each(&self) -> Vec<MultiplexedConnection> {
        self.lock().servers.iter().map(|(_, redis)| redis.clone()).collect()
    }

    /// Asks the server that has the key of a command.
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        let Some(key) = key(command) else { return self.ask_all(command).await };
        let slot = slot(key);
        let mut outcome = answer(&mut self.server_of(slot)?.1, command).await;
        for _ in 0..MAX_MOVES {
            let Err(error) = &outcome else { return outcome };
            let Some((address, _)) = error.redirect_node() else { return outcome };
            // A server that is not known: the caller connects again.
            let Some((place, mut redis)) = self.server_at(address) else { return outcome };
            outcome = if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
                // This key has moved already; its slot is on the way.
                let mut asking = pipe();
                asking.cmd("ASKING").ignore().add_command(command.clone());
                asking.query_async(&mut redis).await.map(|(value,): (Value,)| value)
            } else {
                self.move_slot(slot, place);
                answer(&mut redis, command).await
            };
        }
        outcome
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

    fn move_slot(&self, slot: u16, place: usize) {
        if let Some(server) = self.lock().slots.get_mut(usize::from(slot)) {
            *server = place;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(redis: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<Value> {
    redis.req_packed_command(command).await?.extract_error()
}

/// Reads the answer to `CLUSTER SLOTS` of a server.
fn ranges(list: &Value, asked: &ConnectionInfo) -> Option<Vec<Range>> {
    let Value::Array(list) = list else { return None };
    list.iter().map(|entry| range(entry, asked)).collect()
}

fn range(entry: &Value, asked: &ConnectionInfo) -> Option<Range> {
    let Value::Array(entry) = entry else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &**entry else { return None };
    let [host, Value::Int(port), ..] = &**primary else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        Value::SimpleString(host) => host.clone(),
        _ => String::new(),
    };
    // A server that does not know by which name others reach it leaves that out.
    let host = match asked.addr() {
        ConnectionAddr::Tcp(asked, _) | ConnectionAddr::TcpTls { host: asked, .. } if host.is_empty() => {
            asked.clone()
        }
        _ => host,
    };
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|number| *number < SLOTS);
    Some(Range { first: slot(first)?, last: slot(last)?, host, port: port.to_string() })
}

fn arguments(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command
        .args_iter()
        .filter_map(|argument| if let Arg::Simple(bytes) = argument { Some(bytes) } else { None })
}

/// The key of a command; none if it concerns no key. The store's commands have one key each.
fn key(command: &Cmd) -> Option<&[u8]> {
    let mut arguments = arguments(command);
    match arguments.next()? {
        b"PUBLISH" | b"SCRIPT" | b"PING" | b"INFO" => None,
        // Behind the script and the number of keys.
        b"EVAL" | b"EVALSHA" => arguments.nth(2),
        _ => arguments.next(),
    }
}

/// The slot of a key: of what stands in its first braces, if anything does.
fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let behind = key.get(open + 1..)?;
        let end = behind.iter().position(|byte| *byte == b'}').filter(|end| *end > 0)?;
        behind.get(..end)
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

/// CRC-16 as XMODEM has it: polynomial 1021, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0_u16;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo as _;

    use super::*;

    #[test]
    fn slots_are_those_of_the_servers() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of the specification");
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS, "empty braces are no tag");
    }

    #[test]
    fn key_of_each_command_is_found() {
        let mut set = cmd("SET");
        set.arg("a-key").arg("a value").arg("NX");
        assert_eq!(key(&set), Some(&b"a-key"[..]));
        let mut script = cmd("EVALSHA");
        script.arg("digest").arg(1).arg("a-key").arg("an argument");
        assert_eq!(key(&script), Some(&b"a-key"[..]));
        let mut message = cmd("PUBLISH");
        message.arg("channel").arg("text");
        assert_eq!(key(&message), None);
    }

    #[test]
    fn list_of_slots_is_read() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
            ])
        };
        let entry = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let asked = "redis://asked.example:7000".into_connection_info().unwrap();
        let list =
            Value::Array(vec![entry(0, 100, node("a.example", 6379)), entry(101, 16_383, node("", 6380))]);
        let range =
            |first, last, host: &str, port: &str| Range { first, last, host: host.into(), port: port.into() };
        let expected = [range(0, 100, "a.example", "6379"), range(101, 16_383, "asked.example", "6380")];
        assert_eq!(ranges(&list, &asked).unwrap(), expected);
        for wrong in
            [Value::Nil, Value::Array(vec![Value::Nil]), Value::Array(vec![entry(0, 16_384, node("a", 1))])]
        {
            assert_eq!(ranges(&wrong, &asked), None);
        }
    }
}
