//! The house has layers. A module uses modules below it, never above it, and no modules use each other in a circle.
//!
//! [`LAYERS`] declares the layers once; `docs/architecture.md` says what each is for. The test reads `src/` as text:
//! `use` declarations and paths that begin with `crate`, `super` or `self`, without tests. It follows re-exports, so that
//! `super::Name` counts as a use of the module that declares `Name`.

mod graph;
mod source;

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use self::{graph::Graph, source::Source};

/// The modules of the crate from top to bottom. A module may use those on lower lines, and not those on its own line.
const LAYERS: &[&[&str]] = &[
    &["fuzzing"],
    &["gateway"],
    &["admin"],
    &["config"],
    &["testkit"],
    &["server"],
    &["connection"],
    &["session"],
    &["edge"],
    &["service"],
    &["admission"],
    &["backend"],
    &["remote"],
    &["realm", "upstream"],
    &["wire"],
    &["assertion"],
    &["auth"],
    &["policy"],
    &["tracking"],
    &["store"],
    &["handshake", "stream"],
    &["tls"],
    &["metrics", "health", "traces"],
    &["identity"],
    &["cookie"],
    &[
        "wamp",
        "time",
        "quantity",
        "ration",
        "shown",
        "socket_file",
        "file",
        "descriptors",
        "address",
        "memory",
    ],
];

/// The crate's root, whose `lib.rs` is the facade, and the command, which the compiler keeps on top: it is a crate of its own.
const APART: &[&str] = &["lib", "main", "cli"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The uses that go upward or sideways, a line each.
fn upward(source: &Source) -> String {
    let mut faults = BTreeSet::new();
    for used in source.uses() {
        let (from, to) =
            (used.from.first().map_or("", String::as_str), used.to.first().map_or("", String::as_str));
        if from.is_empty() || APART.contains(&from) || from == to {
            continue;
        }
        let place = format!("{}:{}", used.file, used.line);
        let fault = match (layer(from), layer(to)) {
            (Some(below), Some(above)) if above <= below => {
                let where_ = if above == below { "on the same layer as" } else { "above" };
                format!("`{from}` (layer {below}) uses `{to}` (layer {above}), which is {where_} it")
            }
            (Some(_), Some(_)) => continue,
            (None, _) => format!("`{from}` has no layer, give it one in tests/layers.rs"),
            (_, None) => format!("`{from}` uses `{to}`, which has no layer, give it one in tests/layers.rs"),
        };
        faults.insert(format!("{place}: {fault}\n"));
    }
    faults.into_iter().collect()
}

/// The circles among modules of one folder, with the uses that close them.
fn circles(source: &Source) -> String {
    let mut faults = String::new();
    // At the root the layers rule out all circles.
    for folder in source.folders().into_iter().filter(|folder| !folder.is_empty()) {
        let uses: Vec<_> =
            source.uses().iter().filter_map(|used| used.between_children_of(&folder)).collect();
        let graph = Graph::new(uses.iter().map(|(from, to, _)| (*from, *to)));
        for circle in graph.circles() {
            writeln!(faults, "{} use each other in a circle:", circle.join(", ")).unwrap();
            let in_circle = uses.iter().filter(|(from, to, _)| circle.contains(from) && circle.contains(to));
            let lines: BTreeSet<_> = in_circle
                .map(|(from, to, used)| format!("  {}:{}: `{from}` uses `{to}`\n", used.file, used.line))
                .collect();
            faults.extend(lines);
        }
    }
    faults
}

#[test]
fn no_module_uses_one_above_it() {
    let source = Source::read(Path::new("src"));
    assert!(source.uses().len() > 500, "only {} uses were found", source.uses().len());
    let faults = upward(&source);
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_layer_has_its_modules() {
    let source = Source::read(Path::new("src"));
    for module in LAYERS.iter().copied().flatten() {
        assert!(source.has(module), "src/{module}.rs does not exist, remove it from tests/layers.rs");
    }
}

#[test]
fn no_modules_use_each_other_in_a_circle() {
    let faults = circles(&Source::read(Path::new("src")));
    assert!(faults.is_empty(), "\n{faults}");
}

// === The check itself ===

fn source(files: &[(&str, &str)]) -> Source {
    Source::of(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())))
}

#[test]
fn a_use_of_a_higher_module_is_found_with_its_place() {
    let source = source(&[
        ("src/lib.rs", "pub mod gateway;\nmod store;\npub use gateway::Gateway;"),
        ("src/gateway.rs", "use crate::store::Store;"),
        ("src/store.rs", "mod file;\n\nfn f() { crate::gateway::start(); }"),
        ("src/store/file.rs", "// crate::gateway\nuse crate::{\n    Gateway,\n    store::{Store, self},\n};"),
    ]);
    assert_eq!(
        upward(&source),
        "src/store.rs:3: `store` (layer 19) uses `gateway` (layer 1), which is above it\n\
         src/store/file.rs:3: `store` (layer 19) uses `gateway` (layer 1), which is above it\n"
    );
}

#[test]
fn modules_of_one_layer_do_not_use_each_other() {
    let source = source(&[("src/lib.rs", ""), ("src/time.rs", "use crate::wamp;"), ("src/wamp.rs", "")]);
    assert!(upward(&source).contains("on the same layer as it"));
}

#[test]
fn tests_comments_and_texts_do_not_count() {
    let source = source(&[
        ("src/lib.rs", ""),
        ("src/gateway.rs", ""),
        (
            "src/store.rs",
            r##"
            //! crate::gateway
            /* crate::gateway /* nested */ crate::gateway */
            const A: &str = "crate::gateway \" crate::gateway";
            const B: &str = r#"crate::gateway " crate::gateway"#;
            const C: char = '"'; fn f<'a>(_: &'a str) {}
            #[cfg(test)]
            use crate::gateway;
            #[cfg(test)]
            mod tests { fn f() { if true { crate::gateway::f() } } }
            "##,
        ),
        ("src/store/tests.rs", "use crate::gateway;"),
    ]);
    assert_eq!(upward(&source), "");
}

#[test]
fn a_circle_in_a_folder_is_found_through_re_exports() {
    let source = source(&[
        ("src/lib.rs", ""),
        ("src/realm.rs", "mod a;\nmod b;\nmod c;\npub(crate) use self::a::{A, other::B as C};\nuse b::D;"),
        ("src/realm/a.rs", "use super::D;"),
        ("src/realm/b.rs", "use super::{c, C};"),
        ("src/realm/c.rs", "fn f() -> super::super::time::Time {}"),
        ("src/time.rs", ""),
    ]);
    assert_eq!(
        circles(&source),
        "realm::a, realm::b use each other in a circle:\n  src/realm/a.rs:1: `realm::a` uses `realm::b`\n  \
         src/realm/b.rs:1: `realm::b` uses `realm::a`\n"
    );
    assert_eq!(upward(&source), "");
}
