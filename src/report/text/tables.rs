//! The full tables of `-v`: storage, phases, what is alive at the peak, the breakdown, the planner.

use super::super::model::{Phase, Report, Share};
use super::pipeline;
use crate::units::Bytes;
use std::fmt::Write;

/// Writes every table that the report has; each shows at most `top` rows and says how many it leaves out.
pub(super) fn write(out: &mut String, report: &Report, top: usize) -> std::fmt::Result {
    model(out, report)?;
    if !report.components.is_empty() {
        pipeline::parts(out, report)?;
    }
    storage(out, report)?;
    phases(out, report)?;
    if !report.peak.phase.is_empty() {
        peak(out, report, top)?;
    }
    breakdown(out, report, top)?;
    if !report.planner.name.is_empty() {
        planned(out, report)?;
    }
    inputs(out, report)?;
    diagnostics(out, report, top)
}

/// The file and its nodes.
fn model(out: &mut String, report: &Report) -> std::fmt::Result {
    let model = &report.model;
    let what = match report.components.len() {
        0 if model.nodes == 0 => String::new(),
        0 => format!(", {} nodes", model.nodes),
        parts => format!(", {parts} models, {} nodes", model.nodes),
    };
    writeln!(out, "\nModel\n  {} ({}{what})", model.file, model.format)
}

fn storage(out: &mut String, report: &Report) -> std::fmt::Result {
    let totals = &report.totals;
    let rows = [
        ("weights, file-backed", totals.weights_file_bytes),
        ("weights, anonymous", totals.weights_anonymous_bytes),
        ("arena", totals.arena_bytes),
        ("dynamic blocks", totals.dynamic_bytes),
        ("inputs and outputs", totals.io_bytes),
        ("KV cache", totals.kv_cache_bytes),
        ("other state", totals.state_bytes),
        ("scratch", totals.scratch_bytes),
        ("runtime objects", totals.runtime_bytes),
        ("total", totals.total_bytes),
    ];
    writeln!(out, "\nStorage")?;
    for (name, bytes) in rows.into_iter().filter(|(name, bytes)| *bytes > 0 || *name == "total") {
        let share = 100.0 * bytes as f64 / totals.total_bytes.max(1) as f64;
        writeln!(out, "  {name:<22} {:>12} {share:>6.1} %", Bytes(bytes).to_string())?;
    }
    Ok(())
}

fn phases(out: &mut String, report: &Report) -> std::fmt::Result {
    let width = report.phases.iter().map(|phase| phase.name.len()).max().unwrap_or(0).max(9);
    let bounds: [fn(&Phase) -> Option<u64>; 2] =
        [|phase| phase.resident_peak_lower_bytes, |phase| phase.resident_peak_upper_bytes];
    let [has_lower, has_upper] = bounds.map(|bound| report.phases.iter().any(|phase| bound(phase).is_some()));
    let cell = |is_there: bool, text: String| if is_there { format!(" {text:>12}") } else { String::new() };
    let head = cell(has_lower, "from".to_owned()) + &cell(has_upper, "up to".to_owned());
    writeln!(out, "\n{:<width$} {:>12} {:>12}{head}  peak at", "Phase", "heap", "resident")?;
    for phase in &report.phases {
        let (heap, resident) = (Bytes(phase.heap_peak_bytes), Bytes(phase.resident_peak_bytes));
        let part = phase.component.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
        let at = match (phase.step, &phase.node) {
            (Some(step), Some(node)) => match phase.tokens.filter(|_| phase.name == "decode") {
                Some(tokens) => format!("{part}{tokens} tokens, step {step}, {node}"),
                None => format!("{part}step {step}, {node}"),
            },
            _ => "-".to_owned(),
        };
        let (heap, resident) = (heap.to_string(), resident.to_string());
        let [lower, upper] =
            bounds.map(|bound| bound(phase).map(|bytes| Bytes(bytes).to_string()).unwrap_or_default());
        let interval = cell(has_lower, lower) + &cell(has_upper, upper);
        writeln!(out, "{:<width$} {heap:>12} {resident:>12}{interval}  {at}", phase.name)?;
    }
    Ok(())
}

fn peak(out: &mut String, report: &Report, top: usize) -> std::fmt::Result {
    let peak = &report.peak;
    if peak.node.is_empty() {
        writeln!(out, "\nHeld at the peak ({})", peak.phase)?;
    } else {
        writeln!(out, "\nAlive at the peak (step {} of {}, {})", peak.step, peak.phase, peak.node)?;
    }
    for live in peak.live.iter().take(top) {
        writeln!(out, "  {:>12}  {:<10}  {}", Bytes(live.bytes).to_string(), live.class, live.node)?;
    }
    let left_out = peak.live.iter().skip(top).map(|live| Bytes(live.bytes)).sum::<Bytes>();
    more(out, peak.live.len(), top, left_out)
}

fn breakdown(out: &mut String, report: &Report, top: usize) -> std::fmt::Result {
    let by = report.breakdown.first().map(|share| share.by).unwrap_or_default();
    let longest = report.breakdown.iter().take(top).map(|share| share.key.chars().count()).max();
    let width = longest.unwrap_or(0).clamp(28, 64);
    writeln!(
        out,
        "\n{:<wide$} {:>12} {:>12} {:>12} {:>12}",
        format!("By {by}"),
        "weights",
        "KV, state",
        "buffers",
        "at peak",
        wide = width + 2
    )?;
    for share in report.breakdown.iter().take(top) {
        let Share { key, bytes, weights_bytes, state_bytes, at_peak_bytes, .. } = share;
        let cells = [*weights_bytes, *state_bytes, bytes - weights_bytes - state_bytes, *at_peak_bytes];
        write!(out, "  {key:<width$}")?;
        for cell in cells {
            let text = if cell == 0 { "-".to_owned() } else { Bytes(cell).to_string() };
            write!(out, " {text:>12}")?;
        }
        writeln!(out)?;
    }
    let left_out = report.breakdown.iter().skip(top).map(|share| Bytes(share.at_peak_bytes)).sum();
    more(out, report.breakdown.len(), top, left_out)
}

/// Arena, lower bound and gap of the plan; a closed form has none.
fn planned(out: &mut String, report: &Report) -> std::fmt::Result {
    let planner = &report.planner;
    writeln!(
        out,
        "\nArena: {} by {}; lower bound {}, gap {:.2} %. Largest single allocation: {}.",
        Bytes(planner.arena_bytes),
        planner.name,
        Bytes(planner.lower_bound_bytes),
        planner.gap * 100.0,
        Bytes(report.totals.largest_allocation_bytes)
    )?;
    let saving = planner.arena_bytes.saturating_sub(planner.best_arena_bytes);
    if saving > 0 {
        let (best, arena) = (&planner.best_name, Bytes(planner.best_arena_bytes));
        writeln!(out, "A better planner would save {}: {best} needs {arena}.", Bytes(saving))?;
    }
    Ok(())
}

/// The shape of every input in the first phase.
fn inputs(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.scenario.inputs.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nInputs")?;
    for (name, dims) in &report.scenario.inputs {
        writeln!(out, "  {name}{}", crate::shape::text(dims))?;
    }
    Ok(())
}

fn diagnostics(out: &mut String, report: &Report, top: usize) -> std::fmt::Result {
    if !report.diagnostics.is_empty() {
        writeln!(out, "\nDiagnostics")?;
    }
    for found in report.diagnostics.iter().take(top) {
        writeln!(out, "  {} {}: {}\n    --> {}", found.code, found.severity, found.text, found.r#where)?;
    }
    more(out, report.diagnostics.len(), top, Bytes::ZERO)
}

/// Says how many rows a table left out.
fn more(out: &mut String, rows: usize, top: usize, bytes: Bytes) -> std::fmt::Result {
    match rows.checked_sub(top) {
        None | Some(0) => Ok(()),
        Some(left) if bytes > Bytes::ZERO => {
            writeln!(out, "  {bytes:>12}  … in {left} more (`--top N` shows them)")
        }
        Some(left) => writeln!(out, "  … {left} more (`--top N` shows them)"),
    }
}
