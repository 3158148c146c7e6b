//! Errors of the reader.

use crate::error::{Error, ErrorKind, Location, Position};

/// A [`Location`] that is only a position.
pub(super) fn at(position: Position) -> Location {
    Location { position: Some(position), ..Location::default() }
}

#[cold]
pub(super) fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}

/// As much of a file's text as an error shows.
pub(super) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(80)).unwrap_or_default()
}
