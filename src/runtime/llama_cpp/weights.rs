//! Which buffer each weight is in, and the bytes of the buffers.
//!
//! Source: llama.cpp 0.5.0, src/llama-model-loader.cpp (`create_tensor`, `get_mapping_range`), src/llama-arch.cpp
//! (`LLM_TENSOR_INFOS`); ggml 0.25.3, ggml/src/ggml-cpu/repack.cpp (`ggml_repack_get_optimal_repack_type`),
//! ggml/src/ggml-cpu/amx/amx.cpp, amx/mmq.cpp (`get_row_size`).

use super::device::Device;
use super::model::Model;
use super::offload::Offload;
use super::options::LlamaCpp;
use super::tensor::ALIGNMENT;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::graph::{Stored, StoredTensor};
use crate::machine::Isa;
use crate::units::Bytes;
use regex::Regex;

/// A type of buffer.
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
    /// As stored, in memory that devices copy from.
    Host,
    /// On a device.
    Device(u8),
    /// Mapped, and read by a device there.
    MappedDevice(u8),
}

impl BufferType {
    /// The name, as llama.cpp prints it.
    pub(super) fn name(self, offload: &Offload) -> String {
        let device =
            |number: u8| offload.devices.get(usize::from(number)).map_or_else(String::new, |own| own.name());
        match self {
            BufferType::Amx => "AMX".to_owned(),
            BufferType::Repack => "CPU_REPACK".to_owned(),
            BufferType::Mapped => "CPU_Mapped".to_owned(),
            BufferType::Cpu => "CPU".to_owned(),
            BufferType::Host => offload.host_type().map_or("CPU", |(_, name)| name).to_owned(),
            BufferType::Device(number) => device(number),
            BufferType::MappedDevice(number) => format!("{}_Mapped", device(number)),
        }
    }

    /// The device that it is on.
    pub(super) fn device(self) -> Option<u8> {
        match self {
            BufferType::Device(number) | BufferType::MappedDevice(number) => Some(number),
            _ => None,
        }
    }

    /// Whether its bytes are pages of a file.
    pub(super) fn is_mapped(self) -> bool {
        matches!(self, BufferType::Mapped | BufferType::MappedDevice(_))
    }

    /// Whether its bytes are in the order of the file in memory of the host.
    pub(super) fn is_plain_host(self) -> bool {
        matches!(self, BufferType::Mapped | BufferType::Cpu | BufferType::Host)
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
    /// Every weight, those of one stored tensor in a row. One that serves as embedding and as output may be twice, and
    /// factors of positions once per device.
    pub(super) all: Vec<Weight>,
    /// By stored tensor, its first weight.
    first: Vec<u32>,
    /// The embedding's weight that serves as output, where that is one of its own.
    pub(super) output: Option<u32>,
    /// By type of buffer, its bytes; those of a mapped file are its span.
    pub(super) buffers: Vec<(BufferType, u64)>,
    /// By mapped file: a tensor of it, and bytes of its span that no mapped tensor is in.
    pub(super) gaps: Vec<(u32, u64)>,
}

impl Weights {
    /// Every stored tensor, read as it is stored into memory of the first device, or of the host without one.
    pub(super) fn whole(stored: &Stored, device: Option<Device>) -> Weights {
        let buffer = if device.is_some() { BufferType::Device(0) } else { BufferType::Cpu };
        let weight = |(tensor, number): (&StoredTensor, u32)| {
            let own = tensor.bytes();
            let bytes = device.map_or(own, |device| device.stored_bytes(tensor.dtype, tensor.dims[0], own));
            Weight { tensor: number, buffer, bytes }
        };
        let all: Vec<Weight> = stored.tensors.iter().zip(0..).map(weight).collect();
        Weights { first: (0..all.len() as u32).collect(), all, ..Weights::default() }
    }

    /// The weight of a stored tensor on a device; its first where it is not there.
    pub(super) fn on(&self, tensor: u32, device: Option<u8>) -> u32 {
        let first = self.first.get(tensor as usize).copied().unwrap_or_default();
        let own = self.all.iter().skip(first as usize).take_while(|weight| weight.tensor == tensor);
        let found = own.zip(first..).find(|(weight, _)| weight.buffer.device() == device);
        found.map_or(first, |(_, number)| number)
    }

    /// The first weight of a stored tensor.
    pub(super) fn of(&self, tensor: u32) -> u32 {
        self.first.get(tensor as usize).copied().unwrap_or_default()
    }
}

/// Places the weights of a file whose layers are on `devices`. Those of layers that draft tokens are not loaded.
///
/// Source: src/models/*.cpp (`TENSOR_SKIP`): layers that draft are loaded for a draft model only.
///
/// # Errors
///
/// If a pattern of names is none.
pub(super) fn place(
    model: &Model<'_>,
    options: &LlamaCpp,
    devices: &[Option<u8>],
    is_output_first: bool,
) -> Result<Weights> {
    let (stored, layers) = (model.stored, model.layers);
    let placing = Placing { stored, options, devices, patterns: options.offload.patterns()? };
    let has_output = stored.tensors.iter().any(|tensor| tensor.name == "output.weight");
    let mut weights = Weights::default();
    let is_loaded = |tensor: &StoredTensor| layer_of(&tensor.name).is_none_or(|layer| layer < layers);
    for (tensor, number) in stored.tensors.iter().zip(0..).filter(|(tensor, _)| is_loaded(tensor)) {
        let mut put = |(buffer, bytes): (BufferType, u64)| {
            weights.all.push(Weight { tensor: number, buffer, bytes });
        };
        let is_shared = is_shared_by_layers(&tensor.name);
        let readers = || (0..layers).filter(|&layer| has_factors(model, layer));
        let device = |layer: u64| devices.get(layer as usize).copied().flatten();
        let own = match readers().next().filter(|_| is_shared) {
            Some(layer) => device(layer),
            None => placing.device(&tensor.name),
        };
        let first = placing.weight(tensor, own);
        put(first);
        if tensor.name == "token_embd.weight" && !has_output {
            // Without an output weight the embedding is one: a tensor of its own where that is elsewhere, or made first.
            let (buffer, bytes) = placing.output(tensor);
            // A mapped one is in the same pages.
            let is_same_page = buffer.is_mapped() && buffer == first.0;
            if buffer != first.0 || is_output_first {
                put((buffer, if is_same_page { 0 } else { bytes }));
                weights.output = u32::try_from(weights.all.len() - 1).ok();
            }
        } else if is_shared {
            let mut seen = vec![first.0];
            for layer in readers() {
                let own = placing.weight(tensor, device(layer));
                if !seen.contains(&own.0) {
                    seen.push(own.0);
                    weights.all.push(Weight { tensor: number, buffer: own.0, bytes: own.1 });
                }
            }
        }
    }
    weights.first = vec![0; stored.tensors.len()];
    for (number, weight) in weights.all.iter().enumerate().rev() {
        weights.first[weight.tensor as usize] = number as u32;
    }
    let mut types: Vec<BufferType> = weights.all.iter().map(|weight| weight.buffer).collect();
    types.sort_unstable();
    types.dedup();
    let bytes = |buffer| (buffer, buffer_bytes(stored, &weights.all, buffer, &options.offload));
    weights.buffers = types.into_iter().map(bytes).collect();
    weights.gaps = gaps(stored, &weights.all);
    Ok(weights)
}

/// The layer that a name is of.
fn layer_of(name: &str) -> Option<u64> {
    name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse().ok())
}

/// Whether a layer reads the factors of positions: in Gemma 4 those without a window.
///
/// Source: src/models/gemma4.cpp (`load_arch_tensors`).
fn has_factors(model: &Model<'_>, layer: u64) -> bool {
    model.architecture != "gemma4" || !model.is_window(layer)
}

/// Factors of positions, which every layer has: one tensor per type of buffer.
fn is_shared_by_layers(name: &str) -> bool {
    matches!(name, "rope_freqs.weight" | "rope_factors_long.weight" | "rope_factors_short.weight")
}

/// What decides where weights are.
struct Placing<'a> {
    stored: &'a Stored,
    options: &'a LlamaCpp,
    devices: &'a [Option<u8>],
    patterns: Vec<(Regex, Option<u8>)>,
}

impl Placing<'_> {
    /// The device of a weight's layer.
    ///
    /// Source: src/llama-arch.cpp (`LLM_TENSOR_INFOS`): tables of tokens and positions are inputs; what has no layer of its own
    /// is a part of the output, or of the first layer.
    fn device(&self, name: &str) -> Option<u8> {
        let last = self.devices.last().copied().flatten();
        match layer_of(name) {
            Some(layer) => self.devices.get(layer as usize).copied().flatten(),
            None => match name.split('.').next().unwrap_or(name) {
                "token_embd" | "position_embd" | "token_types" | "per_layer_token_embd" => None,
                // The norm before the output of LFM2.
                "token_embd_norm"
                    if matches!(self.stored.text("general.architecture"), Some("lfm2" | "lfm2moe")) =>
                {
                    last
                }
                "per_layer_model_proj"
                | "per_layer_proj_norm"
                | "token_embd_norm"
                | "rope_freqs"
                | "rope_factors_long"
                | "rope_factors_short" => self.devices.first().copied().flatten(),
                _ => last,
            },
        }
    }

    /// The buffer of a weight, and its bytes there.
    fn weight(&self, tensor: &StoredTensor, device: Option<u8>) -> (BufferType, u64) {
        self.select(tensor, device, Use::of(tensor))
    }

    /// The same of an embedding that is the output's weight.
    fn output(&self, tensor: &StoredTensor) -> (BufferType, u64) {
        self.select(tensor, self.devices.last().copied().flatten(), Use::Product)
    }

    /// The first type of buffer whose owner computes what the weight is used for.
    ///
    /// Source: src/llama-model.cpp (`make_cpu_buft_list`, `make_gpu_buft_list`), src/llama-model-loader.cpp (`create_tensor`).
    fn select(&self, tensor: &StoredTensor, device: Option<u8>, usage: Use) -> (BufferType, u64) {
        let offload = &self.options.offload;
        let forced = self.patterns.iter().find(|(pattern, _)| pattern.is_match(&tensor.name));
        let device = forced.map_or(device, |(_, device)| *device);
        let own = device.and_then(|number| Some((number, offload.devices.get(usize::from(number))?)));
        if let Some((number, device)) = own
            && (forced.is_some() || usage.is_on(*device, tensor, self.stored))
        {
            let bytes = device.stored_bytes(tensor.dtype, tensor.dims[0], tensor.bytes());
            let is_mapped = device.is_unified() && self.options.mmap;
            let buffer =
                if is_mapped { BufferType::MappedDevice(number) } else { BufferType::Device(number) };
            return (buffer, bytes);
        }
        let host = offload
            .host_type()
            .filter(|(device, _)| offload.host && usage.is_on(*device, tensor, self.stored));
        match (host, packed(tensor, self.options, usage)) {
            (Some(_), _) if !self.options.mmap => (BufferType::Host, tensor.bytes()),
            (None, Some(packed)) => packed,
            _ => (if self.options.mmap { BufferType::Mapped } else { BufferType::Cpu }, tensor.bytes()),
        }
    }
}

fn buffer_bytes(stored: &Stored, all: &[Weight], buffer: BufferType, offload: &Offload) -> u64 {
    let own = || all.iter().filter(|weight| weight.buffer == buffer);
    if !buffer.is_mapped() {
        let device = buffer.device().and_then(|number| offload.devices.get(usize::from(number)));
        let alignment = device.map_or(ALIGNMENT, |device| device.alignment());
        return own().map(|weight| Bytes(weight.bytes).align_up(alignment).0).fold(0, u64::saturating_add);
    }
    let spans = spans(stored, all, buffer);
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

fn spans(stored: &Stored, all: &[Weight], buffer: BufferType) -> Vec<Span> {
    let mut by_file: std::collections::BTreeMap<u32, (u32, u64, u64, u64)> =
        std::collections::BTreeMap::new();
    for weight in all.iter().filter(|weight| weight.buffer == buffer) {
        let range = stored.tensors[weight.tensor as usize].range;
        let end = range.offset.saturating_add(range.size);
        let span = by_file.entry(range.file).or_insert((weight.tensor, range.offset, end, 0));
        *span = (span.0, span.1.min(range.offset), span.2.max(end), span.3.saturating_add(weight.bytes));
    }
    let span = |(tensor, start, end, held): (u32, u64, u64, u64)| Span { tensor, bytes: end - start, held };
    by_file.into_values().map(span).collect()
}

fn gaps(stored: &Stored, all: &[Weight]) -> Vec<(u32, u64)> {
    let spans = spans(stored, all, BufferType::Mapped).into_iter();
    spans
        .map(|span| (span.tensor, span.bytes.saturating_sub(span.held)))
        .filter(|&(_, bytes)| bytes > 0)
        .collect()
}

/// The layout that a weight gets when it is loaded, if it gets another one; AMX is asked first.
fn packed(tensor: &StoredTensor, options: &LlamaCpp, usage: Use) -> Option<(BufferType, u64)> {
    if !options.repack || !matches!(usage, Use::Product | Use::ProductByNumber) {
        return None;
    }
    let isa = options.machine.isa;
    if usage == Use::Product
        && matches!(isa, Isa::Amx | Isa::AmxFp16)
        && let Some(bytes) = amx_bytes(tensor)
    {
        return Some((BufferType::Amx, bytes));
    }
    let rank = tensor.dims.iter().rposition(|&dim| dim != 1).map_or(1, |last| last + 1);
    let is_matrix = if usage == Use::Product { rank == 2 } else { rank == 3 };
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

/// What a weight is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// A product with one matrix.
    Product,
    /// Products with matrices by number.
    ProductByNumber,
    /// Rows by number.
    Rows,
    /// The convolution of a state-space model.
    Convolution,
    /// The scan of a state-space model.
    Scan,
    /// Norms, biases, factors.
    Other,
}

/// Dims of the state that a scan with this weight has.
///
/// Source: src/llama-model-loader.cpp (`weight_buft_supported`).
fn state(tensor: &StoredTensor, stored: &Stored) -> [u64; 3] {
    let architecture = stored.text("general.architecture").unwrap_or_default();
    let size = |name: &str| stored.integer(&format!("{architecture}.ssm.{name}")).unwrap_or(0);
    let [own, heads, ..] = tensor.dims;
    let width = if own == 1 { size("state_size") } else { own };
    [width, size("inner_size").checked_div(heads).unwrap_or(0), heads]
}

impl Use {
    /// What a weight's name represents.
    ///
    /// Source: src/llama-arch.cpp (`LLM_TENSOR_INFOS`).
    fn of(tensor: &StoredTensor) -> Use {
        let name = match tensor.name.rsplit_once('.') {
            Some((path, "weight")) => path,
            // A factor by head where the recurrence is not a scan.
            Some((_, "ssm_a")) if tensor.dims[0] == 1 || tensor.dims[1] > 1 => return Use::Scan,
            _ => return Use::Other,
        };
        let word = name.rsplit('.').next().unwrap_or(name);
        if word.contains("norm") {
            return Use::Other;
        }
        match word {
            "token_embd" | "position_embd" | "token_types" | "per_layer_token_embd" => Use::Rows,
            "ssm_conv1d" | "conv" => Use::Convolution,
            "rope_freqs"
            | "rope_factors_long"
            | "rope_factors_short"
            | "attn_sinks"
            | "altup_correct_scale"
            | "shortconv"
            | "layer_output_scale" => Use::Other,
            word if word.ends_with("_exps") => Use::ProductByNumber,
            _ => Use::Product,
        }
    }

    /// Whether a device computes this with a weight.
    fn is_on(self, device: Device, tensor: &StoredTensor, stored: &Stored) -> bool {
        match self {
            Use::Rows => device.reads_rows(tensor.dtype),
            Use::Convolution => device.convolves(tensor.dims[1]),
            Use::Scan => device.scans(state(tensor, stored)),
            _ => true,
        }
    }
}
