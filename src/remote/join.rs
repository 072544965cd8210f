//! From a client's identity to a session of a router.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    Announced, Login, Remote, RemoteOptions, Router, RouterSession, Way, fault,
    hello::{self, Welcomed},
};
use crate::{
    identity::Identity,
    upstream::{Affinity, Opened, RawAnswer, RawOffer, UpstreamError, note_hops},
    wamp::{
        Serializer, Subprotocol,
        passing::{Reply, Request},
    },
    wire::{RouterFault, Wire},
};

impl Remote {
    /// Makes a client a session of a router: it is who the gateway says. `serializer` is what the client speaks, `hops` through how many
    /// gateways it has come, and `affinity` to which address it belongs.
    pub async fn join(
        &self,
        way: &Way,
        identity: &Identity,
        announced: Announced,
        serializer: Serializer,
        hops: u8,
        affinity: Affinity,
    ) -> Result<RouterSession, RouterFault> {
        let router = &way.router;
        let (opened, spoken) = router.dial(serializer, hops, affinity).await?;
        let Opened { link, early, raw, place, .. } = opened;
        let (options, traffic) = (Arc::clone(&router.wire), Arc::clone(&router.traffic));
        let wire = match raw {
            Some(RawAnswer { serializer, max_sent }) => {
                Wire::dialed_raw(link, serializer, max_sent, options, traffic)
            }
            None => Wire::dialed(link, early, spoken, options, traffic),
        };
        let limit = router.options.join_timeout;
        let joining = Box::pin(way.enter(wire, spoken, identity, announced));
        let Ok(joined) = timeout(limit, joining).await else {
            let why = format!("the router has not answered HELLO within {limit:?}");
            return Err(fault::at(place.upstream(), RouterFault::unavailable(fault::SILENT, why)));
        };
        let (wire, reply) = joined.map_err(|fault| fault::at(place.upstream(), fault))?;
        Ok(RouterSession::new(self.clone(), wire, spoken, reply, router.upstream.tally().clone(), place))
    }
}

impl Way {
    /// HELLO, and what the router asks before WELCOME.
    async fn enter(
        &self,
        mut wire: Wire,
        spoken: Serializer,
        identity: &Identity,
        announced: Announced,
    ) -> Result<(Wire, Welcomed), RouterFault> {
        let login = &self.router.options.login;
        let details = login.hello(identity, &self.name, announced);
        wire.pass(spoken.write_request(Request::Hello { realm: &self.name, details }));
        let mut has_answered = false;
        loop {
            let message = loop {
                if let Some(message) = wire.exchange(true).await.map_err(fault::of_join)? {
                    break message;
                }
            };
            let reply = spoken.read_reply(&message, wire.max_depth());
            match reply.map_err(|error| fault::nonsense_at_join(&error))? {
                Reply::Challenge { method, extra } if !has_answered => {
                    has_answered = true;
                    let Some(signature) = login.answer((&method, &extra), identity, &self.name) else {
                        let why = format!("the router asks for something else than {login}");
                        return Err(RouterFault::unavailable(fault::LOGIN, why));
                    };
                    wire.pass(spoken.write_request(Request::Authenticate { signature: &signature }));
                }
                Reply::Welcome { session, details } => {
                    // A router that takes the client for another one would let it act as that.
                    let authid = details.get("authid").and_then(serde_json::Value::as_str);
                    if login.names_the_client() && authid != Some(login.authid(identity)) {
                        let why = "the router has let the client in under another authid than the gateway has told it: let its `ticket` method take the authid of HELLO, or use an `account`".to_owned();
                        return Err(RouterFault::unavailable(fault::LOGIN, why));
                    }
                    wire.is_let_in();
                    let features = hello::router_features(&details);
                    return Ok((wire, Welcomed { session, features }));
                }
                Reply::Abort { reason, message } | Reply::Goodbye { reason, message } => {
                    return Err(fault::of_abort(login, reason, message.as_deref()));
                }
                Reply::Challenge { .. } => {
                    let why = "the router asks again after an answer".to_owned();
                    return Err(RouterFault::unavailable(fault::NONSENSE, why));
                }
            }
        }
    }
}

impl Router {
    /// A WebSocket or a RawSocket to an address of the router, with the client's serializer if the router speaks it.
    async fn dial(
        &self,
        preferred: Serializer,
        hops: u8,
        affinity: Affinity,
    ) -> Result<(Opened, Serializer), RouterFault> {
        let key = BASE64_STANDARD.encode(rand::random::<[u8; 16]>());
        let fault = |error: &UpstreamError| fault::of_dial(error);
        let nonsense = || UpstreamError::Nonsense("a handshake cannot be written".to_owned());
        let value = |text: &str| HeaderValue::try_from(text).map_err(|_| fault(&nonsense()));
        let accept_key = value(&derive_accept_key(key.as_bytes()))?;
        let mut headers = HeaderMap::from_iter([
            (header::CONNECTION, HeaderValue::from_static("Upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (header::SEC_WEBSOCKET_KEY, value(&key)?),
            (header::SEC_WEBSOCKET_PROTOCOL, value(&self.options.offer(preferred))?),
        ] as [(HeaderName, HeaderValue); 5]);
        note_hops(hops, &mut headers);
        if let Some(host) = &self.options.host {
            headers.insert(header::HOST, host.clone());
        }
        let offer = self.has_raw.then(|| RawOffer {
            serializers: self.options.preferring(preferred).collect(),
            max_message: self.options.wire.max_message_size,
        });
        let opened = self.upstream.open("", &headers, &accept_key, affinity, offer.as_ref()).await;
        let opened = opened.map_err(|error| fault(&error))?;
        if let Some(RawAnswer { serializer, .. }) = opened.raw {
            return Ok((opened, serializer));
        }
        let chosen = opened.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
        let chosen = chosen.and_then(|name| Subprotocol::parse(name.to_str().ok()?));
        if let Some(Subprotocol { serializer, batched: false }) = chosen {
            return Ok((opened, serializer));
        }
        let error = UpstreamError::Nonsense("its 101 names no subprotocol of WAMP".to_owned());
        Err(fault(&error.at(self.upstream.tally().upstream())))
    }
}

impl RemoteOptions {
    /// What the gateway may speak with the router, the client's serializer first, so that its messages pass as they are.
    fn preferring(&self, preferred: Serializer) -> impl Iterator<Item = Serializer> {
        let others = self.serializers.iter().filter(move |other| **other != preferred);
        self.serializers.iter().filter(move |other| **other == preferred).chain(others).copied()
    }

    /// `Sec-WebSocket-Protocol`.
    fn offer(&self, preferred: Serializer) -> String {
        let offered = self.preferring(preferred);
        let names = offered.map(|serializer| Subprotocol { serializer, batched: false }.name());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// For the operator.
impl std::fmt::Display for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ticket(_) => "the ticket of `upstream.auth`",
            Self::Token(_) => "a ticket that the gateway signs",
            Self::Proxy => "nothing at all, as `anonymous-proxy` does",
            Self::Account(_) => "what proves the account of `upstream.auth`",
        })
    }
}
