//! The passes, in the order of the runtime's levels.
//!
//! A graph in half precision is put into single between `basic` and the levels above, which leave it as that makes it,
//! all but the highest.

use super::super::kernel::Kernel;
use super::super::options::GraphOptimization::{All, Basic, Extended};
use super::super::precision;
use super::super::work::{Order::Position, Pass, Work};
use super::{
    constants, convolution, functions, gelu, layer_norm, matmul, nchwc, nhwc, norms, qdq, quantized, reshape,
    transposes,
};

/// What is done to a graph, first to last.
///
/// Source: ONNX Runtime 1.31.1, onnxruntime/core/optimizer/graph_transformer_utils.cc.
pub(super) const PASSES: &[Pass] = &[
    Pass::whole("functions", "graph_partitioner.cc", functions::inline, &[]),
    Pass::whole("own-dequantization", UNIQUE, qdq::separate, &[]).when(qdq::applies),
    Pass::whole("share-constants", "constant_sharing.cc", constants::share, &[]).when(is_basic),
    Pass::rule(&constants::ELIMINATE, Position, &["share-constants"]).when(is_basic),
    // The level's passes are repeated, so that duplicates are looked for before constants are folded and after.
    Pass::whole("equal-nodes", CSE, constants::merge_duplicates, &["share-constants"]).when(is_basic),
    Pass::whole("fold-constants", "constant_folding.cc", constants::fold, &["eliminate"]).when(is_basic),
    Pass::whole("duplicates", CSE, constants::merge_duplicates, &["share-constants", "fold-constants"])
        .when(is_basic),
    Pass::whole("quantization-moves", "qdq_propagation.cc", qdq::propagate, &["duplicates"])
        .when(|work| is_basic(work) && qdq::applies(work)),
    Pass::whole("own-dequantization-again", UNIQUE, qdq::separate, &["quantization-moves"])
        .when(|work| is_basic(work) && qdq::applies(work)),
    Pass::whole("reshape-patterns", "reshape_fusion.cc", reshape::fuse, &["duplicates"])
        .on(|node| node.kind == Kernel::Reshape)
        .when(is_basic),
    Pass::whole("convolution-weights", "conv_bn_fusion.cc", convolution::absorb, &["fold-constants"])
        .on(|node| node.kind == Kernel::Conv)
        .when(is_basic),
    Pass::rule(&matmul::ADDEND, Position, &["reshape-patterns"]).when(is_basic),
    Pass::rule(&gelu::OF_THE_STANDARD, Position, &["gemm"]).when(is_basic),
    Pass::rule(&norms::OF_THE_STANDARD, Position, &["gemm"]).when(is_basic),
    Pass::whole("transposes", "transpose_optimizer.cc", transposes::push, &["norms-of-the-standard"])
        .on(|node| node.kind == Kernel::Transpose)
        .when(is_basic),
    Pass::whole("half-precision", "insert_cast_transformer.cc", precision::widen, &["gemm"])
        .when(precision::has_half),
    Pass::whole(
        "quantized-groups",
        "qdq_selector_action_transformer.cc",
        qdq::group,
        &["own-dequantization-again"],
    )
    .when(|work| is_extended(work) && qdq::applies(work)),
    Pass::rule(&quantized::TO_FLOAT, Position, &["quantized-groups"]).when(is_extended),
    Pass::rule(&quantized::DYNAMIC, Position, &["integer-products"]).when(is_extended),
    Pass::rule(&norms::RULE, Position, &["half-precision"]).when(is_extended),
    Pass::rule(&gelu::RULE, Position, &["half-precision"]).when(is_extended),
    Pass::rule(&gelu::TANH, Position, &["half-precision"]).when(is_extended),
    Pass::rule(&norms::GATES, Position, &["half-precision"]).when(is_extended),
    Pass::rule(&matmul::ACTIVATION, Position, &["gemm", "gelu-tanh", "gates"]).when(is_extended),
    Pass::rule(&convolution::ACTIVATE, Position, &["convolution-weights", "gates"]).when(is_extended),
    Pass::rule(&layer_norm::RULE, Position, &["norms"]).when(is_extended),
    Pass::rule(&gelu::BIAS, Position, &["gelu", "gelu-tanh"]).when(is_extended),
    Pass::whole("transposed-products", "matmul_transpose_fusion.cc", matmul::transposed, &["half-precision"])
        .on(|node| matches!(node.kind, Kernel::MatMul | Kernel::FusedMatMul))
        .when(is_extended),
    Pass::rule(&matmul::SCALE, Position, &["transposed-products"]).when(is_extended),
    Pass::whole("blocks", "nchwc_transformer.cc", nchwc::block, &["convolution-activation"])
        .on(nchwc::starts)
        .when(is_all),
    Pass::whole("integers-with-channels-last", "nhwc_transformer.cc", nhwc::transpose, &["blocks"])
        .when(|work| is_all(work) && nhwc::applies(work)),
    Pass::rule(&convolution::ACTIVATE_PLAIN, Position, &["blocks"]).when(is_all),
    Pass::whole("unread", "graph_transformer_mgr.cc", constants::remove_unread, &[]),
];

const UNIQUE: &str = "ensure_unique_dq_for_node_unit.cc";
const CSE: &str = "common_subexpression_elimination.cc";

fn is_basic(work: &Work<'_>) -> bool {
    work.options.optimization >= Basic
}

fn is_extended(work: &Work<'_>) -> bool {
    work.options.optimization >= Extended && !work.is_widened || is_all(work)
}

fn is_all(work: &Work<'_>) -> bool {
    work.options.optimization == All
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_needs_come_earlier() {
        assert!(crate::rewrite::faults(PASSES).is_empty(), "{:?}", crate::rewrite::faults(PASSES));
    }
}
