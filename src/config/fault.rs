//! What is wrong with a configuration, and what is only unwise.

use std::fmt::{self, Write as _};

/// How many faults are kept. A file of 1 MiB can hold a hundred thousand; nobody reads more than this.
pub(super) const MAX_FAULTS: usize = 100;

/// One thing that is wrong: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it is.
    pub place: Place,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// A place in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A character of the file, both counted from one: for text that is no JSON.
    Position {
        /// The line.
        line: usize,
        /// The column, in bytes.
        column: usize,
    },
    /// A value, by its path: `transports[0].paths.ws.cookie.length`. Empty: the outermost value.
    Path(String),
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file, as it was named.
    pub file: String,
    /// The faults in the order in which they were met; never empty.
    pub list: Vec<Fault>,
    /// How many more there were.
    pub omitted: usize,
}

/// Something that works, but not as one would wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The value's path.
    pub path: String,
    /// What is unwise about it, and what to write instead.
    pub message: String,
}

impl Faults {
    pub(super) fn one(file: impl Into<String>, place: Place, message: impl Into<String>) -> Self {
        Self { file: file.into(), list: vec![Fault { place, message: message.into() }], omitted: 0 }
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.list.iter().enumerate() {
            if number > 0 {
                f.write_char('\n')?;
            }
            match &fault.place {
                Place::File => write!(f, "{}: {}", self.file, fault.message)?,
                Place::Position { line, column } => {
                    write!(f, "{}:{line}:{column}: {}", self.file, fault.message)?;
                }
                Place::Path(path) if path.is_empty() => write!(f, "{}: {}", self.file, fault.message)?,
                Place::Path(path) => write!(f, "{path}: {}", fault.message)?,
            }
        }
        if self.omitted > 0 {
            write!(f, "\n(and {} more)", self.omitted)?;
        }
        Ok(())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
