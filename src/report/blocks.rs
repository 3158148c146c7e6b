//! The blocks that a phase allocates, by size.

use super::model;
use super::view::View;
use crate::graph::Op;
use crate::schedule::{NodeRef, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

impl View<'_> {
    pub(super) fn blocks(&self) -> Vec<model::Block> {
        let is_in_heap = self.phase.outcome.residency.is_file_in_heap;
        let mut groups: BTreeMap<(std::cmp::Reverse<u64>, &str), (u64, StorageClass, NodeRef)> =
            BTreeMap::new();
        for storage in &self.allocations {
            if !storage.class.is_planned()
                && storage.class != StorageClass::Runtime
                && (is_in_heap || storage.class != StorageClass::WeightsFile)
                && storage.bytes > Bytes::ZERO
            {
                let class = match storage.class {
                    StorageClass::WeightsFile => StorageClass::WeightsAnonymous,
                    class => class,
                };
                let key = (std::cmp::Reverse(storage.bytes.0), class.name());
                groups.entry(key).or_insert((0, class, storage.node)).0 += 1;
            }
        }
        let mut inside: BTreeMap<_, u64> = BTreeMap::new();
        for (class, bytes) in self.arena_blocks() {
            *inside.entry((class, bytes)).or_default() += 1;
        }
        let buffers = self.phase.problem.buffers.len();
        let arena = inside.into_iter().map(|((class, bytes), count)| model::Block {
            class,
            bytes: bytes.0,
            count,
            what: format!("{buffers} buffers of intermediate results"),
            is_aggregate: false,
        });
        let graph = self.bodies[0];
        let by_file = self.bytes_by_file();
        let mapped = graph.weight_files().iter().zip(0_u32..).filter(|_| !is_in_heap);
        let files = mapped.map(|(weights, file)| model::Block {
            class: model::Class::WeightsFile,
            bytes: by_file.get(&file).copied().unwrap_or_default().0,
            count: 1,
            what: weights.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            is_aggregate: false,
        });
        let others = groups.into_iter().map(|((bytes, _), (count, class, node))| model::Block {
            class: class.into(),
            bytes: bytes.0,
            count,
            what: self.node_name(node).to_owned(),
            is_aggregate: false,
        });
        let objects = model::Block {
            class: model::Class::Runtime,
            bytes: self.class(StorageClass::Runtime).0,
            count: 1,
            what: "runtime objects, in many small allocations".to_owned(),
            is_aggregate: true,
        };
        let others = others.chain([objects]);
        let mut blocks: Vec<_> = arena.chain(files).chain(others).filter(|block| block.bytes > 0).collect();
        blocks.sort_by_key(|block| std::cmp::Reverse(block.bytes.saturating_mul(block.count)));
        blocks
    }

    /// Bytes of the constants in each weights file.
    fn bytes_by_file(&self) -> FxHashMap<u32, Bytes> {
        let mut by_file: FxHashMap<u32, Bytes> = FxHashMap::default();
        let storages = self.allocations.iter();
        for storage in storages.filter(|storage| storage.class == StorageClass::WeightsFile) {
            let node = storage.node;
            if let Op::Constant(constant) = &self.bodies[node.graph as usize].node(node.node).op
                && let Some(range) = constant.range
            {
                *by_file.entry(range.file).or_default() += storage.bytes;
            }
        }
        by_file
    }
}
