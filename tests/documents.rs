//! What the documents tell about the repository is so.

use std::{
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The text between the first `begin` and the next `end` behind it.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> &'t str {
    text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).unwrap_or_else(|| panic!("{begin}")).0
}

/// The sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The words that stand behind `mark`, each up to `end`.
fn behind<'t>(text: &'t str, mark: &str, end: char) -> Vec<&'t str> {
    text.split(mark).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn the_policy_of_the_readme_has_every_function_of_the_contract() {
    let contract = read("wit/policy.wit");
    let interface = between(&contract, "\ninterface policy {", "\n}");
    let functions: Vec<String> = interface
        .lines()
        .filter_map(|line| line.trim().split_once(": func("))
        .map(|(name, _)| name.replace('-', "_"))
        .collect();
    assert!(functions.len() > 1, "{interface}");
    let readme = read("README.md");
    let policy = between(&readme, "\nimpl Guest for ", "\n```");
    assert_eq!(behind(policy, "fn ", '('), functions);
}

#[test]
fn contributors_find_the_tests_and_the_steps_that_there_are() {
    let guide = read("CONTRIBUTING.md");
    let filters: Vec<&str> = guide
        .split("--test integration ")
        .skip(1)
        .filter_map(|rest| rest.split([' ', '`', '\n']).next())
        .collect();
    assert!(filters.len() > 2, "{filters:?}");
    for filter in filters {
        let file = format!("tests/{}.rs", filter.trim_end_matches("::").replace("::", "/"));
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_file(), "{filter}");
    }

    let script = read(".ci/run");
    let steps = behind(&script, "\nstep \"", '"');
    let table = between(&guide, "| step | what it does |\n|---|---|\n| ", "\n\n").replace("\n| ", "\n");
    let told: Vec<&str> =
        table.lines().filter_map(|row| row.split(" | ").next()).flat_map(|names| names.split(", ")).collect();
    for step in &steps {
        assert!(told.iter().any(|name| step.starts_with(name)), "`.ci/run` has the step {step:?}");
    }
    for name in told {
        assert!(steps.iter().any(|step| step.starts_with(name)), "`.ci/run` has no step {name:?}");
    }
}

#[test]
fn each_line_of_level_error_has_a_remedy() {
    let remedies = read("docs/operations.md");
    let remedies = between(&remedies, "## What to do when …", "| clients say |");
    let line = Regex::new(r"(?-u:\b)error!\(").unwrap();
    let text = Regex::new(r#"(target: )?"((?:[^"\\]|\\(?s:.))*)""#).unwrap();
    let mut lines = 0;
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let source = fs::read_to_string(&file).unwrap();
        for found in line.find_iter(&source) {
            let mut texts = text.captures_iter(&source[found.end()..]);
            let message = texts.find(|text| text.get(1).is_none()).unwrap()[2].to_owned();
            // Up to what the gateway fills in.
            let begin = message.split([':', '{', ',', '\\']).next().unwrap().trim();
            assert!(remedies.contains(&format!("`{begin}")), "{}: {message:?} has no remedy", file.display());
            lines += 1;
        }
    }
    assert!(lines > 15, "only {lines} were found");
}
