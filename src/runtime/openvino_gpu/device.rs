//! Element types on the device, and where each tensor is stored.
//!
//! * Floats become f16 and 64-bit integers 32 bits wide; model inputs and outputs keep their type in host memory, and
//!   have a converted copy on the device.
//! * Constants are uploaded: quantized ones as they are, f32 as f16.
//! * A state of attention is allocated with room for `128 + id % 64` tokens, `id` counting the states.
//!
//! Source: openvino src/plugins/intel_gpu, 2025: src/plugin/transformations_pipeline.cpp, src/graph/program.cpp
//! (`transfer_memory_to_device`), src/graph/kv_cache.cpp (`get_prealloc_iter_num`).

use super::OpenvinoGpu;
use crate::dtype::DType;
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, StorageId, TensorId, ValueId};
use crate::schedule::{Draft, Known, NodeRef, Origin, Step, Storage, StorageClass, Value};
use crate::shape::Shapes;
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

/// Bits that the device takes for each bit of a type, as a fraction.
fn ratio(dtype: DType) -> (u64, u64) {
    match dtype {
        DType::F64 => (1, 4),
        DType::F32 | DType::I64 | DType::U64 => (1, 2),
        _ => (1, 1),
    }
}

fn scaled(bytes: Bytes, (up, down): (u64, u64)) -> Bytes {
    Bytes(bytes.0.saturating_mul(up).div_ceil(down.max(1)))
}

/// The type of the first tensor in each storage.
fn types(draft: &Draft, bodies: &[&Graph]) -> Vec<Option<DType>> {
    let mut types = vec![None; draft.storages.len()];
    for value in &draft.values {
        let Some(tensor) = value.tensor else { continue };
        let dtype = bodies.get(tensor.graph as usize).map(|graph| graph.tensor(tensor.tensor).dtype);
        if let Some(slot) = types.get_mut(value.storage.index()) {
            *slot = slot.or(dtype);
        }
    }
    types
}

/// Gives a storage and all values in it another length.
fn rescale(draft: &mut Draft, ratios: &[(u64, u64)]) {
    for (storage, &ratio) in draft.storages.iter_mut().zip(ratios) {
        storage.bytes = scaled(storage.bytes, ratio);
    }
    for value in &mut draft.values {
        let ratio = ratios.get(value.storage.index()).copied().unwrap_or((1, 1));
        value.bytes = scaled(value.bytes, ratio);
        value.offset = scaled(value.offset, ratio);
    }
}

/// Intermediate results and states take the device's types.
pub(super) fn narrow(draft: &mut Draft, bodies: &[&Graph]) {
    let types = types(draft, bodies);
    let ratios: Vec<(u64, u64)> = draft
        .storages
        .iter()
        .zip(types)
        .map(|(storage, dtype)| match storage.class {
            StorageClass::Io | StorageClass::WeightsFile => (1, 1),
            _ => dtype.map_or((1, 1), ratio),
        })
        .collect();
    rescale(draft, &ratios);
}

/// Constants are on the device, f32 as f16.
pub(super) fn upload(draft: &mut Draft, bodies: &[&Graph]) {
    let ratios: Vec<(u64, u64)> = draft
        .storages
        .iter()
        .map(|storage| {
            let graph = bodies.get(storage.node.graph as usize);
            let is_file = storage.class == StorageClass::WeightsFile;
            let output = graph.filter(|_| is_file).and_then(|graph| {
                let tensor = graph.output(storage.node.node, 0)?;
                Some(graph.tensor(tensor).dtype)
            });
            output.map_or((1, 1), ratio)
        })
        .collect();
    rescale(draft, &ratios);
    for storage in &mut draft.storages {
        if storage.class == StorageClass::WeightsFile {
            storage.class = StorageClass::WeightsAnonymous;
        }
    }
}

/// States of attention are stored in the cache's type, with room to grow.
pub(super) fn states(draft: &mut Draft, bodies: &[&Graph], options: &OpenvinoGpu) {
    let bits = options.kv_precision().bits().unwrap_or(16);
    let types = types(draft, bodies);
    let ratios: Vec<(u64, u64)> = draft
        .storages
        .iter()
        .zip(types)
        .map(|(storage, dtype)| match (storage.class, dtype) {
            (StorageClass::KvCache, Some(dtype)) if is_variable(bodies, storage.node) => {
                let (up, down) = ratio(dtype);
                let held = dtype.bits().unwrap_or(16).saturating_mul(up).checked_div(down);
                (bits, held.unwrap_or(16).max(1))
            }
            _ => (1, 1),
        })
        .collect();
    rescale(draft, &ratios);
    let mut id = 0_u64;
    for index in 0..draft.storages.len() {
        let storage = &draft.storages[index];
        if storage.class != StorageClass::KvCache || !is_variable(bodies, storage.node) {
            continue;
        }
        let tokens = tokens(draft, bodies, StorageId::new(index), bits);
        if let Some(tokens) = tokens.filter(|&tokens| tokens > 0) {
            let row = draft.storages[index].bytes.0 / tokens;
            let room = row.saturating_mul(128 + id % 64);
            draft.storages[index].bytes += Bytes(room);
        }
        id += 1;
    }
}

fn is_variable(bodies: &[&Graph], node: NodeRef) -> bool {
    let op = bodies.get(node.graph as usize).map(|graph| &graph.node(node.node).op);
    matches!(op, Some(Op::ReadValue(_) | Op::Assign(_)))
}

/// Tokens in a state, over all sequences: its bytes by those of the dims that the variable gives, which leaves batch and
/// tokens free.
fn tokens(draft: &Draft, bodies: &[&Graph], storage: StorageId, bits: u64) -> Option<u64> {
    let held = draft.storage(storage);
    let graph = bodies.get(held.node.graph as usize)?;
    let variable = match graph.node(held.node.node).op {
        Op::ReadValue(variable) | Op::Assign(variable) => graph.variable(variable),
        _ => return None,
    };
    let dims = variable.shape.dims.as_ref()?;
    let fixed: u64 = dims.iter().filter_map(|dim| dim.as_known()).fold(1, u64::saturating_mul);
    held.bytes.0.checked_div(bits.saturating_mul(fixed).div_ceil(8))
}

/// Logits of the last token alone: the outputs behind the head have one row.
pub(super) fn last_logits(draft: &mut Draft, graph: &Graph, shapes: &Shapes) {
    if graph.variables().is_empty() {
        return;
    }
    // The rows of each tensor, with its last place in the list: in one storage the last tensor decides.
    let mut heads: FxHashMap<TensorId, (usize, u64)> = FxHashMap::default();
    let tensors = graph.results().iter().flat_map(|&result| head(graph, result));
    for (place, tensor) in tensors.enumerate() {
        if let Some(&[_, rows, _]) = shapes.tensor(tensor).dims.as_deref() {
            heads.insert(tensor, (place, rows));
        }
    }
    let mut last: Vec<Option<(usize, u64)>> = vec![None; draft.storages.len()];
    for value in &draft.values {
        let tensor = value.tensor.filter(|found| found.graph == 0);
        let found = tensor.and_then(|found| heads.get(&found.tensor).copied());
        if let Some(slot) = last.get_mut(value.storage.index()) {
            *slot = (*slot).max(found);
        }
    }
    let ratio = |found: Option<(usize, u64)>| (1, found.map_or(1, |(_, rows)| rows.max(1)));
    let ratios: Vec<(u64, u64)> = last.into_iter().map(ratio).collect();
    rescale(draft, &ratios);
}

/// The tensors from a Result back to the product that makes it; none where another operator does.
///
/// Source: `apply_slice_before_matmul_transformation`, openvino.genai 2026.4, src/cpp/src/utils.cpp.
fn head(graph: &Graph, result: NodeId) -> Vec<TensorId> {
    let mut path = Vec::new();
    let mut next = graph.input(result, 0);
    while let Some(tensor) = next.filter(|_| path.len() < 5) {
        path.push(tensor);
        let node = graph.tensor(tensor).node;
        match graph.node(node).op {
            Op::MatMul { .. } => return path,
            Op::Binary(..) | Op::Unary(_) | Op::Transpose | Op::Convert { .. } => next = graph.input(node, 0),
            _ => break,
        }
    }
    Vec::new()
}

/// A converted copy of every float output, made on the device before it goes to the host.
pub(super) fn outputs(draft: &mut Draft, bodies: &[&Graph]) {
    let types = types(draft, bodies);
    for index in 0..draft.steps.len() {
        let made: Vec<(StorageId, DType)> = draft.steps[index]
            .writes
            .iter()
            .map(|&value| draft.value(value).storage)
            .filter(|&id| draft.storage(id).class == StorageClass::Io)
            .filter_map(|id| Some((id, *types.get(id.index())?.as_ref()?)))
            .filter(|(_, dtype)| ratio(*dtype) != (1, 1))
            .collect();
        for (storage, dtype) in made {
            let bytes = scaled(draft.storage(storage).bytes, ratio(dtype));
            let node = draft.steps[index].node;
            let copy = scratch(draft, node, bytes);
            draft.steps[index].writes.push(copy);
        }
    }
}

/// Bytes that one step writes and nothing reads.
pub(super) fn scratch(draft: &mut Draft, node: NodeRef, bytes: Bytes) -> ValueId {
    own(draft, node, bytes, StorageClass::Scratch)
}

fn own(draft: &mut Draft, node: NodeRef, bytes: Bytes, class: StorageClass) -> ValueId {
    draft.storages.push(Storage { grows: true, ..Storage::new(class, bytes, node, Known::Exact) });
    let storage = StorageId::new(draft.storages.len() - 1);
    draft.values.push(Value { storage, offset: Bytes::ZERO, bytes, origin: Origin::Written, tensor: None });
    ValueId::new(draft.values.len() - 1)
}

/// A converted copy of every input whose type is not the device's: what follows reads it.
pub(super) fn inputs(draft: &mut Draft, bodies: &[&Graph]) {
    let types = types(draft, bodies);
    let is_input = |value: &Value| {
        let class = draft.storage(value.storage).class;
        value.origin == Origin::Resident && class == StorageClass::Io
    };
    let inputs: Vec<ValueId> =
        (0..draft.values.len()).map(ValueId::new).filter(|&id| is_input(draft.value(id))).collect();
    let mut first: Vec<Step> = Vec::new();
    let n_values = draft.values.len();
    let mut copies: FxHashMap<StorageId, Copied> = FxHashMap::default();
    for input in inputs {
        let (from, bytes) = (draft.value(input).storage, draft.value(input).bytes);
        // A storage is copied once, and what else is in it moves along.
        if copies.contains_key(&from) {
            continue;
        }
        let Some(ratio) =
            types.get(from.index()).copied().flatten().map(ratio).filter(|ratio| *ratio != (1, 1))
        else {
            continue;
        };
        let node = draft.storage(from).node;
        let copy = own(draft, node, scaled(bytes, ratio), StorageClass::Activation);
        copies.insert(from, Copied { input, copy, to: draft.value(copy).storage, ratio });
        first.push(Step {
            node,
            reads: SmallVec::from_slice(&[input]),
            writes: SmallVec::from_slice(&[copy]),
        });
    }
    for (index, value) in draft.values.iter_mut().enumerate().take(n_values) {
        let Some(&Copied { input, copy, to, ratio }) = copies.get(&value.storage) else { continue };
        if index != input.index() {
            value.storage = to;
            (value.offset, value.bytes) = (scaled(value.offset, ratio), scaled(value.bytes, ratio));
            if value.origin == Origin::View(input) {
                value.origin = Origin::View(copy);
            }
        }
    }
    let by_input: FxHashMap<ValueId, ValueId> =
        copies.into_values().map(|copied| (copied.input, copied.copy)).collect();
    for read in draft.steps.iter_mut().flat_map(|step| &mut step.reads) {
        if let Some(&copy) = by_input.get(read) {
            *read = copy;
        }
    }
    first.append(&mut draft.steps);
    draft.steps = first;
}

/// A model input and its copy on the device.
#[derive(Clone, Copy)]
struct Copied {
    input: ValueId,
    copy: ValueId,
    /// The storage of the copy.
    to: StorageId,
    ratio: (u64, u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Builder, Format, NodeSpec, TensorSpec};
    use crate::schedule::TensorRef;
    use smallvec::smallvec;

    #[test]
    fn what_shares_the_storage_of_an_input_moves_to_its_copy() {
        let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
        let node = builder.node(NodeSpec { op: Op::Parameter, name: "x", ..NodeSpec::default() });
        let tensor = builder.output(node, TensorSpec { dtype: DType::F32, ..TensorSpec::default() });
        let graph = builder.finish().unwrap();
        let (storage, bytes) = (StorageId::new(0), Bytes(8));
        let tensor = Some(TensorRef { graph: 0, tensor });
        let value = |offset: u64, origin| Value { storage, offset: Bytes(offset), bytes, origin, tensor };
        let [input, view, other, copy] = [0, 1, 2, 3].map(ValueId::new);
        let reads = smallvec![input, view, other];
        let mut draft = Draft {
            storages: vec![Storage::new(StorageClass::Io, Bytes(16), NodeRef::default(), Known::Exact)],
            values: vec![
                value(0, Origin::Resident),
                value(8, Origin::View(input)),
                value(8, Origin::Resident),
            ],
            steps: vec![Step { node: NodeRef::default(), reads, writes: smallvec![] }],
            ..Draft::default()
        };
        inputs(&mut draft, &[&graph]);
        assert_eq!(draft.steps.len(), 2);
        assert_eq!((draft.steps[0].reads[0], draft.steps[0].writes[0]), (input, copy));
        assert_eq!(draft.steps[1].reads[..], [copy, view, other]);
        let places: Vec<_> =
            draft.values.iter().map(|own| (own.storage.index(), own.offset.0, own.bytes.0)).collect();
        assert_eq!(places, [(0, 0, 8), (1, 4, 4), (1, 4, 4), (1, 0, 4)]);
        assert_eq!(draft.values[1].origin, Origin::View(copy));
    }
}
