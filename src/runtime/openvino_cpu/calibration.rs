//! What was measured of OpenVINO's CPU plugin, version 2026.4.1, on [`Machine::MEASURED`](crate::machine::Machine::MEASURED).
//!
//! `scripts/calibration.py` computes the spreads from the recorded runs. They are the runs that the numbers were fitted to;
//! docs/calibration.md has the table.

use crate::runtime::calibration::{Spread, Unit, fitted};

const MIB: u64 = 1 << 20;

/// The model as read, and the text and its tree.
const READING_SUM: Spread =
    Spread::OfSum { sum: "heap while the model is read", least: -3.4, most: 2.1, unit: "%" };
/// Objects of dynamic graphs, in the heap of the first inference; 1 MiB of it is the interpreter's that drove the runs.
const DYNAMIC_SUM: Spread =
    Spread::OfSum { sum: "objects of a dynamic graph", least: -4.0, most: 2.6, unit: "MiB" };
const STATIC_SUM: Spread =
    Spread::OfSum { sum: "objects of a static graph", least: -3.7, most: 2.4, unit: "MiB" };
const CODE_SUM: Spread = Spread::OfSum { sum: "kernels of a run", least: -14.0, most: 2.0, unit: "kernels" };
const KEPT_SUM: Spread = Spread::OfSum { sum: "anonymous pages", least: -6.2, most: 29.0, unit: "MiB" };

const MODEL_RUNS: Option<u32> = Some(64);
const DYNAMIC_RUNS: Option<u32> = Some(162);
const STATIC_RUNS: Option<u32> = Some(75);
const CODE_RUNS: Option<u32> = Some(64);
const KEPT_RUNS: Option<u32> = Some(61);

const MODEL_SOURCE: &str = "fit to the heap after read_model";
const DYNAMIC_SOURCE: &str =
    "fit to what 162 runs had left of the heap after all tensors, with the kernels that they had";
const STATIC_SOURCE: &str =
    "fit to what 75 runs had left of the heap after all tensors, with the kernels that they had";
const BYTES_SOURCE: &str = "fit to the same heaps; the range is that of dynamic and static graphs";
const CONVOLUTIONS_SUM: Spread = Spread::OfSum {
    sum: "anonymous pages of dynamic nets of convolutions",
    least: -5.5,
    most: 3.2,
    unit: "MiB",
};
const CONVOLUTIONS_SOURCE: &str = "anonymous pages beyond the heap, of dynamic nets of 4 to 130 convolutions";
const CONCAT_SOURCE: &str = "heaps of nets that differ in one Concat, of 8 inputs or of 40";
const RECURRENT_SOURCE: &str = "maps of gru_crnn and of seven nets of LSTM, GRU and RNN with 1 to 4 sequences, less those of other nodes";
const CODE_SOURCE: &str = "kernels by name as oneDNN dumps them (ONEDNN_JIT_DUMP=1) for 20 graphs, rounded";
const KEPT_SOURCE: &str =
    "anonymous pages beyond the heap; one more run had arrays of 402 MiB that were never written";
const PAGES_SOURCE: &str = "file-backed pages beyond the constants";

fitted! {
    /// The model as read: any.
    MODEL = 1_080_000, Unit::Bytes, MODEL_RUNS, READING_SUM, MODEL_SOURCE;
    /// The model as read: a node.
    MODEL_NODE = 2_660, Unit::BytesPer("node of the export"), MODEL_RUNS, READING_SUM, MODEL_SOURCE;
    /// What reading takes next to the model, its text and tree: any.
    READING = 1_070_000, Unit::Bytes, MODEL_RUNS, READING_SUM, MODEL_SOURCE;
    /// What reading takes next to the model, its text and tree: a node.
    READING_NODE = 3_230, Unit::BytesPer("node of the export"), MODEL_RUNS, READING_SUM, MODEL_SOURCE;

    /// Objects of a compiled dynamic graph: any.
    DYNAMIC = 800_000, Unit::Bytes, DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects of a compiled dynamic graph: a node that is not a constant.
    DYNAMIC_NODE = 6_700, Unit::BytesPer("node that is not a constant"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects of a compiled dynamic graph: a constant.
    DYNAMIC_CONSTANT = 11_400, Unit::BytesPer("constant"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects of a compiled dynamic graph: an operation fused into a product or a convolution.
    DYNAMIC_FUSED = 14_300, Unit::BytesPer("fused operation"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects of a compiled dynamic graph: an attention in a Subgraph.
    DYNAMIC_ATTENTION = 980_000, Unit::BytesPer("attention Subgraph"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// The same in f32 under AVX-512, with a mask: in addition.
    DYNAMIC_ATTENTION_MASKED_F32 = 620_000, Unit::BytesPer("attention Subgraph"), Some(6), Spread::Range(330_000, 720_000),
        "heaps of the same models in f32 and bf16";
    /// The same under AVX2, with a mask: in addition.
    DYNAMIC_ATTENTION_MASKED_AVX2 = 755_000, Unit::BytesPer("attention Subgraph"), Some(5), Spread::Range(670_000, 760_000),
        "heaps of five compiled models under AVX2 and AVX-512 with BF16";
    /// The same under AVX2, without one: in addition.
    DYNAMIC_ATTENTION_AVX2 = 420_000, Unit::BytesPer("attention Subgraph"), Some(7), Spread::Range(120_000, 600_000),
        "heaps of seven compiled models under AVX2 and AVX-512 with BF16";
    /// Objects of a compiled dynamic graph: an input of a Concat beyond two.
    DYNAMIC_INPUT = 4_400, Unit::BytesPer("input of a Concat"), Some(2), Spread::Range(3_700, 4_400), CONCAT_SOURCE;
    /// Objects that the first inference of a dynamic graph adds: an input of a Concat beyond two.
    FIRST_INFERENCE_INPUT = 5_100, Unit::BytesPer("input of a Concat"), Some(2), Spread::Range(3_900, 5_900), CONCAT_SOURCE;
    /// Objects that the first inference of a dynamic graph adds: any.
    FIRST_INFERENCE = 300_000, Unit::Bytes, DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects that the first inference of a dynamic graph adds: a weight's shape; once more for one token after a prompt.
    FIRST_INFERENCE_SHAPE = 45_000, Unit::BytesPer("distinct weight shape"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects that the first inference of a dynamic graph adds: a node that is not a constant.
    FIRST_INFERENCE_NODE = 650, Unit::BytesPer("node that is not a constant"), DYNAMIC_RUNS, DYNAMIC_SUM,
        DYNAMIC_SOURCE;

    /// Objects of a compiled static graph: any.
    STATIC = 640_000, Unit::Bytes, STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: a constant.
    STATIC_CONSTANT = 14_600, Unit::BytesPer("constant"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: an operation fused into a product or a convolution.
    STATIC_FUSED = 15_900, Unit::BytesPer("fused operation"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: a Subgraph without attention.
    STATIC_SUBGRAPH = 151_000, Unit::BytesPer("Subgraph"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: a weight's shape.
    STATIC_SHAPE = 87_000, Unit::BytesPer("distinct weight shape"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: an attention in a Subgraph.
    STATIC_ATTENTION = 800_000, Unit::BytesPer("attention Subgraph"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;
    /// Objects of a compiled static graph: an input of a Concat beyond two.
    STATIC_INPUT = 10_200, Unit::BytesPer("input of a Concat"), Some(1), Spread::Range(10_200, 10_600), CONCAT_SOURCE;

    /// Objects of a product of bytes, in addition.
    BYTES_PRODUCT = 185_000, Unit::BytesPer("product of bytes"), Some(3), Spread::Range(178_000, 190_000), BYTES_SOURCE;
    /// Objects of a convolution of bytes, in addition.
    BYTES_CONVOLUTION = 115_000, Unit::BytesPer("convolution of bytes"), Some(4), Spread::Range(114_000, 119_000),
        BYTES_SOURCE;

    /// Objects of a generated kernel in a dynamic graph: its generator, its descriptor.
    DYNAMIC_KERNEL = 22_400, Unit::BytesPer("kernel"), DYNAMIC_RUNS, DYNAMIC_SUM, DYNAMIC_SOURCE;
    /// Objects of a generated kernel in a static graph.
    STATIC_KERNEL = 19_800, Unit::BytesPer("kernel"), STATIC_RUNS, STATIC_SUM, STATIC_SOURCE;

    /// The descriptor of a product of two activations, which has those of 64 kernels.
    MATMUL_DESCRIPTOR = 287_296, Unit::Bytes, Some(70), Spread::Equal, "heap blocks of runs with such a product";
    /// How many there are of each such product, as its primitive copies it; as many again for one token after a prompt.
    MATMUL_DESCRIPTORS = 2, Unit::Count("descriptors per product and kind of pass"), Some(70), Spread::Equal,
        "heap blocks of runs with such a product";

    /// Kernels of a product whose rows are a multiple of `KERNEL_ROWS`.
    KERNELS_PRODUCT = 2, Unit::KernelsPer("product"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a product whose rows are not such a multiple, and few.
    KERNELS_PRODUCT_SHORT = 3, Unit::KernelsPer("product"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a product whose rows are not such a multiple.
    KERNELS_PRODUCT_ODD = 5, Unit::KernelsPer("product"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a product for one token; as many more for the prompt before it.
    KERNELS_PRODUCT_TOKEN = 3, Unit::KernelsPer("product"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels that unpack a product's quantized weights.
    KERNELS_UNPACKING = 1, Unit::KernelsPer("product"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Rows of a kernel's tile, of which other rows are a remainder.
    KERNEL_ROWS = 64, Unit::Count("rows"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Most rows of a product with a short remainder.
    SHORT_ROWS = 255, Unit::Count("rows"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Most rows of a product that runs by the kernels of one token.
    FEW_ROWS = 8, Unit::Count("rows"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a product of chosen experts, whose rows per expert are any number.
    KERNELS_EXPERTS = 7, Unit::KernelsPer("product of experts"), Some(1), Spread::Equal, "one model";
    /// Kernels of a product of two activations in bf16.
    KERNELS_ACTIVATIONS = 4, Unit::KernelsPer("product of activations"), Some(3), Spread::Equal, "three models";
    /// Code of the kernel that copies a convolution's input of one channel.
    COPIED_COLUMN = 42, Unit::BytesPer("column"), Some(4), Spread::Range(33, 52),
        "maps of 1 MiB for 16,000 columns and of 4 MiB for 80,000";
    /// Kernels of a transposed convolution.
    KERNELS_DECONVOLUTION = 5, Unit::KernelsPer("transposed convolution"), Some(4), Spread::Range(4, 5),
        "kernels by name as oneDNN dumps them (ONEDNN_JIT_DUMP=1) for two graphs";
    /// Kernels of a Reduce in two stages.
    KERNELS_REDUCE = 2, Unit::KernelsPer("Reduce"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a Reduce in one stage.
    KERNELS_REDUCE_ONE = 1, Unit::KernelsPer("Reduce"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of stateful attention.
    KERNELS_ATTENTION = 12, Unit::Kernels, CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of paged attention in f32.
    KERNELS_PAGED_F32 = 99, Unit::Kernels, Some(3), Spread::Range(99, 126),
        "maps of generated code of three runs of openvino-genai 2026.4.1, one of them on AVX-512";
    /// Kernels of paged attention in bf16: three products, for 1 to 32 rows, twice.
    KERNELS_PAGED = 192, Unit::Kernels, Some(1), Spread::Range(191, 192),
        "215 maps after the prompt of a model of 24 layers, 24 of them not of attention";
    /// Kernels of an MVN: two that sum, and one that scales.
    KERNELS_MVN = 3, Unit::KernelsPer("MVN of other types or channels"), CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of a recurrent sequence.
    KERNELS_RECURRENT = 10, Unit::KernelsPer("recurrent sequence"), Some(10), Spread::Range(9, 12), RECURRENT_SOURCE;
    /// The same in f32.
    KERNELS_RECURRENT_F32 = 8, Unit::KernelsPer("recurrent sequence"), Some(10), Spread::Range(6, 10), RECURRENT_SOURCE;
    /// Kernels that attentions in Subgraphs share.
    KERNELS_SUBGRAPH = 13, Unit::Kernels, CODE_RUNS, CODE_SUM, CODE_SOURCE;
    /// Kernels of each further shape of attention in Subgraphs.
    KERNELS_SUBGRAPH_SHAPE = 7, Unit::KernelsPer("further shape of attention"), Some(7), Spread::Range(6, 7),
        "kernels by name as oneDNN dumps them (ONEDNN_JIT_DUMP=1) for a graph of eight shapes";
    /// Kernels of attentions in Subgraphs, if a head is not a multiple of 32 wide.
    KERNELS_SUBGRAPH_ODD = 14, Unit::Kernels, CODE_RUNS, CODE_SUM, CODE_SOURCE;

    /// What the search of a convolution's blocks counts on under AVX2, of the second-level cache.
    CACHE_AVX2 = 2, Unit::Count("times the cache"), Some(1), Spread::Equal,
        "formats of the weights of 700 convolutions on one machine with 1 MiB, of which 9 have others with the cache itself";
    /// Pages of the libraries while the model is read.
    LIBRARY_LOADED = 42 * MIB / 10, Unit::Bytes, Some(62), Spread::Range(31 * MIB / 10, 45 * MIB / 10),
        PAGES_SOURCE;
    /// Pages of the libraries once a graph without products is compiled.
    LIBRARY_COMPILED = 12 * MIB, Unit::Bytes, Some(2), Spread::Range(119 * MIB / 10, 121 * MIB / 10), PAGES_SOURCE;
    /// Pages of the libraries once a graph with products is compiled.
    LIBRARY_COMPILED_PRODUCTS = 20 * MIB, Unit::Bytes, Some(60), Spread::Range(159 * MIB / 10, 31 * MIB),
        "file-backed pages beyond the constants, some of which are read early: the median is 25 MiB";
    /// Pages of the libraries after an inference without products.
    LIBRARY_RUN = 29 * MIB / 2, Unit::Bytes, Some(2), Spread::Range(143 * MIB / 10, 145 * MIB / 10), PAGES_SOURCE;
    /// Pages of the libraries after an inference with products.
    LIBRARY_RUN_PRODUCTS = 26 * MIB, Unit::Bytes, Some(59), Spread::Range(209 * MIB / 10, 297 * MIB / 10),
        "file-backed pages beyond the constants; one more run, of 13 GiB, had 53 MiB of constants less";
    /// Of these, pages that releases up to 2026.0 have not.
    LIBRARY_NEWER = 4 * MIB, Unit::Bytes, Some(8), Spread::Range(2 * MIB, 5 * MIB), "resident sets of the same runs under 2026.2";
    /// What the allocator keeps of freed memory: any.
    KEPT = 6 * MIB, Unit::Bytes, KEPT_RUNS, KEPT_SUM, KEPT_SOURCE;
    /// What the allocator keeps of freed memory: a node.
    KEPT_NODE = 4_600, Unit::BytesPer("node of the export"), KEPT_RUNS, KEPT_SUM, KEPT_SOURCE;
    /// Of this, what each convolution of a dynamic graph takes again.
    KEPT_CONVOLUTION = 250_000, Unit::BytesPer("convolution"), Some(30), CONVOLUTIONS_SUM, CONVOLUTIONS_SOURCE;
    /// What all convolutions of a dynamic graph take again at most.
    KEPT_CONVOLUTIONS = 5_500_000, Unit::Bytes, Some(30), CONVOLUTIONS_SUM, CONVOLUTIONS_SOURCE;
    /// Tokens of a vocabulary that a prompt's are spread over.
    FREQUENT_TOKENS = 20_000, Unit::Count("tokens"), Some(8), Spread::OfSum {
        sum: "resident pages of an embedding table", least: -1.0, most: 1.0, unit: "MiB"
    }, "vocabularies are sorted by frequency, and the runs' prompts were drawn so";

    /// The block of stateful attention in f32: the larger of two.
    ATTENTION_F32 = 532_792, Unit::Bytes, Some(2), Spread::Range(467_256, 532_792), "heap blocks";
    /// What a thread unpacks quantized weights into, computing in half precision.
    UNPACKING = 12_288, Unit::BytesPer("thread"), Some(4), Spread::Equal, "heap blocks; with one thread 12,288 less";
    /// What a thread unpacks quantized weights into, computing in f32.
    UNPACKING_F32 = 4_096, Unit::BytesPer("thread"), Some(1), Spread::Equal, "heap blocks";

    /// What OpenVINO GenAI has of its own on the heap: tokenizers, sampler, scheduler.
    GENAI = 12 * MIB, Unit::Bytes, Some(20), Spread::Range(8_900_000, 15_200_000),
        "openvino-genai 2026.4.1, LLMPipeline: heap less that of the model alone, bf16";
    /// What stays resident in addition: pages of its libraries, freed memory.
    GENAI_KEPT = 8 * MIB, Unit::Bytes, Some(20), Spread::NotRecorded,
        "openvino-genai 2026.4.1, LLMPipeline: resident set less that of the model alone";
}
