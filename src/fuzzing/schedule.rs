//! Random schedules, with the planning problem that belongs to them.

use crate::ids::{StorageId, ValueId};
use crate::problem::{Buffer, Problem};
use crate::schedule::{Draft, Known, NodeRef, Origin, Step, Storage, StorageClass, Value};
use crate::units::Bytes;
use arbitrary::{Result, Unstructured};
use std::ops::Range;

/// A schedule that loses no bytes under any plan of its problem.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The schedule.
    pub draft: Draft,
    /// Its planned storages, with the live ranges that the reads and writes make necessary.
    pub problem: Problem,
}

/// A schedule of up to 40 steps with views, in-place writes, joins written in
/// parts, scratch, and weights.
///
/// # Errors
///
/// None in practice; `arbitrary` asks for the type.
pub fn schedule(u: &mut Unstructured<'_>) -> Result<Schedule> {
    let mut generator = Generator::default();
    for _ in 0..u.int_in_range(0..=2)? {
        let bytes = u.int_in_range(0..=64)?;
        let storage = generator.storage(StorageClass::WeightsFile, bytes);
        generator.value(storage, 0..bytes, Origin::Resident);
    }
    for _ in 0..u.int_in_range(1..=40)? {
        generator.step(u)?;
    }
    Ok(generator.finish())
}

/// A schedule in the making.
#[derive(Default)]
struct Generator {
    draft: Draft,
    /// Steps at which each storage is touched; empty while it is not.
    touched: Vec<Range<u32>>,
    /// Values whose bytes are all there.
    readable: Vec<ValueId>,
    /// Storages that are filled in parts, with the parts written so far and the number of bytes of each.
    open_joins: Vec<(StorageId, Vec<ValueId>, u64)>,
}

/// Parts that a joined value has.
const JOIN_PARTS: u64 = 3;

impl Generator {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let mut step = Step::default();
        for _ in 0..u.int_in_range(0..=3)? {
            if !self.readable.is_empty() {
                let read = *u.choose(&self.readable)?;
                self.touch(read);
                step.reads.push(read);
            }
        }
        for _ in 0..u.int_in_range(1..=2)? {
            self.output(u, &mut step)?;
        }
        self.draft.steps.push(step);
        Ok(())
    }

    fn output(&mut self, u: &mut Unstructured<'_>, step: &mut Step) -> Result<()> {
        let bytes = u.int_in_range(0..=64)?;
        let source = step.reads.first().copied().filter(|read| self.readable.contains(read));
        match (u.int_in_range(0..=6u8)?, source) {
            (0, Some(of)) => {
                let Value { storage, offset, bytes, .. } = self.draft.value(of).clone();
                let skip = u.int_in_range(0..=bytes.0)?;
                let length = u.int_in_range(0..=bytes.0 - skip)?;
                let from = offset.0 + skip;
                let view = self.value(storage, from..from + length, Origin::View(of));
                step.writes.push(view);
            }
            (1, Some(over)) if self.is_planned(over) => {
                let Value { storage, offset, bytes, .. } = self.draft.value(over).clone();
                let place = offset.0..offset.0 + bytes.0;
                self.overwrite(storage, &place);
                let written = self.value(storage, place, Origin::Written);
                self.touch(written);
                step.writes.push(written);
            }
            (2, _) => {
                let storage = self.storage(StorageClass::Activation, bytes * JOIN_PARTS);
                self.open_joins.push((storage, Vec::new(), bytes));
            }
            (3 | 4, _) if !self.open_joins.is_empty() => self.part(step),
            (5, _) => {
                let storage = self.storage(StorageClass::Scratch, bytes);
                let scratch = self.value(storage, 0..bytes, Origin::Written);
                self.readable.pop();
                self.touch(scratch);
                step.writes.push(scratch);
            }
            _ => {
                let storage = self.storage(StorageClass::Activation, bytes);
                let written = self.value(storage, 0..bytes, Origin::Written);
                self.touch(written);
                step.writes.push(written);
            }
        }
        Ok(())
    }

    /// Writes the next part of the oldest open join, and joins the parts after the last.
    fn part(&mut self, step: &mut Step) {
        let (storage, mut parts, bytes) = self.open_joins.remove(0);
        let from = parts.len() as u64 * bytes;
        let part = self.value(storage, from..from + bytes, Origin::Written);
        self.touch(part);
        step.writes.push(part);
        parts.push(part);
        if parts.len() as u64 == JOIN_PARTS {
            let joined = self.value(storage, 0..bytes * JOIN_PARTS, Origin::Joined(parts));
            step.writes.push(joined);
        } else {
            self.open_joins.insert(0, (storage, parts, bytes));
        }
    }

    /// Values that lose bytes to a write in their own storage can be read no more, nor joined.
    fn overwrite(&mut self, storage: StorageId, place: &Range<u64>) {
        let draft = &self.draft;
        self.readable.retain(|&value| {
            let value = draft.value(value);
            let end = value.offset.0 + value.bytes.0;
            value.storage != storage || end <= place.start || place.end <= value.offset.0
        });
        self.open_joins.retain(|(open, _, _)| *open != storage);
    }

    fn storage(&mut self, class: StorageClass, bytes: u64) -> StorageId {
        let (node, known) = (NodeRef::default(), Known::Exact);
        self.draft.storages.push(Storage {
            class,
            bytes: Bytes(bytes),
            alignment: 1,
            node,
            known,
            kept_until: 0,
            grows: false,
        });
        self.touched.push(0..0);
        StorageId::new(self.draft.storages.len() - 1)
    }

    fn value(&mut self, storage: StorageId, place: Range<u64>, origin: Origin) -> ValueId {
        let (offset, bytes) = (Bytes(place.start), Bytes(place.end - place.start));
        self.draft.values.push(Value { storage, offset, bytes, origin, tensor: None });
        let value = ValueId::new(self.draft.values.len() - 1);
        self.readable.push(value);
        value
    }

    /// The storage of `value` is needed at the step in the making.
    fn touch(&mut self, value: ValueId) {
        let now = self.draft.steps.len() as u32;
        let touched = &mut self.touched[self.draft.value(value).storage.index()];
        let start = if touched.start == touched.end { now } else { touched.start };
        *touched = start..now + 1;
    }

    fn is_planned(&self, value: ValueId) -> bool {
        self.draft.storage(self.draft.value(value).storage).class.is_planned()
    }

    /// Storages that no step touched live over the first step.
    fn finish(self) -> Schedule {
        let buffers = self.draft.planned().map(|(id, storage)| {
            let touched = self.touched[id.index()].clone();
            let live = if touched.is_empty() { 0..1 } else { touched };
            Buffer { live, size: storage.bytes, alignment: storage.alignment, grows: false }
        });
        let problem = Problem { buffers: buffers.collect() };
        Schedule { draft: self.draft, problem }
    }
}
