//! The gated MLP of a decoder, computed in tiles.
//!
//! On a processor with AMX, `down(act(gate(x)) * up(x))` is one node LLMMLP that is named as its last product: products
//! without biases, weights of f16, computed in bf16 (or in f16, where tiles of f16 exist), their inputs multiples of a
//! tile's 32 columns. Its inputs are x and the weights of gate, up and down.
//!
//! Not covered: weights of bytes with a scale per output, which the plugin takes where the groups of dynamic quantization
//! are as long as the input; gate and up in one product.
//!
//! Source: `MLPFusionPass`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/mlp_fusion.cpp.

use super::pattern::inputs;
use super::work::{Edge, Node, Patch, Rule, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Unary};
use crate::machine::Isa;
use crate::runtime::openvino_cpu::execution::{Kind, Precision};

/// Fuses every gated MLP.
pub(super) const RULE: Rule = Rule {
    name: "gated-mlp",
    source: "MLPFusionPass, src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/mlp_fusion.cpp",
    on: |node| node.kind == Kind::FullyConnected,
    apply: fuse,
    repeats: false,
};

/// Columns of a tile of 16-bit numbers.
const TILE: u64 = 32;

/// Whether the processor computes such products in tiles.
pub(super) fn has_tiles(work: &Work<'_>) -> bool {
    let isa = work.options.machine.isa;
    match work.options.precision {
        Precision::Bf16 => isa.has_amx(),
        Precision::F16 => isa == Isa::AmxFp16,
        Precision::F32 => false,
    }
}

fn fuse(work: &Work<'_>, down: usize) -> Option<Patch> {
    let (product, down_weight) = plain_product(work, down)?;
    let gated = only(work, product)?;
    let (first, second) = inputs(work, gated, Binary::Multiply)?;
    let (activated, up) = [(first, second), (second, first)].into_iter().find(|(activated, _)| {
        matches!(work.nodes[activated.node()].op, Op::Unary(Unary::Swish | Unary::Gelu))
    })?;
    let gate = only(work, work.nodes[only(work, activated)?].input(0)?)?;
    let up = only(work, up)?;
    let ((x, gate_weight), (same, up_weight)) = (plain_product(work, gate)?, plain_product(work, up)?);
    if x != same {
        return None;
    }
    let mut patch = Patch::new(work);
    let node = Node::in_place_of(&work.nodes[down], Op::Opaque, Kind::LlmMlp);
    let node = Node { n_fused: 0, ..node };
    let fused = patch.insert(node, [x, gate_weight, up_weight, down_weight].into_iter().map(Some).collect());
    patch.replace(Edge::of(down), Edge::of(fused));
    Some(patch)
}

/// The node of an edge, if one node alone reads it.
fn only(work: &Work<'_>, edge: Edge) -> Option<usize> {
    work.only_user(edge.node()).map(|_| edge.node())
}

/// Input and weight of a product without a bias whose weight is stored as f16.
fn plain_product(work: &Work<'_>, node: usize) -> Option<(Edge, Edge)> {
    let of = &work.nodes[node];
    let (data, weight, bias) = (of.input(0)?, of.input(1)?, of.input(2)?);
    let stored = work.tensor(weight);
    let is_plain = of.kind == Kind::FullyConnected
        && of.inputs().len() == 3
        && work.tensor(bias).is_empty()
        && stored.dtype == DType::F16
        && work.nodes[weight.node()].is_const();
    let columns = stored.dims.last()?.size();
    (is_plain && columns.is_multiple_of(TILE)).then_some((data, weight))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::Broadcast;
    use crate::machine::Machine;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// The nodes of a gated MLP of `inputs` columns, compiled for `isa`.
    fn lines(isa: Isa, inputs: i64) -> Vec<String> {
        let mut net = Net::new();
        let dims = [FREE, FREE, inputs];
        let wide = [FREE, FREE, 64];
        let x = net.input("x", DType::F32, &dims);
        let linear = |net: &mut Net, name: &str, data, [outputs, inputs]: [i64; 2]| {
            let stored = net.weight(&format!("{name}_weight"), DType::F16, &[outputs, inputs]);
            let weight = net.op(
                &format!("{name}_convert"),
                Op::Convert { to: DType::F32 },
                &[stored],
                DType::F32,
                &[outputs, inputs],
            );
            let op = Op::MatMul { transpose_a: false, transpose_b: true };
            net.op(name, op, &[data, weight], DType::F32, &[FREE, FREE, outputs])
        };
        let gate = linear(&mut net, "gate", x, [64, inputs]);
        let act = net.op("act", Op::Unary(Unary::Swish), &[gate], DType::F32, &wide);
        let up = linear(&mut net, "up", x, [64, inputs]);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let product = net.op("mul", multiply, &[act, up], DType::F32, &wide);
        let down = linear(&mut net, "down", product, [inputs, 64]);
        net.result("out", down);
        let machine = Machine { isa, ..Machine::MEASURED };
        net.lines(Options { precision: Precision::Bf16, machine, ..DYNAMIC })
    }

    #[test]
    fn tiles_compute_it_as_one_node() {
        let fused = lines(Isa::Amx, 96);
        assert!(fused.iter().any(|line| line.starts_with("LLMMLP down ")), "{fused:?}");
        assert!(!fused.iter().any(|line| line.starts_with("FullyConnected")), "{fused:?}");
    }

    #[test]
    fn other_processors_and_odd_columns_keep_three_products() {
        for found in [lines(Isa::Avx512Bf16, 96), lines(Isa::Amx, 40)] {
            let products = found.iter().filter(|line| line.starts_with("FullyConnected"));
            assert_eq!(products.count(), 3, "{found:?}");
        }
    }
}
