//! Timestamps as Crossbar writes them: `2026-11-22T10:14:33.139Z`, UTC, milliseconds.

use time::{Date, Month};

use super::Timestamp;

const MILLIS_PER_DAY: u64 = 86_400_000;

/// 1970-01-01 as a Julian day number.
const EPOCH_DAY: i32 = 2_440_588;

/// Writes a timestamp. One after the year 9999 becomes the end of that year.
pub(crate) fn write(stamp: Timestamp, out: &mut Vec<u8>) {
    let (days, millis) = (stamp.as_millis() / MILLIS_PER_DAY, stamp.as_millis() % MILLIS_PER_DAY);
    let date =
        i32::try_from(days).ok().and_then(|days| Date::from_julian_day(EPOCH_DAY.checked_add(days)?).ok());
    let (year, month, day, millis) = match date {
        Some(date) => (date.year().unsigned_abs(), u8::from(date.month()), date.day(), millis),
        None => (9999, 12, 31, MILLIS_PER_DAY - 1),
    };
    digits(u64::from(year), 4, out);
    for (mark, number, width) in [
        (b'-', u64::from(month), 2),
        (b'-', u64::from(day), 2),
        (b'T', millis / 3_600_000, 2),
        (b':', millis / 60_000 % 60, 2),
        (b':', millis / 1000 % 60, 2),
        (b'.', millis % 1000, 3),
    ] {
        out.push(mark);
        digits(number, width, out);
    }
    out.push(b'Z');
}

/// Reads a timestamp of any form of RFC 3339: any number of digits behind the seconds, any distance from UTC.
pub(crate) fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (local, rest) = text.split_at_checked(19)?;
    let (digits, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?)?
        }
        None => ("", rest),
    };
    let millis: String = digits.chars().chain("000".chars()).take(3).collect();
    let local = parse(&format!("{}.{millis}Z", local.to_ascii_uppercase()))?.as_millis();
    if zone.eq_ignore_ascii_case("z") {
        return Some(Timestamp::from_millis(local));
    }
    let (sign, distance) = zone.split_at_checked(1)?;
    let part = |text: &str, most: u64| {
        let is_sound = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|number| is_sound && *number <= most)
    };
    let (hours, minutes) = distance.split_once(':')?;
    let distance = (part(hours, 23)? * 60 + part(minutes, 59)?) * 60_000;
    let utc = match sign {
        "+" => local.checked_sub(distance),
        "-" => local.checked_add(distance),
        _ => None,
    };
    utc.map(Timestamp::from_millis)
}

/// Reads a timestamp of that very form; nothing for any other, or one before 1970.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let text: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        o1,
        o2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        m1,
        m2,
        b':',
        s1,
        s2,
        b'.',
        f1,
        f2,
        f3,
        b'Z',
    ] = *text
    else {
        return None;
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let month = Month::try_from(u8::try_from(number(&[o1, o2])?).ok()?).ok()?;
    let day = u8::try_from(number(&[d1, d2])?).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let days = u64::try_from(date.to_julian_day().checked_sub(EPOCH_DAY)?).ok()?;
    let (hours, minutes, seconds) = (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?);
    let in_range = hours < 24 && minutes < 60 && seconds < 60;
    let millis = ((hours * 60 + minutes) * 60 + seconds) * 1000 + number(&[f1, f2, f3])?;
    in_range.then(|| Timestamp::from_millis(days * MILLIS_PER_DAY + millis))
}

fn digits(number: u64, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        out.push(b'0' + u8::try_from(digit).unwrap_or_default());
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(millis: u64) -> String {
        let mut out = Vec::new();
        write(Timestamp::from_millis(millis), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn stamps_have_the_form_that_crossbar_writes() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_342_473_139, "2026-11-22T10:14:33.139Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text(millis), expected);
            assert_eq!(parse(expected), Some(Timestamp::from_millis(millis)));
        }
        assert_eq!(text(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_form_of_rfc_3339_is_read_to_the_millisecond() {
        for (text, expected) in [
            ("2026-11-22T10:14:33.139Z", "2026-11-22T10:14:33.139Z"),
            ("2026-11-22t10:14:33z", "2026-11-22T10:14:33.000Z"),
            ("2026-11-22T10:14:33.1Z", "2026-11-22T10:14:33.100Z"),
            ("2026-11-22T10:14:33.139999999+00:00", "2026-11-22T10:14:33.139Z"),
            ("2026-11-22T10:14:33+02:30", "2026-11-22T07:44:33.000Z"),
            ("2026-11-22T23:14:33.5-01:00", "2026-11-23T00:14:33.500Z"),
        ] {
            assert_eq!(parse_rfc3339(text), parse(expected), "{text}");
        }
        for text in [
            "2026-11-22",
            "2026-11-22T10:14:33",
            "2026-11-22T10:14:33.Z",
            "2026-11-22T10:14:33.139",
            "2026-11-22T10:14:33+2:00",
            "2026-11-22T10:14:33+24:00",
            "2026-11-22T10:14:33+0200",
            "2026-11-22T10:14:33*02:00",
            "2026-11-22T10:14:33é",
            "1970-01-01T00:00:00+00:01",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_stamp() {
        for text in [
            "",
            "2026-11-22T10:14:33Z",
            "2026-11-22 10:14:33.139Z",
            "2026-02-30T10:14:33.139Z",
            "2026-13-22T10:14:33.139Z",
            "2026-11-22T24:14:33.139Z",
            "2026-11-22T10:60:33.139Z",
            "1969-12-31T23:59:59.999Z",
            "+026-11-22T10:14:33.139Z",
            "2026-11-22T10:14:33.139é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn stamps_survive_the_round_trip(millis in 0..253_402_300_800_000_u64) {
            proptest::prop_assert_eq!(parse(&text(millis)), Some(Timestamp::from_millis(millis)));
        }
    }
}
