//! What is left of dequantizations.
//!
//! * A FakeQuantize that only its dequantization reads writes floats again.
//! * Quantized weights that no product took, and tables that are gathered from, are floats, made when the model is
//!   compiled.
//! * A Convert of integers in front of arithmetic with a constant is part of it, without its name.
//!
//! Source: `FuseSubtractToFakeQuantizeTransformation`, `FuseMultiplyToFakeQuantizeTransformation` and
//! `FoldFakeQuantizeTransformation`, OpenVINO 2026.4, src/common/low_precision_transformations/src.

use super::super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use super::dequantization::Dequantization;
use super::weights;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::runtime::openvino_cpu::execution::Kind;

/// Gives FakeQuantizes their floats back.
pub(super) const QUANTIZE: Rule = Rule {
    name: "fuse-dequantization",
    source: "FuseSubtractToFakeQuantizeTransformation, FuseMultiplyToFakeQuantizeTransformation",
    on: |node| matches!(node.op, Op::FakeQuantize { .. }),
    apply: fuse,
    repeats: false,
};

/// Makes floats of weights.
pub(super) const FILTERS: Rule = Rule {
    name: "fold-weights",
    source: "FoldFakeQuantizeTransformation",
    on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution | Kind::MatMul),
    apply: fold,
    repeats: false,
};

/// Makes constants of what a FakeQuantize, a Broadcast or a Split makes of them.
pub(super) const CONSTANTS: Rule = Rule {
    name: "fold-quantized-constants",
    source: "FoldFakeQuantizeTransformation, src/common/low_precision_transformations/src/fold_fake_quantize.cpp",
    on: |node| matches!(node.op, Op::FakeQuantize { .. } | Op::Broadcast(_) | Op::Split { .. }),
    apply: fold_constant,
    repeats: false,
};

/// Keeps the Convert of bytes whose values products alone read.
pub(super) const PRODUCTS: Rule = Rule {
    name: "keep-converts",
    source: "is_decompression_multiply, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
    apply: keep_convert,
    repeats: false,
};

/// Makes floats of quantized constants that no product reads: tables, states and weights of recurrences.
pub(super) const DEQUANTIZED: Rule = Rule {
    name: "fold-dequantized",
    source: "FoldConvertTransformation, src/common/low_precision_transformations/src/fold_convert.cpp; ConstantFolding",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply, _)),
    apply: fold_dequantized,
    repeats: false,
};

/// Lets arithmetic with a constant read integers.
pub(super) const CONVERT: Rule = Rule {
    name: "fuse-convert",
    source: "FuseConvertTransformation, src/common/low_precision_transformations/src/fuse_convert.cpp",
    on: |node| matches!(node.op, Op::Binary(Binary::Multiply | Binary::Subtract | Binary::Add, _)),
    apply: convert,
    repeats: false,
};

fn fold_dequantized(work: &Work<'_>, node: usize) -> Option<Patch> {
    let reads = |&(user, _): &(usize, usize)| {
        let user = &work.nodes[user];
        !matches!(user.kind, Kind::MatMul | Kind::Convolution | Kind::Deconvolution)
            && !matches!(user.op, Op::Reshape(_))
    };
    let users = work.users(node);
    if !is_dequantized_constant(work, node) || users.is_empty() || !users.iter().all(reads) {
        return None;
    }
    let mut patch = Patch::new(work);
    let tensor = work.nodes[node].outputs.first()?.clone();
    let folded = patch.add_constant(tensor, None, work.nodes[node].source);
    patch.replace(Edge::of(node), folded);
    Some(patch)
}

/// Whether a node is a constant that is converted, shifted and scaled by constants.
fn is_dequantized_constant(work: &Work<'_>, node: usize) -> bool {
    let mut above = node;
    for _ in 0..4 {
        let of = &work.nodes[above];
        let is_step = match of.op {
            _ if of.is_const() => return true,
            Op::Convert { .. } => true,
            Op::Binary(Binary::Multiply | Binary::Subtract, _) => work.reads_const(above, 1),
            _ => false,
        };
        let Some(read) = of.input(0).filter(|_| is_step) else { return false };
        above = read.node();
    }
    false
}

fn fold_constant(work: &Work<'_>, node: usize) -> Option<Patch> {
    if !work.nodes[node].inputs().iter().flatten().all(|edge| work.nodes[edge.node()].is_const()) {
        return None;
    }
    let of = &work.nodes[node];
    let mut patch = Patch::new(work);
    let mut folded: Vec<Edge> = Vec::with_capacity(of.outputs.len());
    for tensor in &of.outputs {
        folded.push(patch.add_constant(tensor.clone(), None, of.source));
    }
    // Reader by reader: replacing one output is a look at the readers of all, and a Split may have thousands.
    for &(user, input) in work.users(node) {
        let read = work.nodes[user].input(input);
        if let Some(&own) = read.and_then(|read| folded.get(read.port())) {
            patch.set_input(user, input, own);
        }
    }
    Some(patch)
}

fn keep_convert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let is_product = |kind: &Kind| matches!(kind, Kind::MatMul | Kind::Convolution);
    let users = work.users(node);
    if users.is_empty() || !users.iter().all(|&(user, _)| is_product(&work.nodes[user].kind)) {
        return None;
    }
    let data = Dequantization::above(work, Edge::of(node)).filter(|data| data.is_low(work))?;
    let first = data.subtract.map_or(node, |step| step.node);
    let of = &work.nodes[data.data.node()];
    if of.is_const() || work.nodes[first].input(0) != Some(data.data) {
        return None;
    }
    let mut patch = Patch::new(work);
    let name = match of.kind {
        Kind::FakeQuantize | Kind::Concat => format!("{}/DequantizationConvert", of.name).into(),
        _ => patch.fresh_name("Convert"),
    };
    let tensor = Tensor { dtype: DType::F32, ..work.tensor(data.data).clone() };
    let convert = Node::named(name, Op::Convert { to: DType::F32 }, Kind::Convert, of.source);
    let convert = patch.add(convert.writing(tensor), [data.data]);
    patch.set_input(first, 0, Edge::of(convert));
    Some(patch)
}

fn convert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let read = work.nodes[node].input(0)?;
    let is_convert = matches!(work.nodes[read.node()].op, Op::Convert { .. });
    let from = work.nodes[read.node()].input(0).filter(|_| is_convert && work.reads_const(node, 1))?;
    let is_widened = !work.tensor(from).dtype.is_float() && work.tensor(read).dtype.is_float();
    if !is_widened || work.nodes[from.node()].is_const() {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_input(node, 0, from);
    Some(patch)
}

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let tensor = work.nodes[node].outputs.first()?;
    if tensor.dtype.is_float() {
        return None;
    }
    let mut last = node;
    for kind in [Binary::Subtract, Binary::Multiply] {
        let (user, _) = work.only_user(last)?;
        let is_step = match work.nodes[user].op {
            Op::Binary(Binary::Add, _) => kind == Binary::Subtract,
            Op::Binary(own, _) => own == kind,
            _ => false,
        };
        if is_step && work.reads_const(user, 1) {
            last = user;
        } else if kind == Binary::Multiply {
            return None;
        }
    }
    let mut patch = Patch::new(work);
    patch.change(node, |node| node.outputs[0].dtype = DType::F32);
    if work.users(last).iter().any(|&(user, _)| work.nodes[user].kind == Kind::Output) {
        patch.rename(node, last);
    }
    patch.replace(Edge::of(last), Edge::of(node));
    Some(patch)
}

fn fold(work: &Work<'_>, node: usize) -> Option<Patch> {
    weights::of(work, node)?;
    let read = work.nodes[node].input(1)?;
    // Others stay with their scale, as they are stored: in a product, or computed when the model is compiled.
    if !is_quantize_behind(work, read) && work.nodes[node].kind != Kind::Deconvolution {
        return None;
    }
    let mut patch = Patch::new(work);
    let tensor = Tensor { dtype: DType::F32, ..work.tensor(read).clone() };
    let folded = patch.add_constant(tensor, None, work.nodes[read.node()].source);
    patch.set_input(node, 1, folded);
    Some(patch)
}

/// Whether a FakeQuantize writes weights, perhaps before a Reshape.
fn is_quantize_behind(work: &Work<'_>, edge: Edge) -> bool {
    work.nodes[weights::before_reshapes(work, edge).node()].kind == Kind::FakeQuantize
}
