//! `wampgate run`: the gateway itself.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::{self, ExitCode},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
    task,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{RunArgs, complain, environment, logging, notify, reload, reload::Watched};
use wampgate::{
    Gateway, Server,
    admin::{AdminSocket, SocketError},
    config::{self, Config, EdgeOptions, TargetOptions},
    policy::Recorder,
};

/// The exit code after a second signal: 128 and the number of SIGINT, as a shell reports it.
const INTERRUPTED: u8 = 130;

/// How long a start may take. The largest store is read in less than a minute, and the largest
/// components are compiled in one each.
const START_LIMIT: Duration = Duration::from_mins(10);

/// How long the process waits at its end for threads that may hang.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// How often a gateway that waits for another one looks again.
const TAKE_OVER_STEP: Duration = Duration::from_millis(50);

/// Runs until a signal, then drains.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let format = environment::log_format(args.log_format)?;
    logging::start(format, environment::log(args.log.as_deref())?)?;
    let load_options = args.load_options()?;
    if let Err(error) = wampgate::raise_file_limit() {
        warn!(%error, "the limit of open files stays as it is");
    }
    let starting = limit_start().context("cannot start a thread")?;
    let source = args.source.source();
    let loaded = match config::load_by(&source, &load_options) {
        Ok(loaded) => loaded,
        Err(error) => {
            for warning in &error.warnings {
                warn!("{warning}");
            }
            complain(&format_args!("{error}\n"));
            return Ok(ExitCode::FAILURE);
        }
    };
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let file = loaded.file.filter(|_| args.watch).map(reload::ConfigFile::at);
    let reading = move |gateway: &Gateway| Watched::of(gateway, source, load_options, file);
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    #[cfg(not(feature = "otel"))]
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_some() {
        info!(
            "the environment has OTEL_EXPORTER_OTLP_ENDPOINT, but this build has no traces: the cargo feature `otel` brings them"
        );
    }
    #[cfg(feature = "otel")]
    let traces = super::traces::start(runtime.handle());
    // On a worker rather than on this thread, so that accepting needs no switch between threads.
    let until = Instant::now() + Duration::from_secs(args.take_over.into());
    let serving = serve(loaded.config, until, reading, args.record.clone(), starting);
    let outcome = runtime.block_on(runtime.spawn(serving));
    #[cfg(feature = "otel")]
    if let Some(traces) = traces {
        traces.finish();
    }
    // What has to be written is written. A thread that waits for a file system does not hold up the end.
    runtime.shutdown_timeout(LAST_WAIT);
    outcome.context("the gateway crashed")?
}

/// Ends the process if it has not started in time. Dropping the sender says that it has.
fn limit_start() -> io::Result<mpsc::Sender<()>> {
    let (starting, started) = mpsc::channel();
    thread::Builder::new().name("start".to_owned()).spawn(move || {
        if started.recv_timeout(START_LIMIT) == Err(RecvTimeoutError::Timeout) {
            let minutes = START_LIMIT.as_secs() / 60;
            complain(&format!(
                "wampgate: the gateway has not started within {minutes} minutes: does a file system not answer?\n"
            ));
            process::exit(1);
        }
    })?;
    Ok(starting)
}

/// A token that the first SIGTERM or SIGINT cancels. The second one ends the process, whatever its other threads do: a thread of
/// its own waits for them, which does nothing else.
fn end_on_signals() -> io::Result<CancellationToken> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let first = CancellationToken::new();
    let token = first.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut either = || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
        };
        either();
        first.cancel();
        either();
        process::exit(INTERRUPTED.into());
    })?;
    Ok(token)
}

async fn serve(
    config: Config,
    take_over_until: Instant,
    reading: impl FnOnce(&Gateway) -> Watched,
    record: Option<PathBuf>,
    starting: mpsc::Sender<()>,
) -> anyhow::Result<ExitCode> {
    // Before anything that takes its time: a signal must find a handler.
    let signaled = end_on_signals().context("cannot listen for SIGTERM and SIGINT")?;
    let hang_ups = reload::hang_ups().context("cannot listen for SIGHUP")?;
    let shutdown = CancellationToken::new();
    let ends = signaled.clone();
    let begun = signaled.run_until_cancelled(async {
        let gateway = start(config, take_over_until, ends).await?;
        if let Some(file) = record {
            let recorder = Recorder::open(&file).with_context(|| format!("--record {}", file.display()))?;
            gateway.record(&Arc::new(recorder));
        }
        let watched = Arc::new(reading(&gateway));
        let admin = listen_for_commands(&gateway, take_over_until, &watched, &shutdown).await?;
        anyhow::Ok((gateway, watched, admin))
    });
    let (gateway, watched, admin) = match begun.await {
        Some(begun) if begun.is_ok() || !signaled.is_cancelled() => begun?,
        // A wait that the signal has ended may come to an error of its own.
        _ => {
            info!("a signal ends the gateway before it has started");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let server = gateway.bind()?;
    match announce(&gateway, &server) {
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        announced => announced.context("cannot write to standard output")?,
    }
    drop(starting);
    notify::watch();
    let serving = gateway.serve(server, shutdown.clone());
    let serving = tokio::spawn(async move {
        serving.await;
        admin.close();
        admin.wait().await;
    });
    notify::ready();
    let reloading = reload::start(watched, hang_ups);
    signaled.cancelled().await;
    reloading.abort();
    notify::stopping();
    info!("shutting down; a second signal ends at once");
    shutdown.cancel();
    serving.await.context("the server crashed").map(|()| ExitCode::SUCCESS)
}

/// Starts the gateway on a thread that may block: it may wait for another gateway, and for file systems. A signal ends the wait.
async fn start(config: Config, take_over_until: Instant, ends: CancellationToken) -> anyhow::Result<Gateway> {
    let may_wait = move || Instant::now() < take_over_until && !ends.is_cancelled();
    let starting = task::spawn_blocking(move || Gateway::start_after(config, &may_wait));
    starting.await.context("the gateway crashed")?.context("cannot start")
}

/// Opens the socket for `wampgate cookies`, `wampgate health` and `wampgate reload`, if there is a node directory to put it in. The gateway
/// runs without the socket as well, but with stores it does not start next to another gateway.
async fn listen_for_commands(
    gateway: &Gateway,
    take_over_until: Instant,
    watched: &Arc<Watched>,
    shutdown: &CancellationToken,
) -> Result<TaskTracker, SocketError> {
    let tasks = TaskTracker::new();
    if !gateway.node_dir().is_dir() {
        return Ok(tasks);
    }
    let mut bound = AdminSocket::bind(gateway.node_dir());
    if let Err(SocketError::InUse { path }) = &bound
        && Instant::now() < take_over_until
    {
        info!(path = %path.display(), "waiting for another process to let go of the node directory");
    }
    // A gateway that ends lets go of its stores and its socket one after the other.
    while matches!(bound, Err(SocketError::InUse { .. })) && Instant::now() < take_over_until {
        tokio::time::sleep(TAKE_OVER_STEP).await;
        bound = AdminSocket::bind(gateway.node_dir());
    }
    match bound {
        Ok(socket) => {
            let watched = Arc::clone(watched);
            let reload = move || watched.reload();
            drop(tasks.spawn(gateway.serve_commands(socket, Some(Arc::new(reload)), shutdown.clone())));
        }
        Err(in_use @ SocketError::InUse { .. }) if !gateway.stores().is_empty() => return Err(in_use),
        Err(error) => warn!(
            %error,
            "`wampgate cookies`, `wampgate health` and `wampgate reload` will not reach this gateway"
        ),
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
            // What a client of the service is given: `ws://` and `wss://`.
            let is_websocket = match target {
                TargetOptions::WebSocket(_) => true,
                TargetOptions::Proxied(proxied) => proxied.http.is_none(),
                _ => false,
            };
            let scheme = is_websocket.then(|| url.strip_prefix("http")).flatten();
            let url = scheme.map_or_else(|| url.clone(), |rest| format!("ws{rest}"));
            writeln!(out, "  {:<9} {url}{path}", target.kind())?;
        }
        if transport.config().edge.raw_socket.is_some() {
            // A client is given `rs://`, and `rss://` with TLS.
            let url = url.strip_prefix("http").map_or_else(|| url.clone(), |rest| format!("rs{rest}"));
            writeln!(out, "  {:<9} {url}", EdgeOptions::RAW_SOCKET)?;
        }
        // A browser opens no Unix socket.
        if transport.has_page_at_root() && url.starts_with("http") {
            // A browser on this machine finds a listener at all interfaces here.
            let here = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
            writeln!(out, "open {here}/ in a browser")?;
        }
    }
    out.flush()
}
