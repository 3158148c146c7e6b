//! Options of charts.

use super::output;
use clap::{Args, ValueEnum};
use memgraph::Bytes;
use memgraph::analysis::Analysis;
use memgraph::error::Result;
use memgraph::error::shell_word;
use memgraph::report::svg::{Chart, Drawing};
use std::path::{Path, PathBuf};

/// What is drawn, and where it is written.
#[derive(Debug, Args)]
pub(super) struct ChartArgs {
    /// Draw charts as SVG; `-` is standard output, without the text
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// What `--svg` draws; a pipeline has the first, by phase, and the breakdown
    #[arg(long, value_enum, default_value = "pressure", requires = "svg")]
    chart: Which,
    /// The block that `--chart block` draws: an attention block, or the N-th module of a model without them [default: the
    /// second]
    #[arg(long, value_name = "N", requires = "svg")]
    layer: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Memory over the steps of every phase, by what it is for
    Pressure,
    /// The planned buffers as boxes over steps and addresses
    Arena,
    /// What holds the memory at the peak: see `--by`
    Breakdown,
    /// One block as executed: operators, outputs, and the memory that blocks use again
    Block,
    /// All of them, one below the other
    All,
}

impl ChartArgs {
    /// Where the charts are written.
    pub(super) fn target(&self) -> Option<&Path> {
        self.svg.as_deref()
    }

    /// Draws what was asked for; whether it went to standard output.
    pub(super) fn deliver(&self, found: &Analysis) -> Result<bool> {
        let Some(target) = &self.svg else { return Ok(false) };
        let mut drawing = self.drawing();
        drawing.budget = found.report.budget.as_ref().map(|budget| Bytes(budget.limit_bytes));
        output::write(target, &found.chart(&drawing)?)?;
        Ok(output::is_stdout(target))
    }

    fn drawing(&self) -> Drawing {
        let mut drawing = Drawing::default();
        drawing.charts = match self.chart {
            Which::Pressure => vec![Chart::Pressure],
            Which::Arena => vec![Chart::Arena],
            Which::Breakdown => vec![Chart::Breakdown],
            Which::Block => vec![Chart::Block],
            Which::All => Vec::new(),
        };
        drawing.layer = self.layer;
        drawing.command = Some(this_command());
        drawing
    }
}

/// The command line of this program's run, without the folders of this machine.
pub(super) fn this_command() -> String {
    command(std::env::args().skip(1))
}

/// The command line without the folders of this machine.
fn command(args: impl Iterator<Item = String>) -> String {
    let shown = args.map(|arg| {
        let path = Path::new(&arg);
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        match parts.get(parts.len().saturating_sub(2)..) {
            Some(tail) if path.is_absolute() => tail.join("/").trim_start_matches('/').to_owned(),
            _ => arg,
        }
    });
    let words = shown.map(|word| shell_word(&word));
    std::iter::once("memgraph".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_no_folders_of_this_machine() {
        let args = ["llm", "/home/me/models/qwen", "128", "--svg", "/tmp/a b.svg", "--bind", "a b=1"];
        let words = command(args.map(str::to_owned).into_iter());
        assert_eq!(words, "memgraph llm models/qwen 128 --svg 'tmp/a b.svg' --bind 'a b=1'");
    }
}
