//! Elements of small integer tensors that are known when the model is compiled.
//!
//! Shape inference follows the bounds of numbers. An element whose bounds are equal is known, even if its neighbors are not.
//! Bounds pass through ShapeOf, Concat, Reshape, Squeeze, Unsqueeze, Gather and Split. Floor has none, and neither has a Concat
//! that reads one.
//!
//! Source: `evaluate_both_bounds`, OpenVINO 2026.4, src/core/src/bound_evaluate.cpp, and `evaluate_lower` of the operators,
//! src/core/src/op. Floor: Swin's shifted windows, whose pattern stays as exported in the recorded graph of a Mask2Former.

use super::work::{Edge, Work};
use crate::graph::Op;
use crate::graph::op::Unary;
use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};

/// The elements of a tensor, in row-major order; `None` is unknown.
pub(super) type Elements = SmallVec<[Option<i64>; 8]>;

/// Larger tensors are not followed.
const MOST_ELEMENTS: u64 = 64;

/// Nodes that are followed one behind the other.
const MOST_STEPS: usize = 8;

/// Inputs that are read to answer one question.
///
/// Exported models read a few dozen. The limit is for lists that are joined with each other again and again,
/// to which there are many more ways than nodes, and for those that many lists of no element are part of.
const MOST_READS: usize = 1_000;

/// The elements of a tensor, if it is a small one of fixed dims and some may be known.
pub(super) fn of(work: &Work<'_>, edge: Edge) -> Option<Elements> {
    follow(work, edge, MOST_STEPS, &mut { MOST_READS })
}

/// Whether shape inference has bounds for the elements of a tensor.
pub(super) fn has_bounds(work: &Work<'_>, edge: Edge) -> bool {
    is_bounded(work, edge, &mut { MOST_READS })
}

/// Whether no Floor is at most [`MOST_STEPS`] nodes above, as far as it may be read.
///
/// Nodes are visited by their distance, so that each is visited once however many ways lead to it.
fn is_bounded(work: &Work<'_>, edge: Edge, reads: &mut usize) -> bool {
    let mut seen: FxHashSet<usize> = FxHashSet::default();
    let mut level: SmallVec<[usize; 8]> = smallvec![edge.node()];
    for _ in 0..=MOST_STEPS {
        let mut next: SmallVec<[usize; 8]> = SmallVec::new();
        for &index in &level {
            let node = &work.nodes[index];
            let n_followed = match node.op {
                _ if node.is_const() => 0,
                Op::Unary(Unary::Floor) => return false,
                Op::Concat { .. } => node.inputs().len(),
                Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze | Op::Convert { .. } => 1,
                _ => 0,
            };
            for input in node.inputs().iter().take(n_followed).flatten() {
                let Some(left) = reads.checked_sub(1) else { return true };
                *reads = left;
                if seen.insert(input.node()) {
                    next.push(input.node());
                }
            }
        }
        level = next;
    }
    true
}

fn follow(work: &Work<'_>, edge: Edge, steps: usize, reads: &mut usize) -> Option<Elements> {
    *reads = reads.checked_sub(1)?;
    let node = &work.nodes[edge.node()];
    let tensor = node.outputs.get(edge.port())?;
    if steps == 0 || tensor.is_free() || tensor.elements() > MOST_ELEMENTS {
        return None;
    }
    let count = usize::try_from(tensor.elements()).ok()?;
    if node.is_const() {
        let ints = node.value.as_ref()?.as_ints().filter(|ints| ints.len() == count)?;
        return Some(ints.iter().copied().map(Some).collect());
    }
    match node.op {
        Op::ShapeOf { .. } => {
            let dims = &work.tensor(node.input(0)?).dims;
            Some(dims.iter().map(|dim| dim.known().and_then(|size| i64::try_from(size).ok())).collect())
        }
        Op::Concat { .. } if tensor.dims.len() == 1 && is_bounded(work, edge, reads) => {
            let mut joined = Elements::new();
            for &input in node.inputs() {
                let input = input?;
                if *reads == 0 {
                    return None;
                }
                match follow(work, input, steps - 1, reads) {
                    Some(elements) => joined.extend(elements),
                    None => {
                        let unknown = usize::try_from(work.tensor(input).elements()).ok()?;
                        joined.extend(std::iter::repeat_n(None, unknown.min(count)));
                    }
                }
            }
            (joined.len() == count).then_some(joined)
        }
        Op::Reshape(_) | Op::Squeeze { .. } | Op::Unsqueeze => {
            follow(work, node.input(0)?, steps - 1, reads).filter(|elements| elements.len() == count)
        }
        Op::Gather { batch_dims: 0 } => gathered(work, edge.node(), steps - 1, reads),
        Op::Split { .. } => part(work, edge, steps - 1, reads),
        _ => None,
    }
}

/// The elements that a Gather picks from a list.
fn gathered(work: &Work<'_>, gather: usize, steps: usize, reads: &mut usize) -> Option<Elements> {
    let source = work.nodes[gather].input(0).filter(|&source| work.tensor(source).dims.len() == 1)?;
    let elements = follow(work, source, steps, reads)?;
    let pick = |&index: &i64| {
        let index = if index < 0 { index.checked_add(i64::try_from(elements.len()).ok()?)? } else { index };
        elements.get(usize::try_from(index).ok()?).copied()
    };
    work.ints(gather, 1)?.iter().map(pick).collect()
}

/// The elements of one output of a Split.
fn part(work: &Work<'_>, edge: Edge, steps: usize, reads: &mut usize) -> Option<Elements> {
    let source = work.nodes[edge.node()].input(0)?;
    let whole = work.tensor(source).sizes();
    let &[axis] = work.ints(edge.node(), 1)? else { return None };
    let axis = if axis < 0 { axis.checked_add(i64::try_from(whole.len()).ok()?)? } else { axis };
    let axis = usize::try_from(axis).ok()?;
    let inner: u64 = whole.get(axis + 1..)?.iter().product();
    let row = usize::try_from(whole.get(axis)?.checked_mul(inner)?).ok()?;
    let taken = usize::try_from(work.tensor(edge).sizes().get(axis)?.checked_mul(inner)?).ok()?;
    let start = edge.port().checked_mul(taken)?;
    let elements = follow(work, source, steps, reads)?;
    if row == 0 {
        return None;
    }
    let rows = elements.chunks(row).map(|row| row.get(start..start.checked_add(taken)?));
    let rows: Option<Vec<_>> = rows.collect();
    Some(rows?.concat().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{AxisSpan, PadInputs, PadMode, ReshapeZero, Unary};
    use crate::ids::TensorId;

    const I64: DType = DType::I64;

    /// Dim `axis` of x, as a list of one.
    fn dim(net: &mut Net, x: TensorId, rank: i64, axis: i64) -> TensorId {
        let shape = net.op("shape", Op::ShapeOf { to: I64, start: 0, end: None }, &[x], I64, &[rank]);
        let (index, zero) = (net.ints("index", &[axis]), net.int("zero", 0));
        net.op("dim", Op::Gather { batch_dims: 0 }, &[shape, index, zero], I64, &[1])
    }

    /// A Pad as torch exports it: both lists are parts of one, in which a free dim is last.
    #[test]
    fn the_known_part_of_a_list_is_a_constant() {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let length = dim(&mut net, x, 2, 0);
        let zeros = net.ints("zeros", &[0, 0, 0]);
        let list = net.op("list", Op::Concat { axis: 0 }, &[zeros, length], I64, &[4]);
        let pattern = net.ints("pattern", &[2, 2]);
        let pairs = net.op("pairs", Op::Reshape(ReshapeZero::IsZero), &[list, pattern], I64, &[2, 2]);
        let one = net.int("one", 1);
        let op = Op::Split { parts: 2, allow_uneven: false };
        let parts = net.split("parts", op, &[pairs, one], I64, &[&[2, 1], &[2, 1]]);
        let squeezed = |net: &mut Net, name, part| {
            let axes = net.ints(name, &[1]);
            net.op(name, Op::Squeeze { allow_axis_skip: false }, &[part, axes], I64, &[2])
        };
        let begin = squeezed(&mut net, "begin", parts[0]);
        let end = squeezed(&mut net, "end", parts[1]);
        let value = net.number("value", 0.0);
        let softmax = Op::Softmax(AxisSpan::LAST);
        let y = net.op("softmax", softmax, &[x], DType::F32, &[FREE, 8]);
        let op = Op::Pad(PadMode::Constant, PadInputs::Separate);
        let y = net.op("pad", op, &[y, begin, end, value], DType::F32, &[FREE, FREE]);
        net.result("out", y);
        let lines = net.lines(DYNAMIC);
        let has = |name: &str| lines.iter().any(|line| line.contains(name));
        assert_eq!((has(" begin "), has(" end ")), (false, true), "{lines:?}");
    }

    /// Whether the pattern `[dim, 2, 4]` of a Reshape stays a list that is computed. Its first number is
    /// reshaped so many times.
    fn keeps_pattern(is_floored: bool, n_reshaped: usize) -> bool {
        let mut net = Net::new();
        let x = net.input("x", DType::F32, &[FREE, 8]);
        let mut first = dim(&mut net, x, 2, 0);
        if is_floored {
            first = net.op("floor", Op::Unary(Unary::Floor), &[first], I64, &[1]);
        }
        for index in 0..n_reshaped {
            let one = net.ints("one", &[1]);
            let op = Op::Reshape(ReshapeZero::IsZero);
            first = net.op(&format!("again{index}"), op, &[first, one], I64, &[1]);
        }
        let rest = net.ints("rest", &[2, 4]);
        let pattern = net.op("pattern", Op::Concat { axis: 0 }, &[first, rest], I64, &[3]);
        let op = Op::Reshape(ReshapeZero::IsZero);
        let y = net.op("reshape", op, &[x, pattern], DType::F32, &[FREE, FREE, FREE]);
        let y = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[y], DType::F32, &[FREE, FREE, FREE]);
        net.result("out", y);
        net.lines(DYNAMIC).iter().any(|line| line.starts_with("Concatenation pattern"))
    }

    #[test]
    fn a_list_with_a_floored_number_has_no_bounds() {
        assert_eq!((keeps_pattern(false, 0), keeps_pattern(true, 0)), (false, true));
        assert_eq!((keeps_pattern(true, 7), keeps_pattern(true, 8)), (true, false));
    }
}
