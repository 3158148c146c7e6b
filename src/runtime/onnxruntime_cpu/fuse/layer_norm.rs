//! Level 2: a LayerNormalization of a sum is a SkipLayerNormalization.
//!
//! Both summands must be known to have the same dims, three of them, and nothing else may read the sum. A summand
//! that is itself a sum with a vector, read by nothing else, gives its vector as the bias.
//!
//! Source: onnxruntime/core/optimizer/skip_layer_norm_fusion.cc.

use super::super::kernel::Kernel;
use super::super::known_dims;
use super::super::work::{Patch, Rule, Work, fused};
use smallvec::smallvec;

/// Fuses every sum with the norm behind it.
pub(super) const RULE: Rule = Rule {
    name: "skip-layer-norm",
    source: "onnxruntime/core/optimizer/skip_layer_norm_fusion.cc",
    on: |node| matches!(node.kind, Kernel::LayerNormalization | Kernel::SimplifiedLayerNormalization),
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, norm: usize) -> Option<Patch> {
    let add = work.producer(norm, 0, Kernel::Add).filter(|&add| work.is_private(add))?;
    let (a, b) = (work.input(add, 0)?, work.input(add, 1)?);
    let (left, right) = (&work.values[a].shape, &work.values[b].shape);
    let is_3d = left.as_ref().is_some_and(|dims| dims.len() == 3);
    if !is_3d
        || !known_dims::are_same(left, right)
        || work.values[a].is_constant
        || work.values[b].is_constant
    {
        return None;
    }
    let (gamma, beta) = (work.input(norm, 1), work.input(norm, 2));
    if work.is(norm, Kernel::SimplifiedLayerNormalization) {
        let kind = Kernel::SkipSimplifiedLayerNormalization;
        return Some(fused(work, &[add, norm], kind, smallvec![Some(a), Some(b), gamma, beta]));
    }
    let biased = [(a, b), (b, a)].into_iter().find_map(|(sum, skip)| {
        let is_sum = |&node: &usize| work.is(node, Kernel::Add) && work.is_private(node);
        let first = work.writer(sum).filter(is_sum)?;
        let (bias, x) = work.constant_and_other(first)?;
        let is_vector = work.values[bias].dims.as_ref().is_some_and(|dims| dims.len() == 1);
        is_vector.then_some((first, x, skip, bias))
    });
    let kind = Kernel::SkipLayerNormalization;
    Some(match biased {
        Some((first, x, skip, bias)) => {
            let inputs = smallvec![Some(x), Some(skip), gamma, beta, Some(bias)];
            fused(work, &[first, add, norm], kind, inputs)
        }
        None => fused(work, &[add, norm], kind, smallvec![Some(a), Some(b), gamma, beta]),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    #[test]
    fn a_sum_of_three_dims_is_skipped() {
        let of = |dims: &[u64]| {
            let mut draft = Draft::default();
            let (a, b, gamma) = (draft.input(dims), draft.input(dims), draft.weight(&[8]));
            let sum = draft.node(Kernel::Add, &[a, b]);
            let output = draft.node(Kernel::LayerNormalization, &[sum, gamma]);
            draft.returns(output);
            draft.after(&RULE)
        };
        assert_eq!(of(&[2, 3, 8]), [Kernel::SkipLayerNormalization]);
        assert_eq!(of(&[3, 8]), [Kernel::Add, Kernel::LayerNormalization]);
    }
}
