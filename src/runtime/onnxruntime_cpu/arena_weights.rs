//! Weights that kernels pack into the arena, those of ConvTranspose, or transpose there before they pack them, those of QGemm.
//!
//! Other kernels reserve memory for their packed weights next to the arena. Here the arena has its first region before the
//! first run, so that the regions of the runs are larger by a doubling.
//!
//! Source: ONNX Runtime, onnxruntime/core/providers/cpu/nn/conv_transpose.cc (`PrePack`), checked against the extensions
//! that 1.31.1 logs.

use super::options::{Arena, OnnxRuntimeCpu};
use super::weights::{Weights, constant};
use super::work::Work;
use crate::ids::{StorageId, ValueId};
use crate::schedule::{Draft, Known, Origin, Step, Storage, StorageClass, Value};
use crate::units::Bytes;

/// The least that the arena grows by (`DEFAULT_INITIAL_CHUNK_SIZE_BYTES`).
///
/// Source: ONNX Runtime, onnxruntime/core/framework/bfc_arena.h.
const FIRST_REGION: u64 = 1 << 20;

/// Requests are multiples of this (`kMinAllocationSize`).
///
/// Source: ONNX Runtime, onnxruntime/core/framework/bfc_arena.h.
const UNIT: u64 = 256;

/// Weights that their kernels packed into the arena before the first run: they are its first requests, and stay. Those that
/// were transposed there are gone when the next is.
pub(super) fn keep(draft: &mut Draft, work: &Work<'_>, weights: &Weights) {
    let packs = weights.packs.iter().filter(|pack| pack.is_in_arena).map(|pack| (pack.value, pack.bytes));
    let packs: Vec<(usize, u64)> = packs.collect();
    let all = weights.transposed.iter().map(std::slice::from_ref);
    let requests: Vec<(&[(usize, u64)], bool)> =
        all.map(|one| (one, false)).chain((!packs.is_empty()).then_some((&packs[..], true))).collect();
    let count = requests.len() as u32;
    let kept = draft.storages.iter_mut().filter(|storage| storage.kept_until > 0);
    kept.for_each(|storage| storage.kept_until += count);
    let last = draft.steps.len() as u32 + count - u32::from(count > 0);
    let mut steps = Vec::with_capacity(requests.len() + draft.steps.len());
    for (values, stays) in requests {
        let mut step = Step { node: constant(work, values[0].0), ..Step::default() };
        for &(value, bytes) in values {
            let storage = StorageId::new(draft.storages.len());
            let new = Storage::new(StorageClass::Scratch, Bytes(bytes), constant(work, value), Known::Exact);
            let kept_until = if stays { last } else { 0 };
            draft.storages.push(Storage { kept_until, grows: true, ..new });
            step.writes.push(ValueId::new(draft.values.len()));
            draft.values.push(Value {
                storage,
                offset: Bytes::ZERO,
                bytes: Bytes(bytes),
                origin: Origin::Written,
                tensor: None,
            });
        }
        steps.push(step);
    }
    steps.append(&mut draft.steps);
    draft.steps = steps;
}

/// Bytes of the arena's region for them when the session is made.
pub(super) fn first_region(weights: &Weights, options: &OnnxRuntimeCpu) -> u64 {
    let rounded = |bytes: u64| Bytes(bytes).align_up(UNIT).0;
    let packs = weights.packs.iter().filter(|pack| pack.is_in_arena).map(|pack| rounded(pack.bytes));
    let asked = packs.fold(0, u64::saturating_add);
    let asked = weights.transposed.iter().map(|&(_, bytes)| rounded(bytes)).fold(asked, u64::max);
    match options.arena {
        Arena::Doubled => asked.checked_next_power_of_two().unwrap_or(asked).max(FIRST_REGION),
        Arena::AsRequested | Arena::Off => asked,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft as Model;
    use super::super::kernel::Kernel;
    use super::super::order;
    use super::super::steps::{Settings, run};
    use super::super::weights;
    use super::*;
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{ElementType, Quantized, QuantizedForm};

    #[test]
    fn a_transposed_filter_is_the_first_request_and_stays() {
        let mut model = Model::default();
        let (x, filter) = (model.input(&[1, 4, 8, 8]), model.stored(DType::F32, &[4, 4, 2, 2]));
        let output = model.op(Op::ConvolutionBackpropData(Box::default()), &[x, filter]);
        let active = model.node(Kernel::Sqrt, &[output]);
        model.returns(active);
        model.with(|work| {
            let options = OnnxRuntimeCpu::default();
            let settings = Settings::new(&options);
            let weights = weights::of(work, &settings);
            let (mut draft, _) = run(work, &order::of(work), &settings);
            let steps = draft.steps.len();
            keep(&mut draft, work, &weights);
            assert_eq!(draft.steps.len(), steps + 1);
            let first = draft.value(draft.steps[0].writes[0]);
            let storage = &draft.storages[first.storage.index()];
            assert_eq!((storage.bytes, storage.kept_until), (Bytes(4 * 4 * 2 * 2 * 4), steps as u32));
            assert_eq!(first_region(&weights, &options), FIRST_REGION);
        });
    }

    #[test]
    fn a_matrix_that_is_transposed_there_is_gone_before_the_run() {
        let of = |transpose_b: bool| {
            let mut model = Model::default();
            let (data, matrix) = (model.input_of(DType::U8, &[4, 8]), model.stored(DType::I8, &[8, 8]));
            let (scale, zero) = (model.number(0.5), model.stored(DType::U8, &[]));
            let op = Op::Gemm { transpose_a: false, transpose_b, has_activation: false };
            let op = Op::Quantized(Box::new(Quantized {
                form: QuantizedForm::Linear,
                op,
                to: ElementType::Is(DType::F32),
            }));
            let bias = model.stored(DType::I32, &[8]);
            let output = model.outputs(op, &[DType::F32], &[data, matrix, bias, scale, zero, scale, zero])[0];
            model.returns(output);
            model.with(|work| {
                let options = OnnxRuntimeCpu::default();
                let settings = Settings::new(&options);
                let weights = weights::of(work, &settings);
                let (mut draft, _) = run(work, &order::of(work), &settings);
                let steps = draft.steps.len();
                keep(&mut draft, work, &weights);
                let added = draft.steps.len() - steps;
                (added, draft.storages.last().map(|storage| (storage.bytes.0, storage.kept_until)))
            })
        };
        assert_eq!(of(true), (1, Some((64, 0))));
        assert_eq!(of(false).0, 0);
    }
}
