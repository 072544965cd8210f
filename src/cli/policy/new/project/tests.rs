use std::{collections::BTreeSet, fs, path::Path};

use clap::ValueEnum;

use super::{File, Language, NAME, files};
use wampgate::policy::{CONTRACT_VERSIONS, PolicyOptions};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn project(language: Language) -> Vec<File> {
    files(language, "my-policy")
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text
}

#[test]
fn a_project_has_everything_that_its_example_has() {
    for language in Language::value_variants() {
        let name = language.to_possible_value().unwrap().get_name().to_owned();
        let example = Path::new(ROOT).join("plugins").join(format!("returning-{name}"));
        let mut seen = BTreeSet::new();
        for file in project(*language) {
            let original = fs::read_to_string(example.join(file.path));
            let original = original.unwrap_or_else(|error| panic!("{name}: {}: {error}", file.path));
            if file.path == "README.md" {
                assert!(file.text.starts_with(&original.replace(NAME, "my-policy")));
            } else if file.path != "Cargo.lock" {
                assert_eq!(file.text, original.replace(NAME, "my-policy"), "{name}: {}", file.path);
            }
            seen.extend(file.path.split('/').next().map(str::to_owned));
        }
        // What git does not keep is what tools have made.
        let ignored = text(&project(*language), ".gitignore").replace('/', "");
        for entry in fs::read_dir(&example).unwrap() {
            let entry = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                seen.contains(&entry) || ignored.lines().any(|line| line == entry),
                "{name}: a project lacks {entry}"
            );
        }
    }
}

#[test]
fn the_contract_is_one_file() {
    let paths = fs::read_dir(Path::new(ROOT).join("wit")).unwrap().map(|entry| entry.unwrap().path());
    // Wit tools read the `.wit` files of a folder, and its folder `deps`.
    let read: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "wit") || path.ends_with("deps"))
        .collect();
    assert_eq!(read, [Path::new(ROOT).join("wit/policy.wit")], "a project gets policy.wit alone");
}

#[test]
fn nothing_in_a_project_reaches_out_of_it() {
    for language in Language::value_variants() {
        for File { path, text } in project(*language) {
            for leftover in ["../", "plugins/", NAME, "returning-", "wampgate_returning"] {
                assert!(!text.contains(leftover), "{language:?}: {path} has {leftover}");
            }
            // Scripts are told by their first line.
            assert_eq!(text.starts_with("#!"), matches!(path, "build.sh" | "test.sh"), "{path}");
        }
    }
}

#[test]
fn a_project_has_its_name_and_the_newest_contract() {
    for language in Language::value_variants() {
        let files = project(*language);
        let readme = text(&files, "README.md");
        assert!(readme.starts_with("# my-policy\n") && readme.contains("policies/my-policy.wasm"));
        assert!(readme.contains(language.title()), "{language:?}");
        let contract = text(&files, "wit/policy.wit");
        let newest = CONTRACT_VERSIONS.last().unwrap();
        assert!(contract.contains(&format!("\npackage wampgate:authid@{newest};\n")));
    }
    for (language, manifest, line) in [
        (Language::Rust, "Cargo.toml", "name = \"my-policy\"\n"),
        (Language::Rust, "Cargo.lock", "name = \"my-policy\"\n"),
        (Language::Js, "package.json", "\"name\": \"my-policy\",\n"),
        (Language::Ts, "package.json", "\"name\": \"my-policy\",\n"),
        (Language::Go, "go.mod", "module example.com/my-policy\n"),
    ] {
        assert!(text(&project(language), manifest).contains(line), "{manifest}");
    }
}

#[test]
fn the_readme_gives_the_limits_that_hold() {
    let limits = format!(
        "It has {} ms and {} MiB for a decision",
        PolicyOptions::default().deadline.as_millis(),
        PolicyOptions::default().max_memory / 1024 / 1024
    );
    assert!(text(&project(Language::C), "README.md").contains(&limits), "{limits}");
}

#[test]
fn the_lock_file_is_in_cargos_order_whatever_the_name() {
    let original = text(&files(Language::Rust, NAME), "Cargo.lock").to_owned();
    assert_eq!(
        original,
        fs::read_to_string(Path::new(ROOT).join("plugins/returning-rust/Cargo.lock")).unwrap()
    );
    for name in ["a", "my-policy", "zz"] {
        let files = files(Language::Rust, name);
        let lock = text(&files, "Cargo.lock");
        let names: Vec<&str> = lock.lines().filter(|line| line.starts_with("name = ")).collect();
        assert!(names.is_sorted() && names.contains(&format!("name = \"{name}\"").as_str()), "{names:?}");
        assert_eq!(lock.len() + NAME.len(), original.len() + name.len());
    }
}
