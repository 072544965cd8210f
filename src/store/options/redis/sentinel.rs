//! A Redis that Sentinels watch: `redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/SERVICE/0`.

use redis::{ConnectionInfo, IntoConnectionInfo as _};

use super::{RedisUrlError, places, strict::has_only};

/// The port of a Sentinel, unless the URL says otherwise.
const PORT: &str = "26379";

/// Sentinels, and the service that they watch. It may have passwords.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(in crate::store) struct Sentinels {
    /// `redis` or `rediss`.
    scheme: &'static str,
    /// Where each of them is: host and port.
    places: Vec<String>,
    /// User and password of the Sentinels, as a URL has them, with `@` behind; empty: none.
    account: String,
    /// The name of the service.
    pub(in crate::store) service: String,
    /// User and password of the servers, likewise.
    server_account: String,
    db: u32,
}

impl Sentinels {
    /// Whether a text names Sentinels.
    pub(super) fn are_named(text: &str) -> bool {
        ["redis+sentinel:", "rediss+sentinel:"].iter().any(|scheme| text.starts_with(scheme))
    }

    pub(super) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("+sentinel://").ok_or(RedisUrlError::Sentinel)?;
        let scheme = if scheme == "rediss" { "rediss" } else { "redis" };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        if !has_only(query, &["sentinel_user", "sentinel_pass"]) {
            return Err(RedisUrlError::Query);
        }
        let (authority, path) = rest.split_once('/').ok_or(RedisUrlError::Sentinel)?;
        let (server_account, hosts) = places::account_of(authority);
        let (service, db) = path.split_once('/').unwrap_or((path, "0"));
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if service.is_empty() || !service.chars().all(is_fit) {
            return Err(RedisUrlError::Sentinel);
        }
        let places = places::read(hosts, PORT);
        let (mut user, mut password) = ("", "");
        for (key, value) in query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')) {
            *(if key == "sentinel_user" { &mut user } else { &mut password }) = value;
        }
        let account = if password.is_empty() { String::new() } else { format!("{user}:{password}@") };
        let db = db.parse().map_err(|_| RedisUrlError::Sentinel)?;
        let sentinels = Self { scheme, places, account, service: service.to_owned(), server_account, db };
        let are_fit = sentinels.places.len() <= places::MOST
            && sentinels.each().all(|info| info.is_ok())
            && sentinels.server("localhost", "6379").is_ok();
        if are_fit { Ok(sentinels) } else { Err(RedisUrlError::Sentinel) }
    }

    /// Where each of them is.
    pub(in crate::store) fn each(&self) -> impl Iterator<Item = Result<ConnectionInfo, RedisUrlError>> {
        let urls = self.places.iter().map(|place| format!("{}://{}{place}/0", self.scheme, self.account));
        urls.map(|url| url.into_connection_info().map_err(|_| RedisUrlError::Sentinel))
    }

    /// The server at a place that they name.
    pub(in crate::store) fn server(&self, host: &str, port: &str) -> Result<ConnectionInfo, RedisUrlError> {
        places::server(self.scheme, &self.server_account, (host, port), self.db)
            .map_err(|_| RedisUrlError::Sentinel)
    }

    /// The URL without users and passwords.
    pub(super) fn shown(&self) -> String {
        format!("{}+sentinel://{}/{}/{}", self.scheme, self.places.join(","), self.service, self.db)
    }

    /// Whether a password crosses a network as plain text.
    pub(super) fn show_password(&self) -> bool {
        self.scheme == "redis"
            && !(self.account.is_empty() && self.server_account.is_empty())
            && !places::are_here(&self.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_and_their_service_are_read() {
        let text = "redis+sentinel://joe:secret@a.example,b.example:7000,[::1]/main/3?sentinel_pass=hidden";
        let sentinels = Sentinels::parse(text).unwrap();
        assert_eq!(sentinels.shown(), "redis+sentinel://a.example:26379,b.example:7000,[::1]:26379/main/3");
        let infos: Vec<_> = sentinels.each().map(Result::unwrap).collect();
        assert_eq!(infos[1].addr().to_string(), "b.example:7000");
        assert_eq!(infos[1].redis_settings().password(), Some("hidden"));
        let server = sentinels.server("::1", "6380").unwrap();
        assert_eq!(server.redis_settings().username(), Some("joe"));
        assert_eq!((server.redis_settings().password(), server.redis_settings().db()), (Some("secret"), 3));
        assert!(sentinels.show_password());
        assert!(!Sentinels::parse("redis+sentinel://:secret@127.0.0.1/main").unwrap().show_password());
        assert!(!Sentinels::parse("rediss+sentinel://:secret@a.example/main").unwrap().show_password());
    }

    #[test]
    fn other_texts_are_refused() {
        for rest in [
            "a.example",
            "a.example/",
            "/main",
            "a.example/main/x",
            "a.example,/main",
            "a.example/main?x=y",
            "a/m n",
        ] {
            assert!(Sentinels::parse(&format!("redis+sentinel://{rest}")).is_err(), "{rest}");
        }
    }
}
