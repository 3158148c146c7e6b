//! One planted fault per kind of violation, on a schedule that holds.

use super::*;
use crate::ids::StorageId;
use crate::schedule::{Known, NodeRef, Storage, StorageClass, Value};
use crate::units::Bytes;

fn value(index: usize) -> ValueId {
    ValueId::new(index)
}

/// Storages of the given lengths, all planned.
fn arena(sizes: &[u64]) -> Draft {
    let storage = |&bytes: &u64| Storage {
        class: StorageClass::Activation,
        bytes: Bytes(bytes),
        alignment: 1,
        node: NodeRef::default(),
        known: Known::Exact,
        kept_until: 0,
        grows: false,
    };
    Draft { storages: sizes.iter().map(storage).collect(), ..Draft::default() }
}

/// Adds a value at `range` of `storage`.
fn add(schedule: &mut Draft, storage: usize, range: Range<u64>, origin: Origin) {
    schedule.values.push(Value {
        storage: StorageId::new(storage),
        offset: Bytes(range.start),
        bytes: Bytes(range.end - range.start),
        origin,
        tensor: None,
    });
}

fn step(schedule: &mut Draft, reads: &[usize], writes: &[usize]) {
    schedule.steps.push(Step {
        reads: reads.iter().copied().map(value).collect(),
        writes: writes.iter().copied().map(value).collect(),
        ..Step::default()
    });
}

fn plan(offsets: &[u64], arena_size: u64) -> Plan {
    Plan {
        offsets: offsets.iter().copied().map(Bytes).collect(),
        arena_size: Bytes(arena_size),
        ..Plan::default()
    }
}

/// A chain: step 0 writes a, 1 reads a and writes b, 2 reads b and writes c, 3 reads c.
///
/// offset ↑
///   4    ┌──b──┐
///   0  ┌─┴a─┬c─┴─┐
/// time → 0  1  2  3
fn chain() -> (Draft, Plan) {
    let mut schedule = arena(&[4, 4, 4]);
    for storage in 0..3 {
        add(&mut schedule, storage, 0..4, Origin::Written);
    }
    step(&mut schedule, &[], &[0]);
    step(&mut schedule, &[0], &[1]);
    step(&mut schedule, &[1], &[2]);
    step(&mut schedule, &[2], &[]);
    (schedule, plan(&[0, 4, 0], 8))
}

#[test]
fn a_chain_over_two_places_holds() {
    let (schedule, plan) = chain();
    assert_eq!(check(&schedule, &plan), []);
}

#[test]
fn a_planted_late_read_finds_other_bytes() {
    let (mut schedule, plan) = chain();
    schedule.steps[3].reads.push(value(0));
    let expected = Violation::Lost { step: 3, value: value(0), bytes: 0..4, found: Some(value(2)) };
    assert_eq!(check(&schedule, &plan), [expected]);
}

#[test]
fn a_planted_read_before_the_write_finds_nothing() {
    let (mut schedule, plan) = chain();
    schedule.steps[0].reads.push(value(1));
    let expected = Violation::Lost { step: 0, value: value(1), bytes: 4..8, found: None };
    assert_eq!(check(&schedule, &plan), [expected]);
}

#[test]
fn a_planted_output_over_its_input_is_found() {
    let (schedule, mut plan) = chain();
    plan.offsets[1] = Bytes(2);
    let clobber = |step: usize, bytes| Violation::ClobbersRead {
        step,
        read: value(step - 1),
        written: value(step),
        bytes,
    };
    assert_eq!(check(&schedule, &plan), [clobber(1, 2..4), clobber(2, 2..4)]);
}

#[test]
fn in_place_is_declared_by_the_storage() {
    let (mut schedule, _) = chain();
    schedule.values[1].storage = StorageId::new(0);
    assert_eq!(check(&schedule, &plan(&[0, 8, 4], 12)), []);
    // But then nothing may read the old value any more.
    schedule.steps[2].reads.push(value(0));
    let expected = Violation::Lost { step: 2, value: value(0), bytes: 0..4, found: Some(value(1)) };
    assert_eq!(check(&schedule, &plan(&[0, 8, 4], 12)), [expected]);
}

#[test]
fn scratch_clobbers_what_it_lies_on() {
    let (mut schedule, _) = chain();
    schedule.storages.push(Storage {
        class: StorageClass::Scratch,
        bytes: Bytes(2),
        ..schedule.storages[0].clone()
    });
    add(&mut schedule, 3, 0..2, Origin::Written);
    schedule.steps[1].writes.push(value(3));
    assert_eq!(check(&schedule, &plan(&[0, 4, 0, 8], 10)), []);
    let over_input = Violation::ClobbersRead { step: 1, read: value(0), written: value(3), bytes: 1..3 };
    assert_eq!(check(&schedule, &plan(&[0, 4, 0, 1], 8)), [over_input]);
    let over_output =
        Violation::WrittenTwice { step: 1, value: value(1), bytes: 4..6, found: Some(value(3)) };
    let lost = Violation::Lost { step: 2, value: value(1), bytes: 4..6, found: Some(value(3)) };
    assert_eq!(check(&schedule, &plan(&[0, 4, 0, 4], 8)), [over_output, lost]);
}

/// Bytes 0..4 are written at step 0 and looked at through a view of a view of a part.
#[test]
fn views_are_followed_to_what_was_written() {
    let mut schedule = arena(&[8, 2]);
    add(&mut schedule, 0, 3..4, Origin::View(value(1)));
    add(&mut schedule, 0, 2..6, Origin::View(value(2)));
    add(&mut schedule, 0, 0..8, Origin::Written);
    add(&mut schedule, 1, 0..2, Origin::Written);
    step(&mut schedule, &[], &[2]);
    step(&mut schedule, &[2], &[1, 0]);
    step(&mut schedule, &[], &[3]);
    step(&mut schedule, &[0], &[]);
    assert_eq!(check(&schedule, &plan(&[0, 8], 10)), []);
    assert_eq!(check(&schedule, &plan(&[0, 4], 8)), [], "bytes 4..6 are not in the part that is read");
    let lost = Violation::Lost { step: 3, value: value(0), bytes: 3..4, found: Some(value(3)) };
    assert_eq!(check(&schedule, &plan(&[0, 2], 8)), [lost]);
}

#[test]
fn planted_views_outside_their_source_are_found() {
    let mut schedule = arena(&[8]);
    add(&mut schedule, 0, 0..4, Origin::Written);
    add(&mut schedule, 0, 2..6, Origin::View(value(0)));
    assert_eq!(check(&schedule, &plan(&[0], 8)), [Violation::LooseView { value: value(1) }]);
    schedule.values[1].origin = Origin::View(value(1));
    assert_eq!(check(&schedule, &plan(&[0], 8)), [Violation::LooseView { value: value(1) }]);
}

#[test]
fn joined_values_need_all_their_members() {
    let mut schedule = arena(&[8, 2]);
    add(&mut schedule, 0, 4..8, Origin::Written);
    add(&mut schedule, 0, 0..4, Origin::Written);
    add(&mut schedule, 0, 0..8, Origin::Joined([0, 1].map(value).to_vec()));
    add(&mut schedule, 1, 0..2, Origin::Written);
    step(&mut schedule, &[], &[0]);
    step(&mut schedule, &[], &[3]);
    step(&mut schedule, &[], &[1]);
    step(&mut schedule, &[0, 1], &[2]);
    step(&mut schedule, &[2], &[]);
    assert_eq!(check(&schedule, &plan(&[0, 8], 10)), []);
    assert_eq!(check(&schedule, &plan(&[0, 0], 8)), [], "the member that comes there is written later");
    let lost = |step, of| Violation::Lost { step, value: value(of), bytes: 5..7, found: Some(value(3)) };
    assert_eq!(check(&schedule, &plan(&[0, 5], 8)), [lost(3, 0), lost(4, 2)]);

    schedule.values[1].bytes = Bytes(3);
    assert!(check(&schedule, &plan(&[0, 8], 10)).contains(&Violation::LooseJoin { value: value(2) }));
    schedule.values[1].origin = Origin::Joined(vec![value(2)]);
    let circle = check(&schedule, &plan(&[0, 8], 10));
    assert!(circle.contains(&Violation::LooseJoin { value: value(1) }), "{circle:?}");
}

#[test]
fn resident_values_are_there_from_the_start() {
    let (mut schedule, plan) = chain();
    let weights = Storage { class: StorageClass::WeightsFile, ..schedule.storages[0].clone() };
    schedule.storages.insert(0, weights);
    for value in &mut schedule.values {
        value.storage = StorageId::new(value.storage.index() + 1);
    }
    add(&mut schedule, 0, 0..4, Origin::Resident);
    schedule.steps[0].reads.push(value(3));
    schedule.steps[3].reads.push(value(3));
    assert_eq!(check(&schedule, &plan), []);
    // A state that is updated in its own storage is another value from then on.
    add(&mut schedule, 0, 0..4, Origin::Written);
    schedule.steps[1].writes.push(value(4));
    let lost = Violation::Lost { step: 3, value: value(3), bytes: 0..4, found: Some(value(4)) };
    assert_eq!(check(&schedule, &plan), [lost]);
}

#[test]
fn planted_places_out_of_bounds_are_found() {
    let (mut schedule, mut plan) = chain();
    plan.arena_size = Bytes(7);
    let out = Violation::OutOfArena { value: value(1), end: Bytes(8), arena_size: Bytes(7) };
    assert_eq!(check(&schedule, &plan), [out]);
    plan.arena_size = Bytes(8);
    schedule.values[0].bytes = Bytes(5);
    let found = check(&schedule, &plan);
    let out = Violation::OutOfStorage { value: value(0), end: Bytes(5), storage: StorageId::new(0) };
    assert_eq!(found.first(), Some(&out));
}

#[test]
fn planted_wrong_counts_and_names_are_found() {
    let (mut schedule, mut plan) = chain();
    plan.offsets.push(Bytes(0));
    assert_eq!(check(&schedule, &plan), [Violation::Count { storages: 3, offsets: 4 }]);
    plan.offsets.truncate(2);
    assert_eq!(check(&schedule, &plan), [Violation::Count { storages: 3, offsets: 2 }]);

    let (_, plan) = chain();
    schedule.steps[1].reads.push(value(9));
    assert_eq!(check(&schedule, &plan), [Violation::Dangling { step: Some(1), value: value(9) }]);
    schedule.steps[1].reads.pop();
    add(&mut schedule, 7, 0..1, Origin::Written);
    assert_eq!(check(&schedule, &plan), [Violation::Dangling { step: None, value: value(3) }]);
}

#[test]
fn two_outputs_of_a_step_must_not_meet() {
    let (mut schedule, plan) = chain();
    schedule.steps[0].writes.push(value(2));
    let twice = Violation::WrittenTwice { step: 0, value: value(0), bytes: 0..4, found: Some(value(2)) };
    assert_eq!(check(&schedule, &plan).first(), Some(&twice));
}

/// Each join consists of the join before and of one more byte, and is read when that is written.
#[test]
fn joins_within_joins_are_checked_after_each_write() {
    const COUNT: usize = 100;
    let mut schedule = arena(&[COUNT as u64, 1]);
    for index in 0..COUNT {
        add(&mut schedule, 0, index as u64..index as u64 + 1, Origin::Written);
    }
    add(&mut schedule, 1, 0..1, Origin::Written);
    let mut last = 0;
    for index in 1..COUNT {
        let join = schedule.values.len();
        add(&mut schedule, 0, 0..index as u64 + 1, Origin::Joined(vec![value(last), value(index)]));
        last = join;
    }
    let part = schedule.values.len();
    add(&mut schedule, 0, 30..70, Origin::View(value(last)));
    step(&mut schedule, &[], &[0]);
    for index in 1..COUNT {
        step(&mut schedule, &[], &[index]);
        step(&mut schedule, &[COUNT + index], &[]);
    }
    step(&mut schedule, &[], &[COUNT]);
    step(&mut schedule, &[COUNT + 40, part, last], &[]);
    assert_eq!(check(&schedule, &plan(&[0, COUNT as u64], COUNT as u64 + 1)), []);
    let at = schedule.steps.len() - 1;
    let found = Some(value(COUNT));
    let lost = |of, byte| Violation::Lost { step: at, value: value(of), bytes: byte..byte + 1, found };
    let over = |byte| check(&schedule, &plan(&[0, byte], COUNT as u64));
    assert_eq!(over(20), [lost(COUNT + 40, 20), lost(last, 20)]);
    assert_eq!(over(50), [lost(part, 50), lost(last, 50)]);
    assert_eq!(over(80), [lost(last, 80)]);
}

#[test]
fn a_wide_step_is_checked_as_a_narrow_one() {
    const COUNT: usize = 40;
    let mut schedule = arena(&[2; 2 * COUNT]);
    for storage in 0..2 * COUNT {
        add(&mut schedule, storage, 0..2, Origin::Written);
    }
    let (inputs, outputs): (Vec<usize>, Vec<usize>) = (0..2 * COUNT).partition(|index| index % 2 == 0);
    step(&mut schedule, &[], &inputs);
    step(&mut schedule, &inputs, &outputs);
    let mut offsets: Vec<u64> = (0..2 * COUNT as u64).map(|index| 2 * index).collect();
    let arena_size = 4 * COUNT as u64;
    assert_eq!(check(&schedule, &plan(&offsets, arena_size)), []);
    // Over the end of one input and the start of the next output, which is written later.
    offsets[1] = 5;
    let found = check(&schedule, &plan(&offsets, arena_size));
    let clobber = Violation::ClobbersRead { step: 1, read: value(2), written: value(1), bytes: 5..6 };
    let twice = Violation::WrittenTwice { step: 1, value: value(1), bytes: 6..7, found: Some(value(3)) };
    assert_eq!(found, [clobber, twice]);
}
