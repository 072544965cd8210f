//! Methods whose principals a component or a procedure knows: from its verdict to a principal, or to a challenge.
//!
//! It tells whose secret counts; the gateway makes the challenge and verifies the answer, as for a principal of the
//! configuration.

use rand::CryptoRng;
use serde_json::Map;
use subtle::Choice;

use super::{
    Applicant, AuthError, Claim, CryptosignPrincipal, Kdf, Method, MethodStep, Principal, Salting,
    ScramPrincipal, Secret, SecretKey, StaleLogin, WampCraPrincipal, cryptosign, scram, wampcra,
};
use crate::{
    identity::{Identity, Lease, Name, Standing},
    policy::{
        ContractError, PolicyError,
        authentication::{Known, KnownPrincipal, KnownSecret, ScramKdf, Verdict},
    },
    store::Authentication,
    time::Timestamp,
    wamp::Uri,
};

/// What knows a principal.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// What the sessions of its principals stand on.
    pub standing: Standing,
    /// `authprovider` of its principals.
    pub provider: &'static str,
    /// Whether `secret` beside a `salt` may be the password, as in Crossbar.io.
    pub knows_passwords: bool,
}

/// How often the gateway hashes at most to derive the key of a password. A client waits for it, and so do others.
const MOST_ITERATIONS: u32 = 10_000;

/// A principal that the component has accepted, as which the client joins now.
pub fn accept(
    verdict: Verdict,
    method: Method,
    claimed: Option<&str>,
    realm: &Uri,
    source: Source,
) -> Result<Principal, AuthError> {
    match verdict {
        Verdict::Accept(known) => claim(method, known, claimed, realm, source)?.settle(Choice::from(1)),
        Verdict::Unknown(_) => Err(AuthError::Credentials(method.name())),
        Verdict::Deny(denial) => Err(AuthError::Denied(denial)),
        Verdict::Secret(_) => Err(unfit()),
    }
}

/// The principal of a login that stands on a cookie, as the component has it now.
pub fn recall(
    verdict: Verdict,
    method: Method,
    stored: &Authentication,
    realm: &Uri,
    source: Source,
) -> Result<Principal, AuthError> {
    let known = match verdict {
        Verdict::Accept(principal) | Verdict::Secret(Known { principal, .. }) => principal,
        Verdict::Unknown(_) => return Err(StaleLogin::Removed.into()),
        Verdict::Deny(denial) => return Err(AuthError::Denied(denial)),
    };
    let Claim { principal, is_elsewhere } = claim(method, known, Some(&stored.authid), realm, source)?;
    if is_elsewhere || principal.authid.as_str() != stored.authid {
        return Err(StaleLogin::Removed.into());
    }
    Ok(Principal { authprovider: super::cookie::PROVIDER, ..principal })
}

/// The identity of a client that comes as anonymous: the component's, and what it leaves open as the policy assigns it.
pub fn admit_anonymous(
    verdict: Verdict,
    assigned: Identity,
    realm: &Uri,
    source: Source,
) -> Result<Identity, AuthError> {
    match verdict {
        Verdict::Accept(KnownPrincipal { authid, authrole, realm: home, authextra }) => {
            if home.is_some_and(|home| home != *realm) {
                return Err(AuthError::OtherRealm);
            }
            Ok(Identity {
                authid: authid.map_or(assigned.authid, crate::identity::AuthId::Open),
                authrole,
                authprovider: source.provider,
                authextra: authextra.or(assigned.authextra),
                standing: Some(source.standing),
                ..assigned
            })
        }
        Verdict::Unknown(_) => Err(AuthError::Credentials(assigned.authmethod)),
        Verdict::Deny(denial) => Err(AuthError::Denied(denial)),
        Verdict::Secret(_) => Err(unfit()),
    }
}

/// Begins a method that challenges. An unknown principal's challenge looks like any other, with the role that `role` gives where the
/// component names no principal for it to look like.
pub fn challenge(
    verdict: Verdict,
    method: Method,
    applicant: &Applicant<'_>,
    role: impl FnOnce() -> Name,
    source: Source,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> Result<MethodStep, AuthError> {
    let claimed = applicant.hello.authid.as_deref();
    let (Known { principal, secret }, is_known) = match verdict {
        Verdict::Secret(known) => (known, true),
        Verdict::Unknown(Some(like)) => {
            (Known { principal: KnownPrincipal { authid: None, ..like.principal }, ..like }, false)
        }
        Verdict::Unknown(None) => (made_up(method, role()), false),
        Verdict::Deny(denial) => return Err(AuthError::Denied(denial)),
        Verdict::Accept(_) => return Err(unfit()),
    };
    let role = principal.authrole.clone();
    let claim = if is_known {
        claim(method, principal, claimed, applicant.realm, source)?
    } else {
        // It is never granted, so that its name is nothing but a name.
        claim_of(method, Name::known(source.provider), principal, applicant.realm, source)
    };
    let is_known_secret = is_known;
    let is_known = Choice::from(u8::from(is_known));
    let realm = None;
    let opening = match secret {
        KnownSecret::WampCra { key, salting } => {
            let salting =
                salting.map(|(salt, iterations, key_length)| Salting { salt, iterations, key_length });
            let mut key = Secret::new(key);
            if let Some(salting) = salting.as_ref().filter(|salting| {
                source.knows_passwords && is_known_secret && !salting.has_derived(key.expose())
            }) {
                if salting.iterations > MOST_ITERATIONS {
                    let rule = "`secret` is a password and `iterations` above 10000: return the derived key";
                    return Err(PolicyError::from(ContractError::Unfit(rule)).into());
                }
                key = salting.derive(key.expose());
            }
            let principal = WampCraPrincipal { key, salting, role, realm };
            wampcra::open(applicant, claim, &principal, is_known, now, rng)?
        }
        KnownSecret::Scram { kdf, salt, stored_key, server_key } => {
            let kdf = match kdf {
                ScramKdf::Pbkdf2 { iterations } => Kdf::Pbkdf2 { iterations },
                ScramKdf::Argon2id13 { iterations, memory } => Kdf::Argon2id13 { iterations, memory },
            };
            let (stored_key, server_key) = (SecretKey(stored_key), SecretKey(server_key));
            let principal = ScramPrincipal { kdf, salt, stored_key, server_key, role, realm };
            scram::open(&scram::Opened::of(method, applicant)?, applicant, claim, &principal, is_known, rng)
        }
        KnownSecret::Cryptosign(keys) => {
            let principal = CryptosignPrincipal { keys, role, realm };
            cryptosign::open(cryptosign::Shown::of(applicant)?, claim, &principal, is_known, rng)
        }
    };
    Ok(opening.challenge(method, now))
}

/// The public key that a client of cryptosign shows, in hexadecimal digits in lower case. What it shows beside that is checked as well,
/// so that the component is asked about nothing that cannot end well.
pub fn shown_key(applicant: &Applicant<'_>) -> Result<String, AuthError> {
    cryptosign::Shown::of(applicant).map(|shown| shown.key_text())
}

/// What the HELLO of a method must have, before its component is asked.
pub fn check_hello(method: Method, applicant: &Applicant<'_>) -> Result<(), AuthError> {
    match method {
        Method::WampCra => applicant.authid(method).map(|_| ()),
        Method::Scram | Method::WampScram => scram::Opened::of(method, applicant).map(|_| ()),
        Method::Ticket | Method::Cryptosign | Method::Cookie => Ok(()),
    }
}

fn claim(
    method: Method,
    known: KnownPrincipal,
    claimed: Option<&str>,
    realm: &Uri,
    source: Source,
) -> Result<Claim, AuthError> {
    let name = match (&known.authid, claimed) {
        (Some(name), _) => name.clone(),
        (None, Some(claimed)) => {
            Name::parse(claimed).map_err(|error| PolicyError::from(ContractError::Authid(error)))?
        }
        (None, None) => return Err(AuthError::Missing(method.name(), "authid")),
    };
    Ok(claim_of(method, name, known, realm, source))
}

fn claim_of(method: Method, authid: Name, known: KnownPrincipal, realm: &Uri, source: Source) -> Claim {
    let KnownPrincipal { authid: _, authrole, realm: home, authextra } = known;
    let principal = Principal {
        authid,
        authrole,
        authmethod: method.name(),
        authprovider: source.provider,
        authextra: Some(authextra.unwrap_or_else(Map::new)).filter(|extra| !extra.is_empty()),
        lease: Lease::default(),
        realm: realm.clone(),
        standing: source.standing,
    };
    Claim { principal, is_elsewhere: home.is_some_and(|home| home != *realm) }
}

/// What an unknown principal's challenge shows where the component names no other: what `wampgate principals` makes.
fn made_up(method: Method, authrole: Name) -> Known {
    let secret = match method {
        Method::WampCra => KnownSecret::WampCra {
            key: String::new(),
            salting: Some(("0".repeat(32), 100_000, Salting::DEFAULT_KEY_LENGTH)),
        },
        Method::Cryptosign => KnownSecret::Cryptosign(vec![[0; 32]]),
        _ => KnownSecret::Scram {
            kdf: ScramKdf::Argon2id13 { iterations: 2, memory: 19_456 },
            salt: vec![0; 16],
            stored_key: [0; 32],
            server_key: [0; 32],
        },
    };
    Known { principal: KnownPrincipal { authid: None, authrole, realm: None, authextra: None }, secret }
}

/// The policy host has checked that an answer fits its question.
fn unfit() -> AuthError {
    PolicyError::from(ContractError::Unfit("the answer does not fit the question")).into()
}
