//! Text files that are not models: reports, files of settings.

use super::file;
use super::limits::{self, MAX_CONFIG_BYTES};
use crate::error::{Error, ErrorKind, Result};
use std::io::Read;
use std::path::Path;

/// Reads a text file.
///
/// # Errors
///
/// If it cannot be read, is larger than [`MAX_CONFIG_BYTES`], or is not UTF-8.
pub fn read(path: &Path) -> Result<String> {
    read_up_to(path, MAX_CONFIG_BYTES)
}

/// Reads a text file of at most `cap` bytes.
///
/// # Errors
///
/// If it cannot be read, is not a regular file, is larger, or is not UTF-8.
pub fn read_up_to(path: &Path, cap: u64) -> Result<String> {
    let length = file::length(path)?;
    if length > cap {
        return Err(limits::exceeded("bytes of the file", length, cap).in_file(path));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new(ErrorKind::Malformed, format!("the file is not text: byte {at} is not UTF-8"))
            .in_file(path)
    })
}

/// The files and folders of a folder that match a pattern (`models/*-int4`), by name.
///
/// # Errors
///
/// If the pattern is malformed.
#[cfg(feature = "regress")]
pub fn matching(folder: &Path, pattern: &str) -> Result<Vec<std::path::PathBuf>> {
    let folder = glob::Pattern::escape(&folder.to_string_lossy());
    let whole = if folder.is_empty() { pattern.to_owned() } else { format!("{folder}/{pattern}") };
    let found = glob::glob(&whole).map_err(|error| {
        let message = format!("\"{pattern}\" is not a pattern: {}", error.msg);
        Error::new(ErrorKind::Usage, message)
            .help("`*` is any text, `?` a letter, `[ab]` one of some, `**` any folders")
    })?;
    Ok(found.filter_map(std::result::Result::ok).collect())
}

/// Whether a file is a JSON object, by its first character.
///
/// What cannot be read is not one: the reader that it is given to says why.
#[must_use]
pub fn is_json(path: &Path) -> bool {
    let mut start = [0; 64];
    let read = file::open(path).ok().and_then(|mut file| file.read(&mut start).ok());
    let start = start.get(..read.unwrap_or(0)).unwrap_or_default();
    start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_not_a_model() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        assert!(is_json(&file("report.json", b"\n {\"schema_version\": 1}")));
        assert!(!is_json(&file("model.xml", b"<?xml version=\"1.0\"?>")));
        assert!(!is_json(folder.path()) && !is_json(&folder.path().join("none")));
        assert!(read(&file("broken", b"a\xff")).unwrap_err().to_string().contains("byte 1 is not UTF-8"));
    }
}
