//! A document in the making: shapes with a class of the colour table, text that fits, and titles to hover over.
//!
//! Nothing here measures fonts, so widths of text are estimates, on the wide side for a common sans-serif.

use std::fmt::Write;

/// Width of every chart in pixels.
pub(super) const WIDTH: i32 = 800;
/// Pixels kept free at the left and right edge.
pub(super) const MARGIN: i32 = 12;
/// Font size of all text but titles and captions.
pub(super) const FONT: i32 = 12;
/// Font size of a title.
pub(super) const TITLE: i32 = 16;
/// Font size of a caption, and of labels in small boxes.
pub(super) const SMALL: i32 = 10;

/// The side of a text that its position is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Left,
    Middle,
    Right,
}

/// Left, top, right, bottom in pixels.
pub(super) type Frame = (i32, i32, i32, i32);

/// The shapes of one chart, in the order in which they are drawn.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    body: String,
}

impl Canvas {
    /// The elements that were drawn.
    pub(super) fn into_body(self) -> String {
        self.body
    }

    /// Draws a rectangle; `hover` is what a browser shows over it.
    pub(super) fn rect(&mut self, class: &str, (left, top, right, bottom): Frame, hover: &str) {
        let (width, height) = (right - left, bottom - top);
        let open = format!(r#"<rect class="{class}" x="{left}" y="{top}" width="{width}" height="{height}""#);
        self.shape(&open, "rect", hover);
    }

    /// Draws an area; `hover` is what a browser shows over it.
    pub(super) fn polygon(&mut self, class: &str, points: &[(i32, i32)], hover: &str) {
        let open = format!(r#"<polygon class="{class}" points="{}""#, joined(points));
        self.shape(&open, "polygon", hover);
    }

    /// Draws a line through points.
    pub(super) fn line(&mut self, class: &str, points: &[(i32, i32)]) {
        let open = format!(r#"<polyline class="{class}" points="{}""#, joined(points));
        self.shape(&open, "polyline", "");
    }

    /// Draws a dot.
    pub(super) fn dot(&mut self, class: &str, (x, y): (i32, i32), radius: i32) {
        self.shape(&format!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{radius}""#), "circle", "");
    }

    /// Draws one line of text whose vertical centre is at `y`.
    pub(super) fn text(&mut self, class: &str, words: &str, at: (i32, i32), anchor: Anchor) {
        self.sized(class, words, at, anchor, FONT);
    }

    /// Draws one line of text in another size.
    pub(super) fn sized(&mut self, class: &str, words: &str, (x, y): (i32, i32), anchor: Anchor, size: i32) {
        let anchor = match anchor {
            Anchor::Left => "start",
            Anchor::Middle => "middle",
            Anchor::Right => "end",
        };
        // From the centre of the letters to the line that they are on.
        let base = y + (size * 36 + 50) / 100;
        let words = escaped(words);
        let written = writeln!(
            self.body,
            r#"<text class="{class}" x="{x}" y="{base}" font-size="{size}" text-anchor="{anchor}">{words}</text>"#
        );
        debug_assert!(written.is_ok(), "a string takes all that is written");
    }

    /// Appends another canvas, moved down by `y`.
    pub(super) fn append(&mut self, body: &str, y: i32) {
        self.body += &format!("<g transform=\"translate(0,{y})\">\n{body}</g>\n");
    }

    fn shape(&mut self, open: &str, name: &str, hover: &str) {
        self.body += open;
        self.body += &match hover {
            "" => "/>\n".to_owned(),
            hover => format!("><title>{}</title></{name}>\n", escaped(hover)),
        };
    }
}

fn joined(points: &[(i32, i32)]) -> String {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
    points.join(" ")
}

/// Widths of the printable ASCII characters from the space on, in thousandths of the font size.
///
/// Source: Adobe's metrics of Helvetica, which Arial and Liberation Sans share.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// Pixels that a line of text takes at a font size: an estimate, a little on the wide side.
pub(super) fn width(words: &str, size: i32) -> i32 {
    let of = |c: char| {
        let at = (c as usize).checked_sub(' ' as usize);
        at.and_then(|at| WIDTHS.get(at)).copied().unwrap_or(1000)
    };
    let thousandths: i64 = words.chars().map(|c| i64::from(of(c))).sum();
    i32::try_from(thousandths * i64::from(size) * 104 / 100_000 + 1).unwrap_or(i32::MAX)
}

/// Text cut at its front until it takes at most `room` pixels: the end of a node's path says the most.
pub(super) fn fitted(words: &str, room: i32) -> String {
    if width(words, FONT) <= room {
        return words.to_owned();
    }
    let starts = words.char_indices().map(|(start, _)| start).skip(1);
    let cut = starts.filter_map(|start| words.get(start..)).map(|rest| format!("…{rest}"));
    let mut fitting = cut.filter(|rest| width(rest, FONT) <= room);
    fitting.next().unwrap_or_default()
}

/// Text cut at its end until it takes at most `room` pixels.
pub(super) fn clipped(words: &str, room: i32, size: i32) -> String {
    if width(words, size) <= room {
        return words.to_owned();
    }
    let mut kept = words.to_owned();
    while kept.pop().is_some() && width(&kept, size) + size > room {}
    if kept.is_empty() { kept } else { format!("{}…", kept.trim_end()) }
}

/// Breaks words into lines of at most `room` pixels.
pub(super) fn wrapped(words: &str, room: i32, size: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| clipped(&line, room, size)).collect()
}

/// Text as XML content.
pub(super) fn escaped(words: &str) -> String {
    clean(words).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text without the characters that no XML document may contain: a node's name may be anything.
fn clean(words: &str) -> String {
    let is_foul = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{FFFE}' | '\u{FFFF}');
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
    fn clipped_text_keeps_its_start() {
        let cut = clipped("FullyConnected with a bias", 100, FONT);
        assert!(cut.starts_with("Fully") && cut.ends_with('…') && width(&cut, FONT) <= 100, "{cut}");
        assert_eq!(clipped("Add", 100, FONT), "Add");
    }

    #[test]
    fn lines_break_between_words() {
        let lines = wrapped("memgraph llm model 128 --chart all --svg all.svg", 150, FONT);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, FONT) <= 150), "{lines:?}");
        assert_eq!(lines.join(" "), "memgraph llm model 128 --chart all --svg all.svg");
    }

    #[test]
    fn what_xml_forbids_is_replaced() {
        assert_eq!(escaped("a<b>&\u{1}c"), "a&lt;b&gt;&amp;\u{FFFD}c");
    }
}
