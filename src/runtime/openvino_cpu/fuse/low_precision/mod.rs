//! Models with FakeQuantize in 8 bits.
//!
//! * A FakeQuantize of activations writes u8 or i8 ([`types`]); a Subtract and a Multiply with constants behind it, its
//!   dequantization, give the values back.
//! * Dequantizations move down through what only moves data or pools it ([`moves`], [`concat`]), and behind
//!   convolutions and products, which then take integers and i8 weights ([`products`]). Sums and products of two
//!   activations take integers on one side ([`arithmetic`]). Recurrences take integers as well ([`sequences`]).
//! * FakeQuantizes whose bytes one convolution reads have one scale ([`intervals`]); one behind a Concat is one per input
//!   ([`move_up`]).
//! * A FakeQuantize takes what is between a dequantization and itself ([`quantize`]); one that nothing took integers
//!   from gets its dequantization back ([`cleanup`]).
//! * [`plugin`] holds what the plugin's own graph fuses of that.
//!
//! A model without a FakeQuantize that is supported is left alone.
//!
//! Source: `Transformations::Lpt` of OpenVINO 2026.4, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp,
//! and src/common/low_precision_transformations/src.

mod arithmetic;
mod attention;
mod cleanup;
mod concat;
mod dequantization;
mod intervals;
pub(super) mod kernels;
mod linear_quantization;
mod movable;
mod move_up;
mod moves;
pub(super) mod plugin;
mod preserved;
mod products;
mod quantize;
mod sequences;
mod sets;
#[cfg(test)]
mod tests;
mod types;
mod weights;

use super::work::{Rule, Work};

/// Chooses the types that FakeQuantizes write.
pub(super) use types::choose;

/// Reads what ONNX models quantize with.
pub(super) use linear_quantization::RULES as LINEAR_QUANTIZATION;

/// Quantizes in front of Transposes, as the model has them.
pub(super) use move_up::TRANSPOSED;

/// Prepares FakeQuantize and what reads it.
pub(super) const BEFORE: &[Rule] =
    &[quantize::RELU, quantize::ARITHMETIC, move_up::RULE, arithmetic::INVERSE, attention::RULE];

/// Each operator's transformation.
pub(super) const RULES: &[Rule] = &[
    quantize::RULE,
    products::CONVOLUTION,
    products::PRODUCT,
    moves::RULE,
    concat::RULE,
    sequences::RULE,
    arithmetic::SUM,
    arithmetic::PRODUCT,
];

/// Puts back what nothing took.
pub(super) const CLEANUP: &[Rule] = &[
    cleanup::QUANTIZE,
    cleanup::FILTERS,
    cleanup::CONSTANTS,
    cleanup::DEQUANTIZED,
    cleanup::CONVERT,
    cleanup::PRODUCTS,
];

/// Whether the model of this graph is transformed.
pub(super) fn applies(work: &Work<'_>) -> bool {
    work.is_quantized
}
