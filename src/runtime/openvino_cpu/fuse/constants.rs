//! What is known before the model runs becomes a constant.
//!
//! * A node that reads constants alone. Not folded: a widening Convert of quantised weights, and one of f16 that feeds
//!   a MatMul or a Gather's table; both are taken in with the weight later, and a MatMul of such a weight runs.
//! * ShapeOf of known dims, and a Gather of [`known_elements`] where inference asks for them; of a Split, the outputs that are
//!   known.
//!
//! Source: `ConstantFolding` and `keep_const_precision`, OpenVINO 2026.4, src/core/src/pass/constant_folding.cpp.

use super::known_elements;
use super::work::{Build, Dim, Edge, Node, Patch, Rule, Work};
use crate::DType;
use crate::graph::op::Constant;
use crate::graph::{Op, Value};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Folds constants, inputs before users.
pub(super) const RULE: Rule = Rule {
    name: "constants",
    source: "ConstantFolding, src/core/src/pass/constant_folding.cpp; keep_const_precision",
    on: |node| !node.is_const(),
    apply: fold,
    repeats: false,
};

fn fold(work: &Work<'_>, node: usize) -> Option<Patch> {
    if let Some(patch) = split_list(work, node) {
        return Some(patch);
    }
    let value = match known(work, node) {
        Some(value) => Some(value),
        None if is_foldable(work, node) => {
            let tensor = work.graph.output(work.nodes[node].source, 0);
            tensor.and_then(|tensor| work.shapes.tensor(tensor).value.clone())
        }
        None => return None,
    };
    let ports = 0..work.nodes[node].outputs.len();
    Some(folded(work, node, ports.map(|port| (port, value.clone()))))
}

/// Puts constants in the place of some outputs.
fn folded(work: &Work<'_>, node: usize, values: impl Iterator<Item = (usize, Option<Value>)>) -> Patch {
    let mut patch = Patch::new(work);
    let readers = work.uses_by_port(node, work.nodes[node].outputs.len(), Edge::port);
    let (mut made, mut own) = (Vec::new(), Vec::new());
    for (port, value) in values {
        let constant = make(work, node, port, value, &readers[port], &mut own, &mut patch);
        made.push((Edge::new(node, port), constant));
    }
    patch.replace_outputs(made, Edge::port);
    for (user, input, constant) in own {
        patch.set_input(user, input, constant);
    }
    patch
}

/// Adds the constant that takes the place of an output, under the node's name.
///
/// Each element-wise reader of a number but the first gets one of its own, since it has the rank of what it
/// meets there: `own` lists the reader, its input, and what it reads then.
///
/// Source: `AlignEltwiseInputRanks`, OpenVINO 2026.4, src/common/transformations/src/transformations/common_optimizations.
fn make(
    work: &Work<'_>,
    node: usize,
    port: usize,
    value: Option<Value>,
    readers: &[(usize, usize)],
    own: &mut Vec<(usize, usize, Edge)>,
    patch: &mut Patch,
) -> Edge {
    let old = &work.nodes[node];
    let name = match old.outputs.len() {
        1 => old.name.clone(),
        _ => format!("{}.{port}", old.name).into(),
    };
    let mut tensor = old.outputs[port].clone();
    tensor.dims.iter_mut().for_each(|dim| *dim = Dim::fixed(dim.size()));
    let (rank, is_number) = (tensor.dims.len(), tensor.is_number());
    let constant =
        Node::named(name, Op::Constant(Constant { range: None, value: None }), Kind::Const, old.source);
    let constant = Node { value: value.map(Box::new), ..constant.writing(tensor) };
    let is_raised = |user: usize| {
        let reader = &work.nodes[user];
        let rises = reader.outputs.first().is_some_and(|output| output.dims.len() > rank);
        matches!(reader.op, Op::Binary(..)) && rises
    };
    let raised = readers.iter().skip(1).filter(|&&(user, _)| is_number && is_raised(user));
    let copies: SmallVec<[(usize, usize, Node); 2]> =
        raised.map(|&(user, input)| (user, input, constant.clone())).collect();
    let constant = patch.add(constant, []);
    for (user, input, node) in copies {
        own.push((user, input, Edge::of(patch.add(node, []))));
    }
    Edge::of(constant)
}

/// Folds those outputs of a Split whose elements are known when the model is compiled.
fn split_list(work: &Work<'_>, node: usize) -> Option<Patch> {
    if !matches!(work.nodes[node].op, Op::Split { .. }) || !work.is_asked(node) {
        return None;
    }
    let ports = 0..work.nodes[node].outputs.len();
    let known = ports.filter_map(|port| Some((port, known_output(work, Edge::new(node, port))?)));
    let known: SmallVec<[(usize, Value); 4]> = known.collect();
    if known.is_empty() {
        return None;
    }
    Some(folded(work, node, known.into_iter().map(|(port, value)| (port, Some(value)))))
}

fn is_foldable(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    match &of.op {
        Op::Parameter | Op::Result | Op::ReadValue(_) | Op::Assign(_) => return false,
        // Weights stay quantized until a product takes them.
        Op::Multinomial { .. } | Op::FakeQuantize { .. } => return false,
        Op::FromShape { fill, .. } if fill.value().is_none() => return false,
        op if op.is_opaque() => return false,
        Op::MatMul { .. } if !of.inputs().iter().flatten().all(|edge| work.nodes[edge.node()].is_const()) => {
            return false;
        }
        _ => {}
    }
    let inputs = of.inputs().iter().flatten();
    !of.inputs().is_empty()
        && inputs.into_iter().all(|edge| is_known(work, edge.node()))
        && !is_weight_conversion(work, node)
}

/// A constant, or one of f16 that is about to be widened.
fn is_known(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let widens = |edge: Edge| {
        work.nodes[edge.node()].is_const() && matches!(work.tensor(edge).dtype, DType::F16 | DType::BF16)
    };
    of.is_const() || of.kind == Kind::Convert && of.input(0).is_some_and(widens)
}

/// A Convert that a weight keeps until the matrix product or the Gather takes it in.
fn is_weight_conversion(work: &Work<'_>, node: usize) -> bool {
    if work.nodes[node].kind != Kind::Convert {
        return false;
    }
    let Some(from) = work.nodes[node].input(0).map(|edge| work.tensor(edge).dtype) else { return false };
    match from {
        DType::U8 | DType::I8 | DType::U4 | DType::I4 | DType::NF4 | DType::U2 => {
            work.nodes[node].outputs.iter().any(|tensor| tensor.dtype.is_float())
                && (work.is_quantized || !reaches_convolution(work, node))
        }
        DType::F16 | DType::BF16 => work.users(node).iter().any(|&(user, input)| {
            let user = &work.nodes[user];
            matches!(user.op, Op::MatMul { .. })
                || matches!(user.op, Op::Gather { .. }) && input == 0
                || matches!(user.op, Op::Convolution(_)) && input == 1
        }),
        _ => false,
    }
}

/// Whether a chain of one reader each ends in a convolution: quantised filters are widened when the model is compiled.
fn reaches_convolution(work: &Work<'_>, mut node: usize) -> bool {
    for _ in 0..8 {
        match work.only_user(node) {
            Some((user, _)) if work.nodes[user].kind == Kind::Convolution => return true,
            Some((user, _)) => node = user,
            None => return false,
        }
    }
    false
}

/// The value of an output whose elements are all known: of a ShapeOf, or of a Gather where inference asks for it.
fn known(work: &Work<'_>, node: usize) -> Option<Value> {
    let is_followed = match work.nodes[node].op {
        Op::ShapeOf { .. } => true,
        Op::Gather { batch_dims: 0 } => work.is_asked(node),
        _ => false,
    };
    if is_followed { known_output(work, Edge::of(node)) } else { None }
}

fn known_output(work: &Work<'_>, edge: Edge) -> Option<Value> {
    let elements: Option<Vec<i64>> = known_elements::of(work, edge)?.into_iter().collect();
    Some(Value::ints(elements?))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{Binary, Broadcast, ReshapeZero};

    #[test]
    fn known_dims_of_a_free_shape_are_constants() {
        let (mut net, f32, i64) = (Net::new(), DType::F32, DType::I64);
        let x = net.input("x", f32, &[FREE, 8]);
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[2]);
        let (index, axis) = (net.ints("index", &[1]), net.int("axis", 0));
        let width = net.op("width", Op::Gather { batch_dims: 0 }, &[shape, index, axis], i64, &[1]);
        let rest = net.ints("rest", &[-1]);
        let one = net.ints("one", &[1]);
        let pattern = net.op("pattern", Op::Concat { axis: 0 }, &[rest, one, width], i64, &[3]);
        let out = net.op("reshape", Op::Reshape(ReshapeZero::IsZero), &[x, pattern], f32, &[FREE, 1, 8]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Reshape reshape f32"]);
    }

    #[test]
    fn known_parts_of_a_shape_are_constants() {
        let (mut net, f32, i64) = (Net::new(), DType::F32, DType::I64);
        let x = net.input("x", f32, &[FREE, 2, 4]);
        let shape = net.op("shape", Op::ShapeOf { to: i64, start: 0, end: None }, &[x], i64, &[3]);
        let axis = net.int("axis", 0);
        let parts = net.split(
            "split",
            Op::Split { parts: 3, allow_uneven: false },
            &[shape, axis],
            i64,
            &[&[1], &[1], &[1]],
        );
        let pattern = net.op("pattern", Op::Concat { axis: 0 }, &[parts[2], parts[1]], i64, &[2]);
        let rest = net.ints("rest", &[-1]);
        let pattern = net.op("whole", Op::Concat { axis: 0 }, &[rest, pattern], i64, &[3]);
        let out = net.op("reshape", Op::Reshape(ReshapeZero::IsZero), &[x, pattern], f32, &[FREE, 4, 2]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Reshape reshape f32"]);
    }

    #[test]
    fn arithmetic_on_constants_is_folded_under_its_name() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let [a, b] = ["a", "b"].map(|name| net.weight(name, f32, &[1, 8]));
        let sum = net.op("folded", Op::Binary(Binary::Add, Broadcast::Numpy), &[a, b], f32, &[1, 8]);
        let out = net.op("out", Op::Binary(Binary::Multiply, Broadcast::Numpy), &[x, sum], f32, &[FREE, 8]);
        net.result("result", out);
        let graph = net.execute(DYNAMIC);
        let constants = graph.nodes.iter().filter(|node| node.kind == Kind::Const);
        assert_eq!(constants.map(|node| &*node.name).collect::<Vec<_>>(), ["folded"]);
    }
}
