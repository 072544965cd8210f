//! Why a token is not accepted.

/// The largest token, in bytes. A HELLO may have 64 KiB; tokens have one or two.
pub(super) const MAX_TOKEN: usize = 8 * 1024;

/// Why a token is not accepted. The words are for the operator, and hold nothing of the token.
///
/// A client learns only that its token has expired or does not hold yet: only a holder of a token with a good signature gets as
/// far as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say it all")]
pub enum TokenError {
    #[error("it has more than {} bytes", MAX_TOKEN)]
    TooLarge,
    #[error("it is no JWT in compact form: three parts in base64url with dots between them")]
    Form,
    #[error("its header is no JSON object, or has a member twice")]
    Header,
    #[error("it is signed with an algorithm that `algorithms` does not name")]
    Algorithm,
    #[error(
        "it brings a key along (`jwk`, `jku`, `x5c` or `x5u`), and the gateway takes keys from its own configuration only"
    )]
    EmbeddedKey,
    #[error("its header asks for an extension that the gateway does not have (`crit`)")]
    Critical,
    #[error("it is a token of another kind (`typ`, `cty`), which stands for no login")]
    Type,
    #[error("`keys` has no key of its `kid` for its algorithm")]
    NoKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its claims are no JSON object, or have a member twice")]
    Claims,
    #[error("its claim `{0}` has a value that the claim may not have")]
    Value(&'static str),
    #[error("a claim that `claims` names has a value that is no text, or no valid name")]
    Text,
    #[error("it says neither when it ends (`exp`) nor, for `max_age`, when it was issued (`iat`)")]
    Endless,
    #[error("it has expired")]
    Expired,
    #[error("it is older than `max_age` allows")]
    TooOld,
    #[error("it does not hold yet (`nbf`, `iat`): compare the clocks of issuer and gateway")]
    NotYet,
    #[error("it comes from another issuer than `issuer` names")]
    Issuer,
    #[error("it is meant for another audience than `audience` names")]
    Audience,
    #[error("it is meant for an audience (`aud`), and the configuration names none: set `audience`")]
    NoAudience,
    #[error("it has no claim for the authid")]
    NoAuthId,
    #[error("it belongs to another authid than the client claims in HELLO")]
    OtherAuthId,
    #[error("it has no claim for the role: set `role` for tokens without one")]
    NoRole,
    #[error("it has no claim for the realm")]
    NoRealm,
}

impl TokenError {
    /// What the client may know.
    pub(in crate::auth) const fn told(self) -> &'static str {
        match self {
            Self::Expired | Self::TooOld => "the token has expired: authenticate with a new one",
            Self::NotYet => "the token does not hold yet: try again later",
            _ => "ticket authentication failed: the token is not accepted",
        }
    }
}
