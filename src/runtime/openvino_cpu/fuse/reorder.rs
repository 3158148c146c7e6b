//! Layouts, and the Reorders where types or layouts meet.
//!
//! * Convolutions and Interpolate read and write channels-last. Pooling, Reduce, Concat, element-wise nodes, and
//!   Transpose and Split of more than three dims, follow their inputs; all others read and write plain. A Pooling behind a Reshape
//!   stays plain.
//! * A Reorder stands where the type or the layout of what is written differs from what is read: one per tensor, type
//!   and layout. Constants are reordered where they are a bias, or joined; an Input is not for an element-wise node.
//!
//! Source: `Graph::InitEdges` and `EnforceInferencePrecision`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.

use super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::runtime::openvino_cpu::execution::{Kind, Layout, Precision};
use rustc_hash::FxHashMap;

/// Settles layouts and puts the Reorders in.
pub(super) fn insert(work: &mut Work<'_>) {
    let precision = work.options.precision;
    let keeps_f32 = std::mem::take(&mut work.keeps_f32);
    for node in work.order() {
        if work.nodes[node].kind == Kind::Reorder {
            continue;
        }
        let layout = layout_of(work, node);
        work.nodes[node].outputs.iter_mut().for_each(|tensor| tensor.layout = layout);
    }
    let mut made: FxHashMap<(Edge, DType, Layout), Edge> = FxHashMap::default();
    for node in work.order() {
        for input in 0..work.nodes[node].inputs().len() {
            let Some(edge) = work.nodes[node].input(input) else { continue };
            let mut dtype = wanted_type(work, node, input, edge, precision);
            let is_kept = keeps_f32.get(node).copied().unwrap_or(false);
            if work.nodes[node].kind == Kind::Reduce && is_kept && dtype.is_float() {
                dtype = DType::F32;
            }
            let layout = wanted_layout(work, node, input, edge);
            let has = work.tensor(edge);
            if has.dtype == dtype && has.layout == layout {
                continue;
            }
            let reorder = *made.entry((edge, dtype, layout)).or_insert_with(|| {
                let tensor = Tensor { dtype, layout, ..work.tensor(edge).clone() };
                work.add_reorder(edge, tensor, work.nodes[edge.node].source)
            });
            work.set_input(node, input, reorder);
        }
    }
}

/// With static dims, makes what turns a convolution's output into tokens one Reorder.
///
/// That is the Reshape to `[batch, channels, tokens]`, if it is not one yet, the Transpose, and the change of layout. It
/// keeps the type.
pub(super) const TRANSPOSED: Rule = Rule {
    name: "tokens-of-convolution",
    source: "MergeTransposeAndReorder, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Transpose,
    apply: transposed,
    repeats: false,
};

/// With static dims, joins a Transpose to channels first and the Reorder to channels-last behind it.
///
/// So it does with the Transpose and Reshape that turn tokens into an image. The Reorder keeps the type; a change of type
/// is one more.
pub(super) const MERGE: Rule = Rule {
    name: "merge-reorders",
    source: "MergeTransposeAndReorder, src/plugins/intel_cpu/src/graph_optimizer.cpp",
    on: |node| node.kind == Kind::Reorder,
    apply: merge,
    repeats: false,
};

fn transposed(work: &Work<'_>, node: usize) -> Option<Patch> {
    if work.ints(node, 1) != Some(&[0, 2, 1]) {
        return None;
    }
    let mut input = work.nodes[node].input(0)?;
    if work.nodes[input.node].kind == Kind::Reshape
        && work.only_user(input.node).is_some()
        && let Some(above) = work.nodes[input.node].input(0)
    {
        input = above;
    }
    if work.nodes[input.node].kind != Kind::Convolution || work.only_user(input.node).is_none() {
        return None;
    }
    let tensor = Tensor { dtype: work.tensor(input).dtype, ..work.nodes[node].outputs[0].clone() };
    let mut patch = Patch::new(work);
    let reorder = patch.add_reorder(input, tensor, work.nodes[node].source);
    patch.replace(Edge::of(node), reorder);
    Some(patch)
}

fn merge(work: &Work<'_>, reorder: usize) -> Option<Patch> {
    let output = work.nodes[reorder].outputs.first()?;
    let mut above = work.nodes[reorder].input(0)?;
    if output.layout != Layout::ChannelsLast || work.tensor(above).layout != Layout::Plain {
        return None;
    }
    let is_only = |edge: Edge| work.only_user(edge.node).is_some();
    let mut wanted: &[i64] = &[0, 3, 1, 2];
    if work.nodes[above.node].kind == Kind::Reshape && is_only(above) && output.dims.len() == 4 {
        above = work.nodes[above.node].input(0)?;
        wanted = &[0, 2, 1];
    }
    let is_turn = work.nodes[above.node].kind == Kind::Transpose && is_only(above);
    if !is_turn || work.ints(above.node, 1) != Some(wanted) {
        return None;
    }
    let source = work.nodes[above.node].input(0).filter(|edge| work.tensor(*edge).layout == Layout::Plain)?;
    let dtype = work.tensor(source).dtype;
    let mut patch = Patch::new(work);
    patch.set_input(reorder, 0, source);
    if dtype != output.dtype {
        patch.change(reorder, move |reorder| reorder.outputs[0].dtype = dtype);
        let typed = patch.add_reorder(Edge::of(reorder), output.clone(), work.nodes[reorder].source);
        patch.replace_except(Edge::of(reorder), typed, &[typed.node]);
    }
    Some(patch)
}

/// The layout that a node writes.
fn layout_of(work: &Work<'_>, node: usize) -> Layout {
    let of = &work.nodes[node];
    let layout = |edge: &Edge| work.tensor(*edge).layout;
    let mut inputs = of.inputs().iter().flatten().filter(|edge| !work.nodes[edge.node].is_const());
    let follows = match of.kind {
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate => return Layout::ChannelsLast,
        Kind::Eltwise | Kind::Concat | Kind::Subgraph if of.attention.is_none() => {
            let rank = of.outputs.first().map_or(0, |tensor| tensor.dims.len());
            let mut full = inputs.clone().filter(|edge| work.tensor(**edge).dims.len() == rank);
            if of.kind == Kind::Concat {
                full.all(|edge| layout(edge) == Layout::ChannelsLast)
            } else {
                full.any(|edge| layout(edge) == Layout::ChannelsLast)
            }
        }
        Kind::Transpose | Kind::Split if of.outputs.first().is_none_or(|tensor| tensor.dims.len() < 4) => {
            false
        }
        Kind::Reduce if !reduces_channels_last(work, node) => false,
        Kind::Pooling | Kind::Reduce | Kind::Transpose | Kind::Split => {
            inputs.next().is_some_and(|edge| layout(edge) == Layout::ChannelsLast)
        }
        _ => false,
    };
    let is_joined = of.kind == Kind::Concat && of.inputs().is_empty();
    if follows && !is_joined { Layout::ChannelsLast } else { Layout::Plain }
}

/// Whether a Reduce can read channels-last: only where its second dim is known and not 1.
///
/// Source: `Reduce::initSupportedPrimitiveDescriptors`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/reduce.cpp.
fn reads_channels_last(work: &Work<'_>, node: usize) -> bool {
    let input = work.nodes[node].input(0);
    let channels = input.and_then(|edge| work.tensor(edge).dims.get(1));
    channels.is_some_and(|dim| !dim.is_free && dim.size > 1)
}

/// Whether it writes what it reads so: dims that are gone leave no layout.
fn reduces_channels_last(work: &Work<'_>, node: usize) -> bool {
    let rank = work.nodes[node].outputs.first().map_or(0, |tensor| tensor.dims.len());
    reads_channels_last(work, node) && rank > 3
}

/// The layout that an input must have.
fn wanted_layout(work: &Work<'_>, node: usize, input: usize, edge: Edge) -> Layout {
    let of = &work.nodes[node];
    let has = work.tensor(edge);
    match of.kind {
        Kind::ShapeOf => has.layout,
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate
            if input == 0 || of.addend == Some(input) =>
        {
            Layout::ChannelsLast
        }
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate => has.layout,
        Kind::Reduce if input == 0 && !reads_channels_last(work, node) => Layout::Plain,
        Kind::Reduce | Kind::Pooling if input == 0 => has.layout,
        Kind::Transpose | Kind::Split if input == 0 && has.dims.len() > 3 => has.layout,
        Kind::Eltwise | Kind::Concat | Kind::Subgraph if !work.nodes[edge.node].is_const() => of
            .outputs
            .first()
            .filter(|tensor| tensor.dims.len() == has.dims.len())
            .map_or(has.layout, |tensor| tensor.layout),
        Kind::Reorder => has.layout,
        _ => Layout::Plain,
    }
}

/// The type that an input must have.
fn wanted_type(work: &Work<'_>, node: usize, input: usize, edge: Edge, precision: Precision) -> DType {
    let of = &work.nodes[node];
    let has = work.tensor(edge).dtype;
    if !has.is_float() {
        return has;
    }
    let own = of.outputs.first().map_or(has, |tensor| tensor.dtype);
    let is_significant = matches!(of.kind, Kind::FullyConnected | Kind::Convolution | Kind::Deconvolution);
    let is_filter = is_significant && input == 1;
    let is_constant = work.nodes[edge.node].is_const();
    let wants_constant = is_significant && input == 2 || of.kind == Kind::Concat;
    let to = match of.kind {
        // A transposed convolution reads its bias in f32, whatever gives it.
        Kind::Deconvolution if input == 2 => return has,
        _ if is_constant && !wants_constant => return has,
        _ if is_filter => precision.dtype(),
        Kind::Output => DType::F32,
        // What computes a state inside was compiled for f32.
        Kind::MemoryInput if of.n_fused > 0 => DType::F32,
        _ if is_significant && input == 0 => precision.dtype(),
        Kind::Eltwise if matches!(work.nodes[edge.node].kind, Kind::Input) => return has,
        Kind::Convert
        | Kind::ShapeOf
        | Kind::Reorder
        | Kind::MemoryInput
        | Kind::MemoryOutput
        | Kind::Const => {
            return has;
        }
        Kind::Subgraph if matches!(work.nodes[edge.node].kind, Kind::Input) => return has,
        Kind::Subgraph if of.attention.is_some() => precision.dtype(),
        Kind::Rope if input > 0 => return has,
        Kind::ScaledDotProductAttention if input > 3 => return has,
        Kind::Gather if input > 2 => DType::F32,
        Kind::Reduce => return has,
        _ => own,
    };
    if to.is_float() { to } else { has }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, Convolution, FilterLayout, ReshapeZero};
    use crate::ids::TensorId;
    use crate::runtime::openvino_cpu::execution::Layout;

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
    fn two_convolutions_share_the_reorder_of_what_they_read() {
        let mut net = Net::new();
        let image = net.input("image", DType::F32, &IMAGE);
        for name in ["first", "second"] {
            let out = convolved(&mut net, name, image);
            net.result(name, out);
        }
        let graph = net.execute(STATIC);
        let of = |name: &str| graph.nodes.iter().find(|node| &*node.name == name).unwrap();
        assert_eq!(of("first").inputs[0], of("second").inputs[0]);
        assert_eq!(of("first").outputs[0].layout, Layout::ChannelsLast);
        // One in front of both, and one behind each: a result is plain.
        assert_eq!(
            super::super::testing::lines(&graph).iter().filter(|line| *line == "Reorder  f32").count(),
            3
        );
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
}
