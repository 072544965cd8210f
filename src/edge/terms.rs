//! What a request without a session needs to be let through: a cookie, a login, a role, or a policy's word.

use super::{Requirement, Terms, refusal::Refusal};
use crate::{
    admission::{Application, Recognized, Visitor},
    auth::AuthError,
    backend::Backend,
    identity::ANONYMOUS,
    service::WebSocketService,
    wamp::{SessionId, Uri},
};

impl Terms {
    /// Who a visitor of a service is, if it is let through; none: it is not logged in.
    pub(super) async fn decide(
        &self,
        service: &WebSocketService,
        visitor: &Visitor,
    ) -> Result<Option<Recognized>, Refusal> {
        let has_login = service.admission.has_login(visitor);
        // A client that has just been given a cookie has come without one.
        let is_known = visitor.tracked.as_ref().is_some_and(|tracked| !tracked.is_new);
        match self.require {
            Requirement::Cookie | Requirement::Login if !is_known => return Err(Refusal::NoCookie),
            Requirement::Login if !has_login => return Err(Refusal::NoLogin),
            Requirement::Nothing | Requirement::Cookie | Requirement::Login => {}
        }
        let recognized =
            if self.asks_policy || has_login { self.recognize(service, visitor).await? } else { None };
        let is_anonymous =
            recognized.as_ref().is_none_or(|recognized| recognized.identity.authmethod == ANONYMOUS);
        if self.require == Requirement::Login && is_anonymous {
            return Err(Refusal::NoLogin);
        }
        match (&self.roles, &recognized) {
            (Some(_), None) => Err(Refusal::NoLogin),
            (Some(roles), Some(known)) if !roles.contains(&known.identity.authrole) => Err(Refusal::Role),
            _ => Ok(recognized),
        }
    }

    /// The backend whose roles and logins count for a visitor. The error is the realm that there is not.
    pub(super) fn backend<'s>(
        &self,
        service: &'s WebSocketService,
        visitor: &Visitor,
    ) -> Result<&'s Backend, Option<Uri>> {
        let login_realm = || visitor.login().and_then(|login| Uri::parse(&login.authrealm).ok());
        let realm = self.realm.clone().or_else(login_realm);
        service.backends.find(realm.as_ref()).ok_or(realm)
    }

    /// Who a client is. A login that no longer stands makes it a client without one, unless it has to have one.
    async fn recognize(
        &self,
        service: &WebSocketService,
        visitor: &Visitor,
    ) -> Result<Option<Recognized>, Refusal> {
        let Self { asks_policy, require, .. } = self;
        let admission = &service.admission;
        let recognized = match self.backend(service, visitor) {
            Err(realm) => Err(AuthError::NoSuchRealm(realm)),
            Ok(backend) => {
                let (session, realm, rules) = (SessionId(0), backend.realm(), backend.rules());
                let application = Application { session, realm, rules: Some(&rules), hello: None };
                let recognized = if *asks_policy {
                    admission.inquire(visitor, &application).await
                } else {
                    admission.recognize(visitor, &application).await
                };
                // An open connection may ask the service that was there before a reload.
                recognized.and_then(|known| {
                    if backend.rules().admit(&known.identity) {
                        Ok(known)
                    } else {
                        Err(AuthError::Reconfigured)
                    }
                })
            }
        };
        match recognized {
            Ok(recognized) => Ok(Some(recognized)),
            Err(_) if !*asks_policy && *require != Requirement::Login => Ok(None),
            // Its realm has been taken out of the configuration.
            Err(AuthError::NoSuchRealm(_)) if !*asks_policy => Err(Refusal::NoLogin),
            Err(refused) => Err(Refusal::Admission(refused)),
        }
    }
}
