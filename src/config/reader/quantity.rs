//! Times and sizes: a number, or a number with a unit.

use std::time::Duration;

use schemars::json_schema;

use super::{Json, Raw, Walk, inline_schema, quoted};
use crate::quantity::{self, SIZES, TIMES, Units};

/// A time from `MIN` to `MAX` milliseconds: `"20ms"`, `"1s"`, or a number of milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time<const MIN: u64, const MAX: u64>(pub(crate) Duration);

/// A size from `MIN` to `MAX` bytes: `"32MiB"`, or a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size<const MIN: u64, const MAX: u64>(pub(crate) usize);

impl<const MIN: u64, const MAX: u64> Raw for Time<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        quantity(json, TIMES, (MIN, MAX), walk).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl<const MIN: u64, const MAX: u64> Raw for Size<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let bytes = quantity(json, SIZES, (MIN, MAX), walk)?;
        usize::try_from(bytes).ok().map(Self)
    }
}

fn quantity(json: &Json, units: Units, (min, max): (u64, u64), walk: &mut Walk<'_>) -> Option<u64> {
    let hint = format!("\"{}\" to \"{}\"", quantity::write(min, units), quantity::write(max, units));
    let (value, written) = match json {
        Json::Number(number) => (number.as_u64(), number.to_string()),
        Json::Text(text) => (quantity::parse(text, units), quoted(text)),
        _ => {
            walk.wrong_kind(&hint, json);
            return None;
        }
    };
    let value = value.filter(|value| (min..=max).contains(value));
    if value.is_none() {
        walk.fault(format!("{written} is not valid, use {hint}"));
    }
    value
}

fn schema(units: Units, unit: &str, form: &str, (min, max): (u64, u64)) -> schemars::Schema {
    let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
    json_schema!({ "anyOf": [
        { "type": "integer", "minimum": min, "maximum": max, "x-unit": unit },
        { "type": "string", "pattern": format!("^[0-9]+({})$", names.join("|")), "x-form": form },
    ] })
}

inline_schema!(for [const MIN: u64, const MAX: u64] Time<MIN, MAX>, format!("Time_{MIN}_{MAX}"), |_generator| {
    schema(TIMES, "ms", "20ms", (MIN, MAX))
});
inline_schema!(for [const MIN: u64, const MAX: u64] Size<MIN, MAX>, format!("Size_{MIN}_{MAX}"), |_generator| {
    schema(SIZES, "bytes", "32MiB", (MIN, MAX))
});
