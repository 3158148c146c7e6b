//! What the commands do with a model, for tests and fuzz targets that ask for no more than an answer.

use crate::analysis::{Analysis, Kind, Opened, Request, Task};
use crate::error::{ErrorKind, Result};
use crate::formats;
use crate::graph::Graph;
use crate::phases::{self, PhaseName};
use crate::pipeline::llm::Part;
use crate::report::{self, diff, dump};
use crate::runtime::options::{Options, Registration, Values};
use crate::runtime::{Runtime, registry};
use crate::scenario::{Scenario, input_name};
use crate::shape;
use arbitrary::Unstructured;
use std::path::Path;

/// Analyses a model as the commands `graph`, `llm`, `vit`, `dump` and `diff` do, and writes every form of the reports.
/// Returns how many analyses ended with a report; one that ends with an error is fine.
///
/// `seed` chooses a profile that loads the model, its options, the length of the run, and whether operators may be opaque.
///
/// # Errors
///
/// An error that is a bug of this crate: one of kind [`Internal`](ErrorKind::Internal).
pub fn exercise(model: &Path, seed: u64) -> Result<usize> {
    let choices = super::mutate::choices(seed);
    let mut u = Unstructured::new(&choices);
    let Some(graph) = expected(formats::open(model))? else { return Ok(0) };
    let loads = |found: &&Registration| {
        let runtime = (found.make)(&Options::default());
        runtime.is_ok_and(|runtime| runtime.formats().contains(&graph.format()))
    };
    let profiles: Vec<&Registration> =
        registry::RUNTIMES.iter().chain(registry::HIDDEN).filter(loads).collect();
    let Ok(found) = u.choose(&profiles) else { return Ok(0) };
    let mut request = Request::new(Task::Graph);
    request.profile = Some(found.name.to_owned());
    request.options = options(found, &mut u).unwrap_or_default();
    request.full = u.ratio(1, 4).unwrap_or(false);
    request.advises = u.ratio(1, 8).unwrap_or(false);
    request.base.allow_opaque = u.ratio(3, 4).unwrap_or(false);
    let Some(runtime) = expected(request.runtime(&graph))? else { return Ok(0) };
    let Some(built) = expected(runtime.expand(&graph))? else { return Ok(0) };
    let built = built.as_ref().unwrap_or(&graph);
    stages(built, &*runtime, &with_inputs(&request.base, built))?;
    let (mut before, mut reports) = (None, 0);
    for (task, has_inputs) in tasks(model, &request, &mut u) {
        let mut run = request.clone();
        run.task = task;
        if has_inputs {
            run.base = with_inputs(&run.base, built);
        }
        let Some(analysis) = expected(crate::analysis::run(model, &run))? else { continue };
        write(&analysis, &mut before)?;
        reports += 1;
    }
    Ok(reports)
}

/// `None` for an error that says what is wrong with the model or the run.
fn expected<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::Internal => Err(error),
        Err(error) => {
            let _ = error.to_string();
            Ok(None)
        }
    }
}

/// The model as any graph, with a shape for every input and without, and as the kind that it is.
fn tasks(model: &Path, request: &Request, u: &mut Unstructured<'_>) -> Vec<(Task, bool)> {
    let tokens = *u.choose(&[1, 5, 64, 64, 300, 4096]).unwrap_or(&5);
    let part =
        *u.choose(&[Part::Prefill, Part::Decode, Part::Generate { new_tokens: 3 }]).unwrap_or(&Part::Prefill);
    let kind = Opened::identify(model, request).map_or(Kind::Graph, |(_, kind)| kind);
    let own = match kind {
        Kind::Language => Some(Task::Language { tokens, part, max_length: None }),
        Kind::Vision => Some(Task::Vision { patches: Some(tokens), tiles: None, part: None }),
        _ => None,
    };
    [Some((Task::Graph, true)), own.map(|own| (own, false))].into_iter().flatten().collect()
}

/// The scenario with every input by its declared dims; a free one is 3.
fn with_inputs(base: &Scenario, graph: &Graph) -> Scenario {
    let known = |node| {
        let dims = graph.tensor(graph.output(node, 0)?).shape.dims.as_ref()?;
        let dims = dims.iter().map(|dim| dim.as_known().unwrap_or(3)).collect();
        Some((input_name(graph, node).to_owned(), dims))
    };
    let inputs = graph.parameters().iter().filter_map(|&node| known(node)).collect();
    base.clone().with(|run| run.inputs = inputs)
}

/// Up to two options of a runtime, with values that it takes, mostly.
fn options(found: &Registration, u: &mut Unstructured<'_>) -> arbitrary::Result<Options> {
    let mut options = Options::default();
    if found.options.is_empty() {
        return Ok(options);
    }
    for _ in 0..u.int_in_range(0..=2u8)? {
        let spec = u.choose(found.options)?;
        let value = match spec.values {
            Values::Flag => "true".to_owned(),
            Values::Number(least, most) => {
                u.int_in_range(least..=most.min(least.saturating_add(200)))?.to_string()
            }
            Values::OneOf(words) => (*u.choose(words)?).to_owned(),
            Values::Size => (*u.choose(&["0", "1MiB", "48GiB", "16EiB"])?).to_owned(),
            Values::Text(_) => (*u.choose(&["1", "auto", "1,1", "all=CPU"])?).to_owned(),
        };
        options = options.with(spec.name, value);
    }
    Ok(options)
}

/// The stages that `dump` shows.
fn stages(graph: &Graph, runtime: &dyn Runtime, scenario: &Scenario) -> Result<()> {
    let _ = dump::graph(graph);
    let Some(shapes) = expected(shape::infer(graph, scenario))? else { return Ok(()) };
    let _ = dump::shapes(graph, &shapes);
    if let Some(Some(executed)) = expected(runtime.executed(graph, &shapes))? {
        let _ = dump::executed(&executed);
    }
    let runs = [(PhaseName::Infer, scenario.clone())];
    let found = expected(phases::run(graph, &runs, runtime, runtime.planner()))?;
    for phase in found.iter().flatten() {
        let _ = dump::lowered(graph, phase);
        let _ = dump::problem(&phase.problem, Some((&phase.plan, runtime.planner())));
    }
    Ok(())
}

/// Writes the report in every form, and compares it with the one before.
fn write(analysis: &Analysis, before: &mut Option<diff::Side>) -> Result<()> {
    let report = &analysis.report;
    let _ = report::text::render(report, &report::text::Style::new(report::text::Heading::Llm));
    let _ = report::csv::render(report);
    let _ = report::json::render(report);
    let _ = expected(analysis.compare(5))?;
    #[cfg(feature = "svg")]
    let _ = expected(analysis.chart(&report::svg::Drawing::default()))?;
    let side = analysis.side("model".to_owned());
    if let Some(before) = before {
        let _ = diff::build(before, &side);
    }
    *before = Some(side);
    Ok(())
}
