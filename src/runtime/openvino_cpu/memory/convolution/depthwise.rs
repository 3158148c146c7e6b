//! Kernels of depthwise convolutions: one for whole rows, and more where rows do not divide among threads.
//!
//! Source: `init_brdgmm_conf`, oneDNN 3.13, src/cpu/x64/jit_brdgmm_dw_conv.cpp, and `brdgmm_blocking`,
//! src/cpu/x64/brgemm/brgemm_utils.cpp.

use super::shape::{Core, Sizes, div_up};

/// The number of kernels.
pub(super) fn kernels(sizes: &Sizes, core: &Core) -> u64 {
    let dilated = sizes.dilation != [1; 3];
    let rows = sizes.batch * sizes.output[0] * sizes.output[1];
    if dilated || sizes.n_spatial == 1 || rows % core.threads == 0 {
        return 1;
    }
    let width = sizes.output[2];
    let vectors = div_up(sizes.groups, core.lanes);
    let block = column_block(sizes, core, rows, vectors).max(1);
    let blocks = div_up(width, block);
    let channels = channel_block(sizes, core, rows * blocks * vectors, vectors).max(1);
    // Runs of 1, 2, 4… blocks have a kernel each.
    let runs = u64::from(64 - u64::try_from(blocks - 1).unwrap_or(0).leading_zeros());
    let more = [sizes.groups % channels != 0, channels != sizes.groups, width % block != 0];
    1 + runs + more.into_iter().map(u64::from).sum::<u64>()
}

/// Output columns in a block.
///
/// Source: `init_brdgmm_conf`, oneDNN 3.13, src/cpu/x64/jit_brdgmm_dw_conv.cpp.
fn column_block(sizes: &Sizes, core: &Core, rows: i64, vectors: i64) -> i64 {
    let width = sizes.output[2];
    let all = rows * width;
    if all % core.threads != 0 {
        return width.min(if core.is_wide { 6 } else { rows_at_once(sizes, core, vectors).0 });
    }
    let part = all / core.threads / vectors.max(1) % width.max(1);
    if part != 0 && width % part == 0 { part } else { width }
}

/// Channels in a block; `all`: vectors of channels of all blocks.
fn channel_block(sizes: &Sizes, core: &Core, all: i64, vectors: i64) -> i64 {
    if all % core.threads != 0 {
        let at_once = if core.is_wide { 4 } else { rows_at_once(sizes, core, vectors).1 };
        return sizes.groups.min(at_once * core.lanes);
    }
    let part = all / core.threads % vectors.max(1);
    if part != 0 && vectors % part == 0 { part * core.lanes } else { sizes.groups }
}

/// Columns and vectors of channels that the kernel of AVX2 computes at once.
fn rows_at_once(sizes: &Sizes, core: &Core, vectors: i64) -> (i64, i64) {
    let at_once = vectors.clamp(1, 4);
    // One register for the input, one for each vector of weights.
    let sums = core.registers - (1 + at_once);
    (sizes.output[2].min(sums / at_once), at_once)
}
