//! Initializers: where a file has them, and what they were before half precision was put into single.

use super::options::OnnxRuntimeCpu;
use super::work::Work;
use crate::DType;
use crate::graph::Op;

/// Whether a constant is a tensor of a file, not what the reader made of an attribute.
pub(super) fn is_in_file(work: &Work<'_>, value: usize) -> bool {
    let node = work.graph.tensor(work.values[value].tensor).node;
    matches!(&work.graph.node(node).op, Op::Constant(constant) if constant.range.is_some())
}

/// Whether an initializer is read where its file is mapped.
///
/// A missing data file gives no information; see [`OnnxRuntimeCpu::external_weights`].
pub(super) fn is_mapped(work: &Work<'_>, value: usize, options: &OnnxRuntimeCpu) -> bool {
    let node = work.graph.tensor(work.values[value].tensor).node;
    let Op::Constant(constant) = &work.graph.node(node).op else { return false };
    let Some(file) = constant.range.and_then(|range| work.graph.weight_files().get(range.file as usize))
    else {
        return false;
    };
    let is_apart = file.path != work.graph.file();
    work.values[value].is_stored && is_apart && options.external_weights.unwrap_or(file.len.is_some())
}

/// Whether a constant was in half precision before it was put into single.
pub(super) fn is_widened(work: &Work<'_>, value: usize) -> bool {
    let own = &work.values[value];
    own.is_constant && own.dtype == DType::F32 && work.graph.tensor(own.tensor).dtype == DType::F16
}

/// Bytes of a constant as its file has it, or as it was folded, before it was put into single.
pub(super) fn bytes_before(work: &Work<'_>, value: usize) -> Option<u64> {
    let bytes = work.bytes(value)?;
    Some(if is_widened(work, value) { bytes / 2 } else { bytes })
}
