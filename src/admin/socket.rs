//! The gateway's end of the socket.

use std::{
    io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write},
    iter,
    net::Shutdown,
    os::unix::net::UnixStream as BlockingUnixStream,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    AdminRequest, Failure, HealthRequest, MAX_REQUEST, ManagedStores, ReloadCommand, ReloadRequest, Reply,
    VERSION, audit::Caller, perform_for,
};
use crate::{
    cookie::TrackingId,
    descriptors,
    health::Health,
    ration::Ration,
    socket_file::{SocketAccess, SocketFile, SocketFileError},
    store::{CookieRecord, MAX_LINE, read_lines},
    time::Timestamp,
};

pub use crate::config::ADMIN_SOCKET as SOCKET;

/// How many commands run at once; each takes a thread that may block. A person gives one at a time.
const MAX_COMMANDS: usize = 4;

/// How many connections wait to be accepted.
const BACKLOG: u32 = 16;

/// How long the peer may neither send what is due nor take what it asked for.
const STALL: Duration = Duration::from_secs(10);

/// After a failed accept the listener pauses for this long rather than spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often the operator hears of failed accepts.
const ACCEPT_LINES: Duration = Duration::from_secs(1);

/// The socket, listening. Dropping it removes its file.
#[derive(Debug)]
pub struct AdminSocket {
    // Before the listener: see there.
    file: SocketFile,
    listener: UnixListener,
}

/// What commands are about.
#[derive(Clone)]
pub(crate) struct Commanded {
    /// The gateway's stores.
    pub(crate) stores: ManagedStores,
    pub(crate) health: Health,
    /// None: the gateway's configuration did not come from where it could be read again.
    pub(crate) reload: Option<ReloadCommand>,
}

/// What a command asks.
#[derive(Debug)]
enum Asked {
    /// Whether the gateway is ready.
    Health,
    /// To read the configuration again.
    Reload,
    /// Something of a store.
    Store(AdminRequest),
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another gateway listens there.
    #[error(
        "the node directory is in use already: stop the other process, which listens at {}, or give this gateway a node directory \
         of its own", path.display()
    )]
    InUse {
        /// The socket's file.
        path: PathBuf,
    },
    /// There cannot be one.
    #[error("cannot listen at {}: {fault}", path.display())]
    Fault {
        /// The socket's file.
        path: PathBuf,
        /// Why not.
        fault: String,
    },
}

impl AdminSocket {
    /// Listens in a node directory. The gateway replaces a socket that a dead process left there. Needs a tokio runtime.
    pub fn bind(node_dir: &Path) -> Result<Self, SocketError> {
        let path = node_dir.join(SOCKET);
        // A user who may write to the socket may read every ID, so that it is the gateway's user's alone.
        match SocketFile::listen(&path, BACKLOG, SocketAccess::OWN) {
            Ok((listener, file)) => Ok(Self { file, listener }),
            Err(SocketFileError::InUse) => Err(SocketError::InUse { path }),
            Err(fault) => Err(SocketError::Fault { path, fault: fault.to_string() }),
        }
    }

    /// Serves commands until `shutdown`; those under way then end early.
    pub(crate) async fn run(self, commanded: Commanded, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_COMMANDS));
        let mut commands = JoinSet::new();
        let failures = Ration::new(1, ACCEPT_LINES);
        let mut watch = pin!(self.file.tell_of_removal());
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => break,
                () = &mut watch => continue,
                accepted = self.listener.accept() => accepted,
                Some(_) = commands.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (commanded, permits, shutdown) =
                        (commanded.clone(), Arc::clone(&permits), shutdown.clone());
                    commands.spawn(async move {
                        let Ok(_permit) = permits.acquire().await else { return };
                        if let Err(error) = serve(stream, commanded, &shutdown).await {
                            debug!(%error, "a command on the socket failed");
                        }
                    });
                }
                Err(error) => {
                    if let Some(line) = failures.line() {
                        let (left_out, remedy) = (line.left_out, descriptors::remedy(&error));
                        warn!(%error, left_out, "accept on the admin socket failed{remedy}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        commands.join_all().await;
    }
}

async fn serve(stream: UnixStream, commanded: Commanded, shutdown: &CancellationToken) -> io::Result<()> {
    let caller = Caller::of(&stream);
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STALL))?;
    stream.set_write_timeout(Some(STALL))?;
    let handle = stream.try_clone()?;
    let mut command = spawn_blocking(move || answer(&stream, caller, &commanded));
    tokio::select! {
        outcome = &mut command => return outcome?,
        () = shutdown.cancelled() => {}
    }
    // Its next read or write fails, which ends the command.
    drop(handle.shutdown(Shutdown::Both));
    command.await?
}

/// One request and its replies.
fn answer(stream: &BlockingUnixStream, caller: Caller, commanded: &Commanded) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    let mut output = BufWriter::new(stream);
    let last = match read_request(&mut input) {
        Err(complaint) => Reply::Failed(complaint),
        Ok(Asked::Health) => Reply::Health(commanded.health.report()),
        Ok(Asked::Reload) => match &commanded.reload {
            None => Reply::Failed("this gateway has no file to read again: restart it".to_owned()),
            Some(reload) => {
                caller.tell_of_reload();
                reload().map_or_else(Reply::Failed, Reply::Reloaded)
            }
        },
        Ok(Asked::Store(request)) => match commanded.stores.find(&request.store) {
            None => Reply::NoSuchStore,
            Some(store) => {
                let mut records = iter::from_fn(|| read_record(&mut input).transpose());
                // A store that knows IDs only by their digests has none to show.
                let mut has_revealed = false;
                let mut reply = |reply: Reply| {
                    has_revealed |= matches!(&reply, Reply::Record(entry) if entry.id.is_some());
                    let is_progress = matches!(reply, Reply::Progress { .. });
                    write(&mut output, &reply)?;
                    if is_progress { output.flush() } else { Ok(()) }
                };
                let (now, mut client) = (Timestamp::now(), None);
                let outcome = perform_for(&store, &request, &mut records, now, &mut reply, &mut client);
                caller.tell(&store.name, &request, client.as_deref(), has_revealed, &outcome);
                outcome.map_or_else(|failure| Reply::Failed(failure.to_string()), Reply::Done)
            }
        },
    };
    write(&mut output, &last)?;
    output.flush()
}

fn write(output: &mut impl Write, reply: &Reply) -> io::Result<()> {
    serde_json::to_writer(&mut *output, reply)?;
    output.write_all(b"\n")
}

fn read_request(input: &mut BufReader<&BlockingUnixStream>) -> Result<Asked, String> {
    let line = read_line(input, MAX_REQUEST).map_err(|error| format!("no request: {error}"))?;
    let (version, asked) = if let Ok(HealthRequest { v, health: true }) = serde_json::from_slice(&line) {
        (v, Asked::Health)
    } else if let Ok(ReloadRequest { v, reload: true }) = serde_json::from_slice(&line) {
        (v, Asked::Reload)
    } else {
        // The error of the parser could repeat an ID.
        let request: AdminRequest = serde_json::from_slice(&line)
            .map_err(|_| "this is no request that this version knows".to_owned())?;
        (request.v, Asked::Store(request))
    };
    if version == VERSION {
        Ok(asked)
    } else {
        Err(format!("the gateway speaks version {VERSION} of this protocol, the command {version}"))
    }
}

/// The next record of an import; nothing after the last one.
fn read_record(
    input: &mut BufReader<&BlockingUnixStream>,
) -> Result<Option<(TrackingId, CookieRecord)>, Failure> {
    let line = read_line(input, MAX_LINE)?;
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let (records, _) = read_lines(&*line, None, false)?;
    Ok(records.into_iter().next())
}

/// A line with its line break, which must be within `limit`.
fn read_line(input: &mut BufReader<&BlockingUnixStream>, limit: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(limit as u64 + 1).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "a line was cut off, or is too long"))
    }
}
