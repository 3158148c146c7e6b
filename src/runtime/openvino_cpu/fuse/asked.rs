//! Numbers that shape inference asks for.
//!
//! Values are followed only where inference wants one: on the way to a shape, an axis, a range or a condition. A number that is
//! data, such as the lengths that a recurrent net reads, stays as exported, even where it could be known.

use super::work::Work;
use crate::graph::Op;
use std::ops::Range;

/// By node, whether inference asks for the numbers that it writes.
///
/// Source: `ov::util::evaluate_both_bounds` and its callers, the shape inference of operators, OpenVINO 2026.4,
/// src/core/src/bound_evaluate.cpp and src/core/shape_inference/include.
pub(super) fn find(work: &Work<'_>, order: &[usize]) -> Vec<bool> {
    let mut is_asked = vec![false; work.nodes.len()];
    for &node in order.iter().rev() {
        let of = &work.nodes[node];
        let is_source = matches!(of.op, Op::ShapeOf { .. } | Op::Parameter | Op::ReadValue(_));
        let inputs = match is_asked[node] && !is_source {
            true => 0..of.inputs().len(),
            false => of_shape(&work.graph.node(of.source).op, of.inputs().len()),
        };
        for edge in of.inputs().get(inputs).unwrap_or_default().iter().flatten() {
            is_asked[edge.node()] = true;
        }
    }
    is_asked
}

/// The inputs whose numbers decide an output's dims, or which body runs and how often.
fn of_shape(op: &Op, n_inputs: usize) -> Range<usize> {
    let first = match op {
        Op::If(_) => return 0..1,
        Op::Loop(_) => return 0..2,
        Op::Range { .. } | Op::Eye { .. } => 0,
        Op::Reshape(_) | Op::Broadcast(_) | Op::Tile(_) | Op::Slice | Op::StridedSlice(_) | Op::Pad(..) => 1,
        Op::Split { .. } | Op::VariadicSplit | Op::Interpolate(_) | Op::TopK { .. } | Op::OneHot { .. } => 1,
        Op::Squeeze { .. } | Op::Unsqueeze | Op::Reduce { .. } | Op::Transpose => 1,
        Op::Gather { .. } | Op::ConvolutionBackpropData(_) => 2,
        _ => n_inputs,
    };
    first.min(n_inputs)..n_inputs
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{Binary, Broadcast, ReshapeZero};

    #[test]
    fn a_length_that_is_data_is_left_alone() {
        let (mut net, f32, i64) = (Net::new(), DType::F32, DType::I64);
        let x = net.input("x", f32, &[FREE, 8]);
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[2]);
        let (index, axis) = (net.ints("index", &[1]), net.int("axis", 0));
        let width = net.op("width", Op::Gather { batch_dims: 0 }, &[shape, index, axis], i64, &[1]);
        let width = net.op("float", Op::Convert { to: f32 }, &[width], f32, &[1]);
        let scaled =
            net.op("scaled", Op::Binary(Binary::Multiply, Broadcast::Numpy), &[x, width], f32, &[FREE, 8]);
        let pattern = net.ints("pattern", &[8, -1]);
        let out = net.op("out", Op::Reshape(ReshapeZero::IsZero), &[scaled, pattern], f32, &[8, FREE]);
        net.result("result", out);
        let lines = net.lines(DYNAMIC);
        assert_eq!(lines[..2], ["ShapeOf shape i32", "Gather width i32"]);
    }
}
