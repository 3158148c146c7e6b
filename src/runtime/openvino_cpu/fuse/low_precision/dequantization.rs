//! The Subtract and Multiply that give quantized data their values.

use super::super::work::{Build, Edge, Node, Patch, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast};
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;
use std::sync::Arc;

/// A dequantization: `(data - zero point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dequantization {
    /// What it reads.
    pub data: Edge,
    /// The Subtract.
    pub subtract: Option<Step>,
    /// The Multiply.
    pub multiply: Step,
}

/// A node with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Position of the node.
    pub node: usize,
    /// Its constant.
    pub constant: Edge,
}

impl Dequantization {
    /// The dequantization that writes `edge`; arithmetic with constants counts, whoever wrote it.
    ///
    /// Source: `NetworkHelper::getDequantization`, src/common/low_precision_transformations/src/network_helper.cpp.
    pub(super) fn above(work: &Work<'_>, edge: Edge) -> Option<Dequantization> {
        let (multiply, above) = step(work, edge, Binary::Multiply)?;
        let (subtract, data) = match step(work, above, Binary::Subtract) {
            Some((subtract, data)) => (Some(subtract), data),
            None => (None, above),
        };
        let data = match work.nodes[data.node()].op {
            Op::Convert { .. } => {
                work.nodes[data.node()].input(0).filter(|&from| is_low(work, from)).unwrap_or(data)
            }
            _ => data,
        };
        Some(Dequantization { data, subtract, multiply })
    }

    /// Whether its data are bytes.
    pub(super) fn is_low(&self, work: &Work<'_>) -> bool {
        is_low(work, self.data)
    }

    /// Its constants.
    pub(super) fn constants(&self) -> impl Iterator<Item = Edge> {
        self.subtract.map(|step| step.constant).into_iter().chain([self.multiply.constant])
    }

    /// Whether each constant is one number.
    pub(super) fn is_per_tensor(&self, work: &Work<'_>) -> bool {
        self.constants().all(|constant| work.tensor(constant).is_number() || number(work, constant).is_some())
    }

    /// Whether the constants are along the second dim of what it writes, or are one number.
    ///
    /// Source: `LayerTransformation::canBeTransformedStatic`.
    pub(super) fn is_per_channel(&self, work: &Work<'_>) -> bool {
        let rank = work.nodes[self.multiply.node].outputs.first().map_or(0, |tensor| tensor.dims.len());
        self.constants().all(|constant| {
            let dims = &work.tensor(constant).dims;
            let Some(missing) = rank.checked_sub(dims.len()) else { return false };
            let is_second = |(at, size): (usize, u64)| size == 1 || at + missing == 1;
            work.tensor(constant).is_number()
                || dims.len() == 1
                || dims.iter().map(|dim| dim.size()).enumerate().all(is_second)
        })
    }

    /// Adds this dequantization behind `of`, which writes `tensor`; the constants are `subtract` and `multiply`.
    ///
    /// The nodes keep the names that they have above, but for a Subtract `behind_split`. Next to `of` is
    /// whether a Result reads it.
    pub(super) fn add_below(
        &self,
        work: &Work<'_>,
        patch: &mut Patch,
        of: (Edge, bool),
        tensor: &Tensor,
        constants: (Option<Edge>, Edge),
        behind_split: bool,
    ) -> Below {
        // The one above goes on for its other readers, and keeps the names.
        let is_shared = work.only_user(self.multiply.node).is_none();
        let name = |step: Step| {
            let node = &work.nodes[step.node];
            if is_shared { format!("{}_0", node.name).into() } else { node.name.clone() }
        };
        let subtract = self.subtract.zip(constants.0);
        let subtract = subtract.map(|(step, constant)| {
            let own = if behind_split { patch.fresh_name("Subtract") } else { name(step) };
            (own, constant)
        });
        add_for(patch, work, of, tensor, subtract, (name(self.multiply), constants.1))
    }
}

/// A reader of a node: its position, and which of its inputs.
pub(super) type Use = (usize, usize);

/// A dequantization that was added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Below {
    /// The node that reads the data.
    pub first: usize,
    /// What it writes at last.
    pub last: Edge,
}

impl Below {
    /// Makes every reader of `of` read what is dequantized, but for a ShapeOf.
    ///
    /// Source: `NetworkHelper::insertDequantizationAfter`, OpenVINO 2026.4.
    pub(super) fn replace(&self, work: &Work<'_>, patch: &mut Patch, of: Edge) {
        let reads = |&(user, input): &Use| work.nodes[user].input(input) == Some(of);
        let readers: Vec<Use> = work.users(of.node()).iter().copied().filter(reads).collect();
        self.replace_for(work, patch, &readers);
    }

    /// Does the same, where all readers of the replaced output are known.
    pub(super) fn replace_for(&self, work: &Work<'_>, patch: &mut Patch, readers: &[Use]) {
        for &(user, input) in readers {
            if !matches!(work.nodes[user].op, Op::ShapeOf { .. }) {
                patch.set_input(user, input, self.last);
            }
        }
    }
}

/// Adds a Subtract, if there is one, and a Multiply behind `of`, each with its name and constant.
pub(super) fn add(
    patch: &mut Patch,
    work: &Work<'_>,
    of: Edge,
    tensor: &Tensor,
    subtract: Option<(Arc<str>, Edge)>,
    multiply: (Arc<str>, Edge),
) -> Below {
    let reads = |&&(user, input): &&Use| work.nodes[user].input(input) == Some(of);
    let is_written_out = of.node() < work.nodes.len()
        && work.users(of.node()).iter().filter(reads).any(|&reader| is_result(work, reader));
    add_for(patch, work, (of, is_written_out), tensor, subtract, multiply)
}

/// Does the same as [`add`], where it is known whether a Result reads `of`.
pub(super) fn add_for(
    patch: &mut Patch,
    work: &Work<'_>,
    (of, is_written_out): (Edge, bool),
    tensor: &Tensor,
    subtract: Option<(Arc<str>, Edge)>,
    (name, scale): (Arc<str>, Edge),
) -> Below {
    let source = work.nodes.len().checked_sub(1).map_or(NodeId::new(0), |_| source_of(work, of));
    let float = Tensor { dtype: DType::F32, ..tensor.clone() };
    let binary = |name: Arc<str>, kind| {
        Node::named(name, Op::Binary(kind, Broadcast::Numpy), Kind::Eltwise, source).writing(float.clone())
    };
    let subtract = subtract.map(|(name, constant)| patch.add(binary(name, Binary::Subtract), [of, constant]));
    let above = subtract.map_or(of, Edge::of);
    let name = if is_written_out { result_name(work, patch, of) } else { name };
    let multiply = patch.add(binary(name, Binary::Multiply), [above, scale]);
    Below { first: subtract.unwrap_or(multiply), last: Edge::of(multiply) }
}

/// The name of a node that a Result reads: what follows gets it, and the node one that says that it is the original.
///
/// Source: `LayerTransformation::updateOutput` and `SplitTransformation::updateOutputs`, OpenVINO 2026.4.
fn result_name(work: &Work<'_>, patch: &mut Patch, of: Edge) -> Arc<str> {
    let node = &work.nodes[of.node()];
    let name = match node.kind {
        Kind::Split => format!("{}.{}", node.name, of.port()).into(),
        _ => node.name.clone(),
    };
    let original: Arc<str> = format!("{}_original", node.name).into();
    patch.change(of.node(), move |node| {
        node.originals = [original.clone()].into_iter().collect();
        node.name = original;
    });
    name
}

/// Whether a reader is a Result.
pub(super) fn is_result(work: &Work<'_>, (user, _): Use) -> bool {
    work.nodes[user].kind == Kind::Output
}

/// The node of the file behind a node; of one that the patch adds itself, the first.
fn source_of(work: &Work<'_>, edge: Edge) -> NodeId {
    if edge.node() < work.nodes.len() { work.nodes[edge.node()].source } else { NodeId::new(0) }
}

/// Whether a tensor has bytes for elements.
pub(super) fn is_low(work: &Work<'_>, edge: Edge) -> bool {
    matches!(work.tensor(edge).dtype, DType::U8 | DType::I8)
}

/// Arithmetic of this kind with a constant, and what else it reads.
fn step(work: &Work<'_>, edge: Edge, kind: Binary) -> Option<(Step, Edge)> {
    let node = &work.nodes[edge.node()];
    if !matches!(node.op, Op::Binary(own, _) if own == kind) || node.n_fused > 0 {
        return None;
    }
    let (first, second) = (node.input(0)?, node.input(1)?);
    let is_const = |edge: Edge| work.nodes[edge.node()].is_const();
    match (is_const(first), is_const(second)) {
        (false, true) => Some((Step { node: edge.node(), constant: second }, first)),
        (true, false) if kind == Binary::Multiply => {
            Some((Step { node: edge.node(), constant: first }, second))
        }
        _ => None,
    }
}

/// A constant of as many numbers as `dims` has.
pub(super) fn constant(patch: &mut impl Build, dims: &[u64], source: NodeId) -> Edge {
    patch.add_constant(Tensor::fixed(DType::F32, dims), None, source)
}

/// A constant of its own with the numbers of another.
pub(super) fn copy(work: &Work<'_>, patch: &mut Patch, of: Edge) -> Edge {
    let node = &work.nodes[of.node()];
    patch.add_constant(work.tensor(of).clone(), node.value.as_deref().cloned(), node.source)
}

/// The number in a constant of one.
pub(super) fn number(work: &Work<'_>, edge: Edge) -> Option<f64> {
    let values = work.nodes[edge.node()].value.as_ref()?.to_floats();
    let first = *values.first()?;
    values.iter().all(|&value| value == first).then_some(first)
}
