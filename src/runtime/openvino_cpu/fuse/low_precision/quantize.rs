//! FakeQuantize of activations.
//!
//! * A Relu that alone is read by a FakeQuantize whose input limits are not negative is gone.
//! * Arithmetic with a constant in front of a FakeQuantize, one number or one per channel, is part of its input limits:
//!   a Multiply with positive numbers, a Subtract, an Add that is not a bias.
//! * It writes the type that was chosen for it, and its dequantization follows.
//!
//! Source: `ReluFakeQuantizeFusion`, src/common/transformations/src/transformations/common_optimizations;
//! `FakeQuantizeTransformation` and `FakeQuantizeDecompositionTransformation`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src.

use super::super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use super::dequantization::{add, number};
use crate::DType;
use crate::graph::op::{Binary, Unary};
use crate::graph::{Op, Value};

/// Drops a Relu whose limits a FakeQuantize repeats.
pub(super) const RELU: Rule = Rule {
    name: "relu-and-quantize",
    source: "ReluFakeQuantizeFusion, src/common/transformations/src/transformations/common_optimizations",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply: relu,
    repeats: false,
};

/// Quantizes.
pub(super) const RULE: Rule = Rule {
    name: "fake-quantize",
    source: "FakeQuantizeTransformation, FakeQuantizeDecompositionTransformation",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply: quantize,
    repeats: false,
};

/// Takes arithmetic into limits before FakeQuantizes move, where dims are known.
pub(super) const ARITHMETIC: Rule = Rule {
    name: "arithmetic-and-quantize",
    source: "AddFakeQuantizeFusion, MulFakeQuantizeFusion, src/common/transformations/src/transformations/common_optimizations",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply: take_arithmetic,
    repeats: true,
};

fn take_arithmetic(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let data = of.input(0)?;
    if of.outputs.first()?.is_free() || work.only_user(data.node()).is_none() {
        return None;
    }
    let (above, kind, constant) = through_arithmetic(work, data)?;
    let beside = work.nodes[data.node()].inputs().iter().flatten().copied().find(|&edge| edge != above)?;
    let mut patch = Patch::new(work);
    for input in [1, 2] {
        let limit = of.input(input)?;
        let value = number(work, limit).zip(constant).and_then(|(limit, own)| before(limit, kind, own));
        let wider = if work.tensor(beside).elements() > 1 { beside } else { limit };
        let tensor = Tensor { dtype: DType::F32, ..work.tensor(wider).clone() };
        let limit = patch.add_constant(tensor, value.map(|limit| Value::floats([limit])), of.source);
        patch.set_input(node, input, limit);
    }
    patch.set_input(node, 0, above);
    Some(patch)
}

fn relu(work: &Work<'_>, node: usize) -> Option<Patch> {
    let above = work.nodes[node].input(0)?;
    let is_relu = matches!(work.nodes[above.node()].op, Op::Unary(Unary::Relu));
    let lowest = work.producer(node, 1).and_then(|low| work.nodes[low].value.as_ref())?;
    if !is_relu || work.only_user(above.node()).is_none() || lowest.to_floats().iter().any(|&low| low < 0.0) {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_input(node, 0, work.nodes[above.node()].input(0)?);
    Some(patch)
}

/// The maximum number of steps of arithmetic that become limits, from the first with other readers on.
///
/// Steps below it are not counted: they are gone with the FakeQuantize that takes them. Models have one or
/// two steps. Without a bound, FakeQuantizes along one long chain would take quadratic time.
const MOST_SHARED: usize = 64;

fn quantize(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let mut data = of.input(0)?;
    let mut limits = [1, 2].map(|input| of.input(input).and_then(|edge| number(work, edge)));
    let mut n_shared = 0;
    while n_shared < MOST_SHARED
        && let Some((above, kind, constant)) = through_arithmetic(work, data)
    {
        if n_shared > 0 || work.only_user(data.node()).is_none() {
            n_shared += 1;
        }
        data = above;
        limits = limits.map(|limit| before(limit?, kind, constant?));
    }
    let quantized = work.quantized.get(node).copied().flatten();
    if quantized.is_none() && of.input(0) == Some(data) {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_input(node, 0, data);
    if let Some(quantized) = quantized {
        let tensor = of.outputs.first()?;
        let dims = work.tensor(of.input(4)?).dims.iter().map(|dim| dim.size());
        let dims: Vec<u64> = if quantized.shared.is_some() { Vec::new() } else { dims.collect() };
        let name = |word: &str| match quantized.shared {
            Some(_) => of.name.clone(),
            None => format!("{}/{word}", of.name).into(),
        };
        let range = range(&of.op, quantized.dtype);
        let numbers = scale_and_zero(work, node, quantized.shared, range);
        let mut own = |number: Option<f64>| {
            let value = number.map(|number| Value::floats([number]));
            patch.add_constant(Tensor::fixed(DType::F32, &dims), value, of.source)
        };
        let zero = numbers.map(|(_, zero)| zero).or_else(|| common_zero(work, node, range));
        let (zero, scale) = (own(zero), own(numbers.map(|(scale, _)| scale)));
        let subtract = quantized.has_zero_point.then(|| (name("DequantizationSubtract"), zero));
        // What quantizes bytes to themselves is gone.
        let is_same = work.tensor(data).dtype == quantized.dtype && is_near(limits, range);
        let written = if is_same { data } else { Edge::of(node) };
        let below = add(&mut patch, work, written, tensor, subtract, (name("DequantizationMultiply"), scale));
        patch.change(node, move |node| node.outputs[0].dtype = quantized.dtype);
        below.replace(work, &mut patch, Edge::of(node));
    }
    Some(patch)
}

/// The least and the largest number that is written.
fn range(op: &Op, dtype: DType) -> (f64, f64) {
    let steps = if matches!(op, Op::FakeQuantize { levels: 255, .. }) { 254.0 } else { 255.0 };
    match dtype {
        DType::I8 => (127.0 - steps, 127.0),
        _ => (0.0, steps),
    }
}

/// Scale and zero point, where they are one number.
///
/// Source: `NetworkHelper::decomposeFakeQuantize`.
fn scale_and_zero(
    work: &Work<'_>,
    node: usize,
    shared: Option<[f64; 2]>,
    (least, most): (f64, f64),
) -> Option<(f64, f64)> {
    let own = || {
        let [low, high] = [3, 4].map(|input| number(work, work.nodes[node].input(input)?));
        Some([low?, high?])
    };
    let [low, high] = shared.or_else(own)?;
    if shared.is_some() {
        let scale = (high - low) / 255.0;
        return Some((scale, (least - low / scale).round()));
    }
    (low != high).then(|| ((high - low) / (most - least), (least * high - most * low) / (high - low)))
}

/// The zero point that all channels have.
fn common_zero(work: &Work<'_>, node: usize, (least, most): (f64, f64)) -> Option<f64> {
    let values = |input: usize| Some(work.nodes[work.producer(node, input)?].value.as_ref()?.to_floats());
    let (lows, highs) = (values(3)?, values(4)?);
    let all = lows.len().max(highs.len());
    let of = |at: usize| {
        let (low, high) = (lows.get(at % lows.len().max(1))?, highs.get(at % highs.len().max(1))?);
        Some(((least * high - most * low) / (high - low)).round())
    };
    let first = of(0)?;
    (0..all).all(|at| of(at) == Some(first)).then_some(first)
}

/// Whether limits of data in bytes are those of their type, up to what rounding hides.
///
/// Source: `EliminateFakeQuantizeTransformation`, src/common/low_precision_transformations/src/eliminate_fake_quantize.cpp.
fn is_near(limits: [Option<f64>; 2], (least, most): (f64, f64)) -> bool {
    let near = |limit: Option<f64>, bound: f64| limit.is_some_and(|limit| (limit - bound).abs() < 0.5);
    near(limits[0], least) && near(limits[1], most)
}

/// A limit of what arithmetic writes, as a limit of what it reads.
fn before(limit: f64, kind: Binary, constant: f64) -> Option<f64> {
    match kind {
        Binary::Multiply => Some(limit / constant).filter(|limit| limit.is_finite()),
        Binary::Subtract => Some(limit + constant),
        Binary::Add => Some(limit - constant),
        _ => None,
    }
}

/// What arithmetic reads that is part of a FakeQuantize's input limits, what it computes, and with which number.
///
/// Source: `FakeQuantizeTransformation::fuseElementwise` and `checkElementwise`.
fn through_arithmetic(work: &Work<'_>, edge: Edge) -> Option<(Edge, Binary, Option<f64>)> {
    let node = &work.nodes[edge.node()];
    let Op::Binary(kind @ (Binary::Multiply | Binary::Subtract | Binary::Add), _) = node.op else {
        return None;
    };
    let (first, second) = (node.input(0)?, node.input(1)?);
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    let (data, constant) = match (is_const(first), is_const(second)) {
        (false, true) => (first, second),
        (true, false) if kind != Binary::Subtract => (second, first),
        _ => return None,
    };
    let is_positive = |edge: Edge| {
        let value = work.nodes[edge.node()].value.as_ref();
        value.is_none_or(|value| value.to_floats().iter().all(|&number| number > 0.0))
    };
    let is_fit = match kind {
        Binary::Multiply => is_positive(constant),
        Binary::Add => !is_bias(work, data),
        _ => true,
    };
    let (own, output) = (work.tensor(constant), node.outputs.first()?);
    let missing = output.dims.len().checked_sub(own.dims.len())?;
    let is_per_channel = own.dims.iter().enumerate().all(|(at, dim)| dim.is(1) || at + missing < 2);
    let keeps_dims = work.tensor(data).dims == output.dims;
    let fits = is_fit && (own.is_number() || is_per_channel && keeps_dims);
    fits.then(|| (data, kind, number(work, constant)))
}

/// Whether what a sum adds to is a product, dequantized or not: then the constant is its bias.
///
/// Source: `MarkupBias`, src/common/low_precision_transformations/src/markup_bias.cpp.
pub(super) fn is_bias(work: &Work<'_>, data: Edge) -> bool {
    let mut edge = data;
    for _ in 0..3 {
        let node = &work.nodes[edge.node()];
        match node.op {
            Op::Convolution(_) | Op::ConvolutionBackpropData(_) | Op::MatMul { .. } => return true,
            Op::Binary(Binary::Multiply | Binary::Subtract, _) if work.reads_const(edge.node(), 1) => {
                let Some(above) = node.input(0) else { return false };
                edge = above;
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{DYNAMIC, Net};
    use super::super::super::work::OpenVino;
    use super::*;
    use crate::graph::op::Broadcast;
    use crate::rewrite::sweep;

    /// How many products are left in front of a FakeQuantize that is behind six more than the maximum.
    fn left(is_shared: bool) -> usize {
        let mut net = Net::new();
        let mut x = net.input("x", DType::F32, &[1, 4]);
        let two = net.number("two", 2.0);
        for number in 0..MOST_SHARED + 6 {
            let op = Op::Binary(Binary::Multiply, Broadcast::Numpy);
            x = net.op(&format!("product{number}"), op, &[x, two], DType::F32, &[1, 4]);
        }
        let (low, high) = (net.number("low", -1.0), net.number("high", 2.0));
        let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        let quantized = net.op("fq", op, &[x, low, high, low, high], DType::F32, &[1, 4]);
        net.result("out", quantized);
        if is_shared {
            net.result("products", x);
        }
        let (graph, shapes) = net.shapes();
        let mut work = Work::new(&graph, &shapes, DYNAMIC);
        let order = work.model_order();
        sweep::<OpenVino>(&mut work, &order, &[RULE]);
        let mut node = work.producer(work.results()[0], 0).unwrap();
        let mut n_left = 0;
        while let Some(above) = work.producer(node, 0) {
            n_left += usize::from(matches!(work.nodes[above].op, Op::Binary(..)));
            node = above;
        }
        n_left
    }

    #[test]
    fn all_products_of_one_reader_become_limits_and_some_of_others() {
        assert_eq!(left(false), 0);
        assert_eq!(left(true), 6);
    }
}
