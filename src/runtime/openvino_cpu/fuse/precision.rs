//! Which type each tensor has.
//!
//! With bf16, from every Result upwards until a matrix product, a convolution, an attention or an Interpolate, tensors
//! stay f32; so do what feeds a rotation's cos and sin, what it takes a length of (upwards as from a Result), states of attention
//! and what initialises them, what repeats a constant, the product of a constant and weights, a Reduce without
//! post-operations that accumulates in its output (not that of a maximum), and constants. Trigonometry and logarithms
//! compute in f32 alone. All other floats are bf16.
//!
//! Source: `EnforceInferencePrecision`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.

use super::initial_state;
use super::types::{computes_bytes, computes_f32};
use super::work::{Build, Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Reduce;
use crate::runtime::openvino_cpu::execution::{Kind, Precision};

/// Settles the type of every tensor, and finds which nodes stay f32 by their place.
pub(super) fn enforce(work: &mut Work<'_>) {
    let precision = work.options.precision;
    let target = precision.dtype();
    let mut keeps = Vec::new();
    if precision != Precision::F32 {
        keeps = keeps_f32(work);
        let order = work.order();
        // By the types before any is changed.
        let lowered: Vec<usize> =
            order.iter().copied().filter(|&node| !keeps[node] && !is_f32(work, node)).collect();
        for node in lowered {
            let of = &mut work.nodes[node];
            let n_computed = match of.kind {
                Kind::ScaledDotProductAttention => 1,
                // The state of an LSTM's cells stays f32.
                Kind::RnnSequence => 2,
                _ => of.outputs.len(),
            };
            for tensor in of.outputs.iter_mut().take(n_computed).filter(|tensor| tensor.dtype == DType::F32) {
                tensor.dtype = target;
            }
        }
    }
    join_table(work);
    widen_integers(work);
    work.keeps_f32 = keeps;
}

/// Whether a node stays f32 wherever it is.
fn is_f32(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let reads_f32 = || of.input(0).is_some_and(|edge| work.tensor(edge).dtype == DType::F32);
    let is_by_kind = match of.kind {
        // What quantizes alone computes in f32.
        Kind::Const | Kind::Input | Kind::MemoryOutput | Kind::FakeQuantize => true,
        Kind::MemoryInput => initial_state::is_of_attention(work, node),
        Kind::Broadcast | Kind::Tile | Kind::Interpolate | Kind::Gather => {
            work.reads_const(node, 0) && reads_f32()
        }
        Kind::Reshape | Kind::Transpose => work.reads_const(node, 0),
        Kind::FullyConnected => is_f32_head(work, node) || work.reads_const(node, 0) && reads_f32(),
        // A choice of one element needs no wider accumulator.
        Kind::Reduce => {
            of.n_fused == 0 && !matches!(of.op, Op::Reduce { kind: Reduce::Max | Reduce::Min, .. })
        }
        // What recurs in 8 bits writes f32.
        Kind::RnnSequence => of.input(0).is_some_and(|edge| !work.tensor(edge).dtype.is_float()),
        _ => false,
    };
    is_by_kind || computes_f32(work, node)
}

/// Trigonometry and its like of integers is computed in f32, and a copy is an integer again.
///
/// Source: `Math::initSupportedPrimitiveDescriptors`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/math.cpp.
fn widen_integers(work: &mut Work<'_>) {
    for &node in work.order().iter() {
        let of = &work.nodes[node];
        let Some(output) = of.outputs.first().filter(|output| !output.dtype.is_float()) else { continue };
        if of.kind != Kind::Math {
            continue;
        }
        let (integers, source) = (output.clone(), of.source);
        work.nodes[node].outputs[0].dtype = DType::F32;
        let users: Vec<(usize, usize)> = work.users(node).to_vec();
        let reorder = work.add_reorder(Edge::of(node), integers, source);
        for (user, input) in users {
            work.set_input(user, input, reorder);
        }
    }
}

/// A product that is a Result itself and has weights of f32, or computes in bytes, writes f32.
fn is_f32_head(work: &Work<'_>, node: usize) -> bool {
    (has_f32_weights(work, node) || is_low(work, node))
        && work.only_user(node).is_some_and(|(user, _)| work.nodes[user].kind == Kind::Output)
}

fn has_f32_weights(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    of.kind == Kind::FullyConnected
        && of.input(1).is_some_and(|weight| work.tensor(weight).dtype == DType::F32)
}

/// Whether a product with weights computes in 8 bits.
fn is_low(work: &Work<'_>, node: usize) -> bool {
    work.nodes[node].kind == Kind::FullyConnected && computes_bytes(work, node)
}

/// Which nodes stay f32.
fn keeps_f32(work: &Work<'_>) -> Vec<bool> {
    let mut keeps = vec![false; work.nodes.len()];
    let mut pending: Vec<usize> = Vec::new();
    let stops = |node: usize| {
        matches!(
            work.nodes[node].kind,
            Kind::FullyConnected
                | Kind::LlmMlp
                | Kind::QkvProjection
                | Kind::MatMul
                | Kind::Convolution
                | Kind::ScaledDotProductAttention
                | Kind::RnnSequence
                | Kind::Interpolate
        ) || is_of_sequence(work, node)
    };
    // Up from the results, until something significant.
    for &result in work.results() {
        pending.extend(work.producer(result, 0));
    }
    walk(work, &mut keeps, pending, stops);
    // Up from cos and sin, all the way, and from what they take a length of, as from the results.
    let is_length = |node: usize| work.nodes[node].kind == Kind::ShapeOf;
    let mut keeps_all = vec![false; work.nodes.len()];
    let mut pending: Vec<usize> = Vec::new();
    let order = work.order();
    for &node in order.iter().filter(|&&node| work.nodes[node].kind == Kind::Rope) {
        pending.extend([1, 2].into_iter().filter_map(|input| work.producer(node, input)));
    }
    walk(work, &mut keeps_all, pending, is_length);
    let kept = keeps_all.iter().enumerate().filter(|(_, is_kept)| **is_kept);
    let read = kept.flat_map(|(node, _)| work.nodes[node].inputs().iter().flatten());
    let lengths = read.filter(|edge| is_length(edge.node())).filter_map(|edge| work.producer(edge.node(), 0));
    let pending: Vec<usize> = lengths.collect();
    walk(work, &mut keeps, pending, stops);
    // Up from the states, all the way.
    let is_of_attention = |read: &usize| initial_state::is_of_attention(work, *read);
    let pending: Vec<usize> = work.reads().iter().copied().filter(is_of_attention).collect();
    walk(work, &mut keeps_all, pending, is_length);
    keeps.iter_mut().zip(keeps_all).for_each(|(keep, other)| *keep |= other);
    keeps
}

/// The Reshape that gives a sequence its directions back: it is part of the sequence.
fn is_of_sequence(work: &Work<'_>, node: usize) -> bool {
    let is_sequence = |node: usize| work.nodes[node].kind == Kind::RnnSequence;
    let above = work.producer(node, 0).filter(|_| work.nodes[node].kind == Kind::Reshape);
    above.is_some_and(|above| {
        let of_reorder = work.producer(above, 0).filter(|_| work.nodes[above].kind == Kind::Reorder);
        is_sequence(above) || of_reorder.is_some_and(is_sequence)
    })
}

fn walk(work: &Work<'_>, keeps: &mut [bool], mut pending: Vec<usize>, stops: impl Fn(usize) -> bool) {
    while let Some(node) = pending.pop() {
        // What was fused behind a convolution, or a product with weights of f32, is on this side of it.
        let of = &work.nodes[node];
        if stops(node) && of.n_fused > 0 && (has_f32_weights(work, node) || is_low(work, node)) {
            keeps[node] = true;
        }
        if stops(node) && of.kind == Kind::Convolution && (of.n_fused > 0 || of.addend.is_some()) {
            if !std::mem::replace(&mut keeps[node], true) {
                pending.extend(of.addend.and_then(|input| work.producer(node, input as usize)));
            }
            continue;
        }
        if !stops(node) && !std::mem::replace(&mut keeps[node], true) {
            pending.extend(work.nodes[node].inputs().iter().flatten().map(|edge| edge.node()));
        }
    }
}

/// A Gather from a table of f16 and its Convert to f32 are one node.
fn join_table(work: &mut Work<'_>) {
    for &node in work.order().iter() {
        let is_f32 = work.nodes[node].outputs.first().is_some_and(|tensor| tensor.dtype == DType::F32);
        let Some(gather) =
            work.producer(node, 0).filter(|_| work.nodes[node].kind == Kind::Convert && is_f32)
        else {
            continue;
        };
        let is_table = work.nodes[gather].kind == Kind::Gather
            && work.nodes[gather].name.contains('#')
            && work.only_user(gather).is_some();
        if is_table {
            let originals = work.nodes[node].originals.clone();
            work.nodes[gather].originals.extend(originals);
            work.nodes[gather].outputs = work.nodes[node].outputs.clone();
            work.replace(Edge::of(node), Edge::of(gather));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Binary, Broadcast, Reduce};
    use crate::ids::TensorId;
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    const BF16: Options = Options { precision: Precision::Bf16, ..DYNAMIC };

    fn softmax(net: &mut Net, name: &str, x: TensorId) -> TensorId {
        net.op(name, Op::Softmax(AxisSpan::LAST), &[x], DType::F32, &[FREE, 8])
    }

    fn product(net: &mut Net, name: &str, x: TensorId) -> TensorId {
        let weight = net.weight("weight", DType::F16, &[8, 8]);
        let weight = net.op("widen", Op::Convert { to: DType::F32 }, &[weight], DType::F32, &[8, 8]);
        let op = Op::MatMul { transpose_a: false, transpose_b: true };
        net.op(name, op, &[x, weight], DType::F32, &[FREE, 8])
    }

    fn of(lines: &[String], name: &str) -> Option<String> {
        lines
            .iter()
            .find(|line| line.contains(name))
            .and_then(|line| line.split(' ').next_back())
            .map(str::to_owned)
    }

    #[test]
    fn what_leads_to_a_result_stays_f32_up_to_a_product() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let x = softmax(&mut net, "before", x);
        let x = product(&mut net, "product", x);
        let x = softmax(&mut net, "behind", x);
        net.result("out", x);
        let lines = net.lines(BF16);
        let types = ["before", "product", "behind"].map(|name| of(&lines, name).unwrap());
        assert_eq!(types, ["bf16", "bf16", "f32"], "{lines:?}");
    }

    #[test]
    fn the_product_of_a_constant_and_weights_stays_f32() {
        let mut net = Net::new();
        let table = net.weight("table", DType::F32, &[16, 8]);
        let weight = net.weight("table_weight", DType::F16, &[8, 8]);
        let weight = net.op("widened", Op::Convert { to: DType::F32 }, &[weight], DType::F32, &[8, 8]);
        let op = || Op::MatMul { transpose_a: false, transpose_b: true };
        let table = net.op("positions", op(), &[table, weight], DType::F32, &[16, 8]);
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let x = softmax(&mut net, "before", x);
        let x = net.op("scores", op(), &[x, table], DType::F32, &[FREE, 16]);
        net.result("out", x);
        let lines = net.lines(BF16);
        let types = ["positions", "before", "scores"].map(|name| of(&lines, name).unwrap());
        assert_eq!(types, ["f32", "bf16", "bf16"], "{lines:?}");
    }

    #[test]
    fn a_reduce_accumulates_in_what_it_writes() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let x = softmax(&mut net, "before", x);
        let axes = net.ints("axes", &[1]);
        let op = |kind| Op::Reduce { kind, keep_dims: true, noop_with_empty_axes: false };
        let most = net.op("most", op(Reduce::Max), &[x, axes], DType::F32, &[FREE, 1]);
        let mean = net.op("mean", op(Reduce::Mean), &[x, axes], DType::F32, &[FREE, 1]);
        let sum = || Op::Binary(Binary::Add, Broadcast::Numpy);
        let x = net.op("sum", sum(), &[x, most], DType::F32, &[FREE, 8]);
        let x = net.op("sum of both", sum(), &[x, mean], DType::F32, &[FREE, 8]);
        let x = product(&mut net, "product", x);
        net.result("out", x);
        let lines = net.lines(BF16);
        let types = ["before", "most", "mean"].map(|name| of(&lines, name).unwrap());
        assert_eq!(types, ["bf16", "bf16", "f32"]);
    }
}
