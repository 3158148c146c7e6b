//! Packed weights of matrix products that compute in 8 bits; those of convolutions are in `convolution`.
//!
//! A matrix [N, K] takes `ru(K,16) ru(N,64)` under AVX-512 (N up to 16 or 32: that), and 4 more per column if data are i8; `K N`
//! under AVX2. `ru` rounds up.
//!
//! Source: OpenVINO 2026.4.1, heap blocks of resnet18-ptq and distilbert-ptqt, and of products of several widths on AVX-512 with
//! VNNI.

use super::held::{product, round_up};
use crate::dtype::DType;
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Output};

/// Whether a product takes data and weights of 8 bits as they are.
pub(super) fn is_low(graph: &ExecutionGraph, node: &ExecutedNode) -> bool {
    let is_byte = |input: usize, types: &[DType]| {
        graph.input(node, input).is_some_and(|tensor| types.contains(&tensor.dtype))
    };
    matches!(node.kind, Kind::FullyConnected | Kind::Convolution)
        && is_byte(0, &[DType::U8, DType::I8])
        && is_byte(1, &[DType::I8])
}

/// Bytes of the packed weights of such a product.
///
/// Source: blocks of columns in jit_brgemm_inner_product_utils.cpp and jit_brgemm_conv_utils.cpp, oneDNN, src/cpu/x64, as the
/// runs of the module's source show them.
pub(super) fn packed(data: &Output, weight: &Output, machine: &Machine) -> u64 {
    let has_avx512 = machine.isa.has_avx512();
    let (&outputs, rest) = match weight.dims.split_first() {
        Some(split) => split,
        None => return 0,
    };
    let inputs = all(rest);
    if !has_avx512 {
        return product([outputs, inputs]);
    }
    let columns = match outputs {
        0..=16 => 16,
        17..=32 => 32,
        _ => round_up(outputs, 64),
    };
    let sums = if data.dtype == DType::I8 { product([columns, 4]) } else { 0 };
    product([round_up(inputs, 16), columns]).saturating_add(sums)
}

/// The product of dims; saturates.
fn all(dims: &[u64]) -> u64 {
    dims.iter().fold(1, |product: u64, &dim| product.saturating_mul(dim))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dims;
    use crate::machine::Isa;

    fn bytes(data: (DType, &[u64]), weight: &[u64], isa: Isa) -> u64 {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: false,
            layout: Default::default(),
        };
        let machine = Machine { isa, ..Machine::default() };
        packed(&output(data.0, data.1), &output(DType::I8, weight), &machine)
    }

    /// Blocks of measured runs; see the module's source.
    #[test]
    fn packed_products_are_as_large_as_measured() {
        let of = |dtype, n, k| bytes((dtype, &[1, 64, k]), &[n, k], Isa::Avx512Bf16);
        assert_eq!(of(DType::U8, 1000, 512), 524_288);
        assert_eq!(of(DType::U8, 256, 1500), 385_024);
        assert_eq!(of(DType::I8, 256, 1500), 386_048);
        assert_eq!(of(DType::I8, 384, 384), 148_992);
        assert_eq!(of(DType::U8, 24, 6000), 192_000);
        let avx2 = bytes((DType::U8, &[1, 512]), &[1000, 512], Isa::Avx2);
        assert_eq!(avx2, 512_000);
    }
}
