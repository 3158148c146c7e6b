//! Memory-mapped files: gigabytes of weights of which a few KiB are read.
//!
//! The only unsafe code of the crate.

use super::file;
use crate::error::{Error, Result};
use std::fs::File;
use std::path::Path;

/// A file's bytes, mapped read-only.
#[derive(Debug)]
pub(crate) struct Mapping(Option<memmap2::Mmap>);

impl Mapping {
    /// Maps `path`.
    ///
    /// # Errors
    ///
    /// If the file is not a regular one, or cannot be opened or mapped.
    pub(crate) fn open(path: &Path) -> Result<Mapping> {
        let file = file::open(path)?;
        let len = file.metadata().map_err(|error| Error::io(path, error))?.len();
        if len == 0 {
            return Ok(Mapping(None));
        }
        Ok(Mapping(Some(map(&file).map_err(|error| Error::io(path, error))?)))
    }

    /// The bytes; empty for an empty file.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

/// # Safety argument
///
/// A mapping is sound as long as nothing changes the file meanwhile. The bytes are only copied out as numbers, so a
/// file that another process rewrites gives other numbers, which every reader treats as hostile anyway. A file that
/// another process cuts short during the read ends this process by a signal; model files are not written while they
/// are analysed, and every runtime that maps its weights relies on the same.
#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: see above; the mapping is private to this type, read-only, and never handed out as mutable.
    unsafe { memmap2::Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_file_has_no_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(Mapping::open(file.path()).unwrap().bytes().is_empty());
    }

    #[test]
    fn file_is_mapped() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"weights").unwrap();
        assert_eq!(Mapping::open(file.path()).unwrap().bytes(), b"weights");
    }
}
