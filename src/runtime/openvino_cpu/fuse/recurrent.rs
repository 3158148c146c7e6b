//! Recurrent sequences.
//!
//! * One of two directions is two of one, with made-up names: states are split, or their constants are; outputs are
//!   joined under its name with the output's number. Weights of each are constants of their own.
//! * One of one direction writes `[batch, time, hidden]`, which a Reshape `…_abc_a1bc_0` gives its directions back. It computes
//!   with time first: unless the batch is known to be 1, its data and its first output are reordered.
//! * An output that nothing reads is a result of the graph.
//!
//! Source: `BidirectionalSequenceDecomposition`, src/common/transformations/src/transformations/op_conversions;
//! `reshapeRnnSeq`, src/plugins/intel_cpu/src/graph_optimizer.cpp; `RNN::configurePortDataTypes` and
//! `Graph::Replicate`, src/plugins/intel_cpu/src, OpenVINO 2026.4.

use super::work::{Build, Dim, Edge, Node, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Recurrent, RecurrentForm, RecurrentKind, ReshapeZero};
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// Makes two sequences of one in both directions.
pub(super) const DIRECTIONS: Rule = Rule {
    name: "recurrent-directions",
    source: "BidirectionalSequenceDecomposition, src/common/transformations/src/transformations/op_conversions",
    on: |node| matches!(&node.op, Op::Recurrent(spec) if is_sequence(spec) && spec.directions == 2),
    apply: split,
    repeats: false,
};

/// Whether this is a sequence as OpenVINO's own operators are.
fn is_sequence(spec: &Recurrent) -> bool {
    spec.is_sequence && spec.form == RecurrentForm::OpenVino
}

/// Number of states: an LSTM has two.
fn n_states(spec: &Recurrent) -> usize {
    if spec.kind == RecurrentKind::Lstm { 2 } else { 1 }
}

fn split(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Recurrent(spec) = &of.op else { return None };
    let n_states = n_states(spec);
    let inputs: Option<Vec<Edge>> = of.inputs().iter().copied().collect();
    let inputs = inputs.filter(|inputs| inputs.len() == n_states + 5)?;
    let mut patch = Patch::new(work);
    // Per input, the edge of each direction.
    let mut pairs: Vec<[Edge; 2]> = Vec::with_capacity(inputs.len());
    for (index, &edge) in inputs.iter().enumerate() {
        let axis = if index > n_states + 1 { 0 } else { 1 };
        pairs.push(match index {
            0 => [edge; 2],
            _ if index == n_states + 1 => [edge; 2],
            _ => halves(work, &mut patch, edge, axis)?,
        });
    }
    let word = word(spec.kind);
    let one = Op::Recurrent(Box::new(Recurrent { directions: 1, ..**spec }));
    let narrow = |tensor: &Tensor| {
        let mut tensor = tensor.clone();
        tensor.dims.iter_mut().skip(1).take(1).for_each(|dim| *dim = Dim::fixed(1));
        tensor
    };
    let mut made = [0; 2];
    for (direction, made) in made.iter_mut().enumerate() {
        let name = patch.fresh_name(word);
        let node = Node::named(name, one.clone(), of.kind.clone(), of.source);
        let outputs = of.outputs.iter().map(narrow).collect();
        let reads = pairs.iter().map(|pair| pair[direction]);
        *made = patch.add(Node { outputs, ..node }, reads.collect::<SmallVec<[Edge; 8]>>());
    }
    for (port, tensor) in of.outputs.iter().enumerate() {
        let edge = Edge::new(node, port);
        if !work.users(node).iter().any(|&(user, input)| work.nodes[user].input(input) == Some(edge)) {
            continue;
        }
        let name = format!("{}.{port}", of.name);
        let joined = Node::named(name, Op::Concat { axis: 1 }, Kind::Concat, of.source);
        let parts = made.map(|node| Edge::new(node, port));
        let joined = patch.add(joined.writing(tensor.clone()), parts);
        patch.replace(edge, Edge::of(joined));
    }
    Some(patch)
}

/// Both halves of a tensor along an axis: constants of a constant, else outputs of a Split.
fn halves(work: &Work<'_>, patch: &mut Patch, edge: Edge, axis: usize) -> Option<[Edge; 2]> {
    let source = work.nodes[edge.node()].source;
    let mut half = work.tensor(edge).clone();
    let dim = half.dims.get_mut(axis)?;
    *dim = dim.resized(1);
    if let Some(halves) = quantized_halves(work, patch, edge, axis) {
        return Some(halves);
    }
    if work.nodes[edge.node()].is_const() {
        return Some([(); 2].map(|()| patch.add_constant(half.clone(), None, source)));
    }
    let along = patch.add_ints(&[axis as i64], source);
    let name = patch.fresh_name("Split");
    let split = Node::named(name, Op::Split { parts: 2, allow_uneven: false }, Kind::Split, source);
    let outputs = [half.clone(), half].into_iter().collect();
    let node = patch.add(Node { outputs, ..split }, [edge, along]);
    Some([0, 1].map(|port| Edge::new(node, port)))
}

/// Both halves of weights in 8 bits: a constant, its Convert and its scale.
fn quantized_halves(work: &Work<'_>, patch: &mut Patch, edge: Edge, axis: usize) -> Option<[Edge; 2]> {
    let scaled = &work.nodes[edge.node()];
    let (convert, scale) = (scaled.input(0)?, scaled.input(1)?);
    let converted = &work.nodes[convert.node()];
    let stored = converted.input(0)?;
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    if !matches!(scaled.op, Op::Binary(Binary::Multiply, _))
        || !matches!(converted.op, Op::Convert { .. })
        || !is_const(stored)
        || !is_const(scale)
    {
        return None;
    }
    let half = |edge: Edge| {
        let mut tensor = work.tensor(edge).clone();
        tensor.dims.iter_mut().skip(axis).take(1).for_each(|dim| *dim = Dim::fixed(1));
        tensor
    };
    Some([(); 2].map(|()| {
        let own = patch.add_constant(half(stored), None, converted.source);
        let name = patch.fresh_name("Convert");
        let of = Node::named(name, converted.op.clone(), converted.kind.clone(), converted.source);
        let own = patch.add(of.writing(half(convert)), [own]);
        let scale = patch.add_constant(half(scale), None, scaled.source);
        let name = patch.fresh_name("Multiply");
        let of = Node::named(name, scaled.op.clone(), scaled.kind.clone(), scaled.source);
        Edge::of(patch.add(of.writing(half(edge)), [Edge::of(own), scale]))
    }))
}

/// Gives sequences the form in which the plugin computes them.
pub(super) fn lay_out(work: &mut Work<'_>) {
    let mut time_first: FxHashMap<Edge, Edge> = FxHashMap::default();
    for &node in work.order().iter() {
        let Op::Recurrent(spec) = &work.nodes[node].op else { continue };
        if !is_sequence(spec) || spec.directions != 1 || work.nodes[node].outputs.is_empty() {
            continue;
        }
        work.nodes[node].kind = Kind::RnnSequence;
        let source = work.nodes[node].source;
        let whole = work.nodes[node].outputs[0].clone();
        let mut flat = whole.clone();
        if flat.dims.len() == 4 {
            flat.dims.remove(1);
        }
        let batch = flat.dims.first().copied();
        let is_turned = batch.is_some_and(|dim| dim.is_free() || !dim.is(1));
        work.nodes[node].outputs[0] = flat.clone();
        if is_turned && let Some(data) = work.nodes[node].input(0) {
            let reorder = match time_first.get(&data) {
                Some(&reorder) => reorder,
                None => {
                    let tensor = work.tensor(data).clone();
                    let reorder = work.add_reorder(data, tensor, source);
                    time_first.insert(data, reorder);
                    reorder
                }
            };
            work.set_input(node, 0, reorder);
        }
        let name = format!("{}_abc_a1bc_0", work.nodes[node].name);
        let pattern = work.add_ints(&[1], source);
        let reshape = Node::named(name, Op::Reshape(ReshapeZero::IsZero), Kind::Reshape, source);
        let readers: FxHashSet<usize> = work.users(node).iter().map(|&(user, _)| user).collect();
        let mut data = Edge::of(node);
        if is_turned {
            data = work.add_reorder(data, flat, source);
        }
        let reshape = work.add(reshape.writing(whole), [data, pattern]);
        work.replace_for(Edge::of(node), Edge::of(reshape), |user| readers.contains(&user));
        add_results(work, node);
    }
}

/// Makes results of the outputs that nothing reads.
fn add_results(work: &mut Work<'_>, node: usize) {
    for port in 1..work.nodes[node].outputs.len() {
        let edge = Edge::new(node, port);
        let is_read =
            work.users(node).iter().any(|&(user, input)| work.nodes[user].input(input) == Some(edge));
        if !is_read {
            let name = format!("stub_{port}_{}", work.nodes[node].name);
            let stub = Node {
                name: name.into(),
                ..Node::nameless(Op::Result, Kind::Output, work.nodes[node].source)
            };
            work.add(stub, [edge]);
        }
    }
}

/// The plugin's word in the names of the sequences that it makes.
fn word(kind: RecurrentKind) -> &'static str {
    match kind {
        RecurrentKind::Rnn => "RNNSequence",
        RecurrentKind::Gru => "GRUSequence",
        RecurrentKind::Lstm => "LSTMSequence",
        RecurrentKind::AuGru => "AUGRUSequence",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Broadcast;
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// A sequence over `directions`, with its states given.
    fn sequence(kind: RecurrentKind, directions: i64, options: Options) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, FREE, 8]);
        let state = net.input("state", f32, &[FREE, directions, 4]);
        let lengths = net.input("lengths", DType::I32, &[FREE]);
        let gates = match kind {
            RecurrentKind::Lstm => 16,
            _ => 12,
        };
        let w = net.weight("w", f32, &[directions, gates, 8]);
        let r = net.weight("r", f32, &[directions, gates, 4]);
        let b = net.weight("b", f32, &[directions, gates]);
        let spec =
            Recurrent { kind, is_sequence: true, hidden_size: 4, directions, form: RecurrentForm::OpenVino };
        let (states, made) = ([FREE, directions, 4], [FREE, directions, FREE, 4]);
        let (mut inputs, mut outputs) = (vec![x, state], vec![&made[..], &states]);
        if kind == RecurrentKind::Lstm {
            inputs.push(state);
            outputs.push(&states);
        }
        inputs.extend([lengths, w, r, b]);
        let made = net.split("sequence", Op::Recurrent(Box::new(spec)), &inputs, f32, &outputs);
        net.result("out", made[0]);
        net.lines(options)
    }

    #[test]
    fn two_directions_are_two_sequences() {
        let expected = [
            "Reorder  f32",
            "Split Split f32",
            "RNNSeq GRUSequence f32",
            "Reorder  f32",
            "Reshape GRUSequence f32",
            "RNNSeq GRUSequence f32",
            "Reorder  f32",
            "Reshape GRUSequence f32",
            "Concatenation sequence.0 f32",
        ];
        assert_eq!(sequence(RecurrentKind::Gru, 2, DYNAMIC), expected);
    }

    #[test]
    fn the_state_of_cells_stays_f32() {
        let options = Options { precision: Precision::Bf16, ..DYNAMIC };
        let lines = sequence(RecurrentKind::Lstm, 1, options);
        assert!(lines.contains(&"RNNSeq sequence bf16".to_owned()), "{lines:?}");
    }

    #[test]
    fn quantized_weights_are_two_constants() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, FREE, 8]);
        let state = net.input("state", f32, &[FREE, 2, 4]);
        let lengths = net.input("lengths", DType::I32, &[FREE]);
        let weights = [8, 4].map(|columns| {
            let dims = [2, 12, columns];
            let stored = net.weight("stored", DType::I8, &dims);
            let wide = net.op("wide", Op::Convert { to: f32 }, &[stored], f32, &dims);
            let scale = net.weight("scale", f32, &[2, 12, 1]);
            net.op("scaled", Op::Binary(Binary::Multiply, Broadcast::Numpy), &[wide, scale], f32, &dims)
        });
        let bias = net.weight("bias", f32, &[2, 12]);
        let (kind, form) = (RecurrentKind::Gru, RecurrentForm::OpenVino);
        let spec = Recurrent { kind, is_sequence: true, hidden_size: 4, directions: 2, form };
        let inputs = [x, state, lengths, weights[0], weights[1], bias];
        let outputs: [&[i64]; 2] = [&[FREE, 2, FREE, 4], &[FREE, 2, 4]];
        let made = net.split("sequence", Op::Recurrent(Box::new(spec)), &inputs, f32, &outputs);
        net.result("out", made[0]);
        let lines = net.lines(DYNAMIC);
        // Of the state alone.
        assert_eq!(lines.iter().filter(|line| line.starts_with("Split")).count(), 1, "{lines:?}");
        assert_eq!(lines.iter().filter(|line| line.starts_with("RNNSeq")).count(), 2, "{lines:?}");
    }
}
