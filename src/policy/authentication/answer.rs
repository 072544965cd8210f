//! The one check of what an authenticator answers, as `answer.rs` above is for policies.
//!
//! An answer must fit its question: what accepts a client that the gateway has not verified is refused, and so is a secret of
//! another method.

use std::fmt;

use serde_json::{Map, Value};

use super::{AuthenticationRequest, Credential};
use crate::{
    identity::Name,
    policy::{
        ContractError, Denial, PolicyError,
        bindings::{
            authenticator::exports::wampgate::authid::authentication as wit, v0_3::wampgate::authid::types,
        },
        checks,
        subject::Subject as _,
    },
    wamp::Uri,
};

/// Bytes of a shared secret of `wampcra`.
const MAX_KEY: usize = 1024;
/// Public keys of one principal.
const MAX_PUBLIC_KEYS: usize = 64;
/// How often a derivation may hash, as in files of principals.
const ITERATIONS: std::ops::RangeInclusive<u32> = 1..=10_000_000;
/// Memory of Argon2id, in KiB.
const ARGON2_MEMORY: std::ops::RangeInclusive<u32> = 8..=4_194_304;

/// What an authenticator answered, unchecked: the contract's `verdict` (`wit/`).
pub(crate) type RawVerdict = wit::Verdict;

/// What an authenticator answered, checked: the gateway may act on it.
///
/// `Debug` shows its kind only.
#[derive(Clone, PartialEq)]
pub enum Verdict {
    /// The client is this principal.
    Accept(KnownPrincipal),
    /// The gateway verifies that the client is this principal.
    Secret(Known),
    /// There is no such principal. The challenge looks like this one's, if there is one.
    Unknown(Option<Known>),
    /// Refuse.
    Deny(Denial),
}

/// A principal with what proves to be it.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The principal.
    pub principal: KnownPrincipal,
    /// What proves to be it.
    pub secret: KnownSecret,
}

/// Under which identity a client joins.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownPrincipal {
    /// None: the one that the client claims.
    pub authid: Option<Name>,
    /// The role.
    pub authrole: Name,
    /// The realm that it belongs to; none: any realm.
    pub realm: Option<Uri>,
    /// Told to the client in WELCOME.
    pub authextra: Option<Map<String, Value>>,
}

/// What a client's answer is verified against. `Debug` shows its kind only.
#[derive(Clone, PartialEq)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub enum KnownSecret {
    /// The key, and how the client derives it: salt, iterations, bytes.
    WampCra { key: String, salting: Option<(String, u32, u8)> },
    /// What SCRAM keeps of a password.
    Scram { kdf: ScramKdf, salt: Vec<u8>, stored_key: [u8; 32], server_key: [u8; 32] },
    /// Ed25519 public keys.
    Cryptosign(Vec<[u8; 32]>),
}

/// How a client of SCRAM derives its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub enum ScramKdf {
    Pbkdf2 { iterations: u32 },
    Argon2id13 { iterations: u32, memory: u32 },
}

/// Checks an answer to a question.
pub(super) fn check(
    answer: RawVerdict,
    question: &AuthenticationRequest<'_>,
) -> Result<Verdict, PolicyError> {
    Ok(match answer {
        wit::Verdict::Accept(principal) if may_accept(question) => {
            Verdict::Accept(checked_principal(principal, question, question.roles)?)
        }
        wit::Verdict::Accept(_) => {
            return Err(ContractError::Unfit(
                "accept: nothing has verified that the client is the principal: answer `secret`, against which the gateway verifies",
            )
            .into());
        }
        wit::Verdict::Secret(known) => Verdict::Secret(checked_known(known, question, question.roles)?),
        wit::Verdict::Unknown(like) => {
            // No client gets the role.
            Verdict::Unknown(like.map(|known| checked_known(known, question, &[])).transpose()?)
        }
        wit::Verdict::Deny(types::Denial { reason, message }) => {
            Verdict::Deny(checks::denial(&reason, &message, question.whom().tracking_id)?)
        }
    })
}

/// Whether nothing is left to verify.
fn may_accept(question: &AuthenticationRequest<'_>) -> bool {
    match question.credential {
        Credential::Ticket(_) | Credential::Remembered => true,
        Credential::None => question.method == crate::identity::ANONYMOUS,
        Credential::PublicKey(_) => false,
    }
}

/// A principal with one of these roles.
fn checked_principal(
    principal: wit::Principal,
    question: &AuthenticationRequest<'_>,
    roles: &[&str],
) -> Result<KnownPrincipal, ContractError> {
    let wit::Principal { authid, authrole, realm, authextra } = principal;
    let whom = question.whom();
    let realm = realm.map(|realm| {
        let unfit = "realm: use the name of a realm, or none for any realm";
        Uri::parse(&realm).ok().filter(|_| !whom.is_given_away_by(&realm)).ok_or(ContractError::Unfit(unfit))
    });
    let authid = authid.map(|authid| {
        if whom.is_given_away_by(&authid) {
            // Only a client that has proved nothing may go by its tracking ID, and the policy says so then.
            return Err(ContractError::Leak("authid"));
        }
        Name::parse(&authid).map_err(ContractError::Authid)
    });
    Ok(KnownPrincipal {
        authid: authid.transpose()?,
        authrole: checks::role(&authrole, whom.tracking_id, roles)?,
        realm: realm.transpose()?,
        authextra: authextra.map(|extra| checks::extra(&extra, whom.tracking_id)).transpose()?,
    })
}

fn checked_known(
    known: wit::Known,
    question: &AuthenticationRequest<'_>,
    roles: &[&str],
) -> Result<Known, ContractError> {
    let wit::Known { principal, secret } = known;
    Ok(Known {
        principal: checked_principal(principal, question, roles)?,
        secret: checked_secret(secret, question.method)?,
    })
}

fn checked_secret(secret: wit::Secret, method: &str) -> Result<KnownSecret, ContractError> {
    match (secret, method) {
        (wit::Secret::Wampcra(wit::SharedKey { key, salting }), "wampcra") => {
            let key = fit(
                (1..=MAX_KEY).contains(&key.len()).then_some(key),
                "secret: a key of `wampcra` has 1 to 1024 bytes",
            )?;
            Ok(KnownSecret::WampCra { key, salting: salting.map(checked_salting).transpose()? })
        }
        (wit::Secret::Scram(credential), "scram" | "wamp-scram") => checked_scram(&credential),
        (wit::Secret::Cryptosign(keys), "cryptosign") => {
            if !(1..=MAX_PUBLIC_KEYS).contains(&keys.len()) {
                return Err(ContractError::Unfit("secret: name 1 to 64 public keys"));
            }
            let keys = keys.iter().map(|key| {
                fit(
                    from_hex(key).and_then(|key| key.try_into().ok()),
                    "secret: write a public key in 64 hexadecimal digits",
                )
            });
            keys.collect::<Result<_, _>>().map(KnownSecret::Cryptosign)
        }
        _ => Err(ContractError::Unfit("secret: it is of another method than the question's")),
    }
}

fn checked_salting(salting: wit::Salting) -> Result<(String, u32, u8), ContractError> {
    let wit::Salting { salt, iterations, keylen } = salting;
    let keylen = u8::try_from(keylen).ok().filter(|length| (1..=64).contains(length));
    let keylen = fit(keylen, "secret: `keylen` is 1 to 64")?;
    // A salt is shown to the client, as names are.
    fit(Name::parse(&salt).ok(), "secret: a salt of `wampcra` has 1 to 255 printable characters")?;
    Ok((salt, checked_iterations(iterations)?, keylen))
}

fn checked_scram(credential: &wit::ScramCredential) -> Result<KnownSecret, ContractError> {
    let kdf = match credential.kdf {
        wit::Derivation::Pbkdf2(iterations) => {
            ScramKdf::Pbkdf2 { iterations: checked_iterations(iterations)? }
        }
        wit::Derivation::Argon2id13(wit::Argon2id { iterations, memory }) => {
            let memory = fit(
                ARGON2_MEMORY.contains(&memory).then_some(memory),
                "secret: `memory` is 8 to 4194304 KiB",
            )?;
            ScramKdf::Argon2id13 { iterations: checked_iterations(iterations)?, memory }
        }
    };
    let salt = from_hex(&credential.salt).filter(|salt| (8..=32).contains(&salt.len()));
    let key = |text: &str| {
        fit(
            from_hex(text).and_then(|key| key.try_into().ok()),
            "secret: write `stored-key` and `server-key` in 64 hexadecimal digits each",
        )
    };
    Ok(KnownSecret::Scram {
        kdf,
        salt: fit(salt, "secret: a salt of SCRAM has 16 to 64 hexadecimal digits")?,
        stored_key: key(&credential.stored_key)?,
        server_key: key(&credential.server_key)?,
    })
}

fn checked_iterations(iterations: u32) -> Result<u32, ContractError> {
    fit(ITERATIONS.contains(&iterations).then_some(iterations), "secret: `iterations` is 1 to 10000000")
}

fn fit<T>(part: Option<T>, rule: &'static str) -> Result<T, ContractError> {
    part.ok_or(ContractError::Unfit(rule))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 128 || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|place| u8::from_str_radix(text.get(place..place + 2)?, 16).ok()).collect()
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept(_) => f.write_str("Accept(..)"),
            Self::Secret(_) => f.write_str("Secret(..)"),
            Self::Unknown(_) => f.write_str("Unknown(..)"),
            Self::Deny(denial) => f.debug_tuple("Deny").field(denial).finish(),
        }
    }
}

impl fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WampCra { .. } => "WampCra(..)",
            Self::Scram { .. } => "Scram(..)",
            Self::Cryptosign(_) => "Cryptosign(..)",
        })
    }
}
