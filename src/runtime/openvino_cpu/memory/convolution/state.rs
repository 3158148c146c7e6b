//! One candidate of the search: its block sizes, and what follows from them.
//!
//! Source: `brg_blocking_t`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.

use super::microkernel::{Microkernel, Product};
use super::shape::{Core, Sizes, div_up, round_up};
use super::tiles::{TileProduct, Tiles};

/// How the kernel meets the borders of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Kernels of their own for every width of overlap at the borders.
    Base,
    /// One kernel that skips rows outside of the input.
    Virtual,
    /// The input is copied into a padded buffer; columns, or columns and rows of the kernel become channels.
    Copied(Relocated),
}

/// Dims of the kernel that a copy moves to channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relocated {
    Nothing,
    Columns,
    RowsAndColumns,
}

impl Relocated {
    /// Elements of the kernel that become channels.
    pub(super) fn elements(self, sizes: &Sizes) -> i64 {
        match self {
            Relocated::Nothing => 1,
            Relocated::Columns => sizes.kernel[2],
            Relocated::RowsAndColumns => sizes.kernel[1] * sizes.kernel[2],
        }
    }
}

/// The order of the outermost loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Positions, then channels.
    Positions,
    /// Channels, then positions of one image.
    Channels,
    /// Channels, then all images.
    ChannelsOfBatch,
}

/// A candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    pub sizes: &'a Sizes,
    pub core: &'a Core,
    pub method: Method,
    pub order: Order,
    /// Output columns of all rows are one dim.
    pub joins_rows: bool,
    /// Channels are padded to whole vectors.
    pub pads_inputs: bool,
    pub output_block: i64,
    pub input_block: i64,
    pub kernel_block: [i64; 3],
    /// Blocks of the kernel where it meets a border.
    pub border_block: [i64; 3],
    pub depth_block: i64,
    pub row_block: i64,
    pub column_block: i64,
    /// Output positions in the dim that is divided, and in a block of it.
    pub positions: i64,
    pub position_block: i64,
    pub buffers: bool,
    /// The kernel is written out for each batch (tiles alone).
    pub is_unrolled: bool,
    /// Rows between those of an image are computed and not used (tiles alone).
    pub masks_rows: bool,
    /// The input of a convolution of one element is copied (tiles alone).
    pub gathers: bool,
    pub microkernel: Microkernel,
    /// Rows of a tile of the rows that are left.
    pub height_left: i64,
    pub efficiency: f32,
}

impl<'a> State<'a> {
    pub(super) fn new(sizes: &'a Sizes, core: &'a Core, method: Method, order: Order) -> State<'a> {
        State {
            sizes,
            core,
            method,
            order,
            joins_rows: false,
            pads_inputs: false,
            output_block: core.lanes,
            input_block: 0,
            kernel_block: [1; 3],
            border_block: [1; 3],
            depth_block: 1,
            row_block: 1,
            column_block: 0,
            positions: 0,
            position_block: 0,
            buffers: false,
            is_unrolled: false,
            masks_rows: false,
            gathers: false,
            microkernel: Microkernel { rows: 0, vectors: 1, height: 0 },
            height_left: 0,
            efficiency: 0.0,
        }
    }

    pub(super) fn relocated(&self) -> Relocated {
        match self.method {
            Method::Copied(relocated) => relocated,
            _ => Relocated::Nothing,
        }
    }

    /// Whether weights are copied a second time, in the order of the copied input.
    pub(super) fn moves_weights(&self) -> bool {
        let sizes = self.sizes;
        let [_, height, width] = sizes.kernel;
        let simd = sizes.simd(self.core);
        let is_whole =
            |read: i64| sizes.inputs % sizes.granularity() == 0 && (read <= simd || read % simd == 0);
        match self.relocated() {
            Relocated::Nothing => false,
            Relocated::Columns => sizes.granularity() > 1 && !is_whole(width * sizes.inputs),
            Relocated::RowsAndColumns => {
                !(is_whole(height * width * sizes.inputs) && (height == 1 || width == 1))
            }
        }
    }

    pub(super) fn output_blocks(&self) -> i64 {
        div_up(self.sizes.outputs, self.output_block)
    }

    pub(super) fn input_blocks(&self) -> i64 {
        div_up(self.sizes.inputs, self.input_block)
    }

    /// Rows of the input that the kernel may read outside of it.
    pub(super) fn border(&self) -> i64 {
        if self.method == Method::Virtual { self.sizes.pad[2].max(self.sizes.end_pad(2)) } else { 0 }
    }

    /// Chooses how many input channels a block has: as many as fit the caches.
    ///
    /// Source: `select_ic_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
    pub(super) fn choose_inputs(&mut self) {
        let (sizes, core) = (self.sizes, self.core);
        if core.has_tiles {
            self.input_block = input_block(self);
            return;
        }
        let simd = sizes.simd(core);
        let vectors = div_up(sizes.inputs, simd);
        let usual = usual_rows(core, self.output_block);
        let rows = if self.position_block > 0 { self.position_block.min(usual) } else { usual };
        let columns = if self.joins_rows {
            rows
        } else {
            sizes.input_columns(rows, self.kernel_block[2], sizes.input[2])
        };
        let mut most = vectors.min(5 * simd);
        if self.kernel_block[2] > 1 {
            most = (core.usable_l1() / (columns * sizes.bytes[0] * simd).max(1)).clamp(1, most.max(1));
        }
        let planes = self.kernel_block[0] * self.kernel_block[1];
        let weights = planes * self.kernel_block[2] * self.output_block * sizes.bytes[1];
        let inputs = planes * columns * sizes.bytes[0];
        let outputs = self.microkernel.rows * self.output_block * sizes.bytes[2];
        let fitting = (core.usable_l2() - outputs).max(0) / ((weights + inputs) * simd).max(1);
        most = fitting.clamp(1, most.max(1));
        if !core.is_wide && sizes.bytes[0] == 4 && vectors <= 256 && weights + inputs < 1400 {
            most = vectors;
        }
        let is_even = |&blocks: &i64| vectors as f32 / round_up(vectors, blocks) as f32 >= 0.5;
        let blocks = (1..=most.min(vectors)).rev().find(is_even).unwrap_or(1);
        let whole = match self.method {
            Method::Copied(_) => round_up(sizes.inputs, self.input_step()),
            _ => sizes.inputs,
        };
        self.input_block = whole.min(blocks * simd);
        if self.relocated() != Relocated::Nothing {
            self.input_block = self.input_block.max(sizes.inputs);
        }
    }

    fn input_step(&self) -> i64 {
        self.sizes.granularity() * if self.pads_inputs { self.core.lanes } else { 1 }
    }

    /// The products that one call of the kernel computes: rows, columns, inputs; and those of the remainders.
    pub(super) fn products(&self) -> [[i64; 2]; 3] {
        let sizes = self.sizes;
        let rows = if self.positions >= self.position_block { self.position_block } else { 0 };
        let rows_left = self.positions.rem_euclid(self.position_block.max(1));
        let columns = if sizes.outputs >= self.output_block { self.output_block } else { 0 };
        let [inputs, inputs_left] = match self.relocated() {
            Relocated::Nothing => {
                let step = match self.method {
                    Method::Copied(_) if self.input_block % sizes.simd(self.core) == 0 => {
                        sizes.simd(self.core)
                    }
                    Method::Copied(_) => sizes.granularity(),
                    _ => 1,
                };
                let whole = if sizes.inputs >= self.input_block { self.input_block } else { 0 };
                [whole, round_up(sizes.inputs % self.input_block.max(1), step)]
            }
            relocated => {
                let rows = if relocated == Relocated::RowsAndColumns { sizes.kernel[1] } else { 1 };
                let simd = sizes.simd(self.core);
                let all = round_up(rows * sizes.kernel[2] * sizes.inputs, sizes.granularity());
                let all = if sizes.granularity() > 1 && all > simd { round_up(all, simd) } else { all };
                [if sizes.inputs >= self.input_block { all } else { 0 }, all]
            }
        };
        [[rows, rows_left], [columns, sizes.outputs % self.output_block], [inputs, inputs_left]]
    }

    /// Simulates the kernel of the whole blocks; `false` where there is none.
    pub(super) fn simulate(&mut self) -> bool {
        if self.position_block <= 0 {
            return false;
        }
        let first = |[whole, left]: [i64; 2]| if whole > 0 { whole } else { left };
        let [rows, columns, inputs] = self.products();
        let found = self.kernel(first(rows), first(columns), first(inputs));
        let tail = rows[1] == 0
            || rows[0] == 0
            || self.border() == 0
            || self.kernel(rows[1], first(columns), first(inputs)).is_some();
        self.microkernel = found.unwrap_or(self.microkernel);
        if self.core.has_tiles && self.sizes.is_pointwise() && rows[0] > 0 && rows[1] > 0 {
            let left = self.kernel(rows[1], first(columns), first(inputs));
            self.height_left = left.map_or(0, |left| left.height);
            return found.is_some() && left.is_some();
        }
        self.height_left = 0;
        found.is_some() && tail
    }

    pub(super) fn kernel(&self, rows: i64, columns: i64, inputs: i64) -> Option<Microkernel> {
        if self.core.has_tiles {
            let bytes = self.sizes.bytes[0];
            let is_unrolled = self.is_unrolled;
            let product = TileProduct { rows, columns, inputs, bytes, is_unrolled, batch: 1.0, mask: None };
            let tiles = Tiles::of(&product, self.core)?;
            return Some(Microkernel {
                rows: tiles.height * tiles.rows,
                vectors: tiles.columns,
                height: tiles.height,
            });
        }
        let product = Product { rows, columns, inputs, bytes: self.sizes.bytes[0], border: self.border() };
        Microkernel::of(&product, self.core)
    }

    /// Whether the kernels of all remainders exist.
    pub(super) fn is_possible(&self) -> bool {
        let [rows, columns, inputs] = self.products();
        let all = |sizes: [i64; 2]| sizes.into_iter().filter(|&size| size > 0);
        all(rows).all(|rows| {
            all(columns).all(|columns| all(inputs).all(|inputs| self.kernel(rows, columns, inputs).is_some()))
        })
    }
}

/// Input channels of a block, in tiles.
///
/// Source: `select_ic_block`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn input_block(state: &State<'_>) -> i64 {
    let (sizes, simd) = (state.sizes, state.sizes.simd(state.core));
    let step = sizes.granularity();
    if sizes.is_pointwise() {
        return sizes.inputs;
    }
    let planes = sizes.kernel[0] * sizes.kernel[1] * sizes.bytes[0];
    let relocated = state.relocated();
    let block = match () {
        () if planes * sizes.inputs > 8 * 1024 => {
            let most = round_up(div_up(1024, planes), step);
            let least = round_up(simd / 2, step);
            let mut blocks = (0..).map(|index| most - index * step).take_while(|&block| block >= least);
            blocks.find(|block| sizes.inputs % block == 0).unwrap_or(sizes.inputs)
        }
        () if sizes.inputs * relocated.elements(sizes) <= simd => round_up(sizes.inputs, step),
        () if matches!(state.method, Method::Copied(_)) => {
            let vectors = div_up(sizes.inputs, simd);
            let is_even = |&blocks: &i64| vectors as f32 / round_up(vectors, blocks) as f32 >= 0.5;
            (1..=vectors.min(5 * simd)).rev().find(is_even).unwrap_or(1) * simd
        }
        () => simd,
    };
    if relocated == Relocated::Nothing { block } else { block.max(sizes.inputs) }
}

/// Rows that kernels usually have at once.
///
/// Source: `estimate_ur`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
fn usual_rows(core: &Core, output_block: i64) -> i64 {
    match (core.is_wide, output_block) {
        (false, 32) => 3,
        (false, 24) => 4,
        (false, 16) => 6,
        (false, _) => 14,
        (true, 64) => 6,
        (true, 48) => 9,
        (true, 32) => 14,
        (true, _) => 28,
    }
}
