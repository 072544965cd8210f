//! The files of a project. They are those of the examples in `plugins/`, which `embedded/` links to: `returning-*` for a policy,
//! `authenticator-*` and `authorizer-*`. What the languages or the kinds share are links in an example and files in a project.

use std::borrow::Cow;

use clap::ValueEnum;

/// The package's name in the examples.
const NAME: &str = "wampgate-example";

/// What a project makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Kind {
    /// Decides who a client is when it says HELLO
    #[default]
    Policy,
    /// Knows the principals of authentication methods
    Authenticator,
    /// Decides what the sessions of a role may do
    Authorizer,
}

/// A language that components are written in.
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

    /// What all kinds have in this language.
    fn shared(self) -> Sources {
        match self {
            Self::Rust => sources! {
                "embedded/rust": ".cargo/config.toml" = "config.toml" ".gitignore" = "gitignore"
                    "Cargo.lock" = "manifest.lock" "Cargo.toml" = "manifest.toml" "build.rs" "build.sh" "src/heap.rs" = "heap.rs"
                    "test.sh";
            },
            Self::C => sources! {
                "embedded/c": ".gitignore" "guest.c" "guest.h";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Zig => sources! {
                "embedded/zig": ".gitignore" "guest.zig";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Js => sources! {
                "embedded/js": ".gitignore" "build.sh" "exports.mjs";
                "embedded": "test.sh";
            },
            Self::Ts => sources! {
                "embedded/ts": ".gitignore" "build.sh" "exports.mjs" "guest.d.ts" "tsconfig.json";
                "embedded": "test.sh";
            },
            Self::Python => sources! {
                "embedded/python": ".gitignore";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Go => sources! {
                "embedded/go": ".gitignore" "go.mod" "guest.go" "no-wasi.wat";
                "embedded": "test.sh" "tools.sh";
            },
            Self::Wat => sources! {
                "embedded/wat": ".gitignore" "build.sh";
                "embedded": "test.sh" "tools.sh";
            },
        }
    }
}

impl Kind {
    /// What it is called, with its article.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Policy => "an authid policy",
            Self::Authenticator => "an authenticator",
            Self::Authorizer => "an authorizer",
        }
    }

    /// What this kind has by itself in a language.
    fn own(self, language: Language) -> Sources {
        match self {
            Self::Policy => match language {
                Language::Rust => sources! { "embedded/rust": "README.md" "src/lib.rs" = "lib.rs"; },
                Language::C => {
                    sources! { "embedded/c": "README.md" "build.sh" "contract.c" "contract.h" "policy.c"; }
                }
                Language::Zig => {
                    sources! { "embedded/zig": "README.md" "build.sh" "contract.zig" "policy.zig"; }
                }
                Language::Js => sources! { "embedded/js": "README.md" "package.json" "policy.js"; },
                Language::Ts => {
                    sources! { "embedded/ts": "README.md" "contract.d.ts" "package.json" "policy.ts"; }
                }
                Language::Python => sources! { "embedded/python": "README.md" "build.sh" "policy.py"; },
                Language::Go => {
                    sources! { "embedded/go": "README.md" "build.sh" "contract.go" "policy.go"; }
                }
                Language::Wat => sources! { "embedded/wat": "README.md" "component.wat"; },
            },
            Self::Authenticator => match language {
                Language::Rust => {
                    sources! { "embedded/authenticator-rust": "README.md" "src/lib.rs" = "lib.rs"; }
                }
                Language::C => sources! {
                    "embedded/authenticator-c": "README.md" "authenticator.c" "build.sh" "contract.c" "contract.h";
                },
                Language::Zig => sources! {
                    "embedded/authenticator-zig": "README.md" "authenticator.zig" "build.sh" "contract.zig";
                },
                Language::Js => sources! {
                    "embedded/authenticator-js": "README.md" "authenticator.js" "package.json";
                },
                Language::Ts => sources! {
                    "embedded/authenticator-ts": "README.md" "authenticator.ts" "contract.d.ts" "package.json";
                },
                Language::Python => sources! {
                    "embedded/authenticator-python": "README.md" "authenticator.py" "build.sh";
                },
                Language::Go => sources! {
                    "embedded/authenticator-go": "README.md" "authenticator.go" "build.sh" "contract.go";
                },
                Language::Wat => sources! { "embedded/authenticator-wat": "README.md" "component.wat"; },
            },
            Self::Authorizer => match language {
                Language::Rust => {
                    sources! { "embedded/authorizer-rust": "README.md" "src/lib.rs" = "lib.rs"; }
                }
                Language::C => sources! {
                    "embedded/authorizer-c": "README.md" "authorizer.c" "build.sh" "contract.c" "contract.h";
                },
                Language::Zig => sources! {
                    "embedded/authorizer-zig": "README.md" "authorizer.zig" "build.sh" "contract.zig";
                },
                Language::Js => {
                    sources! { "embedded/authorizer-js": "README.md" "authorizer.js" "package.json"; }
                }
                Language::Ts => sources! {
                    "embedded/authorizer-ts": "README.md" "authorizer.ts" "contract.d.ts" "package.json";
                },
                Language::Python => sources! {
                    "embedded/authorizer-python": "README.md" "authorizer.py" "build.sh";
                },
                Language::Go => sources! {
                    "embedded/authorizer-go": "README.md" "authorizer.go" "build.sh" "contract.go";
                },
                Language::Wat => sources! { "embedded/authorizer-wat": "README.md" "component.wat"; },
            },
        }
    }

    /// The cases that a project comes with.
    fn cases(self) -> &'static str {
        match self {
            Self::Policy => embedded!("embedded", "cases.json"),
            Self::Authenticator => embedded!("embedded", "authenticator-cases.json"),
            Self::Authorizer => embedded!("embedded", "authorizer-cases.json"),
        }
    }

    /// The end of every README, which is the same for all languages.
    fn deploy(self) -> &'static str {
        match self {
            Self::Policy => include_str!("deploy/policy.md"),
            Self::Authenticator => include_str!("deploy/authenticator.md"),
            Self::Authorizer => include_str!("deploy/authorizer.md"),
        }
    }
}

/// The files of a project of this name.
pub(super) fn files(kind: Kind, language: Language, name: &str) -> Vec<File> {
    let sources = kind.own(language).iter().chain(language.shared());
    let own = sources.map(|&(path, text)| {
        let text = match path {
            "README.md" => Cow::Owned([text, kind.deploy()].concat().replace(NAME, name)),
            "Cargo.lock" => Cow::Owned(renamed_lock(text, name)),
            "Cargo.toml" | "package.json" | "go.mod" => Cow::Owned(text.replace(NAME, name)),
            _ => Cow::Borrowed(text),
        };
        File { path, text }
    });
    let shared = [("cases.json", kind.cases()), ("wit/policy.wit", embedded!("wit", "policy.wit"))];
    let mut files: Vec<File> =
        own.chain(shared.map(|(path, text)| File { path, text: Cow::Borrowed(text) })).collect();
    // As a reader looks for them.
    files.sort_by_key(|file| file.path);
    files
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
