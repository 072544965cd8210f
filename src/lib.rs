//! wampgate: a WebSocket gateway that gives every client an identity that survives reconnects.
//!
//! Most people run the command `wampgate`. This library is for two kinds of programs:
//!
//! - A test of a policy asks a component within the gateway's limits: [`testkit`], with the feature `testkit` alone.
//! - A program that embeds a gateway reads or writes a configuration ([`config`]) and serves it ([`Gateway`]):
//!
//! ```no_run
//! use wampgate::{
//!     CancellationToken, Gateway,
//!     config::{self, ConfigSource},
//! };
//!
//! # async fn embed() -> Result<(), Box<dyn std::error::Error>> {
//! let loaded = config::load(&ConfigSource::NodeDir("/srv/node".into()))?;
//! let gateway = Gateway::start(loaded.config)?;
//! let server = gateway.bind()?;
//! let shutdown = CancellationToken::new();
//! // Serves until another task cancels `shutdown` and the clients have left.
//! gateway.serve(server, shutdown).await;
//! # Ok(())
//! # }
//! ```
//!
//! `examples/embed.rs` and `examples/test_policy.rs` are complete programs. `docs/architecture.md` describes the modules that
//! this interface hides.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `cli` (default) | the command `wampgate`, and all of the below |
//! | `gateway` | [`Gateway`], [`config`], [`store`], [`admin`] |
//! | `testkit` | [`testkit`]; alone, it needs no gateway, no store and no C compiler |
//! | `otel` | the module `traces`: spans of OpenTelemetry; the command sends them to a collector |
//! | `cache` | compiled policies stay on disk from one run to the next |

#![cfg_attr(
    not(all(feature = "gateway", feature = "testkit")),
    allow(
        dead_code,
        unused_imports,
        unnameable_types,
        reason = "a test of a policy uses what the gateway does not, and the other way round"
    )
)]

#[cfg(feature = "gateway")]
pub mod admin;
#[cfg(feature = "gateway")]
pub mod config;
pub mod policy;
#[cfg(feature = "gateway")]
pub mod store;
#[cfg(feature = "testkit")]
pub mod testkit;
#[cfg(feature = "otel")]
pub mod traces;

#[cfg(feature = "gateway")]
mod admission;
#[cfg(feature = "gateway")]
mod assertion;
#[cfg(feature = "gateway")]
mod auth;
#[cfg(feature = "gateway")]
mod backend;
#[cfg(feature = "gateway")]
mod connection;
#[cfg(feature = "gateway")]
mod descriptors;
#[cfg(feature = "gateway")]
mod edge;
#[cfg(feature = "gateway")]
mod gateway;
#[cfg(feature = "gateway")]
mod handshake;
#[cfg(feature = "gateway")]
mod health;
#[cfg(feature = "gateway")]
mod realm;
#[cfg(feature = "gateway")]
mod remote;
#[cfg(feature = "gateway")]
mod server;
#[cfg(feature = "gateway")]
mod service;
#[cfg(feature = "gateway")]
mod session;
mod shown;
#[cfg(feature = "gateway")]
mod socket_file;
#[cfg(feature = "gateway")]
mod stream;
#[cfg(feature = "gateway")]
mod tls;
#[cfg(all(feature = "gateway", not(feature = "otel")))]
mod traces;
#[cfg(feature = "gateway")]
mod tracking;
#[cfg(feature = "gateway")]
mod upstream;
#[cfg(feature = "gateway")]
mod wire;

mod address;
mod cookie;
mod file;
mod identity;
#[cfg(feature = "gateway")]
mod memory;
mod metrics;
mod quantity;
mod ration;
mod time;
mod wamp;

#[cfg(feature = "gateway")]
pub use crate::{
    admin::ReloadReport,
    auth::{LoginFile, LoginFileReload, LoginFiles},
    config::Config,
    cookie::PublicIdKeyError,
    descriptors::raise_limit as raise_file_limit,
    gateway::{Gateway, Reconfigurer, ReloadError, RunningTransport, StartError},
    server::{BindError, Server},
    tls::{CertificateReload, Certificates, TlsLoadError},
};
/// Tells a gateway to stop; from `tokio-util`.
#[cfg(feature = "gateway")]
pub use tokio_util::sync::CancellationToken;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;

/// What a benchmark of this package measures. It is not part of the interface, and changes without notice.
#[cfg(feature = "gateway")]
#[doc(hidden)]
pub mod internals {
    pub use crate::{
        auth::timing::WrongClients,
        wamp::pattern::{Pattern, PatternMap, UriMatch},
    };
}
