//! Attributes of one tag, by name.

use super::fault::cut;
use super::xml::{Cursor, Tag};
use crate::error::Result;

/// The raw value of one attribute of a tag.
pub(super) fn attribute<'a>(cursor: &Cursor<'a>, tag: &Tag<'a>, name: &str) -> Result<Option<&'a str>> {
    for attribute in tag.attributes() {
        let (own, value) = attribute.map_err(|error| cursor.error(error.to_string(), tag.start))?;
        if own == name {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// An attribute of `tag` as a number.
pub(super) fn number<T: std::str::FromStr>(
    cursor: &Cursor<'_>,
    tag: &Tag<'_>,
    name: &str,
    value: Option<&str>,
) -> Result<T> {
    let Some(value) = value else {
        return Err(cursor.error(format!("<{}> has no attribute `{name}`", tag.name()), tag.start));
    };
    value.trim_ascii().parse().map_err(|_| {
        let value = cut(value);
        let message = format!("attribute `{name}` of <{}> must be a number, and is \"{value}\"", tag.name());
        cursor.error(message, tag.start)
    })
}
