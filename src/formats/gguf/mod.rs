//! GGUF: settings and tensors by name, as llama.cpp reads them. There is no graph in such a file.
//!
//! The reader makes a graph of constants, one per tensor, with the [`Stored`] content next to them. Tensor data is never
//! read: a file that was cut behind its header is a valid input. A model in several files is one graph.

mod cursor;
mod header;
mod split;

use crate::DType;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::formats::mapping::Mapping;
use crate::graph::op::Constant;
use crate::graph::{
    Builder, Format, Graph, NodeSpec, Op, PartialShape, Setting, Stored, StoredTensor, TensorSpec,
    WeightFile, WeightRange,
};
use header::Header;
use std::path::Path;
use std::sync::Arc;

/// Reads the model at `path`, and the files that it is split into.
///
/// Cost: linear in the lengths of the headers.
///
/// # Errors
///
/// If a file cannot be read, breaks the format, or exceeds a cap of [`limits`](crate::formats::limits).
pub fn read(path: &Path) -> Result<Graph> {
    let first = read_header(path)?;
    let mut files = vec![(path.to_owned(), first)];
    for other in split::others(path, &files[0].1)? {
        let header = read_header(&other)?;
        files.push((other, header));
    }
    let lengths = files.iter().map(|(path, _)| std::fs::metadata(path).ok().map(|data| data.len())).collect();
    build(path, files, lengths)
}

/// Reads a model of one file from memory; `path` names it in errors.
///
/// # Errors
///
/// As [`read`].
///
/// # Example
///
/// ```
/// // Version 3, no tensors, no settings.
/// let mut model = b"GGUF\x03\0\0\0".to_vec();
/// model.extend([0; 16]);
/// let graph = memgraph::formats::gguf::parse(&model, "m.gguf".as_ref())?;
/// assert!(graph.nodes().is_empty());
/// # Ok::<(), memgraph::Error>(())
/// ```
pub fn parse(bytes: &[u8], path: &Path) -> Result<Graph> {
    let header = header::read(bytes).map_err(|error| error.in_file(path))?;
    build(path, vec![(path.to_owned(), header)], vec![Some(bytes.len() as u64)])
}

/// Whether a file is a GGUF, by its first bytes.
pub(super) fn is_gguf(path: &Path) -> Result<bool> {
    Ok(Mapping::open(path)?.bytes().starts_with(header::MAGIC))
}

/// Bytes of a file's header, which is what identifies the model: its data may be absent.
///
/// # Errors
///
/// As [`read`].
pub fn header_bytes(path: &Path) -> Result<u64> {
    Ok(read_header(path)?.data)
}

/// `general.architecture` of a file; `None` where it has none, or continues a split model.
pub(super) fn architecture(path: &Path) -> Option<String> {
    let settings = read_header(path).ok()?.settings;
    let continues = matches!(settings.get("split.no"), Some(Setting::Integer(number)) if *number > 0);
    match settings.get("general.architecture") {
        Some(Setting::Text(name)) if !continues => Some(name.clone()),
        _ => None,
    }
}

fn read_header(path: &Path) -> Result<Header> {
    let mapping = Mapping::open(path)?;
    header::read(mapping.bytes()).map_err(|error| error.in_file(path))
}

/// One graph of all files.
fn build(path: &Path, files: Vec<(std::path::PathBuf, Header)>, lengths: Vec<Option<u64>>) -> Result<Graph> {
    let mut builder = Builder::new(path, Format::Gguf);
    let mut stored = Stored::default();
    for ((path, header), len) in files.into_iter().zip(lengths) {
        let file = builder.weight_file(WeightFile { path, len, is_pointer: false });
        if stored.settings.is_empty() {
            stored.settings = header.settings;
        }
        for own in header.tensors {
            let offset = header.data + own.offset;
            let range = WeightRange { file, offset, size: own.bytes };
            stored.tensors.push(StoredTensor { name: own.name, dtype: own.dtype, dims: own.dims, range });
        }
    }
    if let Some(name) = stored.text("general.name") {
        builder.set_name(name);
    }
    for tensor in &stored.tensors {
        let op = Op::Constant(Constant { range: Some(tensor.range), value: None });
        let node = builder.node(NodeSpec {
            op,
            name: &tensor.name,
            type_name: tensor.dtype.name(),
            ..NodeSpec::default()
        });
        let rank = tensor.dims.iter().rposition(|&dim| dim != 1).map_or(1, |last| last + 1);
        let dims: Vec<u64> = tensor.dims.iter().take(rank).rev().copied().collect();
        let shape = PartialShape::known(&dims);
        builder.output(node, TensorSpec { dtype: plain(tensor.dtype), shape, ..TensorSpec::default() });
    }
    builder.set_stored(Arc::new(stored));
    builder.finish()
}

/// The element type of elements that are stored one by one; blocks with scales have none.
fn plain(dtype: GgmlType) -> DType {
    match dtype {
        GgmlType::F32 => DType::F32,
        GgmlType::F16 => DType::F16,
        GgmlType::BF16 => DType::BF16,
        GgmlType::F64 => DType::F64,
        GgmlType::I8 => DType::I8,
        GgmlType::I16 => DType::I16,
        GgmlType::I32 => DType::I32,
        GgmlType::I64 => DType::I64,
        _ => DType::Dynamic,
    }
}
