//! Rows and columns of tiles that the innermost kernel computes at once, under AMX.
//!
//! A tile has 16 rows of 64 bytes, and a processor has eight: sums, and what is multiplied.
//!
//! Source: `brgemm_blocking_tmm`, oneDNN 3.13, src/cpu/x64/brgemm/brgemm_utils.cpp, and `get_num_C_tiles`,
//! src/cpu/x64/brgemm/brgemm_types.hpp.

use super::shape::{Core, div_up, round_up};

/// Rows of a tile, and numbers of 4 bytes in one of them.
pub(super) const TILE: i64 = 16;

/// Tiles of a processor.
pub(super) const TILES: i64 = 8;

/// A product of `rows` by `inputs` with `columns` columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct TileProduct<'m> {
    pub rows: i64,
    pub columns: i64,
    pub inputs: i64,
    /// Bytes of an element.
    pub bytes: i64,
    /// All calls of instructions are written out.
    pub is_unrolled: bool,
    /// Elements of a batch for each column of the kernel.
    pub batch: f32,
    /// The rows that are used, if some positions are between rows of the image.
    pub mask: Option<&'m [bool]>,
}

/// A division of a product into tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiles {
    /// Rows of a tile that are used.
    pub height: i64,
    /// Tiles of rows at once.
    pub rows: i64,
    /// Tiles of columns at once.
    pub columns: i64,
    /// Tiles of sums.
    pub sums: i64,
}

/// One dim of a product: its blocks, the size of the last one if it is smaller, and how many are computed at once.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    blocks: i64,
    left: i64,
    at_once: i64,
}

impl Side {
    /// Blocks in one pass.
    fn of_pass(&self) -> i64 {
        if self.blocks <= self.at_once { self.blocks } else { self.at_once + i64::from(self.left > 0) }
    }

    /// `at_once` where a block that is not whole is a pass of its own, unless all is written out.
    fn grouped(self, at_once: i64, is_unrolled: bool) -> Side {
        let less = i64::from(!is_unrolled && self.left > 0 && at_once > 1);
        Side { at_once: at_once - less, ..self }
    }
}

/// A division on its way.
struct Division<'p, 'm> {
    of: &'p TileProduct<'m>,
    height: i64,
    rows: Side,
    columns: Side,
    /// Rows that are left count as a block.
    joins_left: bool,
}

impl Tiles {
    /// Divides a product into tiles; `None` if its inputs are not a multiple of the elements of one instruction.
    pub(super) fn of(product: &TileProduct<'_>, core: &Core) -> Option<Tiles> {
        if product.rows <= 0
            || product.columns <= 0
            || product.inputs % (4 / product.bytes.max(1)).max(1) != 0
        {
            return None;
        }
        let mut division = Division::new(product);
        if !division.divide_by_two() && !division.divide_by_rows(3) && !division.divide_by_rows(2) {
            division.divide_by_two();
        }
        let (rows, columns) = (division.rows.at_once, division.columns.at_once);
        division.regroup(division.height, rows, columns);
        if product.is_unrolled {
            division.adjust(core);
        }
        if !division.fits() {
            return None;
        }
        let (rows, columns) = (division.rows.at_once, division.columns.at_once);
        division.regroup(0, rows, columns);
        let sums = division.rows.of_pass() * division.columns.of_pass();
        let (rows, columns) = (division.rows.at_once, division.computed_columns());
        Some(Tiles { height: division.height, rows, columns, sums })
    }
}

impl<'p, 'm> Division<'p, 'm> {
    fn new(of: &'p TileProduct<'m>) -> Division<'p, 'm> {
        let columns = Side { blocks: of.columns / TILE, left: of.columns % TILE, at_once: 1 };
        Division { of, height: 0, rows: Side { at_once: 1, ..Side::default() }, columns, joins_left: false }
    }

    /// Divides the rows into blocks of `height` rows; rows that are not used are skipped.
    fn rows_of(&self, height: i64) -> Side {
        let (rows, at_once) = (self.of.rows, self.rows.at_once);
        let Some(mask) = self.of.mask else {
            return Side { blocks: div_up(rows, height), left: rows % height, at_once };
        };
        let mut side = Side { at_once, ..Side::default() };
        let mut row = 0;
        while row < rows {
            if mask.get(usize::try_from(row).unwrap_or(usize::MAX)).is_some_and(|&counts| !counts) {
                row += 1;
                continue;
            }
            row += height;
            if row > rows {
                side.left = rows - row + height;
                side.blocks += i64::from(self.of.is_unrolled);
            } else {
                side.blocks += 1;
            }
        }
        side
    }

    /// The height of tiles with the fewest blocks, where rows are masked.
    fn choose_masked(&mut self) -> bool {
        if self.of.mask.is_none() {
            return false;
        }
        let mut best: Option<(i64, i64)> = None;
        let highest = TILE.min(self.of.rows);
        for height in (1..=highest).rev() {
            let side = self.rows_of(height);
            if side.left == 0 && best.is_none_or(|(_, blocks)| side.blocks < blocks) {
                best = Some((height, side.blocks));
            }
        }
        let (height, blocks) = best.unwrap_or((highest, 0));
        self.height = height;
        self.rows = Side { blocks, left: 0, ..self.rows };
        true
    }

    /// Two tiles of rows and two of columns, where there are as many; whether it is so.
    fn divide_by_two(&mut self) -> bool {
        let rows = self.of.rows;
        if !self.choose_masked() {
            self.height = (2..=TILE).rev().find(|height| rows % height == 0).unwrap_or(1);
            if self.height == 1 {
                // The height that leaves the most rows in the last tile.
                self.height = TILE.min(rows);
                let mut left = rows % TILE;
                for height in (1..=TILE).rev() {
                    let of_height = rows % height;
                    if of_height > left || of_height == 0 {
                        (self.height, left) = (height, of_height);
                    }
                    if of_height == 0 {
                        break;
                    }
                }
            }
            self.rows = Side { blocks: rows / self.height, left: rows % self.height, at_once: 1 };
        }
        self.rows.at_once = if self.rows.blocks >= 2 { 2 } else { 1 };
        self.joins_left = false;
        self.group_columns();
        !(self.columns.at_once == 1 || self.rows.at_once == 1 || self.height < 8)
    }

    /// So many tiles of rows at once, where all rows are about as many; whether it is so.
    fn divide_by_rows(&mut self, tiles: i64) -> bool {
        self.joins_left = false;
        let rows = self.of.rows;
        if rows <= (tiles - 1) * TILE || rows >= tiles * TILE || self.columns.left > 0 {
            return false;
        }
        if !self.choose_masked() {
            self.height = TILE;
            self.rows = Side { blocks: div_up(rows, TILE), left: rows % TILE, at_once: 1 };
            self.joins_left = true;
        }
        self.rows.at_once = tiles;
        self.group_columns();
        true
    }

    fn group_columns(&mut self) {
        let Side { blocks, left, .. } = self.columns;
        let divides = |by: i64| blocks > 0 && left == 0 && blocks % by == 0;
        self.columns.at_once = match self.rows.at_once {
            1 if divides(3) => 3,
            rows if divides(2) && rows < 3 => 2,
            _ => 1,
        };
        if self.columns.at_once == 1 && !self.joins_left && left == 0 {
            self.rows.at_once = self.rows.blocks.clamp(1, 3);
        }
    }

    /// Takes tiles of this height, or the same where it is 0, and so many of rows and of columns at once.
    fn regroup(&mut self, height: i64, rows: i64, columns: i64) {
        if height > 0 {
            self.height = height;
            self.rows = self.rows_of(height);
            self.joins_left = self.rows.left > 0;
            self.columns.blocks = div_up(self.of.columns, TILE);
            self.columns.left = self.of.columns % TILE;
        }
        self.rows = self.rows.grouped(rows, self.of.is_unrolled);
        self.columns = self.columns.grouped(columns, self.of.is_unrolled);
    }

    /// Tiles of columns that most passes compute.
    fn computed_columns(&self) -> i64 {
        let Side { blocks, left, at_once } = self.columns;
        if self.of.is_unrolled {
            return at_once.max(1);
        }
        let whole = blocks - i64::from(left > 0);
        if whole >= at_once { at_once.max(1) } else { (whole % at_once.max(1)).max(1) }
    }

    /// Whether sums and what is multiplied have enough tiles.
    fn fits(&self) -> bool {
        let needed = |side: &Side| if side.left > 0 && side.blocks > 1 { 2 } else { 1 };
        let sums = self.rows.of_pass() * self.columns.of_pass();
        let data = needed(&self.rows).max(self.rows.of_pass().min(TILES - sums - 1));
        let weights = needed(&self.columns).max(self.columns.of_pass().min(TILES - sums - data));
        sums + data + weights <= TILES
    }

    /// Other shapes, where all is written out: what keeps a long side in the first-level cache, and small or uneven sides.
    ///
    /// Source: `brgemm_blocking_tmm`, oneDNN 3.13, src/cpu/x64/brgemm/brgemm_utils.cpp.
    fn adjust(&mut self, core: &Core) {
        let (rows, columns) = (self.of.rows, self.of.columns);
        let is_uneven = !(self.height > 12 && rows % self.height == 0 && self.of.mask.is_none());
        let has_part = columns % TILE != 0;
        if !is_uneven && !has_part {
            let depth = (self.of.inputs * self.of.bytes) as f32 * self.of.batch;
            let fits = |tiles: i64| {
                let (least, most) =
                    ((core.l1 - 4096) / (6 * TILE), (core.l1 - tiles * 1024) / (tiles * TILE));
                least as f32 <= depth && depth < most as f32
            };
            match () {
                () if columns % 80 == 0 && fits(5) && rows > 32 => self.regroup(self.height, 1, 5),
                () if columns % 64 == 0 && fits(4) && rows > 32 => self.regroup(self.height, 1, 4),
                () if rows % 80 == 0 && fits(5) && columns > 32 => self.regroup(self.height, 5, 1),
                () if rows % 64 == 0 && fits(4) && columns > 32 => self.regroup(TILE, 4, 1),
                () => {}
            }
        }
        let is_weak = [self.height < 8 || self.rows.left > 0, self.columns.left > 0];
        let (only_columns, only_rows) = (has_part && !is_uneven, is_uneven && !has_part);
        let [row_tiles, column_tiles] = [rows, columns].map(|size| div_up(size, TILE));
        match () {
            () if only_columns && is_weak[1] && (3..=4).contains(&column_tiles) => {
                self.regroup(self.height, 1, column_tiles);
            }
            () if only_columns && is_weak[1] && column_tiles == 2 => self.regroup(self.height, 2, 2),
            () if rows <= TILE => {
                self.regroup(rows, self.rows.at_once, self.columns.at_once);
                let most = if has_part { if self.columns.blocks > 4 { 3 } else { 4 } } else { 5 };
                self.regroup(0, 1, column_tiles.min(most));
            }
            () if only_rows && is_weak[0] && rows > 64 => self.regroup(TILE, 1, 2),
            () if only_rows && is_weak[0] && (3..=4).contains(&row_tiles) => self.regroup(TILE, row_tiles, 1),
            () if only_rows && is_weak[0] && row_tiles == 2 && columns % 32 == 0 => self.regroup(TILE, 2, 2),
            () if columns <= TILE => {
                self.regroup(TILE, self.rows.at_once, self.columns.at_once);
                let most = if self.rows.left > 0 { if self.rows.blocks > 4 { 3 } else { 4 } } else { 5 };
                self.regroup(0, row_tiles.min(most), 1);
            }
            () if is_uneven
                && has_part
                && row_tiles == 2
                && column_tiles == 2
                && (is_weak[0] || is_weak[1]) =>
            {
                self.regroup(TILE, 2, 2);
            }
            () => {}
        }
    }
}

/// Returns the rows of a product in whole tiles, including positions between the rows of an image, which are not used.
///
/// `columns`: outputs of a row; `between`: what follows them. Where they are masked, a tile starts at the start of a row.
///
/// Source: `estimate_brgemm_ur`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
pub(super) fn rows_with_gaps(rows: i64, columns: i64, between: i64, is_masked: bool) -> i64 {
    let all = rows + between * (div_up(rows, columns) - 1).max(0);
    if !is_masked {
        return round_up(all, TILE);
    }
    let period = columns + between;
    let mut row = 0;
    while row < all {
        row += if row % period.max(1) < columns { TILE } else { 1 };
    }
    row
}

#[cfg(test)]
mod tests {
    use super::super::shape::{Core, Sizes};
    use super::*;
    use crate::machine::{Isa, Machine};

    fn tiles(rows: i64, columns: i64, inputs: i64, is_unrolled: bool) -> Option<Tiles> {
        let core = Core::new(&Machine { isa: Isa::Amx, ..Machine::MEASURED }, &Sizes::default());
        Tiles::of(
            &TileProduct { rows, columns, inputs, bytes: 2, is_unrolled, batch: 1.0, mask: None },
            &core,
        )
    }

    #[test]
    fn two_by_two_where_both_sides_are_even() {
        assert_eq!(tiles(64, 64, 64, false), Some(Tiles { height: 16, rows: 2, columns: 2, sums: 4 }));
        assert_eq!(tiles(112, 32, 160, true), Some(Tiles { height: 16, rows: 2, columns: 2, sums: 4 }));
    }

    #[test]
    fn one_column_of_tiles_has_three_rows() {
        assert_eq!(tiles(96, 16, 64, false), Some(Tiles { height: 16, rows: 3, columns: 1, sums: 3 }));
        assert_eq!(tiles(96, 16, 64, true), Some(Tiles { height: 16, rows: 5, columns: 1, sums: 5 }));
    }

    #[test]
    fn few_rows_have_one_tile_each() {
        assert_eq!(tiles(7, 64, 64, true), Some(Tiles { height: 7, rows: 1, columns: 4, sums: 4 }));
    }

    #[test]
    fn odd_inputs_have_no_tiles() {
        assert_eq!(tiles(64, 64, 3, false), None);
    }

    /// A convolution of 7 columns with a stride of 2: three positions follow each row, and a tile starts with it.
    #[test]
    fn rows_between_those_of_an_image_are_counted() {
        assert_eq!(rows_with_gaps(112, 112, 3, true), 112);
        assert_eq!(rows_with_gaps(28, 14, 2, true), 32);
        assert_eq!(rows_with_gaps(20, 10, 0, false), 32);
    }
}
