//! What holds the memory at the peak: a bar per part, its weights, states and buffers apart.

use super::super::build::Subject;
use super::super::model::{Report, Share};
use super::super::view::View;
use super::canvas::{self, Anchor, Canvas, FONT, MARGIN, WIDTH};
use super::colors::{self, FREE, KINDS};
use super::page::{self, Picture};
use super::siblings::{self, Row};
use crate::schedule::StorageClass;
use crate::units::Bytes;
use std::collections::BTreeMap;

/// Bars at most; the rest is summed up in one line.
const BARS: usize = 16;
/// Bars of less than this part of the whole go to the rest.
const LEAST: f64 = 0.005;
/// Pixels for the names: at least, at most.
const NAMES: (i32, i32) = (150, 330);
const ROW: i32 = 22;
/// What the name of the share contains that is the part of the arena without a buffer.
const FRAGMENTATION: &str = "fragmentation";
/// What its name begins with if a phase before needed that part.
const KEPT: &str = "kept from ";

/// A bar's sections in the order in which they are drawn, with the words of the legend where the colour table's do not fit.
const SECTIONS: [(StorageClass, &str); 4] = [
    (StorageClass::WeightsFile, "weights, mapped file"),
    (StorageClass::WeightsAnonymous, "weights, packed or copied"),
    (StorageClass::KvCache, "KV cache and state"),
    (StorageClass::Activation, "buffers, inputs and outputs"),
];

pub(super) fn picture(subject: &Subject<'_>, view: &View<'_>) -> Picture {
    let (model, run) = page::run_of(subject, view);
    let title = format!("Memory of {model} by {}", subject.by.name());
    bars_of(view.breakdown(subject.by), title, &run, view.total())
}

/// The shares of a report that has no single graph.
pub(super) fn of_report(report: &Report) -> Picture {
    let by = report.breakdown.first().map(|share| share.by).unwrap_or_default();
    let (model, run) = page::run_of_report(report);
    let title = format!("Memory of {model} by {by}");
    bars_of(report.breakdown.clone(), title, &run, Bytes(report.totals.total_bytes))
}

fn bars_of(mut shares: Vec<Share>, title: String, run: &str, total: Bytes) -> Picture {
    shares.retain(|share| share.at_peak_bytes > 0);
    let legend = legend(&shares);
    let mut rows = siblings::rows(&shares, |share| (share.at_peak_bytes, sections(share).to_vec()));
    let kept = rows.iter().filter(|row| row.bytes as f64 >= total.0 as f64 * LEAST).count().min(BARS);
    let rest = rows.split_off(kept);
    let largest = rows.iter().take(3).map(|row| format!("{} {}", row.full_name(), Bytes(row.bytes)));
    let desc = format!(
        "{run}. {total} in all: {}. Largest: {}.",
        legend.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", "),
        largest.collect::<Vec<_>>().join(", "),
    );
    let mut canvas = Canvas::default();
    let mut y = page::heading(&mut canvas, &title, &format!("{run}; {total} in all at the peak"));
    y = page::legend(&mut canvas, &legend, y) + 6;
    y = bars(&mut canvas, &rows, total, y);
    if !rest.is_empty() {
        let bytes: Bytes = rest.iter().map(|row| Bytes(row.bytes)).sum();
        let count: usize = rest.iter().map(|row| row.count).sum();
        let more = if count == 1 { "1 more".to_owned() } else { format!("{count} more") };
        let words = format!("and {more}: {bytes}, {}", page::percent(bytes.0, total.0));
        canvas.text("soft", &words, (MARGIN, y), Anchor::Left);
        y += ROW;
    }
    Picture { height: y - 4, title, desc, body: canvas.into_body() }
}

/// Each section that is drawn, largest first, with its sum.
fn legend(shares: &[Share]) -> Vec<(String, String)> {
    let mut sums: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for share in shares {
        for (index, bytes) in sections(share).into_iter().enumerate() {
            *sums.entry(style(&share.key, index)).or_default() += bytes;
        }
    }
    let mut sums: Vec<_> = sums.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    sums.sort_by_key(|&((class, _), bytes)| (std::cmp::Reverse(bytes), class));
    sums.into_iter()
        .map(|((class, name), bytes)| (class.to_owned(), format!("{name} {}", Bytes(bytes))))
        .collect()
}

/// Class and name of a section; shares that are one class of memory have its colour.
fn style(key: &str, section: usize) -> (&'static str, &'static str) {
    let key = key.rsplit_once(": ").map_or(key, |(_, key)| key);
    let own = KINDS.iter().find(|kind| section + 1 == SECTIONS.len() && kind.name == key);
    let (class, name) = SECTIONS[section];
    match own {
        Some(kind) => (kind.class, kind.name),
        None if section + 1 == SECTIONS.len() && (key.contains(FRAGMENTATION) || key.starts_with(KEPT)) => {
            (KINDS[FREE].class, KINDS[FREE].name)
        }
        None => (KINDS[colors::row(class)].class, name),
    }
}

/// Bytes of a share at the peak, by [`SECTIONS`]: weights and states are there throughout.
fn sections(share: &Share) -> [u64; SECTIONS.len()] {
    let mapped = share.weights_file_bytes.min(share.weights_bytes);
    let kept = share.weights_bytes.saturating_add(share.state_bytes);
    [mapped, share.weights_bytes - mapped, share.state_bytes, share.at_peak_bytes.saturating_sub(kept)]
}

/// Draws a bar per row; returns the centre of the first free line.
fn bars(canvas: &mut Canvas, rows: &[Row], total: Bytes, top: i32) -> i32 {
    let most = rows.iter().map(|row| row.bytes).max().unwrap_or(0).max(1);
    let words: Vec<String> = rows.iter().map(|row| number(row, total)).collect();
    let numbers = words.iter().map(|words| canvas::width(words, FONT)).max().unwrap_or(0) + 8;
    let widest = rows.iter().map(|row| canvas::width(&label(row, i32::MAX), FONT)).max();
    let names = widest.unwrap_or(0).clamp(NAMES.0, NAMES.1);
    let left = MARGIN + names + 8;
    let space = f64::from(WIDTH - MARGIN - numbers - left);
    let mut y = top;
    for (row, number) in rows.iter().zip(words) {
        canvas.text("ink", &label(row, names), (left - 8, y), Anchor::Right);
        let mut sum = 0_u64;
        let mut from = left;
        for (section, &bytes) in row.sections.iter().enumerate() {
            sum = sum.saturating_add(bytes);
            let to = left + (space * sum as f64 / most as f64).round() as i32;
            if to > from {
                let (class, name) = style(&row.name, section);
                let hover = format!("{}\n{name} {}", row.full_name(), Bytes(bytes));
                canvas.rect(class, (from, y - 7, to, y + 7), &hover);
            }
            from = to;
        }
        canvas.text("soft", &number, (from + 6, y), Anchor::Left);
        y += ROW;
    }
    y
}

/// A row's name: how many it represents, and the end of what they are called.
fn label(row: &Row, space: i32) -> String {
    let name = short(&row.name);
    if row.count == 1 {
        return canvas::fitted(&name, space);
    }
    let count = format!("{} x ", row.count);
    format!("{count}{}", canvas::fitted(&name, space.saturating_sub(canvas::width(&count, FONT))))
}

/// A node's name without the words that every node has, and without the steps between its module and its operation.
fn short(name: &str) -> String {
    let Some(rest) = name.strip_prefix("__module.") else { return name.to_owned() };
    let rest = rest.strip_prefix("model.").unwrap_or(rest);
    match (rest.split_once('/'), rest.rsplit_once('/')) {
        (Some((module, _)), Some((_, operation))) => format!("{module}/{operation}"),
        _ => rest.to_owned(),
    }
}

/// What is written after a bar.
fn number(row: &Row, total: Bytes) -> String {
    let each =
        if row.count > 1 { format!(", each {}", Bytes(row.bytes / row.count as u64)) } else { String::new() };
    format!("{}, {}{each}", Bytes(row.bytes), page::percent(row.bytes, total.0))
}
