//! What the gateway reads of a certificate by itself: its subject, its names, and how long it is valid.
//!
//! rustls verifies certificates and does not tell these. What is read here is never trusted for more than rustls has verified.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use time::{Date, Month};

use super::{
    der::{Der, OBJECT, SEQUENCE, Value},
    subject,
};
use crate::time::Timestamp;

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version of a certificate.
const VERSION: u8 = 0xa0;
/// `[3]`, the extensions of a certificate.
const EXTENSIONS: u8 = 0xa3;

/// 2.5.29.17, `subjectAltName`.
const ALT_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];

/// 1970-01-01 as a Julian day number.
const EPOCH_DAY: i32 = 2_440_588;

/// What a certificate says (RFC 5280, 4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The subject as RFC 4514 writes it: `CN=alice,O=Example`.
    pub(crate) subject: String,
    /// The alternative names.
    pub(crate) names: Vec<AltName>,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

/// A subject's alternative name (RFC 5280, 4.2.1.6), of the kinds that name a host, a person or a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AltName {
    Dns(String),
    Ip(IpAddr),
    Email(String),
    Uri(String),
}

impl Said {
    /// Reads a certificate; none if it is not one.
    pub(crate) fn read(certificate: &[u8]) -> Option<Self> {
        let mut parts = Der(Der(Der(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
        if parts.0.first() == Some(&VERSION) {
            parts.value()?;
        }
        let _serial = parts.take(INTEGER)?;
        let _algorithm = parts.take(SEQUENCE)?;
        let _issuer = parts.take(SEQUENCE)?;
        let mut validity = Der(parts.take(SEQUENCE)?);
        let (not_before, not_after) = (moment(validity.value()?)?, moment(validity.value()?)?);
        let subject = subject::write(parts.take(SEQUENCE)?)?;
        let _key = parts.take(SEQUENCE)?;
        let mut names = Vec::new();
        while !parts.is_empty() {
            let part = parts.value()?;
            if part.tag == EXTENSIONS {
                names = alt_names(part.content)?;
            }
        }
        Some(Self { subject, names, not_before, not_after })
    }

    /// The names of hosts.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter_map(|name| match name {
            AltName::Dns(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl fmt::Display for AltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
        }
    }
}

/// The alternative names among the extensions.
fn alt_names(extensions: &[u8]) -> Option<Vec<AltName>> {
    let mut extensions = Der(Der(extensions).take(SEQUENCE)?);
    let mut names = Vec::new();
    while !extensions.is_empty() {
        let mut extension = Der(extensions.take(SEQUENCE)?);
        if extension.take(OBJECT)? != ALT_NAMES {
            continue;
        }
        // Whether it is critical may stand before the value.
        let value = extension.value()?;
        let value = if value.tag == OCTETS { value.content } else { extension.take(OCTETS)? };
        let mut list = Der(Der(value).take(SEQUENCE)?);
        while !list.is_empty() {
            match alt_name(list.value()?) {
                Ok(name) => names.extend(name),
                Err(Misleading) => return None,
            }
        }
    }
    Some(names)
}

/// A name that is meant to be misread.
struct Misleading;

/// One of them: none for a kind that names neither a host nor a person nor a service.
fn alt_name(Value { tag, content, .. }: Value<'_>) -> Result<Option<AltName>, Misleading> {
    // A zero byte or a line break in a name would end it for some readers.
    let text = || {
        let is_text = !content.is_empty() && content.iter().all(u8::is_ascii_graphic);
        if is_text { Ok(String::from_utf8_lossy(content).into_owned()) } else { Err(Misleading) }
    };
    Ok(Some(match tag {
        0x81 => AltName::Email(text()?),
        0x82 => AltName::Dns(text()?.to_ascii_lowercase()),
        0x86 => AltName::Uri(text()?),
        0x87 => AltName::Ip(match content {
            [a, b, c, d] => Ipv4Addr::new(*a, *b, *c, *d).into(),
            long => Ipv6Addr::from(<[u8; 16]>::try_from(long).map_err(|_| Misleading)?).into(),
        }),
        _ => return Ok(None),
    }))
}

/// A time (RFC 5280, 4.1.2.5): to the second, in UTC. Times before 1970 become 1970.
fn moment(Value { tag, content, .. }: Value<'_>) -> Option<Timestamp> {
    let digits = content.strip_suffix(b"Z")?;
    let (year, rest) = match tag {
        UTC_TIME if digits.len() == 12 => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME if digits.len() == 14 => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let mut pairs = rest.chunks_exact(2).map(number);
    let mut pair = || pairs.next().flatten();
    let (month, day, hours, minutes, seconds) = (pair()?, pair()?, pair()?, pair()?, pair()?);
    if hours > 23 || minutes > 59 || seconds > 59 {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
    let days = u64::try_from(date.to_julian_day().saturating_sub(EPOCH_DAY)).unwrap_or(0);
    Some(Timestamp::from_millis((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests;
