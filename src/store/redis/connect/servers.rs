//! One server, or those of a cluster: where commands go.

use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

use super::{Cluster, connect};
use crate::store::{RedisOptions, options::Way};

/// Connections for commands. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::store::redis) enum Servers {
    /// One server has all keys.
    One(MultiplexedConnection),
    /// Each key is with one of many.
    Cluster(Cluster),
}

impl Servers {
    pub(in crate::store::redis) async fn connect(options: &RedisOptions) -> RedisResult<Self> {
        match options.url.way() {
            Way::Cluster(cluster) => Cluster::connect(cluster, options).await.map(Self::Cluster),
            Way::Url(_) | Way::Sentinels(_) => {
                connect(options, AsyncConnectionConfig::new()).await.map(Self::One)
            }
        }
    }

    /// All of them, always in the same order.
    pub(in crate::store::redis) fn each(&self) -> Vec<MultiplexedConnection> {
        match self {
            Self::One(redis) => vec![redis.clone()],
            Self::Cluster(cluster) => cluster.each(),
        }
    }
}

impl ConnectionLike for Servers {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(redis) => redis.req_packed_command(command),
            Self::Cluster(cluster) => Box::pin(cluster.ask(command)),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(redis) => redis.req_packed_commands(pipeline, offset, count),
            // The store has no transactions, so that all answers are wanted.
            Self::Cluster(cluster) => Box::pin(cluster.ask_many(pipeline)),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(redis) => redis.get_db(),
            Self::Cluster(_) => 0,
        }
    }
}
