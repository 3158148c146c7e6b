//! Kernels that write floats where the model has bytes.
//!
//! * An average pool writes bytes for the model where anything but a FakeQuantize or a Result reads it, perhaps through what
//!   keeps bytes. Its kernel writes f32, unless a FakeQuantize is fused.
//! * A product or a convolution of floats writes floats, whatever is fused; one of two activations f32.
//! * A convolution that adds what has elements of another size writes f32, over a copy of it in f32.
//!
//! What reads them has a Reorder to bytes in front.
//!
//! Source: `MarkupAvgPoolPrecisionPreserved` and `AvgPoolTransformation`, OpenVINO 2026.4,
//! src/common/low_precision_transformations/src; `Pooling::getSupportedDescriptors`, `Convolution::getSupportedDescriptors` and
//! the type mappings of FullyConnected's executors, src/plugins/intel_cpu/src/nodes.

use super::super::types::computes_bytes;
use super::super::work::Work;
use super::preserved::is_average;
use crate::DType;
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::Kind;

/// Gives kernels the type that they write, and readers the one that they want.
pub(in super::super) fn write_floats(work: &mut Work<'_>) {
    let float = work.options.precision.dtype();
    let mut read_as = vec![None; work.nodes.len()];
    for &node in work.order().iter() {
        let of = &work.nodes[node];
        if adds_another_size(work, node) {
            read_as[node] = of.outputs.first().map(|tensor| tensor.dtype).filter(|dtype| !dtype.is_float());
            work.nodes[node].outputs[0].dtype = DType::F32;
            continue;
        }
        let Some(tensor) = of.outputs.first().filter(|tensor| matches!(tensor.dtype, DType::U8 | DType::I8))
        else {
            continue;
        };
        let written = match of.kind {
            Kind::Pooling if is_average(&of.op) && of.n_fused == 0 => DType::F32,
            Kind::FullyConnected | Kind::Convolution if !computes_bytes(work, node) => float,
            Kind::MatMul if !computes_bytes(work, node) => DType::F32,
            _ if matches!(of.op, Op::NormalizeL2 { .. }) && !reads_bytes(work, node) => float,
            _ => continue,
        };
        read_as[node] = Some(tensor.dtype);
        work.nodes[node].outputs[0].dtype = written;
    }
    work.read_as = read_as;
}

/// Whether a convolution is added to elements of another size than it writes.
fn adds_another_size(work: &Work<'_>, node: usize) -> bool {
    let of = &work.nodes[node];
    let addend = of.addend.and_then(|input| of.input(input as usize));
    let (Some(addend), Some(written)) = (addend, of.outputs.first()) else { return false };
    work.tensor(addend).dtype.bytes(1) != written.dtype.bytes(1)
}

fn reads_bytes(work: &Work<'_>, node: usize) -> bool {
    work.nodes[node].input(0).is_some_and(|edge| matches!(work.tensor(edge).dtype, DType::U8 | DType::I8))
}
