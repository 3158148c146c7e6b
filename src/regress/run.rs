//! From a check to the analysis that it asks for.

use super::config::{COMPONENTS, Command, Entry, Phase};
use crate::analysis::{self, Request, Task};
use crate::error::{Error, ErrorKind, Result};
use crate::formats::document;
use crate::pipeline::estimate::{self, Estimate};
use crate::pipeline::llm::Part;
use crate::report::model::Report;
use crate::report::{self, json};
use crate::runtime::options::Options;
use crate::scenario::{Scenario, parse};
use crate::units::Bytes;
use std::path::{Path, PathBuf};

/// Tokens that are generated where the file says nothing, as on the command line.
const NEW_TOKENS: u64 = 128;

/// How a check's models are analysed.
#[derive(Clone, Debug)]
pub(super) struct Run {
    request: Request,
    /// The closed forms, in place of a runtime.
    is_components: bool,
    /// Lengths of weight files: vision tower, language model, text embeddings.
    weights: [Option<Bytes>; 3],
    config: Option<PathBuf>,
}

impl Run {
    /// The run that an entry describes; what is wrong with it otherwise.
    pub(super) fn of(entry: &Entry) -> std::result::Result<Run, String> {
        let mut request = Request::new(task(entry)?);
        request.base = base(entry)?;
        let profile = entry.profile.as_ref().map(|profile| profile.get_ref().clone());
        let is_components = profile.as_deref() == Some(COMPONENTS);
        request.profile = profile.filter(|_| !is_components);
        request.options = options(entry);
        if is_components && !request.options.is_empty() {
            return Err("the profile components has no options and no machine".to_owned());
        }
        let weights = &entry.weights;
        let weights = [&weights.vision, &weights.language, &weights.text_embeddings];
        let weights = weights.map(|size| size.as_ref().map(|size| Bytes(size.0)));
        if !is_components && weights.iter().any(Option::is_some) {
            return Err("`weights` is for the profile components: other profiles read the model".to_owned());
        }
        Ok(Run { request, is_components, weights, config: entry.config.as_ref().map(PathBuf::from) })
    }

    /// Analyses a model; a JSON report is read. Paths of the check are relative to `folder`.
    pub(super) fn report(&self, model: &Path, folder: &Path) -> Result<Report> {
        if document::is_json(model) {
            return json::read(model);
        }
        let config = self.config.as_ref().map(|path| folder.join(path));
        if self.is_components {
            return self.estimate(model, config.as_deref());
        }
        let request = Request { config, ..self.request.clone() };
        analysis::analyze(model, &request)
    }

    fn estimate(&self, model: &Path, config: Option<&Path>) -> Result<Report> {
        let [vision, language, embeddings] = self.weights;
        let with = |estimate: Estimate, weights: Option<Bytes>| Estimate {
            weights: weights.or(estimate.weights),
            ..estimate
        };
        let single = |estimate: &Estimate| report::estimate::build(estimate, String::new());
        let needs = || {
            let message = "the component formulas need `scenario.seq`, a number of patches";
            Error::new(ErrorKind::Usage, message).in_file(model)
        };
        match self.request.task {
            Task::Language { tokens, .. } => {
                Ok(single(&with(estimate::language(model, config, tokens as f64)?, language)))
            }
            Task::Vision { patches, .. } => {
                let found = estimate::vision(model, config, patches.ok_or_else(needs)?)?;
                Ok(single(&with(found, vision)))
            }
            Task::Pipeline { patches, .. } => {
                let found = estimate::pipeline(model, config, patches.ok_or_else(needs)?)?;
                let lengths = [vision, language, embeddings].into_iter();
                let parts: Vec<Estimate> =
                    found.into_iter().zip(lengths).map(|(part, weights)| with(part, weights)).collect();
                Ok(report::pipeline::of_estimates(&parts, ""))
            }
            Task::Graph => {
                let message = "the component formulas do not read a graph";
                Err(Error::new(ErrorKind::Usage, message)
                    .in_file(model)
                    .help("set `command` to llm, vit or vlm"))
            }
        }
    }
}

fn task(entry: &Entry) -> std::result::Result<Task, String> {
    let scenario = &entry.scenario;
    let seq = scenario.seq.as_ref().map(|seq| seq.0);
    let inferred = if seq.is_some() { Command::Llm } else { Command::Graph };
    let new_tokens = scenario.new_tokens.as_ref().map_or(NEW_TOKENS, |count| count.0);
    let (patches, tiles) = (seq.map(|seq| seq.total), seq.and_then(|seq| seq.tiles));
    Ok(match entry.command.unwrap_or(inferred) {
        Command::Graph => Task::Graph,
        Command::Llm => Task::Language {
            tokens: seq.ok_or("a language model needs `scenario.seq`, the tokens of its prompt")?.total,
            part: match (scenario.phase, &scenario.new_tokens) {
                (None, None) => Part::Usual { new_tokens },
                (Some(Phase::Prefill), _) => Part::Prefill,
                (Some(Phase::Decode), _) => Part::Decode,
                (Some(Phase::Generate), _) | (None, Some(_)) => Part::Generate { new_tokens },
            },
            max_length: scenario.max_length.as_ref().map(|count| count.0),
        },
        Command::Vit => Task::Vision { patches, tiles, part: scenario.part.clone() },
        Command::Vlm => Task::Pipeline {
            patches,
            tiles,
            text_tokens: scenario.text_tokens.as_ref().map_or(0, |count| count.0),
            new_tokens,
            keeps_vision: scenario.keep_vision.unwrap_or(true),
        },
    })
}

fn base(entry: &Entry) -> std::result::Result<Scenario, String> {
    let written = &entry.scenario;
    let is_language =
        matches!(entry.command, Some(Command::Llm)) || written.seq.is_some() && entry.command.is_none();
    let batch = written.batch.as_ref().map(|count| count.0);
    let pair = |(name, text): (&String, &String)| format!("{name}={text}");
    let inputs = written.input.iter().map(|input| parse::parse_input(&pair(input)));
    let values = written.value.iter().map(|value| parse::parse_value(&pair(value)));
    let (inputs, values) =
        (inputs.collect::<std::result::Result<_, _>>()?, values.collect::<std::result::Result<_, _>>()?);
    Ok(Scenario::default().with(|run| {
        run.past = written.past.as_ref().map_or(0, |count| count.0);
        run.batch = if is_language { batch.or(Some(1)) } else { batch };
        run.image = written.image.as_ref().map(|image| image.0);
        run.binds = written.bind.iter().map(|(name, count)| (name.clone(), count.0)).collect();
        run.inputs = inputs;
        run.values = values;
        run.strict = written.strict.unwrap_or_default();
        run.allow_opaque = written.allow_opaque.unwrap_or_default();
    }))
}

/// The runtime's options, the machine's among them.
fn options(entry: &Entry) -> Options {
    let machine = &entry.machine;
    let machine = [("isa", &machine.isa), ("l2", &machine.l2), ("threads", &machine.threads)];
    let machine = machine.into_iter().filter_map(|(name, word)| Some((name, word.as_ref()?)));
    let named = entry.options.0.iter().map(|(name, word)| (name.as_str(), word));
    named.chain(machine).fold(Options::default(), |options, (name, word)| options.with(name, word.0.clone()))
}
