//! `If`: one of two bodies, or the larger of both.

use super::body::{declared_parameters, either, exact_flag, malformed, outer, result_info, run, sized, slot};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::Graph;
use crate::graph::op::If;
use crate::shape::context::Context;
use crate::shape::shapes::{Options, Shapes};
use crate::shape::start::Start;
use rustc_hash::FxHashMap;

pub(super) fn infer(
    branches: &If,
    context: &mut Context<'_>,
    options: Options,
    start: &Start,
) -> Result<Vec<Shapes>> {
    let infer_branch = |body: &Graph, inputs: &[(u32, u32)]| {
        let mut parameters = declared_parameters(body);
        for &(input, parameter) in inputs {
            *slot(context, &mut parameters, parameter)? = outer(context, input)?.clone();
        }
        run(context, body, parameters, options, start)
    };
    let then_shapes = infer_branch(&branches.then_body, &branches.then_inputs);
    let else_shapes = infer_branch(&branches.else_body, &branches.else_inputs);
    let taken = outer(context, 0)?.value.as_ref().and_then(exact_flag);

    // A branch that contradicts these shapes cannot be the one that runs.
    let (then_shapes, else_shapes, taken) = match (then_shapes, else_shapes) {
        (Ok(then_shapes), Ok(else_shapes)) => (then_shapes, else_shapes, taken),
        (Ok(then_shapes), Err(error)) if can_be_skipped(&error, taken, true) => {
            (then_shapes, Shapes::refused(&branches.else_body, &error), Some(true))
        }
        (Err(error), Ok(else_shapes)) if can_be_skipped(&error, taken, false) => {
            (Shapes::refused(&branches.then_body, &error), else_shapes, Some(false))
        }
        (Err(error), _) | (_, Err(error)) => return Err(error),
    };

    let by_port = |outputs: &[(u32, u32)]| {
        let mut results: FxHashMap<u32, u32> = FxHashMap::default();
        for &(result, output) in outputs {
            results.entry(output).or_insert(result);
        }
        results
    };
    let (then_outputs, else_outputs) = (by_port(&branches.then_outputs), by_port(&branches.else_outputs));
    for port in 0..context.n_outputs() as u32 {
        let side = |body, shapes, outputs: &FxHashMap<u32, u32>| match outputs.get(&port) {
            Some(&result) => result_info(context, body, shapes, result).cloned(),
            None => Err(malformed(context, format!("a branch gives nothing to output {port}"))),
        };
        let chosen = match taken {
            Some(true) => side(&branches.then_body, &then_shapes, &then_outputs)?,
            Some(false) => side(&branches.else_body, &else_shapes, &else_outputs)?,
            None => {
                let then_info = side(&branches.then_body, &then_shapes, &then_outputs)?;
                let else_info = side(&branches.else_body, &else_shapes, &else_outputs)?;
                either(&then_info, &else_info)
            }
        };
        let chosen = sized(context, chosen, port, options, || "the branches give it different ranks".into())?;
        context.emit_info(chosen);
    }
    Ok(vec![then_shapes, else_shapes])
}

/// Whether the failed branch does not matter, since the other one, of condition `other`, runs.
fn can_be_skipped(error: &Error, taken: Option<bool>, other: bool) -> bool {
    taken.map_or(error.kind() == ErrorKind::Shape, |taken| taken == other)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, body, constant, flag};
    use super::*;
    use crate::DType;
    use crate::graph::op::TileInputs;
    use crate::graph::{Builder, Format, NodeSpec, Op, PartialShape, TensorSpec};
    use crate::shape::Bound;
    use crate::shape::engine::infer_graph;
    use crate::shape::testing::{self, f32, output, tensor};

    /// `If(condition, data)`: squeezes axis 0 if true, hands data through if false.
    fn squeeze_or_keep() -> Op {
        let squeeze = body(1, |builder, inputs| {
            let axis = constant(builder, DType::I64, &[0]);
            vec![apply(builder, Op::Squeeze { allow_axis_skip: false }, &[inputs[0], axis])]
        });
        let keep = body(1, |_, inputs| inputs.to_vec());
        Op::If(Box::new(If {
            then_body: squeeze,
            else_body: keep,
            then_inputs: vec![(1, 0)],
            else_inputs: vec![(1, 0)],
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        }))
    }

    #[test]
    fn a_known_condition_takes_its_branch() {
        assert_eq!(testing::dims(squeeze_or_keep(), &[flag(true), f32(&[1, 5])]), [5]);
        assert_eq!(testing::dims(squeeze_or_keep(), &[flag(false), f32(&[1, 5])]), [1, 5]);
    }

    #[test]
    fn a_branch_that_contradicts_the_shapes_cannot_run() {
        let out = output(squeeze_or_keep(), &[tensor(DType::Boolean, &[]), f32(&[3, 5])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[3, 5][..], Bound::Exact));
        assert!(testing::infer(squeeze_or_keep(), &[flag(true), f32(&[3, 5])], 1).is_err());
    }

    #[test]
    fn branches_of_different_ranks_have_no_size() {
        let inputs = [tensor(DType::Boolean, &[]), f32(&[1, 5])];
        assert!(testing::infer(squeeze_or_keep(), &inputs, 1).unwrap_err().is_unbound_dim());
    }

    #[test]
    fn an_unknown_condition_bounds_by_the_larger_branch() {
        let tile = |count| {
            body(1, move |builder, inputs| {
                let repeats = constant(builder, DType::I64, &[count]);
                vec![apply(builder, Op::Tile(TileInputs::Repeats), &[inputs[0], repeats])]
            })
        };
        let op = Op::If(Box::new(If {
            then_body: tile(2),
            else_body: tile(3),
            then_inputs: vec![(1, 0)],
            else_inputs: vec![(1, 0)],
            then_outputs: vec![(0, 0)],
            else_outputs: vec![(0, 0)],
        }));
        let out = output(op, &[tensor(DType::Boolean, &[]), f32(&[5])]);
        assert_eq!((out.dims.unwrap().as_slice(), out.bound), (&[15][..], Bound::UpperBound));
    }

    #[test]
    fn a_port_map_beyond_the_body_is_malformed() {
        let Op::If(mut branches) = squeeze_or_keep() else { unreachable!() };
        branches.then_inputs = vec![(1, 7)];
        let error = testing::infer(Op::If(branches.clone()), &[flag(true), f32(&[1, 5])], 1).unwrap_err();
        assert!(error.message().contains("parameter 7"), "{error}");
        branches.then_inputs = vec![(9, 0)];
        assert!(testing::infer(Op::If(branches.clone()), &[flag(true), f32(&[1, 5])], 1).is_err());
        branches.then_inputs = vec![(1, 0)];
        branches.then_outputs = vec![(3, 0)];
        assert!(testing::infer(Op::If(branches), &[flag(true), f32(&[1, 5])], 1).is_err());
    }

    #[test]
    fn a_declared_shape_stands_in_for_an_unknown_one() {
        let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
        let mut slots = Vec::new();
        for _ in 0..2 {
            let node = builder.node(NodeSpec { op: Op::Parameter, name: "p", ..NodeSpec::default() });
            slots.push(Some(builder.output(node, TensorSpec::default())));
        }
        let node = builder.node(NodeSpec { op: squeeze_or_keep(), name: "if", ..NodeSpec::default() });
        let shape = PartialShape::known(&[5]);
        let out = builder.output(node, TensorSpec { shape, ..TensorSpec::default() });
        builder.connect(node, &slots);
        let graph = builder.finish().unwrap();
        let parameters = vec![tensor(DType::Boolean, &[]).unwrap(), f32(&[1, 5]).unwrap()];
        let start = Start { parameters, ..Start::default() };
        let shapes = infer_graph(&graph, &start, Options::default()).unwrap();
        assert_eq!(shapes.tensor(out).dims.as_deref(), Some(&[5][..]));
    }
}
