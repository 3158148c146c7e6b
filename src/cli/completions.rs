//! `memgraph completions`: what a shell completes.

use super::{Outcome, help, output};
use clap::Command;
use clap_complete::Shell;
use memgraph::error::Result;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("For this session of bash", "source <(memgraph completions bash)"),
    ("For every session of zsh", "memgraph completions zsh > ~/.zfunc/_memgraph"),
    ("For every session of fish", "memgraph completions fish > ~/.config/fish/completions/memgraph.fish"),
];

/// Print what a shell needs to complete commands and options
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script for the commands of `program`.
pub(super) fn run(args: &Args, mut program: Command) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "memgraph", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Fine)
}
