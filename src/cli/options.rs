//! Options that several commands share, and what they mean.

use super::parse::{parse_bind, parse_input, parse_value};
use super::{Outcome, output};
use clap::{Args, ValueEnum};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::graph::{Dims, Format, Graph, Value};
use memgraph::machine::{Isa, Machine};
use memgraph::phases::{self, PhaseName};
use memgraph::pipeline::parts::Part;
use memgraph::pipeline::vlm;
use memgraph::plan::Planner;
use memgraph::report::pipeline::Telling;
use memgraph::report::{
    self, By, Subject,
    model::{Comparison, Report},
    svg::Chart,
};
use memgraph::runtime::{
    self, Arena, Cache, GraphOptimization, OnnxRunner, OnnxRuntimeCpu, OpenvinoCpu, OpenvinoGpu, Profile,
    Reshape, Runtime,
};
use memgraph::scenario::{ModelConfig, Scenario};
use memgraph::schedule::Assumption;
use memgraph::{DType, formats};
use std::path::{Path, PathBuf};

/// How inputs are bound.
#[derive(Debug, Args)]
pub(super) struct Binding {
    /// Bind a free dim: `batch=4`, `seq=128`, `input_ids.1=128`, or a symbol of the model
    #[arg(long, value_name = "NAME=N", value_parser = parse_bind)]
    bind: Vec<(String, u64)>,
    /// Give an input its whole shape; an empty shape is a scalar
    #[arg(long, value_name = "NAME=1x3x224x224", value_parser = parse_input)]
    input: Vec<(String, Dims)>,
    /// Give an input its numbers, where they drive shapes
    #[arg(long, value_name = "NAME=1,2,3", value_parser = parse_value)]
    value: Vec<(String, Value)>,
    /// Take sizes from this file instead of the model folder's config.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Make a declared static shape that inference contradicts an error
    #[arg(long)]
    strict: bool,
    /// Count nodes without a shape as unknown (the total is a lower bound, exit status 3) instead of ending
    #[arg(long)]
    allow_opaque: bool,
}

/// Whose rules are applied, and by whom the buffers are placed.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// Whose rules are applied [default: openvino-cpu for an OpenVINO IR, onnxruntime-cpu for ONNX, else graph]
    #[arg(long, value_parser = profile_names())]
    profile: Option<String>,
    #[command(flatten)]
    compilation: Compilation,
    #[command(flatten)]
    session: Session,
    /// Who places the buffers [default: the profile's]
    #[arg(long, value_name = "PLANNER")]
    planner: Option<String>,
}

/// How the model is analysed and told.
#[derive(Debug, Args)]
pub(super) struct Analysis {
    #[command(flatten)]
    rules: Rules,
    /// What the breakdown groups by
    #[arg(long, value_enum, default_value = "component")]
    by: Grouping,
    /// Rows per table
    #[arg(long, default_value_t = 12, value_name = "N")]
    top: usize,
    /// Write the report as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the graph as written beside the one that the runtime executes
    #[arg(long, value_enum, value_name = "PROFILE")]
    compare: Option<Other>,
    /// Add every step and buffer to the JSON
    #[arg(long)]
    json_full: bool,
    /// Write the breakdown as CSV; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draw a chart as SVG; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What `--svg` draws; of a pipeline its phases, or the breakdown
    #[arg(long, value_enum, default_value = "pressure", requires = "svg")]
    chart: Drawing,
    /// Print the totals only
    #[arg(short, long)]
    quiet: bool,
}

/// How ONNX Runtime makes the session; for `--profile onnxruntime-cpu`.
#[derive(Debug, Args)]
struct Session {
    /// How far the graph is rewritten
    #[arg(long, default_value = "all", value_name = "LEVEL", value_parser = GraphOptimization::NAMES.to_vec())]
    graph_optimization: String,
    /// Buffers of dead tensors are not taken over (`enable_mem_reuse = false`)
    #[arg(long)]
    no_mem_reuse: bool,
    /// No run has a memory pattern (`enable_mem_pattern = false`)
    #[arg(long)]
    no_mem_pattern: bool,
    /// Constant matrices are not packed (`session.disable_prepacking`)
    #[arg(long)]
    no_prepacking: bool,
    /// How the CPU arena grows; `off`: there is none
    #[arg(long, default_value = "next-power-of-two", value_name = "HOW", value_parser = Arena::NAMES.to_vec())]
    arena: String,
    /// After each run the arena gives back the regions in which nothing lies (`memory.enable_memory_arena_shrinkage`)
    #[arg(long)]
    arena_shrinkage: bool,
    /// Where initializers lie [default: as the model says; inside, if their data file is not there]
    #[arg(long, value_enum)]
    weights: Option<Weights>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Weights {
    /// In the model's own file
    Embedded,
    /// In a file of their own, which is mapped
    External,
}

/// How the runtime compiles the model; for `--profile openvino-cpu`.
#[derive(Debug, Args)]
struct Compilation {
    /// Threads that the runtime computes with
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// Instruction set of the processor; rules are measured on avx512-bf16 alone
    #[arg(long, default_value = "avx512-bf16", value_parser = Isa::NAMES.to_vec())]
    isa: String,
    /// What matrix products compute in [default: the instruction set's]
    #[arg(long, value_parser = ["f32", "bf16", "f16"])]
    precision: Option<String>,
    /// What attention state is stored in [default: the export's, else u8]
    #[arg(long, value_parser = ["u8", "f16", "bf16", "f32"])]
    kv_precision: Option<String>,
    /// Compiled as exported, or with the bound shapes [default: dynamic; of an execution graph what it shows]
    #[arg(long, value_enum)]
    reshape: Option<Shapes>,
    /// Whether the weights' file is mapped, or read into memory
    #[arg(long, value_enum, default_value = "on")]
    mmap: Switch,
    /// Inferences that can run at once; one runs
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    streams: u32,
    /// Logits of every token, or of the last alone [default: the runner's]
    #[arg(long, value_enum)]
    logits: Option<Logits>,
    /// Keys and values in states of the model, or in blocks that the runner allocates [default: the runner's]
    #[arg(long, value_enum)]
    attention: Option<Attention>,
    /// Who runs the model, for `--logits` and `--attention`
    #[arg(long, value_enum, default_value = "plain")]
    runner: Runner,
    /// Whether the GPU has matrix engines (Arc, Core Ultra 200V and later); for `--profile openvino-gpu`
    #[arg(long, default_value = "yes", value_parser = ["yes", "no"])]
    xmx: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shapes {
    Dynamic,
    Static,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Logits {
    All,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Attention {
    Stateful,
    Paged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runner {
    /// The file as it is: `--logits all --attention stateful`
    Plain,
    /// OpenVINO GenAI's LLMPipeline: `--logits last --attention paged`
    Genai,
}

impl Compilation {
    /// The machine of the measured runs, with the instruction set and the threads that were asked for.
    fn machine(&self) -> Machine {
        let isa = Isa::by_name(&self.isa).unwrap_or_default();
        Machine { isa, cores: self.threads, ..Machine::MEASURED }
    }

    fn gpu_options(&self) -> OpenvinoGpu {
        OpenvinoGpu {
            has_xmx: self.xmx == "yes",
            kv_precision: self.kv_precision.as_deref().and_then(DType::from_name),
            last_logits: self.logits == Some(Logits::Last),
        }
    }

    fn options(&self) -> OpenvinoCpu {
        let is_genai = self.runner == Runner::Genai;
        let dtype = |name: &Option<String>| name.as_deref().and_then(DType::from_name);
        OpenvinoCpu {
            machine: self.machine(),
            precision: dtype(&self.precision),
            kv_precision: dtype(&self.kv_precision),
            reshape: self.reshape.map(|shapes| match shapes {
                Shapes::Dynamic => Reshape::Dynamic,
                Shapes::Static => Reshape::Static,
            }),
            mmap: self.mmap == Switch::On,
            streams: self.streams,
            last_logits: self.logits.map_or(is_genai, |logits| logits == Logits::Last),
            cache: match self.attention {
                Some(Attention::Paged) => Cache::Paged,
                None if is_genai => Cache::Paged,
                _ => Cache::Stateful,
            },
            generation: None,
        }
    }
}

/// What an analysis found: the report, and the drawing if one was asked for.
#[derive(Debug)]
pub(super) struct Findings {
    report: Report,
    drawing: Option<String>,
}

/// What a run is compared with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Other {
    /// The graph as written
    Graph,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Drawing {
    /// Bytes alive over the steps, by storage class
    Pressure,
    /// The planned buffers as boxes over steps and addresses
    Arena,
    /// Who holds the memory at the peak: see `--by`
    Breakdown,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grouping {
    Node,
    Op,
    Component,
    Layer,
}

/// The name of the closed forms among the profiles.
const COMPONENTS: &str = "components";

fn profile_names() -> Vec<&'static str> {
    Profile::NAMES.iter().copied().chain([COMPONENTS]).collect()
}

impl Findings {
    /// Adds what was taken for granted before the graph was walked.
    pub(super) fn assume(&mut self, assumptions: Vec<Assumption>) {
        let stated = assumptions
            .into_iter()
            .map(|found| report::model::Assumption { rule: found.rule.to_owned(), text: found.text });
        self.report.assumptions.extend(stated);
    }
}

impl Binding {
    /// The file that was given instead of the folder's config.json.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The scenario that the options describe; sizes come from the config beside `model`.
    pub(super) fn scenario(&self, model: &Path) -> Result<Scenario> {
        let config = match &self.config {
            Some(file) => formats::config::read_file(file)?,
            None => formats::config::read(memgraph::pipeline::folder(model))?,
        };
        Ok(Scenario { config, ..self.scenario_without_config() })
    }

    /// The scenario that the options alone describe.
    pub(super) fn scenario_without_config(&self) -> Scenario {
        Scenario {
            binds: self.bind.clone(),
            inputs: self.input.clone(),
            values: self.value.clone(),
            config: ModelConfig::default(),
            strict: self.strict,
            allow_opaque: self.allow_opaque,
            ..Scenario::default()
        }
    }
}

impl Rules {
    /// The profile that was asked for, else the one that fits the graph.
    pub(super) fn profile(&self, graph: &Graph) -> Result<Profile> {
        let fitting = match graph.format() {
            Format::OpenVino => "openvino-cpu",
            Format::Onnx => "onnxruntime-cpu",
            Format::Gguf => "graph",
        };
        let name = self.profile.as_deref().unwrap_or(fitting);
        if name == COMPONENTS {
            let message = "the component formulas know no graph, and this command reads one";
            return Err(Error::new(ErrorKind::Usage, message)
                .help("use `llm`, `vit` or `vlm` with `--profile components`"));
        }
        if name == "onnxruntime-cpu" {
            let options = self.onnxruntime_cpu();
            if options.shrinks_arena && options.arena == Arena::Off {
                let message = "`--arena-shrinkage` was given, and `--arena off` leaves no arena";
                return Err(Error::new(ErrorKind::Usage, message)
                    .note("ONNX Runtime refuses such a run")
                    .help("leave one of the two away"));
            }
            return Ok(Profile::onnxruntime_cpu(options));
        }
        if name == "openvino-cpu" {
            return Ok(Profile::openvino_cpu(self.openvino_cpu()));
        }
        if name == "openvino-gpu" {
            return Ok(Profile::openvino_gpu(self.compilation.gpu_options()));
        }
        Profile::by_name(name).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("unknown profile \"{name}\""))
                .help(format!("profiles: {}", Profile::NAMES.join(", ")))
        })
    }

    /// The planner that was asked for, else the profile's.
    pub(super) fn planner(&self, profile: &Profile) -> Result<Planner> {
        self.planner.as_deref().map_or(Ok(profile.planner), Planner::by_name)
    }

    /// How ONNX Runtime makes the session.
    fn onnxruntime_cpu(&self) -> OnnxRuntimeCpu {
        OnnxRuntimeCpu {
            machine: self.compilation.machine(),
            optimization: GraphOptimization::by_name(&self.session.graph_optimization).unwrap_or_default(),
            memory_reuse: !self.session.no_mem_reuse,
            memory_pattern: !self.session.no_mem_pattern,
            prepacking: !self.session.no_prepacking,
            arena: Arena::by_name(&self.session.arena).unwrap_or_default(),
            external_weights: self.session.weights.map(|place| place == Weights::External),
            shrinks_arena: self.session.arena_shrinkage,
            runner: OnnxRunner::Session,
        }
    }

    /// How the CPU plugin compiles the model.
    pub(super) fn openvino_cpu(&self) -> OpenvinoCpu {
        self.compilation.options()
    }
}

impl Analysis {
    /// Whether the closed forms were asked for, which need no graph.
    pub(super) fn is_components(&self) -> bool {
        self.rules.profile.as_deref() == Some(COMPONENTS)
    }

    /// Whether the report is wanted as JSON.
    pub(super) fn wants_json(&self) -> bool {
        self.json.is_some()
    }

    /// Walks every part of a pipeline and makes the one report.
    pub(super) fn analyze_pipeline(
        &self,
        parts: Vec<Part>,
        base: &Scenario,
        request: &vlm::Request,
        model: &Path,
        keeps_vision: bool,
    ) -> Result<Findings> {
        let rules = |graph: &Graph| {
            let profile = self.rules.profile(graph)?;
            let planner = self.rules.planner(&profile)?;
            Ok((profile, planner))
        };
        let run = vlm::run(parts, base, request, &rules)?;
        let sha256 = if self.json.is_some() {
            run.parts.iter().map(|walk| formats::sha256(&walk.part.file)).collect::<Result<Vec<_>>>()?
        } else {
            Vec::new()
        };
        let telling = Telling {
            model: model.display().to_string(),
            keeps_vision,
            by: self.by(),
            full: self.json_full,
            sha256,
        };
        let report = report::pipeline::build(&run, &telling);
        let draw = |_| match self.chart {
            Drawing::Breakdown => report::svg::breakdown(&report),
            _ => report::svg::phases(&report),
        };
        let drawing = self.svg.as_ref().map(draw).transpose()?;
        Ok(Findings { report, drawing })
    }

    fn by(&self) -> By {
        match self.by {
            Grouping::Node => By::Node,
            Grouping::Op => By::Op,
            Grouping::Component => By::Component,
            Grouping::Layer => By::Layer,
        }
    }

    /// A report that was made without a graph; its only chart is the breakdown.
    pub(super) fn findings(&self, report: Report) -> Result<Findings> {
        let drawing = self.svg.as_ref().map(|_| report::svg::breakdown(&report)).transpose()?;
        Ok(Findings { report, drawing })
    }

    /// The profile that is applied to `graph`.
    pub(super) fn profile(&self, graph: &Graph) -> Result<Profile> {
        self.rules.profile(graph)
    }

    /// Walks the line for every phase and makes the report.
    pub(super) fn analyze(&self, graph: &Graph, phases: &[(PhaseName, Scenario)]) -> Result<Findings> {
        let profile = self.rules.profile(graph)?;
        let planner = self.rules.planner(&profile)?;
        let phases = phases::run(graph, phases, &profile, planner)?;
        let sha256 = if self.json.is_some() { formats::sha256(graph.file())? } else { String::new() };
        let by = self.by();
        let subject =
            Subject { graph, sha256, profile: &profile, planner, phases: &phases, by, full: self.json_full };
        let chart = match self.chart {
            Drawing::Pressure => Chart::Pressure,
            Drawing::Arena => Chart::Arena,
            Drawing::Breakdown => Chart::Breakdown,
        };
        let drawing = self.svg.as_ref().map(|_| report::svg::render(&subject, chart)).transpose()?;
        let comparison = self.compare.map(|Other::Graph| self.compare_with_written(&subject)).transpose()?;
        let report = Report { comparison, ..report::build(&subject) };
        Ok(Findings { report, drawing })
    }

    /// The highest phase beside the same phase of the graph as written.
    fn compare_with_written(&self, subject: &Subject<'_>) -> Result<Comparison> {
        let Subject { graph, profile, .. } = *subject;
        let Runtime::OpenvinoCpu(options) = &profile.runtime else {
            return Err(Error::new(
                ErrorKind::Usage,
                format!("`--compare graph` was given, and profile {} executes no other graph", profile.name),
            )
            .help("add `--profile openvino-cpu`"));
        };
        if runtime::openvino_cpu::execution::is_execution_graph(graph) {
            return Err(Error::new(
                ErrorKind::Usage,
                "`--compare graph` was given, and the file is an execution graph",
            )
            .in_file(graph.file())
            .help("give the model that it was compiled from"));
        }
        let running = subject.phases.iter().filter(|phase| !phase.lowered.steps.is_empty());
        let Some(executed) = running.max_by_key(|phase| phase.plan.arena_size) else {
            return Err(Error::new(ErrorKind::Usage, "`--compare graph` was given, and no step runs"));
        };
        let written = Profile::graph();
        let runs = [(executed.name, executed.scenario.clone())];
        let written = phases::run(graph, &runs, &written, written.planner)?;
        let [written] = &written[..] else {
            return Err(Error::new(ErrorKind::Internal, "one phase was asked for, and another number came"));
        };
        let execution = runtime::executed(graph, &executed.shapes, options)?;
        Ok(report::compare::build(graph, written, executed, &execution, self.top))
    }

    /// Writes a report wherever the options ask for it.
    pub(super) fn deliver(&self, findings: &Findings, heading: &str) -> Result<Outcome> {
        let Findings { report, drawing } = findings;
        let mut wants_text = true;
        if let (Some(target), Some(drawing)) = (&self.svg, drawing) {
            output::write(target, drawing)?;
            wants_text &= !output::is_stdout(target);
        }
        for (target, render) in [
            (&self.json, report::json::render as fn(&Report) -> String),
            (&self.csv, report::csv::render as fn(&Report) -> String),
        ] {
            if let Some(target) = target {
                output::write(target, &render(report))?;
                wants_text &= !output::is_stdout(target);
            }
        }
        if wants_text {
            let text = report::text::render(report, heading, self.top);
            // A pipeline has three published lines, up to the first line that is none.
            let lines = text.split_inclusive('\n').take_while(|line| line.starts_with("Total "));
            let published: String = lines.collect();
            output::print(if self.quiet { &published } else { &text })?;
        }
        Ok(if report.is_complete() { Outcome::Fine } else { Outcome::Incomplete })
    }
}
