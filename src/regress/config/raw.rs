//! The tables of a memgraph.toml as they are written; the JSON schema for editors is that of these types.

use super::figures::Figures;
use super::value::{Count, Image, Length, Limits, MainField, Options, Patterns, Size, Word, fill, one_or};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// The profile of the closed forms, which is not a runtime.
pub(in crate::regress) const COMPONENTS: &str = "components";

/// What `memgraph check` checks: models against budgets, baselines and measured figures.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(title = "memgraph.toml")]
pub(in crate::regress) struct Root {
    /// What holds for every check that does not set it.
    pub(in crate::regress) defaults: Entry,
    /// Tables that checks and other templates inherit from, by name.
    pub(in crate::regress) template: BTreeMap<String, Entry>,
    /// The checks.
    #[schemars(with = "Vec<Entry>")]
    pub(in crate::regress) check: Vec<Spanned<Entry>>,
}

/// A model, how it runs, and what the run is checked against.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Entry {
    /// What reports call the check [default: the model's folder or file]. With several models `{model}` is that name.
    pub(in crate::regress) name: Option<String>,
    /// The template that gives what is not set here.
    #[schemars(with = "Option<String>")]
    pub(in crate::regress) inherits: Option<Spanned<String>>,
    /// A model, a JSON report, or patterns of them (`models/*-int4`), relative to this file; one check for each.
    pub(in crate::regress) model: Option<Patterns>,
    /// How it is analysed [default: llm where `scenario.seq` is set, else graph].
    pub(in crate::regress) command: Option<Command>,
    /// What the run looks like.
    pub(in crate::regress) scenario: Scenario,
    /// The runtime, as after `--profile` [default: the one that fits the model's format].
    #[schemars(with = "Option<String>")]
    pub(in crate::regress) profile: Option<Spanned<String>>,
    /// Options of the runtime, as on the command line without their dashes: `kv-precision = "u8"`.
    pub(in crate::regress) options: Options,
    /// The processor.
    pub(in crate::regress) machine: Machine,
    /// A config.json to take sizes from instead of the model folder's.
    pub(in crate::regress) config: Option<String>,
    /// Lengths of weight files that are not there, for the profile `components`.
    pub(in crate::regress) weights: Weights,
    /// The most that the run may hold: a size, or a table.
    #[serde(deserialize_with = "one_or")]
    #[schemars(with = "super::value::OneOr<Size, Budget>")]
    pub(in crate::regress) budget: Budget,
    /// A report that the run is compared with: its file, or a table.
    #[serde(deserialize_with = "one_or")]
    #[schemars(with = "super::value::OneOr<String, Baseline>")]
    pub(in crate::regress) baseline: Baseline,
    /// Measured figures by name (`openvino = "13312 MiB"`), or a record of a measured run.
    pub(in crate::regress) measured: Figures,
}

/// How a model is analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::regress) enum Command {
    /// A language model.
    Llm,
    /// A vision tower.
    Vit,
    /// A vision-language pipeline.
    Vlm,
    /// Any model.
    Graph,
}

/// What the run looks like; the names are those of the command line's options.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Scenario {
    /// Tokens of the prompt; of a vision tower or a pipeline: patches over all images, such as 577 or "5*577".
    pub(in crate::regress) seq: Option<Length>,
    /// Width and height of one image in pixels: "1024x768".
    pub(in crate::regress) image: Option<Image>,
    /// Tokens cached before the prompt.
    pub(in crate::regress) past: Option<Count>,
    /// Sequences side by side.
    pub(in crate::regress) batch: Option<Count>,
    /// Which part of a generation.
    pub(in crate::regress) phase: Option<Phase>,
    /// Tokens that are generated [default: 128].
    pub(in crate::regress) new_tokens: Option<Count>,
    /// Tokens that a generation of ONNX Runtime GenAI ends at.
    pub(in crate::regress) max_length: Option<Count>,
    /// Tokens of a pipeline's prompt apart from the image's.
    pub(in crate::regress) text_tokens: Option<Count>,
    /// Whether the vision tower stays loaded after it ran [default: true].
    pub(in crate::regress) keep_vision: Option<bool>,
    /// The file of one part of a vision tower.
    pub(in crate::regress) part: Option<String>,
    /// Free dims by name.
    pub(in crate::regress) bind: BTreeMap<String, Count>,
    /// Shapes of inputs by name: "1x3x224x224".
    pub(in crate::regress) input: BTreeMap<String, String>,
    /// Numbers of inputs by name, where they drive shapes: "1,2,3".
    pub(in crate::regress) value: BTreeMap<String, String>,
    /// A declared static shape that inference contradicts is an error.
    pub(in crate::regress) strict: Option<bool>,
    /// Nodes without a shape are counted as unknown: the figures are lower bounds.
    pub(in crate::regress) allow_opaque: Option<bool>,
}

/// Which part of a generation runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::regress) enum Phase {
    /// The prompt in one pass.
    Prefill,
    /// One token after the prompt.
    Decode,
    /// The prompt, then all new tokens.
    Generate,
}

/// The processor.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Machine {
    /// Instruction set, as after `--isa`.
    pub(in crate::regress) isa: Option<Word>,
    /// Level-2 cache of one core.
    pub(in crate::regress) l2: Option<Word>,
    /// Threads that the runtime computes with.
    pub(in crate::regress) threads: Option<Word>,
}

/// Lengths of weight files.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Weights {
    /// The vision tower's.
    pub(in crate::regress) vision: Option<Size>,
    /// The language model's.
    pub(in crate::regress) language: Option<Size>,
    /// The text embeddings'.
    pub(in crate::regress) text_embeddings: Option<Size>,
}

/// The most that a run may hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Budget {
    /// The limit on the resident peak.
    pub(in crate::regress) limit: Option<Size>,
    /// Memory that others need: part of the limit.
    pub(in crate::regress) reserve: Option<Size>,
    /// Accepts a run that fits once the operating system drops pages of mapped weights.
    pub(in crate::regress) allow_paging: Option<bool>,
}

/// A report that a run is compared with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::regress) struct Baseline {
    /// The report, relative to this file; `{name}` is the check's name, `{model}` the model's. `--update` writes it.
    pub(in crate::regress) file: Option<String>,
    /// How much the total and the resident peak may grow: "2%", "50MiB", or a list of which each holds [default: 0].
    pub(in crate::regress) tolerance: Option<Limits>,
}

/// Takes over what a table does not set.
macro_rules! inherit {
    ($own:ident, $base:ident: $($field:ident),*) => {
        $(if $own.$field.is_none() { $own.$field.clone_from(&$base.$field); })*
    };
}

impl Entry {
    /// Takes over from `base` what is not set; tables are taken over field by field.
    pub(in crate::regress) fn inherit(&mut self, base: &Entry) {
        inherit!(self, base: name, model, command, profile, config);
        self.options.inherit(&base.options);
        let (own, base_scenario) = (&mut self.scenario, &base.scenario);
        inherit!(own, base_scenario: seq, image, past, batch, phase, new_tokens, max_length, text_tokens, keep_vision,
            part, strict, allow_opaque);
        fill(&mut own.bind, &base_scenario.bind);
        fill(&mut own.input, &base_scenario.input);
        fill(&mut own.value, &base_scenario.value);
        let (own, base_machine) = (&mut self.machine, &base.machine);
        inherit!(own, base_machine: isa, l2, threads);
        let (own, base_weights) = (&mut self.weights, &base.weights);
        inherit!(own, base_weights: vision, language, text_embeddings);
        let (own, base_budget) = (&mut self.budget, &base.budget);
        inherit!(own, base_budget: limit, reserve, allow_paging);
        let (own, base_baseline) = (&mut self.baseline, &base.baseline);
        inherit!(own, base_baseline: file, tolerance);
        self.measured.inherit(&base.measured);
    }
}

impl From<Size> for Budget {
    fn from(limit: Size) -> Budget {
        Budget { limit: Some(limit), ..Budget::default() }
    }
}

impl From<String> for Baseline {
    fn from(file: String) -> Baseline {
        Baseline { file: Some(file), ..Baseline::default() }
    }
}

impl MainField for Budget {
    type Value = Size;
}

impl MainField for Baseline {
    type Value = String;
}
