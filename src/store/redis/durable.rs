//! Changes that count only when the disk of Redis has them, and so many replicas: `durability: "always"`.
//!
//! Changes are made on the connection for commands. `WAIT` and `WAITAOF` hold up the connection on which they are asked, and
//! speak of what was written there. So they are asked on a connection of their own, behind a change of their own: what Redis
//! has acknowledged before comes before it in the log. One question serves all changes that wait at that moment.

use std::collections::HashMap;

use redis::{Cmd, RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd, pipe};
use tokio::sync::{mpsc, oneshot};

use super::{fault::explain, state::State};
use crate::store::Durability;

/// How long the key of the question stays in Redis, in milliseconds.
const PASSING: u64 = 10_000;

/// How many changes wait at once. More wait before they wait here.
const MAX_WAITING: usize = 1024;

/// How a server is asked whether a change is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It acknowledges changes when they are on its disk (`appendfsync always`): only its replicas have to be asked.
    Replicas,
    /// It has `WAITAOF`.
    Disk,
}

/// The connection on which a server is asked.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    redis: MultiplexedConnection,
    keeping: Keeping,
}

/// A change that waits.
pub(super) type Waiting = oneshot::Sender<Result<(), String>>;

/// Finds out how the server keeps changes; why it does not keep them as the configuration demands.
pub(super) async fn find(state: &State, mut redis: MultiplexedConnection) -> Result<Keeper, String> {
    let probe: RedisResult<Value> = cmd("WAITAOF").arg(0).arg(0).arg(1).query_async(&mut redis).await;
    let keeping = match probe {
        Ok(_) => Keeping::Disk,
        Err(error) if is_unknown(&error) => {
            has_all_on_disk(&mut redis).await?;
            Keeping::Replicas
        }
        Err(error) => return Err(explain(&error)),
    };
    let mut keeper = Keeper { redis, keeping };
    keeper.ask(state).await?;
    Ok(keeper)
}

/// Whether an error says that the server does not have the command.
fn is_unknown(error: &RedisError) -> bool {
    error.to_string().contains("unknown command")
}

/// A server without `WAITAOF` has to be set up so that it writes each change to its disk before it answers.
async fn has_all_on_disk(redis: &mut MultiplexedConnection) -> Result<(), String> {
    for (name, demanded) in [("appendonly", "yes"), ("appendfsync", "always")] {
        let found: RedisResult<HashMap<String, String>> =
            cmd("CONFIG").arg("GET").arg(name).query_async(redis).await;
        let found = found.map_err(|error| {
            format!(
                "`durability` is `always`, and `CONFIG GET` does not tell how the server keeps changes: {}",
                explain(&error)
            )
        })?;
        if found.get(name).is_none_or(|found| found != demanded) {
            return Err(format!(
                "`durability` is `always`, but this server acknowledges changes before they are on its disk, and has no \
                 WAITAOF: set `{name} {demanded}` there, or use Redis 7.2 or Valkey"
            ));
        }
    }
    Ok(())
}

impl Keeper {
    /// Asks until what was written before is kept; why it is not.
    async fn ask(&mut self, state: &State) -> Result<(), String> {
        let Durability::Always { replicas } = state.options.durability else { return Ok(()) };
        let millis = state.options.timeout.as_millis();
        let patience = u64::try_from(millis * 3 / 4).unwrap_or(u64::MAX);
        let mut question = pipe();
        question.cmd("SET").arg(state.names.gateway(&state.gateway)).arg("").arg("PX").arg(PASSING).ignore();
        question.add_command(self.keeping.question(replicas, patience));
        let answer: RedisResult<Vec<Value>> = question.query_async(&mut self.redis).await;
        let (on_disk, on_replicas) = match answer {
            Ok(answer) => self.keeping.read(&answer),
            Err(error) if error.to_string().contains("appendonly") => (false, 0),
            Err(error) if error.is_timeout() => {
                return Err(format!(
                    "the change may not be kept: Redis has not said so within {millis} ms, which is `timeout`"
                ));
            }
            Err(error) => return Err(explain(&error)),
        };
        if !on_disk {
            return Err(format!(
                "the change is not on the disk of Redis after {patience} ms: set `appendonly yes` there, and `appendfsync always`, \
                 or raise `timeout` above 2 s for `everysec`"
            ));
        }
        if on_replicas < u64::from(replicas) {
            return Err(format!(
                "{on_replicas} instead of {replicas} replicas have the change after {patience} ms: look at the replicas, or \
                 lower `replicas`"
            ));
        }
        Ok(())
    }
}

impl Keeping {
    fn question(self, replicas: u16, patience: u64) -> Cmd {
        let mut question = cmd(if self == Self::Disk { "WAITAOF" } else { "WAIT" });
        if self == Self::Disk {
            question.arg(1);
        }
        question.arg(replicas).arg(patience);
        question
    }

    /// Whether the disk has it, and how many replicas.
    fn read(self, answer: &[Value]) -> (bool, u64) {
        let numbers: Vec<u64> = match answer {
            [Value::Array(numbers)] => numbers.iter().filter_map(number).collect(),
            [value] => number(value).into_iter().collect(),
            _ => Vec::new(),
        };
        match (self, &numbers[..]) {
            (Self::Disk, [on_disk, on_replicas]) => (*on_disk > 0, *on_replicas),
            (Self::Replicas, [on_replicas]) => (true, *on_replicas),
            _ => (false, 0),
        }
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

/// Asks for all changes that wait, again and again.
pub(super) async fn serve(
    keeper: impl Fn() -> Option<Keeper>,
    state: &State,
    mut changes: mpsc::Receiver<Waiting>,
) {
    let mut waiting = Vec::new();
    while changes.recv_many(&mut waiting, MAX_WAITING).await > 0 {
        let outcome = match keeper() {
            Some(mut keeper) => keeper.ask(state).await,
            None => Err("there is no connection".to_owned()),
        };
        for change in waiting.drain(..) {
            let _ = change.send(outcome.clone());
        }
    }
}

/// Where changes wait.
#[derive(Debug)]
pub(super) struct Barrier(mpsc::Sender<Waiting>);

impl Barrier {
    pub(super) fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Self(sender), receiver)
    }

    /// Waits until what Redis has acknowledged by now is kept.
    pub(super) async fn pass(&self) -> Result<(), String> {
        let (reply, answer) = oneshot::channel();
        let is_sent = self.0.send(reply).await.is_ok();
        let outcome = if is_sent { answer.await.ok() } else { None };
        outcome.unwrap_or_else(|| Err("the store closes".to_owned()))
    }
}
