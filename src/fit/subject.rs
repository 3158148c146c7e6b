//! A model that is read once, and the figures of its runs.

use super::axis::Axis;
use super::run::{CONTEXT, Run};
use crate::analysis::{Kind, Opened, Request};
use crate::error::Result;
use crate::report::model::{Figures, Report};
use crate::runtime::registry;
use std::path::{Path, PathBuf};

/// Lengths of a prompt that is not given, first choice first: models have been made for so many tokens at most.
const LENGTHS: [u64; 5] = [1024, 512, 256, 128, 16];
/// Sides of an image that is not given, where the config does not state one.
const SIDES: [u64; 4] = [224, 336, 448, 512];

/// An opened model with a run of it.
#[derive(Clone, Debug)]
pub struct Subject {
    opened: Opened,
    model: PathBuf,
    /// The run that axes change.
    pub run: Run,
}

impl Subject {
    /// Reads a model. The kind of the run is that of `kind`, or else what the model's inputs say.
    ///
    /// # Errors
    ///
    /// If the model cannot be read, or is not of the kind.
    pub fn open(model: &Path, base: Request, kind: Option<Kind>) -> Result<Subject> {
        let (opened, kind) = match kind {
            Some(kind) => {
                let run = Run::new(kind, base.clone());
                (Opened::open(model, &run.request())?, kind)
            }
            None => Opened::identify(model, &base)?,
        };
        Ok(Subject { opened, model: model.to_owned(), run: Run::new(kind, base) })
    }

    /// The same model with another run.
    #[must_use]
    pub fn with(&self, run: Run) -> Subject {
        Subject { run, ..self.clone() }
    }

    /// The model, as the user named it.
    #[must_use]
    pub fn model(&self) -> String {
        self.model.display().to_string()
    }

    /// The command that analyses a run of the model.
    #[must_use]
    pub fn command(&self, run: &Run) -> String {
        run.command(&self.model())
    }

    /// Analyses a run.
    ///
    /// # Errors
    ///
    /// Those of [`Opened::analyze`].
    pub fn analyze(&self, run: &Run) -> Result<Report> {
        Ok(self.opened.analyze(&run.request())?.report)
    }

    /// The run that `axes` change: cells of a cache follow its length where a runtime reserves them and the user does not say
    /// how many.
    pub fn prepared(&self, axes: &[&Axis]) -> Run {
        let mut run = self.run.clone();
        let has_cells = run.kind == Kind::Language && self.has_option(CONTEXT);
        let is_text = axes.iter().any(|axis| axis.is_text());
        run.context_follows = has_cells && is_text && run.base.options.word(CONTEXT).is_none();
        let is_open = |axis: Axis, is_given: bool| !is_given && !axes.contains(&&axis);
        if run.kind == Kind::Language && is_open(Axis::Seq, run.seq.is_some()) {
            run.seq = self.first_that_runs(&run, &LENGTHS, |run, tokens| run.seq = Some(tokens));
        }
        let has_image = run.seq.is_some() || run.image.is_some() || axes.contains(&&Axis::Seq);
        if matches!(run.kind, Kind::Vision | Kind::Pipeline)
            && is_open(Axis::Image, has_image)
            && self.analyze(&run).is_err()
        {
            let side = self.opened.image_size(&run.base).ok().flatten();
            let sides: Vec<u64> = side.into_iter().chain(SIDES).collect();
            let found = self.first_that_runs(&run, &sides, |run, side| run.image = Some((side, side)));
            run.image = found.map(|side| (side, side));
        }
        run
    }

    /// The first of some values with which the run can be analysed.
    fn first_that_runs(&self, run: &Run, values: &[u64], set: fn(&mut Run, u64)) -> Option<u64> {
        let runs = |value: &u64| {
            let mut run = run.clone();
            set(&mut run, *value);
            self.analyze(&run).is_ok()
        };
        values.iter().copied().find(runs)
    }

    /// Whether the runtime has an option.
    pub(super) fn has_option(&self, name: &str) -> bool {
        let profile = self.run.base.profile.as_deref();
        let is_chosen = |found: &&crate::runtime::options::Registration| match profile {
            Some(profile) => found.name == profile,
            None => self.opened.formats().iter().any(|format| found.default_for.contains(format)),
        };
        let chosen = registry::RUNTIMES.iter().find(is_chosen);
        chosen.is_some_and(|found| found.options.iter().any(|option| option.name == name))
    }

    /// The layers of a model whose file states them.
    pub(super) fn stated_layers(&self) -> Option<u64> {
        self.opened.stated_layers()
    }

    /// The largest value that the model itself states for an axis.
    pub(super) fn own_limit(&self, axis: &Axis, run: &Run) -> Result<Option<u64>> {
        if run.kind != Kind::Language {
            return Ok(None);
        }
        let (past, tokens, generated) = (run.past.unwrap_or(0), run.tokens(), run.generated());
        let others = match axis {
            Axis::Seq => past.saturating_add(generated),
            Axis::NewTokens => past.saturating_add(tokens),
            Axis::Past => tokens.saturating_add(generated),
            Axis::Option("gpu-layers", _) => {
                return Ok(self.opened.stated_layers().map(|layers| layers.saturating_add(1)));
            }
            _ => return Ok(None),
        };
        let longest = self.opened.longest_text(&run.base)?;
        Ok(longest.map(|longest| longest.saturating_sub(others).max(axis.least())))
    }
}

/// The runtime of a report and its version.
pub(super) fn profile(report: &Report) -> String {
    format!("{} {}", report.profile.name, report.profile.version)
}

/// The figures of a report.
pub(super) fn figures(report: &Report) -> Figures {
    let heap = report.phases.iter().map(|phase| phase.heap_peak_bytes).max().unwrap_or(0);
    Figures {
        total_bytes: report.totals.total_bytes,
        heap_peak_bytes: heap,
        resident_peak_bytes: report.resident_peak(),
        kv_cache_bytes: report.totals.kv_cache_bytes,
        arena_bytes: report.totals.arena_bytes.saturating_add(report.totals.dynamic_bytes),
        phase: report.peak.phase.clone(),
        node: report.peak.node.clone(),
        is_lower_bound: !report.is_complete(),
    }
}
