//! Level 1: a Reshape whose pattern is put together from dims of its own data takes a constant one.
//!
//! The pattern is a Concat of constants and of single dims of a Shape, each with one more dim, which this Reshape alone
//! reads. A dim of the data at its own place, or one of the same name of another tensor, is 0, which copies it; at most one
//! other part is -1. The constant lets the runtime follow names of free dims through the Reshape.
//!
//! Source: onnxruntime/core/optimizer/reshape_fusion.cc; which chains go is seen in the models that 1.31.1 saves.

use super::super::kernel::Kernel;
use super::super::known_dims;
use super::super::work::Work;
use crate::shape::Dim;
use smallvec::SmallVec;

/// Rewrites every such Reshape; the parts that nothing else reads go.
pub(super) fn fuse(work: &mut Work<'_>) {
    for reshape in work.alive() {
        let Some(pattern) = pattern(work, reshape) else { continue };
        let (Some(data), Some(output)) = (work.input(reshape, 0), work.output(reshape)) else { continue };
        work.drop_input(reshape, 1);
        let from = work.values[data].shape.clone();
        let known = known_dims::reshape(&from, &pattern);
        let is_better = |shape: &known_dims::Shape| {
            shape.as_ref().map_or(0, |dims| dims.iter().filter(|dim| **dim != Dim::Unknown).count())
        };
        if is_better(&known) > is_better(&work.values[output].shape) {
            work.values[output].shape = known;
        }
    }
}

/// The numbers of the constant pattern.
fn pattern(work: &Work<'_>, reshape: usize) -> Option<SmallVec<[i64; 6]>> {
    if !work.is(reshape, Kernel::Reshape) {
        return None;
    }
    let data = work.input(reshape, 0)?;
    let concat = work.producer(reshape, 1, Kernel::Concat).filter(|&concat| work.is_private(concat))?;
    let mut pattern: SmallVec<[i64; 6]> = SmallVec::new();
    for &part in work.nodes[concat].inputs().iter().flatten() {
        if let Some(numbers) = work.ints(part) {
            pattern.extend_from_slice(numbers);
        } else if dim_of(work, part, data) == Some(pattern.len() as i64) {
            pattern.push(0);
        } else if work.values[part].dims.as_deref() == Some(&[1]) {
            pattern.push(-1);
        } else {
            return None;
        }
    }
    (pattern.iter().filter(|&&number| number == -1).count() < 2).then_some(pattern)
}

/// Which dim of `data` a part of the pattern is.
fn dim_of(work: &Work<'_>, part: usize, data: usize) -> Option<i64> {
    let unsqueeze = work.writer(part).filter(|&node| work.is(node, Kernel::Unsqueeze))?;
    let gather = work.producer(unsqueeze, 0, Kernel::Gather)?;
    let shape = work.producer(gather, 0, Kernel::Shape)?;
    let &[index] = work.ints(work.input(gather, 1)?)? else { return None };
    let source = work.input(shape, 0)?;
    let dim = |value: usize| {
        let dims = work.values[value].shape.as_ref()?;
        dims.get(usize::try_from(index).ok()?).copied()
    };
    let is_same = source == data || dim(source).zip(dim(data)).is_some_and(|(one, other)| one.equals(other));
    is_same.then_some(index)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    #[test]
    fn a_dim_of_the_same_name_is_copied_and_a_shared_pattern_stays() {
        let of = |name: &str, is_shared: bool| {
            let mut draft = Draft::default();
            let data = draft.free_input("data", "n,,", &[2, 8, 32]);
            let other = draft.free_input("other", name, &[2, 4]);
            let (index, axis, axes) = (draft.ints(&[], &[0]), draft.ints(&[], &[0]), draft.ints(&[1], &[0]));
            let rest = draft.ints(&[2], &[-1, 32]);
            let shape = draft.node(Kernel::Shape, &[other]);
            let dim = draft.node(Kernel::Gather, &[shape, index, axis]);
            let part = draft.node(Kernel::Unsqueeze, &[dim, axes]);
            let pattern = draft.node(Kernel::Concat, &[part, rest]);
            let output = draft.node(Kernel::Reshape, &[data, pattern]);
            draft.returns(output);
            if is_shared {
                draft.returns(pattern);
            }
            draft.kinds(fuse).len()
        };
        assert_eq!((of("n,", false), of("m,", false), of("n,", true)), (1, 5, 5));
    }

    /// A Reshape of `data` with a pattern of [its own dim at `place`, a number, 32].
    fn reshaped(place: i64, middle: i64) -> Draft {
        let mut draft = Draft::default();
        let data = draft.input(&[2, 8, 4, 32]);
        let (index, axis, axes) = (draft.ints(&[], &[place]), draft.ints(&[], &[0]), draft.ints(&[1], &[0]));
        let rest = draft.ints(&[2], &[middle, 32]);
        let shape = draft.node(Kernel::Shape, &[data]);
        let dim = draft.node(Kernel::Gather, &[shape, index, axis]);
        let part = draft.node(Kernel::Unsqueeze, &[dim, axes]);
        let pattern = draft.node(Kernel::Concat, &[part, rest]);
        let output = draft.node(Kernel::Reshape, &[data, pattern]);
        draft.returns(output);
        draft
    }

    #[test]
    fn a_dim_at_its_own_place_is_copied() {
        assert_eq!(reshaped(0, -1).kinds(fuse), [Kernel::Reshape]);
    }

    #[test]
    fn two_open_parts_stay() {
        let all = [Kernel::Shape, Kernel::Gather, Kernel::Unsqueeze, Kernel::Concat, Kernel::Reshape];
        assert_eq!(reshaped(1, -1).kinds(fuse), all);
        assert_eq!(reshaped(1, 8).kinds(fuse), [Kernel::Reshape]);
    }
}
