//! Verdicts against an exhaustive search, on problems small enough for one.

use super::*;
use crate::plan::random::Random;
use std::time::Duration;

fn verdict(items: &[Item], sections: usize, height: u64) -> (Verdict, Vec<u64>) {
    let never = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut search = Search::new(items, sections, Params::default());
    let verdict = search.run(height, Limits { nodes: u64::MAX, deadline, cancel: &never });
    (verdict, search.offsets)
}

fn meet(a: &Item, b: &Item) -> bool {
    a.start < b.end && b.start < a.end
}

/// Tries every offset of every item.
fn exhaustive(items: &[Item], height: u64, offsets: &mut Vec<u64>) -> bool {
    let Some(item) = items.get(offsets.len()) else { return true };
    (0..=height.saturating_sub(item.size)).filter(|_| item.size <= height).any(|offset| {
        let clear = |(other, &at): (&Item, &u64)| {
            !meet(item, other) || offset + item.size <= at || at + other.size <= offset
        };
        if !items.iter().zip(offsets.iter()).all(clear) {
            return false;
        }
        offsets.push(offset);
        let found = exhaustive(items, height, offsets);
        offsets.pop();
        found
    })
}

/// Eight items that fill no more than 8 anywhere, and need 9.
const GAP: [(usize, usize, u64); 8] =
    [(4, 6, 1), (10, 11, 3), (0, 3, 3), (5, 9, 4), (6, 10, 3), (9, 10, 5), (3, 8, 1), (1, 5, 5)];

#[test]
fn verdicts_are_those_of_an_exhaustive_search() {
    let mut random = Random::new(5);
    let (mut found, mut above_pressure) = (0, 0);
    for _ in 0..150 {
        // The problem with a gap, with three numbers changed.
        let mut items = GAP.map(|(start, end, size)| Item { start, end, size });
        for _ in 0..3 {
            let item = &mut items[random.below(8) as usize];
            match random.below(4) {
                0 => item.size += 1,
                1 => item.size = (item.size - 1).max(1),
                2 => item.start = item.start.saturating_sub(1),
                _ => item.end = (item.end + 1).min(11),
            }
        }
        let alive = |section| items.iter().filter(move |item| (item.start..item.end).contains(&section));
        let pressure =
            (0..11).map(|section| alive(section).map(|item| item.size).sum::<u64>()).max().unwrap();
        for height in pressure - 1..pressure + 2 {
            let expected = exhaustive(&items, height, &mut Vec::new());
            let (verdict, offsets) = verdict(&items, 11, height);
            assert_eq!(
                verdict,
                if expected { Verdict::Found } else { Verdict::Infeasible },
                "{height} {items:?}"
            );
            found += u32::from(expected);
            above_pressure += u32::from(height >= pressure && !expected);
            for (a, (item, at)) in items.iter().zip(&offsets).enumerate().filter(|_| expected) {
                let earlier = items.iter().zip(&offsets).take(a).filter(|(other, _)| meet(item, other));
                let mut apart = earlier.map(|(other, &low)| at + item.size <= low || low + other.size <= *at);
                assert!(at + item.size <= height && apart.all(|apart| apart), "{items:?} {offsets:?}");
            }
        }
    }
    assert!(found > 100 && above_pressure > 3, "{found} {above_pressure}");
}

#[test]
fn a_search_leaves_no_trace() {
    let item = |start, end, size| Item { start, end, size };
    let items = [item(0, 2, 2), item(2, 3, 5), item(1, 3, 2), item(0, 1, 5), item(1, 2, 3)];
    let never = AtomicBool::new(false);
    let limits =
        Limits { nodes: u64::MAX, deadline: Instant::now() + Duration::from_secs(60), cancel: &never };
    let mut search = Search::new(&items, 3, Params::default());
    for _ in 0..3 {
        assert_eq!(search.run(6, limits), Verdict::Infeasible);
        assert_eq!(search.run(7, limits), Verdict::Found);
    }
    search.prefer(true, |item| item.size as f64);
    assert_eq!(search.run(8, Limits { nodes: 1, ..limits }), Verdict::Stopped);
}
