//! Reads a configuration's file, up to a size.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::{ConfigError, FaultPlace};

/// The largest file: a hundred times the size of any configuration that people write.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// The extension of Crossbar's other format.
const YAML: &str = "yaml";

/// Reads a file; `None` if it does not exist. A YAML file in its place is an error with the remedy.
pub(crate) fn find(file: &Path) -> Result<Option<Vec<u8>>, Box<ConfigError>> {
    let fault = |file: &Path, message: String| {
        Box::new(ConfigError::one(file.display().to_string(), FaultPlace::File, message))
    };
    match read_bounded(file) {
        Ok(bytes) if bytes.len() as u64 > MAX_FILE_SIZE => {
            Err(fault(file, format!("the file is larger than {MAX_FILE_SIZE} bytes, name another one")))
        }
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
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
        Err(error) => Err(fault(file, format!("cannot be read: {}", describe(&error)))),
    }
}

fn read_bounded(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(MAX_FILE_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An error of the operating system in plain words, the same everywhere for the common ones.
pub(crate) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the permission is missing".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}
