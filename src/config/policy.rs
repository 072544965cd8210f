//! Policy components and their limits.

use std::{borrow::Cow, collections::HashSet};

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    PolicyFile, PolicyOptions,
    reader::{
        Json, Located, NodePath, Raw, Size, Table, Time, Walk, Whole, checked_text, inline_schema, object,
        quoted, suggest, words,
    },
};
use crate::policy::{DEADLINES, Grants, Instances, MEMORIES};

/// The largest number of headers. A decision about an identity needs no more.
const MAX_HEADERS: usize = 64;

object! {
    /// A WebAssembly component: a policy decides who a client is; as `"type": "component"` of a method it knows the method's principals.
    struct RawPolicy {
        /// The component's file, absolute or relative to the node directory.
        component: required NodePath,
        /// The SHA-256 of the component's bytes, in 64 hexadecimal digits.
        sha256: optional Sha256,
        /// The policy's own configuration, which the gateway passes on as it stands. Default {}.
        config: optional PolicyObject,
        /// The request headers that the policy may see. Default none.
        headers: optional Located<Vec<PolicyHeader>>,
        /// How long a decision may take: "20ms", "1s", or a number of milliseconds; 1 ms to 10 s. Default 20 ms.
        deadline: optional Time<{ *DEADLINES.start() }, { *DEADLINES.end() }>,
        /// How much memory a decision may use: "32MiB", "512KiB", or a number of bytes; 64 KiB to 1 GiB. Default 32 MiB.
        max_memory: optional Size<{ *MEMORIES.start() }, { *MEMORIES.end() }>,
        /// How many decisions may run at once. Default 16.
        max_concurrent: optional Whole<1, 1024>,
        /// What the policy may import beyond `log`: "clock", "random", "wasi" (without files, network or environment). Default nothing.
        grants: optional Located<Vec<Grant>>,
        /// How long an instance of the component lives: "fresh" for one decision, "warm" for many. Default "fresh".
        instances: optional Instances,
    }
}

/// Something that a policy may import if the operator grants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Clock,
    Random,
    Wasi,
}

words! {
    Grant as "Grant" {
        "clock" => Self::Clock,
        "random" => Self::Random,
        "wasi" => Self::Wasi,
    }
}

words! {
    Instances as "Instances" {
        "fresh" => Self::Fresh,
        "warm" => Self::Warm,
    }
}

/// A policy, or the name of one of the node's `policies`.
#[derive(Debug)]
pub(super) enum RawPolicyRef {
    Name(String),
    Policy(Box<RawPolicy>),
}

/// A SHA-256 in hexadecimal digits.
#[derive(Debug)]
pub(super) struct Sha256([u8; 32]);

/// An object as JSON text.
#[derive(Debug)]
pub(super) struct PolicyObject(pub(super) String);

/// The name of a header that a policy may see.
#[derive(Debug)]
pub(super) struct PolicyHeader(HeaderName);

impl Raw for RawPolicyRef {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        match json {
            Json::Text(name) => Some(Self::Name(name.clone())),
            Json::Object(_) => RawPolicy::read(json, walk).map(|policy| Self::Policy(Box::new(policy))),
            _ => {
                walk.wrong_kind("a policy or the name of one of `policies`", json);
                None
            }
        }
    }
}

impl JsonSchema for RawPolicyRef {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PolicyRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let policy = generator.subschema_for::<RawPolicy>();
        json_schema!({ "anyOf": [{ "type": "string" }, policy] })
    }
}

impl Raw for Sha256 {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        checked_text(json, "64 hexadecimal digits, as sha256sum prints them", walk, |text| {
            if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            let mut bytes = [0; 32];
            for (byte, place) in bytes.iter_mut().zip((0..).step_by(2)) {
                *byte = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
            }
            Some(Self(bytes))
        })
    }
}

inline_schema!(Sha256, "Sha256", |_generator| json_schema!({
    "type": "string",
    "pattern": "^[0-9A-Fa-f]{64}$",
}));

impl Raw for PolicyObject {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        if !matches!(json, Json::Object(_)) {
            walk.wrong_kind("an object", json);
            return None;
        }
        Some(Self(walk.free_form(json).to_string()))
    }
}

inline_schema!(PolicyObject, "PolicyObject", |_generator| json_schema!({ "type": "object" }));

impl Raw for PolicyHeader {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let name = checked_text(json, "a header's name such as \"user-agent\"", walk, |text| {
            HeaderName::from_bytes(text.as_bytes()).ok()
        })?;
        if name == http::header::COOKIE {
            walk.fault(
                "a policy gets the cookie's record, and never the header with all cookies: leave it out",
            );
        }
        Some(Self(name))
    }
}

inline_schema!(PolicyHeader, "HeaderName", |_generator| json_schema!({ "type": "string", "minLength": 1 }));

impl RawPolicy {
    pub(super) fn check(self, walk: &mut Walk<'_>) -> Option<PolicyFile> {
        let defaults = PolicyOptions::default();
        let options = PolicyOptions {
            config: self.config.map_or(defaults.config, |config| config.0),
            headers: self.headers.map_or(defaults.headers, |located| checked_headers(located, walk)),
            deadline: self.deadline.map_or(defaults.deadline, |deadline| deadline.0),
            max_memory: self.max_memory.map_or(defaults.max_memory, |memory| memory.0),
            max_concurrent: self.max_concurrent.map_or(defaults.max_concurrent, Whole::get),
            grants: self.grants.map_or(defaults.grants, |located| checked_grants(located, walk)),
            instances: self.instances.unwrap_or(defaults.instances),
            // What the paths make of it is not known yet.
            routes: defaults.routes,
        };
        Some(PolicyFile { component: self.component?.path, sha256: self.sha256.map(|hash| hash.0), options })
    }
}

fn checked_grants(located: Located<Vec<Grant>>, walk: &mut Walk<'_>) -> Grants {
    let Located { path, value } = located;
    let mut grants = Grants::default();
    for grant in value {
        let (name, given) = match grant {
            Grant::Clock => ("clock", &mut grants.clock),
            Grant::Random => ("random", &mut grants.random),
            Grant::Wasi => ("wasi", &mut grants.wasi),
        };
        if *given {
            walk.fault_at(&path, format!("`{name}` stands in the list twice, keep one"));
        }
        *given = true;
    }
    grants
}

pub(super) fn checked_headers(located: Located<Vec<PolicyHeader>>, walk: &mut Walk<'_>) -> Vec<HeaderName> {
    let Located { path, value } = located;
    if value.len() > MAX_HEADERS {
        walk.fault_at(&path, format!("{} headers are too many, use at most {MAX_HEADERS}", value.len()));
    }
    let mut seen = HashSet::new();
    let mut headers = Vec::new();
    for PolicyHeader(name) in value {
        if seen.insert(name.clone()) {
            headers.push(name);
        } else {
            let name = quoted(name.as_str());
            walk.fault_at(&path, format!("{name} stands in the list twice, keep one"));
        }
    }
    headers
}

/// The node's policies by name, and whether a service uses each.
#[derive(Debug, Default)]
pub(super) struct Policies(Vec<NamedPolicy>);

#[derive(Debug)]
struct NamedPolicy {
    name: String,
    path: String,
    policy: Option<PolicyFile>,
    used: bool,
}

impl Policies {
    pub(super) fn new(table: Table<RawPolicy>, walk: &mut Walk<'_>) -> Self {
        let named = table.0.into_iter().map(|(name, Located { path, value })| NamedPolicy {
            name,
            path,
            policy: value.check(walk),
            used: false,
        });
        Self(named.collect())
    }

    /// The policy of a service.
    pub(super) fn resolve(
        &mut self,
        reference: Located<RawPolicyRef>,
        walk: &mut Walk<'_>,
    ) -> Option<PolicyFile> {
        let name = match reference.value {
            RawPolicyRef::Policy(policy) => return policy.check(walk),
            RawPolicyRef::Name(name) => name,
        };
        if let Some(named) = self.0.iter_mut().find(|named| named.name == name) {
            named.used = true;
            return named.policy.clone();
        }
        let unknown = quoted(&name);
        let remedy = if self.0.is_empty() {
            "describe it in `policies` at the top of the file, or write the policy here".to_owned()
        } else {
            suggest(&name, self.0.iter().map(|named| named.name.as_str()))
        };
        walk.fault_at(reference.path, format!("`policies` has no policy {unknown}, {remedy}"));
        None
    }

    pub(super) fn warn_of_unused(&self, walk: &mut Walk<'_>) {
        // What is faulty may be the use.
        if !walk.faults.is_empty() {
            return;
        }
        for named in self.0.iter().filter(|named| !named.used) {
            walk.warn_at(
                &named.path,
                "no service uses this policy: name it in a service's `policy`, or remove it",
            );
        }
    }
}
