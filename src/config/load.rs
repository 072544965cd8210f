//! Where a configuration comes from.

use std::path::{Path, PathBuf};

use super::{
    Config, ConfigError, ConfigWarning, FaultPlace, LoadOptions,
    node::RawNode,
    reader::{self, Surroundings},
};

/// The node directory, unless the caller names another one.
const DEFAULT_NODE_DIR: &str = ".crossbar";

/// The configuration's name in a node directory.
const FILE_NAME: &str = "config.json";

/// The configuration that is built in.
const EMBEDDED: &str = include_str!("../../examples/default.json");

/// Where to look for a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// In `.crossbar`. Without a file there, the configuration that is built in.
    Default,
    /// In this node directory.
    NodeDir(PathBuf),
    /// In this file, whose folder is the node directory.
    File(PathBuf),
    /// In this file, with another node directory than its folder.
    FileAt {
        /// The node directory, to which the gateway joins relative paths.
        node_dir: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// In this text, for a program that embeds a gateway.
    Text {
        /// The node directory, to which the gateway joins relative paths.
        node_dir: PathBuf,
        /// The configuration as JSON.
        text: String,
    },
}

impl ConfigSource {
    /// The node directory.
    pub fn node_dir(&self) -> PathBuf {
        absolute(match self {
            Self::Default => Path::new(DEFAULT_NODE_DIR),
            Self::NodeDir(dir) | Self::FileAt { node_dir: dir, .. } | Self::Text { node_dir: dir, .. } => dir,
            Self::File(file) => folder_of(file),
        })
    }
}

/// A configuration that has passed every check.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// What is unwise about it.
    pub warnings: Vec<ConfigWarning>,
    /// The file; none: the text came from the caller, or is built in.
    pub file: Option<PathBuf>,
}

/// Finds, reads and checks a configuration, with the environment variables of the process.
///
/// The error holds everything that is wrong with the configuration.
pub fn load(source: &ConfigSource) -> Result<LoadedConfig, Box<ConfigError>> {
    load_by(source, &LoadOptions::default())
}

/// Like [`load`], with what the caller wants otherwise.
pub fn load_by(source: &ConfigSource, options: &LoadOptions) -> Result<LoadedConfig, Box<ConfigError>> {
    find(source, Outside { env: &|name| std::env::var(name).ok(), options: *options })
}

/// Like [`load`], with the environment variables that `env` gives.
pub fn load_with(
    source: &ConfigSource,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<LoadedConfig, Box<ConfigError>> {
    find(source, Outside { env, options: LoadOptions::default() })
}

/// What a configuration refers to, but for the node directory, and what the caller wants.
#[derive(Clone, Copy)]
struct Outside<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    options: LoadOptions,
}

impl<'a> Outside<'a> {
    fn at(self, node_dir: &'a Path, file: Option<&'a Path>) -> Surroundings<'a> {
        Surroundings { node_dir, file, env: self.env, options: self.options }
    }
}

fn find(source: &ConfigSource, outside: Outside<'_>) -> Result<LoadedConfig, Box<ConfigError>> {
    match source {
        ConfigSource::Default => {
            let dir = Path::new(DEFAULT_NODE_DIR);
            load_from(dir, dir.join(FILE_NAME), Some(EMBEDDED), outside)
        }
        ConfigSource::NodeDir(dir) => load_from(dir, dir.join(FILE_NAME), None, outside),
        ConfigSource::Text { node_dir, text } => {
            let node_dir = absolute(node_dir);
            let (config, warnings) =
                check("the configuration", text.as_bytes(), outside.at(&node_dir, None))?;
            Ok(LoadedConfig { config, warnings, file: None })
        }
        ConfigSource::FileAt { node_dir, file } => load_from(node_dir, file.clone(), None, outside),
        ConfigSource::File(file) => load_from(folder_of(file), file.clone(), None, outside),
    }
}

/// Loads a file. If it does not exist, loads the text `instead`, which is there unless the caller named the file.
fn load_from(
    node_dir: &Path,
    file: PathBuf,
    instead: Option<&str>,
    outside: Outside<'_>,
) -> Result<LoadedConfig, Box<ConfigError>> {
    if node_dir.is_file() {
        let message =
            "the node directory is a file: name the folder, or name the configuration's file with `--config`";
        return Err(Box::new(ConfigError::one(node_dir.display().to_string(), FaultPlace::File, message)));
    }
    let node_dir = absolute(node_dir);
    let surroundings = outside.at(&node_dir, Some(&file));
    let name = file.display().to_string();
    if let Some(bytes) = reader::find(&file)? {
        let (config, warnings) = check(&name, &bytes, surroundings)?;
        return Ok(LoadedConfig { config, warnings, file: Some(file) });
    }
    let Some(text) = instead else {
        let message = "there is no such file, write one or name another";
        return Err(Box::new(ConfigError::one(name, FaultPlace::File, message)));
    };
    let (config, warnings) = check("the built-in configuration", text.as_bytes(), surroundings)?;
    Ok(LoadedConfig { config, warnings, file: None })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn absolute(node_dir: &Path) -> PathBuf {
    std::path::absolute(node_dir).unwrap_or_else(|_| node_dir.to_owned())
}

/// Checks the text of a configuration.
fn check(
    name: &str,
    bytes: &[u8],
    surroundings: Surroundings<'_>,
) -> Result<(Config, Vec<ConfigWarning>), Box<ConfigError>> {
    reader::read(name, bytes, surroundings, RawNode::check)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
