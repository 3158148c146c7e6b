//! Convolutions and matrix products of integers.
//!
//! A convolution whose data are bytes with one scale, and whose filters are quantized, reads both as they are; a Multiply
//! with a made-up name follows. A grouped one may have a scale per group. The zero point of its data is an attribute. A
//! transposed one takes no zero points.
//!
//! A matrix product whose factors are bytes, scaled along other dims than the one that is summed, reads both; a Subtract,
//! if the data have a zero point, and a Multiply follow, named after it. Its second factor has no zero point.
//!
//! Source: `ConvolutionTransformation`, `ConvolutionBackpropDataTransformation` and `MatMulTransformation`, OpenVINO
//! 2026.4, src/common/low_precision_transformations/src; `FuseConvolutionAndZeroPoints`,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::super::work::{Build, Edge, Patch, Rule, Work};
use super::dequantization::{Dequantization, add, constant, number};
use super::weights::{self, Weights};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::{Kind, ZeroPoints};
use std::sync::Arc;

/// Convolutions.
pub(super) const CONVOLUTION: Rule = Rule {
    name: "quantized-convolution",
    source: "ConvolutionTransformation, GroupConvolutionTransformation, ConvolutionBackpropDataTransformation",
    on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution),
    apply: convolution,
    repeats: false,
};

/// Matrix products.
pub(super) const PRODUCT: Rule = Rule {
    name: "quantized-product",
    source: "MatMulTransformation",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: product,
    repeats: false,
};

fn convolution(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let data = Dequantization::above(work, of.input(0)?).filter(|data| data.is_low(work))?;
    let weights = weights::of(work, node)?;
    let output = of.outputs.first()?;
    let is_grouped = work.tensor(of.input(1)?).dims.len() > output.dims.len();
    let is_plain = work.tensor(data.multiply.constant).is_number();
    if !is_plain && !is_grouped
        || of.kind == Kind::Deconvolution && (data.subtract.is_some() || !weights.is_per_output(work, 1))
    {
        return None;
    }
    let channels = output.dims.get(1)?.size();
    let is_one = is_plain && work.tensor(weights.scale).is_number();
    let mut dims = vec![1; output.dims.len()];
    dims[1] = if is_one { 1 } else { channels };
    let mut patch = Patch::new(work);
    let filters = weights.edge(work, node, &mut patch)?;
    patch.set_input(node, 0, data.data);
    patch.set_input(node, 1, filters);
    if let Some(subtract) = data.subtract {
        let is_one =
            work.tensor(subtract.constant).elements() == 1 || number(work, subtract.constant).is_some();
        let zero_points = if is_one { ZeroPoints::One } else { ZeroPoints::PerChannel };
        patch.change(node, move |node| node.zero_points = zero_points);
    }
    let scale = constant(&mut patch, &dims, of.source);
    let name = patch.fresh_name("Multiply");
    let below = add(&mut patch, work, Edge::of(node), output, None, (name, scale));
    below.replace(work, &mut patch, Edge::of(node));
    Some(patch)
}

/// The second factor of a product.
#[derive(Clone, Copy, Debug)]
enum Factor {
    Weights(Weights),
    Data(Dequantization),
}

fn product(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::MatMul { transpose_a, transpose_b } = of.op else { return None };
    let data = Dequantization::above(work, of.input(0)?).filter(|data| data.is_low(work))?;
    let factor = match weights::of(work, node) {
        Some(weights) => Factor::Weights(weights),
        None => {
            let second = Dequantization::above(work, of.input(1)?)?;
            let fits = second.is_low(work) && second.subtract.is_none() && data.subtract.is_none();
            fits.then_some(Factor::Data(second))?
        }
    };
    let second_scale = match factor {
        Factor::Weights(weights) => weights.scale,
        Factor::Data(second) => second.multiply.constant,
    };
    let summed = |is_last: bool| if is_last { 1 } else { 2 };
    if is_scaled(work, data.multiply.constant, of.input(0)?, summed(!transpose_a))
        || is_scaled(work, second_scale, of.input(1)?, summed(transpose_b))
    {
        return None;
    }
    let output = of.outputs.first()?;
    let mut dims = vec![1; output.dims.len()];
    let is_one = work.tensor(data.multiply.constant).is_number() && work.tensor(second_scale).is_number();
    if let (Some(last), Some(size)) = (dims.last_mut(), output.last()) {
        *last = size;
    }
    let mut patch = Patch::new(work);
    let second = match factor {
        Factor::Weights(weights) => weights.edge(work, node, &mut patch)?,
        Factor::Data(second) => second.data,
    };
    patch.set_input(node, 0, data.data);
    patch.set_input(node, 1, second);
    let subtract = data
        .subtract
        .map(|_| (named(&of.name, "DequantizationSubtract"), constant(&mut patch, &dims, of.source)));
    let scale =
        if is_one { constant(&mut patch, &[], of.source) } else { constant(&mut patch, &dims, of.source) };
    let multiply = (named(&of.name, "DequantizationMultiply"), scale);
    let below = add(&mut patch, work, Edge::of(node), output, subtract, multiply);
    below.replace(work, &mut patch, Edge::of(node));
    Some(patch)
}

fn named(product: &str, word: &str) -> Arc<str> {
    format!("{product}/{word}").into()
}

/// Whether a constant has more than one number along the dim at `back` places from the end of what it scales.
fn is_scaled(work: &Work<'_>, constant: Edge, scaled: Edge, back: usize) -> bool {
    let (own, dims) = (&work.tensor(constant).dims, &work.tensor(scaled).dims);
    own.len() == dims.len() && own.len().checked_sub(back).is_some_and(|at| !own[at].is(1))
}
