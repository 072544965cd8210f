//! The page about the configuration is what the command prints.

use std::{fs, path::Path, process::Command};

use super::compare;

#[test]
fn the_page_about_the_configuration_is_made_of_the_declarations_that_read_it() {
    let printed =
        Command::new(env!("CARGO_BIN_EXE_wampgate")).args(["schema", "--markdown"]).output().unwrap();
    let page = String::from_utf8(printed.stdout).unwrap();
    let golden = Path::new("docs/configuration.md");
    if compare(golden, &page).is_some() {
        let written = fs::read_to_string(golden).unwrap_or_default();
        let gone = written.lines().filter(|line| !page.lines().any(|other| other == *line));
        let new = page.lines().filter(|line| !written.lines().any(|other| other == *line));
        let lines = gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}")));
        panic!(
            "docs/configuration.md is out of date: run `UPDATE_GOLDEN=1 cargo test --test integration config::`\n{}",
            lines.collect::<Vec<_>>().join("\n")
        );
    }
    // A sample of each kind of key.
    for line in [
        "| **`store`** | [Store](#store) |  |",
        "| `head_timeout` | 10 to 3,600,000 ms | 5,000 |",
        "| `max_age` | 1 to 315,360,000 s | one day |",
        "- `compression`: ",
        "### `type`: `\"lmdb\"`, `\"database\"`",
    ] {
        assert!(page.contains(line), "{line}");
    }
}
