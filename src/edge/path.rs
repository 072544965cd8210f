//! The path of a request, taken apart once and safely.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What has to be encoded in one component of a path (RFC 3986, 3.3), and what HTML would trip over.
pub(crate) const COMPONENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A request's path, decoded once. Its components can neither leave a directory nor hide a separator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RequestPath<'a> {
    components: Vec<Cow<'a, str>>,
    directory: bool,
}

/// The path has `..`, a hidden separator, or something else in it that no service should see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadPath;

impl<'a> RequestPath<'a> {
    /// Takes a path apart. Empty components do not count, save that the last one asks for a directory.
    pub(crate) fn parse(path: &'a str) -> Result<Self, BadPath> {
        let rest = path.strip_prefix('/').ok_or(BadPath)?;
        let components = rest.split('/').filter(|c| !c.is_empty()).map(decode).collect::<Result<_, _>>()?;
        Ok(Self { components, directory: path.ends_with('/') })
    }

    /// The components, decoded.
    pub(crate) fn components(&self) -> &[Cow<'a, str>] {
        &self.components
    }

    /// Whether the path ends in a slash.
    pub(crate) fn is_directory(&self) -> bool {
        self.directory
    }

    /// The path with a slash at its end. It is built from the components: a path that begins with two slashes
    /// would be the name of another server in a `Location`.
    pub(crate) fn as_directory(&self) -> String {
        let mut path = String::from("/");
        for component in &self.components {
            path.extend(utf8_percent_encode(component, COMPONENT));
            path.push('/');
        }
        path
    }
}

fn decode(component: &str) -> Result<Cow<'_, str>, BadPath> {
    // A percent sign that begins no escape would mean different things to different readers.
    let mut escapes = component.split('%').skip(1);
    if escapes.any(|rest| {
        let digits = rest.as_bytes();
        !digits.first().is_some_and(u8::is_ascii_hexdigit)
            || !digits.get(1).is_some_and(u8::is_ascii_hexdigit)
    }) {
        return Err(BadPath);
    }
    let decoded = percent_decode_str(component).decode_utf8().map_err(|_| BadPath)?;
    // Some servers drop what stands behind a semicolon, and then climb.
    let name = decoded.split(';').next().unwrap_or_default();
    let sound = !matches!(name, "." | "..") && !decoded.contains(['/', '\\']) && !has_controls(&decoded);
    if sound { Ok(decoded) } else { Err(BadPath) }
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Option<String> {
        let parsed = RequestPath::parse(path).ok()?;
        Some(format!("{}{}", parsed.components.join("|"), if parsed.directory { "|" } else { "" }))
    }

    #[test]
    fn paths_are_decoded_once_and_safely() {
        for (path, expected) in [
            ("/", Some("|")),
            ("/ws", Some("ws")),
            ("/ws/", Some("ws|")),
            ("//ws//foo", Some("ws|foo")),
            ("/a%20b/%C3%A4", Some("a b|ä")),
            ("/100%25", Some("100%")),
            ("/%2561", Some("%61")),
            ("/...", Some("...")),
            ("", None),
            ("*", None),
            ("ws", None),
            ("/..", None),
            ("/a/../b", None),
            ("/%2e%2E/b", None),
            ("/.", None),
            ("/a/..;x=y/b", None),
            ("/..%3B/b", None),
            ("/.;", None),
            ("/a;x=..", Some("a;x=..")),
            ("/a%2fb", None),
            ("/a%5Cb", None),
            ("/a\\b", None),
            ("/a%00b", None),
            ("/a%0d%0ab", None),
            ("/a%7f", None),
            ("/%", None),
            ("/%4", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%ff", None),
        ] {
            assert_eq!(parse(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_directory_path_never_names_another_server() {
        let path = RequestPath::parse("//evil.example/%3Cx%3E").unwrap();
        assert_eq!(path.as_directory(), "/evil.example/%3Cx%3E/");
    }
}
