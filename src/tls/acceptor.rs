//! Makes the TLS handshakes of one endpoint, with the certificates that it has read last.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        HandshakeKind, ServerConfig,
        crypto::ring,
        server::{NoServerSessionStorage, ProducesTickets},
    },
    server::TlsStream,
};

use super::{
    HANDSHAKE_LIMIT, TlsMetrics, TlsOptions, authorities,
    chooser::Chooser,
    fault::TlsLoadError,
    metrics::Tally,
    pair::Pair,
    refusal::Refusal,
    session::Tls,
    watch::{Watch, hash},
};
use crate::time::Timestamp;

/// What begins a TLS handshake: the type of its record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The only protocol that is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// TLS at one endpoint.
#[derive(Debug)]
pub struct Acceptor {
    transport: String,
    options: TlsOptions,
    current: Arc<ArcSwap<Loaded>>,
    pub(super) tally: Tally,
    metrics: TlsMetrics,
    watch: Watch,
}

/// What the files have given.
#[derive(Debug)]
pub(super) struct Loaded {
    config: Arc<ServerConfig>,
    pub(super) pairs: Vec<Pair>,
    tickets: Arc<dyn ProducesTickets>,
    /// Of the files of the authorities. A session that one set of authorities has admitted is not resumed under another.
    authorities: [u8; 32],
}

impl Acceptor {
    /// Reads the files of an endpoint. `transport` is its name in metrics and in the log.
    pub(crate) fn new(
        options: &TlsOptions,
        transport: &str,
        metrics: &TlsMetrics,
    ) -> Result<Self, TlsLoadError> {
        let last = hash(options.files());
        let current = Arc::new(ArcSwap::from_pointee(Loaded::read(options, None)?));
        Ok(Self {
            transport: transport.to_owned(),
            options: options.clone(),
            current,
            tally: metrics.of(transport),
            metrics: metrics.clone(),
            watch: Watch::new(Some(last)),
        })
    }

    /// Shows monitoring how long its certificates hold, in the place of one that had them before.
    pub(super) fn show(&self) {
        for (place, pair) in self.options.pairs().enumerate() {
            let labels = [
                ("transport", self.transport.clone()),
                ("certificate", pair.certificate.display().to_string()),
            ];
            self.metrics.days.watch(labels, &self.current, move |current: &ArcSwap<Loaded>| {
                current.load().pairs.get(place).map_or(0, |pair| pair.days_left(Timestamp::now()))
            });
        }
    }

    /// Makes a handshake.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, Tls), (Refusal, Option<TcpStream>)> {
        let accepted = timeout(HANDSHAKE_LIMIT, async {
            // A client that speaks HTTP is told so in words: hence a look at the first byte before rustls takes it.
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1..) if first != [HANDSHAKE] => return Err((Refusal::NotTls, Some(stream))),
                Ok(1..) => {}
                Ok(0) | Err(_) => return Err((Refusal::Gone, None)),
            }
            let config = Arc::clone(&self.current.load().config);
            TlsAcceptor::from(config).accept(stream).await.map_err(|error| (error.into(), None))
        });
        let stream = accepted.await.unwrap_or(Err((Refusal::Timeout, None)))?;
        let (_, session) = stream.get_ref();
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        let tls = Tls::of(session)
            .ok_or_else(|| (Refusal::Certificate("there is too much in it".to_owned()), None))?;
        if is_resumed { &self.tally.resumed } else { &self.tally.full }.inc();
        Ok((stream, tls))
    }

    /// What the configuration says about the endpoint.
    pub(crate) const fn options(&self) -> &TlsOptions {
        &self.options
    }

    /// The endpoint's name in metrics and in the log.
    pub(crate) fn transport(&self) -> &str {
        &self.transport
    }

    /// The files that the certificates come from.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.options.files()
    }

    /// What is served now.
    pub(super) fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Reads the files again if they have changed. New certificates take the place of the old ones only if all of them can be
    /// served and hold now. None: they have, with the same bytes. Reads files: not for a connection's task.
    pub(super) fn reload(&self) -> Option<Result<(), TlsLoadError>> {
        let current = self.current.load_full();
        self.watch.renew(
            false,
            self.options.files(),
            || Loaded::read(&self.options, Some(&self.current.load())),
            |loaded| &loaded.pairs,
            &current.pairs,
            |loaded| self.current.store(Arc::new(loaded)),
        )
    }

    /// Whether new certificates hold by now that did not when they were read.
    pub(super) fn is_due(&self) -> bool {
        self.watch.is_due()
    }
}

impl Loaded {
    fn read(options: &TlsOptions, before: Option<&Self>) -> Result<Self, TlsLoadError> {
        let mut faults = Vec::new();
        let mut pairs = Vec::new();
        for files in options.pairs() {
            match Pair::read(files) {
                Ok(pair) => pairs.push(pair),
                Err(found) => faults
                    .extend(found.iter().map(|fault| format!("{} {fault}", fault.file(files).display()))),
            }
        }
        let clients = options.clients.as_ref();
        let files = clients.map(|clients| clients.authorities.as_slice()).unwrap_or_default();
        let roots = authorities::read(files).map_err(|found| {
            let name = |place: usize| files.get(place).map(|file| file.display().to_string());
            faults.extend(
                found.into_iter().map(|(place, what)| format!("{} {what}", name(place).unwrap_or_default())),
            );
        });
        let (true, Ok(roots)) = (faults.is_empty(), roots) else { return Err(TlsLoadError(faults)) };
        let failed = |error: String| TlsLoadError(vec![error]);
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?;
        let builder = match clients {
            Some(clients) => {
                let verifier = authorities::verifier(roots, clients, &provider).map_err(failed)?;
                builder.with_client_cert_verifier(verifier)
            }
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Chooser::new(&pairs)));
        let authorities = hash(files.iter());
        let tickets = match before.filter(|before| before.authorities == authorities) {
            Some(before) => Arc::clone(&before.tickets),
            None => ring::Ticketer::new().map_err(|error| failed(error.to_string()))?,
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        // What resumes a session is with the client, sealed, and takes no memory here.
        config.ticketer = Arc::clone(&tickets);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A browser opens one WebSocket; each further ticket costs a record and its sealing.
        config.send_tls13_tickets = 1;
        Ok(Self { config: Arc::new(config), pairs, tickets, authorities })
    }
}
