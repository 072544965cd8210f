//! Routing: from a request's path to the service with the longest matching path.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::{PathTree, TargetOptions, static_files::StaticFiles, websocket::WebSocketTarget};
use crate::service::{ServiceOptions, WebSocketService};

/// Gives the running service for a path and the options of the WebSocket service there.
pub type Services<'a, E> = dyn FnMut(&str, &ServiceOptions) -> Result<Arc<WebSocketService>, E> + 'a;

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

/// The services of a transport by path.
#[derive(Debug)]
pub(crate) struct Routes {
    root: Node,
}

#[derive(Debug)]
struct Node {
    target: Option<Target>,
    children: BTreeMap<String, Node>,
}

/// A service with whatever its replies can be prepared from.
#[derive(Debug)]
pub(crate) enum Target {
    Static(StaticFiles),
    WebSocket(WebSocketTarget),
    Json(Bytes),
    Redirect(HeaderValue),
    Page,
    Metrics,
}

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
    let sound = !matches!(&*decoded, "." | "..") && !decoded.contains(['/', '\\']) && !has_controls(&decoded);
    if sound { Ok(decoded) } else { Err(BadPath) }
}

fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

impl Routes {
    /// Prepares the services of a transport.
    pub(crate) fn new<E>(tree: &PathTree, services: &mut Services<'_, E>) -> Result<Self, E> {
        Ok(Self { root: Node::new(tree, "", services)? })
    }

    /// The service with the longest matching path, and how many components of the path that is.
    pub(crate) fn find(&self, path: &RequestPath<'_>) -> Option<(&Target, usize)> {
        let mut node = &self.root;
        let mut found = node.target.as_ref().map(|target| (target, 0));
        for (depth, component) in (1..).zip(&path.components) {
            match node.children.get(&**component) {
                Some(child) => node = child,
                None => break,
            }
            found = node.target.as_ref().map(|target| (target, depth)).or(found);
        }
        found
    }
}

impl Node {
    /// The node at a path, which is empty for the root.
    fn new<E>(tree: &PathTree, path: &str, services: &mut Services<'_, E>) -> Result<Self, E> {
        let target = match &tree.target {
            Some(options) => Some(Target::new(options, if path.is_empty() { "/" } else { path }, services)?),
            None => None,
        };
        let children = tree
            .children
            .iter()
            .map(|(name, child)| Ok((name.clone(), Self::new(child, &format!("{path}/{name}"), services)?)));
        Ok(Self { target, children: children.collect::<Result<_, E>>()? })
    }
}

impl Target {
    fn new<E>(options: &TargetOptions, path: &str, services: &mut Services<'_, E>) -> Result<Self, E> {
        Ok(match options {
            TargetOptions::Static(options) => Self::Static(StaticFiles::new(options)),
            TargetOptions::WebSocket(options) => {
                Self::WebSocket(WebSocketTarget::new(services(path, options)?))
            }
            TargetOptions::Json(value) => Self::Json(Bytes::from(value.to_string())),
            TargetOptions::Redirect(location) => Self::Redirect(location.clone()),
            TargetOptions::Page => Self::Page,
            TargetOptions::Metrics => Self::Metrics,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_services(_: &str, _: &ServiceOptions) -> Result<Arc<WebSocketService>, std::fmt::Error> {
        unreachable!("no WebSocket service is configured")
    }

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

    #[test]
    fn the_longest_matching_path_wins() {
        let json = |text: &str| TargetOptions::Json(text.into());
        let leaf = |text| PathTree::of(json(text));
        let inner = PathTree {
            target: None,
            children: BTreeMap::from([("b".to_owned(), leaf("a/b")), ("b c".to_owned(), leaf("a/b c"))]),
        };
        let tree = PathTree {
            target: Some(json("root")),
            children: BTreeMap::from([("a".to_owned(), inner), ("ab".to_owned(), leaf("ab"))]),
        };
        let routes = Routes::new(&tree, &mut no_services).unwrap();
        for (path, service, depth) in [
            ("/", "root", 0),
            ("/a", "root", 0),
            ("/a/", "root", 0),
            ("/a/x", "root", 0),
            ("/a/b", "a/b", 2),
            ("/a/b/", "a/b", 2),
            ("/a/b/c/d", "a/b", 2),
            ("/a/b%20c", "a/b c", 2),
            ("/ab", "ab", 1),
            ("/abc", "root", 0),
            ("/A/b", "root", 0),
        ] {
            let path_parsed = RequestPath::parse(path).unwrap();
            let (target, found_depth) = routes.find(&path_parsed).unwrap();
            let Target::Json(text) = target else { panic!("{path}: {target:?}") };
            assert_eq!((&**text, found_depth), (format!("\"{service}\"").as_bytes(), depth), "{path}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_configured() {
        let routes = Routes::new(&PathTree::default(), &mut no_services).unwrap();
        assert!(routes.find(&RequestPath::parse("/x").unwrap()).is_none());
    }
}
