//! The attributes of one layer, read by name and kind.

use super::fault::cut;
use super::{text, xml};
use crate::DType;
use crate::formats::lookup;
use crate::graph::PartialShape;
use crate::graph::op::Ints;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Why an attribute cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttributeError {
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    #[error("attribute `{name}` must be {expected}, and is \"{value}\"")]
    Invalid { name: &'static str, value: String, expected: &'static str },
}

pub(super) type Result<T> = std::result::Result<T, AttributeError>;

/// What the `<data>` of a layer says.
#[derive(Debug)]
pub(super) struct Attributes<'l, 'a> {
    /// Names and raw values.
    pub pairs: &'l [(&'a str, &'a str)],
    /// Declared inputs.
    pub inputs: usize,
}

impl<'a> Attributes<'_, 'a> {
    /// The raw value; entities are not resolved.
    pub(super) fn raw(&self, name: &'static str) -> Option<&'a str> {
        self.pairs.iter().find(|(own, _)| *own == name).map(|&(_, value)| value)
    }

    /// A text that must be there.
    pub(super) fn text(&self, name: &'static str) -> Result<Cow<'a, str>> {
        self.raw(name).map(xml::unescape).ok_or(AttributeError::Missing(name))
    }

    /// A word of a fixed set, or `default`; words are compared without regard to case.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
        default: T,
        expected: &'static str,
    ) -> Result<T> {
        let Some(value) = self.raw(name) else { return Ok(default) };
        lookup::word(words, value).ok_or_else(|| invalid(name, value, expected))
    }

    /// An integer that must be there.
    pub(super) fn int(&self, name: &'static str) -> Result<i64> {
        let value = self.raw(name).ok_or(AttributeError::Missing(name))?;
        value.trim_ascii().parse().map_err(|_| invalid(name, value, "an integer"))
    }

    /// An integer, or `default`.
    pub(super) fn int_or(&self, name: &'static str, default: i64) -> Result<i64> {
        if self.raw(name).is_some() { self.int(name) } else { Ok(default) }
    }

    /// A number, or `default`.
    pub(super) fn float_or(&self, name: &'static str, default: f32) -> Result<f32> {
        let Some(value) = self.raw(name) else { return Ok(default) };
        value.trim_ascii().parse().map_err(|_| invalid(name, value, "a number"))
    }

    /// `true` or `false`, or `default`.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool> {
        let words = [("true", true), ("false", false), ("1", true), ("0", false)];
        self.word(name, &words, default, "true or false")
    }

    /// Integers separated by commas; empty if there are none.
    pub(super) fn ints(&self, name: &'static str) -> Result<Ints> {
        let Some(value) = self.raw(name) else { return Ok(Ints::new()) };
        text::list(value).ok_or_else(|| invalid(name, value, "a list of integers"))
    }

    /// Floats separated by commas; empty if there are none.
    pub(super) fn floats(&self, name: &'static str) -> Result<SmallVec<[f64; 4]>> {
        let Some(value) = self.raw(name) else { return Ok(SmallVec::new()) };
        text::list(value).ok_or_else(|| invalid(name, value, "a list of numbers"))
    }

    /// An element type that must be there.
    pub(super) fn dtype(&self, name: &'static str) -> Result<DType> {
        let value = self.raw(name).ok_or(AttributeError::Missing(name))?;
        text::dtype(value).ok_or_else(|| invalid(name, value, "an element type"))
    }

    /// An element type, or `default`.
    pub(super) fn dtype_or(&self, name: &'static str, default: DType) -> Result<DType> {
        if self.raw(name).is_some() { self.dtype(name) } else { Ok(default) }
    }

    /// A shape that must be there; its dims may be unknown.
    pub(super) fn shape(&self, name: &'static str) -> Result<PartialShape> {
        let value = self.raw(name).ok_or(AttributeError::Missing(name))?;
        text::shape(value).ok_or_else(|| invalid(name, value, "a shape such as 1,3,?,1..8"))
    }
}

#[cold]
pub(super) fn invalid(name: &'static str, value: &str, expected: &'static str) -> AttributeError {
    AttributeError::Invalid { name, value: cut(value).to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: Attributes<'static, 'static> = Attributes {
        pairs: &[
            ("axis", " -1"),
            ("keep_dims", "True"),
            ("strides", "2, 2"),
            ("mode", "Numpy"),
            ("to", "FP16"),
        ],
        inputs: 1,
    };

    #[test]
    fn values_are_read_by_kind() {
        assert_eq!(ATTRIBUTES.int("axis"), Ok(-1));
        assert_eq!(ATTRIBUTES.flag("keep_dims", false), Ok(true));
        assert_eq!(ATTRIBUTES.ints("strides").map(|ints| ints.to_vec()), Ok(vec![2, 2]));
        assert_eq!(ATTRIBUTES.dtype("to"), Ok(DType::F16));
        assert_eq!(ATTRIBUTES.word("mode", &[("numpy", 7)], 0, "a mode"), Ok(7));
    }

    #[test]
    fn errors_name_attribute_and_value() {
        assert_eq!(ATTRIBUTES.int("k").unwrap_err().to_string(), "attribute `k` is missing");
        let error = ATTRIBUTES.int("mode").unwrap_err().to_string();
        assert_eq!(error, "attribute `mode` must be an integer, and is \"Numpy\"");
    }
}
