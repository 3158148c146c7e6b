//! Deployments: several models on devices, as a TOML file describes them.
//!
//! A `[[device]]` has memory, a `[[model]]` is what runs and how, a `[[scenario]]` is which models run and whether they are
//! in memory together. [`evaluate`](evaluate::evaluate) judges each scenario on each device.

mod demand;
mod evaluate;
mod file;

pub use evaluate::evaluate;
pub use file::{Deployment, Device, Mode, Model, Place, RunSpec, Scenario, Setting, Vllm};
pub(super) use file::{count, read, size};
