use std::{collections::BTreeSet, fs, path::Path};

use clap::ValueEnum;

use super::{File, Kind, Language, NAME, files};
use wampgate::policy::{CONTRACT_VERSIONS, PolicyOptions};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Each kind in each language.
fn all() -> impl Iterator<Item = (Kind, Language)> {
    let languages = |kind: Kind| Language::value_variants().iter().map(move |language| (kind, *language));
    Kind::value_variants().iter().flat_map(move |kind| languages(*kind))
}

fn project(kind: Kind, language: Language) -> Vec<File> {
    files(kind, language, "my-component")
}

fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().unwrap().get_name().to_owned()
}

fn text<'a>(files: &'a [File], path: &str) -> &'a str {
    &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}")).text
}

#[test]
fn a_project_has_everything_that_its_example_has() {
    for (kind, language) in all() {
        let family = if kind == Kind::Policy { "returning".to_owned() } else { word(&kind) };
        let name = format!("{family}-{}", word(&language));
        let example = Path::new(ROOT).join("plugins").join(&name);
        let files = project(kind, language);
        let mut seen = BTreeSet::new();
        for file in &files {
            let original = fs::read_to_string(example.join(file.path));
            let original = original.unwrap_or_else(|error| panic!("{name}: {}: {error}", file.path));
            if file.path == "README.md" {
                assert!(file.text.starts_with(&original.replace(NAME, "my-component")));
            } else if file.path != "Cargo.lock" {
                assert_eq!(file.text, original.replace(NAME, "my-component"), "{name}: {}", file.path);
            }
            assert!(seen.insert(file.path), "{name}: {} twice", file.path);
        }
        let seen: BTreeSet<&str> = seen.iter().filter_map(|path| path.split('/').next()).collect();
        // What git does not keep is what tools have made.
        let ignored = text(&files, ".gitignore").replace('/', "");
        for entry in fs::read_dir(&example).unwrap() {
            let entry = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                seen.contains(&*entry) || ignored.lines().any(|line| line == entry),
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
    for (kind, language) in all() {
        for File { path, text } in project(kind, language) {
            for leftover in ["../", "plugins/", NAME, "returning-", "wampgate_example"] {
                assert!(!text.contains(leftover), "{kind:?} in {language:?}: {path} has {leftover}");
            }
            // Scripts are told by their first line.
            assert_eq!(text.starts_with("#!"), matches!(path, "build.sh" | "test.sh"), "{path}");
        }
    }
}

#[test]
fn a_project_has_its_name_and_the_newest_contract() {
    for (kind, language) in all() {
        let files = project(kind, language);
        let readme = text(&files, "README.md");
        assert!(readme.starts_with("# my-component\n") && readme.contains("policies/my-component.wasm"));
        assert!(readme.contains(language.title()), "{language:?}");
        let begin = kind.title().get(3..).unwrap();
        assert!(readme.contains(begin), "{begin}: {readme}");
        let contract = text(&files, "wit/policy.wit");
        let newest = CONTRACT_VERSIONS.last().unwrap();
        assert!(contract.contains(&format!("\npackage wampgate:authid@{newest};\n")));
    }
    for (language, manifest, line) in [
        (Language::Rust, "Cargo.toml", "name = \"my-component\"\n"),
        (Language::Rust, "Cargo.lock", "name = \"my-component\"\n"),
        (Language::Js, "package.json", "\"name\": \"my-component\",\n"),
        (Language::Ts, "package.json", "\"name\": \"my-component\",\n"),
        (Language::Go, "go.mod", "module example.com/my-component\n"),
    ] {
        for kind in Kind::value_variants() {
            assert!(text(&project(*kind, language), manifest).contains(line), "{kind:?} {manifest}");
        }
    }
}

#[test]
fn the_readme_names_the_files_that_there_are() {
    for (kind, language) in all() {
        let files = project(kind, language);
        let readme = text(&files, "README.md");
        let rows = readme.lines().filter(|line| line.starts_with("| `"));
        let named: BTreeSet<&str> = rows
            .filter_map(|row| row.split('|').nth(1))
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        for name in &named {
            assert!(files.iter().any(|file| file.path == *name), "{kind:?} in {language:?}: no {name}");
        }
        // Beside what every project has: scripts, manifests, and the README itself.
        let known = |path: &str| {
            named.contains(path)
                || matches!(path, "build.sh" | "test.sh" | "tools.sh")
                || matches!(path, "README.md" | ".gitignore" | "Cargo.toml" | "Cargo.lock" | "go.mod")
        };
        for file in &files {
            assert!(known(file.path), "{kind:?} in {language:?}: README.md says nothing of {}", file.path);
        }
    }
}

#[test]
fn the_readme_gives_the_limits_that_hold() {
    let limits = format!(
        "It has {} ms and {} MiB for a",
        PolicyOptions::default().deadline.as_millis(),
        PolicyOptions::default().max_memory / 1024 / 1024
    );
    for kind in Kind::value_variants() {
        assert!(text(&project(*kind, Language::C), "README.md").contains(&limits), "{limits}");
    }
}

#[test]
fn the_lock_file_is_in_cargos_order_whatever_the_name() {
    let original = text(&files(Kind::Policy, Language::Rust, NAME), "Cargo.lock").to_owned();
    assert_eq!(
        original,
        fs::read_to_string(Path::new(ROOT).join("plugins/returning-rust/Cargo.lock")).unwrap()
    );
    for name in ["a", "my-component", "zz"] {
        let files = files(Kind::Policy, Language::Rust, name);
        let lock = text(&files, "Cargo.lock");
        let names: Vec<&str> = lock.lines().filter(|line| line.starts_with("name = ")).collect();
        assert!(names.is_sorted() && names.contains(&format!("name = \"{name}\"").as_str()), "{names:?}");
        assert_eq!(lock.len() + NAME.len(), original.len() + name.len());
    }
}
