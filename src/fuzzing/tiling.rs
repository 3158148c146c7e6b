//! Problems whose optimum is known: a rectangle of steps × bytes cut into tiles.
//!
//! The tiles fill the rectangle, so the pressure is its height at every step,
//! and the tiling itself is a plan of that height. Cuts are of two kinds:
//!
//! ```text
//! offset ↑  ┌────┬───┐     ┌──────┬──┐
//!           │    ├───┤     ├──┬───┤  │
//!           │    │   │     │  └───┤  │   straight cuts, and the pinwheel,
//!           └────┴───┘     └──┴───┴──┘   which no straight cut can make
//! time →
//! ```

use crate::problem::{Buffer, Plan, Problem};
use crate::units::Bytes;
use arbitrary::{Result, Unstructured};
use std::ops::Range;

/// A problem, and a plan that cannot be beaten.
#[derive(Clone, Debug)]
pub struct Tiling {
    /// The tiles, shuffled.
    pub problem: Problem,
    /// Where they were cut; its arena has the height of the rectangle, which is the optimum.
    pub plan: Plan,
}

/// A rectangle of `horizon` steps by `height` bytes, cut into about `tiles` tiles.
///
/// There are fewer if the rectangle is too small to be cut as often.
///
/// # Errors
///
/// None in practice; `arbitrary` asks for the type.
pub fn tiling(u: &mut Unstructured<'_>, tiles: usize, horizon: u32, height: u64) -> Result<Tiling> {
    let mut done: Vec<Tile> = Vec::new();
    let mut open = vec![Tile { live: 0..horizon.max(1), bytes: 0..height.max(1) }];
    while !open.is_empty() && open.len() + done.len() < tiles {
        let tile = open.swap_remove(u.choose_index(open.len())?);
        match cut(u, &tile)? {
            parts if parts.is_empty() => done.push(tile),
            parts => open.extend(parts),
        }
    }
    done.append(&mut open);
    for last in (1..done.len()).rev() {
        done.swap(last, u.int_in_range(0..=last)?);
    }
    let buffer = |tile: &Tile| Buffer {
        live: tile.live.clone(),
        size: Bytes(tile.bytes.end - tile.bytes.start),
        alignment: 1,
        grows: false,
    };
    let plan = Plan {
        blocks: Vec::new(),
        offsets: done.iter().map(|tile| Bytes(tile.bytes.start)).collect(),
        arena_size: Bytes(height.max(1)),
        ..Plan::default()
    };
    Ok(Tiling { problem: Problem { buffers: done.iter().map(buffer).collect() }, plan })
}

#[derive(Clone, Debug)]
struct Tile {
    live: Range<u32>,
    bytes: Range<u64>,
}

/// The parts of a tile; none if it is too small to be cut.
fn cut(u: &mut Unstructured<'_>, tile: &Tile) -> Result<Vec<Tile>> {
    let Tile { live, bytes } = tile.clone();
    let (steps, height) = (live.end - live.start, bytes.end - bytes.start);
    if steps >= 3 && height >= 3 && u.ratio(1u8, 4u8)? {
        let t1 = u.int_in_range(live.start + 1..=live.end - 2)?;
        let t2 = u.int_in_range(t1 + 1..=live.end - 1)?;
        let b1 = u.int_in_range(bytes.start + 1..=bytes.end - 2)?;
        let b2 = u.int_in_range(b1 + 1..=bytes.end - 1)?;
        return Ok(vec![
            Tile { live: live.start..t2, bytes: b2..bytes.end },
            Tile { live: t2..live.end, bytes: b1..bytes.end },
            Tile { live: t1..live.end, bytes: bytes.start..b1 },
            Tile { live: live.start..t1, bytes: bytes.start..b2 },
            Tile { live: t1..t2, bytes: b1..b2 },
        ]);
    }
    let across_time = match (steps >= 2, height >= 2) {
        (true, true) => u.arbitrary()?,
        (false, false) => return Ok(Vec::new()),
        (across_time, _) => across_time,
    };
    Ok(if across_time {
        let at = u.int_in_range(live.start + 1..=live.end - 1)?;
        vec![Tile { live: live.start..at, bytes: bytes.clone() }, Tile { live: at..live.end, bytes }]
    } else {
        let at = u.int_in_range(bytes.start + 1..=bytes.end - 1)?;
        vec![Tile { live: live.clone(), bytes: bytes.start..at }, Tile { live, bytes: at..bytes.end }]
    })
}
