//! Sums fused into convolutions.
//!
//! An Add of two tensors of equal dims is computed by the convolution that one of them comes from, in the bytes of the
//! other. So the convolution must have the Add as its only reader and, unless it computes in 8 bits, no post-operation yet, must not read the other
//! operand itself, and every other reader of what made that operand must come before the Add: else it would find its bytes
//! overwritten, as the skip of a U-Net or the lateral of a feature pyramid would be. The addend becomes the last input. Behind the
//! sum, activations and arithmetic are fused as behind any convolution.
//!
//! Source: `FuseConvolutionSumAndConvolutionSumActivation` and `is_data_dependency`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::eltwise_chain::POST_OPERATIONS;
use super::pattern::inputs;
use super::types::computes_bytes;
use super::work::{Edge, Patch, Work};
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::rewrite::sweep;
use crate::runtime::openvino_cpu::execution::Kind;

/// Steps that the search for readers takes in all, per node of the graph: a graph that needs more has sums within sums,
/// hundreds deep, and the rest of them is left alone.
const MOST_STEPS: usize = 64;

/// Fuses every sum that may overwrite its operand.
pub(super) fn fuse(work: &mut Work<'_>) {
    let order = work.order();
    let mut search = Search {
        place: vec![0; work.nodes.len()],
        seen_for: vec![0; work.nodes.len()],
        n_searched: 0,
        left: order.len().saturating_mul(MOST_STEPS),
    };
    for (place, &node) in order.iter().enumerate() {
        search.place[node] = place;
    }
    for &add in order.iter() {
        let is_add = work.is_alive(add) && matches!(work.nodes[add].op, Op::Binary(Binary::Add, _));
        let Some((convolution, addend)) = is_add.then(|| candidate(work, add)).flatten() else { continue };
        if !search.all_come_before(work, addend.node(), add) {
            continue;
        }
        let inputs: Vec<Edge> = work.nodes[convolution].inputs().iter().flatten().copied().collect();
        let position = inputs.len() as u32;
        let mut patch = Patch::new(work);
        patch.change(convolution, move |node| node.addend = Some(position));
        patch.set_inputs(convolution, inputs.into_iter().chain([addend]));
        patch.absorb(convolution, add);
        patch.replace(Edge::of(add), Edge::of(convolution));
        work.apply(patch);
        // It runs where the sum ran.
        search.place[convolution] = search.place[add];
        sweep(work, &[convolution], &[POST_OPERATIONS]);
    }
}

/// The convolution that may compute a sum, and the operand that it would overwrite.
fn candidate(work: &Work<'_>, add: usize) -> Option<(usize, Edge)> {
    let (first, second) = inputs(work, add, Binary::Add)?;
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    let takes = |edge: Edge| {
        let node = &work.nodes[edge.node()];
        node.kind == Kind::Convolution
            && node.addend.is_none()
            && (node.n_fused == 0 || computes_bytes(work, edge.node()))
            && work.only_user(edge.node()).is_some()
    };
    // Of two convolutions that of the floats takes the bytes of the other.
    let is_byte = |edge: Edge| !work.tensor(edge).dtype.is_float();
    let (convolution, addend) = match (takes(first), takes(second)) {
        (true, true) if is_byte(first) && !is_byte(second) => (second.node(), first),
        (true, _) => (first.node(), second),
        (false, true) => (second.node(), first),
        _ => return None,
    };
    if is_const(first) || is_const(second) || !work.tensor(first).has_sizes_of(work.tensor(second)) {
        return None;
    }
    let reads_addend =
        work.nodes[convolution].inputs().iter().flatten().any(|edge| edge.node() == addend.node());
    (!reads_addend).then_some((convolution, addend))
}

/// A search for readers among what a sum needs.
struct Search {
    /// By node, its place in the order of execution.
    place: Vec<usize>,
    /// By node, the number of the search that saw it last.
    seen_for: Vec<usize>,
    n_searched: usize,
    /// Steps that are left to all searches.
    left: usize,
}

impl Search {
    /// Whether everything that reads a node comes before `sum`: the sum needs it, or is it.
    fn all_come_before(&mut self, work: &Work<'_>, node: usize, sum: usize) -> bool {
        let readers = || work.users(node).iter().map(|&(user, _)| user).filter(|&user| user != sum);
        let mut missing = readers().count();
        let Some(first) = readers().map(|reader| self.place[reader]).min() else { return true };
        if readers().any(|reader| self.place[reader] > self.place[sum]) {
            return false;
        }
        self.n_searched += 1;
        let mut pending = vec![sum];
        while let Some(next) = pending.pop() {
            for above in work.nodes[next].inputs().iter().flatten().map(|edge| edge.node()) {
                let is_seen =
                    std::mem::replace(&mut self.seen_for[above], self.n_searched) == self.n_searched;
                if is_seen || self.place[above] < first {
                    continue;
                }
                let Some(left) = self.left.checked_sub(1) else { return false };
                self.left = left;
                missing -= readers().filter(|&reader| reader == above).count();
                if missing == 0 {
                    return true;
                }
                pending.push(above);
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Broadcast, Convolution, Unary};
    use crate::ids::TensorId;

    const DIMS: [i64; 4] = [FREE, 4, 6, 6];

    fn convolved(net: &mut Net, name: &str, x: TensorId) -> TensorId {
        let filters = net.weight("filters", DType::F32, &[4, 4, 1, 1]);
        net.op(name, Op::Convolution(Box::<Convolution>::default()), &[x, filters], DType::F32, &DIMS)
    }

    fn softmax(net: &mut Net, name: &str, x: TensorId) -> TensorId {
        net.op(name, Op::Softmax(AxisSpan::LAST), &[x], DType::F32, &DIMS)
    }

    fn add(net: &mut Net, name: &str, a: TensorId, b: TensorId) -> TensorId {
        net.op(name, Op::Binary(Binary::Add, Broadcast::Numpy), &[a, b], DType::F32, &DIMS)
    }

    fn is_fused(net: Net) -> bool {
        net.lines(DYNAMIC).iter().any(|line| line.starts_with("Convolution") && line.contains("sum"))
    }

    /// `sum` adds a convolution of what reads x to x; `others` read x as well.
    fn residual(others: impl Fn(&mut Net, TensorId, TensorId)) -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &DIMS);
        let x = softmax(&mut net, "start", x);
        let inner = net.op("inner", Op::Unary(Unary::Relu), &[x], DType::F32, &DIMS);
        let made = convolved(&mut net, "convolution", inner);
        let sum = add(&mut net, "sum", made, x);
        let end = softmax(&mut net, "end", sum);
        others(&mut net, x, end);
        net.result("out", end);
        net
    }

    #[test]
    fn what_the_sum_needs_may_read_its_operand() {
        assert!(is_fused(residual(|_, _, _| {})));
    }

    #[test]
    fn what_reads_the_operand_later_keeps_the_sum_apart() {
        assert!(!is_fused(residual(|net, x, end| {
            let skip = add(net, "skip", x, end);
            net.result("skip_out", skip);
        })));
        assert!(!is_fused(residual(|net, x, _| net.result("x_out", x))));
    }

    #[test]
    fn a_convolution_of_the_operand_does_not_overwrite_it() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &DIMS);
        let x = softmax(&mut net, "start", x);
        let made = convolved(&mut net, "convolution", x);
        let sum = add(&mut net, "sum", made, x);
        net.result("out", sum);
        assert!(!is_fused(net));
    }
}
