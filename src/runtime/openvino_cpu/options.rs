//! `openvino-cpu`: OpenVINO's CPU plugin, one stream, one socket.
//!
//! What a user can set, and what every run under the runtime assumes.

use super::host::{Host, ModelCache, Scheduler};
use super::release::{Change, Release};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Format;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::Precision;
use crate::runtime::options::{
    ISA, KV_PRECISION, L2, LOGITS, OptionSpec, Options, Registration, THREADS, Values,
};

/// What a run under the CPU plugin depends on, other than the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenvinoCpu {
    /// The processor; a stream has one thread per core (`INFERENCE_NUM_THREADS`).
    pub machine: Machine,
    /// `INFERENCE_PRECISION_HINT`; `None`: what the instruction set makes the default.
    pub precision: Option<DType>,
    /// `KV_CACHE_PRECISION`; `None`: what the export asks for, else u8.
    pub kv_precision: Option<DType>,
    /// Compiled as exported or with the bound shapes; `None`: as the input says.
    pub reshape: Option<Reshape>,
    /// The weights' file is mapped (`ENABLE_MMAP`), not read into the heap.
    pub mmap: bool,
    /// Inferences that can run at once (`NUM_STREAMS`); one runs.
    pub streams: u32,
    /// Logits are computed for the last token alone, as OpenVINO GenAI cuts the model.
    pub last_logits: bool,
    /// Where keys and values are between tokens.
    pub cache: Cache,
    /// `EXECUTION_MODE_HINT=ACCURACY`: no precision is lowered but what is asked for.
    pub is_accurate: bool,
    /// `DYNAMIC_QUANTIZATION_GROUP_SIZE`; `None`: what the mode makes the default.
    pub quantization_group: Option<u32>,
    /// Whether a compiled model is written to `CACHE_DIR`, or read from it.
    pub model_cache: ModelCache,
    /// Who runs the model.
    pub host: Host,
    /// Whose rules are applied.
    pub release: Release,
}

/// Where keys and values are between tokens.
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
    /// What matrix products compute in: what was asked for, else what the instruction set and the mode make the default.
    ///
    /// f16 needs its instructions (AVX512_FP16, which every processor with AMX has): without them it is bf16, and without
    /// those f32.
    ///
    /// Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.cpp (`readProperties`),
    /// src/plugins/intel_cpu/src/utils/precision_support.cpp (`hasHardwareSupport`); a run with the hint f16 on AVX512_BF16 computes
    /// in bf16.
    #[must_use]
    pub fn precision(&self) -> Precision {
        let isa = self.machine.isa;
        let bf16 = if isa.has_bf16() { Precision::Bf16 } else { Precision::F32 };
        match self.precision {
            Some(DType::BF16) => Precision::Bf16,
            Some(DType::F16) if isa.has_amx() => Precision::F16,
            Some(DType::F16) => bf16,
            None if !self.is_accurate => bf16,
            _ => Precision::F32,
        }
    }

    /// The element type of keys and values, for the hint that holds: of a state the plugin knows u8, half precision where it
    /// does not compute in bf16, and else what it computes in. A paged cache has the type of the hint, but never half
    /// precision where bf16 is computed in.
    ///
    /// Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/nodes/scaled_attn.cpp (`getKVCachePrecision`); for a paged cache
    /// src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp (`format_cache_precision`).
    #[must_use]
    pub fn state_precision(&self, hint: DType) -> DType {
        let computed = self.precision();
        match (hint, computed, self.cache) {
            (DType::U8, ..) => DType::U8,
            (DType::F16, Precision::Bf16, _) => DType::BF16,
            (DType::F16, ..) => DType::F16,
            (hint, _, Cache::Paged) => hint,
            (_, computed, Cache::Stateful) => computed.dtype(),
        }
    }

    /// The hint for keys and values: what was asked for, else what the mode makes the default, if it makes one.
    #[must_use]
    pub fn state_hint(&self) -> Option<DType> {
        self.kv_precision.or_else(|| self.is_accurate.then_some(DType::F32))
    }

    /// Numbers of the data of a product with quantized weights that are quantized together; `None`: they are not.
    ///
    /// Source: `useDynamicQuantizationImpl`, OpenVINO 2026.4,
    /// src/plugins/intel_cpu/src/nodes/executors/dnnl/dnnl_fullyconnected_primitive.cpp.
    #[must_use]
    pub fn quantization_group(&self) -> Option<u64> {
        const LEAST: u32 = 16;
        let isa = self.machine.isa;
        let has_tiles = isa.has_amx() && self.precision() != Precision::F32;
        let group = self.asked_group();
        let has_kernel = isa.has_vnni() && !has_tiles && !self.release.has(Change::QuantizesNoData);
        let is_used = group >= LEAST && group.is_multiple_of(LEAST) && has_kernel;
        is_used.then_some(u64::from(group))
    }

    /// Numbers of data that the plugin is asked to quantize together, whether it does or not; 0: none.
    ///
    /// Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.h (32), config.cpp (`readProperties`).
    pub(super) fn asked_group(&self) -> u32 {
        const DEFAULT: u32 = 32;
        self.quantization_group.unwrap_or(if self.is_accurate { 0 } else { DEFAULT })
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
        if self.is_accurate {
            entries.push(("execution_mode", "accuracy".to_owned()));
        }
        if let Some(group) = self.quantization_group {
            entries.push(("dynamic_quantization_group", group.to_string()));
        }
        if self.release != Release::default() {
            entries.push(("runtime_version", self.release.name().to_owned()));
        }
        let model_cache = MODEL_CACHES.iter().find(|(_, cache)| *cache == self.model_cache);
        entries.extend(model_cache.map(|(name, _)| ("cache_dir", (*name).to_owned())));
        if let Host::GenAi(Scheduler { cache, batched_tokens, has_prefix_cache }) = self.host {
            entries.extend(cache.map(|cache| ("cache_size", cache.0.to_string())));
            entries.extend(batched_tokens.map(|tokens| ("max_num_batched_tokens", tokens.to_string())));
            entries.extend(has_prefix_cache.then(|| ("prefix_caching", "on".to_owned())));
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
            is_accurate: false,
            quantization_group: None,
            model_cache: ModelCache::default(),
            host: Host::default(),
            release: Release::default(),
        }
    }
}

const MODEL_CACHES: [(&str, ModelCache); 2] = [("first", ModelCache::First), ("import", ModelCache::Import)];

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
    options: &[
        THREADS,
        ISA,
        L2,
        PRECISION,
        KV_PRECISION,
        RESHAPE,
        MMAP,
        STREAMS,
        LOGITS,
        ATTENTION,
        RUNNER,
        EXECUTION_MODE,
        QUANTIZATION_GROUP,
        CACHE_DIR,
        RUNTIME_VERSION,
        CACHE_SIZE,
        BATCHED_TOKENS,
        PREFIX_CACHING,
    ],
    default_for: &[Format::OpenVino],
    make: |options| Ok(Box::new(parse(options)?)),
    short: &[],
    read_command: |_| Ok(None),
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
           paged` [default: plain; of `vlm`: genai]",
};

const RUNTIME_VERSION: OptionSpec = OptionSpec {
    name: "runtime-version",
    values: Values::OneOf(&Release::NAMES),
    help: "Release of OpenVINO whose rules are applied [default: 2026.4]",
};
const EXECUTION_MODE: OptionSpec = OptionSpec {
    name: "execution-mode",
    values: Values::OneOf(&["performance", "accuracy"]),
    help: "Execution mode hint; `accuracy` lowers no precision, and quantizes neither data nor the KV cache [default: \
           performance]",
};
const QUANTIZATION_GROUP: OptionSpec = OptionSpec {
    name: "dynamic-quantization-group",
    values: Values::Number(0, u32::MAX),
    help: "Group size of dynamic quantization; 0: off [default: 32, and off with `--execution-mode accuracy`]",
};
const CACHE_DIR: OptionSpec = OptionSpec {
    name: "cache-dir",
    values: Values::OneOf(&["first", "import"]),
    help: "A model cache (CACHE_DIR) that the compiled model is written to, or imported from [default: none]",
};
const CACHE_SIZE: OptionSpec = OptionSpec {
    name: "cache-size",
    values: Values::Size,
    help: "KV cache that OpenVINO GenAI allocates at once (SchedulerConfig), such as 1GiB [default: it grows]",
};
const BATCHED_TOKENS: OptionSpec = OptionSpec {
    name: "max-num-batched-tokens",
    values: Values::Number(1, u32::MAX),
    help: "Tokens that OpenVINO GenAI runs at once at most (SchedulerConfig) [default: any number; 256 where another option \
           of the scheduler is given]",
};
const PREFIX_CACHING: OptionSpec = OptionSpec {
    name: "prefix-caching",
    values: Values::Flag,
    help: "OpenVINO GenAI keeps the cache of earlier prompts (SchedulerConfig)",
};

/// Makes the runtime's options of what was given.
fn parse(options: &Options) -> Result<OpenvinoCpu> {
    let default = OpenvinoCpu::default();
    let is_genai = options.word(RUNNER.name) == Some("genai");
    let scheduler = Scheduler {
        cache: options.size(CACHE_SIZE.name)?,
        batched_tokens: options.number(BATCHED_TOKENS.name)?,
        has_prefix_cache: options.flag(PREFIX_CACHING.name),
    };
    if scheduler != Scheduler::default() && !is_genai {
        let message =
            "an option of OpenVINO GenAI's scheduler was given, and the model is run by another program";
        return Err(Error::new(ErrorKind::Usage, message).help("add `--runner genai`"));
    }
    let model_cache =
        |word: &str| MODEL_CACHES.iter().find(|(name, _)| *name == word).map(|&(_, cache)| cache);
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
        is_accurate: options.word(EXECUTION_MODE.name) == Some("accuracy"),
        quantization_group: options.number(QUANTIZATION_GROUP.name)?,
        model_cache: options.parsed(CACHE_DIR.name, model_cache)?.unwrap_or_default(),
        release: options.parsed(RUNTIME_VERSION.name, Release::by_name)?.unwrap_or_default(),
        host: if is_genai { Host::GenAi(scheduler) } else { Host::Plain },
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
        assert_eq!(on(Isa::Avx512Bf16, Some(DType::F16)), Precision::Bf16);
        assert_eq!(on(Isa::Amx, Some(DType::F16)), Precision::F16);
        assert_eq!(on(Isa::Avx2, Some(DType::F16)), Precision::F32);
    }

    #[test]
    fn states_have_the_precision_that_the_plugin_makes_of_the_hint() {
        let of = |precision, hint| {
            let options = OpenvinoCpu { precision: Some(precision), ..OpenvinoCpu::default() };
            options.state_precision(hint)
        };
        assert_eq!(of(DType::BF16, DType::F32), DType::BF16);
        assert_eq!(of(DType::BF16, DType::F16), DType::BF16);
        assert_eq!(of(DType::F32, DType::F16), DType::F16);
        assert_eq!(of(DType::F32, DType::BF16), DType::F32);
        assert_eq!(of(DType::F32, DType::U8), DType::U8);
    }

    #[test]
    fn data_are_quantized_where_products_of_bytes_are_instructions_and_tiles_are_not() {
        let of = |isa, group, is_accurate| {
            let machine = Machine { isa, ..Machine::default() };
            let options =
                OpenvinoCpu { machine, quantization_group: group, is_accurate, ..OpenvinoCpu::default() };
            options.quantization_group()
        };
        assert_eq!(of(Isa::Avx512Bf16, None, false), Some(32));
        assert_eq!(of(Isa::Avx512Bf16, Some(128), false), Some(128));
        assert_eq!(of(Isa::Avx512Bf16, Some(0), false), None);
        assert_eq!(of(Isa::Avx512Bf16, None, true), None);
        assert_eq!((of(Isa::Avx2, None, false), of(Isa::Amx, None, false)), (None, None));
    }
}
