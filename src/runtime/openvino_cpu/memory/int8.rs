//! Packed weights of products that compute in 8 bits.
//!
//! | weight | AVX-512 | AVX2 |
//! |---|---|---|
//! | matrix [N, K] | `ru(K,16) ru(N,64)` (N up to 16, 32: that), data in i8: 4 more per column | `K N` |
//! | filters [O, I, kernel] | `ru(I,4) kernel` for each of O, in blocks of 64 or 48, of 1x1 32 as well, whichever pads less | `ru(I,4) ru(O,8) kernel` |
//!
//! `ru` rounds up. Grouped filters are as large as they are stored.
//!
//! Source: OpenVINO 2026.4.1, heap blocks of resnet18-ptq, distilbert-ptqt and yolov8n-int8, and of convolutions and products
//! of 40 widths on AVX-512 with VNNI. Of 24 widths of 3x3 filters five from 200 to 240 are one block of 16 larger.

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
pub(super) fn packed(node: &ExecutedNode, data: &Output, weight: &Output, machine: &Machine) -> u64 {
    let has_avx512 = machine.isa.has_avx512();
    let (&outputs, rest) = match weight.dims.split_first() {
        Some(split) => split,
        None => return 0,
    };
    if node.kind == Kind::FullyConnected {
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
        return product([round_up(inputs, 16), columns]).saturating_add(sums);
    }
    let is_grouped = weight.dims.len() > data.dims.len();
    let Some((&inputs, kernel)) = rest.split_first().filter(|_| !is_grouped) else {
        return all(&weight.dims);
    };
    let kernel = all(kernel);
    let padded = match (has_avx512, kernel) {
        (false, _) => round_up(outputs, 8),
        (true, _) if outputs <= 64 => round_up(outputs, 16),
        (true, 1) => [64, 48, 32].into_iter().map(|block| round_up(outputs, block)).min().unwrap_or(outputs),
        (true, _) => round_up(outputs, 64).min(round_up(outputs, 48)),
    };
    product([padded, round_up(inputs, 4), kernel])
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

    fn bytes(kind: Kind, data: (DType, &[u64]), weight: &[u64], isa: Isa) -> u64 {
        let output = |dtype, dims: &[u64]| Output {
            dtype,
            dims: Dims::from_slice(dims),
            is_dynamic: false,
            layout: Default::default(),
        };
        let node = ExecutedNode { kind, ..ExecutedNode::default() };
        let machine = Machine { isa, ..Machine::default() };
        packed(&node, &output(data.0, data.1), &output(DType::I8, weight), &machine)
    }

    /// Blocks of measured runs; see the module's source.
    #[test]
    fn packed_products_are_as_large_as_measured() {
        let of = |dtype, n, k| bytes(Kind::FullyConnected, (dtype, &[1, 64, k]), &[n, k], Isa::Avx512Bf16);
        assert_eq!(of(DType::U8, 1000, 512), 524_288);
        assert_eq!(of(DType::U8, 256, 1500), 385_024);
        assert_eq!(of(DType::I8, 256, 1500), 386_048);
        assert_eq!(of(DType::I8, 384, 384), 148_992);
        assert_eq!(of(DType::U8, 24, 6000), 192_000);
        let avx2 = bytes(Kind::FullyConnected, (DType::U8, &[1, 512]), &[1000, 512], Isa::Avx2);
        assert_eq!(avx2, 512_000);
    }

    #[test]
    fn packed_filters_are_as_large_as_measured() {
        let of =
            |o, i, k| bytes(Kind::Convolution, (DType::U8, &[1, i, 20, 20]), &[o, i, k, k], Isa::Avx512Bf16);
        assert_eq!(of(512, 512, 3), 2_359_296);
        assert_eq!(of(80, 256, 3), 221_184);
        assert_eq!(of(112, 256, 3), 294_912);
        assert_eq!(of(136, 256, 3), 331_776);
        assert_eq!(of(144, 250, 3), 326_592);
        assert_eq!(of(208, 1536, 1), 344_064);
    }
}
