//! Problems and plans as CSV, in MiniMalloc's format.
//!
//! One buffer per line: `id,lower,upper,size` for a problem, with a fifth
//! column `offset` for a plan. `lower..upper` is the half-open live range,
//! `size` and `offset` are bytes. The header is required; columns may be in
//! any order. Ids are free text without commas and are kept.
//!
//! Source: <https://github.com/google/minimalloc>, README, "File formats".

use crate::error::{Error, ErrorKind, Location, Position, Result};
use crate::problem::{Buffer, Plan, Problem};
use crate::units::Bytes;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Most lines that [`read`] takes.
pub const MAX_BUFFERS: usize = 4_000_000;

/// Most bytes that an id may have.
const MAX_ID_BYTES: usize = 4096;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Table {
    /// The ids of the buffers, as the file has them.
    pub ids: Vec<String>,
    /// The buffers, in the order of the file, with alignment 1.
    pub problem: Problem,
    /// The column `offset`, if there is one; the arena ends where the last buffer ends.
    pub plan: Option<Plan>,
}

/// Reads a problem, or a plan if there is a column `offset`.
///
/// Lines may end in CR LF; empty lines are skipped.
///
/// # Errors
///
/// If the header lacks a column or has one twice or an unknown one, if a line
/// has another number of fields than the header, if a number is none, if a live
/// range is empty, if an id comes twice, or if there are more than
/// [`MAX_BUFFERS`] lines. Errors name the line; `.in_file()` adds the file.
///
/// # Example
///
/// ```
/// use memgraph::{Bytes, plan::csv};
///
/// let table = csv::read("id,lower,upper,size\nb1,0,3,4\nb2,3,9,4\n")?;
/// assert_eq!(table.ids, ["b1", "b2"]);
/// assert_eq!(memgraph::problem::lower_bound(&table.problem), Bytes(4));
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn read(text: &str) -> Result<Table> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().zip(1u32..).filter(|(line, _)| !line.trim().is_empty());
    let Some((header, header_line)) = lines.next() else {
        return Err(malformed("the file is empty", 1).help("the first line is `id,lower,upper,size`"));
    };
    let columns = Columns::read(header, header_line)?;

    let mut table = Table::default();
    let mut offsets = Vec::new();
    let mut seen = BTreeMap::new();
    let mut arena_size = 0;
    for (line, number) in lines {
        if table.ids.len() == MAX_BUFFERS {
            return Err(
                Error::new(ErrorKind::Limit, format!("more than {MAX_BUFFERS} buffers")).at(place(number))
            );
        }
        let row = columns.row(line, number)?;
        if let Some(earlier) = seen.insert(row.id, number) {
            return Err(malformed(format!("id \"{}\" is on line {earlier} already", row.id), number));
        }
        if let Some(offset) = row.offset {
            let end = offset.checked_add(row.buffer.size.0).ok_or_else(|| {
                malformed(format!("offset {offset} plus size {} is past 2^64 - 1", row.buffer.size.0), number)
            })?;
            arena_size = end.max(arena_size);
            offsets.push(Bytes(offset));
        }
        table.ids.push(row.id.to_string());
        table.problem.buffers.push(row.buffer);
    }
    table.plan = columns.offset.map(|_| Plan { offsets, arena_size: Bytes(arena_size), ..Plan::default() });
    Ok(table)
}

/// Writes a problem, or with `plan` a plan; the inverse of [`read`].
///
/// A buffer without an id of its own gets its position as id. The format has
/// no column for alignments: they are not written.
#[must_use]
pub fn write(ids: &[String], problem: &Problem, plan: Option<&Plan>) -> String {
    let mut text =
        String::from(if plan.is_some() { "id,lower,upper,size,offset\n" } else { "id,lower,upper,size\n" });
    for (index, buffer) in problem.buffers.iter().enumerate() {
        match ids.get(index) {
            Some(id) => text.push_str(id),
            None => drop(write!(text, "{index}")),
        }
        let _ = write!(text, ",{},{},{}", buffer.live.start, buffer.live.end, buffer.size.0);
        if let Some(offset) = plan.and_then(|plan| plan.offsets.get(index)) {
            let _ = write!(text, ",{}", offset.0);
        }
        text.push('\n');
    }
    text
}

/// Which field of a line is what.
struct Columns {
    count: usize,
    id: usize,
    lower: usize,
    upper: usize,
    size: usize,
    offset: Option<usize>,
}

/// One line.
struct Row<'a> {
    id: &'a str,
    buffer: Buffer,
    offset: Option<u64>,
}

impl Columns {
    fn read(header: &str, line: u32) -> Result<Columns> {
        let names: Vec<&str> = header.split(',').map(str::trim).collect();
        for (index, name) in names.iter().enumerate() {
            if !["id", "lower", "upper", "size", "offset"].contains(name) {
                return Err(malformed(format!("unknown column \"{}\"", clip(name)), line)
                    .help("columns are id, lower, upper, size and, in a plan, offset"));
            }
            if names.iter().take(index).any(|earlier| earlier == name) {
                return Err(malformed(format!("column \"{name}\" comes twice"), line));
            }
        }
        let find = |name: &str| names.iter().position(|other| *other == name);
        let need = |name: &str| {
            let missing = || {
                malformed(format!("the header \"{}\" has no column \"{name}\"", clip(header)), line)
                    .help("the first line of a problem is `id,lower,upper,size`")
            };
            find(name).ok_or_else(missing)
        };
        Ok(Columns {
            count: names.len(),
            id: need("id")?,
            lower: need("lower")?,
            upper: need("upper")?,
            size: need("size")?,
            offset: find("offset"),
        })
    }

    fn row<'a>(&self, line: &'a str, number: u32) -> Result<Row<'a>> {
        let fields: Vec<&str> = line.split(',').take(self.count + 1).map(str::trim).collect();
        if fields.len() != self.count {
            let found = line.split(',').count();
            return Err(malformed(format!("{found} fields, but the header has {}", self.count), number));
        }
        let field = |column: usize| fields.get(column).copied().unwrap_or_default();
        let id = field(self.id);
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(malformed(
                format!("an id of {} bytes, outside 1..={MAX_ID_BYTES}", id.len()),
                number,
            ));
        }
        let start: u32 = number_in(field(self.lower), "lower", number)?;
        let end: u32 = number_in(field(self.upper), "upper", number)?;
        if start >= end {
            return Err(malformed(format!("live range {start}..{end} is empty"), number)
                .help("`upper` is one past the last step at which the buffer is used"));
        }
        let size = Bytes(number_in(field(self.size), "size", number)?);
        let offset = self.offset.map(|column| number_in(field(column), "offset", number)).transpose()?;
        Ok(Row { id, buffer: Buffer { live: start..end, size, alignment: 1, grows: false }, offset })
    }
}

fn number_in<T: std::str::FromStr<Err = std::num::ParseIntError>>(
    field: &str,
    column: &str,
    line: u32,
) -> Result<T> {
    field.parse().map_err(|error: std::num::ParseIntError| {
        let bits = 8 * size_of::<T>();
        malformed(format!("{column} \"{}\" is not a whole number of {bits} bits: {error}", clip(field)), line)
    })
}

fn malformed(message: impl Into<String>, line: u32) -> Error {
    Error::new(ErrorKind::Malformed, message).at(place(line))
}

fn place(line: u32) -> Location {
    Location { position: Some(Position::Line(line, 0)), ..Location::default() }
}

/// At most 60 characters, for error texts.
fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text = "id,lower,upper,size\nsome name,0,4294967295,18446744073709551615\n7,1,2,0\n";
        let table = read(text).unwrap();
        assert_eq!(table.plan, None);
        assert_eq!(write(&table.ids, &table.problem, None), text);

        let text = "id,lower,upper,size,offset\na,0,2,8,0\nb,1,3,8,8\n";
        let table = read(text).unwrap();
        let plan = table.plan.unwrap();
        assert_eq!(plan.arena_size, Bytes(16));
        assert_eq!(write(&table.ids, &table.problem, Some(&plan)), text);
    }

    #[test]
    fn columns_go_by_name() {
        let table = read("\u{feff}size, upper,lower,id\r\n8,2,1,x\r\n\r\n").unwrap();
        assert_eq!(table.ids, ["x"]);
        assert_eq!(table.problem.buffers, Problem::default().with(1, 2, 8).buffers);
    }

    #[test]
    fn positions_stand_in_for_ids() {
        assert_eq!(write(&[], &Problem::default().with(1, 2, 3), None), "id,lower,upper,size\n0,1,2,3\n");
    }

    #[test]
    fn errors_say_what_and_where() {
        let cases = [
            ("", "the file is empty\n  --> :1"),
            ("id,lower,upper\n", "has no column \"size\"\n  --> :1"),
            ("id,lower,upper,size,alignment\n", "unknown column \"alignment\"\n  --> :1"),
            ("id,lower,upper,size,size\n", "column \"size\" comes twice\n  --> :1"),
            ("id,lower,upper,size\na,1,2,3\nb,1,2\n", "3 fields, but the header has 4\n  --> :3"),
            ("id,lower,upper,size\na,1,2,3,4,5\n", "6 fields, but the header has 4\n  --> :2"),
            ("id,lower,upper,size\na,2,2,3\n", "live range 2..2 is empty\n  --> :2"),
            ("id,lower,upper,size\na,-1,2,3\n", "lower \"-1\" is not a whole number of 32 bits"),
            ("id,lower,upper,size\na,0,2,x\n", "size \"x\" is not a whole number of 64 bits"),
            ("id,lower,upper,size\na,0,2,3\na,0,2,3\n", "id \"a\" is on line 2 already\n  --> :3"),
            ("id,lower,upper,size\n,0,2,3\n", "an id of 0 bytes"),
            ("id,lower,upper,size,offset\na,0,1,2,18446744073709551615\n", "plus size 2 is past 2^64 - 1"),
        ];
        for (text, expected) in cases {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text:?} gave {message}");
        }
    }
}
