//! The identity of a model file.

use super::file;
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// SHA-256 of a file, in hex; of a GGUF, of its header, since its data may be absent.
///
/// Cost: reads the whole file; reports ask for it only where they carry it.
///
/// # Errors
///
/// If the file cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = file::open(path)?.take(hashed_bytes(path)?);
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        match file.read(&mut chunk).map_err(|error| Error::io(path, error))? {
            0 => break,
            length => hasher.update(&chunk[..length]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Bytes from the start of a file that identify it.
#[cfg(feature = "gguf")]
fn hashed_bytes(path: &Path) -> Result<u64> {
    if super::gguf::is_gguf(path)? { super::gguf::header_bytes(path) } else { Ok(u64::MAX) }
}

/// Bytes from the start of a file that identify it.
#[cfg(not(feature = "gguf"))]
fn hashed_bytes(_path: &Path) -> Result<u64> {
    Ok(u64::MAX)
}
