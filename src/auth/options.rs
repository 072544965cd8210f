//! What the configuration says about authentication: the methods of a service and their principals.
//!
//! `config` reads the file into these types. Their defaults stand here and nowhere else.

use std::{collections::BTreeMap, fmt, sync::Arc};

use http::HeaderName;

use super::{file::PrincipalFile, token::TokenOptions, watch::LoginFile};
/// `auth.cookie`: how a login stands on a cookie is kept by tracking, which ends it.
pub use crate::tracking::LoginOptions as CookieAuthOptions;
use crate::{
    identity::{ANONYMOUS, Name},
    policy::{PolicyFile, ProcedureOptions},
    wamp::Uri,
};

/// The authentication methods of a service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AuthOptions {
    /// `anonymous`
    pub anonymous: Option<AnonymousOptions>,
    /// `ticket` with principals.
    pub ticket: Option<TicketOptions>,
    /// `ticket` with tokens (`jwt`), in place of principals.
    pub token: Option<Arc<TokenOptions>>,
    /// `wampcra`
    pub wampcra: Option<WampCraOptions>,
    /// `scram`
    pub scram: Option<ScramOptions>,
    /// `cryptosign`
    pub cryptosign: Option<CryptosignOptions>,
    /// `cookie`
    pub cookie: Option<CookieAuthOptions>,
    /// The methods whose principals a component or a procedure knows.
    pub asked: Option<Box<AskedMethods>>,
    /// Limits on wrong secrets.
    pub guessing: GuessingOptions,
}

/// The methods whose principals a component or a procedure knows, in place of the configuration or a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedMethods {
    /// `anonymous`
    pub anonymous: Option<AskedOptions>,
    /// `ticket`
    pub ticket: Option<AskedOptions>,
    /// `wampcra`
    pub wampcra: Option<AskedOptions>,
    /// `scram`
    pub scram: Option<AskedOptions>,
    /// `cryptosign`
    pub cryptosign: Option<AskedOptions>,
}

/// What knows the principals of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one for each method of a service")]
pub enum AskedOptions {
    /// A component.
    Component(PolicyFile),
    /// A procedure that a client has registered.
    Procedure(ProcedureOptions),
}

/// Limits on wrong secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuessingOptions {
    /// `max_failures`: how many wrong secrets in a row one address may send for one principal before it has to wait; 0: as many
    /// as it likes. Default 10.
    pub max_failures: u32,
}

/// `auth.anonymous`, static.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnonymousOptions {
    /// `role`. Default `anonymous`.
    pub role: Name,
}

/// `auth.ticket`, static.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TicketOptions {
    /// The principals by authid.
    pub principals: BTreeMap<Name, TicketPrincipal>,
    /// The file that has them in place of the configuration.
    pub file: Option<Arc<PrincipalFile<TicketPrincipal>>>,
}

/// A principal of the ticket method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TicketPrincipal {
    /// The shared secret.
    pub ticket: Secret,
    /// The role.
    pub role: Name,
    /// The realm that the principal belongs to; none: any realm.
    pub realm: Option<Uri>,
}

/// `auth.wampcra`, static.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WampCraOptions {
    /// `users`: the principals by authid.
    pub principals: BTreeMap<Name, WampCraPrincipal>,
    /// The file that has them in place of the configuration.
    pub file: Option<Arc<PrincipalFile<WampCraPrincipal>>>,
}

/// A principal of WAMP-CRA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WampCraPrincipal {
    /// What signs challenges: the secret itself, or what [`Salting::derive`] made of a password.
    pub key: Secret,
    /// How the client is to derive the key from its password; none: it has the key.
    pub salting: Option<Salting>,
    /// The role.
    pub role: Name,
    /// The realm that the principal belongs to; none: any realm.
    pub realm: Option<Uri>,
}

/// PBKDF2 with HMAC-SHA256, as WAMP-CRA's "Password Salting" has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Salting {
    /// The salt, used as the bytes of this very text.
    pub salt: String,
    /// `iterations`, at least 1.
    pub iterations: u32,
    /// `keylen`: the size of the derived key in bytes, 1 to 64.
    pub key_length: u8,
}

/// `auth.scram`, static.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScramOptions {
    /// The principals by authid.
    pub principals: BTreeMap<Name, ScramPrincipal>,
    /// The file that has them in place of the configuration.
    pub file: Option<Arc<PrincipalFile<ScramPrincipal>>>,
}

/// A principal of SCRAM: nothing in it opens a session by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ScramPrincipal {
    /// How the client is to derive its keys from its password.
    pub kdf: Kdf,
    /// The salt, 8 to 32 bytes.
    pub salt: Vec<u8>,
    /// `stored-key`: SHA-256 of the client's key.
    pub stored_key: SecretKey,
    /// `server-key`: proves to the client that it talks to its own server.
    pub server_key: SecretKey,
    /// The role.
    pub role: Name,
    /// The realm that the principal belongs to; none: any realm.
    pub realm: Option<Uri>,
}

/// SCRAM's key derivation functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kdf {
    /// PBKDF2 with HMAC-SHA256.
    Pbkdf2 {
        /// At least 1; RFC 7677 recommends 4096 and more.
        iterations: u32,
    },
    /// Argon2id, version 1.3, with one lane.
    Argon2id13 {
        /// Passes over the memory.
        iterations: u32,
        /// In KiB.
        memory: u32,
    },
}

/// `auth.cryptosign`, static.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CryptosignOptions {
    /// The principals by authid.
    pub principals: BTreeMap<Name, CryptosignPrincipal>,
    /// The file that has them in place of the configuration.
    pub file: Option<Arc<PrincipalFile<CryptosignPrincipal>>>,
}

/// A principal of cryptosign.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CryptosignPrincipal {
    /// `authorized_keys`: Ed25519 public keys, any of which will do.
    pub keys: Vec<[u8; 32]>,
    /// The role.
    pub role: Name,
    /// The realm that the principal belongs to; none: any realm.
    pub realm: Option<Uri>,
}

/// A key of 32 bytes that is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecretKey(pub [u8; 32]);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

// === impl AuthOptions ===

impl AuthOptions {
    /// What logins stand on beside the configuration.
    pub(crate) fn login_files(&self) -> impl Iterator<Item = Arc<dyn LoginFile>> {
        let keys = self.token.iter().map(|token| Arc::clone(&token.keys) as Arc<dyn LoginFile>);
        let ticket = self.ticket.iter().flat_map(|method| &method.file).map(|file| Arc::clone(file) as _);
        let wampcra = self.wampcra.iter().flat_map(|method| &method.file).map(|file| Arc::clone(file) as _);
        let scram = self.scram.iter().flat_map(|method| &method.file).map(|file| Arc::clone(file) as _);
        let cryptosign =
            self.cryptosign.iter().flat_map(|method| &method.file).map(|file| Arc::clone(file) as _);
        keys.chain(ticket).chain(wampcra).chain(scram).chain(cryptosign)
    }

    /// Whether a cookie lets a client in, be it the gateway's or another application's. A browser sends it from any page.
    pub fn takes_cookies(&self) -> bool {
        self.cookie.is_some() || self.token.as_ref().is_some_and(|token| token.from.cookie.is_some())
    }
}

// === impl AskedMethods ===

impl AskedMethods {
    /// What is asked, each with its method as the configuration calls it.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &AskedOptions)> {
        let Self { anonymous, ticket, wampcra, scram, cryptosign } = self;
        let methods = [
            (ANONYMOUS, anonymous),
            ("ticket", ticket),
            ("wampcra", wampcra),
            ("scram", scram),
            ("cryptosign", cryptosign),
        ];
        methods.into_iter().filter_map(|(method, asked)| Some((method, asked.as_ref()?)))
    }

    /// The components among them.
    pub fn components(&self) -> impl Iterator<Item = &PolicyFile> {
        self.all().filter_map(|(_, asked)| match asked {
            AskedOptions::Component(file) => Some(file),
            AskedOptions::Procedure(_) => None,
        })
    }
}

// === impl AskedOptions ===

impl AskedOptions {
    /// The request headers that it may see.
    pub fn headers(&self) -> &[HeaderName] {
        match self {
            Self::Component(file) => &file.options.headers,
            Self::Procedure(procedure) => &procedure.headers,
        }
    }

    /// `authprovider` of the principals that it knows.
    pub const fn provider(&self) -> &'static str {
        match self {
            Self::Component(_) => "component",
            // Crossbar.io's word.
            Self::Procedure(_) => "dynamic",
        }
    }
}

// === impl GuessingOptions ===

impl Default for GuessingOptions {
    fn default() -> Self {
        Self { max_failures: 10 }
    }
}

// === impl AnonymousOptions ===

impl Default for AnonymousOptions {
    fn default() -> Self {
        Self { role: Name::known(ANONYMOUS) }
    }
}

// === impl Salting ===

impl Salting {
    /// Crossbar's default, which Autobahn's clients share. An attacker needs a challenge of this gateway to try passwords.
    pub const DEFAULT_ITERATIONS: u32 = 1000;
    /// Crossbar's default: as long as the hash.
    pub const DEFAULT_KEY_LENGTH: u8 = 32;
}

// === impl Secret ===

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
