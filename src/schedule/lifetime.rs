//! Live ranges: from a schedule to a planning problem.

use crate::problem::{Buffer, Problem};
use crate::schedule::Draft;

/// Finds from which step to which each planned storage must hold its bytes.
///
/// A storage lives from the first step that writes or reads any value in it to the last, both included; the range is
/// half-open, so it ends one step later. A storage that is kept longer than that lives as long as it is kept. Buffer `i` is the `i`-th planned storage of `schedule`.
///
/// Cost: linear in reads and writes.
///
/// # Example
///
/// ```
/// use memgraph::schedule::{Draft, lifetime};
///
/// assert!(lifetime::analyze(&Draft::default()).buffers.is_empty());
/// ```
#[must_use]
pub fn analyze(schedule: &Draft) -> Problem {
    let mut ranges: Vec<Option<(u32, u32)>> = vec![None; schedule.storages.len()];
    for (step, now) in schedule.steps.iter().zip(0_u32..) {
        for &value in step.reads.iter().chain(&step.writes) {
            let range = ranges[schedule.value(value).storage.index()].get_or_insert((now, now));
            range.1 = now;
        }
    }
    let buffers = schedule.planned().map(|(id, storage)| {
        let (first, last) = ranges[id.index()].unwrap_or((0, 0));
        Buffer {
            live: first..last.max(storage.kept_until).saturating_add(1),
            size: storage.bytes,
            alignment: storage.alignment,
            grows: storage.grows,
        }
    });
    Problem { buffers: buffers.collect() }
}
