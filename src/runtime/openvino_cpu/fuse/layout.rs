//! The layouts that nodes write and read.
//!
//! * Convolutions and Interpolate: channels-last. Pooling, Reduce, StridedSlice, MVN of four or five dims, and Transpose and Split
//!   of more than three dims follow their inputs; Reduce and Transpose only where the type is the one that they read, else they
//!   are plain, and a StridedSlice channels-last. A Concat has the layout of most of its inputs, channels-last between as
//!   many. A FakeQuantize has blocks of channels where its input has another type than it reads, and nothing that reads it has.
//!   All others are plain, and so is a Pooling behind a Reshape.
//! * Element-wise nodes of three to five dims: the layout that most inputs have already, in the type that is read; constants
//!   behind the first input do not count. Between as many, channels-last in a model with convolutions and without
//!   ScaledDotProductAttention, else plain. A Subgraph of known dims has the layout that fewer elements are reordered for, and
//!   channels-last between as many.
//!
//! Source: `selectPreferPrimitiveDescriptor` and `selectPreferPrimitiveDescriptorWithShape` of
//! src/plugins/intel_cpu/src/node.cpp, `sortSupportedPrimitiveDescriptors` of src/plugins/intel_cpu/src/nodes/eltwise.cpp and
//! `Subgraph::initSupportedPrimitiveDescriptors` of src/plugins/intel_cpu/src/nodes/subgraph.cpp, OpenVINO 2026.4; what
//! ScaledDotProductAttention does to a model with convolutions is measured (2026.4.1).

use super::types::wanted_type;
use super::work::{Edge, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::{Kind, Layout};

/// The layout that a node writes.
pub(super) fn written(work: &Work<'_>, node: usize) -> Layout {
    let of = &work.nodes[node];
    let layout = |edge: &Edge| work.tensor(*edge).layout;
    let mut inputs = of.inputs().iter().flatten().filter(|edge| !work.nodes[edge.node()].is_const());
    let follows = match of.kind {
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate => return Layout::ChannelsLast,
        Kind::Eltwise | Kind::Subgraph if of.attention.is_none() => return elementwise(work, node),
        Kind::Concat => return joined(work, node),
        Kind::Split if splits_another_type(work, node) => true,
        Kind::Transpose | Kind::Split if of.outputs.first().is_none_or(|tensor| tensor.dims.len() < 4) => {
            false
        }
        Kind::Reduce if !reduces_channels_last(work, node) || !keeps_type(work, node) => false,
        Kind::Pooling if reads_bytes(work, node) => true,
        Kind::Mvn | Kind::Pad | Kind::Tile if !(4..=5).contains(&rank_of(work, node)) => false,
        Kind::FakeQuantize if !quantizes_channels_last(work, node) => return alone(work, node),
        _ if follows_input(&of.kind, &of.op) => {
            // Where the input has another type, none of its layouts counts, and the first is chosen.
            let is_first = matches!(of.kind, Kind::Mvn | Kind::Pad) || has_both_layouts(&of.kind, &of.op);
            match is_first && !keeps_type(work, node) {
                true => (4..=5).contains(&rank_of(work, node)),
                false => inputs.next().is_some_and(|edge| layout(edge) == Layout::ChannelsLast),
            }
        }
        Kind::Transpose | Kind::StridedSlice => slides(work, node),
        _ => false,
    };
    if follows { Layout::ChannelsLast } else { Layout::Plain }
}

/// Whether a node has the layout of its first input.
fn follows_input(kind: &Kind, op: &Op) -> bool {
    use Kind::{FakeQuantize, Mvn, Pad, Pooling, Reduce, ShuffleChannels, Split, Tile};
    let is_by_kind =
        matches!(kind, FakeQuantize | Mvn | Pad | Pooling | Reduce | ShuffleChannels | Split | Tile);
    is_by_kind || has_both_layouts(kind, op)
}

/// Whether a node is an L2 norm, or moves elements between the channels, or the batch, and the image.
fn has_both_layouts(kind: &Kind, op: &Op) -> bool {
    let is_known = matches!(
        op,
        Op::DepthToSpace { .. }
            | Op::SpaceToDepth { .. }
            | Op::BatchToSpace
            | Op::SpaceToBatch
            | Op::NormalizeL2 { .. }
    );
    is_known && matches!(kind, Kind::Other(_))
}

/// The layout that a node writes, settled before.
fn own_layout(work: &Work<'_>, node: usize) -> Layout {
    work.nodes[node].outputs.first().map_or(Layout::Plain, |tensor| tensor.layout)
}

/// Whether a node reads bytes: a Pooling of them has a kernel for channels-last alone.
fn reads_bytes(work: &Work<'_>, node: usize) -> bool {
    let edge = work.nodes[node].input(0).filter(|_| (4..=5).contains(&rank_of(work, node)));
    edge.is_some_and(|edge| matches!(work.tensor(edge).dtype, DType::U8 | DType::I8))
}

/// Whether a FakeQuantize of its own can have channels-last: of four or five dims, not three channels, in the type that it
/// reads.
///
/// Source: `FakeQuantize::getDataFormats`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/fake_quantize.cpp.
fn quantizes_channels_last(work: &Work<'_>, node: usize) -> bool {
    let Some(dims) = work.nodes[node].input(0).map(|edge| &work.tensor(edge).dims) else { return false };
    (4..=5).contains(&dims.len()) && dims.get(1).is_some_and(|dim| !dim.is(3)) && keeps_type(work, node)
}

/// The layout of a FakeQuantize of its own that cannot have channels-last: in blocks of channels, the first choice, where no layout
/// counts since the input has another type.
fn alone(work: &Work<'_>, node: usize) -> Layout {
    let Some(dims) = work.nodes[node].input(0).map(|edge| &work.tensor(edge).dims) else {
        return Layout::Plain;
    };
    let is_fit = (4..=5).contains(&dims.len()) && dims.get(1).is_some_and(|dim| !dim.is(3));
    match is_fit && !keeps_type(work, node) {
        true => Layout::Blocks(if work.options.machine.isa.has_avx512() { 16 } else { 8 }),
        false => Layout::Plain,
    }
}

/// Whether a tensor has blocks of channels, all of them whole: a Transpose reads them, and writes a plain layout.
///
/// Source: `Transpose::initSupportedPrimitiveDescriptors`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/transpose.cpp.
fn fills_blocks(tensor: &Tensor) -> bool {
    let Layout::Blocks(block) = tensor.layout else { return false };
    tensor.dims.get(1).is_some_and(|dim| !dim.is_free() && dim.size() % u64::from(block.max(1)) == 0)
}

/// The rank of what a node writes.
fn rank_of(work: &Work<'_>, node: usize) -> usize {
    work.nodes[node].outputs.first().map_or(0, |tensor| tensor.dims.len())
}

/// Whether a node reads its first input in the type that it has: else no layout of it counts, and plain comes first.
fn keeps_type(work: &Work<'_>, node: usize) -> bool {
    let Some(edge) = work.nodes[node].input(0) else { return false };
    wanted_type(work, node, 0, edge, work.options.precision) == work.tensor(edge).dtype
}

/// Whether a Transpose of four or five dims, or a slice of more than two that are all kept, reads and writes channels-last.
///
/// Source: `initSupportedPrimitiveDescriptors` of transpose.cpp and strided_slice.cpp, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/nodes.
fn slides(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let Some(input) = of.input(0).map(|edge| work.tensor(edge)) else { return false };
    let is_slice = of.kind == Kind::StridedSlice;
    let rank = input.dims.len();
    let fits = (if is_slice { 3 } else { 4 }..=5).contains(&rank) && rank == rank_of(work, node);
    // Where the input fits neither layout, the first is chosen: of a slice channels-last.
    fits && match keeps_type(work, node) {
        true => input.layout == Layout::ChannelsLast,
        false => is_slice,
    }
}

/// Whether a Split behind free dims reads what has another type: no layout of it counts, and channels-last comes first. Of outer dims,
/// parts of a plain layout are where the whole is, which is preferred.
///
/// Source: `Split::selectOptimalPrimitiveDescriptor`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/split.cpp.
fn splits_another_type(work: &Work<'_>, node: usize) -> bool {
    let (Some(edge), Some(&[axis])) = (work.nodes[node].input(0), work.ints(node, 1)) else { return false };
    let rank = rank_of(work, node);
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    let mut before = work.tensor(edge).dims.iter().take(usize::try_from(axis).unwrap_or(0));
    before.any(|dim| dim.is_free()) && rank >= 3 && !keeps_type(work, node)
}

/// Whether a Reduce can read channels-last: only with four or five dims, the second of them known and not 1.
///
/// Source: `Reduce::initSupportedPrimitiveDescriptors`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/reduce.cpp.
fn reads_channels_last(work: &Work<'_>, node: usize) -> bool {
    let Some(dims) = work.nodes[node].input(0).map(|edge| &work.tensor(edge).dims) else { return false };
    (4..=5).contains(&dims.len()) && dims.get(1).is_some_and(|dim| !dim.is_free() && dim.size() > 1)
}

/// Whether it writes what it reads so: dims that are gone leave no layout.
fn reduces_channels_last(work: &Work<'_>, node: usize) -> bool {
    let rank = work.nodes[node].outputs.first().map_or(0, |tensor| tensor.dims.len());
    reads_channels_last(work, node) && rank > 3
}

/// The layout that an input must have.
pub(super) fn wanted(work: &Work<'_>, node: usize, input: usize, edge: Edge) -> Layout {
    let of = &work.nodes[node];
    let has = work.tensor(edge);
    match of.kind {
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate
            if input == 0 || of.addend == Some(input as u32) =>
        {
            Layout::ChannelsLast
        }
        Kind::Convolution | Kind::Deconvolution | Kind::Interpolate => has.layout,
        Kind::Reduce if input == 0 && !(reads_channels_last(work, node) && keeps_type(work, node)) => {
            Layout::Plain
        }
        Kind::Pooling if input == 0 && reads_bytes(work, node) => Layout::ChannelsLast,
        Kind::Mvn | Kind::Pad | Kind::Tile if input == 0 => own_layout(work, node),
        Kind::FakeQuantize if input == 0 => own_layout(work, node),
        Kind::ShapeOf | Kind::Reorder => has.layout,
        Kind::Transpose if input == 0 && fills_blocks(has) => has.layout,
        _ if matches!(has.layout, Layout::Blocks(_))
            && !matches!(of.kind, Kind::Eltwise | Kind::Subgraph) =>
        {
            Layout::Plain
        }
        Kind::Reduce | Kind::Pooling | Kind::ShuffleChannels if input == 0 => has.layout,
        _ if input == 0 && has_both_layouts(&of.kind, &of.op) => own_layout(work, node),
        Kind::Split if input == 0 && splits_another_type(work, node) => Layout::ChannelsLast,
        Kind::Split if input == 0 && has.dims.len() > 3 => has.layout,
        Kind::Transpose | Kind::StridedSlice if input == 0 && slides(work, node) => Layout::ChannelsLast,
        Kind::Eltwise | Kind::Concat | Kind::Subgraph if reads_own_layout(work, node, edge) => of
            .outputs
            .first()
            .filter(|tensor| tensor.dims.len() == has.dims.len())
            .map_or(has.layout, |tensor| tensor.layout),
        _ => Layout::Plain,
    }
}

/// Whether an element-wise node or a Concat reads something in the layout that it writes; not numbers, which have none.
fn reads_own_layout(work: &Work<'_>, node: usize, edge: Edge) -> bool {
    let is_elementwise = matches!(work.nodes[node].kind, Kind::Eltwise | Kind::Subgraph);
    let read = work.tensor(edge);
    let has_layout = || read.dims.len() > 2 && !read.is_number() && !read.is_empty();
    !work.nodes[edge.node()].is_const() || is_elementwise && has_layout()
}

/// The layout of a Concat: the one that most inputs have, of any type; channels-last between as many.
///
/// Source: `Concat::selectOptimalPrimitiveDescriptor`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/concat.cpp.
fn joined(work: &Work<'_>, node: usize) -> Layout {
    let inputs = || work.nodes[node].inputs().iter().flatten();
    let is_channels_last = |edge: &&Edge| work.tensor(**edge).layout == Layout::ChannelsLast;
    let (all, channels_last) = (inputs().count(), inputs().filter(is_channels_last).count());
    if channels_last > 0 && channels_last * 2 >= all { Layout::ChannelsLast } else { Layout::Plain }
}

/// The layout of an element-wise node.
fn elementwise(work: &Work<'_>, node: usize) -> Layout {
    let of = &work.nodes[node];
    let rank = rank_of(work, node);
    let inputs = || of.inputs().iter().flatten().copied().enumerate();
    let rank_fits = |edge: Edge| {
        let own = work.tensor(edge).dims.len();
        own == rank || own < 2 || work.nodes[edge.node()].is_const()
    };
    if !(3..=5).contains(&rank) || inputs().any(|(_, edge)| !rank_fits(edge)) {
        return Layout::Plain;
    }
    let counted = inputs().filter(|&(input, edge)| {
        let is_constant = work.nodes[edge.node()].is_const();
        !(is_constant && (input > 0 || work.tensor(edge).is_number())) && work.tensor(edge).dims.len() == rank
    });
    let is_dynamic = of.outputs.iter().any(|tensor| tensor.is_free());
    let is_weighed = of.kind == Kind::Subgraph && !is_dynamic;
    let (mut plain, mut channels_last) = (0_u64, 0_u64);
    for (input, edge) in counted {
        let has = work.tensor(edge);
        let weight = if is_weighed { has.elements() } else { 1 };
        let dtype = wanted_type(work, node, input, edge, work.options.precision);
        match has.layout {
            _ if has.dtype != dtype => {}
            Layout::ChannelsLast => channels_last += weight,
            Layout::Plain => plain += weight,
            Layout::Blocks(_) => {}
        }
    }
    let wins_tie = of.kind == Kind::Subgraph || work.prefers_channels_last;
    if channels_last > plain || channels_last == plain && wins_tie {
        Layout::ChannelsLast
    } else {
        Layout::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{Binary, Broadcast, Convolution, FilterLayout};
    use crate::ids::TensorId;
    use crate::machine::{Isa, Machine};
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    const F32: DType = DType::F32;

    fn quantized(net: &mut Net, name: &str, x: TensorId, dims: &[i64]) -> TensorId {
        let [low, high] = [0.0, name.len() as f64].map(|limit| net.number("limit", limit));
        let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        net.op(name, op, &[x, low, high, low, high], F32, dims)
    }

    fn convolved(net: &mut Net, x: TensorId, dims: &[i64]) -> TensorId {
        let filters = [dims[1], dims[1], 1, 1];
        let stored = net.weight("stored", DType::I8, &filters);
        let wide = net.op("wide", Op::Convert { to: F32 }, &[stored], F32, &filters);
        let scale = net.weight("scale", F32, &[dims[1], 1, 1, 1]);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let filters = net.op("scaled", multiply, &[wide, scale], F32, &filters);
        let op = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
        net.op("conv", Op::Convolution(Box::new(op)), &[x, filters], F32, dims)
    }

    /// The layout of one of two that quantize what a convolution writes in bf16.
    fn of_two(machine: Machine, channels: i64) -> Layout {
        let mut net = Net::new();
        let dims = [FREE, channels, 6, 6];
        let x = net.input("x", F32, &dims);
        let x = quantized(&mut net, "first", x, &dims);
        let x = convolved(&mut net, x, &dims);
        for name in ["second", "also"] {
            let x = quantized(&mut net, name, x, &dims);
            let x = convolved(&mut net, x, &dims);
            net.result("out", x);
        }
        let graph = net.execute(Options { machine, precision: Precision::Bf16, ..DYNAMIC });
        let node = graph.nodes.iter().find(|node| &*node.name == "second");
        node.unwrap().outputs[0].layout
    }

    #[test]
    fn what_quantizes_another_type_has_blocks_but_of_three_channels() {
        assert_eq!(of_two(Machine::MEASURED, 16), Layout::Blocks(16));
        assert_eq!(of_two(Machine { isa: Isa::Avx2, ..Machine::MEASURED }, 16), Layout::Blocks(8));
        assert_eq!(of_two(Machine::MEASURED, 3), Layout::Plain);
    }
}
