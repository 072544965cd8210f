//! RawSocket on a transport: from the first octet to a handshake that is answered.
//!
//! A transport has HTTP, RawSocket or both. Where it has both, the first octet tells them apart: 0x7F, which no request begins with.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::{
    Edge,
    hang_up::hang_up,
    serve::{MAX_LINGER, PROXY_IDLE},
    upgrade::{RawUpgrade, Upgraded},
};
use crate::{
    admission::Facts,
    handshake::raw_socket::{self, FULL, MAGIC, OCTETS, RawSocketError},
    metrics::Stage,
    stream::Incoming,
    time::Timestamp,
    traces::Parent,
};

impl Edge {
    /// Whether clients of the transport speak nothing but RawSocket.
    pub(crate) const fn is_raw_socket_alone(&self) -> bool {
        self.raw_socket.is_some() && !self.has_http
    }

    /// Serves a connection of a transport that has RawSocket.
    pub(super) async fn drive_raw(&self, mut incoming: Incoming) -> Option<Upgraded> {
        let first = timeout(self.patience(&incoming), incoming.stream.read_u8()).await;
        match first {
            Ok(Ok(MAGIC)) => {}
            Ok(Ok(first)) if self.has_http => return Box::pin(self.drive(incoming, Some(first))).await,
            Ok(Ok(_)) => return self.refuse_raw(incoming, RawSocketError::Magic).await,
            Ok(Err(_)) => return None,
            Err(_) => return self.refuse_raw(incoming, RawSocketError::Timeout).await,
        }
        let upgraded = timeout(self.raw_timeout, self.accept_raw(incoming)).await;
        upgraded.unwrap_or_else(|_| {
            self.count_unseen(Stage::Handshake, RawSocketError::Timeout.reason());
            None
        })
    }

    /// How long the first octet may take, which tells what is spoken. A proxy may keep connections that it needs later.
    fn patience(&self, incoming: &Incoming) -> Duration {
        if !self.has_http {
            return self.raw_timeout;
        }
        let patience = self.raw_timeout.max(self.head_timeout);
        let is_kept = !incoming.is_nameless && self.trusts(incoming.peer);
        if is_kept { patience.max(PROXY_IDLE) } else { patience }
    }

    /// The handshake, of which the first octet has come.
    async fn accept_raw(&self, mut incoming: Incoming) -> Option<Upgraded> {
        let mut rest = [0; OCTETS - 1];
        incoming.stream.read_exact(&mut rest).await.ok()?;
        // No rule outlives a reload: the edge that serves the transport now answers.
        let heir = self.succession.heir();
        let edge = heir.as_deref().unwrap_or(self);
        let service = edge.raw_socket.as_ref()?;
        let [second, third, fourth] = rest;
        let octets = [MAGIC, second, third, fourth];
        let (serializers, max_message) = (service.handshake.serializers(), service.wire.max_message_size);
        let accepted = match raw_socket::accept(octets, serializers, max_message) {
            Ok(accepted) => accepted,
            Err(error) => return edge.refuse_raw(incoming, error).await,
        };
        if let Err(refused) = edge.addresses.handshake(edge.limited(incoming.peer), Instant::now()) {
            let (reason, cause) = (refused.limit.reason(), refused.cause());
            edge.count_refused(Stage::Handshake, reason, incoming.peer, &cause);
            hang_up(&mut incoming.stream, &FULL, MAX_LINGER).await;
            return None;
        }
        let Incoming { mut stream, peer, tls, .. } = incoming;
        let facts = Facts {
            peer,
            tls: tls.as_ref(),
            path: "",
            query: None,
            subprotocol: None,
            may_be_new: false,
            parent: Parent::default(),
        };
        // Without tracking there is no store that could fail.
        let visitor = service.admission.meet(facts, &HeaderMap::new(), Timestamp::now()).await.ok()?;
        stream.keep_alive();
        stream.write_all(&accepted.reply).await.ok()?;
        let service = Arc::clone(service);
        Some(Upgraded::Raw(RawUpgrade {
            stream,
            service,
            serializer: accepted.serializer,
            max_sent: accepted.max_sent,
            visitor,
        }))
    }

    /// Tells the operator and the client why there is no handshake.
    async fn refuse_raw(&self, incoming: Incoming, error: RawSocketError) -> Option<Upgraded> {
        let Incoming { mut stream, peer, .. } = incoming;
        match error {
            // Clients open connections ahead, which time out without a word: that is no fault.
            RawSocketError::Timeout => self.count_unseen(Stage::Handshake, error.reason()),
            error => self.count_refused(Stage::Handshake, error.reason(), peer, &error),
        }
        let reply = error.reply();
        hang_up(&mut stream, reply.as_ref().map_or(&[], <[u8; OCTETS]>::as_slice), MAX_LINGER).await;
        None
    }
}
