//! Level 1: what is known before the run, what does nothing, and what is computed twice.
//!
//! Source: onnxruntime/core/optimizer/constant_folding.cc, common_subexpression_elimination.cc, identity_elimination.cc,
//! dropout_elimination.cc, noop_elimination.cc, constant_sharing.cc.

use super::super::kernel::Kernel;
use super::super::order;
use super::super::work::{Patch, Rule, Work};
use crate::shape::Dim;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// Small constants of equal type, dims and numbers become one.
pub(super) fn share(work: &mut Work<'_>) {
    let mut seen: FxHashMap<String, usize> = FxHashMap::default();
    for value in 0..work.values.len() {
        let own = &work.values[value];
        let known = &work.shapes.tensor(own.tensor).value;
        let Some(known) = known.as_ref().filter(|known| own.is_stored && known.len() <= 8) else { continue };
        let key = format!("{:?} {:?} {:?}", own.dtype, own.dims, known);
        let first = *seen.entry(key).or_insert(value);
        if first != value {
            work.replace(value, first);
        }
    }
}

/// Identity, Dropout of an inference, a Cast to the same type, and a sum with 0 or a product with 1 pass their input on.
pub(super) const ELIMINATE: Rule = Rule {
    name: "eliminate",
    source: "onnxruntime/core/optimizer/identity_elimination.cc, dropout_elimination.cc, noop_elimination.cc",
    on: |node| {
        use Kernel::{Add, Cast, Div, Dropout, Identity, Mul, Sub};
        matches!(node.kind, Identity | Dropout | Cast | Add | Sub | Mul | Div)
    },
    apply: eliminate,
    repeats: false,
};

fn eliminate(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (first, output) = (work.input(node, 0)?, work.output(node)?);
    let neutral = unchanged(work, node);
    let input = neutral.unwrap_or(first);
    let does_nothing = match work.nodes[node].kind {
        Kernel::Identity | Kernel::Dropout => true,
        Kernel::Cast => work.values[input].dtype == work.values[output].dtype,
        _ => neutral.is_some(),
    };
    let others_unread = work.nodes[node].outputs.iter().skip(1).all(|&value| work.is_unread(value));
    if !does_nothing || !others_unread || work.is_output(output) {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.replace(output, input);
    patch.remove(node);
    Some(patch)
}

/// What x + 0, x - 0, x * 1 and x / 1 pass on, where the constant has one element and no more dims.
fn unchanged(work: &Work<'_>, node: usize) -> Option<usize> {
    let neutral = match work.nodes[node].kind {
        Kernel::Add | Kernel::Sub => 0.0,
        Kernel::Mul | Kernel::Div => 1.0,
        _ => return None,
    };
    let (constant, other) = work.constant_and_other(node)?;
    let is_second = work.input(node, 1) == Some(constant);
    let commutes = work.is(node, Kernel::Add) || work.is(node, Kernel::Mul);
    let rank = |value: usize| work.values[value].shape.as_ref().map(|dims| dims.len());
    let has_room = rank(constant)? <= rank(other)? && !work.values[other].is_constant;
    (has_room && (is_second || commutes) && work.number(constant) == Some(neutral)).then_some(other)
}

/// A node that reads constants alone is computed when the session is made; so is the shape of what has known dims.
pub(super) fn fold(work: &mut Work<'_>) {
    for &source in work.graph.execution_order() {
        let Some(node) = work.node_of(source) else { continue };
        let kind = work.nodes[node].kind;
        if !kind.is_pure() || matches!(kind, Kernel::DequantizeLinear | Kernel::QuantizeLinear) {
            continue;
        }
        let inputs = || work.nodes[node].inputs().iter().flatten();
        let is_known = |value: &usize| {
            let shape = &work.values[*value].shape;
            shape.as_ref().is_some_and(|dims| dims.iter().all(|dim| matches!(dim, Dim::Known(_))))
        };
        let is_shape = matches!(kind, Kernel::Shape | Kernel::Size);
        let folds =
            inputs().all(|&value| work.values[value].is_constant) || is_shape && inputs().all(is_known);
        let outputs = work.nodes[node].outputs.clone();
        if !folds || outputs.iter().any(|&value| work.is_output(value)) {
            continue;
        }
        work.remove(node);
        for value in outputs {
            work.values[value].is_constant = true;
        }
    }
}

/// Nodes of equal types and inputs that are compared one by one; of more, attributes are looked up as text.
///
/// Source: this crate's; any number leaves the same nodes.
const COMPARED: usize = 16;

/// Whether two nodes may be equal, from the readers of what they read: most graphs have no such pair, and a table of all
/// nodes is in no cache.
fn has_duplicates(work: &Work<'_>) -> bool {
    let mut crowds: FxHashSet<(Kernel, &[Option<usize>])> = FxHashSet::default();
    work.alive().filter(|&node| is_mergeable(work, node)).any(|node| {
        let (kind, inputs) = (work.nodes[node].kind, work.nodes[node].inputs());
        let fewest = inputs.iter().flatten().map(|&value| work.uses(value)).min_by_key(|uses| uses.len());
        match fewest.filter(|uses| uses.len() <= COMPARED) {
            Some(uses) => uses.iter().any(|&(other, _)| {
                other < node && work.nodes[other].kind == kind && work.nodes[other].inputs() == inputs
            }),
            None => !crowds.insert((kind, inputs)),
        }
    })
}

/// Whether a node that is equal to an earlier one goes.
fn is_mergeable(work: &Work<'_>, node: usize) -> bool {
    // Each reader of a DequantizeLinear has its own: `EnsureUniqueDQForNodeUnit`.
    work.nodes[node].kind.is_pure() && !work.is(node, Kernel::DequantizeLinear)
}

/// Nodes of one type, with equal attributes and inputs, become one: the first in the runtime's own order.
pub(super) fn merge_duplicates(work: &mut Work<'_>) {
    if !has_duplicates(work) {
        return;
    }
    // By a hash of kernel and inputs, which are compared where it is equal.
    let nodes = order::of(work);
    let mut seen: FxHashMap<u64, SmallVec<[usize; 1]>> = FxHashMap::default();
    seen.reserve(nodes.len());
    let mut many: FxHashMap<(u64, String), usize> = FxHashMap::default();
    for node in nodes {
        let op = &work.graph.node(work.nodes[node].source).op;
        if !is_mergeable(work, node) {
            continue;
        }
        let own = &work.nodes[node];
        let hash = FxBuildHasher.hash_one((own.kind, own.inputs()));
        let same = seen.entry(hash).or_default();
        let is_same = |&first: &usize| {
            let other = &work.nodes[first];
            other.kind == own.kind
                && other.axis == own.axis
                && other.inputs() == own.inputs()
                && work.graph.node(other.source).op == *op
                && other.outputs.len() == own.outputs.len()
        };
        let first = same.iter().copied().find(is_same);
        let text = (same.len() >= COMPARED).then(|| (hash, format!("{op:?}")));
        let first = first.or_else(|| many.get(text.as_ref()?).copied().filter(is_same));
        let outputs = own.outputs.clone();
        match first {
            Some(first) if !outputs.iter().any(|&value| work.is_output(value)) => {
                for (old, new) in outputs.into_iter().zip(work.nodes[first].outputs.clone()) {
                    work.replace(old, new);
                }
                work.remove(node);
            }
            Some(_) => {}
            None => match text {
                Some(text) => _ = many.insert(text, node),
                None => same.push(node),
            },
        }
    }
}

/// What nothing reads goes.
///
/// Cost: linear in the nodes and the edges of those that go.
pub(super) fn remove_unread(work: &mut Work<'_>) {
    for node in 0..work.nodes.len() {
        work.sweep(node);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    #[test]
    fn an_identity_passes_on_unless_it_is_returned() {
        let of = |is_returned: bool| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let mut output = draft.node(Kernel::Identity, &[x]);
            if !is_returned {
                output = draft.node(Kernel::Relu, &[output]);
            }
            draft.returns(output);
            draft.after(&ELIMINATE)
        };
        assert_eq!(of(false), [Kernel::Relu]);
        assert_eq!(of(true), [Kernel::Identity]);
    }

    #[test]
    fn a_product_with_one_and_a_sum_with_zero_do_nothing() {
        let of = |kind: Kernel, number: f64, is_second: bool| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let from = draft.node(Kernel::Relu, &[x]);
            let number = draft.number(number);
            let inputs = if is_second { [from, number] } else { [number, from] };
            let same = draft.node(kind, &inputs);
            let output = draft.node(Kernel::Tanh, &[same]);
            draft.returns(output);
            draft.after(&ELIMINATE)
        };
        for (kind, neutral, other) in [
            (Kernel::Add, 0.0, 1.0),
            (Kernel::Sub, 0.0, 1.0),
            (Kernel::Mul, 1.0, 0.0),
            (Kernel::Div, 1.0, 2.0),
        ] {
            assert_eq!(of(kind, neutral, true), [Kernel::Relu, Kernel::Tanh]);
            assert_eq!(of(kind, other, true), [Kernel::Relu, kind, Kernel::Tanh]);
        }
        assert_eq!(of(Kernel::Mul, 1.0, false), [Kernel::Relu, Kernel::Tanh]);
        assert_eq!(of(Kernel::Sub, 0.0, false), [Kernel::Relu, Kernel::Sub, Kernel::Tanh]);
    }

    #[test]
    fn what_only_unread_nodes_read_is_unread() {
        let mut draft = Draft::default();
        let x = draft.input(&[2, 8]);
        let output = draft.node(Kernel::Relu, &[x]);
        let mut unread = output;
        for _ in 0..20_000 {
            unread = draft.node(Kernel::Sqrt, &[unread]);
        }
        draft.returns(output);
        assert_eq!(draft.kinds(remove_unread), [Kernel::Relu]);
    }

    #[test]
    fn constants_are_computed_beforehand() {
        let of = |is_constant: bool| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let from = if is_constant { draft.number(4.0) } else { x };
            let root = draft.node(Kernel::Sqrt, &[from]);
            let output = draft.node(Kernel::Mul, &[x, root]);
            draft.returns(output);
            draft.kinds(fold)
        };
        assert_eq!(of(true), [Kernel::Mul]);
        assert_eq!(of(false), [Kernel::Sqrt, Kernel::Mul]);
    }

    #[test]
    fn equal_nodes_over_equal_constants_become_one() {
        let of = |numbers: [f64; 2]| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let [a, b] = numbers.map(|number| {
                let number = draft.number(number);
                draft.node(Kernel::Add, &[x, number])
            });
            let output = draft.node(Kernel::Mul, &[a, b]);
            draft.returns(output);
            draft.kinds(|work| {
                share(work);
                merge_duplicates(work);
            })
        };
        assert_eq!(of([1.0, 1.0]), [Kernel::Add, Kernel::Mul]);
        assert_eq!(of([1.0, 2.0]), [Kernel::Add, Kernel::Add, Kernel::Mul]);
    }
}
