//! Static memory analysis of model graphs: how much memory a run needs, when, and because of which node.
//!
//! The whole program is one line:
//!
//! ```
//! use memgraph::{formats, plan, runtime::{graph::Exported, Pass, PhaseName, Runtime}, scenario::Scenario, schedule::lifetime, shape, verify};
//!
//! # let path = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ir/control-flow.xml"));
//! # let scenario = Scenario { binds: vec![("x.0".to_owned(), 5)], ..Scenario::default() };
//! # let runtime = Exported;
//! let graph = formats::open(path)?; // bytes -> Graph, weights never read
//! let shapes = shape::infer(&graph, &scenario)?; // dims bound, every tensor has a concrete shape
//! let pass = Pass::first(&graph, &shapes, &scenario, PhaseName::Prefill);
//! let (_, lowered) = runtime.lower(&pass)?.remove(0); // what the runtime executes: steps, storage, aliases
//! let problem = lifetime::analyze(lowered.schedule()); // buffers with live ranges
//! let plan = plan::solve(&problem, runtime.planner())?; // offsets
//! verify::all(lowered.schedule(), &problem, &plan)?; // two independent proofs
//! assert!(plan.arena_size >= memgraph::problem::lower_bound(&problem));
//! # Ok::<(), memgraph::Error>(())
//! ```
//!
//! [`phases`] walks it once per phase of a run, and [`report`] tells what it found. Each arrow is one function on
//! immutable values; no stage changes what an earlier one made. `docs/ARCHITECTURE.md` has the map and the invariants.

// Nothing that a file can choose may end the process, and only the command line prints; tests may do both.
#![warn(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod analysis;
pub mod closed_form;
pub mod dtype;
pub mod error;
pub mod formats;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod graph;
pub mod ids;
pub mod machine;
pub mod phases;
pub mod pipeline;
pub mod plan;
pub mod problem;
pub mod process;
pub mod report;
mod rewrite;
pub mod runtime;
pub mod scenario;
pub mod schedule;
pub mod shape;
pub mod units;
pub mod verify;

pub use analysis::{Request, Task, analyze};
pub use dtype::DType;
pub use error::{Error, Result};
pub use units::Bytes;
