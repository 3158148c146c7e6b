//! Pass 10: matrix products with a constant.
//!
//! A MatMul whose second input is a weight is a FullyConnected; an Add of a constant behind it, if nobody else reads
//! the product, is its bias and gives it its name. Without a bias its third input is an empty constant; a scale and a
//! zero point follow.
//!
//! Source: `ConvertMatMulToFC` and `FullyConnectedBiasFusion`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass and src/common/transformations.

use super::rms::constant_and_other;
use super::weights;
use super::work::{Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Constant};
use crate::ids::NodeId;
use crate::lower::execution::Kind;

/// Makes every product with a weight a FullyConnected.
pub(super) fn convert(work: &mut Work<'_>) {
    for node in work.model_order() {
        if work.is_alive(node)
            && let Op::MatMul { transpose_a, .. } = work.nodes[node].op
            && let (Some(data), Some(weight)) = (work.nodes[node].input(0), work.nodes[node].input(1))
            && !work.nodes[data.node].is_const()
            && !transpose_a
            && let Some(weight) = weights::behind(work, weight)
        {
            let bias = bias(work, node);
            let source = work.nodes[node].source;
            let bias_edge = match bias {
                Some((_, constant)) => flat(work, constant, source),
                None => empty(work, source),
            };
            let inputs: Vec<Edge> = [data, weight.stored, bias_edge]
                .into_iter()
                .chain(weight.scale)
                .chain(weight.zero_point)
                .collect();
            work.set_inputs(node, inputs);
            work.nodes[node].kind = Kind::FullyConnected;
            if let Some((add, _)) = bias {
                work.nodes[node].name = work.nodes[add].name.clone();
                work.nodes[node].originals = work.nodes[add].originals.clone();
                work.nodes[node].source = work.nodes[add].source;
                work.replace(Edge::of(add), Edge::of(node));
            }
        }
    }
}

/// The Add that is the product's only reader, and its constant of one number per output.
fn bias(work: &Work<'_>, product: usize) -> Option<(usize, Edge)> {
    let (add, _) = work.only_user(product)?;
    let (constant, _) = constant_and_other(work, add, Binary::Add)?;
    let outputs = work.nodes[product].outputs.first()?;
    let dims = &work.tensor(constant).dims;
    let fits = work.tensor(constant).elements() == outputs.last()?
        && dims.last().is_some_and(|dim| dim.size == work.tensor(constant).elements())
        && dims.len() <= outputs.dims.len();
    fits.then_some((add, constant))
}

/// The bias as a list.
fn flat(work: &mut Work<'_>, constant: Edge, source: NodeId) -> Edge {
    let tensor = work.tensor(constant);
    let tensor = Tensor::fixed(tensor.dtype, &[tensor.elements()]);
    Edge::of(work.add(Node {
        op: Op::Constant(Constant { range: None, value: None }),
        kind: Kind::Const,
        outputs: [tensor].into_iter().collect(),
        source,
        ..Node::default()
    }))
}

fn empty(work: &mut Work<'_>, source: NodeId) -> Edge {
    Edge::of(work.add(Node {
        op: Op::Constant(Constant { range: None, value: None }),
        kind: Kind::Const,
        outputs: [Tensor::fixed(DType::Dynamic, &[0])].into_iter().collect(),
        source,
        ..Node::default()
    }))
}
