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
use crate::ids::NodeId;
use rustc_hash::FxHashMap;
use std::hash::Hash;

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
    let handed = HandedOn::by(branches, takes_then);
    let pairs: Vec<(Edge, Edge)> = (0..outputs)
        .map(|output| Some((Edge::new(node, output), work.nodes[node].input(handed.input(output)?)?)))
        .collect::<Option<_>>()?;
    let mut patch = Patch::new(work);
    patch.replace_outputs(pairs, Edge::port);
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

/// Which inputs a body hands on as which outputs. A body may have thousands of both.
struct HandedOn<'a> {
    body: &'a Graph,
    /// By output, the body's result.
    results: FxHashMap<usize, usize>,
    /// By node of the body, the number of the parameter that it is.
    parameters: FxHashMap<NodeId, usize>,
    /// By parameter, the input.
    inputs: FxHashMap<usize, usize>,
}

impl HandedOn<'_> {
    /// Those of one of the branches.
    fn by(branches: &If, takes_then: bool) -> HandedOn<'_> {
        let (body, inputs, outputs) = match takes_then {
            true => (&branches.then_body, &branches.then_inputs, &branches.then_outputs),
            false => (&branches.else_body, &branches.else_inputs, &branches.else_outputs),
        };
        let pairs = |pairs: &[(u32, u32)]| first(pairs.iter().map(|&(of, own)| (own as usize, of as usize)));
        let parameters = body.parameters().iter().enumerate().map(|(number, &node)| (node, number));
        HandedOn { body, results: pairs(outputs), parameters: first(parameters), inputs: pairs(inputs) }
    }

    /// The input that the body hands on as an output, if that is all it does.
    fn input(&self, output: usize) -> Option<usize> {
        let parameter = self.parameter(*self.results.get(&output)?)?;
        self.inputs.get(&parameter).copied()
    }

    /// The number of the parameter that a result of the body is, be it converted to the type that it has.
    fn parameter(&self, result: usize) -> Option<usize> {
        let body = self.body;
        let mut read = body.tensor(body.input(*body.results().get(result)?, 0)?);
        if let Op::Convert { to } = body.node(read.node).op {
            let converted = body.tensor(body.input(read.node, 0)?);
            read = Some(converted).filter(|tensor| tensor.dtype == to)?;
        }
        self.parameters.get(&read.node).copied()
    }
}

/// The first value of each key.
fn first<K: Eq + Hash>(pairs: impl Iterator<Item = (K, usize)>) -> FxHashMap<K, usize> {
    let mut first = FxHashMap::default();
    for (key, value) in pairs {
        first.entry(key).or_insert(value);
    }
    first
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

    /// Outputs that swap the inputs, and one that hands the first on again.
    #[test]
    fn each_output_is_the_input_that_it_hands_on() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let number = net.input("number", DType::I64, &[]);
        let op = Op::Binary(Binary::Equal, Broadcast::Numpy);
        let condition = net.op("condition", op, &[number, number], DType::Boolean, &[]);
        let inputs = ["a", "b"].map(|name| net.input(name, f32, &dims));
        let [a, b] = inputs.map(|x| net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims));
        let pairs = || vec![(1, 0), (2, 1)];
        let bodies = || {
            let mut builder = Builder::new("body".as_ref(), Format::OpenVino);
            let parameters = ["a", "b"].map(|name| {
                let type_name = "Parameter";
                let spec = NodeSpec { op: Op::Parameter, name, type_name, ..NodeSpec::default() };
                let node = builder.node(spec);
                let shape = PartialShape { dims: None };
                builder.output(node, TensorSpec { dtype: f32, shape, ..TensorSpec::default() })
            });
            for handed in [1, 0, 1] {
                let spec =
                    NodeSpec { op: Op::Result, name: "out", type_name: "Result", ..NodeSpec::default() };
                let result = builder.node(spec);
                builder.connect(result, &[Some(parameters[handed])]);
            }
            builder.finish().unwrap()
        };
        let branches = If {
            then_body: bodies(),
            else_body: bodies(),
            then_inputs: pairs(),
            else_inputs: pairs(),
            then_outputs: vec![(0, 0), (1, 1), (2, 2)],
            else_outputs: vec![(0, 0), (1, 1), (2, 2)],
        };
        let each: &[i64] = &dims;
        let out = net.split("if", Op::If(Box::new(branches)), &[condition, a, b], f32, &[each; 3]);
        for (number, &out) in out.iter().enumerate() {
            net.result(&format!("out{number}"), out);
        }
        let (graph, shapes) = net.shapes();
        let [mut work, mut expected] = [(); 2].map(|()| Work::new(&graph, &shapes, DYNAMIC));
        let of_if = |&node: &usize| matches!(graph.node(work.nodes[node].source).op, Op::If(_));
        let node = (0..work.nodes.len()).find(of_if).unwrap();
        let read = [2, 1, 2].map(|input| work.nodes[node].input(input).unwrap());
        let patch = unroll(&work, node).unwrap();
        work.apply(patch);
        for (port, edge) in read.into_iter().enumerate() {
            expected.replace(Edge::new(node, port), edge);
            assert_eq!(work.nodes[work.results()[port]].input(0), Some(edge));
        }
        for edge in read {
            assert_eq!(work.users(edge.node()).to_vec(), expected.users(edge.node()).to_vec());
        }
        assert!(!work.is_alive(node) && !expected.is_alive(node));
    }

    #[test]
    fn a_number_is_equal_to_itself() {
        assert_eq!(branched(Binary::Equal), ["Softmax first f32"]);
        assert_eq!(branched(Binary::NotEqual), ["Softmax second f32"]);
        assert_eq!(branched(Binary::Less).len(), 5);
    }
}
