//! Cookie tracking: how the cookie is written, and where the records live.

use schemars::json_schema;

use super::{
    Secret,
    reader::{
        Json, Located, NodePath, Only, Own, Raw, Time, Walk, Whole, checked_text, choice, inline_schema,
        object, whole, words,
    },
};
use crate::{
    cookie::{CookieName, CookieOptions, CookiePrefix, IdLength, MaxAge, SameSite},
    store::{
        DEFAULT_MAX_COOKIES, DEFAULT_MAX_OUTAGE, DEFAULT_MAX_PER_PRINCIPAL, DEFAULT_MAX_SIZE, DEFAULT_PREFIX,
        DEFAULT_REDIS_TIMEOUT, Durability, OnError, RedisOptions, RedisUrl, RedisUrlError, StoreOptions,
        SyncMode,
    },
    tracking::TrackingOptions,
};

/// 128 bits in characters of 6 bits: what OWASP asks of a session ID, and some to spare.
const UNGUESSABLE_LENGTH: usize = 22;

/// Browsers cut a cookie's lifetime to this (RFC 6265bis, 5.5).
const BROWSERS_MAX_AGE: u32 = 400 * 86_400;

object! {
    /// Cookie tracking: the browser keeps an ID, so that the gateway recognizes the client when it comes back.
    struct RawCookie {
        /// The cookie's name. Default `cbtid`.
        name: optional CookieName,
        /// A prefix of the cookie's name, by which browsers restrict it: `host` (`__Host-`, only this very host can set
        /// it) or `secure` (`__Secure-`). Needs `secure`, or `tls` at the endpoint.
        /// Default: no prefix.
        prefix: optional Located<CookiePrefix>,
        /// How many characters of 6 random bits an ID has. Default 24.
        length: optional IdLength,
        /// How long a cookie is valid, in seconds. Default one day.
        max_age: optional MaxAge,
        /// The `Secure` attribute. Default: on TLS connections.
        secure: optional bool,
        /// The `HttpOnly` attribute. Default true.
        http_strict: optional bool,
        /// The `SameSite` attribute. Default `Lax`.
        same_site: optional Located<SameSite>,
        /// Where the records live: an object such as {"type": "memory"}.
        store: required Located<RawStore>,
    }
    misplaced {
        "http_only" => "write `http_strict`, Crossbar's name for the `HttpOnly` attribute",
        "httponly" => "write `http_strict`, Crossbar's name for the `HttpOnly` attribute",
        "domain" => "the cookie belongs to the host that sets it, leave `domain` out",
        "path" => "the cookie is for all paths of its host, leave `path` out; a store's `path` stands inside `store`",
        "expires" => "write the time in seconds as `max_age`",
        "type" => "the kind of store stands inside `store`: {\"type\": …}",
    }
}

choice! {
    /// A cookie store.
    enum RawStore {
        Memory(RawMemoryStore) = "memory",
        File(RawFileStore) = "file",
        Lmdb(RawLmdbStore) = "lmdb" | "database",
        Redis(RawRedisStore) = "redis",
    }
}

object! {
    /// Records in memory, gone when the gateway stops.
    struct RawMemoryStore {
        /// The largest number of records. Default 1,000,000.
        max_cookies: optional Whole<1, 100_000_000>,
        /// The largest number of records of one principal: when it logs in with one more, its oldest goes. 0: no bound.
        /// Default 100.
        max_per_principal: optional Whole<0, 100_000_000>,
    }
    misplaced {
        "filename" => "a memory store keeps nothing on disk, use \"type\": \"file\"",
        "path" => "a memory store keeps nothing on disk, use \"type\": \"lmdb\"",
    }
}

object! {
    /// Records in a file of JSON Lines.
    struct RawFileStore {
        /// The file's path, absolute or relative to the node directory.
        filename: required Located<NodePath>,
        /// The largest number of records. Default 1,000,000.
        max_cookies: optional Whole<1, 100_000_000>,
        /// The largest number of records of one principal: when it logs in with one more, its oldest goes. 0: no bound.
        /// Default 100.
        max_per_principal: optional Whole<0, 100_000_000>,
        /// When the store waits for the disk: `always` (the default), `interval` (once a second), or `never`.
        sync: optional SyncMode,
        /// Crossbar's switch for dropping expired records, which the gateway always drops.
        purge_on_startup: optional bool,
    }
    misplaced {
        "path" => "write the file's path as `filename`",
    }
}

object! {
    /// Records in an LMDB environment.
    struct RawLmdbStore {
        /// The environment's directory, absolute or relative to the node directory.
        path: required Located<NodePath>,
        /// The largest size of the environment, in bytes. Default 1 GiB.
        max_size: optional Located<Whole<131_072, 137_438_953_472>>,
        /// Crossbar's name for `max_size`.
        maxsize: optional Whole<131_072, 137_438_953_472>,
        /// The largest number of records of one principal: when it logs in with one more, its oldest goes. 0: no bound.
        /// Default 100.
        max_per_principal: optional Whole<0, 100_000_000>,
        /// When the store waits for the disk: `always` (the default; also true), `interval` (once a second), or
        /// `never` (also false).
        sync: optional Sync,
        /// Crossbar's switch for a read-only store; only false is possible.
        readonly: optional Only<false>,
        /// Crossbar's switch for dropping expired records, which the gateway always drops.
        purge_on_startup: optional bool,
    }
    misplaced {
        "filename" => "write the directory's path as `path`",
        "max_cookies" => "use `max_size`, which bounds an LMDB store",
    }
}

object! {
    /// Records in Redis 7 or Valkey, which several gateways share.
    struct RawRedisStore {
        /// Where it is: `redis://USER:PASSWORD@HOST:6379/0`, `rediss://…` for TLS,
        /// `redis+sentinel://HOST:26379,HOST:26379/SERVICE/0`, or `unix:/path/to/redis.sock`; `"${NAME}"` for an environment variable, or {"file": …}, where it has a password.
        url: required Located<Secret>,
        /// What the names of all keys begin with. Default `wg:`.
        prefix: optional Prefix,
        /// How long an operation may take. Default `250ms`.
        timeout: optional Time<10, 10_000>,
        /// When a change counts: `server` (the default) when Redis has acknowledged it; `always` when it is on the disk of Redis, which
        /// takes Redis 7.2 or Valkey with `appendonly yes`, or `appendfsync always`.
        durability: optional DurabilityName,
        /// With `"durability": "always"`: how many replicas must have a change before it counts, so that a failover does not lose
        /// it. Default 0.
        replicas: optional Located<Whole<0, 16>>,
        /// What becomes of new clients while Redis does not answer: `deny` (the default) refuses them with 503; `ephemeral` gives a
        /// client without a cookie an identity for its connection, which is not recorded.
        on_error: optional OnError,
        /// How long connections stay open while Redis cannot be asked whether their cookies still count: a revocation on another
        /// gateway does not reach them then. Default `300s`.
        max_outage: optional Time<5_000, 86_400_000>,
        /// The largest number of logins of one principal: when it logs in with one more, the one ends that expires first. 0: no
        /// bound. Default 100.
        max_per_principal: optional Whole<0, 100_000_000>,
        /// The file with the key of public IDs, which all gateways must have alike; the gateway makes it if there is none. Default:
        /// the gateways agree on a key in Redis.
        public_id_key: optional NodePath,
    }
    misplaced {
        "host" => "write `url`: \"redis://HOST:6379/0\"",
        "password" => "write it into `url`: \"redis://USER:PASSWORD@HOST:6379/0\", best in an environment variable: \"url\": \"${REDIS_URL}\"",
        "sync" => "Redis decides when it writes to its disk: set `appendfsync` there, and `\"durability\": \"always\"` to wait for it",
        "max_cookies" => "Redis bounds its memory itself: set `maxmemory` there, with `maxmemory-policy noeviction`",
    }
}

/// `durability` without the replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DurabilityName {
    Server,
    Always,
}

words! {
    DurabilityName as "Durability" {
        "server" => Self::Server,
        "always" => Self::Always,
    }
}

words! {
    OnError as "OnError" {
        "deny" => Self::Deny,
        "ephemeral" => Self::Ephemeral,
    }
}

/// The beginning of all keys: visible ASCII, so that it reads well in `redis-cli`.
#[derive(Debug)]
pub(super) struct Prefix(String);

impl Raw for Prefix {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "1 to 64 letters, digits and . : _ - { }", walk, |text| {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-{}".contains(&byte);
            ((1..=64).contains(&text.len()) && text.bytes().all(is_fit)).then(|| Self(text.to_owned()))
        })
    }
}

inline_schema!(Prefix, "Prefix", |_generator| json_schema!({
    "type": "string",
    "pattern": "^[A-Za-z0-9.:_{}-]{1,64}$",
}));

words! {
    SameSite as "SameSite" {
        "Strict" => Self::Strict,
        "Lax" => Self::Lax,
        "None" => Self::None,
    }
}

words! {
    CookiePrefix as "CookiePrefix" {
        "host" => Self::Host,
        "secure" => Self::Secure,
    }
}

words! {
    SyncMode as "SyncMode" {
        "always" => Self::Always,
        "interval" => Self::Interval,
        "never" => Self::Never,
    }
}

/// A sync mode, or Crossbar's true and false.
#[derive(Debug)]
pub(super) struct Sync(SyncMode);

impl Raw for Sync {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::Bool(true) => Some(Self(SyncMode::Always)),
            Json::Bool(false) => Some(Self(SyncMode::Never)),
            other => SyncMode::read(other, walk).map(Self),
        }
    }
}

inline_schema!(Sync, "Sync", |generator| {
    let words = generator.subschema_for::<SyncMode>();
    json_schema!({ "anyOf": [{ "type": "boolean" }, words] })
});

impl Raw for CookieName {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = "a name that matches ^[a-z][a-z0-9_]+$";
        checked_text(json, hint, walk, Self::parse)
    }
}

inline_schema!(CookieName, "CookieName", |_generator| json_schema!({
    "type": "string",
    "pattern": "^[a-z][a-z0-9_]+$",
}));

impl Raw for IdLength {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let range = Self::RANGE;
        let hint = format!("{} to {}", range.start(), range.end());
        let length = whole(json, |length| range.contains(&length), &hint, walk).and_then(Self::new)?;
        if length.get() < UNGUESSABLE_LENGTH {
            let (bits, length) = (length.get() * 6, length.get());
            walk.warn(format!(
                "{length} characters are {bits} bits, which an attacker can guess; use at least {UNGUESSABLE_LENGTH}"
            ));
        }
        Some(length)
    }
}

inline_schema!(IdLength, "IdLength", |_generator| json_schema!({
    "type": "integer",
    "minimum": Self::RANGE.start(),
    "maximum": Self::RANGE.end(),
}));

impl Raw for MaxAge {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let range = Self::RANGE;
        let hint = format!("{} to {} (seconds; 10 years)", range.start(), range.end());
        let age = whole(json, |age| range.contains(&age), &hint, walk).and_then(Self::from_seconds)?;
        if age.as_seconds() > BROWSERS_MAX_AGE {
            walk.warn(format!(
                "browsers forget a cookie after 400 days, so that more than {BROWSERS_MAX_AGE} has no effect"
            ));
        }
        Some(age)
    }
}

inline_schema!(MaxAge, "MaxAge", |_generator| json_schema!({
    "type": "integer",
    "minimum": Self::RANGE.start(),
    "maximum": Self::RANGE.end(),
}));

impl RawCookie {
    /// `has_tls` tells whether the transport's endpoint speaks TLS, where cookies are `Secure` without being told.
    pub(super) fn check(
        self,
        stores: &mut Stores,
        has_tls: bool,
        walk: &mut Walk<'_>,
    ) -> Option<TrackingOptions> {
        let is_secure = self.secure.unwrap_or(has_tls);
        if let Some(Located { path, value: SameSite::None }) = &self.same_site
            && !is_secure
        {
            walk.warn_at(path, "browsers drop a `SameSite=None` cookie without `Secure`: set \"secure\": true, and serve over TLS");
        }
        if let Some(Located { path, value }) = &self.prefix
            && !is_secure
        {
            let prefix = value.as_str();
            walk.fault_at(path, format!("browsers drop a cookie whose name begins with {prefix} unless it is `Secure`: set \"secure\": true, and serve over TLS"));
        }
        let Located { path, value } = self.store?;
        let store = value.check(walk)?;
        stores.claim(path, &store, walk);
        let default = CookieOptions::default();
        let name = self.name.unwrap_or(default.name);
        Some(TrackingOptions {
            cookie: CookieOptions {
                name: self.prefix.map_or(name.clone(), |prefix| name.with_prefix(prefix.value)),
                length: self.length.unwrap_or(default.length),
                max_age: self.max_age.unwrap_or(default.max_age),
                secure: self.secure,
                http_only: self.http_strict.unwrap_or(default.http_only),
                same_site: self.same_site.map_or(default.same_site, |located| located.value),
            },
            store,
        })
    }
}

impl RawStore {
    fn check(self, walk: &mut Walk<'_>) -> Option<StoreOptions> {
        match self {
            Self::Memory(store) => Some(StoreOptions::Memory {
                max_cookies: store.max_cookies.map_or(DEFAULT_MAX_COOKIES, Whole::get),
                max_per_principal: store.max_per_principal.map_or(DEFAULT_MAX_PER_PRINCIPAL, Whole::get),
            }),
            Self::File(store) => {
                let Located { path, value: filename } = store.filename?;
                walk.protect(Own::FileStore, &filename.path, path);
                Some(StoreOptions::File {
                    path: filename.path,
                    max_cookies: store.max_cookies.map_or(DEFAULT_MAX_COOKIES, Whole::get),
                    max_per_principal: store.max_per_principal.map_or(DEFAULT_MAX_PER_PRINCIPAL, Whole::get),
                    sync: store.sync.unwrap_or_default(),
                })
            }
            Self::Lmdb(store) => {
                if let (Some(Located { path, .. }), Some(_)) = (&store.max_size, &store.maxsize) {
                    walk.fault_at(path, "stands beside `maxsize`, which means the same: keep one of them");
                }
                let max_size = store.max_size.map(|located| located.value.get());
                let Located { path, value: folder } = store.path?;
                walk.protect(Own::LmdbStore, &folder.path, path);
                Some(StoreOptions::Lmdb {
                    path: folder.path,
                    max_size: max_size.or(store.maxsize.map(Whole::get)).unwrap_or(DEFAULT_MAX_SIZE),
                    max_per_principal: store.max_per_principal.map_or(DEFAULT_MAX_PER_PRINCIPAL, Whole::get),
                    sync: store.sync.map_or_else(SyncMode::default, |sync| sync.0),
                })
            }
            Self::Redis(store) => {
                let Located { path, value: url } = store.url?;
                let is_always = store.durability == Some(DurabilityName::Always);
                let url = redis_url(&path, &url, is_always, walk)?;
                if url.shows_password() {
                    walk.warn_at(&path, "the password crosses the network as plain text: use `rediss://`");
                }
                if let Some(Located { path, .. }) = store.replicas.as_ref().filter(|_| !is_always) {
                    walk.fault_at(
                        path.clone(),
                        "counts only with `\"durability\": \"always\"`: add that, or leave this out",
                    );
                }
                let replicas = store.replicas.map_or(0, |replicas| replicas.value.get());
                let durability = if is_always { Durability::Always { replicas } } else { Durability::Server };
                Some(StoreOptions::Redis(Box::new(RedisOptions {
                    url,
                    durability,
                    prefix: store.prefix.map_or_else(|| DEFAULT_PREFIX.to_owned(), |prefix| prefix.0),
                    timeout: store.timeout.map_or(DEFAULT_REDIS_TIMEOUT, |time| time.0),
                    max_outage: store.max_outage.map_or(DEFAULT_MAX_OUTAGE, |time| time.0),
                    on_error: store.on_error.unwrap_or_default(),
                    max_per_principal: store.max_per_principal.map_or(DEFAULT_MAX_PER_PRINCIPAL, Whole::get),
                    public_id_key: store.public_id_key.map(|key| key.path),
                })))
            }
        }
    }
}

/// The URL of a Redis that is to keep changes as `is_always` says. Where its text does not matter, it may stay unknown.
fn redis_url(path: &str, text: &Secret, is_always: bool, walk: &mut Walk<'_>) -> Option<RedisUrl> {
    if let Some(why) = walk.why_missing(path) {
        return Some(RedisUrl::unknown(why));
    }
    let error = match RedisUrl::parse(text.expose()) {
        Ok(url) if is_always && url.is_cluster() => RedisUrlError::NotKept,
        Ok(url) => return Some(url),
        Err(error) => error,
    };
    let why = error.to_string();
    if walk.judges_secret(path) {
        walk.fault_at(path, why);
        return None;
    }
    walk.warn_at(path, &*why);
    Some(RedisUrl::unknown(why))
}

/// The stores that the walk has met, but for those in memory. Services share a store if they describe it alike. Two different descriptions
/// of one place are a fault, since the gateway would open it twice.
#[derive(Debug, Default)]
pub(super) struct Stores(Vec<(String, StoreOptions)>);

impl Stores {
    fn claim(&mut self, path: String, store: &StoreOptions, walk: &mut Walk<'_>) {
        let place = store.place();
        if !place.is_shared() || store.why_unknown().is_some() {
            return;
        }
        match self.0.iter().find(|(_, other)| other.place() == place) {
            Some((_, other)) if other == store => {}
            Some((first, _)) => {
                let message = format!(
                    "differs from {first}, which names the same store: write both alike, or use another store"
                );
                walk.fault_at(path, message);
            }
            None => self.0.push((path, store.clone())),
        }
    }
}
