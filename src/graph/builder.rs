//! Makes graphs: readers add nodes, then edges, then finish.

use super::op::{Constant, Op, Variable};
use super::{
    Format, Graph, Node, PartialShape, RuntimeHints, Tensor, Text, Value, WeightFile, order, validate,
};
use crate::DType;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::ids::{NodeId, TensorId, VariableId};
use std::path::Path;

/// Makes a [`Graph`]: nodes first, then their inputs, then [`Builder::finish`].
///
/// # Example
///
/// ```
/// use memgraph::DType;
/// use memgraph::graph::{Builder, Format, NodeSpec, Op, PartialShape, TensorSpec, op::Unary};
///
/// let mut builder = Builder::new("m".as_ref(), Format::OpenVino);
/// let shape = PartialShape::known(&[1, 3]);
/// let x = builder.node(NodeSpec { op: Op::Parameter, name: "x", type_name: "Parameter", ..NodeSpec::default() });
/// let x_out = builder.output(x, TensorSpec { dtype: DType::F32, shape: shape.clone(), ..TensorSpec::default() });
/// let y = builder.node(NodeSpec { op: Op::Unary(Unary::Relu), name: "y", type_name: "ReLU", ..NodeSpec::default() });
/// let y_out = builder.output(y, TensorSpec { dtype: DType::F32, shape, ..TensorSpec::default() });
/// let z = builder.node(NodeSpec { op: Op::Result, name: "z", type_name: "Result", ..NodeSpec::default() });
/// builder.connect(y, &[Some(x_out)]);
/// builder.connect(z, &[Some(y_out)]);
/// let graph = builder.finish()?;
/// assert_eq!(graph.execution_order(), [x, y, z]);
/// # Ok::<(), memgraph::Error>(())
/// ```
#[derive(Debug)]
pub struct Builder {
    graph: Graph,
    connected: Vec<bool>,
}

/// A node to be added, in the words of its file.
#[derive(Debug)]
pub struct NodeSpec<'a> {
    /// What it does.
    pub op: Op,
    /// The file's name of it.
    pub name: &'a str,
    /// The file's operator type.
    pub type_name: &'a str,
    /// The operator set, such as `opset1`.
    pub opset: &'a str,
    /// The file's own id; -1 for nodes that the reader adds.
    pub source_id: i64,
    /// Where it stands in the file.
    pub position: Option<Position>,
    /// Part of a weight's decompression.
    pub is_decompression: bool,
}

impl Default for NodeSpec<'_> {
    fn default() -> Self {
        NodeSpec {
            op: Op::Opaque,
            name: "",
            type_name: "",
            opset: "",
            source_id: -1,
            position: None,
            is_decompression: false,
        }
    }
}

/// An output to be added to the node added last.
#[derive(Debug)]
pub struct TensorSpec<'a> {
    /// Declared element type.
    pub dtype: DType,
    /// Declared shape.
    pub shape: PartialShape,
    /// Tensor names, separated by NUL.
    pub names: &'a str,
    /// Names of symbolic dims, separated by commas.
    pub symbols: &'a str,
}

impl Default for TensorSpec<'_> {
    fn default() -> Self {
        TensorSpec { dtype: DType::Dynamic, shape: PartialShape::any(), names: "", symbols: "" }
    }
}

impl Builder {
    /// An empty graph read from `file`.
    #[must_use]
    pub fn new(file: &Path, format: Format) -> Builder {
        Builder { graph: Graph { file: file.to_owned(), format, ..Graph::default() }, connected: Vec::new() }
    }

    /// Names the model.
    pub fn set_name(&mut self, name: &str) {
        self.graph.name = self.text(name);
    }

    /// Sets what the export tells the runtime.
    pub fn set_hints(&mut self, hints: RuntimeHints) {
        self.graph.hints = hints;
    }

    /// Adds a weights file; returns its number for [`WeightRange`](super::WeightRange).
    pub fn weight_file(&mut self, file: WeightFile) -> u32 {
        self.graph.weight_files.push(file);
        self.graph.weight_files.len() as u32 - 1
    }

    /// Adds a variable.
    pub fn variable(&mut self, variable: Variable) -> VariableId {
        self.graph.variables.push(variable);
        VariableId::new(self.graph.variables.len() - 1)
    }

    /// The graph as far as it is built.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Adds a node without ports. Parameters, results and assigns are registered in the order they are added.
    pub fn node(&mut self, spec: NodeSpec<'_>) -> NodeId {
        let id = NodeId::new(self.graph.nodes.len());
        match spec.op {
            Op::Parameter => self.graph.parameters.push(id),
            Op::Result => self.graph.results.push(id),
            Op::Assign(_) => self.graph.assigns.push(id),
            _ => {}
        }
        let first_tensor = self.graph.tensors.len() as u32;
        let node = Node {
            op: spec.op,
            name: self.text(spec.name),
            type_name: self.text(spec.type_name),
            opset: self.text(spec.opset),
            source_id: spec.source_id,
            position: spec.position,
            is_decompression: spec.is_decompression,
            inputs: (0, 0),
            outputs: (first_tensor, first_tensor),
        };
        self.graph.nodes.push(node);
        self.connected.push(false);
        id
    }

    /// Adds the next output to `node`, which must be the node added last.
    ///
    /// # Panics
    ///
    /// If another node was added since.
    pub fn output(&mut self, node: NodeId, spec: TensorSpec<'_>) -> TensorId {
        assert_eq!(node.index() + 1, self.graph.nodes.len(), "outputs go to the node added last");
        let id = TensorId::new(self.graph.tensors.len());
        let (start, end) = self.graph.nodes[node.index()].outputs;
        let tensor = Tensor {
            node,
            port: end - start,
            dtype: spec.dtype,
            shape: spec.shape,
            names: self.text(spec.names),
            symbols: self.text(spec.symbols),
        };
        self.graph.tensors.push(tensor);
        self.graph.nodes[node.index()].outputs.1 += 1;
        id
    }

    /// Adds a constant that stands in no file, for attributes that are inputs of the canonical operator.
    pub fn constant(&mut self, name: &str, dtype: DType, dims: &[u64], value: Value) -> TensorId {
        let op = Op::Constant(Constant { range: None, value: Some(value) });
        let node = self.node(NodeSpec { op, name, type_name: "Const", ..NodeSpec::default() });
        self.output(node, TensorSpec { dtype, shape: PartialShape::known(dims), ..TensorSpec::default() })
    }

    /// Sets the inputs of a node, once.
    ///
    /// # Panics
    ///
    /// If the node has its inputs already.
    pub fn connect(&mut self, node: NodeId, inputs: &[Option<TensorId>]) {
        assert!(!std::mem::replace(&mut self.connected[node.index()], true), "inputs are set once");
        let start = self.graph.input_slots.len() as u32;
        self.graph.input_slots.extend_from_slice(inputs);
        self.graph.nodes[node.index()].inputs = (start, start + inputs.len() as u32);
    }

    /// Checks the graph and fixes its execution order.
    ///
    /// Cost: linear in nodes and edges.
    ///
    /// # Errors
    ///
    /// If the graph has a cycle, or a node has fewer inputs or outputs than its operator needs; the error names
    /// the node.
    pub fn finish(mut self) -> Result<Graph> {
        validate::ports(&self.graph)?;
        match order::execution_order(&self.graph) {
            Ok(order) => self.graph.order = order,
            Err(node) => {
                return Err(Error::new(ErrorKind::Malformed, "the graph has a cycle")
                    .at(self.graph.location(node, None))
                    .note(validate::cycle_through(&self.graph, node))
                    .help("re-export the model; a graph that can run has no cycles"));
            }
        }
        Ok(self.graph)
    }

    fn text(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return Text::default();
        }
        let start = self.graph.texts.len() as u32;
        self.graph.texts.push_str(text);
        Text { start, len: text.len() as u32 }
    }
}
