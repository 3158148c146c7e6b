//! `openvino-cpu`: OpenVINO's CPU plugin, one stream, one socket.
//!
//! `options` is what a user can set; `execution`, the graph that the plugin executes, read from a serialized runtime model
//! or made from an export by `fuse`; `memory`, what the plugin holds in memory for it; `carry_over`, what stays from phase to
//! phase; `calibration`, what was measured.

mod alternatives;
mod assumptions;
pub mod calibration;
mod carry_over;
// Public for the tests that compare with recorded graphs; not a part of the API.
#[doc(hidden)]
pub mod execution;
#[doc(hidden)]
pub mod fuse;
mod host;
mod memory;
mod options;
mod release;

pub use host::{Host, ModelCache, Scheduler};
pub use options::{Cache, OpenvinoCpu, REGISTRATION, Reshape};
pub use release::Release;

use super::{
    Allocation, Alternative, Executed, ExecutedNode, ExecutedOutput, Generation, Lowered, Outcome, Pass,
    Phase, PhaseName, Placed, Residency, Runtime, RuntimeData,
};
use crate::dtype::DType;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Format, Graph, Op};
use crate::ids::NodeId;
use crate::plan::{self, Planner};
use crate::problem::{Plan, Problem};
use crate::schedule::{Known, NodeRef, StorageClass};
use crate::shape::Shapes;
use crate::units::Bytes;
use execution::{ExecutionGraph, Kind, Layout, Precision};
use memory::{Facts, Moment};
use std::sync::Arc;

impl Runtime for OpenvinoCpu {
    fn name(&self) -> &'static str {
        "openvino-cpu"
    }

    fn version(&self) -> &'static str {
        self.release.wheel()
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        self.entries()
    }

    fn alternatives(&self, graph: &Graph) -> Vec<Alternative> {
        alternatives::of(self, graph)
    }

    fn runs_generations(&self) -> bool {
        matches!(self.host, Host::GenAi(_))
    }

    fn planner(&self) -> Planner {
        Planner::Openvino
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::OpenVino, Format::Onnx]
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        lower(self, pass, false)
    }

    fn lower_apart(&self, pass: &Pass<'_>) -> Result<Option<Vec<(PhaseName, Lowered)>>> {
        lower(self, pass, true).map(Some)
    }

    fn carry_over(&self, lowered: Lowered, before: &Phase, _planner: Planner) -> Result<Lowered> {
        carry_over::storages(&before.lowered, lowered)
    }

    fn place(
        &self,
        _lowered: &Lowered,
        problem: &Problem,
        planner: Planner,
        before: Option<&Phase>,
    ) -> Result<Plan> {
        let Some(before) = before else { return plan::solve(problem, planner) };
        if planner.keeps_arena() {
            return plan::solve_after(problem, planner, &before.plan);
        }
        Ok(carry_over::blocks(&before.plan, plan::solve(problem, planner)?))
    }

    fn finish(&self, placed: &Placed<'_>) -> Result<Outcome> {
        let facts = Facts::of(placed.lowered);
        let arena = placed.plan.arena_size;
        let pool = Allocation {
            class: StorageClass::Workspace,
            bytes: arena,
            node: NodeRef::default(),
            known: Known::Exact,
        };
        let pools = Bytes(arena.0.saturating_mul(facts.further_pools.into()));
        let first = facts.growth.as_ref().filter(|_| placed.before.is_none());
        let superseded = first.and_then(|growth| growth.superseded(placed));
        // Where a block replaces another, nothing is written to it before the other is freed.
        let unwritten = pools + superseded.map(|held| held.bytes).unwrap_or_default();
        let residency =
            Residency { untouched_bytes: facts.residency.untouched_bytes + unwritten, ..facts.residency };
        let memory = (0..facts.further_pools).map(|_| pool).chain(superseded).collect();
        Ok(Outcome { residency, memory, carried: RuntimeData::default(), ..Outcome::default() })
    }

    fn executed(&self, graph: &Graph, shapes: &Shapes) -> Result<Option<Executed>> {
        let execution = executed(graph, shapes, self)?;
        Ok(Some(Executed { is_from_file: execution::is_execution_graph(graph), ..neutral(&execution) }))
    }

    fn passes(&self) -> Vec<&'static str> {
        fuse::passes()
    }

    fn executed_after(&self, graph: &Graph, shapes: &Shapes, pass: &str) -> Result<Option<Executed>> {
        if execution::is_execution_graph(graph) {
            let message = format!("pass `{pass}` was given, and no pass is applied to an execution graph");
            return Err(Error::new(ErrorKind::Usage, message)
                .in_file(graph.file())
                .help("leave `--after` away, or give the exported model"));
        }
        let execution = fuse::execution_graph_after(graph, shapes, self.compiled(), Some(pass))?;
        Ok(Some(neutral(&execution)))
    }

    fn longest_pass(&self) -> Option<u64> {
        match self.host {
            Host::GenAi(scheduler) => scheduler.chunk(),
            Host::Plain => None,
        }
    }

    fn last_growth(&self, batch: u64, generation: Generation, length: u64) -> Option<u64> {
        memory::last_growth(self.cache, batch, generation, length)
    }
}

/// Lowers a pass; `is_apart`: nothing is computed in the bytes of what it reads.
fn lower(options: &OpenvinoCpu, pass: &Pass<'_>, is_apart: bool) -> Result<Vec<(PhaseName, Lowered)>> {
    let Pass { graph, shapes, .. } = *pass;
    let model = model(graph);
    let mut phases = Vec::new();
    if pass.is_first {
        phases.push((PhaseName::Load, memory::loaded(&model, options)?));
    }
    let mut execution = executed(graph, shapes, options)?;
    if is_apart {
        execution.is_apart = true;
        execution.assumptions.push(assumptions::nothing_in_place());
    }
    let tensor_of = |port: execution::Port| {
        let node = execution.node(port.step)?.source.node;
        graph.output(node, port.port as usize)
    };
    // Fusions make executed tensors of exported ones: each that has no size leaves the total without a part.
    let unknown = shapes.tensors().iter().filter(|info| info.dims.is_none()).count();
    let unknown = u32::try_from(unknown).unwrap_or(u32::MAX);
    let found = memory::Found::new(&execution, options, pass.generation(), unknown);
    let schedule = Arc::new(found.draft(tensor_of).finish()?);
    let at = |moment| -> Result<Lowered> {
        let lowered = memory::apply(&found, moment, &model, &schedule)?;
        Ok(lowered.with_assumptions(assumptions::of_run(options.machine)))
    };
    if pass.is_first {
        phases.push((PhaseName::Compile, at(Moment::Compiled)?));
    }
    let running = at(Moment::Running)?;
    let running = if pass.is_first { carry_over::first_chunk(running)? } else { running };
    phases.push((pass.name, running));
    Ok(phases)
}

impl OpenvinoCpu {
    /// How a model is compiled under these options.
    fn compiled(&self) -> fuse::Options {
        fuse::Options {
            precision: self.precision(),
            is_dynamic: self.reshape != Some(Reshape::Static),
            last_logits: self.last_logits,
            kv_precision: self.state_hint(),
            is_paged: self.cache == Cache::Paged,
            quantization_group: self.asked_group().into(),
            machine: self.machine,
            release: self.release,
        }
    }
}

/// The executed graph in the form that does not depend on the runtime.
fn neutral(execution: &ExecutionGraph) -> Executed {
    let nodes = execution.nodes.iter().map(|node| ExecutedNode {
        name: node.name.to_string(),
        kind: node.kind.name().to_owned(),
        originals: node.originals.iter().map(ToString::to_string).collect(),
        inputs: node.inputs.iter().map(|port| (port.step as usize, port.port as usize)).collect(),
        outputs: node.outputs.iter().map(neutral_output).collect(),
        is_view: node.is_view,
        computes: !matches!(node.kind, Kind::Const | Kind::Input | Kind::Output),
    });
    Executed {
        nodes: nodes.collect(),
        is_dynamic: execution.is_dynamic,
        assumptions: execution.assumptions.iter().map(|assumption| assumption.text.clone()).collect(),
        nodes_are_steps: true,
        is_from_file: false,
    }
}

fn neutral_output(output: &execution::Output) -> ExecutedOutput {
    ExecutedOutput {
        dtype: output.dtype,
        dims: output.dims.clone(),
        layout: match output.layout {
            Layout::Plain => "plain",
            Layout::ChannelsLast => "channels_last",
            Layout::Blocks(_) => "blocked",
        },
        is_dynamic: output.is_dynamic,
        tensor: None,
    }
}

/// The model as the user holds it.
fn model(graph: &Graph) -> memory::Model {
    let bodies = graph.with_bodies();
    let nodes = bodies.iter().map(|body| body.nodes().len() as u64).sum();
    let ranges = (0_u32..).zip(&bodies).flat_map(|(graph, body)| {
        body.nodes().iter().enumerate().filter_map(move |(node, found)| match &found.op {
            Op::Constant(constant) => Some((NodeRef { graph, node: NodeId::new(node) }, constant.range?)),
            _ => None,
        })
    });
    memory::Model { nodes, constants: ranges.collect() }
}

/// The graph that OpenVINO's CPU plugin executes: read where the file is one, else made from the export.
///
/// # Errors
///
/// If an execution graph contradicts itself or `options`, or an export has no shapes to compile with.
pub fn executed(graph: &Graph, shapes: &Shapes, options: &OpenvinoCpu) -> Result<ExecutionGraph> {
    let mut execution = if execution::is_execution_graph(graph) {
        let read = execution::read(graph, shapes, options.reshape)?;
        agrees(graph, "precision", options.precision, Some(read.precision.dtype()))?;
        agrees(graph, "kv-precision", options.kv_precision, read.kv_precision)?;
        read
    } else {
        fuse::execution_graph(graph, shapes, options.compiled())?
    };
    // Source: OpenVINO 2026.4, src/plugins/intel_cpu/src/config.h.
    let hint = *execution.kv_precision.get_or_insert(DType::U8);
    if !execution::is_execution_graph(graph) {
        execution.kv_precision = Some(options.state_precision(hint));
    }
    let has_blocks = execution.nodes.has([execution::Kind::PagedAttention]);
    if has_blocks && execution.kv_precision == Some(DType::F32) && execution.precision != Precision::F32 {
        let precision = execution.precision.dtype();
        return Err(Error::new(
            ErrorKind::Usage,
            format!("a paged cache of f32 was asked for, and attention computes in {precision}"),
        )
        .in_file(graph.file())
        .note("OpenVINO refuses to compile this")
        .help(format!("add `--precision f32`, or give `--kv-precision u8` or `{precision}`")));
    }
    Ok(execution)
}

/// An execution graph is what it is: an option that contradicts it is an error.
fn agrees(graph: &Graph, flag: &str, asked: Option<DType>, found: Option<DType>) -> Result<()> {
    match (asked, found) {
        (Some(asked), Some(found)) if asked != found => Err(Error::new(
            ErrorKind::Usage,
            format!("`--{flag} {asked}` was given, and the execution graph was compiled with {found}"),
        )
        .in_file(graph.file())
        .help(format!("leave `--{flag}` away, or give the model that the graph was compiled from"))),
        _ => Ok(()),
    }
}
