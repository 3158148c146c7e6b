//! Views: outputs that are the bytes of an input, or a contiguous part of them.
//!
//! Held by `tests/line.rs` and the unit tests below; runtimes know fewer views than this, never more, so their
//! profiles choose from these.

use crate::Bytes;
use crate::graph::op::TileInputs;
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
use crate::shape::{Bound, Shapes, TensorInfo};
use smallvec::SmallVec;

/// An output that is stored in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Which input.
    pub(super) input: usize,
    /// First byte within it.
    pub(super) offset: Bytes,
}

/// The view that each output of `node` is, if it is one.
pub(super) fn views(graph: &Graph, shapes: &Shapes, node: NodeId) -> SmallVec<[Option<View>; 2]> {
    let axis = split_axis(graph, shapes, node);
    let mut start = Some(0_u64);
    let outputs = graph.outputs(node).enumerate();
    outputs
        .map(|(port, tensor)| {
            let output = shapes.tensor(tensor);
            let part = axis.zip(start);
            let length = axis.and_then(|axis| output.dims.as_ref()?.get(axis).copied());
            start = start.zip(length).and_then(|(start, length)| start.checked_add(length));
            view(graph, shapes, (node, port), output, part)
        })
        .collect()
}

/// The axis along which a node splits its input.
fn split_axis(graph: &Graph, shapes: &Shapes, node: NodeId) -> Option<usize> {
    if !matches!(graph.node(node).op, Op::Split { .. } | Op::VariadicSplit) {
        return None;
    }
    let info = |index| graph.input(node, index).map(|tensor| shapes.tensor(tensor));
    let rank = info(0)?.dims.as_ref()?.len() as i64;
    let axis = exact_ints(info(1)?)?.first().map(|&axis| if axis < 0 { axis + rank } else { axis })?;
    usize::try_from(axis).ok()
}

/// The view that an output is; `split` is the axis of a split, and where the output starts along it.
fn view(
    graph: &Graph,
    shapes: &Shapes,
    (node, port): (NodeId, usize),
    output: &TensorInfo,
    split: Option<(usize, u64)>,
) -> Option<View> {
    let info = |index| graph.input(node, index).map(|tensor| shapes.tensor(tensor));
    let data = info(0)?;
    let is_same = data.dtype == output.dtype && data.elements()? == output.elements()?;
    let whole = View { input: port, offset: Bytes::ZERO };
    match &graph.node(node).op {
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::ExpandDims | Op::Flatten { .. } => {
            is_same.then_some(View { input: 0, ..whole })
        }
        Op::Identity | Op::Optional | Op::OptionalGetElement | Op::Assign(_) => Some(whole),
        Op::Convert { .. } | Op::ConvertLike | Op::Broadcast(_) | Op::Tile(TileInputs::Repeats) => {
            (is_same && data.dims == output.dims).then_some(View { input: 0, ..whole })
        }
        Op::Transpose => {
            (is_same && moves_only_ones(data, info(1), output)).then_some(View { input: 0, ..whole })
        }
        Op::Split { .. } | Op::VariadicSplit => {
            let (axis, start) = split?;
            part(data, output, |dim| if dim == axis { start } else { 0 })
        }
        Op::Slice => {
            let starts = slice_starts(data, info(1)?, info(3)?, info(4))?;
            part(data, output, |dim| starts[dim])
        }
        Op::Gather { .. } => {
            let [index] = exact_ints(info(1)?)? else { return None };
            let [axis] = exact_ints(info(2)?)? else { return None };
            let dims = data.dims.as_ref()?;
            let axis = usize::try_from(if *axis < 0 { axis + dims.len() as i64 } else { *axis }).ok()?;
            let length = *dims.get(axis)?;
            let index =
                u64::try_from(if *index < 0 { index + i64::try_from(length).ok()? } else { *index }).ok()?;
            let before: u64 = dims[..axis].iter().product();
            let after: u64 = dims[axis + 1..].iter().product();
            (before == 1 && index < length && output.elements()? == after)
                .then(|| byte_offset(data, index * after))
                .flatten()
                .map(|offset| View { input: 0, offset })
        }
        _ => None,
    }
}

/// Whether a permutation leaves the order of all dims other than 1 alone.
fn moves_only_ones(data: &TensorInfo, order: Option<&TensorInfo>, output: &TensorInfo) -> bool {
    let (Some(dims), Some(out)) = (&data.dims, &output.dims) else { return false };
    let order = match order {
        Some(order) => exact_ints(order).map(<[i64]>::to_vec),
        None => Some((0..dims.len() as i64).rev().collect()),
    };
    let Some(order) = order else { return false };
    let moved = order
        .iter()
        .filter(|&&axis| usize::try_from(axis).is_ok_and(|axis| dims.get(axis).is_some_and(|&dim| dim != 1)));
    order.len() == out.len() && moved.is_sorted()
}

/// A box of `output`'s dims cut from `data` at `start`, if its elements are contiguous: one at most of each dim
/// before some axis, all of each dim after it.
fn part(data: &TensorInfo, output: &TensorInfo, start: impl Fn(usize) -> u64) -> Option<View> {
    let (from, to) = (data.dims.as_ref()?, output.dims.as_ref()?);
    if from.len() != to.len() || data.dtype != output.dtype || output.bound != Bound::Exact {
        return None;
    }
    let cut = (0..to.len()).find(|&axis| to[axis] != 1).unwrap_or(to.len());
    if (cut + 1..to.len()).any(|axis| to[axis] != from[axis]) {
        return None;
    }
    let mut stride = 1_u64;
    let mut first = 0_u64;
    for axis in (0..from.len()).rev() {
        first = first.checked_add(start(axis).checked_mul(stride)?)?;
        stride = stride.checked_mul(from[axis])?;
    }
    (first.checked_add(output.elements()?)? <= data.elements()?).then_some(())?;
    byte_offset(data, first).map(|offset| View { input: 0, offset })
}

/// Where element `index` starts, if it starts at a whole byte.
fn byte_offset(data: &TensorInfo, index: u64) -> Option<Bytes> {
    let bits = index.checked_mul(data.dtype.bits()?)?;
    (bits % 8 == 0).then_some(Bytes(bits / 8))
}

/// First index per dim of a `Slice` whose steps are all 1.
fn slice_starts(
    data: &TensorInfo,
    start: &TensorInfo,
    step: &TensorInfo,
    axes: Option<&TensorInfo>,
) -> Option<Vec<u64>> {
    let dims = data.dims.as_ref()?;
    let (starts, steps) = (exact_ints(start)?, exact_ints(step)?);
    let axes = match axes {
        Some(axes) => exact_ints(axes)?.to_vec(),
        None => (0..starts.len() as i64).collect(),
    };
    let mut first = vec![0; dims.len()];
    for ((&axis, &start), &step) in axes.iter().zip(starts).zip(steps) {
        let axis = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).ok()?;
        let length = i64::try_from(*dims.get(axis)?).ok()?;
        let start = if start < 0 { start.checked_add(length)?.max(0) } else { start.min(length) };
        if step != 1 {
            return None;
        }
        first[axis] = start as u64;
    }
    Some(first)
}

fn exact_ints(info: &TensorInfo) -> Option<&[i64]> {
    info.value.as_ref().filter(|value| !value.is_upper_bound)?.as_ints()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    fn tensor(dims: &[u64]) -> TensorInfo {
        TensorInfo::known(DType::F32, dims.iter().copied())
    }

    #[test]
    fn a_box_is_a_view_only_where_its_elements_lie_side_by_side() {
        type Case = (&'static [u64], &'static [u64], &'static [u64], Option<u64>);
        let cases: [Case; 6] = [
            (&[4, 8], &[2, 8], &[1, 0], Some(32)),           // rows 1..3 of a matrix
            (&[4, 8], &[4, 2], &[0, 3], None),               // columns: strided
            (&[1, 8], &[1, 2], &[0, 3], Some(12)),           // columns of one row
            (&[4, 8, 2], &[1, 2, 2], &[2, 3, 0], Some(152)), // part of one slab: (2·8 + 3)·2 floats before it
            (&[4, 8, 2], &[1, 2, 1], &[0, 0, 0], None),      // strided within the slab
            (&[4], &[0], &[4], Some(16)),                    // nothing, at the end
        ];
        for (from, to, start, expected) in cases {
            let found = part(&tensor(from), &tensor(to), |axis| start[axis]).map(|view| view.offset.0);
            assert_eq!(found, expected, "{from:?} -> {to:?} at {start:?}");
        }
    }

    #[test]
    fn a_transpose_of_ones_moves_nothing() {
        let order = |axes: &[i64]| {
            let mut info = TensorInfo::known(DType::I64, [axes.len() as u64]);
            info.value = Some(crate::graph::Value::ints(axes.iter().copied()));
            info
        };
        assert!(moves_only_ones(
            &tensor(&[1, 1, 14, 64]),
            Some(&order(&[0, 2, 1, 3])),
            &tensor(&[1, 14, 1, 64])
        ));
        assert!(!moves_only_ones(
            &tensor(&[1, 2, 14, 64]),
            Some(&order(&[0, 2, 1, 3])),
            &tensor(&[1, 14, 2, 64])
        ));
    }
}
