//! `per-tensor`: every tensor has memory of its own. For tests: it shows that one folder and one line make a runtime.

use super::options::Registration;
use super::{Lowered, Pass, PhaseName, Runtime};
use crate::error::Result;
use crate::graph::Format;
use crate::plan::Planner;
use crate::schedule::builder;

/// A runtime that never reuses memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerTensor;

impl Runtime for PerTensor {
    fn name(&self) -> &'static str {
        "per-tensor"
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn planner(&self) -> Planner {
        Planner::Naive
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::OpenVino, Format::Onnx]
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        Ok(vec![(pass.name, Lowered::new(builder::build(pass.graph, pass.shapes, 1))?)])
    }
}

/// The runtime for the registry.
pub const REGISTRATION: Registration = Registration {
    name: "per-tensor",
    help: "Every tensor has memory of its own",
    options: &[],
    default_for: &[],
    make: |_| Ok(Box::new(PerTensor)),
    short: &[],
    read_command: |_| Ok(None),
};
