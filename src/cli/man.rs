//! `memgraph man`: man pages, one per command.

use super::{Outcome, help, output};
use clap::Command;
use memgraph::error::{Error, ErrorKind, Result};
use std::path::PathBuf;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("Read a page", "memgraph man llm | man -l -"),
    ("Print the page of the program", "memgraph man"),
    ("Install all pages", "memgraph man --out-dir ~/.local/share/man/man1"),
];

/// Print a man page, or write all of them into a folder
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// Command whose page is printed [default: the program's]
    command: Option<String>,
    /// Write the pages of the program and of all commands into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    out_dir: Option<PathBuf>,
}

/// Prints or writes the pages of `program`.
pub(super) fn run(args: &Args, mut program: Command) -> Result<Outcome> {
    program.build();
    if let Some(folder) = &args.out_dir {
        let commands = program.get_subcommands().filter(|command| !command.is_hide_set());
        for command in commands.chain([&program]) {
            let name = command.get_display_name().unwrap_or(command.get_name());
            output::write(&folder.join(format!("{name}.1")), &page(command)?)?;
        }
        return Ok(Outcome::Fine);
    }
    let asked = match &args.command {
        None => &program,
        Some(name) => program.find_subcommand(name).ok_or_else(|| {
            let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
            Error::new(ErrorKind::Usage, format!("\"{name}\" is not a command"))
                .help(format!("commands: {}", names.join(", ")))
        })?,
    };
    output::print(&page(asked)?)?;
    Ok(Outcome::Fine)
}

/// One page as roff.
fn page(command: &Command) -> Result<String> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut page);
    rendered
        .map_err(|error| Error::new(ErrorKind::Internal, format!("a man page was not rendered: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
