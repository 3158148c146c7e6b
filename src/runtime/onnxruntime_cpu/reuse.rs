//! Which tensors share a buffer: decided when the session is made, before any size is known.
//!
//! In execution order, an output is, by the first rule that holds: returned to the caller, in a buffer of its own; in
//! the buffer of an aliased input; in that of an input that it may overwrite, which nothing else needs and which is
//! known to have the same size; in the buffer freed last among those of the same dims and element size; in a new one.
//! A buffer is held from its first tensor to the last use of its last, idle time included.
//!
//! Source: `ComputeSingleStreamReusePlan`, ONNX Runtime, onnxruntime/core/framework/allocation_planner.cc, commit
//! 005c1925, checked against the memory patterns of 1.31.1.

use super::known_dims;
use super::work::Work;
use crate::shape::Dim;
use crate::shape::dim::DimList;
use rustc_hash::FxHashMap;

/// How a value's buffer comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Input or initializer: there before the run.
    Given,
    /// A buffer of its own, returned to the caller.
    Returned,
    /// A buffer of its own.
    Allocated,
    /// The bytes of an input, untouched.
    Aliased(usize),
    /// The buffer of another value, written again.
    Reused,
    /// Nothing left reads or writes it.
    Unused,
}

/// For every value, how its buffer comes to be and whose it is.
#[derive(Debug)]
pub(super) struct Reuse {
    /// By value.
    pub origin: Vec<Origin>,
    /// By value, the value whose buffer it is.
    pub buffer: Vec<usize>,
}

/// Plans buffers for nodes in execution order; without `reuses`, freed buffers are not reused.
pub(super) fn plan(work: &Work<'_>, order: &[usize], reuses: bool) -> Reuse {
    let count = work.values.len();
    let mut uses: Vec<u32> = (0..count).map(|value| u32::from(work.writer(value).is_none())).collect();
    for &node in order {
        for &value in work.nodes[node].inputs().iter().flatten().chain(&work.nodes[node].outputs) {
            uses[value] += 1;
        }
    }
    for (value, uses) in uses.iter_mut().enumerate() {
        *uses += u32::from(work.is_output(value));
    }
    let mut plan = Reuse { origin: vec![Origin::Unused; count], buffer: (0..count).collect() };
    for value in 0..count {
        if work.writer(value).is_none() && work.is_read(value) {
            plan.origin[value] = Origin::Given;
        }
    }
    let mut freed: FxHashMap<Size, Vec<usize>> = FxHashMap::default();
    for &node in order {
        for (port, &value) in work.nodes[node].outputs.iter().enumerate() {
            let kind = work.nodes[node].kind;
            let alias = kind.alias().filter(|_| port == 0).and_then(|index| work.input(node, index));
            let in_place = || {
                let input =
                    kind.in_place().filter(|_| port == 0).and_then(|index| work.input(node, index))?;
                (uses[plan.buffer[input]] == 1 && is_same_size(work, input, value)).then_some(input)
            };
            let from = if work.is_output(value) {
                plan.origin[value] = Origin::Returned;
                None
            } else if let Some(input) = alias {
                plan.origin[value] = Origin::Aliased(input);
                Some(plan.buffer[input])
            } else if let Some(input) = in_place() {
                plan.origin[value] = Origin::Reused;
                Some(plan.buffer[input])
            } else if let Some(buffer) =
                size(work, value).and_then(|size| freed.get_mut(&size)).and_then(Vec::pop)
            {
                plan.origin[value] = Origin::Reused;
                Some(buffer)
            } else {
                plan.origin[value] = Origin::Allocated;
                None
            };
            if let Some(buffer) = from {
                plan.buffer[value] = buffer;
                uses[buffer] += uses[value];
            }
        }
        for &value in work.nodes[node].inputs().iter().flatten().chain(&work.nodes[node].outputs) {
            let buffer = plan.buffer[value];
            uses[buffer] = uses[buffer].saturating_sub(1);
            if uses[buffer] == 0
                && reuses
                && let Some(size) = size(work, buffer)
            {
                freed.entry(size).or_default().push(buffer);
            }
        }
    }
    plan
}

fn is_same_size(work: &Work<'_>, a: usize, b: usize) -> bool {
    let (a, b) = (&work.values[a], &work.values[b]);
    a.dtype.bits() == b.dtype.bits() && known_dims::are_same(&a.shape, &b.shape)
}

/// Bits of an element, and dims of which each is known, by number or by name.
type Size = (Option<u64>, DimList);

/// What a buffer and what takes it over have in common; `None`: scalars, and what has a dim that is not known.
fn size(work: &Work<'_>, value: usize) -> Option<Size> {
    let value = &work.values[value];
    let dims = value.shape.as_ref().filter(|dims| !dims.is_empty() && !dims.contains(&Dim::Unknown))?;
    Some((value.dtype.bits(), dims.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::super::kernel::Kernel;
    use super::super::order;
    use super::*;
    use crate::ids::TensorId;

    /// How a value's buffer comes to be, and whose it is.
    fn planned(draft: Draft, reuses: bool) -> impl Fn(TensorId) -> (Origin, usize) {
        let reuse = draft.with(|work| plan(work, &order::of(work), reuses));
        move |tensor| (reuse.origin[tensor.index()], reuse.buffer[tensor.index()])
    }

    /// `count` roots of `x`, one after the other; the last is returned.
    fn roots(draft: &mut Draft, x: TensorId, count: usize) -> Vec<TensorId> {
        let mut found = vec![x];
        for _ in 0..count {
            found.push(draft.node(Kernel::Sqrt, &[found[found.len() - 1]]));
        }
        draft.returns(found[count]);
        found
    }

    #[test]
    fn a_freed_buffer_serves_the_next_result_of_its_dims() {
        let of = |reuses: bool| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let values = roots(&mut draft, x, 4);
            let planned = planned(draft, reuses);
            assert_eq!(planned(values[0]).0, Origin::Given);
            assert_eq!(planned(values[1]).0, Origin::Allocated);
            // The first is still read where the second is written.
            assert_eq!(planned(values[2]).0, Origin::Allocated);
            assert_eq!(planned(values[4]).0, Origin::Returned);
            (planned(values[3]), values)
        };
        let (third, values) = of(true);
        assert_eq!(third, (Origin::Reused, values[1].index()));
        let (third, values) = of(false);
        assert_eq!(third, (Origin::Allocated, values[3].index()));
    }

    #[test]
    fn a_freed_buffer_of_other_dims_is_left() {
        let mut draft = Draft::default();
        let (x, columns) = (draft.input(&[2, 8]), draft.weight(&[8, 4]));
        let wide = draft.node(Kernel::Sqrt, &[x]);
        let narrow = draft.node(Kernel::MatMul, &[wide, columns]);
        let values = roots(&mut draft, narrow, 2);
        assert_eq!(planned(draft, true)(values[1]).0, Origin::Allocated);
    }

    #[test]
    fn dims_are_equal_by_name_and_never_where_they_have_none() {
        let of = |symbols: &str| {
            let mut draft = Draft::default();
            let x = draft.free_input("x", symbols, &[2, 8]);
            let values = roots(&mut draft, x, 4);
            planned(draft, true)(values[3]).0
        };
        assert_eq!(of("batch,width"), Origin::Reused);
        assert_eq!(of("batch,"), Origin::Allocated);
    }

    #[test]
    fn an_activation_overwrites_what_nothing_else_reads() {
        let of = |is_read_again: bool| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 8]);
            let root = draft.node(Kernel::Sqrt, &[x]);
            let active = draft.node(Kernel::Relu, &[root]);
            let output = draft.node(Kernel::Add, &[active, if is_read_again { root } else { x }]);
            draft.returns(output);
            (planned(draft, true)(active), root, active)
        };
        let (found, root, _) = of(false);
        assert_eq!(found, (Origin::Reused, root.index()));
        let (found, _, active) = of(true);
        assert_eq!(found, (Origin::Allocated, active.index()));
    }

    #[test]
    fn a_returned_activation_has_a_buffer_of_its_own() {
        let mut draft = Draft::default();
        let x = draft.input(&[2, 8]);
        let root = draft.node(Kernel::Sqrt, &[x]);
        let active = draft.node(Kernel::Relu, &[root]);
        draft.returns(active);
        assert_eq!(planned(draft, true)(active), (Origin::Returned, active.index()));
    }

    #[test]
    fn a_view_holds_the_buffer_that_it_is_in() {
        let mut draft = Draft::default();
        let (x, flat) = (draft.input(&[2, 8]), draft.ints(&[1], &[16]));
        let first = draft.node(Kernel::Sqrt, &[x]);
        let view = draft.node(Kernel::Reshape, &[first, flat]);
        let powers = draft.node(Kernel::Exp, &[first]);
        let last = draft.node(Kernel::Exp, &[powers]);
        let flattened = draft.node(Kernel::Reshape, &[last, flat]);
        let output = draft.node(Kernel::Add, &[flattened, view]);
        draft.returns(output);
        let planned = planned(draft, true);
        assert_eq!(planned(view), (Origin::Aliased(first.index()), first.index()));
        // `first` itself has been read when the last power is written, but the view has not.
        assert_eq!(planned(last), (Origin::Allocated, last.index()));
    }
}
