//! A division of floats is a product with the inverse, a power of -1.
//!
//! The product has the division's name; where 1 is divided, the power has it. Divisions by a constant are products with
//! its inverse already where they were moved, and stay otherwise.
//!
//! Source: `ConvertDivide`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/op_conversions/convert_divide.cpp.

use super::work::{Build, Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::runtime::openvino_cpu::execution::Kind;

/// Rewrites divisions by what is not constant.
pub(super) const RULE: Rule = Rule {
    name: "divide",
    source: "ConvertDivide, src/common/transformations/src/transformations/op_conversions/convert_divide.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Divide, _)),
    apply: by_product,
    repeats: false,
};

fn by_product(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (dividend, divisor) = (work.nodes[node].input(0)?, work.nodes[node].input(1)?);
    if work.nodes[divisor.node()].is_const() || !work.tensor(divisor).dtype.is_float() {
        return None;
    }
    let source = work.nodes[node].source;
    let power = Op::Binary(Binary::Power, Broadcast::Numpy);
    let mut patch = Patch::new(work);
    let exponent = patch.add_number(-1.0, source);
    if work.number(node, 0) == Some(1.0) {
        patch.change(node, |node| node.op = power);
        patch.set_inputs(node, [divisor, exponent]);
        return Some(patch);
    }
    let name = patch.fresh_name("Power");
    let inverse = Node::named(name, power, Kind::Eltwise, source).writing(work.tensor(divisor).clone());
    let inverse = patch.add(inverse, [divisor, exponent]);
    patch.change(node, |node| node.op = Op::Binary(Binary::Multiply, Broadcast::Numpy));
    patch.set_inputs(node, [dividend, Edge::of(inverse)]);
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;

    fn divide(dividend: Option<f64>) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let y = net.input("y", f32, &dims);
        let x = match dividend {
            Some(number) => net.number("number", number),
            None => net.input("x", f32, &dims),
        };
        let out = net.op("divide", Op::Binary(Binary::Divide, Broadcast::Numpy), &[x, y], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_division_is_a_power_and_a_product() {
        assert_eq!(divide(None), ["Eltwise Power,divide f32"]);
    }

    #[test]
    fn one_divided_is_a_power() {
        assert_eq!(divide(Some(1.0)), ["Eltwise divide f32"]);
    }
}
