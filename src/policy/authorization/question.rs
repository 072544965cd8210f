//! A question to an authorizer that owns its parts, with something sensible for each part that is left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Action, AuthorizationRequest, Matching, SessionView};
use crate::policy::question::{Connection, Request};

/// What an authorizer is asked. The default is a call by a session that has logged in with a ticket and has no cookie.
///
/// ```
/// use wampgate::testkit::{Action, AuthorizationQuestion, Matching, Session};
///
/// let session = Session { authid: "ann".to_owned(), ..Session::default() };
/// let question = AuthorizationQuestion::subscribe("com.example.chat.").matching(Matching::Prefix).by(session);
/// assert_eq!((question.action, &*question.session.authid), (Action::Subscribe, "ann"));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorizationQuestion {
    /// The session.
    pub session: Session,
    /// What it wants to do.
    pub action: Action,
    /// With which URI.
    pub uri: String,
    /// How the URI is compared, where it is a pattern.
    #[serde(rename = "match", alias = "matching")]
    pub matching: Matching,
    /// The options of its message that the gateway acts on.
    pub options: Map<String, Value>,
    /// The time of the question, in milliseconds since the epoch.
    pub now: u64,
}

/// The session of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Session {
    pub id: String,
    pub realm: String,
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authprovider: String,
    #[serde(alias = "public-id")]
    pub public_id: Option<String>,
    pub connection: String,
    pub peer: String,
}

// === impl AuthorizationQuestion ===

impl AuthorizationQuestion {
    /// Whether the session may call this procedure.
    pub fn call(procedure: &str) -> Self {
        Self::about(Action::Call, procedure)
    }

    /// Whether the session may register this procedure.
    pub fn register(procedure: &str) -> Self {
        Self::about(Action::Register, procedure)
    }

    /// Whether the session may publish to this topic.
    pub fn publish(topic: &str) -> Self {
        Self::about(Action::Publish, topic)
    }

    /// Whether the session may subscribe to this topic.
    pub fn subscribe(topic: &str) -> Self {
        Self::about(Action::Subscribe, topic)
    }

    /// Whether the session may do this with this URI.
    pub fn about(action: Action, uri: &str) -> Self {
        Self { action, uri: uri.to_owned(), ..Self::default() }
    }

    /// Lets the URI be a pattern.
    #[must_use]
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self
    }

    /// Lets this session ask.
    #[must_use]
    pub fn by(mut self, session: Session) -> Self {
        self.session = session;
        self
    }

    /// Lends the question in the form in which authorizers are asked.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&AuthorizationRequest<'_>) -> T) -> T {
        let Session { id, realm, authid, authrole, authmethod, authprovider, public_id, connection, peer } =
            &self.session;
        ask(&AuthorizationRequest {
            session: SessionView {
                id,
                realm,
                authid,
                authrole,
                authmethod,
                authprovider,
                public_id: public_id.as_deref(),
                connection,
                peer,
            },
            action: self.action,
            uri: &self.uri,
            matching: self.matching,
            options: &Value::Object(self.options.clone()).to_string(),
            now: self.now,
        })
    }
}

impl Default for AuthorizationQuestion {
    fn default() -> Self {
        Self {
            session: Session::default(),
            action: Action::Call,
            uri: "com.example.procedure".to_owned(),
            matching: Matching::Exact,
            options: Map::new(),
            now: Request::default().now,
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        let Connection { id: connection, peer, .. } = Connection::default();
        Self {
            id: "5123456789012345".to_owned(),
            realm: "realm1".to_owned(),
            authid: "joe".to_owned(),
            authrole: "frontend".to_owned(),
            authmethod: "ticket".to_owned(),
            authprovider: "static".to_owned(),
            public_id: None,
            connection,
            peer,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Action, AuthorizationQuestion, Matching, Session};

    #[test]
    fn what_is_left_out_is_as_usual_and_what_is_unknown_is_refused_with_what_is_known() {
        let read = |value| serde_json::from_value::<AuthorizationQuestion>(value);
        assert_eq!(read(json!({})).unwrap(), AuthorizationQuestion::call("com.example.procedure"));
        let session = Session { public_id: Some("7f3a".to_owned()), ..Session::default() };
        let asked = AuthorizationQuestion::register("a.").matching(Matching::Prefix).by(session);
        for spelling in ["match", "matching"] {
            let written = json!({ "session": { "public-id": "7f3a" }, "action": "register", "uri": "a.", spelling: "prefix" });
            assert_eq!(read(written).unwrap(), asked);
        }
        assert_eq!(read(serde_json::to_value(&asked).unwrap()).unwrap(), asked);
        for (wrong, hint) in [
            (json!({ "action": "unregister" }), "`register`"),
            (json!({ "match": "regex" }), "`wildcard`"),
            (json!({ "session": { "authextra": {} } }), "unknown field `authextra`"),
            (json!({ "topic": "a" }), "unknown field `topic`"),
            (json!({ "options": [] }), "expected a map"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn each_action_has_its_question() {
        for (question, action) in [
            (AuthorizationQuestion::call("a"), Action::Call),
            (AuthorizationQuestion::register("a"), Action::Register),
            (AuthorizationQuestion::publish("a"), Action::Publish),
            (AuthorizationQuestion::subscribe("a"), Action::Subscribe),
        ] {
            assert_eq!(question, AuthorizationQuestion::about(action, "a"));
        }
    }
}
