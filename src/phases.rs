//! A run: the stages once per phase.
//!
//! The runtime decides what a phase is made of and what it carries over to the next one; this is the loop.

use crate::error::{ErrorKind, Result};
use crate::graph::Graph;
use crate::plan::Planner;
use crate::runtime::{Lowered, Pass, Placed, Runtime};
pub use crate::runtime::{Phase, PhaseName};
use crate::scenario::Scenario;
use crate::schedule::lifetime;
use crate::shape::{self, Shapes};
use crate::verify;
use std::sync::Arc;

/// Analyses every phase of a run; every plan is verified by both checkers.
///
/// # Errors
///
/// Those of the stages. A failed verification is an error of kind [`Internal`](ErrorKind::Internal) and a bug of this crate;
/// it is returned where the runtime has no form of the pass in which nothing is computed in place.
pub fn run(
    graph: &Graph,
    passes: &[(PhaseName, Scenario)],
    runtime: &dyn Runtime,
    planner: Planner,
) -> Result<Vec<Phase>> {
    runtime.accepts(graph)?;
    let mut phases: Vec<Phase> = Vec::with_capacity(passes.len() + 3);
    for (name, scenario) in passes {
        let shapes = Arc::new(shape::infer(graph, scenario)?);
        let pass = Pass { graph, shapes: &shapes, scenario, name: *name, is_first: phases.is_empty() };
        let before = phases.len();
        let settled = settle(&mut phases, runtime.lower(&pass)?, &pass, &shapes, (runtime, planner));
        let Err(error) = settled else { continue };
        // A plan that breaks its schedule is a bug of this crate: nothing in place is one that cannot.
        let apart = if error.kind() == ErrorKind::Internal { runtime.lower_apart(&pass)? } else { None };
        let Some(apart) = apart else { return Err(error) };
        phases.truncate(before);
        settle(&mut phases, apart, &pass, &shapes, (runtime, planner))?;
    }
    Ok(phases)
}

/// Places and verifies what a pass was lowered to, one phase after the other.
fn settle(
    phases: &mut Vec<Phase>,
    lowered: Vec<(PhaseName, Lowered)>,
    pass: &Pass<'_>,
    shapes: &Arc<Shapes>,
    (runtime, planner): (&dyn Runtime, Planner),
) -> Result<()> {
    for (name, lowered) in lowered {
        let before = phases.last().filter(|phase| phase.name.runs());
        let lowered = match before {
            Some(before) => runtime.carry_over(lowered, before, planner)?,
            None => lowered,
        };
        let same = phases.last().filter(|last| before.is_none() && last.lowered.shares_schedule(&lowered));
        let (problem, plan) = match same {
            Some(same) => (same.problem.clone(), same.plan.clone()),
            None => {
                let problem = lifetime::analyze(lowered.schedule());
                let plan = runtime.place(&lowered, &problem, planner, before)?;
                verify::all(lowered.schedule(), &problem, &plan)?;
                (Arc::new(problem), Arc::new(plan))
            }
        };
        let placed = Placed { name, lowered: &lowered, problem: &problem, plan: &plan, planner, before };
        let outcome = runtime.finish(&placed)?;
        let (scenario, shapes) = (pass.scenario.clone(), shapes.clone());
        phases.push(Phase { name, scenario, shapes, lowered, problem, plan, outcome });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::op::Unary;
    use crate::graph::{Builder, Format, NodeSpec, Op, PartialShape, TensorSpec};
    use crate::plan;
    use crate::problem::{Plan, Problem};
    use crate::schedule::builder;
    use crate::units::Bytes;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A runtime that places all buffers at 0 until it is asked for the other form of a pass, if it has one.
    #[derive(Debug, Default)]
    struct Clumsy {
        has_other_form: bool,
        is_apart: AtomicBool,
    }

    impl Runtime for Clumsy {
        fn name(&self) -> &'static str {
            "clumsy"
        }

        fn version(&self) -> &'static str {
            "1"
        }

        fn planner(&self) -> Planner {
            Planner::Naive
        }

        fn formats(&self) -> &'static [Format] {
            &[Format::OpenVino]
        }

        fn lower(&self, pass: &Pass<'_>) -> Result<Vec<(PhaseName, Lowered)>> {
            Ok(vec![(pass.name, Lowered::new(builder::build(pass.graph, pass.shapes, 1))?)])
        }

        fn lower_apart(&self, pass: &Pass<'_>) -> Result<Option<Vec<(PhaseName, Lowered)>>> {
            self.is_apart.store(true, Ordering::Relaxed);
            self.has_other_form.then(|| self.lower(pass)).transpose()
        }

        fn place(
            &self,
            _lowered: &Lowered,
            problem: &Problem,
            planner: Planner,
            _before: Option<&Phase>,
        ) -> Result<Plan> {
            let mut plan = plan::solve(problem, planner)?;
            if !self.is_apart.load(Ordering::Relaxed) {
                plan.offsets.iter_mut().for_each(|offset| *offset = Bytes::ZERO);
            }
            Ok(plan)
        }
    }

    /// Three activations one behind the other.
    fn chain() -> Graph {
        let mut builder = Builder::new("test.xml".as_ref(), Format::OpenVino);
        let mut add = |name: &str, op: Op, inputs: &[_]| {
            let node = builder.node(NodeSpec { op, name, ..NodeSpec::default() });
            let shape = PartialShape { dims: Some([crate::graph::Dim::known(64)].into_iter().collect()) };
            let made = builder.output(node, TensorSpec { dtype: DType::F32, shape, ..TensorSpec::default() });
            builder.connect(node, inputs);
            made
        };
        let mut x = add("x", Op::Parameter, &[]);
        for name in ["first", "second", "third"] {
            x = add(name, Op::Unary(Unary::Relu), &[Some(x)]);
        }
        let result = builder.node(NodeSpec { op: Op::Result, name: "out", ..NodeSpec::default() });
        builder.connect(result, &[Some(x)]);
        builder.finish().unwrap()
    }

    fn analyze(has_other_form: bool) -> Result<Vec<Phase>> {
        let runtime = Clumsy { has_other_form, ..Clumsy::default() };
        run(&chain(), &[(PhaseName::Infer, Scenario::default())], &runtime, Planner::Naive)
    }

    #[test]
    fn a_plan_that_breaks_its_schedule_is_made_again_with_nothing_in_place() {
        assert_eq!(analyze(true).unwrap().len(), 1);
    }

    #[test]
    fn it_is_an_error_where_there_is_no_other_form() {
        assert_eq!(analyze(false).unwrap_err().kind(), ErrorKind::Internal);
    }
}
