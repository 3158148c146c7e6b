//! The `.bin` next to an IR: where constants are, and the few whose values drive shapes.

use super::attributes::{AttributeError, Attributes, invalid};
use super::text;
use crate::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::file::{self, Place};
use crate::formats::identify::lfs_pointer;
use crate::formats::limits;
use crate::formats::mapping::Mapping;
use crate::graph::op::Constant;
use crate::graph::{PartialShape, Value, WeightFile, WeightRange};
use std::path::Path;

/// The `.bin` of one IR.
#[derive(Debug)]
pub(super) struct Weights {
    file: WeightFile,
    mapping: Option<Mapping>,
}

/// Why a constant cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConstantError {
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    #[error("the constant has {size} bytes, and {dtype} {shape} needs {needed}")]
    Size { size: u64, needed: u64, dtype: DType, shape: String },
    #[error("the constant ends beyond 2^64: offset {offset}, size {size}")]
    Range { offset: u64, size: u64 },
    #[error("the shape {0} has more than 2^64 elements")]
    Elements(String),
}

impl Weights {
    /// The `.bin` that belongs to the IR at `xml`: same name, other extension. It may be missing; a git-lfs
    /// pointer counts as that.
    ///
    /// # Errors
    ///
    /// If it exists and cannot be mapped, or is a link to another folder.
    pub(super) fn next_to(xml: &Path) -> Result<Weights> {
        let path = xml.with_extension("bin");
        if let Place::Outside(real) = file::place(xml, &path)? {
            return Err(outside(&path, &real));
        }
        let len = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len());
        let mapping = len.map(|_| Mapping::open(&path)).transpose()?;
        let is_pointer = mapping.as_ref().is_some_and(|found| lfs_pointer(found.bytes()).is_some());
        let mapping = mapping.filter(|_| !is_pointer);
        let len = len.filter(|_| !is_pointer);
        Ok(Weights { file: WeightFile { path, len, is_pointer }, mapping })
    }

    /// The file, for the graph.
    pub(super) fn file(&self) -> WeightFile {
        self.file.clone()
    }

    /// The constant that `attributes` describe, with its type and shape.
    pub(super) fn constant(
        &self,
        attributes: &Attributes<'_, '_>,
    ) -> Result<(Constant, DType, PartialShape), ConstantError> {
        let dtype = attributes.dtype("element_type")?;
        let spelt = attributes.raw("shape").unwrap_or_default();
        let shape = text::shape(spelt).filter(|shape| shape.as_known().is_some());
        let shape = shape.ok_or_else(|| invalid("shape", spelt, "a shape of known dims"))?;
        let dims = shape.as_known().unwrap_or_default();
        let offset = unsigned(attributes, "offset")?;
        let size = unsigned(attributes, "size")?;

        let elements = dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
        let elements = elements.or_else(|| dims.contains(&0).then_some(0));
        let elements = elements.ok_or_else(|| ConstantError::Elements(shape.to_string()))?;
        // As in OpenVINO, more bytes than the elements need are not an error: it writes one for a constant without elements,
        // and units of three bytes for u3 and u6. A type without a fixed size holds what it holds.
        // Source: OpenVINO 2026.4, src/core/src/op/constant.cpp, src/core/src/memory_util.cpp, and its IR reader.
        let needed = dtype.bytes(elements).map_or(size, |bytes| bytes.0);
        if size < needed {
            return Err(ConstantError::Size { size, needed, dtype, shape: shape.to_string() });
        }
        let end = offset.checked_add(size).ok_or(ConstantError::Range { offset, size })?;

        let few = match dtype.is_float() {
            true if is_per_channel(&dims) => limits::MAX_CHANNEL_ELEMENTS,
            true => limits::MAX_FLOAT_ELEMENTS,
            false => limits::MAX_INT_ELEMENTS,
        };
        let value = if elements <= few { self.value(dtype, offset, end - (size - needed)) } else { None };
        Ok((
            Constant { range: Some(WeightRange { file: 0, offset, size }), value: value.map(Box::new) },
            dtype,
            shape,
        ))
    }

    /// The elements in `offset..end`; `None` where the file is missing or too short.
    fn value(&self, dtype: DType, offset: u64, end: u64) -> Option<Value> {
        let range = usize::try_from(offset).ok()?..usize::try_from(end).ok()?;
        Value::decode(dtype, self.mapping.as_ref()?.bytes().get(range)?)
    }
}

/// Whether a constant has one number per channel of an image: all dims but the second are 1.
fn is_per_channel(dims: &[u64]) -> bool {
    dims.len() > 3 && dims.iter().enumerate().all(|(axis, &dim)| axis == 1 || dim == 1)
}

#[cold]
fn outside(path: &Path, real: &Path) -> Error {
    Error::new(ErrorKind::Unsupported, "the weights are outside of the model's folder")
        .in_file(path)
        .note(format!("it is a link to {}", real.display()))
        .help("copy the weights next to the model, or give the model where its files are")
}

fn unsigned(attributes: &Attributes<'_, '_>, name: &'static str) -> Result<u64, AttributeError> {
    let value = attributes.raw(name).ok_or(AttributeError::Missing(name))?;
    value.trim_ascii().parse().map_err(|_| invalid(name, value, "a number of bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(pairs: &[(&str, &str)], bytes: &[u8]) -> Result<Constant, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.bin"), bytes).unwrap();
        let weights = Weights::next_to(&folder.path().join("m.xml")).unwrap();
        let attributes = Attributes { pairs, inputs: 0 };
        weights.constant(&attributes).map(|(constant, ..)| constant).map_err(|error| error.to_string())
    }

    fn of(dtype: &str, shape: &str, offset: &str, size: &str, bytes: &[u8]) -> Result<Constant, String> {
        let pairs = [("element_type", dtype), ("shape", shape), ("offset", offset), ("size", size)];
        constant(&pairs, bytes)
    }

    #[test]
    fn small_integers_are_read() {
        let made = of("i32", "2", "1", "8", &[0, 1, 0, 0, 0, 2, 0, 0, 0]).unwrap();
        assert_eq!(made.value.as_deref(), Some(&Value::ints([1, 2])));
        assert_eq!(made.range, Some(WeightRange { file: 0, offset: 1, size: 8 }));
    }

    #[test]
    fn more_floats_are_read_of_one_per_channel() {
        let bytes = [0; 400];
        assert!(of("f32", "1,100,1,1", "0", "400", &bytes).unwrap().value.is_some());
        assert!(of("f32", "1,1,100", "0", "400", &bytes).unwrap().value.is_none());
    }

    #[test]
    fn short_file_has_sizes_and_no_values() {
        let made = of("i64", "2", "0", "16", &[0; 15]).unwrap();
        assert_eq!((made.value, made.range.map(|range| range.size)), (None, Some(16)));
    }

    #[test]
    fn a_pointer_is_not_read() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 16\n";
        assert_eq!(of("i64", "1", "0", "8", pointer).unwrap().value, None);
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_folder_are_refused() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("m.bin"), b"weights").unwrap();
        std::os::unix::fs::symlink(other.path().join("m.bin"), folder.path().join("m.bin")).unwrap();
        let text = Weights::next_to(&folder.path().join("m.xml")).unwrap_err().to_string();
        assert!(
            text.contains("outside of the model's folder") && text.contains("copy the weights"),
            "{text}"
        );
    }

    #[test]
    fn weights_are_not_read() {
        assert_eq!(of("f32", "65", "0", "260", &[0; 260]).unwrap().value, None);
    }

    #[test]
    fn size_must_fit_the_shape() {
        let error = of("f32", "2,3", "0", "20", &[]).unwrap_err();
        assert_eq!(error, "the constant has 20 bytes, and f32 [2,3] needs 24");
        assert!(of("u4", "3", "0", "2", &[]).is_ok());
        assert!(of("u3", "3", "0", "3", &[]).is_ok());
        assert!(of("string", "3", "0", "77", &[]).is_ok());
        assert!(of("f32", "0,4", "0", "0", &[]).is_ok());
        assert_eq!(
            of("i32", "1", "0", "8", &[7, 0, 0, 0, 1, 0, 0, 0]).unwrap().value,
            Some(Box::new(Value::ints([7])))
        );
        assert_eq!(of("i64", "0", "0", "1", &[7]).unwrap().value.as_deref(), Some(&Value::ints([])));
    }

    #[test]
    fn absurd_ranges_are_errors() {
        assert!(of("u8", "1", "18446744073709551615", "1", &[]).unwrap_err().contains("beyond 2^64"));
        let dims = "4294967296,4294967296,4294967296";
        assert!(of("u8", dims, "0", "1", &[]).unwrap_err().contains("2^64 elements"));
        assert!(of("u8", "1", "-1", "1", &[]).unwrap_err().contains("`offset`"));
        assert!(of("u8", "?", "0", "1", &[]).unwrap_err().contains("known dims"));
    }
}
