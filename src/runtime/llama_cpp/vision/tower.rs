//! What a projector's file says, and which images it takes.
//!
//! Source: llama.cpp 0.5.0, tools/mtmd/clip.cpp (`clip_model_loader::load_hparams`), tools/mtmd/clip-model.h
//! (`set_warmup_n_tokens`, `set_limit_image_tokens`), tools/mtmd/mtmd-image.cpp (`calc_size_preserved_ratio`).

use crate::error::{Error, ErrorKind, Result};
use crate::graph::Stored;
use crate::scenario::Scenario;
use std::path::Path;

/// `general.architecture` of projectors.
pub(in crate::runtime::llama_cpp) const ARCHITECTURE: &str = "clip";

/// Sizes are below this.
const MAX_SIZE: u64 = 1 << 16;

/// How hidden states of an image become those of the text model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Projector {
    /// LLaVA: two products.
    Mlp,
    /// Gemma 3: means of squares of patches, and a product.
    Gemma3,
    /// Idefics 3, SmolVLM: patches side by side, and a product.
    Idefics3,
    /// InternVL: patches side by side, norm, two products.
    InternVl,
    /// Pixtral, Mistral Small 3.1.
    Pixtral,
    /// Qwen 2 VL.
    Qwen2Vl,
    /// Qwen 2.5 VL, with windows.
    Qwen25Vl,
    /// Qwen 3 VL, with hidden states of several layers.
    Qwen3Vl,
}

/// Projectors by their name in files.
///
/// Source: tools/mtmd/clip-impl.h (`PROJECTOR_TYPE_NAMES`).
const PROJECTORS: &[(&str, Projector)] = &[
    ("mlp", Projector::Mlp),
    ("gemma3", Projector::Gemma3),
    ("idefics3", Projector::Idefics3),
    ("internvl", Projector::InternVl),
    ("pixtral", Projector::Pixtral),
    ("qwen2vl_merger", Projector::Qwen2Vl),
    ("qwen2.5vl_merger", Projector::Qwen25Vl),
    ("qwen3vl_merger", Projector::Qwen3Vl),
];

/// A projector as its file describes it.
#[derive(Debug)]
pub(in crate::runtime::llama_cpp) struct Tower<'a> {
    /// The file's content.
    pub(in crate::runtime::llama_cpp) stored: &'a Stored,
    /// Its kind.
    pub(super) projector: Projector,
    /// Width of the hidden state.
    pub(super) width: u64,
    /// Heads of queries.
    pub(super) heads: u64,
    /// Heads of keys and values.
    pub(super) kv_heads: u64,
    /// Layers.
    pub(super) layers: u64,
    /// Side of a patch in pixels.
    pub(super) patch: u64,
    /// Patches side by side that become one token.
    pub(super) merge: u64,
    /// Of so many layers the last reads all patches; 0: every layer does.
    pub(super) window: u64,
    /// The image of the warm-up.
    pub(in crate::runtime::llama_cpp) warm_up: (u64, u64),
    /// Pixels of an image at least and at most, where it keeps its ratio.
    pixels: Option<(u64, u64)>,
}

impl<'a> Tower<'a> {
    /// Reads the sizes.
    ///
    /// # Errors
    ///
    /// If one is missing, or the projector is not known.
    pub(in crate::runtime::llama_cpp) fn read(stored: &'a Stored, file: &Path) -> Result<Tower<'a>> {
        let name = stored.text("clip.vision.projector_type").or_else(|| stored.text("clip.projector_type"));
        let name = name.unwrap_or("mlp");
        let Some(&(_, projector)) = PROJECTORS.iter().find(|(own, _)| *own == name) else {
            let names: Vec<&str> = PROJECTORS.iter().map(|(own, _)| *own).collect();
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("the graph of projector \"{name}\" is not known"),
            )
            .in_file(file)
            .note(format!("known are {}", names.join(", ")))
            .help("use `memgraph quick FILE` for rules of thumb"));
        };
        let number = |key: &str| {
            let key = format!("clip.vision.{key}");
            stored.integer(&key).filter(|&value| value < MAX_SIZE)
        };
        let needed = |key: &str| {
            number(key).filter(|&value| value > 0).ok_or_else(|| {
                let message = format!("the file lacks clip.vision.{key}, or its value is not a size");
                Error::new(ErrorKind::Malformed, message).in_file(file)
            })
        };
        let (patch, side, heads) =
            (needed("patch_size")?, needed("image_size")?, needed("attention.head_count")?);
        let scale = || number("projector.scale_factor");
        let merged = || number("spatial_merge_size");
        let merge = match projector {
            Projector::Mlp => 1,
            Projector::Gemma3 => scale().unwrap_or(4),
            Projector::Idefics3 | Projector::InternVl => scale().unwrap_or(1),
            Projector::Pixtral => merged().unwrap_or(1),
            Projector::Qwen2Vl | Projector::Qwen25Vl | Projector::Qwen3Vl => merged().unwrap_or(2),
        }
        .max(1);
        let area = |tokens: u64| tokens * patch * patch * merge * merge;
        let (pixels, warm) = match projector {
            Projector::Pixtral => (Some((area(8), area(1024))), 16 * patch * merge),
            Projector::Qwen2Vl | Projector::Qwen25Vl | Projector::Qwen3Vl => {
                (Some((area(8), area(4096))), 46 * patch * merge)
            }
            _ => (None, side),
        };
        let tower = Tower {
            stored,
            projector,
            width: needed("embedding_length")?,
            heads,
            kv_heads: number("attention.head_count_kv").unwrap_or(heads),
            layers: needed("block_count")?,
            patch,
            merge,
            window: number("n_wa_pattern").filter(|_| projector == Projector::Qwen25Vl).unwrap_or(0),
            warm_up: (warm, warm),
            pixels,
        };
        tower.check().map_err(|error| error.in_file(file))?;
        Ok(tower)
    }

    /// Refuses sizes that make no graph.
    fn check(&self) -> Result<()> {
        let grid = self.warm_up.0 / self.patch;
        let is_whole =
            self.width.is_multiple_of(self.heads) && self.layers <= 512 && grid.is_multiple_of(self.merge);
        if is_whole && self.merge <= grid && grid <= 4096 {
            return Ok(());
        }
        let message = format!(
            "width {}, {} heads, {} layers, patches of {} and {} of them side by side make no tower",
            self.width, self.heads, self.layers, self.patch, self.merge
        );
        Err(Error::new(ErrorKind::Malformed, message))
    }

    /// Width of a head.
    pub(super) fn head(&self) -> u64 {
        let own =
            self.stored.integer("clip.vision.attention.head_dim").filter(|&head| head > 0 && head < MAX_SIZE);
        own.unwrap_or(self.width / self.heads)
    }

    /// Width and height of the image that a scenario's becomes.
    ///
    /// Towers of one size take that one; the others keep the image's ratio, between their numbers of pixels.
    pub(super) fn image(&self, scenario: &Scenario) -> (u64, u64) {
        let unit = self.patch * self.merge;
        let of_patches = |patches: u64| {
            let side = patches.isqrt().max(1).next_multiple_of(self.merge) * self.patch;
            (side, side)
        };
        let given = scenario.image.or_else(|| scenario.prompt.map(of_patches));
        match (self.pixels, given) {
            (None, _) | (_, None) => self.warm_up,
            (Some((least, most)), Some((width, height))) => {
                preserved(width.max(1), height.max(1), unit, least, most)
            }
        }
    }
}

/// The multiple of `unit` nearest to an image's size that has so many pixels.
///
/// Source: tools/mtmd/mtmd-image.cpp (`img_tool::calc_size_preserved_ratio`), in single precision as there.
fn preserved(width: u64, height: u64, unit: u64, least: u64, most: u64) -> (u64, u64) {
    let round = |value: f32| ((value / unit as f32).round() as u64).max(1) * unit;
    let floor = |value: f32| ((value / unit as f32).floor() as u64).max(1) * unit;
    let ceil = |value: f32| ((value / unit as f32).ceil() as u64).max(1) * unit;
    let (w, h) = (width as f32, height as f32);
    let (own_width, own_height) = (round(w).max(unit), round(h).max(unit));
    let pixels = own_width.saturating_mul(own_height);
    if pixels > most {
        let beta = (w * h / most as f32).sqrt();
        return (floor(w / beta).max(unit), floor(h / beta).max(unit));
    }
    if pixels < least {
        let beta = (least as f32 / (w * h)).sqrt();
        return (ceil(w * beta), ceil(h * beta));
    }
    (own_width, own_height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_ratio_between_two_numbers_of_pixels() {
        assert_eq!(preserved(1024, 768, 28, 8 * 784, 4096 * 784), (1036, 756));
        assert_eq!(preserved(8000, 4000, 28, 8 * 784, 4096 * 784), (2520, 1260));
        assert_eq!(preserved(20, 20, 28, 8 * 784, 4096 * 784), (84, 84));
    }
}
