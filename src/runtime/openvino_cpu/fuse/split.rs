//! Slices that cut a dim into parts are one Split.
//!
//! Two or more Slices of one tensor along one axis, whose bounds and steps of 1 are constants, and which together cover
//! the dim without a hole or an overlap, are one Split with a made-up name. The dim must be known when the model is
//! compiled.
//!
//! Source: `GroupedSliceToVSplitOptimization`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/optimize_strided_slice.cpp.

use super::work::{Build, Edge, Node, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::FxHashMap;

/// A Slice as the rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    from: u64,
    to: u64,
    node: usize,
}

/// Joins groups of Slices, users before what they read: Slices of a Slice come first.
pub(super) fn group(work: &mut Work<'_>) {
    let mut sources: Vec<(Edge, usize)> = Vec::new();
    let mut parts: FxHashMap<(Edge, usize), Vec<Part>> = FxHashMap::default();
    for &node in work.model_order().iter() {
        let found = work.nodes[node].input(0).zip(part_of(work, node));
        let Some((edge, (axis, part))) = found.filter(|_| work.is_alive(node)) else { continue };
        let group = parts.entry((edge, axis)).or_default();
        if group.is_empty() {
            sources.push((edge, axis));
        }
        group.push(part);
    }
    for source in sources.into_iter().rev() {
        let Some(mut group) = parts.remove(&source) else { continue };
        group.sort_unstable();
        let (edge, axis) = source;
        if group.len() > 1 && covers(&group, work.tensor(edge).dims[axis].size()) {
            join(work, edge, axis, &group);
        }
    }
}

/// The axis and the bounds of a Slice that cuts one dim by constants.
fn part_of(work: &Work<'_>, node: usize) -> Option<(usize, Part)> {
    if !matches!(work.nodes[node].op, Op::Slice) {
        return None;
    }
    let number = |input: usize| match work.ints(node, input) {
        Some(&[number]) => Some(number),
        _ => None,
    };
    let dims = &work.tensor(work.nodes[node].input(0)?).dims;
    let axis = number(4)?;
    let axis = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).ok()?;
    let dim = dims.get(axis).filter(|dim| !dim.is_free())?;
    let bound = |bound: i64| {
        let size = i64::try_from(dim.size()).unwrap_or(i64::MAX);
        let bound = if bound < 0 { bound.saturating_add(size) } else { bound };
        bound.clamp(0, size).unsigned_abs()
    };
    let part = Part { from: bound(number(1)?), to: bound(number(2)?), node };
    (number(3)? == 1).then_some((axis, part))
}

/// Whether sorted parts cover a dim without holes and overlaps.
fn covers(parts: &[Part], size: u64) -> bool {
    let end = parts.iter().try_fold(0, |end, part| (part.from == end && part.to >= end).then_some(part.to));
    end == Some(size)
}

fn join(work: &mut Work<'_>, data: Edge, axis: usize, parts: &[Part]) {
    let Some(first) = parts.first() else { return };
    let source = work.nodes[first.node].source;
    let axis = work.add_ints(&[axis as i64], source);
    let lengths: Vec<i64> = parts.iter().map(|part| (part.to - part.from) as i64).collect();
    let lengths = work.add_ints(&lengths, source);
    let name = work.fresh_name("VariadicSplit");
    let outputs = parts.iter().map(|part| work.nodes[part.node].outputs[0].clone()).collect();
    let split = Node { outputs, ..Node::named(name, Op::VariadicSplit, Kind::Split, source) };
    let split = work.add(split, [data, axis, lengths]);
    for (port, part) in parts.iter().enumerate() {
        work.replace(Edge::of(part.node), Edge::new(split, port));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::Unary;

    fn cut(bounds: &[(i64, i64)]) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        for (part, &(from, to)) in bounds.iter().enumerate() {
            let inputs = [from, to, 1, -1].map(|number| net.ints("number", &[number]));
            let dims = [FREE, to.min(8) - from];
            let inputs = [x, inputs[0], inputs[1], inputs[2], inputs[3]];
            let made = net.op("slice", Op::Slice, &inputs, DType::F32, &dims);
            let made = net.op("swish", Op::Unary(Unary::Swish), &[made], DType::F32, &dims);
            net.result(&format!("out{part}"), made);
        }
        net.lines(DYNAMIC).into_iter().filter(|line| !line.starts_with("Eltwise")).collect()
    }

    #[test]
    fn parts_that_cover_a_dim_are_a_split() {
        assert_eq!(cut(&[(4, i64::MAX), (0, 4)]), ["Split VariadicSplit f32"]);
    }

    #[test]
    fn holes_and_overlaps_keep_the_slices() {
        let slices = ["StridedSlice slice f32", "StridedSlice slice f32"];
        assert_eq!(cut(&[(0, 3), (4, 8)]), slices);
        assert_eq!(cut(&[(0, 5), (4, 8)]), slices);
        assert_eq!(cut(&[(0, 2), (2, 4)]), slices);
    }
}
