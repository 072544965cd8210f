//! What the sessions of a service stand on: see [`Standing`].

use std::{any::type_name, collections::BTreeMap, hash::Hash, sync::Arc};

use super::{
    AskedOptions, AuthOptions, TokenOptions,
    file::{FilePrincipal, PrincipalFile},
};
use crate::{
    identity::{Name, Standing, Standings},
    policy::{PolicyFile, ProcedureOptions},
};

/// The standing of a principal. The type of its options tells its method.
pub(super) fn of_principal<P: Hash>(place: Standing, authid: &Name, principal: &P) -> Standing {
    place.of(type_name::<P>(), authid, principal)
}

/// The standing of a principal of the configuration or of its file. A principal of a file stands on the file: when the principal itself
/// changes, its lease ends.
pub(super) fn of<P: FilePrincipal>(
    place: Standing,
    authid: &Name,
    principal: &P,
    file: Option<&Arc<PrincipalFile<P>>>,
) -> Standing {
    match file {
        Some(file) => of_file(place, file),
        None => of_principal(place, authid, principal),
    }
}

fn of_file<P: FilePrincipal>(place: Standing, file: &PrincipalFile<P>) -> Standing {
    place.of(type_name::<P>(), "", &("file", file.ground()))
}

/// The standing of clients that have proved nothing: anonymous ones, and those that a policy names.
pub fn of_unproved(place: Standing, auth: Option<&AuthOptions>) -> Standing {
    place.of("anonymous", "", &auth.map(|auth| &auth.anonymous))
}

/// The standing of clients that a token names. Which keys the issuer has in its file does not count: the file changes by itself.
pub(super) fn of_token(place: Standing, tokens: &TokenOptions) -> Standing {
    let TokenOptions { keys, algorithms, issuer, audience, claims, role, .. } = tokens;
    let algorithms: Vec<_> = algorithms.iter().map(|algorithm| algorithm.name()).collect();
    place.of("token", "", &(&**keys, algorithms, issuer, audience, claims, role))
}

/// The standing of principals that a component or a procedure knows, by a method as the configuration calls it. Which bytes the component's
/// file has, and which client has registered the procedure, does not count: that changes by itself.
pub fn of_asked(place: Standing, method: &str, asked: &AskedOptions) -> Standing {
    match asked {
        AskedOptions::Component(PolicyFile { component, sha256, options }) => {
            place.of("component", method, &(component, sha256, &options.config))
        }
        AskedOptions::Procedure(ProcedureOptions { procedure, realm, role, config, .. }) => {
            place.of("procedure", method, &(procedure, realm, role, config))
        }
    }
}

/// Adds everything that sessions of a service may stand on.
pub fn standings(place: Standing, auth: Option<&AuthOptions>, standings: &mut Standings) {
    standings.extend([of_unproved(place, auth)]);
    let Some(auth) = auth else { return };
    standings.extend(auth.token.as_ref().map(|tokens| of_token(place, tokens)));
    let asked = auth.asked.iter().flat_map(|asked| asked.all());
    standings.extend(asked.map(|(method, asked)| of_asked(place, method, asked)));
    let ticket = auth.ticket.as_ref().and_then(|method| method.file.as_ref());
    let wampcra = auth.wampcra.as_ref().and_then(|method| method.file.as_ref());
    let scram = auth.scram.as_ref().and_then(|method| method.file.as_ref());
    let cryptosign = auth.cryptosign.as_ref().and_then(|method| method.file.as_ref());
    standings.extend(ticket.map(|file| of_file(place, file)));
    standings.extend(wampcra.map(|file| of_file(place, file)));
    standings.extend(scram.map(|file| of_file(place, file)));
    standings.extend(cryptosign.map(|file| of_file(place, file)));
    standings.extend(all(place, auth.ticket.as_ref().map(|method| &method.principals)));
    standings.extend(all(place, auth.wampcra.as_ref().map(|method| &method.principals)));
    standings.extend(all(place, auth.scram.as_ref().map(|method| &method.principals)));
    standings.extend(all(place, auth.cryptosign.as_ref().map(|method| &method.principals)));
}

fn all<P: Hash>(
    place: Standing,
    principals: Option<&BTreeMap<Name, P>>,
) -> impl Iterator<Item = Standing> + '_ {
    let principals = principals.into_iter().flatten();
    principals.map(move |(authid, principal)| of_principal(place, authid, principal))
}
