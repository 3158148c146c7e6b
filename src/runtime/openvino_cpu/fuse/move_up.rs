//! Element-wise nodes move above what only moves data.
//!
//! An activation (not Swish, LogicalNot or BitwiseNot) with one reader, or arithmetic with one constant number on the right, moves above the
//! Reshapes, Transposes, Gathers and the like that feed it, if nothing else reads any of them. So does a FakeQuantize of numbers
//! that reads a Transpose. It gets a made-up name; those that move data keep theirs, but for what the model returns, which has the
//! element-wise node's (`replace_output_update_name`).
//!
//! Source: `MoveEltwiseUpThroughDataMov`, OpenVINO 2026.4,
//! src/common/transformations/src/transformations/common_optimizations/move_eltwise_up_data_movement.cpp; its callback in
//! `Transformations::PostLpt`, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.

use super::kind;
use super::weights;
use super::work::{Build, Edge, Node, Patch, Rule, Tensor, Work};
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{Binary, Broadcast, Unary};
use crate::runtime::openvino_cpu::execution::Kind;

/// Nodes that move data, one behind the other, above which an element-wise node still moves.
///
/// Every element-wise node behind them looks at all of them. Exported models have a dozen at most.
const MOST_MOVERS: usize = 256;

/// Moves element-wise nodes up.
pub(super) const RULE: Rule = Rule {
    name: "move-up",
    source: "MoveEltwiseUpThroughDataMov, src/common/transformations/src/transformations/common_optimizations/move_eltwise_up_data_movement.cpp",
    on: |node| matches!(node.kind, Kind::Eltwise | Kind::FakeQuantize),
    apply: elementwise,
    repeats: false,
};

fn elementwise(work: &Work<'_>, node: usize) -> Option<Patch> {
    let input = moved_input(work, node)?;
    let mut movers = Vec::new();
    let mut above = work.producer(node, input);
    while let Some(mover) = above.filter(|&mover| is_mover(work, mover)) {
        if movers.len() == MOST_MOVERS {
            return None;
        }
        movers.push(mover);
        above = work.producer(mover, 0);
    }
    // What others read as well stops the whole move, not a part of it.
    if above.is_some_and(|above| moves_data(work, above)) {
        return None;
    }
    let (&last, &first) = (movers.first()?, movers.last()?);
    let source = work.nodes[first].input(0)?;
    let old = &work.nodes[node];
    let dtype = old.outputs[0].dtype;
    // Bytes are moved as they are.
    if matches!(work.tensor(source).dtype, DType::U8 | DType::I8) && dtype.is_float() {
        return None;
    }
    let op = match old.op {
        // Dividing by a constant is a product with its inverse before anything moves.
        Op::Binary(Binary::Divide, _) if dtype.is_float() => Op::Binary(Binary::Multiply, Broadcast::Numpy),
        _ => old.op.clone(),
    };
    let mut patch = Patch::new(work);
    let name = patch.fresh_name(&kind::word(&op));
    let moved = Node::named(name, op, old.kind.clone(), old.source)
        .writing(Tensor { dtype, ..work.tensor(source).clone() });
    let mut inputs: Vec<Edge> = old.inputs().iter().flatten().copied().collect();
    *inputs.get_mut(input)? = source;
    let moved = patch.add(moved, inputs);
    patch.set_input(first, 0, Edge::of(moved));
    patch.replace(Edge::of(node), Edge::of(last));
    // What the model returns keeps its name.
    if work.users(node).iter().any(|&(user, _)| matches!(work.nodes[user].op, Op::Result)) {
        patch.rename(last, node);
    }
    let is_other = |&mover: &usize| work.nodes[mover].outputs[0].dtype != dtype;
    for mover in movers.into_iter().filter(is_other) {
        patch.change(mover, move |mover| mover.outputs[0].dtype = dtype);
    }
    Some(patch)
}

/// The input that data come in by, if the node may move.
fn moved_input(work: &Work<'_>, node: usize) -> Option<usize> {
    let is_number = |input: usize| {
        let edge = work.nodes[node].input(input);
        work.reads_const(node, input) && edge.is_some_and(|edge| work.tensor(edge).is_number())
    };
    match work.nodes[node].op {
        Op::Unary(unary) => {
            let stays = matches!(unary, Unary::Swish | Unary::LogicalNot | Unary::BitwiseNot);
            (!stays && work.nodes[node].inputs().len() == 1).then_some(0)
        }
        Op::Binary(kind, _) if !kind.is_boolean() && is_number(1) => {
            (work.users(node).len() == 1 || matches!(kind, Binary::Multiply | Binary::Divide)).then_some(0)
        }
        Op::Binary(Binary::Multiply, _) if is_number(0) => Some(1),
        Op::FakeQuantize { .. } => {
            let above = work.producer(node, 0).map(|above| &work.nodes[above].op);
            let is_fit = matches!(above, Some(Op::Transpose)) && work.users(node).len() == 1;
            (is_fit && (1..5).all(is_number)).then_some(0)
        }
        _ => None,
    }
}

/// Whether a node only moves data, for one reader.
fn is_mover(work: &Work<'_>, node: usize) -> bool {
    moves_data(work, node) && work.only_user(node).is_some()
}

/// Whether a node only moves data.
fn moves_data(work: &Work<'_>, node: usize) -> bool {
    match work.nodes[node].op {
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::Transpose => true,
        Op::ShuffleChannels { .. } | Op::DepthToSpace { .. } | Op::BatchToSpace | Op::Roll => true,
        Op::Gather { .. } => {
            work.nodes[node].input(0).is_some_and(|data| weights::behind(work, data).is_none())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{AxisSpan, ReshapeZero};

    fn behind_transpose(unary: Unary, is_read_twice: bool) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let order = net.ints("order", &[1, 0]);
        let moved = net.op("transpose", Op::Transpose, &[x, order], f32, &[8, FREE]);
        let out = net.op("unary", Op::Unary(unary), &[moved], f32, &[8, FREE]);
        net.result("out", out);
        if is_read_twice {
            net.result("moved", moved);
        }
        net.lines(DYNAMIC)
    }

    #[test]
    fn an_activation_moves_up_under_another_name() {
        // What the model returns has its name.
        assert_eq!(behind_transpose(Unary::Gelu, false), ["Eltwise Gelu f32", "Transpose unary f32"]);
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8]);
        let order = net.ints("order", &[1, 0]);
        let moved = net.op("transpose", Op::Transpose, &[x, order], f32, &[8, FREE]);
        let unary = net.op("unary", Op::Unary(Unary::Gelu), &[moved], f32, &[8, FREE]);
        let out = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[unary], f32, &[8, FREE]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC)[..2], ["Eltwise Gelu f32", "Transpose transpose f32"]);
    }

    #[test]
    fn swish_and_what_others_read_stay() {
        let stays = |name: &str| ["Transpose transpose f32".to_owned(), format!("Eltwise {name} f32")];
        assert_eq!(behind_transpose(Unary::Swish, false), stays("unary"));
        for unary in [Unary::LogicalNot, Unary::BitwiseNot] {
            assert!(behind_transpose(unary, false)[1].starts_with("Eltwise unary"));
        }
        assert_eq!(behind_transpose(Unary::Gelu, true), stays("unary"));
    }

    #[test]
    fn what_others_read_further_up_stops_the_whole_move() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 8, 4]);
        let (first, second) = (net.ints("first_order", &[1, 0, 2]), net.ints("second_order", &[2, 1, 0]));
        let x = net.op("first", Op::Transpose, &[x, first], f32, &[8, FREE, 4]);
        net.result("first_out", x);
        let x = net.op("second", Op::Transpose, &[x, second], f32, &[4, FREE, 8]);
        let out = net.op("gelu", Op::Unary(Unary::Gelu), &[x], f32, &[4, FREE, 8]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC).last().map(String::as_str), Some("Eltwise gelu f32"));
    }

    #[test]
    fn a_table_of_weights_is_not_scaled_before_it_is_gathered() {
        let (mut net, f32) = (Net::new(), DType::F32);
        let ids = net.input("ids", DType::I32, &[FREE]);
        let table = net.weight("table", DType::F16, &[100, 8]);
        let table = net.op("widen", Op::Convert { to: f32 }, &[table], f32, &[100, 8]);
        let axis = net.ints("axis", &[0]);
        let rows = net.op("gather", Op::Gather { batch_dims: 0 }, &[table, ids, axis], f32, &[FREE, 8]);
        let scale = net.number("scale", 2.0);
        let multiply = Op::Binary(Binary::Multiply, crate::graph::op::Broadcast::Numpy);
        let out = net.op("scaled", multiply, &[rows, scale], f32, &[FREE, 8]);
        net.result("out", out);
        assert_eq!(net.lines(DYNAMIC), ["Gather Gather,gather f32", "Eltwise scaled f32"]);
    }

    /// A FakeQuantize behind a Reshape, perhaps a Transpose, and a product with a number.
    fn quantized(is_transposed: bool) -> Vec<String> {
        let (mut net, f32) = (Net::new(), DType::F32);
        let x = net.input("x", f32, &[FREE, 6, 8]);
        let shape = net.ints("shape", &[0, 6, 2, 4]);
        let mut x = net.op("heads", Op::Reshape(ReshapeZero::CopiesDim), &[x, shape], f32, &[FREE, 6, 2, 4]);
        if is_transposed {
            let order = net.ints("order", &[0, 2, 1, 3]);
            x = net.op("turn", Op::Transpose, &[x, order], f32, &[FREE, 2, 6, 4]);
        }
        let dims: [i64; 4] = if is_transposed { [FREE, 2, 6, 4] } else { [FREE, 6, 2, 4] };
        let scale = net.number("scale", 0.5);
        let multiply = Op::Binary(Binary::Multiply, Broadcast::Numpy);
        let x = net.op("scaled", multiply, &[x, scale], f32, &dims);
        let [low, high] = [0.0, 1.0].map(|limit| net.number("limit", limit));
        let quantize = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        let x = net.op("fq", quantize, &[x, low, high, low, high], f32, &dims);
        let out = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[x], f32, &dims);
        net.result("out", out);
        net.lines(DYNAMIC)
    }

    #[test]
    fn what_quantizes_moves_above_a_transpose() {
        assert_eq!(quantized(true)[0], "FakeQuantize FakeQuantize f32");
        assert_eq!(quantized(false)[1], "FakeQuantize fq f32");
    }
}
