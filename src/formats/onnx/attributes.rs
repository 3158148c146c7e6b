//! The attributes of one node, read by name and kind.

use super::proto::attribute_proto::AttributeType as Kind;
use super::proto::{AttributeProto, TensorProto};
use super::types;
use crate::DType;
use crate::formats::{limits, lookup};
use crate::graph::op::Ints;
use smallvec::SmallVec;

/// Why an attribute cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AttributeError {
    #[error("attribute `{0}` is missing")]
    Missing(&'static str),
    #[error("attribute `{name}` must be {expected}, and is {found}")]
    Invalid { name: &'static str, found: String, expected: &'static str },
    #[error("attribute `{name}` has {count} numbers, over the limit of {}", limits::MAX_LIST)]
    Long { name: &'static str, count: usize },
}

pub(super) type Result<T> = std::result::Result<T, AttributeError>;

/// A node as its file has it: what decides which canonical operator it becomes.
#[derive(Debug)]
pub(super) struct Layer<'r> {
    /// Names and attributes; those of a function's node are the caller's already.
    pub attributes: SmallVec<[(&'r str, &'r AttributeProto); 8]>,
    /// Version of the operator set that the model imports.
    pub version: i64,
    /// Whether each input is there.
    pub inputs: SmallVec<[bool; 8]>,
    /// Number of outputs, absent ones included.
    pub outputs: usize,
}

impl<'r> Layer<'r> {
    /// Whether input `index` is there.
    pub(super) fn has(&self, index: usize) -> bool {
        self.inputs.get(index).copied().unwrap_or(false)
    }

    /// The attribute, whatever it is.
    pub(super) fn attribute(&self, name: &str) -> Option<&'r AttributeProto> {
        self.attributes.iter().find(|(own, _)| *own == name).map(|&(_, attribute)| attribute)
    }

    /// An integer, if it is given.
    pub(super) fn int(&self, name: &'static str) -> Result<Option<i64>> {
        Ok(self.of(name, Kind::Int, "an integer")?.map(|attribute| attribute.i))
    }

    /// An integer that must be there.
    pub(super) fn int_needed(&self, name: &'static str) -> Result<i64> {
        self.int(name)?.ok_or(AttributeError::Missing(name))
    }

    /// An integer, or `default`.
    pub(super) fn int_or(&self, name: &'static str, default: i64) -> Result<i64> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// Whether an integer, or `default` where it is absent, is not 0.
    pub(super) fn flag(&self, name: &'static str, default: bool) -> Result<bool> {
        Ok(self.int_or(name, i64::from(default))? != 0)
    }

    /// Integers, if they are given. A single integer is taken as a list of one.
    pub(super) fn ints(&self, name: &'static str) -> Result<Option<Ints>> {
        match self.attribute(name) {
            Some(attribute) if attribute.r#type == Kind::Int as i32 => {
                Ok(Some(Ints::from_slice(&[attribute.i])))
            }
            _ => match self.of(name, Kind::Ints, "a list of integers")? {
                Some(attribute) if attribute.ints.len() > limits::MAX_LIST => {
                    Err(AttributeError::Long { name, count: attribute.ints.len() })
                }
                found => Ok(found.map(|attribute| Ints::from_slice(&attribute.ints))),
            },
        }
    }

    /// Integers; empty if there are none.
    pub(super) fn ints_or_none(&self, name: &'static str) -> Result<Ints> {
        Ok(self.ints(name)?.unwrap_or_default())
    }

    /// Number of entries of a list of any kind.
    pub(super) fn length(&self, name: &str) -> usize {
        self.attribute(name).map_or(0, |attribute| {
            attribute.ints.len().max(attribute.floats.len()).max(attribute.strings.len())
        })
    }

    /// A float, if it is given.
    pub(super) fn float(&self, name: &'static str) -> Result<Option<f64>> {
        Ok(self.of(name, Kind::Float, "a number")?.map(|attribute| f64::from(attribute.f)))
    }

    /// Floats, if they are given.
    pub(super) fn floats(&self, name: &'static str) -> Result<Option<&'r [f32]>> {
        match self.of(name, Kind::Floats, "a list of numbers")? {
            Some(attribute) if attribute.floats.len() > limits::MAX_LIST => {
                Err(AttributeError::Long { name, count: attribute.floats.len() })
            }
            found => Ok(found.map(|attribute| attribute.floats.as_slice())),
        }
    }

    /// A text, if it is given.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&'r str>> {
        let Some(attribute) = self.of(name, Kind::String, "a text")? else { return Ok(None) };
        let text = std::str::from_utf8(&attribute.s);
        text.map(Some).map_err(|_| invalid(name, "not UTF-8", "a text"))
    }

    /// A word of a fixed set, or `default`.
    pub(super) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
        default: T,
        expected: &'static str,
    ) -> Result<T> {
        let Some(value) = self.text(name)? else { return Ok(default) };
        let shown = || format!("\"{}\"", value.chars().take(40).collect::<String>());
        lookup::word(words, value).ok_or_else(|| invalid(name, &shown(), expected))
    }

    /// A tensor, if it is given.
    pub(super) fn tensor(&self, name: &'static str) -> Result<Option<&'r TensorProto>> {
        Ok(self.of(name, Kind::Tensor, "a tensor")?.and_then(|attribute| attribute.t.as_deref()))
    }

    /// An element type, if it is given and not 0, which means undefined.
    pub(super) fn dtype(&self, name: &'static str) -> Result<Option<DType>> {
        match self.int(name)? {
            None | Some(0) => Ok(None),
            Some(number) => {
                let known = i32::try_from(number).ok().and_then(types::dtype);
                known.map(Some).ok_or_else(|| invalid(name, &number.to_string(), "an element type"))
            }
        }
    }

    /// An element type that must be there.
    pub(super) fn dtype_needed(&self, name: &'static str) -> Result<DType> {
        self.dtype(name)?.ok_or(AttributeError::Missing(name))
    }

    /// The attribute, if it is there and of this kind; files before IR version 2 do not state the kind.
    fn of(
        &self,
        name: &'static str,
        kind: Kind,
        expected: &'static str,
    ) -> Result<Option<&'r AttributeProto>> {
        match self.attribute(name) {
            Some(attribute) if attribute.r#type == kind as i32 || attribute.r#type == 0 => {
                Ok(Some(attribute))
            }
            Some(attribute) => {
                let found =
                    Kind::try_from(attribute.r#type).map_or("of unknown kind", |kind| kind.as_str_name());
                Err(invalid(name, found, expected))
            }
            None => Ok(None),
        }
    }
}

#[cold]
pub(super) fn invalid(name: &'static str, found: &str, expected: &'static str) -> AttributeError {
    AttributeError::Invalid { name, found: found.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(attribute: &AttributeProto) -> Layer<'_> {
        Layer {
            attributes: [("a", attribute)].into_iter().collect(),
            version: 18,
            inputs: SmallVec::new(),
            outputs: 1,
        }
    }

    #[test]
    fn kinds_are_checked() {
        let one = AttributeProto { r#type: Kind::Int as i32, i: 1, ..AttributeProto::default() };
        assert_eq!(layer(&one).int("a"), Ok(Some(1)));
        assert_eq!(layer(&one).int("b"), Ok(None));
        assert_eq!(layer(&one).ints("a").map(|ints| ints.map(|ints| ints.to_vec())), Ok(Some(vec![1])));
        let error = layer(&one).text("a").unwrap_err().to_string();
        assert_eq!(error, "attribute `a` must be a text, and is INT");
        assert_eq!(layer(&one).dtype("a"), Ok(Some(DType::F32)));
        let unkind = AttributeProto { i: 29, ..AttributeProto::default() };
        let error = layer(&unkind).dtype("a").unwrap_err().to_string();
        assert_eq!(error, "attribute `a` must be an element type, and is 29");
    }

    #[test]
    fn lists_are_capped() {
        let long =
            AttributeProto { r#type: Kind::Ints as i32, ints: vec![0; 5000], ..AttributeProto::default() };
        assert!(
            layer(&long).ints("a").unwrap_err().to_string().contains("5000 numbers, over the limit of 4096")
        );
    }
}
