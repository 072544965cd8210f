//! Where a configuration comes from.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    Config, Faults, Place, Warning,
    json::Json,
    node::RawNode,
    secret::describe,
    walk::{Raw as _, Surroundings, Walk},
};

/// The node directory if none is named.
const DEFAULT_NODE_DIR: &str = ".crossbar";

/// The configuration's name in a node directory.
const FILE_NAME: &str = "config.json";

/// Crossbar's other format.
const YAML_FILE_NAME: &str = "config.yaml";

/// The largest file: a configuration that people write is a hundred times smaller.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// What runs where nothing has been configured.
const EMBEDDED: &str = include_str!("../../examples/default.json");

/// Where to look for a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// In `.crossbar`; if there is nothing, the configuration that is built in.
    Default,
    /// In this node directory.
    NodeDir(PathBuf),
    /// In this file, whose folder is the node directory.
    File(PathBuf),
}

/// A configuration that has passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is unwise about it.
    pub warnings: Vec<Warning>,
    /// The file; none: the configuration that is built in.
    pub file: Option<PathBuf>,
}

/// Finds, reads and checks a configuration; environment variables are the process's own.
///
/// Fails with everything that is wrong with it at once.
pub fn load(source: &ConfigSource) -> Result<Loaded, Box<Faults>> {
    load_with(source, &|name| std::env::var(name).ok())
}

/// [`load`] with the given environment variables.
pub fn load_with(source: &ConfigSource, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Box<Faults>> {
    match source {
        ConfigSource::Default => {
            let dir = Path::new(DEFAULT_NODE_DIR);
            load_from(dir, dir.join(FILE_NAME), Some(EMBEDDED), env)
        }
        ConfigSource::NodeDir(dir) => load_from(dir, dir.join(FILE_NAME), None, env),
        ConfigSource::File(file) => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            load_from(folder.unwrap_or(Path::new(".")), file.clone(), None, env)
        }
    }
}

/// Loads a file; if there is none, the text to use instead, unless the file was asked for by name.
fn load_from(
    node_dir: &Path,
    file: PathBuf,
    instead: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Box<Faults>> {
    let node_dir = std::path::absolute(node_dir).unwrap_or_else(|_| node_dir.to_owned());
    let surroundings = Surroundings { node_dir: &node_dir, env };
    let name = file.display().to_string();
    match read(&file) {
        Ok(bytes) => {
            let (config, warnings) = check(&name, &bytes, surroundings)?;
            Ok(Loaded { config, warnings, file: Some(file) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let yaml = file.with_file_name(YAML_FILE_NAME);
            if yaml.exists() {
                let message = format!("only JSON is read, convert this file to {FILE_NAME}");
                return Err(Box::new(Faults::one(yaml.display().to_string(), Place::File, message)));
            }
            let Some(text) = instead else {
                let message = "there is no such file, write one or name another";
                return Err(Box::new(Faults::one(name, Place::File, message)));
            };
            let (config, warnings) = check("the built-in configuration", text.as_bytes(), surroundings)?;
            Ok(Loaded { config, warnings, file: None })
        }
        Err(error) => {
            let message = format!("cannot be read: {}", describe(&error));
            Err(Box::new(Faults::one(name, Place::File, message)))
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Checks the text of a configuration.
fn check(
    name: &str,
    bytes: &[u8],
    surroundings: Surroundings<'_>,
) -> Result<(Config, Vec<Warning>), Box<Faults>> {
    if bytes.len() as u64 > MAX_FILE_SIZE {
        let message = format!("more than {MAX_FILE_SIZE} bytes are no configuration, name another file");
        return Err(Box::new(Faults::one(name, Place::File, message)));
    }
    let json = Json::parse(name, bytes)?;
    let mut walk = Walk::new(surroundings);
    let config = RawNode::read(&json, &mut walk).map(|node| node.check(&mut walk));
    match config {
        Some(config) if walk.faults.is_empty() => Ok((config, walk.warnings)),
        _ => Err(Box::new(Faults { file: name.to_owned(), list: walk.faults, omitted: walk.omitted })),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
