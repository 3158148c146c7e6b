//! Experts that are all computed, of which a router weighs a few.
//!
//! An exporter writes a mixture of experts as products over all experts at once: tokens repeated per expert (Tile,
//! Reshape), products with the stacked weights of gate, up and down, a product with the router's weights scattered over
//! all experts, and a sum over experts. The plugin computes chosen experts alone: each product is a GatherMatmul that
//! reads the tokens (Unsqueeze), the stacked weights and the router's choice; the router's weights are transposed as
//! TopK gave them.
//!
//! Source: `ConvertTiledMoeBlockTo3GatherMatmuls` and `ConvertTiledMoeBlockTo2GatherMatmuls`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/convert_tiled_moe_block_to_gather_matmuls.cpp.

use super::fully_connected::empty;
use super::pattern::{above, inputs};
use super::weights;
use super::work::{Build, Dim, Edge, Node, Patch, Tensor, Work};
use crate::graph::Op;
use crate::graph::op::{Binary, Reduce, ReshapeZero, Scatter, Unary};
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// What the sum over experts is made of.
#[derive(Debug)]
struct Block {
    /// Tokens, one row each.
    tokens: Edge,
    /// Products that read the tokens: gate and up, or both in one.
    first: SmallVec<[Product; 2]>,
    /// The product that gives a row per token again.
    down: Product,
    /// Router's choice and weights per token.
    chosen: Edge,
    weights: Edge,
    transpose: usize,
    /// The product with the router's weights.
    scaled: usize,
}

/// A product with the weights of all experts, and the bias behind it.
#[derive(Clone, Copy, Debug)]
struct Product {
    node: usize,
    bias: Option<(usize, Edge)>,
}

impl Product {
    /// The node whose output others read.
    fn last(self) -> usize {
        self.bias.map_or(self.node, |(add, _)| add)
    }
}

/// Rewrites every mixture of experts.
pub(super) fn fuse(work: &mut Work<'_>) {
    for &node in work.model_order().iter() {
        let is_sum = matches!(work.nodes[node].op, Op::Reduce { kind: Reduce::Sum, keep_dims: false, .. });
        if is_sum
            && work.is_alive(node)
            && let Some(block) = matched(work, node)
        {
            rewrite(work, node, &block);
        }
    }
}

fn matched(work: &Work<'_>, sum: usize) -> Option<Block> {
    let scaled = work.producer(sum, 0)?;
    let (rows, routed) = inputs(work, scaled, Binary::Multiply)?;
    let down = above(work, rows, &Kind::Reshape)?;
    let down = product(work, down)?;
    let routed = match work.nodes[routed.node()].op {
        Op::Unsqueeze => work.nodes[routed.node()].input(0)?,
        _ => routed,
    };
    let transpose = above(work, routed, &Kind::Reshape)?.node();
    let scatter = work.producer(transpose, 0).filter(|_| work.nodes[transpose].kind == Kind::Transpose)?;
    matches!(work.nodes[scatter].op, Op::Scatter(Scatter::Elements)).then_some(())?;
    let (chosen, weights) = (work.nodes[scatter].input(1)?, work.nodes[scatter].input(2)?);
    // Up from the product of gate and up: everything that only computes element by element or cuts.
    let mut first: SmallVec<[Product; 2]> = SmallVec::new();
    let mut pending: SmallVec<[Edge; 4]> = smallvec![work.nodes[down.node].input(0)?];
    for _ in 0..16 {
        let Some(edge) = pending.pop() else { break };
        if let Some(found) = product(work, edge) {
            if !first.iter().any(|known| known.node == found.node) {
                first.push(found);
            }
            continue;
        }
        let node = &work.nodes[edge.node()];
        let passes = match node.op {
            Op::Unary(Unary::Swish | Unary::Gelu | Unary::Clamp) => true,
            Op::Binary(Binary::Multiply | Binary::Add | Binary::Minimum, _) => true,
            _ => matches!(node.kind, Kind::StridedSlice | Kind::Split),
        };
        if node.is_const() {
            continue;
        }
        passes.then_some(())?;
        let n_data = if matches!(node.op, Op::Binary(..)) { 2 } else { 1 };
        pending.extend(node.inputs().iter().take(n_data).flatten().copied());
    }
    let tiled = work.producer(first.first()?.node, 0)?;
    let same = first.iter().all(|product| work.producer(product.node, 0) == Some(tiled));
    let tile = above(work, Edge::of(tiled), &Kind::Reshape)?.node();
    if !pending.is_empty() || !same || work.nodes[tile].kind != Kind::Tile {
        return None;
    }
    Some(Block { tokens: work.nodes[tile].input(0)?, first, down, chosen, weights, transpose, scaled })
}

/// A product with weights of one matrix per expert, and the Add of a constant behind it.
fn product(work: &Work<'_>, edge: Edge) -> Option<Product> {
    let is_product = |node: usize| {
        let weights = work.nodes[node].input(1).map(|edge| work.tensor(edge).dims.len());
        matches!(work.nodes[node].op, Op::MatMul { transpose_a: false, transpose_b: true })
            && weights == Some(3)
    };
    if is_product(edge.node()) {
        return Some(Product { node: edge.node(), bias: None });
    }
    let (data, bias) = inputs(work, edge.node(), Binary::Add)?;
    let has_bias = work.nodes[bias.node()].is_const();
    (has_bias && is_product(data.node()))
        .then_some(Product { node: data.node(), bias: Some((edge.node(), bias)) })
}

fn rewrite(work: &mut Work<'_>, sum: usize, block: &Block) {
    let source = work.nodes[sum].source;
    let one = Dim::fixed(1);
    let tokens = work.tensor(block.tokens).clone();
    let rows = tokens.dims.first().copied().unwrap_or(one);
    let n_chosen = work.tensor(block.chosen).dims.last().copied().unwrap_or(one);
    let mut single = tokens.clone();
    single.dims.insert(0, one);
    let data = unsqueeze(work, block.tokens, single, 0, source);
    for &product in &block.first {
        gather(work, product, Edge::of(data), block.chosen, [n_chosen, rows], true);
    }
    let between = work.nodes[block.down.node].input(0);
    resize(work, between, [n_chosen, rows]);
    if let Some(between) = between {
        gather(work, block.down, between, block.chosen, [n_chosen, rows], false);
    }
    // The router's weights as TopK gave them.
    work.set_input(block.transpose, 0, block.weights);
    let weights = work.tensor(block.weights).clone();
    let turned: SmallVec<[Dim; 4]> = weights.dims.iter().rev().copied().collect();
    work.nodes[block.transpose].outputs[0].dims = turned.clone();
    let mut column = Tensor { dims: turned, ..weights };
    column.dims.push(one);
    let column = unsqueeze(work, Edge::of(block.transpose), column, -1, source);
    let product = Edge::of(block.down.last());
    let summed = work.tensor(product).clone();
    work.read(block.scaled, [product, Edge::of(column)]);
    work.nodes[block.scaled].outputs[0].dims = summed.dims.clone();
    let output = work.nodes[sum].outputs[0].clone();
    work.nodes[sum].outputs[0].dims = summed.dims.iter().skip(1).copied().collect();
    let dims: Vec<i64> =
        output.dims.iter().map(|dim| if dim.is_free() { -1 } else { dim.size() as i64 }).collect();
    let pattern = work.add_ints(&dims, source);
    let name: Arc<str> = format!("{}_Reshape", work.nodes[sum].name).into();
    let reshape = Node::named(name, Op::Reshape(ReshapeZero::CopiesDim), Kind::Reshape, source);
    let reshape = work.add(reshape.writing(output), [Edge::of(sum), pattern]);
    work.replace_for(Edge::of(sum), Edge::of(reshape), |user| user != reshape);
}

fn unsqueeze(work: &mut Work<'_>, data: Edge, output: Tensor, axis: i64, source: NodeId) -> usize {
    let axis = work.add_ints(&[axis], source);
    let name = work.fresh_name("Unsqueeze");
    work.add(Node::named(name, Op::Unsqueeze, Kind::Reshape, source).writing(output), [data, axis])
}

/// Makes a product read the choice, and compute chosen experts alone.
fn gather(
    work: &mut Work<'_>,
    product: Product,
    data: Edge,
    chosen: Edge,
    leading: [Dim; 2],
    has_bias_name: bool,
) {
    let Some(weights) = work.nodes[product.node].input(1) else { return };
    let source = work.nodes[product.node].source;
    let stored = weights::behind(work, weights).filter(|weight| weight.scale.is_some());
    let (weights, scale, zero_point) = match stored {
        Some(weight) => {
            let mut patch = Patch::new(work);
            weights::convert_scale(work, weight.scale, &mut patch);
            work.apply(patch);
            let zero_point = weight.zero_point.or_else(|| Some(empty(work, source)));
            (weight.stored, weight.scale, zero_point)
        }
        None => (weights, None, None),
    };
    let bias = match product.bias {
        Some((_, bias)) => bias,
        None => empty(work, source),
    };
    let inputs: Vec<Edge> =
        [data, weights, chosen, bias].into_iter().chain(scale).chain(zero_point).collect();
    work.read(product.node, inputs);
    let fused = &mut work.nodes[product.node];
    (fused.kind, fused.op) = (Kind::GatherMatmul, Op::Opaque);
    fused.outputs[0].dims[..2].copy_from_slice(&leading);
    if let Some((add, _)) = product.bias {
        if has_bias_name {
            let (name, originals) = (work.nodes[add].name.clone(), work.nodes[add].originals.clone());
            (work.nodes[product.node].name, work.nodes[product.node].originals) = (name, originals);
        }
        work.replace(Edge::of(add), Edge::of(product.node));
    }
}

/// What is between the products has a row per chosen expert and token.
fn resize(work: &mut Work<'_>, from: Option<Edge>, leading: [Dim; 2]) {
    let mut pending: SmallVec<[Edge; 4]> = from.into_iter().collect();
    for _ in 0..32 {
        let Some(edge) = pending.pop() else { break };
        let node = &mut work.nodes[edge.node()];
        if node.is_const() || node.kind == Kind::GatherMatmul {
            continue;
        }
        for tensor in node.outputs.iter_mut().filter(|tensor| tensor.dims.len() == 3) {
            tensor.dims[..2].copy_from_slice(&leading);
        }
        let n_data = if matches!(node.op, Op::Binary(..)) { 2 } else { 1 };
        pending.extend(node.inputs().iter().take(n_data).flatten().copied());
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Broadcast, TileInputs};
    use crate::ids::TensorId;

    const EXPERTS: i64 = 4;

    fn weigh(net: &mut Net, name: &str, x: TensorId, sizes: [i64; 2]) -> TensorId {
        let [from, to] = sizes;
        let weight = net.weight(&format!("{name}_weight"), DType::F32, &[EXPERTS, to, from]);
        let op = Op::MatMul { transpose_a: false, transpose_b: true };
        net.op(name, op, &[x, weight], DType::F32, &[EXPERTS, FREE, to])
    }

    fn reshaped(net: &mut Net, name: &str, x: TensorId, pattern: &[i64]) -> TensorId {
        let numbers = net.ints("pattern", pattern);
        net.op(name, Op::Reshape(ReshapeZero::IsZero), &[x, numbers], DType::F32, pattern)
    }

    /// Tokens of 8 numbers through 4 experts of 16, of which a router chose 2; the sum keeps its dim or not.
    fn experts(keep_dims: bool) -> Net {
        let (mut net, f32, numpy) = (Net::new(), DType::F32, Broadcast::Numpy);
        let tokens = net.input("tokens", f32, &[FREE, 8]);
        let chosen = net.input("chosen", DType::I32, &[FREE, 2]);
        let weights = net.input("weights", f32, &[FREE, 2]);
        let routed = net.input("zeros", f32, &[FREE, EXPERTS]);
        let tokens = net.op("norm", Op::Softmax(AxisSpan::LAST), &[tokens], f32, &[FREE, 8]);
        let axis = net.int("axis", 1);
        let scatter = Op::Scatter(Scatter::Elements);
        let routed = net.op("scatter", scatter, &[routed, chosen, weights, axis], f32, &[FREE, EXPERTS]);
        let order = net.ints("order", &[1, 0]);
        let routed = net.op("turn", Op::Transpose, &[routed, order], f32, &[EXPERTS, FREE]);
        let routed = reshaped(&mut net, "rows", routed, &[EXPERTS, 1, FREE]);
        let last = net.ints("last", &[-1]);
        let routed = net.op("column", Op::Unsqueeze, &[routed, last], f32, &[EXPERTS, 1, FREE, 1]);
        let times = net.ints("times", &[EXPERTS, 1]);
        let tiled = net.op("tile", Op::Tile(TileInputs::Repeats), &[tokens, times], f32, &[FREE, 8]);
        let tiled = reshaped(&mut net, "apart", tiled, &[EXPERTS, FREE, 8]);
        let (gate, up) = (weigh(&mut net, "gate", tiled, [8, 16]), weigh(&mut net, "up", tiled, [8, 16]));
        let gate = net.op("swish", Op::Unary(Unary::Swish), &[gate], f32, &[EXPERTS, FREE, 16]);
        let multiply = || Op::Binary(Binary::Multiply, numpy);
        let inner = net.op("inner", multiply(), &[gate, up], f32, &[EXPERTS, FREE, 16]);
        let down = weigh(&mut net, "down", inner, [16, 8]);
        let down = reshaped(&mut net, "blocks", down, &[EXPERTS, 1, FREE, 8]);
        let scaled = net.op("scaled", multiply(), &[down, routed], f32, &[EXPERTS, 1, FREE, 8]);
        let first = net.ints("first", &[0]);
        let sum = Op::Reduce { kind: Reduce::Sum, keep_dims, noop_with_empty_axes: false };
        let dims: &[i64] = if keep_dims { &[1, 1, FREE, 8] } else { &[1, FREE, 8] };
        let sum = net.op("sum", sum, &[scaled, first], f32, dims);
        net.result("out", sum);
        net
    }

    #[test]
    fn chosen_experts_alone_are_computed() {
        let graph = experts(false).execute(DYNAMIC);
        let gathered = graph.nodes.iter().filter(|node| node.kind == Kind::GatherMatmul);
        let gathered: Vec<(&str, &[u64])> =
            gathered.map(|node| (&*node.name, &node.outputs[0].dims[..])).collect();
        // Two experts for each of five tokens.
        assert_eq!(gathered, [("gate", &[2, 5, 16][..]), ("up", &[2, 5, 16]), ("down", &[2, 5, 8])]);
        assert!(!graph.nodes.iter().any(|node| node.kind == Kind::Tile), "tokens are not repeated");
    }

    #[test]
    fn another_sum_leaves_all_experts() {
        let lines = experts(true).lines(DYNAMIC);
        assert!(!lines.iter().any(|line| line.starts_with("GatherMatmul")), "{lines:?}");
    }
}
