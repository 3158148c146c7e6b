//! `onnxruntime-cpu`: ONNX Runtime's CPU provider, sequential execution.
//!
//! The rules themselves are in [`crate::schedule`]; what a user can set is here.

use crate::machine::Machine;
use crate::plan::Planner;
use crate::runtime::{Profile, Runtime};

/// What a run under the CPU provider depends on beside the model; the names are those of `SessionOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnnxRuntimeCpu {
    /// The processor; a node is computed by one thread per core (`intra_op_num_threads`).
    pub machine: Machine,
    /// `graph_optimization_level`.
    pub optimization: GraphOptimization,
    /// Buffers of dead tensors are taken over (`enable_mem_reuse`).
    pub memory_reuse: bool,
    /// A second run with the same shapes has one block for all buffers (`enable_mem_pattern`).
    pub memory_pattern: bool,
    /// Constant matrices are packed when the session is made (`session.disable_prepacking` not set).
    pub prepacking: bool,
    /// Initializers outside of the model's file are mapped; `None`: where that file is there.
    ///
    /// A data file that is not there was taken away to share the model, and does not tell whether the model that runs
    /// has its weights inside; below 2 GB exporters write them so.
    pub external_weights: Option<bool>,
    /// How the CPU arena grows.
    pub arena: Arena,
    /// After each run the arena gives back the regions in which nothing lies (`memory.enable_memory_arena_shrinkage`).
    pub shrinks_arena: bool,
    /// Who runs the session.
    pub runner: OnnxRunner,
}

/// Who runs a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

    /// The options by name, as the report lists them.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, String)> {
        let mut entries = vec![
            ("threads", self.machine.cores.to_string()),
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

impl Profile {
    /// ONNX Runtime's CPU provider.
    #[must_use]
    pub fn onnxruntime_cpu(options: OnnxRuntimeCpu) -> Profile {
        Profile {
            name: "onnxruntime-cpu",
            version: "1.31.1",
            planner: match options.arena {
                Arena::Doubled => Planner::BfcArena,
                Arena::AsRequested => Planner::BfcArenaAsRequested,
                Arena::Off => Planner::BestFit,
            },
            alignment: 1,
            runtime: Runtime::OnnxRuntimeCpu(options),
            assumptions: &[
                (
                    "arena-next-power-of-two",
                    "the CPU arena doubles its regions and keeps them; the caller gives outputs back before the next run",
                ),
                (
                    "missing-data-embedded",
                    "initializers whose data file is not there lie in the model's own file, as exporters write them below \
                     2 GB; `--weights external` for a mapped file",
                ),
                (
                    "session-objects",
                    "a session's own objects take 1.44 MB and 3.5 kB per node, measured on chains of 1 to 1,600 nodes",
                ),
                (
                    "resident-heap",
                    "the resident set follows glibc 2.36 through the creation and the runs; equal processes differ by \
                     where small objects lie: the figure is the frequent case, without an arena the middle of eight, \
                     \"up to\" the one that keeps the most",
                ),
            ],
        }
    }
}
