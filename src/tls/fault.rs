//! Why files make no TLS.

use std::fmt;

/// Why an endpoint, or a path that goes on to servers, has no TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct TlsLoadError(pub(super) Vec<String>);

impl fmt::Display for TlsLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for TlsLoadError {}
