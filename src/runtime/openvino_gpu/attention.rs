//! Attention: one kernel, or written out with its scores.
//!
//! The plugin keeps an attention whole if queries, keys and values have four dims and one static head size, which must be
//! at most 256 on a device with XMX, and 64 to 256 in steps of 16 on any other. Every other attention becomes two matrix
//! products around a Softmax: the scores before it and after it are there at once, B · H · L · S elements of f16 each,
//! the mask fused into the first product. The vision tower of Qwen2.5-VL is exported with three dims.
//!
//! Keys and values that are repeated for groups of heads are read without a copy.
//!
//! Source: openvino src/plugins/intel_gpu/src/plugin/transformations_pipeline.cpp, the callback of
//! `ScaledDotProductAttentionDecomposition`, and unsqueeze_broadcast_reshape_sdpa_fusion.cpp, 2025.

use super::OpenvinoGpu;
use super::device;
use crate::graph::{Graph, Op};
use crate::ids::{StorageId, TensorId};
use crate::schedule::{Draft, StorageClass};
use crate::shape::Shapes;
use crate::units::Bytes;
use rustc_hash::FxHashSet;

/// Bytes of an element of the scores.
const F16: u64 = 2;

/// Adds the scores of attentions that are written out, and takes repeated keys and values away from those that are not.
pub(super) fn lower(draft: &mut Draft, graph: &Graph, shapes: &Shapes, options: &OpenvinoGpu) {
    let mut unneeded: FxHashSet<TensorId> = FxHashSet::default();
    for index in 0..draft.steps.len() {
        let node = draft.steps[index].node;
        // Nodes of bodies are counted from 0 as well.
        if node.graph != 0 || !matches!(graph.node(node.node).op, Op::ScaledDotProductAttention { .. }) {
            continue;
        }
        let [Some(query), Some(key), Some(value)] = [0, 1, 2].map(|input| graph.input(node.node, input))
        else {
            continue;
        };
        if is_kept(graph, [query, key, value], options) {
            unneeded.extend([key, value].into_iter().filter_map(|tensor| repeated(graph, tensor)));
        } else if let Some(bytes) = scores(shapes, query, key) {
            for _ in 0..2 {
                let made = device::scratch(draft, node, bytes);
                draft.steps[index].writes.push(made);
            }
        } else {
            draft.unknown_tensors += 2;
        }
    }
    drop_buffers(draft, unneeded);
}

/// Whether the plugin has one kernel for it.
fn is_kept(graph: &Graph, inputs: [TensorId; 3], options: &OpenvinoGpu) -> bool {
    let heads = inputs.map(|tensor| {
        let dims = graph.tensor(tensor).shape.dims.as_ref()?;
        dims.last().filter(|_| dims.len() == 4)?.as_known()
    });
    let [Some(query), Some(key), Some(value)] = heads else { return false };
    query == key && key == value && suits(query, options.has_xmx)
}

fn suits(head: u64, has_xmx: bool) -> bool {
    if has_xmx { head <= 256 } else { head.is_multiple_of(16) && (64..=256).contains(&head) }
}

/// Bytes of one matrix of scores.
fn scores(shapes: &Shapes, query: TensorId, key: TensorId) -> Option<Bytes> {
    let (query, key) = (shapes.tensor(query).dims.as_deref()?, shapes.tensor(key).dims.as_deref()?);
    let (_, rows) = query.split_last()?;
    let columns = *key.get(key.len().checked_sub(2)?)?;
    let elements = rows.iter().fold(columns, |product, &dim| product.saturating_mul(dim));
    Some(Bytes(elements.saturating_mul(F16)))
}

/// The Broadcast that repeats keys or values, directly or through a Reshape.
fn repeated(graph: &Graph, tensor: TensorId) -> Option<TensorId> {
    let node = graph.tensor(tensor).node;
    match graph.node(node).op {
        Op::Broadcast(_) => Some(tensor),
        Op::Reshape(_) => {
            let input = graph.input(node, 0)?;
            matches!(graph.node(graph.tensor(input).node).op, Op::Broadcast(_)).then_some(input)
        }
        _ => None,
    }
}

/// Takes the bytes of these tensors' own buffers away, and of the views in them.
fn drop_buffers(draft: &mut Draft, mut tensors: FxHashSet<TensorId>) {
    let mut dropped: FxHashSet<StorageId> = FxHashSet::default();
    for value in &draft.values {
        // The first value of a tensor is the one in its own buffer.
        let is_it = value.tensor.is_some_and(|found| found.graph == 0 && tensors.remove(&found.tensor));
        if is_it && draft.storage(value.storage).class == StorageClass::Activation {
            dropped.insert(value.storage);
        }
    }
    for storage in &dropped {
        draft.storages[storage.index()].bytes = Bytes::ZERO;
    }
    for value in draft.values.iter_mut().filter(|value| dropped.contains(&value.storage)) {
        (value.offset, value.bytes) = (Bytes::ZERO, Bytes::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_decides_which_heads_suit() {
        let suited = |has_xmx| [64, 72, 80, 128, 256, 320].map(|head| suits(head, has_xmx));
        assert_eq!(suited(true), [true, true, true, true, true, false]);
        assert_eq!(suited(false), [true, false, true, true, true, false]);
    }
}
