//! The modules of the crate, and which of them each one uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

mod text;

use self::text::Written;

/// A module's path from the crate's root: `["store", "file"]`. The root is empty.
type Module = Vec<String>;

/// What the source says.
pub(super) struct Source {
    modules: BTreeMap<Module, Vec<Written>>,
    uses: Vec<Used>,
}

/// One module uses another one.
pub(super) struct Used {
    pub(super) from: Module,
    pub(super) to: Module,
    pub(super) file: String,
    pub(super) line: usize,
    /// The names of the two as children of a common folder: `realm::a`.
    steps: Vec<(String, String)>,
}

impl Source {
    /// Reads all files of a folder except tests.
    pub(super) fn read(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, &mut files);
        Self::of(files.into_iter())
    }

    /// Reads files, each a path below `src` with its text.
    pub(super) fn of(files: impl Iterator<Item = (String, String)>) -> Self {
        let mut modules = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (file, text) in files {
            let module = module_of(&file);
            if module.iter().any(|name| matches!(name.as_str(), "tests" | "testing")) {
                continue;
            }
            modules.insert(module.clone(), text::paths(&text));
            places.insert(module, file);
        }
        let mut source = Self { modules, uses: Vec::new() };
        let mut uses = Vec::new();
        for (from, written) in &source.modules {
            for Written { line, path, .. } in written {
                let Some(to) = source.absolute(from, path).and_then(|path| source.owner(&path, 0)) else {
                    continue;
                };
                if to != *from {
                    let file = places.get(from).cloned().unwrap_or_default();
                    uses.push(Used { steps: steps(from, &to), from: from.clone(), to, file, line: *line });
                }
            }
        }
        source.uses = uses;
        source
    }

    pub(super) fn uses(&self) -> &[Used] {
        &self.uses
    }

    pub(super) fn has(&self, module: &str) -> bool {
        self.modules.contains_key(&vec![module.to_owned()])
    }

    /// The modules that have modules inside, the root among them.
    pub(super) fn folders(&self) -> BTreeSet<Module> {
        self.modules.keys().filter_map(|module| Some(module.split_last()?.1.to_vec())).collect()
    }

    /// A path as it is written in a module, from the crate's root; nothing for paths of other crates.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let mut base = module.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|step| step == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                base.push(child.to_owned());
                if !self.modules.contains_key(&base) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    /// The module that declares what a path names, through re-exports.
    fn owner(&self, path: &[String], depth: usize) -> Option<Module> {
        let module = (0..=path.len()).rev().map(|length| path[..length].to_vec());
        let module = module.into_iter().find(|module| self.modules.contains_key(module))?;
        let Some(name) = path.get(module.len()).filter(|_| depth < 8) else {
            return Some(module);
        };
        let exported = self.modules[&module].iter().find_map(|written| {
            let target = self.absolute(&module, &written.path)?;
            let is_below = target.len() > module.len() && target.starts_with(&module);
            (is_below && written.name() == Some(name) && target != path).then_some(target)
        });
        match exported {
            Some(target) => self.owner(&target, depth + 1),
            None => Some(module),
        }
    }
}

impl Used {
    /// The two children of a folder of which one uses the other, if they are two.
    pub(super) fn between_children_of(&self, folder: &Module) -> Option<(&str, &str, &Self)> {
        if !self.from.starts_with(folder) || !self.to.starts_with(folder) {
            return None;
        }
        let (from, to) = self.steps.get(folder.len())?;
        (from != to).then_some((from.as_str(), to.as_str(), self))
    }
}

/// The names of both modules, cut after one step, two steps and so on as long as both go on.
fn steps(from: &Module, to: &Module) -> Vec<(String, String)> {
    (1..=from.len().min(to.len()))
        .map(|length| (from[..length].join("::"), to[..length].join("::")))
        .collect()
}

fn module_of(file: &str) -> Module {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

fn collect(folder: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push((path.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
        }
    }
}
