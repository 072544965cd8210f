//! A principal as a file writes it. Nothing here puts a value into a message: it may be a secret.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// What a principal proves its identity by, which tells its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `ticket`
    Ticket,
    /// `secret`, of `wampcra`
    Secret,
    /// `stored-key` and `server-key`, of `scram`
    StoredKey,
    /// `authorized_keys`, of `cryptosign`
    AuthorizedKeys,
}

impl Credential {
    /// The method, as the configuration calls it.
    pub const fn method(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Secret => "wampcra",
            Self::StoredKey => "scram",
            Self::AuthorizedKeys => "cryptosign",
        }
    }
}

/// A principal, with the members of every method.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the members have the configuration's own names")]
pub struct Entry<'a> {
    #[serde(borrow)]
    pub role: Option<Text<'a>>,
    pub realm: Option<Text<'a>>,
    pub ticket: Option<Text<'a>>,
    pub secret: Option<Text<'a>>,
    pub salt: Option<Text<'a>>,
    pub iterations: Option<Number>,
    pub keylen: Option<Number>,
    pub kdf: Option<Text<'a>>,
    pub memory: Option<Number>,
    #[serde(rename = "stored-key")]
    pub stored_key: Option<Text<'a>>,
    #[serde(rename = "server-key")]
    pub server_key: Option<Text<'a>>,
    pub authorized_keys: Option<Texts<'a>>,
    #[serde(rename = "$comment")]
    pub comment: Option<Text<'a>>,
}

/// An entry that is an object.
pub(super) struct Object<'a>(pub(super) Entry<'a>);

/// A text that `Debug` does not show.
pub struct Text<'a>(pub Cow<'a, str>);

/// A list of texts.
pub struct Texts<'a>(pub Vec<Text<'a>>);

/// A whole number.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub u64);

impl Entry<'_> {
    /// What the principal proves its identity by.
    pub fn credential(&self) -> Result<Credential, String> {
        let members = [
            (self.ticket.is_some(), Credential::Ticket),
            (self.secret.is_some(), Credential::Secret),
            (self.stored_key.is_some() || self.server_key.is_some(), Credential::StoredKey),
            (self.authorized_keys.is_some(), Credential::AuthorizedKeys),
        ];
        let mut there =
            members.into_iter().filter(|(is_there, _)| *is_there).map(|(_, credential)| credential);
        match (there.next(), there.next()) {
            (Some(credential), None) => Ok(credential),
            (None, _) => Err("has no credential: give it `ticket`, `secret`, `stored-key` and `server-key`, or `authorized_keys`".to_owned()),
            (Some(_), Some(_)) => Err("has the credentials of several methods: use a file for each method".to_owned()),
        }
    }
}

/// A secret of a file stands there as it is.
pub(crate) fn secret<'a>(text: Option<&'a Text<'_>>, name: &str) -> Result<&'a str, String> {
    let text = text.map(|text| &*text.0).unwrap_or_default();
    if text.is_empty() {
        return Err(format!("has no `{name}`, or an empty one"));
    }
    if text.starts_with('$') {
        return Err(format!(
            "has a `{name}` that begins with `$`: this file reads no variables, so write the secret itself, or draw another one"
        ));
    }
    Ok(text)
}

/// A value of any kind. Messages of `serde` repeat a value that is of the wrong kind, so that none is asked to expect one.
enum Any<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Texts(Vec<Text<'a>>),
    Other,
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Any<'de>, E> {
        Ok(Any::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any<'de>, E> {
        Ok(Any::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Any<'de>, E> {
        Ok(Any::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Any<'de>, E> {
        Ok(Any::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Any<'de>, E> {
        Ok(Any::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Any<'de>, E> {
        Ok(Any::Other)
    }

    fn visit_unit<E>(self) -> Result<Any<'de>, E> {
        Ok(Any::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Any::Texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Any<'de>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Any::Other)
    }
}

fn wrong<T, E: Error>(expected: &str) -> Result<T, E> {
    Err(E::custom(format_args!("a value must be {expected}")))
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor)
    }
}

struct ObjectVisitor;

const OBJECT: &str = "an object, the principal";

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OBJECT)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<'de>, A::Error> {
        Entry::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Object<'de>, E> {
        wrong(OBJECT)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Object<'de>, E> {
        wrong(OBJECT)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Object<'de>, E> {
        wrong(OBJECT)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Object<'de>, E> {
        wrong(OBJECT)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyVisitor)? {
            Any::Text(text) => Ok(Text(text)),
            _ => wrong("text"),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyVisitor)? {
            Any::Texts(texts) => Ok(Texts(texts)),
            _ => wrong("a list of texts"),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyVisitor)? {
            Any::Number(number) => Ok(Number(number)),
            _ => wrong("a whole number"),
        }
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(..)")
    }
}

impl fmt::Debug for Texts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({})", self.0.len())
    }
}
