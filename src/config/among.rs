//! `upstreams` of a path: servers or routers with names, of which the path's policy chooses.

use schemars::{JsonSchema, json_schema};

use super::{
    Among,
    reader::{COMMENT, Json, Located, Raw, Table, Walk, comment, inline_schema},
};
use crate::policy::upstream_names::{MAX_NAME, MAX_UPSTREAMS, NamesFault, faults};

/// What stands behind a path, by name.
#[derive(Debug)]
pub(super) struct RawUpstreams<T>(pub(super) Vec<(String, Located<T>)>);

impl<T: Raw> Raw for RawUpstreams<T> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let Table(entries) = Table::<T>::read(json, walk)?;
        // All names of the file, those of entries with faults among them.
        let Json::Object(pairs) = json else { return Some(Self(entries)) };
        let names: Vec<&str> =
            pairs.iter().map(|(name, _)| name.as_str()).filter(|name| *name != COMMENT).collect();
        for fault in faults(&names) {
            match fault {
                NamesFault::Empty | NamesFault::TooMany(_) => walk.fault(fault.to_string()),
                NamesFault::NoName(name) => walk.at_key(name, |walk| walk.fault(fault.to_string())),
                // The reader has told of it: no object has a key twice.
                NamesFault::Twice(_) => {}
            }
        }
        Some(Self(entries))
    }
}

inline_schema!(for [T: JsonSchema] RawUpstreams<T>, format!("Upstreams_{}", T::schema_name()), |generator| {
    let upstream = generator.subschema_for::<T>();
    let name = format!("^[A-Za-z0-9_.\\-]{{1,{MAX_NAME}}}$");
    json_schema!({
        "type": "object",
        "minProperties": 1,
        // And a comment.
        "maxProperties": MAX_UPSTREAMS + 1,
        "properties": { (COMMENT): comment() },
        "patternProperties": { (name): upstream },
        "additionalProperties": false,
    })
});

/// The one that a path has, or those with names; none: it names neither.
pub(super) fn either<T>(
    one: Option<Located<T>>,
    named: Option<Located<RawUpstreams<T>>>,
    walk: &mut Walk<'_>,
) -> Option<Among<Located<T>>> {
    match (one, named) {
        (Some(_), Some(Located { path, .. })) => {
            walk.fault_at(path, "`upstream` stands beside it: keep one of the two");
            None
        }
        (Some(one), None) => Some(Among::One(one)),
        (None, Some(Located { value: RawUpstreams(named), .. })) => {
            Some(Among::Named(named.into_iter().map(|(name, each)| (name.into(), each)).collect()))
        }
        (None, None) => None,
    }
}

/// What becomes of each, if something becomes of all.
pub(super) fn checked<T, U>(among: Among<T>, mut check: impl FnMut(T) -> Option<U>) -> Option<Among<U>> {
    match among {
        Among::One(one) => check(one).map(Among::One),
        Among::Named(named) => {
            // All are checked, so that the operator hears of every fault.
            let checked: Vec<_> = named.into_iter().map(|(name, each)| (name, check(each))).collect();
            let all: Option<Vec<_>> = checked.into_iter().map(|(name, each)| Some((name, each?))).collect();
            all.filter(|all| !all.is_empty()).map(|all| Among::Named(all.into()))
        }
    }
}

/// Where several upstreams stand a policy of the operator's own has to choose.
pub(super) fn needs_policy(at: &str, named: &str, walk: &mut Walk<'_>) {
    if !walk.has_fault_below(&format!("{at}.policy")) && !walk.has_fault_below(&format!("{at}.websocket")) {
        walk.fault_at(
            named,
            "the path's policy chooses among them, and this path asks none: write a `policy` that exports `routing`, or write one `upstream`",
        );
    }
}
