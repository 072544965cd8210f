//! `wampgate cookies ls`: lists the live cookies, in an order if the operator wants one, and counts them.

use std::cmp::Ordering;

use clap::{Args, ValueEnum};

use super::{
    StoreArgs,
    output::{Listing, Output},
    place::{self, StoreAccess},
};
use wampgate::admin::{Command, CookieEntry, Reply, Summary};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only cookies that are authenticated as AUTHID
    #[arg(long, value_name = "AUTHID")]
    authid: Option<String>,
    /// At most N cookies; the count is of all of them
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// By what to sort. Default: in no particular order
    #[arg(long, value_name = "KEY")]
    sort: Option<SortKey>,
    /// Sort the other way round: the latest, the most first
    #[arg(long, requires = "sort")]
    reverse: bool,
    #[command(flatten)]
    store: StoreArgs,
}

/// What a listing can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SortKey {
    /// When the cookie was handed out.
    Created,
    /// When the client was last seen.
    LastSeen,
    /// When the cookie expires.
    Expires,
    /// The number of open connections.
    Open,
    /// Who is authenticated; cookies without authentication come last.
    Authid,
}

/// The first entries in an order, of any number that are added one by one.
struct Sorted {
    key: SortKey,
    reverse: bool,
    limit: Option<usize>,
    entries: Vec<CookieEntry>,
}

/// Lists the cookies and prints their number.
pub(super) fn list(args: &ListArgs) -> anyhow::Result<()> {
    let place = StoreAccess::reach(place::choose(&args.store)?, false)?;
    let mut output = Output::new(args.store.json, Listing::Table);
    let mut sorted = args.sort.map(|key| Sorted {
        key,
        reverse: args.reverse,
        limit: args.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
        entries: Vec::new(),
    });
    // The gateway knows no order, so that it must give all records to be sorted.
    let limit = args.limit.filter(|_| args.sort.is_none());
    let command = Command::List { authid: args.authid.clone(), limit };
    let mut shown = 0;
    let summary = place.perform(command, args.store.reveal, None, &mut |reply| {
        match (reply, &mut sorted) {
            (Reply::Record(entry), Some(sorted)) => sorted.add(*entry),
            // An older gateway gives all records.
            (Reply::Record(entry), None) if limit.is_none_or(|limit| shown < limit) => {
                shown += 1;
                output.record(&entry)?;
            }
            (Reply::Progress { done, total }, _) => output.progress(done, total),
            _ => {}
        }
        Ok(())
    });
    output.end_progress();
    let summary = summary?;
    for entry in sorted.map(Sorted::finish).unwrap_or_default() {
        shown += 1;
        output.record(&entry)?;
    }
    let all = if let Summary::Listed { records } = summary { records } else { shown };
    Ok(output.count(shown, all)?)
}

impl Sorted {
    fn add(&mut self, entry: CookieEntry) {
        self.entries.push(entry);
        // A long list costs no more memory than twice what is shown of it.
        if self.limit.is_some_and(|limit| self.entries.len() >= limit.saturating_mul(2).max(1024)) {
            self.cut();
        }
    }

    fn finish(mut self) -> Vec<CookieEntry> {
        self.cut();
        self.entries
    }

    fn cut(&mut self) {
        let (key, reverse) = (self.key, self.reverse);
        self.entries.sort_by(|one, other| {
            let order = key.compare(one, other);
            if reverse { order.reverse() } else { order }
        });
        self.entries.truncate(self.limit.unwrap_or(usize::MAX));
    }
}

impl SortKey {
    fn compare(self, one: &CookieEntry, other: &CookieEntry) -> Ordering {
        let authid = |entry: &CookieEntry| entry.authentication.as_ref().map(|a| a.authid.clone());
        match self {
            Self::Created => one.created.cmp(&other.created),
            Self::LastSeen => one.last_seen.cmp(&other.last_seen),
            Self::Expires => one.expires.cmp(&other.expires),
            Self::Open => one.connections.cmp(&other.connections),
            Self::Authid => match (authid(one), authid(other)) {
                (Some(one), Some(other)) => one.cmp(&other),
                (one, other) => one.is_none().cmp(&other.is_none()),
            },
        }
    }
}
