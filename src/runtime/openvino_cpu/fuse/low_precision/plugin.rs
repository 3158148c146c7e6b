//! What the plugin's graph fuses of quantized operators, before its other fusions.
//!
//! * The Multiply behind a convolution or a product of bytes is an attribute of it.
//! * A product with i8 weights takes the Multiply behind it as an input, and its name.
//! * A FakeQuantize takes the Clamp before it, and one step of arithmetic with constants along the channels.
//! * One in a Subgraph is written out with a scale and a shift.
//!
//! Source: `FuseConvMatmulFCDeconvAndDQScales`, `FuseClampAndFakeQuantize` and
//! `FusePerformedAsScaleShiftAndFakeQuantize`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph_optimizer.cpp;
//! `ConvertFCToFCQuantizedLegacy`, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass.

use super::super::fully_connected::empty;
use super::super::pattern::constant_and_other;
use super::super::work::{Build, Edge, Patch, Rule, Work};
use super::dequantization::is_low;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Takes the Multiply into a product with weights.
pub(in super::super) const LEGACY: Rule = Rule {
    name: "scales-of-products",
    source: "ConvertFCToFCQuantizedLegacy, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass",
    on: |node| node.kind == Kind::FullyConnected,
    apply: legacy,
    repeats: false,
};

/// Takes the Multiply into a convolution.
pub(in super::super) const SCALES: Rule = Rule {
    name: "dequantization-scales",
    source: "FuseConvMatmulFCDeconvAndDQScales, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| matches!(node.kind, Kind::Convolution | Kind::Deconvolution | Kind::MatMul),
    apply: scales,
    repeats: false,
};

/// Takes what is before a FakeQuantize into it: a Clamp, then one step of arithmetic.
pub(in super::super) const LIMITS: &[Rule] = &[
    Rule {
        name: "clamped-limits",
        source: "FuseClampAndFakeQuantize",
        on: |node| node.kind == Kind::FakeQuantize,
        apply: |work, node| limits(work, node, true),
        repeats: true,
    },
    Rule {
        name: "scaled-limits",
        source: "FusePerformedAsScaleShiftAndFakeQuantize",
        on: |node| node.kind == Kind::FakeQuantize,
        apply: |work, node| limits(work, node, false),
        repeats: false,
    },
];

/// Gives FakeQuantizes in Subgraphs the constants that they are written out with.
pub(in super::super) const WRITTEN_OUT: Rule = Rule {
    name: "quantize-constants",
    source: "CommonFakeQuantizeDecomposition, src/common/snippets/src/pass/fq_decomposition.cpp",
    on: |node| node.kind == Kind::FakeQuantize,
    apply: write_out,
    repeats: false,
};

fn legacy(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let weight = of.input(1)?;
    if !is_low(work, of.input(0)?) || work.tensor(weight).dtype != DType::I8 || of.inputs().len() > 3 {
        return None;
    }
    let (multiply, _) = work.only_user(node)?;
    let (scale, _) = constant_and_other(work, multiply, Binary::Multiply)?;
    let source = work.nodes[multiply].source;
    let kept: Vec<Edge> = of.inputs().iter().flatten().copied().collect();
    let mut patch = Patch::new(work);
    let none = empty(&mut patch, of.source);
    patch.set_inputs(node, kept.into_iter().chain([scale, none]));
    patch.rename(node, multiply);
    patch.change(node, move |node| node.source = source);
    patch.replace(Edge::of(multiply), Edge::of(node));
    Some(patch)
}

fn scales(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    if !is_low(work, of.input(0)?) || of.n_fused > 0 || of.inputs().len() != 2 {
        return None;
    }
    let (multiply, _) = work.only_user(node)?;
    let (scale, _) = constant_and_other(work, multiply, Binary::Multiply)?;
    let output = of.outputs.first()?;
    let axis = if of.kind == Kind::MatMul { output.dims.len().checked_sub(1)? } else { 1 };
    let channels = output.dims.get(axis)?.known()?;
    let elements = work.tensor(scale).elements();
    if elements != 1 && elements != channels {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.absorb(node, multiply);
    patch.replace(Edge::of(multiply), Edge::of(node));
    Some(patch)
}

/// The limits of the output are a scale and a shift, per channel where those of the input are.
fn write_out(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let limit = of.input(1)?;
    let is_number = |input: usize| of.input(input).is_some_and(|edge| work.tensor(edge).elements() == 1);
    let is_in_subgraph = !of.outputs.first()?.is_free();
    if !is_in_subgraph || is_number(1) || !is_number(3) || !is_number(4) {
        return None;
    }
    let mut patch = Patch::new(work);
    for input in [3, 4] {
        let constant = patch.add_constant(work.tensor(limit).clone(), None, of.source);
        patch.set_input(node, input, constant);
    }
    Some(patch)
}

fn limits(work: &Work<'_>, node: usize, clamps: bool) -> Option<Patch> {
    // What has no free dims and is not marked was compiled to a Subgraph before.
    let is_marked = |node: usize| work.is_skipped.get(node).copied().unwrap_or(false);
    let is_free = work.nodes[node].outputs.first()?.is_free();
    let above = work.nodes[node].input(0)?;
    if !(is_free || is_marked(node) && is_marked(above.node())) {
        return None;
    }
    let of = &work.nodes[above.node()];
    work.only_user(above.node())?;
    let data = match of.op {
        Op::Unary(Unary::Clamp) if clamps => of.input(0)?,
        Op::Binary(_, _) if clamps => return None,
        Op::Binary(kind @ (Binary::Add | Binary::Subtract | Binary::Multiply | Binary::Divide), _) => {
            let (constant, data) = constant_and_other(work, above.node(), kind)?;
            let is_swapped = of.input(0) == Some(constant);
            if is_swapped && matches!(kind, Binary::Subtract | Binary::Divide) {
                return None;
            }
            is_along_channels(work, constant, data).then_some(data)?
        }
        _ => return None,
    };
    if of.kind != Kind::Eltwise || of.n_fused > 0 {
        return None;
    }
    let mut patch = Patch::new(work);
    patch.set_input(node, 0, data);
    Some(patch)
}

/// Whether a constant is one number, or one per channel of the node that writes `data`.
///
/// Source: `Node::canBePerformedAsScaleShift` and `getFusingAxis`, src/plugins/intel_cpu/src/node.cpp: the last dim of a
/// product, else the second.
fn is_along_channels(work: &Work<'_>, constant: Edge, data: Edge) -> bool {
    let (own, dims) = (&work.tensor(constant).dims, &work.tensor(data).dims);
    let axis = match work.nodes[data.node()].kind {
        Kind::FullyConnected | Kind::MatMul => dims.len().saturating_sub(1),
        _ => 1,
    };
    let Some(missing) = dims.len().checked_sub(own.len()) else { return false };
    own.iter().enumerate().all(|(at, dim)| dim.is(1) || at + missing == axis)
}
