//! Static memory analysis of model graphs: how much memory a run needs, when, and because of which node.
//!
//! [`analyze`] is the whole program: a model and a [`Request`] in, a [report](report::model::Report) out.
//!
//! ```no_run
//! use memgraph::{Request, Task, analyze};
//!
//! let report = analyze("qwen2.5-0.5b-fp16".as_ref(), &Request::new(Task::language(1813)))?;
//! println!("{} bytes, at {}", report.totals.total_bytes, report.peak.node);
//! # Ok::<(), memgraph::Error>(())
//! ```
//!
//! Inside, it is one line of stages, each of which can be called alone:
//!
//! ```
//! use memgraph::runtime::{Pass, PhaseName, Runtime, graph::Exported};
//! use memgraph::{plan, scenario::Scenario, schedule::lifetime, shape, verify};
//! # use memgraph::DType;
//! # use memgraph::graph::{Builder, Dim, Format, NodeSpec, Op, PartialShape, TensorSpec, op::Unary};
//! # let mut builder = Builder::new("m".as_ref(), Format::Onnx);
//! # let shape = || PartialShape { dims: Some([Dim::ANY, Dim::known(3)].into_iter().collect()) };
//! # let out = || TensorSpec { dtype: DType::F32, shape: shape(), ..TensorSpec::default() };
//! # let x = builder.node(NodeSpec { op: Op::Parameter, name: "x", type_name: "Parameter", ..NodeSpec::default() });
//! # let x = builder.output(x, out());
//! # let relu = builder.node(NodeSpec { op: Op::Unary(Unary::Relu), name: "y", type_name: "Relu", ..NodeSpec::default() });
//! # let y = builder.output(relu, out());
//! # let z = builder.node(NodeSpec { op: Op::Result, name: "z", type_name: "Result", ..NodeSpec::default() });
//! # builder.connect(relu, &[Some(x)]);
//! # builder.connect(z, &[Some(y)]);
//! # let runtime = Exported;
//!
//! let graph = builder.finish()?; // or `formats::open(path)?`: bytes -> Graph, weights never read
//! let scenario = Scenario::default().with(|run| run.binds = vec![("x.0".to_owned(), 5)]);
//! let shapes = shape::infer(&graph, &scenario)?; // dims bound, every tensor has a concrete shape
//! let pass = Pass::first(&graph, &shapes, &scenario, PhaseName::Infer);
//! let (_, lowered) = runtime.lower(&pass)?.remove(0); // what the runtime executes: steps, values, storages
//! let problem = lifetime::analyze(lowered.schedule()); // buffers with live ranges
//! let plan = plan::solve(&problem, runtime.planner())?; // offsets
//! verify::all(lowered.schedule(), &problem, &plan)?; // two independent proofs
//! assert!(plan.arena_size >= memgraph::problem::lower_bound(&problem));
//! # Ok::<(), memgraph::Error>(())
//! ```
//!
//! [`phases`] runs the stages once per phase of a run, and [`report`] makes the report. Each stage is one function on
//! immutable values; none changes what an earlier one made. `docs/ARCHITECTURE.md` has the map and the invariants,
//! `docs/ir.md` what holds once a graph is lowered, and `examples/` a program per task.
//!
//! # Modules
//!
//! | task | modules |
//! |---|---|
//! | analyze a model | [`analysis`], [`pipeline`], [`closed_form`], [`report`], [`regress`] |
//! | find what fits | [`fit`] |
//! | call one stage | [`formats`], [`graph`], [`scenario`], [`shape`], [`runtime`], [`schedule`], [`problem`], [`plan`], [`verify`], [`phases`] |
//! | vocabulary | [`units`], [`ids`], [`dtype`], [`error`], [`machine`] |
//!
//! What a runtime's rules are made of is internal: the rewriter, models of allocators, the shape rules.

// What is `pub` is a part of the API; all else is `pub(crate)`.
#![warn(unreachable_pub)]
// Nothing that a file can choose may end the process, and only the command line prints; tests may do both.
#![warn(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

pub mod analysis;
pub mod closed_form;
pub mod dtype;
pub mod error;
pub mod fit;
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
mod process;
pub mod regress;
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
