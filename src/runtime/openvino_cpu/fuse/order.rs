//! The order of what the walk starts from, and outputs that nothing reads.
//!
//! * Writers of variables come in the order in which the file reads the variables.
//! * An output that nothing reads of a node with several outputs, and a parameter that nothing reads, end in an Output
//!   of their own. So do the indices of a MaxPool that rounds as torch does: another is one without indices by then. They are
//!   integers in the model and of the pool's type in its kernel, so a Reorder is between.
//!
//! Source: `ConvertMaxPool14ToMaxPool8` and its callback in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp;
//! `Graph::Replicate` and `Graph::SortTopologically`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.

use super::work::{Build, Edge, Node, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::Rounding;
use crate::runtime::openvino_cpu::execution::{Kind, Layout};
use rustc_hash::FxHashMap;

/// Settles the roots.
pub(super) fn settle(work: &mut Work<'_>) {
    let variable = |work: &Work<'_>, node: usize| match work.nodes[node].op {
        Op::ReadValue(variable) | Op::Assign(variable) => Some(variable),
        _ => None,
    };
    let mut places = FxHashMap::default();
    for (place, &read) in work.reads().iter().enumerate() {
        places.entry(variable(work, read)).or_insert(place);
    }
    let mut assigns = work.assigns().to_vec();
    assigns.sort_by_key(|&node| places.get(&variable(work, node)).copied());
    work.roots_mut().assigns = assigns;
    let order = work.order();
    for node in work.parameters().to_vec().into_iter().chain(order.iter().copied()) {
        let n_outputs = work.nodes[node].outputs.len();
        let may_stub = match work.nodes[node].kind {
            Kind::Input => true,
            Kind::ScaledDotProductAttention | Kind::MemoryOutput | Kind::Output => false,
            Kind::Pooling => rounds_as_torch(&work.nodes[node].op),
            _ => n_outputs > 1,
        };
        if !may_stub {
            continue;
        }
        let readers = work.uses_by_port(node, n_outputs, Edge::port);
        for (port, readers) in readers.into_iter().enumerate() {
            if readers.is_empty() {
                let name = format!("stub_{port}_{}", work.nodes[node].name).into();
                let output = Node::nameless(Op::Result, Kind::Output, work.nodes[node].source);
                let edge = match work.nodes[node].kind {
                    Kind::Pooling => integers(work, Edge::new(node, port)),
                    _ => Edge::new(node, port),
                };
                work.add(Node { name, ..output }, [edge]);
            }
        }
    }
}

/// Whether a pool keeps its output of indices.
fn rounds_as_torch(op: &Op) -> bool {
    matches!(op, Op::Pool(pool) if pool.rounding == Rounding::CeilTorch)
}

/// The indices of a pool, which are computed in the type of its maxima, as integers.
fn integers(work: &mut Work<'_>, indices: Edge) -> Edge {
    let pool = &mut work.nodes[indices.node()];
    let (dtype, source) = (pool.outputs[0].dtype, pool.source);
    pool.outputs[indices.port()].dtype = dtype;
    pool.outputs[indices.port()].layout = Layout::Plain;
    let tensor = Tensor { dtype: DType::I32, ..pool.outputs[indices.port()].clone() };
    work.add_reorder(indices, tensor, source)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::Pool;

    /// A pool of two outputs, of which the first is a result.
    fn pooled(rounding: Rounding) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 2, 4, 4]);
        let pool = Pool {
            kernel: [2, 2].into_iter().collect(),
            rounding,
            indices: Some(DType::I64),
            ..Pool::default()
        };
        let dims: &[i64] = &[FREE, 2, 3, 3];
        let out = net.split("pool", Op::Pool(Box::new(pool)), &[x], f32, &[dims, dims]);
        net.result("out", out[0]);
        let graph = net.execute(DYNAMIC);
        let kinds = graph.nodes.iter().map(|node| node.kind.name().to_owned());
        kinds.filter(|kind| kind == "Reorder" || kind == "Output").collect()
    }

    #[test]
    fn indices_of_a_pool_that_rounds_as_torch_does_have_an_output() {
        assert_eq!(pooled(Rounding::CeilTorch), ["Output", "Reorder", "Output"]);
        assert_eq!(pooled(Rounding::Ceil), ["Output"]);
    }
}
