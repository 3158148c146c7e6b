//! Generated code: kernels that are compiled for the shapes and types of a graph.
//!
//! Every kernel is generated into an anonymous map of its own of 256 KiB, of which a page or two are ever written. Kernels
//! are shared between nodes of equal parameters, but for those of Subgraph and RoPE, which have one per node.
//!
//! | kernels of | per |
//! |---|---|
//! | the search of constants of f32 for special values, Convert, RMS norm, the end of a Reduce | graph |
//! | conversions of constants and between nodes | shape and types |
//! | Gather of a dynamic graph, Interpolate | node |
//! | Subgraph, RoPE: when compiled | node |
//! | Subgraph without attention | sizes and length |
//! | Eltwise | kind |
//! | the reorder that packs a weight | its shape, and the block that it is packed in |
//! | product: [`super::inner_product`]; of quantized weights by whether its rows fill the kernel's tiles, few rows apart, and one more that unpacks. The MLAS kernel is not generated | shape of the weight, rows and what is fused |
//! | product of chosen experts, whose rows are any number | shape of the weights |
//! | product of two activations in bf16 | their shapes |
//! | several products in tiles: [`super::tiles`] | graph |
//! | convolution: [`super::convolution`] | sizes and what is fused |
//! | product or convolution of bytes, where numbers of what is fused are part of the kernel | node |
//! | transposed convolution | shape of weight and output |
//! | Transpose; Reorder that changes the layout; Pooling; Softmax | shape |
//! | MVN | layout and types; channels, where anything is fused |
//! | Reduce: one more where the type changes, and it may be done in two stages | node |
//! | recurrent sequence | sizes and direction |
//! | attention with a cache, stateful or paged; attention in Subgraphs, further shapes of attention in them, odd head sizes | graph |
//!
//! A kernel that copies the columns of a convolution's input one by one, so that its kernel becomes channels, has a larger map
//! where the input is a sound of many thousand columns.
//!
//! Nodes whose sizes depend on data, as those of experts that are run one after the other, share none of the kernels that are for
//! a shape: each expert has rows of its own, of any number.
//!
//! How many: [`calibration`](crate::runtime::openvino_cpu::calibration).
//!
//! Source: OpenVINO 2026.4.1, kernels by name as oneDNN dumps them (`ONEDNN_JIT_DUMP=1`) for 20 graphs: one map per dumped
//! kernel, without exception.

use super::convolution::Convolutions;
use super::held::{Held, Moment};
use super::inner_product::InnerProduct;
use super::scratchpad::inner_product;
use super::tiles;
use super::weights::{is_convolution, is_mlas, is_quantized};
use crate::dtype::DType;
use crate::graph::Dims;
use crate::machine::Machine;
use crate::runtime::calibration::Estimate;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::{
    Attention, ExecutedNode, ExecutionGraph, Kind, Layout, Output, Port, Precision,
};
use crate::schedule::{NodeRef, StorageClass};
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of the map that a kernel is generated into.
///
/// Source: `MAX_CODE_SIZE`, oneDNN, src/cpu/x64/jit_generator.hpp.
pub(in crate::runtime::openvino_cpu) const MAP: Bytes = Bytes(256 << 10);

/// The maps of all kernels.
pub(super) fn held(
    graph: &ExecutionGraph,
    constants: &[bool],
    streams: usize,
    known: &Convolutions,
    machine: &Machine,
) -> Vec<Held> {
    let Some(node) = graph.nodes.first().map(|node| node.source) else { return Vec::new() };
    let maps = |kernels: Estimate, since| {
        let (count, known) = kernels.known();
        let own = Held { class: StorageClass::Code, bytes: MAP, node, known, since };
        std::iter::repeat_n(own, count as usize)
    };
    let since = if graph.is_dynamic { Moment::Running } else { Moment::Compiled };
    let per_node = graph.nodes.count(Kind::Subgraph) + graph.nodes.count(Kind::Rope);
    let (shared, of_graph) = shared(graph, constants, known, machine);
    // The library keeps its kernels for the process, the plugin's own are there once per graph: per stream. Of the streams
    // of a dynamic graph one runs.
    let early = Estimate::ZERO + compiled(graph, constants) + per_node.saturating_mul(streams) as u64;
    let later = shared + of_graph * if graph.is_dynamic { 1 } else { streams as u64 };
    let mut held: Vec<Held> = maps(early, Moment::Compiled).chain(maps(later, since)).collect();
    // The kernels that copy whole rows are larger than their maps.
    for (map, bytes) in held.iter_mut().rev().zip(long(graph, known)) {
        map.bytes = bytes;
    }
    held
}

/// The maps of kernels that copy the columns of an input one by one, where the code is longer than a map: it grows twofold.
///
/// Source: `CodeArray::growMemory`, Xbyak, as oneDNN 3.13 has it in third_party/xbyak/xbyak.h.
fn long(graph: &ExecutionGraph, known: &Convolutions) -> Vec<Bytes> {
    let steps = graph.nodes.of_kind(Kind::Convolution);
    let of_step: FxHashMap<usize, u64> = steps
        .filter_map(|(step, _)| known.get(step))
        .map(|(sizes, made)| (sizes, made.copied_columns))
        .collect();
    let code = of_step.into_values().map(|columns| fit::COPIED_COLUMN.per(columns).known().0);
    let mut maps: Vec<Bytes> = code
        .filter(|&code| code > MAP.0)
        .map(|code| Bytes(code.checked_next_power_of_two().unwrap_or(code)))
        .collect();
    maps.sort_unstable();
    maps
}

/// Kernels that are generated while the model is compiled, whether or not its dims are known.
///
/// Constants are searched for special values by two; a constant that is converted has a copy of its own shape; a Gather
/// and a Reduce are made before they run, a Reduce in half precision twice.
fn compiled(graph: &ExecutionGraph, constants: &[bool]) -> u64 {
    let is_constant = |node: &ExecutedNode| {
        let port = node.inputs.first();
        port.is_some_and(|port| constants.get(port.step as usize).copied().unwrap_or(false))
    };
    let is_searched = |(_, node): (u32, &ExecutedNode)| {
        node.outputs.iter().any(|output| output.dtype == DType::F32 && elements(output) >= SEARCHED)
    };
    let mut converted: FxHashSet<Conversion<'_>> = FxHashSet::default();
    let mut count = if graph.nodes.of_kind(Kind::Const).any(is_searched) { 2 } else { 0 };
    let reorders = graph.nodes.of_kind(Kind::Reorder).map(|(_, node)| node);
    converted.extend(reorders.filter(|node| is_constant(node)).filter_map(|node| conversion(graph, node)));
    if graph.is_dynamic {
        let gathers = graph.nodes.of_kind(Kind::Gather).map(|(_, node)| node);
        count += gathers.filter(|node| !node.is_view && !is_constant(node)).count() as u64;
    }
    count + converted.len() as u64
}

/// Least elements of a constant that is searched for special values by a kernel.
///
/// Source: kernels of runs: graphs whose constants are single numbers have none.
const SEARCHED: u64 = 64;

/// A copy that changes the type alone: its dims and types.
type Conversion<'a> = (&'a Dims, DType, DType);

/// A product: dims and type of the weight, rows, layers that are one, inputs.
type Product<'a> = (&'a Dims, DType, u64, usize, usize);

/// A Subgraph: layers that are one; dims and types of what it reads and writes.
type Chain<'a> = (usize, Vec<(&'a Dims, DType)>);

fn conversion<'a>(graph: &'a ExecutionGraph, node: &'a ExecutedNode) -> Option<Conversion<'a>> {
    let (input, output) = (graph.input(node, 0)?, node.outputs.first()?);
    let changes_type = input.layout == output.layout && input.dtype != output.dtype;
    changes_type.then_some((&output.dims, input.dtype, output.dtype))
}

fn elements(output: &Output) -> u64 {
    output.dims.iter().fold(1, |product, &dim| product.saturating_mul(dim))
}

/// Kernels that nodes share: oneDNN's, and the plugin's own.
fn shared(
    graph: &ExecutionGraph,
    constants: &[bool],
    known: &Convolutions,
    machine: &Machine,
) -> (Estimate, Estimate) {
    let mut seen = Seen { constants, has_past: graph.has_past(), ..Seen::default() };
    // Nothing is generated for a node without data.
    let is_run =
        |node: &ExecutedNode| !node.depends_on_data || node.outputs.iter().all(|output| elements(output) > 0);
    for (step, node) in (0_u32..).zip(&graph.nodes).filter(|(_, node)| is_run(node)) {
        seen.own = node.depends_on_data.then_some(step);
        seen.product(graph, (known, machine), step, node);
        seen.copy(graph, node);
        seen.computation(graph, node);
    }
    let has = |kind: Kind| graph.nodes.has([kind]);
    let attention = match (has(Kind::ScaledDotProductAttention), has(Kind::PagedAttention)) {
        (_, true) if graph.precision == Precision::F32 => fit::KERNELS_PAGED_F32.estimate(),
        (_, true) => fit::KERNELS_PAGED.estimate(),
        (true, _) => fit::KERNELS_ATTENTION.estimate(),
        _ => Estimate::ZERO,
    };
    let norm = fit::KERNELS_MVN.per(seen.norms.len() as u64);
    let once = [Kind::Convert, Kind::Rms].into_iter().filter(|kind| has(kind.clone())).count();
    let copies = seen.weights.len() + seen.converted.len();
    let own = seen.elementwise.len() + seen.moved.len() + seen.reduced.len() + once;
    let in_tiles = tiles::kernels(graph) + if uses_tiles(graph, machine) { SETTING_OF_TILES } else { 0 };
    (seen.kernels + attention + in_tiles + copies as u64, norm + seen.subgraphs() + own as u64)
}

/// Kernels that set the shapes of tiles and give them back.
///
/// Source: `amx_tile_configure` and `amx_tile_release`, oneDNN 3.13, src/cpu/x64/amx_tile_configure.cpp: one of each for the
/// process.
const SETTING_OF_TILES: u64 = 2;

/// Whether a product or a convolution is computed in tiles.
fn uses_tiles(graph: &ExecutionGraph, machine: &Machine) -> bool {
    machine.isa.has_amx()
        && graph.precision != Precision::F32
        && (graph.nodes.has([Kind::FullyConnected, Kind::Convolution]) || graph.nodes.has(tiles::KINDS))
}

/// What of a graph's nodes was counted.
#[derive(Debug, Default)]
struct Seen<'a> {
    /// By step: computed from constants alone.
    constants: &'a [bool],
    /// Whether an attention has a past; asking the graph is a look at all of them.
    has_past: bool,
    /// The step of the node at hand, where its sizes depend on data: no other has the same.
    own: Option<u32>,
    kernels: Estimate,
    /// With the block that convolutions are packed in.
    weights: FxHashSet<(&'a Dims, DType, i64)>,
    products: FxHashSet<(Product<'a>, Option<u32>)>,
    convolutions: FxHashSet<(usize, usize, Option<u32>)>,
    transposed: FxHashSet<(&'a Dims, &'a Dims, usize)>,
    elementwise: FxHashSet<(usize, Vec<DType>, DType)>,
    moved: FxHashSet<(&'a Dims, DType, Option<u32>)>,
    /// Layout, types, how many operations are one, and the channels of more than one.
    norms: FxHashSet<(Layout, [DType; 2], usize, u64)>,
    /// Layout and types of what ends a Reduce.
    reduced: FxHashSet<(Layout, [DType; 2])>,
    converted: FxHashSet<Conversion<'a>>,
    attentions: FxHashSet<&'a Attention>,
    chains: FxHashSet<(Chain<'a>, Option<u32>)>,
    /// How many sequences were one: each has a direction of its own.
    sequences_of: FxHashMap<NodeRef, usize>,
    /// Sizes and types of what sequences read, and the direction.
    sequences: FxHashSet<(Vec<(&'a Dims, DType)>, usize)>,
}

impl<'a> Seen<'a> {
    /// Products and convolutions, and the copies that pack their weights.
    fn product(
        &mut self,
        graph: &'a ExecutionGraph,
        (known, machine): (&Convolutions, &Machine),
        step: u32,
        node: &'a ExecutedNode,
    ) {
        let (Some(output), Some(weight)) = (node.outputs.first(), graph.input(node, 1)) else { return };
        let packed = (&weight.dims, weight.dtype, 0);
        let n_originals = node.originals.len();
        let is_low = graph.input(node, 0).is_some_and(|data| !data.dtype.is_float());
        match node.kind {
            Kind::FullyConnected => {
                self.weights.insert(packed);
                // Without VNNI the kernels of products of bytes know nothing of what follows.
                let is_own = is_low && !node.shares_kernel && machine.isa.has_vnni();
                let own = if is_own { Some(step) } else { self.own };
                let key = (packed.0, packed.1, rows(graph, node), n_originals, node.inputs.len());
                if self.products.insert((key, own)) && !is_mlas(graph, node) {
                    self.kernels += of_product(graph, node, weight, machine, self.has_past);
                }
            }
            Kind::GatherMatmul if self.weights.insert(packed) => {
                self.kernels += fit::KERNELS_EXPERTS.estimate();
            }
            Kind::MatMul
                if weight.dtype != DType::F32
                    && self.products.insert(((packed.0, packed.1, 0, n_originals, 0), self.own)) =>
            {
                self.kernels += fit::KERNELS_ACTIVATIONS.estimate();
            }
            Kind::Convolution => {
                let made = known.get(step);
                self.weights.insert((packed.0, packed.1, made.map_or(0, |(_, made)| made.block)));
                let own = (is_low && !node.shares_kernel).then_some(step);
                let found = made.filter(|&(sizes, _)| self.convolutions.insert((sizes, n_originals, own)));
                self.kernels = self.kernels + found.map_or(0, |(_, made)| made.kernels);
            }
            Kind::Deconvolution if self.transposed.insert((packed.0, &output.dims, n_originals)) => {
                self.weights.insert(packed);
                self.kernels += fit::KERNELS_DECONVOLUTION.estimate();
            }
            _ => {}
        }
    }

    /// What moves or converts elements.
    fn copy(&mut self, graph: &'a ExecutionGraph, node: &'a ExecutedNode) {
        let Some(output) = node.outputs.first() else { return };
        let is_moved = match node.kind {
            Kind::Transpose | Kind::Pooling | Kind::Softmax => true,
            Kind::Reorder => graph.input(node, 0).is_some_and(|input| input.layout != output.layout),
            _ => false,
        };
        let is_constant = |port: &Port| self.constants.get(port.step as usize).copied().unwrap_or(false);
        let is_of_constant = node.inputs.first().is_some_and(is_constant);
        // Weights are transposed without a kernel.
        if is_moved && !(node.kind == Kind::Transpose && is_of_constant) {
            self.moved.insert((&output.dims, output.dtype, self.own));
        } else if node.kind == Kind::Reorder && !is_moved && !is_of_constant {
            self.converted.extend(conversion(graph, node));
        }
    }

    fn computation(&mut self, graph: &'a ExecutionGraph, node: &'a ExecutedNode) {
        let Some(output) = node.outputs.first() else { return };
        let inputs = || (0..node.inputs.len()).filter_map(|input| graph.input(node, input));
        match (&node.kind, node.attention.as_deref()) {
            (Kind::Interpolate, _) => self.kernels = self.kernels + 1,
            (Kind::RnnSequence, _) => {
                let place = self.sequences_of.entry(node.source).or_default();
                *place += 1;
                let (sizes, place) = (inputs().map(|input| (&input.dims, input.dtype)).collect(), *place);
                if self.sequences.insert((sizes, place)) {
                    self.kernels += match graph.precision {
                        Precision::F32 => fit::KERNELS_RECURRENT_F32.estimate(),
                        _ => fit::KERNELS_RECURRENT.estimate(),
                    };
                }
            }
            (Kind::Reduce, _) => {
                let Some(input) = inputs().next() else { return };
                self.reduced.insert((input.layout, [input.dtype, output.dtype]));
                self.kernels += match has_two_stages(graph, node, input, output) {
                    true => fit::KERNELS_REDUCE.estimate(),
                    false => fit::KERNELS_REDUCE_ONE.estimate(),
                };
            }
            (Kind::Mvn, _) => {
                let Some(input) = inputs().next() else { return };
                let n_originals = node.originals.len();
                let channels = if n_originals > 1 { input.dims.get(1).copied().unwrap_or(0) } else { 0 };
                self.norms.insert((input.layout, [input.dtype, output.dtype], n_originals, channels));
            }
            (Kind::Subgraph, Some(attention)) => {
                self.attentions.insert(attention);
            }
            (Kind::Subgraph, None) => {
                let sizes = inputs().chain(&node.outputs).map(|tensor| (&tensor.dims, tensor.dtype));
                self.chains.insert(((node.originals.len(), sizes.collect()), self.own));
            }
            (Kind::Eltwise, _) => {
                let types = inputs().map(|input| input.dtype).collect();
                self.elementwise.insert((node.originals.len(), types, output.dtype));
            }
            _ => {}
        }
    }

    /// Kernels that Subgraphs share.
    fn subgraphs(&self) -> Estimate {
        let Some(further) = self.attentions.len().checked_sub(1) else {
            return Estimate::ZERO + self.chains.len() as u64;
        };
        let is_odd = self.attentions.iter().any(|found| found.key_size % 32 != 0);
        fit::KERNELS_SUBGRAPH.estimate()
            + fit::KERNELS_SUBGRAPH_SHAPE.per(further as u64)
            + fit::KERNELS_SUBGRAPH_ODD.per(u64::from(is_odd))
    }
}

/// Whether a Reduce has a kernel for a second stage, which reduces what the first has made in the output's type: in half precision,
/// where its dims are not known when it is made; else if it changes the type, its channels come last and it reduces all rows
/// and columns.
///
/// Source: `Reduce::createPrimitive` and `create_opt_working_memory`, OpenVINO 2026.4,
/// src/plugins/intel_cpu/src/nodes/reduce.cpp.
fn has_two_stages(graph: &ExecutionGraph, node: &ExecutedNode, input: &Output, output: &Output) -> bool {
    let reduces = |axis: usize| input.dims.get(axis) > Some(&1) && output.dims.get(axis) == Some(&1);
    let is_split = input.layout == Layout::ChannelsLast
        && node.has_parts
        && input.dims.len() == 4
        && output.dims.get(1) == input.dims.get(1)
        && reduces(2)
        && reduces(3);
    graph.precision != Precision::F32 && (graph.is_dynamic || is_split && input.dtype != output.dtype)
}

/// Counts the kernels of one product.
///
/// Source: kernels by name as oneDNN dumps them for 20 graphs; blocks of columns as in `super::weights`.
fn of_product(
    graph: &ExecutionGraph,
    node: &ExecutedNode,
    weight: &Output,
    machine: &Machine,
    has_past: bool,
) -> Estimate {
    let (rows, isa) = (rows(graph, node), machine.isa);
    let has_rule = !is_quantized(weight.dtype) && !has_past && !is_convolution(graph, node, machine);
    if has_rule && let Some(product) = inner_product(graph, node) {
        // One row fewer fills no block that all rows fill.
        let fewer = InnerProduct { rows: rows.saturating_sub(1).max(1), ..product };
        let kernels = product.kernels(machine);
        return Estimate::ZERO
            + if node.depends_on_data { kernels.max(fewer.kernels(machine)) } else { kernels };
    }
    let own = if fit::FEW_ROWS.covers(rows) {
        // One token after a prompt: the prompt's kernels are there too.
        fit::KERNELS_PRODUCT_TOKEN.per(if has_past { 2 } else { 1 })
    } else if fit::KERNEL_ROWS.divides(rows) && !node.depends_on_data {
        fit::KERNELS_PRODUCT.estimate()
    } else if fit::SHORT_ROWS.covers(rows) {
        fit::KERNELS_PRODUCT_SHORT.estimate()
    } else {
        fit::KERNELS_PRODUCT_ODD.estimate()
    };
    // Columns that do not fill a block have kernels of their own.
    let block = if isa.has_avx512() { 64 } else { 24 };
    let columns = weight.dims.first().copied().unwrap_or(0);
    let widths = if columns > block && !columns.is_multiple_of(block) { 2 } else { 1 };
    own * widths + fit::KERNELS_UNPACKING.per(u64::from(is_quantized(weight.dtype)))
}

/// Rows of a product's input.
fn rows(graph: &ExecutionGraph, node: &ExecutedNode) -> u64 {
    let rows = graph.input(node, 0).and_then(|data| data.dims.split_last()).map(|(_, rows)| rows);
    rows.map_or(1, |rows| rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn graph(rows: u64, dtype: DType) -> ExecutionGraph {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: true,
            layout: Default::default(),
        };
        let node = |kind, output: Output, inputs: &[u32]| ExecutedNode {
            kind,
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let data = output(DType::BF16, &[1, rows, 896]);
        let product = node(Kind::FullyConnected, data.clone(), &[0, 1]);
        let nodes = vec![
            node(Kind::Input, data.clone(), &[]),
            node(Kind::Const, output(dtype, &[896, 896]), &[]),
            product.clone(),
            product,
            node(Kind::Rope, data, &[0]),
            node(Kind::Const, output(DType::F32, &[896]), &[]),
        ];
        ExecutionGraph { nodes: nodes.into(), is_dynamic: true, ..ExecutionGraph::default() }
    }

    fn made(graph: &ExecutionGraph) -> Vec<Held> {
        held(graph, &graph.constants(), 1, &Convolutions::default(), &Machine::MEASURED)
    }

    /// Kernels of any graph with weights.
    fn base() -> usize {
        2
    }

    #[test]
    fn products_of_one_shape_share_kernels_and_rows_that_are_no_multiple_need_more() {
        let kernels = |rows, dtype| made(&graph(rows, dtype)).len() - base() - 1;
        assert_eq!(kernels(1024, DType::F16), 3);
        assert_eq!(kernels(1813, DType::F16), 5);
        assert_eq!(kernels(200, DType::F16), 3);
        assert_eq!(kernels(1, DType::F16), 3);
        assert_eq!(kernels(1024, DType::U4), 4);
    }

    #[test]
    fn nodes_with_a_kernel_of_their_own_have_it_when_compiled() {
        let compiled =
            made(&graph(64, DType::F16)).iter().filter(|held| held.since == Moment::Compiled).count();
        assert_eq!(compiled, base() + 1);
    }

    /// Kernels of two sequences of `inputs` each.
    fn recurrent(inputs: [u64; 2], is_one: bool) -> usize {
        let output = |dims: &[u64]| Output {
            dtype: DType::BF16,
            dims: Dims::from_slice(dims),
            is_dynamic: true,
            layout: Default::default(),
        };
        let node = |kind, source: usize, dims: &[u64], inputs: &[u32]| ExecutedNode {
            kind,
            source: NodeRef { graph: 0, node: NodeId::new(source) },
            inputs: inputs.iter().map(|&step| Port { step, port: 0 }).collect(),
            outputs: [output(dims)].into_iter().collect(),
            ..ExecutedNode::default()
        };
        let mut nodes = Vec::new();
        for (place, inputs) in (0_u32..).zip(inputs) {
            nodes.push(node(Kind::Input, 2, &[1, 40, inputs], &[]));
            let source = if is_one { 0 } else { place as usize };
            nodes.push(node(Kind::RnnSequence, source, &[1, 40, 256], &[place * 2]));
        }
        let graph = ExecutionGraph { nodes: nodes.into(), is_dynamic: true, ..ExecutionGraph::default() };
        made(&graph).len()
    }

    #[test]
    fn sequences_of_one_size_and_direction_share_kernels() {
        let other = recurrent([256, 512], false);
        assert_eq!(recurrent([256, 256], true), other);
        assert!(recurrent([256, 256], false) < other);
    }
}
