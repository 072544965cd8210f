//! The connection for commands, and what its errors mean to an operator.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, ServerErrorKind,
    aio::MultiplexedConnection,
};
use tokio::sync::Notify;

use super::state::State;
use crate::store::{RedisOptions, StoreError};

/// Where the connection is, while there is one.
#[derive(Debug)]
pub(super) struct Link {
    state: Arc<State>,
    current: Mutex<Option<MultiplexedConnection>>,
    /// The connection has ended: find another one.
    pub(super) is_broken: Notify,
}

impl Link {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state, current: Mutex::default(), is_broken: Notify::new() }
    }

    /// The connection, if Redis answers on it.
    pub(super) fn connection(&self) -> Result<MultiplexedConnection, StoreError> {
        if !self.state.is_up() {
            return Err(self.unreachable("it does not answer"));
        }
        self.lock().clone().ok_or_else(|| self.unreachable("there is no connection"))
    }

    pub(super) fn set(&self, connection: Option<MultiplexedConnection>) {
        *self.lock() = connection;
    }

    /// An answer of Redis, which was asked at a moment.
    pub(super) fn told<T>(&self, answer: RedisResult<T>, asked: Instant) -> Result<T, StoreError> {
        self.state.tally.answered(asked.elapsed());
        answer.map_err(|error| {
            if error.is_connection_dropped() || error.is_unrecoverable_error() {
                self.is_broken.notify_one();
            }
            if error.is_timeout() {
                return self.late();
            }
            self.unreachable(&explain(&error))
        })
    }

    /// Redis took too long.
    pub(super) fn late(&self) -> StoreError {
        let millis = self.state.options.timeout.as_millis();
        self.unreachable(&format!(
            "no answer within {millis} ms, which is `timeout`: find out what slows down Redis or the network"
        ))
    }

    fn unreachable(&self, what: &str) -> StoreError {
        StoreError::Unreachable(format!("{}: {what}", self.state.options.url).into())
    }

    fn lock(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A new connection.
pub(super) async fn connect(
    options: &RedisOptions,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let info = options
        .url
        .connection()
        .map_err(|error| RedisError::from((ErrorKind::InvalidClientConfig, "url", error.to_string())))?;
    let config = config
        // A connection needs several round trips, and more with TLS.
        .set_connection_timeout(Some(options.timeout.saturating_mul(4)))
        .set_response_timeout(Some(options.timeout));
    Client::open(info)?.get_multiplexed_async_connection_with_config(&config).await
}

/// An error with its remedy. No message repeats a value or a password.
pub(super) fn explain(error: &RedisError) -> String {
    // The error of a pipeline has no code; that of its command has one.
    let of_server = error.clone().into_server_errors();
    let of_server = of_server.as_deref().and_then(<[_]>::first).map(|(_, error)| error.code());
    let code = of_server.or_else(|| error.code());
    let remedy = match error.kind() {
        ErrorKind::AuthenticationFailed => "check the user and the password of `url`",
        ErrorKind::Server(ServerErrorKind::ReadOnly) => "this server is a replica: name the primary in `url`",
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "it loads its data: wait until it is done",
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            "the user of `url` lacks a permission: docs/scaling.md has the rule for ACL SETUSER"
        }
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            "this is a Redis Cluster, which is not supported: name a single server"
        }
        ErrorKind::Io => "check that it runs, that `url` is right, and that no firewall is in between",
        _ => match code {
            Some("OOM") => "it has no memory left: raise `maxmemory`",
            Some("MISCONF") => "it cannot save to its disk: make room there",
            Some("WRONGTYPE") => "another program uses the same keys: choose another `prefix`",
            Some("NOAUTH" | "WRONGPASS") => "check the user and the password of `url`",
            _ => "see its log",
        },
    };
    // The detail of a server's error may repeat a part of the command.
    let what = code.map_or_else(|| error.to_string(), ToOwned::to_owned);
    format!("{what}; {remedy}")
}
