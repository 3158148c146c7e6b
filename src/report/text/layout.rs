//! Lines of 80 columns: cutting, wrapping, and colours.

use std::fmt::Display;

/// Columns of a line.
pub(in crate::report) const WIDTH: usize = 80;

/// Cuts a text to `width` columns; its end is kept, since names differ there.
pub(in crate::report) fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let tail: String = text.chars().skip(length - kept).collect();
    format!("…{tail}")
}

/// Breaks a text at blanks into lines of at most [`WIDTH`] columns; every line but the first is indented, and the first keeps
/// its leading blanks.
pub(in crate::report) fn wrap(text: &str, indent: usize) -> String {
    let words = text.trim_start_matches(' ');
    let mut column = text.len() - words.len();
    let mut out = " ".repeat(column);
    for (index, word) in words.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// What a piece of text means, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Tone {
    /// The title of a section.
    Title,
    /// It is as it should be.
    Good,
    /// It needs a look.
    Doubtful,
    /// It fails.
    Bad,
}

/// The text with the escape sequences of its tone, or as it is where colours are off.
pub(in crate::report) fn paint(text: impl Display, tone: Tone, is_colored: bool) -> String {
    if !is_colored {
        return text.to_string();
    }
    use anstyle::{AnsiColor, Style};
    let style = match tone {
        Tone::Title => Style::new().bold(),
        Tone::Good => AnsiColor::Green.on_default().bold(),
        Tone::Doubtful => AnsiColor::Yellow.on_default().bold(),
        Tone::Bad => AnsiColor::Red.on_default().bold(),
    };
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_end() {
        assert_eq!(cut("layers.3.mlp", 20), "layers.3.mlp");
        assert_eq!(cut("layers.3.mlp", 6), "…3.mlp");
    }

    #[test]
    fn lines_are_at_most_as_wide_as_the_screen() {
        let text = wrap(&"words of six ".repeat(40), 4);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(wrap("  a  b", 4), "  a  b");
        assert!(text.lines().skip(1).all(|line| line.starts_with("    ")), "{text}");
    }

    #[test]
    fn colours_are_escape_sequences_around_the_text() {
        assert_eq!(paint("Peak", Tone::Title, false), "Peak");
        assert_eq!(paint("Peak", Tone::Title, true), "\u{1b}[1mPeak\u{1b}[0m");
    }
}
