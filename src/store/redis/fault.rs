//! What errors of Redis mean to an operator.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// An error with its remedy. No message repeats a value or a password.
pub(super) fn explain(error: &RedisError) -> String {
    // The error of a pipeline has no code; that of its command has one.
    let of_server = error.clone().into_server_errors();
    let of_server = of_server.as_deref().and_then(<[_]>::first).map(|(_, error)| error.code());
    let code = of_server.or_else(|| error.code());
    let remedy = match error.kind() {
        ErrorKind::AuthenticationFailed => "check the user and the password of `url`",
        ErrorKind::Server(ServerErrorKind::ReadOnly) => "this server is a replica: name the primary in `url`",
        ErrorKind::MasterNameNotFoundBySentinel => "check the name of the service in `url`",
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "it loads its data: wait until it is done",
        ErrorKind::Server(ServerErrorKind::NoPerm) => return lacks_permission(error),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            "this is a Redis Cluster: write \"redis+cluster://HOST:PORT,HOST:PORT\" in `url`; if it says so, it has changed just now"
        }
        ErrorKind::Server(ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown) => {
            "wait until the cluster has a primary for all slots: `redis-cli cluster info` tells"
        }
        ErrorKind::Io if error.to_string().contains("certificate") => {
            "its certificate is not trusted for the host in `url`: put the certificate of its authority into the system's \
             store, or name its file in the environment variable SSL_CERT_FILE"
        }
        ErrorKind::Io => "check that it runs, that `url` is right, and that no firewall is in between",
        _ => match code {
            Some("OOM") => "it has no memory left: raise `maxmemory`",
            Some("MISCONF") => "it cannot save to its disk: make room there",
            Some("WRONGTYPE") => "another program uses the same keys: choose another `prefix`",
            _ if error.to_string().contains("cluster support disabled") => {
                "this server is in no cluster: write \"redis://HOST:PORT\" in `url`"
            }
            Some("NOAUTH" | "WRONGPASS") => "check the user and the password of `url`",
            _ if says(error, "DB index") || says(error, "switch database") => {
                "this server has no database of the number at the end of `url`: name one that it has, or raise `databases` there"
            }
            _ if says(error, "SENTINEL") => {
                "this server is no Sentinel: write \"redis://HOST:PORT\" in `url`, or name the Sentinels' port"
            }
            _ => "see its log",
        },
    };
    // The detail of a server's error may repeat a part of the command.
    let what = code.map_or_else(|| error.to_string(), ToOwned::to_owned);
    format!("{what}; {remedy}")
}

/// What the user of the URL may not do. The name of a command is no secret, but the detail may have more than that.
fn lacks_permission(error: &RedisError) -> String {
    let detail = detail(error);
    let is_name = |text: &&str| {
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'|')
    };
    let what = if let Some(command) = detail.split('\'').nth(1).filter(is_name) {
        format!("the command {}", command.to_ascii_uppercase())
    } else if detail.contains("channel") {
        "its channels".to_owned()
    } else if detail.contains("key") {
        "its keys".to_owned()
    } else {
        "a command".to_owned()
    };
    format!(
        "NOPERM; the user of `url` lacks the permission for {what}: docs/scaling.md has the rule for ACL SETUSER"
    )
}

fn says(error: &RedisError, text: &str) -> bool {
    detail(error).to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

/// All that an error says, also of a command in a pipeline.
fn detail(error: &RedisError) -> String {
    let of_server = error.clone().into_server_errors();
    let of_server = of_server.as_deref().and_then(<[_]>::first).and_then(|(_, error)| error.details());
    of_server.map_or_else(|| error.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use redis::RedisError;

    use super::*;

    fn explained(answer: &str) -> String {
        let error: RedisError = redis::parse_redis_value(format!("-{answer}\r\n").as_bytes())
            .unwrap()
            .extract_error()
            .unwrap_err();
        explain(&error)
    }

    #[test]
    fn what_a_server_refuses_is_told_with_its_remedy() {
        for (answer, told) in [
            (
                "NOPERM User gate has no permissions to run the 'client|info' command",
                "the command CLIENT|INFO:",
            ),
            ("NOPERM User gate has no permissions to run the 'x y' command", "for a command:"),
            ("NOPERM No permissions to access a key", "for its keys:"),
            ("NOPERM No permissions to access a channel", "for its channels:"),
            ("ERR DB index is out of range", "no database of the number"),
            ("ERR unknown command 'SENTINEL', with args beginning with: 'x'", "is no Sentinel"),
            ("WRONGPASS invalid username-password pair", "the password of `url`"),
            ("ERR something else", "see its log"),
        ] {
            let explained = explained(answer);
            assert!(explained.contains(told), "{explained}");
        }
    }
}
