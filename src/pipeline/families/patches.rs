//! What a rule answers, and how tiles and patches are counted.

/// What the vision tower is given of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tiles {
    /// Tiles side by side, an overview included; 1 where patches of all images form one row.
    pub count: u64,
    /// Width and height of each tile in pixels.
    pub size: (u64, u64),
    /// Patches over all tiles, class tokens included: SEQ.
    pub patches: u64,
    /// Tokens that the image takes in the language model.
    pub tokens: u64,
}

/// Patches of a tile: whole ones along both sides.
pub(super) fn patches_of((width, height): (u64, u64), patch: u64) -> Option<u64> {
    width.checked_div(patch)?.checked_mul(height.checked_div(patch)?)
}

/// Most tiles that any rule considers, whatever a file asks for: published models have at most some forty.
pub(super) const MAX_TILES: u64 = 256;

/// A number of tiles along both sides: columns, rows.
pub(super) type Grid = (u64, u64);

/// The grid of at most `most` tiles whose shape is nearest to the image's; of equally near ones the larger where the
/// image covers more than half of it.
///
/// Source: `find_closest_aspect_ratio` of InternVL's and Phi-4's processors.
pub(super) fn nearest_grid((width, height): (u64, u64), tile: u64, most: u64) -> Grid {
    let most = most.clamp(1, MAX_TILES);
    let mut grids: Vec<Grid> =
        (1..=most).flat_map(|columns| (1..=most / columns).map(move |rows| (columns, rows))).collect();
    grids.sort_by_key(|&(columns, rows)| (columns * rows, columns));
    let shape = width as f64 / height as f64;
    let area = width as f64 * height as f64;
    let mut best = (1, 1);
    let mut least = f64::INFINITY;
    for (columns, rows) in grids {
        let differs = (shape - columns as f64 / rows as f64).abs();
        let covers = area > 0.5 * (tile as f64).powi(2) * (columns * rows) as f64;
        if differs < least {
            (least, best) = (differs, (columns, rows));
        } else if differs == least && covers {
            best = (columns, rows);
        }
    }
    best
}
