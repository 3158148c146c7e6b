//! InternVL: up to twelve square tiles in the grid nearest to the image's shape, and an overview.
//!
//! Source: InternVL's `dynamic_preprocess`; OpenVINO GenAI, src/cpp/src/visual_language/internvl_chat/classes.cpp.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

pub(super) fn tiles(settings: &Preprocessor, image: (u64, u64)) -> Option<Tiles> {
    let (tile, patch) = (settings.tile?, settings.patch_size?);
    let (columns, rows) = super::nearest_grid(image, tile, settings.max_tiles.unwrap_or(12));
    let blocks = columns.checked_mul(rows)?;
    let overview = u64::from(settings.has_overview.unwrap_or(true) && blocks > 1);
    let count = blocks + overview;
    let patches = super::patches_of((tile, tile), patch)?;
    let shuffle = settings.shuffle.unwrap_or(2);
    let tokens = patches.checked_div(shuffle.checked_mul(shuffle)?)?;
    Some(Tiles {
        count,
        size: (tile, tile),
        patches: count.checked_mul(patches.checked_add(1)?)?,
        tokens: count.checked_mul(tokens)?,
    })
}
