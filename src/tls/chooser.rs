//! Which certificate a client gets: one that has the name for which it asks, and a kind of key that it knows.

use std::{collections::HashMap, sync::Arc};

use tokio_rustls::rustls::{
    SignatureScheme,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::Pair;

/// The certificates of an endpoint by their names.
#[derive(Debug)]
pub(super) struct Chooser {
    /// The default one first.
    keys: Vec<Arc<CertifiedKey>>,
    /// Places in `keys`, in their order. A wildcard stands here without its star: `.example.org`.
    names: HashMap<Box<str>, Vec<usize>>,
}

impl Chooser {
    pub(super) fn new(pairs: &[Pair]) -> Self {
        let mut names: HashMap<Box<str>, Vec<usize>> = HashMap::new();
        for (place, pair) in pairs.iter().enumerate() {
            for name in pair.said.hosts() {
                let name = name.strip_prefix('*').unwrap_or(name);
                names.entry(name.into()).or_default().push(place);
            }
        }
        Self { keys: pairs.iter().map(|pair| Arc::clone(&pair.key)).collect(), names }
    }

    /// The certificates for a name, which rustls gives in lower case: those with this very name, or else those with a wildcard
    /// for it, which stands for one label (RFC 9525, 6.3).
    fn places(&self, name: &str) -> &[usize] {
        let wildcard = || name.find('.').and_then(|dot| self.names.get(name.get(dot..)?));
        self.names.get(name).or_else(wildcard).map_or(&[], Vec::as_slice)
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Most endpoints have one certificate. A client that asked for another name refuses it by itself.
        if let [only] = self.keys.as_slice() {
            return Some(Arc::clone(only));
        }
        let named = name.map_or(&[][..], |name| self.places(name));
        let named = || named.iter().filter_map(|place| self.keys.get(*place));
        let is_known = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let found = named().find(is_known).or_else(|| named().next());
        found.or_else(|| self.keys.iter().find(is_known)).or(self.keys.first()).map(Arc::clone)
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}

#[cfg(test)]
mod tests;
