//! `--budget` and its options: a check of the resident peak.

use super::Outcome;
use clap::Args;
use memgraph::Bytes;
use memgraph::fit::Limit;
use memgraph::report::budget;
use memgraph::report::model::{Report, Verdict};
use memgraph::scenario::parse::parse_size;

/// A limit that the run is checked against.
#[derive(Debug, Args)]
pub(super) struct BudgetArgs {
    /// Check the resident peak against SIZE, such as 16GiB or 16GB: exit status 1 unless it fits
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Budget")]
    budget: Option<u64>,
    /// Memory that others need: part of the budget
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "budget", help_heading = "Budget")]
    reserve: Option<u64>,
    /// Accept a run that fits once the operating system drops pages of mapped weights
    #[arg(long, requires = "budget", help_heading = "Budget")]
    allow_paging: bool,
}

/// A limit that runs are searched under.
#[derive(Debug, Args)]
pub(super) struct LimitArgs {
    /// Memory that there is, such as 16GiB or 16GB; a run fits if its resident peak does
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Budget")]
    budget: Option<u64>,
    /// Memory that others need: part of the budget
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "budget", help_heading = "Budget")]
    reserve: Option<u64>,
    /// Accept runs that fit once the operating system drops pages of mapped weights
    #[arg(long, requires = "budget", help_heading = "Budget")]
    allow_paging: bool,
}

impl LimitArgs {
    /// The limit, where a budget was given.
    pub(super) fn limit(&self) -> Option<Limit> {
        let mut limit = Limit::new(Bytes(self.budget?));
        limit.reserve = Bytes(self.reserve.unwrap_or_default());
        limit.allows_paging = self.allow_paging;
        Some(limit)
    }
}

impl BudgetArgs {
    /// Adds the verdict to a report, where a budget was given.
    pub(super) fn judge(&self, report: &mut Report) {
        let reserve = Bytes(self.reserve.unwrap_or_default());
        report.budget = self.budget.map(|limit| budget::judge(report, Bytes(limit), reserve));
    }

    /// How the command ends: a run that does not fit fails, also where its figure is a lower bound.
    pub(super) fn outcome(&self, report: &Report) -> Outcome {
        let fits = report.budget.as_ref().is_none_or(|budget| match budget.verdict {
            Verdict::Fits => true,
            Verdict::FitsIfWeightsPage => self.allow_paging,
            _ => false,
        });
        match (fits, report.is_complete()) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::Fine,
            (true, false) => Outcome::Incomplete,
        }
    }
}
