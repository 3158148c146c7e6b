//! Tensors of a model: their types, their places, and the values of the few that drive shapes.

use super::external::Files;
use super::proto::tensor_proto::DataLocation;
use super::proto::{SparseTensorProto, TensorProto};
use super::source::Source;
use super::types;
use crate::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::formats::limits;
use crate::graph::op::Constant;
use crate::graph::{Dims, PartialShape, Value, WeightRange};
use prost::bytes::Bytes;
use smallvec::SmallVec;

/// A constant with its declaration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub constant: Constant,
    pub dtype: DType,
    pub dims: Dims,
}

impl Tensor {
    pub(super) fn shape(&self) -> PartialShape {
        PartialShape::known(&self.dims)
    }
}

/// Reads a tensor without its elements, or with them if they are few.
///
/// # Errors
///
/// If type, dims and data contradict each other, or its file is out of bounds.
pub(super) fn read(proto: &TensorProto, source: &Source<'_>, files: &mut Files) -> Result<Tensor> {
    let dtype = types::dtype(proto.data_type).ok_or_else(|| {
        malformed(format!("data type {} of a tensor is not known", proto.data_type))
            .note("ONNX 1.23 has the types 1 to 28")
    })?;
    let (dims, elements) = shape(&proto.dims)?;
    let needed = dtype.bytes(elements).map(|bytes| bytes.0);
    let misfit = |found: u64, what: &str| {
        let needed = needed.unwrap_or_default();
        malformed(format!("the tensor has {found} {what}, and {dtype} {} needs {needed} bytes", spelt(&dims)))
    };
    let few = if dtype.is_float() { limits::MAX_FLOAT_ELEMENTS } else { limits::MAX_INT_ELEMENTS };
    let is_small = elements <= few;

    let (range, value) = if proto.data_location == DataLocation::External as i32 {
        let range = files.range(&proto.external_data, needed)?;
        if needed.is_some_and(|needed| range.size < needed) {
            return Err(misfit(range.size, "bytes of external data"));
        }
        let bytes = if is_small { files.bytes(range) } else { None };
        let used = bytes.and_then(|bytes| bytes.get(..usize::try_from(needed?).ok()?));
        (Some(range), used.and_then(|bytes| Value::decode(dtype, bytes)))
    } else if dtype == DType::String {
        let size = proto.string_data.iter().map(|text| text.len() as u64).sum();
        (range_of(source, &proto.string_data, size), None)
    } else if !proto.raw_data.is_empty() || elements == 0 {
        let found = proto.raw_data.len() as u64;
        let needed = needed.unwrap_or(0);
        if found < needed {
            return Err(misfit(found, "bytes"));
        }
        let range = source.range(&proto.raw_data, found);
        let used = proto.raw_data.get(..usize::try_from(needed).unwrap_or(0)).filter(|_| is_small);
        (range, used.and_then(|bytes| Value::decode(dtype, bytes)))
    } else {
        let numbers = Numbers::of(proto, dtype);
        let found: u64 = numbers.chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if found < numbers.least_bytes(elements) {
            return Err(misfit(found, "bytes of packed numbers"));
        }
        let value = if is_small { numbers.value(dtype, elements) } else { None };
        (range_of(source, numbers.chunks, needed.unwrap_or(found)), value)
    };
    Ok(Tensor { constant: Constant { range, value: value.map(Box::new) }, dtype, dims })
}

/// Reads a sparse tensor as the dense one that it represents: runtimes spell it out when they load it.
///
/// Source: ONNX Runtime 1.31, onnxruntime/core/graph/graph.cc, which turns sparse initializers into dense ones.
///
/// # Errors
///
/// As [`read`].
pub(super) fn read_sparse(
    proto: &SparseTensorProto,
    source: &Source<'_>,
    files: &mut Files,
) -> Result<Tensor> {
    let values = proto.values.as_ref().ok_or_else(|| malformed("a sparse tensor has no values"))?;
    let values = read(values, source, files)?;
    let (dims, elements) = shape(&proto.dims)?;
    let size = values.dtype.bytes(elements).map_or(0, |bytes| bytes.0);
    let range = values.constant.range.map(|range| WeightRange { size, ..range });
    Ok(Tensor { constant: Constant { range, value: None }, dtype: values.dtype, dims })
}

/// Checks dims, and counts the elements.
fn shape(dims: &[i64]) -> Result<(Dims, u64)> {
    if dims.len() > limits::MAX_RANK {
        return Err(limits::exceeded("rank of a tensor", dims.len(), limits::MAX_RANK));
    }
    let checked: Option<Dims> = dims.iter().map(|&dim| u64::try_from(dim).ok()).collect();
    let checked = checked.ok_or_else(|| malformed(format!("a tensor has the dims {dims:?}")))?;
    let elements = checked.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
    let elements = elements.or_else(|| checked.contains(&0).then_some(0));
    let elements = elements.filter(|&elements| elements <= u64::MAX / 16);
    let elements = elements
        .ok_or_else(|| malformed(format!("a tensor of dims {} has too many elements", spelt(&checked))))?;
    Ok((checked, elements))
}

fn spelt(dims: &[u64]) -> PartialShape {
    PartialShape::known(dims)
}

/// The range that begins with the first of `chunks`.
fn range_of(source: &Source<'_>, chunks: &[Bytes], size: u64) -> Option<WeightRange> {
    source.range(chunks.iter().find(|chunk| !chunk.is_empty())?, size)
}

/// The elements of a tensor as packed numbers of a protobuf field.
struct Numbers<'t> {
    chunks: &'t [Bytes],
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// In little-endian bytes of fixed length.
    Fixed,
    /// In base 128, one per so many elements of a byte or less.
    Varint { elements: u64 },
}

impl Numbers<'_> {
    /// The field that holds elements of this type.
    fn of(proto: &TensorProto, dtype: DType) -> Numbers<'_> {
        let one = Form::Varint { elements: 1 };
        let (chunks, form) = match dtype {
            DType::F32 | DType::Complex64 => (&proto.float_data, Form::Fixed),
            DType::F64 | DType::Complex128 => (&proto.double_data, Form::Fixed),
            DType::I64 => (&proto.int64_data, one),
            DType::U32 | DType::U64 => (&proto.uint64_data, one),
            _ => {
                let per_byte = dtype.bits().and_then(|bits| 8_u64.checked_div(bits)).unwrap_or(1).max(1);
                (&proto.int32_data, Form::Varint { elements: per_byte })
            }
        };
        Numbers { chunks, form }
    }

    /// Bytes that so many elements have at least.
    fn least_bytes(&self, elements: u64) -> u64 {
        match self.form {
            Form::Fixed => elements.saturating_mul(4),
            Form::Varint { elements: each } => elements.div_ceil(each),
        }
    }

    /// The elements; `None` for types that drive no shapes, and for data that is cut short.
    fn value(&self, dtype: DType, elements: u64) -> Option<Value> {
        let needed = usize::try_from(dtype.bytes(elements)?.0).ok()?;
        let mut bytes = SmallVec::<[u8; 64]>::new();
        match self.form {
            Form::Fixed => self.chunks.iter().for_each(|chunk| bytes.extend_from_slice(chunk)),
            Form::Varint { .. } => {
                let width = (dtype.bits()? / 8) as usize;
                for number in self.chunks.iter().flat_map(|chunk| chunk.split_inclusive(|&byte| byte < 0x80))
                {
                    let digits = number.iter().take(10).enumerate();
                    let number = digits.fold(0_u64, |sum, (index, &byte)| {
                        sum | u64::from(byte & 0x7f).checked_shl(7 * index as u32).unwrap_or(0)
                    });
                    bytes.extend_from_slice(number.to_le_bytes().get(..width)?);
                    if bytes.len() > needed {
                        return None;
                    }
                }
            }
        }
        Value::decode(dtype, bytes.get(..needed)?)
    }
}

#[cold]
fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}
