//! Reads numbers and texts off the start of a file, and knows where it is.

use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::formats::limits;

/// A position in the bytes of a file.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The start of `bytes`.
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    /// Bytes before the position.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let Some(found) = found else {
            let message =
                format!("the header ends early: {len} bytes are needed, and {} are there", rest.len());
            return Err(self.fault(message).help("the file was cut within its header; fetch more of it"));
        };
        self.at += found.len();
        Ok(found)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut found = [0; N];
        found.copy_from_slice(self.take(N as u64)?);
        Ok(found)
    }

    /// A number of 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of 64 bits.
    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A text: its length, then its bytes. Bytes that are not UTF-8 are replaced.
    pub(super) fn text(&mut self) -> Result<std::borrow::Cow<'a, str>> {
        let len = self.u64()?;
        if len > limits::MAX_ATTRIBUTE_BYTES as u64 {
            return Err(self.exceeded("bytes of a text", len, limits::MAX_ATTRIBUTE_BYTES as u64));
        }
        Ok(String::from_utf8_lossy(self.take(len)?))
    }

    /// Steps over a text; returns its length.
    pub(super) fn skip_text(&mut self) -> Result<u64> {
        let len = self.u64()?;
        self.take(len)?;
        Ok(len)
    }

    /// An error at the position.
    #[cold]
    pub(super) fn fault(&self, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Malformed, message).at(self.place())
    }

    /// The error for `what` beyond its cap.
    #[cold]
    pub(super) fn exceeded(&self, what: &str, found: u64, cap: u64) -> Error {
        limits::exceeded(what, found, cap).at(self.place())
    }

    /// The position, for errors.
    pub(super) fn place(&self) -> Location {
        Location { position: Some(Position::Byte(self.at as u64)), ..Location::default() }
    }
}
