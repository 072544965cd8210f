//! The command's end of the socket.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, BufWriter, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

use serde::Serialize;

use super::{
    AdminRequest, HealthReport, HealthRequest, MAX_REQUEST, ReloadReport, ReloadRequest, Reply, SOCKET,
    Summary, VERSION,
};
use crate::{
    cookie::TrackingId,
    store::{CookieRecord, LineFormat, MAX_LINE, write_line},
};

/// How long the gateway may take to take a request.
const WRITE_PATIENCE: Duration = Duration::from_secs(4);

/// The longest reply: a record with the largest authentication, escaped.
const MAX_REPLY: usize = if MAX_LINE > MAX_REQUEST { 2 * MAX_LINE } else { 2 * MAX_REQUEST };

/// A connection to a gateway.
#[derive(Debug)]
pub struct AdminClient(UnixStream);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The gateway refused, or could not do it.
    #[error("{0}")]
    Refused(String),
    /// The gateway that runs does not have the store.
    #[error("the gateway that runs on this node directory does not have this store")]
    NoSuchStore,
    /// The gateway is gone, or something else listens there.
    #[error("the gateway did not answer to the end: {0}; look into its log")]
    Broken(String),
    /// What was answered could not be passed on.
    #[error(transparent)]
    Output(io::Error),
}

impl AdminClient {
    /// Connects to the gateway that runs on a node directory; nothing if none does.
    pub fn connect(node_dir: &Path) -> io::Result<Option<Self>> {
        match UnixStream::connect(node_dir.join(SOCKET)) {
            Ok(stream) => Ok(Some(Self(stream))),
            Err(error) => match error.kind() {
                // The latter: a gateway was killed, or the path is too long for a gateway to have listened there.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput => {
                    Ok(None)
                }
                _ => Err(error),
            },
        }
    }

    /// Asks whether the gateway is ready. It has `patience` for each step of its answer.
    pub fn health(&self, patience: Duration) -> Result<HealthReport, ClientError> {
        self.0.set_read_timeout(Some(patience)).map_err(|error| ClientError::Broken(error.to_string()))?;
        match self.ask_once(&HealthRequest { v: VERSION, health: true })? {
            Reply::Health(report) => Ok(report),
            _ => Err(ClientError::Broken("it answers another question".to_owned())),
        }
    }

    /// Has the gateway read its configuration again. That takes as long as new policies compile.
    pub fn reload(&self) -> Result<ReloadReport, ClientError> {
        match self.ask_once(&ReloadRequest { v: VERSION, reload: true })? {
            Reply::Reloaded(report) => Ok(report),
            _ => Err(ClientError::Broken("it answers another question".to_owned())),
        }
    }

    /// A request that has one reply.
    fn ask_once(&self, request: &impl Serialize) -> Result<Reply, ClientError> {
        let broken = |error: &dyn std::fmt::Display| ClientError::Broken(error.to_string());
        let mut stream = &self.0;
        stream.set_write_timeout(Some(WRITE_PATIENCE)).map_err(|error| broken(&error))?;
        let mut line = serde_json::to_vec(request).map_err(|error| broken(&error))?;
        line.push(b'\n');
        stream.write_all(&line).map_err(|error| broken(&error))?;
        match read_reply(&mut BufReader::new(stream))? {
            Reply::Failed(message) => Err(ClientError::Refused(message)),
            reply => Ok(reply),
        }
    }

    /// Asks, and passes records and progress on. `import` are the records that follow an import's request.
    pub fn ask(
        self,
        request: &AdminRequest,
        import: Option<&HashMap<TrackingId, CookieRecord>>,
        each: &mut dyn FnMut(Reply) -> io::Result<()>,
    ) -> Result<Summary, ClientError> {
        let broken = |error: &dyn std::fmt::Display| ClientError::Broken(error.to_string());
        let mut line = serde_json::to_vec(request).map_err(|error| broken(&error))?;
        line.push(b'\n');
        let stream = &self.0;
        thread::scope(|scope| {
            // On a thread of its own: while the gateway reports progress it would otherwise wait for us, and we for it.
            scope.spawn(move || -> io::Result<()> {
                let mut output = BufWriter::new(stream);
                output.write_all(&line)?;
                let mut line = Vec::new();
                for (id, record) in import.into_iter().flatten() {
                    line.clear();
                    write_line(id, record, LineFormat::Wampgate, &mut line);
                    output.write_all(&line)?;
                }
                if import.is_some() {
                    output.write_all(b"\n")?;
                }
                output.flush()
            });
            let outcome = read_replies(stream, each);
            // If the gateway has ended it early, no program reads what is still being written.
            drop(stream.shutdown(std::net::Shutdown::Both));
            outcome
        })
    }
}

fn read_replies(
    stream: &UnixStream,
    each: &mut dyn FnMut(Reply) -> io::Result<()>,
) -> Result<Summary, ClientError> {
    let mut input = BufReader::new(stream);
    loop {
        match read_reply(&mut input)? {
            Reply::Done(summary) => return Ok(summary),
            Reply::Failed(message) => return Err(ClientError::Refused(message)),
            Reply::NoSuchStore => return Err(ClientError::NoSuchStore),
            reply => each(reply).map_err(ClientError::Output)?,
        }
    }
}

fn read_reply(input: &mut impl BufRead) -> Result<Reply, ClientError> {
    let mut line = Vec::new();
    let read = input.take(MAX_REPLY as u64).read_until(b'\n', &mut line);
    read.map_err(|error| ClientError::Broken(error.to_string()))?;
    if !line.ends_with(b"\n") {
        return Err(ClientError::Broken("it hung up".to_owned()));
    }
    // The error of the parser could repeat an ID.
    serde_json::from_slice(&line).map_err(|_| ClientError::Broken("it speaks another language".to_owned()))
}
