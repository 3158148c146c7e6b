//! The inverse of an analysis: which runs fit a budget, and how memory grows with the length of a run.
//!
//! A [`Subject`] is a model that is read once, with a [`Run`] in the words of the command line. An [`Axis`] is what varies.
//! [`sweep`] analyses every value of one axis or two; [`largest`] finds the largest value that fits. [`evaluate`] judges a
//! [`Deployment`] of several models, and [`pick`] chooses from a [`Catalog`].

mod axis;
mod deployment;
mod pick;
mod pieces;
mod range;
mod run;
mod search;
mod subject;
mod sweep;
mod table;

pub use axis::Axis;
pub use deployment::{Deployment, Device, Mode, Model, Place, RunSpec, Scenario, Setting, Vllm, evaluate};
pub use pick::{Candidate, Catalog, pick, tier};
pub use range::{Range, Step};
pub use run::{Phase, Run};
pub use subject::Subject;
pub use sweep::{Sweeping, sweep};
pub use table::{Limit, largest, table};
