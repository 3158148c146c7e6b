//! What would lower the total, and how accurate it is.

use super::super::model::{Accuracy, Report, Suggestion};
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use super::style::Style;
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// Suggestions that are shown, the combination not counted; the JSON has all.
const SHOWN: usize = 3;

/// The suggestions, the largest saving first, and the best of them together.
pub(super) fn suggestions(out: &mut String, report: &Report, style: &Style) -> Result {
    if report.suggestions.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", paint("What would lower it", Tone::Title, style.is_colored))?;
    let (together, single): (Vec<_>, Vec<_>) = report.suggestions.iter().partition(|one| one.is_combination);
    let shown = if style.is_verbose { single.len() } else { SHOWN };
    for suggestion in single.iter().take(shown).chain(&together) {
        writeln!(out, "{}", line(report, suggestion))?;
    }
    Ok(())
}

/// `  1.53 GiB  --runner genai: use OpenVINO GenAI`, on two lines where one is too short.
fn line(report: &Report, suggestion: &Suggestion) -> String {
    let saves = Bytes(suggestion.saves_bytes).to_string();
    let fits = report.budget.as_ref().is_some_and(|budget| {
        suggestion.resident_bytes.saturating_add(budget.reserve_bytes) <= budget.limit_bytes
    });
    let fits = if fits { " (fits)" } else { "" };
    let together = if suggestion.is_combination { " together" } else { "" };
    let change = match &suggestion.model {
        Some(model) => cut(model, WIDTH / 2),
        None => suggestion.options.join(" "),
    };
    wrap(&format!("  -{saves}{together}{fits}  {change}: {}", suggestion.what), 5 + saves.len())
}

/// On how many measured runs of such models the resident set was near.
pub(super) fn accuracy(out: &mut String, accuracy: &Accuracy, style: &Style) -> Result {
    let Accuracy { kind, machine, runs, .. } = accuracy;
    let within = format!(
        "within 1 % in {}, 3 % in {}, 10 % in {}",
        accuracy.within_1_percent, accuracy.within_3_percent, accuracy.within_10_percent
    );
    let machine = if machine.is_empty() { String::new() } else { format!(", {machine}") };
    let words = match (runs, accuracy.validated) {
        (0, _) => format!("Accuracy: not validated; no run of this kind ({kind}{machine}) was measured"),
        (_, true) => {
            format!("Accuracy: of {runs} validation runs ({kind}{machine}) the resident set was {within}")
        }
        (_, false) => format!(
            "Accuracy: not validated on unknown models; of the {runs} runs that rules were derived from \
             ({kind}{machine}) the resident set was {within}"
        ),
    };
    let words = wrap(&words, 2);
    let title = paint("Accuracy", Tone::Title, style.is_colored);
    writeln!(out, "{title}{}", words.strip_prefix("Accuracy").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Budget;
    use crate::report::text::Heading;

    #[test]
    fn a_suggestion_has_its_saving_its_options_and_whether_it_fits() {
        let suggestion = Suggestion {
            options: vec!["--runner".to_owned(), "genai".to_owned()],
            what: "use OpenVINO GenAI".to_owned(),
            saves_bytes: 3 << 29,
            resident_bytes: 1 << 30,
            ..Suggestion::default()
        };
        let mut report = Report { suggestions: vec![suggestion.clone()], ..Report::default() };
        assert_eq!(line(&report, &suggestion), "  -1.50 GiB  --runner genai: use OpenVINO GenAI");
        report.budget = Some(Budget { limit_bytes: 1 << 30, ..Budget::default() });
        assert_eq!(line(&report, &suggestion), "  -1.50 GiB (fits)  --runner genai: use OpenVINO GenAI");
        report.budget = Some(Budget { limit_bytes: (1 << 30) - 1, ..Budget::default() });
        assert!(!line(&report, &suggestion).contains("fits"));
    }

    #[test]
    fn runs_that_rules_came_from_validate_nothing() {
        let say = |runs, validated| {
            let mut out = String::new();
            let found = Accuracy { kind: "text encoder".to_owned(), runs, validated, ..Accuracy::default() };
            accuracy(&mut out, &found, &Style::new(Heading::Model)).unwrap();
            out
        };
        assert!(say(0, false).contains("not validated; no run of this kind (text encoder)"));
        assert!(say(9, false).contains("not validated on unknown models"));
        assert!(say(9, true).starts_with("Accuracy: of 9 validation runs (text encoder)"));
    }
}
