//! Guests from text, each for one thing that a policy may do wrong. The hostile suite includes them too.

macro_rules! guests {
    ($($name:ident = $file:literal),+ $(,)?) => {
        /// The guests' texts.
        pub(crate) mod guest {
            $(pub(crate) const $name: &str = include_str!(concat!("guests/", $file, ".wat"));)+
        }
        /// Their files.
        pub(crate) const GUEST_FILES: &[&str] = &[$(concat!($file, ".wat")),+];
    };
}

guests! {
    BAD_ANSWER = "bad-answer",
    BAD_CASE = "bad-case",
    BAD_POINTER = "bad-pointer",
    BAD_UTF8 = "bad-utf8",
    CORE_MODULE = "core-module",
    CUSTOM = "custom",
    ENDLESS_LOOP = "endless-loop",
    ENDLESS_START = "endless-start",
    FORTY_MEGABYTES = "forty-megabytes",
    FRAME = "frame",
    HALF = "half",
    HUGE_STRING = "huge-string",
    LOG_BAD_LEVEL = "log-bad-level",
    LOG_FLOOD = "log-flood",
    LOG_HUGE = "log-huge",
    LOG_SECRETS = "log-secrets",
    MARK = "mark",
    MEMORY_BOMB = "memory-bomb",
    NOTHING = "nothing",
    OTHER_LOG = "other-log",
    OTHER_TYPES = "other-types",
    OUT_OF_BOUNDS = "out-of-bounds",
    PICKY = "picky",
    RECURSION = "recursion",
    SAY = "say",
    TABLE_BOMB = "table-bomb",
    TRAP = "trap",
    TRAPPING_CHECK = "trapping-check",
    WANTS_CLOCK = "wants-clock",
    WANTS_MORE = "wants-more",
    WANTS_WASI = "wants-wasi",
}

/// The text of a whole component: a guest that is only its functions is put into the frame.
pub(crate) fn text(guest: &str) -> String {
    let begins_with = |form: &str| guest.lines().any(|line| line.starts_with(form));
    if begins_with("(component") || begins_with("(module") {
        return guest.to_owned();
    }
    let check_config = if guest.contains("\"check-config\"") {
        ""
    } else {
        r#"(func (export "check-config") (param i32 i32) (result i32) (i32.const 0))"#
    };
    guest::FRAME.replace(";; GUEST\n", &format!("{guest}\n{check_config}\n"))
}

/// A guest as a component's bytes.
pub(crate) fn bytes(guest: &str) -> Vec<u8> {
    wat::parse_str(text(guest)).unwrap_or_else(|error| panic!("{error}"))
}
