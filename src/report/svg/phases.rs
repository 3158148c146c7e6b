//! A pipeline's phases: a bar for each, the parts that hold memory stacked in it, the highest marked.

use super::super::model::{Phase, Report};
use super::canvas::{self, Anchor, Area, Drawn, FONT, MARGIN, Picture, WIDTH};
use crate::units::Bytes;
use plotters::prelude::*;

/// Pixels for the names.
const NAMES: i32 = 120;
/// Pixels for the numbers behind the bars.
const NUMBERS: i32 = 110;
const TOP: i32 = 92;
const ROW: i32 = 34;
/// Parts that have a colour of their own.
const PARTS: usize = canvas::PALETTE.len();

pub(super) fn picture(report: &Report) -> Picture<'static> {
    let title = format!("Memory of {} by phase", report.model.path);
    let scenario = &report.scenario;
    let said = [
        scenario.patches.map(|count| format!("{count} patches")),
        scenario.prompt.map(|count| format!("prompt of {count} tokens")),
        Some(format!("profile {}", report.profile.name)),
    ];
    let below = said.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let phases = report.phases.clone();
    let names = parts(report);
    let words = phases.iter().map(|phase| format!("{} {}", phase.name, Bytes(total(phase))));
    let desc =
        format!("{below}. A bar per phase, a colour per part. {}.", words.collect::<Vec<_>>().join(", "));
    let heading = title.clone();
    let rows = phases.len() as i32;
    let draw = move |area: &Area<'_>| {
        let y = canvas::heading(area, &heading, &below)?;
        let colors = names.iter().enumerate().map(|(index, name)| (color(index), name.clone()));
        canvas::legend(area, &colors.collect::<Vec<_>>(), y)?;
        bars(area, &phases, &names)
    };
    Picture { size: (WIDTH as u32, (TOP + rows * ROW + 4) as u32), title, desc, draw: Box::new(draw) }
}

/// The parts, those of most bytes first.
fn parts(report: &Report) -> Vec<String> {
    let mut most: Vec<(u64, String)> = Vec::new();
    for (name, &bytes) in report.phases.iter().flat_map(|phase| &phase.held) {
        match most.iter_mut().find(|(_, known)| known == name) {
            Some((held, _)) => *held = bytes.max(*held),
            None => most.push((bytes, name.clone())),
        }
    }
    most.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    most.into_iter().map(|(_, name)| name).collect()
}

fn color(index: usize) -> RGBColor {
    canvas::PALETTE.get(index).copied().unwrap_or(canvas::OTHER)
}

fn total(phase: &Phase) -> u64 {
    phase.held.values().fold(0, |sum, &bytes| sum.saturating_add(bytes))
}

fn bars(area: &Area<'_>, phases: &[Phase], names: &[String]) -> Drawn {
    let most = phases.iter().map(total).max().unwrap_or(0).max(1);
    let left = MARGIN + NAMES + 8;
    let room = f64::from(WIDTH - MARGIN - NUMBERS - left);
    for (phase, y) in phases.iter().zip((TOP..).step_by(ROW as usize)) {
        canvas::text(area, &phase.name, (left - 8, y), FONT, canvas::INK, Anchor::Right)?;
        let mut sum = 0_u64;
        let mut from = left;
        // Parts beyond the palette share the last colour.
        for (index, name) in names.iter().enumerate() {
            sum = sum.saturating_add(phase.held.get(name).copied().unwrap_or(0));
            let to = left + (room * sum as f64 / most as f64).round() as i32;
            if to > from {
                area.draw(&Rectangle::new([(from, y - 11), (to, y + 11)], color(index.min(PARTS)).filled()))?;
            }
            from = to;
        }
        let is_highest = sum == most;
        let words = format!("{}{}", Bytes(sum), if is_highest { " highest" } else { "" });
        let ink = if is_highest { canvas::MARK } else { canvas::GREY };
        canvas::text(area, &words, (from + 6, y), FONT, ink, Anchor::Left)?;
    }
    Ok(())
}
