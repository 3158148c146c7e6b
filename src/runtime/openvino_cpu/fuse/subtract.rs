//! Pass 4, continued: a subtraction of x is x times -1, then the Add that keeps the name.
//!
//! Of floats from a constant before anything is fused; of all signed numbers after rotations and attentions are.
//!
//! Source: `ConvertSubtract`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/convert_subtract.cpp.

use super::work::{Edge, Node, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::smallvec;

/// Rewrites subtractions from a constant.
pub(super) fn from_constant(work: &mut Work<'_>) {
    rewrite(work, |work, node, dtype| work.reads_const(node, 0) && dtype.is_float());
}

/// Rewrites all that are left, of what is not constant.
pub(super) fn of_variables(work: &mut Work<'_>) {
    rewrite(work, |work, node, dtype| {
        let is_signed = dtype.is_float() || matches!(dtype, DType::I32 | DType::I64);
        is_signed && !is_zero_point(work, node)
    });
}

/// Whether weights are centred by what is constant but for a Convert.
fn is_zero_point(work: &Work<'_>, node: usize) -> bool {
    let is_stored = |edge: &Edge| {
        let of = &work.nodes[edge.node];
        of.is_const() || of.kind == Kind::Convert && work.reads_const(edge.node, 0)
    };
    work.nodes[node].inputs.iter().flatten().all(is_stored)
}

fn rewrite(work: &mut Work<'_>, wants: impl Fn(&Work<'_>, usize, DType) -> bool) {
    for node in work.model_order() {
        let is_subtract =
            work.is_alive(node) && matches!(work.nodes[node].op, Op::Binary(Binary::Subtract, _));
        if !is_subtract || work.reads_const(node, 1) {
            continue;
        }
        let Some(data) = work.nodes[node].input(1) else { continue };
        let tensor = work.tensor(data).clone();
        if !wants(work, node, tensor.dtype) {
            continue;
        }
        let source = work.nodes[node].source;
        let minus_one = match tensor.dtype.is_float() {
            true => work.add_number(-1.0, source),
            false => work.add_ints(&[-1], source),
        };
        let name = work.fresh_name("Multiply");
        let product = work.add(Node {
            inputs: smallvec![Some(data), Some(minus_one)],
            outputs: smallvec![tensor],
            ..Node::named(name, Op::Binary(Binary::Multiply, Broadcast::Numpy), Kind::Eltwise, source)
        });
        let Some(constant) = work.nodes[node].input(0) else { continue };
        work.nodes[node].op = Op::Binary(Binary::Add, Broadcast::Numpy);
        work.set_inputs(node, [Edge::of(product), constant]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn difference(constant_first: bool) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE]);
        let one = net.number("one", 1.0);
        let inputs = if constant_first { [one, x] } else { [x, one] };
        let subtract = Op::Binary(Binary::Subtract, Broadcast::Numpy);
        let out = net.op("sub", subtract, &inputs, DType::F32, &[FREE]);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn from_a_constant_it_is_a_product_and_a_sum() {
        assert_eq!(difference(true), ["Eltwise Multiply,sub f32"]);
        assert_eq!(difference(false), ["Eltwise sub f32"]);
    }
}
