//! Weights that kernels pack into the arena: those of ConvTranspose.
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
use crate::runtime::Allocation;
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

/// Weights that their kernels packed into the arena before the first run: they are its first requests, and stay.
pub(super) fn keep(draft: &mut Draft, work: &Work<'_>, weights: &Weights) {
    let packs: Vec<_> = weights.packs.iter().filter(|pack| pack.is_in_arena).collect();
    if packs.is_empty() {
        return;
    }
    let kept = draft.storages.iter_mut().filter(|storage| storage.kept_until > 0);
    kept.for_each(|storage| storage.kept_until += 1);
    let last = draft.steps.len() as u32;
    let mut step = Step { node: constant(work, packs[0].value), ..Step::default() };
    for pack in packs {
        let node = constant(work, pack.value);
        let storage = StorageId::new(draft.storages.len());
        let bytes = Bytes(pack.bytes);
        let new = Storage::new(StorageClass::Scratch, bytes, node, Known::Exact);
        draft.storages.push(Storage { kept_until: last, grows: true, ..new });
        step.writes.push(ValueId::new(draft.values.len()));
        draft.values.push(Value {
            storage,
            offset: Bytes::ZERO,
            bytes,
            origin: Origin::Written,
            tensor: None,
        });
    }
    draft.steps.insert(0, step);
}

/// The arena's region for them when the session is made.
pub(super) fn first_region(
    work: &Work<'_>,
    weights: &Weights,
    options: &OnnxRuntimeCpu,
) -> Option<Allocation> {
    let mut packs = weights.packs.iter().filter(|pack| pack.is_in_arena).peekable();
    let node = constant(work, packs.peek()?.value);
    let asked = packs.map(|pack| Bytes(pack.bytes).align_up(UNIT).0).fold(0, u64::saturating_add);
    let bytes = match options.arena {
        Arena::Doubled => asked.checked_next_power_of_two().unwrap_or(asked).max(FIRST_REGION),
        Arena::AsRequested | Arena::Off => asked,
    };
    Some(Allocation { class: StorageClass::Scratch, bytes: Bytes(bytes), node, known: Known::Exact })
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
            let region = first_region(work, &weights, &options).unwrap();
            assert_eq!(region.bytes, Bytes(FIRST_REGION));
        });
    }
}
