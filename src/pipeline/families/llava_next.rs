//! LLaVA-NeXT: the pinpoint that keeps most of the image, cut into tiles, and an overview. Tokens in rows of padding
//! are dropped, and each row ends with a line end.
//!
//! Source: transformers 4.57.6, image_processing_utils.py `select_best_resolution` and LlavaNextProcessor.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

pub(super) fn tiles(settings: &Preprocessor, (width, height): (u64, u64)) -> Option<Tiles> {
    let (tile, patch) = (settings.tile.filter(|&tile| tile > 0)?, settings.patch_size?);
    let best = pinpoint(&settings.pinpoints, (width, height))?;
    let (columns, rows) = (best.0 / tile, best.1 / tile);
    let count = columns.checked_mul(rows)?.checked_add(1)?;
    let side = tile.checked_div(patch)?;
    let base = side.checked_mul(side)?;
    let (wide, high) = (columns.checked_mul(side)?, rows.checked_mul(side)?);
    let (width, height) = (width as f64, height as f64);
    // Padding is on both sides of the image, so an odd row of it stays.
    let kept = |whole: u64, needed: f64| {
        let needed = ((needed * 1e7).round() / 1e7) as u64;
        whole - 2 * (whole.saturating_sub(needed) / 2)
    };
    let (wide, high) = if width / height > wide as f64 / high as f64 {
        (wide, kept(high, height * (wide as f64 / width)))
    } else {
        (kept(wide, width * (high as f64 / height)), high)
    };
    let tokens = wide.checked_mul(high)?.checked_add(high)?.checked_add(base)?;
    let patches = count.checked_mul(base.checked_add(1)?)?;
    Some(Tiles { count, size: (tile, tile), patches, tokens })
}

/// The size that keeps most pixels of the image; of equal ones that which wastes least.
fn pinpoint(pinpoints: &[(u64, u64)], (width, height): (u64, u64)) -> Option<(u64, u64)> {
    let mut best: Option<((u64, u64), u64, u64)> = None;
    for &(wide, high) in pinpoints {
        let scale = (wide as f64 / width as f64).min(high as f64 / height as f64);
        let area = ((width as f64 * scale) as u64).checked_mul((height as f64 * scale) as u64)?;
        let kept = area.min(width.checked_mul(height)?);
        let wasted = wide.checked_mul(high)?.saturating_sub(kept);
        let is_better = best.is_none_or(|(_, most, least)| kept > most || (kept == most && wasted < least));
        if kept > 0 && is_better {
            best = Some(((wide, high), kept, wasted));
        }
    }
    best.map(|(size, ..)| size)
}
