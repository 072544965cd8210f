//! `wampgate schema`: what may stand in a configuration, for editors and for people.

mod reference;

use std::io::{self, Write};

use wampgate::config;

/// Writes the JSON Schema, by which an editor checks a configuration, or the same as a page for people.
pub(crate) fn schema(as_page: bool, out: &mut impl Write) -> io::Result<()> {
    if as_page {
        out.write_all(reference::page(&config::schema().to_value()).as_bytes())?;
    } else {
        serde_json::to_writer_pretty(&mut *out, &config::schema())?;
        writeln!(out)?;
    }
    out.flush()
}
