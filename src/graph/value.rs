//! Small values that drive shapes: axes, shapes, bounds, scales.

use crate::DType;
use smallvec::SmallVec;

/// Elements of a small tensor, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Elements {
    /// Integers and booleans.
    Int(SmallVec<[i64; 4]>),
    /// Floats, already rounded to the tensor's type.
    Float(SmallVec<[f64; 4]>),
}

/// The known value of a small tensor.
///
/// Its shape is the tensor's. `is_upper_bound` marks numbers that come from a
/// data-dependent size (`NonZero` → `ShapeOf` …): the true number is at most this.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The elements.
    pub elements: Elements,
    /// The true numbers are at most these.
    pub is_upper_bound: bool,
}

impl Value {
    /// Exact integers.
    #[must_use]
    pub fn ints(values: impl IntoIterator<Item = i64>) -> Value {
        Value { elements: Elements::Int(values.into_iter().collect()), is_upper_bound: false }
    }

    /// Exact floats.
    #[must_use]
    pub fn floats(values: impl IntoIterator<Item = f64>) -> Value {
        Value { elements: Elements::Float(values.into_iter().collect()), is_upper_bound: false }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.elements {
            Elements::Int(values) => values.len(),
            Elements::Float(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integers, if these are integers.
    #[must_use]
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.elements {
            Elements::Int(values) => Some(values),
            Elements::Float(_) => None,
        }
    }

    /// All elements as floats.
    #[must_use]
    pub fn to_floats(&self) -> SmallVec<[f64; 4]> {
        match &self.elements {
            Elements::Int(values) => values.iter().map(|&value| value as f64).collect(),
            Elements::Float(values) => values.clone(),
        }
    }

    /// The same numbers as elements of `dtype`: truncated for integers, rounded for floats.
    #[must_use]
    pub fn converted_to(&self, dtype: DType) -> Value {
        let elements = if dtype.is_float() {
            Elements::Float(self.to_floats().iter().map(|&value| dtype.round_float(value)).collect())
        } else {
            match &self.elements {
                Elements::Int(values) => Elements::Int(values.clone()),
                Elements::Float(values) => Elements::Int(values.iter().map(|&value| value as i64).collect()),
            }
        };
        Value { elements, is_upper_bound: self.is_upper_bound }
    }

    /// Decodes little-endian `bytes` of type `dtype`; `None` for types that drive no shapes
    /// (sub-byte, 8-bit floats, strings, complex) and for u64 above `i64::MAX`.
    #[must_use]
    pub fn decode(dtype: DType, bytes: &[u8]) -> Option<Value> {
        fn ints<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> Option<i64>) -> Option<Value> {
            let elements =
                bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk)).collect::<Option<_>>()?;
            Some(Value { elements: Elements::Int(elements), is_upper_bound: false })
        }
        fn floats<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Option<Value> {
            Some(Value::floats(bytes.as_chunks::<N>().0.iter().map(|&chunk| read(chunk))))
        }
        match dtype {
            DType::Boolean => ints(bytes, |[byte]| Some(i64::from(byte != 0))),
            DType::U8 => ints(bytes, |[byte]| Some(i64::from(byte))),
            DType::I8 => ints(bytes, |[byte]| Some(i64::from(byte as i8))),
            DType::U16 => ints(bytes, |chunk| Some(i64::from(u16::from_le_bytes(chunk)))),
            DType::I16 => ints(bytes, |chunk| Some(i64::from(i16::from_le_bytes(chunk)))),
            DType::U32 => ints(bytes, |chunk| Some(i64::from(u32::from_le_bytes(chunk)))),
            DType::I32 => ints(bytes, |chunk| Some(i64::from(i32::from_le_bytes(chunk)))),
            DType::U64 => ints(bytes, |chunk| i64::try_from(u64::from_le_bytes(chunk)).ok()),
            DType::I64 => ints(bytes, |chunk| Some(i64::from_le_bytes(chunk))),
            DType::F16 => floats(bytes, |chunk| half::f16::from_le_bytes(chunk).to_f64()),
            DType::BF16 => floats(bytes, |chunk| half::bf16::from_le_bytes(chunk).to_f64()),
            DType::F32 => floats(bytes, |chunk| f64::from(f32::from_le_bytes(chunk))),
            DType::F64 => floats(bytes, f64::from_le_bytes),
            _ => None,
        }
    }
}
