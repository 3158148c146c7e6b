//! What a runtime does to a graph: the rules of one runtime, one device, one version.
//!
//! One folder per runtime.

pub mod calibration;
mod graph;
pub mod onnxruntime_cpu;
pub mod openvino_cpu;
pub mod openvino_gpu;

pub use onnxruntime_cpu::{Arena, GraphOptimization, OnnxRunner, OnnxRuntimeCpu};
pub use openvino_cpu::{Cache, Generation, OpenvinoCpu, Reshape};
pub use openvino_gpu::OpenvinoGpu;

use crate::error::Result;
use crate::graph::Graph;
use crate::plan::Planner;
use crate::schedule::{Assumption, Lowered, builder};
use crate::shape::Shapes;
pub use onnxruntime_cpu::{OptimizedNode, optimized};
pub use openvino_cpu::executed;
use openvino_cpu::memory::Moment;

/// The rules of one runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name for `--profile`.
    pub name: &'static str,
    /// The version of the runtime that the rules are true of; the crate's own for the written graph.
    pub version: &'static str,
    /// How buffers are placed.
    pub planner: Planner,
    /// Offsets in the arena are multiples of this.
    pub alignment: u64,
    /// What every run under this profile takes for granted: rule, sentence.
    pub assumptions: &'static [(&'static str, &'static str)],
    /// What the runtime makes of a graph.
    pub runtime: Runtime,
}

/// What a runtime makes of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Runtime {
    /// The graph as written.
    #[default]
    Written,
    /// OpenVINO's CPU plugin.
    OpenvinoCpu(OpenvinoCpu),
    /// OpenVINO's GPU plugin.
    OpenvinoGpu(OpenvinoGpu),
    /// ONNX Runtime's CPU provider.
    OnnxRuntimeCpu(OnnxRuntimeCpu),
}

impl Profile {
    /// The same rules for a run that is part of `generation`.
    #[must_use]
    pub fn within(mut self, generation: Option<Generation>) -> Profile {
        if let Runtime::OpenvinoCpu(options) = &mut self.runtime {
            options.generation = generation.or(options.generation);
        }
        self
    }

    /// The same rules for sessions that `runner` runs.
    #[must_use]
    pub fn run_by(mut self, runner: OnnxRunner) -> Profile {
        if let Runtime::OnnxRuntimeCpu(options) = &mut self.runtime {
            options.runner = runner;
        }
        self
    }

    /// What every run under this profile takes for granted.
    pub fn assumptions(&self) -> impl Iterator<Item = Assumption> {
        self.assumptions.iter().map(|&(rule, text)| Assumption { rule, text: text.to_owned() })
    }

    /// The names that `--profile` takes today.
    pub const NAMES: &'static [&'static str] = &["graph", "openvino-cpu", "openvino-gpu", "onnxruntime-cpu"];

    /// The profile of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Profile> {
        match name {
            "graph" => Some(Profile::graph()),
            "openvino-gpu" => Some(Profile::openvino_gpu(OpenvinoGpu::default())),
            "openvino-cpu" => Some(Profile::openvino_cpu(OpenvinoCpu::default())),
            "onnxruntime-cpu" => Some(Profile::onnxruntime_cpu(OnnxRuntimeCpu::default())),
            _ => None,
        }
    }
}

/// Lowers a graph to what `profile`'s runtime executes.
///
/// Cost: linear in nodes and edges.
///
/// # Errors
///
/// If the profile knows no rule for what the graph asks, or an execution graph contradicts itself.
pub fn apply(graph: &Graph, shapes: &Shapes, profile: &Profile) -> Result<Lowered> {
    match profile.runtime {
        Runtime::Written => Ok(builder::build(graph, shapes, profile)),
        Runtime::OpenvinoCpu(options) => {
            let execution = openvino_cpu::executed(graph, shapes, &options)?;
            Ok(openvino_cpu::lower(graph, &execution, profile, &options, Moment::Running))
        }
        Runtime::OpenvinoGpu(options) => Ok(openvino_gpu::apply(graph, shapes, profile, &options)),
        Runtime::OnnxRuntimeCpu(options) => {
            let mut lowered = onnxruntime_cpu::apply(graph, shapes, &options);
            lowered.assumptions.extend(profile.assumptions());
            Ok(lowered)
        }
    }
}

/// What a runtime holds while it reads a graph's file; `None` where the profile tells nothing of it.
#[must_use]
pub fn loaded(graph: &Graph, profile: &Profile) -> Option<Lowered> {
    match profile.runtime {
        Runtime::OpenvinoCpu(options) => {
            Some(openvino_cpu::memory::loaded(&openvino_cpu::model(graph), &options))
        }
        _ => None,
    }
}

/// What [`apply`] gives, and before it what the runtime holds once it has compiled the graph and nothing runs; `None` where
/// the profile tells nothing of that.
///
/// # Errors
///
/// Those of [`apply`].
pub fn apply_from_start(
    graph: &Graph,
    shapes: &Shapes,
    profile: &Profile,
) -> Result<(Option<Lowered>, Lowered)> {
    match profile.runtime {
        Runtime::Written => Ok((None, apply(graph, shapes, profile)?)),
        Runtime::OpenvinoGpu(_) => {
            let running = apply(graph, shapes, profile)?;
            Ok((Some(openvino_gpu::compiled(&running)), running))
        }
        Runtime::OpenvinoCpu(options) => {
            let execution = openvino_cpu::executed(graph, shapes, &options)?;
            let at = |moment| openvino_cpu::lower(graph, &execution, profile, &options, moment);
            Ok((Some(at(Moment::Compiled)), at(Moment::Running)))
        }
        Runtime::OnnxRuntimeCpu(options) => {
            let mut created = onnxruntime_cpu::created(graph, shapes, &options);
            created.assumptions.extend(profile.assumptions());
            Ok((Some(created), apply(graph, shapes, profile)?))
        }
    }
}

/// What a second run with the same shapes does otherwise than the first; `None` where the runtime makes no difference.
#[must_use]
pub fn repeated(first: &Lowered, profile: &Profile) -> Option<Lowered> {
    match profile.runtime {
        Runtime::OnnxRuntimeCpu(options) => Some(onnxruntime_cpu::repeated(first, &options)),
        _ => None,
    }
}

/// The last length up to `length` tokens at which `profile`'s cache of keys and values grows, in a generation of `batch`
/// sequences; `None` where it never does.
#[must_use]
pub fn last_growth(profile: &Profile, batch: u64, generation: Generation, length: u64) -> Option<u64> {
    match profile.runtime {
        Runtime::Written | Runtime::OpenvinoGpu(_) | Runtime::OnnxRuntimeCpu(_) => None,
        Runtime::OpenvinoCpu(options) => {
            openvino_cpu::memory::last_growth(options.cache, batch, generation, length)
        }
    }
}
