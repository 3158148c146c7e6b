//! What is left of dequantizations.
//!
//! * A FakeQuantize that only its dequantization reads writes floats again.
//! * Quantized weights that no product took, and tables that are gathered from, are floats, made when the model is
//!   compiled.
//! * A Convert of integers in front of arithmetic with a constant is part of it, without its name.
//!
//! Source: `FuseSubtractToFakeQuantizeTransformation`, `FuseMultiplyToFakeQuantizeTransformation` and
//! `FoldFakeQuantizeTransformation`, OpenVINO 2026.4, src/common/low_precision_transformations/src.

use super::super::work::{Build, Edge, Patch, Rule, Tensor, Work};
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
    source: "FoldFakeQuantizeTransformation; ConvolutionTransformation::transform",
    on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution | Kind::MatMul),
    apply: fold,
    repeats: false,
};

/// Makes floats of tables that are gathered from.
pub(super) const TABLES: Rule = Rule {
    name: "fold-tables",
    source: "LowPrecision::run_on_model: ConstantFolding, src/common/low_precision_transformations/src/low_precision.cpp",
    on: |node| matches!(node.op, Op::Gather { .. }),
    apply: table,
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

fn table(work: &Work<'_>, node: usize) -> Option<Patch> {
    let read = work.nodes[node].input(0)?;
    weights::behind(work, read)?;
    let mut patch = Patch::new(work);
    let tensor = Tensor { dtype: DType::F32, ..work.tensor(read).clone() };
    let folded = patch.add_constant(tensor, None, work.nodes[read.node()].source);
    patch.set_input(node, 0, folded);
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
        let is_step = matches!(work.nodes[user].op, Op::Binary(own, _) if own == kind);
        if is_step && work.reads_const(user, 1) {
            last = user;
        } else if kind == Binary::Multiply {
            return None;
        }
    }
    let mut patch = Patch::new(work);
    patch.change(node, |node| node.outputs[0].dtype = DType::F32);
    patch.replace(Edge::of(last), Edge::of(node));
    Some(patch)
}

fn fold(work: &Work<'_>, node: usize) -> Option<Patch> {
    weights::of(work, node)?;
    let read = work.nodes[node].input(1)?;
    // A product takes weights with their scale, as they are stored.
    if work.nodes[node].kind == Kind::MatMul && work.nodes[read.node()].kind != Kind::FakeQuantize {
        return None;
    }
    let mut patch = Patch::new(work);
    let tensor = Tensor { dtype: DType::F32, ..work.tensor(read).clone() };
    let folded = patch.add_constant(tensor, None, work.nodes[read.node()].source);
    patch.set_input(node, 1, folded);
    Some(patch)
}
