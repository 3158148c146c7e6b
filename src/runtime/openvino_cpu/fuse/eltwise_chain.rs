//! Post-operations of matrix products, and chains of element-wise nodes.
//!
//! * FullyConnected, MatMul, Convolution, Reduce, Interpolate and MVN take their only reader if it is an activation, or arithmetic with a
//!   constant that nothing else reads, one number or one per output.
//! * An element-wise node takes its only reader, element-wise too, and its other inputs; names are appended.
//!
//! Source: `FuseFullyConnectedAndSimpleOperation`, `FuseEltwiseAndSimple`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::types::wanted_type;
use super::work::{Dim, Edge, Node, Patch, Rule, Work};
use crate::DType;
use crate::graph::op::{Binary, Unary};
use crate::graph::{Op, OpKind};
use crate::runtime::openvino_cpu::execution::Kind;

/// Most inputs of the kernel of a chain.
///
/// Source: `Eltwise::canFuse` and `MAX_ELTWISE_INPUTS`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/eltwise.cpp and
/// nodes/kernels/jit_eltwise_common.hpp.
const MOST_INPUTS: usize = 7;

/// Gives matrix products their post-operations.
pub(super) const POST_OPERATIONS: Rule = Rule {
    name: "post-operations",
    source: "FuseFullyConnectedAndSimpleOperation, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: takes_post_operations,
    apply: take_post_operation,
    repeats: true,
};

/// Takes the constants of arithmetic on floats with one number that nothing else reads: they are attributes.
pub(super) const NUMBERS: Rule = Rule {
    name: "embed-numbers",
    source: "FuseEltwiseAndSimple, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| {
        use Binary::{Add, Multiply, Power, Subtract};
        node.kind == Kind::Eltwise && matches!(node.op, Op::Binary(Add | Subtract | Multiply | Power, _))
    },
    apply: embed_number,
    repeats: false,
};

/// Takes a Convert of bytes to f32 into arithmetic with a constant that alone reads it; its name comes last.
pub(super) const CONVERSIONS: Rule = Rule {
    name: "convert-into-arithmetic",
    source: "MergeConvertAndScaleShift, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Convert,
    apply: take_conversion,
    repeats: false,
};

/// Joins chains of element-wise nodes.
pub(super) const JOIN: Rule = Rule {
    name: "join-elementwise",
    source: "FuseEltwiseAndSimple, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Eltwise,
    apply: join,
    repeats: true,
};

/// Takes an activation or arithmetic behind one node.
pub(super) fn take_post_operation(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (reader, _) = work.only_user(node).filter(|&(user, _)| is_post_operation(work, node, user))?;
    let output = work.nodes[reader].outputs[0].clone();
    let mut patch = Patch::new(work);
    patch.absorb(node, reader);
    let has_own_numbers = has_own_numbers(work, reader);
    patch.change(node, move |node| {
        node.outputs[0] = output;
        node.n_fused += 1;
        node.has_own_numbers |= has_own_numbers;
    });
    patch.replace(Edge::of(reader), Edge::of(node));
    Some(patch)
}

/// Whether numbers of an operation that is fused are part of the kernel: those of arithmetic with one number, and of a
/// FakeQuantize with one scale and a zero point, or one that writes floats. Numbers per channel, and a scale alone, are not.
///
/// Source: `DnnlPostOpsComposer::appendScale`, `appendShift` and `appendAttrPostOps`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/dnnl_postops_composer.cpp.
fn has_own_numbers(work: &Work<'_>, reader: usize) -> bool {
    let of = &work.nodes[reader];
    let is_number = |input: usize| {
        let constant = of.input(input).filter(|edge| work.nodes[edge.node()].is_const());
        constant.is_some_and(|edge| work.tensor(edge).elements() == 1)
    };
    match of.op {
        Op::FakeQuantize { .. } => {
            let quantized = work.quantized.get(reader).copied().flatten();
            let is_float = of.outputs.first().is_none_or(|tensor| tensor.dtype.is_float());
            let has_shift = quantized.is_none_or(|quantized| quantized.has_zero_point);
            is_number(4) && (is_float || has_shift)
        }
        Op::Binary(..) => is_number(0) || is_number(1),
        _ => false,
    }
}

fn embed_number(work: &Work<'_>, node: usize) -> Option<Patch> {
    let &[Some(first), Some(second)] = work.nodes[node].inputs() else { return None };
    let is_number = |edge: Edge| {
        work.nodes[edge.node()].is_const()
            && work.tensor(edge).is_number()
            && work.tensor(edge).dtype == DType::F32
            && work.only_user(edge.node()).is_some()
    };
    let data = match (is_number(second), is_number(first)) {
        (true, _) => first,
        (false, true) => second,
        _ => return None,
    };
    let mut patch = Patch::new(work);
    patch.set_inputs(node, [data]);
    Some(patch)
}

fn takes_post_operations(node: &Node) -> bool {
    use Kind::{Convolution, Deconvolution, FullyConnected, Interpolate, MatMul, Mvn, Pooling, Reduce};
    matches!(
        node.kind,
        FullyConnected | MatMul | Convolution | Deconvolution | Reduce | Interpolate | Mvn | Pooling
    ) || is_norm(node)
}

/// Whether a node is an L2 norm.
fn is_norm(node: &Node) -> bool {
    matches!(node.op, Op::NormalizeL2 { .. })
}

fn is_post_operation(work: &Work<'_>, node: usize, reader: usize) -> bool {
    let of = &work.nodes[reader];
    let is_low = work.nodes[node].input(0).is_some_and(|edge| !work.tensor(edge).dtype.is_float());
    if matches!(work.nodes[node].kind, Kind::Deconvolution | Kind::Pooling) && !is_low {
        return false;
    }
    if of.kind == Kind::FakeQuantize {
        return work.producer(reader, 0) == Some(node) && work.nodes[node].op.kind() != OpKind::MaxPool;
    }
    if work.nodes[node].kind == Kind::Pooling {
        return false;
    }
    if of.kind != Kind::Eltwise || of.n_fused > 0 {
        return false;
    }
    // A transposed convolution takes one multiplication or addition, and no activation.
    if work.nodes[node].kind == Kind::Deconvolution
        && (work.nodes[node].n_fused > 0 || matches!(of.op, Op::Unary(_)))
    {
        return false;
    }
    match of.op {
        Op::Unary(unary) => is_activation(unary),
        Op::Binary(Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide, _) | Op::PRelu => {
            let own = |index: usize| work.producer(reader, index) == Some(node);
            let other = if own(0) && !own(1) { 1 } else { 0 };
            let Some(constant) = of.input(other).filter(|edge| work.nodes[edge.node()].is_const()) else {
                return false;
            };
            if other == 0 && matches!(of.op, Op::Binary(Binary::Subtract | Binary::Divide, _)) {
                return false;
            }
            let elements = work.tensor(constant).elements();
            let dims = &work.nodes[node].outputs[0].dims;
            // Of a FullyConnected with more than three dims the plugin takes the second one for the channels, where there are no channels.
            let channel = match work.nodes[node].kind {
                Kind::Convolution | Kind::Deconvolution | Kind::Interpolate | Kind::Mvn | Kind::Reduce => {
                    // Slopes of one dim are along the channels.
                    let is_slopes = matches!(of.op, Op::PRelu) && work.tensor(constant).dims.len() == 1;
                    let is_column = is_slopes || is_column(&work.tensor(constant).dims, dims.len());
                    dims.get(1).filter(|_| dims.len() > 2 && is_column)
                }
                Kind::FullyConnected if dims.len() > 3 => None,
                _ if is_norm(&work.nodes[node]) => {
                    dims.get(1).filter(|_| is_column(&work.tensor(constant).dims, dims.len()))
                }
                _ => dims.last(),
            };
            let fits = elements == 1 || channel.is_some_and(|dim| !dim.is_free() && dim.size() == elements);
            // Products of quantised weights take a number that others read too: seen in one model.
            let is_quantized =
                work.nodes[node].kind == Kind::FullyConnected && work.nodes[node].inputs().len() > 3;
            fits && (work.only_user(constant.node()).is_some() || is_quantized && elements == 1)
                && work.nodes[reader].outputs[0].dims.len() == work.nodes[node].outputs[0].dims.len()
        }
        _ => false,
    }
}

/// Whether all dims but the second one of `rank` are 1.
fn is_column(dims: &[Dim], rank: usize) -> bool {
    let Some(channels) = (dims.len() + 1).checked_sub(rank) else { return dims.len() == 1 && rank < 2 };
    dims.iter().enumerate().all(|(axis, dim)| axis == channels || dim.is(1))
}

fn is_activation(unary: Unary) -> bool {
    use Unary::*;
    matches!(
        unary,
        Abs | Clamp
            | Elu
            | Gelu
            | HSwish
            | LeakyRelu
            | Mish
            | Relu
            | Sigmoid
            | SoftPlus
            | Sqrt
            | Swish
            | Tanh
            | HSigmoid
            | Round
    )
}

fn take_conversion(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let data = of.input(0)?;
    let is_of_bytes = matches!(work.tensor(data).dtype, DType::Boolean | DType::U8 | DType::I8)
        && of.outputs.iter().all(|tensor| tensor.dtype == DType::F32);
    let (user, input) = work.only_user(node).filter(|_| is_of_bytes)?;
    let is_arithmetic = matches!(
        work.nodes[user].op,
        Op::Binary(Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide, _)
    );
    let n_inputs = work.nodes[user].inputs().len();
    let is_alone = (0..n_inputs).all(|other| other == input || work.reads_const(user, other));
    if !is_arithmetic || !is_alone || work.nodes[user].kind != Kind::Eltwise {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.absorb(user, node);
    patch.set_input(user, input, data);
    Some(patch)
}

fn join(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (reader, input) =
        work.only_user(node).filter(|&(reader, input)| may_join(work, node, reader, input))?;
    let of = &work.nodes[reader];
    let others = of.inputs().iter().enumerate().filter(|&(index, _)| index != input);
    // The limits of a FakeQuantize are attributes.
    let n_others = if of.kind == Kind::FakeQuantize { 0 } else { of.inputs().len() };
    let others = others.filter_map(|(_, edge)| *edge).take(n_others);
    let (outputs, n_fused) = (of.outputs.clone(), of.n_fused);
    let mut patch = Patch::new(work);
    patch.set_inputs(node, work.nodes[node].inputs().iter().flatten().copied().chain(others));
    patch.absorb(node, reader);
    patch.change(node, move |node| {
        node.outputs = outputs;
        node.n_fused += 1 + n_fused;
    });
    patch.replace(Edge::of(reader), Edge::of(node));
    Some(patch)
}

fn may_join(work: &Work<'_>, node: usize, reader: usize, input: usize) -> bool {
    let (parent, child) = (&work.nodes[node], &work.nodes[reader]);
    if child.kind == Kind::FakeQuantize {
        return input == 0;
    }
    let inputs = parent.inputs().len() + child.inputs().len().saturating_sub(1);
    if child.kind != Kind::Eltwise || child.n_fused > 0 || inputs > MOST_INPUTS {
        return false;
    }
    let producers = || child.inputs().iter().flatten().map(|edge| edge.node());
    if producers().any(|producer| work.nodes[producer].kind == Kind::Split) {
        return false;
    }
    let shares = |producer: usize| parent.inputs().iter().flatten().any(|edge| edge.node() == producer);
    if producers().any(|producer| producer != node && shares(producer)) {
        return false;
    }
    let is_integer_arithmetic = |node: usize| {
        let of = &work.nodes[node];
        let is_index = |edge: &Edge| matches!(work.tensor(*edge).dtype, DType::I32 | DType::I64);
        computes_integers(&of.op) && of.inputs().iter().flatten().all(is_index)
    };
    if is_reference(work, node) || is_reference(work, reader) {
        return false;
    }
    if is_integer_arithmetic(node) != is_integer_arithmetic(reader) {
        return false;
    }
    let is_dynamic = |node: usize| work.nodes[node].outputs.iter().any(|tensor| tensor.is_free());
    if is_dynamic(node) != is_dynamic(reader) {
        return false;
    }
    if input == 0 {
        return true;
    }
    let read = |(index, edge): (usize, &Option<Edge>)| {
        let edge = (*edge)?;
        Some(class(wanted_type(work, node, index, edge, work.options.precision)))
    };
    let mut types = parent.inputs().iter().enumerate().filter_map(read);
    let first = types.next();
    !needs_first(&child.op) && types.all(|dtype| Some(dtype) == first)
}

/// What takes a fused input as its first alone.
///
/// Source: `Eltwise::canFuse`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/eltwise.cpp.
fn needs_first(op: &Op) -> bool {
    use Binary::{
        Divide, FloorMod, Greater, GreaterEqual, Less, LessEqual, Mod, Power, Subtract, TruncatedDivide,
    };
    matches!(
        op,
        Op::Select(_)
            | Op::Unary(Unary::Clamp)
            | Op::Binary(
                Subtract
                    | Divide
                    | TruncatedDivide
                    | FloorMod
                    | Mod
                    | Power
                    | Greater
                    | GreaterEqual
                    | Less
                    | LessEqual,
                _
            )
    )
}

/// What is computed in integers where all inputs are; it joins its like alone.
///
/// Source: `isIntegerComputeSupported` of `Eltwise::canFuse`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/nodes/eltwise.cpp; Abs and Clamp as measured (2026.4.1).
fn computes_integers(op: &Op) -> bool {
    use Binary::{Add, Divide, Multiply, SquaredDifference, Subtract};
    matches!(
        op,
        Op::Binary(Add | Subtract | Multiply | Divide | SquaredDifference, _)
            | Op::Unary(Unary::Abs | Unary::Clamp)
    )
}

/// What has no compiled kernel: logarithms, and bits of integers.
///
/// Source: `EltwiseJitExecutor::supports` and `Eltwise::canFuse`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes.
pub(super) fn is_reference(work: &Work<'_>, node: usize) -> bool {
    use Binary::{BitwiseAnd, BitwiseLeftShift, BitwiseOr, BitwiseRightShift, BitwiseXor};
    let is_mask = |edge: &Edge| matches!(work.tensor(*edge).dtype, DType::Boolean | DType::U8);
    match work.nodes[node].op {
        Op::Unary(Unary::Log) => true,
        Op::Unary(Unary::BitwiseNot)
        | Op::Binary(BitwiseAnd | BitwiseOr | BitwiseXor | BitwiseLeftShift | BitwiseRightShift, _) => {
            !work.nodes[node].inputs().iter().flatten().all(is_mask)
        }
        _ => false,
    }
}

/// Types that the plugin has in common.
fn class(dtype: DType) -> DType {
    match dtype {
        DType::I64 => DType::I32,
        DType::Boolean => DType::U8,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::Broadcast;

    fn chain(dtype: DType, second: Binary, swap: bool) -> Vec<String> {
        let (mut net, dims) = (Net::new(), [FREE, 8]);
        let [a, b, c] = ["a", "b", "c"].map(|name| net.input(name, dtype, &dims));
        let first = net.op("first", Op::Binary(Binary::Multiply, Broadcast::Numpy), &[a, b], dtype, &dims);
        let inputs = if swap { [c, first] } else { [first, c] };
        let second = net.op("second", Op::Binary(second, Broadcast::Numpy), &inputs, dtype, &dims);
        net.result("out", second);
        net.lines(DYNAMIC)
    }

    #[test]
    fn a_chain_is_one_node_with_the_first_name() {
        assert_eq!(chain(DType::F32, Binary::Add, false), ["Eltwise first,second f32"]);
        assert_eq!(chain(DType::F32, Binary::Add, true), ["Eltwise first,second f32"]);
    }

    #[test]
    fn a_chain_has_at_most_seven_inputs() {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        let sum = |count: usize| {
            let mut net = Net::new();
            let inputs: Vec<_> =
                names[..count].iter().map(|name| net.input(name, DType::F32, &[FREE, 8])).collect();
            let add = |net: &mut Net, name: &str, a, b| {
                net.op(name, Op::Binary(Binary::Add, Broadcast::Numpy), &[a, b], DType::F32, &[FREE, 8])
            };
            let last = (1..count).fold(inputs[0], |sum, next| add(&mut net, names[next], sum, inputs[next]));
            net.result("out", last);
            net.lines(DYNAMIC).iter().filter(|line| line.starts_with("Eltwise")).count()
        };
        assert_eq!([sum(7), sum(8)], [1, 2]);
    }

    #[test]
    fn a_remainder_takes_its_first_input_alone() {
        assert_eq!(chain(DType::F32, Binary::Mod, false).len(), 1);
        assert_eq!(chain(DType::F32, Binary::Mod, true).len(), 2);
    }

    #[test]
    fn a_conversion_of_bytes_is_part_of_a_product() {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [FREE, 8]);
        let [a, b] = ["a", "b"].map(|name| net.input(name, f32, &dims));
        let mask =
            net.op("gt", Op::Binary(Binary::Greater, Broadcast::Numpy), &[a, b], DType::Boolean, &dims);
        let mask = net.op("convert", Op::Convert { to: f32 }, &[mask], f32, &dims);
        let number = net.number("number", 2.0);
        let product = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let out = net.op("product", product, &[number, mask], f32, &dims);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Eltwise gt,product,convert f32"]);
    }

    #[test]
    fn integer_arithmetic_joins_its_like() {
        assert_eq!(chain(DType::I32, Binary::Add, false).len(), 1);
        assert_eq!(chain(DType::I32, Binary::Maximum, false).len(), 2);
    }
}
