//! Which tensors share a buffer: decided when the session is made, before any size is known.
//!
//! In execution order, an output is, by the first rule that holds: returned to the caller, in a buffer of its own; in
//! the buffer of an aliased input; in that of an input that it may overwrite, which nothing else needs and which is
//! known to have the same size; in the buffer freed last among those of the same dims and element size; in a new one.
//! A buffer is held from its first tensor to the last use of its last, idle time included.
//!
//! Source: `ComputeSingleStreamReusePlan`, ONNX Runtime, onnxruntime/core/framework/allocation_planner.cc, commit
//! 005c1925, checked against the memory patterns of 1.31.1.

use super::kernels;
use super::symbolic::{self, Dim};
use super::work::Work;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

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
    /// The buffer of another value, written anew.
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

/// Plans buffers for nodes in execution order; without `reuses`, freed buffers are not taken over.
pub(super) fn plan(work: &Work<'_>, order: &[usize], reuses: bool) -> Reuse {
    let count = work.values.len();
    let mut uses: Vec<u32> = (0..count).map(|value| u32::from(work.values[value].writer.is_none())).collect();
    for &node in order {
        for &value in work.nodes[node].inputs.iter().flatten().chain(&work.nodes[node].outputs) {
            uses[value] += 1;
        }
    }
    for (value, uses) in uses.iter_mut().enumerate() {
        *uses += u32::from(work.values[value].is_output);
    }
    let mut plan = Reuse { origin: vec![Origin::Unused; count], buffer: (0..count).collect() };
    for value in 0..count {
        let own = &work.values[value];
        if own.writer.is_none() && (!own.readers.is_empty() || own.is_output) {
            plan.origin[value] = Origin::Given;
        }
    }
    let mut freed: FxHashMap<Size, Vec<usize>> = FxHashMap::default();
    for &node in order {
        for (port, &value) in work.nodes[node].outputs.iter().enumerate() {
            let kind = work.nodes[node].kind;
            let alias = kernels::alias(kind).filter(|_| port == 0).and_then(|index| work.input(node, index));
            let in_place = || {
                let input = kernels::in_place(kind)
                    .filter(|_| port == 0)
                    .and_then(|index| work.input(node, index))?;
                (uses[plan.buffer[input]] == 1 && is_same_size(work, input, value)).then_some(input)
            };
            let from = if work.values[value].is_output {
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
        for &value in work.nodes[node].inputs.iter().flatten().chain(&work.nodes[node].outputs) {
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
    a.dtype.bits() == b.dtype.bits() && symbolic::are_same(&a.shape, &b.shape)
}

/// Bits of an element, and dims of which each is known, by number or by name.
type Size = (Option<u64>, SmallVec<[Dim; 4]>);

/// What a buffer and what takes it over have in common; `None`: scalars, and what has a dim that is not known.
fn size(work: &Work<'_>, value: usize) -> Option<Size> {
    let value = &work.values[value];
    let dims = value.shape.as_ref().filter(|dims| !dims.is_empty() && !dims.contains(&Dim::Unknown))?;
    Some((value.dtype.bits(), dims.clone()))
}
