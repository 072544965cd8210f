//! Reads a configuration's file, up to a size.

use std::path::Path;

use super::{ConfigError, FaultPlace};
use crate::file::{self, ReadError};

/// The largest file: a hundred times the size of any configuration that people write.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// The extension of Crossbar's other format.
const YAML: &str = "yaml";

/// Reads a file; `None` if it does not exist. A YAML file in its place is an error with the remedy.
pub(crate) fn find(file: &Path) -> Result<Option<Vec<u8>>, Box<ConfigError>> {
    let fault = |file: &Path, message: String| {
        Box::new(ConfigError::one(file.display().to_string(), FaultPlace::File, message))
    };
    match file::read(file, MAX_FILE_SIZE) {
        Err(ReadError::TooLarge) => {
            Err(fault(file, format!("the file is larger than {MAX_FILE_SIZE} bytes, name another one")))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_not_found() => {
            let yaml = file.with_extension(YAML);
            if yaml.exists() {
                let name = file.file_name().unwrap_or_default().display();
                return Err(fault(
                    &yaml,
                    format!("the gateway reads only JSON, convert this file to {name}"),
                ));
            }
            Ok(None)
        }
        Err(error) => Err(fault(file, format!("cannot be read: {error}"))),
    }
}
