//! Pass 10: matrix products with a constant.
//!
//! A MatMul whose second input is a weight is a FullyConnected; an Add of a constant behind it, if nobody else reads
//! the product, is its bias and gives it its name. Without a bias its third input is an empty constant; a scale and a
//! zero point follow, the latter empty where weights are symmetric.
//!
//! Source: `ConvertMatMulToFC` and `FullyConnectedBiasFusion`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass and src/common/transformations.

use super::rms::constant_and_other;
use super::weights;
use super::work::{Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;

/// Makes every product with a weight a FullyConnected.
pub(super) fn convert(work: &mut Work<'_>) {
    for node in work.model_order() {
        if work.is_alive(node)
            && let Op::MatMul { transpose_a, transpose_b } = work.nodes[node].op
            && let (Some(data), Some(weight)) = (work.nodes[node].input(0), work.nodes[node].input(1))
            && (is_matrix(work, weight) || is_stack(work, weight))
            && let Some(weight) = weights::behind(work, weight)
        {
            let data = if transpose_a { transposed(work, node, data, "transpose_a") } else { data };
            let bias = bias(work, node);
            let source = work.nodes[node].source;
            let bias_edge = match bias {
                Some((_, constant)) => flat(work, constant, source),
                None => empty(work, source),
            };
            let stored = if transpose_b {
                weight.stored
            } else {
                transposed(work, node, weight.stored, "transpose_b")
            };
            let scale = weights::converted(work, weight.scale);
            let zero_point = weight.zero_point.or_else(|| scale.map(|_| empty(work, source)));
            let inputs: Vec<Edge> =
                [data, stored, bias_edge].into_iter().chain(scale).chain(zero_point).collect();
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

/// Whether at most two dims of a factor are not 1.
fn is_matrix(work: &Work<'_>, factor: Edge) -> bool {
    work.tensor(factor).dims.iter().filter(|dim| dim.is_free || dim.size != 1).count() <= 2
}

/// Whether a factor is a matrix per expert, stored in another type than it is computed in (seen in one model).
fn is_stack(work: &Work<'_>, factor: Edge) -> bool {
    work.tensor(factor).dims.len() == 3 && !work.nodes[factor.node].is_const()
}

/// A factor with its last two dims swapped: weights that are written with inputs first, when the model is compiled, and
/// data that the product was to swap.
fn transposed(work: &mut Work<'_>, node: usize, weight: Edge, suffix: &str) -> Edge {
    let rank = work.tensor(weight).dims.len();
    if rank < 2 {
        return weight;
    }
    let mut order: Vec<i64> = (0..rank as i64).collect();
    order.swap(rank - 2, rank - 1);
    let mut output = work.tensor(weight).clone();
    output.dims.swap(rank - 2, rank - 1);
    let (source, name) = (work.nodes[node].source, work.nodes[node].name.clone());
    let order = work.add_ints(&order, source);
    let name: Box<str> = format!("{name}/{suffix}").into();
    Edge::of(work.add(Node {
        inputs: [Some(weight), Some(order)].into_iter().collect(),
        outputs: [output].into_iter().collect(),
        ..Node::named(name, Op::Transpose, Kind::Transpose, source)
    }))
}

/// The bias as a list.
fn flat(work: &mut Work<'_>, constant: Edge, source: NodeId) -> Edge {
    let tensor = work.tensor(constant);
    let tensor = Tensor::fixed(tensor.dtype, &[tensor.elements()]);
    work.add_constant(tensor, None, source)
}

/// A constant without elements, where an input is not given.
pub(super) fn empty(work: &mut Work<'_>, source: NodeId) -> Edge {
    work.add_constant(Tensor::fixed(DType::Dynamic, &[0]), None, source)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{Broadcast, Unary};
    use crate::runtime::openvino_cpu::execution::Precision;
    use crate::runtime::openvino_cpu::fuse::Options;

    /// A product with weights of `dtype`, then an Add of a constant of `bias` elements, then Swish.
    fn product(dtype: DType, bias: i64) -> Net {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let mut weight = net.weight("weight", dtype, &[16, 8]);
        if dtype != DType::F32 {
            weight = net.op("widen", Op::Convert { to: DType::F32 }, &[weight], DType::F32, &[16, 8]);
        }
        let op = Op::MatMul { transpose_a: false, transpose_b: true };
        let out = net.op("matmul", op, &[x, weight], DType::F32, &[FREE, 16]);
        let bias = net.weight("bias", DType::F32, &[bias]);
        let out =
            net.op("add", Op::Binary(Binary::Add, Broadcast::Numpy), &[out, bias], DType::F32, &[FREE, 16]);
        let out = net.op("swish", Op::Unary(Unary::Swish), &[out], DType::F32, &[FREE, 16]);
        net.result("out", out);
        net
    }

    #[test]
    fn a_bias_gives_the_name_and_an_activation_is_appended() {
        assert_eq!(product(DType::F32, 16).lines(DYNAMIC), ["FullyConnected add,swish f32"]);
    }

    #[test]
    fn a_number_is_no_bias_but_a_post_operation() {
        assert_eq!(product(DType::F32, 1).lines(DYNAMIC), ["FullyConnected matmul,add,swish f32"]);
    }

    #[test]
    fn half_weights_enter_as_they_are_stored() {
        let graph = product(DType::F16, 16).execute(DYNAMIC);
        let product = graph.nodes.iter().find(|node| node.kind == Kind::FullyConnected).unwrap();
        assert_eq!(graph.input(product, 1).unwrap().dtype, DType::F16);
    }

    #[test]
    fn in_bf16_what_meets_is_reordered() {
        let options = Options { precision: Precision::Bf16, ..DYNAMIC };
        let expected = ["Reorder  bf16", "Reorder  bf16", "FullyConnected add,swish bf16", "Reorder  f32"];
        assert_eq!(product(DType::F16, 16).lines(options), expected);
    }
}
