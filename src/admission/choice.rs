//! Which of several upstreams a client goes on to: the policy chooses, once the client is known.

use tracing::debug;

use super::{Admission, Application, Visitor, question::Question};
use crate::{
    auth::AuthError,
    identity::Identity,
    wamp::{SessionId, Uri},
};

impl Admission {
    /// Asks the policy for the upstream of a visitor that has this identity in a realm: one of these names.
    pub async fn choose_upstream(
        &self,
        visitor: &Visitor,
        realm: &Uri,
        identity: &Identity,
        upstreams: &[&str],
    ) -> Result<String, AuthError> {
        let mut span = visitor.place.child("choice");
        span.tell("wampgate.policy", || self.policy.name().to_owned());
        let application = Application { session: SessionId(0), realm, rules: None, hello: None };
        let question = Question::new(&self.shown, visitor, &application);
        let request = question.routing(visitor, realm, identity, upstreams);
        match self.policy.choose_upstream(&request).await {
            Ok(chosen) => {
                span.tell("wampgate.upstream", || chosen.clone());
                Ok(chosen)
            }
            Err(error) => {
                debug!(connection = %visitor.id, policy = self.policy.name(), %error, "no upstream");
                let refused = AuthError::Policy(error);
                span.failed(refused.reason());
                Err(refused)
            }
        }
    }
}
