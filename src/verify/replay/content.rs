//! Where each value is, and which bytes it must hold there.

use super::Violation;
use crate::ids::{StorageId, ValueId};
use crate::problem::Plan;
use crate::schedule::{Draft, Origin, Value};
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// Height up to which a part is checked again at each read: it has 16 pieces at most.
const FEW: u32 = 4;

/// Places and contents of all values of a schedule.
pub(super) struct Contents {
    places: Vec<Option<Place>>,
    /// The content of each value, where anything is known of it.
    parts: Vec<Option<Part>>,
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

/// The content of a range of bytes, in order of address.
///
/// A join shares the parts of its members instead of listing their pieces: of joins within each other, each
/// would list all pieces of the one before.
#[derive(Clone, Debug)]
pub(super) enum Part {
    One(Piece),
    Two(Rc<Pair>),
}

/// Two parts, the second at higher addresses; their heights differ by one at most, as in an AVL tree.
#[derive(Debug)]
pub(super) struct Pair {
    /// From the start of the first to the end of the second.
    pub(super) bytes: Range<u64>,
    height: u32,
    pub(super) parts: [Part; 2],
    /// When the bytes were last found to hold this, by the clock of their space; 0: never.
    pub(super) checked: Cell<u64>,
}

impl Part {
    fn bytes(&self) -> Range<u64> {
        match self {
            Part::One(piece) => piece.bytes.clone(),
            Part::Two(pair) => pair.bytes.clone(),
        }
    }

    fn height(&self) -> u32 {
        match self {
            Part::One(_) => 0,
            Part::Two(pair) => pair.height,
        }
    }

    /// Two parts of heights that differ by one at most.
    fn pair(first: Part, second: Part) -> Part {
        Part::Two(Rc::new(Pair {
            bytes: first.bytes().start..second.bytes().end,
            height: first.height().max(second.height()) + 1,
            parts: [first, second],
            checked: Cell::new(0),
        }))
    }

    /// Two parts of any heights.
    ///
    /// Cost: linear in the difference of the heights, of which each is logarithmic in the pieces.
    fn join(first: Part, second: Part) -> Part {
        if let Part::Two(pair) = &first
            && first.height() > second.height() + 1
        {
            let [left, right] = pair.parts.clone();
            return Part::balanced(left, Part::join(right, second));
        }
        if let Part::Two(pair) = &second
            && second.height() > first.height() + 1
        {
            let [left, right] = pair.parts.clone();
            return Part::balanced(Part::join(first, left), right);
        }
        Part::pair(first, second)
    }

    /// Two parts of heights that differ by two at most: the rotations of an AVL tree.
    fn balanced(first: Part, second: Part) -> Part {
        if let Part::Two(pair) = &second
            && second.height() > first.height() + 1
        {
            let [inner, outer] = pair.parts.clone();
            if let Part::Two(middle) = &inner
                && inner.height() > outer.height()
            {
                let [left, right] = middle.parts.clone();
                return Part::pair(Part::pair(first, left), Part::pair(right, outer));
            }
            return Part::pair(Part::pair(first, inner), outer);
        }
        if let Part::Two(pair) = &first
            && first.height() > second.height() + 1
        {
            let [outer, inner] = pair.parts.clone();
            if let Part::Two(middle) = &inner
                && inner.height() > outer.height()
            {
                let [left, right] = middle.parts.clone();
                return Part::pair(Part::pair(outer, left), Part::pair(right, second));
            }
            return Part::pair(outer, Part::pair(inner, second));
        }
        Part::pair(first, second)
    }

    /// Parts in order of address, as one.
    fn side_by_side(parts: &[Part]) -> Option<Part> {
        match parts {
            [] => None,
            [only] => Some(only.clone()),
            _ => {
                let (before, after) = parts.split_at(parts.len() / 2);
                Some(Part::join(Part::side_by_side(before)?, Part::side_by_side(after)?))
            }
        }
    }

    /// The part inside `bytes`.
    fn cut(&self, bytes: &Range<u64>) -> Option<Part> {
        let own = self.bytes();
        if bytes.start <= own.start && own.end <= bytes.end {
            return Some(self.clone());
        }
        if own.end <= bytes.start || bytes.end <= own.start {
            return None;
        }
        match self {
            Part::One(piece) => Some(Part::One(piece.cut(bytes))),
            Part::Two(pair) => {
                let [first, second] = &pair.parts;
                match (first.cut(bytes), second.cut(bytes)) {
                    (Some(first), Some(second)) => Some(Part::join(first, second)),
                    (first, second) => first.or(second),
                }
            }
        }
    }
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
        let written = |(index, place): (usize, &Option<Place>)| {
            let value = schedule.values.get(index)?;
            let is_own = matches!(value.origin, Origin::Written | Origin::Resident);
            let place = place.as_ref().filter(|_| is_own)?;
            Some(Part::One(Piece { bytes: place.bytes.clone(), root: ValueId::new(index) }))
        };
        let parts = places.iter().enumerate().map(written).collect();
        let mut contents = Contents { places, parts };
        for value in sources_first(schedule, found) {
            let origin = schedule.values.get(value.index()).map(|value| &value.origin);
            if matches!(origin, Some(Origin::View(_) | Origin::Joined(_))) {
                contents.parts[value.index()] = contents.compose(schedule, value, found);
            }
        }
        contents
    }

    /// Where `value` is, if it has a place.
    pub(super) fn place(&self, value: ValueId) -> Option<&Place> {
        self.places.get(value.index())?.as_ref()
    }

    /// The content of `value`.
    pub(super) fn part(&self, value: ValueId) -> Option<&Part> {
        self.parts.get(value.index())?.as_ref()
    }

    /// The ends of all places in the spaces that have a value of many pieces.
    pub(super) fn bounds_of_spaces_with_joins(&self) -> FxHashMap<u32, Vec<u64>> {
        let mut bounds: FxHashMap<u32, Vec<u64>> = FxHashMap::default();
        for (place, part) in self.places.iter().zip(&self.parts) {
            if let (Some(place), Some(part)) = (place, part)
                && part.height() > FEW
            {
                bounds.entry(place.space).or_default();
            }
        }
        if !bounds.is_empty() {
            for place in self.places.iter().flatten() {
                if let Some(bounds) = bounds.get_mut(&place.space) {
                    bounds.extend([place.bytes.start, place.bytes.end]);
                }
            }
        }
        bounds
    }

    /// The content of `value`; its sources are composed already.
    fn compose(&self, schedule: &Draft, value: ValueId, found: &mut Vec<Violation>) -> Option<Part> {
        let place = self.place(value)?;
        let inside = |of: &ValueId| {
            let other = self.place(*of).filter(|other| other.storage == place.storage)?;
            Some((other.bytes.clone(), *of))
        };
        match schedule.values.get(value.index()).map(|value| &value.origin) {
            Some(Origin::View(of)) => match inside(of) {
                Some((bytes, _)) if bytes.start <= place.bytes.start && place.bytes.end <= bytes.end => {
                    self.part(*of)?.cut(&place.bytes)
                }
                _ => {
                    found.push(Violation::LooseView { value });
                    None
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
                    return None;
                }
                let parts: Vec<Part> = parts.iter().filter_map(|&(_, of)| self.part(of).cloned()).collect();
                Part::side_by_side(&parts)
            }
            _ => None,
        }
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
