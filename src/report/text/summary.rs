//! The answer on one screen.

use super::super::component;
use super::super::model::{Known, Phase, Report, Severity, Share, Task, Totals};
use super::layout::{Tone, WIDTH, cut, paint, wrap};
use super::style::Style;
use super::{advice, pipeline};
use crate::units::Bytes;
use std::fmt::{Result, Write};

/// Rows of what fills the memory; the rest is one more.
const ROWS: usize = 6;
/// Rows at least.
const LEAST_ROWS: usize = 3;
/// Lines around the rows: a blank one, the title, the rest, and that weights are held twice.
const FRAME: usize = 4;
/// Shares below this part of the total are folded into the rest.
const LEAST: f64 = 0.005;
/// Diagnostics that are shown; the others are counted.
const DIAGNOSTICS: usize = 2;

/// Lines of the whole text at most, unless more is asked for; what fills the memory has fewer rows where it must.
const LINES: usize = 30;

/// Everything between the published line and the tables.
pub(super) fn write(out: &mut String, report: &Report, style: &Style) -> Result {
    let least = report.totals.least_total_bytes.map(|least| {
        format!(
            " Sizes that depend on data are at their most; at their least it is {} MB.",
            Bytes(least).mb()
        )
    });
    let words = format!(
        "All memory at the peak, MB = 2^20 bytes; {}.{}",
        known(&report.totals),
        least.unwrap_or_default()
    );
    writeln!(out, "{}", wrap(&words, 0))?;
    writeln!(out, "{}", subject(report))?;
    peak(out, report, style)?;
    let mut end = String::new();
    advice::suggestions(&mut end, report, style)?;
    trust(&mut end, report, style)?;
    let lines = |text: &str| text.lines().count();
    let others = lines(out) + lines(&end) + FRAME;
    fill(out, report, style, LINES.saturating_sub(others).clamp(LEAST_ROWS, ROWS))?;
    out.push_str(&end);
    Ok(())
}

/// Every assumption, wrapped.
pub(super) fn assumptions(out: &mut String, report: &Report) -> Result {
    if !report.assumptions.is_empty() {
        writeln!(out, "\nAssumptions")?;
    }
    for assumption in &report.assumptions {
        let words = wrap(&format!("* {}: {}", assumption.rule, assumption.text), 2);
        writeln!(out, "{words}")?;
    }
    Ok(())
}

/// How the total is known, as the end of a sentence.
fn known(totals: &Totals) -> String {
    match (totals.known, totals.unknown_tensors) {
        (Known::Exact, _) => "exact by the rules of this profile".to_owned(),
        (Known::UpperBound, _) => "an upper bound: some shapes depend on data".to_owned(),
        (Known::LowerBound, Some(1)) => "a LOWER BOUND: the size of one tensor is unknown".to_owned(),
        (Known::LowerBound, Some(count)) => {
            format!("a LOWER BOUND: the sizes of {count} tensors are unknown")
        }
        (Known::LowerBound, None) => "a LOWER BOUND: some sizes are unknown".to_owned(),
        (Known::Assumed, _) => "an estimate".to_owned(),
    }
}

/// Model, run, runtime and machine, on one line.
fn subject(report: &Report) -> String {
    let profile = &report.profile;
    let option = |name: &str| profile.options.get(name).map(String::as_str);
    let machine = [option("isa").map(str::to_owned), option("threads").map(threads)];
    let run = if report.scenario.task == Task::Pipeline { pipeline::run(report) } else { run(report) };
    let facts = [Some(run), Some(format!("{} {}", profile.name, profile.version))].into_iter().chain(machine);
    let facts = facts.flatten().filter(|fact| !fact.is_empty()).collect::<Vec<_>>().join(", ");
    let room = WIDTH.saturating_sub(facts.chars().count() + 2).max(MODEL);
    cut(&format!("{}: {facts}", cut(model(&report.model.file), room)), WIDTH)
}

/// Columns of the model's name that are always shown.
const MODEL: usize = 8;

/// The last word of the model's file; its folder's where the file has one of the usual names.
fn model(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let path = match path.rsplit_once('/') {
        Some((folder, "openvino_model.xml" | "model.onnx" | "openvino_language_model.xml")) => folder,
        _ => path,
    };
    path.rsplit('/').next().unwrap_or(path)
}

fn threads(count: impl AsRef<str>) -> String {
    let count = count.as_ref();
    if count == "1" { "1 thread".to_owned() } else { format!("{count} threads") }
}

/// `1813 tokens, 64 cached`, or the shape of the first input.
fn run(report: &Report) -> String {
    let scenario = &report.scenario;
    let batch = scenario.batch.filter(|&batch| batch > 1).map(|batch| format!("batch {batch}"));
    let past = (scenario.past > 0).then(|| format!("{} cached", scenario.past));
    let length = match (scenario.task, scenario.prompt) {
        (Task::Llm, Some(1)) => Some("1 token".to_owned()),
        (Task::Llm, Some(tokens)) => Some(format!("{tokens} tokens")),
        (Task::Vision, Some(patches)) if report.model.nodes == 0 => Some(format!("{patches} patches")),
        (_, Some(length)) if report.model.nodes == 0 => Some(format!("length {length}")),
        _ => scenario
            .inputs
            .values()
            .next()
            .map(|dims| dims.iter().map(u64::to_string).collect::<Vec<_>>().join("x")),
    };
    [length, batch.filter(|_| scenario.task == Task::Llm), past]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// The phase with the largest resident set: how much, when, and because of which node.
fn peak(out: &mut String, report: &Report, style: &Style) -> Result {
    let Some(highest) = report.highest_resident() else { return Ok(()) };
    let resident = Bytes(highest.resident_peak_bytes);
    let upper = highest.resident_peak_upper_bytes.filter(|&upper| upper > resident.0);
    let upper = upper.map(|upper| format!(" (up to {})", Bytes(upper))).unwrap_or_default();
    let fixed = resident - Bytes(highest.file_resident_bytes);
    let phase = phase(highest);
    let words = format!("{resident} resident{upper} in {phase}; {fixed} of it cannot be reclaimed");
    let words = wrap(&format!("Peak  {words}"), 6);
    let title = paint("Peak", Tone::Title, style.is_colored);
    writeln!(out, "\n{title}{}", words.strip_prefix("Peak").unwrap_or_default())?;
    let Some((step, node)) = highest.step.zip(highest.node.as_deref()) else { return Ok(()) };
    let part = highest.component.as_ref().map(|part| format!("{part}, ")).unwrap_or_default();
    let layer = component::module(node).map(|layer| format!(" in layer {layer}")).unwrap_or_default();
    let op = highest.op.as_deref().unwrap_or("node");
    writeln!(out, "      {}", cut(&format!("at {part}step {step}: {op}{layer}"), WIDTH - 6))?;
    if node != op {
        writeln!(out, "      node {}", cut(node, WIDTH - 11))?;
    }
    Ok(())
}

/// A phase, as the end of a sentence.
fn phase(phase: &Phase) -> String {
    match (phase.name.as_str(), phase.tokens) {
        ("load", _) => "loading".to_owned(),
        ("compile", _) => "compilation".to_owned(),
        ("infer", _) => "inference".to_owned(),
        ("infer2", _) => "a second inference".to_owned(),
        ("decode", Some(tokens)) => format!("decode at {tokens} tokens"),
        (name, _) => name.to_owned(),
    }
}

/// About six rows with percentages, and what is behind them in words.
fn fill(out: &mut String, report: &Report, style: &Style, most: usize) -> Result {
    let total = report.totals.total_bytes;
    if total == 0 {
        return Ok(());
    }
    let title = paint("What fills it", Tone::Title, style.is_colored);
    writeln!(out, "\n{title} ({} in all)", Bytes(total))?;
    let share = |bytes: u64| bytes as f64 / total as f64;
    let (rows, rest): (Vec<&Share>, Vec<&Share>) = {
        let shown =
            report.breakdown.iter().take(most).take_while(|row| share(row.at_peak_bytes) >= LEAST).count();
        let (rows, rest) = report.breakdown.split_at(shown);
        (rows.iter().collect(), rest.iter().filter(|row| row.at_peak_bytes > 0).collect())
    };
    let mut row = |name: &str, bytes: u64, note: &str| {
        let percent = 100.0 * share(bytes);
        writeln!(out, "  {:<38} {:>12} {percent:>5.1} %{note}", cut(name, 38), Bytes(bytes).to_string())
    };
    for share in rows {
        let part = share.weights_bytes as f64 / share.at_peak_bytes.max(1) as f64;
        let note = match part {
            0.95.. => "  weights".to_owned(),
            0.05.. => format!("  {} weights", Bytes(share.weights_bytes)),
            _ => String::new(),
        };
        row(&label(report, &share.key), share.at_peak_bytes, &note)?;
    }
    if !rest.is_empty() {
        let bytes = rest.iter().map(|share| Bytes(share.at_peak_bytes)).sum::<Bytes>();
        let hint = if style.is_verbose { "" } else { " (-v)" };
        row(&format!("{} more{hint}", rest.len()), bytes.0, "")?;
    }
    // Weights on a device, and those of a projector, are not those of the file's pages.
    let of_projector = report.components.iter().any(|part| part.llama_cpp.is_some());
    let is_divided = of_projector || report.llama_cpp.as_ref().is_some_and(|found| found.graph_splits > 1);
    if is_divided { Ok(()) } else { weights(out, &report.totals) }
}

/// A row's name; logits say of how many tokens they are.
fn label(report: &Report, key: &str) -> String {
    let is_last = report.profile.options.get("logits").is_some_and(|logits| logits == "last");
    let tokens = report.scenario.prompt.filter(|&tokens| tokens > 1 && !is_last);
    let is_prefill = report.peak.phase == "prefill";
    match tokens.filter(|_| key.ends_with(component::LOGITS) && is_prefill) {
        Some(tokens) => format!("{key} of all {tokens} tokens"),
        None => key.to_owned(),
    }
}

/// Weights that exist in the file's pages and again in memory of their own.
fn weights(out: &mut String, totals: &Totals) -> Result {
    let (file, own) = (totals.weights_file_bytes, totals.weights_anonymous_bytes);
    if file == 0 || own < file / 20 {
        return Ok(());
    }
    let (mapped, packed) = (Bytes(file), Bytes(own));
    let words = if own >= file / 10 * 9 { "Weights are held twice" } else { "Some weights are held twice" };
    writeln!(out, "  {words}: {mapped} mapped file + {packed} packed")
}

/// Diagnostics, the verified placement, and where the rest is.
fn trust(out: &mut String, report: &Report, style: &Style) -> Result {
    writeln!(out)?;
    if let Some(accuracy) = &report.accuracy {
        advice::accuracy(out, accuracy, style)?;
    }
    if !report.planner.name.is_empty() {
        writeln!(out, "Placement verified: live buffers share no byte, and every read finds its data.")?;
    }
    let matter = |severity| severity != Severity::Note;
    let found: Vec<_> = report.diagnostics.iter().filter(|found| matter(found.severity)).collect();
    for diagnostic in found.iter().take(DIAGNOSTICS) {
        let tone = if diagnostic.severity == Severity::Incomplete { Tone::Bad } else { Tone::Doubtful };
        let severity = paint(diagnostic.severity, tone, style.is_colored);
        let room = WIDTH.saturating_sub(diagnostic.severity.name().len());
        let words = wrap(&format!("{}: {}", "x".repeat(WIDTH - room), diagnostic.text), 2);
        writeln!(out, "{severity}{}", words.get(WIDTH - room..).unwrap_or_default())?;
    }
    let hidden = |count: usize, what: &str, option: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} ({option})")),
        count => Some(format!("{count} {what}s ({option})")),
    };
    let left = found.len().saturating_sub(DIAGNOSTICS);
    let notes = report.diagnostics.len() - found.len();
    let hints = [
        hidden(report.assumptions.len(), "assumption", "--explain").filter(|_| !style.explains),
        hidden(left, "more diagnostic", "-v").filter(|_| !style.is_verbose),
        hidden(notes, "note", "-v").filter(|_| !style.is_verbose),
        (!style.is_verbose).then(|| "all tables (-v)".to_owned()),
    ];
    let hints: Vec<String> = hints.into_iter().flatten().collect();
    if hints.is_empty() { Ok(()) } else { writeln!(out, "{}", hints.join(", ")) }
}
