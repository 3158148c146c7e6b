//! `openvino-gpu`: OpenVINO's GPU plugin, dynamic shapes, one stream.
//!
//! What a user can set, and what every run under the runtime assumes. No measured machine has the device: the
//! rules are read from the plugin's source and stated as assumptions.

use crate::dtype::DType;
use crate::runtime::Assumption;
use crate::runtime::options::{KV_PRECISION, LOGITS, OptionSpec, Registration, Values};

/// What a run under the GPU plugin depends on, other than the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenvinoGpu {
    /// The device has matrix engines (XMX): Arc, Core Ultra 200V and later. They decide which attentions stay whole.
    pub has_xmx: bool,
    /// `KV_CACHE_PRECISION`; `None`: f16 with XMX, else i8.
    pub kv_precision: Option<DType>,
    /// Logits are computed for the last token alone, as OpenVINO GenAI cuts the model.
    pub last_logits: bool,
}

impl Default for OpenvinoGpu {
    fn default() -> OpenvinoGpu {
        OpenvinoGpu { has_xmx: true, kv_precision: None, last_logits: false }
    }
}

impl OpenvinoGpu {
    /// What states of attention are stored in.
    ///
    /// Source: OpenVINO 2025.2, src/plugins/intel_gpu/src/runtime/execution_config.cpp.
    #[must_use]
    pub fn kv_precision(&self) -> DType {
        self.kv_precision.unwrap_or(if self.has_xmx { DType::F16 } else { DType::I8 })
    }

    /// The options by name, as the report lists them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let answer = if self.has_xmx { "yes" } else { "no" };
        let mut entries =
            vec![("xmx", answer.to_owned()), ("kv_precision", self.kv_precision().name().to_owned())];
        if self.last_logits {
            entries.push(("logits", "last".to_owned()));
        }
        entries
    }
}

/// What every run under the profile takes for granted.
const ASSUMPTIONS: &[(&str, &str)] = &[
    (
        "gpu-not-measured",
        "no rule of this profile has been validated on a device: all come from the plugin's source, version 2025.2",
    ),
    (
        "f16-on-device",
        "floats are f16 on the device and 64-bit integers 32 bits wide; inputs and outputs keep their own type in host \
         memory as well, and are converted",
    ),
    (
        "weights-on-device-once",
        "constants are uploaded, quantized ones as they are; their mapped file is let go",
    ),
    (
        "attention-scores",
        "attention stays one kernel if its inputs have four dims, its heads one static size, and that size suits the \
         device (XMX: at most 256; else 64 to 256 by 16); any other is written out, two f16 score matrices at a time. From \
         2025.3 on, OpenVINO GenAI asks for a kernel of its own for Qwen's vision towers, which has no scores",
    ),
    (
        "pooled-buffers",
        "a buffer takes the smallest block of the pool that is free while it lives, if it fills more than half of it; \
         blocks stay; element-wise operators are not fused",
    ),
    (
        "kv-preallocated",
        "a state has capacity for 128 to 191 tokens more than its length when it is allocated; the copy made when it grows is not \
         counted",
    ),
    ("driver-not-counted", "compiled kernels, the driver and its context are not counted"),
];

/// What every run under the runtime assumes.
pub(super) fn assumptions() -> Vec<Assumption> {
    crate::runtime::assumptions(ASSUMPTIONS)
}

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "openvino-gpu",
    help: "OpenVINO's GPU plugin; from its source, not validated on a device",
    options: &[KV_PRECISION, LOGITS, XMX],
    default_for: &[],
    make: |options| {
        let default = OpenvinoGpu::default();
        Ok(Box::new(OpenvinoGpu {
            has_xmx: options.word(XMX.name).map_or(default.has_xmx, |word| word == "yes"),
            kv_precision: options.dtype(KV_PRECISION.name)?,
            last_logits: options.word(LOGITS.name) == Some("last"),
        }))
    },
    short: &[],
    read_command: |_| Ok(None),
};

const XMX: OptionSpec = OptionSpec {
    name: "xmx",
    values: Values::OneOf(&["yes", "no"]),
    help: "Whether the GPU has matrix engines: Arc, Core Ultra 200V and later [default: yes]",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_decides_what_states_are_stored_in() {
        assert_eq!(OpenvinoGpu::default().kv_precision(), DType::F16);
        assert_eq!(OpenvinoGpu { has_xmx: false, ..OpenvinoGpu::default() }.kv_precision(), DType::I8);
    }
}
