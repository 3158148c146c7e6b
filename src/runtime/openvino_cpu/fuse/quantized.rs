//! Which FakeQuantizes are computed in 8 bits.

use crate::DType;
use crate::graph::{Graph, Op};

/// What a FakeQuantize of activations writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantized {
    /// Type of its elements.
    pub dtype: DType,
    /// A zero point is subtracted from them.
    pub has_zero_point: bool,
    /// The limits of all FakeQuantizes that have one scale, where it is one of several.
    pub shared: Option<[f64; 2]>,
}

/// Whether the low-precision transformations run at all.
///
/// Source: `LowPrecision::isFunctionQuantized`, OpenVINO 2026.4,
/// src/common/low_precision_transformations/src/low_precision.cpp.
pub(super) fn is_quantized(graph: &Graph) -> bool {
    let is_linear = |op: &Op| matches!(op, Op::QuantizeLinear { .. });
    graph.nodes().iter().any(|node| is_supported(&node.op) || is_linear(&node.op))
}

/// Whether the values of a FakeQuantize fit 8 bits.
///
/// Source: `QuantizationDetails::isSupportedLevel`, OpenVINO 2026.4,
/// src/common/low_precision_transformations/src/quantization_details.cpp; levels of 16 and 32 bits find no type among u8
/// and i8.
pub(super) fn is_supported(op: &Op) -> bool {
    matches!(op, Op::FakeQuantize { levels: 16 | 255 | 256, .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::Broadcast;

    #[test]
    fn levels_of_16_bits_are_not_supported() {
        let of = |levels| is_supported(&Op::FakeQuantize { broadcast: Broadcast::Numpy, levels });
        assert!(of(255) && of(256));
        assert!(!of(2) && !of(65_536));
    }
}
