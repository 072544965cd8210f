//! New connections: to a server that the configuration names or that Sentinels name, or to those of a cluster.

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, IntoConnectionInfo as _, ProtocolVersion,
    RedisError, RedisResult, aio::MultiplexedConnection,
};

use self::sentinel::{is_primary, primary};
use crate::store::{RedisOptions, RedisUrlError, options::Way};

mod cluster;
mod sentinel;
mod servers;

use self::cluster::Cluster;
pub(super) use self::servers::Servers;

/// A new connection; to any server of a cluster, which passes messages on to all.
pub(super) async fn connect(
    options: &RedisOptions,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    match options.url.way() {
        Way::Url(url) => connect_to(url.as_str().into_connection_info()?, options, config).await,
        Way::Sentinels(sentinels) => {
            let server = primary(sentinels, options).await?;
            let mut redis = connect_to(server, options, config).await?;
            // A Sentinel may not have heard yet.
            is_primary(&mut redis).await?;
            Ok(redis)
        }
        Way::Cluster(servers) => cluster::any(servers, options, config).await.map(|(redis, _)| redis),
    }
}

/// A new connection to this server. Push messages need RESP3.
pub(super) async fn connect_to(
    info: ConnectionInfo,
    options: &RedisOptions,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let config = config
        // A connection needs several round trips, and more with TLS.
        .set_connection_timeout(Some(options.timeout.saturating_mul(4)))
        .set_response_timeout(Some(options.timeout));
    let client = Client::open(info.set_redis_settings(settings))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// A server that names another one by no fit address.
fn unfit(error: RedisUrlError) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "address", error.to_string()))
}
