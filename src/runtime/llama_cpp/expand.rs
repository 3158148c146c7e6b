//! The graph for reports: one node per tensor of the file, per input and cache, and per node of llama.cpp's graph.

use super::cache::Caches;
use super::scheduler::Split;
use super::tensor::{Graph as Built, Id, Place, Tensor};
use super::weights::Weights;
use crate::DType;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::graph::op::Constant;
use crate::graph::{Builder, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec};
use crate::ids::{NodeId, TensorId};
use crate::schedule::NodeRef;
use std::fmt::Write;

/// The numbers of nodes in the graph for reports.
#[derive(Debug)]
pub(super) struct Numbers {
    by_tensor: Vec<u32>,
    first_cache: u32,
}

impl Numbers {
    /// Numbers the tensors of a graph: after those of the file come the caches, the inputs, then the nodes in order. A copy has
    /// the number of its original.
    pub(super) fn of_split(stored: usize, caches: &Caches, weights: &Weights, split: &Split) -> Numbers {
        let first_cache = stored as u32;
        let mut next = first_cache + caches.tensors.len() as u32;
        let built = &split.graph;
        let mut by_tensor = vec![0; built.tensors.len()];
        let is_own = |id: &&Id| split.original(**id) == **id;
        for &leaf in built.leafs.iter().filter(is_own) {
            by_tensor[leaf.index()] = match built.get(leaf).place {
                Place::Weight(number) => weights.all[number as usize].tensor,
                Place::Cache(number) => first_cache + number,
                Place::Compute => {
                    next += 1;
                    next - 1
                }
            };
        }
        for &node in built.nodes.iter().filter(is_own) {
            by_tensor[node.index()] = next;
            next += 1;
        }
        let first_copy = built.tensors.len() - split.copied.len();
        for (number, original) in split.copied.iter().enumerate() {
            by_tensor[first_copy + number] = by_tensor[original.index()];
        }
        Numbers { by_tensor, first_cache }
    }

    /// The same, where the graph for reports has fewer nodes: those beyond it have the number of its last.
    pub(super) fn within(mut self, count: usize) -> Numbers {
        let last = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        self.by_tensor.iter_mut().for_each(|number| *number = (*number).min(last));
        self
    }

    /// The node of a tensor.
    pub(super) fn of(&self, id: Id) -> NodeRef {
        NodeRef { graph: 0, node: NodeId::new(self.by_tensor[id.index()] as usize) }
    }

    /// The node of a cache's tensor.
    pub(super) fn of_cache(&self, number: u32) -> NodeRef {
        NodeRef { graph: 0, node: NodeId::new((self.first_cache + number) as usize) }
    }
}

/// Adds the nodes of llama.cpp's graph to the graph of a file.
pub(super) fn expand(file: &Graph, caches: &Caches, weights: &Weights, built: Built) -> Result<Graph> {
    let mut builder = Builder::new(file.file(), Format::Gguf);
    builder.set_name(file.name());
    for weights in file.weight_files() {
        builder.weight_file(weights.clone());
    }
    for (index, node) in file.nodes().iter().enumerate() {
        let id = NodeId::new(index);
        let range = match &node.op {
            Op::Constant(constant) => constant.range,
            _ => None,
        };
        let stored = file.stored().and_then(|stored| stored.tensors.get(index));
        let type_name = stored.map_or("", |tensor| tensor.dtype.name());
        let op = Op::Constant(Constant { range, value: None });
        let spec = NodeSpec { op, name: file.node_name(id), type_name, ..NodeSpec::default() };
        let made = builder.node(spec);
        for tensor in file.outputs(id) {
            let own = file.tensor(tensor);
            builder.output(
                made,
                TensorSpec { dtype: own.dtype, shape: own.shape.clone(), ..TensorSpec::default() },
            );
        }
    }
    let mut name = String::new();
    for cache in &caches.tensors {
        name.clear();
        let _ = write!(name, "blk.{}.{}", cache.layer, cache.name);
        add(&mut builder, &name, "cache", cache.dtype, cache.dims);
    }
    let split = Split::whole(built);
    let built = &split.graph;
    let numbers = Numbers::of_split(file.nodes().len(), caches, weights, &split);
    let leafs = built.leafs.iter().filter(|&&leaf| built.get(leaf).place == Place::Compute);
    for (&id, is_leaf) in leafs.map(|leaf| (leaf, true)).chain(built.nodes.iter().map(|node| (node, false))) {
        let tensor = built.get(id);
        node_name(&mut name, tensor);
        let made = add(
            &mut builder,
            &name,
            if is_leaf { "input" } else { tensor.op.name() },
            tensor.dtype,
            tensor.ne,
        );
        let source = |&source: &Id| {
            // Each node has one output, so that tensors have the numbers of nodes.
            Some(TensorId::new(numbers.of(source).node.index()))
        };
        builder.connect(made, &tensor.sources.iter().map(source).collect::<Vec<_>>());
    }
    if let Some(stored) = file.stored() {
        builder.set_stored(stored.clone());
    }
    builder.finish()
}

fn add(builder: &mut Builder, name: &str, type_name: &str, dtype: GgmlType, ne: [u64; 4]) -> NodeId {
    let node = builder.node(NodeSpec { op: Op::Executed, name, type_name, ..NodeSpec::default() });
    let rank = ne.iter().rposition(|&dim| dim != 1).map_or(1, |last| last + 1);
    let dims: Vec<u64> = ne.iter().take(rank).rev().copied().collect();
    builder.output(
        node,
        TensorSpec { dtype: plain(dtype), shape: PartialShape::known(&dims), ..TensorSpec::default() },
    );
    node
}

/// `blk.3.ffn_up`, as tensors of files are named; the operator's name where llama.cpp gives none.
fn node_name(name: &mut String, tensor: &Tensor) {
    name.clear();
    if let Some(layer) = tensor.layer {
        let _ = write!(name, "blk.{layer}.");
    }
    if tensor.name.is_empty() {
        name.extend(tensor.op.name().chars().map(|c| c.to_ascii_lowercase()));
    } else {
        name.push_str(tensor.name);
    }
}

fn plain(dtype: GgmlType) -> DType {
    match dtype {
        GgmlType::F32 => DType::F32,
        GgmlType::F16 => DType::F16,
        GgmlType::BF16 => DType::BF16,
        GgmlType::I32 => DType::I32,
        GgmlType::I64 => DType::I64,
        _ => DType::Dynamic,
    }
}
