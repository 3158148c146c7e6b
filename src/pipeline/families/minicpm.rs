//! MiniCPM-V: an overview of about `scale_resolution`² pixels, and a grid of slices of the same size where the image has
//! more; all tiles of a batch are padded to the largest.
//!
//! Source: MiniCPM-V's `slice_image`; OpenVINO GenAI, src/cpp/src/visual_language/minicpm/classes.cpp.

use super::{Grid, Tiles};
use crate::formats::preprocessor::Preprocessor;

pub(super) fn tiles(settings: &Preprocessor, image: (u64, u64)) -> Option<Tiles> {
    let patch = settings.patch_size.filter(|&patch| patch > 0)?;
    let scale = settings.tile.unwrap_or(448).max(1);
    let most = settings.max_tiles.unwrap_or(9).min(super::MAX_TILES);
    let (width, height) = (image.0 as f64, image.1 as f64);
    let wanted = ((width * height / (scale as f64).powi(2)).ceil() as u64).min(most);
    let overview = resized(image, scale, patch, wanted <= 1);
    let (slice, slices) = if wanted <= 1 {
        (overview, 0)
    } else {
        let (columns, rows) = grid(image, wanted, most);
        let side = |side: u64, count: u64| multiple(side as f64, count) / count;
        let cell = (side(image.0, columns), side(image.1, rows));
        (resized(cell, scale, patch, true), columns * rows)
    };
    let count = slices + 1;
    let largest = super::patches_of(overview, patch)?.max(super::patches_of(slice, patch)?);
    Some(Tiles {
        count,
        // The processor hands over each tile's patches in one row.
        size: (largest.checked_mul(patch)?, patch),
        patches: count.checked_mul(largest)?,
        tokens: count.checked_mul(settings.tokens_per_tile.unwrap_or(64))?,
    })
}

/// A side as a multiple of `unit`, at least one.
fn multiple(side: f64, unit: u64) -> u64 {
    ((side / unit as f64).round_ties_even() as u64).saturating_mul(unit).max(unit)
}

fn resized((width, height): (u64, u64), scale: u64, patch: u64, may_grow: bool) -> (u64, u64) {
    let (mut wide, mut high) = (width as f64, height as f64);
    if may_grow || wide * high > (scale as f64).powi(2) {
        let shape = wide / high;
        high = (scale as f64 / shape.sqrt()).trunc();
        wide = (high * shape).trunc();
    }
    (multiple(wide, patch), multiple(high, patch))
}

/// The grid nearest to the image's shape, of about as many slices as wanted.
fn grid((width, height): (u64, u64), wanted: u64, most: u64) -> Grid {
    let shape = (width as f64 / height as f64).ln();
    let numbers = (wanted.saturating_sub(1)..=wanted + 1).filter(|&number| number > 1 && number <= most);
    let grids = numbers.flat_map(|number| {
        (1..=number)
            .filter(move |columns| number.is_multiple_of(*columns))
            .map(move |columns| (columns, number / columns))
    });
    let mut best = ((1, 1), f64::INFINITY);
    for (columns, rows) in grids {
        let differs = (shape - (columns as f64 / rows as f64).ln()).abs();
        if differs < best.1 {
            best = ((columns, rows), differs);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published run: 1024x682 pixels are five tiles of 1,014 patches, 320 image tokens.
    #[test]
    fn the_published_image_is_five_tiles() {
        let settings = Preprocessor { patch_size: Some(14), max_tiles: Some(9), ..Preprocessor::default() };
        let found = tiles(&settings, (1024, 682)).unwrap();
        assert_eq!((found.count, found.patches, found.tokens), (5, 5 * 1014, 5 * 64));
    }

    #[test]
    fn a_small_image_is_one_tile() {
        let settings = Preprocessor { patch_size: Some(14), max_tiles: Some(9), ..Preprocessor::default() };
        let found = tiles(&settings, (448, 448)).unwrap();
        assert_eq!((found.count, found.patches), (1, 32 * 32));
    }
}
