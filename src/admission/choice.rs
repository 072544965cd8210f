//! Which of several upstreams a client goes on to: the policy chooses, once the client is known.

use tracing::debug;

use super::{Admission, Application, Visitor, question::Question};
use crate::{
    auth::{AuthError, StaleLogin},
    identity::Identity,
    time::Timestamp,
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
                recheck(visitor, identity).inspect_err(|refused| span.refused(refused.reason()))?;
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

/// Refuses a visitor that has logged out, or whose cookie or identity has lapsed, while its policy was asked: nothing is to learn of
/// it as the client that it was.
pub fn recheck(visitor: &Visitor, identity: &Identity) -> Result<(), AuthError> {
    if visitor.is_revoked() {
        return Err(StaleLogin::NoLogin.into());
    }
    identity.lease.lapsed(Timestamp::now).map_or(Ok(()), |lapse| Err(lapse.into()))
}
