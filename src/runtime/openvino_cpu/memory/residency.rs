//! What of the memory is resident.
//!
//! * A map of generated code has a page or two; they are counted with what the allocator keeps.
//! * A state of attention has pages for the tokens that it holds, and room for as many.
//! * A constant in the mapped file is resident once it is read: weights when they are packed, what is converted when the
//!   graph is built, and every f32 constant then too (a search for subnormals). A static graph reads all.
//! * A table that a dynamic graph only looks rows up in has the pages around those rows. A fault on a page of a file that
//!   is cached maps the aligned 64 KiB around it. Which rows a prompt asks for is not known: tokens are assumed to be spread
//!   over the first ones of the vocabulary, since vocabularies are sorted by frequency and texts use the frequent ones.
//! * Next to these: pages of the libraries, and what the allocator keeps of what was freed, both measured; the model that is
//!   released after compilation is a part of the latter.
//!
//! Not modelled: growing blocks that were superseded, which the allocator keeps in part (up to 30 MiB).
//!
//! Source: OpenVINO 2026.4.1 on Linux, glibc 2.36; resident sets of 66 runs. Windows of tables: Linux,
//! `fault_around_bytes`; exact on 8 runs of embedding models to 1 MiB. Subnormals: src/plugins/intel_cpu/src/nodes/input.cpp.

use super::held::Moment;
use super::tiles;
use crate::dtype::DType;
use crate::runtime::Residency;
use crate::runtime::calibration::Estimate;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind, Port};
use crate::schedule::Known;
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

/// What a fault on a file's page maps.
///
/// Source: `fault_around_bytes`, Linux, mm/memory.c.
pub(in crate::runtime::openvino_cpu) const WINDOW: u64 = 64 << 10;

/// Libraries, and what the allocator keeps, at a moment of a model of so many nodes.
pub(super) fn of_process(graph: Option<&ExecutionGraph>, nodes: u64, moment: Moment) -> Residency {
    let computes = graph.is_some_and(|graph| {
        let products = [Kind::FullyConnected, Kind::Convolution, Kind::MatMul];
        graph.nodes.has(products) || graph.nodes.has(tiles::KINDS)
    });
    let library = match (moment, computes) {
        (Moment::Loaded, _) => fit::LIBRARY_LOADED,
        (Moment::Compiled, false) => fit::LIBRARY_COMPILED,
        (Moment::Compiled, true) => fit::LIBRARY_COMPILED_PRODUCTS,
        (Moment::Running, false) => fit::LIBRARY_RUN,
        (Moment::Running, true) => fit::LIBRARY_RUN_PRODUCTS,
    };
    let kept = match moment {
        Moment::Loaded => Estimate::ZERO,
        Moment::Compiled | Moment::Running => fit::KEPT.estimate() + fit::KEPT_NODE.per(nodes),
    };
    let again = graph.filter(|_| moment == Moment::Running).map_or(0, taken_again);
    let ((kept, _), (library, _)) = (kept.known(), library.estimate().known());
    let kept = kept.saturating_sub(again);
    Residency {
        known: Known::Assumed,
        kept_bytes: Bytes(kept),
        library_bytes: Bytes(library),
        ..Residency::default()
    }
}

/// What the first inference of a dynamic graph takes again of the memory that was freed after compilation: the many small
/// weights that it packs where nearly all that computes are convolutions.
fn taken_again(graph: &ExecutionGraph) -> u64 {
    let count = |kind: Kind| graph.nodes.count(kind) as u64;
    let (convolutions, products) = (count(Kind::Convolution), count(Kind::FullyConnected));
    if !graph.is_dynamic || products.saturating_mul(MANY) > convolutions {
        return 0;
    }
    let (each, _) = fit::KEPT_CONVOLUTION.per(convolutions).known();
    let (most, _) = fit::KEPT_CONVOLUTIONS.estimate().known();
    each.min(most)
}

/// Convolutions per product of a graph that is nearly all convolutions.
///
/// Source: the runs of `KEPT_CONVOLUTION`, whose graphs have one product or none; those with as many products keep the rest.
const MANY: u64 = 8;

/// Bytes of each mapped table that nothing reads, by its constant's step.
///
/// Cost: linear in edges.
pub(super) fn unread(graph: &ExecutionGraph) -> FxHashMap<u32, Bytes> {
    let mut unread = FxHashMap::default();
    if !graph.is_dynamic {
        return unread;
    }
    let mut rows: FxHashMap<u32, u64> = FxHashMap::default();
    let mut read_whole: FxHashSet<u32> = FxHashSet::default();
    for node in &graph.nodes {
        for (input, port) in node.inputs.iter().enumerate() {
            let index = graph
                .input(node, 1)
                .map(|index| index.dims.iter().fold(1, |all: u64, &dim| all.saturating_mul(dim)));
            match (input, &node.kind, index) {
                (0, Kind::Gather, Some(index)) => {
                    let rows = rows.entry(port.step).or_default();
                    *rows = rows.saturating_add(index);
                }
                _ => drop(read_whole.insert(port.step)),
            }
        }
    }
    for (step, rows) in rows {
        let table = graph.node(step).filter(|node| node.is_const() && node.is_mapped);
        let Some(output) = table.and_then(|_| graph.output(Port { step, port: 0 })) else { continue };
        let (Some(bytes), &[count, _]) = (output.bytes(), output.dims.as_slice()) else { continue };
        if output.dtype != DType::F32 && !read_whole.contains(&step) && count > 0 {
            unread.insert(step, bytes - touched(bytes, count, rows));
        }
    }
    unread
}

/// Bytes of a table of `count` rows that are resident after `rows` of them were read.
fn touched(bytes: Bytes, count: u64, rows: u64) -> Bytes {
    let row = bytes.0.div_ceil(count.max(1));
    let window = WINDOW.max(row);
    let (tokens, _) = fit::FREQUENT_TOKENS.estimate().known();
    let windows = (row.saturating_mul(count.min(tokens)) as f64 / window as f64).max(1.0);
    let hit = windows * (1.0 - (-(rows as f64) / windows).exp());
    Bytes((hit * window as f64) as u64).min(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_that_run_take_freed_memory_again() {
        let kept = |is_dynamic, kind: Kind, nodes| {
            let nodes =
                vec![
                    crate::runtime::openvino_cpu::execution::ExecutedNode { kind, ..Default::default() };
                    nodes
                ];
            let graph = ExecutionGraph { nodes: nodes.into(), is_dynamic, ..ExecutionGraph::default() };
            of_process(Some(&graph), 100, Moment::Running).kept_bytes.0
        };
        let whole = kept(false, Kind::Convolution, 10);
        assert_eq!(kept(true, Kind::FullyConnected, 10), whole);
        assert_eq!(whole - kept(true, Kind::Convolution, 10), 2_500_000);
        assert_eq!(whole - kept(true, Kind::Convolution, 100), 5_500_000);
    }

    /// File-backed pages of measured runs, less those of the same libraries without a table.
    #[test]
    fn rows_make_the_windows_around_them_resident() {
        let mib = |bytes: Bytes| bytes.0 as f64 / f64::from(1 << 20);
        // 151,936 rows of 4 KiB: 43.7 and 59.7 MiB.
        let table = Bytes(151_936 * 4096);
        assert!((mib(touched(table, 151_936, 1024)) - 43.7).abs() < 1.0);
        assert!((mib(touched(table, 151_936, 1813)) - 59.7).abs() < 1.0);
        // 30,522 rows of 768 bytes: 6.2 and 13.0 MiB.
        let table = Bytes(30_522 * 768);
        assert!((mib(touched(table, 30_522, 128)) - 6.2).abs() < 0.5);
        assert!((mib(touched(table, 30_522, 512)) - 13.0).abs() < 0.5);
        assert_eq!(touched(Bytes(100), 10, 1 << 40), Bytes(100));
    }
}
