//! Matrix products.

/// Attributes of [`Op::FusedMatMul`](super::Op::FusedMatMul).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusedMatMul {
    /// Last two dims of `a` are swapped, after the move.
    pub transpose_a: bool,
    /// Last two dims of `b` are swapped, after the move.
    pub transpose_b: bool,
    /// The first dim of `a` is meant to be its last but one.
    pub moves_a: bool,
    /// The first dim of `b` is meant to be its last but one.
    pub moves_b: bool,
    /// Factor of the product.
    pub alpha: f32,
}

/// How the weights of [`Op::Linear`](super::Op::Linear) are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packing {
    /// In blocks with scales (`MatMulNBits`).
    Blocks(WeightBlocks),
    /// As 4-bit floats of bitsandbytes (`MatMulBnb4`).
    NormalFloat,
    /// As 4-bit numbers with their scales between them (`MatMulFpQ4`).
    Float,
}

/// Weights in blocks along their columns, each block with a scale of its own (`MatMulNBits`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightBlocks {
    /// Columns.
    pub columns: i64,
    /// Bits of a number.
    pub bits: i64,
    /// Numbers in a block.
    pub block_size: i64,
    /// The data is quantised to i8 first (`accuracy_level` 4).
    pub as_integers: bool,
}
