//! The parts of a question, each with what stands in a part that is left out.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

/// The connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Connection {
    pub id: String,
    pub peer: String,
    pub tls: bool,
    pub host: String,
    pub path: String,
    pub origin: Option<String>,
    pub subprotocol: String,
    #[serde(deserialize_with = "headers")]
    pub headers: Vec<(String, String)>,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Certificate {
    pub subject: String,
    pub names: Vec<String>,
    pub sha256: String,
}

/// The cookie record. The default is a returning visitor who has never logged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Cookie {
    pub id: String,
    #[serde(alias = "public-id")]
    pub public_id: String,
    #[serde(alias = "is-new")]
    pub is_new: bool,
    pub created: u64,
    #[serde(alias = "last-seen")]
    pub last_seen: u64,
    #[serde(alias = "max-age")]
    pub max_age: u32,
    pub connections: u32,
    pub authentication: Option<Login>,
}

/// What a login left on a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Login {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authrealm: String,
    pub authextra: Map<String, Value>,
    pub at: u64,
}

/// The HELLO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Hello {
    pub realm: Option<String>,
    pub authmethods: Vec<String>,
    pub authid: Option<String>,
    pub authrole: Option<String>,
    pub authextra: Map<String, Value>,
}

/// Who a client has become.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Client {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authprovider: String,
    pub realm: String,
}

impl Default for Connection {
    fn default() -> Self {
        Self {
            id: "c1".to_owned(),
            peer: "203.0.113.9:52100".to_owned(),
            tls: true,
            host: "chat.example.org".to_owned(),
            path: "/ws".to_owned(),
            origin: Some("https://chat.example.org".to_owned()),
            subprotocol: "wamp.2.json".to_owned(),
            headers: Vec::new(),
        }
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self {
            subject: "CN=alice,O=Example".to_owned(),
            names: vec!["email:alice@example.org".to_owned()],
            sha256: "0".repeat(64),
        }
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            id: "test-tracking-id-0001".to_owned(),
            public_id: "test-public-id-0001".to_owned(),
            is_new: false,
            created: 1_790_000_000_000,
            last_seen: 1_790_000_060_000,
            max_age: 86_400,
            connections: 1,
            authentication: None,
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            authid: "joe".to_owned(),
            authrole: "frontend".to_owned(),
            authmethod: "ticket".to_owned(),
            authrealm: "realm1".to_owned(),
            authextra: Map::new(),
            at: 1_790_000_030_000,
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            realm: Some("realm1".to_owned()),
            authmethods: Vec::new(),
            authid: None,
            authrole: None,
            authextra: Map::new(),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        let login = Login::default();
        Self {
            authid: login.authid,
            authrole: login.authrole,
            authmethod: login.authmethod,
            authprovider: "static".to_owned(),
            realm: login.authrealm,
        }
    }
}

/// Headers as an object, or as a list of pairs.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let fault = || D::Error::custom("headers: use {\"name\": \"value\"} or [[\"name\", \"value\"]]");
    let name_and_value = |name: &Value, value: &Value| match (name, value) {
        (Value::String(name), Value::String(value)) => Ok((name.clone(), value.clone())),
        _ => Err(fault()),
    };
    match Value::deserialize(deserializer)? {
        Value::Object(map) => {
            map.into_iter().map(|(name, value)| name_and_value(&Value::String(name), &value)).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([name, value]) => name_and_value(name, value),
                _ => Err(fault()),
            })
            .collect(),
        _ => Err(fault()),
    }
}
