//! Who a request is from that says no HELLO: a question of `forward-auth`, or a WebSocket that goes on to an upstream.
//!
//! The same record, policy and methods count as for a session. Nothing is challenged, remembered or counted as a login: a proxy asks
//! with every request.

use http::HeaderMap;

use super::{
    Admission, Application, Facts, KeptHeaders, MeetError, Verdict, Visitor, record::stands_for_a_principal,
};
use crate::{
    auth::AuthError,
    identity::{ANONYMOUS, COOKIE, Identity},
    policy::Decision,
    store::StoreError,
    time::Timestamp,
};

/// Who a visitor is, without a session.
#[derive(Debug)]
pub struct Recognized {
    /// The identity.
    pub identity: Identity,
    /// Whether its authid names a client; otherwise it was drawn for this question alone.
    pub is_named: bool,
}

impl Admission {
    /// Makes a visitor of a request whose reply hands out no cookie. A client that the store does not know stays untracked. `kept`
    /// are the [headers that a policy is asked about](Self::kept_headers); none where it is not asked.
    pub async fn glance(
        &self,
        facts: Facts<'_>,
        headers: &HeaderMap,
        kept: KeptHeaders,
        now: Timestamp,
    ) -> Result<Visitor, StoreError> {
        let mut tracked = match &self.tracker {
            Some(tracker) => tracker.glance(headers, now).await?,
            None => None,
        };
        if let Some(tracked) = &mut tracked {
            let login = tracked.record.authentication.take();
            tracked.record.authentication = login.filter(|stored| stands_for_a_principal(stored));
        }
        Ok(Visitor::new(facts, kept, tracked, None))
    }

    /// Makes a visitor of a request whose reply hands out its cookie, and that says no HELLO: [`meet`](Self::meet), and what the record
    /// says of a login counts at once.
    pub async fn meet_without_hello(
        &self,
        facts: Facts<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Visitor, MeetError> {
        let mut visitor = self.meet(facts, headers, now).await?;
        if let Some(tracked) = &mut visitor.tracked {
            let login = tracked.record.authentication.take();
            tracked.record.authentication = login.filter(|stored| stands_for_a_principal(stored));
        }
        Ok(visitor)
    }

    /// The headers of a request that a visitor keeps.
    pub fn kept_headers(&self, headers: &HeaderMap) -> KeptHeaders {
        KeptHeaders::of(headers, &self.kept)
    }

    /// Whether a login stands on the visitor's cookie, and the service lets logins stand there.
    pub fn has_login(&self, visitor: &Visitor) -> bool {
        let lasts = self.auth.as_ref().is_some_and(|auth| auth.cookie.is_some());
        lasts && visitor.login().is_some()
    }

    /// Who a visitor is by the login on its cookie.
    pub async fn recognize(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Recognized, AuthError> {
        self.vouch(visitor, application, Decision::Defer(COOKIE.to_owned())).await
    }

    /// Who a visitor is by the policy's decision.
    pub async fn inquire(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
    ) -> Result<Recognized, AuthError> {
        let decision = self.ask(visitor, application).await?;
        self.vouch(visitor, application, decision).await
    }

    async fn vouch(
        &self,
        visitor: &Visitor,
        application: &Application<'_>,
        decision: Decision,
    ) -> Result<Recognized, AuthError> {
        let is_named = match &decision {
            Decision::Anonymous(identity) => identity.authid.is_some(),
            Decision::Defer(method) | Decision::DeferAs { method, .. } => method != ANONYMOUS,
            Decision::None | Decision::Deny(_) => false,
        };
        match self.follow(visitor, application, decision).await {
            Ok(Verdict::Admitted(identity)) => Ok(Recognized { identity, is_named }),
            // A request without a HELLO offers its cookie and nothing that is challenged, so a policy cannot name such a method.
            Ok(Verdict::Challenged(challenge)) => Err(AuthError::NotConfigured(challenge.method.to_owned())),
            Err((_, refusal)) => Err(refusal),
        }
    }
}
