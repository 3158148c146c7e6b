//! Who holds the memory at the peak: a bar per component, its weights, states and buffers apart.

use super::super::build::Subject;
use super::super::model::{Report, Share};
use super::super::view::View;
use super::canvas::{self, Anchor, Area, Drawn, FONT, MARGIN, Picture, WIDTH};
use crate::schedule::StorageClass;
use crate::units::Bytes;
use plotters::prelude::*;

/// Bars at most; the rest is summed up in one line.
const BARS: usize = 16;
/// Pixels for the names: at least, at most.
const NAMES: (i32, i32) = (200, 330);
/// Pixels for the numbers behind the bars.
const NUMBERS: i32 = 90;
const TOP: i32 = 92;
const ROW: i32 = 22;

/// A bar's parts in the order in which they are drawn.
const PARTS: [(StorageClass, &str); 3] = [
    (StorageClass::WeightsFile, "weights"),
    (StorageClass::KvCache, "KV cache and state"),
    (StorageClass::Activation, "buffers, inputs and outputs"),
];

pub(super) fn picture<'a>(subject: &Subject<'a>, view: &'a View<'a>) -> Picture<'a> {
    let (model, run) = canvas::run_of(subject, view);
    let title = format!("Memory of {model} by {}", subject.by.name());
    bars_of(view.breakdown(subject.by), title, &run, view.total())
}

/// The shares of a report that no graph stands behind, or several.
pub(super) fn of_report(report: &Report) -> Picture<'static> {
    let by = report.breakdown.first().map(|share| share.by).unwrap_or_default();
    let title = format!("Memory of {} by {by}", report.model.path);
    let length = report.scenario.prompt.map(|length| format!("length {length}, ")).unwrap_or_default();
    let run = format!("{length}profile {}", report.profile.name);
    bars_of(report.breakdown.clone(), title, &run, Bytes(report.totals.total_bytes))
}

fn bars_of(mut shares: Vec<Share>, title: String, run: &str, total: Bytes) -> Picture<'static> {
    shares.retain(|share| share.at_peak_bytes > 0);
    let below = format!("{run}; {total} in all, as provided for at the peak");
    let sums = PARTS.iter().enumerate().map(|(index, (class, name))| {
        let bytes: Bytes = shares.iter().map(|share| Bytes(parts(share)[index])).sum();
        (canvas::class_style(*class).0, format!("{name} {bytes}"))
    });
    let legend: Vec<_> = sums.collect();
    let largest = shares.iter().take(3).map(|share| format!("{} {}", share.key, Bytes(share.at_peak_bytes)));
    let desc = format!(
        "{run}. {total} in all: {}. Largest: {}.",
        legend.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", "),
        largest.collect::<Vec<_>>().join(", "),
    );
    let rows = shares.len().min(BARS) as i32 + i32::from(shares.len() > BARS);
    let heading = title.clone();
    let draw = move |area: &Area<'_>| {
        let y = canvas::heading(area, &heading, &below)?;
        canvas::legend(area, &legend, y)?;
        bars(area, &shares)
    };
    Picture { size: (WIDTH as u32, (TOP + rows * ROW + 4) as u32), title, desc, draw: Box::new(draw) }
}

/// Bytes of a share at the peak, by [`PARTS`]: weights and states are there throughout.
fn parts(share: &Share) -> [u64; PARTS.len()] {
    let kept = share.weights_bytes.saturating_add(share.state_bytes);
    [share.weights_bytes, share.state_bytes, share.at_peak_bytes.saturating_sub(kept)]
}

fn bars(area: &Area<'_>, shares: &[Share]) -> Drawn {
    let most = shares.iter().map(|share| share.at_peak_bytes).max().unwrap_or(0).max(1);
    let widest = shares.iter().take(BARS).map(|share| canvas::width(&share.key, FONT)).max();
    let names = widest.unwrap_or(0).clamp(NAMES.0, NAMES.1);
    let left = MARGIN + names + 8;
    let room = f64::from(WIDTH - MARGIN - NUMBERS - left);
    for (share, y) in shares.iter().take(BARS).zip((TOP..).step_by(ROW as usize)) {
        let name = canvas::fitted(&share.key, names);
        canvas::text(area, &name, (left - 8, y), FONT, canvas::INK, Anchor::Right)?;
        let mut sum = 0_u64;
        let mut from = left;
        for (bytes, (class, _)) in parts(share).into_iter().zip(PARTS) {
            sum = sum.saturating_add(bytes);
            let to = left + (room * sum as f64 / most as f64).round() as i32;
            if to > from {
                let color = canvas::class_style(class).0;
                area.draw(&Rectangle::new([(from, y - 7), (to, y + 7)], color.filled()))?;
            }
            from = to;
        }
        let number = Bytes(share.at_peak_bytes).to_string();
        canvas::text(area, &number, (from + 6, y), FONT, canvas::GREY, Anchor::Left)?;
    }
    let rest = shares.get(BARS..).unwrap_or_default();
    if !rest.is_empty() {
        let bytes: Bytes = rest.iter().map(|share| Bytes(share.at_peak_bytes)).sum();
        let y = TOP + BARS as i32 * ROW;
        let words = format!("{bytes} in {} more", rest.len());
        canvas::text(area, &words, (left, y), FONT, canvas::GREY, Anchor::Left)?;
    }
    Ok(())
}
