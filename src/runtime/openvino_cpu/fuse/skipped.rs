//! Element-wise nodes of known dims that are left for the plugin to fuse, whether it does or not.
//!
//! A chain starts behind a convolution, a product, a Reduce, a norm, an Interpolate, an average pooling or a transposed
//! convolution with one reader, and goes on through activations and arithmetic with constants of one number, or of one
//! per channel, as long as each has one reader. The channel axis is the one that the last such start in the order of the
//! model set, even for a chain that another one started.
//!
//! Source: `SnippetsMarkSkipped`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/snippets/x64/pass/snippets_mark_skipped.cpp.

use super::pattern::is_binary;
use super::work::{Edge, Node, Work};
use crate::graph::op::{Binary, Unary};
use crate::graph::{Op, OpKind};
use crate::runtime::openvino_cpu::execution::Kind;

/// What a chain started behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Convolution,
    /// A convolution and the sum behind it.
    Sum,
    Product,
    Other,
    /// In a chain that ends here.
    End,
}

/// Finds, for every node, whether it is left out of Subgraphs.
pub(super) fn find(work: &mut Work<'_>) {
    let mut chains: Vec<Option<Chain>> = vec![None; work.nodes.len()];
    let mut axis = 1;
    for &node in work.model_order().iter() {
        if let Some((chain, own_axis)) = start(work, node) {
            chains[node] = Some(chain);
            axis = own_axis;
            continue;
        }
        let inputs = work.nodes[node].inputs().iter().flatten();
        let above: Vec<Chain> =
            inputs.filter_map(|edge| chains[edge.node()]).filter(|&chain| chain != Chain::End).collect();
        if above.is_empty() {
            continue;
        }
        let is_variable = |edge: &&Edge| !work.nodes[edge.node()].is_const();
        let n_variable = work.nodes[node].inputs().iter().flatten().filter(is_variable).count();
        for chain in above {
            let Some(next) = goes_on(work, node, n_variable, (chain, axis), &chains) else { continue };
            chains[node] = Some(if work.only_user(node).is_some() { next } else { Chain::End });
        }
    }
    work.is_skipped = chains.iter().map(Option::is_some).collect();
}

/// Whether a chain may start behind such a node.
pub(super) fn starts(node: &Node) -> bool {
    use Kind::{Convolution, Deconvolution, FullyConnected, Interpolate, MatMul, Mvn, Pooling, Reduce};
    matches!(
        node.kind,
        Convolution | Deconvolution | FullyConnected | Interpolate | MatMul | Mvn | Pooling | Reduce
    )
}

/// The chain that starts behind a node, and its channel axis; `None` for no channels.
fn start(work: &Work<'_>, node: usize) -> Option<(Chain, i64)> {
    let of = &work.nodes[node];
    if !starts(of) || work.only_user(node).is_none() {
        return None;
    }
    let rank = of.outputs.first()?.dims.len() as i64;
    match of.kind {
        Kind::Convolution => Some((Chain::Convolution, 1)),
        Kind::Reduce => {
            let Op::Reduce { keep_dims, .. } = of.op else { return None };
            let axes = work.ints(node, 1)?;
            let axis = match axes {
                _ if keep_dims => 1,
                axes if axes.contains(&1) => -1,
                axes if axes.contains(&0) => 0,
                _ => 1,
            };
            Some((Chain::Other, axis))
        }
        Kind::Mvn | Kind::Interpolate | Kind::Deconvolution => Some((Chain::Other, 1)),
        Kind::Pooling if of.op.kind() == OpKind::AveragePool => Some((Chain::Other, 1)),
        Kind::FullyConnected | Kind::MatMul => {
            let rank_of = |input: usize| of.input(input).map_or(0, |edge| work.tensor(edge).dims.len());
            let is_plain = of.kind == Kind::FullyConnected && rank_of(0) <= 3 && rank_of(1) <= 3;
            let axis = match (is_plain, rank) {
                (true, 3) => 2,
                (true, _) => 1,
                (false, rank) => rank - 1,
            };
            Some((Chain::Product, axis))
        }
        _ => None,
    }
}

/// How a chain goes on through a node that reads so many variables, if it does.
fn goes_on(
    work: &Work<'_>,
    node: usize,
    n_variable: usize,
    (chain, axis): (Chain, i64),
    chains: &[Option<Chain>],
) -> Option<Chain> {
    if n_variable == 1 && is_simple(work, node, axis) {
        return Some(chain);
    }
    match chain {
        Chain::Convolution if is_binary(work, node, Binary::Add) && n_variable == 2 => {
            let inputs = work.nodes[node].inputs().iter().flatten();
            let is_convolution = |edge: &Edge| {
                match work.nodes[edge.node()].kind {
                    Kind::Convolution => chains[edge.node()].is_some(),
                    // Behind a convolution of bytes.
                    Kind::FakeQuantize => chains[edge.node()] == Some(Chain::Convolution),
                    _ => false,
                }
            };
            inputs.into_iter().any(is_convolution).then_some(Chain::Sum)
        }
        Chain::Convolution if work.nodes[node].op.kind() == OpKind::MaxPool => Some(chain),
        Chain::Sum if is_activation(work, node) || work.nodes[node].kind == Kind::FakeQuantize => {
            Some(Chain::Convolution)
        }
        _ => None,
    }
}

fn is_activation(work: &Work<'_>, node: usize) -> bool {
    use Unary::*;
    match work.nodes[node].op {
        Op::Unary(unary) => {
            matches!(
                unary,
                Relu | LeakyRelu | Elu | Sigmoid | HSigmoid | Clamp | Swish | HSwish | Mish | Round
            )
        }
        Op::PRelu => true,
        _ => false,
    }
}

fn is_simple(work: &Work<'_>, node: usize, axis: i64) -> bool {
    use Unary::{Abs, Gelu, Sqrt, Tanh};
    is_activation(work, node)
        || matches!(work.nodes[node].op, Op::Unary(Abs | Gelu | Sqrt | Tanh) | Op::FakeQuantize { .. })
        || is_scale_or_shift(work, node, axis)
}

/// Arithmetic with constants that nothing else reads, of one number or one per channel.
fn is_scale_or_shift(work: &Work<'_>, node: usize, axis: i64) -> bool {
    use Binary::{Add, Divide, Multiply, Subtract};
    let of = &work.nodes[node];
    if !matches!(of.op, Op::Binary(Add | Multiply | Subtract | Divide, _)) {
        return false;
    }
    let mut data = None;
    for edge in of.inputs().iter().flatten() {
        if !work.nodes[edge.node()].is_const() {
            if data.replace(*edge).is_some() {
                return false;
            }
        } else if work.only_user(edge.node()).is_none() {
            return false;
        }
    }
    let Some(data) = data else { return false };
    let dims = &work.tensor(data).dims;
    of.inputs().iter().flatten().filter(|&&edge| edge != data).all(|&edge| {
        let own = &work.tensor(edge).dims;
        let Some(missing) = dims.len().checked_sub(own.len()) else { return false };
        work.tensor(edge).is_number()
            || own.iter().enumerate().all(|(at, dim)| {
                let at = at + missing;
                if at as i64 == axis { dim.is_size_of(dims[at]) } else { dim.is(1) }
            })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Net, STATIC};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{Binary, Broadcast, Pool, PoolKind, Window};

    /// Scale and shift of a norm over the last of `dims`.
    fn norm(dims: &[i64]) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, dims);
        let axes = net.ints("axes", &[-1]);
        let mut made = net.op("norm", Op::Mvn(Box::default()), &[x, axes], f32, dims);
        for (name, kind) in [("scale", Binary::Multiply), ("shift", Binary::Add)] {
            let constant = net.weight(name, f32, &[8]);
            let op = Op::Binary(kind, Broadcast::Numpy);
            made = net.op(&format!("{name}d"), op, &[made, constant], f32, dims);
        }
        net.result("out", made);
        net.lines(STATIC)
    }

    #[test]
    fn scale_and_shift_along_the_second_dim_are_left_to_the_plugin() {
        assert_eq!(norm(&[2, 8]), ["MVN norm f32", "Eltwise scaled,shiftd f32"]);
        assert_eq!(norm(&[1, 2, 8]), ["MVN norm f32", "Subgraph scaled,shiftd f32"]);
    }

    /// Scale and shift behind a pool that takes the mean, or the largest.
    fn pooled(kind: PoolKind) -> Vec<String> {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [1, 8, 4, 4]);
        let x = net.input("x", f32, &[1, 8, 8, 8]);
        let window = Window { strides: [2, 2][..].into(), ..Window::default() };
        let pool = Pool { kind, kernel: [2, 2][..].into(), window, ..Pool::default() };
        let mut made = net.op("pool", Op::Pool(Box::new(pool)), &[x], f32, &dims);
        for (name, kind) in [("scale", Binary::Multiply), ("shift", Binary::Add)] {
            let constant = net.weight(name, f32, &[1, 8, 1, 1]);
            let op = Op::Binary(kind, Broadcast::Numpy);
            made = net.op(&format!("{name}d"), op, &[made, constant], f32, &dims);
        }
        net.result("out", made);
        net.lines(STATIC)
    }

    /// The formats call them AvgPool and AveragePool; both readers make this operator of it.
    #[test]
    fn scale_and_shift_behind_an_average_pool_are_left_to_the_plugin() {
        assert!(pooled(PoolKind::Average).contains(&"Eltwise scaled,shiftd f32".to_owned()));
        assert!(pooled(PoolKind::Max).contains(&"Subgraph scaled,shiftd f32".to_owned()));
    }
}
