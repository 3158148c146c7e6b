//! `openvino-cpu`: OpenVINO's CPU plugin, one stream, one socket.
//!
//! What a user can set, and what every run under the runtime assumes.

use crate::dtype::DType;
use crate::error::Result;
use crate::graph::Format;
use crate::machine::Machine;
use crate::runtime::Assumption;
use crate::runtime::openvino_cpu::calibration as fit;
use crate::runtime::openvino_cpu::execution::Precision;
use crate::runtime::openvino_cpu::memory::{MAP, WINDOW};
use crate::runtime::options::{
    ISA, KV_PRECISION, L2, LOGITS, OptionSpec, Options, Registration, THREADS, Values,
};

/// What a run under the CPU plugin depends on beside the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenvinoCpu {
    /// The processor; a stream has one thread per core (`INFERENCE_NUM_THREADS`).
    pub machine: Machine,
    /// `INFERENCE_PRECISION_HINT`; `None`: what the instruction set makes the default.
    pub precision: Option<DType>,
    /// `KV_CACHE_PRECISION`; `None`: what the export asks for, else u8.
    pub kv_precision: Option<DType>,
    /// Compiled as exported or with the bound shapes; `None`: as the input tells.
    pub reshape: Option<Reshape>,
    /// The weights' file is mapped (`ENABLE_MMAP`), not read into the heap.
    pub mmap: bool,
    /// Inferences that can run at once (`NUM_STREAMS`); one runs.
    pub streams: u32,
    /// Logits are computed for the last token alone, as OpenVINO GenAI cuts the model.
    pub last_logits: bool,
    /// Where keys and values lie between tokens.
    pub cache: Cache,
}

/// Where keys and values lie between tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cache {
    /// In states of the model, as exported.
    #[default]
    Stateful,
    /// In blocks of tokens that the runner allocates, read by PagedAttention.
    Paged,
}

impl OpenvinoCpu {
    /// What matrix products compute in: what was asked for, else what the instruction set makes the default.
    ///
    /// Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.cpp.
    #[must_use]
    pub fn precision(&self) -> Precision {
        match self.precision {
            Some(DType::BF16) => Precision::Bf16,
            Some(DType::F16) => Precision::F16,
            None if self.machine.isa.has_bf16() => Precision::Bf16,
            _ => Precision::F32,
        }
    }

    /// The options by name, as the report lists them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let Machine { isa, cores, l2, .. } = self.machine;
        let mut entries = vec![("threads", cores.to_string()), ("isa", isa.name().to_owned())];
        if l2 != Machine::MEASURED.l2 {
            entries.push(("l2", l2.to_string()));
        }
        let precision = self.precision.map(|dtype| ("precision", dtype.name().to_owned()));
        let kv_precision = self.kv_precision.map(|dtype| ("kv_precision", dtype.name().to_owned()));
        let reshape = self.reshape.map(|reshape| ("reshape", reshape.name().to_owned()));
        entries.extend([precision, kv_precision, reshape].into_iter().flatten());
        if !self.mmap {
            entries.push(("mmap", "off".to_owned()));
        }
        if self.streams > 1 {
            entries.push(("streams", self.streams.to_string()));
        }
        if self.last_logits {
            entries.push(("logits", "last".to_owned()));
        }
        if self.cache == Cache::Paged {
            entries.push(("attention", "paged".to_owned()));
        }
        entries
    }
}

impl Default for OpenvinoCpu {
    fn default() -> OpenvinoCpu {
        OpenvinoCpu {
            machine: Machine::default(),
            precision: None,
            kv_precision: None,
            reshape: None,
            mmap: true,
            streams: 1,
            last_logits: false,
            cache: Cache::default(),
        }
    }
}

/// What every run under the runtime assumes, with the figures of [`fit`].
pub(super) fn assumptions(machine: Machine) -> Vec<Assumption> {
    let table = [
        ("measured-machine", processor(machine)),
        ("one-request", "one request at a time, on one socket".to_owned()),
        (
            "runtime-objects",
            format!(
                "nodes, primitives and code generators by count, fitted to measured heaps (measured less predicted: \
                 {} of dynamic graphs, {} of static ones); the user's own copy of the model is released after compilation",
                fit::DYNAMIC.deviation(),
                fit::STATIC.deviation()
            ),
        ),
        (
            "generated-code",
            format!(
                "one map of {} KiB per generated kernel, counted by shapes and types (measured less predicted: {}); a page \
                 or two of each is resident",
                MAP.0 >> 10,
                fit::KERNELS.deviation()
            ),
        ),
        (
            "resident-set",
            format!(
                "beside what is allocated: {} of library pages once products run, and {} and {} per node that the allocator \
                 keeps; blocks that were outgrown may stay resident too, up to some 30 MiB",
                fit::LIBRARY_RUN_PRODUCTS.iec(1),
                fit::KEPT.iec(1),
                fit::KEPT_NODE.iec(1)
            ),
        ),
        (
            "tokens-looked-up",
            format!(
                "of an embedding table that is looked up alone, the {} KiB around each row are resident; tokens are spread \
                 over the first {} of the vocabulary",
                WINDOW >> 10,
                fit::FREQUENT_TOKENS
            ),
        ),
        (
            "kv-allocated-now",
            "where no earlier phase is walked, a state of attention is taken for allocated at its present length, which its \
             capacity is twice of"
                .to_owned(),
        ),
    ];
    table.into_iter().map(|(rule, text)| Assumption { rule, text }).collect()
}

/// What is assumed of the processor.
fn processor(machine: Machine) -> String {
    let Machine { isa, l1d, l2, .. } = machine;
    let of_core = format!(
        "{} KiB of L1 data and {} MiB of L2 cache per core",
        l1d.0 >> 10,
        l2.0 as f64 / f64::from(1 << 20)
    );
    let measured = Machine { cores: machine.cores, ..Machine::MEASURED };
    if machine == measured {
        return format!(
            "padding, scratch and selection of kernels as measured on x86-64 with AVX-512 and BF16, {of_core}; other \
             processors differ"
        );
    }
    format!("padding, scratch and selection of kernels as on x86-64 with {}, {of_core}", isa.name())
}

/// Which dims are known when the model is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reshape {
    /// Those that the export gives: the others stay free.
    Dynamic,
    /// All: the model was reshaped to the shapes of the run.
    Static,
}

impl Reshape {
    /// The choice of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Reshape> {
        [Reshape::Dynamic, Reshape::Static].into_iter().find(|reshape| reshape.name() == name)
    }

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reshape::Dynamic => "dynamic",
            Reshape::Static => "static",
        }
    }
}

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "openvino-cpu",
    help: "OpenVINO's CPU plugin, one stream, one socket",
    options: &[THREADS, ISA, L2, PRECISION, KV_PRECISION, RESHAPE, MMAP, STREAMS, LOGITS, ATTENTION, RUNNER],
    default_for: &[Format::OpenVino],
    make: |options| Ok(Box::new(parse(options)?)),
};

const PRECISION: OptionSpec = OptionSpec {
    name: "precision",
    values: Values::OneOf(&["f32", "bf16", "f16"]),
    help: "Element type that matrix products compute in [default: the instruction set's]",
};
const RESHAPE: OptionSpec = OptionSpec {
    name: "reshape",
    values: Values::OneOf(&["dynamic", "static"]),
    help: "Compile the model as exported, or with the bound shapes [default: dynamic; of an execution graph what it shows]",
};
const MMAP: OptionSpec = OptionSpec {
    name: "mmap",
    values: Values::OneOf(&["on", "off"]),
    help: "Map the weights' file, or read it into memory [default: on]",
};
const STREAMS: OptionSpec = OptionSpec {
    name: "streams",
    values: Values::Number(1, 1024),
    help: "Number of streams (concurrent inference requests); the estimate assumes one is active [default: 1]",
};
const ATTENTION: OptionSpec = OptionSpec {
    name: "attention",
    values: Values::OneOf(&["stateful", "paged"]),
    help: "KV cache in states of the model, or in blocks that the host application allocates [default: stateful]",
};
const RUNNER: OptionSpec = OptionSpec {
    name: "runner",
    values: Values::OneOf(&["plain", "genai"]),
    help: "Host application: `plain` runs the file as it is, `genai` is OpenVINO GenAI, as `--logits last --attention \
           paged` [default: plain]",
};

/// Makes the runtime's options of what was given.
fn parse(options: &Options) -> Result<OpenvinoCpu> {
    let default = OpenvinoCpu::default();
    let is_genai = options.word(RUNNER.name) == Some("genai");
    Ok(OpenvinoCpu {
        machine: options.machine()?,
        precision: options.dtype(PRECISION.name)?,
        kv_precision: options.dtype(KV_PRECISION.name)?,
        reshape: options.parsed(RESHAPE.name, Reshape::by_name)?,
        mmap: options.word(MMAP.name) != Some("off"),
        streams: options.number(STREAMS.name)?.unwrap_or(default.streams),
        last_logits: options.word(LOGITS.name).map_or(is_genai, |word| word == "last"),
        cache: match options.word(ATTENTION.name) {
            Some("paged") => Cache::Paged,
            None if is_genai => Cache::Paged,
            _ => Cache::Stateful,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Isa;

    #[test]
    fn the_instruction_set_decides_the_precision_unless_asked() {
        let on = |isa, precision| {
            let machine = Machine { isa, ..Machine::default() };
            OpenvinoCpu { machine, precision, ..OpenvinoCpu::default() }.precision()
        };
        assert_eq!(on(Isa::Avx512Bf16, None), Precision::Bf16);
        assert_eq!(on(Isa::Avx512Bf16, Some(DType::F32)), Precision::F32);
        assert_eq!(on(Isa::Avx2, None), Precision::F32);
        assert_eq!(on(Isa::Avx2, Some(DType::BF16)), Precision::Bf16);
    }
}
