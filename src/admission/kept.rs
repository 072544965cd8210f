//! The headers of a request that outlive it.

use http::{HeaderMap, HeaderName};

/// Headers that are kept as long as their connection, for a policy to be asked about: few, and as small as they can be.
///
/// A value that is not visible ASCII is left out, since a policy could not be told of it.
#[derive(Debug, Default)]
pub struct KeptHeaders(Vec<(HeaderName, Box<str>)>);

impl KeptHeaders {
    /// Copies the headers of these names. A value taken as it is would keep all of the head in memory.
    pub fn of(headers: &HeaderMap, names: &[HeaderName]) -> Self {
        let count = names.iter().map(|name| headers.get_all(name).iter().count()).sum();
        let mut kept = Vec::with_capacity(count);
        let lines =
            names.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
        kept.extend(lines.filter_map(|(name, value)| Some((name.clone(), value.to_str().ok()?.into()))));
        Self(kept)
    }

    /// The first value of a header.
    pub fn get(&self, name: &HeaderName) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of a header, in the order of their lines.
    pub fn get_all(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All that is kept.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        self.0.iter().map(|(name, value)| (name, &**value))
    }

    /// Puts one value, or none, in the place of all that these headers have. The value gets the first name.
    pub fn replace(&mut self, names: &[HeaderName], value: Option<&str>) {
        self.0.retain(|(name, _)| !names.contains(name));
        self.0.extend(names.first().cloned().zip(value.map(Into::into)));
    }
}
