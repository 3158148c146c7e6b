//! What a plugin executes: its own graph, after fusion, in execution order.
//!
//! Two things make one: reading a serialized execution graph, and the rewriting of an
//! exported IR. Memory rules see nothing else, so both inputs meet the same rules. What a rule needs and the dims do
//! not tell (is it a view, which input is the fused addend) is a field here, settled by whoever makes the graph.
//!
//! Source: OpenVINO's `CompiledModel::get_runtime_model`,
//! <https://docs.openvino.ai/2026/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device.html>.

mod info;
mod kind;
mod node;
mod nodes;
mod read;

pub(crate) use info::dtype;
pub use kind::Kind;
pub use node::{Attention, ExecutedNode, Layout, Output, Port, ZeroPoints};
pub use nodes::Nodes;
pub use read::{is_execution_graph, read};

use crate::dtype::DType;
use crate::runtime::Assumption;

/// A graph as the plugin executes it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ExecutionGraph {
    /// The nodes in execution order: the position is the step. Constants, inputs and outputs have steps too.
    pub nodes: Nodes,
    /// Compiled with free dims: sizes were not known when memory was divided.
    pub is_dynamic: bool,
    /// The type that significant nodes compute in (`INFERENCE_PRECISION_HINT`).
    pub precision: Precision,
    /// The type that attention state is stored in.
    pub kv_precision: Option<DType>,
    /// What was assumed while the graph was made.
    pub assumptions: Vec<Assumption>,
    /// Nothing is computed in the bytes of what it reads; views stay.
    pub is_apart: bool,
}

/// The type that matrix products compute in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// IEEE single.
    F32,
    /// bfloat16; the default on processors that have it.
    #[default]
    Bf16,
    /// IEEE half.
    F16,
}

impl Precision {
    /// The element type.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Precision::F32 => DType::F32,
            Precision::Bf16 => DType::BF16,
            Precision::F16 => DType::F16,
        }
    }
}

impl ExecutionGraph {
    /// The node at a step.
    #[must_use]
    pub fn node(&self, step: u32) -> Option<&ExecutedNode> {
        self.nodes.get(step as usize)
    }

    /// What a port holds.
    #[must_use]
    pub fn output(&self, port: Port) -> Option<&Output> {
        self.node(port.step)?.outputs.get(port.port as usize)
    }

    /// What input `index` of a node holds.
    #[must_use]
    pub fn input(&self, node: &ExecutedNode, index: usize) -> Option<&Output> {
        self.output(*node.inputs.get(index)?)
    }

    /// Whether an attention keeps its keys and values.
    #[must_use]
    pub fn has_cache(&self) -> bool {
        self.nodes.has([Kind::ScaledDotProductAttention, Kind::PagedAttention])
    }

    /// Whether an attention reads tokens that an earlier run left.
    #[must_use]
    pub fn has_past(&self) -> bool {
        let kinds = [Kind::ScaledDotProductAttention, Kind::PagedAttention].into_iter();
        let attentions = kinds.flat_map(|kind| self.nodes.of_kind(kind));
        attentions.filter_map(|(_, node)| node.attention.as_deref()).any(|attention| attention.past() > 0)
    }

    /// For every node, whether it depends on constants alone.
    ///
    /// Cost: linear in edges.
    #[must_use]
    pub fn constants(&self) -> Vec<bool> {
        let mut constant = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let folds = matches!(node.kind, Kind::Reshape | Kind::Reorder | Kind::Convert | Kind::Transpose);
            let is_constant = |port: &Port| constant.get(port.step as usize).copied().unwrap_or(false);
            constant.push(node.is_const() || folds && node.inputs.iter().all(is_constant));
        }
        constant
    }
}
