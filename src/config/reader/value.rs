//! The kinds of values that keys have. A range is part of its type, so that the check and the schema agree.

use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

use schemars::{JsonSchema, json_schema};

use super::{COMMENT, Json, Located, Raw, Walk, comment, quoted, quoted_place};

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<const MIN: u64, const MAX: u64>(pub(crate) u64);

/// A time in milliseconds from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Millis<const MIN: u64, const MAX: u64>(pub(crate) Duration);

/// A time in milliseconds: 0 for "off", or `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MillisOrOff<const MIN: u64, const MAX: u64>(pub(crate) Option<Duration>);

/// A switch of Crossbar's that the gateway accepts in only one position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Only<const POSITION: bool>;

/// A path of the file system, joined to the node directory.
#[derive(Debug)]
pub(crate) struct NodePath {
    pub(crate) path: PathBuf,
}

/// Entries by names that the operator chooses, in the order of the file.
#[derive(Debug)]
pub(crate) struct Table<T>(pub(crate) Vec<(String, Located<T>)>);

/// Any JSON at all.
#[derive(Debug)]
pub(crate) struct Anything(pub(crate) serde_json::Value);

/// Reads a whole number that `allowed` accepts; `hint` says which ones those are.
pub(crate) fn whole(
    json: &Json,
    allowed: impl Fn(u64) -> bool,
    hint: &str,
    walk: &mut Walk<'_>,
) -> Option<u64> {
    let Json::Number(number) = json else {
        walk.wrong_kind(&format!("a whole number, {hint}"), json);
        return None;
    };
    match number.as_u64() {
        Some(value) if allowed(value) => Some(value),
        None if number.is_f64() => {
            walk.fault(format!("{number} is not a whole number, use {hint}"));
            None
        }
        _ => {
            walk.fault(format!("{number} is out of range, use {hint}"));
            None
        }
    }
}

fn within<const MIN: u64, const MAX: u64>(json: &Json, unit: &str, walk: &mut Walk<'_>) -> Option<u64> {
    let hint = if MIN == MAX { format!("{MIN}") } else { format!("{MIN} to {MAX}{unit}") };
    whole(json, |value| (MIN..=MAX).contains(&value), &hint, walk)
}

impl<const MIN: u64, const MAX: u64> Raw for Whole<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        within::<MIN, MAX>(json, "", walk).map(Self)
    }
}

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// The number in another type. A number that does not fit becomes the largest one, which no range in use reaches.
    pub(crate) fn get<T: TryFrom<u64> + Bounded>(self) -> T {
        T::try_from(self.0).unwrap_or(T::MAX)
    }
}

/// Types with a largest value.
pub(crate) trait Bounded {
    const MAX: Self;
}

impl Bounded for usize {
    const MAX: Self = Self::MAX;
}

impl Bounded for u32 {
    const MAX: Self = Self::MAX;
}

impl Bounded for u16 {
    const MAX: Self = Self::MAX;
}

impl Bounded for u8 {
    const MAX: Self = Self::MAX;
}

impl<const MIN: u64, const MAX: u64> Raw for Millis<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        within::<MIN, MAX>(json, " (milliseconds)", walk).map(|millis| Self(Duration::from_millis(millis)))
    }
}

impl<const MIN: u64, const MAX: u64> Raw for MillisOrOff<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = format!("0 (off) or {MIN} to {MAX} (milliseconds)");
        let millis = whole(json, |value| value == 0 || (MIN..=MAX).contains(&value), &hint, walk)?;
        Some(Self((millis > 0).then(|| Duration::from_millis(millis))))
    }
}

impl Raw for bool {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Json::Bool(value) = json else {
            walk.wrong_kind("true or false", json);
            return None;
        };
        Some(*value)
    }
}

impl<const POSITION: bool> Raw for Only<POSITION> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        if bool::read(json, walk)? != POSITION {
            walk.fault(format!("{} is not supported, use {POSITION} or leave it out", !POSITION));
        }
        Some(Self)
    }
}

impl Raw for String {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Json::Text(text) = json else {
            walk.wrong_kind("text", json);
            return None;
        };
        Some(text.clone())
    }
}

/// Reads text with `parse`; `hint` says what is allowed.
pub(crate) fn checked_text<T>(
    json: &Json,
    hint: &str,
    walk: &mut Walk<'_>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    parsed(json, hint, walk, quoted, parse)
}

/// Like [`checked_text`], for what names a place in the network: an address, a URL, an origin or a host. A password may stand in it, which no
/// message repeats.
pub(crate) fn checked_place<T>(
    json: &Json,
    hint: &str,
    walk: &mut Walk<'_>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    parsed(json, hint, walk, quoted_place, parse)
}

fn parsed<T>(
    json: &Json,
    hint: &str,
    walk: &mut Walk<'_>,
    shown: fn(&str) -> String,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let Json::Text(text) = json else {
        walk.wrong_kind(&format!("text: {hint}"), json);
        return None;
    };
    let value = parse(text);
    if value.is_none() {
        walk.fault(format!("{} is not valid, use {hint}", shown(text)));
    }
    value
}

impl<T: Raw> Raw for Vec<T> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Json::List(items) = json else {
            walk.wrong_kind("a list", json);
            return None;
        };
        let items = items.iter().enumerate();
        Some(items.filter_map(|(index, item)| walk.at_index(index, |walk| T::read(item, walk))).collect())
    }
}

impl<T: Raw> Raw for Table<T> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let entries = walk.entries(json)?;
        walk.comment(&entries);
        let named = entries.into_iter().filter(|(key, _)| *key != COMMENT);
        let read = named.filter_map(|(key, value)| {
            Some((key.to_owned(), walk.at_key(key, |walk| Located::read(value, walk))?))
        });
        Some(Self(read.collect()))
    }
}

impl Raw for Anything {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        Some(Self(walk.free_form(json)))
    }
}

impl Raw for NodePath {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let hint = "a path, absolute or relative to the node directory";
        let node_dir = walk.surroundings.node_dir;
        checked_text(json, hint, walk, |text| {
            let sound = !text.is_empty() && !text.contains('\0');
            sound.then(|| Self { path: join(node_dir, text) })
        })
    }
}

/// Joins a path to a folder. `.` goes, so that one file does not have two names. `..` stays, since its target depends
/// on symbolic links.
fn join(folder: &Path, path: &str) -> PathBuf {
    let joined = folder.join(path);
    joined.components().filter(|part| !matches!(part, Component::CurDir)).collect()
}

/// The name in `${NAME}` or `$NAME`, which stands for an environment variable.
pub(crate) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    let sound = !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    sound.then_some(name)
}

/// Implements `JsonSchema` with a schema that stands in place wherever the type is used.
macro_rules! inline_schema {
    (for [$($generic:tt)+] $type:ty, $name:expr, |$generator:ident| $schema:expr) => {
        inline_schema!(@ [<$($generic)+>] $type, $name, |$generator| $schema);
    };
    (@ [$($generics:tt)*] $type:ty, $name:expr, |$generator:ident| $schema:expr) => {
        impl $($generics)* schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
    ($type:ty, $name:expr, |$generator:ident| $schema:expr) => {
        inline_schema!(@ [] $type, $name, |$generator| $schema);
    };
}

inline_schema!(for [const MIN: u64, const MAX: u64] Whole<MIN, MAX>, format!("Whole_{MIN}_{MAX}"), |_generator| {
    json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
});
inline_schema!(for [const MIN: u64, const MAX: u64] Millis<MIN, MAX>, format!("Millis_{MIN}_{MAX}"), |_generator| {
    json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX, "x-unit": "ms" })
});
inline_schema!(
    for [const MIN: u64, const MAX: u64] MillisOrOff<MIN, MAX>,
    format!("MillisOrOff_{MIN}_{MAX}"),
    |_generator| json_schema!({ "anyOf": [
        { "const": 0 },
        { "type": "integer", "minimum": MIN, "maximum": MAX, "x-unit": "ms" },
    ] })
);
inline_schema!(for [const POSITION: bool] Only<POSITION>, format!("Only_{POSITION}"), |_generator| {
    json_schema!({ "const": POSITION })
});
inline_schema!(NodePath, "NodePath", |_generator| json_schema!({ "type": "string", "minLength": 1 }));
inline_schema!(Anything, "Anything", |_generator| json_schema!({}));
inline_schema!(for [T: JsonSchema] Table<T>, format!("Table_{}", T::schema_name()), |generator| {
    let value = generator.subschema_for::<T>();
    json_schema!({
        "type": "object",
        "properties": { (COMMENT): comment() },
        "additionalProperties": value,
    })
});

pub(crate) use inline_schema;
