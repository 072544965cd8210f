//! `wampgate check`: says everything that is wrong with a configuration, or that nothing is.

use std::io::{self, Write};

use crate::config::{self, ConfigSource, Faults, Loaded};

/// Checks a configuration and writes the outcome. True if it can be run, with or without warnings.
pub fn check(source: &ConfigSource, out: &mut impl Write) -> io::Result<bool> {
    check_with(source, &|name| std::env::var(name).ok(), out)
}

/// [`check`] with the given environment variables.
pub fn check_with(
    source: &ConfigSource,
    env: &dyn Fn(&str) -> Option<String>,
    out: &mut impl Write,
) -> io::Result<bool> {
    match config::load_with(source, env) {
        Ok(loaded) => report_sound(&loaded, out).map(|()| true),
        Err(faults) => report_faulty(&faults, out).map(|()| false),
    }
}

fn report_sound(loaded: &Loaded, out: &mut impl Write) -> io::Result<()> {
    let name = match &loaded.file {
        Some(file) => file.display().to_string(),
        None => "no configuration found, so the built-in one".to_owned(),
    };
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    let realms = counted(loaded.config.realms.len(), "realm");
    let transports = counted(loaded.config.transports.len(), "transport");
    writeln!(out, "{name}: OK, {realms}, {transports}")
}

fn report_faulty(faults: &Faults, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{faults}")?;
    writeln!(out, "{}: {}", faults.file, counted(faults.list.len() + faults.omitted, "fault"))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
