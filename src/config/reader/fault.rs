//! What is wrong with a configuration, and what is only unwise.

use std::fmt::{self, Write as _};

/// How many faults are kept. A file of 1 MiB can hold a hundred thousand; no operator reads more than these.
pub(crate) const MAX_FAULTS: usize = 100;

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The file, as the caller named it.
    pub file: String,
    /// The faults in the order in which the walk met them; never empty.
    pub faults: Vec<ConfigFault>,
    /// How many more there were.
    pub omitted: usize,
    /// What is unwise about the rest, as far as the check got.
    pub warnings: Vec<ConfigWarning>,
}

/// One thing that is wrong: where it stands, what is wrong, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigFault {
    /// Where it stands.
    pub place: FaultPlace,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// Where a fault stands in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultPlace {
    /// The file as a whole.
    File,
    /// A character of the file, for text that is not JSON. Lines and columns count from one.
    Position {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// A value, by its path: `transports[0].paths.ws.cookie.length`. Empty: the outermost value.
    Path(String),
}

/// Something that works, but not as the operator may wish.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigWarning {
    /// The value's path.
    pub path: String,
    /// What is unwise about it, and what to write instead.
    pub message: String,
}

impl ConfigError {
    /// The number of faults, including those that the list leaves out.
    pub fn count(&self) -> usize {
        self.faults.len() + self.omitted
    }

    /// An error of one fault.
    pub(crate) fn one(file: impl Into<String>, place: FaultPlace, message: impl Into<String>) -> Self {
        let faults = vec![ConfigFault { place, message: message.into() }];
        Self { file: file.into(), faults, omitted: 0, warnings: Vec::new() }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            match &fault.place {
                FaultPlace::File => write!(f, "{}: {}", self.file, fault.message)?,
                FaultPlace::Position { line, column } => {
                    write!(f, "{}:{line}:{column}: {}", self.file, fault.message)?;
                }
                FaultPlace::Path(path) if path.is_empty() => {
                    write!(f, "{}: {}", self.file, fault.message)?;
                }
                FaultPlace::Path(path) => write!(f, "{path}: {}", fault.message)?,
            }
        }
        if self.omitted > 0 {
            write!(f, "\n(and {} more)", self.omitted)?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
