//! Options of the text report: how much of it, and in which colours.

use super::output;
use clap::{Args, ValueEnum};
use memgraph::report::text::{Heading, Style};

/// How much text is printed, and how.
#[derive(Debug, Args)]
pub(super) struct TextArgs {
    /// Rows per table
    #[arg(long, default_value_t = 12, value_name = "N", help_heading = "Output")]
    pub(super) top: usize,
    /// Add every table: storage, phases, what is alive at the peak, breakdown, planner, inputs
    #[arg(short, long, help_heading = "Output")]
    verbose: bool,
    /// Add every assumption that the figures rest on
    #[arg(long, help_heading = "Output")]
    explain: bool,
    /// Print the totals only
    #[arg(short, long, conflicts_with_all = ["verbose", "explain"], help_heading = "Output")]
    pub(super) quiet: bool,
    /// Use colours: on a terminal unless NO_COLOR is set, always, or never
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN", help_heading = "Output")]
    color: Color,
}

/// When text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// Whether text on standard output has colours.
    pub(super) fn is_on(self) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => output::is_colored(),
        }
    }
}

impl TextArgs {
    /// The style that the options ask for.
    pub(super) fn style(&self, heading: Heading) -> Style {
        let mut style = Style::new(heading);
        style.top = self.top;
        style.is_verbose = self.verbose;
        style.explains = self.explain;
        style.is_colored = self.color.is_on();
        style
    }
}
