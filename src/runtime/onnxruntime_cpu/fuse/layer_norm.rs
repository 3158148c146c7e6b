//! Level 2: a LayerNormalization of a sum is a SkipLayerNormalization.
//!
//! Both summands must be known to have the same dims, three of them, and nothing else may read the sum. A summand
//! that is itself a sum with a vector, read by nothing else, gives its vector as the bias.
//!
//! Source: onnxruntime/core/optimizer/skip_layer_norm_fusion.cc.

use super::super::kernel::Kernel;
use super::super::symbolic;
use super::super::work::Work;
use smallvec::smallvec;

/// Fuses every sum with the norm behind it.
pub(super) fn fuse_skip(work: &mut Work<'_>) {
    for norm in work.alive() {
        let fused = match work.nodes[norm].kind {
            Kernel::LayerNormalization if !work.nodes[norm].is_gone => Kernel::SkipLayerNormalization,
            Kernel::SimplifiedLayerNormalization if !work.nodes[norm].is_gone => {
                Kernel::SkipSimplifiedLayerNormalization
            }
            _ => continue,
        };
        let Some(add) = work.producer(norm, 0, Kernel::Add).filter(|&add| work.is_private(add)) else {
            continue;
        };
        let (Some(a), Some(b)) = (work.input(add, 0), work.input(add, 1)) else { continue };
        let (left, right) = (&work.values[a].shape, &work.values[b].shape);
        let is_3d = left.as_ref().is_some_and(|dims| dims.len() == 3);
        if !is_3d
            || !symbolic::are_same(left, right)
            || work.values[a].is_constant
            || work.values[b].is_constant
        {
            continue;
        }
        let (gamma, beta) = (work.input(norm, 1), work.input(norm, 2));
        let biased = [(a, b), (b, a)].into_iter().find_map(|(sum, skip)| {
            let first = work.values[sum]
                .writer
                .filter(|&node| work.is(node, Kernel::Add) && work.is_private(node))?;
            let (bias, x) = work.constant_and_other(first)?;
            let is_vector = work.values[bias].dims.as_ref().is_some_and(|dims| dims.len() == 1);
            is_vector.then_some((first, x, skip, bias))
        });
        match biased {
            Some((first, x, skip, bias)) if fused == Kernel::SkipLayerNormalization => {
                work.fuse(
                    &[first, add, norm],
                    fused,
                    smallvec![Some(x), Some(skip), gamma, beta, Some(bias)],
                );
            }
            _ => {
                work.fuse(&[add, norm], fused, smallvec![Some(a), Some(b), gamma, beta]);
            }
        }
    }
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
            draft.kinds(fuse_skip)
        };
        assert_eq!(of(&[2, 3, 8]), [Kernel::SkipLayerNormalization]);
        assert_eq!(of(&[3, 8]), [Kernel::Add, Kernel::LayerNormalization]);
    }
}
