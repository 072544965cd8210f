//! Routing: from a request's path to the service with the longest matching path.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::HeaderValue;

use super::{
    PathTree, TargetOptions, path::RequestPath, static_files::StaticFiles, websocket::WebSocketTarget,
};
use crate::service::{ServiceOptions, WebSocketService};

/// Gives the running service for a path and the options of the WebSocket service there.
pub type Services<'a, E> = dyn FnMut(&str, &ServiceOptions) -> Result<Arc<WebSocketService>, E> + 'a;

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

/// A service with what its replies can be prepared from.
#[derive(Debug)]
pub(crate) enum Target {
    Static(StaticFiles),
    WebSocket(WebSocketTarget),
    Json(Bytes),
    Redirect(HeaderValue),
    Page,
    Metrics,
    Health,
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
        for (depth, component) in (1..).zip(path.components()) {
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
    /// Whether it tells a page of another site nothing that it should not know. A WebSocket service checks its handshakes itself, and
    /// probes call the gateway by names that its operator need not know.
    pub(crate) const fn is_for_every_host(&self) -> bool {
        matches!(self, Self::WebSocket(_) | Self::Health)
    }

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
            TargetOptions::Health => Self::Health,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_services(_: &str, _: &ServiceOptions) -> Result<Arc<WebSocketService>, std::fmt::Error> {
        unreachable!("no WebSocket service is configured")
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
