//! Sends to a collector: a connection for each batch, by the runtime of the gateway, with or without TLS.

use std::{
    io,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{Bytes, HttpClient, HttpError};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Handle,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};
use tracing::{info, warn};

/// A collector answers with a few bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// The way to a collector.
#[derive(Debug)]
pub(super) struct Collector {
    runtime: Handle,
    patience: Duration,
    /// A file with the authorities that count, in place of those of the system.
    authorities: Option<PathBuf>,
    /// Whether the operator knows that it does not answer.
    is_failing: AtomicBool,
}

impl Collector {
    pub(super) const fn new(runtime: Handle, patience: Duration, authorities: Option<PathBuf>) -> Self {
        Self { runtime, patience, authorities, is_failing: AtomicBool::new(false) }
    }

    /// The thread that exports has no runtime: the gateway's sends.
    async fn send(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let place = place(request.uri());
        let (patience, authorities) = (self.patience, self.authorities.clone());
        let sending =
            self.runtime.spawn(async move { timeout(patience, exchange(request, authorities)).await });
        let answer = match sending.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(anyhow!("no answer within {patience:?}")),
            Err(_) => Err(anyhow!("the gateway has ended")),
        };
        match &answer {
            Ok(answer) if answer.status().is_success() => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    info!(collector = place, "the collector takes traces again");
                }
            }
            Ok(answer) => self.fails(&place, &format_args!("it answers {}", answer.status())),
            Err(error) => self.fails(&place, &format_args!("{error:#}")),
        }
        answer
    }

    /// Tells the operator, once until it works again.
    fn fails(&self, collector: &str, why: &std::fmt::Arguments<'_>) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            warn!(
                collector,
                "traces do not reach the collector, and are lost while it does not take them: {why}"
            );
        }
    }
}

impl HttpClient for Collector {
    // What `async_trait` would make of an `async fn`.
    fn send_bytes<'s, 'f>(
        &'s self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move { self.send(request).await.map_err(HttpError::from) })
    }
}

/// The collector as the log names it, without a password that may stand in its URL.
fn place(uri: &Uri) -> String {
    format!("{}:{}", uri.host().unwrap_or_default(), port(uri))
}

fn is_tls(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if is_tls(uri) { 443 } else { 80 })
}

/// Connects, sends, and reads the answer to its end.
async fn exchange(request: Request<Bytes>, authorities: Option<PathBuf>) -> anyhow::Result<Response<Bytes>> {
    let uri = request.uri().clone();
    let Some(host) = uri.host().filter(|_| matches!(uri.scheme_str(), Some("http" | "https"))) else {
        bail!("its address is no URL of http or https: write one such as http://localhost:4318");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((&*bare, port(&uri))).await.context("it cannot be reached")?;
    if !is_tls(&uri) {
        return talk(stream, request).await;
    }
    let name = ServerName::try_from(bare).context("its name is none that a certificate has")?;
    // Reads files: once for each batch, beside a handshake that costs more.
    let tls = tls(authorities).await?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.context("no TLS")?;
    talk(stream, request).await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Bytes>,
) -> anyhow::Result<Response<Bytes>> {
    let (mut sender, connection) =
        http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.context("no HTTP")?;
    let driving = tokio::spawn(connection);
    let answer = sender.send_request(of_origin(request)?).await.context("no answer")?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| anyhow!("its answer cannot be read: {error}"))?.to_bytes();
    driving.abort();
    Ok(Response::from_parts(head, body))
}

/// The request as a server takes it: the path in its first line, the host in a header.
fn of_origin(request: Request<Bytes>) -> anyhow::Result<Request<Full<Bytes>>> {
    let (mut head, body) = request.into_parts();
    let authority = head.uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    head.headers.insert(header::HOST, HeaderValue::from_str(host)?);
    head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    head.uri = head.uri.path_and_query().map_or("/", |path| path.as_str()).parse()?;
    Ok(Request::from_parts(head, Full::new(body)))
}

async fn tls(authorities: Option<PathBuf>) -> anyhow::Result<Arc<ClientConfig>> {
    tokio::task::spawn_blocking(move || {
        let mut roots = RootCertStore::empty();
        match authorities {
            Some(file) => {
                let read =
                    CertificateDer::pem_file_iter(&file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                let certificates = read.with_context(|| format!("cannot read {}", file.display()))?;
                roots.add_parsable_certificates(certificates);
            }
            None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        }
        if roots.is_empty() {
            bail!("no authority is known: name a file in OTEL_EXPORTER_OTLP_CERTIFICATE");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    })
    .await
    .map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_the_log_nor_the_request_has_what_stands_before_the_host() {
        let uri: Uri = "https://user:password@collector.example/v1/traces".parse().unwrap();
        assert_eq!(place(&uri), "collector.example:443");
        let request = of_origin(Request::post(uri).body(Bytes::new()).unwrap()).unwrap();
        assert_eq!(
            (request.uri().to_string(), &request.headers()[header::HOST]),
            ("/v1/traces".to_owned(), &HeaderValue::from_static("collector.example"))
        );
        assert_eq!(place(&"http://[::1]:4318/v1/traces".parse().unwrap()), "[::1]:4318");
    }
}
