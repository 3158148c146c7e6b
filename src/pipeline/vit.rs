//! A vision tower: the image that a number of patches represents.

use crate::error::{Error, ErrorKind, Result};
use crate::scenario::{ModelConfig, Scenario, Task};

/// A run over `patches` patches, or over the image that `base` names.
///
/// Where the config gives image and patch size, the patches are those of whole images (a class token more each, or
/// not), side by side as a batch; else of one square image.
///
/// # Errors
///
/// If the patches are neither.
pub fn scenario(base: &Scenario, patches: Option<u64>) -> Result<Scenario> {
    let mut scenario = Scenario { task: Task::Vision, prompt: patches, ..base.clone() };
    let (Some(patches), Some(patch)) = (patches, base.config.patch_size.filter(|&patch| patch > 0)) else {
        return Ok(scenario);
    };
    if base.image.is_some() || base.batch.is_some() {
        return Ok(scenario);
    }
    match images(&base.config, patches, patch) {
        Some((batch, side)) => {
            scenario.batch = Some(batch);
            scenario.image = Some((side, side));
            Ok(scenario)
        }
        // Towers that take flattened patches of any image need no image size.
        None if base.config.image_size.is_none() => Ok(scenario),
        None => Err(Error::new(
            ErrorKind::Usage,
            format!("{patches} patches are not a whole number of images, and no square image"),
        )
        .note(format!(
            "the config says image_size {} and patch_size {patch}",
            base.config.image_size.unwrap_or_default()
        ))
        .help(match base.config.image_size.and_then(|side| (side / patch).checked_pow(2)) {
            Some(of_one) => format!(
                "give `--image WxH`, or patches of whole images: {of_one} of one, and one more for a class token"
            ),
            None => "give `--image WxH`".to_owned(),
        })),
    }
}

/// Number and side in pixels of the images that have so many patches.
fn images(config: &ModelConfig, patches: u64, patch: u64) -> Option<(u64, u64)> {
    if let Some(side) = config.image_size {
        let of_one = (side / patch).checked_pow(2)?;
        let per_image = [of_one, of_one + 1]
            .into_iter()
            .find(|&count| count > 1 && patches > 0 && patches.is_multiple_of(count));
        if let Some(per_image) = per_image {
            return Some((patches / per_image, side));
        }
    }
    let root = [patches, patches.checked_sub(1)?].into_iter().map(u64::isqrt);
    let root = root.zip([patches, patches - 1]).find(|(root, count)| *root > 0 && root * root == *count);
    root.and_then(|(root, _)| Some((1, root.checked_mul(patch)?))).filter(|_| config.image_size.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_whole_images_or_one_square() {
        let config = |image_size, patch_size| ModelConfig {
            image_size: Some(image_size),
            patch_size: Some(patch_size),
            ..ModelConfig::default()
        };
        assert_eq!(images(&config(224, 16), 197, 16), Some((1, 224)));
        assert_eq!(images(&config(336, 14), 577, 14), Some((1, 336)));
        assert_eq!(images(&config(448, 14), 7 * 1025, 14), Some((7, 448)));
        assert_eq!(images(&config(896, 14), 4096, 14), Some((1, 896)));
        assert_eq!(images(&config(224, 16), 577, 16), Some((1, 384)));
        assert_eq!(images(&config(224, 16), 200, 16), None);
        assert_eq!(images(&config(224, 16), 0, 16), None);
    }
}
