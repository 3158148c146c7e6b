//! Branches that are decided when the model is compiled.
//!
//! An `If` of a known condition is the body that runs. Known are a constant, and whether a number is equal to itself. Only a
//! body that hands an input on is taken in; others stay, and count with the bytes of their `If`.
//!
//! Source: `UnrollIf`, OpenVINO 2026.4, src/common/transformations/src/transformations/control_flow/unroll_if.cpp, and
//! `ov::util::evaluate_both_bounds`, src/core/src/bound_evaluate.cpp.

use super::pattern::inputs;
use super::work::{Edge, Patch, Rule, Work};
use crate::graph::op::{Binary, If};
use crate::graph::{Graph, Op};

/// Takes in bodies that hand an input on.
pub(super) const RULE: Rule = Rule {
    name: "branches",
    source: "UnrollIf, src/common/transformations/src/transformations/control_flow/unroll_if.cpp",
    on: |node| matches!(node.op, Op::Opaque),
    apply: unroll,
    repeats: false,
};

fn unroll(work: &Work<'_>, node: usize) -> Option<Patch> {
    let Op::If(branches) = &work.graph.node(work.nodes[node].source).op else { return None };
    let takes_then = condition(work, node)?;
    let outputs = work.nodes[node].outputs.len();
    let handed: Vec<Edge> = (0..outputs)
        .map(|output| work.nodes[node].input(handed_on(branches, takes_then, output)?))
        .collect::<Option<_>>()?;
    let mut patch = Patch::new(work);
    for (port, edge) in handed.into_iter().enumerate() {
        patch.replace(Edge::new(node, port), edge);
    }
    Some(patch)
}

/// The condition of an `If`.
fn condition(work: &Work<'_>, node: usize) -> Option<bool> {
    if let Some(number) = work.number(node, 0) {
        return Some(number != 0.0);
    }
    let condition = work.producer(node, 0)?;
    let compares_itself = |kind| inputs(work, condition, kind).is_some_and(|(first, second)| first == second);
    match (compares_itself(Binary::Equal), compares_itself(Binary::NotEqual)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The input that a body hands on as an output, if that is all it does.
fn handed_on(branches: &If, takes_then: bool, output: usize) -> Option<usize> {
    let (body, inputs, outputs) = match takes_then {
        true => (&branches.then_body, &branches.then_inputs, &branches.then_outputs),
        false => (&branches.else_body, &branches.else_inputs, &branches.else_outputs),
    };
    let &(result, _) = outputs.iter().find(|&&(_, own)| own as usize == output)?;
    let parameter = parameter_of(body, result as usize)?;
    let &(input, _) = inputs.iter().find(|&&(_, own)| own as usize == parameter)?;
    Some(input as usize)
}

/// The number of the parameter that a result of a body is, be it converted to the type that it has.
fn parameter_of(body: &Graph, result: usize) -> Option<usize> {
    let mut read = body.tensor(body.input(*body.results().get(result)?, 0)?);
    if let Op::Convert { to } = body.node(read.node).op {
        let converted = body.tensor(body.input(read.node, 0)?);
        read = Some(converted).filter(|tensor| tensor.dtype == to)?;
    }
    body.parameters().iter().position(|&parameter| parameter == read.node)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Broadcast};
    use crate::graph::{Builder, Format, NodeSpec, PartialShape, TensorSpec};

    /// A body of two parameters that hands one of them on.
    fn body(handed: usize) -> Graph {
        let mut builder = Builder::new("body".as_ref(), Format::OpenVino);
        let parameters = ["a", "b"].map(|name| {
            let spec = NodeSpec { op: Op::Parameter, name, type_name: "Parameter", ..NodeSpec::default() };
            let node = builder.node(spec);
            let shape = PartialShape { dims: None };
            builder.output(node, TensorSpec { dtype: DType::F32, shape, ..TensorSpec::default() })
        });
        let spec = NodeSpec { op: Op::Result, name: "out", type_name: "Result", ..NodeSpec::default() };
        let result = builder.node(spec);
        builder.connect(result, &[Some(parameters[handed])]);
        builder.finish().unwrap()
    }

    /// An `If` behind a comparison of a number with itself.
    fn branched(kind: Binary) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let [x, y] = ["x", "y"].map(|name| net.input(name, f32, &dims));
        let number = net.input("number", DType::I64, &[]);
        let op = Op::Binary(kind, Broadcast::Numpy);
        let condition = net.op("condition", op, &[number, number], DType::Boolean, &[]);
        let x = net.op("first", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        let y = net.op("second", Op::Softmax(AxisSpan::LAST), &[y], f32, &dims);
        let pairs = || vec![(1, 0), (2, 1)];
        let branches = If {
            then_body: body(0),
            else_body: body(1),
            then_inputs: pairs(),
            else_inputs: pairs(),
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        };
        let out = net.op("if", Op::If(Box::new(branches)), &[condition, x, y], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_number_is_equal_to_itself() {
        assert_eq!(branched(Binary::Equal), ["Softmax first f32"]);
        assert_eq!(branched(Binary::NotEqual), ["Softmax second f32"]);
        assert_eq!(branched(Binary::Less).len(), 5);
    }
}
