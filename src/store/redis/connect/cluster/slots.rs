//! The slots of a Redis Cluster: which one a key is in, and who has which.

use redis::{Arg, Cmd, ConnectionAddr, ConnectionInfo, Value};

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// Some slots, one behind the other, and the host and port of their primary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) host: String,
    pub(super) port: String,
}

impl Range {
    pub(super) fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Reads the answer to `CLUSTER SLOTS` of a server.
pub(super) fn ranges(list: &Value, asked: &ConnectionInfo) -> Option<Vec<Range>> {
    let Value::Array(list) = list else { return None };
    list.iter().map(|entry| range(entry, asked)).collect()
}

fn range(entry: &Value, asked: &ConnectionInfo) -> Option<Range> {
    let Value::Array(entry) = entry else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &**entry else { return None };
    let [host, Value::Int(port), ..] = &**primary else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8(host.clone()).ok()?,
        Value::SimpleString(host) => host.clone(),
        _ => String::new(),
    };
    // A server that does not know by which name others reach it leaves that out.
    let host = match asked.addr() {
        ConnectionAddr::Tcp(asked, _) | ConnectionAddr::TcpTls { host: asked, .. } if host.is_empty() => {
            asked.clone()
        }
        _ => host,
    };
    let slot = |number: &i64| u16::try_from(*number).ok().filter(|number| *number < SLOTS);
    Some(Range { first: slot(first)?, last: slot(last)?, host, port: port.to_string() })
}

pub(super) fn arguments(command: &Cmd) -> impl Iterator<Item = &[u8]> {
    command
        .args_iter()
        .filter_map(|argument| if let Arg::Simple(bytes) = argument { Some(bytes) } else { None })
}

/// The key of a command; none if it concerns no key. The store's commands have one key each.
pub(super) fn key(command: &Cmd) -> Option<&[u8]> {
    let mut arguments = arguments(command);
    match arguments.next()? {
        b"PUBLISH" | b"SCRIPT" | b"PING" | b"INFO" => None,
        // Behind the script and the number of keys.
        b"EVAL" | b"EVALSHA" => arguments.nth(2),
        _ => arguments.next(),
    }
}

/// The slot of a key: of what stands in its first braces, if anything does.
pub(super) fn slot(key: &[u8]) -> u16 {
    let tag = || {
        let open = key.iter().position(|byte| *byte == b'{')?;
        let behind = key.get(open + 1..)?;
        let end = behind.iter().position(|byte| *byte == b'}').filter(|end| *end > 0)?;
        behind.get(..end)
    };
    crc16(tag().unwrap_or(key)) % SLOTS
}

/// CRC-16 as XMODEM has it: polynomial 1021, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0_u16;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use redis::{IntoConnectionInfo as _, cmd};

    use super::*;

    #[test]
    fn slots_are_those_of_the_servers() {
        assert_eq!(crc16(b"123456789"), 0x31c3, "the check value of the specification");
        assert_eq!(slot(b"foo"), 12_182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") % SLOTS, "empty braces are no tag");
    }

    #[test]
    fn key_of_each_command_is_found() {
        let mut set = cmd("SET");
        set.arg("a-key").arg("a value").arg("NX");
        assert_eq!(key(&set), Some(&b"a-key"[..]));
        let mut script = cmd("EVALSHA");
        script.arg("digest").arg(1).arg("a-key").arg("an argument");
        assert_eq!(key(&script), Some(&b"a-key"[..]));
        let mut message = cmd("PUBLISH");
        message.arg("channel").arg("text");
        assert_eq!(key(&message), None);
    }

    #[test]
    fn list_of_slots_is_read() {
        let node = |host: &str, port| {
            Value::Array(vec![
                Value::BulkString(host.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
            ])
        };
        let entry = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let asked = "redis://asked.example:7000".into_connection_info().unwrap();
        let list =
            Value::Array(vec![entry(0, 100, node("a.example", 6379)), entry(101, 16_383, node("", 6380))]);
        let range =
            |first, last, host: &str, port: &str| Range { first, last, host: host.into(), port: port.into() };
        let expected = [range(0, 100, "a.example", "6379"), range(101, 16_383, "asked.example", "6380")];
        assert_eq!(ranges(&list, &asked).unwrap(), expected);
        for wrong in
            [Value::Nil, Value::Array(vec![Value::Nil]), Value::Array(vec![entry(0, 16_384, node("a", 1))])]
        {
            assert_eq!(ranges(&wrong, &asked), None);
        }
    }
}
