//! The files of a project. They are those of the examples in `plugins/returning-*`, as they are there: `wit`, `cases.json`,
//! `test.sh` and `tools.sh` are links in an example and files in a project.

use std::borrow::Cow;

use clap::ValueEnum;

/// The package's name in the examples.
const NAME: &str = "wampgate-returning-policy";
/// The end of every README: what no language changes.
const DEPLOY: &str = include_str!("deploy.md");

/// A language that policies are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    Rust,
    C,
    Zig,
    Js,
    Ts,
    Python,
    Go,
    Wat,
}

/// A file of a project.
#[derive(Debug)]
pub(super) struct File {
    /// Relative to the project's folder.
    pub(super) path: &'static str,
    /// What is in it.
    pub(super) text: Cow<'static, str>,
}

type Sources = &'static [(&'static str, &'static str)];

macro_rules! sources {
    ($($folder:literal: $($path:literal)*;)*) => {
        &[$($(($path, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $path)))),*),*]
    };
}

impl Language {
    /// As people write it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::C => "C",
            Self::Zig => "Zig",
            Self::Js => "JavaScript",
            Self::Ts => "TypeScript",
            Self::Python => "Python",
            Self::Go => "Go",
            Self::Wat => "component text",
        }
    }

    /// What to run in the project's folder, to have it built and tested.
    pub(super) fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Js | Self::Ts => &["npm install", "npm test"],
            _ => &["./test.sh"],
        }
    }

    fn sources(self) -> Sources {
        match self {
            Self::Rust => sources! {
                "plugins/returning-rust": ".cargo/config.toml" ".gitignore" "Cargo.lock" "Cargo.toml" "README.md" "build.rs"
                    "build.sh" "src/lib.rs" "test.sh";
            },
            Self::C => sources! {
                "plugins/returning-c": ".gitignore" "README.md" "build.sh" "contract.c" "contract.h" "policy.c";
                "plugins": "test.sh" "tools.sh";
            },
            Self::Zig => sources! {
                "plugins/returning-zig": ".gitignore" "README.md" "build.sh" "contract.zig" "policy.zig";
                "plugins": "test.sh" "tools.sh";
            },
            Self::Js => sources! {
                "plugins/returning-js": ".gitignore" "README.md" "build.sh" "package.json" "policy.js";
                "plugins": "test.sh";
            },
            Self::Ts => sources! {
                "plugins/returning-ts": ".gitignore" "README.md" "build.sh" "contract.d.ts" "package.json" "policy.ts"
                    "tsconfig.json";
                "plugins": "test.sh";
            },
            Self::Python => sources! {
                "plugins/returning-python": ".gitignore" "README.md" "build.sh" "policy.py";
                "plugins": "test.sh" "tools.sh";
            },
            Self::Go => sources! {
                "plugins/returning-go": ".gitignore" "README.md" "build.sh" "contract.go" "go.mod" "no-wasi.wat" "policy.go";
                "plugins": "test.sh" "tools.sh";
            },
            Self::Wat => sources! {
                "plugins/returning-wat": ".gitignore" "README.md" "build.sh" "component.wat";
                "plugins": "test.sh" "tools.sh";
            },
        }
    }
}

/// The files of a project of this name.
pub(super) fn files(language: Language, name: &str) -> Vec<File> {
    let own = language.sources().iter().map(|&(path, text)| {
        let text = match path {
            "README.md" => Cow::Owned([text, DEPLOY].concat().replace(NAME, name)),
            "Cargo.lock" => Cow::Owned(renamed_lock(text, name)),
            "Cargo.toml" | "package.json" | "go.mod" => Cow::Owned(text.replace(NAME, name)),
            _ => Cow::Borrowed(text),
        };
        File { path, text }
    });
    let shared = [
        ("cases.json", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/plugins/returning-cases.json"))),
        ("wit/policy.wit", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/wit/policy.wit"))),
    ];
    own.chain(shared.map(|(path, text)| File { path, text: Cow::Borrowed(text) })).collect()
}

/// Cargo keeps its packages in the order of their names, and rewrites a lock file that has another.
fn renamed_lock(lock: &str, name: &str) -> String {
    let renamed = lock.replace(NAME, name);
    let mut parts: Vec<&str> = renamed.trim_end().split("\n\n").collect();
    // The head of the file comes before its packages. Packages of one name stay in the order of their versions.
    if let Some(packages) = parts.get_mut(1..) {
        packages.sort_by_key(|package| package.lines().nth(1));
    }
    parts.join("\n\n") + "\n"
}

#[cfg(test)]
mod tests;
