//! What llama.cpp has in memory for a GGUF file.
//!
//! A GGUF has no graph: llama.cpp builds one in code from the file's settings, and so does this folder. One file per part:
//! `model`, what the file says; `options` and `settings`, what was asked for and what becomes of it; `cache`; `tensor` and
//! `operators`, ggml's graph; `build`, `blocks` and `architecture`, which build it; `allocate`, ggml's allocator; `weights`,
//! model buffers; `work`, the work buffer; `expand` and `lower`, nodes and schedule for reports; `residency`.
//!
//! Memory is reserved when a context is made: for the pass of a prompt and for that of a generation. What runs later fits.
//!
//! Not covered: devices other than the CPU, adapters, drafting, samplers on the backend.
//!
//! Source: llama.cpp 0.5.0 with ggml 0.25.3, as in the source distribution of llama-cpp-python 0.3.36.

mod allocate;
mod architecture;
mod blocks;
mod build;
mod cache;
pub mod calibration;
mod command;
mod context;
mod expand;
mod lower;
mod model;
mod operators;
mod options;
mod residency;
mod settings;
mod tensor;
mod weights;
mod work;

pub use command::REGISTRATION;
pub use options::{FrontEnd, LlamaCpp};

use super::{
    Allocation, BufferRow, BufferTypes, Lowered, Outcome, Pass, PhaseName, Placed, Runtime, RuntimeData,
};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Format, Graph, Stored};
use crate::ids::NodeId;
use crate::plan::Planner;
use crate::scenario::Scenario;
use crate::schedule::{Draft, Known, NodeRef, StorageClass};
use crate::units::Bytes;
use calibration as fit;
use context::{Context, Reserved};
use expand::Numbers;
use residency::Facts;
use settings::Batch;
use weights::BufferType;

impl Runtime for LlamaCpp {
    fn name(&self) -> &'static str {
        "llama-cpp"
    }

    fn version(&self) -> &'static str {
        "0.5.0 (ggml 0.25.3)"
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        self.entries()
    }

    fn planner(&self) -> Planner {
        Planner::BestFit
    }

    fn formats(&self) -> &'static [Format] {
        &[Format::Gguf]
    }

    fn expand(&self, graph: &Graph) -> Result<Option<Graph>> {
        let Some(stored) = graph.stored() else { return Ok(None) };
        let context = Context::of(stored, graph.file(), self)?;
        let built = context.graph(context.settings.prompt_batch())?;
        expand::expand(graph, &context.caches, &built).map(Some)
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        let Some(stored) = pass.graph.stored() else {
            return Err(
                Error::new(ErrorKind::Internal, "the file has no settings").in_file(pass.graph.file())
            );
        };
        let session = Session::of(stored, pass.graph, self)?;
        let mut phases = Vec::new();
        if pass.is_first {
            phases.push((PhaseName::Load, session.loaded()?));
            phases.push((PhaseName::Compile, session.running(None)?));
        }
        phases.push((pass.name, session.running(Some(pass.scenario))?));
        Ok(phases)
    }

    fn finish(&self, placed: &Placed<'_>) -> Result<Outcome> {
        let own = Facts::default();
        let facts = placed.lowered.data().get::<Facts>().unwrap_or(&own);
        Ok(residency::of(facts, placed.plan, placed.before))
    }

    fn longest_pass(&self) -> Option<u64> {
        Some(if self.ubatch == 0 { self.batch } else { self.ubatch.min(self.batch) })
    }
}

/// A loaded model with a context.
struct Session<'a> {
    options: &'a LlamaCpp,
    context: Context<'a>,
    prompt: Reserved,
    numbers: Numbers,
    /// Bytes of the compute buffer, which fits both passes.
    compute: u64,
}

impl<'a> Session<'a> {
    fn of(stored: &'a Stored, graph: &Graph, options: &'a LlamaCpp) -> Result<Session<'a>> {
        let context = Context::of(stored, graph.file(), options)?;
        let prompt = context.reserve(context.settings.prompt_batch())?;
        let generation = context.reserve(context.settings.generation_batch())?;
        let compute = buffer_bytes(&prompt)?.max(buffer_bytes(&generation)?);
        let numbers = Numbers::of_graph(stored.tensors.len(), &context.caches, &prompt.graph);
        Ok(Session { options, context, prompt, numbers, compute })
    }

    /// The model is loaded; there is no context yet.
    fn loaded(&self) -> Result<Lowered> {
        let mut buffers = self.buffer_types(0);
        for row in &mut buffers.rows {
            (row.context, row.compute) = (Bytes::ZERO, Bytes::ZERO);
        }
        (buffers.output, buffers.work) = (Bytes::ZERO, Bytes::ZERO);
        let memory: Vec<Allocation> = self.model_memory();
        let facts = Facts {
            written: anonymous(&memory),
            library: fit::LIBRARY.estimate().known().0,
            buffers,
            ..Facts::default()
        };
        let lowered = Lowered::new(Draft::default())?.with_memory(memory);
        Ok(lowered.with_assumptions(super::assumptions(ASSUMPTIONS)).with_data(RuntimeData::new(facts)))
    }

    /// The context with what it has reserved; a pass of `scenario` runs in it, or none.
    fn running(&self, scenario: Option<&Scenario>) -> Result<Lowered> {
        let actual = scenario.map(|scenario| self.actual(scenario)).transpose()?;
        let draft = lower::schedule(&self.prompt, &self.context.caches, &self.numbers);
        let outputs = scenario.map_or(1, |scenario| self.outputs(scenario));
        let output = self.output_bytes(outputs);
        let threads = u64::from(self.options.machine.cores);
        let work = actual.as_ref().map_or(0, |graph| work::bytes(graph, &self.context.weights, threads));
        let mut memory = self.model_memory();
        let objects = (fit::CONTEXT.estimate() + fit::NODE.per(self.most_nodes())).known();
        memory.push(self.memory(StorageClass::Runtime, objects.0, None, objects.1));
        memory.push(self.memory(StorageClass::Io, output, None, Known::Exact));
        memory.push(self.memory(StorageClass::Workspace, work, None, Known::Exact));
        let planned = buffer_bytes(&self.prompt)?;
        memory.push(self.memory(StorageClass::Workspace, self.compute - planned, None, Known::Exact));
        memory.retain(|held| held.bytes > Bytes::ZERO);
        let first_pass = if actual.is_some() { fit::FIRST_PASS.estimate().known().0 } else { 0 };
        let facts = Facts {
            written: anonymous(&memory).saturating_add(self.context.caches.bytes())
                - (self.compute - planned),
            library: fit::LIBRARY.estimate().known().0 + first_pass,
            touches: actual.as_ref().map_or_else(Vec::new, |graph| residency::touches(&self.prompt, graph)),
            buffers: BufferTypes {
                output: Bytes(output),
                work: Bytes(work),
                ..self.buffer_types(self.compute)
            },
        };
        let lowered = Lowered::new(draft)?.with_memory(memory);
        Ok(lowered.with_assumptions(super::assumptions(ASSUMPTIONS)).with_data(RuntimeData::new(facts)))
    }

    /// The graph of a pass as it runs.
    fn actual(&self, scenario: &Scenario) -> Result<tensor::Graph> {
        let settings = &self.context.settings;
        let tokens = scenario.prompt.unwrap_or(1).max(1);
        let used = scenario.past.saturating_add(tokens);
        let most = settings.context_of_sequence;
        if used > most {
            let message = format!("{used} tokens are asked for, and a sequence has {most} cells");
            return Err(
                Error::new(ErrorKind::Usage, message).help(format!("use `--ctx-size {used}` or more"))
            );
        }
        let batch = settings.prompt_batch();
        let sequences = scenario.batch.unwrap_or(1);
        if sequences > settings.sequences {
            let message =
                format!("{sequences} sequences are asked for, and the context has {}", settings.sequences);
            return Err(Error::new(ErrorKind::Usage, message).help(format!("use `--parallel {sequences}`")));
        }
        let tokens = tokens.min(batch.tokens);
        let outputs = if self.options.all_logits { tokens } else { 1 };
        self.check_outputs(self.outputs(scenario))?;
        self.context.graph(Batch { tokens, sequences: 1, outputs, used: Some(used) })
    }

    /// Refuses more results than the context has.
    fn check_outputs(&self, outputs: u64) -> Result<()> {
        let most = self.context.settings.outputs;
        if outputs <= most {
            return Ok(());
        }
        let message =
            format!("{outputs} results of a batch are asked for, and the context has {most} at most");
        Err(Error::new(ErrorKind::Usage, message)
            .help(format!("use `--outputs-max {outputs}`, or `--logits last`")))
    }

    /// Results that a logical batch gives.
    fn outputs(&self, scenario: &Scenario) -> u64 {
        let tokens = scenario.first_prompt.or(scenario.prompt).unwrap_or(1);
        if self.options.all_logits { tokens.min(self.context.settings.batch) } else { 1 }
    }

    /// Bytes of the output buffer, which holds logits, and hidden states where they are returned.
    ///
    /// Source: src/llama-context.cpp (`output_reserve`).
    fn output_bytes(&self, outputs: u64) -> u64 {
        let Context { model, settings, .. } = &self.context;
        let tokens = model.stored.list("tokenizer.ggml.tokens").map_or(model.vocabulary, |(len, _)| len);
        let hidden = if settings.embeddings { model.width } else { 0 };
        outputs.max(settings.sequences).saturating_mul(tokens + hidden).saturating_mul(4)
    }

    /// Nodes that a graph may have.
    ///
    /// Source: src/llama-context.cpp (`graph_max_nodes`).
    fn most_nodes(&self) -> u64 {
        (8 * self.context.model.stored.tensors.len() as u64).max(1024)
    }

    /// Weights and vocabulary.
    fn model_memory(&self) -> Vec<Allocation> {
        let weights = self.context.weights.all.iter().map(|weight| {
            let class = match weight.buffer {
                BufferType::Mapped => StorageClass::WeightsFile,
                _ => StorageClass::WeightsAnonymous,
            };
            self.memory(class, weight.bytes, Some(weight.tensor), Known::Exact)
        });
        let tokens = self.context.model.stored.list("tokenizer.ggml.tokens").map_or(0, |(len, _)| len);
        let (bytes, known) = fit::TOKEN.per(tokens).known();
        let gaps = self.context.weights.gaps.iter().map(|&(tensor, bytes)| {
            self.memory(StorageClass::WeightsFile, bytes, Some(tensor), Known::Exact)
        });
        weights.chain(gaps).chain([self.memory(StorageClass::Runtime, bytes, None, known)]).collect()
    }

    fn memory(&self, class: StorageClass, bytes: u64, tensor: Option<u32>, known: Known) -> Allocation {
        let node = tensor
            .map_or_else(NodeRef::default, |tensor| NodeRef { graph: 0, node: NodeId::new(tensor as usize) });
        Allocation { class, bytes: Bytes(bytes), node, known }
    }

    /// What llama.cpp prints as its breakdown.
    fn buffer_types(&self, compute: u64) -> BufferTypes {
        let mut rows: Vec<BufferRow> = self
            .context
            .weights
            .buffers
            .iter()
            .map(|&(buffer, bytes)| BufferRow {
                buffer_type: buffer.name(),
                model: Bytes(bytes),
                ..BufferRow::default()
            })
            .collect();
        let name = BufferType::Cpu.name();
        let at = rows.iter().position(|row| row.buffer_type == name).unwrap_or_else(|| {
            rows.push(BufferRow { buffer_type: name, ..BufferRow::default() });
            rows.len() - 1
        });
        rows[at].context = Bytes(self.context.caches.bytes());
        rows[at].compute = Bytes(compute);
        BufferTypes {
            rows,
            output: Bytes::ZERO,
            work: Bytes::ZERO,
            nodes: self.prompt.graph.nodes.len() as u64,
            leafs: self.prompt.graph.leafs.len() as u64,
        }
    }
}

/// Bytes of the buffer that a graph needs.
fn buffer_bytes(reserved: &Reserved) -> Result<u64> {
    let mut problem = crate::problem::Problem::default();
    for buffer in &reserved.allocation.buffers {
        let (start, end) = (buffer.start + usize::from(!is_leaf(reserved, buffer)), buffer.end + 2);
        let number = |step: usize| u32::try_from(step).unwrap_or(u32::MAX);
        problem = problem.with(number(start), number(end), buffer.bytes);
    }
    Ok(crate::plan::solve(&problem, Planner::BestFit)?.arena_size.0)
}

fn is_leaf(reserved: &Reserved, buffer: &allocate::Buffer) -> bool {
    reserved.graph.get(buffer.first).op == tensor::Op::None
}

/// Bytes of allocations that are not pages of a file.
fn anonymous(memory: &[Allocation]) -> u64 {
    let own = memory.iter().filter(|held| held.class != StorageClass::WeightsFile);
    own.map(|held| held.bytes).sum::<Bytes>().0
}

/// What every analysis assumes.
const ASSUMPTIONS: &[(&str, &str)] = &[
    (
        "reserved-once",
        "compute memory is reserved for the largest pass of a prompt and of a generation when the context is made",
    ),
    ("no-adapters", "no adapter, no draft model and no sampler on the backend is loaded"),
    ("cpu-only", "all layers are computed by the CPU backend without an accelerator library"),
    ("pages-of-the-file", "all mapped pages of weights are resident, since loading asks for them"),
];
