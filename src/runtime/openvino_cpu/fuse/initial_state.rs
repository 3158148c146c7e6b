//! States that an encoder fills.
//!
//! * What computes the first content of a variable, and is read by nothing else, becomes part of the MemoryInput, which
//!   reads what that computation reads. States of attention keep theirs outside, as a Broadcast is shared by all.
//! * A variable that is written as it was read has no writer: the MemoryInput keeps its first content. Such readers come
//!   after all others, since they are made again.
//! * Nodes that were made again, and those of attention's states, list no layers.
//!
//! Source: `MoveReadValueInputsToSubgraph`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/move_readvalue_inputs_to_subgraph.cpp, and
//! `DropRedundantMemoryOutput`, src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::weights;
use super::work::{Edge, Tensor, Work};
use crate::graph::Op;
use crate::ids::VariableId;
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::{FxHashMap, FxHashSet};

/// Takes computations into the states that they fill, and drops writers that change nothing.
pub(super) fn take_in(work: &mut Work<'_>) {
    for read in work.reads().to_vec() {
        if work.is_alive(read) && !is_of_attention(work, read) {
            take_computation(work, read);
        }
    }
    work.remove_assigns(|work, assign| match (&work.nodes[assign].op, work.producer(assign, 0)) {
        (Op::Assign(variable), Some(read)) => {
            matches!(&work.nodes[read].op, Op::ReadValue(own) if own == variable)
        }
        _ => false,
    });
    let variables = work.assigns().iter().filter_map(|&assign| match work.nodes[assign].op {
        Op::Assign(variable) => Some(variable),
        _ => None,
    });
    let written: FxHashSet<VariableId> = variables.collect();
    // Else its MemoryInput alone keeps it.
    let is_written = |work: &Work<'_>, node: usize| match &work.nodes[node].op {
        Op::ReadValue(variable) => written.contains(variable),
        _ => false,
    };
    for node in work.reads().to_vec() {
        if !is_written(work, node) || is_of_attention(work, node) {
            work.nodes[node].originals.clear();
        }
    }
    for node in work.assigns().to_vec() {
        if work.producer(node, 0).is_some_and(|producer| work.nodes[producer].attention.is_some()) {
            work.nodes[node].originals.clear();
        }
    }
    let (written, kept): (Vec<usize>, Vec<usize>) =
        work.reads().iter().partition(|&&node| is_written(work, node));
    work.roots_mut().reads = written.into_iter().chain(kept).collect();
}

/// Whether a state is one that attention concatenates.
pub(super) fn is_of_attention(work: &Work<'_>, read: usize) -> bool {
    work.users(read).iter().any(|&(user, _)| work.nodes[user].attention.is_some())
}

/// Moves what only the state needs into it.
fn take_computation(work: &mut Work<'_>, read: usize) {
    let Some(first) = work.producer(read, 0).filter(|_| work.nodes[read].inputs().len() == 1) else { return };
    let mut inside: FxHashSet<usize> = FxHashSet::default();
    let mut pending = vec![first];
    // Uses by nodes inside. A search for one outside would look at all uses at each arrival.
    let mut n_uses: FxHashMap<usize, usize> = FxHashMap::default();
    n_uses.insert(first, 1);
    let mut met = Vec::new();
    while let Some(node) = pending.pop() {
        let is_root = matches!(work.nodes[node].kind, Kind::Input | Kind::MemoryInput);
        let is_only_inside = n_uses.get(&node) == Some(&work.users(node).len());
        if !is_root && is_only_inside && inside.insert(node) {
            for edge in work.nodes[node].inputs().iter().flatten().rev() {
                *n_uses.entry(edge.node()).or_default() += 1;
                pending.push(edge.node());
            }
            met.push(node);
        }
    }
    let mut inputs: Vec<Edge> = Vec::new();
    let mut listed: FxHashSet<Edge> = FxHashSet::default();
    for &node in &met {
        for edge in work.nodes[node].inputs().iter().flatten() {
            if !inside.contains(&edge.node()) && listed.insert(*edge) {
                inputs.push(*edge);
            }
        }
    }
    if !inputs.is_empty() {
        work.nodes[read].n_fused = met.len() as u32;
        work.nodes[read].inner = met.iter().filter_map(|&node| weight_of(work, node)).collect();
        work.read(read, inputs);
    }
}

/// The weight of a product, an output a row.
fn weight_of(work: &Work<'_>, node: usize) -> Option<Tensor> {
    let Op::MatMul { transpose_b, .. } = work.nodes[node].op else { return None };
    let weight = weights::behind(work, work.nodes[node].input(1)?)?;
    let mut tensor = work.tensor(weight.stored).clone();
    if !transpose_b {
        tensor.dims.reverse();
    }
    Some(tensor)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Unary};
    use crate::runtime::openvino_cpu::execution::Kind;

    /// A state that a product fills from an input, and that is written as it was read, or changed.
    fn filled(is_changed: bool) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [1, FREE, 8]);
        let x = net.input("x", f32, &dims);
        let weight = net.weight("weight", f32, &[8, 8]);
        let product = Op::MatMul { transpose_a: false, transpose_b: true };
        let first = net.op("project", product, &[x, weight], f32, &dims);
        let variable = net.variable("state", &dims);
        let read = net.op("read", Op::ReadValue(variable), &[first], f32, &dims);
        let used = net.op("swish", Op::Unary(Unary::Swish), &[read], f32, &dims);
        let out = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[used], f32, &dims);
        net.op("assign", Op::Assign(variable), &[if is_changed { used } else { read }], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn the_computation_is_inside_and_an_unchanged_state_has_no_writer() {
        assert_eq!(filled(false), ["MemoryInput  f32", "Eltwise swish f32", "Softmax softmax f32"]);
    }

    /// An Assign has an output, which other nodes may read.
    #[test]
    fn who_reads_a_dropped_writer_reads_the_state() {
        let (mut net, dims) = (Net::new(), [1, FREE, 8]);
        let x = net.input("x", DType::F32, &dims);
        let variable = net.variable("state", &dims);
        let read = net.op("read", Op::ReadValue(variable), &[x], DType::F32, &dims);
        let kept = net.op("assign", Op::Assign(variable), &[read], DType::F32, &dims);
        net.result("out", read);
        net.result("kept", kept);
        let graph = net.execute(DYNAMIC);
        assert!(graph.nodes.iter().all(|node| node.kind != Kind::MemoryOutput));
        let outputs = graph.nodes.iter().filter(|node| node.kind == Kind::Output);
        assert_eq!(outputs.count(), 2);
    }

    #[test]
    fn a_changed_state_is_written() {
        assert!(filled(true).iter().any(|line| line.starts_with("MemoryOutput")));
    }
}
