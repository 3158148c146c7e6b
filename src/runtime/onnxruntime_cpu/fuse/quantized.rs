//! Level 2: products of dynamically quantized data that give floats.
//!
//! `MatMulInteger`, Cast and the product with both scales are one MatMulIntegerToFloat, a vector added behind it included;
//! where the DynamicQuantizeLinear before it serves nothing else, one DynamicQuantizeMatMul of the plain data.
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
            work.input(product, input) == Some(value) && work.is_only_reader(value, product)
        })
    });
    if !is_own {
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
