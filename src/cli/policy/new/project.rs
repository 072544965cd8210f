//! The files of a project. They are those of the examples in `plugins/returning-*`, which `embedded/` links to. `wit`,
//! `cases.json`, `test.sh` and `tools.sh` are links in an example and files in a project.

use std::borrow::Cow;

use clap::ValueEnum;

/// The package's name in the examples.
const NAME: &str = "wampgate-returning-policy";
/// The end of every README, which is the same for all languages.
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

/// The files of a folder, by their paths in a project. `= "…"` gives the name in `embedded/` where that is another one.
macro_rules! sources {
    ($($folder:literal: $($path:literal $(= $embedded:literal)?)*;)*) => {
        &[$($(($path, embedded!($folder, $path $(, $embedded)?))),*),*]
    };
}

macro_rules! embedded {
    ($folder:literal, $path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $path))
    };
    ($folder:literal, $path:literal, $embedded:literal) => {
        embedded!($folder, $embedded)
    };
}

impl Language {
    /// The language's name, as people write it.
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

    /// The commands that build and test the project, in its folder.
    pub(super) fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Js | Self::Ts => &["npm install", "npm test"],
            _ => &["./test.sh"],
        }
    }

    fn sources(self) -> Sources {
        match self {
            Self::Rust => sources! {
                "embedded/rust": ".cargo/config.toml" = "config.toml" ".gitignore" = "gitignore"
                    "Cargo.lock" = "manifest.lock" "Cargo.toml" = "manifest.toml" "README.md" "build.rs" "build.sh"
                    "src/lib.rs" = "lib.rs" "test.sh";
            },
            Self::C => sources! {
                "embedded/c": ".gitignore" "README.md" "build.sh" "contract.c" "contract.h" "policy.c";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Zig => sources! {
                "embedded/zig": ".gitignore" "README.md" "build.sh" "contract.zig" "policy.zig";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Js => sources! {
                "embedded/js": ".gitignore" "README.md" "build.sh" "exports.mjs" "package.json" "policy.js";
                "embedded": "test.sh";
            },
            Self::Ts => sources! {
                "embedded/ts": ".gitignore" "README.md" "build.sh" "contract.d.ts" "exports.mjs" "package.json" "policy.ts"
                    "tsconfig.json";
                "embedded": "test.sh";
            },
            Self::Python => sources! {
                "embedded/python": ".gitignore" "README.md" "build.sh" "policy.py";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Go => sources! {
                "embedded/go": ".gitignore" "README.md" "build.sh" "contract.go" "go.mod" "no-wasi.wat" "policy.go";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Wat => sources! {
                "embedded/wat": ".gitignore" "README.md" "build.sh" "component.wat";
                "embedded": "test.sh" "tools.sh";
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
        ("cases.json", embedded!("embedded", "cases.json")),
        ("wit/policy.wit", embedded!("wit", "policy.wit")),
    ];
    own.chain(shared.map(|(path, text)| File { path, text: Cow::Borrowed(text) })).collect()
}

/// Cargo keeps packages in the order of their names, and rewrites a lock file that has another order.
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
