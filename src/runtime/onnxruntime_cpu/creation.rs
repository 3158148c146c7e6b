//! How a session is made, allocation by allocation.
//!
//! * The file is read through a buffer of 4 MiB into a message; each initializer in it is a string of its own.
//! * The objects of the graph are made of the message.
//! * In the file's order, each initializer is copied into a tensor, and its string freed; the session's objects follow.
//! * Of an initializer in half precision that is computed in single, a copy in single is folded, from one more in half; the
//!   originals go when all copies are there, with the nodes and initializers that nothing reads any more.
//! * A blocked convolution's filter is copied, reordered, made a string of a new message and copied into a tensor, and
//!   all but the last are freed; the plain filters go when all are done.
//! * In the order of nodes, kernels pack the matrices that they read; an original that nothing reads any more goes, but
//!   not before all is packed where there are bodies: so it is in traces of two models, why is not known.
//! * Without packing, one block for all initializers is allocated, and stays unwritten.
//!
//! Initializers of another file are mapped one by one, for as long as they are read.
//!
//! Source: ONNX Runtime, onnxruntime/core/graph/model.cc (`Load`, `DEFAULT_PROTOBUF_BLOCK_SIZE`), graph.cc
//! (`ConvertInitializersIntoOrtValues`, `CleanUnusedInitializersAndNodeArgs`), optimizer/constant_folding.cc, optimizer/nchwc_transformer.cc, framework/session_state.cc
//! (`PrepackConstantInitializedTensors`); checked against traces of 1.31.1.

use super::arena_weights;
use super::calibration as fit;
use super::initializers::{bytes_before, is_in_file, is_mapped, is_widened};
use super::options::OnnxRuntimeCpu;
use super::weights::{Objects, Own, Pack, Weights};
use super::work::Work;
use crate::process::{GlibcHeap, SplitRemainder};
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};

/// The buffer that a file is read through.
///
/// Source: `DEFAULT_PROTOBUF_BLOCK_SIZE`, onnxruntime/core/graph/model.cc.
const STREAM: u64 = 4 << 20;
/// What the CPU allocator aligns to.
///
/// Source: `MlasGetPreferredBufferAlignment`, onnxruntime/core/mlas/lib/platform.cpp.
pub(super) const ALIGNMENT: u64 = 64;

/// A session that is made.
#[derive(Debug)]
pub(super) struct Creation {
    /// The heap when it is made.
    pub heap: GlibcHeap,
    /// Bytes of initializers, and of the arena's first region, at the highest point.
    pub peak: u64,
    /// Bytes of initializers in the end.
    pub stays: u64,
    /// The most that was resident while the file was read, and after.
    pub resident_peaks: (u64, u64),
    /// Bytes of the mapped file that are resident at the peak.
    pub mapped: u64,
}

/// Makes a session.
pub(super) fn of(
    work: &Work<'_>,
    weights: &Weights,
    options: &OnnxRuntimeCpu,
    objects: Objects,
    split_remainder: SplitRemainder,
) -> Creation {
    let heap = GlibcHeap::new(split_remainder);
    let mut session =
        Session { heap, live: 0, region: 0, peak: 0, mapped_peak: 0, sizes: FxHashMap::default() };
    let mut tensors: FxHashMap<usize, u64> = FxHashMap::default();
    let while_reading = session.read(work, options, objects.graph, &mut tensors);
    weights.own.iter().for_each(|own| session.copy(own));
    let followed = fit::TENSOR.per(tensors.len() as u64).known().0;
    session.heap.take_written(objects.initializers.0.saturating_sub(followed), 1);
    session.heap.take_written(objects.session.0, 1);

    let mut left: Vec<u32> = vec![0; work.values.len()];
    weights.packs.iter().for_each(|pack| left[pack.value] += 1);
    let mut done = |value: usize| {
        left[value] = left[value].saturating_sub(1);
        left[value] == 0 && !weights.keeps_original(value)
    };
    let mut replaced = Vec::new();
    for pack in weights.packs.iter().filter(|pack| pack.is_blocked) {
        session.block(work, *pack, is_mapped(work, pack.value, options));
        if done(pack.value) {
            replaced.push(pack.value);
        }
    }
    replaced.iter().filter_map(|value| tensors.remove(value)).for_each(|tensor| session.free(tensor));
    let mut unread = Vec::new();
    let transposed: FxHashSet<usize> = weights.transposed.iter().map(|&(value, _)| value).collect();
    for pack in weights.packs.iter().filter(|pack| !pack.is_blocked) {
        if pack.is_in_arena || transposed.contains(&pack.value) {
            session.open_arena(arena_weights::first_region(weights, options));
        }
        if !pack.is_in_arena {
            let copy = session.malloc(pack.bytes, ALIGNMENT);
            if pack.is_repeated {
                session.free(copy);
            }
        }
        if is_mapped(work, pack.value, options) {
            session.read_mapped(work.bytes(pack.value).unwrap_or(0));
        }
        let original = if done(pack.value) { tensors.remove(&pack.value) } else { None };
        match original {
            Some(tensor) if weights.has_bodies => unread.push(tensor),
            Some(tensor) => session.free(tensor),
            None => {}
        }
    }
    for own in weights.own.iter().filter(|own| own.packed > 0) {
        session.malloc(own.packed, ALIGNMENT);
    }
    unread.into_iter().for_each(|tensor| session.free(tensor));
    if !options.prepacking {
        let held = weights
            .held
            .iter()
            .filter(|held| !held.is_message)
            .map(|held| Bytes(held.bytes).align_up(ALIGNMENT).0);
        session.heap.malloc(held.fold(0, u64::saturating_add), ALIGNMENT);
    }
    let after = session.heap.peak();
    let mapped = session.mapped_peak.saturating_sub(after);
    Creation {
        mapped,
        resident_peaks: (while_reading, after),
        peak: session.peak,
        stays: session.live,
        heap: session.heap,
    }
}

/// The heap, and what is allocated in it.
#[derive(Debug)]
struct Session {
    heap: GlibcHeap,
    live: u64,
    /// Bytes of the arena's first region.
    region: u64,
    peak: u64,
    /// The most that were resident together with what was read of a mapped file.
    mapped_peak: u64,
    sizes: FxHashMap<u64, u64>,
}

impl Session {
    /// Reads the model's own file and makes its initializers tensors, and those that were folded; the most that is
    /// resident until the message is there.
    fn read(
        &mut self,
        work: &Work<'_>,
        options: &OnnxRuntimeCpu,
        objects: Bytes,
        tensors: &mut FxHashMap<usize, u64>,
    ) -> u64 {
        let copied = |value: &usize| {
            work.values[*value].is_stored && is_in_file(work, *value) && !is_mapped(work, *value, options)
        };
        let stored: Vec<(usize, u64)> = (0..work.graph.tensors().len())
            .filter(copied)
            .filter_map(|value| Some((value, bytes_before(work, value)?)))
            .collect();
        let file = stored.iter().map(|&(_, bytes)| bytes).fold(0, u64::saturating_add);
        let stream = self.heap.malloc(STREAM, 1);
        self.heap.write(stream, 0, STREAM.min(file));
        let strings: Vec<u64> =
            stored.iter().map(|&(_, bytes)| self.malloc(bytes.saturating_add(1), 1)).collect();
        let while_reading = self.heap.peak();
        self.heap.free(stream);
        self.heap.forget_peak();
        self.heap.take_written(objects.0, 1);
        for (&(value, bytes), string) in stored.iter().zip(strings) {
            tensors.insert(value, self.malloc(bytes, ALIGNMENT));
            self.heap.take_written(fit::TENSOR.estimate().known().0, 1);
            self.free(string);
        }
        let is_used = |&value: &usize| {
            let own = &work.values[value];
            own.is_constant && work.is_read(value)
        };
        let used: Vec<usize> = (0..work.values.len()).filter(is_used).collect();
        for &value in used.iter().filter(|&&value| !work.values[value].is_stored) {
            if let Some(bytes) = bytes_before(work, value) {
                tensors.insert(value, self.malloc(bytes, ALIGNMENT));
            }
        }
        let mut originals = Vec::new();
        for &value in used.iter().filter(|&&value| is_widened(work, value)) {
            if let (Some(before), Some(bytes)) = (bytes_before(work, value), work.bytes(value)) {
                let copy = self.malloc(before, ALIGNMENT);
                originals.extend(tensors.insert(value, self.malloc(bytes, ALIGNMENT)));
                self.free(copy);
            }
        }
        originals.into_iter().for_each(|tensor| self.free(tensor));
        while_reading
    }

    /// Makes a tensor of an initializer of a body, in addition to its string.
    fn copy(&mut self, own: &Own) {
        if let Some(message) = own.message {
            self.malloc(message.saturating_add(1), 1);
        }
        self.malloc(own.bytes, ALIGNMENT);
        self.heap.take_written(fit::TENSOR.estimate().known().0, 1);
    }

    /// Writes a filter in blocked layout.
    fn block(&mut self, work: &Work<'_>, pack: Pack, is_mapped: bool) {
        let plain = work.bytes(pack.value).unwrap_or(0);
        let copy = self.malloc(plain, ALIGNMENT);
        let reordered = self.malloc(pack.bytes, 1);
        if is_mapped {
            self.read_mapped(plain);
        }
        let string = self.malloc(pack.bytes.saturating_add(1), 1);
        self.malloc(pack.bytes, ALIGNMENT);
        [string, reordered, copy].into_iter().for_each(|block| self.free(block));
    }

    fn malloc(&mut self, bytes: u64, alignment: u64) -> u64 {
        let address = self.heap.take_written(bytes, alignment);
        self.sizes.insert(address, bytes);
        self.live = self.live.saturating_add(bytes);
        self.peak = self.peak.max(self.live.saturating_add(self.region));
        address
    }

    /// From here on the arena has its first region, of which hardly anything is written.
    fn open_arena(&mut self, region: u64) {
        self.region = region;
        self.peak = self.peak.max(self.live.saturating_add(region));
    }

    fn free(&mut self, address: u64) {
        self.heap.free(address);
        self.live = self.live.saturating_sub(self.sizes.remove(&address).unwrap_or(0));
    }

    fn read_mapped(&mut self, bytes: u64) {
        self.mapped_peak = self.mapped_peak.max(self.heap.resident().saturating_add(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::super::fuse::testing::Draft;
    use super::super::kernel::Kernel;
    use super::super::steps::Settings;
    use super::super::{precision, weights};
    use super::*;
    use crate::DType;

    /// Bytes of 64 x 64 numbers in single.
    const MATRIX: u64 = 64 * 64 * 4;

    /// A product with each matrix of 64 x 64 after the other.
    fn products(draft: &mut Draft, dtype: DType, count: usize) {
        let mut output = draft.input_of(dtype, &[2, 64]);
        for _ in 0..count {
            let weight = draft.stored(dtype, &[64, 64]);
            output = draft.node(Kernel::MatMul, &[output, weight]);
        }
        draft.returns(output);
    }

    /// The peak of initializers, and how many bytes of them stay.
    fn created(draft: Draft, options: &OnnxRuntimeCpu) -> (u64, u64) {
        draft.with(|work| {
            work.options = *options;
            precision::widen(work);
            let weights = weights::of(work, &Settings::new(options));
            let objects = weights::objects(work, &weights);
            let made = of(work, &weights, options, objects, SplitRemainder::Joined);
            (made.peak, made.stays)
        })
    }

    #[test]
    fn a_packed_initializer_replaces_its_original() {
        let mut draft = Draft::default();
        products(&mut draft, DType::F32, 1);
        // Its string of the message, with a byte at the end, and the tensor that it is copied into.
        assert_eq!(created(draft, &OnnxRuntimeCpu::default()), (MATRIX + 1 + MATRIX, MATRIX));
    }

    #[test]
    fn strings_of_a_message_are_freed_one_after_the_other() {
        let mut draft = Draft::default();
        products(&mut draft, DType::F32, 3);
        // All strings, and the first tensor; each further one replaces a string.
        assert_eq!(created(draft, &OnnxRuntimeCpu::default()), (3 * (MATRIX + 1) + MATRIX, 3 * MATRIX));
    }

    #[test]
    fn an_original_stays_where_another_node_reads_it() {
        let mut draft = Draft::default();
        let (x, weight) = (draft.input(&[64, 64]), draft.stored(DType::F32, &[64, 64]));
        let product = draft.node(Kernel::MatMul, &[x, weight]);
        let output = draft.node(Kernel::Add, &[product, weight]);
        draft.returns(output);
        assert_eq!(created(draft, &OnnxRuntimeCpu::default()).1, 2 * MATRIX);
    }

    #[test]
    fn without_packing_the_original_is_all() {
        let mut draft = Draft::default();
        products(&mut draft, DType::F32, 1);
        let options = OnnxRuntimeCpu { prepacking: false, ..OnnxRuntimeCpu::default() };
        assert_eq!(created(draft, &options), (MATRIX + 1 + MATRIX, MATRIX));
    }

    #[test]
    fn half_precision_is_copied_before_it_is_written_in_single() {
        let mut draft = Draft::default();
        products(&mut draft, DType::F16, 1);
        let half = MATRIX / 2;
        // The tensor, one more in half and that in single; the original goes when all copies are there.
        assert_eq!(created(draft, &OnnxRuntimeCpu::default()), (2 * half + MATRIX, MATRIX));
    }
}
