//! Concatenations of bytes.
//!
//! All inputs are dequantized from one type, with constants along the joined dim at most. One dequantization follows, with
//! one scale where all have the same, else with one along the joined dim. A joined dim that is free takes one scale only.
//!
//! Source: `ConcatTransformation`, OpenVINO 2026.4, src/common/low_precision_transformations/src/concat.cpp.

use super::super::work::{Build, Edge, Patch, Rule, Tensor, Work};
use super::dequantization::{Dequantization, add, constant, number};
use crate::DType;
use crate::graph::{Op, Value};

/// Joins bytes.
pub(super) const RULE: Rule = Rule {
    name: "quantized-concat",
    source: "ConcatTransformation, src/common/low_precision_transformations/src/concat.cpp",
    on: |node| matches!(node.op, Op::Concat { .. }),
    apply,
    repeats: false,
};

fn apply(work: &Work<'_>, node: usize) -> Option<Patch> {
    let of = &work.nodes[node];
    let Op::Concat { axis } = of.op else { return None };
    let output = of.outputs.first()?;
    let axis = if axis < 0 { axis + output.dims.len() as i64 } else { axis };
    let axis = usize::try_from(axis).ok()?;
    let joined = *output.dims.get(axis)?;
    let found = of.inputs().iter().map(|edge| Dequantization::above(work, (*edge)?));
    let found: Vec<Dequantization> = found.collect::<Option<_>>()?;
    let dtype = work.tensor(found.first()?.data).dtype;
    let is_along = |edge: Edge| {
        let dims = &work.tensor(edge).dims;
        let missing = output.dims.len().saturating_sub(dims.len());
        dims.iter().enumerate().all(|(at, dim)| dim.is(1) || at + missing == axis)
    };
    let fits = |data: &Dequantization| {
        data.is_low(work) && work.tensor(data.data).dtype == dtype && data.constants().all(is_along)
    };
    if !found.iter().all(fits) {
        return None;
    }
    let uniform = uniform(work, &found);
    if joined.is_free() && uniform.is_none() {
        return None;
    }
    let mut dims = vec![1; output.dims.len()];
    dims[axis] = joined.size();
    let mut patch = Patch::new(work);
    let mut own = |of_all: Option<f64>| match of_all {
        Some(one) => {
            let tensor = Tensor::fixed(DType::F32, &[]);
            patch.add_constant(tensor, Some(Value::floats([one])), of.source)
        }
        None => constant(&mut patch, &dims, of.source),
    };
    let has_zero_point = found.iter().any(|data| data.subtract.is_some());
    let name = |word: &str| format!("{}/{word}", of.name).into();
    let zero_point = uniform.map(|(zero_point, _)| zero_point);
    let subtract = has_zero_point.then(|| (name("DequantizationSubtract"), own(zero_point)));
    // The runtime spells it so.
    let multiply = (name("DequantizationMultyply"), own(uniform.map(|(_, scale)| scale)));
    patch.set_inputs(node, found.iter().map(|data| data.data));
    let below = add(&mut patch, work, Edge::of(node), output, subtract, multiply);
    patch.change(node, move |node| node.outputs[0].dtype = dtype);
    below.replace(work, &mut patch, Edge::of(node));
    Some(patch)
}

/// The zero point and the scale that all have.
fn uniform(work: &Work<'_>, found: &[Dequantization]) -> Option<(f64, f64)> {
    let of = |data: &Dequantization| {
        let zero_point = match data.subtract {
            Some(step) => number(work, step.constant)?,
            None => 0.0,
        };
        Some((zero_point, number(work, data.multiply.constant)?))
    };
    let first = of(found.first()?)?;
    found.iter().all(|data| of(data) == Some(first)).then_some(first)
}
