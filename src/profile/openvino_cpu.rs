//! `openvino-cpu`: OpenVINO's CPU plugin, one stream, one socket.
//!
//! The rules themselves are in [`crate::lower`]; what a user can set is here.

use super::{Profile, Runtime};
use crate::dtype::DType;
use crate::plan::Planner;

/// What a run under the CPU plugin depends on beside the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenvinoCpu {
    /// Threads of the stream (`INFERENCE_NUM_THREADS`).
    pub threads: u32,
    /// Instruction set.
    pub isa: Isa,
    /// `INFERENCE_PRECISION_HINT`; `None`: what the instruction set makes the default.
    pub precision: Option<DType>,
    /// `KV_CACHE_PRECISION`; `None`: what the export asks for, else u8.
    pub kv_precision: Option<DType>,
    /// Compiled as exported or with the bound shapes; `None`: as the input tells.
    pub reshape: Option<Reshape>,
}

impl Default for OpenvinoCpu {
    fn default() -> OpenvinoCpu {
        OpenvinoCpu { threads: 2, isa: Isa::Avx512Bf16, precision: None, kv_precision: None, reshape: None }
    }
}

impl Profile {
    /// OpenVINO's CPU plugin under `options`.
    #[must_use]
    pub fn openvino_cpu(options: OpenvinoCpu) -> Profile {
        Profile {
            name: "openvino-cpu",
            version: "2026.4.1",
            planner: Planner::Openvino,
            alignment: 1,
            assumptions: &[],
            runtime: Runtime::OpenvinoCpu(options),
        }
    }
}

/// Instruction set of the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX2.
    Avx2,
    /// AVX-512 without bfloat16.
    Avx512,
    /// AVX-512 with bfloat16: what every rule was measured on.
    #[default]
    Avx512Bf16,
    /// AMX tiles.
    Amx,
    /// 64-bit ARM.
    Arm,
}

impl Isa {
    /// The words of `--isa`.
    pub const NAMES: &'static [&'static str] = &["avx2", "avx512", "avx512-bf16", "amx", "arm"];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
            Isa::Arm => "arm",
        }
    }

    /// The instruction set of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Isa> {
        [Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx, Isa::Arm]
            .into_iter()
            .find(|isa| isa.name() == name)
    }
}

/// Which dims are known when the model is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reshape {
    /// Those that the export gives: the others stay free.
    Dynamic,
    /// All: the model was reshaped to the shapes of the run.
    Static,
}
