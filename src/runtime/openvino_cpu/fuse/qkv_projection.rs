//! The products that make queries, keys and values, computed in tiles.
//!
//! On a processor with AMX and at least three threads, whose number is nearly a multiple of three, the three products of one
//! tensor of three dims are one node QKVProjection, named as the first. Biases stay Adds behind it. Nothing else may multiply
//! the tensor. Inputs are a multiple of 256, and at least 1,536; outputs a multiple of a tile's 32 columns (64 for weights of
//! 8 bits). Its inputs are the tensor, the weights, and scales of those that have 8 bits. One product whose outputs are cut in
//! three stays as it is.
//!
//! Source: `QKVProjFusion`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/qkv_proj_fusion.cpp; execution graphs of 80 small models under
//! 1 to 24 threads.

use super::tile_product::{TILE, TileProduct};
use super::weights::convert_scale;
use super::work::{Edge, Node, Patch, Rule, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Fuses queries, keys and values.
pub(super) const RULE: Rule = Rule {
    name: "qkv-projection",
    source: "QKVProjFusion, src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass/qkv_proj_fusion.cpp",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: fuse,
    repeats: false,
};

/// Inputs come in whole blocks of this.
///
/// Source: `CACHE_BLK_K_SIZE`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/kernels/x64/mlp_kernel.hpp.
const BLOCK: u64 = 256;

/// Least inputs.
///
/// Source: execution graphs of OpenVINO 2026.4.1 with 256 to 5,120 inputs, 32 to 8,192 outputs each and 3 to 24 threads: 1,280
/// are never joined, 1,536 always.
const LEAST: u64 = 1_536;

/// Readers of what they read, at most: each product looks at all of them. Exported models have three to five.
const MOST_READERS: usize = 1 << 10;

/// Whether the threads divide into three groups of nearly one size: `(T mod 3) / (T div 3) <= 0.2`.
///
/// Source: `QKVProjection::isSupportedOperation`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/qkv_proj.cpp.
pub(super) fn has_threads(work: &Work<'_>) -> bool {
    let threads = work.options.machine.cores;
    threads >= 3 && (threads % 3) * 5 <= threads / 3
}

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let first = TileProduct::of(work, node)?;
    if work.tensor(first.data).dims.len() != 3 {
        return None;
    }
    let inputs = first.dims[1];
    let columns = if first.is_quantized() { 2 * TILE } else { TILE };
    let is_alike = |product: &TileProduct| {
        product.dims[1] == inputs
            && product.dims[0].is_multiple_of(columns)
            && product.is_quantized() == first.is_quantized()
    };
    // What the product itself shows comes first: the tensor may have as many readers as there are nodes.
    let fits = inputs >= LEAST && inputs.is_multiple_of(BLOCK) && first.has_groups(work);
    if !fits || !is_alike(&first) {
        return None;
    }
    let users = work.users(first.data.node());
    if users.len() > MOST_READERS {
        return None;
    }
    let mut found: Vec<(usize, TileProduct)> = Vec::new();
    for &(user, input) in users {
        if work.nodes[user].input(input) != Some(first.data) {
            continue;
        }
        if matches!(work.nodes[user].op, Op::MatMul { .. }) {
            found.push((user, TileProduct::of(work, user).filter(|product| product.data == first.data)?));
        }
        if found.len() > 3 {
            return None;
        }
    }
    found.sort_unstable_by_key(|(user, _)| *user);
    let [queries, keys, values] = <[_; 3]>::try_from(found).ok()?;
    let products = [queries.1, keys.1, values.1];
    if !products.iter().all(is_alike) {
        return None;
    }
    let mut patch = Patch::new(work);
    let stored = products.iter().map(|product| product.weight.stored);
    let scales = products.iter().filter_map(|product| product.weight.scale);
    scales.clone().for_each(|scale| convert_scale(work, Some(scale), &mut patch));
    let edges = std::iter::once(first.data).chain(stored).chain(scales);
    let nodes = [queries.0, keys.0, values.0];
    let outputs = nodes.iter().filter_map(|&node| work.nodes[node].outputs.first().cloned()).collect();
    let fused = Node { outputs, ..Node::in_place_of(&work.nodes[node], Op::Opaque, Kind::QkvProjection) };
    let fused = patch.insert(fused, edges.map(Some).collect());
    for (port, product) in nodes.into_iter().enumerate() {
        patch.replace(Edge::of(product), Edge::new(fused, port));
    }
    Some(patch)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::Unary;
    use crate::machine::{Isa, Machine};
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// Products of one tensor with these numbers of outputs, under AMX with so many threads.
    fn lines(inputs: i64, outputs: &[i64], cores: u32) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, FREE, inputs]);
        for (name, &outputs) in ["q", "k", "v", "w"].iter().zip(outputs) {
            let weight = net.weight(&format!("{name}_weight"), DType::F16, &[outputs, inputs]);
            let op = Op::Convert { to: DType::F32 };
            let weight = net.op(&format!("{name}_convert"), op, &[weight], DType::F32, &[outputs, inputs]);
            let op = Op::MatMul { transpose_a: false, transpose_b: true };
            let dims = [FREE, FREE, outputs];
            let product = net.op(name, op, &[x, weight], DType::F32, &dims);
            let made = net.op(&format!("{name}_made"), Op::Unary(Unary::Tanh), &[product], DType::F32, &dims);
            net.result(&format!("{name}_out"), made);
        }
        let machine = Machine { isa: Isa::Amx, cores, ..Machine::MEASURED };
        net.lines(Options { precision: Precision::Bf16, machine, ..DYNAMIC })
    }

    fn is_fused(inputs: i64, outputs: &[i64], cores: u32) -> bool {
        let lines = lines(inputs, outputs, cores);
        let is_there = lines.iter().any(|line| line.starts_with("QKVProjection q "));
        assert_ne!(is_there, lines.iter().any(|line| line.starts_with("FullyConnected")), "{lines:?}");
        is_there
    }

    #[test]
    fn three_products_of_many_inputs_are_one_node() {
        let outputs = [2048, 512, 512];
        for (inputs, expected) in [(1024, false), (1280, false), (1536, true), (1600, false), (2048, true)] {
            assert_eq!(is_fused(inputs, &outputs, 3), expected, "{inputs}");
        }
        assert!(!is_fused(2048, &[2048, 512, 528], 3));
        assert!(!is_fused(2048, &[2048, 512], 3));
        assert!(!is_fused(2048, &[2048, 512, 512, 512], 3));
    }

    #[test]
    fn threads_divide_by_three() {
        let fused: Vec<u32> = (1..=16).filter(|&cores| is_fused(2048, &[64, 64, 64], cores)).collect();
        assert_eq!(fused, [3, 6, 9, 12, 15, 16]);
    }
}
