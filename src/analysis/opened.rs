//! A model whose files are read, and what an analysis makes of it.

use super::kind::{self, Kind};
use super::request::{Request, Task};
use crate::error::{Diagnostic, Error, ErrorKind, Location, Result, Severity, countable};
use crate::formats::identify::Folder;
use crate::formats::{self, preprocessor};
use crate::graph::{Format, Graph, Setting};
use crate::phases::{self, PhaseName};
use crate::pipeline::{self, genai, length, llm, misfit, parts, vlm};
use crate::plan::Planner;
use crate::report::diff::{self, Node, Side};
use crate::report::model::{self, Comparison, Report};
use crate::report::pipeline::PipelineSubject;
use crate::report::{self, By, Subject, accuracy};
use crate::runtime::options::Options;
use crate::runtime::{Assumption, Phase, Runtime, registry};
use crate::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A model whose files are read; what is analysed of it may differ from request to request.
#[derive(Clone, Debug)]
pub struct Opened {
    pub(super) model: PathBuf,
    /// The graphs; with their parts where there are several, or might be.
    pub(super) graphs: Vec<Arc<Graph>>,
    parts: Vec<parts::Part>,
    /// The files without a graph, for which a runtime builds one in code; empty for other formats.
    stored: Vec<Option<Arc<Graph>>>,
    /// Profile and options that those graphs were built under.
    built_under: (Option<String>, Options),
}

impl Opened {
    /// Reads the graphs that a task needs of a model.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the model lacks what the task needs.
    pub fn open(model: &Path, request: &Request) -> Result<Opened> {
        let task = &request.task;
        let parts = match task {
            Task::Language { .. } if projector(request).is_some() => {
                let projector = projector(request).unwrap_or_default();
                parts::of_files(projector.as_ref(), &llm::file(model)?)
            }
            Task::Graph | Task::Language { .. } => Vec::new(),
            Task::Vision { part, .. } => wanted(model, part.as_deref())?,
            Task::Pipeline { .. } if !model.is_dir() => {
                let message = "this is not a folder, and a pipeline has several models";
                return Err(Error::new(ErrorKind::Usage, message)
                    .in_file(model)
                    .help("give the folder that holds them"));
            }
            Task::Pipeline { .. } => parts::of_pipeline(model)?,
        };
        let files = match task {
            Task::Graph => vec![Folder::only_model(model)?],
            Task::Language { .. } if parts.is_empty() => vec![llm::file(model)?],
            _ => parts.iter().map(|part| part.file.clone()).collect(),
        };
        Opened::of_files(model, &files, parts, request)
    }

    /// Reads a model and finds what kind of run it is made for: a folder with a vision tower and a language model is a
    /// pipeline, a graph with tokens as inputs is a language model, one with pixels or patches a vision tower.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or a folder holds no model, or several without known names.
    pub fn identify(model: &Path, request: &Request) -> Result<(Opened, Kind)> {
        if let Ok(parts) = parts::of_pipeline(model) {
            let files: Vec<PathBuf> = parts.iter().map(|part| part.file.clone()).collect();
            return Ok((Opened::of_files(model, &files, parts, request)?, Kind::Pipeline));
        }
        let tower = parts::of_vision(model).ok().filter(|parts| parts.len() > 1);
        if let (Some(parts), Err(_)) = (tower, llm::file(model)) {
            let files: Vec<PathBuf> = parts.iter().map(|part| part.file.clone()).collect();
            return Ok((Opened::of_files(model, &files, parts, request)?, Kind::Vision));
        }
        let file = llm::file(model)?;
        let mut opened = Opened::of_files(model, std::slice::from_ref(&file), Vec::new(), request)?;
        let kind = opened.graphs.first().map_or(Kind::Graph, |graph| kind::of(graph));
        if kind == Kind::Vision {
            opened.parts = parts::of_vision(&file)?;
        }
        Ok((opened, kind))
    }

    fn of_files(
        model: &Path,
        files: &[PathBuf],
        parts: Vec<parts::Part>,
        request: &Request,
    ) -> Result<Opened> {
        let read = files.iter().map(|file| formats::open(file).map(Arc::new)).collect::<Result<Vec<_>>>()?;
        let stored = read.iter().map(|graph| graph.stored().map(|_| Arc::clone(graph))).collect();
        let built_under = (request.profile.clone(), request.options.clone());
        let opened = Opened { model: model.to_owned(), graphs: read, parts, stored, built_under };
        Ok(Opened { graphs: opened.built(request)?, ..opened })
    }

    /// The graphs, of which a runtime builds those of files without one.
    fn built(&self, request: &Request) -> Result<Vec<Arc<Graph>>> {
        let built = self.graphs.iter().zip(&self.stored).map(|(graph, stored)| {
            let Some(stored) = stored else { return Ok(Arc::clone(graph)) };
            Ok(request.expanded(stored)?.map_or_else(|| Arc::clone(stored), Arc::new))
        });
        built.collect()
    }

    /// The graphs for the request's options, where they differ from those of the first request.
    fn rebuilt(&self, request: &Request) -> Result<Option<Opened>> {
        let (profile, options) = &self.built_under;
        let is_same = *profile == request.profile && *options == request.options;
        if is_same || self.stored.iter().all(Option::is_none) {
            return Ok(None);
        }
        let built_under = (request.profile.clone(), request.options.clone());
        Ok(Some(Opened { graphs: self.built(request)?, built_under, ..self.clone() }))
    }

    /// The longest text that the model was made for: its config.json's positions, or its file's.
    ///
    /// # Errors
    ///
    /// If the config cannot be read.
    pub fn longest_text(&self, request: &Request) -> Result<Option<u64>> {
        let stated = request.scenario(&self.model)?.config.max_positions;
        Ok(stated.or_else(|| self.setting("context_length")))
    }

    /// The side of the images that the model was made for, as its config.json states it.
    ///
    /// # Errors
    ///
    /// If the config cannot be read.
    pub fn image_size(&self, request: &Request) -> Result<Option<u64>> {
        Ok(request.scenario(&self.model)?.config.image_size)
    }

    /// The formats of the files.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        self.graphs.iter().map(|graph| graph.format()).collect()
    }

    /// The layers of a model whose file states them.
    #[must_use]
    pub fn stated_layers(&self) -> Option<u64> {
        self.setting("block_count")
    }

    /// A number among the settings of a file's architecture.
    fn setting(&self, name: &str) -> Option<u64> {
        let stored = self.stored.iter().flatten().find_map(|graph| graph.stored())?;
        let Some(Setting::Text(architecture)) = stored.settings.get("general.architecture") else {
            return None;
        };
        stored.integer(&format!("{architecture}.{name}"))
    }

    /// Analyses what was read.
    ///
    /// # Errors
    ///
    /// As [`analyze`](super::analyze); and if the request's task needs other files than those that were read.
    pub fn analyze(&self, request: &Request) -> Result<Analysis> {
        let mut found = match self.rebuilt(request)? {
            Some(rebuilt) => rebuilt.run(request)?,
            None => self.run(request)?,
        };
        found.report.model.path = self.model.display().to_string();
        Ok(found)
    }

    fn run(&self, request: &Request) -> Result<Analysis> {
        match (&request.task, &self.graphs[..]) {
            (Task::Graph, [graph]) => {
                let scenario = request.scenario(&self.model)?;
                let walked = walk(graph, &[(PhaseName::Infer, scenario)], request)?;
                single(graph, walked, request)
            }
            (&Task::Language { tokens, part, max_length }, [graph]) => {
                language(&self.model, graph, request, tokens, part, max_length)
            }
            (&Task::Language { tokens, part, .. }, _) => {
                let new_tokens = match part {
                    llm::Part::Generate { new_tokens } | llm::Part::Usual { new_tokens } => new_tokens,
                    _ => 1,
                };
                self.several(
                    request,
                    vlm::Request { text_tokens: tokens, new_tokens, ..vlm::Request::default() },
                    true,
                )
            }
            (&Task::Vision { patches, tiles, .. }, graphs) => {
                let tower = vlm::Request { patches, tiles, ..vlm::Request::default() };
                match graphs {
                    [graph] => vision(&self.model, graph, request, tower),
                    _ => self.several(request, tower, true),
                }
            }
            (&Task::Pipeline { patches, tiles, text_tokens, new_tokens, keeps_vision }, _) => {
                let asked =
                    vlm::Request { patches, tiles, text_tokens, new_tokens, ..vlm::Request::default() };
                self.several(request, asked, keeps_vision)
            }
            _ => Err(Error::new(ErrorKind::Internal, "one graph was asked for, and another number came")),
        }
    }

    /// The runtime that is modelled for one of the graphs: the parts of a pipeline are run by its host application.
    pub(super) fn runtime(&self, graph: &Graph, request: &Request) -> Result<Arc<dyn Runtime>> {
        let Task::Pipeline { .. } = request.task else { return request.runtime(graph) };
        let mut generators = self.parts.iter().filter(|part| part.role == parts::Role::Language);
        let generates = generators.any(|part| part.file == graph.file());
        let name = request.profile.as_deref();
        let options = registry::part_options(graph, name, &request.options, generates);
        registry::for_graph(graph, name, &options).map(Arc::from)
    }

    /// The graph of a pipeline's language model.
    fn generator(&self) -> Option<&Graph> {
        let is_generator = |part: &parts::Part| part.role == parts::Role::Language;
        let mut all = self.graphs.iter().zip(&self.parts);
        all.find(|(_, part)| is_generator(part)).map(|(graph, _)| &**graph)
    }

    /// Several parts, one after the other.
    fn several(&self, request: &Request, asked: vlm::Request, keeps_vision: bool) -> Result<Analysis> {
        let model = &self.model;
        let base = request.scenario(model)?;
        let asked = with_settings(asked, model, request)?;
        let rules = |graph: &Graph| {
            let runtime = self.runtime(graph, request)?;
            let planner = request.planner(&*runtime);
            Ok((runtime, planner))
        };
        let parts = self.graphs.iter().cloned().zip(self.parts.iter().cloned()).collect();
        let run = vlm::run_opened(parts, &base, &asked, &rules)?;
        let files = run.parts.iter().filter(|_| request.digest);
        let sha256 = files.map(|walk| formats::sha256(&walk.part.file)).collect::<Result<Vec<_>>>()?;
        let subject = PipelineSubject {
            model: model.display().to_string(),
            keeps_vision,
            by: request.by,
            full: request.full,
            sha256,
        };
        let mut report = checked(report::pipeline::build(&run, &subject))?;
        let new_tokens = if matches!(request.task, Task::Pipeline { .. }) { asked.new_tokens } else { 0 };
        let tokens = run.prompt.map(|prompt| prompt.saturating_add(new_tokens));
        let warning = tokens.and_then(|tokens| llm::over_limit(self.generator(), &base, tokens));
        report.diagnostics.extend(warning.iter().map(Into::into));
        Ok(Analysis { report, single: None, pipeline: Some(Arc::new((run, subject))) })
    }

    /// How near estimates of such models were.
    pub(super) fn accuracy(&self, report: &Report) -> model::Accuracy {
        match &self.graphs[..] {
            [graph] => accuracy::of_graph(graph, report),
            _ => accuracy::of_kind(accuracy::PIPELINE, report),
        }
    }
}

/// The projector of images that a language model is loaded with.
fn projector(request: &Request) -> Option<&str> {
    request.options.word("mmproj")
}

/// The parts of a vision tower; one of them where its file is named.
fn wanted(model: &Path, part: Option<&str>) -> Result<Vec<parts::Part>> {
    let all = parts::of_vision(model)?;
    let names: Vec<String> = all.iter().map(|part| file_name(&part.file)).collect();
    let is_asked = |found: &parts::Part| part.is_none_or(|asked| file_name(&found.file) == asked);
    let wanted: Vec<parts::Part> = all.into_iter().filter(is_asked).collect();
    if !wanted.is_empty() {
        return Ok(wanted);
    }
    let message = format!("the tower has no part \"{}\"", part.unwrap_or_default());
    Err(Error::new(ErrorKind::Usage, message).in_file(model).help(format!("parts: {}", names.join(", "))))
}

/// What an analysis made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Analysis {
    /// The report.
    pub report: Report,
    single: Option<Single>,
    /// A pipeline's parts, walked, and what their report depends on.
    pipeline: Option<Arc<(vlm::Run, PipelineSubject)>>,
}

/// One model, with what its stages made.
#[derive(Clone, Debug)]
struct Single {
    graph: Arc<Graph>,
    runtime: Arc<dyn Runtime>,
    planner: Planner,
    phases: Vec<Phase>,
    sha256: String,
    by: By,
    full: bool,
}

impl Single {
    fn subject(&self) -> Subject<'_> {
        Subject {
            graph: &self.graph,
            sha256: self.sha256.clone(),
            runtime: &*self.runtime,
            planner: self.planner,
            phases: &self.phases,
            by: self.by,
            full: self.full,
        }
    }
}

impl Analysis {
    /// An analysis that was made without a graph.
    #[must_use]
    pub fn of_report(report: Report) -> Analysis {
        Analysis { report, single: None, pipeline: None }
    }

    /// The phases, where one model was analysed.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        self.single.as_ref().map_or(&[], |single| &single.phases)
    }

    /// The phases of all models.
    pub(super) fn all_phases(&self) -> impl Iterator<Item = &Phase> {
        let parts = self.pipeline.iter().flat_map(|made| &made.0.parts);
        self.phases().iter().chain(parts.flat_map(|walk| &walk.phases))
    }

    /// One side of a comparison: the report with its breakdowns by component, layer and node, and the nodes themselves.
    ///
    /// Cost: that of two reports more.
    #[must_use]
    pub fn side(&self, name: String) -> Side {
        let mut side = Side::of_report(name, self.report.clone());
        let others = [By::Component, By::Layer, By::Node];
        let others = others.into_iter().filter(|by| side.shares.iter().all(|share| share.by != *by));
        for by in others.collect::<Vec<_>>() {
            side.shares.extend(self.breakdown(by));
        }
        side.nodes = self.nodes();
        side
    }

    /// The breakdown by `by`; empty where no graph was read.
    fn breakdown(&self, by: By) -> Vec<model::Share> {
        if let Some(single) = &self.single {
            return report::build(&Subject { by, full: false, ..single.subject() }).breakdown;
        }
        let of_parts = self.pipeline.as_deref().map(|(run, subject)| {
            report::pipeline::build(run, &PipelineSubject { by, full: false, ..subject.clone() }).breakdown
        });
        of_parts.unwrap_or_default()
    }

    /// The nodes of all graphs, with what identifies them.
    fn nodes(&self) -> Vec<Node> {
        let last = |phases: &[Phase]| phases.last().map(|phase| Arc::clone(&phase.shapes));
        if let Some(single) = &self.single {
            return diff::nodes(&single.graph, last(&single.phases).as_deref(), None);
        }
        let parts = self.pipeline.iter().flat_map(|made| &made.0.parts);
        parts
            .flat_map(|walk| diff::nodes(&walk.graph, last(&walk.phases).as_deref(), Some(&walk.part.name)))
            .collect()
    }

    /// Draws charts as SVG: of a pipeline its phases and its breakdown, of an analysis without a graph the breakdown.
    ///
    /// # Errors
    ///
    /// If a chart was asked for that the analysis does not have.
    #[cfg(feature = "svg")]
    pub fn chart(&self, drawing: &report::svg::Drawing) -> Result<String> {
        match &self.single {
            Some(single) => report::svg::render(&single.subject(), drawing),
            None => report::svg::render_report(&self.report, drawing),
        }
    }

    /// Compares the highest phase with the same phase of the graph as exported; at most `top` rows per table.
    ///
    /// # Errors
    ///
    /// If nothing runs, or the runtime's nodes do not carry the names of those that they replace.
    pub fn compare(&self, top: usize) -> Result<Comparison> {
        let usage = |message: &str| {
            Error::new(ErrorKind::Usage, format!("`--compare graph` was given, and {message}"))
        };
        let Some(single) = &self.single else {
            return Err(usage("a pipeline has several graphs").help("compare one of its parts"));
        };
        let Single { graph, runtime, phases, .. } = single;
        let refused = || {
            usage(&format!("profile {} has no graph to compare", runtime.name()))
                .help("use the profile of a runtime whose nodes carry the names of those that they replace")
        };
        let running = phases.iter().filter(|phase| !phase.lowered.schedule().steps.is_empty());
        let executed =
            running.max_by_key(|phase| phase.plan.arena_size).ok_or_else(|| usage("no step runs"))?;
        let execution = runtime.executed(graph, &executed.shapes)?.filter(|found| found.nodes_are_steps);
        let execution = execution.ok_or_else(refused)?;
        if execution.is_from_file {
            return Err(usage("the file is an execution graph")
                .in_file(graph.file())
                .help("give the model that it was compiled from"));
        }
        let exported = registry::exported();
        let runs = [(executed.name, executed.scenario.clone())];
        let written = phases::run(graph, &runs, &*exported, exported.planner())?;
        let [written] = &written[..] else {
            return Err(Error::new(ErrorKind::Internal, "one phase was asked for, and another number came"));
        };
        Ok(report::compare::build(graph, written, executed, &execution, top))
    }
}

/// A runtime, the planner, and the phases that they give.
type Walked = (Arc<dyn Runtime>, Planner, Vec<Phase>);

/// Runs some passes of one model.
fn walk(graph: &Graph, passes: &[(PhaseName, Scenario)], request: &Request) -> Result<Walked> {
    let runtime = request.runtime(graph)?;
    let planner = request.planner(&*runtime);
    let phases = phases::run(graph, passes, &*runtime, planner)?;
    Ok((runtime, planner, phases))
}

/// The same, if no sum in it left 64 bits: a sum that did is 2^64 - 1, and so is every total above it.
fn checked(report: Report) -> Result<Report> {
    countable(report.resident_peak(), "the memory of this run")?;
    countable(report.device_bytes(), "the memory of the devices")?;
    Ok(report)
}

/// The analysis of one model.
fn single(graph: &Arc<Graph>, (runtime, planner, phases): Walked, request: &Request) -> Result<Analysis> {
    let sha256 = if request.digest { formats::sha256(graph.file())? } else { String::new() };
    let graph = Arc::clone(graph);
    let single = Single { graph, runtime, planner, phases, sha256, by: request.by, full: request.full };
    let report = checked(report::build(&single.subject()))?;
    Ok(Analysis { report, single: Some(single), pipeline: None })
}

fn language(
    model: &Path,
    graph: &Arc<Graph>,
    request: &Request,
    tokens: u64,
    part: llm::Part,
    max_length: Option<u64>,
) -> Result<Analysis> {
    let base = request.scenario(model)?;
    llm::check_length(graph, &base, tokens)?;
    if part != llm::Part::Decode {
        llm::check_inputs(graph, &base, tokens)?;
    }
    let runtime = request.runtime(graph)?;
    let part = part.under(&*runtime);
    let new_tokens = match part {
        llm::Part::Decode => 1,
        llm::Part::Generate { new_tokens } => new_tokens,
        _ => 0,
    };
    let all = base.past.saturating_add(tokens).saturating_add(new_tokens);
    let base = if runtime.reads_genai_config() {
        match genai::of(model, graph, max_length, all)? {
            Some((genai, beams)) => {
                let batch = base.batch.map(|batch| batch.saturating_mul(beams));
                Scenario { genai: Some(genai), batch, ..base }
            }
            None => base,
        }
    } else {
        genai::reject_max_length(model, max_length)?;
        base
    };
    let passes = llm::phases(&base, tokens, part, &*runtime);
    let walked =
        walk(graph, &passes, request).map_err(|error| length::explain(error, graph, &base, tokens, all))?;
    let mut found = single(graph, walked, request)?;
    found.report.diagnostics.extend(llm::over_limit(Some(graph), &base, all).iter().map(Into::into));
    if let Ok(parts) = parts::of_pipeline(model) {
        found.report.diagnostics.push((&of_pipeline(model, &parts)).into());
    }
    Ok(found)
}

fn vision(model: &Path, graph: &Arc<Graph>, request: &Request, tower: vlm::Request) -> Result<Analysis> {
    let base = request.scenario(model)?;
    let tower = with_settings(tower, model, request)?;
    misfit::check_is_vision(graph, model)?;
    if tower.patches.is_none() && base.image.is_none() {
        misfit::check_is_fixed(graph, &base)?;
    }
    let (scenario, assumptions) = vlm::vision(&base, &tower)?;
    misfit::check(graph, &base, &tower, &scenario)?;
    let walked = walk(graph, &[(PhaseName::Infer, scenario)], request);
    let walked = walked.map_err(|error| misfit::explain(error, graph, &base, &tower))?;
    let mut found = single(graph, walked, request)?;
    found.report.assumptions.extend(assumptions.into_iter().map(stated));
    Ok(found)
}

/// The request with what the image processor's files say.
fn with_settings(asked: vlm::Request, model: &Path, request: &Request) -> Result<vlm::Request> {
    let settings = preprocessor::read(pipeline::folder(model), request.config.as_deref())?;
    Ok(vlm::Request { settings, ..asked })
}

/// Says that a language model alone was analysed, of a folder with a pipeline.
fn of_pipeline(model: &Path, parts: &[parts::Part]) -> Diagnostic {
    let text = format!(
        "the folder holds a pipeline of {} parts, and its language model alone was analysed; `memgraph vlm` analyses all",
        parts.len()
    );
    let location = Location { file: Some(model.display().to_string()), ..Location::default() };
    Diagnostic { code: "MG0007", severity: Severity::Note, location, text }
}

fn stated(assumption: Assumption) -> model::Assumption {
    model::Assumption { rule: assumption.rule.to_owned(), text: assumption.text }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
