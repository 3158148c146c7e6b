//! Shapes through control flow: `If`, `Loop`, `TensorIterator`, `Scan`.
//!
//! Sources: OpenVINO <https://docs.openvino.ai/2026/documentation/openvino-ir-format/operation-sets/operation-specs/condition/if-8.html>,
//! `infrastructure/loop-5`, `infrastructure/tensor-iterator-1`; ONNX <https://onnx.ai/onnx/operators/onnx__Loop.html>,
//! `If`, `Scan`.
//!
//! * `If`: outputs of the branch that a known condition takes; else the larger of both, dim by dim, as a bound.
//! * `Loop`: a sliced input enters with `part_size` at its axis, a concatenated result leaves with trips · its dim.
//!   A carried tensor whose shape changes is followed round by round; one that grows evenly is extrapolated.
//!
//! Bodies are inferred once per round, and carried values are unknown inside unless the body hands them through.

mod body;
mod branches;
mod loops;

use super::context::Context;
use super::shapes::{Options, Shapes};
use super::start::Start;
use crate::error::Result;
use crate::graph::Op;

/// Infers the bodies of a control-flow node, emits the node's outputs, and returns the bodies' shapes in the order of
/// [`Graph::bodies`](crate::graph::Graph::bodies).
///
/// `start` is what the pass over the node's graph started from.
pub(super) fn infer(
    op: &Op,
    context: &mut Context<'_>,
    options: Options,
    start: &Start,
) -> Result<Vec<Shapes>> {
    match op {
        Op::If(branches) => branches::infer(branches, context, options, start),
        Op::Loop(spec) => loops::infer(spec, context, options, start),
        _ => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod testing {
    use crate::DType;
    use crate::graph::{Builder, Format, Graph, NodeSpec, Op, TensorSpec, Value};
    use crate::ids::TensorId;
    use crate::shape::testing::{Input, ints};

    /// A body of `parameters` parameters; `build` gives the results' tensors.
    pub(super) fn body(
        parameters: usize,
        build: impl Fn(&mut Builder, &[TensorId]) -> Vec<TensorId>,
    ) -> Graph {
        let mut builder = Builder::new("body".as_ref(), Format::OpenVino);
        let inputs: Vec<_> = (0..parameters)
            .map(|_| {
                let node =
                    builder.node(NodeSpec { op: Op::Parameter, name: "parameter", ..NodeSpec::default() });
                builder.output(node, TensorSpec::default())
            })
            .collect();
        for tensor in build(&mut builder, &inputs) {
            let node = builder.node(NodeSpec { op: Op::Result, name: "result", ..NodeSpec::default() });
            builder.connect(node, &[Some(tensor)]);
        }
        builder.finish().unwrap()
    }

    pub(super) fn apply(builder: &mut Builder, op: Op, inputs: &[TensorId]) -> TensorId {
        let node = builder.node(NodeSpec { op, name: "inner", ..NodeSpec::default() });
        let tensor = builder.output(node, TensorSpec::default());
        builder.connect(node, &inputs.iter().map(|&input| Some(input)).collect::<Vec<_>>());
        tensor
    }

    pub(super) fn constant(builder: &mut Builder, dtype: DType, values: &[i64]) -> TensorId {
        builder.constant("constant", dtype, &[values.len() as u64], Value::ints(values.iter().copied()))
    }

    pub(super) fn flag(value: bool) -> Input {
        ints(DType::Boolean, &[], &[i64::from(value)])
    }
}
