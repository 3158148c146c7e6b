//! Sums and products of two activations, of which one may stay bytes.
//!
//! * Sum: one side is read as bytes, the other is scaled to it; a Multiply follows. Which side: the one that is quantized
//!   where the other is not; the one that no FakeQuantize writes directly; the one whose FakeQuantize has several
//!   readers; at last, the second.
//! * Sum with a constant, not a bias: the Multiply moves behind it.
//! * Product: one side is read as bytes if it has no zero point, the other takes both scales.
//!
//! Source: `AddTransformation`, `MultiplyTransformation` and `EltwiseBaseTransformation::getNotEmpty`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src.

use super::super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use super::dequantization::{Dequantization, add, constant, copy, number};
use super::quantize::is_bias;
use crate::DType;
use crate::graph::op::Binary;
use crate::graph::{Op, Value};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;

/// Sums.
pub(super) const SUM: Rule = Rule {
    name: "quantized-sum",
    source: "AddTransformation, src/common/low_precision_transformations/src/add.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Add, _)),
    apply: sum,
    repeats: false,
};

/// Products.
pub(super) const PRODUCT: Rule = Rule {
    name: "quantized-factors",
    source: "MultiplyTransformation, src/common/low_precision_transformations/src/multiply.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
    apply: product,
    repeats: false,
};

/// Makes products of divisions by constants, and sums of differences from activations.
pub(super) const INVERSE: Rule = Rule {
    name: "inverse-of-constant",
    source: "ConvertDivideWithConstant, ConvertSubtractWithConstant, src/common/transformations/src/transformations/op_conversions",
    on: |node| matches!(node.op, Op::Binary(Binary::Divide | Binary::Subtract, _)),
    apply: invert,
    repeats: false,
};

type Sides = [Option<Dequantization>; 2];

fn sides(work: &Work<'_>, node: usize) -> Option<([Edge; 2], Sides)> {
    let edges = [work.nodes[node].input(0)?, work.nodes[node].input(1)?];
    Some((edges, edges.map(|edge| Dequantization::above(work, edge))))
}

fn sum(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (edges, sides) = sides(work, node)?;
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    if is_const(edges[0]) || is_const(edges[1]) {
        let data = usize::from(is_const(edges[0]));
        return shift(work, node, data, edges, sides[data]?);
    }
    if sides[0].is_some_and(|side| !side.is_per_channel(work))
        || !sides.iter().flatten().any(|side| side.is_per_channel(work))
    {
        return None;
    }
    let full = full_path(work, edges, sides);
    let bytes = sides[1 - full];
    if bytes.is_some_and(|bytes| !bytes.is_low(work)) {
        return None;
    }
    let of = &work.nodes[node];
    let tensor = of.outputs.first()?;
    let mut patch = Patch::new(work);
    let dims = |side: Option<Dequantization>| -> SmallVec<[u64; 4]> {
        let dims = side.map(|side| &work.tensor(side.multiply.constant).dims);
        dims.into_iter().flatten().map(|dim| dim.size()).collect()
    };
    // The other side is scaled, and shifted by both zero points.
    let other = sides[full];
    let from = other.map_or(edges[full], |other| other.data);
    let has_zero_point = [bytes, other].into_iter().flatten().any(|side| side.subtract.is_some());
    let subtract = has_zero_point
        .then(|| (patch.fresh_name("Subtract"), constant(&mut patch, &dims(bytes.or(other)), of.source)));
    let scale = (patch.fresh_name("Multiply"), constant(&mut patch, &dims(other.or(bytes)), of.source));
    let scaled = add(&mut patch, work, from, work.tensor(from), subtract, scale);
    let scale = match bytes {
        Some(bytes) => copy(work, &mut patch, bytes.multiply.constant),
        None => constant(&mut patch, &[], of.source),
    };
    let multiply = (patch.fresh_name("Multiply"), scale);
    let below = add(&mut patch, work, Edge::of(node), tensor, None, multiply);
    patch.set_input(node, 1 - full, bytes.map_or(edges[1 - full], |bytes| bytes.data));
    patch.set_input(node, full, scaled.last);
    patch.replace_except(Edge::of(node), below.last, &[below.first]);
    Some(patch)
}

/// A sum with a constant: the Multiply behind it.
fn shift(work: &Work<'_>, node: usize, data: usize, edges: [Edge; 2], side: Dequantization) -> Option<Patch> {
    if is_bias(work, edges[data]) || !side.is_per_channel(work) {
        return None;
    }
    let of = &work.nodes[node];
    let tensor = of.outputs.first()?;
    let mut patch = Patch::new(work);
    // A zero point and the constant are one.
    if side.subtract.is_some() {
        let own = constant(&mut patch, &dims_of(work, edges[1 - data]), of.source);
        patch.set_input(node, 1 - data, own);
    }
    let multiply = (patch.fresh_name("Multiply"), copy(work, &mut patch, side.multiply.constant));
    let below = add(&mut patch, work, Edge::of(node), tensor, None, multiply);
    patch.set_input(node, data, side.data);
    patch.replace_except(Edge::of(node), below.last, &[below.first]);
    Some(patch)
}

fn product(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (edges, sides) = sides(work, node)?;
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    if is_const(edges[0]) || is_const(edges[1]) {
        let data = usize::from(is_const(edges[0]));
        return scale(work, node, edges[1 - data], sides[data]?);
    }
    let [Some(first), Some(second)] = sides else { return None };
    let full = full_path(work, edges, sides);
    let (bytes, other) = if full == 0 { (second, first) } else { (first, second) };
    if !bytes.is_low(work) || bytes.subtract.is_some() {
        return None;
    }
    let mut patch = Patch::new(work);
    let above = other.subtract.map_or(other.data, |subtract| Edge::of(subtract.node));
    let scale = (patch.fresh_name("Multiply"), copy(work, &mut patch, other.multiply.constant));
    let scaled = add(&mut patch, work, above, work.tensor(above), None, scale);
    patch.set_input(node, 1 - full, bytes.data);
    patch.set_input(node, full, scaled.last);
    Some(patch)
}

/// A product with a constant: one scale for both.
fn scale(work: &Work<'_>, node: usize, constant: Edge, side: Dequantization) -> Option<Patch> {
    let own = side.multiply.constant;
    let tensor = if work.tensor(constant).is_number() { work.tensor(own) } else { work.tensor(constant) };
    let output = work.nodes[node].outputs.first()?;
    let is_column = tensor.is_number() || tensor.dims.len() == output.dims.len();
    if !work.tensor(constant).dtype.is_float() || !is_column {
        return None;
    }
    let value =
        number(work, own).zip(number(work, constant)).map(|(own, other)| Value::floats([own * other]));
    let value = value.filter(|_| tensor.is_number());
    let mut patch = Patch::new(work);
    let tensor = Tensor { dtype: DType::F32, ..tensor.clone() };
    let scale = patch.add_constant(tensor, value, work.nodes[own.node()].source);
    patch.set_inputs(node, [side.subtract.map_or(side.data, |subtract| Edge::of(subtract.node)), scale]);
    Some(patch)
}

fn invert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Binary(kind, broadcast) = of.op else { return None };
    let data = of.input(0)?;
    let constant = of.input(1).filter(|edge| work.nodes[edge.node()].is_const())?;
    // The zero point of bytes stays.
    let is_of_bytes = matches!(work.nodes[data.node()].op, Op::Convert { .. });
    if !work.tensor(constant).dtype.is_float() || is_of_bytes {
        return None;
    }
    let divides = kind == Binary::Divide;
    let inverse = |number: &f64| if divides { 1.0 / number } else { -number };
    let value = work.nodes[constant.node()].value.as_ref();
    let value = value.map(|value| Value::floats(value.to_floats().iter().map(inverse)));
    let mut patch = Patch::new(work);
    let own = patch.add_constant(work.tensor(constant).clone(), value, of.source);
    patch.set_input(node, 1, own);
    let kind = if divides { Binary::Multiply } else { Binary::Add };
    patch.change(node, move |node| node.op = Op::Binary(kind, broadcast));
    Some(patch)
}

fn dims_of(work: &Work<'_>, edge: Edge) -> SmallVec<[u64; 4]> {
    work.tensor(edge).dims.iter().map(|dim| dim.size()).collect()
}

/// Which input becomes floats.
fn full_path(work: &Work<'_>, edges: [Edge; 2], sides: Sides) -> usize {
    let is_low = sides.map(|side| side.is_some_and(|side| side.is_low(work)));
    match is_low {
        [true, false] => return 1,
        [false, true] => return 0,
        _ => {}
    }
    let data = [0, 1].map(|side| sides[side].map_or(edges[side], |found| found.data));
    let is_quantize = data.map(|edge| work.nodes[edge.node()].kind == Kind::FakeQuantize);
    match is_quantize {
        [true, false] => return 0,
        [false, true] => return 1,
        _ => {}
    }
    // What others read of the values, too, has its own dequantization of the bytes.
    let n_readers = [0, 1].map(|side| {
        let is_shared = sides[side].is_some_and(|found| work.users(found.multiply.node).len() > 1);
        work.users(data[side].node()).len() + usize::from(is_shared)
    });
    if is_quantize[0] {
        match n_readers {
            [1, second] if second > 1 => return 0,
            [first, 1] if first > 1 => return 1,
            _ => {}
        }
    }
    let parents = data.map(|edge| behind_bias(work, edge));
    let is_target = parents.map(|node| matches!(work.nodes[node].kind, Kind::Convolution | Kind::MatMul));
    let is_same = is_target[0] == is_target[1];
    if is_same && let Some(side) = [0, 1].into_iter().find(|&side| is_broadcast(work, parents[side])) {
        return side;
    }
    let is_shared = [0, 1].map(|side| is_read_twice(work, data[side].node(), parents[side]));
    match is_shared {
        [true, false] => return 1,
        [false, true] => return 0,
        _ => {}
    }
    if !is_same && is_target[1] { 1 } else { 0 }
}

/// The maximum number of FakeQuantizes in a row that are looked through.
///
/// Models have two at most: that of the writer and that of a reader. Without a bound, sums that read the end
/// of one long row would take quadratic time.
const MOST_QUANTIZES: usize = 8;

/// The node above FakeQuantizes, and above the bias of a product the product.
fn behind_bias(work: &Work<'_>, edge: Edge) -> usize {
    let mut node = edge.node();
    for _ in 0..MOST_QUANTIZES {
        let is_quantize = work.nodes[node].kind == Kind::FakeQuantize;
        let Some(above) = work.producer(node, 0).filter(|_| is_quantize) else { break };
        node = above;
    }
    if matches!(work.nodes[node].op, Op::Binary(Binary::Add, _)) && work.reads_const(node, 1) {
        let mut above = work.producer(node, 0);
        for _ in 0..3 {
            match above {
                Some(found) if matches!(work.nodes[found].kind, Kind::Convolution | Kind::MatMul) => {
                    return found;
                }
                Some(found) if work.reads_const(found, 1) => above = work.producer(found, 0),
                _ => break,
            }
        }
    }
    node
}

/// Whether a tensor has one element per channel.
fn is_broadcast(work: &Work<'_>, node: usize) -> bool {
    let Some(tensor) = work.nodes[node].outputs.first() else { return false };
    let from = match tensor.dims.len() {
        rank @ 0..=2 => rank.saturating_sub(1),
        _ => 2,
    };
    tensor.dims.iter().skip(from).all(|dim| dim.known() == Some(1))
}

/// Whether a node has several readers, or one above it up to `until`, which [`behind_bias`] found.
fn is_read_twice(work: &Work<'_>, mut node: usize, until: usize) -> bool {
    loop {
        if work.users(node).len() != 1 {
            return true;
        }
        if node == until {
            return false;
        }
        match work.producer(node, 0) {
            Some(above) => node = above,
            None => return false,
        }
    }
}
