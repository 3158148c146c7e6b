//! Phi-3-Vision and Phi-3.5-Vision: the widest grid of 336-pixel crops within the limit, and an overview; unused crops
//! are padded. Each row of merged patches ends with a line end.
//!
//! Source: Phi-3-Vision's `HD_transform` and `hd_feature_transform`; OpenVINO GenAI,
//! src/cpp/src/visual_language/phi3_vision/classes.cpp.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

const TILE: u64 = 336;
/// Patches along a side of a crop after two by two are joined.
const MERGED: u64 = 12;
/// Patches of a crop and its class token.
const PATCHES: u64 = 577;

pub(super) fn tiles(settings: &Preprocessor, (width, height): (u64, u64)) -> Option<Tiles> {
    let most = settings.max_tiles.unwrap_or(4).clamp(1, super::MAX_TILES);
    let shape = width.max(height) as f64 / width.min(height) as f64;
    let mut scale = 1_u64;
    while scale <= most && scale as f64 * (scale as f64 / shape).ceil() <= most as f64 {
        scale += 1;
    }
    let long = scale.saturating_sub(1).max(1);
    let short = ((long * TILE) as f64 / shape).trunc() / TILE as f64;
    let short = (short.ceil() as u64).max(1);
    let (columns, rows) = if width >= height { (long, short) } else { (short, long) };
    let crops = columns.checked_mul(rows)?.checked_add(1)?;
    let count = crops.max(most);
    let lines = |columns: u64, rows: u64| (rows * MERGED) * (columns * MERGED + 1);
    let tokens = lines(columns, rows) + 1 + lines(1, 1);
    Some(Tiles { count, size: (TILE, TILE), patches: count.checked_mul(PATCHES)?, tokens })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published run: five crops of 577 patches, 757 image tokens.
    #[test]
    fn the_published_image_is_five_crops() {
        let settings = Preprocessor { max_tiles: Some(4), ..Preprocessor::default() };
        let found = tiles(&settings, (1024, 682)).unwrap();
        assert_eq!((found.count, found.patches, found.tokens), (5, 5 * 577, 757));
        assert_eq!(tiles(&settings, (682, 1024)).unwrap().tokens, 757);
    }
}
