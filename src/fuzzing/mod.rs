//! Generators of valid inputs, for property tests and fuzz targets.
//!
//! Each takes its choices from an [`arbitrary::Unstructured`], so that one
//! generator serves `cargo test` (through arbtest, a second per property) and
//! cargo-fuzz. Inputs are valid by construction; nothing is drawn and thrown
//! away. When the bytes run out, every choice is the smallest one.

mod problem;
mod schedule;
mod tiling;

pub use problem::{aligned_problem, problem};
pub use schedule::{Schedule, schedule};
pub use tiling::{Tiling, tiling};
