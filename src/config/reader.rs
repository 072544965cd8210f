//! The machine that reads the configuration: it walks through a JSON text and reports every fault at once, with its path.
//!
//! The machine knows JSON, paths and faults. It knows nothing of realms or stores: the other modules of `config` declare
//! what stands in the file, and turn what was read into the options of the gateway's parts.
//!
//! # How a text is read
//!
//! 1. `json` parses the bytes. It keeps keys that stand twice, so that the walk can complain about them.
//! 2. `walk` steps from value to value and knows the path of each: `transports[0].paths.ws.cookie.length`.
//!    [`Raw::read`] reads one value. If the value is wrong, `read` reports a fault to the [`Walk`], returns `None`,
//!    and the walk goes on with the next value.
//! 3. The part's own `check` looks at what one value alone cannot tell: references, duplicates, what excludes what. It
//!    reports with [`Walk::fault_at`] and [`Walk::warn_at`], for which a [`Located`] value remembers its path. What seems to be
//!    missing may be in what is wrong: [`Walk::has_fault_below`] tells, by the name of a key and also if that is misspelt.
//! 4. [`read`] returns the result, or all faults as one [`ConfigError`].
//!
//! # How to declare an object
//!
//! ```ignore
//! object! {
//!     /// A TCP endpoint.                           (the description in the JSON Schema)
//!     struct RawTcp {
//!         /// The port. 0: any free one.            (the key's description, and the hint if it is missing)
//!         port: required Whole<0, 65_535>,
//!         /// How many connections may wait.
//!         backlog: optional Located<Whole<1, 65_535>>,
//!         /// A key whose name is no Rust identifier.
//!         kind: required Static = "type",
//!     }
//!     refuses {                                     // keys that Crossbar has and the gateway does not support
//!         "portrange" => "write one transport for each port",
//!     }
//!     ignores {                                     // keys of Crossbar's without effect, and what happens instead
//!         "pythonpath": Vec<String> => "the gateway runs no Python",
//!     }
//!     misplaced {                                   // keys that belong elsewhere
//!         "path" => "a TCP endpoint has no path, use \"type\": \"unix\"",
//!     }
//! }
//! ```
//!
//! The macro declares a struct with an `Option` for each key, implements [`Raw`] and `JsonSchema` for it, and so keeps the
//! loader and the schema together. A field is `None` if its key is absent or its value is faulty; in the second case,
//! and if a required key is absent, the walk already holds the fault. `choice!` declares objects that a `type` tells
//! apart, and `words!` the words that stand for the values of a type.
//!
//! A range belongs to the type of a key (`value`, `quantity`), so that the check, the message and the schema agree. A type
//! with a rule of its own implements [`Raw`] with [`checked_text`], [`checked_place`] or [`whole`] and its schema with `inline_schema!`.
//!
//! A default stands once, in the options of the part that uses it. `check` takes it from there.

mod declare;
mod fault;
mod file;
mod json;
mod keys;
mod macros;
mod quantity;
mod value;
mod walk;

#[cfg(test)]
mod tests;

pub use fault::{ConfigError, ConfigFault, ConfigWarning, FaultPlace};
pub use walk::LoadOptions;

pub(super) use declare::comment;
pub(super) use file::find;
pub(super) use json::Json;
pub(super) use keys::{COMMENT, alternatives, entry, suggest};
pub(super) use macros::{choice, is_required, key, object, words};
pub(super) use quantity::{Size, Time};
pub(super) use value::{
    Anything, Millis, MillisOrOff, NodePath, Only, Table, Whole, checked_place, checked_text, inline_schema,
    variable, whole,
};
pub(super) use walk::{Called, Located, Own, Protected, Raw, Surroundings, Walk};

pub(super) use crate::shown::{quoted, quoted_place};

// What the macros expand to.
pub(super) use declare::{Object, ObjectSchema, field, ignored, one_line, tag, tagged, word};
pub(super) use keys::{Entries, Known, Refused};

/// Reads a text and checks it: `check` turns what was read into the result.
///
/// Fails with every fault that the walk and `check` report.
pub(super) fn read<R: Raw, T>(
    name: &str,
    bytes: &[u8],
    surroundings: Surroundings<'_>,
    check: impl FnOnce(R, &mut Walk<'_>) -> T,
) -> Result<(T, Vec<ConfigWarning>), Box<ConfigError>> {
    let json = Json::parse(name, bytes)?;
    let mut walk = Walk::new(surroundings);
    let checked = R::read(&json, &mut walk).map(|raw| check(raw, &mut walk));
    match checked {
        Some(checked) if walk.faults.is_empty() => Ok((checked, walk.warnings)),
        _ => Err(Box::new(ConfigError {
            file: name.to_owned(),
            faults: walk.faults,
            omitted: walk.omitted,
            warnings: walk.warnings,
        })),
    }
}
