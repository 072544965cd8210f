//! What the options of static files, JSON and redirects are made of.

use http::HeaderValue;
use schemars::json_schema;

use super::super::reader::{Json, Raw, Walk, Whole, checked_place, checked_text, inline_schema};

/// One year. Browsers treat longer times as forever, which RFC 9111 leaves open.
const MAX_CACHE_TIMEOUT: u64 = 31_536_000;

/// Seconds, or nothing.
#[derive(Debug)]
pub(in crate::config) struct CacheTimeout(pub(in crate::config) Option<u32>);

/// A media type.
#[derive(Debug)]
pub(in crate::config) struct MediaType(pub(in crate::config) HeaderValue);

/// The name of a file, without a path.
#[derive(Debug)]
pub(in crate::config) struct FileName(pub(in crate::config) String);

/// The value of a `Location` header.
#[derive(Debug)]
pub(in crate::config) struct Url(pub(in crate::config) HeaderValue);

impl Raw for CacheTimeout {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::Null => Some(Self(None)),
            other => {
                Whole::<0, MAX_CACHE_TIMEOUT>::read(other, walk).map(|seconds| Self(Some(seconds.get())))
            }
        }
    }
}

inline_schema!(CacheTimeout, "CacheTimeout", |generator| {
    let seconds = generator.subschema_for::<Whole<0, MAX_CACHE_TIMEOUT>>();
    json_schema!({ "anyOf": [{ "type": "null" }, seconds] })
});

impl Raw for MediaType {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "a media type such as \"text/markdown\"", walk, |text| {
            let (kind, rest) = text.split_once('/')?;
            if kind.is_empty() || rest.is_empty() {
                return None;
            }
            HeaderValue::from_str(text).ok().map(Self)
        })
    }
}

inline_schema!(
    MediaType,
    "MediaType",
    |_generator| json_schema!({ "type": "string", "pattern": "^[^/]+/.+$" })
);

impl Raw for FileName {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "a file's name without a path, such as \"index.html\"", walk, |text| {
            let sound = !matches!(text, "" | "." | "..") && !text.contains(['/', '\\', '\0']);
            sound.then(|| Self(text.to_owned()))
        })
    }
}

inline_schema!(
    FileName,
    "FileName",
    |_generator| json_schema!({ "type": "string", "pattern": r"^[^/\\]+$" })
);

impl Raw for Url {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        // Nothing that could end the header line, or be taken for another one.
        checked_place(json, "a URL or a path, percent-encoded", walk, |text| {
            if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return None;
            }
            HeaderValue::from_str(text).ok().map(Self)
        })
    }
}

inline_schema!(Url, "Url", |_generator| json_schema!({ "type": "string", "pattern": "^[!-~]+$" }));
