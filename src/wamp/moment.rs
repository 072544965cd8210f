//! Points in time, which `MessagePack` and CBOR have as values of their own.

use std::fmt;

/// Nanoseconds in a second.
const BILLION: u32 = 1_000_000_000;

const SECONDS_A_DAY: i64 = 86_400;

/// The years that RFC 3339 can write.
const YEARS: std::ops::RangeInclusive<i64> = 0..=9999;

/// A point in time: seconds since 1970 without leap seconds, and nanoseconds after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    /// Below a billion.
    pub(super) nanoseconds: u32,
}

/// RFC 3339, in UTC: `1970-01-01T00:00:00.5Z`.
pub(super) struct Rfc3339(Moment, Date);

struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Moment {
    /// The content of `MessagePack`'s timestamp, an extension of the type -1 with 4, 8 or 12 bytes.
    pub(super) fn from_msgpack(content: &[u8]) -> Option<Self> {
        let moment = if let Ok(seconds) = <[u8; 4]>::try_from(content) {
            Self { seconds: u32::from_be_bytes(seconds).into(), nanoseconds: 0 }
        } else if let Ok(both) = <[u8; 8]>::try_from(content).map(u64::from_be_bytes) {
            // 30 bits of nanoseconds before 34 bits of seconds.
            let seconds = i64::try_from(both & ((1 << 34) - 1)).ok()?;
            Self { seconds, nanoseconds: u32::try_from(both >> 34).ok()? }
        } else {
            let (nanoseconds, seconds) = content.split_first_chunk()?;
            Self {
                seconds: i64::from_be_bytes(seconds.try_into().ok()?),
                nanoseconds: u32::from_be_bytes(*nanoseconds),
            }
        };
        (moment.nanoseconds < BILLION).then_some(moment)
    }

    /// The same, in the shortest of the three forms.
    pub(super) fn to_msgpack(self) -> Vec<u8> {
        let Self { seconds, nanoseconds } = self;
        match (u32::try_from(seconds), u64::try_from(seconds)) {
            (Ok(seconds), _) if nanoseconds == 0 => seconds.to_be_bytes().to_vec(),
            (_, Ok(seconds)) if seconds < 1 << 34 => {
                (u64::from(nanoseconds) << 34 | seconds).to_be_bytes().to_vec()
            }
            _ => [&nanoseconds.to_be_bytes()[..], &seconds.to_be_bytes()].concat(),
        }
    }

    /// So many seconds since 1970, as CBOR may say it.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ranges are checked")]
    pub(super) fn from_float(seconds: f64) -> Option<Self> {
        // Beyond this, doubles have no fractions.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if seconds.is_nan() || seconds.abs() > EXACT {
            return None;
        }
        let whole = seconds.floor();
        let nanoseconds = ((seconds - whole) * f64::from(BILLION)).round() as u32;
        let whole = whole as i64;
        Some(if nanoseconds < BILLION {
            Self { seconds: whole, nanoseconds }
        } else {
            Self { seconds: whole + 1, nanoseconds: 0 }
        })
    }

    /// So many seconds since 1970: the nearest double.
    #[allow(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    pub(super) fn to_float(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanoseconds) / f64::from(BILLION)
    }

    /// As text, in the years that have one.
    pub(super) fn to_rfc3339(self) -> Option<Rfc3339> {
        let date = Date::of(self.seconds.div_euclid(SECONDS_A_DAY));
        YEARS.contains(&date.year).then_some(Rfc3339(self, date))
    }
}

impl Date {
    /// The date so many days after 1970-01-01, in the Gregorian calendar.
    ///
    /// Years are counted from March on, so that the day of a leap year is the last one: 400 of them have 146,097 days.
    const fn of(days: i64) -> Self {
        /// From 0000-03-01 to 1970-01-01.
        const EPOCH: i64 = 719_468;
        let days = days + EPOCH;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + if month <= 2 { 1 } else { 0 };
        Self { year, month, day }
    }
}

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Moment { seconds, nanoseconds }, Date { year, month, day }) = self;
        let second = seconds.rem_euclid(SECONDS_A_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if *nanoseconds > 0 {
            write!(f, ".{}", format!("{nanoseconds:09}").trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: i64, nanoseconds: u32) -> Option<String> {
        Moment { seconds, nanoseconds }.to_rfc3339().map(|text| text.to_string())
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, nanoseconds, written) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (-1, 500_000_000, "1969-12-31T23:59:59.5Z"),
            (951_782_399, 0, "2000-02-28T23:59:59Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000000001Z"),
            (951_868_800, 0, "2000-03-01T00:00:00Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
            (-62_167_219_200, 0, "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(text(seconds, nanoseconds).as_deref(), Some(written));
        }
        for beyond in [253_402_300_800, -62_167_219_201, i64::MAX, i64::MIN] {
            assert_eq!(text(beyond, 0), None);
        }
    }

    #[test]
    fn the_forms_of_messagepack_are_read_as_they_are_written() {
        for (seconds, nanoseconds, size) in [
            (0, 0, 4),
            (u32::MAX.into(), 0, 4),
            (i64::from(u32::MAX) + 1, 0, 8),
            (0, 999_999_999, 8),
            ((1 << 34) - 1, 1, 8),
            (1 << 34, 0, 12),
            (-1, 0, 12),
            (i64::MIN, 999_999_999, 12),
        ] {
            let moment = Moment { seconds, nanoseconds };
            let written = moment.to_msgpack();
            assert_eq!((written.len(), Moment::from_msgpack(&written)), (size, Some(moment)));
        }
        for broken in [&b""[..], &[0; 5], &[0xff; 8], &[0xff; 12], &[0; 13]] {
            assert_eq!(Moment::from_msgpack(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn floats_keep_what_they_have() {
        for (float, seconds, nanoseconds) in
            [(0.5, 0, 500_000_000), (-0.5, -1, 500_000_000), (1e9, 1_000_000_000, 0), (0.999_999_999_9, 1, 0)]
        {
            assert_eq!(Moment::from_float(float), Some(Moment { seconds, nanoseconds }));
        }
        assert_eq!(Moment::from_float(f64::NAN), None);
        assert_eq!(Moment::from_float(f64::INFINITY), None);
        assert!((Moment { seconds: -1, nanoseconds: 500_000_000 }.to_float() + 0.5).abs() < 1e-9);
    }
}
