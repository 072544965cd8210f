//! What is asked beside the configuration: components and procedures that know principals, or decide about roles.

use std::sync::Arc;

use super::Assembly;
use crate::{
    admission::{Authenticator, Authenticators, Knows},
    auth::{self, AskedMethods, AskedOptions, component::Source},
    gateway::{StartError, foundation::Foundation},
    identity::Standing,
    policy::{
        ProcedureOptions, authentication, authorization,
        procedure::{Callee, ProcedureGate},
    },
    realm::{AuthorizerOptions, Authorizers, Caller, Decider, Realm, RealmOptions, RoleAuthorizer},
};

impl Assembly<'_> {
    /// What knows the principals of a service's methods.
    pub(super) fn authenticators(
        &self,
        methods: &AskedMethods,
        place: Standing,
    ) -> Result<Authenticators, StartError> {
        let load = |method: &str, asked: &Option<AskedOptions>| -> Result<_, StartError> {
            let Some(asked) = asked else { return Ok(None) };
            Ok(Some(Authenticator {
                knows: match asked {
                    AskedOptions::Component(file) => {
                        Knows::Component(self.foundation.policies.load_as(file)?)
                    }
                    AskedOptions::Procedure(options) => {
                        let answers = authentication::ANSWERS;
                        Knows::Procedure(Box::new(procedure(options, answers, &self.realms, self.foundation)))
                    }
                },
                shown: asked.headers().to_vec(),
                source: Source {
                    standing: auth::of_asked(place, method, asked),
                    provider: asked.provider(),
                    knows_passwords: matches!(asked, AskedOptions::Procedure(_)),
                },
            }))
        };
        Ok(Authenticators {
            anonymous: load("anonymous", &methods.anonymous)?,
            ticket: load("ticket", &methods.ticket)?,
            wampcra: load("wampcra", &methods.wampcra)?,
            scram: load("scram", &methods.scram)?,
            cryptosign: load("cryptosign", &methods.cryptosign)?,
        })
    }
}

/// What decides about the roles of a realm.
pub(super) fn authorizers(
    options: &RealmOptions,
    realm: &Realm,
    foundation: &Foundation,
) -> Result<Authorizers, StartError> {
    let loaded = options.authorizers().map(|(role, authorizer)| {
        let decides = match authorizer {
            AuthorizerOptions::Component(file) => Decider::Component(foundation.policies.load_as(file)?),
            AuthorizerOptions::Procedure(options) => {
                let realms = std::slice::from_ref(realm);
                Decider::Procedure(Box::new(procedure(options, authorization::ANSWERS, realms, foundation)))
            }
        };
        Ok((role.as_str().into(), Arc::new(RoleAuthorizer::new(decides))))
    });
    loaded.collect()
}

/// The way to a procedure, in its realm or in that of each client.
fn procedure(
    options: &ProcedureOptions,
    answers: &'static [&'static str],
    realms: &[Realm],
    foundation: &Foundation,
) -> ProcedureGate {
    let is_called = |realm: &&Realm| options.realm.as_ref().is_none_or(|name| name == realm.uri());
    let callees = realms
        .iter()
        .filter(is_called)
        .map(|realm| (realm.uri().as_str().into(), Arc::new(Caller::new(realm)) as Arc<dyn Callee>));
    let tally = foundation.tally(options.procedure.as_str(), answers);
    ProcedureGate::new(options.clone(), tally, callees.collect())
}
