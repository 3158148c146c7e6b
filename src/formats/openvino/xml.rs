//! XML as a stream of borrowed tags. Knows no IR.
//!
//! No DTD is read: a DOCTYPE is an error, so entities are the five predefined ones and character references.
//! Source: <https://www.w3.org/TR/xml/>.

use super::fault::{at, cut, malformed};
use crate::error::{Error, Position, Result};
use crate::formats::limits;
use quick_xml::events::Event;
use quick_xml::reader::Reader;
use std::borrow::Cow;

/// A place in a document, read front to back.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    reader: Reader<&'a [u8]>,
    source: &'a str,
    depth: usize,
    /// The last tag was `<a/>`, which closes without a tag of its own.
    closes: bool,
    /// The event parser is behind a tag, not before the `<` that ended a text: bytes may go past it.
    is_behind_tag: bool,
    /// Bytes that went past the event parser.
    skipped: usize,
    counted: Counted,
}

/// A start tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// The text between `<` and `>`.
    content: &'a str,
    name_len: usize,
    /// Byte of the `<`.
    pub start: usize,
}

/// Lines counted so far: positions are asked for in ascending order, so each byte is looked at once.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    bytes: usize,
    lines: u32,
    /// First byte of the line that `bytes` is in.
    line_start: usize,
}

impl Counted {
    fn advance(&mut self, source: &[u8], byte: usize) {
        let passed = source.get(self.bytes..byte.min(source.len())).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', passed).count();
        if let Some(last) = memchr::memrchr(b'\n', passed) {
            self.line_start = self.bytes + last + 1;
        }
        self.lines += lines as u32;
        self.bytes += passed.len();
    }

    fn position(self) -> Position {
        Position::Line(self.lines + 1, (self.bytes - self.line_start) as u32 + 1)
    }
}

enum Token<'a> {
    Open(Tag<'a>),
    Close,
    Text(Cow<'a, str>),
    End,
}

impl<'a> Cursor<'a> {
    /// The start of the document `bytes`.
    ///
    /// # Errors
    ///
    /// If they are not UTF-8, or hold a NUL.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Cursor<'a>> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let at_byte = |message: &str, byte: usize| malformed(message).at(at(Position::Byte(byte as u64)));
        let source = simdutf8::compat::from_utf8(bytes)
            .map_err(|error| at_byte("the XML is not valid UTF-8", error.valid_up_to()))?;
        if let Some(byte) = memchr::memchr(0, bytes) {
            return Err(at_byte("the XML holds a NUL byte", byte));
        }
        let mut reader = Reader::from_str(source);
        let config = reader.config_mut();
        config.trim_text_start = true;
        config.check_end_names = true;
        Ok(Cursor {
            reader,
            source,
            depth: 0,
            closes: false,
            is_behind_tag: false,
            skipped: 0,
            counted: Counted::default(),
        })
    }

    /// The next element within the one that is open, or `None` where that closes; text is passed over.
    pub(super) fn child(&mut self) -> Result<Option<Tag<'a>>> {
        loop {
            match self.next()? {
                Token::Open(tag) => return Ok(Some(tag)),
                Token::Close => return Ok(None),
                Token::Text(_) => {}
                Token::End if self.depth == 0 => return Ok(None),
                Token::End => return Err(self.truncated()),
            }
        }
    }

    /// The text of the open element, up to where it closes.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        loop {
            match self.next()? {
                Token::Text(part) if text.is_empty() => text = part,
                Token::Text(part) => text.to_mut().push_str(&part),
                Token::Close => return Ok(text),
                Token::Open(tag) => {
                    let message = format!("element <{}> is where text should be", tag.name());
                    return Err(self.error(message, tag.start));
                }
                Token::End => return Err(self.truncated()),
            }
        }
    }

    /// Passes over what is left of the open element.
    pub(super) fn skip(&mut self) -> Result<()> {
        let depth = self.depth;
        loop {
            match self.next()? {
                Token::Close if self.depth < depth => return Ok(()),
                Token::End => return Err(self.truncated()),
                _ => {}
            }
        }
    }

    /// Line and column of `byte`; calls must come in ascending order of `byte`.
    pub(super) fn position(&mut self, byte: usize) -> Position {
        self.counted.advance(self.source.as_bytes(), byte);
        self.counted.position()
    }

    /// An error at the tag that starts at `byte`.
    #[cold]
    pub(super) fn error(&self, message: impl Into<String>, byte: usize) -> Error {
        self.place(malformed(message), byte)
    }

    /// Gives `error` the position of `byte`.
    #[cold]
    pub(super) fn place(&self, error: Error, byte: usize) -> Error {
        let mut counted = Counted::default();
        counted.advance(self.source.as_bytes(), byte);
        error.at(at(counted.position()))
    }

    /// The document and the byte behind the last tag, for what is read without the event parser; [`Cursor::pass_over`] it
    /// once it is read. `None` where the event parser is not behind a tag.
    pub(super) fn behind_tag(&self) -> Option<(&'a str, usize)> {
        let is_behind = self.is_behind_tag && !self.closes;
        is_behind.then(|| (self.source, self.offset()))
    }

    /// Goes on at byte `end`, behind whole elements that were read.
    pub(super) fn pass_over(&mut self, end: usize) {
        let passed = end.saturating_sub(self.offset());
        let events = self.reader.get_mut();
        *events = events.get(passed..).unwrap_or_default();
        self.skipped += passed;
    }

    /// Byte after the last token.
    pub(super) fn offset(&self) -> usize {
        self.reader.buffer_position() as usize + self.skipped
    }

    fn next(&mut self) -> Result<Token<'a>> {
        if std::mem::take(&mut self.closes) {
            self.depth -= 1;
            return Ok(Token::Close);
        }
        loop {
            let event = self.reader.read_event();
            self.is_behind_tag = matches!(event, Ok(Event::Start(_) | Event::Empty(_) | Event::End(_)));
            match event {
                Ok(Event::Start(event)) => {
                    let tag = self.tag(event.len(), event.name().as_ref().len(), 1);
                    return self.open(tag).map(Token::Open);
                }
                Ok(Event::Empty(event)) => {
                    let tag = self.tag(event.len(), event.name().as_ref().len(), 2);
                    self.closes = true;
                    return self.open(tag).map(Token::Open);
                }
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Token::Close);
                }
                Ok(Event::Text(text)) => return Ok(Token::Text(text.into_inner())),
                Ok(Event::CData(text)) => return Ok(Token::Text(text.into_inner())),
                Ok(Event::GeneralRef(name)) => {
                    let reference = format!("&{};", name.into_inner());
                    return Ok(Token::Text(Cow::Owned(unescape(&reference).into_owned())));
                }
                Ok(Event::Comment(_) | Event::PI(_) | Event::Decl(_)) => {}
                Ok(Event::DocType(_)) => {
                    let error =
                        self.error("the XML has a document type, which an IR never has", self.offset());
                    return Err(error.help("remove the <!DOCTYPE …>; entities are not expanded"));
                }
                Ok(Event::Eof) => return Ok(Token::End),
                Err(error) => {
                    let byte = self.reader.error_position() as usize + self.skipped;
                    return Err(self
                        .error(format!("the XML is broken: {error}"), byte)
                        .help("the file is damaged or was cut short; export it again"));
                }
            }
        }
    }

    fn open(&mut self, tag: Tag<'a>) -> Result<Tag<'a>> {
        self.depth += 1;
        if self.depth > limits::MAX_XML_DEPTH {
            let error = limits::exceeded("elements within elements", self.depth, limits::MAX_XML_DEPTH);
            return Err(self.place(error, tag.start));
        }
        Ok(tag)
    }

    /// The tag that was just read: `len` bytes, then `closing` bytes (`>` or `/>`).
    fn tag(&self, len: usize, name_len: usize, closing: usize) -> Tag<'a> {
        let end = self.offset().saturating_sub(closing);
        let start = end.saturating_sub(len);
        Tag {
            content: self.source.get(start..end).unwrap_or_default(),
            name_len,
            start: start.saturating_sub(1),
        }
    }

    #[cold]
    fn truncated(&self) -> Error {
        self.error("the XML ends before its last element closes", self.source.len())
            .help("the file was cut short; export or download it again")
    }
}

impl<'a> Tag<'a> {
    /// The element's name.
    pub(super) fn name(&self) -> &'a str {
        self.content.get(..self.name_len).unwrap_or_default()
    }

    /// Names and raw values of the attributes, in order; what is not an attribute ends the list with `Err`.
    pub(super) fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.content.get(self.name_len..).unwrap_or_default() }
    }
}

/// Iterates over the attributes of a [`Tag`].
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a str,
}

/// Bytes that no name of an attribute has.
const ENDS_NAME: [bool; 256] = {
    let mut table = marks(b"=\"'");
    let mut byte = 0;
    while byte <= b' ' as usize {
        table[byte] = true;
        byte += 1;
    }
    table
};

const fn marks<const N: usize>(bytes: &[u8; N]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < N {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
}

/// The text in the place of an attribute.
#[derive(Debug, thiserror::Error)]
#[error("an attribute must be name=\"value\", and here is `{0}`")]
pub(super) struct BadAttribute(String);

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<(&'a str, &'a str), BadAttribute>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let attribute = split_attribute(rest);
        self.rest = attribute.map_or("", |(_, _, rest)| rest);
        Some(match attribute {
            Some((name, value, _)) if value.len() <= limits::MAX_ATTRIBUTE_BYTES => Ok((name, value)),
            _ => Err(BadAttribute(cut(rest).to_owned())),
        })
    }
}

/// Values up to this length are searched by a plain loop.
const SHORT_VALUE: usize = 16;

/// Name, value and the rest of `name="value" …`.
///
/// Names of attributes are short, and a plain loop beats a search; values may be long.
fn split_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let bytes = text.as_bytes();
    let name_len = bytes.iter().position(|&byte| ENDS_NAME[usize::from(byte)])?;
    if let Some([b'=', b'"', value @ ..]) = bytes.get(name_len..)
        && let Some(len) = value.iter().take(SHORT_VALUE).position(|&byte| byte == b'"')
        && name_len > 0
    {
        let open = name_len + 2;
        return Some((text.get(..name_len)?, text.get(open..open + len)?, text.get(open + len + 1..)?));
    }
    let mut equals = name_len;
    while bytes.get(equals)?.is_ascii_whitespace() {
        equals += 1;
    }
    let mut open = equals + 1;
    while bytes.get(open)?.is_ascii_whitespace() {
        open += 1;
    }
    let quote = *bytes.get(open)?;
    let is_pair = name_len > 0 && bytes.get(equals) == Some(&b'=') && matches!(quote, b'"' | b'\'');
    let close = open + 1 + memchr::memchr(quote, bytes.get(open + 1..).filter(|_| is_pair)?)?;
    Some((text.get(..name_len)?, text.get(open + 1..close)?, text.get(close + 1..)?))
}

/// Replaces `&lt;` and its like; text with a reference that is unknown stays as it is.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'&', text.as_bytes()).is_some() {
        quick_xml::escape::unescape(text).unwrap_or(Cow::Borrowed(text))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(document: &str) -> Error {
        let mut cursor = Cursor::new(document.as_bytes()).unwrap();
        cursor.child().and_then(|_| cursor.skip()).unwrap_err()
    }

    #[test]
    fn attributes_borrow_from_the_document() {
        let mut cursor = Cursor::new(b"<a x=\"1\" y = '2&lt;' />").unwrap();
        let tag = cursor.child().unwrap().unwrap();
        let attributes: Vec<_> = tag.attributes().map(Result::unwrap).collect();
        assert_eq!((tag.name(), attributes), ("a", vec![("x", "1"), ("y", "2&lt;")]));
        assert_eq!(unescape("2&lt;"), "2<");
    }

    #[test]
    fn attribute_without_quotes_is_an_error() {
        let mut cursor = Cursor::new(b"<a x=1>").unwrap();
        let tag = cursor.child().unwrap().unwrap();
        assert!(tag.attributes().next().unwrap().is_err());
    }

    #[test]
    fn short_and_long_values_are_split_alike() {
        let long = "x".repeat(100);
        for value in ["", "1", "0123456789abcdef", &long] {
            let text = format!("name=\"{value}\" rest");
            assert_eq!(split_attribute(&text), Some(("name", value, " rest")));
        }
        assert_eq!(split_attribute("=\"1\""), None);
        assert_eq!(split_attribute("name=\"1"), None);
    }

    #[test]
    fn positions_are_lines_and_columns() {
        let mut cursor = Cursor::new(b"<a>\n\n  <b/></a>").unwrap();
        cursor.child().unwrap();
        let b = cursor.child().unwrap().unwrap();
        assert_eq!(cursor.position(b.start), Position::Line(3, 3));
    }

    #[test]
    fn document_type_is_refused() {
        let text = error_of("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").to_string();
        assert!(text.contains("document type"), "{text}");
    }

    #[test]
    fn wrong_end_tag_names_its_line() {
        let error = error_of("<a>\n<b>\n</c></a>");
        assert_eq!(error.location().position, Some(Position::Line(3, 1)));
    }

    #[test]
    fn missing_end_tag_is_an_error() {
        assert!(error_of("<a><b></b>").to_string().contains("ends before"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(error_of(&"<a>".repeat(100_000)).is_limit());
    }

    #[test]
    fn invalid_text_names_its_byte() {
        let byte = |bytes: &[u8]| Cursor::new(bytes).unwrap_err().location().position;
        assert_eq!(byte(b"<a>\xff</a>"), Some(Position::Byte(3)));
        assert_eq!(byte(b"<a\0>"), Some(Position::Byte(2)));
    }
}
