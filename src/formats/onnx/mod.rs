//! ONNX, all operator sets: a protobuf file with the graph, and data in it or next to it.
//!
//! The file is mapped, walked over once for its limits (`wire`) and decoded into messages whose texts and tensors point
//! into the map (`proto`, generated from `proto/onnx.proto`), so no weight is ever copied or even touched. Nodes are
//! added in file order and connected by name (`reader`); bodies of `If`, `Loop` and `Scan` are graphs of their own
//! (`control`); functions of the model are spelt out. What each operator of each set becomes is a table per family
//! (`ops`); an operator that no table knows becomes [`Op::Opaque`](crate::graph::Op::Opaque), never an error.
//! Nothing here knows a shape rule: `value_info` is copied as declared, and informative only.
//!
//! Source: <https://onnx.ai/onnx/repo-docs/IR.html>, <https://onnx.ai/onnx/operators/>, and the `onnx` wheel 1.23.2 for
//! what the text leaves open.

mod attributes;
mod control;
mod external;
mod functions;
mod made;
mod ops;
#[allow(clippy::all, unreachable_pub)]
#[rustfmt::skip]
pub(crate) mod proto;
mod reader;
mod source;
mod tensor;
mod types;
mod wire;

pub use ops::{OperatorType, supported_operators};

use crate::error::Result;
use crate::formats::mapping::Mapping;
use crate::graph::Graph;
use prost::bytes::Bytes;
use std::path::Path;

/// Reads the model at `path`; its external data is next to it, and may be missing or short.
///
/// Cost: linear in the size of the graph; weights are stepped over.
///
/// # Errors
///
/// If a file cannot be read, breaks the format, names data outside of its folder, or exceeds a cap of
/// [`limits`](crate::formats::limits).
pub fn read(path: &Path) -> Result<Graph> {
    parse(Bytes::from_owner(Mapping::open(path)?), path)
}

/// Reads a model from memory; `path` names it in errors and gives the folder of its external data.
///
/// # Errors
///
/// As [`read`].
///
/// # Example
///
/// ```
/// // ir_version 10, an empty graph, opset 21.
/// let model = [0x08, 10, 0x3a, 0, 0x42, 2, 0x10, 21];
/// let graph = memgraph::formats::onnx::parse(model.to_vec(), "m.onnx".as_ref())?;
/// assert!(graph.nodes().is_empty());
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn parse(model: impl Into<Bytes>, path: &Path) -> Result<Graph> {
    let bytes = model.into();
    let read = || {
        let counts = wire::check(&bytes)?;
        reader::read_model(source::Source { path, bytes: &bytes }, counts)
    };
    read().map_err(|error| error.in_file(path))
}
