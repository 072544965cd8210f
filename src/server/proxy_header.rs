//! The header of the PROXY protocol, with which a proxy says for which client it has opened a connection (the document
//! "proxy-protocol.txt" of its inventors, versions 1 and 2).
//!
//! The header stands before everything else, also before TLS. The gateway reads exactly its bytes, since what is behind them
//! belongs to the client, and never guesses whether there is one: "the receiver MUST be configured to only receive the protocol".

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::stream::PeerAddr;

/// What begins a header of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What begins a header of version 1.
const TEXT: &[u8] = b"PROXY ";

/// The longest header of version 1, with its line break.
const LONGEST_LINE: usize = 107;

/// The most bytes behind the fixed part of a header of version 2: addresses and whatever else a proxy has to tell.
const MOST_BEHIND: usize = 4 * 1024;

/// Why the gateway does not take a connection for that of a proxy's client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ProxyFault {
    /// The peer is no proxy that may speak for others.
    Untrusted,
    /// There is no header.
    Missing,
    /// The header cannot be read.
    Broken(&'static str),
    /// The header has not come in time.
    Timeout,
    /// The peer hung up.
    Gone,
}

/// The reasons by their names in metrics and in the log.
pub(crate) const REASONS: [&str; 5] =
    ["proxy-untrusted", "proxy-missing", "proxy-broken", "proxy-timeout", "proxy-closed"];

impl ProxyFault {
    /// Its name in metrics and in the log.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Untrusted => "proxy-untrusted",
            Self::Missing => "proxy-missing",
            Self::Broken(_) => "proxy-broken",
            Self::Timeout => "proxy-timeout",
            Self::Gone => "proxy-closed",
        }
    }
}

impl fmt::Display for ProxyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Untrusted => f.write_str(
                "its endpoint has `proxy_protocol`, and the peer is not in `trusted_proxies`: name it there if it is a proxy",
            ),
            Self::Missing => f.write_str(
                "its endpoint has `proxy_protocol`, and the proxy sends no such header: switch it on there (nginx: proxy_protocol on; \
                 HAProxy: send-proxy-v2), or off here",
            ),
            Self::Broken(what) => write!(f, "the proxy's PROXY header is broken: {what}"),
            Self::Timeout => f.write_str("the proxy's PROXY header has not come in time"),
            Self::Gone => f.write_str("the proxy hung up before its PROXY header was there"),
        }
    }
}

impl From<io::Error> for ProxyFault {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads a header: the client's address, or none if the proxy speaks for itself or does not know.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<PeerAddr>, ProxyFault> {
    // The shortest header of version 1, `PROXY UNKNOWN`, is longer than the signature of version 2.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        binary(stream).await
    } else if start.starts_with(TEXT) {
        text(stream, &start).await
    } else {
        Err(ProxyFault::Missing)
    }
}

// === Version 1 ===

async fn text<S: AsyncRead + Unpin>(stream: &mut S, start: &[u8]) -> Result<Option<PeerAddr>, ProxyFault> {
    let mut line = start.to_vec();
    loop {
        // The line ends with CR LF, so that at least two more bytes belong to it, or one behind a CR.
        let size = if line.last() == Some(&b'\r') { 1 } else { 2 };
        let mut next = [0; 2];
        let Some(next) = next.get_mut(..size) else { break };
        stream.read_exact(next).await?;
        line.extend_from_slice(next);
        if line.ends_with(b"\r\n") {
            break;
        }
        if line.len() >= LONGEST_LINE {
            return Err(ProxyFault::Broken("the line has no end"));
        }
    }
    let line = str::from_utf8(&line).map_err(|_| ProxyFault::Broken("the line is not ASCII"))?;
    let mut words = line.trim_end_matches("\r\n").split(' ').skip(1);
    let is_v4 = match words.next() {
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4") => true,
        Some("TCP6") => false,
        _ => return Err(ProxyFault::Broken("the line names neither TCP4 nor TCP6")),
    };
    let mut parsed = || {
        let source: IpAddr = words.next()?.parse().ok()?;
        let target: IpAddr = words.next()?.parse().ok()?;
        let port: u16 = words.next()?.parse().ok()?;
        let _: u16 = words.next()?.parse().ok()?;
        let is_whole = words.next().is_none() && source.is_ipv4() == is_v4 && target.is_ipv4() == is_v4;
        is_whole.then(|| client(source, port))
    };
    let client = parsed().ok_or(ProxyFault::Broken("the line has no addresses and ports of its kind"))?;
    Ok(Some(client))
}

// === Version 2 ===

async fn binary<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Option<PeerAddr>, ProxyFault> {
    let [command, family, high, low] = {
        let mut fixed = [0; 4];
        stream.read_exact(&mut fixed).await?;
        fixed
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST_BEHIND {
        return Err(ProxyFault::Broken("it is longer than 4 KiB"));
    }
    let mut behind = vec![0; length];
    stream.read_exact(&mut behind).await?;
    match command {
        // LOCAL: the proxy's own connection, such as a health check. Its addresses do not count.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(ProxyFault::Broken("its version or its command is unknown")),
    }
    let short = ProxyFault::Broken("it is shorter than its addresses");
    match family {
        // The proxy does not know.
        0x00 => Ok(None),
        // TCP over IPv4: two addresses, two ports.
        0x11 => match behind.first_chunk::<12>() {
            Some([a, b, c, d, _, _, _, _, high, low, ..]) => {
                Ok(Some(client(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low]))))
            }
            None => Err(short),
        },
        // TCP over IPv6.
        0x21 => match (behind.first_chunk::<36>(), behind.first_chunk::<16>(), behind.get(32..34)) {
            (Some(_), Some(address), Some([high, low])) => {
                Ok(Some(client(Ipv6Addr::from(*address).into(), u16::from_be_bytes([*high, *low]))))
            }
            _ => Err(short),
        },
        // A Unix socket of the proxy's machine.
        0x31 => Ok(Some(PeerAddr::Unix)),
        _ => Err(ProxyFault::Broken("it speaks of no stream")),
    }
}

fn client(address: IpAddr, port: u16) -> PeerAddr {
    PeerAddr::Tcp(SocketAddr::new(address.to_canonical(), port))
}

#[cfg(test)]
mod tests;
