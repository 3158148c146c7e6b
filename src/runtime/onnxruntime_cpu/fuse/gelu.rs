//! Level 2: a GELU that was written out, and a bias before it.
//!
//! `x * 0.5 * (1 + erf(x / sqrt(2)))`, x in one of the last two products and the half in the other or before, is one Gelu;
//! `x * (0.5 * (1 + ...))` stays, and so does a product with the root's inverse. A sum with a vector before it, which nothing
//! else reads, makes it a BiasGelu. The form with a tanh is a FastGelu.
//!
//! Source: onnxruntime/core/optimizer/gelu_fusion.cc, bias_gelu_fusion.cc, fast_gelu_fusion.cc; which forms are fused is seen in
//! the models that 1.31.1 saves.

use super::super::kernel::Kernel;
use super::super::work::{Patch, Rule, Work, fused};
use crate::rewrite::{is_near, over_root_of_two};
use smallvec::smallvec;

/// Fuses every GELU.
pub(super) const RULE: Rule = Rule {
    name: "gelu",
    source: "onnxruntime/core/optimizer/gelu_fusion.cc",
    on: |node| node.kind == Kernel::Erf,
    apply: |work, erf| {
        let (x, gone) = matched(work, erf)?;
        Some(fused(work, &gone, Kernel::Gelu, smallvec![Some(x)]))
    },
    repeats: false,
};

/// Fuses every GELU at level 1 already, where ONNX has an operator for it: from opset 20 on.
///
/// Source: `GeluFusion` of level 1, onnxruntime/core/optimizer/gelu_fusion.cc; checked against graphs of opsets 17 and 20.
pub(super) const OF_THE_STANDARD: Rule = Rule {
    name: "gelu-of-the-standard",
    apply: |work, erf| {
        let (x, gone) = matched(work, erf)?;
        (work.opset(erf)? >= 20).then(|| fused(work, &gone, Kernel::Gelu, smallvec![Some(x)]))
    },
    ..RULE
};

/// Fuses every `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
pub(super) const TANH: Rule = Rule {
    name: "gelu-tanh",
    source: "onnxruntime/core/optimizer/fast_gelu_fusion.cc",
    on: |node| node.kind == Kernel::Tanh,
    apply: |work, tanh| {
        let (x, gone) = matched_tanh(work, tanh)?;
        Some(fused(work, &gone, Kernel::FastGelu, smallvec![Some(x)]))
    },
    repeats: false,
};

/// Joins a sum with a vector to the Gelu that alone reads it.
pub(super) const BIAS: Rule = Rule {
    name: "gelu-bias",
    source: "onnxruntime/core/optimizer/bias_gelu_fusion.cc",
    on: |node| matches!(node.kind, Kernel::Gelu | Kernel::FastGelu),
    apply: with_bias,
    repeats: false,
};

/// Whether a value is a constant of about this number.
fn is_number(work: &Work<'_>, value: usize, number: f64, tolerance: f64) -> bool {
    work.number(value).is_some_and(|found| is_near(found, number, tolerance))
}

/// The other factor of a product.
fn other_factor(work: &Work<'_>, product: usize, factor: usize) -> Option<usize> {
    work.nodes[product].inputs().iter().flatten().copied().find(|&value| value != factor)
}

/// The input of a GELU around an Erf, and its nodes.
fn matched(work: &Work<'_>, erf: usize) -> Option<(usize, [usize; 5])> {
    let scaled = work.writer(work.input(erf, 0)?).filter(|&node| work.is_private(node))?;
    let x = over_root_of_two(work, scaled, 1e-2).filter(|_| work.is(scaled, Kernel::Div))?;
    let (_, [sum, first, last]) = halved(work, erf, x, 1e-2)?;
    Some((x, [scaled, erf, sum, first, last]))
}

/// The input of a GELU around a Tanh, and its nodes: x is halved before the product.
fn matched_tanh(work: &Work<'_>, tanh: usize) -> Option<(usize, [usize; 8])> {
    let is_near = |value: usize, number: f64| is_number(work, value, number, 1e-3);
    let scaled = writer(work, work.input(tanh, 0)?, Kernel::Mul)?;
    let (factor, inner) = work.constant_and_other(scaled)?;
    let inner = writer(work, inner, Kernel::Add).filter(|_| is_near(factor, 0.797_884_6))?;
    let (a, b) = (work.input(inner, 0)?, work.input(inner, 1)?);
    let summands = [(a, b), (b, a)];
    let (x, cubed) =
        summands.into_iter().find_map(|(x, other)| Some((x, writer(work, other, Kernel::Mul)?)))?;
    let (small, power) = work.constant_and_other(cubed)?;
    let power = writer(work, power, Kernel::Pow).filter(|_| is_near(small, 0.044_715))?;
    let is_cube = work.input(power, 0) == Some(x) && is_near(work.input(power, 1)?, 3.0);
    let (is_before, [sum, half, last]) = halved(work, tanh, x, 1e-3).filter(|_| is_cube)?;
    is_before.then_some((x, [power, cubed, inner, scaled, tanh, sum, half, last]))
}

/// The node of this kernel that writes a value for one reader.
fn writer(work: &Work<'_>, value: usize, kind: Kernel) -> Option<usize> {
    work.writer(value).filter(|&node| work.is(node, kind) && work.is_private(node))
}

/// Of `x (1 + f) 0.5` or `(0.5 x) (1 + f)`: the sum and both products, and whether x is halved first.
fn halved(work: &Work<'_>, f: usize, x: usize, tolerance: f64) -> Option<(bool, [usize; 3])> {
    let is_near = |value: usize, number: f64| is_number(work, value, number, tolerance);
    let sum = work.only_reader(f, Kernel::Add)?;
    is_near(work.constant_and_other(sum)?.0, 1.0).then_some(())?;
    let first = work.only_reader(sum, Kernel::Mul)?;
    let other = other_factor(work, first, work.output(sum)?)?;
    if other == x {
        let last = work.only_reader(first, Kernel::Mul)?;
        return is_near(work.constant_and_other(last)?.0, 0.5).then_some((false, [sum, first, last]));
    }
    let before = writer(work, other, Kernel::Mul)?;
    let (half, found) = work.constant_and_other(before)?;
    (found == x && is_near(half, 0.5)).then_some((true, [sum, before, first]))
}

fn with_bias(work: &Work<'_>, gelu: usize) -> Option<Patch> {
    let add = work.producer(gelu, 0, Kernel::Add).filter(|&add| work.is_private(add))?;
    let (bias, x) = work.constant_and_other(add)?;
    let is_vector = work.values[bias].dims.as_ref().is_some_and(|dims| dims.len() == 1);
    if !is_vector || work.nodes[gelu].inputs().len() > 1 {
        return None;
    }
    let kind = if work.is(gelu, Kernel::Gelu) { Kernel::BiasGelu } else { Kernel::FastGelu };
    Some(fused(work, &[add, gelu], kind, smallvec![Some(x), Some(bias)]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Draft, apply};
    use super::*;

    /// `x · (1 + erf(x / √2)) · ½` of `x`, with another number than 1 where one is given.
    fn erf(draft: &mut Draft, x: crate::ids::TensorId, one: f64) {
        let (root, one, half) =
            (draft.number(std::f64::consts::SQRT_2), draft.number(one), draft.number(0.5));
        let scaled = draft.node(Kernel::Div, &[x, root]);
        let erf = draft.node(Kernel::Erf, &[scaled]);
        let sum = draft.node(Kernel::Add, &[erf, one]);
        let product = draft.node(Kernel::Mul, &[x, sum]);
        let output = draft.node(Kernel::Mul, &[product, half]);
        draft.returns(output);
    }

    #[test]
    fn erf_written_out_is_a_gelu() {
        let of = |one| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 3, 8]);
            erf(&mut draft, x, one);
            draft.after(&RULE)
        };
        assert_eq!(of(1.0), [Kernel::Gelu]);
        assert_eq!(of(2.0), [Kernel::Div, Kernel::Erf, Kernel::Add, Kernel::Mul, Kernel::Mul]);
    }

    #[test]
    fn a_half_between_the_sum_and_x_stays() {
        let mut draft = Draft::default();
        let x = draft.input(&[2, 3, 8]);
        let [root, one, half] = [std::f64::consts::SQRT_2, 1.0, 0.5].map(|number| draft.number(number));
        let scaled = draft.node(Kernel::Div, &[x, root]);
        let erf = draft.node(Kernel::Erf, &[scaled]);
        let sum = draft.node(Kernel::Add, &[erf, one]);
        let halved = draft.node(Kernel::Mul, &[half, sum]);
        let output = draft.node(Kernel::Mul, &[x, halved]);
        draft.returns(output);
        assert!(!draft.after(&RULE).contains(&Kernel::Gelu));
    }

    #[test]
    fn a_vector_before_it_makes_a_bias() {
        let of = |bias: &[u64]| {
            let mut draft = Draft::default();
            let (x, bias) = (draft.input(&[2, 3, 8]), draft.weight(bias));
            let sum = draft.node(Kernel::Add, &[x, bias]);
            erf(&mut draft, sum, 1.0);
            draft.kinds(|work| {
                apply(work, &RULE);
                apply(work, &BIAS);
            })
        };
        assert_eq!(of(&[8]), [Kernel::BiasGelu]);
        assert_eq!(of(&[1, 8]), [Kernel::Add, Kernel::Gelu]);
    }

    #[test]
    fn tanh_written_out_is_a_fast_gelu() {
        let of = |power: f64| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 3, 8]);
            let [power, small, scale, one, half] =
                [power, 0.044_715, 0.797_884_6, 1.0, 0.5].map(|number| draft.number(number));
            let cube = draft.node(Kernel::Pow, &[x, power]);
            let cubed = draft.node(Kernel::Mul, &[cube, small]);
            let inner = draft.node(Kernel::Add, &[x, cubed]);
            let scaled = draft.node(Kernel::Mul, &[inner, scale]);
            let tanh = draft.node(Kernel::Tanh, &[scaled]);
            let sum = draft.node(Kernel::Add, &[tanh, one]);
            let halved = draft.node(Kernel::Mul, &[x, half]);
            let output = draft.node(Kernel::Mul, &[halved, sum]);
            draft.returns(output);
            draft.after(&TANH)
        };
        assert_eq!(of(3.0), [Kernel::FastGelu]);
        assert_eq!(of(2.0).len(), 8);
    }
}
