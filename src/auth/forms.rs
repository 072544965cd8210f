//! The principals of each method in the form that a [file](super::file) has for them: that of the configuration.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::VerifyingKey;

use super::{
    file::{Credential, Entry, FilePrincipal, Number, Text, hex, secret},
    options::{
        CryptosignPrincipal, Kdf, Salting, ScramPrincipal, Secret, SecretKey, TicketPrincipal,
        WampCraPrincipal,
    },
};
use crate::{identity::Name, wamp::Uri};

impl FilePrincipal for TicketPrincipal {
    const CREDENTIAL: Credential = Credential::Ticket;

    fn read(entry: &Entry<'_>, role: Name, realm: Option<Uri>) -> Result<Self, String> {
        let ticket = Secret::new(secret(entry.ticket.as_ref(), "ticket")?.to_owned());
        Ok(Self { ticket, role, realm })
    }
}

impl FilePrincipal for WampCraPrincipal {
    const CREDENTIAL: Credential = Credential::Secret;

    fn read(entry: &Entry<'_>, role: Name, realm: Option<Uri>) -> Result<Self, String> {
        let key = secret(entry.secret.as_ref(), "secret")?;
        let salting = match &entry.salt {
            None => None,
            Some(Text(salt)) => {
                let salt =
                    Name::parse(salt).map_err(|_| "has a `salt` that is no printable text".to_owned())?;
                let iterations = within(entry.iterations, "iterations", 1, 10_000_000)?;
                let key_length = within(entry.keylen, "keylen", 1, 64)?;
                let key_length = key_length.unwrap_or(Salting::DEFAULT_KEY_LENGTH);
                // A client signs with the base64 text of the derived bytes.
                let decoded = BASE64_STANDARD.decode(key).unwrap_or_default();
                if decoded.len() != usize::from(key_length) {
                    return Err(format!(
                        "has a `secret` that is not {key_length} bytes in base64, which it must be beside `salt`: derive it with `wampgate principals`"
                    ));
                }
                let iterations = iterations.unwrap_or(Salting::DEFAULT_ITERATIONS);
                Some(Salting { salt: salt.to_string(), iterations, key_length })
            }
        };
        Ok(Self { key: Secret::new(key.to_owned()), salting, role, realm })
    }
}

impl FilePrincipal for ScramPrincipal {
    const CREDENTIAL: Credential = Credential::StoredKey;

    fn read(entry: &Entry<'_>, role: Name, realm: Option<Uri>) -> Result<Self, String> {
        let iterations =
            within(entry.iterations, "iterations", 1, 10_000_000)?.ok_or("has no `iterations`")?;
        let kdf = match entry.kdf.as_ref().map(|kdf| &*kdf.0) {
            Some("pbkdf2") => Kdf::Pbkdf2 { iterations },
            Some("argon2id-13" | "argon2id13") => {
                let memory = within(entry.memory, "memory", 8, 4_194_304)?.ok_or("has no `memory`")?;
                Kdf::Argon2id13 { iterations, memory }
            }
            _ => return Err("has no `kdf`: write `argon2id-13` or `pbkdf2`".to_owned()),
        };
        let salt = entry.salt.as_ref().and_then(|salt| hex::decode(&salt.0));
        let salt = salt.filter(|salt| (8..=32).contains(&salt.len()));
        let key = |text: Option<&Text<'_>>, name: &str| {
            let key = text.and_then(|text| hex::decode_exactly(&text.0)).map(SecretKey);
            key.ok_or_else(|| format!("has no `{name}` of 64 hexadecimal digits"))
        };
        Ok(Self {
            kdf,
            salt: salt.ok_or("has no `salt` of 8 to 32 bytes in hexadecimal digits")?,
            stored_key: key(entry.stored_key.as_ref(), "stored-key")?,
            server_key: key(entry.server_key.as_ref(), "server-key")?,
            role,
            realm,
        })
    }
}

impl FilePrincipal for CryptosignPrincipal {
    const CREDENTIAL: Credential = Credential::AuthorizedKeys;

    fn read(entry: &Entry<'_>, role: Name, realm: Option<Uri>) -> Result<Self, String> {
        let written = entry.authorized_keys.as_ref().map(|keys| keys.0.as_slice()).unwrap_or_default();
        if written.is_empty() {
            return Err("has no key in `authorized_keys`, so that it could never join".to_owned());
        }
        let read = |text: &Text<'_>| {
            let bytes = hex::decode_exactly::<32>(&text.0)?;
            // RFC 8032 permits keys of small order, for which anyone can make signatures.
            VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak()).map(|_| bytes)
        };
        let keys: Option<Vec<_>> = written.iter().map(read).collect();
        let keys = keys.ok_or(
            "has a key in `authorized_keys` that is no public key of Ed25519 in 64 hexadecimal digits",
        )?;
        Ok(Self { keys, role, realm })
    }

    fn keys(&self) -> &[[u8; 32]] {
        &self.keys
    }
}

fn within<T: TryFrom<u64>>(
    number: Option<Number>,
    name: &str,
    least: u64,
    most: u64,
) -> Result<Option<T>, String> {
    let Some(Number(number)) = number else { return Ok(None) };
    let fits = (least..=most).contains(&number).then(|| T::try_from(number).ok()).flatten();
    fits.map(Some).ok_or_else(|| format!("has `{name}` out of range: use {least} to {most}"))
}
