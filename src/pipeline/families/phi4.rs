//! Phi-4-Multimodal: tiles of 448 pixels that cover the image, and an overview. Tokens of padding are dropped, and each
//! row of merged patches ends with a line end.
//!
//! Source: transformers 4.57.6, models/phi4_multimodal/image_processing_phi4_multimodal_fast.py.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

pub(super) fn tiles(settings: &Preprocessor, image: (u64, u64)) -> Option<Tiles> {
    let tile = settings.tile.unwrap_or(448).max(1);
    let patch = settings.patch_size.unwrap_or(14).max(1);
    let most = settings.max_tiles.unwrap_or(36).min(super::MAX_TILES);
    let covering = (image.0.div_ceil(tile), image.1.div_ceil(tile));
    let (columns, rows) = if covering.0.checked_mul(covering.1)? > most {
        super::nearest_grid(image, tile, most)
    } else {
        covering
    };
    let sides = [(columns, image.0), (rows, image.1)];
    let scales = sides.map(|(count, side)| count.saturating_mul(tile) as f64 / side as f64);
    // The side that fits least decides; the other one is padded.
    let least = scales[0].min(scales[1]);
    let per_tile = tile / patch;
    let valid = [0, 1].map(|index| {
        let (count, side) = sides[index];
        let is_padded = scales[index] > least;
        let padding = if is_padded {
            count.saturating_mul(tile).saturating_sub((side as f64 * least) as u64)
        } else {
            0
        };
        count.saturating_mul(per_tile).saturating_sub(padding / patch)
    });
    let [wide, high] = valid.map(|patches| patches.div_ceil(2));
    let base = (per_tile / 2).checked_mul(per_tile / 2)?;
    let lines = high.checked_add(per_tile / 2)?;
    let tokens = base.checked_add(1)?.checked_add(wide.checked_mul(high)?)?.checked_add(lines)?;
    let count = columns.checked_mul(rows)?.checked_add(1)?;
    Some(Tiles {
        count,
        size: (tile, tile),
        patches: count.checked_mul(per_tile.checked_mul(per_tile)?)?,
        tokens,
    })
}
