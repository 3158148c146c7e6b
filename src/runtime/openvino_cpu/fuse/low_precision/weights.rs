//! Quantized weights, as NNCF and as Model Optimizer write them.
//!
//! NNCF: an i8 constant, converted and multiplied. Model Optimizer: a FakeQuantize of a constant of f32, f16 or i8. A
//! grouped convolution reads either through a Reshape. Both become an i8 constant and a scale behind the product.
//!
//! Source: `WeightableLayerTransformation::isQuantizedStatic` and `canBeTransformed`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src/weightable_layer_transformation.cpp.

use super::super::quantized::is_supported;
use super::super::work::{Build, Edge, Patch, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;

/// The maximum number of Reshapes between quantized weights and their reader.
///
/// Exporters write one or two. Without a bound, products that read the end of one long row would take
/// quadratic time.
const MOST_RESHAPES: usize = 64;

/// Weights in 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    /// The constant, if it is i8 as it is stored.
    pub stored: Option<Edge>,
    /// The constant of the scale.
    pub scale: Edge,
}

/// The weights that a convolution or a product reads.
pub(super) fn of(work: &Work<'_>, node: usize) -> Option<Weights> {
    behind(work, work.nodes[node].input(1)?)
}

/// The weights behind a tensor.
pub(super) fn behind(work: &Work<'_>, read: Edge) -> Option<Weights> {
    let edge = before_reshapes(work, read);
    let is_reshaped = edge != read;
    let of = &work.nodes[edge.node()];
    if is_supported(&of.op) {
        let is_constant = |edge: Edge| constant(work, edge).is_some();
        let limits = (1..5).all(|input| of.input(input).is_some_and(is_constant));
        let scale = of.input(4).filter(|_| limits && of.input(0).is_some_and(is_constant))?;
        return Some(Weights { stored: None, scale });
    }
    if !matches!(of.op, Op::Binary(Binary::Multiply, _)) {
        return None;
    }
    let scale = constant(work, of.input(1)?)?;
    let convert = of.input(0)?;
    if !matches!(work.nodes[convert.node()].op, Op::Convert { .. }) {
        return None;
    }
    let stored = work.nodes[convert.node()].input(0)?;
    let is_i8 = work.nodes[stored.node()].is_const() && work.tensor(stored).dtype == DType::I8;
    is_i8.then_some(Weights { stored: (!is_reshaped).then_some(stored), scale })
}

/// What is reshaped to a tensor; the tensor itself if it is not reshaped.
pub(super) fn before_reshapes(work: &Work<'_>, mut edge: Edge) -> Edge {
    for _ in 0..MOST_RESHAPES {
        let node = &work.nodes[edge.node()];
        let is_reshape = matches!(node.op, Op::Reshape(_) | Op::Unsqueeze | Op::Squeeze { .. });
        let Some(above) = node.input(0).filter(|_| is_reshape) else { break };
        edge = above;
    }
    edge
}

/// The constant behind conversions.
fn constant(work: &Work<'_>, mut edge: Edge) -> Option<Edge> {
    for _ in 0..3 {
        let node = &work.nodes[edge.node()];
        match node.op {
            _ if node.is_const() => return Some(edge),
            Op::Convert { .. } => edge = node.input(0)?,
            _ => return None,
        }
    }
    None
}

impl Weights {
    /// Whether the scale is one number, or one per output, which are along `axis`.
    pub(super) fn is_per_output(&self, work: &Work<'_>, axis: usize) -> bool {
        let dims = &work.tensor(self.scale).dims;
        dims.iter().enumerate().all(|(at, dim)| dim.is(1) || at == axis)
    }

    /// The i8 constant: as stored, else one that is made when the model is compiled.
    pub(super) fn edge(&self, work: &Work<'_>, node: usize, patch: &mut Patch) -> Option<Edge> {
        let read = work.nodes[node].input(1)?;
        let tensor = Tensor { dtype: DType::I8, ..work.tensor(read).clone() };
        let source = work.nodes[read.node()].source;
        Some(self.stored.unwrap_or_else(|| patch.add_constant(tensor, None, source)))
    }
}
