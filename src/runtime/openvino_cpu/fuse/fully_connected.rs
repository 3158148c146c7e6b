//! Matrix products with a constant.
//!
//! A MatMul whose second input is a weight is a FullyConnected; an Add of a constant behind it, if nothing else reads
//! the product, is its bias and gives it its name. Without a bias its third input is an empty constant; a scale and a
//! zero point follow, the latter empty where weights are symmetric.
//!
//! Source: `ConvertMatMulToFC` and `FullyConnectedBiasFusion`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass and src/common/transformations.

use super::pattern::constant_and_other;
use super::weights;
use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Binary;
use crate::ids::NodeId;
use crate::runtime::openvino_cpu::execution::Kind;

/// Makes every product with a weight a FullyConnected.
pub(super) const RULE: Rule = Rule {
    name: "fully-connected",
    source: "ConvertMatMulToFC, FullyConnectedBiasFusion, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass",
    on: |node| matches!(node.op, Op::MatMul { .. }),
    apply: convert,
    repeats: false,
};

fn convert(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::MatMul { transpose_a, transpose_b } = of.op else { return None };
    let (data, weight) = (of.input(0)?, of.input(1)?);
    let is_vector = work.tensor(weight).dims.len() < 2;
    if is_vector || !is_matrix(work, weight) && !is_stack(work, weight) {
        return None;
    }
    let weight = weights::behind(work, weight)?;
    let mut patch = Patch::new(work);
    let data = if transpose_a { transposed(work, node, data, "transpose_a", &mut patch) } else { data };
    let bias = bias(work, node);
    let bias_edge = match bias {
        Some((_, constant)) => flat(work, constant, of.source, &mut patch),
        None => empty(&mut patch, of.source),
    };
    let stored = match transpose_b {
        true => weight.stored,
        false if is_folded(work, of.input(1)?) => turned(work, weight.stored, &mut patch),
        false => transposed(work, node, weight.stored, "transpose_b", &mut patch),
    };
    weights::convert_scale(work, weight.scale, &mut patch);
    let zero_point = weight.zero_point.or_else(|| weight.scale.map(|_| empty(&mut patch, of.source)));
    patch.set_inputs(node, [data, stored, bias_edge].into_iter().chain(weight.scale).chain(zero_point));
    patch.change(node, |node| node.kind = Kind::FullyConnected);
    if let Some((add, _)) = bias {
        let source = work.nodes[add].source;
        patch.rename(node, add);
        patch.change(node, move |node| node.source = source);
        patch.replace(Edge::of(add), Edge::of(node));
    }
    Some(patch)
}

/// The Add that is the product's only reader, and its constant of one number per output.
fn bias(work: &Work<'_>, product: usize) -> Option<(usize, Edge)> {
    let (add, _) = work.only_user(product)?;
    let (constant, _) = constant_and_other(work, add, Binary::Add)?;
    let outputs = work.nodes[product].outputs.first()?;
    let dims = &work.tensor(constant).dims;
    let fits = work.tensor(constant).elements() == outputs.last()?
        && dims.last().is_some_and(|dim| dim.size() == work.tensor(constant).elements())
        && dims.len() <= outputs.dims.len();
    fits.then_some((add, constant))
}

/// Whether at most two dims of a factor are not 1.
fn is_matrix(work: &Work<'_>, factor: Edge) -> bool {
    work.tensor(factor).dims.iter().filter(|dim| dim.is_free() || !dim.is(1)).count() <= 2
}

/// Whether a factor is a matrix per expert or head (seen in two models).
fn is_stack(work: &Work<'_>, factor: Edge) -> bool {
    work.tensor(factor).dims.len() == 3
}

/// Whether a weight was computed by a pass: its transposition is as well. The file's own constants are transposed by a node
/// that the plugin runs once, while it compiles (seen in the execution graphs of scripts/validation).
fn is_folded(work: &Work<'_>, weight: Edge) -> bool {
    let of = &work.nodes[weight.node()];
    of.is_const() && !of.is_mapped && work.tensor(weight).dtype == DType::F32
}

/// A constant weight with its last two dims swapped.
fn turned(work: &Work<'_>, weight: Edge, patch: &mut Patch) -> Edge {
    let mut tensor = work.tensor(weight).clone();
    if let [.., rows, columns] = &mut tensor.dims[..] {
        std::mem::swap(rows, columns);
    }
    patch.add_constant(tensor, None, work.nodes[weight.node()].source)
}

/// A factor with its last two dims swapped: weights that are written with inputs first, when the model is compiled, and
/// data that the product was to swap.
fn transposed(work: &Work<'_>, node: usize, weight: Edge, suffix: &str, patch: &mut Patch) -> Edge {
    let rank = work.tensor(weight).dims.len();
    if rank < 2 {
        return weight;
    }
    let mut order: Vec<i64> = (0..rank as i64).collect();
    order.swap(rank - 2, rank - 1);
    let mut output = work.tensor(weight).clone();
    output.dims.swap(rank - 2, rank - 1);
    let (source, name) = (work.nodes[node].source, &work.nodes[node].name);
    let order = patch.add_ints(&order, source);
    let transpose = Node::named(format!("{name}/{suffix}"), Op::Transpose, Kind::Transpose, source);
    // Of weights, nothing but the packed copy is left: the transposition counts as a view of the file's bytes.
    let transpose = Node { is_view: work.nodes[weight.node()].is_const(), ..transpose };
    Edge::of(patch.add(transpose.writing(output), [weight, order]))
}

/// The bias as a list.
fn flat(work: &Work<'_>, constant: Edge, source: NodeId, patch: &mut Patch) -> Edge {
    let tensor = work.tensor(constant);
    let tensor = Tensor::fixed(tensor.dtype, &[tensor.elements()]);
    patch.add_constant(tensor, None, source)
}

/// A constant without elements, where an input is not given.
pub(super) fn empty(graph: &mut impl Build, source: NodeId) -> Edge {
    graph.add_constant(Tensor::fixed(DType::Dynamic, &[0]), None, source)
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
    fn a_stored_weight_with_inputs_first_is_transposed_by_a_view() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let weight = net.stored("weight", DType::F32, &[8, 16]);
        let op = Op::MatMul { transpose_a: false, transpose_b: false };
        let out = net.op("matmul", op, &[x, weight], DType::F32, &[FREE, 16]);
        net.result("out", out);
        let graph = net.execute(DYNAMIC);
        let transpose = graph.nodes.iter().find(|node| node.kind == Kind::Transpose).unwrap();
        assert!(transpose.is_view);
        assert_eq!(&*transpose.name, "matmul/transpose_b");
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
