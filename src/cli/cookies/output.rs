//! What the commands print: tables for people, JSON Lines for programs, and the progress.

use std::{
    io::{self, IsTerminal as _, StdoutLock, Write as _, stderr, stdout},
    path::Path,
};

use serde_json::json;

use super::super::complain;
use wampgate::{
    admin::{Authenticated, CookieEntry, Summary},
    store::{Repaired, TrackingId},
};

/// How records are printed for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    /// The command prints no records.
    None,
    /// One line for each record.
    Table,
    /// One line for each field.
    Details,
}

/// Standard output, and standard error for the progress.
pub(super) struct Output {
    out: io::BufWriter<StdoutLock<'static>>,
    json: bool,
    listing: Listing,
    has_heading: bool,
    progress: Progress,
}

/// A line on standard error that changes. Without a terminal there is none.
#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    last: Option<String>,
}

impl Output {
    pub(super) fn new(json: bool, listing: Listing) -> Self {
        // A listing on the same terminal shows the progress.
        let is_shown = listing == Listing::None || !stdout().is_terminal();
        let out = io::BufWriter::new(stdout().lock());
        Self { out, json, listing, has_heading: false, progress: Progress::new(is_shown) }
    }

    pub(super) fn record(&mut self, entry: &CookieEntry) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, entry)?;
            return writeln!(self.out);
        }
        if self.listing == Listing::Details { self.details(entry) } else { self.row(entry) }
    }

    fn row(&mut self, entry: &CookieEntry) -> io::Result<()> {
        let width = shown_id(entry).len().max(16);
        if !self.has_heading {
            let name = if entry.id.is_some() { "TRACKING ID" } else { "PUBLIC ID" };
            writeln!(
                self.out,
                "{name:width$}  {:24}  {:24}  {:24}  OPEN  AUTHENTICATED AS",
                "CREATED", "LAST SEEN", "EXPIRES"
            )?;
            self.has_heading = true;
        }
        let identity = entry.authentication.as_ref().map_or_else(|| "-".to_owned(), identity);
        writeln!(
            self.out,
            "{:width$}  {}  {}  {}  {:>4}  {identity}",
            shown_id(entry),
            entry.created.to_text(),
            entry.last_seen.to_text(),
            entry.expires.to_text(),
            entry.connections,
        )
    }

    fn details(&mut self, entry: &CookieEntry) -> io::Result<()> {
        let out = &mut self.out;
        if let Some(id) = &entry.id {
            writeln!(out, "tracking ID   {}", id.expose())?;
        }
        writeln!(out, "public ID     {}", entry.public_id)?;
        writeln!(out, "created       {}", entry.created.to_text())?;
        writeln!(out, "last seen     {}", entry.last_seen.to_text())?;
        writeln!(out, "expires       {}", entry.expires.to_text())?;
        writeln!(out, "max age       {} s", entry.max_age)?;
        writeln!(out, "connections   {}", entry.connections)?;
        let Some(authentication) = &entry.authentication else {
            return writeln!(out, "authenticated no");
        };
        writeln!(out, "authenticated {}", authentication.at.to_text())?;
        writeln!(out, "  authid      {}", printable(&authentication.authid))?;
        writeln!(out, "  authrole    {}", printable(&authentication.authrole))?;
        writeln!(out, "  authmethod  {}", printable(&authentication.authmethod))?;
        writeln!(out, "  authrealm   {}", printable(&authentication.authrealm))?;
        writeln!(out, "  authextra   {}", printable(authentication.authextra.get()))
    }

    pub(super) fn progress(&mut self, done: u64, total: Option<u64>) {
        self.progress.show(done, total);
    }

    pub(super) fn end_progress(&mut self) {
        self.progress.clear();
    }

    /// Prints the summary of a command, except that of a listing.
    pub(super) fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        match (self.json, summary) {
            (_, Summary::Listed { .. }) => {}
            (true, summary) => {
                serde_json::to_writer(&mut self.out, summary)?;
                writeln!(self.out)?;
            }
            (false, summary) => writeln!(self.out, "{}", sentence(summary))?,
        }
        self.out.flush()
    }

    /// Prints how many cookies a listing has, and of how many.
    pub(super) fn count(&mut self, shown: u64, all: u64) -> io::Result<()> {
        if !self.json {
            match all {
                0 => writeln!(self.out, "no cookies")?,
                all if shown < all => writeln!(self.out, "{shown} of {}", counted(all, "cookie"))?,
                all => writeln!(self.out, "{}", counted(all, "cookie"))?,
            }
        }
        self.out.flush()
    }

    pub(super) fn repaired(&mut self, path: &Path, repaired: &Repaired) -> io::Result<()> {
        let Repaired { kept, dropped, dropped_bytes, damaged_copy } = repaired;
        if self.json {
            let copy = damaged_copy.as_ref().map(|copy| copy.display().to_string());
            let repaired = json!({ "kept": kept, "dropped": dropped, "dropped_bytes": dropped_bytes, "damaged_copy": copy });
            writeln!(self.out, "{}", json!({ "repaired": repaired }))?;
        } else if let Some(copy) = damaged_copy {
            writeln!(
                self.out,
                "{}: kept {}, dropped {} ({dropped_bytes} bytes); the damaged file is now {}",
                path.display(),
                counted(*kept, "whole line"),
                counted(*dropped, "damaged line"),
                copy.display()
            )?;
            writeln!(
                self.out,
                "a dropped line may have been a revocation: revoke again the cookies that must not come back"
            )?;
        } else {
            writeln!(self.out, "{}: {}, none is damaged", path.display(), counted(*kept, "line"))?;
        }
        self.out.flush()
    }
}

impl Progress {
    /// A progress that shows itself if standard error is a terminal.
    pub(super) fn new(is_wanted: bool) -> Self {
        Self { is_shown: is_wanted && stderr().is_terminal(), last: None }
    }

    pub(super) fn show(&mut self, done: u64, total: Option<u64>) {
        if !self.is_shown {
            return;
        }
        let text = match total.and_then(|total| (done * 100).checked_div(total)) {
            Some(percent) => format!("{percent:>3} %"),
            None => format!("{done} cookies"),
        };
        if self.last.as_ref() != Some(&text) {
            complain(&format_args!("\r{text}"));
            self.last = Some(text);
        }
    }

    /// Clears the line, so that other text can use it.
    pub(super) fn clear(&mut self) {
        if let Some(text) = self.last.take() {
            complain(&format_args!("\r{:width$}\r", "", width = text.len()));
        }
    }
}

/// A summary in words.
pub(super) fn sentence(summary: &Summary) -> String {
    match *summary {
        Summary::Listed { records } => counted(records, "cookie"),
        Summary::Revoked { records, connections } => {
            format!("revoked {}, closed {}", counted(records, "cookie"), counted(connections, "connection"))
        }
        Summary::Revocable { records, connections } => {
            let (records, connections) = (counted(records, "cookie"), counted(connections, "connection"));
            format!("would revoke {records} and close {connections}; nothing is changed")
        }
        Summary::Purged { records } => format!("dropped {}", counted(records, "expired cookie")),
        Summary::Compacted { lines_before, lines_after, bytes_before, bytes_after } => {
            format!("{lines_before} lines ({bytes_before} bytes) became {lines_after} ({bytes_after} bytes)")
        }
        Summary::Imported { added, existing, expired, unfit } => {
            let left_out = [
                (existing, "already there"),
                (expired, "expired"),
                (unfit, "with an authentication of more than 64 KiB"),
            ];
            let left_out = left_out.iter().filter(|(number, _)| *number > 0);
            let left_out = left_out.map(|(number, why)| format!(", left out {number} {why}"));
            format!("added {}{}", counted(added, "cookie"), left_out.collect::<String>())
        }
    }
}

pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn shown_id(entry: &CookieEntry) -> &str {
    entry.id.as_ref().map_or(&entry.public_id, TrackingId::expose)
}

fn identity(authentication: &Authenticated) -> String {
    let Authenticated { authid, authrole, authmethod, .. } = authentication;
    printable(&format!("{authid} ({authrole}, {authmethod})"))
}

/// The text without control characters, which a terminal would obey. Clients choose some of the text.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_unicode());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing_that_is_printed() {
        assert_eq!(printable("jö\u{1b}[2J\n\u{9b}"), "jö\\u{1b}[2J\\u{a}\\u{9b}");
    }

    #[test]
    fn imports_tell_what_was_left_out() {
        let summary = Summary::Imported { added: 1, existing: 2, expired: 0, unfit: 3 };
        let expected =
            "added 1 cookie, left out 2 already there, left out 3 with an authentication of more than 64 KiB";
        assert_eq!(sentence(&summary), expected);
    }
}
