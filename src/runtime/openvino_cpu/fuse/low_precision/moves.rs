//! Operators that a dequantization moves through.
//!
//! What they write of bytes: [`Moved`]. When they may: the [`movable`](super::movable) conditions of each.
//!
//! Source: the file of each operator in OpenVINO 2026.4, src/common/low_precision_transformations/src;
//! `LayerTransformation::moveDequantizationAfter`.

use super::super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use super::dequantization::{Dequantization, Use, add_for, constant, copy, is_result};
use super::movable::fits;
use super::preserved::is_preserved;
use crate::DType;
use crate::graph::Op;
use crate::graph::op::{PoolKind, Reduce, Unary};

/// Moves dequantizations down.
pub(super) const RULE: Rule = Rule {
    name: "move-dequantization",
    source: "LayerTransformation::moveDequantizationAfter, src/common/low_precision_transformations/src",
    on: |node| moved(&node.op).is_some(),
    apply,
    repeats: false,
};

/// What an operator writes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moved {
    /// Bytes that it reads.
    Bytes,
    /// Floats made of them, to be dequantized.
    Floats,
    /// Floats without a scale: a Multiply with 1 or -1, whose name is made up, follows.
    Normed,
}

fn moved(op: &Op) -> Option<Moved> {
    match op {
        Op::Reshape(_)
        | Op::Squeeze { .. }
        | Op::Unsqueeze
        | Op::Transpose
        | Op::Slice
        | Op::StridedSlice(_)
        | Op::Gather { .. }
        | Op::DepthToSpace { .. }
        | Op::ShuffleChannels { .. }
        | Op::BatchToSpace
        | Op::SpaceToBatch
        | Op::Split { .. }
        | Op::VariadicSplit
        | Op::Broadcast(_)
        | Op::Pad(..)
        | Op::Unary(Unary::Relu) => Some(Moved::Bytes),
        Op::Interpolate(spec) if spec.is_nearest => Some(Moved::Bytes),
        Op::Pool(pool) if pool.kind == PoolKind::Max => Some(Moved::Bytes),
        Op::Pool(pool) if pool.kind == PoolKind::Average => Some(Moved::Floats),
        Op::Reduce { kind: Reduce::Max | Reduce::Min, .. } => Some(Moved::Bytes),
        Op::Reduce { kind: Reduce::Mean | Reduce::Sum, .. } => Some(Moved::Floats),
        Op::Unary(Unary::Clamp) | Op::PRelu => Some(Moved::Floats),
        Op::Mvn(spec) if spec.keeps_variance => Some(Moved::Floats),
        Op::Mvn(_) | Op::NormalizeL2 { .. } => Some(Moved::Normed),
        _ => None,
    }
}

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let mut moved = moved(&of.op)?;
    let data = Dequantization::above(work, of.input(0)?)?;
    if !fits(work, node, &data) {
        return None;
    }
    if matches!(of.op, Op::Pool(_)) && is_preserved(work, node) {
        moved = Moved::Bytes;
    }
    let mut patch = Patch::new(work);
    let is_split = matches!(of.op, Op::Split { .. } | Op::VariadicSplit);
    for ((port, tensor), readers) in of.outputs.iter().enumerate().zip(readers(work, node)) {
        if port > 0 && !is_split {
            break;
        }
        if readers.is_empty() {
            continue;
        }
        let is_written_out = readers.iter().any(|&reader| is_result(work, reader));
        let output = (Edge::new(node, port), is_written_out);
        let mut own = |of_data: Edge| along(work, of_data, tensor, &mut patch);
        let constants = (data.subtract.map(|step| own(step.constant)), own(data.multiply.constant));
        let below = if moved == Moved::Normed || is_made_up(&of.op) {
            let multiply = (patch.fresh_name("Multiply"), constants.1);
            add_for(&mut patch, work, output, tensor, None, multiply)
        } else {
            data.add_below(work, &mut patch, output, tensor, constants, is_split)
        };
        below.replace_for(work, &mut patch, &readers);
    }
    let dtype = if moved == Moved::Bytes { work.tensor(data.data).dtype } else { DType::F32 };
    if let (Op::Pad(..), Some(value)) = (&of.op, of.input(3).filter(|_| moved == Moved::Bytes)) {
        let dtype = work.tensor(data.data).dtype;
        let tensor = Tensor { dtype, ..work.tensor(value).clone() };
        let number = work.nodes[value.node()].value.as_deref().cloned();
        let value = patch.add_constant(tensor, number, of.source);
        patch.set_input(node, 3, value);
    }
    // Last: the constants above are gone with their last reader.
    patch.set_input(node, 0, data.data);
    patch.change(node, move |node| {
        node.outputs.iter_mut().for_each(|tensor| tensor.dtype = retyped(tensor.dtype, dtype))
    });
    Some(patch)
}

/// The readers of each output of a node, found at once: a Split may have thousands of outputs.
fn readers(work: &Work<'_>, node: usize) -> Vec<Vec<Use>> {
    let mut readers = vec![Vec::new(); work.nodes[node].outputs.len()];
    for &(user, input) in work.users(node) {
        let read = work.nodes[user].input(input);
        if let Some(own) = read.and_then(|read| readers.get_mut(read.port())) {
            own.push((user, input));
        }
    }
    readers
}

/// Whether the Multiply behind it has a made-up name although its scale is that above.
fn is_made_up(op: &Op) -> bool {
    matches!(op, Op::Mvn(_))
}

/// The type of an output: indices stay what they are.
fn retyped(old: DType, new: DType) -> DType {
    if old.is_float() { new } else { old }
}

/// The constant for another tensor: the same number, or one number per channel of it.
fn along(work: &Work<'_>, old: Edge, tensor: &Tensor, patch: &mut Patch) -> Edge {
    let channels = tensor.dims.get(1).map_or(1, |dim| dim.size());
    let is_same = work.tensor(old).elements() == channels && work.tensor(old).dims.len() == tensor.dims.len();
    if work.tensor(old).is_number() || is_same {
        return copy(work, patch, old);
    }
    let mut dims = vec![1; tensor.dims.len()];
    dims.iter_mut().skip(1).take(1).for_each(|dim| *dim = channels);
    constant(patch, &dims, work.nodes[old.node()].source)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::graph::op::{Broadcast, Mvn, PadInputs, PadMode};
    use crate::ids::TensorId;

    const F32: DType = DType::F32;
    const IMAGE: [i64; 4] = [FREE, 4, 6, 6];

    /// What is executed of an operator between what quantizes and a Sigmoid.
    fn behind(limits: [f64; 2], make: impl Fn(&mut Net, TensorId) -> TensorId) -> Vec<String> {
        let mut net = Net::new();
        let x = net.input("x", F32, &IMAGE);
        let [low, high] = limits.map(|limit| net.number("limit", limit));
        let op = Op::FakeQuantize { broadcast: Broadcast::Numpy, levels: 256 };
        let x = net.op("fq", op, &[x, low, high, low, high], F32, &IMAGE);
        let x = make(&mut net, x);
        let out = net.op("sigmoid", Op::Unary(Unary::Sigmoid), &[x], F32, &IMAGE);
        net.result("out", out);
        net.lines(DYNAMIC).into_iter().filter(|line| !line.starts_with("Reorder")).collect()
    }

    const POSITIVE: [f64; 2] = [0.0, 1.0];
    const SHIFTED: [f64; 2] = [-1.0, 2.0];

    #[test]
    fn what_computes_with_bytes_writes_floats() {
        let clamp = |net: &mut Net, x| net.op("op", Op::Unary(Unary::Clamp), &[x], F32, &IMAGE);
        let expected = [
            "FakeQuantize fq u8",
            "Eltwise op,fq/DequantizationSubtract,fq/DequantizationMultiply,sigmoid f32",
        ];
        assert_eq!(behind(SHIFTED, clamp), expected);
        let sum = |net: &mut Net, x| {
            let axes = net.ints("axes", &[2]);
            let op = Op::Reduce { kind: Reduce::Sum, keep_dims: true, noop_with_empty_axes: false };
            net.op("op", op, &[x, axes], F32, &[FREE, 4, 1, 6])
        };
        assert!(behind(POSITIVE, sum)[1].starts_with("Reduce op,fq/DequantizationMultiply"));
    }

    #[test]
    fn a_norm_of_bytes_has_a_scale_of_its_own() {
        let norm = |net: &mut Net, x| {
            let axes = net.ints("axes", &[2, 3]);
            net.op("op", Op::Mvn(Box::<Mvn>::default()), &[x, axes], F32, &IMAGE)
        };
        assert_eq!(behind(POSITIVE, norm)[..2], ["FakeQuantize fq u8", "MVN op,Multiply,sigmoid f32"]);
        assert_eq!(behind(SHIFTED, norm)[0], "FakeQuantize fq f32");
    }

    #[test]
    fn a_relu_takes_no_zero_point() {
        let relu = |net: &mut Net, x| net.op("op", Op::Unary(Unary::Relu), &[x], F32, &IMAGE);
        assert_eq!(behind(POSITIVE, relu)[0], "FakeQuantize fq u8");
        assert_eq!(behind(SHIFTED, relu)[0], "FakeQuantize fq f32");
    }

    #[test]
    fn edges_are_bytes_and_zeros_are_where_they_are_the_zero_point() {
        let pad = |mode: PadMode| {
            move |net: &mut Net, x| {
                let (begin, end) = (net.ints("begin", &[0, 0, 1, 1]), net.ints("end", &[0, 0, 1, 1]));
                let value = net.number("value", 0.0);
                let op = Op::Pad(mode, PadInputs::Separate);
                net.op("op", op, &[x, begin, end, value], F32, &[FREE, 4, 8, 8])
            }
        };
        assert!(behind(SHIFTED, pad(PadMode::Other)).contains(&"Pad op u8".to_owned()));
        assert!(behind(POSITIVE, pad(PadMode::Constant)).contains(&"Pad op u8".to_owned()));
        assert!(behind(SHIFTED, pad(PadMode::Constant)).contains(&"Pad op f32".to_owned()));
    }

    #[test]
    fn a_gather_takes_bytes() {
        let gather = |net: &mut Net, x| {
            let (indices, axis) = (net.ints("indices", &[0, 2]), net.int("axis", 2));
            net.op("op", Op::Gather { batch_dims: 0 }, &[x, indices, axis], F32, &[FREE, 4, 2, 6])
        };
        assert!(behind(SHIFTED, gather).contains(&"Gather op u8".to_owned()));
    }
}
