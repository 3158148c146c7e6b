//! Rows and vectors of columns that the innermost kernel computes at once.
//!
//! Source: `brgemm_blocking_vmm`, oneDNN 3.13, src/cpu/x64/brgemm/brgemm_utils.cpp.

use super::shape::{Core, div_up, round_up};

/// The innermost kernel of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Microkernel {
    /// Rows at once.
    pub rows: i64,
    /// Vectors of columns at once.
    pub vectors: i64,
    /// Rows of a tile; 0 where there are none.
    pub height: i64,
}

/// A product of `rows` by `inputs` with `columns` columns; `border` rows may read padding.
pub(super) struct Product {
    pub rows: i64,
    pub columns: i64,
    pub inputs: i64,
    /// Bytes of an element of the first operand.
    pub bytes: i64,
    pub border: i64,
}

impl Microkernel {
    /// The kernel of a product; `None` where its rows do not cover the border.
    pub(super) fn of(product: &Product, core: &Core) -> Option<Microkernel> {
        let vectors_in_all = product.columns / core.lanes;
        let registers = core.registers - if core.emulates_bytes { 2 } else { 0 };
        let mut found = None;
        for tried in (1..=4).rev() {
            let vectors = if vectors_in_all >= tried { tried } else { vectors_in_all % tried }.max(1);
            let loads_once = !core.is_wide && vectors == 4;
            let (loads, broadcasts) = if loads_once { (1, 0) } else { (vectors, 1) };
            let most = ((registers - loads - broadcasts) / (vectors + i64::from(loads_once)))
                .min(registers / vectors);
            let tail = product.rows.rem_euclid(most.max(1));
            let least = if tail > 0 { tail } else { most };
            found = Some((vectors, most, least));
            if least >= product.border {
                break;
            }
        }
        let (vectors, most, least) = found?;
        (least >= product.border).then(|| Microkernel {
            rows: best_rows(product, core, vectors, most),
            vectors,
            height: 0,
        })
    }
}

fn best_rows(product: &Product, core: &Core, vectors: i64, most: i64) -> i64 {
    let (mut best, mut efficiency) = (most, 0.0_f32);
    for rows in (product.border.max(1)..=most).rev() {
        let filled =
            if product.rows <= 0 { 0.0 } else { product.rows as f32 / round_up(product.rows, rows) as f32 };
        let compute = (vectors as f32 * rows as f32) / ((vectors + rows) * most) as f32;
        let fits = product.bytes as f32 * rows as f32 * product.inputs as f32 <= core.l1 as f32;
        if fits && filled * compute > efficiency {
            (best, efficiency) = (rows, filled * compute);
        }
    }
    best
}

/// The share of an `efficiency` that counts by half.
pub(super) fn halved(efficiency: f32) -> f32 {
    (1.0 + efficiency) / 2.0
}

/// Area of the blocks that the first `blocks` of a grid cover; see `grid_coverage` of the source.
pub(super) fn covered(blocks: i64, [x, n_x, x_block]: [i64; 3], [y, y_block]: [i64; 2]) -> i64 {
    let (in_x, in_y) = (div_up(x, x_block).max(1), div_up(y, y_block).max(1));
    let in_row = (n_x * in_x).max(1);
    let (rows, rest) = (blocks / in_row, blocks % in_row);
    let from = rows % in_y * y_block;
    let height = y.min(from + y_block) - from;
    n_x * (rows / in_y) * x * y + x * n_x * from + (x * (rest / in_x) + rest % in_x * x_block) * height
}
