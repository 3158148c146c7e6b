//! Packed weights, and what quantization adds.
//!
//! Every weight of a matrix product or a convolution is packed once into memory of its own; a constant that two nodes
//! use in one format is packed once. The original stays where it is. N outputs, K inputs, `ru` rounds up:
//!
//! | weight | bytes |
//! |---|---|
//! | f16, bf16, f32 computed in bf16 or f16 | `ru(K,16) * ru(N,64) * 2` (N up to 16, 32: that) |
//! | f16 computed in f32, language model | `K * N * 2` |
//! | f16 or f32 computed in f32 | `K * ru(N,64) * 4`; in a convolution's blocks where it runs as one: [`super::convolution`]; `ru(N,16)` where the MLAS kernel takes it |
//! | u8, i8 | `ru(K,16) * ru(N,16)` |
//! | u4, i4 | `K * N / 2` |
//! | under AMX, in half precision | K and N padded to 32 |
//! | under AVX2 | N padded to 24 in each of these but MLAS, K to 8 in f32; with AVX-VNNI, bytes and half bytes as above |
//! | of products that one node computes in tiles | [`super::tiles`] |
//! | of several experts | as one, times the experts |
//! | scales, zero points | once more: the executor's copy, zero points widened to bytes, or to f32 where data are not quantized, scales not where the compiled model is imported; scales that a Gather reads too are converted for it |
//! | convolution | in blocks that oneDNN searches for: [`super::convolution`] |
//!
//! The MLAS kernel takes f32 weights unless a post-op is fused. Then a convolution does where 2 <= M <= 3136, 96 <= K <= 4096 and
//! 96 <= N <= 4 K, and an inner product else.
//! Static graphs, MLAS and the products of experts pack when compiling, dynamic graphs at the first inference. Products
//! that compute a state inside a MemoryInput pack like all others. A product whose rows depend on data packs once it has rows.
//!
//! Source: OpenVINO 2026.4.1, heap blocks of 76 static and 120 dynamic runs; padding and selection in
//! src/plugins/intel_cpu/src/nodes/executors.

use super::convolution::{self, Convolutions};
use super::held::{Held, Moment, product, round_up};
use super::int8;
use super::tiles;
use crate::dtype::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Output, Port, Precision};
use crate::runtime::openvino_cpu::release::Change;
use crate::runtime::openvino_cpu::{ModelCache, OpenvinoCpu};
use crate::schedule::Known;
use rustc_hash::FxHashSet;

/// The packed copies of a graph's weights.
pub(super) fn packed(
    graph: &ExecutionGraph,
    constants: &[bool],
    options: &OpenvinoCpu,
    convolutions: &Convolutions,
) -> Vec<Held> {
    let machine = &options.machine;
    // `getModelType`, OpenVINO 2026.4, src/plugins/intel_cpu/src/plugin.cpp: the products of such a model keep f16 weights
    // (`DnnlFCPrimitive::useWeightsDecompressionImpl`, nodes/executors/dnnl/dnnl_fullyconnected_primitive.cpp).
    let is_language_model = graph.has_cache() && !graph.nodes.has([Kind::Convolution]);
    let mut seen: FxHashSet<Port> = FxHashSet::default();
    let mut held = Vec::new();
    for (step, node) in (0_u32..).zip(&graph.nodes) {
        let Some(&port) = node.inputs.get(1) else { continue };
        let (Some(weight), Some(data)) = (graph.output(port), graph.input(node, 0)) else { continue };
        let product = Product { graph, node, weight, data, is_language_model, machine };
        if constants.get(port.step as usize) != Some(&true) || product.is_idle() || !seen.insert(port) {
            continue;
        }
        let is_low = int8::is_low(graph, node);
        let ((bytes, known), at_compile) = match node.kind {
            Kind::FullyConnected if is_low => ((int8::packed(data, weight, machine), Known::Exact), false),
            Kind::FullyConnected => (product.fully_connected(), product.is_mlas()),
            Kind::Convolution => match convolutions.get(step) {
                // Under AVX2 the search counts on a cache that was measured.
                Some((_, made)) if machine.isa.has_avx512() => ((made.weights, Known::Exact), false),
                Some((_, made)) => ((made.weights, Known::Assumed), false),
                None => continue,
            },
            Kind::GatherMatmul => (product.of_experts(), true),
            _ => continue,
        };
        let early = at_compile || !graph.is_dynamic;
        let since = if early { Moment::Compiled } else { Moment::Running };
        let own = |bytes, since| Held::weights(bytes, node.source, since);
        held.push(Held { known, ..own(bytes, since) });
        let is_half = matches!(weight.dtype, DType::F16 | DType::BF16);
        if node.kind == Kind::Convolution && is_half && options.release.has(Change::KeepsConvertedFilters) {
            held.push(own(elements(weight).saturating_mul(4), Moment::Compiled));
        }
        let first_scale = if node.kind == Kind::GatherMatmul { 4 } else { 3 };
        if node.kind != Kind::Convolution && is_quantized(weight.dtype) && !is_low {
            // The copy of the scales, then that of the zero points: a byte each where data are quantized too, else f32.
            let scales = graph.input(node, first_scale).and_then(Output::bytes).unwrap_or_default();
            let zero_points = graph.input(node, first_scale + 1).map(elements).unwrap_or_default();
            let element = if options.quantization_group().is_some() { 1 } else { 4 };
            let is_mapped = options.model_cache == ModelCache::Import;
            let scales = if is_mapped { 0 } else { scales.0 };
            held.extend(
                [scales, zero_points.saturating_mul(element)].map(|bytes| own(bytes, Moment::Compiled)),
            );
        }
    }
    for node in &graph.nodes {
        for weight in &node.inner {
            let Some(data) = node.outputs.first() else { continue };
            let product = Product { graph, node, weight, data, is_language_model, machine };
            let (bytes, known) = product.fully_connected();
            held.push(Held { known, ..Held::weights(bytes, node.source, Moment::Running) });
        }
    }
    held.extend(tiles::weights(graph));
    held.extend(scales_of_lookups(graph));
    held
}

/// Scales that a Gather of quantized rows shares with a product: it has a converted copy of its own.
fn scales_of_lookups(graph: &ExecutionGraph) -> Vec<Held> {
    let of_kind = |kind: Kind| graph.nodes.of_kind(kind).map(|(_, node)| node);
    let products: FxHashSet<Port> =
        of_kind(Kind::FullyConnected).filter_map(|node| node.inputs.get(3).copied()).collect();
    let shared = of_kind(Kind::Gather).filter(|node| {
        let is_quantized = graph.input(node, 0).is_some_and(|table| is_quantized(table.dtype));
        is_quantized && node.inputs.get(3).is_some_and(|scale| products.contains(scale))
    });
    let copies = shared.filter_map(|node| {
        Some(Held::weights(graph.input(node, 3)?.bytes()?.0, node.source, Moment::Compiled))
    });
    copies.collect()
}

/// Whether elements are integers that a scale gives their value.
pub(super) fn is_quantized(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::I8 | DType::U4 | DType::I4)
}

/// Whether a matrix product of f32 runs as a convolution of one element.
pub(super) fn is_convolution(graph: &ExecutionGraph, node: &ExecutedNode, machine: &Machine) -> bool {
    let (Some(data), Some(weight)) = (graph.input(node, 0), graph.input(node, 1)) else { return false };
    let product = Product { graph, node, weight, data, is_language_model: false, machine };
    product.is_f32() && machine.isa.has_avx512() && product.fits_convolution()
}

/// Whether MLAS computes a matrix product, instead of a kernel that oneDNN generates.
pub(super) fn is_mlas(graph: &ExecutionGraph, node: &ExecutedNode) -> bool {
    let (Some(data), Some(weight)) = (graph.input(node, 0), graph.input(node, 1)) else { return false };
    // The choice depends on neither the kind of model nor the machine.
    let machine = &Machine::MEASURED;
    Product { graph, node, weight, data, is_language_model: false, machine }.is_mlas()
}

/// Whether weights are several matrices [matrices…, N, K], each of which a matrix of the data is multiplied by; quantized ones
/// are [N, groups, K].
///
/// Source: heap blocks of OpenVINO 2026.4.1 for products with [6, 512, 64] in half precision: 393,216 bytes.
pub(super) fn is_stack(weight: &Output) -> bool {
    let has_more = matches!(weight.dims.as_slice(), [stack @ .., _, _] if stack.iter().any(|&dim| dim > 1));
    has_more && weight.dtype.is_float()
}

fn elements(output: &Output) -> u64 {
    output.dims.iter().fold(1, |product, &dim| product.saturating_mul(dim))
}

/// A node with a weight.
struct Product<'a> {
    graph: &'a ExecutionGraph,
    node: &'a ExecutedNode,
    weight: &'a Output,
    data: &'a Output,
    is_language_model: bool,
    machine: &'a Machine,
}

impl Product<'_> {
    fn is_f32(&self) -> bool {
        self.graph.precision == Precision::F32
    }

    /// Outputs and inputs of a matrix [N, K…].
    fn n_k(&self) -> (u64, u64) {
        let n = self.weight.dims.first().copied().unwrap_or(0);
        (n, elements(self.weight).checked_div(n).unwrap_or(0))
    }

    fn fully_connected(&self) -> (u64, Known) {
        if is_stack(self.weight) { self.stack() } else { self.matrix(self.n_k()) }
    }

    /// Weights [experts, N, K].
    fn of_experts(&self) -> (u64, Known) {
        if self.weight.dims.len() == 3 { self.stack() } else { self.fully_connected() }
    }

    /// Weights [matrices…, N, K], each packed.
    fn stack(&self) -> (u64, Known) {
        let [stack @ .., n, k] = self.weight.dims.as_slice() else { return self.matrix(self.n_k()) };
        let matrices = stack.iter().fold(1, |all: u64, &dim| all.saturating_mul(dim));
        let (bytes, known) = self.matrix((*n, *k));
        (matrices.saturating_mul(bytes), known)
    }

    /// Returns the bytes of a packed matrix.
    ///
    /// Source: `get_desired_weights_tag`, oneDNN 3.13, src/cpu/x64/jit_brgemm_inner_product_utils.cpp, and heap blocks.
    fn matrix(&self, (n, k): (u64, u64)) -> (u64, Known) {
        let isa = self.machine.isa;
        let columns = round_up(n, if isa.has_avx512() { 64 } else { 24 });
        let bytes = match self.weight.dtype {
            DType::U8 | DType::I8 if isa.has_vnni() || isa.has_avx512() => {
                product([round_up(k, 16), round_up(n, 16)])
            }
            DType::U8 | DType::I8 => product([round_up(k, 16), columns]),
            DType::U4 | DType::I4 if isa.has_vnni() || isa.has_avx512() => product([k, n]).div_ceil(2),
            DType::U4 | DType::I4 => product([k, columns]).div_ceil(2),
            DType::F16 if self.is_f32() && self.is_language_model && isa.has_avx512() => product([k, n, 2]),
            DType::F16 if self.is_f32() && self.is_language_model => product([k, columns, 2]),
            _ if self.is_mlas() => product([round_up(n, 16), k, 4]),
            _ if self.is_f32() && !isa.has_avx512() => product([round_up(k, 8), columns, 4]),
            _ if self.is_f32() && self.fits_convolution() => self.wide([n, k]),
            _ if self.is_f32() => product([k, columns, 4]),
            _ => product([round_up(k, if isa.has_amx() { 32 } else { 16 }), self.half_columns(n), 2]),
        };
        (bytes, Known::Exact)
    }

    /// Columns of weights in half precision.
    fn half_columns(&self, n: u64) -> u64 {
        match n {
            0..=16 => 16,
            _ if n <= 32 => 32,
            _ if self.machine.isa.has_amx() => round_up(n, 32),
            _ => round_up(n, 64),
        }
    }

    /// A weight of a product that runs as a convolution of one element.
    fn wide(&self, n_k: [u64; 2]) -> u64 {
        let made = convolution::of_product(&self.data.dims, n_k, self.machine);
        made.map_or_else(|| product([n_k[0], n_k[1], 4]), |made| made.weights)
    }

    /// Whether no rows ever arrive: an expert without tokens, which is not executed.
    ///
    /// Source: `Node::updateDynamicParams`, OpenVINO 2026.4, src/plugins/intel_cpu/src/node.cpp.
    fn is_idle(&self) -> bool {
        self.graph.is_dynamic && self.node.depends_on_data && elements(self.data) == 0 && !self.is_mlas()
    }

    /// Whether MLAS multiplies: nothing is fused behind the product.
    ///
    /// Source: `MlasGemmExecutor::supports`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/executors/mlas/mlas_gemm.cpp.
    fn is_mlas(&self) -> bool {
        let has_post_op = self.node.originals.len() > 1;
        self.is_f32() && self.weight.dtype == DType::F32 && !has_post_op
    }

    /// Whether a product of f32 runs as a 1x1 convolution where MLAS does not take it.
    ///
    /// Source: `acceptsShapes` of `convolution_1x1_dnnl`, OpenVINO 2026.4,
    /// src/plugins/intel_cpu/src/nodes/executors/fullyconnected_implementations.cpp.
    fn fits_convolution(&self) -> bool {
        let (n, k) = self.n_k();
        let rows = self.data.dims.len().checked_sub(2).and_then(|row| self.data.dims.get(row));
        let rows = rows.copied().unwrap_or(1);
        (2..=3136).contains(&rows) && (96..=4096).contains(&k) && n >= 96 && n <= k.saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;

    fn output(dtype: DType, dims: &[u64]) -> Output {
        Output { dtype, dims: Dims::from_slice(dims), is_dynamic: false, layout: Default::default() }
    }

    fn node(kind: Kind, output: Output, inputs: &[u32]) -> ExecutedNode {
        let inputs = inputs.iter().map(|&step| Port { step, port: 0 }).collect();
        ExecutedNode { kind, inputs, outputs: [output].into_iter().collect(), ..ExecutedNode::default() }
    }

    /// The blocks of one product of `data` and `weight`, packed copy first.
    fn blocks(kind: Kind, precision: Precision, data: &[u64], weight: Output, is_llm: bool) -> Vec<u64> {
        let activation = output(DType::F32, data);
        let mut nodes = vec![
            node(Kind::Input, activation.clone(), &[]),
            node(Kind::Const, weight, &[]),
            node(kind, activation.clone(), &[0, 1]),
        ];
        if is_llm {
            nodes.push(node(Kind::ScaledDotProductAttention, activation, &[]));
        }
        let graph =
            ExecutionGraph { nodes: nodes.into(), precision, is_dynamic: true, ..ExecutionGraph::default() };
        packed(&graph, &graph.constants(), &OpenvinoCpu::default(), &Convolutions::default())
            .iter()
            .map(|held| held.bytes.0)
            .collect()
    }

    /// Blocks of measured runs; see the module's source.
    #[test]
    fn packed_matrices_are_as_large_as_measured() {
        let matrix = |precision, dtype, n, k, llm| {
            blocks(Kind::FullyConnected, precision, &[1, 197, k], output(dtype, &[n, k]), llm)[0]
        };
        assert_eq!(matrix(Precision::Bf16, DType::F16, 3420, 1280, false), 8_847_360);
        assert_eq!(matrix(Precision::Bf16, DType::F16, 1280, 3420, false), 8_765_440);
        assert_eq!(matrix(Precision::Bf16, DType::F32, 1000, 768, false), 1_572_864);
        let head = |dtype| {
            blocks(Kind::FullyConnected, Precision::F32, &[1, 768], output(dtype, &[1000, 768]), false)[0]
        };
        assert_eq!(head(DType::F16), 3_145_728);
        assert_eq!(matrix(Precision::F32, DType::F16, 1024, 4096, false), 17_301_504);
        assert_eq!(matrix(Precision::F32, DType::F16, 1280, 3420, false), 17_729_280);
        assert_eq!(matrix(Precision::F32, DType::F16, 768, 3072, false), 9_437_184);
        assert_eq!(matrix(Precision::F32, DType::F16, 896, 4864, true), 8_716_288);
        assert_eq!(matrix(Precision::F32, DType::F32, 1000, 2048, false), 1008 * 2048 * 4);
        assert_eq!(matrix(Precision::Bf16, DType::U8, 3420, 1280, false), 4_382_720);
        assert_eq!(matrix(Precision::Bf16, DType::U4, 8960, 1536, true), 6_881_280);
    }

    /// Blocks of runs under other instruction sets, on a processor with 2 MiB of L2 cache.
    #[test]
    fn instruction_sets_pad_by_their_own_vectors() {
        let on = |isa, precision, dtype, [n, k]: [u64; 2], is_llm: bool| {
            let activation = output(DType::F32, &[1, 128, k]);
            let mut nodes = vec![
                node(Kind::Input, activation.clone(), &[]),
                node(Kind::Const, output(dtype, &[n, k]), &[]),
                node(Kind::FullyConnected, activation.clone(), &[0, 1]),
            ];
            nodes.extend(is_llm.then(|| node(Kind::ScaledDotProductAttention, activation, &[])));
            let graph = ExecutionGraph {
                nodes: nodes.into(),
                precision,
                is_dynamic: true,
                ..ExecutionGraph::default()
            };
            let machine = Machine { isa, ..Machine::MEASURED };
            let options = OpenvinoCpu { machine, ..OpenvinoCpu::default() };
            packed(&graph, &graph.constants(), &options, &Convolutions::default())[0].bytes.0
        };
        use crate::machine::Isa;
        assert_eq!(on(Isa::Avx2, Precision::F32, DType::F16, [4864, 896], true), 4872 * 896 * 2);
        assert_eq!(on(Isa::Avx2, Precision::F32, DType::F16, [1280, 3420], false), 1296 * 3424 * 4);
        assert_eq!(on(Isa::Avx2, Precision::F32, DType::U8, [896, 896], true), 912 * 896);
        assert_eq!(on(Isa::Avx2Vnni, Precision::F32, DType::U8, [896, 896], true), 896 * 896);
        assert_eq!(on(Isa::Avx2, Precision::F32, DType::U4, [1536, 8960], true), 1536 * 8960 / 2);
        assert_eq!(on(Isa::Amx, Precision::Bf16, DType::F16, [3420, 1280], false), 3424 * 1280 * 2);
        assert_eq!(on(Isa::Amx, Precision::Bf16, DType::F16, [1280, 3420], false), 3424 * 1280 * 2);
    }

    /// Eight experts of one layer, each a block of the heap.
    #[test]
    fn weights_of_experts_are_packed_together() {
        let experts = |dtype| {
            blocks(Kind::GatherMatmul, Precision::Bf16, &[1, 512, 512], output(dtype, &[8, 256, 512]), true)
                [0]
        };
        assert_eq!(experts(DType::F16), 2_097_152);
        assert_eq!(experts(DType::I4), 524_288);
    }

    #[test]
    fn an_expert_without_tokens_packs_nothing() {
        let held = |depends_on_data, rows| {
            let data = output(DType::F32, &[rows, 512]);
            let product = node(Kind::FullyConnected, data.clone(), &[0, 1]);
            let nodes = vec![
                node(Kind::Input, data, &[]),
                node(Kind::Const, output(DType::F16, &[512, 512]), &[]),
                ExecutedNode { depends_on_data, ..product },
            ];
            let graph = ExecutionGraph { nodes: nodes.into(), is_dynamic: true, ..ExecutionGraph::default() };
            packed(&graph, &graph.constants(), &OpenvinoCpu::default(), &Convolutions::default()).len()
        };
        assert_eq!((held(true, 0), held(true, 3)), (0, held(false, 3)));
    }

    #[test]
    fn products_that_fill_a_state_have_weights_too() {
        let state = output(DType::BF16, &[1, 8, 512, 64]);
        let inner = [output(DType::F16, &[512, 512])].into_iter().collect();
        let read = ExecutedNode { inner, ..node(Kind::MemoryInput, state, &[]) };
        let graph =
            ExecutionGraph { nodes: vec![read].into(), is_dynamic: true, ..ExecutionGraph::default() };
        let held = packed(&graph, &graph.constants(), &OpenvinoCpu::default(), &Convolutions::default());
        assert_eq!(held.iter().map(|held| held.bytes.0).collect::<Vec<_>>(), [524_288]);
    }
}
