//! `memgraph dump`: one box of the line.

use super::options::{Binding, Rules};
use super::{EXIT_STATUS, Outcome, output};
use clap::ValueEnum;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::plan::{self, csv};
use memgraph::problem::Problem;
use memgraph::report::dump;
use memgraph::runtime::{self, Runtime};
use memgraph::schedule::lifetime;
use memgraph::{formats, shape, verify};
use std::path::PathBuf;

/// One box of the line as JSON: the graph, its shapes, what is executed, the schedule, the planning problem, the plan
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_STATUS)]
pub(super) struct Args {
    /// An .xml or an .onnx
    file: PathBuf,
    /// Which box
    #[arg(long, value_enum)]
    stage: Stage,
    /// Write `problem` or `plan` as CSV to this file instead; `-` is standard output
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    #[command(flatten)]
    rules: Rules,
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
    let graph = formats::open(&args.file)?;
    if args.stage == Stage::Graph {
        return done(&dump::graph(&graph));
    }
    let shapes = shape::infer(&graph, &args.binding.scenario(&args.file)?)?;
    if args.stage == Stage::Shapes {
        output::print(&dump::shapes(&graph, &shapes))?;
        let is_complete = shapes.tensors().iter().all(|info| info.dims.is_some());
        return Ok(if is_complete { Outcome::Fine } else { Outcome::Incomplete });
    }
    if args.stage == Stage::Execution {
        if let Runtime::OnnxRuntimeCpu(options) = args.rules.profile(&graph)?.runtime {
            return done(&dump::optimized(&graph, &shapes, &runtime::optimized(&graph, &shapes, &options)));
        }
        return done(&dump::execution(&runtime::executed(&graph, &shapes, &args.rules.openvino_cpu())?));
    }
    let profile = args.rules.profile(&graph)?;
    let lowered = runtime::apply(&graph, &shapes, &profile)?;
    if args.stage == Stage::Lowered {
        return done(&dump::lowered(&graph, &lowered));
    }
    let problem = lifetime::analyze(&lowered);
    if args.stage == Stage::Problem {
        return match &args.csv {
            Some(target) => {
                output::write(target, &csv::write(&ids(&problem), &problem, None)).map(|()| Outcome::Fine)
            }
            None => done(&dump::problem(&problem, None)),
        };
    }
    let planner = args.rules.planner(&profile)?;
    let plan = plan::solve(&problem, planner)?;
    verify::all(&lowered, &problem, &plan)?;
    match &args.csv {
        Some(target) => {
            output::write(target, &csv::write(&ids(&problem), &problem, Some(&plan))).map(|()| Outcome::Fine)
        }
        None => done(&dump::problem(&problem, Some((&plan, planner)))),
    }
}

/// Buffers go by their number.
fn ids(problem: &Problem) -> Vec<String> {
    (0..problem.buffers.len()).map(|id| id.to_string()).collect()
}

fn done(text: &str) -> Result<Outcome> {
    output::print(text)?;
    Ok(Outcome::Fine)
}
