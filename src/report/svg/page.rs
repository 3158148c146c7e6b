//! What all charts have: a title, what was run, a legend that names every colour, and axes of bytes.

use super::super::build::Subject;
use super::super::model::Report;
use super::super::view::View;
use super::canvas::{self, Anchor, Canvas, FONT, Frame, MARGIN, TITLE, WIDTH};
use crate::scenario::Task;
use crate::units::Bytes;
use std::path::Path;

/// A chart: its elements, and what it shows in words.
#[derive(Debug)]
pub(super) struct Picture {
    /// Height in pixels.
    pub(super) height: i32,
    /// Its name, for readers that do not see it.
    pub(super) title: String,
    /// What it shows, in words and numbers.
    pub(super) desc: String,
    /// Its elements.
    pub(super) body: String,
}

/// Pixels between lines of text.
const LINE: i32 = 18;
/// Side of a legend's square.
const SQUARE: i32 = 10;

/// Draws the title and the lines below it; returns the centre of the first free line.
pub(super) fn heading(canvas: &mut Canvas, title: &str, below: &str) -> i32 {
    let room = WIDTH - 2 * MARGIN;
    let title = canvas::clipped(title, room, TITLE);
    canvas.sized("ink bold", &title, (MARGIN, 20), Anchor::Left, TITLE);
    let mut y = 42;
    for line in canvas::wrapped(below, room - 30, FONT) {
        canvas.text("soft", &line, (MARGIN, y), Anchor::Left);
        y += LINE;
    }
    y + 4
}

/// Draws squares with their names, in as many lines as they take; returns the centre of the first free line.
pub(super) fn legend(canvas: &mut Canvas, entries: &[(String, String)], mut y: i32) -> i32 {
    let mut x = MARGIN;
    for (class, name) in entries {
        let wide = SQUARE + 6 + canvas::width(name, FONT);
        if x > MARGIN && x + wide > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        canvas.rect(class, square(x, y), "");
        canvas.text("ink", name, (x + SQUARE + 6, y), Anchor::Left);
        x += wide + 16;
    }
    if entries.is_empty() { y } else { y + LINE + 4 }
}

fn square(x: i32, y: i32) -> Frame {
    (x, y - SQUARE / 2, x + SQUARE, y + SQUARE / 2)
}

/// Round numbers from 0 up to `end`, at most `count` after the first.
pub(super) fn ticks(end: f64, count: u32) -> Vec<f64> {
    let raw = end / f64::from(count);
    let power = 10_f64.powf(raw.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= raw);
    let step = round.unwrap_or(raw);
    (0..=count)
        .map(|index| (f64::from(index) * step * 1e6).round() / 1e6)
        .filter(|tick| *tick <= end)
        .collect()
}

/// Round numbers of bytes up to `end`, with their labels.
pub(super) fn byte_ticks(end: f64, count: u32) -> Vec<(u64, String)> {
    let (unit, _) = unit(end as u64);
    let ticks = ticks(end / unit, count).into_iter().map(|tick| (tick * unit) as u64);
    ticks.map(|bytes| (bytes, byte_label(bytes, end as u64))).collect()
}

/// The label of a number of bytes on an axis up to `most`.
pub(super) fn byte_label(bytes: u64, most: u64) -> String {
    let (unit, name) = unit(most);
    let number = (bytes as f64 / unit * 1000.0).round() / 1000.0;
    if bytes == 0 { "0".to_owned() } else { format!("{number} {name}") }
}

/// The unit that an axis up to `most` bytes is labelled in.
fn unit(most: u64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 5] = [
        ((1_u64 << 40) as f64, "TiB"),
        ((1_u64 << 30) as f64, "GiB"),
        ((1_u64 << 20) as f64, "MiB"),
        (1024.0, "KiB"),
        (1.0, "B"),
    ];
    UNITS.into_iter().find(|(size, _)| most as f64 >= *size).unwrap_or((1.0, "B"))
}

/// A count with its noun: `1 token`, `2 tokens`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A share of a total in percent.
pub(super) fn percent(part: u64, total: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / total.max(1) as f64)
}

/// A file or folder without the folders that only this machine has.
pub(super) fn place(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let tail = parts.get(parts.len().saturating_sub(2)..).unwrap_or_default();
    if path.is_absolute() || parts.len() > 3 { tail.join("/") } else { parts.join("/") }
}

/// The model of a subject, and what was run: phase, sizes, runtime.
pub(super) fn run_of(subject: &Subject<'_>, view: &View<'_>) -> (String, String) {
    let scenario = &view.phase.scenario;
    let noun = if scenario.task == Task::Vision { "patch" } else { "token" };
    let length = scenario.prompt.map(|count| match (noun, count) {
        ("patch", 1) => "1 patch".to_owned(),
        ("patch", count) => format!("{count} patches"),
        (noun, count) => counted(count, noun),
    });
    let said = [
        Some(view.phase.name.name().to_owned()),
        length,
        (scenario.past > 0).then(|| format!("past {}", scenario.past)),
        scenario.batch.filter(|&batch| batch > 1).map(|batch| format!("batch {batch}")),
        Some(format!("{} {}", subject.runtime.name(), subject.runtime.version())),
    ];
    (place(subject.graph.file()), said.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// The same of a report.
pub(super) fn run_of_report(report: &Report) -> (String, String) {
    let scenario = &report.scenario;
    let prompt = scenario.prompt.map(|count| match &*scenario.task.to_string() {
        "vision" => format!("{count} patches"),
        _ => format!("prompt of {}", counted(count, "token")),
    });
    let said = [
        scenario.patches.map(|count| format!("{count} patches")),
        prompt,
        Some(format!("{} {}", report.profile.name, report.profile.version)),
    ];
    (place(Path::new(&report.model.file)), said.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// The words of a budget's line.
pub(super) fn budget_words(budget: Bytes) -> String {
    format!("budget {budget}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(1.14, 6), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(1411.0, 8), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0, 1400.0]);
        assert_eq!(ticks(1.0, 6).first(), Some(&0.0));
    }

    #[test]
    fn one_is_singular() {
        assert_eq!((counted(1, "token"), counted(2, "token")), ("1 token".into(), "2 tokens".into()));
    }

    #[test]
    fn folders_of_this_machine_are_left_out() {
        assert_eq!(place(Path::new("/home/me/models/qwen/openvino_model.xml")), "qwen/openvino_model.xml");
        assert_eq!(place(Path::new("fixtures/qwen")), "fixtures/qwen");
    }

    #[test]
    fn a_long_legend_has_several_lines() {
        let entries: Vec<_> =
            (0..12).map(|index| (format!("p{index}"), format!("part number {index}"))).collect();
        let mut canvas = Canvas::default();
        let end = legend(&mut canvas, &entries, 60);
        assert!(end > 60 + 2 * LINE, "{end}");
        let body = canvas.into_body();
        assert!(entries.iter().all(|(_, name)| body.contains(name.as_str())));
    }
}
