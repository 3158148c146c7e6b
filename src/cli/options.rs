//! Options that several commands share, and what they mean.

use super::parse::{parse_bind, parse_input, parse_value};
use super::runtime::RuntimeArgs;
use super::{Outcome, output};
use clap::{Args, ValueEnum};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats;
use memgraph::graph::{Dims, Graph, Value};
use memgraph::phases::{self, PhaseName};
use memgraph::pipeline::parts::Part;
use memgraph::pipeline::vlm;
use memgraph::report::pipeline::Telling;
use memgraph::report::{
    self, By, Subject,
    model::{Comparison, Report},
    svg::Chart,
};
use memgraph::runtime::{Assumption, Runtime, registry};
use memgraph::scenario::{ModelConfig, Scenario};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// How the model is analysed and told.
#[derive(Debug, Args)]
pub(super) struct Analysis {
    #[command(flatten)]
    runtime: RuntimeArgs,
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

impl Analysis {
    /// Whether the closed forms were asked for, which need no graph.
    pub(super) fn is_components(&self) -> Result<bool> {
        self.runtime.is_components()
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
            let runtime = self.runtime.runtime(graph)?;
            let planner = self.runtime.planner(&*runtime)?;
            Ok((runtime, planner))
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

    /// The runtime that is modelled for `graph`.
    pub(super) fn runtime(&self, graph: &Graph) -> Result<Arc<dyn Runtime>> {
        self.runtime.runtime(graph)
    }

    /// Walks the line for every phase and makes the report.
    pub(super) fn analyze(&self, graph: &Graph, phases: &[(PhaseName, Scenario)]) -> Result<Findings> {
        let runtime = self.runtime.runtime(graph)?;
        let planner = self.runtime.planner(&*runtime)?;
        let phases = phases::run(graph, phases, &*runtime, planner)?;
        let sha256 = if self.json.is_some() { formats::sha256(graph.file())? } else { String::new() };
        let by = self.by();
        let subject =
            Subject { graph, sha256, runtime: &*runtime, planner, phases: &phases, by, full: self.json_full };
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
        let Subject { graph, runtime, .. } = *subject;
        let refused = || {
            Error::new(
                ErrorKind::Usage,
                format!(
                    "`--compare graph` was given, and profile {} has no graph to compare",
                    runtime.name()
                ),
            )
            .help("use the profile of a runtime whose nodes carry the names of those that they replace")
        };
        let running = subject.phases.iter().filter(|phase| !phase.lowered.schedule().steps.is_empty());
        let Some(executed) = running.max_by_key(|phase| phase.plan.arena_size) else {
            return Err(Error::new(ErrorKind::Usage, "`--compare graph` was given, and no step runs"));
        };
        let execution = runtime.executed(graph, &executed.shapes)?.filter(|found| found.nodes_are_steps);
        let execution = execution.ok_or_else(refused)?;
        if execution.is_from_file {
            return Err(Error::new(
                ErrorKind::Usage,
                "`--compare graph` was given, and the file is an execution graph",
            )
            .in_file(graph.file())
            .help("give the model that it was compiled from"));
        }
        let exported = registry::exported();
        let runs = [(executed.name, executed.scenario.clone())];
        let written = phases::run(graph, &runs, &*exported, exported.planner())?;
        let [written] = &written[..] else {
            return Err(Error::new(ErrorKind::Internal, "one phase was asked for, and another number came"));
        };
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
