//! What OpenVINO's GPU plugin holds for a graph: the graph as written, in the device's types, with attention kept whole
//! or written out, weights uploaded, and states with room to grow.
//!
//! The plugin fuses element-wise operators into their producers; here each keeps its buffer, which its pool gives to
//! the next one. Peaks of language models and vision towers are at attention, MLP and logits, which no fusion removes.

mod attention;
mod carry_over;
mod device;
mod options;

pub use options::{OpenvinoGpu, REGISTRATION};

use super::{Allocation, Alternative, Lowered, Pass, Phase, PhaseName, Runtime};
use crate::dtype::DType;
use crate::error::Result;
use crate::graph::{Format, Graph};
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::schedule::{Draft, StorageClass, builder};
use crate::shape::Shapes;

impl Runtime for OpenvinoGpu {
    fn name(&self) -> &'static str {
        "openvino-gpu"
    }

    fn version(&self) -> &'static str {
        "2025.2"
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        self.entries()
    }

    fn alternatives(&self, graph: &Graph) -> Vec<Alternative> {
        let is_decoder = !graph.variables().is_empty();
        let is_8_bit = matches!(self.kv_precision(), DType::U8 | DType::I8);
        let last = Alternative::new(&[("logits", "last")], "compute logits of the last token only");
        let cache = Alternative::new(&[("kv-precision", "u8")], "set KV_CACHE_PRECISION=u8");
        let all = [(!self.last_logits, last), (!is_8_bit, cache)];
        all.into_iter().filter(|(applies, _)| is_decoder && *applies).map(|(_, found)| found).collect()
    }

    fn planner(&self) -> Planner {
        Planner::GpuPool
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::OpenVino, Format::Onnx]
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        let draft = running(pass.graph, pass.shapes, self);
        let assumptions = || options::assumptions();
        let compiled = pass.is_first.then(|| compiled(&draft)).transpose()?;
        let compiled = compiled.map(|lowered| (PhaseName::Compile, lowered.with_assumptions(assumptions())));
        let running = (pass.name, Lowered::new(draft)?.with_assumptions(assumptions()));
        Ok(compiled.into_iter().chain([running]).collect())
    }

    fn carry_over(&self, lowered: Lowered, before: &Phase, _planner: Planner) -> Result<Lowered> {
        carry_over::states(&before.lowered, lowered)
    }

    fn place(
        &self,
        _lowered: &Lowered,
        problem: &Problem,
        planner: Planner,
        before: Option<&Phase>,
    ) -> Result<Plan> {
        match before {
            Some(before) => plan::solve_after(problem, planner, &before.plan),
            None => plan::solve(problem, planner),
        }
    }
}

/// What the plugin holds while the graph runs.
fn running(graph: &Graph, shapes: &Shapes, options: &OpenvinoGpu) -> Draft {
    let mut draft = builder::build(graph, shapes, 1);
    let bodies = graph.with_bodies();
    device::narrow(&mut draft, &bodies);
    device::upload(&mut draft, &bodies);
    device::states(&mut draft, &bodies, options);
    if options.last_logits {
        device::last_logits(&mut draft, graph, shapes);
    }
    device::outputs(&mut draft, &bodies);
    attention::lower(&mut draft, graph, shapes, options);
    device::inputs(&mut draft, &bodies);
    for storage in draft.storages.iter_mut().filter(|storage| storage.class.is_planned()) {
        storage.grows = true;
    }
    draft
}

/// What the plugin holds once it has compiled a graph, of what it holds while it runs: its weights.
fn compiled(running: &Draft) -> Result<Lowered> {
    let weights = running.storages.iter().filter(|storage| storage.class == StorageClass::WeightsAnonymous);
    let weights: Vec<Allocation> = weights.map(Allocation::from).collect();
    let draft = Draft { unknown_tensors: running.unknown_tensors, ..Draft::default() };
    Ok(Lowered::new(draft)?.with_memory(weights))
}
