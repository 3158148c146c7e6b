//! From a reserved graph to a schedule: each node is a step, each buffer of the allocator a storage.

use super::context::Reserved;
use super::expand::Numbers;
use super::tensor::{Id, Op, Place};
use crate::ids::{StorageId, ValueId};
use crate::schedule::{Draft, Known, Origin, Step, Storage, StorageClass, Value};
use crate::units::Bytes;
use smallvec::SmallVec;

/// The schedule of a graph; by tensor of a cache, whether it is a state, and its bytes. Weights are not storages: `weights` are allocations outside of it.
///
/// The first step represents what is set before the graph runs: inputs have memory from there on.
pub(super) fn schedule(reserved: &Reserved, caches: &[(bool, u64)], numbers: &Numbers) -> Draft {
    let mut lowering = Lowering {
        reserved,
        numbers,
        draft: Draft::default(),
        storages: Vec::with_capacity(reserved.allocation.buffers.len()),
        cache_storages: Vec::with_capacity(caches.len()),
        values: vec![None; reserved.split.graph.tensors.len()],
    };
    lowering.add_storages(caches);
    lowering.add_inputs();
    for number in 0..reserved.split.graph.nodes.len() {
        lowering.add_step(number);
    }
    lowering.draft
}

struct Lowering<'a> {
    reserved: &'a Reserved,
    numbers: &'a Numbers,
    draft: Draft,
    /// By buffer of the allocator.
    storages: Vec<StorageId>,
    /// By tensor of a cache.
    cache_storages: Vec<StorageId>,
    /// By tensor, the value that has its content now.
    values: Vec<Option<ValueId>>,
}

impl Lowering<'_> {
    fn add_storages(&mut self, caches: &[(bool, u64)]) {
        for buffer in &self.reserved.allocation.buffers {
            let node = self.numbers.of(buffer.first);
            let bytes = Bytes(buffer.bytes);
            let mut storage = Storage::new(StorageClass::Activation, bytes, node, Known::Exact);
            storage.alignment = super::tensor::ALIGNMENT;
            // The first step is before the first node.
            storage.kept_until = u32::try_from(buffer.end + 1).unwrap_or(u32::MAX);
            let id = self.push_storage(storage);
            self.storages.push(id);
        }
        for (&(is_state, bytes), number) in caches.iter().zip(0..) {
            let class = if is_state { StorageClass::State } else { StorageClass::KvCache };
            let node = self.numbers.of_cache(number);
            let storage = Storage::new(class, Bytes(bytes), node, Known::Exact);
            let id = self.push_storage(storage);
            self.cache_storages.push(id);
        }
    }

    fn push_storage(&mut self, storage: Storage) -> StorageId {
        self.draft.storages.push(storage);
        StorageId::new(self.draft.storages.len() - 1)
    }

    fn push_value(&mut self, storage: StorageId, (offset, bytes): (u64, u64), origin: Origin) -> ValueId {
        let (offset, bytes) = (Bytes(offset), Bytes(bytes));
        self.draft.values.push(Value { storage, offset, bytes, origin, tensor: None });
        ValueId::new(self.draft.values.len() - 1)
    }

    fn add_inputs(&mut self) {
        let graph = &self.reserved.split.graph;
        let mut step = Step::default();
        for &leaf in &graph.leafs {
            let tensor = graph.get(leaf);
            match (tensor.place, self.reserved.allocation.of_tensor[leaf.index()]) {
                (Place::Cache(number), _) => {
                    let storage = self.cache_storages[number as usize];
                    let value = self.push_value(storage, (0, tensor.bytes()), Origin::Resident);
                    self.values[leaf.index()] = Some(value);
                }
                (_, Some(buffer)) => {
                    let storage = self.storages[buffer as usize];
                    let value = self.push_value(storage, (0, tensor.bytes()), Origin::Written);
                    self.values[leaf.index()] = Some(value);
                    step.writes.push(value);
                    step.node = self.numbers.of(leaf);
                }
                (_, None) => {}
            }
        }
        self.draft.steps.push(step);
    }

    fn add_step(&mut self, number: usize) {
        let graph = &self.reserved.split.graph;
        let id = graph.nodes[number];
        let tensor = graph.get(id);
        let node = self.numbers.of(id);
        let mut reads: SmallVec<[ValueId; 4]> = SmallVec::new();
        // What a node writes into, it does not read.
        let target = matches!(tensor.op, Op::SetRows | Op::Cpy).then(|| tensor.sources.last()).flatten();
        let target = target.filter(|_| tensor.view.is_some());
        for source in tensor.sources.iter().filter(|&source| Some(source) != target) {
            reads.extend(self.values[source.index()]);
        }
        let mut writes: SmallVec<[ValueId; 2]> = SmallVec::new();
        let written = match tensor.view {
            Some((root, offset)) => self.through_view(id, root, offset),
            None => self.own(id),
        };
        if let Some(value) = written {
            self.values[id.index()] = Some(value);
            writes.push(value);
        }
        self.draft.steps.push(Step { node, reads, writes });
    }

    /// The value of a tensor with memory of its own.
    fn own(&mut self, id: Id) -> Option<ValueId> {
        let buffer = self.reserved.allocation.of_tensor[id.index()]?;
        let bytes = self.reserved.split.graph.get(id).bytes();
        Some(self.push_value(self.storages[buffer as usize], (0, bytes), Origin::Written))
    }

    /// The value of a view: the bytes of its root, or new ones in their place.
    fn through_view(&mut self, id: Id, root: Id, offset: u64) -> Option<ValueId> {
        let tensor = self.reserved.split.graph.get(id);
        let held = self.values[root.index()]?;
        let value = self.draft.value(held);
        let (storage, whole, start) = (value.storage, value.bytes.0, value.offset.0);
        // A write of no bytes, as of states that no sequence has, leaves the root as it is.
        if tensor.op.is_no_op() || tensor.bytes() == 0 {
            return Some(self.push_value(storage, (start + offset, tensor.bytes()), Origin::View(held)));
        }
        // A part of the root is written: from now on the root holds what this node leaves there.
        let value = self.push_value(storage, (start, whole), Origin::Written);
        self.values[root.index()] = Some(value);
        Some(value)
    }
}
