//! Which server is the primary of a service that Sentinels watch.
//!
//! They are asked for each new connection, so that the gateway finds the new primary after a failover: the old one closes its
//! connections or says that it is a replica, and then the gateway connects again.

use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisResult, ServerErrorKind, Value,
    aio::MultiplexedConnection, cmd,
};

use super::{connect_to, unfit};
use crate::store::{RedisOptions, options::Sentinels};

/// Asks one Sentinel after the other.
pub(super) async fn primary(sentinels: &Sentinels, options: &RedisOptions) -> RedisResult<ConnectionInfo> {
    let mut latest = None;
    for place in sentinels.each() {
        match ask(place.map_err(unfit)?, sentinels, options).await {
            Ok(Some((host, port))) => return sentinels.server(&host, &port).map_err(unfit),
            Ok(None) => {
                let error = (ErrorKind::MasterNameNotFoundBySentinel, "a Sentinel does not know the service");
                latest = Some(error.into());
            }
            Err(error) => latest = Some(error),
        }
    }
    Err(latest.unwrap_or_else(|| (ErrorKind::InvalidClientConfig, "no Sentinel is named").into()))
}

async fn ask(
    place: ConnectionInfo,
    sentinels: &Sentinels,
    options: &RedisOptions,
) -> RedisResult<Option<(String, String)>> {
    let mut sentinel = connect_to(place, options, AsyncConnectionConfig::new()).await?;
    let mut question = cmd("SENTINEL");
    question.arg("GET-MASTER-ADDR-BY-NAME").arg(&sentinels.service).query_async(&mut sentinel).await
}

/// Whether a server is a primary: a Sentinel that was cut off may name one that is none any more.
pub(super) async fn is_primary(redis: &mut MultiplexedConnection) -> RedisResult<()> {
    let role: Vec<Value> = cmd("ROLE").query_async(redis).await?;
    let is_primary = match role.first() {
        Some(Value::BulkString(role)) => role == b"master",
        Some(Value::SimpleString(role)) => role == "master",
        _ => false,
    };
    let replica =
        (ErrorKind::Server(ServerErrorKind::ReadOnly), "the server that the Sentinels name is a replica");
    if is_primary { Ok(()) } else { Err(replica.into()) }
}
