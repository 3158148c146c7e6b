//! What a runtime does to a graph: the rules of one runtime, one device, one version.
//!
//! One file per profile. A profile is data; the functions that apply it are in [`crate::lower`].

mod graph;
mod onnxruntime_cpu;
mod openvino_cpu;
mod openvino_gpu;

pub use onnxruntime_cpu::{Arena, GraphOptimization, OnnxRunner, OnnxRuntimeCpu};
pub use openvino_cpu::{Cache, Generation, Isa, OpenvinoCpu, Reshape};
pub use openvino_gpu::OpenvinoGpu;

use crate::lower::Assumption;
use crate::plan::Planner;

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
