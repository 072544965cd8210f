//! Numbers with a unit, as people write them: `20ms`, `32MiB`.
//!
//! The configuration and the cases files of policies write times and sizes alike, so both read them here.

/// Units with their factors, from the smallest to the largest.
pub(crate) type Units = &'static [(&'static str, u64)];

/// Times in milliseconds.
pub(crate) const TIMES: Units = &[("ms", 1), ("s", 1000)];

/// Sizes in bytes.
pub(crate) const SIZES: Units = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Reads digits with a unit behind them, and nothing else: no sign, no space, no fraction.
pub(crate) fn parse(text: &str, units: Units) -> Option<u64> {
    units.iter().find_map(|(unit, factor)| {
        let digits = text.strip_suffix(unit)?;
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A number parses with a `+` in front as well, which the JSON Schema does not allow.
        if is_number { digits.parse::<u64>().ok()?.checked_mul(*factor) } else { None }
    })
}

/// Writes a value with the largest unit that leaves a whole number.
pub(crate) fn write(value: u64, units: Units) -> String {
    let fits = |&&(_, factor): &&(&str, u64)| value != 0 && value.is_multiple_of(factor);
    match units.iter().rev().find(fits) {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_with_a_unit_are_a_quantity() {
        for (text, units, value) in [
            ("20ms", TIMES, 20),
            ("1s", TIMES, 1000),
            ("0s", TIMES, 0),
            ("007ms", TIMES, 7),
            ("512KiB", SIZES, 512 << 10),
            ("32MiB", SIZES, 32 << 20),
            ("1GiB", SIZES, 1 << 30),
        ] {
            assert_eq!(parse(text, units), Some(value), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "20", "ms", "s", "+5ms", "-5ms", " 5ms", "5 ms", "5ms ", "1.5s", "5min", "5MS", "٥ms"]
        {
            assert_eq!(parse(text, TIMES), None, "{text}");
        }
        // Neither the number nor its product fits.
        assert_eq!(parse("99999999999999999999ms", TIMES), None);
        assert_eq!(parse("18446744073709551615s", TIMES), None);
        assert_eq!(parse("5ms", SIZES), None);
    }

    #[test]
    fn a_written_quantity_reads_back() {
        for (value, units, text) in [
            (1, TIMES, "1ms"),
            (1500, TIMES, "1500ms"),
            (10_000, TIMES, "10s"),
            (65_536, SIZES, "64KiB"),
            (1 << 30, SIZES, "1GiB"),
        ] {
            assert_eq!(write(value, units), text);
            assert_eq!(parse(text, units), Some(value));
        }
        assert_eq!(write(1000, SIZES), "1000");
        assert_eq!(write(0, TIMES), "0");
    }
}
