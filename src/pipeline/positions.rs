//! The table of positions of a graph: the rows that positions index.
//!
//! Shapes do not show that a position is past the table's last row: the lookup of any position has one row's shape. The
//! runtime reads memory out of the table, or ends with an error.

use crate::graph::op::{Binary, OpKind};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::scenario::input_name;

/// Nodes between a table and what makes its positions, at most.
const MAX_NODES: usize = 12;

/// The input that positions are given in, as exporters name it.
const POSITIONS: &str = "position_ids";

/// The rows of the smallest table of positions, and the node that looks positions up.
///
/// A table is a constant of rank 2 or higher that is read along its first axis at positions: an input of that name, a
/// range, or a running sum of the mask, with constants added and dims inserted.
///
/// Cost: linear in nodes.
pub(super) fn table(graph: &Graph) -> Option<(u64, NodeId)> {
    let lookups =
        graph.execution_order().iter().filter(|&&node| graph.node(node).op.kind() == OpKind::Gather);
    let tables = lookups.filter_map(|&node| {
        let input = |port: usize| graph.inputs(node).get(port).copied().flatten();
        let rows = rows(graph, input(0)?)?;
        is_of_positions(graph, input(1)?).then_some((rows, node))
    });
    tables.min_by_key(|&(rows, _)| rows)
}

/// The rows of a constant of rank 2 or higher.
fn rows(graph: &Graph, tensor: TensorId) -> Option<u64> {
    let mut tensor = tensor;
    for _ in 0..MAX_NODES {
        let node = graph.tensor(tensor).node;
        match &graph.node(node).op {
            Op::Constant(_) => {
                let dims = graph.tensor(tensor).shape.dims.as_deref()?;
                return dims.first()?.as_known().filter(|_| dims.len() >= 2);
            }
            Op::Convert { .. } | Op::Identity => tensor = graph.inputs(node).first().copied().flatten()?,
            _ => return None,
        }
    }
    None
}

/// Whether a tensor's numbers are positions.
fn is_of_positions(graph: &Graph, tensor: TensorId) -> bool {
    let mut open = vec![tensor];
    for _ in 0..MAX_NODES {
        let Some(tensor) = open.pop() else { return false };
        let node = graph.tensor(tensor).node;
        let inputs = graph.inputs(node);
        match &graph.node(node).op {
            Op::Parameter if input_name(graph, node) == POSITIONS => return true,
            Op::Range { .. } | Op::CumSum(_) => return true,
            Op::Convert { .. }
            | Op::Identity
            | Op::Reshape(_)
            | Op::Squeeze { .. }
            | Op::Unsqueeze
            | Op::Broadcast(_)
            | Op::Tile(_)
            | Op::Slice
            | Op::StridedSlice(_) => open.extend(inputs.first().copied().flatten()),
            Op::Binary(Binary::Add | Binary::Subtract | Binary::Multiply, _) => {
                open.extend(inputs.iter().flatten());
            }
            Op::Select(_) => open.extend(inputs.iter().skip(1).flatten()),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::op::{Constant, Unary};
    use crate::graph::{Builder, Format, NodeSpec, PartialShape, TensorSpec};

    /// A lookup in a table of 77 rows at an input, once taken as it is, once after an operator.
    fn graph(input: &str, between: Op) -> Graph {
        let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
        let node = |builder: &mut Builder, op, name: &str, dims: &[u64], inputs: &[TensorId]| {
            let node = builder.node(NodeSpec { op, name, type_name: "x", ..NodeSpec::default() });
            let shape = PartialShape::known(dims);
            let out = builder.output(node, TensorSpec { dtype: DType::I64, shape, ..TensorSpec::default() });
            builder.connect(node, &inputs.iter().copied().map(Some).collect::<Vec<_>>());
            out
        };
        let constant = Op::Constant(Constant { range: None, value: None });
        let table = node(&mut builder, constant.clone(), "table", &[77, 8], &[]);
        let ids = node(&mut builder, Op::Parameter, input, &[1, 4], &[]);
        let ids = node(&mut builder, between, "between", &[1, 4], &[ids]);
        let axis = node(&mut builder, constant, "axis", &[], &[]);
        node(&mut builder, Op::Gather { batch_dims: 0 }, "lookup", &[1, 4, 8], &[table, ids, axis]);
        builder.finish().unwrap()
    }

    #[test]
    fn a_table_that_positions_index_is_found() {
        let to_i32 = || Op::Convert { to: DType::I32 };
        assert_eq!(table(&graph("position_ids", to_i32())).map(|(rows, _)| rows), Some(77));
        assert_eq!(table(&graph("token_type_ids", to_i32())), None);
        assert_eq!(table(&graph("position_ids", Op::Unary(Unary::Abs))), None);
    }
}
