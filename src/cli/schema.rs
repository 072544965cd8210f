//! `wampgate schema`: the JSON Schema of the configuration.

use std::io::{self, Write};

use wampgate::config;

/// Writes the schema, by which an editor checks a configuration.
pub(crate) fn schema(out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &config::schema())?;
    writeln!(out)
}
