//! Half precision: on x86-64 most kernels have none, so the runtime computes in single around them.
//!
//! What such a kernel reads or writes is in single; a Cast stands where half precision comes in or goes out, and
//! initializers are converted once. Kernels that take any type, or both, follow what they read.
//!
//! Source: ONNX Runtime, onnxruntime/core/optimizer/insert_cast_transformer.cc. Which kernels take half precision is what the
//! wheel of 1.31.1 for x86-64 tells of its CPU provider (`get_all_opkernel_def`).

use super::work::{Node, Work};
use super::{order, weights};
use crate::DType;
use crate::graph::Op;
use crate::profile::OnnxRuntimeCpu;
use rustc_hash::FxHashMap;
use smallvec::smallvec;

/// Puts into single what is computed in single.
pub(super) fn widen(work: &mut Work<'_>, options: &OnnxRuntimeCpu) {
    if !work.values.iter().any(|value| value.dtype == DType::F16) {
        return;
    }
    let mut casts: FxHashMap<usize, usize> = FxHashMap::default();
    for node in order::of(work) {
        let is_half = |work: &Work<'_>, value: usize| work.values[value].dtype == DType::F16;
        let inputs = work.nodes[node].inputs.clone();
        let follows = takes_half(work, node);
        let reads_single = inputs.iter().flatten().any(|&value| work.values[value].dtype == DType::F32);
        let is_single = !follows || reads_single && !matches!(&*work.nodes[node].kind, "Cast" | "Shape");
        if !is_single {
            continue;
        }
        for (index, value) in inputs.iter().enumerate() {
            let Some(value) = value.filter(|&value| is_half(work, value)) else { continue };
            if work.values[value].is_constant {
                let is_mapped = weights::is_mapped(work, value, options);
                let own = &mut work.values[value];
                own.dtype = DType::F32;
                own.is_stored &= !is_mapped;
            } else {
                let single = *casts.entry(value).or_insert_with(|| cast(work, value));
                work.read(node, index, single);
            }
        }
        for port in 0..work.nodes[node].outputs.len() {
            let value = work.nodes[node].outputs[port];
            if !is_half(work, value) {
                continue;
            }
            if work.values[value].is_output {
                let single = work.single(value);
                work.values[single].writer = Some(node);
                work.nodes[node].outputs[port] = single;
                let source = work.nodes[node].source;
                work.add(Node {
                    kind: "Cast".into(),
                    source,
                    inputs: smallvec![Some(single)],
                    outputs: smallvec![value],
                    is_gone: false,
                });
                for reader in work.values[value].readers.clone() {
                    for index in 0..work.nodes[reader].inputs.len() {
                        if work.input(reader, index) == Some(value) {
                            work.read(reader, index, single);
                        }
                    }
                }
            } else {
                work.values[value].dtype = DType::F32;
            }
        }
    }
}

/// The value in single that a Cast makes of one in half precision.
fn cast(work: &mut Work<'_>, value: usize) -> usize {
    let single = work.single(value);
    let parameter = work.graph.tensor(work.values[value].tensor).node;
    let source = work.values[value].writer.map_or(parameter, |writer| work.nodes[writer].source);
    let inputs = smallvec![Some(value)];
    work.add(Node { kind: "Cast".into(), source, inputs, outputs: smallvec![single], is_gone: false });
    single
}

/// Operators whose newest kernel takes half precision, of one domain at least: as scripts/crosscheck_contrib.py finds them in
/// the wheel.
const TAKING_HALF: &[&str] = &[
    "Attention",
    "BitCast",
    "BranchwiseRMSNorm",
    "Cast",
    "Clip",
    "Compress",
    "Concat",
    "ConstantOfShape",
    "DequantizeLinear",
    "DynamicSlice",
    "EngramGate",
    "Expand",
    "ExpandDims",
    "Flatten",
    "GatedAdd",
    "GatedRMSNorm",
    "Gather",
    "GatherBlockQuantized",
    "GatherElements",
    "GatherND",
    "GroupQueryAttention",
    "HyperConnectionPostMix",
    "HyperConnectionPreMix",
    "Identity",
    "If",
    "Inverse",
    "IsInf",
    "IsNaN",
    "LayerNormalization",
    "LinearAttentionGate",
    "Loop",
    "MRotaryEmbedding",
    "MatMulNBits",
    "Max",
    "Min",
    "Mod",
    "Optional",
    "OptionalGetElement",
    "OptionalHasElement",
    "QMoE",
    "QuantizeLinear",
    "RMSNormalization",
    "RandomNormalLike",
    "RandomUniformLike",
    "Reshape",
    "ReverseSequence",
    "RotaryEmbedding",
    "Round",
    "ScaledSiLU",
    "Scan",
    "Scatter",
    "ScatterElements",
    "ScatterND",
    "SequenceAt",
    "SequenceConstruct",
    "Shape",
    "Shrink",
    "Sign",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "Slice",
    "SparseAttention",
    "Split",
    "SplitToSequence",
    "Squeeze",
    "TensorScatter",
    "Transpose",
    "UnfoldTensor",
    "Unsqueeze",
];

/// Whether the kernel of a node takes half precision; of the two operators Attention the one with weights does not.
fn takes_half(work: &Work<'_>, node: usize) -> bool {
    let own = &work.nodes[node];
    let has_weights = matches!(work.graph.node(own.source).op, Op::AttentionOfWeights(_));
    !has_weights && TAKING_HALF.binary_search(&&*own.kind).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(TAKING_HALF.is_sorted());
    }
}
