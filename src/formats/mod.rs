//! Readers: file bytes in, [`Graph`] out. The only module that opens model files.

pub mod config;
mod digest;
pub mod limits;

pub use digest::sha256;

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use std::path::Path;

/// Reads a model file, told by its content.
///
/// # Errors
///
/// If the file cannot be read, is of no known format, breaks its format, or exceeds a cap of [`limits`].
pub fn open(path: &Path) -> Result<Graph> {
    let file = std::fs::File::open(path).map_err(|error| Error::io(path, error))?;
    let _ = file;
    Err(Error::new(ErrorKind::Unsupported, "not an OpenVINO IR").in_file(path))
}
