//! The figures of every value of one axis or two.

use super::axis::Axis;
use super::pieces;
use super::range::Range;
use super::run::Run;
use super::subject::{self, Subject, figures};
use super::table::{self, Limit};
use crate::error::{Error, ErrorKind, Result};
use crate::report::model::{Point, SCHEMA_VERSION, Sweep, Tool};
use rayon::prelude::*;

/// What is swept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sweeping {
    /// The axis, and its values.
    pub first: (Axis, Range),
    /// The second axis, which makes a grid of it.
    pub second: Option<(Axis, Range)>,
    /// A budget, of which the largest value that fits is found.
    pub limit: Option<Limit>,
}

impl Sweeping {
    /// One axis.
    #[must_use]
    pub fn of(axis: Axis, range: Range) -> Sweeping {
        Sweeping { first: (axis, range), second: None, limit: None }
    }
}

/// Points that a grid may have.
const MOST: usize = 100_000;

/// Analyses every point on all cores; `done` is called after each.
///
/// A point that cannot be analysed has its error in place of its figures.
///
/// # Errors
///
/// If there are too many points, or none can be analysed.
pub fn sweep(subject: &Subject, asked: &Sweeping, done: &(dyn Fn() + Sync)) -> Result<Sweep> {
    let (axis, range) = &asked.first;
    let axes: Vec<&Axis> =
        [Some(axis), asked.second.as_ref().map(|(axis, _)| axis)].into_iter().flatten().collect();
    let run = subject.prepared(&axes);
    let rows = rows(asked)?;
    let values = range.values()?;
    let jobs: Vec<(Option<u64>, u64)> =
        rows.iter().flat_map(|&row| values.iter().map(move |&value| (row, value))).collect();
    if jobs.len() > MOST {
        let message = format!("the grid has {} points, and {MOST} is the most", jobs.len());
        return Err(Error::new(ErrorKind::Limit, message).help("give larger steps"));
    }
    let at_row = |row: Option<u64>| match (&asked.second, row) {
        (Some((second, _)), Some(value)) => second.set(&run, value),
        _ => run.clone(),
    };
    let made: Vec<Result<(Point, String)>> = jobs
        .into_par_iter()
        .map(|(row, value)| {
            let found = point(subject, &axis.set(&at_row(row), value), value, row);
            done();
            found
        })
        .collect();
    let mut points = Vec::with_capacity(made.len());
    let (mut profile, mut first_error) = (String::new(), None);
    for (index, found) in made.into_iter().enumerate() {
        match found {
            Ok((point, name)) => {
                profile = name;
                points.push(point);
            }
            Err(error) => {
                let (row, value) = (rows.get(index / values.len()), values.get(index % values.len()));
                points.push(Point {
                    value: value.copied().unwrap_or_default(),
                    value2: row.copied().flatten(),
                    error: Some(error.message().to_owned()),
                    ..Point::default()
                });
                first_error = first_error.or(Some(error));
            }
        }
    }
    if let Some(error) = first_error.filter(|_| points.iter().all(|point| point.figures.is_none())) {
        return Err(error);
    }
    points.chunks_mut(values.len()).for_each(mark);
    let pieces = points.chunks(values.len()).flat_map(pieces::of).collect();
    let of_row = |row: &Option<u64>| {
        let limit = asked.limit?;
        let subject = subject.with(at_row(*row));
        let mut found = table::largest(&subject, axis, &limit, Some(range)).ok()?;
        if let (Some((second, _)), Some(value)) = (&asked.second, row) {
            found.vary = format!("{axis} at {second} {value}");
        }
        Some(found)
    };
    Ok(Sweep {
        schema_version: SCHEMA_VERSION,
        tool: Tool::this(),
        model: subject.model(),
        profile,
        vary: axis.name().to_owned(),
        vary2: asked.second.as_ref().map(|(axis, _)| axis.name().to_owned()),
        budget_bytes: asked.limit.map(|limit| limit.budget.0),
        reserve_bytes: asked.limit.map(|limit| limit.reserve.0),
        fits: rows.iter().filter_map(of_row).collect(),
        points,
        pieces,
    })
}

/// The values of the second axis; one row without it.
fn rows(asked: &Sweeping) -> Result<Vec<Option<u64>>> {
    match &asked.second {
        Some((_, range)) => Ok(range.values()?.into_iter().map(Some).collect()),
        None => Ok(vec![None]),
    }
}

fn point(model: &Subject, run: &Run, value: u64, value2: Option<u64>) -> Result<(Point, String)> {
    let report = model.analyze(run)?;
    let profile = subject::profile(&report);
    Ok((Point { value, value2, figures: Some(figures(&report)), ..Point::default() }, profile))
}

/// Marks the points whose peak is at another node than that of the point before.
fn mark(points: &mut [Point]) {
    let mut last: Option<String> = None;
    for point in points {
        let node = point.figures.as_ref().map(|figures| figures.node.clone());
        point.moved = matches!((&last, &node), (Some(last), Some(node)) if last != node);
        last = node.or(last);
    }
}
