//! What a model family's image processor makes of an image: tiles, patches, and tokens of the language model.
//!
//! One file per family. Each rule is the processor's own; `tests/image_rules.rs` holds them against transformers.

mod fixed;
mod idefics3;
mod internvl;
mod llava_next;
mod minicpm;
mod patches;
mod phi3;
mod phi4;
mod qwen;

use crate::error::{Error, ErrorKind, Result};
use crate::formats::preprocessor::Preprocessor;
use patches::{Grid, MAX_TILES, nearest_grid, patches_of};

pub use patches::Tiles;

type Rule = fn(&Preprocessor, (u64, u64)) -> Option<Tiles>;

/// The rule of a family, by `model_type`.
fn rule(model_type: &str) -> Option<Rule> {
    Some(match model_type {
        "qwen2_vl" | "qwen2_5_vl" | "qwen3_vl" => qwen::tiles,
        "internvl_chat" | "internvl" => internvl::tiles,
        "minicpmv" => minicpm::tiles,
        "gemma3" | "llava" => fixed::tiles,
        "llava_next" => llava_next::tiles,
        "phi3_v" => phi3::tiles,
        "phi4mm" | "phi4_multimodal" => phi4::tiles,
        "smolvlm" | "idefics3" => idefics3::tiles,
        _ => return None,
    })
}

/// Whether the language model gets more or fewer tokens of an image than the vision graph's output has rows: rows of
/// padding are cut and line ends added after it.
#[must_use]
pub fn rearranges(model_type: &str) -> bool {
    matches!(model_type, "llava_next" | "phi3_v" | "phi4mm" | "phi4_multimodal")
}

/// What the image processor of `model_type` makes of an image of this width and height; `None` for a family that has
/// no rule here.
///
/// # Errors
///
/// If a size that the rule needs is missing, or the image is out of its range.
///
/// # Example
///
/// ```
/// use memgraph::formats::preprocessor::Preprocessor;
/// use memgraph::pipeline::families;
///
/// let mut settings = Preprocessor::default();
/// (settings.patch_size, settings.merge_size, settings.max_pixels) = (Some(14), Some(2), Some(12_845_056));
/// let found = families::tiles("qwen2_5_vl", &settings, (1372, 1036))?.unwrap();
/// assert_eq!((found.patches, found.tokens), (7252, 1813));
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn tiles(model_type: &str, settings: &Preprocessor, image: (u64, u64)) -> Result<Option<Tiles>> {
    let Some(rule) = rule(model_type) else { return Ok(None) };
    let (width, height) = image;
    let in_range = (1..=1 << 20).contains(&width) && (1..=1 << 20).contains(&height);
    let found = if in_range { rule(settings, image) } else { None };
    found.map(Some).ok_or_else(|| {
        Error::new(
            ErrorKind::Usage,
            format!(
                "the image rule of \"{model_type}\" has no answer for an image of {width}x{height} pixels"
            ),
        )
        .note(format!("the model's folder says {settings:?}"))
        .help("give SEQ, the patches over all images, instead of `--image`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a model's files say, a rule answers or refuses, and soon.
    #[test]
    fn hostile_settings_neither_panic_nor_hang() {
        let numbers = [None, Some(0), Some(1), Some(14), Some(1 << 20), Some(u64::MAX)];
        let families =
            ["qwen3_vl", "internvl_chat", "minicpmv", "gemma3", "llava_next", "phi3_v", "phi4mm", "smolvlm"];
        for family in families {
            for (index, &one) in numbers.iter().enumerate() {
                for (other, &two) in numbers.iter().enumerate() {
                    let settings = Preprocessor {
                        patch_size: one,
                        merge_size: two,
                        min_pixels: numbers[(index + 1) % numbers.len()],
                        max_pixels: two,
                        tile: two,
                        longest_edge: one,
                        pinpoints: vec![(one.unwrap_or(3), two.unwrap_or(5)), (u64::MAX, 1)],
                        max_tiles: numbers[(index + other) % numbers.len()],
                        shuffle: one,
                        tokens_per_tile: numbers[(other + 2) % numbers.len()],
                        ..Preprocessor::default()
                    };
                    for image in [(1, 1), (1 << 20, 1), (1 << 20, 1 << 20), (640, 480)] {
                        let _ = tiles(family, &settings, image);
                    }
                }
            }
        }
    }
}
