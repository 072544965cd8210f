//! Routing: from a request's path to the service with the longest matching path.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, request::Parts};

use super::{
    PathTree, ServicePlace, TargetOptions, console::ConsoleTarget, forward_auth::ForwardAuth,
    metrics::EdgeMetrics, path::RequestPath, proxied::Proxied, static_files::StaticFiles,
    websocket::WebSocketTarget,
};
use crate::{
    service::{TesteeService, WebSocketService},
    upstream::Upstream,
};

/// Gives the running WebSocket service that stands at a place of the gateway.
pub type Services<'a, E> = dyn FnMut(&ServicePlace) -> Result<Arc<WebSocketService>, E> + 'a;

/// The services of a transport by path.
#[derive(Debug)]
pub(crate) struct Routes {
    root: Node,
    /// Whether a path answers questions of proxies.
    has_questions: bool,
    /// Whether requests with a body go on to an upstream.
    passes_bodies: bool,
}

/// What the routes of a transport are made with.
pub(crate) struct Making<'a, 's, E> {
    /// The transport's `id`.
    pub(crate) transport: &'a str,
    pub(crate) metrics: &'a EdgeMetrics,
    pub(crate) services: &'a mut Services<'s, E>,
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
    Testee(TesteeService),
    Json(Bytes),
    Redirect(HeaderValue),
    Https(u16),
    Page,
    Metrics,
    Health,
    /// With `Cache-Control`.
    Jwks(HeaderValue),
    Console(ConsoleTarget),
    ForwardAuth(Box<ForwardAuth>),
    Proxied(Box<Proxied>),
}

impl Routes {
    /// Prepares the services of a transport.
    pub(crate) fn new<E>(tree: &PathTree, making: &mut Making<'_, '_, E>) -> Result<Self, E> {
        let is_question = |(_, target): &(_, &TargetOptions)| matches!(target, TargetOptions::ForwardAuth(_));
        let has_questions = tree.targets().iter().any(is_question);
        let passes = |(_, target): &(_, &TargetOptions)| matches!(target, TargetOptions::Proxied(proxied) if proxied.http.is_some());
        let passes_bodies = tree.targets().iter().any(passes);
        Ok(Self { root: Node::new(tree, "", making)?, has_questions, passes_bodies })
    }

    /// What its paths go on to.
    pub(crate) fn upstreams(&self) -> Vec<&Upstream> {
        let mut found = Vec::new();
        self.root.find_upstreams(&mut found);
        found
    }

    /// Whether there is a target that has a use for a body, and for every method.
    pub(crate) const fn pass_bodies(&self) -> bool {
        self.passes_bodies
    }

    /// What answers a proxy's question at a path, and what the path has behind the mount.
    ///
    /// Looks at the path as it is written: behind the mount it may be a client's, and anything.
    pub(crate) fn find_question<'p>(&self, path: &'p str) -> Option<(&ForwardAuth, &'p str)> {
        if !self.has_questions {
            return None;
        }
        let (mut node, mut rest) = (&self.root, path);
        let mut found = node.target.as_ref().map(|target| (target, rest));
        while let Some(below) = rest.strip_prefix('/') {
            let component = below.find('/').map_or(below, |end| below.split_at(end).0);
            let Some(child) = node.children.get(component) else { break };
            (node, rest) = (child, below.split_at(component.len()).1);
            found = node.target.as_ref().map(|target| (target, rest)).or(found);
        }
        match found {
            Some((Target::ForwardAuth(target), below)) => Some((target, below)),
            _ => None,
        }
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
    fn find_upstreams<'n>(&'n self, found: &mut Vec<&'n Upstream>) {
        if let Some(Target::Proxied(proxied)) = &self.target {
            found.extend(proxied.onward.all().map(|onward| &onward.upstream));
        }
        for child in self.children.values() {
            child.find_upstreams(found);
        }
    }

    /// The node at a path, which is empty for the root.
    fn new<E>(tree: &PathTree, path: &str, making: &mut Making<'_, '_, E>) -> Result<Self, E> {
        let target = match &tree.target {
            Some(options) => Some(Target::new(options, if path.is_empty() { "/" } else { path }, making)?),
            None => None,
        };
        let children = tree
            .children
            .iter()
            .map(|(name, child)| Ok((name.clone(), Self::new(child, &format!("{path}/{name}"), making)?)));
        Ok(Self { target, children: children.collect::<Result<_, E>>()? })
    }
}

impl Target {
    /// Whether it tells a page of another site nothing that it should not know. WebSocket services check their handshakes themselves, probes
    /// call the gateway by names that its operator need not know, and public keys are for all.
    pub(crate) fn is_for_every_host(&self, request: &Parts) -> bool {
        match self {
            Self::Proxied(proxied) => !proxied.passes(request),
            _ => matches!(self, Self::WebSocket(_) | Self::Testee(_) | Self::Health | Self::Jwks(_)),
        }
    }

    fn new<E>(options: &TargetOptions, path: &str, making: &mut Making<'_, '_, E>) -> Result<Self, E> {
        Ok(match options {
            TargetOptions::Static(options) => Self::Static(StaticFiles::new(options)),
            TargetOptions::WebSocket(_) => {
                let place = ServicePlace { transport: making.transport.to_owned(), path: path.to_owned() };
                Self::WebSocket(WebSocketTarget::new((making.services)(&place)?))
            }
            TargetOptions::Testee(options) => Self::Testee(TesteeService::new(options)),
            TargetOptions::Json(value) => Self::Json(Bytes::from(value.to_string())),
            TargetOptions::Redirect(location) => Self::Redirect(location.clone()),
            TargetOptions::Https(port) => Self::Https(*port),
            TargetOptions::Page => Self::Page,
            TargetOptions::Metrics => Self::Metrics,
            TargetOptions::Health => Self::Health,
            TargetOptions::Jwks { max_age } => {
                let kept = HeaderValue::try_from(format!("public, max-age={max_age}"));
                Self::Jwks(kept.unwrap_or(HeaderValue::from_static("no-store")))
            }
            TargetOptions::Console(options) => Self::Console(ConsoleTarget::new(options)),
            TargetOptions::ForwardAuth(options) => {
                let service = (making.services)(&options.service)?;
                let Making { transport, metrics, .. } = making;
                Self::ForwardAuth(Box::new(ForwardAuth::new(options, service, metrics, transport, path)))
            }
            TargetOptions::Proxied(options) => {
                let service = (making.services)(&options.service)?;
                let Making { transport, metrics, .. } = making;
                Self::Proxied(Box::new(Proxied::new(options, service, metrics, transport, path)))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The routes of a tree without WebSocket services.
    fn routes(tree: &PathTree) -> Routes {
        let mut services = |place: &ServicePlace| -> Result<_, std::convert::Infallible> {
            unreachable!("no WebSocket service is configured: {place:?}")
        };
        let (transport, metrics) = ("test", &EdgeMetrics::default());
        Routes::new(tree, &mut Making { transport, metrics, services: &mut services }).unwrap()
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
        let routes = routes(&tree);
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
        let routes = routes(&PathTree::default());
        assert!(routes.find(&RequestPath::parse("/x").unwrap()).is_none());
    }
}
