//! One language model: prefill, decode, or a whole generation.

use super::positions;
use crate::error::{Diagnostic, Error, ErrorKind, Location, Result, Severity};
use crate::formats::genai;
use crate::graph::{Dims, Graph};
use crate::phases::PhaseName;
use crate::runtime::{Generation, Runtime};
use crate::scenario::roles::{self, Role};
use crate::scenario::{Scenario, Task, input_name};
use std::path::{Path, PathBuf};

/// Which part of a generation is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The prompt in one pass.
    #[default]
    Prefill,
    /// One token after the prompt.
    Decode,
    /// What the host application runs: whole generations where it runs those, else the prompt.
    Usual {
        /// How many tokens are generated.
        new_tokens: u64,
    },
    /// The prompt, then tokens up to the last.
    Generate {
        /// How many tokens are generated.
        new_tokens: u64,
    },
}

impl Part {
    /// The same part, with [`Usual`](Part::Usual) replaced by what `runtime`'s host application runs.
    #[must_use]
    pub fn under(self, runtime: &dyn Runtime) -> Part {
        match self {
            Part::Usual { new_tokens } if runtime.runs_generations() => Part::Generate { new_tokens },
            Part::Usual { .. } => Part::Prefill,
            part => part,
        }
    }
}

/// Files that a language model may be in, first choice first: OpenVINO's exports; ONNX as optimum writes it, where a
/// decoder of both parts comes before one with or without a past; and the same in the subfolder of Hugging Face.
const FILES: [&str; 13] = [
    "openvino_language_model.xml",
    "openvino_model.xml",
    "openvino_decoder_model.xml",
    "model.onnx",
    "decoder_model_merged.onnx",
    "decoder_with_past_model.onnx",
    "decoder_model.onnx",
    "text_model.onnx",
    "onnx/model.onnx",
    "onnx/decoder_model_merged.onnx",
    "onnx/decoder_with_past_model.onnx",
    "onnx/decoder_model.onnx",
    "onnx/text_model.onnx",
];

/// The graph file of a language model: what `genai_config.json` names, else the first of the usual ones.
///
/// # Errors
///
/// If the folder holds none, or its `genai_config.json` cannot be read.
pub fn file(model: &Path) -> Result<PathBuf> {
    if model.is_dir()
        && let Some(name) = genai::read(model)?.and_then(|config| config.decoder)
    {
        return super::graph_file(model, &[&name]);
    }
    // A projector of images next to the model is not a second model.
    if let Some(language) = super::parts::language_of_stored(model) {
        return Ok(language);
    }
    super::graph_file(model, &FILES)
}

/// Refuses a length that changes nothing: no input's dims follow it, and none is as long. What the user binds by name is
/// the user's choice.
///
/// # Errors
///
/// If the model is none that takes tokens, or was exported for another number of them.
pub fn check_length(graph: &Graph, base: &Scenario, prompt: u64) -> Result<()> {
    let dims = |prompt| -> Result<Vec<Option<Dims>>> {
        let scenario = Scenario { task: Task::Llm, prompt: Some(prompt), ..base.clone() };
        Ok(scenario.bind(graph)?.parameters.into_iter().map(|info| info.dims).collect())
    };
    let own = dims(prompt)?;
    // A graph that a runtime built has the lengths of its options; the runtime compares them.
    if graph.stored().is_some() {
        return Ok(());
    }
    let is_as_long = own.iter().flatten().any(|dims| dims.contains(&prompt));
    if is_as_long
        || !base.inputs.is_empty()
        || !base.binds.is_empty()
        || own != dims(prompt.saturating_add(1))?
    {
        return Ok(());
    }
    let shown = graph.parameters().iter().zip(&own).map(|(&node, dims)| {
        let dims = dims.iter().flatten().map(u64::to_string).collect::<Vec<_>>().join(",");
        format!("{}[{dims}]", input_name(graph, node))
    });
    Err(Error::new(
        ErrorKind::Usage,
        format!("{prompt} tokens are asked for, and no input's shape follows their number"),
    )
    .in_file(graph.file())
    .note(format!("the inputs are {}", shown.collect::<Vec<_>>().join(", ")))
    .help("use `memgraph vit` for a vision tower, or `memgraph graph` for any other model"))
}

/// Refuses a shape that the user gives to an input and that contradicts the length or the batch of the run.
///
/// # Errors
///
/// If one does.
pub fn check_inputs(graph: &Graph, base: &Scenario, prompt: u64) -> Result<()> {
    let batch = base.batch.unwrap_or(1);
    for (name, dims) in &base.inputs {
        let node = graph.parameters().iter().find(|&&node| input_name(graph, node) == name);
        let roles = node.and_then(|_| roles::of_input(name, dims.len(), Task::Llm)).unwrap_or_default();
        let mut contradicts = Vec::new();
        for (&role, &dim) in roles.iter().zip(dims) {
            let (expected, what) = match role {
                Role::Batch => (batch, format!("batch {batch}")),
                Role::Prompt => (prompt, format!("SEQ {prompt}")),
                Role::Total => {
                    (prompt.saturating_add(base.past), format!("SEQ {prompt} after {} tokens", base.past))
                }
                _ => continue,
            };
            let is_bound = base.binds.iter().any(|(bound, _)| bound == role.name());
            if dim != expected && !is_bound {
                contradicts.push(what);
            }
        }
        if !contradicts.is_empty() {
            let shape = dims.iter().map(u64::to_string).collect::<Vec<_>>().join("x");
            let message = format!("`--input {name}={shape}` contradicts {}", contradicts.join(" and "));
            return Err(Error::new(ErrorKind::Usage, message)
                .in_file(graph.file())
                .help("remove it: SEQ, `--batch` and `--past` give the shapes of these inputs"));
        }
    }
    Ok(())
}

/// Says that a run of `tokens` tokens, past and new ones included, is longer than the model was made for; `None` if it is
/// not, or no limit is known. The limit is the config's, else the rows of the graph's table of positions.
#[must_use]
pub fn over_limit(graph: Option<&Graph>, base: &Scenario, tokens: u64) -> Option<Diagnostic> {
    let of_config = base
        .config
        .max_positions
        .map(|limit| (limit, format!("max_position_embeddings {limit}"), Location::default()));
    let of_table = || {
        let graph = graph?;
        let (rows, lookup) = positions::table(graph)?;
        Some((rows, format!("its table of positions has {rows} rows"), graph.location(lookup, None)))
    };
    let (limit, source, location) = of_config.or_else(of_table).filter(|&(limit, ..)| tokens > limit)?;
    let text = format!("the run has {tokens} tokens, and the model was made for {limit} at most ({source})");
    Some(Diagnostic { code: "MG0006", severity: Severity::Warning, location, text })
}

/// The error of a model that does not take `tokens` tokens: where that is over the limit of its config, it states the
/// limit. Other errors are handed through.
#[must_use]
pub fn explain_length(error: Error, base: &Scenario, tokens: u64) -> Error {
    let limit = base.config.max_positions.filter(|&limit| tokens > limit);
    let (ErrorKind::Shape, Some(limit)) = (error.kind(), limit) else { return error };
    Error::new(ErrorKind::Shape, format!("the model takes at most {limit} tokens, and the run has {tokens}"))
        .at(error.location().clone())
        .note(error.message())
        .note(format!("the config says max_position_embeddings {limit}"))
        .help(format!("give {limit} tokens or fewer, those after the prompt included"))
}

/// The phases of a run over `prompt` tokens; `base` gives everything else, its `past` included.
///
/// A generation is its prefill, the decode that last makes `runtime`'s cache of keys and values grow, and the last
/// decode: growth holds old and new memory, so that one of these is the highest.
#[must_use]
pub fn phases(base: &Scenario, prompt: u64, part: Part, runtime: &dyn Runtime) -> Vec<(PhaseName, Scenario)> {
    let first_prompt = base.past.saturating_add(prompt);
    let prefill =
        Scenario { task: Task::Llm, prompt: Some(prompt), first_prompt: Some(first_prompt), ..base.clone() };
    let decode_after = |generated: u64| {
        let past = base.past.saturating_add(prompt).saturating_add(generated);
        Scenario { prompt: Some(1), past, ..prefill.clone() }
    };
    let prefills = |prefill: &Scenario| -> Vec<(PhaseName, Scenario)> {
        let chunks = chunks(prompt, runtime.longest_pass());
        let of_chunk = |(before, tokens): (u64, u64)| {
            let past = base.past.saturating_add(before);
            (PhaseName::Prefill, Scenario { prompt: Some(tokens), past, ..prefill.clone() })
        };
        chunks.into_iter().map(of_chunk).collect()
    };
    match part.under(runtime) {
        Part::Prefill | Part::Usual { .. } => prefills(&prefill),
        Part::Decode => vec![(PhaseName::Decode, decode_after(0))],
        // The prefill gives the first token, so the last pass has all but one of the new tokens behind it.
        Part::Generate { new_tokens } => {
            let limited = |scenario| Scenario { new_tokens: Some(new_tokens), ..scenario };
            let mut phases = prefills(&limited(prefill.clone()));
            if let Some(last) = new_tokens.checked_sub(2) {
                let generation = Generation { prompt: first_prompt, new_tokens: Some(new_tokens) };
                let length = first_prompt.saturating_add(last).saturating_add(1);
                let grows_at = runtime.last_growth(base.batch.unwrap_or(1), generation, length);
                let grows_after =
                    grows_at.and_then(|length| length.checked_sub(first_prompt.saturating_add(1)));
                let before = grows_after.filter(|&generated| generated < last);
                let decodes = before.into_iter().chain([last]);
                phases.extend(decodes.map(|generated| (PhaseName::Decode, limited(decode_after(generated)))));
            }
            phases
        }
    }
}

/// The passes of a prompt that is run in chunks, as tokens before and tokens of each: the first, the last full one and the
/// rest, one of which is the highest.
fn chunks(prompt: u64, longest: Option<u64>) -> Vec<(u64, u64)> {
    let Some(longest) = longest.filter(|&longest| longest > 0 && longest < prompt) else {
        return vec![(0, prompt)];
    };
    let full = prompt / longest;
    let last_full = (full > 1).then(|| (longest * (full - 1), longest));
    let rest = prompt - longest * full;
    let rest = (rest > 0).then_some((longest * full, rest));
    [Some((0, longest)), last_full, rest].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::openvino_cpu::{Cache, OpenvinoCpu};

    #[test]
    fn folders_name_their_decoder_or_have_a_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(file(folder.path()).is_err());
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for name in ["onnx/model.onnx", "decoder_model.onnx", "decoder_model_merged.onnx", "text.onnx"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(file(folder.path()).unwrap(), folder.path().join("decoder_model_merged.onnx"));
        let config = r#"{"model": {"decoder": {"filename": "text.onnx"}}}"#;
        std::fs::write(folder.path().join("genai_config.json"), config).unwrap();
        assert_eq!(file(folder.path()).unwrap(), folder.path().join("text.onnx"));
        assert_eq!(file(Path::new("other.onnx")).unwrap(), Path::new("other.onnx"));
    }

    #[test]
    fn a_length_over_the_configs_limit_is_named() {
        let mut base = Scenario::default();
        assert_eq!(over_limit(None, &base, 1 << 40), None);
        base.config.max_positions = Some(512);
        assert_eq!(over_limit(None, &base, 512), None);
        assert!(over_limit(None, &base, 513).unwrap().text.contains("512 at most"));
        let shape = || Error::new(ErrorKind::Shape, "do not broadcast");
        assert_eq!(explain_length(shape(), &base, 512).message(), "do not broadcast");
        assert!(explain_length(shape(), &base, 513).to_string().contains("give 512 tokens or fewer"));
    }

    #[test]
    fn the_last_of_n_new_tokens_has_n_minus_two_before_its_pass() {
        let generate = Part::Generate { new_tokens: 5 };
        let phases = phases(&Scenario::default(), 10, generate, &crate::runtime::graph::Exported);
        // Prefill yields token 1; four decode passes follow, the last over 10 + 3 cached tokens.
        assert_eq!((phases[1].1.prompt, phases[1].1.past), (Some(1), 13));
    }

    #[test]
    fn a_long_prompt_is_run_in_chunks() {
        assert_eq!(chunks(1024, None), [(0, 1024)]);
        assert_eq!(chunks(256, Some(256)), [(0, 256)]);
        assert_eq!(chunks(1000, Some(256)), [(0, 256), (512, 256), (768, 232)]);
        assert_eq!(chunks(300, Some(256)), [(0, 256), (256, 44)]);
    }

    #[test]
    fn a_generation_stops_where_its_cache_last_grows() {
        let pasts = |cache, new_tokens| {
            let profile = OpenvinoCpu { cache, ..OpenvinoCpu::default() };
            let phases = phases(&Scenario::default(), 10, Part::Generate { new_tokens }, &profile);
            phases.iter().map(|(_, scenario)| scenario.past).collect::<Vec<_>>()
        };
        assert_eq!(pasts(Cache::Stateful, 10), [0, 18]); // 19 tokens fit the 20 of twice the prompt
        assert_eq!(pasts(Cache::Stateful, 12), [0, 20]); // the 21st makes it grow, and is the last
        assert_eq!(pasts(Cache::Stateful, 100), [0, 86, 108]); // room for 20, 42, 86, 174
        assert_eq!(pasts(Cache::Paged, 100), [0, 32, 108]); // one block, then nine
    }
}
