//! Level 2: products of dynamically quantized data that give floats.
//!
//! `MatMulInteger`, Cast and the product with both scales are one MatMulIntegerToFloat, a vector added behind it included;
//! where the DynamicQuantizeLinear before it serves nothing else and all else is constant, one DynamicQuantizeMatMul of
//! the plain data.
//!
//! Source: onnxruntime/core/optimizer/matmul_integer_to_float.cc, dynamic_quantize_matmul_fusion.cc.

use super::super::kernel::Kernel;
use super::super::work::{Patch, Rule, Work, fused};
use crate::DType;
use smallvec::smallvec;

/// A product of integers, as floats.
pub(super) const TO_FLOAT: Rule = Rule {
    name: "integer-products",
    source: "onnxruntime/core/optimizer/matmul_integer_to_float.cc",
    on: |node| node.kind == Kernel::MatMulInteger,
    apply: to_float,
    repeats: false,
};

/// The same of data that is quantized for it alone.
pub(super) const DYNAMIC: Rule = Rule {
    name: "dynamic-products",
    source: "onnxruntime/core/optimizer/dynamic_quantize_matmul_fusion.cc",
    on: |node| node.kind == Kernel::MatMulIntegerToFloat,
    apply: dynamic,
    repeats: false,
};

fn to_float(work: &Work<'_>, product: usize) -> Option<Patch> {
    let cast = work.only_reader(product, Kernel::Cast)?;
    let floats = work.output(cast).filter(|&value| work.values[value].dtype == DType::F32)?;
    let scaled = work.only_reader(cast, Kernel::Mul)?;
    let scale = work.nodes[scaled].inputs().iter().flatten().copied().find(|&value| value != floats)?;
    let scales = work.writer(scale).filter(|&node| work.is(node, Kernel::Mul) && work.is_private(node))?;
    let (a_scale, b_scale) = (work.input(scales, 0)?, work.input(scales, 1)?);
    let mut inputs = smallvec![work.input(product, 0), work.input(product, 1), Some(a_scale), Some(b_scale)];
    inputs.extend([work.input(product, 2), work.input(product, 3)]);
    let mut gone = vec![scales, product, cast, scaled];
    if let Some(add) = work.only_reader(scaled, Kernel::Add)
        && let Some((bias, _)) = work.constant_and_other(add)
        && work.values[bias].dims.as_ref().is_some_and(|dims| dims.len() == 1)
    {
        inputs.push(Some(bias));
        gone.push(add);
    }
    Some(fused(work, &gone, Kernel::MatMulIntegerToFloat, inputs))
}

fn dynamic(work: &Work<'_>, product: usize) -> Option<Patch> {
    let quantize = work.producer(product, 0, Kernel::DynamicQuantizeLinear)?;
    let outputs = &work.nodes[quantize].outputs;
    let is_own = [(0, 0), (1, 2), (2, 4)].into_iter().all(|(port, input)| {
        outputs.get(port).is_some_and(|&value| {
            let is_read = work.input(product, input) == Some(value) && work.is_only_reader(value, product);
            is_read && !work.is_output(value)
        })
    });
    let is_constant = |input: usize| work.input(product, input).map(|value| work.values[value].is_constant);
    let are_constant = [1, 3].into_iter().all(|input| is_constant(input) == Some(true))
        && [5, 6].into_iter().all(|input| is_constant(input) != Some(false));
    if !is_own || !are_constant {
        return None;
    }
    let data = work.input(quantize, 0);
    let inputs = smallvec![
        data,
        work.input(product, 1),
        work.input(product, 3),
        work.input(product, 5),
        work.input(product, 6)
    ];
    Some(fused(work, &[quantize, product], Kernel::DynamicQuantizeMatMul, inputs))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Draft, apply};
    use super::*;
    use crate::graph::Op;
    use crate::graph::op::{ElementType, Quantized, QuantizedForm};
    use crate::ids::TensorId;

    /// Dynamically quantized data times a matrix, as floats: each of the values that a rule asks for.
    struct Product {
        draft: Draft,
        scale: TensorId,
        integers: TensorId,
        scales: TensorId,
        scaled: TensorId,
    }

    /// `cast`: the type of the sums once they are floats; `is_data_first`: the order of the two scales.
    fn product(cast: DType, is_data_first: bool) -> Product {
        let mut draft = Draft::default();
        let weight = draft.stored(DType::U8, &[64, 32]);
        product_with(draft, weight, cast, is_data_first)
    }

    fn product_with(mut draft: Draft, weight: TensorId, cast: DType, is_data_first: bool) -> Product {
        let x = draft.input(&[1, 64]);
        let data = draft.outputs(Op::DynamicQuantizeLinear, &[DType::U8, DType::F32, DType::U8], &[x]);
        let weight_scale = draft.number(0.5);
        let order = if is_data_first { [data[1], weight_scale] } else { [weight_scale, data[1]] };
        let scales = draft.node(Kernel::Mul, &order);
        let op = Op::MatMul { transpose_a: false, transpose_b: false };
        let of = Quantized { form: QuantizedForm::Integer, op, to: ElementType::Is(DType::I32) };
        let integers = draft.op(Op::Quantized(Box::new(of)), &[data[0], weight, data[2]]);
        let floats = draft.op(Op::Convert { to: cast }, &[integers]);
        let scaled = draft.node(Kernel::Mul, &[floats, scales]);
        Product { draft, scale: data[1], integers, scales, scaled }
    }

    fn both(draft: Draft) -> Vec<Kernel> {
        draft.kinds(|work| {
            apply(work, &TO_FLOAT);
            apply(work, &DYNAMIC);
        })
    }

    #[test]
    fn a_product_of_integers_that_is_scaled_is_one_of_floats() {
        let Product { mut draft, scaled, .. } = product(DType::F32, true);
        draft.returns(scaled);
        assert_eq!(draft.after(&TO_FLOAT), [Kernel::DynamicQuantizeLinear, Kernel::MatMulIntegerToFloat]);
    }

    #[test]
    fn a_vector_that_is_added_goes_in_and_a_matrix_does_not() {
        let biased = |dims: &[u64]| {
            let Product { mut draft, scaled, .. } = product(DType::F32, true);
            let bias = draft.weight(dims);
            let sum = draft.node(Kernel::Add, &[scaled, bias]);
            draft.returns(sum);
            draft.after(&TO_FLOAT)
        };
        let one = [Kernel::DynamicQuantizeLinear, Kernel::MatMulIntegerToFloat];
        assert_eq!(biased(&[32]), one);
        assert_eq!(biased(&[1, 32]), [one[0], one[1], Kernel::Add]);
    }

    #[test]
    fn sums_that_others_see_stay_integers() {
        let is_left = |choose: fn(&Product) -> TensorId| {
            let mut product = product(DType::F32, true);
            let seen = choose(&product);
            product.draft.returns(product.scaled);
            product.draft.returns(seen);
            product.draft.after(&TO_FLOAT).contains(&Kernel::MatMulInteger)
        };
        assert!(is_left(|product| product.integers));
        assert!(is_left(|product| product.scales));
        assert!(!is_left(|product| product.scale));
    }

    #[test]
    fn sums_in_another_type_stay_integers() {
        let Product { mut draft, scaled, .. } = product(DType::F64, true);
        draft.returns(scaled);
        assert!(draft.after(&TO_FLOAT).contains(&Kernel::MatMulInteger));
    }

    #[test]
    fn data_that_is_quantized_for_one_product_is_quantized_by_it() {
        let Product { mut draft, scaled, .. } = product(DType::F32, true);
        draft.returns(scaled);
        assert_eq!(both(draft), [Kernel::DynamicQuantizeMatMul]);
    }

    #[test]
    fn data_whose_scale_others_see_is_quantized_apart() {
        let apart = [Kernel::DynamicQuantizeLinear, Kernel::MatMulIntegerToFloat];
        let Product { mut draft, scaled, scale, .. } = product(DType::F32, true);
        draft.returns(scaled);
        draft.returns(scale);
        assert_eq!(both(draft), apart);
        // The first of the two scales is assumed to be that of the data.
        let Product { mut draft, scaled, .. } = product(DType::F32, false);
        draft.returns(scaled);
        assert_eq!(both(draft), apart);
    }
    #[test]
    fn data_times_what_a_run_gives_is_quantized_apart() {
        let mut draft = Draft::default();
        let weight = draft.input_of(DType::U8, &[64, 32]);
        let Product { mut draft, scaled, .. } = product_with(draft, weight, DType::F32, true);
        draft.returns(scaled);
        assert_eq!(both(draft), [Kernel::DynamicQuantizeLinear, Kernel::MatMulIntegerToFloat]);
    }
}
