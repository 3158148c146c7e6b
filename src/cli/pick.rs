//! `memgraph pick`: the best candidate of a catalog that fits.

use super::text::Color;
use super::{Outcome, help, output};
use clap::ValueEnum;
use memgraph::error::{Error, ErrorKind, Result};
use memgraph::fit::{self, Catalog, Device};
use memgraph::report::{json, text};
use memgraph::scenario::parse::parse_size;
use std::path::PathBuf;
use std::process::Command;

/// Examples for help.
pub(super) const EXAMPLES: &[(&str, &str)] = &[
    ("The best that fits 16 GB of main memory", "memgraph pick catalog.toml --budget 16GB"),
    ("The best for a class of machines", "memgraph pick catalog.toml --budget medium"),
    ("The best for this machine", "memgraph pick catalog.toml --device auto --reserve 2GB"),
];

/// The best model of a catalog that fits, and why the better ones do not
///
/// A catalog is a TOML file with a [[candidate]] per model, the best first; docs/planning-runs.md has the keys. Named budgets:
/// low (8 GB, no GPU), medium (16 GB, 4 GB of VRAM), high (32 and 8), ultra (64 and 16).
#[derive(Debug, clap::Args)]
#[command(after_help = help(EXAMPLES))]
pub(super) struct Args {
    /// A catalog (.toml)
    #[arg(help_heading = "Arguments")]
    catalog: PathBuf,
    /// Main memory such as 16GB, or a class: low, medium, high, ultra
    #[arg(long, value_name = "SIZE", required_unless_present = "device", help_heading = "Budget")]
    budget: Option<String>,
    /// Video memory, in addition to the main memory of `--budget`
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "budget", help_heading = "Budget")]
    vram: Option<u64>,
    /// Main memory that others need
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Budget")]
    reserve: Option<u64>,
    /// Use the memory of this machine, and of its GPU where nvidia-smi answers
    #[arg(long, value_enum, conflicts_with_all = ["budget", "vram"], help_heading = "Budget")]
    device: Option<Which>,
    /// Write what was found as JSON; `-` is standard output, without the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Use colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = "Output")]
    color: Color,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// This machine
    Auto,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let device = device(args)?;
    let found = fit::pick(&Catalog::read(&args.catalog)?, &device)?;
    if let Some(target) = &args.json {
        output::write(target, &json::pick(&found))?;
    }
    if !args.json.as_deref().is_some_and(output::is_stdout) {
        output::print(&text::pick(&found, args.color.is_on()))?;
    }
    Ok(if found.chosen.is_some() { Outcome::Fine } else { Outcome::Failed })
}

/// The machine that the options describe.
fn device(args: &Args) -> Result<Device> {
    let mut device = match &args.budget {
        None => this_machine()?,
        Some(word) => match fit::tier(word) {
            Some(device) => device,
            None => {
                let ram = parse_size(word).map_err(|message| {
                    Error::new(ErrorKind::Usage, message).help("or a class: low, medium, high, ultra")
                })?;
                let mut device = Device::default();
                (device.name, device.ram) = ("budget".to_owned(), Some(ram));
                device
            }
        },
    };
    device.vram = args.vram.or(device.vram);
    device.reserve = args.reserve;
    Ok(device)
}

/// Main memory of this machine, and the free video memory of its first GPU.
fn this_machine() -> Result<Device> {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    if system.total_memory() == 0 {
        let message = "the memory of this machine cannot be read";
        return Err(Error::new(ErrorKind::Unsupported, message).help("give `--budget SIZE`"));
    }
    let mut device = Device::default();
    (device.name, device.ram) = ("this machine".to_owned(), Some(system.total_memory()));
    device.vram = video_memory();
    Ok(device)
}

/// What nvidia-smi says is free; nothing where it does not answer.
fn video_memory() -> Option<u64> {
    let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits"];
    let answer =
        Command::new("nvidia-smi").args(query).output().ok().filter(|answer| answer.status.success())?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let mebibytes: u64 = text.lines().next()?.trim().parse().ok()?;
    mebibytes.checked_mul(1 << 20)
}
