//! Concatenations of bytes.
//!
//! All inputs are dequantized from one type, with constants along the joined dim at most, which is known. One
//! dequantization follows. Inputs that a convolution wants in one scale were quantized alike; of others each has its own
//! scale, along the joined dim.
//!
//! Source: `ConcatTransformation`, `AlignQuantizationIntervals`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src.

use super::super::work::{Edge, Patch, Rule, Work};
use super::dequantization::{Dequantization, add, constant};
use crate::graph::{Op, OpKind};
use crate::runtime::openvino_cpu::execution::Kind;

/// Joins bytes.
pub(super) const RULE: Rule = Rule {
    name: "quantized-concat",
    source: "ConcatTransformation, src/common/low_precision_transformations/src/concat.cpp",
    on: |node| matches!(node.op, Op::Concat { .. }),
    apply,
    repeats: false,
};

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Concat { axis } = of.op else { return None };
    let output = of.outputs.first()?;
    let axis = if axis < 0 { axis + output.dims.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok()?;
    let joined = output.dims.get(axis).filter(|dim| !dim.is_free)?.size;
    let found = of.inputs().iter().map(|edge| Dequantization::above(work, (*edge)?));
    let found: Vec<Dequantization> = found.collect::<Option<_>>()?;
    let dtype = work.tensor(found.first()?.data).dtype;
    let is_along = |edge: Edge| {
        let dims = &work.tensor(edge).dims;
        let missing = output.dims.len().saturating_sub(dims.len());
        dims.iter().enumerate().all(|(at, dim)| dim.size == 1 || at + missing == axis)
    };
    let fits = |data: &Dequantization| {
        data.is_low(work) && work.tensor(data.data).dtype == dtype && data.constants().all(is_along)
    };
    if !found.iter().all(fits) {
        return None;
    }
    let is_uniform = found.iter().all(|data| data.is_per_tensor(work)) && feeds_convolution(work, node);
    let mut dims = vec![1; output.dims.len()];
    dims[axis] = if is_uniform { 1 } else { joined };
    let mut patch = Patch::new(work);
    patch.set_inputs(node, found.iter().map(|data| data.data));
    let has_zero_point = found.iter().any(|data| data.subtract.is_some());
    let name = |word: &str| format!("{}/{word}", of.name).into();
    let subtract =
        has_zero_point.then(|| (name("DequantizationSubtract"), constant(&mut patch, &dims, of.source)));
    // The runtime spells it so.
    let multiply = (name("DequantizationMultyply"), constant(&mut patch, &dims, of.source));
    let below = add(&mut patch, work, Edge::of(node), output, subtract, multiply);
    patch.change(node, move |node| node.outputs[0].dtype = dtype);
    patch.replace_except(Edge::of(node), below.last, &[below.first]);
    Some(patch)
}

/// Whether a convolution reads this, perhaps through what moves data.
fn feeds_convolution(work: &Work<'_>, node: usize) -> bool {
    let mut pending = vec![node];
    let mut seen = rustc_hash::FxHashSet::default();
    while let Some(node) = pending.pop() {
        for &(user, _) in work.users(node) {
            let of = &work.nodes[user];
            if matches!(of.kind, Kind::Convolution | Kind::Deconvolution) {
                return true;
            }
            let moves = matches!(
                of.kind,
                Kind::Reshape | Kind::Transpose | Kind::Split | Kind::Concat | Kind::StridedSlice
            ) || of.op.kind() == OpKind::MaxPool
                || matches!(&of.op, Op::Interpolate(spec) if spec.is_nearest);
            if moves && seen.insert(user) {
                pending.push(user);
            }
        }
    }
    false
}
