//! What is looked at when the store is opened: what must be right, and what endangers its promise. And what is put back into a
//! server that has lost it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use redis::{RedisResult, cmd};
use tracing::{error, warn};

use super::{
    connect::Servers,
    fault::explain,
    layout::{self, Names},
    state::{KeyText, State},
};
use crate::{
    cookie::PublicIdKey,
    store::{Durability, RedisOptions, RedisUrlError, StoreOpenError},
};

/// The first version with all that the store uses (`GETDEL` and `SET` with `KEEPTTL` came before), and the oldest one that is
/// maintained. Valkey began after it.
const OLDEST: u64 = 7;

/// Why a server is not taken for a single one.
const OF_A_CLUSTER: &str = "it is a server of a Redis Cluster, which has some of the keys alone: write \"redis+cluster://HOST:PORT,HOST:PORT\"";

/// Why the store is not opened.
pub(super) fn refused(options: &RedisOptions) -> impl Fn(String) -> StoreOpenError + use<> {
    let place = format!("{} {}", options.url, options.prefix);
    move |what| StoreOpenError::Redis { place: place.clone(), what }
}

/// Agrees on the layout and on the key of public IDs, and warns of what may lose records.
pub(super) async fn check(
    redis: &mut Servers,
    options: &RedisOptions,
) -> Result<(Arc<PublicIdKey>, Option<KeyText>), StoreOpenError> {
    let names = Names::new(&options.prefix);
    let refused = refused(options);
    let failed = |error: redis::RedisError| refused(explain(&error));

    if options.url.is_cluster() && options.durability != Durability::Server {
        return Err(refused(RedisUrlError::NotKept.to_string()));
    }
    let found = agree(redis, &names.version(), &layout::VERSION.to_string()).await.map_err(failed)?;
    if found != layout::VERSION.to_string() {
        return Err(refused(
            "another version of wampgate has made it, or another program uses the same prefix: run the same version on \
             all gateways, or choose another `prefix`"
                .to_owned(),
        ));
    }
    let (key, text) = if let Some(path) = &options.public_id_key {
        (PublicIdKey::load_or_create(path)?, None)
    } else {
        let text = agree(redis, &names.key(), &PublicIdKey::random_text()?).await.map_err(failed)?;
        let key = PublicIdKey::from_text(&text).ok_or_else(|| {
            refused(format!(
                "{} is no key of public IDs: restore it, or remove it to get a new one (clients then get new public IDs)",
                names.key()
            ))
        })?;
        (key, Some(KeyText(text)))
    };
    let mut warnings = BTreeSet::new();
    for mut server in redis.each() {
        let info: RedisResult<String> = cmd("INFO").query_async(&mut server).await;
        let is_of_a_cluster =
            info.as_deref().is_ok_and(|info| fields(info).get("cluster_enabled") == Some(&"1"));
        if is_of_a_cluster && !options.url.is_cluster() {
            return Err(refused(OF_A_CLUSTER.to_owned()));
        }
        warnings.extend(dangers(info));
    }
    for warning in warnings {
        warn!(store = %options.url, "about the server of the cookie store: {warning}");
    }
    if options.url.shows_password() {
        warn!(store = %options.url, "the password crosses the network as plain text: use `rediss://`");
    }
    Ok((Arc::new(key), text))
}

/// Puts the version and the key back into a server that has lost its data, so that a gateway that starts now agrees with those
/// that run. What the server does not take now is put there with the next look.
pub(super) async fn restore(redis: &mut Servers, state: &State) -> RedisResult<()> {
    let version = layout::VERSION.to_string();
    let mut is_same = agree(redis, &state.names.version(), &version).await? == version;
    if let Some(KeyText(key)) = &state.key_text {
        is_same &= agree(redis, &state.names.key(), key).await? == *key;
    }
    if !is_same {
        error!(
            store = %state.options.url,
            "Redis has lost its data, and another gateway has begun anew there with another key of public IDs, or in another \
             version: start this gateway again"
        );
    }
    Ok(())
}

/// Puts a value in place unless there is one; the one that is there then.
async fn agree(redis: &mut Servers, key: &str, value: &str) -> RedisResult<String> {
    // Asked first, since a server that takes no changes tells it as well.
    if let Some(found) = cmd("GET").arg(key).query_async(redis).await? {
        return Ok(found);
    }
    let _: Option<String> = cmd("SET").arg(key).arg(value).arg("NX").query_async(redis).await?;
    cmd("GET").arg(key).query_async(redis).await
}

fn dangers(info: RedisResult<String>) -> Vec<String> {
    let Ok(text) = info else {
        return vec![
            "its state cannot be looked at, since the user of `url` may not call INFO: look yourself whether it evicts keys, \
             and whether it writes to a disk"
                .to_owned(),
        ];
    };
    warnings(&fields(&text))
}

fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

/// What the fields of `INFO` say about the promise of the store.
fn warnings(info: &HashMap<&str, &str>) -> Vec<String> {
    let field = |name| info.get(name).copied().unwrap_or_default();
    let mut warnings = Vec::new();
    let version = field("redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
    if major.is_some_and(|major| major < OLDEST) && field("server_name") != "valkey" {
        warnings.push(format!("it is version {version}, which is too old: use Redis 7 or Valkey"));
    }
    let policy = field("maxmemory_policy");
    if !policy.is_empty() && policy != "noeviction" {
        warnings.push(format!(
            "with `maxmemory-policy {policy}` it drops cookies when its memory is full, which logs their clients out: set \
             `noeviction` and enough `maxmemory`"
        ));
    }
    if field("aof_enabled") == "0" {
        warnings.push(
            "it does not write each change to its disk, so that a restart forgets cookies and brings revoked ones back: set \
             `appendonly yes`"
                .to_owned(),
        );
    }
    if field("role") == "slave" {
        warnings.push("it is a replica, which takes no changes: name the primary".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str =
        "redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\nrole:master\r\n";

    #[test]
    fn server_that_keeps_what_it_has_acknowledged_needs_no_warning() {
        assert_eq!(warnings(&fields(SOUND)), [""; 0]);
        assert_eq!(warnings(&HashMap::new()), [""; 0], "what is not told is not judged");
    }

    #[test]
    fn what_endangers_the_promise_is_told_with_its_remedy() {
        for (sound, dangerous, remedy) in [
            ("7.0.15", "6.2.7", "use Redis 7"),
            ("noeviction", "allkeys-lru", "set `noeviction`"),
            ("aof_enabled:1", "aof_enabled:0", "`appendonly yes`"),
            ("master", "slave", "name the primary"),
        ] {
            let text = SOUND.replace(sound, dangerous);
            let [warning] = &warnings(&fields(&text))[..] else { panic!("{dangerous}") };
            assert!(warning.contains(remedy), "{warning}");
        }
    }
}
