//! Products that nodes of tiles take in.
//!
//! On a processor with AMX, some groups of products are one node that packs their weights itself and computes in tiles, in bf16
//! (or in f16, where tiles of f16 exist): [`super::gated_mlp`] and [`super::qkv_projection`]. They take products `x w^T` with
//! a constant of f16 or f32, which is converted to f16 when the model is compiled, or of i8 with one scale per output. The
//! latter need data that are quantized in groups as long as the input.
//!
//! Source: OpenVINO 2026.4.1 on a processor with AMX, execution graphs of small models; patterns of
//! src/plugins/intel_cpu/src/transformations/cpu_opset/x64/pass.

use super::weights::{self, Weight};
use super::work::{Edge, Work};
use crate::DType;
use crate::graph::Op;
use crate::machine::Isa;
use crate::runtime::openvino_cpu::execution::Precision;

/// Columns of a tile of 16-bit numbers.
///
/// Source: `REG_BLK_K_SIZE` and `REG_BLK_N_SIZE`, OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/kernels/x64/mlp_kernel.hpp.
pub(super) const TILE: u64 = 32;

/// Whether the processor computes products of the model's precision in tiles.
///
/// Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp (`PostLpt`).
pub(super) fn has_tiles(work: &Work<'_>) -> bool {
    let isa = work.options.machine.isa;
    match work.options.precision {
        Precision::Bf16 => isa.has_amx(),
        Precision::F16 => isa == Isa::AmxFp16,
        Precision::F32 => false,
    }
}

/// A product without a bias.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TileProduct {
    /// What is multiplied.
    pub data: Edge,
    /// Its weight, [outputs, inputs].
    pub weight: Weight,
    /// Outputs and inputs.
    pub dims: [u64; 2],
}

impl TileProduct {
    /// The product that a node is; `None`: no node of tiles takes it in.
    pub(super) fn of(work: &Work<'_>, node: usize) -> Option<TileProduct> {
        let of = &work.nodes[node];
        let Op::MatMul { transpose_a: false, transpose_b: true } = of.op else { return None };
        let weight = weights::behind(work, of.input(1)?)?;
        let stored = work.tensor(weight.stored);
        let [outputs, inputs] = &*stored.dims else { return None };
        let dims = [outputs.size(), inputs.size()];
        let fits = match weight.scale {
            None => matches!(stored.dtype, DType::F16 | DType::F32),
            Some(scale) => {
                let is_per_output =
                    matches!(&*work.tensor(scale).dims, [rows, one] if rows.size() == dims[0] && one.is(1));
                stored.dtype == DType::I8 && weight.zero_point.is_none() && is_per_output
            }
        };
        fits.then_some(TileProduct { data: of.input(0)?, weight, dims })
    }

    /// Whether weights have 8 bits.
    pub(super) fn is_quantized(&self) -> bool {
        self.weight.scale.is_some()
    }

    /// Whether data are quantized in groups that are long enough, where weights have 8 bits.
    ///
    /// Source: `LLMMLP::isSupportedOperation` and `QKVProjection::isSupportedOperation`, OpenVINO 2026.4,
    /// src/plugins/intel_cpu/src/nodes/llm_mlp.cpp and qkv_proj.cpp.
    pub(super) fn has_groups(&self, work: &Work<'_>) -> bool {
        !self.is_quantized() || work.options.quantization_group >= self.dims[1]
    }
}
