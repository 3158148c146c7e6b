//! The bytes of a model file, and positions in it.

use crate::error::{Error, ErrorKind, Position, Result};
use crate::graph::WeightRange;
use prost::bytes::Bytes;
use std::path::Path;

/// A model's file, of which decoded messages hold parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'m> {
    pub path: &'m Path,
    pub bytes: &'m Bytes,
}

impl Source<'_> {
    /// Offset of a part of the file; `None` for what is elsewhere, such as an absent text.
    pub(super) fn offset(&self, part: &[u8]) -> Option<u64> {
        let offset = part.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        (!part.is_empty() && offset < self.bytes.len()).then_some(offset as u64)
    }

    /// The position of a part of the file, for errors.
    pub(super) fn position(&self, part: &[u8]) -> Option<Position> {
        self.offset(part).map(Position::Byte)
    }

    /// The range of a weights file that begins with `part`; `None` if it is empty.
    pub(super) fn range(&self, part: &[u8], size: u64) -> Option<WeightRange> {
        Some(WeightRange { file: 0, offset: self.offset(part)?, size })
    }
}

/// A text of the file.
///
/// # Errors
///
/// If it is not UTF-8, or holds a NUL, which separates names in a graph.
pub(super) fn text(bytes: &[u8]) -> Result<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => {
            let shown =
                String::from_utf8_lossy(bytes.get(..bytes.len().min(60)).unwrap_or_default()).into_owned();
            Err(Error::new(ErrorKind::Malformed, format!("the name {shown:?} is not UTF-8 text without NUL")))
        }
    }
}
