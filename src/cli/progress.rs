//! A progress bar on standard error: on a terminal, and only of what takes over half a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Time before the bar appears.
const PATIENCE: Duration = Duration::from_millis(500);

/// A bar of so many steps.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    started: Instant,
}

impl Progress {
    /// A bar that is not drawn yet.
    pub(super) fn new(steps: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}");
        Progress {
            bar: style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style)),
            started: Instant::now(),
        }
    }

    /// One more step is done.
    pub(super) fn step(&self) {
        if self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }
}
