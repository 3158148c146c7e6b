//! Pass 10 with static dims: a mask that is added to scores in another shape.
//!
//! `[Add →] Reshape → Add mask → Reshape → Softmax` with the first and the last shape equal and one reader each: the mask
//! takes the other shape when the model is compiled, and both Reshapes are gone.
//!
//! Source: `ExtractReshapesFromMHA`, OpenVINO 2026.4, src/common/snippets/src/pass/extract_reshapes_from_mha.cpp.

use super::rms::constant_and_other;
use super::work::{Edge, Node, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Constant, SameAsInput};
use crate::lower::execution::Kind;
use smallvec::smallvec;

/// Removes the Reshapes around masks.
pub(super) fn extract(work: &mut Work<'_>) {
    if work.is_dynamic {
        return;
    }
    for node in work.model_order() {
        if work.is_alive(node) && matches!(work.nodes[node].op, Op::SameAsInput(SameAsInput::Softmax)) {
            extract_one(work, node);
        }
    }
}

fn extract_one(work: &mut Work<'_>, softmax: usize) -> Option<()> {
    let is_reshape = |node: usize| work.nodes[node].kind == Kind::Reshape && work.only_user(node).is_some();
    let last = work.producer(softmax, 0).filter(|&node| is_reshape(node))?;
    let add = work.producer(last, 0)?;
    work.only_user(add)?;
    let (mask, data) = constant_and_other(work, add, Binary::Add)?;
    let first = Some(data.node).filter(|&node| is_reshape(node))?;
    let source = work.nodes[first].input(0)?;
    let tensor = work.nodes[last].outputs.first()?.clone();
    if work.tensor(source).dims != tensor.dims || tensor.dims.len() < 3 {
        return None;
    }
    // All dims of the mask but those of heads and scores are one.
    let own = &work.tensor(mask).dims;
    let elements = work.tensor(mask).elements();
    let rank = tensor.dims.len();
    let scores = tensor.dims[rank - 1].size.checked_mul(tensor.dims[rank - 2].size)?;
    if own.len() < 2 || elements % scores.max(1) != 0 {
        return None;
    }
    let mut dims: Vec<u64> = vec![1; rank];
    dims[rank - 1] = tensor.dims[rank - 1].size;
    dims[rank - 2] = tensor.dims[rank - 2].size;
    dims[0] = elements / scores.max(1);
    if dims[0] != tensor.dims[0].size && dims[0] != 1 {
        return None;
    }
    let id = work.nodes[add].source;
    let dtype = work.tensor(mask).dtype;
    let reshaped = Edge::of(work.add(Node {
        op: Op::Constant(Constant { range: None, value: None }),
        kind: Kind::Const,
        outputs: smallvec![Tensor::fixed(dtype, &dims)],
        source: id,
        ..Node::default()
    }));
    work.nodes[add].outputs = smallvec![tensor];
    work.set_inputs(add, [source, reshaped]);
    work.replace(Edge::of(last), Edge::of(add));
    Some(())
}
