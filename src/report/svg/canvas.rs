//! What the charts share: colours, text that fits, legends and axes.
//!
//! The SVG backend measures no fonts, so widths are estimates, on the wide side for a common sans-serif.

use super::super::build::Subject;
use super::super::view::View;
use crate::scenario::Task;
use crate::schedule::StorageClass;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The whole document, or a part of it.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// What drawing gives back.
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

type Draw<'a> = dyn for<'b> Fn(&Area<'b>) -> Drawn + 'a;

/// A chart that waits to be drawn.
pub(super) struct Picture<'a> {
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    /// Its name, for readers that do not see it.
    pub(super) title: String,
    /// What it shows, in words and numbers.
    pub(super) desc: String,
    /// Draws it.
    pub(super) draw: Box<Draw<'a>>,
}

/// Width of every chart in pixels.
pub(super) const WIDTH: i32 = 800;
/// Pixels kept free at the left and right edge.
pub(super) const MARGIN: i32 = 12;
/// Font size of all text but the title.
pub(super) const FONT: i32 = 12;

/// Font size of the title.
const TITLE: i32 = 16;

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GREY: RGBColor = RGBColor(0x66, 0x66, 0x66);
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
pub(super) const BAND: RGBColor = RGBColor(0xF3, 0xF3, 0xF3);
pub(super) const MARK: RGBColor = RGBColor(0xB0, 0x1E, 0x1E);

/// Colours of things that have no colour of their own, most important first; and of what comes after them.
pub(super) const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0xD5, 0x5E, 0x00),
];
pub(super) const OTHER: RGBColor = RGBColor(0x99, 0x99, 0x99);

/// Colour and name of a storage class. The colours are told apart by people who do not see red or green.
///
/// Source: Okabe and Ito, <https://jfly.uni-koeln.de/color/>.
pub(super) fn class_style(class: StorageClass) -> (RGBColor, &'static str) {
    match class {
        StorageClass::WeightsFile => (RGBColor(0x99, 0x99, 0x99), "weights, file-backed"),
        StorageClass::WeightsAnonymous => (RGBColor(0x55, 0x55, 0x55), "weights, copied"),
        StorageClass::Activation => (RGBColor(0x00, 0x72, 0xB2), "activations"),
        StorageClass::Scratch => (RGBColor(0x56, 0xB4, 0xE9), "scratch"),
        StorageClass::Io | StorageClass::Output => (RGBColor(0xE6, 0x9F, 0x00), "inputs and outputs"),
        StorageClass::KvCache | StorageClass::PresentCache => (RGBColor(0x00, 0x9E, 0x73), "KV cache"),
        StorageClass::State => (RGBColor(0xCC, 0x79, 0xA7), "state"),
        StorageClass::Workspace => (RGBColor(0xD5, 0x5E, 0x00), "workspace"),
        StorageClass::Runtime => (RGBColor(0xF0, 0xE4, 0x42), "runtime objects"),
        StorageClass::Code => (RGBColor(0xDD, 0xCC, 0x77), "generated code"),
    }
}

/// Where text is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Draws one line of text whose vertical centre is at `y`.
pub(super) fn text(
    area: &Area<'_>,
    words: &str,
    (x, y): (i32, i32),
    size: i32,
    color: RGBColor,
    anchor: Anchor,
) -> Drawn {
    let hpos = match anchor {
        Anchor::Left => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::Right => HPos::Right,
    };
    // The backend divides by 1.24 (plotters-svg 0.3.7, svg.rs): from the height of a line to that of its letters.
    let font = ("sans-serif", f64::from(size) * 1.24).into_font();
    area.draw_text(&clean(words), &font.color(&color).pos(Pos::new(hpos, VPos::Center)), (x, y))
}

/// Pixels that a line of text takes at a font size; an estimate on the wide side.
pub(super) fn width(words: &str, size: i32) -> i32 {
    let thousandths: i64 = words
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 320,
            'f' | 't' | 'r' | '/' | '-' | '(' | ')' | '[' | ']' | ' ' | 'I' => 400,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' => 1000,
            'A'..='Z' | '&' => 740,
            c if c.is_ascii() => 620,
            _ => 1000,
        })
        .sum();
    i32::try_from(thousandths * i64::from(size) / 1000).unwrap_or(i32::MAX)
}

/// Text cut at its front until it takes at most `room` pixels: the end of a node's path tells the most.
pub(super) fn fitted(words: &str, room: i32) -> String {
    if width(words, FONT) <= room {
        return words.to_owned();
    }
    let starts = words.char_indices().map(|(start, _)| start).skip(1);
    let cut = starts.filter_map(|start| words.get(start..)).map(|rest| format!("…{rest}"));
    let mut fitting = cut.filter(|rest| width(rest, FONT) <= room);
    fitting.next().unwrap_or_default()
}

/// Draws the title, the line below it, and nothing else; returns the first free line's centre.
pub(super) fn heading(
    area: &Area<'_>,
    title: &str,
    below: &str,
) -> Result<i32, DrawingAreaErrorKind<std::io::Error>> {
    area.fill(&WHITE)?;
    let room = (WIDTH - 2 * MARGIN) * FONT / TITLE;
    text(area, &fitted(title, room), (MARGIN, 18), TITLE, INK, Anchor::Left)?;
    text(area, &fitted(below, WIDTH - 2 * MARGIN), (MARGIN, 38), FONT, GREY, Anchor::Left)?;
    Ok(60)
}

/// Draws coloured squares with their names in one line, as many as there is room for.
pub(super) fn legend(area: &Area<'_>, entries: &[(RGBColor, String)], y: i32) -> Drawn {
    let mut x = MARGIN;
    for (color, name) in entries {
        let end = x + 16 + width(name, FONT);
        if end > WIDTH - MARGIN {
            break;
        }
        area.draw(&Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()))?;
        text(area, name, (x + 16, y), FONT, INK, Anchor::Left)?;
        x = end + 14;
    }
    Ok(())
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

/// The unit that an axis up to `most` bytes is labelled in.
pub(super) fn unit(most: u64) -> (f64, &'static str) {
    const UNITS: [(f64, &str); 5] = [
        ((1_u64 << 40) as f64, "TiB"),
        ((1_u64 << 30) as f64, "GiB"),
        ((1_u64 << 20) as f64, "MiB"),
        (1024.0, "KiB"),
        (1.0, "B"),
    ];
    UNITS.into_iter().find(|(size, _)| most as f64 >= *size).unwrap_or((1.0, "B"))
}

/// What the charts say about the run: model, phase, sizes that were bound, rules.
pub(super) fn run_of(subject: &Subject<'_>, view: &View<'_>) -> (String, String) {
    let path: Vec<_> = subject.graph.file().iter().map(|part| part.to_string_lossy()).collect();
    let tail = path.get(path.len().saturating_sub(2)..).unwrap_or_default().join("/");
    let scenario = &view.phase.scenario;
    let is_vision = scenario.task == Task::Vision;
    let past = (scenario.past > 0).then(|| format!("past {}", scenario.past));
    let said = [
        Some(view.phase.name.name().to_owned()),
        scenario.prompt.map(|count| format!("{count} {}", if is_vision { "patches" } else { "tokens" })),
        past,
        scenario.batch.filter(|&batch| batch > 1).map(|batch| format!("batch {batch}")),
        Some(format!("profile {}", subject.runtime.name())),
    ];
    (tail, said.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Text as XML content.
pub(super) fn escaped(words: &str) -> String {
    clean(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text without the characters that no XML document may hold: a node's name may be anything.
fn clean(words: &str) -> String {
    let is_foul = |c: char| c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}');
    words.chars().map(|c| if is_foul(c) { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_keeps_its_end_and_fits() {
        let name = "__module.model.layers.0.mlp/aten::mul/Multiply";
        let cut = fitted(name, 200);
        assert!(cut.starts_with('…') && cut.ends_with("aten::mul/Multiply"), "{cut}");
        assert!(width(&cut, FONT) <= 200);
        assert_eq!(fitted(name, 2000), name);
        assert_eq!(fitted(name, 3), "");
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(1.14, 6), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(ticks(1411.0, 8), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0, 1200.0, 1400.0]);
        assert_eq!(ticks(1.0, 6).first(), Some(&0.0));
    }

    #[test]
    fn what_xml_forbids_is_replaced() {
        assert_eq!(escaped("a<b>&\u{1}c"), "a&lt;b&gt;&amp;\u{FFFD}c");
    }
}
