//! Logits of the last token alone: a Slice in front of the head.
//!
//! Source: `apply_slice_before_matmul_transformation`, openvino.genai 2026.4, src/cpp/src/utils.cpp: where a Result
//! hangs on a MatMul, directly or behind an Add, a Transpose or a capped tanh, whose first input has three dims.

use super::work::{Build, Dim, Edge, Node, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Cuts the head's input to the last token.
pub(super) fn slice(work: &mut Work<'_>) {
    for result in work.results().to_vec() {
        let Some(path) = path_to_head(work, result) else { continue };
        let Some(&head) = path.last() else { continue };
        let Some(data) = work.nodes[head].input(0) else { continue };
        if work.tensor(data).dims.len() != 3 {
            continue;
        }
        let source = work.nodes[head].source;
        let bounds =
            [&[-1][..], &[i64::MAX][..], &[1][..], &[1][..]].map(|values| work.add_ints(values, source));
        let mut output = work.tensor(data).clone();
        output.dims[1] = at_most_one(output.dims[1]);
        let name = work.fresh_name("Slice");
        let slice = Node::named(name, Op::Slice, Kind::StridedSlice, source).writing(output);
        let slice = work.add(slice, std::iter::once(data).chain(bounds));
        work.set_input(head, 0, Edge::of(slice));
        for node in path {
            if let Some(dim) = work.nodes[node].outputs.first_mut().and_then(|tensor| tensor.dims.get_mut(1))
            {
                *dim = at_most_one(*dim);
            }
        }
    }
}

/// The dim of what a slice of one token leaves; it stays free.
fn at_most_one(dim: Dim) -> Dim {
    if dim.is(0) { dim } else { dim.resized(1) }
}

/// The nodes from a Result's producer up to the head.
fn path_to_head(work: &Work<'_>, result: usize) -> Option<Vec<usize>> {
    let mut path = Vec::new();
    let mut node = work.producer(result, 0)?;
    while path.len() < 5 {
        path.push(node);
        match work.nodes[node].op {
            Op::MatMul { .. } => return Some(path),
            Op::Binary(..) | Op::Unary(_) | Op::Transpose | Op::Convert { .. } => {
                let is_activation = |&index: &usize| !work.reads_const(node, index);
                let input = (0..work.nodes[node].inputs().len()).find(is_activation)?;
                node = work.producer(node, input)?;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::runtime::openvino_cpu::fuse::Options;

    #[test]
    fn the_head_sees_one_token() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[1, FREE, 8]);
        let weight = net.weight("weight", f32, &[100, 8]);
        let head = Op::MatMul { transpose_a: false, transpose_b: true };
        let out = net.op("head", head, &[x, weight], f32, &[1, FREE, 100]);
        net.result("out", out);
        let graph = net.execute(Options { last_logits: true, ..DYNAMIC });
        let lines = super::super::testing::lines(&graph);
        assert_eq!(lines, ["StridedSlice Slice f32", "FullyConnected head f32"]);
        let head = graph.nodes.iter().find(|node| node.kind == Kind::FullyConnected).unwrap();
        assert_eq!(head.outputs[0].dims[..], [1, 1, 100]);
    }
}
