//! The connections to Redis: those for commands, one that asks whether changes are kept, where they have to be, and one on which messages
//! come.

use std::sync::Arc;

use redis::{AsyncConnectionConfig, PushInfo, PushKind, Value, aio::MultiplexedConnection};
use tokio::sync::{Notify, mpsc};

use crate::store::{
    Durability,
    redis::{
        connect::{Servers, connect},
        durable, fault,
        link::Current,
        state::State,
    },
};

/// How many messages of other gateways wait to be heard. More, and the connection is given up: then nothing of the cache
/// counts, and all open connections are looked up.
const MAX_UNHEARD: usize = 4096;

/// The connections to Redis.
pub(in crate::store::redis) struct Connections {
    pub(super) current: Current,
    /// Ends when it is dropped, and with it `heard`.
    pub(super) pushes: MultiplexedConnection,
    pub(super) heard: mpsc::Receiver<PushInfo>,
    /// Messages were lost.
    pub(super) overflow: Arc<Notify>,
}

/// What comes on the connection that listens.
pub(super) enum Push {
    /// The channel, and what was sent there.
    Message(Vec<u8>, Vec<u8>),
    End,
    Other,
}

/// Connects, and listens.
pub(in crate::store::redis) async fn open(state: &State) -> Result<Connections, String> {
    let (sender, heard) = mpsc::channel(MAX_UNHEARD);
    let overflow = Arc::new(Notify::new());
    let lost = Arc::clone(&overflow);
    let config = AsyncConnectionConfig::new()
        .set_push_sender(move |push: PushInfo| sender.try_send(push).map_err(|_| lost.notify_one()));
    let plain = || connect(&state.options, AsyncConnectionConfig::new());
    let explained = |error: redis::RedisError| fault::explain(&error);
    let commands = Servers::connect(&state.options).await.map_err(explained)?;
    let keeper = match state.options.durability {
        Durability::Server => None,
        Durability::Always { .. } => Some(durable::find(state, plain().await.map_err(explained)?).await?),
    };
    let mut pushes = connect(&state.options, config).await.map_err(explained)?;
    let channels = [state.names.revoked(), state.names.attempts(), state.names.gateway(&state.gateway)];
    pushes.subscribe(&channels[..]).await.map_err(explained)?;
    let current = Current { commands, keeper };
    Ok(Connections { current, pushes, heard, overflow })
}

impl From<PushInfo> for Push {
    fn from(push: PushInfo) -> Self {
        if push.kind == PushKind::Disconnection {
            return Self::End;
        }
        let mut data = push.data.into_iter().map(bytes);
        match (push.kind, data.next(), data.next()) {
            (PushKind::Message, Some(Some(channel)), Some(Some(payload))) => Self::Message(channel, payload),
            _ => Self::Other,
        }
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}
