//! Which texts are URLs of a Redis, and what is shown of them.

use super::*;

#[test]
fn url_is_shown_without_its_password() {
    for (text, shown) in [
        ("redis://joe:secret@cache.example/3", "redis://cache.example:6379/3"),
        ("rediss://:secret@cache.example:7000", "rediss://cache.example:7000/0"),
        ("unix:/run/redis.sock", "unix:/run/redis.sock"),
        ("unix:/run/redis.sock?db=2&pass=secret", "unix:/run/redis.sock?db=2"),
    ] {
        let url = RedisUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), shown);
        assert!(!format!("{url:?}").contains("secret"));
    }
}

#[test]
fn other_urls_are_refused_without_repeating_them() {
    for (text, error) in [
        ("http://:secret@host", RedisUrlError::Form),
        ("secret", RedisUrlError::Form),
        ("redis+sentinel://:secret@host", RedisUrlError::Sentinel),
        ("redis-cluster://:secret@host", RedisUrlError::Cluster),
        ("redis+cluster://:secret@host/1", RedisUrlError::Cluster),
        ("rediss://:secret@host#insecure", RedisUrlError::Insecure),
    ] {
        assert_eq!(RedisUrl::parse(text), Err(error), "{text}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[test]
fn password_that_crosses_a_network_in_the_clear_is_noticed() {
    let shows = |text| RedisUrl::parse(text).unwrap().shows_password();
    assert!(shows("redis://:secret@cache.example"));
    assert!(!shows("redis://:secret@127.0.0.1"));
    assert!(!shows("rediss://:secret@cache.example"));
    assert!(!shows("redis://cache.example"));
}

/// Each text has the word `secret` where a password stands, and `joe` where a user stands.
#[test]
fn password_that_is_not_encoded_is_refused_before_a_part_of_it_is_taken_for_the_host() {
    for text in [
        "redis://joe:P@secret#W@host/0",
        "redis://joe:P@secret@host/0",
        "redis://joe:P#secret@host/0",
        "redis://joe:12/secret@host/0",
        "redis://joe:12/3@host",
        "redis://joe:12?secret@host/0",
        "redis://joe:sec\tret@host/0",
        "redis://host/0#secret",
        "rediss://joe:P@secret@host/0",
        "rediss://joe:P#secret#insecure",
        "valkey://joe:P@secret@host/0",
        "redis+sentinel://joe:P@secret@host/main/0",
        "redis+sentinel://joe:P#secret@host/main/0",
        "redis+sentinel://joe:12/main/3@secret",
        "redis+sentinel://joe:12?secret@host/main",
        "redis+sentinel://host/main?sentinel_pass=sec@ret",
        "redis+sentinel://host/main?sentinel_pass=sec#ret",
        "redis+sentinel://host/main?sentinel_user=joe&sentinel_pass=1/secret",
        "redis+sentinel://host/main?sentinel_user=joe&sentinel_pass=1?secret",
        "rediss+sentinel://joe:P@secret@host/main/0",
        "redis+cluster://joe:P@secret@host",
        "rediss+cluster://joe:P#secret@host",
        "redis+cluster://joe:12/secret@host",
        "unix:/run/redis.sock?pass=sec#ret",
        "unix:/run/redis.sock#secret",
    ] {
        assert_eq!(RedisUrl::parse(text), Err(RedisUrlError::Encoding), "{text}");
    }
    let said = RedisUrlError::Encoding.to_string();
    assert!(said.contains("percent-encode") && !said.contains("secret"), "{said}");
}

#[test]
fn question_that_would_be_left_unheard_is_refused() {
    for text in [
        "redis://host?foo=bar",
        "redis://host/0?db=3",
        "redis://host?pass=secret",
        "redis://joe:12?secret",
        "rediss://host/0?protocol=3",
        "unix:/run/redis.sock?foo=bar",
        "unix:/run/redis.sock?pass=sec&ret",
        "unix:/run/redis.sock?pass=secret&pass=other",
        "redis+sentinel://host/main?foo=bar",
        "redis+cluster://joe:12?secret",
        "redis+sentinel://host/main?db=3",
        "redis+sentinel://host/main?sentinel_pass=sec&ret",
    ] {
        assert_eq!(RedisUrl::parse(text), Err(RedisUrlError::Query), "{text}");
    }
    assert!(!RedisUrlError::Query.to_string().contains("secret"));
    for text in ["redis://host/-1", "unix://joe:secret@localhost/run/redis.sock"] {
        assert_eq!(RedisUrl::parse(text), Err(RedisUrlError::Form), "{text}");
    }
}

#[test]
fn password_that_is_encoded_arrives_whole() {
    let expected = Some("P@S/S#W? %");
    let of = |info: redis::ConnectionInfo| info.redis_settings().password().map(ToOwned::to_owned);
    for text in [
        "redis://joe:P%40S%2FS%23W%3F%20%25@host/0",
        "rediss://joe:P%40S%2FS%23W%3F%20%25@host/0",
        "unix:/run/re@dis.sock?user=joe&pass=P%40S%2FS%23W%3F%20%25",
        "redis+cluster://joe:P%40S%2FS%23W%3F%20%25@host,other",
        "redis+sentinel://joe:P%40S%2FS%23W%3F%20%25@host/main/0?sentinel_pass=P%40S%2FS%23W%3F%20%25",
    ] {
        let found = match RedisUrl::parse(text).unwrap().way {
            Way::Url(url) => vec![of(url.as_str().into_connection_info().unwrap())],
            Way::Cluster(cluster) => cluster.each().map(|info| of(info.unwrap())).collect(),
            Way::Sentinels(sentinels) => {
                let mut infos: Vec<_> = sentinels.each().map(Result::unwrap).collect();
                infos.push(sentinels.server("host", "1").unwrap());
                infos.into_iter().map(of).collect()
            }
        };
        assert!(found.iter().all(|found| found.as_deref() == expected), "{text}: {found:?}");
    }
}
