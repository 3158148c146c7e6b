//! Matrix products: a bias makes a Gemm; a factor and a transpose of the last two dims go into a FusedMatMul.
//!
//! Source: onnxruntime/core/optimizer/matmul_add_fusion.cc (level 1), matmul_transpose_fusion.cc, matmul_scale_fusion.cc
//! (level 2). The runtime gives a product of rank 3 whose dims are all numbers a Reshape on either side, which moves no
//! bytes.

use super::super::kernel::Kernel;
use super::super::work::{Patch, Rule, Work, fused};
use crate::rewrite::{Inputs, swaps_last_two};
use crate::shape::Dim;
use smallvec::smallvec;

/// MatMul of two matrices, or of any rank where all dims are numbers, and the sum with a vector behind it.
pub(super) const ADDEND: Rule = Rule {
    name: "gemm",
    source: "onnxruntime/core/optimizer/matmul_add_fusion.cc",
    on: |node| node.kind == Kernel::MatMul,
    apply: with_addend,
    repeats: false,
};

/// Relu and its like behind a Gemm.
pub(super) const ACTIVATION: Rule = Rule {
    name: "gemm-activation",
    source: "onnxruntime/core/optimizer/gemm_activation_fusion.cc",
    on: |node| node.kind == Kernel::Gemm,
    apply: activated,
    repeats: false,
};

/// A constant factor on either input or behind a product goes into it.
pub(super) const SCALE: Rule = Rule {
    name: "scaled-products",
    source: "onnxruntime/core/optimizer/matmul_scale_fusion.cc",
    on: |node| matches!(node.kind, Kernel::MatMul | Kernel::FusedMatMul),
    apply: scaled,
    repeats: false,
};

fn with_addend(work: &Work<'_>, product: usize) -> Option<Patch> {
    let add = work.only_reader(product, Kernel::Add)?;
    let (a, b) = (work.input(product, 0)?, work.input(product, 1)?);
    let rank = |value: usize| work.values[value].shape.as_ref().map(|dims| dims.len());
    let known = work.values[a].shape.as_ref();
    let is_fixed = known.is_some_and(|dims| dims.iter().all(|dim| matches!(dim, Dim::Known(_))));
    let (bias, _) = work.constant_and_other(add)?;
    let is_vector = work.values[bias].dims.as_ref().is_some_and(|dims| dims.len() == 1);
    let multiplies_matrix =
        rank(b) == Some(2) && (rank(a) == Some(2) || is_fixed && work.values[b].is_constant);
    (multiplies_matrix && is_vector && !work.values[a].is_constant)
        .then(|| fused(work, &[product, add], Kernel::Gemm, smallvec![Some(a), Some(b), Some(bias)]))
}

fn activated(work: &Work<'_>, gemm: usize) -> Option<Patch> {
    use Kernel::{Elu, LeakyRelu, Relu, Sigmoid, Softplus, Tanh};
    let kinds = [Relu, Sigmoid, Tanh, LeakyRelu, Elu, Softplus];
    let next = kinds.into_iter().find_map(|kind| work.only_reader(gemm, kind))?;
    Some(fused(work, &[gemm, next], Kernel::FusedGemm, work.nodes[gemm].inputs().into()))
}

/// A Transpose that swaps the last two dims before a product, or before a Cast before it, goes into the product.
pub(super) fn transposed(work: &mut Work<'_>) {
    for product in work.alive() {
        if !work.is(product, Kernel::MatMul) && !work.is(product, Kernel::FusedMatMul) {
            continue;
        }
        let mut inputs: Inputs<usize> = work.nodes[product].inputs().into();
        let mut transposes = Vec::new();
        for index in 0..2 {
            if let Some(transpose) = work.producer(product, index, Kernel::Transpose)
                && swaps_last(work, transpose)
                && let Some(slot) = inputs.get_mut(index)
            {
                *slot = work.input(transpose, 0);
                transposes.push(transpose);
            } else if let Some(cast) = work.producer(product, index, Kernel::Cast)
                && let Some(transpose) = work.producer(cast, 0, Kernel::Transpose)
                && swaps_last(work, transpose)
                && let Some(slot) = inputs.get_mut(index)
            {
                *slot = cast_before(work, cast, transpose);
                transposes.extend([cast, transpose]);
            }
        }
        if !transposes.is_empty() {
            work.fuse(&[product], Kernel::FusedMatMul, inputs);
            transposes.into_iter().rev().for_each(|node| work.sweep(node));
        }
    }
}

/// What a Cast gives of a Transpose's input, where it came after it.
fn cast_before(work: &mut Work<'_>, cast: usize, transpose: usize) -> Option<usize> {
    let (input, output) = (work.input(transpose, 0)?, work.output(cast)?);
    let new = work.like(input);
    work.values[new].dtype = work.values[output].dtype;
    work.add(Kernel::Cast, work.nodes[cast].source, smallvec![Some(input)], new);
    Some(new)
}

fn swaps_last(work: &Work<'_>, transpose: usize) -> bool {
    work.input(transpose, 1).and_then(|value| work.ints(value)).is_some_and(swaps_last_two)
}

fn scaled(work: &Work<'_>, product: usize) -> Option<Patch> {
    let mut inputs: Inputs<usize> = work.nodes[product].inputs().into();
    let mut gone = Vec::new();
    for index in 0..2 {
        let Some(scale) = work.input(product, index).and_then(|value| work.writer(value)) else { continue };
        if let Some(x) = scaled_input(work, scale).filter(|_| work.is_private(scale))
            && let Some(slot) = inputs.get_mut(index)
        {
            *slot = Some(x);
            gone.push(scale);
        }
    }
    gone.push(product);
    let behind = [Kernel::Mul, Kernel::Div].into_iter().find_map(|kind| work.only_reader(product, kind));
    gone.extend(behind.filter(|&scale| scaled_input(work, scale) == work.output(product)));
    (gone.len() > 1).then(|| fused(work, &gone, Kernel::FusedMatMul, inputs))
}

/// What a product with, or a quotient by, a constant number scales.
fn scaled_input(work: &Work<'_>, scale: usize) -> Option<usize> {
    match work.nodes[scale].kind {
        Kernel::Mul => {
            let (factor, x) = work.constant_and_other(scale)?;
            work.number(factor).map(|_| x)
        }
        Kernel::Div => work.number(work.input(scale, 1)?).and(work.input(scale, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    #[test]
    fn a_vector_behind_a_product_makes_a_gemm() {
        let of = |bias: &[u64]| {
            let mut draft = Draft::default();
            let (x, weight, bias) = (draft.input(&[3, 8]), draft.weight(&[8, 4]), draft.weight(bias));
            let product = draft.node(Kernel::MatMul, &[x, weight]);
            let output = draft.node(Kernel::Add, &[product, bias]);
            draft.returns(output);
            draft.after(&ADDEND)
        };
        assert_eq!(of(&[4]), [Kernel::Gemm]);
        assert_eq!(of(&[1, 4]), [Kernel::MatMul, Kernel::Add]);
    }

    #[test]
    fn an_activation_goes_into_a_gemm() {
        let of = |kind: Kernel| {
            let mut draft = Draft::default();
            let (x, weight) = (draft.input(&[3, 8]), draft.weight(&[8, 4]));
            let product = draft.node(Kernel::Gemm, &[x, weight]);
            let output = draft.node(kind, &[product]);
            draft.returns(output);
            draft.after(&ACTIVATION)
        };
        assert_eq!(of(Kernel::Relu), [Kernel::FusedGemm]);
        assert_eq!(of(Kernel::Sqrt), [Kernel::Gemm, Kernel::Sqrt]);
    }

    #[test]
    fn a_swap_of_the_last_dims_goes_into_a_product() {
        let of = |dims: &[u64], order: &[i64]| {
            let mut draft = Draft::default();
            let (a, b, order) = (draft.input(&[2, 3, 4]), draft.input(dims), draft.ints(&[3], order));
            let swapped = draft.node(Kernel::Transpose, &[b, order]);
            let output = draft.node(Kernel::MatMul, &[a, swapped]);
            draft.returns(output);
            draft.kinds(transposed)
        };
        assert_eq!(of(&[2, 5, 4], &[0, 2, 1]), [Kernel::FusedMatMul]);
        assert_eq!(of(&[4, 2, 5], &[1, 0, 2]), [Kernel::Transpose, Kernel::MatMul]);
    }

    #[test]
    fn a_known_factor_goes_into_a_product() {
        let of = |is_number: bool| {
            let mut draft = Draft::default();
            let (a, b) = (draft.input(&[2, 3, 4]), draft.input(&[2, 4, 5]));
            let factor = if is_number { draft.number(0.125) } else { draft.weight(&[5]) };
            let product = draft.node(Kernel::MatMul, &[a, b]);
            let output = draft.node(Kernel::Mul, &[product, factor]);
            draft.returns(output);
            draft.after(&SCALE)
        };
        assert_eq!(of(true), [Kernel::FusedMatMul]);
        assert_eq!(of(false), [Kernel::MatMul, Kernel::Mul]);
    }
}
