//! Qwen2-VL, Qwen2.5-VL, Qwen3-VL: sides become multiples of patch x merge, the area stays within bounds, and patches
//! of all images form one row.
//!
//! Source: transformers 4.57.6, models/qwen2_vl/image_processing_qwen2_vl.py, `smart_resize`.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

/// Sides may differ by this factor at most.
const MAX_RATIO: u64 = 200;

pub(super) fn tiles(settings: &Preprocessor, (width, height): (u64, u64)) -> Option<Tiles> {
    let (patch, merge) = (settings.patch_size?, settings.merge_size?);
    let factor = patch.checked_mul(merge).filter(|&factor| factor > 0)?;
    if width.max(height) > MAX_RATIO.checked_mul(width.min(height))? {
        return None;
    }
    let least = settings.min_pixels.unwrap_or(56 * 56);
    let most = settings.max_pixels.unwrap_or(14 * 14 * 4 * 1280);
    let sides = [width as f64, height as f64];
    let unit = factor as f64;
    let mut resized = sides.map(|side| (side / unit).round_ties_even() * unit);
    let area = sides[0] * sides[1];
    if resized[0] * resized[1] > most as f64 {
        let shrink = (area / most as f64).sqrt();
        resized = sides.map(|side| ((side / shrink / unit).floor() * unit).max(unit));
    } else if resized[0] * resized[1] < least as f64 {
        let grow = (least as f64 / area).sqrt();
        resized = sides.map(|side| (side * grow / unit).ceil() * unit);
    }
    let size = (resized[0] as u64, resized[1] as u64);
    let patches = super::patches_of(size, patch)?;
    let tokens = patches.checked_div(merge.checked_mul(merge)?)?;
    (tokens > 0).then_some(Tiles { count: 1, size, patches, tokens })
}
