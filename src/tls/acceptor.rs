//! Makes the TLS handshakes of one endpoint, with the certificates that it has read last.

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
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
    metrics::Tally,
    pair::{MAX_FILE, Pair},
    refusal::Refusal,
    session::Tls,
};
use crate::{file, time::Timestamp};

/// What begins a TLS handshake: the type of its record (RFC 8446, 5.1).
const HANDSHAKE: u8 = 22;

/// The only protocol that is spoken inside (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

/// Later than any moment.
const NEVER: u64 = u64::MAX;

/// TLS at one endpoint.
#[derive(Debug)]
pub struct Acceptor {
    transport: String,
    options: TlsOptions,
    current: Arc<ArcSwap<Loaded>>,
    pub(super) tally: Tally,
    metrics: TlsMetrics,
    /// The hash of the files that are served. None: those that were read last cannot be, and are tried again: what was wrong may be the
    /// mode of a file or the clock, and not its bytes.
    last: Mutex<Option<[u8; 32]>>,
    /// When new certificates begin to hold, in milliseconds, if nothing else is wrong with them; [`NEVER`]: there are none such.
    due: AtomicU64,
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

/// Why an endpoint has no TLS.
#[derive(Debug)]
pub struct TlsLoadError(Vec<String>);

impl fmt::Display for TlsLoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for TlsLoadError {}

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
            last: Mutex::new(Some(last)),
            due: AtomicU64::new(NEVER),
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
        // Held throughout: of two reloads at once the later one must win.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let found = hash(self.options.files());
        if *last == Some(found) {
            return None;
        }
        *last = None;
        let now = Timestamp::now();
        let loaded = Loaded::read(&self.options, Some(&self.current.load()));
        let due = loaded.as_ref().ok().and_then(|loaded| loaded.begins(now));
        self.due.store(due.map_or(NEVER, Timestamp::as_millis), Ordering::Relaxed);
        let loaded = loaded.and_then(|loaded| loaded.holds(now).map(|()| loaded));
        Some(loaded.map(|loaded| {
            *last = Some(found);
            self.current.store(Arc::new(loaded));
        }))
    }

    /// Whether new certificates hold by now that did not when they were read.
    pub(super) fn is_due(&self) -> bool {
        Timestamp::now().as_millis() >= self.due.load(Ordering::Relaxed)
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

    /// When all certificates hold, if time is all that it takes.
    fn begins(&self, now: Timestamp) -> Option<Timestamp> {
        let said = || self.pairs.iter().map(|pair| &pair.said);
        let begins = said().map(|said| said.not_before).max().filter(|&begins| begins > now)?;
        said().all(|said| begins <= said.not_after).then_some(begins)
    }

    /// Whether clients accept all certificates now.
    fn holds(&self, now: Timestamp) -> Result<(), TlsLoadError> {
        let faults = self.pairs.iter().filter_map(|pair| {
            let why = pair.out_of_time(now)?;
            Some(format!("{}: {why}", pair.file.display()))
        });
        let faults: Vec<String> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(TlsLoadError(faults)) }
    }
}

/// The hash of files, one behind the other. One that cannot be read counts as empty.
fn hash<'a>(files: impl Iterator<Item = &'a PathBuf>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for file in files {
        let bytes = file::read(file, MAX_FILE).unwrap_or_default();
        hash.update(bytes.len().to_le_bytes());
        hash.update(bytes);
    }
    hash.finalize().into()
}
