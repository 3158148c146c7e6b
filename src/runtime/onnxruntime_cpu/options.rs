//! `onnxruntime-cpu`: ONNX Runtime's CPU provider, sequential execution.
//!
//! What a user can set, and what every run under the runtime assumes.

use super::calibration as fit;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Format;
use crate::machine::Machine;
use crate::runtime::Assumption;
use crate::runtime::options::{ISA, OptionSpec, Options, Registration, THREADS, Values};
use crate::scenario::Scenario;

/// What a run under the CPU provider depends on, other than the model; the names are those of `SessionOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnnxRuntimeCpu {
    /// The processor; a node is computed by one thread per core (`intra_op_num_threads`).
    pub machine: Machine,
    /// `graph_optimization_level`.
    pub optimization: GraphOptimization,
    /// Buffers of dead tensors are reused (`enable_mem_reuse`).
    pub memory_reuse: bool,
    /// A second run with the same shapes has one block for all buffers (`enable_mem_pattern`).
    pub memory_pattern: bool,
    /// Constant matrices are packed when the session is made (`session.disable_prepacking` not set).
    pub prepacking: bool,
    /// Initializers outside of the model's file are mapped; `None`: where that file is there.
    ///
    /// A data file that is not there was taken away to share the model, and does not show whether the model that runs
    /// has its weights inside; below 2 GB exporters write them so.
    pub external_weights: Option<bool>,
    /// How the CPU arena grows.
    pub arena: Arena,
    /// After each run the arena frees the regions that contain no buffer (`memory.enable_memory_arena_shrinkage`).
    pub shrinks_arena: bool,
    /// Who runs the session.
    pub runner: OnnxRunner,
}

/// Who runs a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnnxRunner {
    /// A caller that passes inputs, and takes outputs that the runtime allocates (`InferenceSession::Run`).
    #[default]
    Session,
    /// ONNX Runtime GenAI, which allocates outputs itself, from the C library.
    GenAi {
        /// Caches are allocated once, past and present at once.
        shares_cache: bool,
    },
}

/// How the CPU arena grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arena {
    /// By regions that double (`kNextPowerOfTwo`, the default).
    #[default]
    Doubled,
    /// By what is asked for (`kSameAsRequested`).
    AsRequested,
    /// There is none: every buffer is an allocation (`enable_cpu_mem_arena = false`).
    Off,
}

impl Arena {
    /// The words that the command line takes.
    pub const NAMES: [&'static str; 3] = ["next-power-of-two", "same-as-requested", "off"];

    /// The growth of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Arena> {
        [Arena::Doubled, Arena::AsRequested, Arena::Off].into_iter().find(|arena| arena.name() == name)
    }

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Arena::Doubled => "next-power-of-two",
            Arena::AsRequested => "same-as-requested",
            Arena::Off => "off",
        }
    }
}

/// How far the graph is rewritten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum GraphOptimization {
    /// As written (`ORT_DISABLE_ALL`).
    Disabled,
    /// Constants, duplicates, Gemm (`ORT_ENABLE_BASIC`).
    Basic,
    /// Fused norms, activations, products (`ORT_ENABLE_EXTENDED`).
    Extended,
    /// Blocked layout too (`ORT_ENABLE_ALL`, the default).
    #[default]
    All,
}

impl GraphOptimization {
    /// The words that the command line takes.
    pub const NAMES: [&'static str; 4] = ["disabled", "basic", "extended", "all"];

    /// The level of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<GraphOptimization> {
        let all = [
            GraphOptimization::Disabled,
            GraphOptimization::Basic,
            GraphOptimization::Extended,
            GraphOptimization::All,
        ];
        all.into_iter().find(|level| level.name() == name)
    }

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            GraphOptimization::Disabled => "disabled",
            GraphOptimization::Basic => "basic",
            GraphOptimization::Extended => "extended",
            GraphOptimization::All => "all",
        }
    }
}

impl Default for OnnxRuntimeCpu {
    fn default() -> OnnxRuntimeCpu {
        OnnxRuntimeCpu {
            machine: Machine::default(),
            optimization: GraphOptimization::All,
            memory_reuse: true,
            memory_pattern: true,
            prepacking: true,
            external_weights: None,
            arena: Arena::Doubled,
            shrinks_arena: false,
            runner: OnnxRunner::Session,
        }
    }
}

impl OnnxRuntimeCpu {
    /// Channels in a block of the blocked layout.
    ///
    /// Source: `MlasNchwcGetBlockSize`, onnxruntime/core/mlas/lib/snchwc.cpp.
    #[must_use]
    pub fn block(&self) -> u64 {
        if self.machine.isa.has_avx512() { 16 } else { 8 }
    }

    /// The same options for sessions that the host application of `scenario` runs.
    pub(super) fn hosted_by(self, scenario: &Scenario) -> OnnxRuntimeCpu {
        let runner = scenario.genai.as_ref().map_or(OnnxRunner::Session, |genai| OnnxRunner::GenAi {
            shares_cache: genai.shared_cache.is_some(),
        });
        OnnxRuntimeCpu { runner, ..self }
    }

    /// The options by name, as the report lists them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![
            ("threads", self.machine.cores.to_string()),
            ("isa", self.machine.isa.name().to_owned()),
            ("graph_optimization", self.optimization.name().to_owned()),
            ("mem_reuse", self.memory_reuse.to_string()),
            ("mem_pattern", self.memory_pattern.to_string()),
            ("prepacking", self.prepacking.to_string()),
            ("arena", self.arena.name().to_owned()),
        ];
        entries.extend(self.shrinks_arena.then(|| ("arena_shrinkage", "true".to_owned())));
        entries.extend(self.external_weights.map(|external| ("external_weights", external.to_string())));
        entries
    }
}

/// What every run under the runtime assumes, with the figures of [`fit`].
pub(super) fn assumptions() -> Vec<Assumption> {
    let table = [
        (
            "arena-next-power-of-two",
            "the CPU arena doubles its regions and keeps them; the caller gives outputs back before the next run".to_owned(),
        ),
        (
            "missing-data-embedded",
            "initializers whose data file is not there are in the model's own file, as exporters write them below 2 GB; \
             `--weights external` for a mapped file"
                .to_owned(),
        ),
        (
            "session-objects",
            format!(
                "a session's own objects take {}, and {} per node, {} per initializer, {} per attribute: measured on chains \
                 of nodes",
                fit::SESSION.si(2),
                fit::SESSION_NODE.si(1),
                fit::SESSION_INITIALIZER.si(1),
                fit::SESSION_ATTRIBUTE.si(1)
            ),
        ),
        (
            "resident-heap",
            "the resident set follows glibc 2.36 through the creation and the runs; equal processes differ by where small \
             objects are: the figure is the frequent case, without an arena the middle of eight, \"from\" and \"up to\" \
             those that keep the least and the most"
                .to_owned(),
        ),
    ];
    table.into_iter().map(|(rule, text)| Assumption { rule, text }).collect()
}

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "onnxruntime-cpu",
    help: "ONNX Runtime's CPU provider, sequential execution",
    options: &[
        THREADS,
        ISA,
        GRAPH_OPTIMIZATION,
        NO_MEM_REUSE,
        NO_MEM_PATTERN,
        NO_PREPACKING,
        ARENA,
        ARENA_SHRINKAGE,
        WEIGHTS,
    ],
    default_for: &[Format::Onnx],
    make: |options| Ok(Box::new(parse(options)?)),
    short: &[],
    read_command: |_| Ok(None),
};

const GRAPH_OPTIMIZATION: OptionSpec = OptionSpec {
    name: "graph-optimization",
    values: Values::OneOf(&GraphOptimization::NAMES),
    help: "How far the graph is rewritten [default: all]",
};
const NO_MEM_REUSE: OptionSpec = OptionSpec {
    name: "no-mem-reuse",
    values: Values::Flag,
    help: "Do not reuse buffers of dead tensors (`enable_mem_reuse = false`)",
};
const NO_MEM_PATTERN: OptionSpec = OptionSpec {
    name: "no-mem-pattern",
    values: Values::Flag,
    help: "Do not use memory patterns (`enable_mem_pattern = false`)",
};
const NO_PREPACKING: OptionSpec = OptionSpec {
    name: "no-prepacking",
    values: Values::Flag,
    help: "Do not pack constant matrices (`session.disable_prepacking`)",
};
const ARENA: OptionSpec = OptionSpec {
    name: "arena",
    values: Values::OneOf(&Arena::NAMES),
    help: "How the CPU arena grows; `off`: every buffer is an allocation [default: next-power-of-two]",
};
const ARENA_SHRINKAGE: OptionSpec = OptionSpec {
    name: "arena-shrinkage",
    values: Values::Flag,
    help: "Free empty regions of the arena after each run (`memory.enable_memory_arena_shrinkage`)",
};
const WEIGHTS: OptionSpec = OptionSpec {
    name: "weights",
    values: Values::OneOf(&["embedded", "external"]),
    help: "Place of initializers: in the model's file, or in a mapped file of their own [default: as the model says; \
           embedded, if their data file is missing]",
};

/// Makes the runtime's options of what was given.
fn parse(options: &Options) -> Result<OnnxRuntimeCpu> {
    let found = OnnxRuntimeCpu {
        machine: options.machine()?,
        optimization: options
            .parsed(GRAPH_OPTIMIZATION.name, GraphOptimization::by_name)?
            .unwrap_or_default(),
        memory_reuse: !options.flag(NO_MEM_REUSE.name),
        memory_pattern: !options.flag(NO_MEM_PATTERN.name),
        prepacking: !options.flag(NO_PREPACKING.name),
        arena: options.parsed(ARENA.name, Arena::by_name)?.unwrap_or_default(),
        external_weights: options.word(WEIGHTS.name).map(|word| word == "external"),
        shrinks_arena: options.flag(ARENA_SHRINKAGE.name),
        runner: OnnxRunner::Session,
    };
    if found.shrinks_arena && found.arena == Arena::Off {
        let message = "`--arena-shrinkage` was given, and `--arena off` leaves no arena";
        return Err(Error::new(ErrorKind::Usage, message)
            .note("ONNX Runtime refuses such a run")
            .help("remove one of the two flags"));
    }
    Ok(found)
}
