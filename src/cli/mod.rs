//! The command line: one file per subcommand. Uses the public API only; nothing else prints.

mod chart;
mod components;
mod dump;
mod graph;
mod llm;
mod options;
mod outcome;
mod output;
mod parse;
mod plan;
mod quick;
mod runtime;
mod schema;
mod tips;
mod verify;
mod vit;
mod vlm;

use clap::{CommandFactory, Parser, Subcommand};
use outcome::{EXIT_STATUS, Outcome};
use std::process::ExitCode;

/// How much memory will this model need, when, and because of which node?
///
/// Reads an OpenVINO IR or an ONNX model without running it and without its weights, infers every shape, simulates
/// every buffer, and prints the peak with its proof.
#[derive(Debug, Parser)]
#[command(name = "memgraph", version, after_help = EXIT_STATUS, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Llm(llm::Args),
    Vit(vit::Args),
    Vlm(vlm::Args),
    Graph(graph::Args),
    Dump(dump::Args),
    Plan(plan::Args),
    Verify(verify::Args),
    Quick(quick::Args),
    Schema(schema::Args),
}

/// Parses the arguments, runs the command, and turns its outcome into the exit status of `CLI.md`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = tips::with_tip(error, &Cli::command());
            let code = if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
            return match error.print() {
                Ok(()) => code,
                Err(_) => ExitCode::from(2),
            };
        }
    };
    let outcome = match cli.command {
        Command::Llm(args) => llm::run(&args),
        Command::Vit(args) => vit::run(&args),
        Command::Vlm(args) => vlm::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Quick(args) => quick::run(&args),
        Command::Schema(args) => schema::run(&args),
    };
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::Incomplete) => ExitCode::from(3),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(2)
        }
    }
}
