//! Transposes next to Reorders.
//!
//! A Transpose that a Reorder follows or precedes, with the Reshape that splits or joins two dims between them, is one Reorder if
//! both together leave the bytes in their order: from channels first to channels-last, and back. Nothing is copied then. The
//! Reorder keeps the type; a change of type is one more. A Transpose of free dims stays, and so does one of a convolution with a
//! fused sum.
//!
//! Source: `MergeTransposeAndReorder`, `MergeReorderAndTranspose` and `checkAscendingFinalOrder`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/graph_optimizer.cpp.

use super::work::{Build, Dim, Edge, Patch, Rule, Tensor, Work};
use crate::runtime::openvino_cpu::execution::{Kind, Layout};
use smallvec::SmallVec;

/// Joins a Transpose with the Reorder behind it.
pub(super) const BEFORE_REORDER: Rule = Rule {
    name: "transpose-before-reorder",
    source: "MergeTransposeAndReorder, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Transpose,
    apply: before,
    repeats: false,
};

/// Joins a Transpose with the Reorder in front of it.
pub(super) const BEHIND_REORDER: Rule = Rule {
    name: "transpose-behind-reorder",
    source: "MergeReorderAndTranspose, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Reorder,
    apply: behind,
    repeats: false,
};

/// An order of axes.
type Axes = SmallVec<[usize; 6]>;

fn before(work: &Work<'_>, transpose: usize) -> Option<Patch> {
    let source = work.nodes[transpose].input(0)?;
    let is_sum = work.nodes[source.node()].addend.is_some();
    if is_sum || !is_known(work, transpose) {
        return None;
    }
    let (next, _) = work.only_user(transpose)?;
    let (reshape, reorder) = match work.nodes[next].kind {
        Kind::Reshape => (Some(next), work.only_user(next)?.0),
        _ => (None, next),
    };
    if work.nodes[reorder].kind != Kind::Reorder || !is_known(work, reorder) {
        return None;
    }
    let mut turn = order_of(work, transpose)?;
    if let Some(reshape) = reshape {
        let (from, to) = (input_dims(work, reshape)?, output_dims(work, reshape)?);
        let split = merged_dim(to, from).filter(|_| is_known(work, reshape))?;
        turn = with_split(&turn, *turn.get(split)?);
    }
    let has = work.nodes[reorder].input(0)?;
    let own = axes(work.tensor(has).layout, turn.len());
    let out = axes(work.nodes[reorder].outputs.first()?.layout, turn.len());
    let keeps_order = keeps_order(&turn, &own, &own, &out);
    keeps_order.then(|| merged(work, source, reorder, Edge::of(reorder)))?
}

fn behind(work: &Work<'_>, reorder: usize) -> Option<Patch> {
    let source = work.nodes[reorder].input(0)?;
    let (next, _) = work.only_user(reorder).filter(|_| is_known(work, reorder))?;
    let (reshape, transpose) = match work.nodes[next].kind {
        Kind::Reshape => (Some(next), work.only_user(next)?.0),
        _ => (None, next),
    };
    let is_turned = work.nodes[transpose].kind == Kind::Transpose && is_known(work, transpose);
    if !is_turned || work.only_user(transpose).is_none() {
        return None;
    }
    let mut turn = order_of(work, transpose)?;
    let mut after = axes(work.nodes[transpose].outputs.first()?.layout, turn.len());
    if let Some(reshape) = reshape {
        let joined = merged_dim(input_dims(work, reshape)?, output_dims(work, reshape)?);
        let joined = joined.filter(|_| is_known(work, reshape))?;
        (turn, after) = (with_split(&turn, joined), with_split(&after, joined));
    }
    let own = axes(work.tensor(source).layout, turn.len());
    let out = axes(work.nodes[reorder].outputs.first()?.layout, turn.len());
    let keeps_order = keeps_order(&turn, &after, &own, &out);
    keeps_order.then(|| merged(work, source, transpose, Edge::of(transpose)))?
}

/// One Reorder of `source` in the place of all up to `last`.
fn merged(work: &Work<'_>, source: Edge, last: usize, end: Edge) -> Option<Patch> {
    let output = work.nodes[last].outputs.first()?.clone();
    let from = work.nodes[last].source;
    let dtype = work.tensor(source).dtype;
    let mut patch = Patch::new(work);
    let mut edge = patch.add_view_reorder(source, Tensor { dtype, ..output.clone() }, from);
    if dtype != output.dtype {
        edge = patch.add_reorder(edge, output, from);
    }
    patch.replace(end, edge);
    Some(patch)
}

/// Whether a turn and a change of layout leave the bytes in their order.
///
/// `own` is the layout of what the Transpose writes; `from` and `to` are those of the Reorder.
fn keeps_order(turn: &[usize], own: &[usize], from: &[usize], to: &[usize]) -> bool {
    let place = |list: &[usize], axis: usize| list.iter().position(|&at| at == axis);
    (0..turn.len()).all(|axis| {
        let turned = place(own, axis).and_then(|at| turn.get(at)).and_then(|&at| own.get(at));
        let reordered = turned.and_then(|&at| to.get(at)).and_then(|&at| place(from, at));
        reordered == Some(axis)
    })
}

/// The axes in the order in which they are stored.
fn axes(layout: Layout, rank: usize) -> Axes {
    match layout {
        Layout::Plain => (0..rank).collect(),
        // One dim is in two places.
        Layout::Blocks(_) => Axes::new(),
        Layout::ChannelsLast => std::iter::once(0).chain(2..rank).chain(1..rank.min(2)).collect(),
    }
}

/// The order after axis `split` became two.
fn with_split(order: &[usize], split: usize) -> Axes {
    let moved = |axis: usize| axis + usize::from(axis > split);
    order
        .iter()
        .flat_map(|&axis| {
            let second = (axis == split).then_some(split + 1);
            std::iter::once(moved(axis)).chain(second)
        })
        .collect()
}

/// The axis of `short` that is two axes of `long`, if all others agree.
fn merged_dim(long: &[Dim], short: &[Dim]) -> Option<usize> {
    let first = long.iter().zip(short).position(|(long, short)| long.size() != short.size())?;
    let agrees = long.len() == short.len() + 1
        && long
            .iter()
            .skip(first + 2)
            .map(|dim| dim.size())
            .eq(short.iter().skip(first + 1).map(|dim| dim.size()));
    agrees.then_some(first)
}

fn order_of(work: &Work<'_>, transpose: usize) -> Option<Axes> {
    let order = work.ints(transpose, 1)?.iter().map(|&axis| usize::try_from(axis).ok());
    let order: Axes = order.collect::<Option<_>>()?;
    (order.len() == output_dims(work, transpose)?.len()).then_some(order)
}

fn input_dims<'a>(work: &'a Work<'_>, node: usize) -> Option<&'a [Dim]> {
    Some(&work.tensor(work.nodes[node].input(0)?).dims)
}

fn output_dims<'a>(work: &'a Work<'_>, node: usize) -> Option<&'a [Dim]> {
    Some(&work.nodes[node].outputs.first()?.dims)
}

/// Whether a node has no free dims.
fn is_known(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let inputs = of.inputs().iter().flatten();
    !of.outputs.iter().any(Tensor::is_free) && !inputs.into_iter().any(|&edge| work.tensor(edge).is_free())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Convolution, FilterLayout, ReshapeZero};
    use crate::ids::TensorId;

    const IMAGE: [i64; 4] = [1, 3, 8, 8];

    fn convolved(net: &mut Net, name: &str, image: TensorId) -> TensorId {
        let filters = net.weight("filters", DType::F32, &[4, 3, 3, 3]);
        let filters_layout = FilterLayout::Flat { groups: 1 };
        let op = Convolution { filters: filters_layout, ..Convolution::default() };
        net.op(name, Op::Convolution(Box::new(op)), &[image, filters], DType::F32, &[1, 4, 6, 6])
    }

    fn softmax(net: &mut Net, x: TensorId, dims: &[i64]) -> TensorId {
        net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], DType::F32, dims)
    }

    #[test]
    fn a_transpose_to_channels_first_is_part_of_the_reorder() {
        let of = |order: &[i64], from: &[i64]| {
            let mut net = Net::new();
            let image = net.input("image", DType::F32, from);
            let image = softmax(&mut net, image, from);
            let order = net.ints("order", order);
            let image = net.op("turned", Op::Transpose, &[image, order], DType::F32, &IMAGE);
            let out = convolved(&mut net, "convolution", image);
            net.result("out", out);
            net.lines(STATIC)
        };
        let merged = ["Softmax softmax f32", "Reorder  f32", "Convolution convolution f32", "Reorder  f32"];
        assert_eq!(of(&[0, 3, 1, 2], &[1, 8, 8, 3]), merged);
        let other = of(&[0, 2, 1, 3], &[1, 8, 3, 8]);
        assert!(other.contains(&"Transpose turned f32".to_owned()), "{other:?}");
    }

    #[test]
    fn tokens_of_a_convolution_are_one_reorder() {
        let of = |order: &[i64], out: &[i64]| {
            let mut net = Net::new();
            let image = net.input("image", DType::F32, &IMAGE);
            let image = convolved(&mut net, "convolution", image);
            let pattern = net.ints("pattern", &[1, 4, 36]);
            let flat =
                net.op("flat", Op::Reshape(ReshapeZero::IsZero), &[image, pattern], DType::F32, &[1, 4, 36]);
            let order = net.ints("order", order);
            let turned = net.op("turned", Op::Transpose, &[flat, order], DType::F32, out);
            let made = softmax(&mut net, turned, out);
            net.result("out", made);
            net.lines(STATIC)
        };
        let tokens = ["Reorder  f32", "Convolution convolution f32", "Reorder  f32", "Softmax softmax f32"];
        assert_eq!(of(&[0, 2, 1], &[1, 36, 4]), tokens);
        let other = of(&[2, 1, 0], &[36, 4, 1]);
        assert!(other.iter().any(|line| line.contains("turned")), "{other:?}");
    }

    #[test]
    fn a_head_that_moves_channels_last_is_one_reorder() {
        let of = |order: &[i64], out: &[i64]| {
            let mut net = Net::new();
            let image = net.input("image", DType::F32, &IMAGE);
            let image = convolved(&mut net, "convolution", image);
            let order = net.ints("order", order);
            let turned = net.op("turned", Op::Transpose, &[image, order], DType::F32, out);
            let made = softmax(&mut net, turned, out);
            net.result("out", made);
            net.lines(DYNAMIC)
        };
        let merged = ["Reorder  f32", "Convolution convolution f32", "Reorder  f32", "Softmax softmax f32"];
        assert_eq!(of(&[0, 2, 3, 1], &[1, 6, 6, 4]), merged);
        let other = of(&[0, 3, 2, 1], &[1, 6, 6, 4]);
        assert!(other.iter().any(|line| line.contains("turned")), "{other:?}");
    }

    #[test]
    fn free_dims_are_turned() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8, 8, 3]);
        let x = softmax(&mut net, x, &[FREE, 8, 8, 3]);
        let order = net.ints("order", &[0, 3, 1, 2]);
        let x = net.op("turned", Op::Transpose, &[x, order], f32, &[FREE, 3, 8, 8]);
        let filters = net.weight("filters", f32, &[4, 3, 3, 3]);
        let op = Op::Convolution(Box::<Convolution>::default());
        let out = net.op("convolution", op, &[x, filters], f32, &[FREE, 4, 6, 6]);
        net.result("out", out);
        assert!(net.lines(DYNAMIC).contains(&"Transpose turned f32".to_owned()));
    }
}
