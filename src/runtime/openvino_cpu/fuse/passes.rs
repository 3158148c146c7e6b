//! The passes, in the order in which OpenVINO runs them.
//!
//! `needs` names what must have happened before: the order has more freedom than the table shows.

use super::work::{Order, Pass, Rule};
use super::{
    attention_subgraph, branches, broadcast, concat, constants, convolution, convolution_sum, dereshape,
    divide, duplicates, einsum, eltwise_chain, fully_connected, gated_mlp, gelu, group_norm, initial_state,
    l2_norm, last_token, leaky_relu, linear, log_softmax, low_precision, mask, mask_reshapes, matmul_ranks,
    matmul_scale, matmul_transposes, moe, move_up, mvn, no_ops, order, pad, paged_attention, precision,
    product_scale, qkv_projection, recurrent, reorder, reverse_channels, rms, rope, rope_forms, sdpa_state,
    shuffle_channels, skipped, softmax, split, subgraph, subtract, swish, symbol_sources, tile_product,
    transposes, unit_dims, views, weights,
};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::{Kind, Precision};

const COMMON: &str = "src/common/transformations/src/transformations/common_optimizations";
const LPT: &str = "src/common/low_precision_transformations/src";
const OPTIMIZER: &str = "src/plugins/intel_cpu/src/graph_optimizer.cpp";
const PLUGIN_GRAPH: &str = "src/plugins/intel_cpu/src/graph.cpp";
const SYMBOLS: &str = "src/common/transformations/src/transformations/symbolic_transformations";

/// What is known before the model runs: what a decided branch hands on may be a constant too.
const CONSTANTS: &[Rule] = &[branches::RULE, constants::RULE];

/// What is done to a model, first to last.
///
/// Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/transformations and src/plugins/intel_cpu/src/graph_optimizer.cpp.
pub(super) const PASSES: &[Pass] = &[
    Pass::whole(
        "last-token",
        "apply_slice_before_matmul_transformation, openvino.genai 2026.4, src/cpp/src/utils.cpp",
        last_token::slice,
        &[],
    )
    .when(|work| work.options.last_logits),
    Pass::whole("symbol-sources", SYMBOLS, symbol_sources::share, &["last-token"]),
    Pass::rules(
        "linear-quantization",
        "src/frontends/onnx/frontend/src/op",
        low_precision::LINEAR_QUANTIZATION,
        Order::Model,
        &["symbol-sources"],
    )
    .when(low_precision::applies),
    Pass::rule(&constants::RULE, Order::Model, &["symbol-sources"]),
    Pass::rule(&reverse_channels::RULE, Order::Model, &["constants"]),
    Pass::rule(&recurrent::DIRECTIONS, Order::Model, &["constants"]),
    Pass::whole("dereshape-products", SYMBOLS, dereshape::products, &["constants"])
        .on(|node| matches!(node.op, Op::Reshape(_))),
    Pass::whole("duplicates", COMMON, duplicates::merge, &["constants"]),
    // What is behind different branches is not merged.
    Pass::rules("branches", COMMON, CONSTANTS, Order::Model, &["duplicates"]),
    Pass::whole("group-slices", COMMON, split::group, &["duplicates"])
        .on(|node| matches!(node.op, Op::Slice)),
    Pass::rules("reduce-first", COMMON, unit_dims::REDUCE, Order::Model, &["duplicates"]),
    Pass::rule(&unit_dims::RESHAPE, Order::Model, &["reduce-first"]),
    Pass::rule(&unit_dims::SHAPE, Order::Model, &["transpose-to-reshape"]),
    Pass::rule(&matmul_transposes::RULE, Order::Model, &["constants"]),
    Pass::rules("linear-sequences", COMMON, linear::RULES, Order::Model, &["constants"])
        .when(|work| !low_precision::applies(work)),
    Pass::rule(&matmul_scale::RULE, Order::Model, &["linear-sequences"]),
    Pass::rules("no-ops", COMMON, no_ops::RULES, Order::Model, &["constants", "transpose-to-reshape"]),
    Pass::rules("concats", COMMON, concat::RULES, Order::Model, &["no-ops"]),
    Pass::rule(&pad::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&shuffle_channels::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&gelu::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&swish::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&softmax::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&subtract::OF_NEGATIVES, Order::Model, &["no-ops"]),
    Pass::rule(&subtract::FROM_CONSTANT, Order::Model, &["subtract-negatives"]),
    Pass::rules("linear-of-quantized", LPT, linear::RULES, Order::Model, &["no-ops"])
        .when(low_precision::applies),
    // What is between a Transpose and a FakeQuantize becomes part of its limits later.
    Pass::rule(&low_precision::TRANSPOSED, Order::Model, &["linear-of-quantized"])
        .when(low_precision::applies),
    Pass::rules(
        "before-low-precision",
        COMMON,
        low_precision::BEFORE,
        Order::Model,
        &["quantize-before-transpose"],
    )
    .when(low_precision::applies),
    Pass::whole(
        "low-precision-types",
        LPT,
        low_precision::choose,
        &["before-low-precision", "subtract-from-constant"],
    )
    .when(low_precision::applies),
    Pass::rules("low-precision", LPT, low_precision::RULES, Order::Model, &["low-precision-types"])
        .when(low_precision::applies),
    Pass::rules("low-precision-cleanup", LPT, low_precision::CLEANUP, Order::Model, &["low-precision"])
        .when(low_precision::applies),
    Pass::rule(&move_up::RULE, Order::Model, &["matmul-scale", "gelu"]),
    Pass::rule(&product_scale::RULE, Order::Model, &["matmul-scale"]),
    Pass::whole("experts", COMMON, moe::fuse, &["gelu", "move-up"])
        .on(|node| matches!(node.op, Op::Reduce { .. })),
    Pass::rule(&weights::RULE, Order::Model, &["experts"]),
    Pass::rule(&rms::RULE, Order::Model, &["gather-weights"]),
    Pass::whole(
        "page-layout",
        "SDPAToPagedAttention, src/core/src/pass",
        paged_attention::lay_out,
        &["no-ops"],
    )
    .when(|work| work.options.is_paged),
    Pass::rules("rotations", COMMON, rope::RULES, Order::Model, &["no-ops", "page-layout"]),
    Pass::rules("rotations-in-halves", COMMON, rope_forms::HALVES, Order::Model, &["rotations"]),
    Pass::rules("interleaved-rotations", COMMON, rope_forms::INTERLEAVED, Order::Model, &["rotations"]),
    Pass::rule(&sdpa_state::RULE, Order::Model, &["rotations", "no-ops"]),
    Pass::rule(&subtract::OF_VARIABLES, Order::Model, &["rotations-in-halves"]),
    Pass::rules("linear-sequences-again", COMMON, linear::OF_SUBTRACTIONS, Order::Model, &["subtract"])
        .when(|work| !low_precision::applies(work)),
    Pass::rule(&log_softmax::RULE, Order::Model, &["subtract"]),
    Pass::rule(&einsum::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&group_norm::RULE, Order::Model, &["no-ops"]),
    Pass::rule(&mvn::RULE, Order::Model, &["subtract", "group-norm"]),
    Pass::rule(&divide::RULE, Order::Model, &["rms", "gelu"]),
    // Its divisions are made in the same rewrite as those of before are converted.
    Pass::rule(&l2_norm::RULE, Order::Model, &["divide"]),
    Pass::whole(
        "attention",
        "MHA tokenization, src/common/snippets/src/pass/mha_tokenization.cpp",
        attention_subgraph::fuse,
        &["attention-state", "divide"],
    )
    .on(|node| matches!(node.op, Op::Softmax(_)) || node.kind == Kind::ScaledDotProductAttention),
    Pass::whole(
        "initial-states",
        "MoveReadValueInputsToSubgraph, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass",
        initial_state::take_in,
        &["attention-state"],
    ),
    Pass::rule(&mask::PARAMETER, Order::Parameters, &["initial-states"]),
    Pass::rule(&mask::BOOLEAN, Order::Model, &["parameter-type"]),
    Pass::rule(&move_up::RULE, Order::Model, &["attention", "divide"]).named("move-up-again"),
    Pass::rule(&no_ops::UNDONE, Order::Model, &["move-up-again"]),
    Pass::rule(&broadcast::RULE, Order::Model, &["boolean"]),
    Pass::rule(&mask_reshapes::SUMS, Order::Model, &["constants"]),
    Pass::rule(&mask_reshapes::RESHAPES, Order::Model, &["constant-sums"]).when(|work| !work.is_dynamic),
    Pass::rule(&gated_mlp::RULE, Order::Model, &["gelu", "swish", "experts"]).when(tile_product::has_tiles),
    // What a gated MLP has not taken.
    Pass::rule(&qkv_projection::RULE, Order::Model, &["gated-mlp"])
        .when(|work| tile_product::has_tiles(work) && qkv_projection::has_threads(work)),
    Pass::rule(&fully_connected::RULE, Order::Model, &["gather-weights", "experts", "attention"]),
    Pass::rule(&low_precision::plugin::LEGACY, Order::Model, &["fully-connected"])
        .when(low_precision::applies),
    Pass::rule(&low_precision::plugin::SCALES, Order::Model, &["fully-connected"])
        .when(low_precision::applies),
    Pass::rules("convolutions", OPTIMIZER, convolution::RULES, Order::Model, &["constants"]),
    Pass::whole(
        "skipped",
        "SnippetsMarkSkipped, src/plugins/intel_cpu/src/transformations/snippets/x64/pass",
        skipped::find,
        &["fully-connected", "convolutions"],
    )
    .on(skipped::starts),
    Pass::rule(&matmul_ranks::RULE, Order::Model, &["skipped"]),
    Pass::rule(&leaky_relu::RULE, Order::Model, &["skipped"]),
    Pass::rules("quantize-limits", OPTIMIZER, low_precision::plugin::LIMITS, Order::Execution, &["skipped"])
        .when(low_precision::applies),
    Pass::rule(&low_precision::plugin::WRITTEN_OUT, Order::Execution, &["quantize-limits"])
        .when(low_precision::applies),
    Pass::rule(
        &eltwise_chain::POST_OPERATIONS,
        Order::Execution,
        &["fully-connected", "convolutions", "leaky-relu"],
    ),
    Pass::whole("convolution-sums", OPTIMIZER, convolution_sum::fuse, &["post-operations"])
        .on(|node| node.kind == Kind::Convolution),
    Pass::whole(
        "subgraphs",
        "SnippetsTokenization, src/common/snippets/src/pass/collapse_subgraph.cpp",
        subgraph::tokenize,
        &["skipped", "convolution-sums"],
    ),
    Pass::rule(&eltwise_chain::NUMBERS, Order::Execution, &["subgraphs"]),
    Pass::rule(&eltwise_chain::CONVERSIONS, Order::Execution, &["subgraphs"])
        .when(|work| work.options.precision == Precision::F32),
    Pass::whole("recurrent-layouts", OPTIMIZER, recurrent::lay_out, &["recurrent-directions"])
        .on(|node| matches!(node.op, Op::Recurrent(_))),
    Pass::whole(
        "precision",
        PLUGIN_GRAPH,
        precision::enforce,
        &["recurrent-layouts", "embed-numbers", "convert-into-arithmetic"],
    ),
    Pass::whole(
        "written-types",
        "initSupportedPrimitiveDescriptors, src/plugins/intel_cpu/src/nodes",
        low_precision::kernels::write_floats,
        &["precision"],
    )
    .when(low_precision::applies),
    Pass::rule(&eltwise_chain::JOIN, Order::Execution, &["precision"]),
    Pass::whole("reorders", PLUGIN_GRAPH, reorder::insert, &["join-elementwise"]),
    Pass::rule(&transposes::BEFORE_REORDER, Order::Execution, &["reorders"]),
    Pass::rule(&transposes::BEHIND_REORDER, Order::Execution, &["transpose-before-reorder"]),
    Pass::whole(
        "paging",
        "SDPAToPagedAttention, src/core/src/pass",
        paged_attention::page,
        &["page-layout", "reorders"],
    )
    .when(|work| work.is_paged),
    Pass::whole(
        "views",
        "Graph::ResolveComplexInplaceConflicts",
        views::settle,
        &["transpose-behind-reorder", "paging"],
    ),
    Pass::whole("roots", PLUGIN_GRAPH, order::settle, &["views"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_needs_come_earlier() {
        assert!(crate::rewrite::faults(PASSES).is_empty(), "{:?}", crate::rewrite::faults(PASSES));
    }
}
