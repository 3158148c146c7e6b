//! From the exported graph to the graph that OpenVINO's CPU plugin executes.
//!
//! One fusion per file, with its pattern, its condition, its source and its tests; `passes` is the table of their order. A pattern that does not match leaves the nodes as they are, so an architecture that is not known here comes
//! out as its own operators.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/transformations and src/plugins/intel_cpu/src/graph_optimizer.cpp,
//! and the execution graphs of 69 runs.

mod asked;
mod assumptions;
mod attention_dims;
mod attention_subgraph;
mod branches;
mod broadcast;
mod concat;
mod constants;
mod convolution;
mod convolution_sum;
mod dereshape;
mod dim;
mod divide;
mod duplicates;
mod edge;
mod einsum;
mod eltwise_chain;
mod free_dims;
mod freeze;
mod fully_connected;
mod gated_mlp;
mod gelu;
mod group_norm;
mod in_place;
mod initial_state;
mod kind;
mod known_elements;
mod l2_norm;
mod last_token;
mod layout;
mod leaky_relu;
mod linear;
mod log_softmax;
mod low_precision;
mod mask;
mod mask_reshapes;
mod matmul_ranks;
mod matmul_scale;
mod matmul_transposes;
mod moe;
mod move_up;
mod mvn;
mod no_ops;
mod options;
mod order;
mod pad;
mod paged_attention;
mod passes;
mod pattern;
mod precision;
mod product_scale;
mod qkv_projection;
mod quantized;
mod recurrent;
mod reorder;
mod reverse_channels;
mod rms;
mod roots;
mod rope;
mod rope_forms;
mod sdpa_state;
mod shuffle_channels;
mod skipped;
mod softmax;
mod split;
mod subgraph;
mod subtract;
mod swish;
mod symbol_sources;
mod template;
mod tensor;
#[cfg(test)]
mod testing;
mod tile_product;
mod transposes;
mod types;
mod unit_dims;
mod views;
mod weights;
mod work;
mod writer;

use crate::DType;
use crate::error::Result;
use crate::graph::Graph;
use crate::rewrite;
use crate::runtime::openvino_cpu::execution::{self, ExecutionGraph};
use crate::shape::Shapes;
pub use options::Options;
use passes::PASSES;
use work::{Work, is_dynamic};

/// Rewrites a graph into the one that the plugin executes.
///
/// Cost: linear in nodes and edges.
///
/// # Errors
///
/// None today; a pass that meets a graph it must not touch leaves it alone.
pub fn execution_graph(graph: &Graph, shapes: &Shapes, options: Options) -> Result<ExecutionGraph> {
    if !is_dynamic(graph, options) {
        return Ok(compile(graph, shapes, options, (None, None)));
    }
    let is_free = |place: dim::Place| {
        let declared = graph.tensor(place.tensor).shape.dims.as_deref();
        !work::is_declared(declared, usize::from(place.axis))
    };
    let compile = |free: Option<&mut freeze::Free>| compile(graph, shapes, options, (None, free));
    Ok(graph.kept::<template::Templates>().graph((options, shapes), is_free, compile))
}

/// Names of the passes, in their order.
pub(super) fn passes() -> Vec<&'static str> {
    rewrite::names(PASSES)
}

/// Rewrites a graph by the passes up to and with one, else by all.
pub(super) fn execution_graph_after(
    graph: &Graph,
    shapes: &Shapes,
    options: Options,
    last: Option<&str>,
) -> Result<ExecutionGraph> {
    Ok(compile(graph, shapes, options, (last, None)))
}

/// Runs the passes up to and with `last`; where free dims are asked for, they are put there.
fn compile(
    graph: &Graph,
    shapes: &Shapes,
    options: Options,
    (last, free): (Option<&str>, Option<&mut freeze::Free>),
) -> ExecutionGraph {
    let mut work = Work::new(graph, shapes, options);
    rewrite::run(&mut work, PASSES, last);
    let mut assumptions = assumptions::of(&work);
    if options.is_paged && !work.is_paged {
        assumptions.push(assumptions::not_paged());
    }
    let is_dynamic = work.is_dynamic;
    ExecutionGraph {
        nodes: freeze::freeze(work, free).into(),
        is_dynamic,
        precision: options.precision,
        kv_precision: options.kv_precision.or_else(|| exported_kv_precision(graph)),
        assumptions,
        is_apart: false,
    }
}

/// The precision of attention state that the export asks for.
fn exported_kv_precision(graph: &Graph) -> Option<DType> {
    let named = graph.info("KV_CACHE_PRECISION").and_then(execution::dtype);
    named.filter(|&dtype| dtype != DType::Dynamic)
}
