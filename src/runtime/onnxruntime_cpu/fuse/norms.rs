//! Level 2: norms and gates that were written out; at level 1 already, those that the model's own operators can express.
//!
//! * `x / sqrt(mean(x²) + e) · gamma` is a SimplifiedLayerNormalization (RMS norm);
//! * with `x - mean(x)` for x, and `+ beta` behind it, a LayerNormalization;
//! * `x · sigmoid(x)`, or of a multiple of x, is a QuickGelu.
//!
//! Source: onnxruntime/core/optimizer/layer_norm_fusion.cc, quick_gelu_fusion.cc.

use super::super::kernel::Kernel;
use super::super::work::{Rule, Work, fused};
use crate::rewrite::squared;
use smallvec::smallvec;

/// Fuses every norm.
pub(super) const RULE: Rule = Rule {
    name: "norms",
    source: "onnxruntime/core/optimizer/layer_norm_fusion.cc",
    on: |node| node.kind == Kernel::ReduceMean,
    apply: |work, mean| {
        let found = matched(work, mean)?;
        Some(fused(work, &found.gone, found.kind, found.inputs))
    },
    repeats: false,
};

/// Fuses the norms that ONNX has an operator for, from opset 17 on.
///
/// Transpositions are moved only after, and not through them.
///
/// Source: `LayerNormFusion` of level 1, onnxruntime/core/optimizer/layer_norm_fusion.cc; checked against graphs of opsets 16
/// and 17.
pub(super) const OF_THE_STANDARD: Rule = Rule {
    name: "norms-of-the-standard",
    apply: |work, mean| {
        let found = matched(work, mean)?;
        let is_standard = found.kind == Kernel::LayerNormalization && work.opset(mean)? >= 17;
        is_standard.then(|| fused(work, &found.gone, found.kind, found.inputs))
    },
    ..RULE
};

/// Fuses every product of a value and its sigmoid.
pub(super) const GATES: Rule = Rule {
    name: "gates",
    source: "onnxruntime/core/optimizer/quick_gelu_fusion.cc",
    on: |node| node.kind == Kernel::Sigmoid,
    apply: |work, sigmoid| {
        let (x, gone) = gate(work, sigmoid)?;
        Some(fused(work, &gone, Kernel::QuickGelu, smallvec![Some(x)]))
    },
    repeats: false,
};

struct Norm {
    kind: Kernel,
    gone: Vec<usize>,
    inputs: smallvec::SmallVec<[Option<usize>; 4]>,
}

/// The norm around the mean of squares.
fn matched(work: &Work<'_>, mean: usize) -> Option<Norm> {
    let square = work.writer(work.input(mean, 0)?).filter(|&node| work.is_private(node))?;
    is_over_last(work, mean).then_some(())?;
    let x = squared(work, square, || known(work, square, 1))?;
    let sum = work.only_reader(mean, Kernel::Add)?;
    known(work, sum, 0).or_else(|| known(work, sum, 1))?;
    let root = work.only_reader(sum, Kernel::Sqrt)?;
    let mut gone = vec![square, mean, sum, root];
    let divided = work.output(root)?;
    let quotient =
        work.only_reader(root, Kernel::Div).or_else(|| work.only_reader(root, Kernel::Reciprocal))?;
    gone.push(quotient);
    let mut last = quotient;
    let is_direct = work.input(quotient, 0) == Some(x) && work.input(quotient, 1) == Some(divided);
    if !is_direct {
        let is_inverse = work.is(quotient, Kernel::Reciprocal) || known(work, quotient, 0) == Some(1.0);
        let product = work.only_reader(quotient, Kernel::Mul).filter(|_| is_inverse)?;
        work.nodes[product].inputs().contains(&Some(x)).then_some(())?;
        gone.push(product);
        last = product;
    }
    let scaled = work.only_reader(last, Kernel::Mul)?;
    let gamma = [0, 1].into_iter().find(|&index| is_fixed(work, scaled, index))?;
    let gamma = work.input(scaled, gamma)?;
    gone.push(scaled);
    let centred = work.writer(x).and_then(|sub| {
        let mean = work.producer(sub, 1, Kernel::ReduceMean).filter(|_| work.is(sub, Kernel::Sub))?;
        let shift = work.only_reader(scaled, Kernel::Add)?;
        let inner = [square, last];
        let is_inner = work.readers(x).all(|reader| inner.contains(&reader));
        let is_mean = work.is_private(mean) && work.input(mean, 0) == work.input(sub, 0) && is_inner;
        is_mean.then_some((mean, sub, shift))
    });
    if let Some((mean, sub, shift)) = centred {
        let beta = work.constant_and_other(shift)?.0;
        let inputs = smallvec![work.input(sub, 0), Some(gamma), Some(beta)];
        gone.splice(0..0, [mean, sub]);
        gone.push(shift);
        return Some(Norm { kind: Kernel::LayerNormalization, gone, inputs });
    }
    Some(Norm { kind: Kernel::SimplifiedLayerNormalization, gone, inputs: smallvec![Some(x), Some(gamma)] })
}

/// Whether a mean is not known to leave the last dim out.
fn is_over_last(work: &Work<'_>, mean: usize) -> bool {
    let axes = work.input(mean, 1).and_then(|axes| work.ints(axes)).unwrap_or_default();
    let rank = work.input(mean, 0).and_then(|data| Some(work.values[data].shape.as_ref()?.len() as i64));
    let is_last = |axis: &i64| *axis == -1 || *axis >= 0 && rank.is_none_or(|rank| axis + 1 == rank);
    axes.is_empty() || axes.iter().any(is_last)
}

/// Whether a node reads a constant, or one in half precision whose Cast several nodes share.
fn is_fixed(work: &Work<'_>, node: usize, index: usize) -> bool {
    let is_constant =
        |node, index| work.input(node, index).is_some_and(|value| work.values[value].is_constant);
    let cast = work.producer(node, index, Kernel::Cast);
    is_constant(node, index) || cast.is_some_and(|cast| is_constant(cast, 0))
}

/// The number that a node reads, also where it is in half precision and several nodes share its Cast.
fn known(work: &Work<'_>, node: usize, index: usize) -> Option<f64> {
    let value = work.input(node, index)?;
    let cast = work.producer(node, index, Kernel::Cast);
    work.number(value).or_else(|| work.number(work.input(cast?, 0)?))
}

fn gate(work: &Work<'_>, sigmoid: usize) -> Option<(usize, Vec<usize>)> {
    let product = work.only_reader(sigmoid, Kernel::Mul)?;
    let (input, output) = (work.input(sigmoid, 0)?, work.output(sigmoid)?);
    let x = work.nodes[product].inputs().iter().flatten().copied().find(|&value| value != output)?;
    if x == input {
        return Some((x, vec![sigmoid, product]));
    }
    let scale = work.producer(sigmoid, 0, Kernel::Mul).filter(|&scale| work.is_private(scale))?;
    let (factor, scaled) = work.constant_and_other(scale)?;
    (scaled == x && work.number(factor).is_some()).then_some((x, vec![scale, sigmoid, product]))
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    fn of_squares(draft: &mut Draft, x: crate::ids::TensorId, power: f64) -> crate::ids::TensorId {
        let (power, small, axes) = (draft.number(power), draft.number(1e-5), draft.ints(&[1], &[-1]));
        let gamma = draft.weight(&[8]);
        let square = draft.node(Kernel::Pow, &[x, power]);
        let mean = draft.node(Kernel::ReduceMean, &[square, axes]);
        let sum = draft.node(Kernel::Add, &[mean, small]);
        let root = draft.node(Kernel::Sqrt, &[sum]);
        let quotient = draft.node(Kernel::Div, &[x, root]);
        draft.node(Kernel::Mul, &[quotient, gamma])
    }

    #[test]
    fn a_mean_of_squares_is_an_rms_norm() {
        let of = |power| {
            let mut draft = Draft::default();
            let x = draft.input(&[2, 3, 8]);
            let output = of_squares(&mut draft, x, power);
            draft.returns(output);
            draft.after(&RULE)
        };
        assert_eq!(of(2.0), [Kernel::SimplifiedLayerNormalization]);
        assert_eq!(
            of(3.0),
            [Kernel::Pow, Kernel::ReduceMean, Kernel::Add, Kernel::Sqrt, Kernel::Div, Kernel::Mul]
        );
    }

    #[test]
    fn with_its_mean_taken_off_it_is_a_layer_norm() {
        let mut draft = Draft::default();
        let (x, axes, beta) = (draft.input(&[2, 3, 8]), draft.ints(&[1], &[-1]), draft.weight(&[8]));
        let mean = draft.node(Kernel::ReduceMean, &[x, axes]);
        let centred = draft.node(Kernel::Sub, &[x, mean]);
        let scaled = of_squares(&mut draft, centred, 2.0);
        let output = draft.node(Kernel::Add, &[scaled, beta]);
        draft.returns(output);
        assert_eq!(draft.after(&RULE), [Kernel::LayerNormalization]);
    }

    #[test]
    fn a_value_by_its_own_sigmoid_is_a_gate() {
        let of = |is_own: bool| {
            let mut draft = Draft::default();
            let (x, other) = (draft.input(&[2, 8]), draft.input(&[2, 8]));
            let sigmoid = draft.node(Kernel::Sigmoid, &[x]);
            let output = draft.node(Kernel::Mul, &[if is_own { x } else { other }, sigmoid]);
            draft.returns(output);
            draft.after(&GATES)
        };
        assert_eq!(of(true), [Kernel::QuickGelu]);
        assert_eq!(of(false), [Kernel::Sigmoid, Kernel::Mul]);
    }
}
