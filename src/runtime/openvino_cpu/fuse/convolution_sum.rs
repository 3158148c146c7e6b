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
use rustc_hash::FxHashMap;

/// Steps that the search for readers takes in all, per node of the graph: a graph that needs more has sums within sums,
/// hundreds deep, and the rest of them is left alone.
const MOST_STEPS: usize = 64;

/// Inputs that the search looks at in all, per step of [`MOST_STEPS`]: nodes have two or three, constants
/// none, and a wide Concat that every search comes by would take quadratic time.
const MOST_INPUTS: usize = 4;

/// Fuses every sum that may overwrite its operand.
pub(super) fn fuse(work: &mut Work<'_>) {
    let order = work.order();
    let mut search = Search {
        place: vec![0; work.nodes.len()],
        seen_for: vec![0; work.nodes.len()],
        n_searched: 0,
        left: order.len().saturating_mul(MOST_STEPS),
        inputs_left: order.len().saturating_mul(MOST_STEPS * MOST_INPUTS),
        last: FxHashMap::default(),
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
    /// Inputs that are left to all searches.
    inputs_left: usize,
    /// By node, the use of its last reader when all were looked at: most sums of one operand come before it.
    last: FxHashMap<usize, (usize, usize)>,
}

impl Search {
    /// Whether everything that reads a node comes before `sum`: the sum needs it, or is it.
    fn all_come_before(&mut self, work: &Work<'_>, node: usize, sum: usize) -> bool {
        // Uses by the inputs of one node.
        let reads = |reader: usize| {
            work.nodes[reader].inputs().iter().flatten().filter(|edge| edge.node() == node).count()
        };
        let mut missing = work.users(node).len().saturating_sub(reads(sum));
        if missing == 0 {
            return true;
        }
        if self.is_read_after(work, node, sum) {
            return false;
        }
        // Nothing reads it after the sum, which is true of one sum.
        let readers = work.users(node).iter().map(|&(user, _)| user).filter(|&user| user != sum);
        let first = readers.map(|reader| self.place[reader]).min().unwrap_or(0);
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
                let n_inputs = work.nodes[above].inputs().len();
                let Some(inputs_left) = self.inputs_left.checked_sub(n_inputs) else { return false };
                (self.left, self.inputs_left) = (left, inputs_left);
                missing = missing.saturating_sub(reads(above));
                if missing == 0 {
                    return true;
                }
                pending.push(above);
            }
        }
        false
    }

    /// Whether a node is read after one of its readers.
    fn is_read_after(&mut self, work: &Work<'_>, node: usize, reader: usize) -> bool {
        let is_after = |user: usize| self.place[user] > self.place[reader];
        let is_use =
            |user: usize, input: usize| work.nodes[user].input(input).is_some_and(|edge| edge.node() == node);
        if self.last.get(&node).is_some_and(|&(user, input)| is_use(user, input) && is_after(user)) {
            return true;
        }
        let last = work.users(node).iter().copied().max_by_key(|&(user, _)| self.place[user]);
        let Some(last) = last else { return false };
        let is_read = is_after(last.0);
        self.last.insert(node, last);
        is_read
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
    fn of_sums_of_one_operand_the_last_overwrites_it() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &DIMS);
        let x = softmax(&mut net, "start", x);
        let mut end = x;
        for index in 0..3 {
            let inner = softmax(&mut net, "inner", end);
            let made = convolved(&mut net, "convolution", inner);
            end = add(&mut net, &format!("sum{index}"), made, x);
        }
        let end = softmax(&mut net, "end", end);
        net.result("out", end);
        let lines: Vec<String> =
            net.lines(DYNAMIC).into_iter().filter(|line| line.starts_with("Convolution")).collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        let is_fused: Vec<bool> = lines.iter().map(|line| line.contains(",sum")).collect();
        assert_eq!(is_fused, [false, false, true], "{lines:?}");
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
