//! Idefics3 and SmolVLM: the longest side becomes a fixed length, both sides multiples of a tile; the tiles, and an
//! overview.
//!
//! Source: transformers 4.57.6, models/idefics3/image_processing_idefics3.py.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

/// No image is larger than this along a side.
const MAX_SIDE: u64 = 4096;

pub(super) fn tiles(settings: &Preprocessor, (width, height): (u64, u64)) -> Option<Tiles> {
    let tile = settings.tile.filter(|&tile| tile > 0)?;
    let longest = settings.longest_edge.unwrap_or(tile.saturating_mul(4)).min(MAX_SIDE);
    let is_wide = width >= height;
    let shape = width as f64 / height as f64;
    let shorter = if is_wide { longest as f64 / shape } else { longest as f64 * shape } as u64;
    let shorter = shorter + shorter % 2;
    let shape =
        if is_wide { longest as f64 / shorter.max(1) as f64 } else { shorter as f64 / longest as f64 };
    let long = longest.div_ceil(tile);
    let side = long.saturating_mul(tile) as f64;
    let short = (if is_wide { side / shape } else { side * shape } as u64).div_ceil(tile).max(1);
    let splits = settings.splits.unwrap_or(true);
    let count = match long.checked_mul(short)? {
        1 => 1,
        _ if !splits => 1,
        tiles => tiles.checked_add(1)?,
    };
    let patches = super::patches_of((tile, tile), settings.patch_size?)?;
    let shuffle = settings.shuffle.unwrap_or(1).max(1);
    let tokens = patches.checked_div(shuffle.checked_mul(shuffle)?)?;
    Some(Tiles {
        count,
        size: (tile, tile),
        patches: count.checked_mul(patches)?,
        tokens: count.checked_mul(tokens)?,
    })
}
