//! Operators over quantized data.

use crate::DType;

/// Where the element type of an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// The input of this number.
    OfInput(u32),
    /// It is this one.
    Is(DType),
}

/// What an operator over quantized data gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuantizedForm {
    /// The sums of the products of integers (`MatMulInteger`).
    Integer,
    /// The same of 16 bits.
    Integer16,
    /// Data quantized with a scale and a zero point that are inputs (`QLinearConv`).
    Linear,
    /// Numbers that are scaled already (`MatMulIntegerToFloat`).
    Scaled,
    /// Numbers, of data that it quantizes itself (`DynamicQuantizeMatMul`).
    Dynamic,
}
