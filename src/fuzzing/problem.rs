//! Random planning problems.

use crate::problem::{Buffer, Problem};
use crate::units::Bytes;
use arbitrary::{Result, Unstructured};

/// A problem of up to 60 buffers, all of one alignment: a power of two up to 64.
///
/// With one alignment, sizes can be thought of as padded to it, so that no
/// planner that fills from below needs more than one buffer after the other.
///
/// # Errors
///
/// None in practice; `arbitrary` asks for the type.
pub fn problem(u: &mut Unstructured<'_>) -> Result<Problem> {
    let alignment = 1 << u.int_in_range(0..=6)?;
    generate(u, |_| Ok(alignment))
}

/// A problem of up to 60 buffers, each with an alignment of its own.
///
/// # Errors
///
/// As [`problem`].
pub fn aligned_problem(u: &mut Unstructured<'_>) -> Result<Problem> {
    generate(u, |u| u.int_in_range(0..=48))
}

fn generate(
    u: &mut Unstructured<'_>,
    alignment: impl Fn(&mut Unstructured<'_>) -> Result<u64>,
) -> Result<Problem> {
    let horizon = u.int_in_range(1..=40u32)?;
    let largest = *u.choose(&[3, 20, 1000, 1 << 20, 1 << 40])?;
    let mut problem = Problem::default();
    for _ in 0..u.int_in_range(0..=60usize)? {
        let start = u.int_in_range(0..=horizon - 1)?;
        let end = u.int_in_range(start + 1..=horizon)?;
        let size = Bytes(u.int_in_range(0..=largest)?);
        problem.buffers.push(Buffer { live: start..end, size, alignment: alignment(u)?, grows: false });
    }
    Ok(problem)
}
