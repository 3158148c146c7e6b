//! `openvino-cpu`: OpenVINO's CPU plugin.
//!
//! `options` is what a user can set; `execution`, the graph that the plugin executes, read from a serialized runtime model
//! or made from an export by `fuse`; `memory`, what the plugin holds in memory for it; `calibration`, what was measured.

pub mod calibration;
pub mod execution;
pub mod fuse;
pub(super) mod memory;
mod options;

pub use options::{Cache, Generation, OpenvinoCpu, Reshape};

use super::Profile;
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use crate::schedule::{Lowered, NodeRef};
use crate::shape::Shapes;
use execution::{ExecutionGraph, Precision};
use memory::Moment;

/// The model as the user holds it.
pub(super) fn model(graph: &Graph) -> memory::Model {
    let bodies = graph.with_bodies();
    let nodes = bodies.iter().map(|body| body.nodes().len() as u64).sum();
    let ranges = (0_u32..).zip(&bodies).flat_map(|(graph, body)| {
        body.nodes().iter().enumerate().filter_map(move |(node, found)| match &found.op {
            Op::Constant(constant) => Some((NodeRef { graph, node: NodeId::new(node) }, constant.range?)),
            _ => None,
        })
    });
    memory::Model { nodes, constants: ranges.collect() }
}

/// The graph that OpenVINO's CPU plugin executes: read where the file is one, else made from the export.
///
/// # Errors
///
/// If an execution graph contradicts itself or `options`, or an export has no shapes to compile with.
pub fn executed(graph: &Graph, shapes: &Shapes, options: &OpenvinoCpu) -> Result<ExecutionGraph> {
    let mut execution = if execution::is_execution_graph(graph) {
        let read = execution::read(graph, shapes, options.reshape)?;
        agrees(graph, "precision", options.precision, Some(read.precision.dtype()))?;
        agrees(graph, "kv-precision", options.kv_precision, read.kv_precision)?;
        read
    } else {
        let options = fuse::Options {
            precision: options.precision(),
            is_dynamic: options.reshape != Some(Reshape::Static),
            last_logits: options.last_logits,
            kv_precision: options.kv_precision,
            is_paged: options.cache == Cache::Paged,
        };
        fuse::execution_graph(graph, shapes, options)?
    };
    // Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.h.
    execution.kv_precision.get_or_insert(DType::U8);
    let has_blocks = execution.nodes.iter().any(|node| node.kind == execution::Kind::PagedAttention);
    if has_blocks && execution.kv_precision == Some(DType::F32) && execution.precision != Precision::F32 {
        let precision = execution.precision.dtype();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("a paged cache of f32 was asked for, and attention computes in {precision}"),
        )
        .in_file(graph.file())
        .note("OpenVINO refuses to compile this")
        .help(format!("add `--precision f32`, or give `--kv-precision u8` or `{precision}`")));
    }
    Ok(execution)
}

pub(super) fn lower(
    graph: &Graph,
    execution: &ExecutionGraph,
    profile: &Profile,
    options: &OpenvinoCpu,
    moment: Moment,
) -> Lowered {
    let tensor_of = |port: execution::Port| {
        let node = execution.node(port.step)?.source.node;
        graph.output(node, port.port as usize)
    };
    let mut lowered = memory::apply(execution, options, moment, &model(graph), tensor_of);
    lowered.assumptions.extend(profile.assumptions());
    lowered
}

/// An execution graph is what it is: an option that contradicts it is an error.
fn agrees(graph: &Graph, flag: &str, asked: Option<DType>, found: Option<DType>) -> Result<()> {
    match (asked, found) {
        (Some(asked), Some(found)) if asked != found => Err(Error::new(
            ErrorKind::Usage,
            format!("`--{flag} {asked}` was given, and the execution graph was compiled with {found}"),
        )
        .in_file(graph.file())
        .help(format!("leave `--{flag}` away, or give the model that the graph was compiled from"))),
        _ => Ok(()),
    }
}
