//! Who has done what to a store of the running gateway: one line of the log for each command.

use tokio::net::UnixStream;
use tracing::info;

use super::{AdminRequest, Command, Failure, Selection, Summary};
use crate::stream::PeerAddr;

/// Who gives a command: the process at the other end of the socket, as the system knows it, or the operator's page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Caller {
    uid: Option<u32>,
    pid: Option<i32>,
    peer: Option<PeerAddr>,
}

impl Caller {
    pub(super) fn of(stream: &UnixStream) -> Self {
        let credentials = stream.peer_cred().ok();
        Self {
            uid: credentials.as_ref().map(tokio::net::unix::UCred::uid),
            pid: credentials.as_ref().and_then(tokio::net::unix::UCred::pid),
            peer: None,
        }
    }

    /// The operator's page in a browser at this address.
    pub(crate) fn page(peer: PeerAddr) -> Self {
        Self { peer: Some(peer), ..Self::default() }
    }

    /// Tells the operator which session was ended.
    pub(crate) fn tell_of_a_kill(self, realm: &str, session: u64) {
        let peer = self.peer.map(tracing::field::display);
        info!(peer, command = "kill", realm, session, "a command ended a session");
    }

    /// Tells the operator who has the configuration read again; what comes of it has lines of its own.
    pub(super) fn tell_of_reload(self) {
        let Self { uid, pid, .. } = self;
        info!(uid, pid, command = "reload", "a command reloads the configuration");
    }

    /// Tells the operator what was done, whether tracking IDs were shown, and to which client (`public_id`) if an ID named one. The fields have the same names for every command; those that do not apply are left out.
    pub(crate) fn tell(
        self,
        store: &str,
        request: &AdminRequest,
        public_id: Option<&str>,
        has_revealed: bool,
        outcome: &Result<Summary, Failure>,
    ) {
        let Self { uid, pid, peer } = self;
        let peer = peer.map(tracing::field::display);
        let (command, authid) = match &request.command {
            Command::List { authid, .. } => ("list", authid.as_deref()),
            Command::Show(_) => ("show", None),
            Command::Revoke(Selection::Id(_)) => ("revoke-id", None),
            Command::Revoke(Selection::Authid(authid)) => ("revoke-authid", Some(authid.as_str())),
            Command::Revoke(Selection::All) => ("revoke-all", None),
            Command::CountRevoked(Selection::Authid(authid)) => ("count-authid", Some(authid.as_str())),
            Command::CountRevoked(_) => ("count", None),
            Command::Purge => ("purge", None),
            Command::Compact => ("compact", None),
            Command::Import { .. } => ("import", None),
        };
        let (records, connections) = match outcome {
            Ok(
                Summary::Listed { records }
                | Summary::Purged { records }
                | Summary::Imported { added: records, .. },
            ) => (Some(*records), None),
            Ok(Summary::Revoked { records, connections } | Summary::Revocable { records, connections }) => {
                (Some(*records), Some(*connections))
            }
            Ok(Summary::Compacted { lines_after, .. }) => (Some(*lines_after), None),
            Err(_) => (None, None),
        };
        let failure = outcome.as_ref().err().map(tracing::field::display);
        // What shows credentials must be found in a log without knowing which commands do.
        let what = match (&outcome, has_revealed) {
            (Err(_), _) => "a command on cookies failed",
            (Ok(_), true) => "tracking IDs were revealed",
            (Ok(_), false) => "a command on cookies was carried out",
        };
        info!(
            uid,
            pid,
            peer,
            store,
            command,
            authid,
            public_id,
            reveal = request.reveal,
            records,
            connections,
            failure,
            "{what}"
        );
    }
}
