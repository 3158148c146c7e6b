//! Pass 4: conversions that change nothing, and reshapes of reshapes.
//!
//! * A Convert to the type its input has, or between i64 and i32 behind anything but a parameter, is gone: the plugin
//!   has no i64.
//! * A Reshape to the dims that its input has is gone: all dims are known, or all but one and the pattern is constant.
//! * Of Unsqueeze, Squeeze and Reshape with constant arguments on top of each other the last is left, reading what the
//!   first read.
//! * ShapeOf with an i32 output gets a made-up name.
//!
//! Source: `ConvertPrecision`, `NopElimination` and `ReshapeSequenceFusion`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations.

use super::work::{Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::ReshapeZero;
use crate::lower::execution::Kind;
use smallvec::smallvec;

/// Removes what does nothing.
pub(super) fn remove(work: &mut Work<'_>) {
    for node in work.model_order() {
        if !work.is_alive(node) {
            continue;
        }
        match work.nodes[node].op {
            Op::Convert { .. } => convert(work, node),
            Op::Identity => pass_through(work, node),
            Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze => reshape(work, node),
            Op::ShapeOf { to: DType::I32, .. } if !work.nodes[node].name.contains('#') => {
                let name = work.fresh_name("ShapeOf");
                work.nodes[node].originals = smallvec![name.clone()];
                work.nodes[node].name = name;
            }
            _ => {}
        }
    }
}

fn pass_through(work: &mut Work<'_>, node: usize) {
    if let ([Some(input)], [_]) = (&work.nodes[node].inputs[..], &work.nodes[node].outputs[..]) {
        let input = *input;
        work.replace(Edge::of(node), input);
    }
}

fn convert(work: &mut Work<'_>, node: usize) {
    let Some(input) = work.nodes[node].input(0) else { return };
    let (from, to) = (work.tensor(input).dtype, work.nodes[node].outputs[0].dtype);
    let is_index = |dtype| matches!(dtype, DType::I32 | DType::I64);
    let is_parameter = work.nodes[input.node].kind == Kind::Input;
    if from == to || is_index(from) && is_index(to) && !is_parameter {
        work.replace(Edge::of(node), input);
    }
}

fn reshape(work: &mut Work<'_>, node: usize) {
    let is_reshape =
        |node: usize| matches!(work.nodes[node].op, Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze);
    let Some(first) = work.producer(node, 0) else { return };
    let same = |edge: Edge| work.tensor(edge).dims == work.nodes[node].outputs[0].dims;
    let n_free = work.nodes[node].outputs[0].dims.iter().filter(|dim| dim.is_free).count();
    let is_determined =
        n_free == 1 && work.reads_const(node, 1) && matches!(work.nodes[node].op, Op::Reshape(_));
    if (!work.is_dynamic || is_determined)
        && let Some(input) = work.nodes[node].input(0).filter(|&input| same(input))
    {
        work.replace(Edge::of(node), input);
        return;
    }
    let both_unsqueeze = [first, node].iter().all(|&node| matches!(work.nodes[node].op, Op::Unsqueeze));
    let is_plain = |node: usize| match work.nodes[node].op {
        Op::Reshape(zero) => work.ints(node, 1).is_some_and(|pattern| {
            zero == ReshapeZero::IsZero && !pattern.contains(&0) || !pattern.contains(&0)
        }),
        _ => work.reads_const(node, 1),
    };
    let may_merge = !work.is_dynamic || both_unsqueeze || is_plain(first) && is_plain(node);
    if is_reshape(first)
        && may_merge
        && work.reads_const(first, 1)
        && work.reads_const(node, 1)
        && let Some(source) = work.nodes[first].input(0)
    {
        let dims: Vec<i64> = work.nodes[node].outputs[0]
            .dims
            .iter()
            .map(|dim| if dim.is_free { -1 } else { dim.size as i64 })
            .collect();
        let pattern = work.add_ints(&dims, work.nodes[node].source);
        work.nodes[node].op = Op::Reshape(ReshapeZero::IsZero);
        work.set_inputs(node, [source, pattern]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use super::*;

    fn unsqueezed_twice() -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let (zero, one) = (net.ints("zero", &[0]), net.ints("one", &[1]));
        let first = net.op("first", Op::Unsqueeze, &[x, zero], DType::F32, &[1, FREE, 8]);
        let second = net.op("second", Op::Unsqueeze, &[first, one], DType::F32, &[1, 1, FREE, 8]);
        net.result("out", second);
        net
    }

    #[test]
    fn of_two_reshapes_the_last_is_left() {
        assert_eq!(unsqueezed_twice().lines(DYNAMIC), ["Reshape second f32"]);
    }

    #[test]
    fn a_pattern_that_copies_dims_keeps_both_where_dims_are_free() {
        let make = || {
            let mut net = Net::new();
            let x = net.input("x", DType::F32, &[FREE, 8]);
            let (pattern, axis) = (net.ints("pattern", &[0, 2, 4]), net.ints("axis", &[0]));
            let reshape = Op::Reshape(ReshapeZero::CopiesDim);
            let first = net.op("first", reshape, &[x, pattern], DType::F32, &[FREE, 2, 4]);
            let second = net.op("second", Op::Unsqueeze, &[first, axis], DType::F32, &[1, FREE, 2, 4]);
            net.result("out", second);
            net
        };
        assert_eq!(make().lines(DYNAMIC), ["Reshape first f32", "Reshape second f32"]);
        assert_eq!(make().lines(STATIC), ["Reshape second f32"]);
    }
}
