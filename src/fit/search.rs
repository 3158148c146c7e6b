//! The largest value that fits, in few probes.
//!
//! Memory mostly grows with the value, and not always: rounding, another kernel, another order of buffers. So a bracket is
//! narrowed by interpolation, then values on both sides of it are tried, and whatever contradicts the bracket is followed.

use rayon::prelude::*;
use std::collections::BTreeMap;

/// What became of one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// It fits, with so many bytes left.
    Fits(u64),
    /// It does not fit, by so many bytes.
    Fails(u64),
    /// The model does not take it.
    Refused,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The largest value that fits.
    pub(super) largest: Option<u64>,
    /// The first value over the largest, where it does not fit; the smallest of all where none fits.
    pub(super) first_that_fails: Option<u64>,
    /// A smaller value than the largest that does not fit, the smallest that was found.
    pub(super) fails_below: Option<u64>,
    /// The model takes no value over the largest, or none was tried.
    pub(super) is_models_limit: bool,
    /// The model refused a larger value.
    pub(super) is_refused: bool,
}

/// Times that contradictions are followed.
const ROUNDS: usize = 8;

/// Parts of the largest value that fits, in sixteenths, that are tried as well.
const SIXTEENTHS: [u64; 10] = [4, 8, 11, 14, 15, 17, 18, 19, 21, 24];

/// Values that are tried, and what became of them.
struct Search<'a> {
    known: BTreeMap<u64, Probe>,
    probe: &'a (dyn Fn(u64) -> Probe + Sync),
}

/// Searches from `least` to `most`, both included. `is_wide`: nothing is known of `most` but that no larger value is tried, so
/// the search starts at small values.
///
/// Cost: about twenty probes, whatever the range.
pub(super) fn search(least: u64, most: u64, is_wide: bool, probe: &(dyn Fn(u64) -> Probe + Sync)) -> Found {
    let mut search = Search { known: BTreeMap::new(), probe };
    let first = search.at(least);
    if matches!(first, Probe::Refused) {
        return Found { is_models_limit: true, is_refused: true, ..Found::default() };
    }
    if is_wide {
        let mut value = least.max(1);
        while value < most && matches!(search.at(value), Probe::Fits(_)) {
            value = value.saturating_mul(16).min(most);
        }
        search.at(value);
    } else {
        search.at(most);
    }
    for _ in 0..ROUNDS {
        search.narrow();
        if !search.look_around(least, most) {
            break;
        }
    }
    search.found(most)
}

impl Search<'_> {
    fn at(&mut self, value: u64) -> Probe {
        let probe = self.probe;
        *self.known.entry(value).or_insert_with(|| probe(value))
    }

    fn fits(&self, value: u64) -> bool {
        matches!(self.known.get(&value), Some(Probe::Fits(_)))
    }

    /// Tries until the largest known value that fits, and every known value that does, has a neighbour of the other kind.
    fn narrow(&mut self) {
        let mut brackets = self.brackets();
        while let Some((low, high)) = brackets.pop() {
            self.bisect(low, high);
        }
    }

    /// Neighbouring known values of which one fits and the other does not, with unknown values between them: only the first
    /// and the last matter.
    fn brackets(&self) -> Vec<(u64, u64)> {
        let known: Vec<u64> = self.known.keys().copied().collect();
        let pairs = known.windows(2).filter_map(|pair| match *pair {
            [low, high] if self.fits(low) != self.fits(high) && high - low > 1 => Some((low, high)),
            _ => None,
        });
        let all: Vec<(u64, u64)> = pairs.collect();
        let mut ends: Vec<(u64, u64)> = [all.first(), all.last()].into_iter().flatten().copied().collect();
        ends.dedup();
        ends
    }

    /// Narrows a bracket to neighbours. Every third value is the middle, so that a curve that bends does not hold it up.
    fn bisect(&mut self, mut low: u64, mut high: u64) {
        let is_low = self.fits(low);
        let mut turn = 0_u32;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let next = if turn % 3 == 2 { middle } else { self.between(low, high).unwrap_or(middle) };
            let next = next.clamp(low + 1, high - 1);
            self.at(next);
            if self.fits(next) == is_low {
                low = next
            } else {
                high = next
            }
            turn += 1;
        }
    }

    /// Where a line through both ends of a bracket meets the limit.
    fn between(&self, low: u64, high: u64) -> Option<u64> {
        let left = |value: &u64| match self.known.get(value)? {
            Probe::Fits(bytes) => Some(i128::from(*bytes)),
            Probe::Fails(bytes) => Some(-i128::from(*bytes)),
            Probe::Refused => None,
        };
        let (a, b) = (left(&low)?, left(&high)?);
        let share = a.checked_mul(i128::from(high - low))?.checked_div(a - b)?;
        low.checked_add(u64::try_from(share).ok()?)
    }

    /// Tries values on both sides of the largest one that fits; whether one of them contradicts what was known.
    fn look_around(&mut self, least: u64, most: u64) -> bool {
        let before = (self.largest(), self.first_that_fails());
        let border = before.0.unwrap_or(least);
        let near = [2, 3, 16].map(|step| border.saturating_add(step));
        let rounded = [16, 64, 256].map(|step| border.saturating_add(1).next_multiple_of(step));
        let below = [1, 2].map(|step| border.saturating_sub(step));
        // A pool that doubles makes saw teeth, whose width grows with the value.
        let sixteenths = SIXTEENTHS.map(|part| border.saturating_mul(part) / 16);
        let asked = near.into_iter().chain(rounded).chain(below).chain(sixteenths);
        let mut asked: Vec<u64> =
            asked.filter(|value| (least..=most).contains(value) && !self.known.contains_key(value)).collect();
        asked.sort_unstable();
        asked.dedup();
        // A value over a limit of the model is refused like those above it.
        if self
            .known
            .range(border.saturating_add(1)..)
            .next()
            .is_some_and(|(_, probe)| *probe == Probe::Refused)
        {
            asked.retain(|&value| value <= border);
        }
        let probe = self.probe;
        let tried: Vec<(u64, Probe)> = asked.into_par_iter().map(|value| (value, probe(value))).collect();
        self.known.extend(tried);
        before != (self.largest(), self.first_that_fails())
    }

    fn largest(&self) -> Option<u64> {
        self.known.iter().rev().find(|(_, probe)| matches!(probe, Probe::Fits(_))).map(|(&value, _)| value)
    }

    fn first_that_fails(&self) -> Option<u64> {
        self.known.iter().find(|(_, probe)| matches!(probe, Probe::Fails(_))).map(|(&value, _)| value)
    }

    fn found(&self, most: u64) -> Found {
        let largest = self.largest();
        let next = largest.map_or(0, |largest| largest.saturating_add(1));
        let is_refused = matches!(self.known.get(&next), Some(Probe::Refused));
        let fails = |(_, probe): &(&u64, &Probe)| matches!(probe, Probe::Fails(_));
        Found {
            largest,
            first_that_fails: self.known.range(next..).find(fails).map(|(&value, _)| value),
            fails_below: self.known.range(..next).find(fails).map(|(&value, _)| value),
            is_models_limit: is_refused || largest == Some(most),
            is_refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn of(limit: u64, most: u64, bytes: impl Fn(u64) -> u64 + Sync) -> (Found, usize) {
        let count = AtomicUsize::new(0);
        let probe = |value: u64| {
            count.fetch_add(1, Ordering::Relaxed);
            match bytes(value) {
                needs if needs <= limit => Probe::Fits(limit - needs),
                needs => Probe::Fails(needs - limit),
            }
        };
        let found = search(1, most, false, &probe);
        (found, count.into_inner())
    }

    #[test]
    fn lines_and_parabolas_are_found_in_few_probes() {
        for limit in [120, 5000, 123_456, 9_999_999] {
            for (bend, most) in [(0, 100_000), (3, 5_000)] {
                let bytes = |n: u64| 100 + 7 * n + bend * n * n;
                let (found, count) = of(limit, most, bytes);
                let expected = (1..=most).rev().find(|&n| bytes(n) <= limit);
                assert_eq!(found.largest, expected, "{limit} {bend}");
                assert_eq!(found.first_that_fails, expected.map(|n| n + 1).filter(|n| *n <= most));
                assert!(count <= 40, "{count}");
            }
        }
    }

    #[test]
    fn what_fits_again_further_up_is_found() {
        // A multiple of 16 needs less than its neighbours.
        let bytes = |n: u64| 10 * n + if n.is_multiple_of(16) { 0 } else { 95 };
        let (found, _) = of(1000, 4096, bytes);
        assert_eq!(
            (found.largest, found.first_that_fails, found.fails_below),
            (Some(96), Some(97), Some(91))
        );
    }

    #[test]
    fn nothing_fits_or_everything_does() {
        let (found, _) = of(5, 100, |n| 10 + n);
        assert_eq!((found.largest, found.first_that_fails), (None, Some(1)));
        let (found, _) = of(5000, 100, |n| 10 + n);
        assert_eq!((found.largest, found.first_that_fails, found.is_models_limit), (Some(100), None, true));
    }

    #[test]
    fn a_model_that_refuses_ends_the_search() {
        let probe = |value: u64| if value <= 77 { Probe::Fits(1 << 20) } else { Probe::Refused };
        let found = search(1, 1 << 20, true, &probe);
        assert_eq!((found.largest, found.is_models_limit, found.is_refused), (Some(77), true, true));
    }
}
