//! What goes wrong with a store. No message names an ID.

use std::{io, path::PathBuf, sync::Arc};

use crate::cookie::TrackingId;

/// Why a store could not do as asked. No message names an ID.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The ID is taken; draw another one.
    #[error("the tracking ID exists already")]
    Exists,
    /// Another call has replaced the ID before. Nothing was changed by this one.
    #[error("the tracking ID has been replaced already")]
    Replaced {
        /// What it was replaced by.
        by: TrackingId,
    },
    /// The record is gone, or is not in the state in which it could be replaced as asked. Nothing was changed.
    #[error("the record has changed meanwhile: look it up again")]
    Outdated,
    /// Everything in the store is in use and none of it may be evicted.
    #[error("the cookie store is full ({limit} records): raise `max_cookies`")]
    Full {
        /// The configured bound.
        limit: usize,
    },
    /// The map of an LMDB store is full, and nothing in it has expired.
    #[error("the cookie store is full ({max_size} bytes): raise `max_size`")]
    MapFull {
        /// The configured bound in bytes.
        max_size: usize,
    },
    /// The disk hangs. The change may still be made.
    #[error("the cookie store's disk hangs: find out what slows it down")]
    Stalled,
    /// More changes wait for the disk than the store holds in memory; it may catch up.
    #[error("the cookie store's disk does not keep up: find out what slows it down, or relax `sync`")]
    Busy,
    /// A store elsewhere does not answer, or refuses. What was asked may be done all the same.
    #[error("the cookie store {0}")]
    Unreachable(Arc<str>),
    /// More operations wait for a store elsewhere than the gateway holds.
    #[error(
        "more operations wait for the cookie store than the gateway holds: find out what slows down Redis or the network"
    )]
    Overrun,
    /// An authentication that no store takes. Nothing was changed.
    #[error("the authentication cannot be recorded: {0}")]
    Unfit(&'static str),
    /// The medium failed; nothing is acknowledged any more until it works again.
    #[error("the cookie store failed: {0}")]
    Io(Arc<str>),
}

impl StoreError {
    /// Whether the store itself has told the operator, so that a line for each client that is refused tells nothing new.
    pub(crate) const fn is_told(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Stalled | Self::Unreachable(_) | Self::Overrun)
    }

    /// Whether the store cannot be asked at the moment, which says nothing about the client.
    pub(crate) const fn is_outage(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Overrun)
    }
}

/// Why a store cannot be opened. No message names an ID; every one names the file and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// Another process, or another store of this one, has it.
    #[error("the cookie store {} is in use already: stop the other process, or name another file", path.display())]
    InUse {
        /// The file or folder.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} the cookie store {}: {source}; {remedy}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What to do.
        remedy: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A record that was whole once is not any more. Nothing was changed.
    #[error(
        "the cookie store {} is damaged at line {line} (byte {offset}): {what}; put a sound copy in its place, \
         or keep what is whole with `wampgate cookies repair` and this command's `--node-dir` or `--config`", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first damaged line, counted from 1.
        line: u64,
        /// Where that line begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// No line is a cookie record, so that a repair would keep nothing. Nothing was changed.
    #[error(
        "{} has no cookie record in it ({what} at line {line}), so that a repair would keep nothing: check that it is \
         the cookie store, and name another file or move this one away to begin with an empty store", path.display()
    )]
    NoRecords {
        /// The file.
        path: PathBuf,
        /// The first line, counted from 1, that is none.
        line: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A format that a later version has introduced.
    #[error("the cookie store {} was written by a later version of wampgate (format {found}): run that version", path.display())]
    Newer {
        /// The file or folder.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// LMDB refused the environment.
    #[error("cannot open the LMDB cookie store {}: {what}; if it is damaged, put a sound copy in its place", path.display())]
    Lmdb {
        /// The folder.
        path: PathBuf,
        /// What LMDB said.
        what: String,
    },
    /// Redis cannot be reached, or refuses.
    #[error("cannot open the cookie store {place}: {what}")]
    Redis {
        /// Where it is, without a password.
        place: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// The file that the configuration names has no key.
    #[error(transparent)]
    Key(#[from] crate::cookie::PublicIdKeyError),
}
