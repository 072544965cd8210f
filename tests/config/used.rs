//! Every option of the configuration means something: the parts' options are read by the parts, and what the file says is
//! read into them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Keys that reading makes known already: a value that is fixed, or one that only other keys are checked against.
const FIXED: [&str; 2] = ["Only<", "Ignored"];

/// The sources below a folder, tests left out.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                found.extend(sources(&path));
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
            found.push((path, code));
        }
    }
    found
}

/// The public fields of the structs and variants of an options file.
fn fields(source: &str) -> Vec<String> {
    let mut fields = Vec::new();
    for line in source.lines().map(str::trim) {
        let name = line.strip_prefix("pub ").unwrap_or_default().split(':').next().unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if line.contains(": ") && line.ends_with(',') && is_name {
            fields.push(name.to_owned());
        }
    }
    fields
}

/// Whether a source reads a field: by a dot, or in a pattern of the struct.
fn reads(source: &str, field: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    source.match_indices(field).any(|(at, _)| {
        let (before, after) = (&source[..at], &source[at + field.len()..]);
        if before.ends_with(is_name) || after.starts_with(is_name) {
            return false;
        }
        before.ends_with('.') || (before.ends_with(['{', ' ', '\n']) && after.starts_with([',', ' ', '\n']))
    })
}

#[test]
fn every_option_of_a_part_is_read_by_code_that_is_not_the_configuration() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources(&root);
    let is_options = |path: &Path| path.ends_with("options.rs") && !path.starts_with(root.join("wamp"));
    let is_config = |path: &Path| path.starts_with(root.join("config"));
    let (mut seen, mut unread) = (0, Vec::new());
    for (path, source) in sources.iter().filter(|(path, _)| is_options(path)) {
        for field in fields(source) {
            seen += 1;
            let mut others = sources.iter().filter(|(other, _)| !is_options(other) && !is_config(other));
            if !others.any(|(_, source)| reads(source, &field)) {
                unread.push(format!("{}: {field}", path.display()));
            }
        }
    }
    assert!(seen > 40, "only {seen} options were found");
    assert_eq!(unread, [""; 0], "options that nothing reads");
}

#[test]
fn every_key_of_the_configuration_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
    let sources = sources(&root);
    let (mut seen, mut unread) = (0, Vec::new());
    for (path, source) in &sources {
        for line in source.lines().map(str::trim) {
            let Some((key, kind)) = line.split_once(": ") else { continue };
            if !(kind.starts_with("required ") || kind.starts_with("optional ")) {
                continue;
            }
            // What the documentation of the key calls unused is unused, and a key with one possible value says nothing.
            let at = source.find(line).unwrap();
            let documented = source[..at]
                .lines()
                .rev()
                .skip(1)
                .take_while(|line| line.contains("///"))
                .collect::<String>();
            let is_unused = ["unused", "either way", "which the gateway always"]
                .iter()
                .any(|word| documented.contains(word));
            if is_unused || FIXED.iter().any(|fixed| kind.contains(fixed)) || line.starts_with("//") {
                continue;
            }
            seen += 1;
            if !sources.iter().any(|(_, source)| reads(source, key)) {
                unread.push(format!("{}: {key}", path.display()));
            }
        }
    }
    assert!(seen > 60, "only {seen} keys were found");
    assert_eq!(unread, [""; 0], "keys that nothing reads");
}
