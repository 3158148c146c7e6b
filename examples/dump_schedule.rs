//! Steps and storages of a model that is built in memory: what is alive at each step, and where it is placed.
//!
//! `cargo run --example dump_schedule`

use memgraph::DType;
use memgraph::graph::op::Unary;
use memgraph::graph::{Builder, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec};
use memgraph::phases::{self, PhaseName};
use memgraph::runtime::registry;
use memgraph::scenario::Scenario;

/// An input, four activations one after the other, an output.
fn model() -> memgraph::Result<Graph> {
    let mut builder = Builder::new("in memory".as_ref(), Format::Onnx);
    let tensor =
        || TensorSpec { dtype: DType::F32, shape: PartialShape::known(&[16, 64]), ..TensorSpec::default() };
    let input = NodeSpec { op: Op::Parameter, name: "x", type_name: "Parameter", ..NodeSpec::default() };
    let input = builder.node(input);
    let mut last = builder.output(input, tensor());
    for name in ["first", "second", "third", "fourth"] {
        let op = Op::Unary(Unary::Relu);
        let node = builder.node(NodeSpec { op, name, type_name: "Relu", ..NodeSpec::default() });
        let output = builder.output(node, tensor());
        builder.connect(node, &[Some(last)]);
        last = output;
    }
    let result = NodeSpec { op: Op::Result, name: "y", type_name: "Result", ..NodeSpec::default() };
    let result = builder.node(result);
    builder.connect(result, &[Some(last)]);
    builder.finish()
}

fn main() -> memgraph::Result<()> {
    let graph = model()?;
    let runtime = registry::exported();
    let runs = [(PhaseName::Infer, Scenario::default())];
    for phase in phases::run(&graph, &runs, &*runtime, runtime.planner())? {
        let schedule = phase.lowered.schedule();
        for (index, step) in schedule.steps.iter().enumerate() {
            let storage = |&value| schedule.value(value).storage.index();
            let reads: Vec<usize> = step.reads.iter().map(storage).collect();
            let writes: Vec<usize> = step.writes.iter().map(storage).collect();
            let node = graph.node_name(step.node.node);
            println!("step {index} {node}: reads storages {reads:?}, writes {writes:?}");
        }
        let planned = schedule.planned().zip(&phase.problem.buffers).zip(&phase.plan.offsets);
        for (((id, storage), buffer), offset) in planned {
            let (class, live) = (storage.class.name(), &buffer.live);
            println!("storage {} {class} {} alive over {live:?} at {offset}", id.index(), storage.bytes);
        }
        println!("arena {}", phase.plan.arena_size);
    }
    Ok(())
}
