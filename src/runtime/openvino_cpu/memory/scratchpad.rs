//! The graph's scratchpad: one block that all nodes share, as large as the largest asks for.
//!
//! * A matrix product with quantized weights quantizes its input in groups of G, which is 32 by default: `M K + M K/G * 8`, M
//!   rows, where that is done (`OpenvinoCpu::quantization_group`); each of T threads then unpacks weights into a buffer,
//!   whose length was measured.
//! * Other products: [`super::inner_product`]; convolutions and transposed ones: [`super::convolution`]; recurrent
//!   sequences: [`super::recurrent`].
//! * Products that one node computes in tiles: [`super::tiles`].
//! * A product of chosen experts gathers its rows: `M K e`, M rows (seen in one model).
//! * An attention in a Subgraph keeps, per thread, the scores of 32 queries and packed keys and values; where those of
//!   one head do not fit the caches of a core, all heads are packed first instead. d, dv head sizes, L keys, m queries
//!   up to 32:
//!
//! | | bf16 | f32 | f32 under AVX2 |
//! |---|---|---|---|
//! | keys | `2 ru(d,32) ru(L,32)` | `4 ru(d,16) ru(L,64)` | `4 ru(d,8) ru(L,24)` |
//! | values | `2 ru(L,2) dv` | `4 ru(L,16) ru(dv,64)` | `4 ru(L,8) ru(dv,24)` |
//! | scores | `4 m L`, with a mask in a dynamic graph `+ 2 m L + 2 m min(d,64)` | `4 m L`, with such a mask twice | as AVX-512 |
//!
//! Everything else asks for less than 128 KiB, which is not counted.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/dnnl_scratch_pad.h and
//! src/plugins/intel_cpu/src/emitters/snippets; exact on the blocks of 190 runs but four.

use super::convolution::{Convolutions, Scratch, scratch_of_deconvolution};
use super::held::{Held, Moment, product, round_up};
use super::inner_product::InnerProduct;
use super::recurrent;
use super::tiles;
use super::weights::{is_mlas, is_quantized};
use crate::dtype::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{Attention, ExecutedNode, ExecutionGraph, Kind, Precision};
use crate::schedule::{Known, NodeRef, StorageClass};
use crate::units::Bytes;

/// The block, if anything asks for one; `group`: numbers of data that are quantized together.
pub(super) fn held(
    graph: &ExecutionGraph,
    convolutions: &Convolutions,
    machine: &Machine,
    group: Option<u64>,
) -> Option<Held> {
    let (_, asked, node) =
        requests(graph, convolutions, machine, group).max_by_key(|(_, asked, _)| asked.bytes)?;
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let bytes = Bytes(asked.bytes);
    Some(Held { class: StorageClass::Workspace, bytes, node, known: asked.known, since })
}

/// Bytes of the block that no node writes.
pub(super) fn untouched(
    graph: &ExecutionGraph,
    convolutions: &Convolutions,
    machine: &Machine,
    group: Option<u64>,
) -> Bytes {
    let all = requests(graph, convolutions, machine, group);
    let (most, written) = all
        .fold((0, 0), |(most, written), (_, asked, _)| (asked.bytes.max(most), asked.written.max(written)));
    Bytes(most.saturating_sub(written))
}

/// The steps at which the block is replaced by a larger one as nodes are prepared, and its length from then on.
pub(super) fn growth(
    graph: &ExecutionGraph,
    convolutions: &Convolutions,
    machine: &Machine,
    group: Option<u64>,
) -> Vec<(u32, Bytes)> {
    let mut most = 0;
    let asked = requests(graph, convolutions, machine, group);
    // Those ask as they run.
    let is_prepared = |step: u32| !graph.nodes.get(step as usize).is_some_and(tiles::is_of);
    let grown = asked.filter(|&(step, ..)| is_prepared(step)).filter_map(|(step, asked, _)| {
        let grows = asked.bytes > most;
        most = most.max(asked.bytes);
        grows.then_some((step, Bytes(asked.bytes)))
    });
    grown.collect()
}

/// What a node asks for.
#[derive(Clone, Copy, Debug)]
struct Request {
    bytes: u64,
    /// How much of it is written.
    written: u64,
    known: Known,
}

fn requests<'a>(
    graph: &'a ExecutionGraph,
    convolutions: &'a Convolutions,
    machine: &'a Machine,
    group: Option<u64>,
) -> impl Iterator<Item = (u32, Request, NodeRef)> + 'a {
    (0_u32..).zip(&graph.nodes).filter_map(move |(step, node)| {
        let exact = |bytes| Request { bytes, written: bytes, known: Known::Exact };
        let request = match node.kind {
            Kind::FullyConnected => product_of(graph, node, machine, group)?,
            Kind::GatherMatmul => exact(gathered_rows(graph, node)?),
            Kind::LlmMlp | Kind::QkvProjection => exact(tiles::scratch(graph, node, machine)?),
            Kind::RnnSequence => exact(recurrent::scratch(graph, node)?),
            Kind::Convolution => of_convolution(convolutions.get(step)?.1.scratch)?,
            Kind::Deconvolution => of_convolution(scratch_of_deconvolution(graph, node, machine)?)?,
            Kind::Subgraph => exact(attention(node.attention.as_deref()?, graph, machine)),
            _ => return None,
        };
        Some((step, request, node.source))
    })
}

/// The scratch of a product that oneDNN computes.
fn product_of(
    graph: &ExecutionGraph,
    node: &ExecutedNode,
    machine: &Machine,
    group: Option<u64>,
) -> Option<Request> {
    let (data, weight) = (graph.input(node, 0)?, graph.input(node, 1)?);
    let (&columns, rows) = data.dims.split_last()?;
    let rows = rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim));
    let is_f32 = graph.precision == Precision::F32;
    let unpacks = is_quantized(weight.dtype);
    if !data.dtype.is_float() {
        // Data of 8 bits meet weights of 8 bits.
        return None;
    }
    if unpacks && let Some(group) = group {
        let of_thread = if is_f32 { fit::UNPACKING_F32 } else { fit::UNPACKING };
        let quantized = product([rows, columns]).saturating_add(product([rows, columns / group, 8]));
        let (bytes, known) = (of_thread.per(u64::from(machine.cores)) + quantized).known();
        return Some(Request { bytes, written: bytes, known });
    }
    if is_mlas(graph, node) {
        return None;
    }
    // Products of a language model in f32 keep f16 weights, and unpack them as well.
    let keeps_half = is_f32 && weight.dtype == DType::F16;
    let unpacks = unpacks || keeps_half && graph.has_cache();
    let found = InnerProduct { unpacks, ..inner_product(graph, node)? };
    let bytes = found.scratch(machine);
    let written = bytes.saturating_sub(found.unwritten(machine));
    // The rest asks for less, which is not counted.
    (bytes >= LEAST).then_some(Request { bytes, written, known: Known::Exact })
}

/// The sizes of a product that oneDNN computes, whose weights are not unpacked.
pub(super) fn inner_product(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<InnerProduct> {
    let (data, output) = (graph.input(node, 0)?, node.outputs.first()?);
    let (&inputs, rows) = data.dims.split_last()?;
    Some(InnerProduct {
        rows: rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)),
        outputs: *output.dims.last()?,
        inputs,
        size: if graph.precision == Precision::F32 { 4 } else { 2 },
        writes_f32: output.dtype == DType::F32,
        unpacks: false,
    })
}

fn of_convolution(scratch: Scratch) -> Option<Request> {
    let Scratch { bytes, written } = scratch;
    (bytes >= LEAST).then_some(Request { bytes, written, known: Known::Exact })
}

/// Least bytes that are counted.
///
/// Source: smaller blocks are not recorded one by one.
const LEAST: u64 = 128 << 10;

fn gathered_rows(graph: &ExecutionGraph, node: &ExecutedNode) -> Option<u64> {
    let &[.., rows, columns] = graph.input(node, 0)?.dims.as_slice() else { return None };
    let size = if graph.precision == Precision::F32 { 4 } else { 2 };
    Some(product([rows, columns, size]))
}

/// Source: `BrgemmExternalRepackingAdjuster::run`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/transformations/snippets/x64/pass/lowered/external_repacking_adjuster.cpp: one head's keys and
/// values, as they are and packed, are compared with L1 and L2 of a core.
fn attention(attention: &Attention, graph: &ExecutionGraph, machine: &Machine) -> u64 {
    let threads = u64::from(machine.cores);
    let &Attention { batch, heads, queries, keys, key_size, value_size, has_mask, .. } = attention;
    let rows = queries.min(32);
    let scores = product([4, rows, keys]);
    let has_mask = has_mask && graph.is_dynamic;
    let (element, packed_keys, packed_values, inner) = if graph.precision == Precision::F32 {
        let (lanes, columns) = if machine.isa.has_avx512() { (16, 64) } else { (8, 24) };
        let packed_keys = product([4, round_up(key_size, lanes), round_up(keys, columns)]);
        let packed_values = product([4, round_up(keys, lanes), round_up(value_size, columns)]);
        (4, packed_keys, packed_values, scores.saturating_mul(1 + u64::from(has_mask)))
    } else {
        let packed_keys = product([2, round_up(key_size, 32), round_up(keys, 32)]);
        let packed_values = product([2, round_up(keys, 2), value_size]);
        let mask = product([2, rows, keys]).saturating_add(product([2, rows, key_size.min(64)]));
        (2, packed_keys, packed_values, scores.saturating_add(if has_mask { mask } else { 0 }))
    };
    let packed = packed_keys.saturating_add(packed_values);
    let plain = product([keys, key_size, element]).saturating_add(product([keys, value_size, element]));
    let copies = if Bytes(plain.saturating_add(packed)) < machine.l1d + machine.l2 {
        threads
    } else {
        batch.saturating_mul(heads)
    };
    product([threads, inner]).saturating_add(product([copies, packed]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(heads: u64, keys: u64, size: u64, has_mask: bool, precision: Precision) -> u64 {
        let machine = Machine::default();
        let sizes = Attention {
            batch: 1,
            heads,
            kv_heads: heads,
            queries: keys,
            keys,
            key_size: size,
            value_size: size,
            has_mask,
        };
        let graph = ExecutionGraph { precision, is_dynamic: true, ..ExecutionGraph::default() };
        attention(&sizes, &graph, &machine)
    }

    /// Blocks of measured runs; see the module's source.
    #[test]
    fn attentions_ask_for_what_was_measured() {
        assert_eq!(scratch(12, 197, 64, false, Precision::Bf16), 158_464);
        assert_eq!(scratch(16, 257, 64, false, Precision::Bf16), 205_568);
        assert_eq!(scratch(12, 1370, 64, false, Precision::Bf16), 1_053_696);
        assert_eq!(scratch(12, 1024, 64, true, Precision::Bf16), 925_696);
        assert_eq!(scratch(16, 1024, 80, true, Precision::Bf16), 1_122_304);
        assert_eq!(scratch(16, 4096, 72, false, Precision::Bf16), 23_068_672);
        assert_eq!(scratch(12, 197, 64, false, Precision::F32), 288_000);
        assert_eq!(scratch(16, 4096, 72, false, Precision::F32), 55_574_528);
    }
}
