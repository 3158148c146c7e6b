//! Where each value is, and which bytes it must hold there.

use super::Violation;
use crate::ids::{StorageId, ValueId};
use crate::problem::Plan;
use crate::schedule::{Draft, Origin, Value};
use crate::units::Bytes;
use std::ops::Range;
use std::rc::Rc;

/// Places and contents of all values of a schedule.
pub(super) struct Contents {
    places: Vec<Option<Place>>,
    /// Of views and joined values; all others are of one piece.
    composed: Vec<Option<Rc<[Piece]>>>,
}

/// Where a value is.
pub(super) struct Place {
    /// 0 for the arena, else the number of the storage among those outside of it, counted from 1.
    pub(super) space: u32,
    /// The storage that the value is in.
    pub(super) storage: StorageId,
    /// Its bytes in that space.
    pub(super) bytes: Range<u64>,
}

/// Bytes that come from one write, or were there before the first step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The bytes, in the value's address space.
    pub(super) bytes: Range<u64>,
    /// The value that was written there.
    pub(super) root: ValueId,
}

impl Piece {
    /// The part inside `bytes`.
    fn cut(&self, bytes: &Range<u64>) -> Piece {
        Piece { bytes: self.bytes.start.max(bytes.start)..self.bytes.end.min(bytes.end), root: self.root }
    }
}

impl Place {
    /// The bytes that both places have.
    pub(super) fn shared_with(&self, other: &Place) -> Option<Range<u64>> {
        let bytes = self.bytes.start.max(other.bytes.start)..self.bytes.end.min(other.bytes.end);
        (self.space == other.space && !bytes.is_empty()).then_some(bytes)
    }
}

impl Contents {
    /// Places every value and follows views and joins down to what was written.
    pub(super) fn resolve(schedule: &Draft, plan: &Plan, found: &mut Vec<Violation>) -> Contents {
        let places = places(schedule, plan, found);
        let nothing: Rc<[Piece]> = Rc::default();
        let is_composed =
            |value: &Value| !sources(value).is_empty() || matches!(value.origin, Origin::Joined(_));
        let composed = schedule.values.iter().map(|value| is_composed(value).then(|| nothing.clone()));
        let mut contents = Contents { places, composed: composed.collect() };
        for value in sources_first(schedule, found) {
            if matches!(contents.composed.get(value.index()), Some(Some(_))) {
                contents.composed[value.index()] = Some(contents.compose(schedule, value, found));
            }
        }
        contents
    }

    /// Where `value` is, if it has a place.
    pub(super) fn place(&self, value: ValueId) -> Option<&Place> {
        self.places.get(value.index())?.as_ref()
    }

    /// What `value` must hold, in order of address.
    pub(super) fn pieces(&self, value: ValueId) -> impl Iterator<Item = Piece> {
        let composed = self.composed.get(value.index()).and_then(Option::as_deref);
        let whole = self.place(value).filter(|_| composed.is_none());
        let whole = whole.map(|place| Piece { bytes: place.bytes.clone(), root: value });
        whole.into_iter().chain(composed.unwrap_or_default().iter().cloned())
    }

    /// The pieces of `value`, whose sources are composed already.
    fn compose(&self, schedule: &Draft, value: ValueId, found: &mut Vec<Violation>) -> Rc<[Piece]> {
        let Some(place) = self.place(value) else { return Rc::default() };
        let inside = |of: &ValueId| {
            let other = self.place(*of).filter(|other| other.storage == place.storage)?;
            Some((other.bytes.clone(), *of))
        };
        match schedule.values.get(value.index()).map(|value| &value.origin) {
            Some(Origin::View(of)) => match inside(of) {
                Some((bytes, _)) if bytes.start <= place.bytes.start && place.bytes.end <= bytes.end => {
                    self.clip(*of, &place.bytes)
                }
                _ => {
                    found.push(Violation::LooseView { value });
                    Rc::default()
                }
            },
            Some(Origin::Joined(members)) => {
                let parts: Option<Vec<_>> = members.iter().map(inside).collect();
                let mut parts = parts.unwrap_or_default();
                parts.retain(|(bytes, _)| !bytes.is_empty());
                parts.sort_unstable_by_key(|(bytes, _)| bytes.start);
                let mut end = place.bytes.start;
                for (bytes, _) in &parts {
                    end = if bytes.start == end { bytes.end } else { u64::MAX };
                }
                if end != place.bytes.end {
                    found.push(Violation::LooseJoin { value });
                    return Rc::default();
                }
                parts.iter().flat_map(|&(_, of)| self.pieces(of)).collect()
            }
            _ => Rc::default(),
        }
    }

    /// The part of a value's pieces inside `bytes`.
    fn clip(&self, value: ValueId, bytes: &Range<u64>) -> Rc<[Piece]> {
        let Some(Some(pieces)) = self.composed.get(value.index()) else {
            return self.pieces(value).map(|piece| piece.cut(bytes)).collect();
        };
        let from = pieces.partition_point(|piece| piece.bytes.end <= bytes.start);
        let to = pieces.partition_point(|piece| piece.bytes.start < bytes.end);
        let Some(inside) = pieces.get(from..to) else { return Rc::default() };
        let whole = |piece: &Piece| bytes.start <= piece.bytes.start && piece.bytes.end <= bytes.end;
        if inside.len() == pieces.len() && inside.iter().all(whole) {
            return Rc::clone(pieces);
        }
        inside.iter().map(|piece| piece.cut(bytes)).collect()
    }
}

/// Where every value is; those that are nowhere are violations.
fn places(schedule: &Draft, plan: &Plan, found: &mut Vec<Violation>) -> Vec<Option<Place>> {
    let mut bases = vec![None; schedule.storages.len()];
    let (mut planned, mut apart) = (0, 0_u32);
    for (storage, base) in schedule.storages.iter().zip(&mut bases) {
        if storage.class.is_planned() {
            *base = plan.offsets.get(planned).map(|offset| (0, offset.0));
            planned += 1;
        } else {
            apart += 1;
            *base = Some((apart, 0));
        }
    }
    if planned != plan.offsets.len() {
        found.push(Violation::Count { storages: planned, offsets: plan.offsets.len() });
    }
    let place = |(index, value): (usize, &Value)| {
        let id = ValueId::new(index);
        let Some(storage) = schedule.storages.get(value.storage.index()) else {
            found.push(Violation::Dangling { step: None, value: id });
            return None;
        };
        let end = value.offset + value.bytes;
        if end > storage.bytes {
            found.push(Violation::OutOfStorage { value: id, end, storage: value.storage });
        }
        let (space, base) = bases.get(value.storage.index()).copied().flatten()?;
        let bytes = (Bytes(base) + value.offset).0..(Bytes(base) + end).0;
        if space == 0 && bytes.end > plan.arena_size.0 {
            let end = Bytes(bytes.end);
            found.push(Violation::OutOfArena { value: id, end, arena_size: plan.arena_size });
        }
        Some(Place { space, storage: value.storage, bytes })
    };
    schedule.values.iter().enumerate().map(place).collect()
}

/// The values whose bytes a value consists of.
fn sources(value: &Value) -> &[ValueId] {
    match &value.origin {
        Origin::Written | Origin::Resident => &[],
        Origin::View(of) => std::slice::from_ref(of),
        Origin::Joined(members) => members,
    }
}

/// All values, each after those that its origin names; what is left out goes in circles or names nothing.
fn sources_first(schedule: &Draft, found: &mut Vec<Violation>) -> Vec<ValueId> {
    let count = schedule.values.len();
    // Runtimes mostly list them so.
    let mut values = schedule.values.iter().enumerate();
    if values.all(|(index, value)| sources(value).iter().all(|source| source.index() < index)) {
        return (0..count).map(ValueId::new).collect();
    }
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waiting = vec![0usize; count];
    for (index, (value, waiting)) in schedule.values.iter().zip(&mut waiting).enumerate() {
        let sources = sources(value);
        *waiting = sources.len();
        for source in sources {
            match users.get_mut(source.index()) {
                Some(users) => users.push(index),
                None => found.push(Violation::Dangling { step: None, value: ValueId::new(index) }),
            }
        }
    }
    let mut order: Vec<ValueId> = waiting
        .iter()
        .enumerate()
        .filter(|(_, left)| **left == 0)
        .map(|(index, _)| ValueId::new(index))
        .collect();
    let mut next = 0;
    while let Some(&value) = order.get(next) {
        next += 1;
        for &user in users.get(value.index()).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(user) {
                *left -= 1;
                if *left == 0 {
                    order.push(ValueId::new(user));
                }
            }
        }
    }
    for (index, value) in schedule.values.iter().enumerate() {
        if waiting.get(index).is_some_and(|&left| left > 0) {
            let value_id = ValueId::new(index);
            found.push(match value.origin {
                Origin::Joined(_) => Violation::LooseJoin { value: value_id },
                _ => Violation::LooseView { value: value_id },
            });
        }
    }
    order
}
