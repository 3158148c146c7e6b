//! Bodies of control flow in the runtime: graphs of their own, optimized and planned apart, which run in the same arena.
//!
//! Of an `If` the branch that runs is spelt out step by step; where the condition is not known, the one that needs more.
//! Its results are written where the node's outputs are. What the node reads is held until the branch has ended.
//!
//! Of a `Loop` the first iteration is spelt out; the others are one step, for which the body has a memory pattern. What an
//! iteration gives to be stacked is held until the last has ended, and copied then; what is carried is there twice, as the
//! body reads it and as it writes it. A `Scan` writes where its outputs are, so that it is one step with what its body
//! holds at its highest step.
//!
//! Source: ONNX Runtime 1.31.1, onnxruntime/core/providers/cpu/controlflow/if.cc and core/framework/utils.cc
//! (`ExecuteSubgraph`), loop.cc (`ConcatenateLoopOutput`); the regions that its arena logs for loops of 1 to 32 iterations.

use super::fuse;
use super::kernel::Kernel;
use super::options::OnnxRuntimeCpu;
use super::work::Work;
use crate::graph::op::{Loop, LoopInputKind};
use crate::graph::{Graph, Op};
use crate::ids::NodeId;
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
    /// Of a `Loop`, what goes from iteration to iteration.
    pub iterated: Option<Iterated>,
}

/// What goes from iteration to iteration of a `Loop`.
#[derive(Clone, Debug, Default)]
pub(super) struct Iterated {
    /// Outer values, and the values of the body that they are in the first iteration.
    pub entering: Vec<(usize, usize)>,
    /// Results of the body that its next iteration reads.
    pub carried: Vec<usize>,
    /// Results of the body that are stacked.
    pub stacked: Vec<usize>,
    /// How often the body runs, where that is known; a bound, where it depends on data.
    pub trips: Option<u64>,
}

impl<'a> Body<'a> {
    /// The body as the runtime executes it.
    pub(super) fn optimized(&self, outer: &Work<'_>, options: &OnnxRuntimeCpu) -> Work<'a> {
        let mut work = Work::body(self.graph, self.shapes, outer, &self.passed);
        fuse::optimize(&mut work, options, None);
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
/// What a loop carries or slices is not passed, and its results belong to no node: they differ from iteration to iteration.
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
                    iterated: None,
                })
                .collect()
        }
        Op::Loop(spec) => {
            let invariant = spec.inputs.iter().filter(|input| input.kind == LoopInputKind::Invariant);
            let mut invariant = invariant.map(|input| (input.input, input.parameter));
            let passed = passed(&spec.body, &mut invariant);
            let body = shapes.first().filter(|shapes| !shapes.is_refused());
            let is_loop = work.is(node, Kernel::Loop);
            let iterated = is_loop.then(|| iterated(work, id, spec, &input, &parameter));
            body.map(|shapes| Body {
                graph: &spec.body,
                shapes,
                side: None,
                passed,
                results: Vec::new(),
                iterated,
            })
            .into_iter()
            .collect()
        }
        _ => Vec::new(),
    }
}

fn iterated(
    work: &Work<'_>,
    id: NodeId,
    spec: &Loop,
    input: &dyn Fn(u32) -> Option<usize>,
    parameter: &dyn Fn(&Graph, u32) -> Option<usize>,
) -> Iterated {
    let result = |number: u32| {
        let &node = spec.body.results().get(number as usize)?;
        spec.body.input(node, 0).map(|tensor| tensor.index())
    };
    let mut found = Iterated::default();
    for own in &spec.inputs {
        let LoopInputKind::Carried { result: number } = own.kind else { continue };
        found.entering.extend(input(own.input).zip(parameter(&spec.body, own.parameter)));
        found.carried.extend(result(number));
    }
    let stacked = spec.outputs.iter().filter_map(|output| Some((output, output.concat?)));
    for (output, slice) in stacked {
        found.stacked.extend(result(output.result));
        let tensor = work.graph.output(id, output.output as usize);
        let dims = tensor.and_then(|tensor| work.shapes.tensor(tensor).dims.as_deref());
        let axis = usize::try_from(slice.axis).ok();
        found.trips = found.trips.or(dims.zip(axis).and_then(|(dims, axis)| dims.get(axis).copied()));
    }
    let count = spec.trip_count.and_then(|number| work.graph.input(id, number as usize));
    let count =
        count.and_then(|tensor| work.shapes.tensor(tensor).value.as_ref()?.as_ints()?.first().copied());
    found.trips = found.trips.or(count.and_then(|count| u64::try_from(count).ok()));
    found
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::*;
    use crate::DType;
    use crate::graph::op::{If, LoopInput, LoopKind, LoopOutput, LoopSlice};
    use crate::ids::TensorId;

    /// A body with one input, on which it computes one node after the other.
    fn body(kernels: &[Kernel]) -> Graph {
        let mut draft = Draft::default();
        let input = draft.input(&[8]);
        let result = kernels.iter().fold(input, |last, &kernel| draft.node(kernel, &[last]));
        draft.returns(result);
        draft.graph()
    }

    /// An `If` on `condition` over a tensor of 8.
    fn branches(draft: &mut Draft, condition: TensorId) -> TensorId {
        let x = draft.input(&[8]);
        let op = Op::If(Box::new(If {
            then_body: body(&[Kernel::Sqrt, Kernel::Exp]),
            else_body: body(&[Kernel::Tanh]),
            then_inputs: vec![(1, 0)],
            else_inputs: vec![(1, 0)],
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        }));
        draft.op(op, &[condition, x])
    }

    /// A loop that carries a tensor of 8 and stacks it, `trips` times; `None`: how often is not known.
    fn iterations(kind: LoopKind, trips: Option<i64>) -> Draft {
        let mut draft = Draft::default();
        draft.scenario.allow_opaque = trips.is_none();
        let count = match trips {
            Some(trips) => draft.ints(&[], &[trips]),
            None => draft.input_of(DType::I64, &[]),
        };
        let x = draft.input(&[8]);
        let slice = LoopSlice { axis: 0, start: 0, end: -1, stride: 1, part_size: 1, drops_axis: true };
        let carried = LoopInputKind::Carried { result: 0 };
        let op = Op::Loop(Box::new(Loop {
            kind,
            body: body(&[Kernel::Sqrt]),
            inputs: vec![LoopInput { input: 1, parameter: 0, kind: carried }],
            outputs: vec![
                LoopOutput { result: 0, output: 0, concat: None },
                LoopOutput { result: 0, output: 1, concat: Some(slice) },
            ],
            trip_count: Some(0),
            condition: None,
            iteration_parameter: None,
            condition_result: None,
        }));
        let outputs = draft.outputs(op, &[DType::F32, DType::F32], &[count, x]);
        outputs.into_iter().for_each(|output| draft.returns(output));
        draft
    }

    /// What is found of the bodies of the node of this kernel.
    fn found<T>(draft: Draft, kernel: Kernel, of_bodies: impl Fn(&[Body<'_>]) -> T) -> T {
        draft.with(|work| {
            let node = work.alive().find(|&node| work.is(node, kernel)).unwrap();
            of_bodies(&of(work, node))
        })
    }

    fn sides(condition: Option<i64>) -> Vec<Option<bool>> {
        let mut draft = Draft::default();
        let condition = match condition {
            Some(flag) => draft.ints(&[], &[flag]),
            None => draft.input_of(DType::Boolean, &[]),
        };
        let output = branches(&mut draft, condition);
        draft.returns(output);
        found(draft, Kernel::If, |bodies| bodies.iter().map(|body| body.side).collect())
    }

    #[test]
    fn the_branch_of_a_known_condition_runs_alone() {
        assert_eq!(sides(Some(1)), [Some(true)]);
        assert_eq!(sides(Some(0)), [Some(false)]);
        assert_eq!(sides(None), [Some(true), Some(false)]);
    }

    #[test]
    fn what_a_branch_reads_and_gives_is_known_outside() {
        let mut draft = Draft::default();
        let condition = draft.ints(&[], &[1]);
        let output = branches(&mut draft, condition);
        draft.returns(output);
        let (passed, results) =
            found(draft, Kernel::If, |bodies| (bodies[0].passed.clone(), bodies[0].results.clone()));
        let [(_, 0)] = passed[..] else { panic!("{passed:?}") };
        let [(_, outer)] = results[..] else { panic!("{results:?}") };
        assert_eq!(outer, output.index());
    }

    #[test]
    fn a_loop_has_what_it_carries_and_stacks() {
        let [known, unknown] = [Some(3), None].map(|trips| {
            found(iterations(LoopKind::Loop, trips), Kernel::Loop, |bodies| {
                bodies[0].iterated.clone().unwrap()
            })
        });
        assert_eq!((known.entering.len(), known.carried.len(), known.stacked.len()), (1, 1, 1));
        assert_eq!((known.trips, unknown.trips), (Some(3), None));
        // What is carried differs from iteration to iteration: it is not passed as it is.
        assert!(found(iterations(LoopKind::Loop, Some(3)), Kernel::Loop, |bodies| bodies[0]
            .passed
            .is_empty()));
    }

    #[test]
    fn a_scan_has_no_iterations_of_its_own() {
        let draft = iterations(LoopKind::Scan, Some(3));
        assert!(found(draft, Kernel::Scan, |bodies| bodies.iter().all(|body| body.iterated.is_none())));
    }

    /// Steps by graph (0: outside), of a pass over the graph as written.
    fn steps(draft: Draft) -> Vec<u32> {
        use super::super::{order, steps};
        let options = OnnxRuntimeCpu::default();
        let lowered =
            draft.with(|work| steps::run(work, &order::of(work), &steps::Settings::new(&options)).0);
        lowered.steps.iter().map(|step| step.node.graph).collect()
    }

    #[test]
    fn the_branch_that_needs_most_is_spelt_out_before_its_node() {
        let mut draft = Draft::default();
        let condition = draft.input_of(DType::Boolean, &[]);
        let output = branches(&mut draft, condition);
        draft.returns(output);
        // Two steps of the first body, then the node.
        assert_eq!(steps(draft), [1, 1, 0]);
    }

    #[test]
    fn a_loop_is_its_first_iteration_and_one_step_for_all_others() {
        // Counters, the body, the node; the others are a step before the node.
        assert_eq!(steps(iterations(LoopKind::Loop, Some(1))), [0, 1, 0]);
        assert_eq!(steps(iterations(LoopKind::Loop, Some(8))), [0, 1, 0, 0]);
        assert_eq!(steps(iterations(LoopKind::Loop, Some(0))), [0]);
    }
}
