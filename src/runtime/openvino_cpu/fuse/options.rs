//! What the fusions depend on apart from the graph.

use crate::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::Precision;
use crate::runtime::openvino_cpu::release::Release;

/// How the model is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What matrix products compute in.
    pub precision: Precision,
    /// Free dims stay free; else the model is compiled with the dims of this run.
    pub is_dynamic: bool,
    /// Logits are computed for the last token alone.
    pub last_logits: bool,
    /// What attention state is stored in; `None`: as the file or the plugin has it.
    pub kv_precision: Option<DType>,
    /// Attention reads a cache of blocks instead of states, as OpenVINO GenAI converts the model.
    pub is_paged: bool,
    /// Numbers of data that are to be quantized together where weights have few bits; 0: none.
    pub quantization_group: u64,
    /// The processor that it is compiled for.
    pub machine: Machine,
    /// The release that compiles it.
    pub release: Release,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            precision: Precision::Bf16,
            is_dynamic: true,
            last_logits: false,
            kv_precision: None,
            is_paged: false,
            quantization_group: 0,
            machine: Machine::MEASURED,
            release: Release::default(),
        }
    }
}
