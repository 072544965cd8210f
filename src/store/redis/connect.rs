//! New connections, to a server that the configuration names or that Sentinels name.

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, RedisResult,
    aio::MultiplexedConnection,
};

use self::sentinel::{is_primary, primary};
use crate::store::{RedisOptions, options::Way};

mod sentinel;

/// A new connection.
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
