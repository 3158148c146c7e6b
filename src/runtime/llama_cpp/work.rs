//! The work buffer of the CPU backend: what the largest node needs; it grows when a graph first runs, and stays.
//!
//! Source: ggml 0.25.3, ggml/src/ggml-cpu/ggml-cpu.c (`ggml_graph_plan`), ggml-cpu/ops.cpp (tiles of attention).

use super::scheduler::Split;
use super::tensor::{Graph, Op, Place, Tensor, row};
use super::weights::{BufferType, Weights};
use crate::dtype::GgmlType;
use crate::units::Bytes;

/// Rows of queries, and of keys and values, in a tile of attention.
const TILE: u64 = 64;

/// Bytes of a line of the cache.
const LINE: u64 = 64;

/// Bytes of the work buffer of a graph, whose nodes on backend `cpu` need one.
pub(super) fn bytes(split: &Split, cpu: u8, weights: &Weights, threads: u64) -> u64 {
    let graph = &split.graph;
    let nodes = graph.nodes.iter().filter(|node| split.backends[node.index()] == cpu);
    let most = nodes.map(|&node| of_node(graph, graph.get(node), weights, threads)).max().unwrap_or(0);
    if most == 0 { 0 } else { most.saturating_add(LINE.saturating_mul(threads)) }
}

fn of_node(graph: &Graph, node: &Tensor, weights: &Weights, threads: u64) -> u64 {
    let source = |index: usize| node.sources.get(index).map(|&id| graph.get(id));
    match (node.op, source(0), source(1)) {
        (Op::MulMat, Some(a), Some(b)) => match buffer(a, weights) {
            Some(BufferType::Amx) => amx(a, b),
            Some(BufferType::Repack) => repacked(a, b),
            _ => converted(a.dtype, b).next_multiple_of(LINE),
        },
        (Op::MulMatId, Some(a), Some(b)) => {
            let ids = source(2).map_or(1, |ids| ids.ne[0].saturating_mul(ids.ne[1]));
            let experts = a.ne[2];
            let packed = match converted(a.dtype, b) {
                0 => 0,
                bytes => bytes + 8,
            };
            let rows = experts.saturating_mul(ids).saturating_mul(8);
            [packed, experts.saturating_mul(8 + LINE), rows, 16 + LINE]
                .into_iter()
                .map(Bytes)
                .sum::<Bytes>()
                .align_up(LINE)
                .0
        }
        (Op::SoftMax | Op::Rope, ..) => 4 * node.ne[0] * threads,
        (Op::GatedDeltaNet, ..) => source(2).map_or(0, |v| 4 * v.ne[0] * threads),
        (Op::FlashAttention, Some(q), Some(k)) => {
            let (key, value) = (k.ne[0], node.ne[0]);
            let tile = TILE * key + 2 * TILE * TILE + TILE * value + TILE * value + TILE * key;
            let chunks = q.ne[2] * threads * (2 + value) + threads * (key + 2 * value);
            4 * (tile * threads).max(chunks)
        }
        _ => 0,
    }
}

fn buffer(weight: &Tensor, weights: &Weights) -> Option<BufferType> {
    let Place::Weight(number) = weight.place else { return None };
    weights.all.get(number as usize).map(|found| found.buffer)
}

/// Bytes of the second operand in the type that products with `dtype` want; none where it has that type.
fn converted(dtype: GgmlType, operand: &Tensor) -> u64 {
    let wanted = product_type(dtype);
    if operand.dtype == wanted { 0 } else { row(wanted, operand.elements()) }
}

/// The same for repacked weights, whose rows are converted in groups of four.
///
/// Source: ggml/src/ggml-cpu/repack.cpp (`tensor_traits::work_size`).
fn repacked(weight: &Tensor, operand: &Tensor) -> u64 {
    row(product_type(weight.dtype), operand.elements())
}

/// Bytes of the second operand for products with tiles.
///
/// Source: ggml/src/ggml-cpu/amx/mmq.cpp (`ggml_backend_amx_desired_wsize`).
fn amx(weight: &Tensor, operand: &Tensor) -> u64 {
    match weight.dtype {
        GgmlType::F16 => 0,
        dtype => row(product_type(dtype), operand.elements()),
    }
}

/// The type that the second operand of a product is converted to.
///
/// Source: ggml/src/ggml-cpu/ggml-cpu.c (`type_traits_cpu`).
fn product_type(dtype: GgmlType) -> GgmlType {
    match dtype {
        GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => dtype,
        GgmlType::Q4_1 | GgmlType::Q5_1 => GgmlType::Q8_1,
        GgmlType::Q4_0
        | GgmlType::Q5_0
        | GgmlType::Q8_0
        | GgmlType::MXFP4
        | GgmlType::NVFP4
        | GgmlType::IQ4NL
        | GgmlType::Q1_0
        | GgmlType::Q2_0 => GgmlType::Q8_0,
        _ => GgmlType::Q8K,
    }
}
