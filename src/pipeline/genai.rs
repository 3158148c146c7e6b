//! A decoder as ONNX Runtime GenAI runs it on CPU: who allocates its caches and outputs, and how long they are.
//!
//! Logits and caches are the runner's, outside of the runtime's arena. Where the configuration shares buffers, each cache is
//! allocated once for `max_length` tokens and is past and present of every pass; else each pass is given a new present,
//! and the one before is its past.
//!
//! Source: ONNX Runtime GenAI, src/models/kv_cache.cpp (`DefaultKeyValueCache`, `DetectAndConfigureFixedKvShape`),
//! src/generators.cpp (`IsPastPresentShareBufferEnabled`, and the checks of lengths), src/models/logits.cpp.

use crate::error::{Error, ErrorKind, Result};
use crate::formats::genai::{self, GenAiConfig};
use crate::graph::Graph;
use crate::scenario::roles::{self, Role};
use crate::scenario::{CacheWindow, GenAi, SharedCache, Task, input_name};
use std::path::Path;

/// How GenAI runs the decoder of a model's folder, and how many sequences each of the batch is; `None`: the model is no
/// folder for it.
///
/// `max_length` goes before the configuration's. `tokens` are those of the whole run.
///
/// # Errors
///
/// If the configuration cannot be read, or GenAI refuses the lengths.
pub fn of(model: &Path, graph: &Graph, max_length: Option<u64>, tokens: u64) -> Result<Option<(GenAi, u64)>> {
    let found = if model.is_dir() { genai::read(model)? } else { None };
    let Some(config) = found else {
        return reject_max_length(model, max_length).map(|()| None);
    };
    let refused = |message: String, help: &str| {
        Err(Error::new(ErrorKind::Usage, message).in_file(&model.join("genai_config.json")).help(help))
    };
    let length = max_length.or(config.max_length);
    if let (Some(length), Some(context)) = (length, config.context_length.filter(|_| max_length.is_some()))
        && length > context
    {
        return refused(
            format!("a maximum length of {length} tokens is asked for, and the context has {context}"),
            "give a `--max-length` that is no longer than `model.context_length`",
        );
    }
    if let Some(length) = length.filter(|&length| tokens > length) {
        return refused(
            format!("the run has {tokens} tokens, and generation ends at {length}"),
            "give a longer `--max-length`, or fewer tokens",
        );
    }
    let fixed = fixed_length(graph);
    let shared = (fixed.is_some() || is_shared(&config)).then(|| fixed.or(length)).flatten();
    let window = config.window.filter(|_| fixed.is_none());
    let shared_cache = shared.map(|length| SharedCache {
        length,
        window: window.map(|window| CacheWindow { length: window.length.min(length), layers: window.layers }),
    });
    Ok(Some((GenAi { shared_cache }, config.beams)))
}

/// Returns an error if a maximum length is given and ONNX Runtime GenAI does not run the model.
///
/// # Errors
///
/// If there is one.
pub fn reject_max_length(model: &Path, max_length: Option<u64>) -> Result<()> {
    let Some(length) = max_length else { return Ok(()) };
    let message = format!("`--max-length {length}` was given, and ONNX Runtime GenAI does not run the model");
    Err(Error::new(ErrorKind::Usage, message)
        .in_file(model)
        .help("remove it, or give a folder with a genai_config.json and `--profile onnxruntime-cpu`"))
}

/// Whether the runner shares buffers: not while beams are reordered.
fn is_shared(config: &GenAiConfig) -> bool {
    config.shares_cache && (config.beams == 1 || config.model_type.as_deref() == Some("whisper"))
}

/// The cached tokens that a graph itself fixes, the same for every cache.
fn fixed_length(graph: &Graph) -> Option<u64> {
    let mut lengths = graph.parameters().iter().filter_map(|&node| {
        let tensor = graph.output(node, 0)?;
        let dims = graph.tensor(tensor).shape.dims.as_ref()?;
        let roles = roles::of_input(input_name(graph, node), dims.len(), Task::Llm)?;
        let axis = roles.iter().position(|&role| role == Role::Past)?;
        Some(dims.get(axis)?.as_known())
    });
    let first = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}
