//! The command line: one file per subcommand. Uses the public API only; nothing else prints.

mod budget;
mod chart;
mod check;
mod completions;
mod components;
mod diff;
mod dump;
mod fit;
mod graph;
mod llm;
mod man;
mod options;
mod outcome;
mod output;
mod pick;
mod plan;
mod progress;
mod quick;
mod run;
mod runtime;
mod schema;
mod spelling;
mod sweep;
mod text;
mod tips;
mod verify;
mod vit;
mod vlm;

use clap::{CommandFactory, Parser, Subcommand};
use outcome::{Outcome, help};
use std::process::ExitCode;

/// Examples for help.
const EXAMPLES: &[(&str, &str)] = &[
    ("A language model and a prompt of 4,096 tokens", "memgraph llm qwen2.5-0.5b-fp16 4k"),
    ("A vision-language pipeline", "memgraph vlm qwen2.5-vl-3b --image 1024x768 --text-tokens 64"),
    ("Any other model", "memgraph graph model.onnx --input pixel_values=1x3x224x224"),
];

/// How much memory will this model need, when, and because of which node?
///
/// Reads an OpenVINO IR or an ONNX model without running it and without its weights, infers every shape, simulates
/// every buffer, and prints the peak with its proof.
#[derive(Debug, Parser)]
#[command(name = "memgraph", version, after_help = help(EXAMPLES), propagate_version = true)]
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
    Diff(diff::Args),
    Fit(fit::Args),
    Sweep(sweep::Args),
    Check(check::Args),
    Pick(pick::Args),
    Dump(dump::Args),
    Plan(plan::Args),
    Verify(verify::Args),
    Quick(quick::Args),
    Schema(schema::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Parses the arguments, runs the command, and turns its outcome into the exit status of `CLI.md`.
pub fn main() -> ExitCode {
    let arguments = match spelling::settle(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            output::complain(&error);
            return ExitCode::from(2);
        }
    };
    let cli = match Cli::try_parse_from(arguments) {
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
        Command::Diff(args) => diff::run(&args),
        Command::Fit(args) => fit::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Pick(args) => pick::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Quick(args) => quick::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args, Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_three_examples_that_are_understood() {
        let all = [
            EXAMPLES,
            llm::EXAMPLES,
            vit::EXAMPLES,
            vlm::EXAMPLES,
            graph::EXAMPLES,
            diff::EXAMPLES,
            fit::EXAMPLES,
            sweep::EXAMPLES,
            check::EXAMPLES,
            pick::EXAMPLES,
            dump::EXAMPLES,
            plan::EXAMPLES,
            verify::EXAMPLES,
            quick::EXAMPLES,
            schema::EXAMPLES,
            completions::EXAMPLES,
            man::EXAMPLES,
        ];
        assert_eq!(Cli::command().get_subcommands().count() + 1, all.len());
        for (purpose, command) in all.into_iter().flat_map(|examples| {
            assert!(examples.len() >= 3);
            examples
        }) {
            let start = command.find("memgraph").unwrap_or_default();
            let end = command.find([')', '|', '>', '&']).unwrap_or(command.len());
            let words = command.get(start..end).unwrap_or_default().split_whitespace();
            if words.clone().next() == Some("memgraph") {
                assert!(Cli::try_parse_from(words).is_ok(), "{purpose}: {command}");
            }
            assert!(command.len() + 2 <= 80, "{command}");
        }
    }

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
