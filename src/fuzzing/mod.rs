//! Generators of inputs, and mutators of files, for property tests and fuzz targets.
//!
//! Each takes its choices from an [`arbitrary::Unstructured`], so that one
//! generator serves `cargo test` (through arbtest, a second per property) and
//! cargo-fuzz. Problems and schedules are valid by construction; nothing is drawn
//! and thrown away. When the bytes run out, every choice is the smallest one.

mod exercise;
mod mutate;
mod problem;
mod schedule;
mod tiling;

pub use exercise::exercise;
pub use mutate::{mutant, mutate};
pub use problem::{aligned_problem, problem};
pub use schedule::{Schedule, schedule};
pub use tiling::{Tiling, tiling};
