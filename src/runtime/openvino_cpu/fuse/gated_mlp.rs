//! The gated MLP of a decoder, computed in tiles.
//!
//! On a processor with AMX, `down(act(gate(x)) * up(x))` is one node LLMMLP that is named as its last product: products
//! without biases of three dims, their inputs multiples of a tile's 32 columns. Gate and up may be one product whose outputs
//! a VariadicSplit cuts in two. Its inputs are x, the weights of gate, up and down, and scales of those that have 8 bits.
//! Down may have 8 bits only where gate and up are two products of 8 bits, and gate and up in one product are of f16 or i8.
//!
//! Source: `MLPFusionPass`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/mlp_fusion.cpp; execution graphs of 18 small models.

use super::pattern::inputs;
use super::tile_product::{TILE, TileProduct};
use super::weights::convert_scale;
use super::work::{Edge, Node, Patch, Rule, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses every gated MLP.
pub(super) const RULE: Rule = Rule {
    name: "gated-mlp",
    source: "MLPFusionPass, src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/mlp_fusion.cpp",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let down = TileProduct::of(work, node)?;
    let (first, second) = inputs(work, down.data.node(), Binary::Multiply)?;
    let is_activation = |edge: Edge| {
        let of = &work.nodes[edge.node()];
        matches!(of.op, Op::Unary(Unary::Swish | Unary::Gelu)) && of.inputs().len() == 1
    };
    let (activated, up) =
        [(first, second), (second, first)].into_iter().find(|&(activated, _)| is_activation(activated))?;
    let gate = work.nodes[activated.node()].input(0)?;
    let (gate, up, inner) = together(work, gate, up).or_else(|| apart(work, gate, up))?;
    let is_in_one = gate == up;
    let [outputs, inputs] = gate.dims;
    let fits = down.dims == [inputs, inner]
        && work.tensor(gate.data).dims.len() == 3
        && outputs.is_multiple_of(TILE)
        && inputs.is_multiple_of(TILE)
        && gate.has_groups(work)
        && down.has_groups(work)
        && (!down.is_quantized() || gate.is_quantized() && !is_in_one);
    if !fits {
        return None;
    }
    let mut patch = Patch::new(work);
    let products = [gate, up, down].map(|product| product.weight);
    let stored = products.iter().map(|weight| weight.stored);
    let scales = products.iter().filter_map(|weight| weight.scale);
    scales.clone().for_each(|scale| convert_scale(work, Some(scale), &mut patch));
    let edges = std::iter::once(gate.data).chain(stored).chain(scales);
    let fused = Node::in_place_of(&work.nodes[node], Op::Opaque, Kind::LlmMlp);
    let fused = patch.insert(fused, edges.map(Some).collect());
    patch.replace(Edge::of(node), Edge::of(fused));
    Some(patch)
}

/// Gate and up of two products, and the outputs of each.
fn apart(work: &Work<'_>, gate: Edge, up: Edge) -> Option<(TileProduct, TileProduct, u64)> {
    let (gate, up) = (TileProduct::of(work, gate.node())?, TileProduct::of(work, up.node())?);
    let is_alike = gate.data == up.data && gate.dims == up.dims && gate.is_quantized() == up.is_quantized();
    is_alike.then_some((gate, up, gate.dims[0]))
}

/// Gate and up in one product that is cut in two; outputs of each.
fn together(work: &Work<'_>, gate: Edge, up: Edge) -> Option<(TileProduct, TileProduct, u64)> {
    let split = &work.nodes[gate.node()];
    let is_cut = gate.node() == up.node()
        && gate != up
        && matches!(split.op, Op::VariadicSplit)
        && split.outputs.len() == 2;
    if !is_cut {
        return None;
    }
    let product = TileProduct::of(work, split.input(0)?.node())?;
    let is_narrow = work.tensor(product.weight.stored).dtype != DType::F32;
    is_narrow.then_some((product, product, product.dims[0] / 2))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::Broadcast;
    use crate::ids::TensorId;
    use crate::machine::{Isa, Machine};
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// Options of bf16 on a processor, data quantized in groups.
    fn options(isa: Isa, quantization_group: u64) -> Options {
        let machine = Machine { isa, ..Machine::MEASURED };
        Options { precision: Precision::Bf16, quantization_group, machine, ..DYNAMIC }
    }

    /// A product with weights of `dtype`.
    fn linear(net: &mut Net, name: &str, data: TensorId, dims: [i64; 2], dtype: DType) -> TensorId {
        let mut weight = net.weight(&format!("{name}_weight"), dtype, &dims);
        if dtype != DType::F32 {
            let op = Op::Convert { to: DType::F32 };
            weight = net.op(&format!("{name}_convert"), op, &[weight], DType::F32, &dims);
        }
        if dtype == DType::I8 {
            let scale = net.weight(&format!("{name}_scale"), DType::F32, &[dims[0], 1]);
            let op = Op::Binary(Binary::Multiply, Broadcast::Numpy);
            weight = net.op(&format!("{name}_scaled"), op, &[weight, scale], DType::F32, &dims);
        }
        let op = Op::MatMul { transpose_a: false, transpose_b: true };
        net.op(name, op, &[data, weight], DType::F32, &[FREE, FREE, dims[0]])
    }

    /// The end of a gated MLP: activation, product of both, down.
    fn close(net: &mut Net, [gate, up]: [TensorId; 2], inputs: i64, dtype: DType) {
        let wide = [FREE, FREE, 64];
        let act = net.op("act", Op::Unary(Unary::Swish), &[gate], DType::F32, &wide);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let product = net.op("mul", multiply, &[act, up], DType::F32, &wide);
        let down = linear(net, "down", product, [inputs, 64], dtype);
        net.result("out", down);
    }

    /// A gated MLP of `inputs` columns with these types of weights of gate, up and down.
    fn apart(inputs: i64, [gate, up, down]: [DType; 3]) -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, FREE, inputs]);
        let gate = linear(&mut net, "gate", x, [64, inputs], gate);
        let up = linear(&mut net, "up", x, [64, inputs], up);
        close(&mut net, [gate, up], inputs, down);
        net
    }

    /// The same with gate and up in one product.
    fn together([both, down]: [DType; 2]) -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, FREE, 96]);
        let both = linear(&mut net, "both", x, [128, 96], both);
        let (axis, lengths) = (net.int("axis", -1), net.ints("lengths", &[64, 64]));
        let half: &[i64] = &[FREE, FREE, 64];
        let halves = net.split("halves", Op::VariadicSplit, &[both, axis, lengths], DType::F32, &[half; 2]);
        close(&mut net, [halves[0], halves[1]], 96, down);
        net
    }

    /// Whether all is one node, and nothing is multiplied outside of it.
    fn is_fused(net: Net, options: Options) -> bool {
        let lines = net.lines(options);
        let is_there = lines.iter().any(|line| line.starts_with("LLMMLP down "));
        assert_ne!(is_there, lines.iter().any(|line| line.starts_with("FullyConnected")), "{lines:?}");
        is_there
    }

    #[test]
    fn tiles_compute_it_as_one_node() {
        assert!(is_fused(apart(96, [DType::F16; 3]), options(Isa::Amx, 32)));
        assert!(!is_fused(apart(96, [DType::F16; 3]), options(Isa::Avx512Bf16, 32)));
        assert!(!is_fused(apart(40, [DType::F16; 3]), options(Isa::Amx, 32)));
    }

    /// Source: status of a run of OpenVINO 2026.4.1 (SIGFPE), in `LinearKsplit2::setup`.
    #[test]
    fn one_thread_is_told_to_fail() {
        let told = |cores| {
            let options = options(Isa::Amx, 32);
            let machine = Machine { cores, ..options.machine };
            let graph = apart(96, [DType::F16; 3]).execute(Options { machine, ..options });
            graph.assumptions.iter().any(|told| told.rule == "one-thread-in-tiles")
        };
        assert_eq!([1, 2].map(told), [true, false]);
    }

    #[test]
    fn weights_of_f32_are_converted_to_f16() {
        let graph = apart(96, [DType::F32; 3]).execute(options(Isa::Amx, 32));
        let fused = graph.nodes.iter().find(|node| node.kind == Kind::LlmMlp).unwrap();
        assert!((1..=3).all(|input| graph.input(fused, input).unwrap().dtype == DType::F16));
    }

    #[test]
    fn weights_of_8_bits_need_data_quantized_in_long_groups() {
        use DType::{F16, I8};
        for (dtypes, group, expected) in [
            ([I8; 3], 32, false),
            // The columns of down are fewer than those of gate and up.
            ([I8; 3], 95, false),
            ([I8; 3], 96, true),
            ([I8, I8, F16], 96, true),
            ([I8, F16, F16], 96, false),
            ([F16, F16, I8], 96, false),
        ] {
            let found = is_fused(apart(96, dtypes), options(Isa::Amx, group));
            assert_eq!(found, expected, "{dtypes:?} {group}");
        }
    }

    #[test]
    fn gate_and_up_may_be_one_product() {
        use DType::{F16, F32, I8};
        for (dtypes, expected) in
            [([F16; 2], true), ([F16, F32], true), ([F32; 2], false), ([I8, F16], true), ([I8; 2], false)]
        {
            assert_eq!(is_fused(together(dtypes), options(Isa::Amx, 96)), expected, "{dtypes:?}");
        }
    }
}
