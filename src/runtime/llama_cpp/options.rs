//! Options of llama.cpp, named as it names them.

use super::offload::{Given, Offload, Override, SplitMode};
use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::machine::Machine;
use crate::runtime::options::{ISA, LOGITS, OptionSpec, Options, THREADS, Values};

/// The program that hosts llama.cpp; it decides defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrontEnd {
    /// A program on the library, such as llama-cpp-python.
    Library,
    /// `llama-cli`.
    Cli,
    /// `llama-server`.
    #[default]
    Server,
}

/// llama.cpp under its options.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LlamaCpp {
    /// The host program.
    pub front_end: FrontEnd,
    /// Tokens of the context; `None`: those that the model was trained with.
    pub context: Option<u64>,
    /// Tokens of a logical batch at most.
    pub batch: u64,
    /// Tokens of one pass at most.
    pub ubatch: u64,
    /// Sequences at most; `None`: the host program's default.
    pub parallel: Option<u64>,
    /// Sequences share cells; `None`: the host program's default.
    pub is_unified: Option<bool>,
    /// Attention is one operator.
    pub flash_attention: bool,
    /// Only where the devices of all layers compute it.
    pub is_flash_automatic: bool,
    /// Type of cached keys.
    pub key_type: GgmlType,
    /// Type of cached values.
    pub value_type: GgmlType,
    /// Weights are mapped.
    pub mmap: bool,
    /// Mapped pages are pinned.
    pub mlock: bool,
    /// Weights may be stored in other layouts.
    pub repack: bool,
    /// A window's cache has cells for all tokens.
    pub swa_full: bool,
    /// Hidden states are returned.
    pub embedding: bool,
    /// How hidden states become one, by its number in llama.h; `None`: as the file says.
    pub pooling: Option<u64>,
    /// Outputs of a batch at most; `None`: the host program's default.
    pub outputs: Option<u64>,
    /// Results of every token of a batch are wanted, not of the last only.
    pub all_logits: bool,
    /// Devices, and what is on them.
    pub offload: Offload,
    /// MiB of llama-server's prompt cache once it is full; 0: it is not counted.
    pub cache_ram: u64,
    /// Checkpoints of each of llama-server's slots once all are made; 0: they are not counted.
    pub checkpoints: u64,
    /// The processor.
    pub machine: Machine,
}

impl Default for LlamaCpp {
    fn default() -> LlamaCpp {
        LlamaCpp {
            front_end: FrontEnd::default(),
            context: None,
            batch: 2048,
            ubatch: 512,
            parallel: None,
            is_unified: None,
            flash_attention: true,
            is_flash_automatic: true,
            key_type: GgmlType::F16,
            value_type: GgmlType::F16,
            mmap: true,
            mlock: false,
            repack: true,
            swa_full: false,
            embedding: false,
            pooling: None,
            outputs: None,
            all_logits: false,
            offload: Offload::default(),
            cache_ram: 0,
            checkpoints: 0,
            machine: Machine::MEASURED,
        }
    }
}

impl LlamaCpp {
    /// Sequences at most.
    ///
    /// Source: llama.cpp 0.5.0, tools/server/server.cpp: a server that was given no number has four slots.
    pub(super) fn parallel(&self) -> u64 {
        let default = if self.front_end == FrontEnd::Server { 4 } else { 1 };
        self.parallel.unwrap_or(default).max(1)
    }

    /// Whether sequences share cells.
    ///
    /// Source: llama.cpp 0.5.0, tools/server/server.cpp: slots share cells where their number was not given.
    pub(super) fn kv_unified(&self) -> bool {
        self.is_unified.unwrap_or(self.front_end == FrontEnd::Server && self.parallel.is_none())
    }

    /// Makes the runtime of options.
    pub(super) fn of(options: &Options) -> Result<LlamaCpp> {
        let default = LlamaCpp::default();
        let number = |name: &str| Ok::<_, Error>(options.number(name)?.map(u64::from));
        let cache_type = |name: &str| -> Result<GgmlType> {
            Ok(options.parsed(name, GgmlType::from_name)?.unwrap_or(GgmlType::F16))
        };
        let front_end = match options.word(FRONT_END.name) {
            Some("library") => FrontEnd::Library,
            Some("cli") => FrontEnd::Cli,
            _ => FrontEnd::Server,
        };
        let pooling =
            options.word(POOLING.name).and_then(|word| POOLINGS.iter().position(|&own| own == word));
        let flash_attention = options.word(FLASH_ATTENTION.name) != Some("off");
        let is_asked = matches!(options.word(FLASH_ATTENTION.name), Some("on" | "off"));
        let (key_type, value_type) = (cache_type(KEY_TYPE.name)?, cache_type(VALUE_TYPE.name)?);
        if value_type.is_quantized() && !flash_attention {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("llama.cpp refuses cached values of {} without flash attention", value_type.name()),
            )
            .help("use `--flash-attn on`, or `--cache-type-v f16`"));
        }
        Ok(LlamaCpp {
            front_end,
            context: number(CONTEXT.name)?.filter(|&context| context > 0),
            batch: number(BATCH.name)?.unwrap_or(default.batch),
            ubatch: number(UBATCH.name)?.unwrap_or(default.ubatch),
            parallel: number(PARALLEL.name)?,
            is_unified: options.flag(UNIFIED.name).then_some(true),
            flash_attention,
            // Quantized values need it, so that nothing is left to decide.
            is_flash_automatic: !is_asked && !value_type.is_quantized(),
            key_type,
            value_type,
            mmap: !options.flag(NO_MMAP.name),
            mlock: options.flag(MLOCK.name),
            repack: !options.flag(NO_REPACK.name),
            swa_full: options.flag(SWA_FULL.name),
            embedding: options.flag(EMBEDDING.name),
            pooling: pooling.map(|number| number as u64),
            outputs: number(OUTPUTS.name)?.filter(|&outputs| outputs > 0),
            all_logits: options.word(LOGITS.name) == Some("all"),
            offload: offload(options)?,
            cache_ram: unlimited(options, CACHE_RAM.name)?,
            checkpoints: unlimited(options, CHECKPOINTS.name)?,
            machine: options.machine()?,
        })
    }

    /// How attention is computed; without devices, the CPU decides nothing.
    fn flash_word(&self) -> &'static str {
        match (self.flash_attention, self.is_flash_automatic && !self.offload.devices.is_empty()) {
            (_, true) => "auto",
            (true, false) => "on",
            (false, false) => "off",
        }
    }

    /// Options that differ from the defaults of llama-server, and those that every report lists.
    pub(super) fn entries(&self) -> Vec<(&'static str, String)> {
        let front_end = match self.front_end {
            FrontEnd::Library => "library",
            FrontEnd::Cli => "cli",
            FrontEnd::Server => "server",
        };
        let mut entries = vec![
            (FRONT_END.name, front_end.to_owned()),
            (BATCH.name, self.batch.to_string()),
            (UBATCH.name, self.ubatch.to_string()),
            (PARALLEL.name, self.parallel().to_string()),
            (UNIFIED.name, self.kv_unified().to_string()),
            (FLASH_ATTENTION.name, self.flash_word().to_owned()),
            (KEY_TYPE.name, self.key_type.name().to_owned()),
            (VALUE_TYPE.name, self.value_type.name().to_owned()),
            (THREADS.name, self.machine.cores.to_string()),
            (ISA.name, self.machine.isa.name().to_owned()),
        ];
        let optional = [(CONTEXT.name, self.context), (OUTPUTS.name, self.outputs)];
        entries.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?.to_string()))));
        let pooling = self.pooling.and_then(|number| POOLINGS.get(number as usize));
        entries.extend(pooling.map(|word| (POOLING.name, (*word).to_owned())));
        let flags = [
            (NO_MMAP.name, !self.mmap),
            (MLOCK.name, self.mlock),
            (NO_REPACK.name, !self.repack),
            (SWA_FULL.name, self.swa_full),
            (EMBEDDING.name, self.embedding),
        ];
        let counted = [(CACHE_RAM.name, self.cache_ram), (CHECKPOINTS.name, self.checkpoints)];
        let counted = counted.into_iter().filter(|&(_, number)| number > 0);
        entries.extend(counted.map(|(name, number)| (name, number.to_string())));
        entries.extend(offload_entries(&self.offload));
        entries.extend(self.all_logits.then(|| (LOGITS.name, "all".to_owned())));
        entries
            .extend(flags.into_iter().filter(|&(_, given)| given).map(|(name, _)| (name, "true".to_owned())));
        entries
    }
}

/// A number whose negative values mean no limit, so that nothing can be counted.
fn unlimited(options: &Options, name: &str) -> Result<u64> {
    let parse = |word: &str| word.parse::<i64>().ok().map(|number| u64::try_from(number).unwrap_or(0));
    Ok(options.parsed(name, parse)?.unwrap_or(0).min(1 << 24))
}

/// Devices, and what is on them.
fn offload(options: &Options) -> Result<Offload> {
    let main = options.parsed(MAIN_GPU.name, |word| word.parse::<i64>().ok())?.unwrap_or(0);
    let mode = match options.word(SPLIT_MODE.name) {
        // A negative number is none of them.
        Some("none") => SplitMode::One(u64::try_from(main).ok()),
        Some("row") => SplitMode::Rows,
        Some("tensor") => SplitMode::Tensors,
        _ => SplitMode::Layers,
    };
    let given = Given {
        devices: options.word(DEVICE.name),
        memory: options.word(DEVICE_MEMORY.name),
        layers: options.word(GPU_LAYERS.name),
        split: options.word(TENSOR_SPLIT.name),
        overrides: options.word(OVERRIDE_TENSOR.name),
        cpu_experts: options.number(N_CPU_MOE.name)?.map(u64::from),
        all_cpu_experts: options.flag(CPU_MOE.name),
        mode,
    };
    let made = Offload::of(given)?;
    Ok(Offload {
        caches: !options.flag(NO_KV_OFFLOAD.name),
        operators: !options.flag(NO_OP_OFFLOAD.name),
        host: !options.flag(NO_HOST.name),
        projector: made.projector.filter(|_| !options.flag(NO_MMPROJ_OFFLOAD.name)),
        ..made
    })
}

/// The options of devices by name, as reports list them.
fn offload_entries(offload: &Offload) -> Vec<(&'static str, String)> {
    if offload.devices.is_empty() {
        return Vec::new();
    }
    let names: Vec<String> = offload.devices.iter().map(|device| device.name()).collect();
    let layers = offload.layers.map_or_else(|| "all".to_owned(), |layers| layers.to_string());
    let mut entries = vec![(DEVICE.name, names.join(",")), (GPU_LAYERS.name, layers)];
    let sizes: Option<Vec<String>> =
        offload.devices.iter().map(|device| device.free.map(|free| free.to_string())).collect();
    entries.extend(sizes.map(|sizes| (DEVICE_MEMORY.name, sizes.join(","))));
    if !offload.split.is_empty() {
        let parts: Vec<String> = offload.split.iter().map(f32::to_string).collect();
        entries.push((TENSOR_SPLIT.name, parts.join(",")));
    }
    if !offload.overrides.is_empty() {
        let target = |own: &Override| own.device.map_or("CPU", |device| &names[usize::from(device)]);
        let one = |own: &Override| format!("{}={}", own.pattern, target(own));
        let all: Vec<String> = offload.overrides.iter().map(one).collect();
        entries.push((OVERRIDE_TENSOR.name, all.join(",")));
    }
    let flags = [
        (NO_KV_OFFLOAD.name, !offload.caches),
        (NO_OP_OFFLOAD.name, !offload.operators),
        (NO_HOST.name, !offload.host),
        (NO_MMPROJ_OFFLOAD.name, offload.projector.is_none()),
    ];
    let given = flags.into_iter().filter(|&(_, given)| given);
    entries.extend(given.map(|(name, _)| (name, "true".to_owned())));
    entries
}

const fn flag(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, values: Values::Flag, help }
}

const fn number(name: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, values: Values::Number(0, 1 << 30), help }
}

const fn one_of(name: &'static str, words: &'static [&'static str], help: &'static str) -> OptionSpec {
    OptionSpec { name, values: Values::OneOf(words), help }
}

/// Types that a cache may have.
///
/// Source: llama.cpp 0.5.0, common/arg.cpp (`kv_cache_types`).
const CACHE_TYPES: &[&str] = &["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"];

/// Ways to make one hidden state of many, by number.
///
/// Source: llama.cpp 0.5.0, include/llama.h (`llama_pooling_type`).
const POOLINGS: &[&str] = &["none", "mean", "cls", "last", "rank"];

const FRONT_END: OptionSpec = one_of(
    "front-end",
    &["library", "cli", "server"],
    "Program that hosts llama.cpp; it decides defaults [default: server]",
);
const CONTEXT: OptionSpec =
    number("ctx-size", "Tokens of the context [default: those of the model's training]");
const BATCH: OptionSpec = number("batch-size", "Tokens of a logical batch at most [default: 2048]");
const UBATCH: OptionSpec = number("ubatch-size", "Tokens of one pass at most [default: 512]");
const PARALLEL: OptionSpec = OptionSpec {
    name: "parallel",
    values: Values::Number(1, 256),
    help: "Sequences at most [default: 4 for the server, else 1]",
};
const UNIFIED: OptionSpec = flag("kv-unified", "Sequences share the cells of the cache");
const FLASH_ATTENTION: OptionSpec = one_of(
    "flash-attn",
    &["on", "off", "auto"],
    "Attention as one operator [default: auto, which is on where the devices of all layers compute it]",
);
const KEY_TYPE: OptionSpec = one_of("cache-type-k", CACHE_TYPES, "Type of cached keys [default: f16]");
const VALUE_TYPE: OptionSpec = one_of("cache-type-v", CACHE_TYPES, "Type of cached values [default: f16]");
const NO_MMAP: OptionSpec = flag("no-mmap", "Read the weights instead of mapping them");
const MLOCK: OptionSpec = flag("mlock", "Pin the pages of the weights");
const NO_REPACK: OptionSpec = flag("no-repack", "Leave weights in the layout of the file");
const SWA_FULL: OptionSpec = flag("swa-full", "Cells for all tokens in the caches of sliding windows");
const EMBEDDING: OptionSpec = flag("embedding", "Return hidden states");
const POOLING: OptionSpec =
    one_of("pooling", POOLINGS, "How hidden states become one [default: as the file says]");
const OUTPUTS: OptionSpec =
    number("outputs-max", "Outputs of a batch at most [default: the server's slots, else the batch]");

const fn text(name: &'static str, value: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { name, values: Values::Text(value), help }
}

/// Devices; the analysis does not look for those of this machine.
pub(super) const DEVICE: OptionSpec = text(
    "device",
    "LIST",
    "Devices besides the CPU, such as cuda0,cuda1, vulkan0 or metal [default: none; CUDA's where layers or parts are given]",
);
/// Free memory of the devices.
pub(super) const DEVICE_MEMORY: OptionSpec = text(
    "device-memory",
    "SIZES",
    "Free memory of each device, such as 24GiB,16GiB, by which layers are divided",
);
/// Layers on devices.
pub(super) const GPU_LAYERS: OptionSpec = text(
    "gpu-layers",
    "N",
    "Layers on devices, the output counted as one: a number, all or auto [default: all]",
);
/// Parts of the devices.
pub(super) const TENSOR_SPLIT: OptionSpec = text(
    "tensor-split",
    "PARTS",
    "Parts of the layers that each device has, such as 3,1 [default: as its free memory]",
);
/// Types of buffers by names of weights.
pub(super) const OVERRIDE_TENSOR: OptionSpec = text(
    "override-tensor",
    "PATTERN=TYPE",
    "Types of buffers of the weights with such names, separated by commas",
);
/// One device or several.
pub(super) const SPLIT_MODE: OptionSpec = one_of(
    "split-mode",
    &["none", "layer", "row", "tensor"],
    "Layers on one device or on all of them; row and tensor are refused with a reason [default: layer]",
);
/// The one device.
pub(super) const MAIN_GPU: OptionSpec =
    text("main-gpu", "N", "The device of `--split-mode none`; -1 is none [default: 0]");
/// Experts that stay with the CPU.
pub(super) const N_CPU_MOE: OptionSpec =
    number("n-cpu-moe", "Layers, from the first, whose experts stay with the CPU");
/// All experts stay with the CPU.
pub(super) const CPU_MOE: OptionSpec = flag("cpu-moe", "The experts of all layers stay with the CPU");
/// Caches stay with the CPU.
pub(super) const NO_KV_OFFLOAD: OptionSpec = flag("no-kv-offload", "Caches stay with the CPU");
/// Operators stay with their weights.
pub(super) const NO_OP_OFFLOAD: OptionSpec =
    flag("no-op-offload", "Operators on weights of the host are not computed on devices");
/// Projectors stay with the CPU.
pub(super) const NO_MMPROJ_OFFLOAD: OptionSpec =
    flag("no-mmproj-offload", "The projector of images is not on the first device");
/// No memory that devices copy from.
pub(super) const NO_HOST: OptionSpec =
    flag("no-host", "Weights of the host are not in memory that devices copy from");

/// llama-server's prompt cache.
const CACHE_RAM: OptionSpec = text(
    "cache-ram",
    "MIB",
    "llama-server's cache of prompts, counted as full [default: not counted; llama-server's limit is 8192]",
);
/// llama-server's checkpoints.
const CHECKPOINTS: OptionSpec = text(
    "ctx-checkpoints",
    "N",
    "llama-server's checkpoints of each slot, counted as made [default: not counted; llama-server's limit is 32]",
);

/// A projector of images; the analysis reads it as a part of its own.
const MMPROJ: OptionSpec = text(
    "mmproj",
    "FILE",
    "Projector of images that is loaded with the model of `llm`; its warm-up's image is a part of the prompt",
);

/// Every option.
pub(super) const ALL: &[OptionSpec] = &[
    FRONT_END,
    CONTEXT,
    BATCH,
    UBATCH,
    PARALLEL,
    UNIFIED,
    FLASH_ATTENTION,
    KEY_TYPE,
    VALUE_TYPE,
    NO_MMAP,
    MLOCK,
    NO_REPACK,
    SWA_FULL,
    EMBEDDING,
    POOLING,
    OUTPUTS,
    DEVICE,
    DEVICE_MEMORY,
    GPU_LAYERS,
    TENSOR_SPLIT,
    OVERRIDE_TENSOR,
    SPLIT_MODE,
    MAIN_GPU,
    N_CPU_MOE,
    CPU_MOE,
    NO_KV_OFFLOAD,
    NO_OP_OFFLOAD,
    NO_HOST,
    NO_MMPROJ_OFFLOAD,
    MMPROJ,
    CACHE_RAM,
    CHECKPOINTS,
    LOGITS,
    THREADS,
    ISA,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_program_decides_defaults() {
        let of = |front_end: &str| LlamaCpp::of(&Options::default().with("front-end", front_end)).unwrap();
        let (server, library) = (of("server"), of("library"));
        assert_eq!((server.parallel(), server.kv_unified()), (4, true));
        assert_eq!((library.parallel(), library.kv_unified()), (1, false));
        let slots = LlamaCpp::of(&Options::default().with("parallel", "2")).unwrap();
        assert_eq!((slots.parallel(), slots.kv_unified()), (2, false));
    }

    #[test]
    fn quantized_values_need_flash_attention() {
        let options = Options::default().with("cache-type-v", "q8_0").with("flash-attn", "off");
        assert!(LlamaCpp::of(&options).unwrap_err().message().contains("refuses cached values of q8_0"));
    }
}
