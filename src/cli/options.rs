//! Options that several commands share, and what they mean.

use super::budget::BudgetArgs;
use super::chart::ChartArgs;
use super::runtime::RuntimeArgs;
use super::text::TextArgs;
use super::{Outcome, output};
use clap::{Args, ValueEnum};
use memgraph::analysis::{self, Request, Task};
use memgraph::error::Result;
use memgraph::graph::{Dims, Value};
use memgraph::report::{self, By, model::Report, text::Heading};
use memgraph::scenario::Scenario;
use memgraph::scenario::parse::{Length, parse_bind, parse_image, parse_input, parse_tiles, parse_value};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

/// Code of the diagnostic that a run is longer than the model was made for: `-q` prints it as well.
const OVER_LIMIT: &str = "MG0006";

/// How inputs are bound.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shapes")]
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

/// What a vision tower sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct Vision {
    /// Vision patches over all images, such as 577 or 5*577; not needed where the inputs have fixed shapes
    #[arg(value_parser = parse_tiles, help_heading = "Arguments")]
    seq: Option<Length>,
    /// Width and height of one image in pixels, resized as the model's image processor would
    #[arg(long, value_name = "WxH", value_parser = parse_image, conflicts_with = "seq")]
    pub(super) image: Option<(u64, u64)>,
}

impl Vision {
    /// Patches over all images.
    pub(super) fn patches(&self) -> Option<u64> {
        self.seq.map(|seq| seq.total)
    }

    /// Images, where the patches were given as a product.
    pub(super) fn tiles(&self) -> Option<u64> {
        self.seq.and_then(|seq| seq.tiles)
    }
}

/// How the model is analysed, and where the report goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Analysis {
    #[command(flatten)]
    runtime: RuntimeArgs,
    /// What the breakdown groups by
    #[arg(long, value_enum, default_value = "component")]
    by: Grouping,
    /// Write the report as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Show the graph as written next to the one that the runtime executes
    #[arg(long, value_enum, value_name = "PROFILE")]
    compare: Option<Other>,
    /// Add every step and buffer to the JSON
    #[arg(long)]
    json_full: bool,
    /// Write the breakdown as CSV; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    chart: ChartArgs,
    #[command(flatten)]
    text: TextArgs,
    #[command(flatten)]
    budget: BudgetArgs,
}

/// What a run is compared with.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Other {
    /// The graph as written
    Graph,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Grouping {
    Node,
    Op,
    Component,
    Layer,
}

impl Binding {
    /// The file that was given instead of the folder's config.json.
    pub(super) fn config(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The scenario that the options alone describe.
    pub(super) fn scenario(&self) -> Scenario {
        Scenario::default().with(|run| {
            run.binds = self.bind.clone();
            run.inputs = self.input.clone();
            run.values = self.value.clone();
            run.strict = self.strict;
            run.allow_opaque = self.allow_opaque;
        })
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

    /// The request of a task; `base` holds for every phase of it.
    pub(super) fn request(&self, task: Task, base: Scenario, binding: &Binding) -> Result<Request> {
        let mut request = Request::new(task);
        request.base = base;
        request.config = binding.config.clone();
        self.runtime.fill(&mut request)?;
        request.by = self.by();
        request.full = self.json_full;
        request.digest = self.wants_json();
        self.check_outputs()?;
        request.advises = self.wants_json() || !self.text.quiet;
        Ok(request)
    }

    /// Refuses two outputs on standard output: neither could be read.
    fn check_outputs(&self) -> Result<()> {
        let (json, csv) = (self.json.as_deref(), self.csv.as_deref());
        let targets = [("--svg", self.chart.target()), ("--json", json), ("--csv", csv)];
        output::check_targets(&targets)
    }

    /// Analyses a model and writes the report wherever the options ask for it.
    pub(super) fn run(&self, model: &Path, request: &Request, heading: Heading) -> Result<Outcome> {
        let mut found = analysis::run(model, request)?;
        let over_limit = found.report.diagnostics.iter().find(|found| found.code == OVER_LIMIT);
        if let Some(diagnostic) = over_limit {
            output::warn(&diagnostic.text);
        }
        if let Some(Other::Graph) = self.compare {
            found.report.comparison = Some(found.compare(self.text.top)?);
        }
        self.deliver(found, heading)
    }

    fn by(&self) -> By {
        match self.by {
            Grouping::Node => By::Node,
            Grouping::Op => By::Op,
            Grouping::Component => By::Component,
            Grouping::Layer => By::Layer,
        }
    }

    /// Writes a report wherever the options ask for it.
    pub(super) fn deliver(&self, found: analysis::Analysis, heading: Heading) -> Result<Outcome> {
        // The process ends behind it, and to free a graph of a million nodes takes a tenth of a second.
        let mut found = ManuallyDrop::new(found);
        self.budget.judge(&mut found.report);
        let report = &found.report;
        let mut wants_text = !self.chart.deliver(&found)?;
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
            let style = self.text.style(heading);
            let text = match self.text.quiet {
                true => report::text::render_published(report, &style),
                false => report::text::render(report, &style),
            };
            output::print(&text)?;
        }
        Ok(self.budget.outcome(report))
    }
}
