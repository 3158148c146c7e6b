//! Static memory analysis of model graphs: how much memory a run needs, when, and because of which node.

#![deny(unsafe_code)]

pub mod dtype;
pub mod error;
pub mod formats;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod graph;
pub mod ids;
pub mod lower;
pub mod plan;
pub mod problem;
pub mod scenario;
pub mod shape;
pub mod units;
pub mod verify;

pub use dtype::DType;
pub use error::{Error, Result};
pub use problem::lower_bound;
pub use units::Bytes;
