//! Initializers, of bodies too: where they are once the session is made.
//!
//! * In the model's own file: copied into tensors.
//! * In a file of their own: mapped, and read where they are.
//! * A matrix that a kernel reads as its constant right side is packed into a copy of its own, columns padded to 16;
//!   where every reader packs it the original goes.
//! * Of an initializer of a body, the node which has the body keeps the message, and the tensor stays though it is packed: so
//!   in sessions of an `If` whose branches have eight matrices of 4 MiB each.
//! * Filters of blocked convolutions are written again, channels padded, once for all that read them.
//! * The filter of a ConvTranspose is transposed into a buffer of the arena, which so has its first region when the session
//!   is made.
//!
//! How memory rises until then: [`super::creation`].
//!
//! Source: ONNX Runtime, onnxruntime/core/framework/session_state.cc (`PrepackConstantInitializedTensors`),
//! onnxruntime/core/mlas/lib/qgemm.h and sgemm.cpp (`MlasGemmPackBSize`), onnxruntime/core/optimizer/nchwc_transformer.cc
//! (`filters_map`), onnxruntime/core/providers/cpu/nn/conv_transpose.cc (`PrePack`); checked against the "Reserving memory" lines of
//! 1.31.1.

use super::calibration as fit;
use super::initializers::{bytes_before, is_in_file, is_mapped};
use super::kernel::{Kernel, Nchwc, Nhwc};
use super::options::OnnxRuntimeCpu;
use super::steps::Settings;
use super::work::Work;
use super::{bodies, integers, moe, nbits};
use crate::DType;
use crate::graph::{Graph, Node, Op};
use crate::ids::NodeId;
use crate::machine::PAGE;
use crate::runtime::calibration::Estimate;
use crate::schedule::NodeRef;
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// What is kept of one initializer, or one copy of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The constant that it is, or was made from.
    pub node: NodeRef,
    /// Its length.
    pub bytes: u64,
    /// It is a range of a mapped file.
    pub is_mapped: bool,
    /// It is a string of the message, not a tensor.
    pub is_message: bool,
}

/// A copy in the form that a kernel reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pack {
    /// The value that it was made from.
    pub value: usize,
    /// Its length.
    pub bytes: u64,
    /// Made by the optimizer, before kernels pack theirs.
    pub is_blocked: bool,
    /// A body packs what another graph has packed: the first copy serves both, and this one goes.
    pub is_repeated: bool,
    /// Its kernel asks the arena for it.
    pub is_in_arena: bool,
}

/// An initializer of a body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    /// Its length.
    pub bytes: u64,
    /// Length of the copies that kernels pack of it.
    pub packed: u64,
    /// Length of the string that the node which has the body keeps of it, for as long as the session lives.
    pub message: Option<u64>,
}

/// All initializers of a graph and its bodies.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// What stays.
    pub held: Vec<Held>,
    /// The copies that are made of the graph's, in the order of nodes.
    pub packs: Vec<Pack>,
    /// Values, and lengths of what is in the arena while they are packed, in the order of nodes: matrices that are
    /// transposed first.
    pub transposed: Vec<(usize, u64)>,
    /// Those that bodies have for themselves, and that are in no mapped file.
    pub own: Vec<Own>,
    /// There are bodies: initializers stay until all is packed.
    pub has_bodies: bool,
    /// Values and lengths of all copies.
    packed: FxHashSet<(usize, u64)>,
    /// By value: uses, and how many of them read a packed copy.
    readers: Vec<(u32, u32)>,
}

impl Weights {
    /// Whether something reads an initializer as it is.
    pub(super) fn keeps_original(&self, value: usize) -> bool {
        let (all, packing) = self.readers[value];
        all > packing
    }
}

/// Finds what is held of every initializer that a node reads, in bodies too.
pub(super) fn of(work: &Work<'_>, settings: &Settings<'_>) -> Weights {
    let readers = vec![(0_u32, 0_u32); work.values.len()];
    let mut weights = Weights { readers, ..Weights::default() };
    collect(work, &|value| Some(value), settings, &mut weights);
    for value in (0..work.values.len()).filter(|&value| is_attribute_free(work, value)) {
        let Some(bytes) = work.bytes(value) else { continue };
        weights.readers[value].0 += u32::from(work.is_output(value));
        if weights.keeps_original(value) {
            let is_mapped = is_mapped(work, value, settings.options);
            let node = constant(work, value);
            weights.held.push(Held { node, bytes, is_mapped, is_message: false });
        }
    }
    let own = weights.packs.iter().filter(|pack| !pack.is_repeated && !pack.is_in_arena);
    let copies = own.map(|pack| Held {
        node: constant(work, pack.value),
        bytes: pack.bytes,
        is_mapped: false,
        is_message: false,
    });
    weights.held.extend(copies);
    weights
}

/// Counts the readers of the main graph's initializers in a graph or body, and the copies that they make; `main` gives
/// the main graph's value for one of `work`.
///
/// What a body reads through a node is read in the body alone.
///
/// That a second branch's copy is dropped for the first's is seen in traces of two models under 1.31.1.
fn collect(
    work: &Work<'_>,
    main: &dyn Fn(usize) -> Option<usize>,
    settings: &Settings<'_>,
    weights: &mut Weights,
) {
    let options = settings.options;
    let is_body = work.graph.number() > 0;
    let mut own: BTreeMap<usize, Vec<Option<u64>>> = BTreeMap::new();
    let mut inside = Vec::new();
    for node in work.alive() {
        let bodies = bodies::all(work, node);
        let passed = bodies.iter().flat_map(|body| body.passed.iter().map(|&(outer, _)| outer));
        let passed: FxHashSet<usize> = passed.collect();
        inside.extend(bodies);
        for (index, value) in work.nodes[node].inputs().iter().enumerate() {
            let constant = value.filter(|value| work.values[*value].is_constant && !passed.contains(value));
            let Some(value) = constant else { continue };
            let is_blocked = work.nodes[node].kind == Kernel::Nchwc(Nchwc::Conv);
            let copy = packed(work, node, index, value).filter(|_| options.prepacking || is_blocked);
            let Some(value) = main(value) else {
                own.entry(value).or_default().push(copy);
                continue;
            };
            let in_arena = copy.and_then(|_| requested(work, node, index, value));
            weights.transposed.extend(in_arena.map(|bytes| (value, bytes)));
            weights.readers[value].0 += 1;
            weights.readers[value].1 += u32::from(copy.is_some());
            let further = further_copies(work, node, index).into_iter().filter(|_| options.prepacking);
            for (bytes, is_blocked) in
                copy.map(|bytes| (bytes, is_blocked)).into_iter().chain(further.map(|bytes| (bytes, false)))
            {
                let is_known = !weights.packed.insert((value, bytes));
                // The optimizer blocks a filter once, for all convolutions that read it.
                if is_known && is_blocked {
                    continue;
                }
                let is_repeated = is_known && is_body;
                let is_in_arena = work.is(node, Kernel::ConvTranspose);
                weights.packs.push(Pack { value, bytes, is_blocked, is_repeated, is_in_arena });
            }
        }
    }
    // A graph packs before its bodies do.
    weights.has_bodies |= !inside.is_empty();
    for body in inside {
        let inner = body.optimized(work, options);
        let outer: FxHashMap<usize, usize> =
            body.passed.iter().map(|&(outer, inner)| (inner, outer)).collect();
        let main = |value: usize| outer.get(&value).and_then(|&outer| main(outer));
        collect(&inner, &main, settings, weights);
    }
    for (value, copies) in own {
        let Some(bytes) = work.bytes(value).filter(|_| is_attribute_free(work, value)) else { continue };
        let is_mapped = is_mapped(work, value, options);
        let packed = copies.iter().flatten().copied().fold(0, u64::saturating_add);
        let node = constant(work, value);
        let held = Held { node, bytes, is_mapped, is_message: false };
        weights.held.push(held);
        weights.held.extend((packed > 0).then_some(Held { bytes: packed, is_mapped: false, ..held }));
        let message = if work.values[value].is_stored { bytes_before(work, value) } else { None };
        if !is_mapped {
            weights.held.extend(message.map(|bytes| Held { bytes, is_message: true, ..held }));
            weights.own.push(Own { bytes, packed, message });
        }
    }
}

/// The constant that a value is.
pub(super) fn constant(work: &Work<'_>, value: usize) -> NodeRef {
    let node = work.graph.tensor(work.values[value].tensor).node;
    NodeRef { graph: work.graph.number(), node }
}

/// Whether a constant is an initializer of the runtime, not what the reader made of an attribute.
fn is_attribute_free(work: &Work<'_>, value: usize) -> bool {
    let own = &work.values[value];
    own.is_constant && work.is_read(value) && (!own.is_stored || is_in_file(work, value))
}

/// Bytes of the copy that a kernel packs of its constant input; `None`: it reads the input as it is.
fn packed(work: &Work<'_>, node: usize, index: usize, value: usize) -> Option<u64> {
    let dims = work.values[value].dims.as_deref()?;
    let dtype = work.values[value].dtype;
    let elements = || dims.iter().try_fold(1_u64, |product, &dim| product.checked_mul(dim));
    // The columns of a product are those of its result, however the weight is stored.
    let columns =
        || work.values[work.output(node)?].dims.as_ref()?.last().copied().filter(|&columns| columns > 0);
    match (work.nodes[node].kind, index) {
        (Kernel::MatMul | Kernel::FusedMatMul | Kernel::Gemm | Kernel::FusedGemm, 1)
            if dims.len() == 2 && dtype == DType::F32 =>
        {
            panels(columns()?, elements()? / columns()?, 4)
        }
        (Kernel::AttentionOfWeights, 1) if dims.len() == 2 && dtype == DType::F32 => {
            panels(dims[1], dims[0], 4)
        }
        (
            Kernel::MatMulInteger
            | Kernel::DynamicQuantizeMatMul
            | Kernel::MatMulIntegerToFloat
            | Kernel::QAttention
            | Kernel::QLinearMatMul,
            1,
        ) if dims.len() == 2 => integers::panels(dims[1], dims[0]),
        (Kernel::QGemm, 1) if dims.len() == 2 => integers::panels(columns()?, elements()? / columns()?),
        (Kernel::QLinearConv | Kernel::Nhwc(Nhwc::Conv), 1) => integers::packed(work, node),
        (Kernel::MatMulNBits, 1) => nbits::packed(work, node),
        (Kernel::QMoE, 2 | 5) => moe::packed(work, node, index).first().copied(),
        (Kernel::Lstm | Kernel::Gru, 1 | 2) if dims.len() == 3 && dtype == DType::F32 => {
            panels(dims[1], dims[2], 4)?.checked_mul(dims[0])
        }
        // A single row or column needs no transposing.
        (Kernel::ConvTranspose, 1) if dims.len() > 2 => {
            let columns = elements()? / dims[0].max(1);
            (dims[0] > 1 && columns > 1).then(|| work.bytes(value)).flatten()
        }
        (Kernel::Nchwc(Nchwc::Conv), 1) if dims.len() == 4 => {
            let output = work.values[work.output(node)?].dims.as_ref()?;
            let input = work.values[work.input(node, 0)?].dims.as_ref()?;
            // Grouped filters keep their input channels; others have those of the padded input.
            let channels = if dims[1] * 2 > *input.get(1)? { (*input.get(1)?).max(dims[1]) } else { dims[1] };
            output.get(1)?.checked_mul(channels)?.checked_mul(dims[2])?.checked_mul(dims[3])?.checked_mul(4)
        }
        _ => None,
    }
}

/// What a kernel asks the arena for while it packs an input, and gives back.
fn requested(work: &Work<'_>, node: usize, index: usize, value: usize) -> Option<u64> {
    match work.nodes[node].kind {
        Kernel::QMoE => Some(moe::SHAPE),
        _ if index == 1 && integers::is_transposed(work, node) => work.bytes(value),
        _ => None,
    }
}

/// Copies that a kernel makes of a constant input and has next to it, or to the packed one.
fn further_copies(work: &Work<'_>, node: usize, index: usize) -> Vec<u64> {
    match work.nodes[node].kind {
        Kernel::QMoE => {
            let packed = moe::packed(work, node, index).into_iter().skip(1);
            packed.chain(moe::widened(work, node, index)).collect()
        }
        _ => nbits::widened(work, node, index).into_iter().collect(),
    }
}

/// Columns in panels of 16.
fn panels(columns: u64, rows: u64, element: u64) -> Option<u64> {
    columns.checked_next_multiple_of(16)?.checked_mul(rows)?.checked_mul(element)
}

/// Of the mapped initializers, bytes that no run reads: rows of tables that are looked up by index.
///
/// Every index counts as a row of its own, with the pages that it begins and ends in.
pub(super) fn unread(work: &Work<'_>, order: &[usize], options: &OnnxRuntimeCpu) -> u64 {
    let mut unread = 0_u64;
    for &node in order.iter().filter(|&&node| work.is(node, Kernel::Gather)) {
        let (Some(table), Some(indices)) = (work.input(node, 0), work.input(node, 1)) else { continue };
        let is_table = work.values[table].is_constant && is_mapped(work, table, options);
        if let (Some((reader, _)), true, Some(bytes)) = (work.only_use(table), is_table, work.bytes(table))
            && reader == node
            && let (Some([rows, ..]), Some(indices)) =
                (work.values[table].dims.as_deref(), work.values[indices].dims.as_ref())
        {
            let count = indices.iter().fold(1_u64, |count, &dim| count.saturating_mul(dim));
            let row = (bytes / (*rows).max(1)).saturating_add(PAGE);
            unread = unread.saturating_add(bytes.saturating_sub(count.saturating_mul(row)));
        }
    }
    unread
}

/// What the session's own objects take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Objects {
    /// Those of the graph, there before its initializers are copied.
    pub graph: Bytes,
    /// Those next to initializers, which are allocated with them.
    pub initializers: Bytes,
    /// Those of the session, there when it is made.
    pub session: Bytes,
}

impl Objects {
    /// All of them.
    pub(super) fn all(self) -> Bytes {
        self.graph + self.initializers + self.session
    }
}

/// The objects of a session: what of them a node, an attribute, a name and so on takes was measured on chains of nodes.
pub(super) fn objects(work: &Work<'_>, weights: &Weights) -> Objects {
    let graphs = work.graph.with_bodies();
    let is_run = |node: &&Node| !matches!(node.op, Op::Constant(_) | Op::Parameter | Op::Result);
    let counts = |graph: &Graph| graph.nodes().iter().filter(is_run).count() as u64;
    let nodes: u64 = graphs.iter().map(|graph| counts(graph)).sum();
    let inner = nodes.saturating_sub(counts(work.graph));
    // What the optimizer adds to the file's nodes.
    let added = (work.alive().count() as u64).saturating_sub(counts(work.graph));
    let ids = |graph: &&Graph| (0..graph.nodes().len()).map(NodeId::new);
    let edges = |graph: &&Graph| ids(graph).map(|node| graph.inputs(node).len() as u64).sum::<u64>();
    let inputs: u64 = graphs.iter().map(edges).sum();
    let stored = |graph: &&Graph| {
        let stored =
            graph.nodes().iter().filter(|node| matches!(&node.op, Op::Constant(c) if c.range.is_some()));
        stored.count() as u64
    };
    let initializers: u64 = graphs.iter().map(stored).sum();
    let blocked = weights.packs.iter().filter(|pack| pack.is_blocked).count() as u64;
    let message = work.graph.message();
    let bodies = graphs.len() as u64 - 1;
    let terms = [
        (fit::SESSION_NODE, nodes + added),
        (fit::SESSION_INPUT, inputs.saturating_sub(nodes)),
        (fit::SESSION_ATTRIBUTE, message.attributes),
        (fit::SESSION_VALUE_INFO, message.value_infos),
        (fit::SESSION_PROPERTY, message.properties),
        (fit::NAME_OF_RESULT, message.result_name_bytes),
        (fit::NAME_OF_NODE, message.node_name_bytes),
        (fit::NAME_OF_INPUT, message.input_name_bytes),
        (fit::SESSION_BLOCKED, blocked),
        (fit::SESSION_BODY, bodies),
        (fit::SESSION_BODY_NODE, inner),
    ];
    let graph: Estimate = terms.into_iter().map(|(number, count)| number.per(count)).sum();
    let per_initializer = fit::SESSION_INITIALIZER.per(initializers);
    let (graph, session) = (graph.known().0, fit::SESSION.estimate().known().0);
    let graph = graph.saturating_add(message.property_bytes);
    Objects { graph: Bytes(graph), initializers: Bytes(per_initializer.known().0), session: Bytes(session) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_to_16() {
        assert_eq!(panels(768, 768, 4), Some(2_359_296)); // as logged for a square weight
        assert_eq!(panels(1000, 768, 4), Some(3_096_576)); // as logged for a head of 1,000 classes
    }
}
