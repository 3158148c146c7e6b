//! What llama.cpp has in memory for a GGUF file.
//!
//! A GGUF has no graph: llama.cpp builds one in code from the file's settings, and so does this folder. One file per part:
//! `model`, what the file says; `loading`, what llama.cpp asks it for; `options` and `settings`, what was asked for and what
//! becomes of it; `cache`; `tensor` and `operators`, ggml's graph; `build`, `blocks` and `architecture`, which build it;
//! `device` and `offload`, what is on which device; `scheduler`, which backend computes what; `allocate` and `arenas`, ggml's
//! allocator; `weights`, model buffers; `work`, the work buffer; `vision`, projectors of images; `expand` and `lower`, nodes
//! and schedule for reports; `residency`.
//!
//! Memory is reserved when a context is made: for the pass of a prompt and for that of a generation. What runs later fits.
//!
//! Not covered: rows or tensors divided between devices, adapters, drafting, samplers on the backend.
//!
//! Source: llama.cpp 0.5.0 with ggml 0.25.3, as in the source distribution of llama-cpp-python 0.3.36.

mod allocate;
mod architecture;
mod arenas;
mod blocks;
mod build;
mod cache;
pub mod calibration;
mod command;
mod context;
mod device;
mod expand;
mod free_blocks;
mod loading;
mod lower;
mod model;
mod offload;
mod operators;
mod options;
mod residency;
mod scheduler;
mod settings;
mod tensor;
mod vision;
mod weights;
mod work;

pub use command::REGISTRATION;
pub use offload::Offload;
pub use options::{FrontEnd, LlamaCpp};

use super::{
    Allocation, Assumption, BufferRow, BufferTypes, Lowered, Outcome, Pass, Phase, PhaseName, Placed,
    Runtime, RuntimeData,
};
use crate::error::{Diagnostic, Error, ErrorKind, Location, Result, Severity};
use crate::graph::{Dims, Format, Graph, Stored};
use crate::ids::NodeId;
use crate::plan::Planner;
use crate::problem::{Plan, Problem};
use crate::scenario::Scenario;
use crate::schedule::{Draft, Known, NodeRef, StorageClass};
use crate::units::Bytes;
use cache::CacheTensor;
use calibration as fit;
use context::{Context, Reserved};
use expand::Numbers;
use residency::Facts;
use scheduler::Split;
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
        if vision::is_projector(stored) {
            return vision::expand(graph, stored, self).map(Some);
        }
        let context = Context::of(stored, graph.file(), self)?;
        let built = context.graph(context.settings.prompt_batch())?;
        expand::expand(graph, &context.caches, &context.weights, built).map(Some)
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let devices = &self.offload.devices;
        let reorders = devices.iter().chain(&self.offload.projector).any(|device| device.reorders());
        let order =
            if reorders { "; Vulkan and Metal reorder nodes, by which compute buffers differ" } else { "" };
        let text =
            format!("the rules of devices are read in the source and were not measured on hardware{order}");
        let made = (!devices.is_empty()).then(|| Diagnostic {
            code: "MG0009",
            severity: Severity::Warning,
            location: Location::default(),
            text,
        });
        made.into_iter().collect()
    }

    fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
        let Some(stored) = pass.graph.stored() else {
            return Err(
                Error::new(ErrorKind::Internal, "the file has no settings").in_file(pass.graph.file())
            );
        };
        if vision::is_projector(stored) {
            return vision::lower(pass, stored, self);
        }
        let session = Session::of(stored, pass.graph, self)?;
        let mut phases = Vec::new();
        if pass.is_first {
            phases.push((PhaseName::Load, session.loaded()?));
            phases.push((PhaseName::Compile, session.running(None)?));
        }
        phases.push((pass.name, session.running(Some(pass.scenario))?));
        Ok(phases)
    }

    fn place(
        &self,
        lowered: &Lowered,
        problem: &Problem,
        planner: Planner,
        _before: Option<&Phase>,
    ) -> Result<Plan> {
        let spots = lowered.data().get::<Facts>().map_or(&[][..], |facts| &facts.spots);
        arenas::place(problem, planner, spots)
    }

    fn finish(&self, placed: &Placed<'_>) -> Result<Outcome> {
        let own = Facts::default();
        let facts = placed.lowered.data().get::<Facts>().unwrap_or(&own);
        Ok(residency::of(facts, placed.plan, placed.before))
    }

    fn output(&self, graph: &Graph, scenario: &Scenario) -> Result<Option<Dims>> {
        let projector = graph.stored().filter(|stored| vision::is_projector(stored));
        let dims = projector.map(|stored| vision::output(stored, graph, scenario, self)).transpose()?;
        Ok(dims.map(|dims| Dims::from_slice(&dims)))
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
    /// By backend: bytes of its compute buffer, which fits both passes, and of them those that the prompt's pass needs.
    compute: Vec<(u64, u64)>,
}

impl<'a> Session<'a> {
    fn of(stored: &'a Stored, graph: &Graph, options: &'a LlamaCpp) -> Result<Session<'a>> {
        let context = Context::of(stored, graph.file(), options)?;
        let prompt = context.reserve(context.settings.prompt_batch())?;
        let generation = context.reserve(context.settings.generation_batch())?;
        let count = options.offload.devices.len() + 1;
        let planned = arenas::bytes(&prompt, count);
        let other = arenas::bytes(&generation, count);
        let compute =
            planned.iter().zip(other).map(|(&planned, other)| (planned.max(other), planned)).collect();
        let stored = stored.tensors.len();
        let numbers = Numbers::of_split(stored, &context.caches, &context.weights, &prompt.split);
        Ok(Session { options, context, prompt, numbers, compute })
    }

    /// The model is loaded, and the context does not exist yet.
    fn loaded(&self) -> Result<Lowered> {
        let mut buffers = self.buffer_types();
        for row in &mut buffers.rows {
            (row.context, row.compute) = (Bytes::ZERO, Bytes::ZERO);
        }
        (buffers.output, buffers.work) = (Bytes::ZERO, Bytes::ZERO);
        let memory: Vec<Allocation> = self.model_memory();
        let on_devices = self.weights_on_devices();
        let facts = Facts {
            written: anonymous(&memory) - on_devices,
            library: fit::LIBRARY.estimate().known().0,
            on_devices,
            buffers,
            ..Facts::default()
        };
        let lowered = Lowered::new(Draft::default())?.with_memory(memory);
        Ok(lowered.with_assumptions(self.assumptions()).with_data(RuntimeData::new(facts)))
    }

    /// The context with what it has reserved; a pass of `scenario` runs in it, or none.
    fn running(&self, scenario: Option<&Scenario>) -> Result<Lowered> {
        let actual = scenario.map(|scenario| self.actual(scenario)).transpose()?;
        let draft = lower::schedule(&self.prompt, &self.cache_sizes(), &self.numbers);
        let outputs = scenario.map_or(1, |scenario| self.outputs(scenario));
        let output = self.output_bytes(outputs);
        let threads = u64::from(self.options.machine.cores);
        let cpu = self.context.devices().cpu();
        let work = actual.as_ref().map_or(0, |split| work::bytes(split, cpu, &self.context.weights, threads));
        let mut memory = self.model_memory();
        let objects = (fit::CONTEXT.estimate() + fit::NODE.per(self.most_nodes())).known();
        memory.push(self.memory(StorageClass::Runtime, objects.0, None, objects.1));
        memory.push(self.memory(StorageClass::Io, output, None, Known::Exact));
        memory.push(self.memory(StorageClass::Workspace, work, None, Known::Exact));
        let more = self.compute.iter().map(|(whole, planned)| whole - planned).fold(0, u64::saturating_add);
        memory.push(self.memory(StorageClass::Workspace, more, None, Known::Exact));
        if scenario.is_some() && self.options.front_end == FrontEnd::Server {
            let kept = self.prompts_and_checkpoints();
            memory.extend(kept.map(|bytes| self.memory(StorageClass::State, bytes, None, Known::UpperBound)));
        }
        memory.retain(|held| held.bytes > Bytes::ZERO);
        let first_pass = if actual.is_some() { fit::FIRST_PASS.estimate().known().0 } else { 0 };
        let apart = self.apart();
        let is_apart = |own: usize| apart.contains(&(own as u8));
        let reserved =
            self.compute.iter().enumerate().filter(|(at, _)| is_apart(*at)).map(|(_, bytes)| bytes.0);
        let reserved = reserved.fold(0, u64::saturating_add);
        let facts = Facts {
            written: anonymous(&memory)
                .saturating_add(self.cache_bytes(|at| !is_apart(at)))
                .saturating_sub(more)
                .saturating_sub(self.weights_on_devices()),
            library: fit::LIBRARY.estimate().known().0 + first_pass,
            touches: actual.as_ref().map_or_else(Vec::new, |split| residency::touches(&self.prompt, split)),
            spots: arenas::spots(&self.prompt),
            on_devices: self
                .weights_on_devices()
                .saturating_add(self.cache_bytes(is_apart))
                .saturating_add(reserved),
            apart,
            buffers: BufferTypes { output: Bytes(output), work: Bytes(work), ..self.buffer_types() },
        };
        let lowered = Lowered::new(draft)?.with_memory(memory);
        Ok(lowered.with_assumptions(self.assumptions()).with_data(RuntimeData::new(facts)))
    }

    /// Bytes of llama-server's prompt cache once it is full, and of its slots' checkpoints once all are made.
    ///
    /// A checkpoint holds what a slot cannot compute again from its other cells: its window, where that has few cells, and its
    /// recurrent states.
    ///
    /// Source: llama.cpp 0.5.0, tools/server/server-context.cpp (`create_checkpoint`), tools/server/server-task.cpp
    /// (`server_prompt_cache`), src/llama-kv-cache.cpp (`state_write`).
    fn prompts_and_checkpoints(&self) -> [u64; 2] {
        let Context { model, settings, caches, .. } = &self.context;
        let of_slot = |tensor: &CacheTensor| match tensor.is_state {
            true => tensor.bytes() / settings.sequences.max(1),
            // Cells that the window has passed are not stored.
            false if model.is_window(u64::from(tensor.layer)) && !settings.full_window => {
                let cells = tensor.dims[1].min(model.window.tokens);
                tensor::row(tensor.dtype, tensor.dims[0]).saturating_mul(cells)
            }
            false => 0,
        };
        let one = caches.tensors.iter().map(of_slot).fold(0, u64::saturating_add);
        let checkpoints = self.options.checkpoints.saturating_mul(settings.sequences).saturating_mul(one);
        [self.options.cache_ram.saturating_mul(1 << 20), checkpoints]
    }

    /// Backends with memory of their own.
    fn apart(&self) -> Vec<u8> {
        let devices = self.options.offload.devices.iter().zip(0_u8..);
        devices.filter(|(device, _)| !device.is_unified()).map(|(_, number)| number).collect()
    }

    /// Bytes of weights on devices with memory of their own.
    fn weights_on_devices(&self) -> u64 {
        let apart = self.apart();
        let own = self.context.weights.all.iter();
        let own = own.filter(|weight| weight.buffer.device().is_some_and(|device| apart.contains(&device)));
        own.map(|weight| weight.bytes).fold(0, u64::saturating_add)
    }

    /// By tensor of a cache: whether it is a state, and its bytes.
    fn cache_sizes(&self) -> Vec<(bool, u64)> {
        let tensors = self.context.caches.tensors.iter().zip(&self.context.cache_devices);
        let size = |tensor, device| cache_bytes(tensor, device, &self.options.offload);
        tensors.map(|(tensor, device)| (tensor.is_state, size(tensor, *device))).collect()
    }

    /// Bytes of the caches on some backends.
    fn cache_bytes(&self, chosen: impl Fn(usize) -> bool) -> u64 {
        let cpu = self.context.devices().cpu();
        let tensors = self.context.caches.tensors.iter().zip(&self.context.cache_devices);
        let own = tensors.filter(|(_, device)| chosen(usize::from(device.unwrap_or(cpu))));
        let offload = &self.options.offload;
        own.map(|(tensor, device)| cache_bytes(tensor, *device, offload)).fold(0, u64::saturating_add)
    }

    fn assumptions(&self) -> Vec<Assumption> {
        let devices = if self.options.offload.devices.is_empty() { CPU_ONLY } else { DEVICES };
        [ASSUMPTIONS, devices].into_iter().flat_map(super::assumptions).collect()
    }

    /// The graph of a pass as it runs.
    fn actual(&self, scenario: &Scenario) -> Result<Split> {
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
        self.context.split(Batch { tokens, sequences: 1, outputs, used: Some(used) })
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
                buffer if buffer.is_mapped() => StorageClass::WeightsFile,
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
    fn buffer_types(&self) -> BufferTypes {
        let Context { weights, caches, cache_devices, .. } = &self.context;
        let offload = &self.options.offload;
        let mut rows: Vec<BufferRow> = Vec::new();
        let mut add = |buffer: BufferType, change: &dyn Fn(&mut BufferRow)| {
            let name = buffer.name(offload);
            let at = rows.iter().position(|row| row.buffer_type == name).unwrap_or_else(|| {
                let is_on_device = matches!(buffer, BufferType::Device(_));
                rows.push(BufferRow { buffer_type: name, is_on_device, ..BufferRow::default() });
                rows.len() - 1
            });
            change(&mut rows[at]);
        };
        for &(buffer, bytes) in &weights.buffers {
            add(buffer, &|row| row.model += Bytes(bytes));
        }
        add(BufferType::Cpu, &|_| {});
        for (tensor, device) in caches.tensors.iter().zip(cache_devices) {
            let buffer = device.map_or(BufferType::Cpu, BufferType::Device);
            let bytes = Bytes(cache_bytes(tensor, *device, offload));
            add(buffer, &|row| row.context += bytes);
        }
        let cpu = self.compute.len() - 1;
        for (backend, &(bytes, _)) in self.compute.iter().enumerate() {
            // The CPU's is in memory that the first device copies from.
            let host = if cpu > 0 && offload.devices[0].host().is_some() {
                BufferType::Host
            } else {
                BufferType::Cpu
            };
            let buffer = if backend == cpu { host } else { BufferType::Device(backend as u8) };
            add(buffer, &|row| row.compute += Bytes(bytes));
        }
        BufferTypes {
            rows,
            output: Bytes::ZERO,
            work: Bytes::ZERO,
            nodes: self.prompt.counts.0,
            leafs: self.prompt.counts.1,
            splits: self.prompt.split.splits,
        }
    }
}

/// Bytes of a cache's tensor where it is, with those up to the next one.
fn cache_bytes(tensor: &CacheTensor, device: Option<u8>, offload: &Offload) -> u64 {
    match device.and_then(|number| offload.devices.get(usize::from(number))) {
        Some(device) => {
            let stored = device.stored_bytes(tensor.dtype, tensor.dims[0], tensor.bytes());
            Bytes(stored).align_up(device.alignment()).0
        }
        None => tensor.bytes(),
    }
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
    ("pages-of-the-file", "all mapped pages of weights are resident, since loading asks for them"),
];

/// What an analysis without devices assumes.
const CPU_ONLY: &[(&str, &str)] =
    &[("cpu-only", "all layers are computed by the CPU backend without an accelerator library")];

/// What an analysis with devices assumes.
const DEVICES: &[(&str, &str)] = &[
    (
        "devices-from-source",
        "sizes, alignments and operators of devices are those of ggml's source; contexts, kernels and pools of drivers are not counted",
    ),
    ("no-fit", "`--gpu-layers auto` is all layers: the options are not adjusted to the devices' memory"),
];
