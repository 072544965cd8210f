//! The command line, read: each option has to stand where it has an effect.

use std::ffi::OsString;

use clap::{
    ArgMatches, Command, CommandFactory as _, FromArgMatches as _, error::ErrorKind, parser::ValueSource,
};

use super::Cli;

/// Reads a command line, the name of the program first.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    if let Some(told) = misplaced(&command, &matches) {
        return Err(command.error(ErrorKind::ArgumentConflict, told));
    }
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// What to do about an option before a subcommand. Without a subcommand the options are those of `run`; before one they would be for
/// nothing.
fn misplaced(command: &Command, matches: &ArgMatches) -> Option<String> {
    let mut subcommand = matches.subcommand()?;
    // A switch that is not there has its default.
    let given = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
    let option = matches
        .ids()
        .filter(given)
        .find_map(|id| command.get_arguments().find(|option| option.get_id() == id))?;
    let long = option.get_long()?;
    let mut declared = command.find_subcommand(subcommand.0)?;
    let mut path = format!("{} {}", command.get_name(), subcommand.0);
    while let Some(inner) = subcommand.1.subcommand() {
        subcommand = inner;
        declared = declared.find_subcommand(inner.0)?;
        path = format!("{path} {}", inner.0);
    }
    if declared.get_arguments().all(|taken| taken.get_long() != Some(long)) {
        return Some(format!(
            "'--{long}' stands before the subcommand, and '{path}' does not take it: '{path} --help' lists what it takes"
        ));
    }
    let value =
        option.get_value_names().and_then(<[_]>::first).filter(|_| option.get_action().takes_values());
    let value = value.map(|name| format!(" <{name}>")).unwrap_or_default();
    Some(format!("'--{long}' stands before the subcommand: write it behind, as in '{path} --{long}{value}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> Option<String> {
        read(line.split(' ').map(OsString::from)).err().map(|error| error.to_string())
    }

    #[test]
    fn an_option_before_a_subcommand_is_refused_with_its_place() {
        for (line, told) in [
            ("wampgate --port 8080 --node-dir . run", "'wampgate run --"),
            ("wampgate --node-dir . check", "as in 'wampgate check --node-dir <DIR>'"),
            ("wampgate --config c.json cookies ls", "as in 'wampgate cookies ls --config <FILE>'"),
            ("wampgate --log debug health", "'wampgate health' does not take it"),
            ("wampgate --port 8080 version", "'wampgate version' does not take it"),
        ] {
            let said = refusal(line).unwrap_or_default();
            assert!(said.contains(told), "{line}: {said}");
        }
    }

    #[test]
    fn options_without_a_subcommand_and_behind_one_are_taken() {
        for line in [
            "wampgate",
            "wampgate --node-dir . --port 8080 --log debug",
            "wampgate run --node-dir . --port 8080",
            "wampgate cookies ls --config c.json",
        ] {
            assert_eq!(refusal(line), None, "{line}");
        }
    }
}
