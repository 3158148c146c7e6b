//! Devices besides the CPU: their names, the sizes of tensors in their buffers, and which operators they compute.
//!
//! Read in the source and not measured on hardware; how layers, graphs and buffers are assigned to devices is measured with
//! devices that compute nothing (scripts/llama_device.cpp).
//!
//! Source: ggml 0.25.3, ggml/src/ggml-cuda/ggml-cuda.cu, ggml-cuda/fattn.cu, ggml-vulkan/ggml-vulkan.cpp,
//! ggml-metal/ggml-metal.cpp.

use super::tensor::{Graph, Op, Tensor};
use crate::dtype::GgmlType;

/// Elements that the last row of a quantized matrix is padded to on CUDA.
///
/// Source: ggml-cuda/common.cuh (`MATRIX_ROW_PADDING`).
const CUDA_ROW: u64 = 512;

/// Tokens from which on a product with a weight of the CPU is computed on a device.
///
/// Source: ggml-cuda.cu, ggml-vulkan.cpp, ggml-metal-device.m (`op_offload_min_batch_size`).
const OFFLOADED_BATCH: u64 = 32;

/// A backend of ggml with devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Backend {
    /// CUDA.
    Cuda,
    /// Vulkan.
    Vulkan,
    /// Metal, whose memory is that of the host.
    Metal,
}

/// A device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Its backend.
    pub(super) backend: Backend,
    /// Its number among the backend's.
    pub(super) number: u32,
    /// Bytes that are free when a model is loaded, if they were given.
    pub(super) free: Option<u64>,
}

impl Device {
    /// The device of a name as `--list-devices` prints it, in any case: CUDA0, Vulkan1, MTL0.
    pub(super) fn by_name(name: &str) -> Option<Device> {
        let lower = name.to_ascii_lowercase();
        let digits = lower.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        let backend = match &lower[..lower.len() - digits.len()] {
            "cuda" => Backend::Cuda,
            "vulkan" => Backend::Vulkan,
            "metal" | "mtl" => Backend::Metal,
            _ => return None,
        };
        let number = if digits.is_empty() { 0 } else { digits.parse().ok().filter(|&number| number < 64)? };
        Some(Device { backend, number, free: None })
    }

    /// The name, which its type of buffer has as well.
    pub(super) fn name(self) -> String {
        let word = match self.backend {
            Backend::Cuda => "CUDA",
            Backend::Vulkan => "Vulkan",
            Backend::Metal => "MTL",
        };
        format!("{word}{}", self.number)
    }

    /// The type of buffer of the host that the device copies from, if it has one.
    pub(super) fn host(self) -> Option<&'static str> {
        match self.backend {
            Backend::Cuda => Some("CUDA_Host"),
            Backend::Vulkan => Some("Vulkan_Host"),
            Backend::Metal => None,
        }
    }

    /// Whether its memory is the host's, so that mapped weights stay where they are.
    pub(super) fn is_unified(self) -> bool {
        self.backend == Backend::Metal
    }

    /// Whether its backend changes the order of nodes before memory is reserved, which is not modelled.
    ///
    /// Source: ggml-vulkan.cpp (`ggml_vk_graph_optimize`), ggml-metal/ggml-metal-common.cpp (`ggml_graph_optimize`). CUDA's
    /// (`ggml_backend_cuda_graph_optimize`) keeps the order, and the operands of fused experts for longer.
    pub(super) fn reorders(self) -> bool {
        matches!(self.backend, Backend::Vulkan | Backend::Metal)
    }

    /// Alignment of tensors in its buffers.
    ///
    /// Source: `get_alignment` of the types of buffers. Vulkan's is a limit of the device (`minStorageBufferOffsetAlignment`),
    /// which is 64 bytes at most on today's.
    pub(super) fn alignment(self) -> u64 {
        match self.backend {
            Backend::Cuda => 128,
            Backend::Vulkan => 64,
            Backend::Metal => 32,
        }
    }

    /// Bytes of a weight, or of another tensor that no operator computes.
    ///
    /// Source: ggml-cuda.cu (`ggml_backend_cuda_buffer_type_get_alloc_size`).
    pub(super) fn stored_bytes(self, dtype: GgmlType, width: u64, bytes: u64) -> u64 {
        let over = width % CUDA_ROW;
        if self.backend != Backend::Cuda || !dtype.is_quantized() || over == 0 {
            return bytes;
        }
        bytes.saturating_add(super::tensor::row(dtype, CUDA_ROW - over))
    }

    /// Bytes of a tensor of a graph, with what its operator needs besides.
    ///
    /// Source: ggml-cuda.cu, fattn.cu (`ggml_cuda_flash_attn_ext_get_alloc_size`): kernels for tiles read keys and values in
    /// half precision; ggml-metal.cpp (`ggml_backend_metal_buffer_type_get_alloc_size`).
    pub(super) fn bytes(self, graph: &Graph, tensor: &Tensor) -> u64 {
        let own = self.stored_bytes(tensor.dtype, tensor.ne[0], tensor.bytes());
        match (self.backend, tensor.op) {
            (Backend::Cuda, Op::FlashAttention) => {
                let operands = tensor.sources.iter().skip(1).take(2).map(|&id| graph.get(id));
                let converted = operands.filter(|operand| operand.dtype != GgmlType::F16);
                // Few tokens are computed by the kernel for vectors, which reads quantized types itself.
                let is_vector = graph.get(tensor.sources[0]).ne[1] <= 1;
                converted.filter(|operand| !is_vector || operand.dtype == GgmlType::F32).fold(
                    own,
                    |sum, operand| {
                        sum.next_multiple_of(128).saturating_add(operand.elements().saturating_mul(2))
                    },
                )
            }
            (Backend::Metal, Op::Argsort) => own.saturating_mul(2),
            _ => own,
        }
    }

    /// Whether the device computes an operator on these operands.
    ///
    /// Source: `supports_op` of the backends, for the operators of the graphs here.
    pub(super) fn computes(self, graph: &Graph, tensor: &Tensor) -> bool {
        let source = |index: usize| tensor.sources.get(index).map(|&id| graph.get(id));
        let Some(first) = source(0) else { return true };
        match tensor.op {
            Op::GetRows => self.reads_rows(first.dtype),
            Op::SsmConv => self.convolves(first.ne[1]),
            Op::SsmScan => self.scans([first.ne[0], first.ne[1], first.ne[2]]),
            Op::FlashAttention => self.backend != Backend::Cuda || attends(graph, tensor),
            _ => true,
        }
    }

    /// Whether rows of a table of this type can be read on the device.
    pub(super) fn reads_rows(self, dtype: GgmlType) -> bool {
        use GgmlType::{BF16, F16, F32, I32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
        self.backend != Backend::Cuda
            || matches!(dtype, F16 | F32 | BF16 | I32 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0)
    }

    /// Whether the device computes the convolution of a state-space model of this width.
    pub(super) fn convolves(self, width: u64) -> bool {
        self.backend != Backend::Cuda || width.is_multiple_of(128)
    }

    /// Whether the device scans a state of these dims: of Mamba 2, or of Mamba, whose heads have one element.
    pub(super) fn scans(self, [width, head, heads]: [u64; 3]) -> bool {
        let is_known = match head {
            1 => width == 16 && heads.is_multiple_of(128),
            _ => matches!(width, 96 | 128 | 256) && head.is_multiple_of(16),
        };
        self.backend != Backend::Cuda || is_known
    }

    /// Whether the device computes an operator although its weight is in memory of the host.
    ///
    /// Source: `offload_op` of the backends.
    pub(super) fn takes_from_host(self, tensor: &Tensor) -> bool {
        let rows = || tensor.ne[1].saturating_mul(tensor.ne[2]).saturating_mul(tensor.ne[3]);
        let is_product = matches!(tensor.op, Op::MulMat | Op::MulMatId);
        let batch = match tensor.op {
            Op::GetRows => 0,
            Op::MulMat => tensor.ne[1],
            Op::MulMatId | Op::Rope => tensor.ne[2],
            _ => rows(),
        };
        batch >= OFFLOADED_BATCH && (is_product || self.backend != Backend::Metal)
    }
}

/// Whether CUDA has a kernel for attention in one operator: by widths of heads, types, and how many heads share keys.
///
/// Source: fattn.cu (`ggml_cuda_get_best_fattn_kernel`), as far as it is the same for all devices.
fn attends(graph: &Graph, tensor: &Tensor) -> bool {
    use GgmlType::{BF16, F16, F32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
    let source = |index: usize| tensor.sources.get(index).map(|&id| graph.get(id));
    let (Some(q), Some(k), Some(v)) = (source(0), source(1), source(2)) else { return true };
    let is_read =
        |operand: &Tensor| matches!(operand.dtype, F32 | F16 | BF16 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | Q8_0);
    if !is_read(k) || !is_read(v) {
        return false;
    }
    let ratio = q.ne[2].checked_div(k.ne[2]).unwrap_or(0);
    let is_aligned = |operand: &&Tensor| {
        operand.dtype.is_quantized() || operand.nb[1..].iter().all(|stride| stride.is_multiple_of(16))
    };
    let operands = [Some(q), Some(k), Some(v), source(3)];
    let has_mask = source(3).is_some();
    let is_aligned = operands.iter().flatten().all(is_aligned);
    let shares = ratio >= 2 && has_mask && k.ne[1].is_multiple_of(256) && is_aligned;
    match (k.ne[0], v.ne[0]) {
        (40 | 64 | 72 | 80 | 96 | 112 | 128 | 256, width) => width == k.ne[0],
        (192, 128) => shares && ratio.is_multiple_of(8),
        (320, 256) => shares && ratio.is_multiple_of(32),
        (512 | 576, 512) => shares,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_the_names_that_llama_cpp_prints() {
        let name = |text: &str| Device::by_name(text).map(Device::name);
        assert_eq!(name("cuda1").as_deref(), Some("CUDA1"));
        assert_eq!(name("Vulkan0").as_deref(), Some("Vulkan0"));
        assert_eq!(name("metal").as_deref(), Some("MTL0"));
        assert_eq!(name("tpu0"), None);
    }

    #[test]
    fn quantized_rows_are_padded_on_cuda_only() {
        let of = |name: &str| Device::by_name(name).unwrap();
        // 17 blocks of 32 elements are short of 512 · 2 by 15.
        assert_eq!(of("cuda0").stored_bytes(GgmlType::Q8_0, 544, 17 * 34), 17 * 34 + 15 * 34);
        assert_eq!(of("vulkan0").stored_bytes(GgmlType::Q8_0, 544, 17 * 34), 17 * 34);
        assert_eq!(of("cuda0").stored_bytes(GgmlType::F16, 544, 1088), 1088);
    }
}
