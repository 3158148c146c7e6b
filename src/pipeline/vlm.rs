//! A vision-language model: its graphs one after the other, and what each holds while the others run.
//!
//! The lengths follow the data: patches (or an image and its family's rule) size the vision tower, the rows of its
//! output are the image's tokens, and these with the text's tokens are the language model's prompt.
//!
//! A runner loads all parts, then runs them in turn. OpenVINO GenAI keeps every part compiled, with its request and so
//! its tensors, for the life of the pipeline: what a part's run has left behind stays. Source: openvino.genai 2026.4,
//! src/cpp/src/visual_language/pipeline.cpp, inputs_embedder.cpp, embedding_model.cpp.

use super::families::{self, Tiles};
use super::parts::{Part, Role};
use super::tower::{of_part, vision_scenario};
use super::{llm, misfit};
use crate::error::Result;
use crate::formats;
use crate::graph::{Dims, Graph, Op, WeightRange};
use crate::phases::{self, Phase, PhaseName};
use crate::plan::Planner;
use crate::runtime::{Assumption, Runtime};
use crate::scenario::{Scenario, Task};
use crate::units::Bytes;
use rustc_hash::FxHashSet;
use std::sync::Arc;

pub use super::tower::{Request, vision};

/// A part, walked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Walk {
    /// Which.
    pub part: Part,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// The runtime that was modelled.
    pub runtime: Arc<dyn Runtime>,
    /// The planner that placed the buffers.
    pub planner: Planner,
    /// Its phases; empty for a part that is loaded and not run.
    pub phases: Vec<Phase>,
}

/// A pipeline, walked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run {
    /// Its parts, in the order in which they run.
    pub parts: Vec<Walk>,
    /// Patches over all images, where they are known.
    pub patches: Option<u64>,
    /// Tokens of the images in the language model.
    pub image_tokens: u64,
    /// Tokens of the prompt, the images' included; `None` without a language model.
    pub prompt: Option<u64>,
    /// Assumptions about the pipeline as a whole.
    pub assumptions: Vec<Assumption>,
}

/// Chooses the runtime and the planner of a graph.
pub type Rules<'a> = dyn Fn(&Graph) -> Result<(Arc<dyn Runtime>, Planner)> + 'a;

/// Walks the line for every part.
///
/// # Errors
///
/// Those of the stages and of the family's image rule; and if a name that the user bound is in no part.
pub fn run(parts: Vec<Part>, base: &Scenario, request: &Request, rules: &Rules<'_>) -> Result<Run> {
    let open = |part: Part| Ok((Arc::new(formats::open(&part.file)?), part));
    let parts = parts.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    run_opened(parts, base, request, rules)
}

/// Walks the line for every part, whose files are read already.
///
/// # Errors
///
/// As [`run`].
pub fn run_opened(
    parts: Vec<(Arc<Graph>, Part)>,
    base: &Scenario,
    request: &Request,
    rules: &Rules<'_>,
) -> Result<Run> {
    let mut assumptions = Vec::new();
    let mut assume = |rule: &'static str, text: String| assumptions.push(Assumption { rule, text });
    let model_type = base.config.model_type.clone().unwrap_or_default();
    let (vision, tiles) = vision_scenario(base, request, &model_type, &mut assume)?;
    base.check_names_of(&parts.iter().map(|(graph, _)| &**graph).collect::<Vec<_>>())?;

    if request.patches.is_none() && base.image.is_none() {
        let mut towers = parts.iter().filter(|(_, part)| part.role == Role::Vision);
        towers.try_for_each(|(graph, _)| misfit::check_is_fixed(graph, base))?;
    }
    let has_one_tower = parts.iter().filter(|(_, part)| part.role == Role::Vision).count() == 1;
    let mut walked: Vec<Walk> = Vec::with_capacity(parts.len());
    let mut rows: Option<Dims> = None;
    let mut image_tokens = 0;
    let mut prompt = None;
    for (graph, part) in parts {
        let (runtime, planner) = rules(&graph)?;
        if part.role > Role::Other && prompt.is_none() {
            image_tokens = tokens(rows.as_deref(), tiles.as_ref(), &model_type, &mut assume);
            prompt = Some(image_tokens.saturating_add(request.text_tokens));
        }
        let length = prompt.unwrap_or(0).max(1);
        let runs = match part.role {
            Role::Vision | Role::Projection => {
                let scenario =
                    of_part(&vision.only_for(&graph), &part, &graph, rows.as_ref(), tiles.as_ref());
                if has_one_tower && part.role == Role::Vision {
                    misfit::check(&graph, base, request, &scenario)?;
                }
                vec![(PhaseName::Infer, scenario)]
            }
            Role::Other => {
                assume(
                    "part-not-run",
                    format!("{} is loaded and not run: its weights count, its buffers do not", part.name),
                );
                Vec::new()
            }
            Role::TextEmbedding => {
                let scenario =
                    Scenario { task: Task::Llm, prompt: Some(length), image: None, ..base.only_for(&graph) };
                vec![(PhaseName::Infer, scenario)]
            }
            Role::Language => {
                let base = Scenario { image: None, ..base.only_for(&graph) };
                // The prefill gives the first token: the decode that is part of every run, the second.
                let part = llm::Part::Generate { new_tokens: request.new_tokens.max(2) };
                llm::phases(&base, length, part, &*runtime)
            }
        };
        let phases = phases::run(&graph, &runs, &*runtime, planner).map_err(|error| {
            if part.role.is_vision() { misfit::explain(error, &graph, base, request) } else { error }
        })?;
        if part.role.is_vision() {
            let built =
                phases.last().map(|phase| runtime.output(&graph, &phase.scenario)).transpose()?.flatten();
            rows = built.or_else(|| first_output(&graph, phases.last()?)).or(rows);
        }
        walked.push(Walk { part, graph, runtime, planner, phases });
    }
    let patches = request.patches.or(tiles.map(|tiles| tiles.patches));
    if prompt.is_some() && request.text_tokens == 0 {
        assume("no-text", "the prompt is the image alone; `--text-tokens N` adds the text's".to_owned());
    }
    Ok(Run { parts: walked, patches, image_tokens, prompt, assumptions })
}

fn first_output(graph: &Graph, phase: &Phase) -> Option<Dims> {
    let result = *graph.results().first()?;
    phase.shapes.tensor(graph.input(result, 0)?).dims.clone()
}

/// Tokens of the images: rows of the tower's output, unless the family adds to them or drops some.
fn tokens(
    output: Option<&[u64]>,
    tiles: Option<&Tiles>,
    model_type: &str,
    assume: &mut impl FnMut(&'static str, String),
) -> u64 {
    let rows = output.and_then(|dims| dims.split_last());
    let rows = rows.map(|(_, rows)| rows.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim)));
    match (rows, tiles) {
        (rows, Some(tiles)) if families::rearranges(model_type) || rows.is_none() => tiles.tokens,
        (Some(rows), _) if families::rearranges(model_type) => {
            assume(
                "image-tokens",
                format!(
                    "the image's tokens are the {rows} rows of the tower's output; padding that \"{model_type}\" drops and \
                     line ends that it adds need `--image WxH`"
                ),
            );
            rows
        }
        (Some(rows), Some(tiles)) if rows != tiles.tokens => {
            assume(
                "image-tokens",
                format!(
                    "the tower's output has {rows} rows where the image rule says {}: the rows count",
                    tiles.tokens
                ),
            );
            rows
        }
        (rows, _) => rows.unwrap_or(0),
    }
}

/// What a part holds at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holding {
    /// Nothing: it was freed.
    Nothing,
    /// What loading it takes.
    Loaded,
    /// All of a phase, which runs.
    Running(usize),
    /// What a phase left behind.
    Left(usize),
    /// The outputs of a phase alone.
    Outputs(usize),
}

/// A stretch of a pipeline's run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// `load`, the role of the part that runs, or the language model's phase.
    pub name: &'static str,
    /// The part that runs.
    pub part: Option<usize>,
    /// What each part holds.
    pub holdings: Vec<Holding>,
}

/// The moments of a run; without `keeps_vision` the tower is freed once the image's hidden states are there.
#[must_use]
pub fn timeline(parts: &[Walk], keeps_vision: bool) -> Vec<Moment> {
    let mut moments = vec![Moment { name: "load", part: None, holdings: vec![Holding::Loaded; parts.len()] }];
    let mut holdings = vec![Holding::Loaded; parts.len()];
    let last_vision = parts.iter().rposition(|walk| walk.part.role.is_vision());
    for (index, walk) in parts.iter().enumerate() {
        if !walk.part.role.is_vision() && !keeps_vision {
            for (before, (holding, walk)) in holdings.iter_mut().zip(parts).enumerate() {
                if walk.part.role.is_vision() {
                    let end = walk.phases.len().saturating_sub(1);
                    *holding =
                        if Some(before) == last_vision { Holding::Outputs(end) } else { Holding::Nothing };
                }
            }
        }
        for (number, phase) in walk.phases.iter().enumerate() {
            if phase.name <= PhaseName::Compile {
                continue;
            }
            let name =
                if walk.part.role == Role::Language { phase.name.name() } else { walk.part.role.name() };
            let mut now = holdings.clone();
            if let Some(holding) = now.get_mut(index) {
                *holding = Holding::Running(number);
            }
            moments.push(Moment { name, part: Some(index), holdings: now });
            if let Some(holding) = holdings.get_mut(index) {
                *holding = Holding::Left(number);
            }
        }
    }
    moments
}

impl Walk {
    /// Bytes of the constants in the part's weight files, each range once.
    #[must_use]
    pub fn weights(&self) -> Bytes {
        let nodes = self.graph.with_bodies().into_iter().flat_map(Graph::nodes);
        let ranges: FxHashSet<WeightRange> = nodes
            .filter_map(|node| match &node.op {
                Op::Constant(constant) => constant.range,
                _ => None,
            })
            .collect();
        ranges.iter().map(|range| Bytes(range.size)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed(output: &[u64], tiles: Option<u64>, model_type: &str) -> (u64, Vec<&'static str>) {
        let tiles = tiles.map(|tokens| Tiles { tokens, ..Tiles::default() });
        let mut rules = Vec::new();
        let found = tokens(Some(output), tiles.as_ref(), model_type, &mut |rule, _| rules.push(rule));
        (found, rules)
    }

    #[test]
    fn the_rows_of_the_output_are_tokens() {
        assert_eq!(assumed(&[1813, 2048], None, "qwen2_5_vl"), (1813, vec![]));
        assert_eq!(assumed(&[7, 256, 2048], Some(1792), "internvl_chat"), (1792, vec![]));
        assert_eq!(assumed(&[7, 256, 2048], Some(1800), "internvl_chat"), (1792, vec!["image-tokens"]));
    }

    #[test]
    fn families_that_rearrange_go_by_their_rule() {
        assert_eq!(assumed(&[5, 576, 4096], Some(2144), "llava_next"), (2144, vec![]));
        assert_eq!(assumed(&[5, 576, 4096], None, "llava_next"), (2880, vec!["image-tokens"]));
    }
}
