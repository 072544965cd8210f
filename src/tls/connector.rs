//! TLS toward servers behind the gateway: whose certificates count there, and which one the gateway shows.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use arc_swap::ArcSwapOption;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, sign::SingleCertAndKey};

use super::{
    authorities,
    fault::TlsLoadError,
    options::{CertificateFiles, ConnectorOptions},
    pair::Pair,
    watch::{Watch, hash},
};
use crate::time::Timestamp;

/// TLS to the servers behind one path. What it is made of is read anew when the files change; open connections go on.
#[derive(Debug)]
pub struct Connector {
    transport: Box<str>,
    path: Box<str>,
    options: ConnectorOptions,
    /// None: the files cannot be used.
    current: ArcSwapOption<Ready>,
    watch: Watch,
}

/// What the files have given.
#[derive(Debug)]
struct Ready {
    config: Arc<ClientConfig>,
    /// The gateway's own certificate, if it has one.
    shown: Vec<Pair>,
}

/// The connectors of a gateway, as long as anything uses them. Cheap to clone; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Connectors(Arc<Mutex<Vec<Weak<Connector>>>>);

impl Connectors {
    /// TLS for a path, which is named in the log: that of before if it is made of the same files, so that a reload of the configuration leaves
    /// nothing behind. Reads the files. After an error a connector of before goes on as it was, and a new one comes to nothing.
    pub(crate) fn connector(
        &self,
        options: ConnectorOptions,
        transport: &str,
        path: &str,
    ) -> (Arc<Connector>, Result<(), TlsLoadError>) {
        let of_before = self.all().into_iter().find(|other| {
            other.options == options && other.place() == (transport, path) && other.config().is_some()
        });
        if let Some(connector) = of_before {
            // Nothing watches the system's authorities: a reload of the configuration reads them.
            let outcome = connector.renew(connector.options.authorities.is_none()).unwrap_or(Ok(()));
            return (connector, outcome);
        }
        let last = hash(options.files());
        let (current, outcome) = match Ready::read(&options) {
            Ok(ready) => (Some(Arc::new(ready)), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let connector = Arc::new(Connector {
            transport: transport.into(),
            path: path.into(),
            watch: Watch::new(current.is_some().then_some(last)),
            options,
            current: ArcSwapOption::new(current),
        });
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.strong_count() > 0);
        all.push(Arc::downgrade(&connector));
        (connector, outcome)
    }

    /// Those that are in use. Sessions from before a reload of the configuration may use others than new ones.
    pub(super) fn all(&self) -> Vec<Arc<Connector>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Connector {
    /// How TLS is spoken now; none: the files cannot be used.
    pub(crate) fn config(&self) -> Option<Arc<ClientConfig>> {
        self.current.load().as_ref().map(|ready| Arc::clone(&ready.config))
    }

    /// The transport and the path that it is for.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.transport, &self.path)
    }

    /// The names of the certificate that it shows, and how many whole days that holds; none: it shows no certificate.
    pub(super) fn shown(&self) -> (String, Option<i64>) {
        let (current, now) = (self.current.load_full(), Timestamp::now());
        let shown = current.as_ref().and_then(|ready| ready.shown.first());
        shown.map_or_else(Default::default, |pair| (pair.names(), Some(pair.days_left(now))))
    }

    /// The files that it is made of.
    pub(super) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.options.files()
    }

    /// Reads the files again if they have changed.
    pub(super) fn reload(&self) -> Option<Result<(), TlsLoadError>> {
        self.renew(false)
    }

    fn renew(&self, always: bool) -> Option<Result<(), TlsLoadError>> {
        let current = self.current.load_full();
        let in_use = current.as_ref().map_or(&[][..], |ready| &ready.shown);
        self.watch.renew(
            always,
            self.options.files(),
            || Ready::read(&self.options),
            |ready| &ready.shown,
            in_use,
            |ready| self.current.store(Some(Arc::new(ready))),
        )
    }

    /// Whether a new certificate holds by now that did not when it was read.
    pub(super) fn is_due(&self) -> bool {
        self.watch.is_due()
    }
}

impl ConnectorOptions {
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let shown = self.certificate.iter().flat_map(CertificateFiles::files);
        self.authorities.iter().flatten().chain(shown)
    }
}

impl Ready {
    fn read(options: &ConnectorOptions) -> Result<Self, TlsLoadError> {
        let mut faults = Vec::new();
        let roots = match options.authorities.as_deref() {
            Some(files) => authorities::read(files).map_err(|found| {
                let name = |place: usize| files.get(place).map(|file| file.display().to_string());
                found
                    .into_iter()
                    .map(|(place, what)| format!("{} {what}", name(place).unwrap_or_default()))
                    .collect()
            }),
            None => of_the_system().map_err(|why| vec![why]),
        };
        let roots = roots.map_err(|found: Vec<String>| faults.extend(found));
        let shown = options.certificate.as_ref().map(|files| {
            Pair::read(files).map_err(|found| {
                faults.extend(found.iter().map(|fault| format!("{} {fault}", fault.file(files).display())));
            })
        });
        let (Ok(roots), Ok(shown)) = (roots, shown.transpose()) else { return Err(TlsLoadError(faults)) };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsLoadError(vec![error.to_string()]))?
            .with_root_certificates(roots);
        let config = match &shown {
            Some(pair) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&pair.key))))
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self { config: Arc::new(config), shown: shown.into_iter().collect() })
    }
}

fn of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(
            "this system has no certificates of authorities: name a file in `ca_certificates`".to_owned()
        );
    }
    Ok(roots)
}
