//! Days of the calendar, in UTC.

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// The first moment after a day such as `2026-12-31`, in milliseconds since the epoch.
pub(crate) fn end_of(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, '-');
    let mut number = |digits: usize| {
        let part = parts.next()?;
        (part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u64>().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=length(year, month)).contains(&day) {
        return None;
    }
    let years = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<u64>();
    let months = (1..month).map(|month| length(year, month)).sum::<u64>();
    Some((years + months + day) * DAY)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn length(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn days_end_where_the_next_one_begins() {
        assert_eq!(end_of("1970-01-01"), Some(86_400_000));
        assert_eq!(end_of("2000-02-29"), Some(951_868_800_000));
        assert_eq!(end_of("2026-12-31"), Some(1_798_761_600_000));
        for wrong in
            ["", "2026", "2026-13-01", "2026-02-29", "2026-1-1", "26-01-01", "2026-01-01T", "1969-12-31"]
        {
            assert_eq!(end_of(wrong), None, "{wrong}");
        }
    }
}
