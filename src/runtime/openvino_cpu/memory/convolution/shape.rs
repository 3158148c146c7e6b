//! A convolution as the library sees it: sizes, types, and the processor that it runs on.

use crate::machine::{Isa, Machine};
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::ZeroPoints;

/// Sizes of one convolution. Arrays are depth, height and width; those that it lacks are 1, or 0 for padding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::runtime::openvino_cpu) struct Sizes {
    pub batch: i64,
    pub groups: i64,
    /// Output channels of a group.
    pub outputs: i64,
    /// Input channels of a group.
    pub inputs: i64,
    pub input: [i64; 3],
    pub output: [i64; 3],
    pub kernel: [i64; 3],
    pub stride: [i64; 3],
    /// Distance between elements of the kernel, 1 where it is dense.
    pub dilation: [i64; 3],
    pub pad: [i64; 3],
    /// Spatial dims: 1 to 3.
    pub n_spatial: usize,
    /// The weights have a dim of groups.
    pub is_grouped: bool,
    /// Bytes of an element of the input, of the weights and of the output.
    pub bytes: [i64; 3],
    /// A bias or an activation is fused.
    pub has_post_operation: bool,
    /// The sum with another tensor is fused.
    pub has_sum: bool,
    /// Zero points of data in bytes.
    pub zero_points: ZeroPoints,
    /// Data have zero points per channel, and what is written has a scale.
    pub has_output_scale: bool,
    /// Columns were moved to channels.
    pub has_moved_columns: bool,
}

/// What of the processor decides block sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Core {
    /// Vector registers.
    pub registers: i64,
    /// Elements of 4 bytes in a vector.
    pub lanes: i64,
    /// Vectors have 512 bits.
    pub is_wide: bool,
    /// Products of bytes have no instruction of their own, and take two more registers.
    pub emulates_bytes: bool,
    /// Products are computed in tiles.
    pub has_tiles: bool,
    pub threads: i64,
    pub l1: i64,
    pub l2: i64,
}

impl Core {
    pub(super) fn new(machine: &Machine, sizes: &Sizes) -> Core {
        let is_wide = machine.isa.has_avx512();
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX / 8);
        Core {
            registers: if is_wide { 32 } else { 16 },
            lanes: if is_wide { 16 } else { 8 },
            is_wide,
            emulates_bytes: sizes.bytes[0] == 1 && machine.isa < Isa::Avx2Vnni,
            has_tiles: machine.isa.has_amx()
                && sizes.bytes[0] < 4
                && sizes.zero_points != ZeroPoints::PerChannel,
            threads: i64::from(machine.cores.max(1)),
            l1: bytes(machine.l1d.0),
            l2: bytes(if is_wide { machine.l2.0 } else { fit::CACHE_AVX2.per(machine.l2.0).known().0 }),
        }
    }

    /// The first-level cache that a search counts on.
    ///
    /// Source: `init_jcp`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
    pub(super) fn usable_l1(&self) -> i64 {
        self.l1 * 7 / 8
    }

    /// The second-level cache that a search counts on.
    pub(super) fn usable_l2(&self) -> i64 {
        self.l2 * 3 / 4
    }
}

impl Sizes {
    /// Multiplications for the larger of the input and the output; saturates.
    pub(super) fn multiplications(&self) -> u128 {
        let product = |dims: &[i64]| {
            dims.iter().fold(1_u128, |product, &dim| product.saturating_mul(u128::from(dim.unsigned_abs())))
        };
        let points = product(&self.input).max(product(&self.output));
        let each = product(&[self.batch, self.groups, self.outputs, self.inputs]);
        points.saturating_mul(each).saturating_mul(product(&self.kernel))
    }

    /// Elements of the kernel that it covers, with the gaps.
    pub(super) fn extent(&self, axis: usize) -> i64 {
        (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// Padding behind the last element that is read.
    pub(super) fn end_pad(&self, axis: usize) -> i64 {
        (self.output[axis] - 1) * self.stride[axis] + self.extent(axis) - self.input[axis] - self.pad[axis]
    }

    pub(super) fn padded(&self, axis: usize) -> i64 {
        self.input[axis] + self.pad[axis] + self.end_pad(axis)
    }

    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel == [1; 3] && (0..3).all(|axis| self.pad[axis] <= 0 && self.end_pad(axis) <= 0)
    }

    pub(super) fn is_depthwise(&self) -> bool {
        self.is_grouped && self.groups > 1 && self.outputs == 1 && self.inputs == 1
    }

    /// Elements of the input that a step of an instruction takes.
    pub(super) fn granularity(&self) -> i64 {
        (4 / self.bytes[1].max(1)).max(1)
    }

    /// Input elements that fill a vector.
    pub(super) fn simd(&self, core: &Core) -> i64 {
        core.lanes * 4 / self.bytes[0].max(1)
    }

    pub(super) fn output_points(&self) -> i64 {
        self.output.iter().product()
    }

    /// Input columns that `columns` outputs read by a kernel of `kernel` columns.
    pub(super) fn input_columns(&self, columns: i64, kernel: i64, limit: i64) -> i64 {
        limit.min((columns - 1) * self.stride[2] + (kernel - 1) * self.dilation[2] + 1)
    }

    /// The same convolution with columns moved to channels, where strides skip whole columns.
    ///
    /// Source: `trans_dim_koef`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp (`init_jcp`).
    pub(super) fn with_columns_as_channels(mut self, core: &Core) -> Sizes {
        let simd = self.simd(core);
        let fits = |inputs: i64| inputs <= simd || inputs % simd == 0;
        let applies = self.groups == 1
            && self.dilation[2] == 1
            && self.kernel[2] > 1
            && self.stride[2] > 1
            && self.pad[2] <= 0
            && self.end_pad(2) <= 0
            && self.inputs % self.granularity() == 0
            && fits(self.inputs);
        if !applies {
            return self;
        }
        let most = self.kernel[2].min(self.stride[2]).min(self.input[2]);
        let divides =
            |by: i64| [self.input[2], self.kernel[2], self.stride[2]].iter().all(|size| size % by == 0);
        let factor = (1..=most).rev().find(|&by| divides(by) && fits(self.inputs * by)).unwrap_or(1);
        self.has_moved_columns = factor > 1;
        self.inputs *= factor;
        self.input[2] /= factor;
        self.kernel[2] /= factor;
        self.stride[2] /= factor;
        self
    }
}

impl Sizes {
    /// The same convolution of one element with input channels that fill instructions of tiles, or tiles where they are more
    /// than one has.
    ///
    /// Source: `init_1x1_conf` (`do_zeropad`), oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp, which leaves channels that fill
    /// tiles in part (`extendable_k`) to the kernel; the library in OpenVINO 2026.4.1 pads those, too: names of the kernels
    /// of a ShuffleNet v2 with 58, 116, 232 and 464 channels.
    pub(super) fn with_padded_inputs(mut self, core: &Core) -> Sizes {
        if core.has_tiles {
            let simd = self.simd(core);
            let whole = if self.inputs <= simd { self.granularity() } else { simd };
            self.inputs = round_up(self.inputs, whole);
        }
        self
    }

    /// Whether every position of the kernel meets the image, whose rows are not too long to be one dim.
    ///
    /// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
    pub(super) fn is_inside(&self) -> bool {
        let inside =
            |axis: usize| self.pad[axis] < self.kernel[axis] && self.end_pad(axis) < self.kernel[axis];
        (0..3).all(inside) && self.padded(2) < 10_800
    }

    /// Whether rows of the output are one dim, where the input is copied and no row is masked.
    ///
    /// Source: `init_conf`, oneDNN 3.13, src/cpu/x64/jit_brgemm_conv_utils.cpp.
    pub(super) fn joins_rows(&self) -> bool {
        self.is_inside() && self.stride[1] == 1 && (self.output[2] == 1 || self.extent(2) <= self.stride[2])
    }

    /// Whether tiles are left to others: few positions of few channels, and sizes that the library lists.
    ///
    /// Source: `init_jcp` (`is_small_shape`, `is_3d_small_ic`) and `init_conf`, oneDNN 3.13,
    /// src/cpu/x64/jit_brgemm_conv_utils.cpp.
    pub(super) fn is_small_for_tiles(&self, core: &Core) -> bool {
        let channels = self.batch * self.groups * self.inputs * self.outputs;
        let most = core.usable_l1() / if self.is_pointwise() { 2 } else { 1 };
        let is_small = self.output_points() <= 4 && self.inputs <= 512 && channels <= most;
        let is_thin = self.n_spatial == 3
            && self.inputs * self.outputs <= 32
            && self.output.iter().all(|&size| size >= 128);
        is_small || is_thin
    }
}

pub(super) fn div_up(value: i64, by: i64) -> i64 {
    if by <= 0 { 0 } else { (value + by - 1).div_euclid(by) }
}

pub(super) fn round_up(value: i64, to: i64) -> i64 {
    div_up(value, to) * to.max(1)
}
