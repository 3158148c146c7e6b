//! What a file without a graph contains: settings by name and tensors by name.
//!
//! A GGUF has no operators. A runtime that loads it builds the graph in code from these.

use super::WeightRange;
use crate::dtype::GgmlType;
use std::collections::BTreeMap;

/// The content of a file without a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Settings by name.
    pub settings: BTreeMap<String, Setting>,
    /// Tensors, in the order of the file; tensor `i` is node `i` of the graph.
    pub tensors: Vec<StoredTensor>,
}

/// A stored tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: GgmlType,
    /// Its four dims, the fastest first; absent ones are 1.
    pub dims: [u64; 4],
    /// Where its bytes are; they need not be there.
    pub range: WeightRange,
}

/// A value of a setting.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Setting {
    /// An integer.
    Integer(i64),
    /// A fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// A short list of numbers, truth values as 0 and 1.
    Numbers(Vec<f64>),
    /// A list that is too long to be a setting, or a list of texts: a vocabulary.
    List {
        /// Its elements.
        len: u64,
        /// Bytes of all its texts.
        text_bytes: u64,
    },
}

impl Stored {
    /// A setting that is an integer of at least 0.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<u64> {
        match self.settings.get(name)? {
            Setting::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A setting that is a number.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.settings.get(name)? {
            Setting::Float(value) => Some(*value),
            Setting::Integer(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// A setting that is true or false.
    #[must_use]
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.settings.get(name)? {
            Setting::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// A setting that is a text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.settings.get(name)? {
            Setting::Text(value) => Some(value),
            _ => None,
        }
    }

    /// A setting that is a short list of numbers.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Option<&[f64]> {
        match self.settings.get(name)? {
            Setting::Numbers(values) => Some(values),
            _ => None,
        }
    }

    /// Elements of a list, and bytes of its texts.
    #[must_use]
    pub fn list(&self, name: &str) -> Option<(u64, u64)> {
        match self.settings.get(name)? {
            Setting::List { len, text_bytes } => Some((*len, *text_bytes)),
            Setting::Numbers(values) => Some((values.len() as u64, 0)),
            _ => None,
        }
    }
}

impl StoredTensor {
    /// Bytes of the tensor.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.range.size
    }
}
