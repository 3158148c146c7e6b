//! OpenVINO IR, versions 10 and 11: an `.xml` with the graph, a `.bin` with the constants.
//!
//! One pass over the XML (`xml`) fills a [`Builder`](crate::graph::Builder) layer by layer (`reader`); edges are
//! resolved as they come (`wiring`); bodies of `If`, `Loop` and `TensorIterator` are graphs of their own (`body`).
//! What each operator becomes is a table per family (`ops`). Nothing here knows a shape rule: port dims are copied
//! as declared, and informative only. A type or an operator set that no table knows becomes
//! [`Op::Opaque`](crate::graph::Op::Opaque), never an error.
//!
//! Source: <https://docs.openvino.ai/2026/documentation/openvino-ir-format.html>, and OpenVINO 2026.4,
//! src/frontends/ir/src/ir_deserializer.cpp, for what the text leaves open.

mod attributes;
mod body;
mod executed;
mod fault;
mod ops;
mod plain;
mod reader;
mod tag;
mod text;
mod weights;
mod wiring;
mod xml;

pub use ops::{OperatorType, supported_operators};

use crate::error::{Error, Result};
use crate::formats::{file, limits};
use crate::graph::Graph;
use std::io::Read;
use std::path::Path;

/// Reads the IR at `path`; its weights are the `.bin` of the same name, which may be missing or short.
///
/// Cost: linear in the size of the XML, which is held in memory during the call.
///
/// # Errors
///
/// If a file cannot be read, breaks the format, or exceeds a cap of [`limits`].
pub fn read(path: &Path) -> Result<Graph> {
    // Read, not mapped: a file that is cut short meanwhile must not fault.
    let file = file::open(path)?;
    let mut document = Vec::new();
    let mut bytes = file.take(limits::MAX_XML_BYTES + 1);
    bytes.read_to_end(&mut document).map_err(|error| Error::io(path, error))?;
    if document.len() as u64 > limits::MAX_XML_BYTES {
        let found = format!("over {} bytes", limits::MAX_XML_BYTES);
        return Err(limits::exceeded("size of the XML", found, limits::MAX_XML_BYTES).in_file(path));
    }
    parse(&document, path)
}

/// Reads an IR from memory; `path` names it in errors and gives the folder of its `.bin`.
///
/// # Errors
///
/// As [`read`].
///
/// # Example
///
/// ```
/// let xml = br#"<net name="m" version="11"><layers>
///     <layer id="0" name="x" type="Parameter" version="opset1">
///         <data shape="?,3" element_type="f32"/>
///         <output><port id="0" precision="FP32"><dim>-1</dim><dim>3</dim></port></output>
///     </layer></layers><edges/></net>"#;
/// let graph = memgraph::formats::openvino::parse(xml, "m.xml".as_ref())?;
/// assert_eq!(graph.parameters().len(), 1);
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn parse(document: &[u8], path: &Path) -> Result<Graph> {
    let read = || reader::read_net(document, path);
    read().map_err(|error| error.in_file(path))
}
