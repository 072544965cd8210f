//! `object!`, `choice!` and `words!`: each declaration makes both the loader and the JSON Schema.
//!
//! A declaration names a key once, with its type, its documentation and whether it is required. The code that reads it
//! and the schema that describes it therefore cannot drift apart.

/// Declares an object as a struct. A field is `None` if its key is absent or faulty; the walk tells the two apart.
macro_rules! object {
    (
        $(#[doc = $doc:literal])+
        struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident: $presence:ident $type:ty $(= $key:literal)?
            ),* $(,)?
        }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
        $(ignores { $($ignored:literal: $unused:ty => $happens:expr),* $(,)? })?
        $(misplaced { $($misplaced:literal => $place:expr),* $(,)? })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        #[allow(dead_code, reason = "the gateway checks some keys of Crossbar's and has no use for them")]
        pub(in $crate::config) struct $name {
            $($(#[doc = $field_doc])+ pub(in $crate::config) $field: Option<$type>,)*
        }

        impl $crate::config::reader::Object for $name {
            const KEYS: &'static [&'static str] =
                &[$($crate::config::reader::key!($field $($key)?)),*];
            const IGNORED: &'static [&'static str] = &[$($($ignored),*)?];
            const REFUSED: &'static $crate::config::reader::Refused = &[$($(($refused, $instead)),*)?];
            const MISPLACED: &'static $crate::config::reader::Refused = &[$($(($misplaced, $place)),*)?];

            #[allow(unused_variables, reason = "an object may have no keys")]
            fn take(
                entries: &$crate::config::reader::Entries<'_>,
                tag: Option<&'static str>,
                walk: &mut $crate::config::reader::Walk<'_>,
            ) -> Self {
                let known = $crate::config::reader::Known {
                    keys: Self::KEYS,
                    tag,
                    ignored: Self::IGNORED,
                    refused: Self::REFUSED,
                    misplaced: Self::MISPLACED,
                };
                let object = Self {
                    $($field: $crate::config::reader::field(
                        entries,
                        $crate::config::reader::key!($field $($key)?),
                        &known,
                        $crate::config::reader::is_required!($presence),
                        concat!($($field_doc),+),
                        walk,
                    ),)*
                };
                $($($crate::config::reader::ignored::<$unused>(entries, $ignored, $happens, walk);)*)?
                walk.unknown_keys(entries, &known);
                walk.comment(entries);
                object
            }
        }

        impl $crate::config::reader::Raw for $name {
            fn read(
                json: &$crate::config::reader::Json,
                walk: &mut $crate::config::reader::Walk<'_>,
            ) -> Option<Self> {
                let entries = walk.entries(json)?;
                Some($crate::config::reader::Object::take(&entries, None, walk))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).strip_prefix("Raw").unwrap_or(stringify!($name)).into()
            }

            #[allow(unused_variables, reason = "an object may have no keys")]
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                #[allow(unused_mut, reason = "an object may have no keys")]
                let mut object = $crate::config::reader::ObjectSchema::new(concat!($($doc),+));
                $(object.property(
                    $crate::config::reader::key!($field $($key)?),
                    $crate::config::reader::is_required!($presence),
                    generator.subschema_for::<$type>(),
                    concat!($($field_doc),+),
                );)*
                $($(object.ignored(
                    $ignored,
                    generator.subschema_for::<$unused>(),
                    $happens,
                );)*)?
                object.finish()
            }
        }
    };
}

/// Declares a choice of objects by their `type`.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        enum $name:ident {
            $($variant:ident($inner:ty) = $($word:literal)|+),* $(,)?
        }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        #[allow(dead_code, reason = "an object may have no keys")]
        pub(in $crate::config) enum $name {
            $(#[doc = concat!($("`", $word, "` "),+)] $variant(Box<$inner>),)*
        }

        impl $crate::config::reader::Raw for $name {
            fn read(
                json: &$crate::config::reader::Json,
                walk: &mut $crate::config::reader::Walk<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($($word),+),*];
                let entries = walk.entries(json)?;
                let refused: &$crate::config::reader::Refused = &[$($(($refused, $instead)),*)?];
                let place = $crate::config::reader::tag(&entries, WORDS, refused, walk)?;
                match WORDS.get(place).copied()? {
                    $($($word)|+ => Some(Self::$variant(Box::new(
                        <$inner as $crate::config::reader::Object>::take(&entries, Some("type"), walk),
                    ))),)*
                    _ => None,
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).strip_prefix("Raw").unwrap_or(stringify!($name)).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let choices = vec![$($crate::config::reader::tagged(
                    <$inner as schemars::JsonSchema>::json_schema(generator),
                    &[$($word),+],
                )),*];
                schemars::json_schema!({
                    "description": $crate::config::reader::one_line(concat!($($doc),+)),
                    "oneOf": choices,
                })
            }
        }
    };
}

/// Declares how the values of a type are written as words.
macro_rules! words {
    (
        $type:ty as $schema_name:literal { $($word:literal => $value:expr),* $(,)? }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
    ) => {
        impl $crate::config::reader::Raw for $type {
            fn read(
                json: &$crate::config::reader::Json,
                walk: &mut $crate::config::reader::Walk<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                let refused: &$crate::config::reader::Refused = &[$($(($refused, $instead)),*)?];
                let place = $crate::config::reader::word(json, WORDS, refused, walk)?;
                match WORDS.get(place).copied()? {
                    $($word => Some($value),)*
                    _ => None,
                }
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "enum": [$($word),*] })
            }
        }
    };
}

/// A field's key: its own name unless another one is given.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Whether a key has to be there.
macro_rules! is_required {
    (required) => {
        true
    };
    (optional) => {
        false
    };
}

pub(crate) use {choice, is_required, key, object, words};
