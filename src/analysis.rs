//! The whole program as a library: a model and a request in, a report out.
//!
//! [`analyze`] runs the stages that the crate's first page shows; [`run`] keeps what the stages made, for charts and
//! comparisons. The command line is made of these two.

use crate::error::{Diagnostic, Error, ErrorKind, Location, Result, Severity};
use crate::formats::identify::Folder;
use crate::formats::{self, preprocessor};
use crate::graph::Graph;
use crate::phases::{self, PhaseName};
use crate::pipeline::{self, genai, llm, misfit, parts, vlm};
use crate::plan::Planner;
use crate::report::model::{self, Comparison, Report};
use crate::report::pipeline::PipelineSubject;
use crate::report::{self, By, Subject};
use crate::runtime::options::Options;
use crate::runtime::{Assumption, Phase, Runtime, registry};
use crate::scenario::Scenario;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is analysed, under which runtime, and how it is reported.
///
/// # Example
///
/// ```
/// use memgraph::analysis::{Request, Task};
/// use memgraph::runtime::options::Options;
///
/// let mut request = Request::new(Task::language(1024));
/// request.profile = Some("openvino-cpu".to_owned());
/// request.options = Options::default().with("kv-precision", "f16");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// What runs.
    pub task: Task,
    /// What holds for every phase: batch, past, image, bindings by name.
    pub base: Scenario,
    /// Name of the runtime; `None`: the one that fits the model's format.
    pub profile: Option<String>,
    /// The runtime's options.
    pub options: Options,
    /// The planner; `None`: the runtime's own.
    pub planner: Option<Planner>,
    /// Take sizes from this file instead of the model folder's config.json.
    pub config: Option<PathBuf>,
    /// How the breakdown groups.
    pub by: By,
    /// Report every step and buffer.
    pub full: bool,
    /// Report the SHA-256 of the model's files.
    pub digest: bool,
}

/// A kind of run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Task {
    /// One pass of any model.
    Graph,
    /// A language model.
    Language {
        /// Tokens of the prompt.
        tokens: u64,
        /// Which part of a generation.
        part: llm::Part,
        /// Tokens that a generation by ONNX Runtime GenAI ends at; `None`: the configuration's.
        max_length: Option<u64>,
    },
    /// A vision tower.
    Vision {
        /// Patches over all images; `None`: those of the image.
        patches: Option<u64>,
        /// Of these so many tiles, where the patches were given as a product.
        tiles: Option<u64>,
        /// The file of one part of a tower in several; `None`: all.
        part: Option<String>,
    },
    /// A vision-language pipeline.
    Pipeline {
        /// Patches over all images; `None`: those of the image.
        patches: Option<u64>,
        /// Of these so many tiles, where the patches were given as a product.
        tiles: Option<u64>,
        /// Tokens of the prompt in addition to the image's.
        text_tokens: u64,
        /// Tokens that are generated.
        new_tokens: u64,
        /// The vision tower stays loaded after it ran.
        keeps_vision: bool,
    },
}

impl Task {
    /// The prefill of a language model.
    #[must_use]
    pub fn language(tokens: u64) -> Task {
        Task::Language { tokens, part: llm::Part::Prefill, max_length: None }
    }
}

impl Request {
    /// A request with defaults for everything but the task.
    #[must_use]
    pub fn new(task: Task) -> Request {
        Request {
            task,
            base: Scenario::default(),
            profile: None,
            options: Options::default(),
            planner: None,
            config: None,
            by: By::default(),
            full: false,
            digest: false,
        }
    }

    /// The runtime that is modelled for a graph.
    ///
    /// # Errors
    ///
    /// Those of [`registry::for_graph`].
    pub fn runtime(&self, graph: &Graph) -> Result<Arc<dyn Runtime>> {
        registry::for_graph(graph, self.profile.as_deref(), &self.options).map(Arc::from)
    }

    /// Reads a model; a graph that its runtime builds in code is built.
    ///
    /// # Errors
    ///
    /// Those of [`formats::open`] and of [`Runtime::expand`].
    pub fn open(&self, file: &Path) -> Result<Graph> {
        let graph = formats::open(file)?;
        if graph.stored().is_none() {
            return Ok(graph);
        }
        let expanded = self.runtime(&graph)?.expand(&graph)?;
        Ok(expanded.unwrap_or(graph))
    }

    /// The planner that places buffers under `runtime`.
    #[must_use]
    pub fn planner(&self, runtime: &dyn Runtime) -> Planner {
        self.planner.unwrap_or_else(|| runtime.planner())
    }

    /// What holds for every phase, with the sizes of the config.json next to `model`.
    ///
    /// # Errors
    ///
    /// If the config cannot be read.
    pub fn scenario(&self, model: &Path) -> Result<Scenario> {
        let config = match &self.config {
            Some(file) => formats::config::read_file(file)?,
            None => formats::config::read(pipeline::folder(model))?,
        };
        Ok(Scenario { config, ..self.base.clone() })
    }
}

/// Analyses a model.
///
/// # Errors
///
/// If the model cannot be read, a dim is not bound, or the runtime does not load it. See [`Error`].
pub fn analyze(model: &Path, request: &Request) -> Result<Report> {
    Ok(run(model, request)?.report)
}

/// Analyses a model, and keeps what the stages made.
///
/// # Errors
///
/// As [`analyze`].
pub fn run(model: &Path, request: &Request) -> Result<Analysis> {
    match &request.task {
        Task::Graph => {
            let graph = request.open(&Folder::only_model(model)?)?;
            let scenario = request.scenario(model)?;
            let walked = walk(&graph, &[(PhaseName::Infer, scenario)], request)?;
            single(graph, walked, request)
        }
        &Task::Language { tokens, part, max_length } => language(model, request, tokens, part, max_length),
        &Task::Vision { patches, tiles, ref part } => {
            let tower = vlm::Request { patches, tiles, ..vlm::Request::default() };
            vision(model, request, tower, part.as_deref())
        }
        &Task::Pipeline { patches, tiles, text_tokens, new_tokens, keeps_vision } => {
            if !model.is_dir() {
                let message = "this is not a folder, and a pipeline has several models";
                return Err(Error::new(ErrorKind::Usage, message)
                    .in_file(model)
                    .help("give the folder that holds them"));
            }
            let asked = vlm::Request { patches, tiles, text_tokens, new_tokens, ..vlm::Request::default() };
            several(model, parts::of_pipeline(model)?, request, asked, Whole::Pipeline { keeps_vision })
        }
    }
}

/// What an analysis made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Analysis {
    /// The report.
    pub report: Report,
    single: Option<Single>,
}

/// One model, with what its stages made.
#[derive(Clone, Debug)]
struct Single {
    graph: Graph,
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
        Analysis { report, single: None }
    }

    /// The phases, where one model was analysed.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        self.single.as_ref().map_or(&[], |single| &single.phases)
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

/// The analysis of one model.
fn single(graph: Graph, (runtime, planner, phases): Walked, request: &Request) -> Result<Analysis> {
    let sha256 = if request.digest { formats::sha256(graph.file())? } else { String::new() };
    let single = Single { graph, runtime, planner, phases, sha256, by: request.by, full: request.full };
    let report = report::build(&single.subject());
    Ok(Analysis { report, single: Some(single) })
}

fn language(
    model: &Path,
    request: &Request,
    tokens: u64,
    part: llm::Part,
    max_length: Option<u64>,
) -> Result<Analysis> {
    let graph = request.open(&llm::file(model)?)?;
    let base = request.scenario(model)?;
    llm::check_length(&graph, &base, tokens)?;
    if part != llm::Part::Decode {
        llm::check_inputs(&graph, &base, tokens)?;
    }
    let runtime = request.runtime(&graph)?;
    let new_tokens = match part {
        llm::Part::Prefill => 0,
        llm::Part::Decode => 1,
        llm::Part::Generate { new_tokens } => new_tokens,
    };
    let all = base.past.saturating_add(tokens).saturating_add(new_tokens);
    let base = if runtime.reads_genai_config() {
        match genai::of(model, &graph, max_length, all)? {
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
    let walked = walk(&graph, &passes, request).map_err(|error| llm::explain_length(error, &base, all))?;
    let mut found = single(graph, walked, request)?;
    found.report.diagnostics.extend(llm::over_limit(&base, all).iter().map(Into::into));
    if let Ok(parts) = parts::of_pipeline(model) {
        found.report.diagnostics.push((&of_pipeline(model, &parts)).into());
    }
    Ok(found)
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

fn vision(model: &Path, request: &Request, tower: vlm::Request, part: Option<&str>) -> Result<Analysis> {
    let all = parts::of_vision(model)?;
    let names: Vec<String> = all.iter().map(|part| file_name(&part.file)).collect();
    let is_asked = |found: &parts::Part| part.is_none_or(|asked| file_name(&found.file) == asked);
    let mut wanted: Vec<parts::Part> = all.into_iter().filter(is_asked).collect();
    if wanted.len() > 1 {
        return several(model, wanted, request, tower, Whole::Tower);
    }
    let Some(only) = wanted.pop() else {
        let message = format!("the tower has no part \"{}\"", part.unwrap_or_default());
        return Err(Error::new(ErrorKind::Usage, message)
            .in_file(model)
            .help(format!("parts: {}", names.join(", "))));
    };
    let base = request.scenario(model)?;
    let tower = with_settings(tower, model, request)?;
    let graph = request.open(&only.file)?;
    misfit::check_is_vision(&graph, model)?;
    if tower.patches.is_none() && base.image.is_none() {
        misfit::check_is_fixed(&graph, &base)?;
    }
    let (scenario, assumptions) = vlm::vision(&base, &tower)?;
    misfit::check(&graph, &base, &tower, &scenario)?;
    let walked = walk(&graph, &[(PhaseName::Infer, scenario)], request);
    let walked = walked.map_err(|error| misfit::explain(error, &graph, &base, &tower))?;
    let mut found = single(graph, walked, request)?;
    found.report.assumptions.extend(assumptions.into_iter().map(stated));
    Ok(found)
}

/// What several parts make together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whole {
    /// A vision tower.
    Tower,
    /// A pipeline, which the host application of pipelines runs.
    Pipeline { keeps_vision: bool },
}

/// Several parts, one after the other.
fn several(
    model: &Path,
    parts: Vec<parts::Part>,
    request: &Request,
    asked: vlm::Request,
    whole: Whole,
) -> Result<Analysis> {
    let base = request.scenario(model)?;
    let asked = with_settings(asked, model, request)?;
    let generators = parts.iter().filter(|part| part.role == parts::Role::Language);
    let generators: Vec<PathBuf> = generators.map(|part| part.file.clone()).collect();
    let rules = |graph: &Graph| {
        let name = request.profile.as_deref();
        let options = match whole {
            Whole::Tower => request.options.clone(),
            Whole::Pipeline { .. } => {
                let generates = generators.iter().any(|file| file == graph.file());
                registry::part_options(graph, name, &request.options, generates)
            }
        };
        let runtime: Arc<dyn Runtime> = Arc::from(registry::for_graph(graph, name, &options)?);
        let planner = request.planner(&*runtime);
        Ok((runtime, planner))
    };
    let run = vlm::run(parts, &base, &asked, &rules)?;
    let files = run.parts.iter().filter(|_| request.digest);
    let sha256 = files.map(|walk| formats::sha256(&walk.part.file)).collect::<Result<Vec<_>>>()?;
    let subject = PipelineSubject {
        model: model.display().to_string(),
        keeps_vision: whole != Whole::Pipeline { keeps_vision: false },
        by: request.by,
        full: request.full,
        sha256,
    };
    let mut report = report::pipeline::build(&run, &subject);
    let new_tokens = if whole == Whole::Tower { 0 } else { asked.new_tokens };
    let tokens = run.prompt.map(|prompt| prompt.saturating_add(new_tokens));
    let warning = tokens.and_then(|tokens| llm::over_limit(&base, tokens));
    report.diagnostics.extend(warning.iter().map(Into::into));
    Ok(Analysis::of_report(report))
}

/// The request with what the image processor's files say.
fn with_settings(asked: vlm::Request, model: &Path, request: &Request) -> Result<vlm::Request> {
    let settings = preprocessor::read(pipeline::folder(model), request.config.as_deref())?;
    Ok(vlm::Request { settings, ..asked })
}

fn stated(assumption: Assumption) -> model::Assumption {
    model::Assumption { rule: assumption.rule.to_owned(), text: assumption.text }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
