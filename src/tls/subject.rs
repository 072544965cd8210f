//! The subject of a certificate as text (RFC 4514): `CN=alice,OU=Staff,O=Example`.

use std::fmt::Write as _;

use super::der::{Der, OBJECT, SEQUENCE, Value};

const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;
const BMP: u8 = 0x1e;
const SET: u8 = 0x31;

/// What RFC 4514, 3 calls the attributes, and two more that certificates of people and devices have.
const KNOWN: [(&[u8], &str); 11] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

/// Writes a name, which is a list of sets of attributes. Its last set comes first (RFC 4514, 2.1).
pub(super) fn write(name: &[u8]) -> Option<String> {
    let mut sets = Vec::new();
    let mut rest = Der(name);
    while !rest.is_empty() {
        sets.push(attributes(rest.take(SET)?)?);
    }
    sets.reverse();
    Some(sets.join(","))
}

fn attributes(set: &[u8]) -> Option<String> {
    let mut written = Vec::new();
    let mut rest = Der(set);
    while !rest.is_empty() {
        let mut attribute = Der(rest.take(SEQUENCE)?);
        let object = attribute.take(OBJECT)?;
        let value = attribute.value()?;
        let known = KNOWN.iter().find(|(bytes, _)| *bytes == object).map(|(_, name)| (*name).to_owned());
        let name = known.or_else(|| dotted(object))?;
        written.push(format!("{name}={}", text(value).map_or_else(|| hex(value), |text| escaped(&text))));
    }
    Some(written.join("+"))
}

fn text(Value { tag, content, .. }: Value<'_>) -> Option<String> {
    match tag {
        UTF8 => str::from_utf8(content).ok().map(str::to_owned),
        PRINTABLE | IA5 => content.is_ascii().then(|| String::from_utf8_lossy(content).into_owned()),
        BMP => {
            let (pairs, rest) = content.as_chunks::<2>();
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            let text = char::decode_utf16(units).collect::<Result<_, _>>().ok();
            text.filter(|_| rest.is_empty())
        }
        _ => None,
    }
}

/// RFC 4514, 2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', character]),
            '#' if place == 0 => out.push_str("\\#"),
            ' ' if place == 0 || place == last => out.push_str("\\ "),
            control if control.is_control() => {
                let mut bytes = [0; 4];
                for byte in control.encode_utf8(&mut bytes).bytes() {
                    // A `String` takes everything.
                    let _ = write!(out, "\\{byte:02x}");
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// A value that is no text: `#` and its DER.
fn hex(value: Value<'_>) -> String {
    value.whole.iter().fold(String::from("#"), |mut out, byte| {
        // A `String` takes everything.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// An object identifier as numbers with dots (X.690, 8.19).
fn dotted(object: &[u8]) -> Option<String> {
    let mut numbers: Vec<u64> = Vec::new();
    let mut number: u64 = 0;
    for byte in object {
        number = number.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let (first, rest) = numbers.split_first()?;
    let (top, second) = if *first < 80 { (first / 40, first % 40) } else { (2, first - 80) };
    let rest = rest.iter().fold(String::new(), |text, number| text + "." + &number.to_string());
    Some(format!("{top}.{second}{rest}"))
}
