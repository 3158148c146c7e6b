//! What one model of a deployment needs on one device.

use super::file::{Deployment, Device, Model, Place, Vllm};
use crate::analysis::{Kind, Request, Task};
use crate::closed_form::{quick, vllm};
use crate::error::{Error, ErrorKind, Result, countable};
use crate::fit::axis::Axis;
use crate::fit::run::{CONTEXT, LAYERS, Run};
use crate::fit::subject::{self, Subject};
use crate::formats::architecture::{self, Text};
use crate::report::model::Report;
use crate::units::Bytes;
use std::path::Path;

/// The name of vLLM among the runtimes of a deployment.
const VLLM: &str = "vllm";

/// Where a model's memory is known from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// An analysis of its graph.
    Graph(Box<Subject>),
    /// vLLM's accounting over the sizes of a config.
    Vllm(Box<vllm::Engine>, Box<Text>, u64),
    /// A rule of thumb: all bytes.
    Estimate(u64),
}

/// A model whose files are read.
#[derive(Clone, Debug)]
pub(super) struct Opened<'a> {
    pub(super) model: &'a Model,
    pub(super) source: Source,
}

/// What a model takes, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// Main memory of each process.
    pub(super) ram: u64,
    /// Pages of files, which processes share.
    pub(super) shared: u64,
    /// Video memory of each process.
    pub(super) vram: u64,
    /// Video memory that the process itself requires to be free when it starts.
    pub(super) at_start: u64,
    /// Why the model does not start, whatever else runs.
    pub(super) refused: Option<String>,
    /// How the figures are known.
    pub(super) known: String,
}

impl<'a> Opened<'a> {
    /// Reads what a model's entry names.
    pub(super) fn open(deployment: &Deployment, model: &'a Model) -> Result<Opened<'a>> {
        let named = |error: Error| error.note(format!("model \"{}\"", model.name));
        let source = match (&model.runtime, &model.path) {
            (Some(runtime), _) if runtime == VLLM => vllm_source(deployment, model).map_err(named)?,
            (_, Some(path)) => graph(model, &deployment.at(path)).map_err(named)?,
            _ => estimate(deployment, model).map_err(named)?,
        };
        Ok(Opened { model, source })
    }

    /// What the model takes on a device; `change` is another value of an axis of its run.
    pub(super) fn demand(&self, device: &Device, change: Option<(&Axis, u64)>) -> Result<Demand> {
        match &self.source {
            Source::Graph(subject) => {
                let run = match change {
                    Some((axis, value)) => axis.set(&subject.run, value),
                    None => subject.run.clone(),
                };
                Ok(of_report(&subject.analyze(&run)?, device, self.model.place))
            }
            Source::Vllm(engine, text, weights) => of_engine(engine, text, *weights, device),
            Source::Estimate(total) => Ok(self.of_estimate(*total, device, change.map(|(_, layers)| layers))),
        }
    }

    /// An estimate is in video memory where there is some; layers that are not on the GPU are in main memory.
    fn of_estimate(&self, total: u64, device: &Device, layers: Option<u64>) -> Demand {
        let known = "rule of thumb".to_owned();
        let usual = if device.vram.is_some() { Place::Vram } else { Place::Ram };
        if self.model.place.unwrap_or(usual) == Place::Ram {
            return Demand { ram: total, known, ..Demand::default() };
        }
        let all = self.layers().unwrap_or(0);
        let vram = match layers.or(self.model.gpu_layers) {
            Some(layers) if all > 0 => {
                (u128::from(total) * u128::from(layers.min(all)) / u128::from(all)) as u64
            }
            _ => total,
        };
        Demand { ram: total - vram, vram, known, ..Demand::default() }
    }

    /// Layers that can be on a GPU, where the program may choose how many are: the output counts as one.
    pub(super) fn layers(&self) -> Option<u64> {
        match &self.source {
            Source::Graph(subject) if subject.has_option(LAYERS) => {
                Some(subject.stated_layers()?.saturating_add(1))
            }
            Source::Estimate(..) => Some(self.model.layers?.saturating_add(1)),
            _ => None,
        }
    }
}

impl Opened<'_> {
    /// The tokens of the prompt at most, where the model is a language model with a graph.
    pub(super) fn longest_prompt(&self) -> Option<u64> {
        let Source::Graph(subject) = &self.source else { return None };
        let is_text = subject.run.kind == Kind::Language && subject.run.base.options.word(CONTEXT).is_none();
        let own = subject.own_limit(&Axis::Seq, &subject.run).ok().flatten();
        is_text.then(|| own.unwrap_or(Axis::Seq.most()))
    }
}

/// Reads a model's graph.
fn graph(model: &Model, path: &Path) -> Result<Source> {
    let mut base = Request::new(Task::Graph);
    base.profile.clone_from(&model.runtime);
    for (name, value) in &model.options {
        base.options = base.options.with(name.replace('_', "-"), value.to_string());
    }
    let run = &model.run;
    let binds = run.bind.iter().map(|(name, size)| (name.clone(), *size)).collect();
    let kind = match &run.task {
        Some(word) => Some(Kind::by_command(word).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("\"{word}\" is not a task"))
                .help("use llm, vit, vlm or graph")
        })?),
        None => None,
    };
    base.base.binds = binds;
    let mut subject = Subject::open(path, base, kind)?;
    let set = Run {
        seq: run.seq,
        new_tokens: run.new_tokens,
        text_tokens: run.text_tokens,
        batch: run.batch,
        past: run.past,
        image: run.image,
        ..subject.run.clone()
    };
    subject.run = set;
    Ok(Source::Graph(Box::new(subject)))
}

/// The demand of an analysed run: buffers of devices are in video memory, all else in main memory, unless the entry says
/// where all of it is.
fn of_report(report: &Report, device: &Device, place: Option<Place>) -> Demand {
    let resident = report.resident_peak();
    let known = subject::profile(report);
    if place == Some(Place::Vram) {
        let total = report.totals.total_bytes;
        return Demand { vram: total, known, ..Demand::default() };
    }
    let vram = report.device_bytes();
    let has_none = vram > 0 && device.vram.is_none();
    let refused = has_none.then(|| "its run has layers on a GPU, and the machine has none".to_owned());
    let shared = report.highest_resident().map_or(0, |phase| phase.file_resident_bytes.min(resident));
    Demand { ram: resident - shared, shared, vram, refused, known, ..Demand::default() }
}

/// Reads the sizes that vLLM's accounting needs.
fn vllm_source(deployment: &Deployment, model: &Model) -> Result<Source> {
    let config = model.config.as_ref().or(model.path.as_ref()).ok_or_else(|| {
        let message = "vLLM's accounting needs the sizes of a config.json";
        Error::new(ErrorKind::Usage, message).help("add `config = \"config.json\"`")
    })?;
    let mut file = deployment.at(config);
    if file.is_dir() {
        file = file.join("config.json");
    }
    let text = architecture::read(&file)?.text.ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "the config describes no language model").in_file(&file)
    })?;
    let params = model.params.map_or_else(|| quick::params(&text), Ok)?;
    let weights = match model.file_size {
        Some(bytes) => bytes,
        None => quick::inference(params, model.bits.unwrap_or(16), None)?.weights.0,
    };
    Ok(Source::Vllm(Box::new(engine(&model.vllm)?), Box::new(text), weights))
}

fn engine(given: &Vllm) -> Result<vllm::Engine> {
    const GIB: f64 = (1_u64 << 30) as f64;
    let mut engine = vllm::Engine::default();
    let share = given.gpu_memory_utilization.unwrap_or(engine.gpu_memory_utilization);
    if !(share > 0.0 && share <= 1.0) {
        let message = format!("gpu_memory_utilization is {share}, and it is a share above 0 and up to 1");
        return Err(Error::new(ErrorKind::Usage, message));
    }
    let gib = |given: Option<f64>, usual: u64| given.map_or(usual, |gib| (gib.max(0.0) * GIB) as u64);
    engine.gpu_memory_utilization = share;
    engine.max_model_len = given.max_model_len.unwrap_or(engine.max_model_len).max(1);
    engine.max_num_batched_tokens = given.max_num_batched_tokens.unwrap_or(engine.max_num_batched_tokens);
    engine.max_num_seqs = given.max_num_seqs.unwrap_or(engine.max_num_seqs);
    engine.swap_space = gib(given.swap_space, engine.swap_space);
    engine.cpu_offload = gib(given.cpu_offload_gb, 0);
    engine.tensor_parallel_size = given.tensor_parallel_size.unwrap_or(1).max(1);
    engine.kv_cache_bytes = match given.kv_cache_dtype.as_deref() {
        None | Some("auto" | "float16" | "bfloat16") => 2,
        Some("fp8" | "fp8_e4m3" | "fp8_e5m2") => 1,
        Some(other) => {
            let message = format!("kv_cache_dtype is \"{other}\", and its sizes are not known");
            return Err(Error::new(ErrorKind::Usage, message).help("use auto, fp8, fp8_e4m3 or fp8_e5m2"));
        }
    };
    Ok(engine)
}

/// An engine takes its whole share of the device, and must find it free.
fn of_engine(engine: &vllm::Engine, text: &Text, weights: u64, device: &Device) -> Result<Demand> {
    let known = "vLLM, not validated".to_owned();
    let Some(total) = device.vram else {
        return Ok(Demand { refused: Some("vLLM needs a GPU".to_owned()), known, ..Demand::default() });
    };
    let found = vllm::plan(engine, text, weights, total, device.driver_context.unwrap_or(0));
    countable(found.needed, "a KV cache of max_model_len tokens")?;
    countable(found.activations, "one pass of max_num_batched_tokens")?;
    let gpus = device.gpus.unwrap_or(1);
    let refused = if engine.tensor_parallel_size > gpus {
        Some(format!("tensor_parallel_size is {}, and there are {gpus} GPUs", engine.tensor_parallel_size))
    } else if found.available <= 0 {
        let short = Bytes(found.available.unsigned_abs());
        Some(format!("weights, one pass and driver exceed the share by {short}"))
    } else if i128::from(found.needed) > i128::from(found.available) {
        Some(format!(
            "blocks for {} tokens need {}, and {} are left: max_model_len {} at most",
            engine.max_model_len,
            Bytes(found.needed),
            Bytes(found.available.unsigned_abs()),
            found.longest
        ))
    } else {
        None
    };
    let (ram, vram) = (found.host.saturating_mul(engine.tensor_parallel_size), found.requested);
    Ok(Demand { ram, vram, at_start: vram, refused, known, ..Demand::default() })
}

/// A rule of thumb over a file's length, a config or a number of parameters.
fn estimate(deployment: &Deployment, model: &Model) -> Result<Source> {
    if let Some(bytes) = model.file_size {
        let is_onnx = model.runtime.as_deref().is_some_and(|runtime| runtime.starts_with("onnx"));
        let total = if is_onnx { quick::onnx_file(Bytes(bytes)) } else { quick::loaded_gguf(Bytes(bytes)) };
        return Ok(Source::Estimate(total.0));
    }
    let params = match (&model.params, &model.config) {
        (Some(params), _) => *params,
        (None, Some(config)) => {
            let file = deployment.at(config);
            let text = architecture::read(&file)?.text;
            quick::params(&text.ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, "the config describes no language model").in_file(&file)
            })?)?
        }
        (None, None) => 0,
    };
    let found = quick::inference(params, model.bits.unwrap_or(16), None)?;
    Ok(Source::Estimate(found.total().0))
}
