//! What the configuration says about tokens that the gateway signs.

use std::time::Duration;

use http::HeaderName;

use super::SigningKeys;

/// How the gateway signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The keys, of which the first signs.
    pub keys: SigningKeys,
    /// Who the gateway says that it is. Default `wampgate`.
    pub issuer: String,
    /// How long a token counts.
    pub lifetime: Duration,
}

/// A token beside the headers that tell who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssertionOptions {
    /// The header that has it. Default `Wampgate-Assertion`.
    pub header: HeaderName,
    /// Who is to believe it.
    pub audience: String,
    /// How it is signed.
    pub signer: Signer,
}

impl Signer {
    /// The default of `issuer`.
    pub const ISSUER: &str = "wampgate";

    /// Signs by these keys.
    pub fn new(keys: SigningKeys, issuer: Option<String>, lifetime: Duration) -> Self {
        for file in keys.files() {
            file.signs_for(lifetime);
        }
        Self { keys, issuer: issuer.unwrap_or_else(|| Self::ISSUER.to_owned()), lifetime }
    }
}

impl AssertionOptions {
    /// The default of `header`.
    pub const HEADER: HeaderName = HeaderName::from_static("wampgate-assertion");

    /// The default of `lifetime`: a request takes less, and the clocks of two machines may differ a little.
    pub const LIFETIME: Duration = Duration::from_mins(1);
}
