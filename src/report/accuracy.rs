//! How near estimates were to measured runs, by kind of model and by machine.
//!
//! The counts are in `validated.json`, which the scripts `accuracy*.py` write; docs/validated.md shows them. A model's kind is
//! decided here, from its operators and its inputs.

use super::model::{Accuracy, Report, Task};
use crate::graph::op::OpKind;
use crate::graph::{Dims, Graph};
use crate::scenario::input_name;
use rustc_hash::FxHashMap;
use serde::Deserialize;

/// The kind of several models that run one after the other.
pub const PIPELINE: &str = "pipeline";

/// The diagnostic of a runtime whose rules for the options were not measured.
const UNMEASURED: &str = "MG0009";

const COUNTS: &str = include_str!("validated.json");
/// Operators that compute of a model that is too small for shares of a total to say much.
const FEW: usize = 8;

/// The statement on one graph.
#[must_use]
pub fn of_graph(graph: &Graph, report: &Report) -> Accuracy {
    of_kind(kind(graph, report.scenario.task), report)
}

/// The statement on a kind of model, on the report's machine and under its profile.
///
/// Cost: reads 40 KiB of counts.
#[must_use]
pub fn of_kind(kind: &str, report: &Report) -> Accuracy {
    let profile = &report.profile;
    let machine = profile.options.get("isa").cloned().unwrap_or_default();
    if report.diagnostics.iter().any(|found| found.code == UNMEASURED) {
        return Accuracy { kind: kind.to_owned(), machine, ..Accuracy::default() };
    }
    let counts: Counts = serde_json::from_str(COUNTS).unwrap_or_default();
    let is_same =
        |row: &Row| row.kind == kind && row.machine == machine && is_release(&profile.version, &row.version);
    let rows = counts.kinds.into_iter().filter(|row| row.profile == profile.name);
    let found =
        rows.filter(is_same).reduce(|best, next| if next.validated && !best.validated { next } else { best });
    let Some(row) = found else {
        return Accuracy { kind: kind.to_owned(), machine, ..Accuracy::default() };
    };
    Accuracy {
        kind: row.kind,
        machine,
        runs: row.runs,
        within_1_percent: row.resident.within_1_percent,
        within_3_percent: row.resident.within_3_percent,
        within_10_percent: row.resident.within_10_percent,
        validated: row.validated,
    }
}

/// What kind of model a graph is, in the words of docs/validated.md.
///
/// The first rule that holds decides: quantized data, few operators, a cache of keys and values, recurrence, tokens, a
/// step of diffusion, pixels (attention or matrix products, or convolutions by what they return), sound.
#[must_use]
pub fn kind(graph: &Graph, task: Task) -> &'static str {
    let counts = operators(graph);
    let count = |kinds: &[OpKind]| kinds.iter().filter_map(|kind| counts.get(kind)).sum::<usize>();
    let convolutions = count(&CONVOLUTIONS);
    let products = count(&PRODUCTS);
    let inputs: Vec<(&str, Option<Dims>)> = inputs(graph);
    let has_rank =
        |rank: usize| inputs.iter().any(|(_, dims)| dims.as_ref().is_some_and(|dims| dims.len() == rank));
    let has_name =
        |words: &[&str]| inputs.iter().any(|(name, _)| words.iter().any(|word| name.contains(word)));
    let has_pixels = has_rank(4) || has_rank(5) || task == Task::Vision;
    if count(&[OpKind::FakeQuantize]) > 0 {
        return "INT8 (FakeQuantize)";
    }
    if computing(&counts) <= FEW && count(&[OpKind::Gather]) == 0 {
        return "a few nodes";
    }
    if graph.stored().is_some() && task == Task::Vision {
        return "vision transformer";
    }
    // A GGUF file lists tensors, without inputs.
    let is_list = task == Task::Llm && graph.parameters().is_empty();
    if is_list || !graph.variables().is_empty() || has_name(&["past_key_values"]) {
        return "language model";
    }
    if count(&RECURRENT) > 0 || has_name(&["input_features", "input_values", "spectrogram", "waveform"]) {
        return "speech, recurrent or temporal";
    }
    if has_name(&["timestep", "latent"]) {
        return "diffusion or super-resolution";
    }
    if !has_pixels && (has_name(&["input_ids", "token", "inputs_embeds"]) || has_integers(graph)) {
        return "text encoder";
    }
    if has_pixels && products > convolutions {
        return "vision transformer";
    }
    if has_pixels && convolutions > 0 {
        return of_convolutions(graph);
    }
    if convolutions > 0 { "speech, recurrent or temporal" } else { "text encoder" }
}

const CONVOLUTIONS: [OpKind; 5] = [
    OpKind::Convolution,
    OpKind::ConvolutionBackpropData,
    OpKind::FusedConv,
    OpKind::DeformableConvolution,
    OpKind::BinaryConvolution,
];
const PRODUCTS: [OpKind; 5] =
    [OpKind::MatMul, OpKind::FusedMatMul, OpKind::Gemm, OpKind::FusedGemm, OpKind::ScaledDotProductAttention];
const RECURRENT: [OpKind; 8] = [
    OpKind::RnnCell,
    OpKind::GruCell,
    OpKind::LstmCell,
    OpKind::RnnSequence,
    OpKind::GruSequence,
    OpKind::LstmSequence,
    OpKind::TensorIterator,
    OpKind::Loop,
];

/// Channels of an image.
const COLORS: u64 = 3;

/// A convolutional network by what it returns: one value per class, an image, or anything else of positions.
fn of_convolutions(graph: &Graph) -> &'static str {
    let returned: Vec<Option<Dims>> =
        graph.results().iter().map(|&result| dims(graph, graph.input(result, 0)?)).collect();
    let is_image = |dims: &Dims| dims.len() >= 4 && dims.get(1) == Some(&COLORS);
    match &returned[..] {
        [Some(dims)] if is_image(dims) => "diffusion or super-resolution",
        [Some(dims)] if dims.iter().filter(|&&dim| dim != 1).count() <= 2 && dims.len() != 3 => {
            "convolutional classifier"
        }
        _ => "detector, segmentation or pose",
    }
}

/// How many nodes there are of each operator, bodies included.
fn operators(graph: &Graph) -> FxHashMap<OpKind, usize> {
    let mut counts = FxHashMap::default();
    for node in graph.with_bodies().into_iter().flat_map(Graph::nodes) {
        *counts.entry(node.op.kind()).or_default() += 1;
    }
    counts
}

/// Nodes that compute something.
fn computing(counts: &FxHashMap<OpKind, usize>) -> usize {
    let plumbing = [OpKind::Parameter, OpKind::Constant, OpKind::Result, OpKind::Convert, OpKind::Reshape];
    counts.iter().filter(|(kind, _)| !plumbing.contains(kind)).map(|(_, count)| count).sum()
}

/// Names and declared dims of the inputs; a free dim is 0.
fn inputs(graph: &Graph) -> Vec<(&str, Option<Dims>)> {
    let of =
        |&node: &_| (input_name(graph, node), graph.output(node, 0).and_then(|tensor| dims(graph, tensor)));
    graph.parameters().iter().map(of).collect()
}

fn dims(graph: &Graph, tensor: crate::ids::TensorId) -> Option<Dims> {
    let dims = graph.tensor(tensor).shape.dims.as_deref()?;
    Some(dims.iter().map(|dim| dim.as_known().unwrap_or(0)).collect())
}

fn has_integers(graph: &Graph) -> bool {
    let mut tensors = graph.parameters().iter().filter_map(|&node| graph.output(node, 0));
    tensors.any(|tensor| graph.tensor(tensor).dtype.is_integral())
}

/// Whether a version such as 2026.4.1 is one of the release 2026.4.
fn is_release(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `validated.json`.
#[derive(Debug, Default, Deserialize)]
struct Counts {
    kinds: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    profile: String,
    kind: String,
    machine: String,
    version: String,
    validated: bool,
    runs: u64,
    resident: Within,
}

#[derive(Debug, Deserialize)]
struct Within {
    within_1_percent: u64,
    within_3_percent: u64,
    within_10_percent: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Profile;

    fn stated(kind: &str, isa: &str, version: &str) -> Accuracy {
        under("openvino-cpu", kind, isa, version)
    }

    fn under(name: &str, kind: &str, isa: &str, version: &str) -> Accuracy {
        let options = [("isa".to_owned(), isa.to_owned())].into();
        let profile = Profile { name: name.to_owned(), version: version.to_owned(), options };
        of_kind(kind, &Report { profile, ..Report::default() })
    }

    #[test]
    fn counts_are_those_of_kind_machine_and_release() {
        let found = stated("convolutional classifier", "avx512-bf16", "2026.4.1");
        assert!(found.validated && found.runs > 0 && found.within_10_percent >= found.within_3_percent);
        assert!(!stated("language model", "avx512-bf16", "2026.4.1").validated);
        assert_eq!(stated("convolutional classifier", "avx512-bf16", "2019.1").runs, 0);
        assert_eq!(stated("convolutional classifier", "sse42", "2026.4.1").runs, 0);
        assert_eq!(stated(PIPELINE, "avx512-bf16", "2026.4.1").runs, 0);
    }

    #[test]
    fn each_profile_has_its_own_counts() {
        let isa = "avx512-bf16";
        assert!(under("onnxruntime-cpu", "text encoder", isa, "1.31.1").runs > 0);
        assert!(under("llama-cpp", "language model", isa, "0.5.0 (ggml 0.25.3)").runs > 0);
        assert_eq!(under("llama-cpp", "text encoder", isa, "2026.4.1").runs, 0);
        assert_eq!(under("graph", "text encoder", isa, "2026.4.1").runs, 0);
    }

    #[test]
    fn a_release_is_no_prefix_of_a_longer_number() {
        assert!(is_release("2026.4.1", "2026.4") && is_release("2026.4", "2026.4"));
        assert!(!is_release("2026.40.1", "2026.4"));
    }
}
