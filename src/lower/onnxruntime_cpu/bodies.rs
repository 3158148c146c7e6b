//! Bodies of control flow in the runtime: graphs of their own, optimized and planned apart, which run in the same arena.
//!
//! Of an `If` the branch that runs is spelt out step by step; where the condition is not known, the one that needs more.
//! Its results are written where the node's outputs lie. What the node reads is held until the branch has ended.
//!
//! Source: ONNX Runtime 1.31.1, onnxruntime/core/providers/cpu/controlflow/if.cc and core/framework/utils.cc
//! (`ExecuteSubgraph`).

use super::work::Work;
use super::{fuse, precision};
use crate::graph::op::LoopInputKind;
use crate::graph::{Graph, Op};
use crate::profile::OnnxRuntimeCpu;
use crate::shape::Shapes;

/// One body of a node.
#[derive(Clone, Debug)]
pub(super) struct Body<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// Its shapes in this run.
    pub shapes: &'a Shapes,
    /// Of an `If`, the condition that it runs under.
    pub side: Option<bool>,
    /// Outer values and the values of the body that they are.
    pub passed: Vec<(usize, usize)>,
    /// Values of the body and the outer values that they become.
    pub results: Vec<(usize, usize)>,
}

impl<'a> Body<'a> {
    /// The body as the runtime executes it.
    pub(super) fn optimized(&self, outer: &Work<'_>, options: &OnnxRuntimeCpu) -> Work<'a> {
        let mut work = Work::body(self.graph, self.shapes, outer, &self.passed);
        fuse::apply(&mut work, options.optimization, options.block());
        precision::widen(&mut work, options);
        work
    }
}

/// The bodies of a node that can run: of an `If` whose condition is known, one.
pub(super) fn of<'a>(work: &Work<'a>, node: usize) -> Vec<Body<'a>> {
    let mut bodies = all(work, node);
    let is_taken = taken(work, node);
    bodies.retain(|body| is_taken.is_none_or(|taken| body.side.is_none_or(|side| side == taken)));
    bodies
}

/// Which branch of an `If` runs, where its condition is known.
fn taken(work: &Work<'_>, node: usize) -> Option<bool> {
    let condition = work.graph.input(work.nodes[node].source, 0)?;
    let value = work.shapes.tensor(condition).value.as_ref().filter(|value| !value.is_upper_bound)?;
    value.as_ints()?.first().map(|&flag| flag != 0)
}

/// The bodies of a node whose shapes are known, run or not.
///
/// What a loop carries or slices is not passed, and its results are nobody's: they differ from iteration to iteration.
pub(super) fn all<'a>(work: &Work<'a>, node: usize) -> Vec<Body<'a>> {
    let id = work.nodes[node].source;
    let graph = work.graph;
    let shapes = work.shapes.bodies(id);
    let input = |index: u32| graph.input(id, index as usize).map(|tensor| tensor.index());
    let parameter = |body: &Graph, number: u32| {
        body.parameters()
            .get(number as usize)
            .and_then(|&node| body.output(node, 0))
            .map(|tensor| tensor.index())
    };
    let passed = |body: &Graph, inputs: &mut dyn Iterator<Item = (u32, u32)>| -> Vec<(usize, usize)> {
        inputs.filter_map(|(outer, number)| Some((input(outer)?, parameter(body, number)?))).collect()
    };
    match &graph.node(id).op {
        Op::If(branches) => {
            let results = |body: &Graph, outputs: &[(u32, u32)]| -> Vec<(usize, usize)> {
                let result = |number: u32| {
                    let &node = body.results().get(number as usize)?;
                    body.input(node, 0).map(|tensor| tensor.index())
                };
                let output = |port: u32| graph.output(id, port as usize).map(|tensor| tensor.index());
                outputs.iter().filter_map(|&(number, port)| Some((result(number)?, output(port)?))).collect()
            };
            let sides = [
                (true, &branches.then_body, &branches.then_inputs, &branches.then_outputs),
                (false, &branches.else_body, &branches.else_inputs, &branches.else_outputs),
            ];
            let bodies = sides.into_iter().zip(shapes).filter(|(_, shapes)| !shapes.is_refused());
            bodies
                .map(|((side, body, inputs, outputs), shapes)| Body {
                    graph: body,
                    shapes,
                    side: Some(side),
                    passed: passed(body, &mut inputs.iter().copied()),
                    results: results(body, outputs),
                })
                .collect()
        }
        Op::Loop(spec) => {
            let invariant = spec.inputs.iter().filter(|input| input.kind == LoopInputKind::Invariant);
            let mut invariant = invariant.map(|input| (input.input, input.parameter));
            let passed = passed(&spec.body, &mut invariant);
            let body = shapes.first().filter(|shapes| !shapes.is_refused());
            body.map(|shapes| Body { graph: &spec.body, shapes, side: None, passed, results: Vec::new() })
                .into_iter()
                .collect()
        }
        _ => Vec::new(),
    }
}
