//! `memgraph dump`: one stage of the pipeline.

use super::options::Binding;
use super::runtime::RuntimeArgs;
use super::{Outcome, help, output};
use clap::ValueEnum;
use memgraph::analysis::{Request, Task};
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::formats::identify::Folder;
use memgraph::phases::{self, PhaseName};
use memgraph::plan::csv;
use memgraph::problem::Problem;
use memgraph::report::dump;
use memgraph::runtime::Runtime;
use memgraph::shape;
use std::path::{Path, PathBuf};

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Every tensor's shape", "memgraph dump resnet50 --stage shapes --input x=1x3x224x224"),
    (
        "The graph that the runtime executes",
        "memgraph dump minilm-l6-v2 --stage execution --bind batch=1 --bind seq=128",
    ),
    (
        "The plan as CSV, for other planners and tools",
        "memgraph dump resnet50 --stage plan --input x=1x3x224x224 --csv plan.csv",
    ),
];

/// One pipeline stage as JSON: the graph, its shapes, what is executed, the schedule, the planning problem, the plan
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES), next_help_heading = "Run")]
pub(super) struct Args {
    /// A model file (.xml, .onnx or .gguf), or a folder with one
    #[arg(help_heading = "Arguments")]
    file: PathBuf,
    /// Which stage
    #[arg(long, value_enum)]
    stage: Stage,
    /// Write `problem` or `plan` as CSV to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Dump `execution` as it is after this pass of the runtime; a wrong name lists the passes
    #[arg(long, value_name = "PASS")]
    after: Option<String>,
    #[command(flatten)]
    runtime: RuntimeArgs,
    #[command(flatten)]
    binding: Binding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    Graph,
    Shapes,
    Execution,
    Lowered,
    Problem,
    Plan,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    if args.csv.is_some() && !matches!(args.stage, Stage::Problem | Stage::Plan) {
        return Err(Error::new(ErrorKind::Usage, "`--csv` is for `--stage problem` and `--stage plan`")
            .help("leave `--csv` away: the other stages are JSON"));
    }
    if args.after.is_some() && args.stage != Stage::Execution {
        return Err(Error::new(ErrorKind::Usage, "`--after` is for `--stage execution`")
            .help("leave `--after` away: no pass rewrites the other stages"));
    }
    let mut request = Request::new(Task::Graph);
    args.runtime.fill(&mut request)?;
    let graph = request.open(&Folder::only_model(&args.file)?)?;
    if args.stage == Stage::Graph {
        return done(&dump::graph(&graph));
    }
    request.base = args.binding.scenario();
    request.config = args.binding.config().map(Path::to_owned);
    let scenario = request.scenario(&args.file)?;
    let shapes = shape::infer(&graph, &scenario)?;
    if args.stage == Stage::Shapes {
        output::print(&dump::shapes(&graph, &shapes))?;
        let is_complete = shapes.tensors().iter().all(|info| info.dims.is_some());
        return Ok(if is_complete { Outcome::Fine } else { Outcome::Incomplete });
    }
    let runtime = request.runtime(&graph)?;
    if args.stage == Stage::Execution {
        let executed = match &args.after {
            Some(pass) => runtime.executed_after(&graph, &shapes, known_pass(&*runtime, pass)?),
            None => runtime.executed(&graph, &shapes),
        };
        let executed = executed?.ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("profile {} executes the graph as exported", runtime.name()))
                .help("use `--stage graph`, or the `--profile` of a runtime that rewrites the graph")
        })?;
        return done(&dump::executed(&executed));
    }
    let planner = request.planner(&*runtime);
    let phases = phases::run(&graph, &[(PhaseName::Infer, scenario)], &*runtime, planner)?;
    let Some(phase) = phases.iter().find(|phase| phase.name == PhaseName::Infer) else {
        return Err(Error::new(ErrorKind::Internal, "the model does not run in any phase"));
    };
    let (problem, plan) = (&phase.problem, &phase.plan);
    match args.stage {
        Stage::Lowered => done(&dump::lowered(&graph, phase)),
        Stage::Problem => match &args.csv {
            Some(target) => {
                output::write(target, &csv::write(&ids(problem), problem, None)).map(|()| Outcome::Fine)
            }
            None => done(&dump::problem(problem, None)),
        },
        _ => match &args.csv {
            Some(target) => {
                output::write(target, &csv::write(&ids(problem), problem, Some(plan))).map(|()| Outcome::Fine)
            }
            None => done(&dump::problem(problem, Some((plan, planner)))),
        },
    }
}

/// Checks that a runtime has a pass of this name, where it has passes.
fn known_pass<'a>(runtime: &dyn Runtime, name: &'a str) -> Result<&'a str> {
    let passes = runtime.passes();
    if passes.is_empty() || passes.contains(&name) {
        return Ok(name);
    }
    let message = format!("{} has no pass `{name}`", runtime.name());
    let passes = format!("its passes, in their order: {}", passes.join(", "));
    Err(Error::new(ErrorKind::Usage, message).help(passes))
}

/// Buffers go by their number.
fn ids(problem: &Problem) -> Vec<String> {
    (0..problem.buffers.len()).map(|id| id.to_string()).collect()
}

fn done(text: &str) -> Result<Outcome> {
    output::print(text)?;
    Ok(Outcome::Fine)
}
