//! What a configuration says about a store on Redis.

mod cluster;
mod places;
mod sentinel;
mod strict;

use std::{fmt, path::PathBuf, time::Duration};

use redis::{ConnectionAddr, IntoConnectionInfo as _};

use self::strict::has_plain_parts;

pub(in crate::store) use self::{cluster::Cluster, sentinel::Sentinels};

/// `prefix`, unless the configuration says otherwise.
pub const DEFAULT_PREFIX: &str = "wg:";

/// `timeout`, unless the configuration says otherwise: a thousand times what a healthy Redis in the same data center takes,
/// and less than what a user notices.
pub const DEFAULT_REDIS_TIMEOUT: Duration = Duration::from_millis(250);

/// `max_outage`, unless the configuration says otherwise: longer than a restart or a failover takes, and short enough that a
/// revoked login does not go on for long.
pub const DEFAULT_MAX_OUTAGE: Duration = Duration::from_mins(5);

/// Where no Redis is: no connection can be made to this port.
const UNKNOWN: &str = "redis://localhost:0";

/// A store on Redis or Valkey, which several gateways share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisOptions {
    /// `url`.
    pub url: RedisUrl,
    /// `prefix` of all keys and channels. Default [`DEFAULT_PREFIX`].
    pub prefix: String,
    /// `timeout` of an operation. Default [`DEFAULT_REDIS_TIMEOUT`].
    pub timeout: Duration,
    /// `durability`, with `replicas`. Default [`Durability::Server`].
    pub durability: Durability,
    /// `on_error`. Default [`OnError::Deny`].
    pub on_error: OnError,
    /// `max_outage`: how long connections stay open while their cookies cannot be looked up. Default [`DEFAULT_MAX_OUTAGE`].
    pub max_outage: Duration,
    /// `max_per_principal`; 0: no bound.
    pub max_per_principal: usize,
    /// `public_id_key`, joined to the node directory; none: the gateways agree on a key in Redis.
    pub public_id_key: Option<PathBuf>,
}

/// When a change counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// When the server has acknowledged it.
    #[default]
    Server,
    /// When the server's disk has it.
    Always {
        /// How many replicas must have it as well.
        replicas: u16,
    },
}

/// What becomes of new clients while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnError {
    /// The gateway refuses them.
    #[default]
    Deny,
    /// A client without a cookie gets an identity for one connection, which is not recorded. A client with a cookie is refused:
    /// the gateway can neither believe the cookie nor put another one in its place.
    Ephemeral,
}

/// Where a Redis is, and with which password. Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RedisUrl {
    way: Way,
    /// The URL without user and password.
    shown: String,
    /// Why the URL is not known.
    why_unknown: Option<String>,
}

/// How a server is found.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::store) enum Way {
    /// By its URL.
    Url(String),
    /// By asking Sentinels.
    Sentinels(Sentinels),
    /// In a cluster there are many, of which each has some of the keys.
    Cluster(Cluster),
}

/// Why a text is not the URL of a Redis. No message repeats the text, which may have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Not a URL of a known form.
    #[error(
        "this is not the URL of a Redis: write \"redis://HOST:6379/0\", \"rediss://HOST:6379/0\" for TLS, \
         \"redis+sentinel://HOST:26379,HOST:26379/SERVICE/0\", \"redis+cluster://HOST:6379,HOST:6379\", or \"unix:/path/to/redis.sock\", with a user and a password as \
         \"redis://USER:PASSWORD@HOST\" or \"unix:/path/to/redis.sock?user=USER&pass=PASSWORD\", both percent-encoded (@ : / as %40 %3A %2F)"
    )]
    Form,
    /// Not a URL of Sentinels.
    #[error(
        "this names no Sentinels: write \"redis+sentinel://HOST:26379,HOST:26379/SERVICE/0\" (`rediss+sentinel` for TLS), with user \
         and password of the servers as \"USER:PASSWORD@\" before the hosts, and those of the Sentinels as \
         \"?sentinel_user=USER&sentinel_pass=PASSWORD\" at the end"
    )]
    Sentinel,
    /// A character that divides the parts of a URL stands in a user's name or in a password, so that a part of it might be taken
    /// for the host, whose name goes over the network and into the log.
    #[error(
        "a part of its user or password would be cut off or taken for a host: percent-encode all but letters and digits there (@ as %40, \
         # as %23, : as %3A, / as %2F, ? as %3F, % as %25), and leave out what stands behind a `#`"
    )]
    Encoding,
    /// Something behind a question mark that does not belong there.
    #[error(
        "something behind its `?` does not belong there: only \"unix:/path/to/redis.sock?db=0&user=USER&pass=PASSWORD\" has these three, each \
         once, and \"redis+sentinel://…?sentinel_user=USER&sentinel_pass=PASSWORD\" these two; elsewhere the database stands behind the host \
         (\"redis://HOST:6379/0\"), and a `?` in a password is %3F"
    )]
    Query,
    /// Not a URL of a cluster.
    #[error(
        "this names no Redis Cluster: write \"redis+cluster://HOST:6379,HOST:6379\" with some of its servers (`rediss+cluster` for TLS), with user \
         and password of all servers as \"USER:PASSWORD@\" before the hosts; a cluster has the database 0 alone"
    )]
    Cluster,
    /// `durability` for a cluster.
    #[error(
        "`\"durability\": \"always\"` is for one server, since those of a cluster keep changes each for itself: leave it out, or name one \
         server or Sentinels"
    )]
    NotKept,
    /// A certificate that is not checked.
    #[error(
        "`#insecure` would let another server stand in for Redis: leave it out, and put the authority's certificate into the system's store"
    )]
    Insecure,
}

impl RedisUrl {
    /// What stands for a URL that cannot be read, where only the rest of a configuration matters. No gateway may run with it, and no
    /// command may reach for the store.
    pub fn unknown(why: impl Into<String>) -> Self {
        let shown = "an unknown Redis".to_owned();
        Self { way: Way::Url(UNKNOWN.to_owned()), shown, why_unknown: Some(why.into()) }
    }

    /// Why the URL is not known; none: it is.
    pub fn why_unknown(&self) -> Option<&str> {
        self.why_unknown.as_deref()
    }

    /// Checks a URL.
    pub fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let text = text.trim();
        let scheme = text.split(':').next().unwrap_or_default();
        if text.ends_with("#insecure") && !text.trim_end_matches("#insecure").contains('#') {
            return Err(RedisUrlError::Insecure);
        }
        if !has_plain_parts(text) {
            return Err(RedisUrlError::Encoding);
        }
        if Sentinels::are_named(text) {
            let sentinels = Sentinels::parse(text)?;
            return Ok(Self { shown: sentinels.shown(), way: Way::Sentinels(sentinels), why_unknown: None });
        }
        if Cluster::is_named(text) {
            let cluster = Cluster::parse(text)?;
            return Ok(Self { shown: cluster.shown(), way: Way::Cluster(cluster), why_unknown: None });
        }
        if scheme.contains("cluster") {
            return Err(RedisUrlError::Cluster);
        }
        let parts = redis::parse_redis_url(text).ok_or(RedisUrlError::Form)?;
        let of_socket: &[&str] = if scheme.ends_with("unix") { &["db", "user", "pass"] } else { &[] };
        if !strict::has_only(parts.query(), of_socket) {
            return Err(RedisUrlError::Query);
        }
        // Otherwise they would be left unheard.
        if scheme.ends_with("unix") && !(parts.username().is_empty() && parts.password().is_none()) {
            return Err(RedisUrlError::Form);
        }
        let info = parts.into_connection_info().map_err(|_| RedisUrlError::Form)?;
        let db = info.redis_settings().db();
        if db < 0 {
            return Err(RedisUrlError::Form);
        }
        let shown = match info.addr() {
            ConnectionAddr::Tcp(host, port) => format!("redis://{host}:{port}/{db}"),
            ConnectionAddr::TcpTls { host, port, .. } => format!("rediss://{host}:{port}/{db}"),
            ConnectionAddr::Unix(path) if db == 0 => format!("unix:{}", path.display()),
            ConnectionAddr::Unix(path) => format!("unix:{}?db={db}", path.display()),
            _ => return Err(RedisUrlError::Form),
        };
        Ok(Self { way: Way::Url(text.to_owned()), shown, why_unknown: None })
    }

    /// Whether it is a cluster, whose servers keep changes each for itself.
    pub const fn is_cluster(&self) -> bool {
        matches!(self.way, Way::Cluster(_))
    }

    /// How the server is found.
    pub(in crate::store) const fn way(&self) -> &Way {
        &self.way
    }

    /// Whether a password crosses a network as plain text.
    pub fn shows_password(&self) -> bool {
        let url = match &self.way {
            Way::Url(url) => url,
            Way::Sentinels(sentinels) => return sentinels.show_password(),
            Way::Cluster(cluster) => return cluster.shows_password(),
        };
        self.shown.starts_with("redis://")
            && url.contains('@')
            && !["localhost", "127.0.0.1", "[::1]", "::1"]
                .iter()
                .any(|here| self.shown.trim_start_matches("redis://").starts_with(&format!("{here}:")))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({})", self.shown)
    }
}

#[cfg(test)]
mod tests;
