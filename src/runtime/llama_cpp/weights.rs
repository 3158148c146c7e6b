//! Which buffer each weight is in, and the bytes of the buffers.
//!
//! Source: llama.cpp 0.5.0, src/llama-model-loader.cpp (`create_tensor`, `get_mapping_range`), src/llama-arch.cpp
//! (`LLM_TENSOR_INFOS`); ggml 0.25.3, ggml/src/ggml-cpu/repack.cpp (`ggml_repack_get_optimal_repack_type`),
//! ggml/src/ggml-cpu/amx/amx.cpp, amx/mmq.cpp (`get_row_size`).

use super::options::LlamaCpp;
use super::tensor::ALIGNMENT;
use crate::dtype::GgmlType;
use crate::graph::{Stored, StoredTensor};
use crate::machine::Isa;

/// A type of buffer of the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum BufferType {
    /// Tiles of AMX.
    Amx,
    /// Rows of several blocks side by side.
    Repack,
    /// As stored, mapped.
    Mapped,
    /// As stored, in memory.
    Cpu,
}

impl BufferType {
    /// The name, as llama.cpp prints it.
    pub(super) fn name(self) -> &'static str {
        match self {
            BufferType::Amx => "AMX",
            BufferType::Repack => "CPU_REPACK",
            BufferType::Mapped => "CPU_Mapped",
            BufferType::Cpu => "CPU",
        }
    }
}

/// A stored tensor in a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight {
    /// Number of the stored tensor.
    pub(super) tensor: u32,
    /// Where it is.
    pub(super) buffer: BufferType,
    /// Its bytes there.
    pub(super) bytes: u64,
}

/// The weights of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Weights {
    /// Every weight; one that serves as embedding and as output may be twice.
    pub(super) all: Vec<Weight>,
    /// By type of buffer, its bytes; those of a mapped file are its span.
    pub(super) buffers: Vec<(BufferType, u64)>,
    /// By mapped file: a tensor of it, and bytes of its span that no mapped tensor is in.
    pub(super) gaps: Vec<(u32, u64)>,
}

impl Weights {
    /// Whether the embedding serves as output in a tensor of its own.
    pub(super) fn has_second_embedding(&self, is_output_first: bool, stored: &Stored) -> bool {
        let is_tied = stored.tensors.iter().all(|tensor| tensor.name != "output.weight");
        let twice = self.all.windows(2).any(|pair| pair[0].tensor == pair[1].tensor);
        is_tied && (is_output_first || twice)
    }
}

/// Places the weights of a file.
pub(super) fn place(stored: &Stored, options: &LlamaCpp, is_output_first: bool) -> Weights {
    let plain = if options.mmap { BufferType::Mapped } else { BufferType::Cpu };
    let has_output = stored.tensors.iter().any(|tensor| tensor.name == "output.weight");
    let mut all = Vec::with_capacity(stored.tensors.len() + 1);
    for (tensor, number) in stored.tensors.iter().zip(0..) {
        let mut put = |packed: Option<(BufferType, u64)>| {
            let (buffer, bytes) = packed.unwrap_or((plain, tensor.bytes()));
            all.push(Weight { tensor: number, buffer, bytes });
        };
        if tensor.name == "token_embd.weight" {
            put(None);
            // Without an output weight the embedding is one: a tensor of its own where that is packed, or made first.
            let packed = packed(tensor, options).filter(|_| !has_output);
            // A mapped one is in the same pages.
            let is_twice = is_output_first && !has_output && !options.mmap;
            if packed.is_some() || is_twice {
                put(packed);
            }
        } else {
            put(packed(tensor, options));
        }
    }
    let mut types: Vec<BufferType> = all.iter().map(|weight| weight.buffer).collect();
    types.sort_unstable();
    types.dedup();
    let buffers = types.into_iter().map(|buffer| (buffer, buffer_bytes(stored, &all, buffer))).collect();
    let gaps = gaps(stored, &all);
    Weights { all, buffers, gaps }
}

fn buffer_bytes(stored: &Stored, all: &[Weight], buffer: BufferType) -> u64 {
    let own = || all.iter().filter(|weight| weight.buffer == buffer);
    if buffer != BufferType::Mapped {
        return own().map(|weight| weight.bytes.next_multiple_of(ALIGNMENT)).fold(0, u64::saturating_add);
    }
    let spans = spans(stored, all);
    spans.into_iter().map(|span| span.bytes).fold(0, u64::saturating_add)
}

/// The part of a file from its first mapped tensor to its last.
struct Span {
    /// Its first tensor in the order of the file's list.
    tensor: u32,
    /// Its length.
    bytes: u64,
    /// Bytes of tensors in it.
    held: u64,
}

fn spans(stored: &Stored, all: &[Weight]) -> Vec<Span> {
    let mut by_file: std::collections::BTreeMap<u32, (u32, u64, u64, u64)> =
        std::collections::BTreeMap::new();
    for weight in all.iter().filter(|weight| weight.buffer == BufferType::Mapped) {
        let range = stored.tensors[weight.tensor as usize].range;
        let end = range.offset.saturating_add(range.size);
        let span = by_file.entry(range.file).or_insert((weight.tensor, range.offset, end, 0));
        *span = (span.0, span.1.min(range.offset), span.2.max(end), span.3.saturating_add(range.size));
    }
    let span = |(tensor, start, end, held): (u32, u64, u64, u64)| Span { tensor, bytes: end - start, held };
    by_file.into_values().map(span).collect()
}

fn gaps(stored: &Stored, all: &[Weight]) -> Vec<(u32, u64)> {
    let spans = spans(stored, all).into_iter();
    spans
        .map(|span| (span.tensor, span.bytes.saturating_sub(span.held)))
        .filter(|&(_, bytes)| bytes > 0)
        .collect()
}

/// The layout that a weight gets when it is loaded, if it gets another one; AMX is asked first.
fn packed(tensor: &StoredTensor, options: &LlamaCpp) -> Option<(BufferType, u64)> {
    if !options.repack {
        return None;
    }
    let product = Product::of(tensor)?;
    let isa = options.machine.isa;
    if product == Product::Dense
        && matches!(isa, Isa::Amx | Isa::AmxFp16)
        && let Some(bytes) = amx_bytes(tensor)
    {
        return Some((BufferType::Amx, bytes));
    }
    let rank = tensor.dims.iter().rposition(|&dim| dim != 1).map_or(1, |last| last + 1);
    let is_matrix = match product {
        Product::Dense => rank == 2,
        Product::ByNumber => rank == 3,
    };
    let has_kernel = match tensor.dtype {
        GgmlType::Q4_0 | GgmlType::Q4K | GgmlType::IQ4NL | GgmlType::MXFP4 => true,
        GgmlType::Q2K => !matches!(isa, Isa::Avx2 | Isa::Avx2Vnni),
        _ => false,
    };
    (is_matrix && has_kernel && tensor.dims[1].is_multiple_of(8))
        .then(|| (BufferType::Repack, tensor.bytes()))
}

/// Bytes of a weight in tiles; `None` where it has none.
fn amx_bytes(tensor: &StoredTensor) -> Option<u64> {
    let [width, rows, ..] = tensor.dims;
    let (multiple, more) = match tensor.dtype {
        GgmlType::F16 => (16, 0),
        GgmlType::Q4_0 | GgmlType::Q4_1 => (32, 0),
        GgmlType::Q8_0 => (32, 4),
        GgmlType::Q4K | GgmlType::Q5K => (256, 4),
        GgmlType::Q6K => (256, 0),
        GgmlType::IQ4XS => (256, 2),
        _ => return None,
    };
    if !width.is_multiple_of(multiple) || !rows.is_multiple_of(32) {
        return None;
    }
    if tensor.dtype == GgmlType::F16 {
        return Some(tensor.bytes());
    }
    let row = width / tensor.dtype.elements() * (tensor.dtype.block_bytes() + more);
    Some(rows.saturating_mul(row))
}

/// A product that a weight is used in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    /// With one matrix.
    Dense,
    /// With matrices by number.
    ByNumber,
}

impl Product {
    /// The product that a weight's name represents; `None` for norms, biases, tables and filters.
    fn of(tensor: &StoredTensor) -> Option<Product> {
        let name = tensor.name.rsplit_once('.').map_or(tensor.name.as_str(), |(path, ending)| match ending {
            "weight" => path,
            _ => "",
        });
        let word = name.rsplit('.').next().unwrap_or(name);
        let is_other = word.is_empty()
            || word.contains("norm")
            || matches!(
                word,
                "position_embd"
                    | "token_types"
                    | "per_layer_token_embd"
                    | "rope_freqs"
                    | "rope_factors_long"
                    | "rope_factors_short"
                    | "ssm_conv1d"
                    | "attn_sinks"
                    | "altup_correct_scale"
                    | "shortconv"
                    | "conv"
                    | "layer_output_scale"
            );
        match () {
            () if is_other => None,
            () if word.ends_with("_exps") => Some(Product::ByNumber),
            () => Some(Product::Dense),
        }
    }
}
