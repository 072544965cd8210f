//! Users and groups of the system, by name or by number.

use std::{fmt::Display, fs::File, io::Read as _};

use schemars::json_schema;

use super::reader::{Json, Raw, Walk, inline_schema, quoted, whole};

/// The largest list of users that is read: some ten thousand of them.
const MAX_LIST: u64 = 1024 * 1024;

/// A user's number.
#[derive(Debug)]
pub(super) struct User(pub(super) u32);

/// A group's number.
#[derive(Debug)]
pub(super) struct Group(pub(super) u32);

impl Raw for User {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        number(json, "user", "/etc/passwd", walk).map(Self)
    }
}

impl Raw for Group {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        number(json, "group", "/etc/group", walk).map(Self)
    }
}

inline_schema!(
    User,
    "User",
    |_generator| json_schema!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] })
);
inline_schema!(
    Group,
    "Group",
    |_generator| json_schema!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }] })
);

/// A number, or the number that a name has in one of the system's lists.
///
/// The gateway reads the list itself: only users that other services of this machine run as make sense here, and those stand
/// there.
fn number(json: &Json, kind: &str, list: &str, walk: &mut Walk<'_>) -> Option<u32> {
    let Json::Text(name) = json else {
        // The largest number means "no change" to the system.
        let sound = |number: u64| number < u64::from(u32::MAX);
        let hint = format!("a {kind}'s number, or its name as text");
        return whole(json, sound, &hint, walk).and_then(|number| u32::try_from(number).ok());
    };
    let mut text = String::new();
    let read = File::open(list).and_then(|file| file.take(MAX_LIST).read_to_string(&mut text));
    let found = find(&text, name);
    if found.is_none() {
        let why: &dyn Display = match &read {
            Ok(_) => &"",
            Err(error) => &format!(" ({error})"),
        };
        let name = quoted(name);
        walk.fault(format!("{list} has no {kind} {name}{why}, use another name or the {kind}'s number"));
    }
    found
}

/// A list has lines `name:password:number:…`.
fn find(list: &str, name: &str) -> Option<u32> {
    list.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn names_have_the_number_behind_their_password() {
        let list = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/:/bin/false\nbroken\nbad:x:no:\n";
        assert_eq!(find(list, "root"), Some(0));
        assert_eq!(find(list, "www-data"), Some(33));
        for unknown in ["www", "broken", "bad", "", "x"] {
            assert_eq!(find(list, unknown), None, "{unknown}");
        }
    }
}
