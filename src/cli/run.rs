//! `wampgate run`: the gateway itself.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{RunArgs, logging, reload};
use wampgate::{
    Gateway, Server,
    admin::{AdminSocket, SocketError},
    config::{self, Config},
    policy::Recorder,
};

/// The exit code after a second signal: 128 and the number of SIGINT, as a shell reports it.
const INTERRUPTED: u8 = 130;

/// Runs until a signal, then drains.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    logging::start(args.log_format, &args.log)?;
    let loaded = match config::load_by(&args.source.source(), &args.load_options()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    // On a worker rather than on this thread, so that accepting needs no switch between threads.
    runtime
        .block_on(runtime.spawn(serve(loaded.config, args.record.clone())))
        .context("the gateway crashed")?
}

async fn serve(config: Config, record: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let gateway = Gateway::start(config).context("cannot start")?;
    if let Some(file) = record {
        let recorder = Recorder::open(&file).with_context(|| format!("--record {}", file.display()))?;
        gateway.record(&Arc::new(recorder));
    }
    let shutdown = CancellationToken::new();
    let admin = listen_for_commands(&gateway, &shutdown)?;
    let server = gateway.bind()?;
    // Before the gateway announces itself: a signal must find a handler.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let reloading = reload::start(Arc::clone(gateway.policies())).context("cannot listen for SIGHUP")?;
    announce(&gateway, &server).context("cannot write to standard output")?;
    let serving = gateway.serve(server, shutdown.clone());
    let serving = tokio::spawn(async move {
        serving.await;
        admin.close();
        admin.wait().await;
    });
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    reloading.abort();
    info!("shutting down; a second signal ends at once");
    shutdown.cancel();
    tokio::select! {
        served = serving => served.context("the server crashed").map(|()| ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::from(INTERRUPTED)),
        _ = interrupt.recv() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// Opens the socket for `wampgate cookies`, if there is a node directory to put it in. The gateway runs without the socket
/// as well, but it does not start next to another gateway.
fn listen_for_commands(gateway: &Gateway, shutdown: &CancellationToken) -> Result<TaskTracker, SocketError> {
    let tasks = TaskTracker::new();
    if gateway.stores().is_empty() || !gateway.node_dir().is_dir() {
        return Ok(tasks);
    }
    match AdminSocket::bind(gateway.node_dir()) {
        Ok(socket) => drop(tasks.spawn(socket.run(gateway.stores().to_vec(), shutdown.clone()))),
        Err(in_use @ SocketError::InUse { .. }) => return Err(in_use),
        Err(error) => warn!(%error, "`wampgate cookies` will not reach this gateway"),
    }
    Ok(tasks)
}

/// Prints where the gateway listens, for people and for scripts: one line for each listener, and one for each service.
fn announce(gateway: &Gateway, server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "wampgate {}", env!("CARGO_PKG_VERSION"))?;
    for (url, transport) in server.urls().iter().zip(gateway.transports()) {
        writeln!(out, "listening on {url}")?;
        for (path, target) in transport.config().edge.root.targets() {
            writeln!(out, "  {:<9} {url}{path}", target.kind())?;
        }
        if transport.has_page_at_root() {
            // A browser on this machine finds a listener at all interfaces here.
            let here = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
            writeln!(out, "open {here}/ in a browser")?;
        }
    }
    out.flush()
}
