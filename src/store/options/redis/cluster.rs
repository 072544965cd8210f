//! A Redis Cluster: `redis+cluster://USER:PASSWORD@HOST:6379,HOST:6379`.

use redis::{ConnectionInfo, IntoConnectionInfo as _};

use super::{RedisUrlError, places, strict::has_only};

/// The port of a server, unless the URL says otherwise.
const PORT: &str = "6379";

/// Servers of a cluster, which know all others. It may have a password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::store) struct Cluster {
    /// `redis` or `rediss`.
    scheme: &'static str,
    /// Where each of them is: host and port.
    places: Vec<String>,
    /// User and password of all servers, as a URL has them, with `@` behind; empty: none.
    account: String,
}

impl Cluster {
    /// Whether a text names a cluster.
    pub(super) fn is_named(text: &str) -> bool {
        ["redis+cluster:", "rediss+cluster:"].iter().any(|scheme| text.starts_with(scheme))
    }

    pub(super) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("+cluster://").ok_or(RedisUrlError::Cluster)?;
        let scheme = if scheme == "rediss" { "rediss" } else { "redis" };
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        if !has_only(query, &[]) {
            return Err(RedisUrlError::Query);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A cluster has this database alone.
        if !["", "0"].contains(&path) {
            return Err(RedisUrlError::Cluster);
        }
        let (account, hosts) = places::account_of(authority);
        let cluster = Self { scheme, places: places::read(hosts, PORT), account };
        let are_fit = cluster.places.len() <= places::MOST && cluster.each().all(|info| info.is_ok());
        if are_fit { Ok(cluster) } else { Err(RedisUrlError::Cluster) }
    }

    /// Where each of them is.
    pub(in crate::store) fn each(&self) -> impl Iterator<Item = Result<ConnectionInfo, RedisUrlError>> {
        let urls = self.places.iter().map(|place| format!("{}://{}{place}/0", self.scheme, self.account));
        urls.map(|url| url.into_connection_info().map_err(|_| RedisUrlError::Cluster))
    }

    /// The server at a place that they name.
    pub(in crate::store) fn server(&self, host: &str, port: &str) -> Result<ConnectionInfo, RedisUrlError> {
        places::server(self.scheme, &self.account, (host, port), 0).map_err(|_| RedisUrlError::Cluster)
    }

    /// The URL without user and password.
    pub(super) fn shown(&self) -> String {
        format!("{}+cluster://{}", self.scheme, self.places.join(","))
    }

    /// Whether a password crosses a network as plain text.
    pub(super) fn shows_password(&self) -> bool {
        self.scheme == "redis" && !self.account.is_empty() && !places::are_here(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_cluster_are_read() {
        let cluster = Cluster::parse("redis+cluster://joe:secret@a.example,b.example:7000,[::1]/0").unwrap();
        assert_eq!(cluster.shown(), "redis+cluster://a.example:6379,b.example:7000,[::1]:6379");
        assert_eq!(cluster.each().count(), 3);
        let server = cluster.server("::1", "7001").unwrap();
        assert_eq!(server.redis_settings().password(), Some("secret"));
        for (host, port) in
            [("evil.example/0#insecure", "1"), ("a@evil.example", "1"), ("a.example", "1/0#insecure")]
        {
            assert!(cluster.server(host, port).is_err(), "{host}:{port}");
        }
        assert!(cluster.shows_password());
        assert!(!Cluster::parse("redis+cluster://:secret@127.0.0.1").unwrap().shows_password());
        assert!(!Cluster::parse("rediss+cluster://:secret@a.example").unwrap().shows_password());
    }

    #[test]
    fn other_texts_are_refused() {
        for rest in ["", "/0", "a.example/1", "a.example/main/0", "a.example,/0", "a.example?db=0"] {
            assert!(Cluster::parse(&format!("redis+cluster://{rest}")).is_err(), "{rest}");
        }
    }
}
