//! One block as the runtime executes it: its operators in order, what each writes, and which bytes of the arena it writes to.
//!
//! On the left a line per operator and output; on the right a map of the addresses that the block uses, time downwards: a bar
//! is a buffer, as long as it lives, and a dot where it is read. Bars one below the other share their bytes. The next block is
//! drawn below in short lines, so that a column that goes on in its colour is memory that is used again.

mod regions;
mod rows;

use super::super::build::Subject;
use super::super::view::View;
use super::canvas::{self, Anchor, Canvas, FONT, Frame, MARGIN, SMALL, WIDTH};
use super::colors;
use super::page::{self, Picture};
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Executed;
use crate::units::Bytes;
use regions::{Columns, Region};
use rows::{Group, Output, Place, Row};
use std::ops::Range;

/// Height of a line, and of one that only renames bytes.
const LINES: (i32, i32) = (20, 15);
/// Height of an operator of the next block.
const SHORT: i32 = 5;
/// Lines at most.
const MOST: usize = 120;
/// An operator whose outputs are so many times smaller than the largest, and less than 1 KiB, computes sizes; it is left out.
const TINY: u64 = 1024;
/// Regions at most whose sizes the legend names.
const NAMED: usize = 12;
/// Left edges: step, operator, shape (right edge), size (right edge), place, blocks (right edge), map.
const STEP: i32 = MARGIN + 26;
const KIND: i32 = MARGIN + 34;
const SHAPE: i32 = 394;
const SIZE: i32 = 464;
const PLACE: i32 = 476;
const USERS: i32 = 600;
const MAP: i32 = 616;

/// A block with its neighbours, and the memory that they use.
struct Block<'a> {
    view: &'a View<'a>,
    group: Group,
    rows: Vec<Row>,
    /// Operators that are not drawn.
    left_out: usize,
    next: Option<(Group, Vec<Row>)>,
    regions: Vec<Region>,
    /// What every block writes to the arena.
    writes: Vec<Vec<Range<u64>>>,
}

/// Draws a block; without a number the second one, since the first may compute what all of them share.
///
/// # Errors
///
/// If the graph has no block of that number.
pub(super) fn picture(subject: &Subject<'_>, view: &View<'_>, layer: Option<u32>) -> Result<Picture> {
    let groups = rows::groups(view);
    let at = match layer {
        Some(number) => groups.iter().position(|group| group.number == number),
        None => Some(usize::from(groups.len() > 2)),
    };
    let at = at.filter(|&at| at < groups.len()).ok_or_else(|| missing(layer, &groups))?;
    let executed = subject.runtime.executed(subject.graph, &view.phase.shapes)?;
    let executed = executed.filter(|executed| executed.nodes_are_steps);
    let block = Block::new(view, executed.as_ref(), &groups, at);
    let (model, run) = page::run_of(subject, view);
    let title = format!("{} of {model} as executed", capital(&block.group.name));
    let words = block.words(subject.planner.name());
    let mut canvas = Canvas::default();
    let mut y = page::heading(&mut canvas, &title, &format!("{run}. {words}"));
    y = page::legend(&mut canvas, &block.legend(), y);
    let lines = Lines::of(&block, y + 20);
    let columns = block.columns();
    header(&mut canvas, y + 6);
    block.draw_map(&mut canvas, &lines, &columns);
    block.draw_rows(&mut canvas, &lines);
    y = lines.end;
    if let Some((next, rows)) = &block.next {
        y = block.draw_next(&mut canvas, (next, rows), &columns, y);
    }
    let operators = block.rows.iter().take(60).map(|row| format!("{} {}", row.kind, row.name));
    let desc = format!("{run}. {words} Operators: {}.", operators.collect::<Vec<_>>().join(", "));
    Ok(Picture { height: y + 6, title, desc, body: canvas.into_body() })
}

fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn missing(layer: Option<u32>, groups: &[Group]) -> Error {
    let (Some(first), Some(last), Some(layer)) = (groups.first(), groups.last(), layer) else {
        return Error::new(ErrorKind::Usage, "no step runs, so no block can be drawn");
    };
    Error::new(ErrorKind::Usage, format!("the model has no layer {layer}")).help(format!(
        "give a number from {} ({}) to {} ({})",
        first.number, first.name, last.number, last.name
    ))
}

/// The rows of a picture: centre of each output's line, and where the block begins and ends.
struct Lines {
    /// By row, by output.
    centres: Vec<Vec<i32>>,
    start: i32,
    end: i32,
}

impl Lines {
    fn of(block: &Block<'_>, start: i32) -> Lines {
        let mut y = start;
        let centres = block.rows.iter().map(|row| {
            let high = if row.is_view { LINES.1 } else { LINES.0 };
            let lines = row.outputs.iter().map(|_| {
                y += high;
                y - high / 2
            });
            lines.collect()
        });
        let centres = centres.collect();
        Lines { centres, start, end: y + 4 }
    }

    /// Upper edge of the first row at or after a step; the end where there is none.
    fn top(&self, rows: &[Row], step: usize) -> i32 {
        let at = rows.partition_point(|row| row.step < step);
        self.centres.get(at).and_then(|lines| lines.first()).map_or(self.end, |centre| centre - 8)
    }

    /// Lower edge of the last row before a step; the start where there is none.
    fn bottom(&self, rows: &[Row], step: usize) -> i32 {
        let at = rows.partition_point(|row| row.step < step);
        let line = at.checked_sub(1).and_then(|at| self.centres.get(at)).and_then(|lines| lines.last());
        line.map_or(self.start, |centre| centre + 8)
    }
}

impl<'a> Block<'a> {
    fn new(view: &'a View<'a>, executed: Option<&Executed>, groups: &[Group], at: usize) -> Block<'a> {
        let rows_of = |group: &Group| rows::rows(view, executed, group);
        let mut rows = rows_of(&groups[at]);
        let count = rows.len();
        let least = rows.iter().map(Row::bytes).max().unwrap_or(0).min(TINY * 1024) / TINY;
        rows.retain(|row| row.bytes() >= least);
        rows.truncate(MOST);
        let left_out = count - rows.len();
        let next = groups.get(at + 1).map(|group| {
            let rows = rows_of(group).into_iter().filter(|row| row.bytes() >= least);
            (group.clone(), rows.collect())
        });
        let (problem, plan) = (&view.phase.problem, &view.phase.plan);
        let both = rows.iter().chain(next.iter().flat_map(|(_, rows)| rows));
        let mut buffers: Vec<usize> =
            both.flat_map(|row| row.written().chain(row.reads.iter().copied())).collect();
        buffers.sort_unstable();
        buffers.dedup();
        buffers.retain(|&buffer| problem.buffers[buffer].size.0 >= least);
        let regions = regions::regions(problem, plan, &buffers);
        let writes = groups.iter().enumerate().map(|(index, group)| {
            let rows = if index == at { rows.clone() } else { rows_of(group) };
            let written = rows.iter().flat_map(|row| row.written().collect::<Vec<_>>());
            written.map(|buffer| regions::addresses(problem, plan, buffer)).collect()
        });
        let writes = writes.collect();
        Block { view, group: groups[at].clone(), rows, left_out, next, regions, writes }
    }

    fn addresses(&self, buffer: usize) -> Range<u64> {
        regions::addresses(&self.view.phase.problem, &self.view.phase.plan, buffer)
    }

    /// Position of the region that a buffer is in.
    fn region(&self, buffer: usize) -> Option<usize> {
        self.regions.iter().position(|region| region.buffers.contains(&buffer))
    }

    /// How many blocks write to some of these bytes.
    fn users(&self, bytes: &Range<u64>) -> usize {
        let uses = |writes: &&Vec<Range<u64>>| writes.iter().any(|other| regions::overlap(bytes, other));
        self.writes.iter().filter(uses).count()
    }

    /// What the picture shows, in numbers.
    fn words(&self, planner: &str) -> String {
        let written: Vec<Range<u64>> =
            self.rows.iter().flat_map(Row::written).map(|buffer| self.addresses(buffer)).collect();
        let used = regions::together(self.regions.iter().map(|region| region.bytes.clone()));
        let count = page::counted(self.regions.len() as u64, "region");
        let sum: Bytes = written.iter().map(|range| Bytes(range.end - range.start)).sum();
        let mut words = format!("Outputs of {sum} are placed in {count} of {used} (planner {planner})");
        if let Some((group, rows)) = &self.next {
            let next: Vec<Range<u64>> =
                rows.iter().flat_map(Row::written).map(|buffer| self.addresses(buffer)).collect();
            let (all, again) = regions::shared(&next, &written);
            let share = again.0 as f64 * 100.0 / all.0.max(1) as f64;
            words += &format!(
                "; {share:.0} % of what {} writes is in bytes that {} wrote to before",
                group.name, self.group.name
            );
        }
        if self.left_out > 0 {
            words += &format!(
                "; {} on small tensors are left out",
                page::counted(self.left_out as u64, "operator")
            );
        }
        words + "."
    }

    fn legend(&self) -> Vec<(String, String)> {
        let regions = self.regions.iter().enumerate();
        let mut entries: Vec<_> = regions
            .map(|(index, region)| {
                let bytes = Bytes(region.bytes.end - region.bytes.start);
                let name = format!("R{}", index + 1);
                // The lines of the operators state the sizes as well.
                let is_short = self.regions.len() <= NAMED;
                (colors::region(index), if is_short { format!("{name} {bytes}") } else { name })
            })
            .collect();
        let mut places = self.rows.iter().flat_map(|row| &row.outputs).map(|output| output.place);
        if places.any(|place| matches!(place, Place::Own(_))) {
            entries.push(("own".to_owned(), "memory of its own".to_owned()));
        }
        if self.rows.iter().any(|row| row.is_attention) {
            entries.push(("shade".to_owned(), "rotary embedding and attention".to_owned()));
        }
        entries
    }

    fn columns(&self) -> Columns {
        let buffers = self.regions.iter().flat_map(|region| &region.buffers);
        Columns::new(buffers.map(|&buffer| self.addresses(buffer)).collect(), (MAP, WIDTH - MARGIN))
    }

    fn frame(&self, columns: &Columns, buffer: usize, rows: (i32, i32)) -> Frame {
        let bytes = self.addresses(buffer);
        let (left, right) = (columns.column(bytes.start), columns.column(bytes.end));
        // A pixel between neighbours, where there is one to spare.
        (left, rows.0, if right - left > 3 { right - 1 } else { right }, rows.1)
    }

    /// The bars of the block's buffers, and a dot where one is read.
    fn draw_map(&self, canvas: &mut Canvas, lines: &Lines, columns: &Columns) {
        let (first, end) = (self.group.steps.start, self.group.steps.end);
        canvas.rect("band", (MAP, lines.start, WIDTH - MARGIN, lines.end), "");
        for (index, region) in self.regions.iter().enumerate() {
            for &buffer in &region.buffers {
                let live = &self.view.phase.problem.buffers[buffer].live;
                let (start, stop) = (live.start as usize, live.end as usize);
                if stop <= first || start >= end {
                    continue;
                }
                let top = if start < first { lines.start } else { lines.top(&self.rows, start) };
                let bottom = if stop >= end { lines.end } else { lines.bottom(&self.rows, stop) };
                if top < bottom {
                    let frame = self.frame(columns, buffer, (top, bottom));
                    canvas.rect(&colors::region(index), frame, &self.hover(index, buffer));
                }
            }
        }
        for (row, centres) in self.rows.iter().zip(&lines.centres) {
            let Some(&y) = centres.first() else { continue };
            let drawn = |buffer: usize| self.regions.iter().any(|region| region.buffers.contains(&buffer));
            for &buffer in row.reads.iter().filter(|&&buffer| !row.is_view && drawn(buffer)) {
                let (left, _, right, _) = self.frame(columns, buffer, (0, 0));
                canvas.dot("over", ((left + right) / 2, y), 2);
            }
        }
    }

    fn hover(&self, region: usize, buffer: usize) -> String {
        let bytes = self.addresses(buffer);
        let live = &self.view.phase.problem.buffers[buffer].live;
        let owner = self.view.phase.lowered.schedule().planned().nth(buffer);
        let node = owner.map_or("", |(_, storage)| self.view.node_name(storage.node));
        let size = Bytes(bytes.end - bytes.start);
        let last = live.end.saturating_sub(1);
        format!("R{}: {node}\n{size} at {}, steps {} to {last}", region + 1, Bytes(bytes.start), live.start)
    }

    fn draw_rows(&self, canvas: &mut Canvas, lines: &Lines) {
        for (row, centres) in self.rows.iter().zip(&lines.centres) {
            for (index, (output, &y)) in row.outputs.iter().zip(centres).enumerate() {
                if row.is_attention {
                    let half = if row.is_view { LINES.1 / 2 } else { LINES.0 / 2 };
                    canvas.rect("shade", (KIND - 4, y - half, USERS + 6, y + half), "");
                }
                if index == 0 {
                    draw_operator(canvas, row, y);
                }
                self.draw_output(canvas, row, output, y);
            }
        }
    }

    fn draw_output(&self, canvas: &mut Canvas, row: &Row, output: &Output, y: i32) {
        let shape = canvas::clipped(&output.shape, 110, SMALL);
        canvas.sized("soft", &shape, (SHAPE, y), Anchor::Right, SMALL);
        if row.is_view {
            canvas.sized("soft", "view", (SIZE, y), Anchor::Right, SMALL);
        } else {
            canvas.text("ink", &output.bytes.to_string(), (SIZE, y), Anchor::Right);
        }
        let square = (PLACE, y - 5, PLACE + 10, y + 5);
        let at = (PLACE + 15, y);
        match output.place {
            Place::Own(class) => {
                canvas.rect("own", square, &format!("memory of its own: {class}"));
                canvas.sized("soft", &format!("own: {class}"), at, Anchor::Left, SMALL);
            }
            Place::Buffer(buffer) => {
                let Some(index) = self.region(buffer) else { return };
                let bytes = self.addresses(buffer);
                canvas.rect(&colors::region(index), square, &self.hover(index, buffer));
                let place = format!("R{} at {}", index + 1, Bytes(bytes.start));
                let place = if output.is_in_place { format!("{place}, in place") } else { place };
                canvas.sized("soft", &place, at, Anchor::Left, SMALL);
                if !row.is_view && !output.is_in_place {
                    let users = format!("x{}", self.users(&bytes));
                    canvas.sized("soft", &users, (USERS, y), Anchor::Right, SMALL);
                }
            }
        }
    }

    /// The next block in short lines; returns where it ends.
    fn draw_next(
        &self,
        canvas: &mut Canvas,
        (group, rows): (&Group, &[Row]),
        columns: &Columns,
        top: i32,
    ) -> i32 {
        let words = format!("then {}, in the same memory", group.name);
        canvas.text("ink", &words, (MAP - 10, top + 12), Anchor::Right);
        let top = top + 4;
        let seen: Vec<&Row> = rows.iter().filter(|row| !row.is_view).collect();
        let end = top + SHORT * seen.len() as i32;
        let row_of = |step: usize| top + SHORT * seen.partition_point(|row| row.step < step) as i32;
        canvas.rect("band", (MAP, top, WIDTH - MARGIN, end), "");
        for (index, region) in self.regions.iter().enumerate() {
            for &buffer in &region.buffers {
                let live = &self.view.phase.problem.buffers[buffer].live;
                let (start, stop) = (live.start as usize, live.end as usize);
                if stop <= group.steps.start || start >= group.steps.end {
                    continue;
                }
                let (from, to) = (row_of(start), if stop >= group.steps.end { end } else { row_of(stop) });
                if from < to {
                    let frame = self.frame(columns, buffer, (from, to - i32::from(to - from > 3)));
                    canvas.rect(&colors::region(index), frame, &self.hover(index, buffer));
                }
            }
        }
        let list: Vec<String> = seen.iter().map(|row| row.kind.clone()).collect();
        let mut y = top + 26;
        for line in canvas::wrapped(&list.join(", "), MAP - 10 - KIND, SMALL)
            .iter()
            .take(((end - y) / 13).max(1) as usize)
        {
            canvas.sized("soft", line, (MAP - 10, y), Anchor::Right, SMALL);
            y += 13;
        }
        end.max(y)
    }
}

impl Row {
    /// Bytes of all that it writes.
    fn bytes(&self) -> u64 {
        self.outputs.iter().map(|output| output.bytes.0).fold(0, u64::saturating_add)
    }

    /// The buffers of the arena that it writes.
    fn written(&self) -> impl Iterator<Item = usize> + '_ {
        let new = self.outputs.iter().filter(|_| !self.is_view);
        new.filter_map(|output| match output.place {
            Place::Buffer(buffer) => Some(buffer),
            Place::Own(_) => None,
        })
    }
}

/// The names of the columns.
fn header(canvas: &mut Canvas, y: i32) {
    let columns = [
        ("step", STEP, Anchor::Right),
        ("operator", KIND, Anchor::Left),
        ("output", SHAPE, Anchor::Right),
        ("size", SIZE, Anchor::Right),
        ("memory", PLACE, Anchor::Left),
        ("in blocks", USERS + 4, Anchor::Right),
        ("addresses: time downwards", MAP, Anchor::Left),
    ];
    for (words, x, anchor) in columns {
        canvas.sized("soft", words, (x, y), anchor, SMALL);
    }
    canvas.line("grid", &[(MARGIN, y + 10), (WIDTH - MARGIN, y + 10)]);
}

fn draw_operator(canvas: &mut Canvas, row: &Row, y: i32) {
    canvas.sized("soft", &row.step.to_string(), (STEP, y), Anchor::Right, SMALL);
    let space = SHAPE - 116 - KIND;
    let (size, class) = if row.is_view { (SMALL, "soft") } else { (FONT, "ink bold") };
    let kind = canvas::clipped(&row.kind, space, size);
    canvas.sized(class, &kind, (KIND, y), Anchor::Left, size);
    // Bold letters are wider.
    let wide = canvas::width(&kind, size) * 107 / 100 + 8;
    let name = canvas::clipped(&row.name, space - wide, SMALL);
    // Of a name that is cut, a few letters say nothing.
    if name == row.name || name.chars().count() > 6 {
        canvas.sized("soft", &name, (KIND + wide, y), Anchor::Left, SMALL);
    }
    canvas.rect("hit", (KIND - 4, y - 8, SHAPE - 110, y + 8), &row.full_name);
}
