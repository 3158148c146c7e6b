//! What preprocessor_config.json says of how images are resized and cut, with what config.json adds.

use super::config::json;
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// Pinpoints that are read: published models have at most some forty.
const MAX_PINPOINTS: usize = 1024;

/// Sizes of a model's image processor; `None` where neither file states one.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Preprocessor {
    /// Side of a patch in pixels.
    pub patch_size: Option<u64>,
    /// Patches along a side that become one token.
    pub merge_size: Option<u64>,
    /// Least pixels of an image.
    pub min_pixels: Option<u64>,
    /// Most pixels of an image.
    pub max_pixels: Option<u64>,
    /// Side of the square that a tile is resized to.
    pub tile: Option<u64>,
    /// Longest side that an image is resized to.
    pub longest_edge: Option<u64>,
    /// Sizes that an image may be resized to: width, height.
    pub pinpoints: Vec<(u64, u64)>,
    /// Most tiles of an image.
    pub max_tiles: Option<u64>,
    /// An overview of the whole image is added to its tiles.
    pub has_overview: Option<bool>,
    /// Images are cut into tiles.
    pub splits: Option<bool>,
    /// Patches along a side that a projector joins: of pixel shuffling.
    pub shuffle: Option<u64>,
    /// Tokens of one tile.
    pub tokens_per_tile: Option<u64>,
}

/// Reads preprocessor_config.json and config.json of a folder; one that is missing says nothing.
///
/// # Errors
///
/// If a file that is there cannot be read, is over the cap, or is not JSON.
pub fn read(folder: &Path, config: Option<&Path>) -> Result<Preprocessor> {
    let optional = |path: &Path| match path.try_exists() {
        Ok(true) => json(path),
        Ok(false) => Ok(Value::Null),
        Err(error) => Err(Error::io(path, error)),
    };
    let processor = optional(&folder.join("preprocessor_config.json"))?;
    let config = match config {
        Some(path) => json(path)?,
        None => optional(&folder.join("config.json"))?,
    };
    Ok(sizes(&processor, &config))
}

/// The sizes, whatever the model's files call them.
///
/// Source: image processors of transformers 4.57.6 and of the remote code of InternVL, MiniCPM-V and Phi-3-Vision.
pub(crate) fn sizes(processor: &Value, config: &Value) -> Preprocessor {
    let vision = config.get("vision_config").unwrap_or(&Value::Null);
    let at = |json: &Value, path: &str| -> Option<u64> {
        let found = json.pointer(path)?;
        found.as_u64().or_else(|| found.as_f64().filter(|value| *value >= 1.0).map(|value| value as u64))
    };
    let size = |path: &str| at(processor, path);
    let edges = (size("/size/shortest_edge"), size("/size/longest_edge"));
    let pairs = processor.get("image_grid_pinpoints").or_else(|| config.get("image_grid_pinpoints"));
    let pinpoints = pairs.and_then(Value::as_array).into_iter().flatten().take(MAX_PINPOINTS);
    let downsample = config.get("downsample_ratio").and_then(Value::as_f64).filter(|&ratio| ratio > 0.0);
    Preprocessor {
        patch_size: size("/patch_size").or(at(vision, "/patch_size")),
        merge_size: size("/merge_size").or(at(vision, "/spatial_merge_size")),
        min_pixels: size("/min_pixels").or(edges.0),
        max_pixels: size("/max_pixels").or(edges.1),
        tile: size("/crop_size/height")
            .or(size("/max_image_size/longest_edge"))
            .or(size("/scale_resolution"))
            .or(size("/size/height"))
            .or(at(config, "/force_image_size"))
            .or(at(vision, "/image_size"))
            .or(edges.0),
        longest_edge: edges.1,
        pinpoints: pinpoints.filter_map(|pair| Some((at(pair, "/1")?, at(pair, "/0")?))).collect(),
        max_tiles: size("/max_slice_nums")
            .or(size("/num_crops"))
            .or(size("/dynamic_hd"))
            .or(at(config, "/max_dynamic_patch")),
        has_overview: config.get("use_thumbnail").and_then(Value::as_bool),
        splits: processor.get("do_image_splitting").and_then(Value::as_bool),
        shuffle: at(config, "/scale_factor").or(downsample.map(|ratio| (1.0 / ratio).round() as u64)),
        tokens_per_tile: at(config, "/query_num").or(at(config, "/mm_tokens_per_image")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_families_mean_the_same() {
        let processor = serde_json::json!({"image_grid_pinpoints": [[336, 672], [672, 336]], "crop_size": {"height": 336}});
        let found = sizes(&processor, &Value::Null);
        assert_eq!((found.tile, found.pinpoints), (Some(336), vec![(672, 336), (336, 672)]));
        let config = serde_json::json!({"downsample_ratio": 0.5, "max_dynamic_patch": 12, "force_image_size": 448,
            "use_thumbnail": true, "vision_config": {"patch_size": 14}});
        let found = sizes(&Value::Null, &config);
        assert_eq!((found.tile, found.shuffle, found.max_tiles), (Some(448), Some(2), Some(12)));
        assert_eq!((found.patch_size, found.has_overview), (Some(14), Some(true)));
    }

    #[test]
    fn pixels_are_edges_in_newer_processors() {
        let processor = serde_json::json!({"size": {"shortest_edge": 65_536, "longest_edge": 16_777_216}});
        let found = sizes(&processor, &Value::Null);
        assert_eq!((found.min_pixels, found.max_pixels), (Some(65_536), Some(16_777_216)));
    }
}
