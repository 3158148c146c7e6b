//! Gemma 3 and LLaVA 1.5: one square of fixed size, whatever the image. A CLIP tower adds a class token, which the
//! projector drops; Gemma 3 pools its patches to a fixed number of tokens.
//!
//! Gemma 3's pan and scan, off by default, is not counted. Source: transformers 4.57.6, Gemma3ImageProcessor and
//! CLIPImageProcessor.

use super::Tiles;
use crate::formats::preprocessor::Preprocessor;

pub(super) fn tiles(settings: &Preprocessor, _image: (u64, u64)) -> Option<Tiles> {
    let side = settings.tile?;
    let patches = super::patches_of((side, side), settings.patch_size?)?;
    Some(match settings.tokens_per_tile {
        Some(tokens) => Tiles { count: 1, size: (side, side), patches, tokens },
        None => Tiles { count: 1, size: (side, side), patches: patches.checked_add(1)?, tokens: patches },
    })
}
