//! The types that nodes read.
//!
//! Significant nodes read the type that the model computes in, results are read in f32, and all others in the type that they
//! write. Constants are read as they are, but for biases and parts of a Concat. Trigonometry and logarithms read f32.
//!
//! Source: `EnforceInferencePrecision`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp, and
//! `initSupportedPrimitiveDescriptors` of the nodes.

use super::work::{Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Unary;
use crate::runtime::openvino_cpu::execution::{Kind, Precision};

/// The type that an input must have.
pub(super) fn wanted_type(
    work: &Work<'_>,
    node: usize,
    input: usize,
    edge: Edge,
    precision: Precision,
) -> DType {
    let of = &work.nodes[node];
    let has = work.tensor(edge).dtype;
    if of.kind == Kind::Math && input == 0 {
        return DType::F32;
    }
    if let Some(wanted) = work.read_as.get(edge.node()).copied().flatten() {
        return wanted;
    }
    // The number that a Pad of bytes adds.
    if of.kind == Kind::Pad && input == 3 && matches!(has, DType::U8 | DType::I8) {
        return DType::F32;
    }
    let own = of.outputs.first().map_or(has, |tensor| tensor.dtype);
    // What is overwritten by floats.
    if of.addend == Some(input as u32) && own.is_float() {
        return own;
    }
    if !has.is_float() {
        return has;
    }
    let is_in_tiles = matches!(of.kind, Kind::LlmMlp | Kind::QkvProjection);
    let is_significant =
        is_in_tiles || matches!(of.kind, Kind::FullyConnected | Kind::Convolution | Kind::Deconvolution);
    let is_kept = work.keeps_f32.get(node).copied().unwrap_or(false);
    let is_filter = is_significant && input == 1;
    let is_constant = work.nodes[edge.node()].is_const();
    let is_state = of.kind == Kind::RnnSequence && input + 4 < of.inputs().len();
    let wants_constant = is_significant && input == 2 || of.kind == Kind::Concat || is_state;
    let to = match of.kind {
        // A transposed convolution reads its bias in f32, whatever gives it.
        Kind::Deconvolution if input == 2 => return has,
        // So does a convolution of bytes.
        Kind::Convolution if input == 2 && computes_bytes(work, node) => return has,
        // What quantizes alone computes in f32.
        Kind::FakeQuantize => DType::F32,
        // Weights, then scales.
        _ if is_in_tiles && matches!(input, 1..=3) => DType::F16,
        _ if is_in_tiles && input > 0 => return has,
        _ if is_constant && !wants_constant => return has,
        // The state of an LSTM's cells.
        Kind::RnnSequence if input == 2 => DType::F32,
        // Only f32 is lowered (`EnforceInferencePrecision`), and a product takes f16.
        Kind::FullyConnected if is_filter && has != DType::F32 => return has,
        _ if is_filter => precision.dtype(),
        Kind::Output => DType::F32,
        _ if computes_f32(work, node) => DType::F32,
        // What computes a state inside was compiled for f32.
        Kind::MemoryInput if of.n_fused > 0 => DType::F32,
        // What leads to a rotation's angles stays f32, products included.
        _ if is_significant && input == 0 && of.n_fused == 0 && is_kept => own,
        _ if is_significant && input == 0 => precision.dtype(),
        Kind::Eltwise if matches!(work.nodes[edge.node()].kind, Kind::Input) => return has,
        Kind::Convert
        | Kind::ShapeOf
        | Kind::Reorder
        | Kind::MemoryInput
        | Kind::MemoryOutput
        | Kind::Const => {
            return has;
        }
        Kind::Subgraph if matches!(work.nodes[edge.node()].kind, Kind::Input) => return has,
        Kind::Subgraph if of.attention.is_some() => precision.dtype(),
        Kind::Rope if input > 0 => return has,
        Kind::ScaledDotProductAttention if input > 3 => return has,
        Kind::Gather if input > 2 => DType::F32,
        Kind::Reduce if is_kept => DType::F32,
        Kind::Reduce => precision.dtype(),
        // What a FakeQuantize was fused into.
        _ if matches!(own, DType::U8 | DType::I8) && !is_kept => precision.dtype(),
        _ => own,
    };
    if to.is_float() { to } else { has }
}

/// Whether a product computes in 8 bits.
pub(super) fn computes_bytes(work: &Work<'_>, node: usize) -> bool {
    let is_byte = |input: usize| {
        let edge = work.nodes[node].input(input);
        edge.is_some_and(|edge| matches!(work.tensor(edge).dtype, DType::U8 | DType::I8))
    };
    is_byte(0) && is_byte(1)
}

/// Whether a node has a kernel of f32 alone.
///
/// Source: `initSupportedPrimitiveDescriptors` of math.cpp, grid_sample.cpp, dft.cpp, rdft.cpp and stft.cpp, and
/// `EltwiseRefExecutor`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes.
pub(super) fn computes_f32(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let is_log = of.kind == Kind::Eltwise && matches!(of.op, Op::Unary(Unary::Log));
    of.kind == Kind::Math || is_log || matches!(of.op, Op::GridSample | Op::Dft(_) | Op::Stft { .. })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::AxisSpan;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// A Softmax, an activation and a product, in bfloat16.
    fn around(unary: Unary) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8]);
        let x = net.op("unary", Op::Unary(unary), &[x], f32, &[FREE, 8]);
        let weight = net.weight("weight", f32, &[8, 8]);
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let out = net.op("product", product, &[x, weight], f32, &[FREE, 8]);
        net.result("out", out);
        net.lines(Options { precision: Precision::Bf16, ..DYNAMIC })
    }

    #[test]
    fn a_logarithm_is_computed_in_f32() {
        for unary in [Unary::Log, Unary::Sin] {
            let lines = around(unary);
            let place = lines.iter().position(|line| line.contains(" unary f32"));
            let place = place.unwrap_or_else(|| panic!("{lines:?}"));
            assert_eq!((&*lines[place - 1], &*lines[place + 1]), ("Reorder  f32", "Reorder  bf16"));
        }
        assert!(around(Unary::Exp).contains(&"Eltwise unary bf16".to_owned()));
    }

    #[test]
    fn weights_of_f16_that_are_transposed_first_stay_f16() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let x = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &[FREE, 8]);
        let weight = net.weight("weight", DType::F16, &[8, 4]);
        let weight = net.op("widened", Op::Convert { to: f32 }, &[weight], f32, &[8, 4]);
        let product = Op::MatMul { transpose_a: false, transpose_b: false };
        let x = net.op("product", product, &[x, weight], f32, &[FREE, 4]);
        net.result("out", x);
        let lines = net.lines(Options { precision: Precision::Bf16, ..DYNAMIC });
        let place = lines.iter().position(|line| line.starts_with("FullyConnected")).unwrap();
        assert_eq!(lines[place - 1], "Transpose product/transpose_b f16", "{lines:?}");
    }
}
