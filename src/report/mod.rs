//! Reports: what the line found, for people and for programs.
//!
//! [`build`] makes the one [`model::Report`]; one file per output form turns it into bytes. Nothing here computes
//! a size that the line did not give.

pub mod accuracy;
mod blocks;
mod breakdown;
pub mod budget;
mod build;
#[cfg(feature = "regress")]
pub mod check;
pub mod compare;
pub mod component;
pub mod csv;
mod details;
pub mod diff;
pub mod dump;
pub mod estimate;
mod ggml_names;
pub mod json;
pub mod model;
pub mod pipeline;
#[cfg(feature = "svg")]
pub mod svg;
pub mod text;
mod totals;
mod view;

pub use build::{Subject, build};
pub use model::By;
