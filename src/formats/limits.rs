//! Every cap on hostile input, in one place: what a file asks for is refused before memory is allocated for it.
//!
//! Each is at least ten times what any published export needs.

use crate::error::{Error, ErrorKind};

/// Nodes of one model, bodies included. The largest exports have some 10^5.
pub const MAX_NODES: usize = 1 << 20;
/// Outputs of all nodes of one model, bodies included.
pub const MAX_TENSORS: usize = 1 << 20;
/// Edges of one model, bodies included.
pub const MAX_EDGES: usize = 1 << 22;
/// Inputs, and as many outputs, of one node.
pub const MAX_PORTS: usize = 1 << 14;
/// Attributes of one node, or of one function.
pub const MAX_ATTRIBUTES: usize = 1 << 10;
/// Operator sets that a model, or a function, imports.
pub const MAX_OPERATOR_SETS: usize = 1 << 8;
/// Dims of one tensor.
pub const MAX_RANK: usize = 64;
/// Bytes of an XML file, which is read whole. IRs of 10^5 layers have 60 MB.
pub const MAX_XML_BYTES: u64 = 1 << 31;
/// Elements within elements of an XML file.
pub const MAX_XML_DEPTH: usize = 256;
/// Bodies within bodies: `Loop` in `If` in `Loop` …; readers recurse so deep.
pub const MAX_BODY_DEPTH: usize = 16;
/// Messages within messages of a protobuf file. A body is three deep, so that [`MAX_BODY_DEPTH`] bodies fit; the
/// decoder's own limit is 100.
pub const MAX_PROTOBUF_DEPTH: usize = 96;
/// Fields of a protobuf file, and numbers in its attributes: what a decoder would take memory for. Exports of 10^5
/// nodes have some 10^6.
pub const MAX_PROTOBUF_FIELDS: u64 = 1 << 24;
/// Messages of a protobuf file, of which each takes some hundred bytes when decoded.
pub const MAX_PROTOBUF_MESSAGES: u64 = 1 << 22;
/// Functions within functions of an ONNX model.
pub const MAX_FUNCTION_DEPTH: usize = 32;
/// Bytes of the texts of one graph, whose arena is indexed with 32 bits.
pub const MAX_TEXT_BYTES: u64 = 1 << 31;
/// Bytes of one attribute.
pub const MAX_ATTRIBUTE_BYTES: usize = 1 << 20;
/// Numbers in one attribute.
pub const MAX_LIST: usize = 1 << 12;
/// Elements of an integer constant that is read: what shape inference carries along, such as position tables.
pub const MAX_INT_ELEMENTS: u64 = 4096;
/// Elements of a float constant that is read: scales and bounds, never weights.
pub const MAX_FLOAT_ELEMENTS: u64 = 64;
/// Elements of a float constant with one number per channel of an image that is read: limits of quantization, scales.
pub const MAX_CHANNEL_ELEMENTS: u64 = 4096;
/// Settings of one GGUF file. Published ones have some 50.
pub const MAX_SETTINGS: u64 = 1 << 14;
/// Files that one GGUF model is split into. The largest have some 50.
pub const MAX_SPLITS: u64 = 1 << 10;
/// Bytes of a config.json: published ones have at most some hundred KiB.
pub const MAX_CONFIG_BYTES: u64 = 64 << 20;

/// The error for `what` beyond its cap.
#[cold]
#[cfg_attr(not(any(feature = "openvino", feature = "onnx", feature = "gguf")), allow(dead_code))] // Without a reader nothing reaches a cap.
pub(crate) fn exceeded(what: &str, found: impl std::fmt::Display, cap: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Limit, format!("{what}: {found}, over the limit of {cap}"))
        .help("no known export comes near this limit; check that the file is what it should be")
}
