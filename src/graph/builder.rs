//! Makes graphs: readers add nodes, then edges, then finish.

use super::op::{Constant, Op, Variable};
use super::{
    Format, Graph, MessageCounts, Node, PartialShape, Stored, Tensor, Text, Value, WeightFile, order,
    validate,
};
use crate::DType;
use crate::error::{Error, ErrorKind, Position, Result};
use crate::ids::{NodeId, TensorId, VariableId};
use std::path::Path;
use std::sync::Arc;

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
    /// Its position in the file.
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

    /// Makes place for so many further nodes, with an output each.
    pub fn reserve(&mut self, nodes: usize) {
        self.graph.nodes.reserve(nodes);
        self.graph.tensors.reserve(nodes);
        self.connected.reserve(nodes);
    }

    /// Names the model.
    pub fn set_name(&mut self, name: &str) {
        self.graph.name = self.text(name);
    }

    /// Sets what the whole file's message holds; see [`Graph::message`].
    pub fn set_message(&mut self, message: MessageCounts) {
        self.graph.message = message;
    }

    /// Sets what a file without a graph contains; see [`Graph::stored`].
    pub fn set_stored(&mut self, stored: Arc<Stored>) {
        self.graph.stored = Some(stored);
    }

    /// Adds what the export says to the runtime that loads it; see [`Graph::info`].
    pub fn info(&mut self, name: &str, value: &str) {
        let entry = (self.text(name), self.text(value));
        self.graph.info.push(entry);
    }

    /// Adds what the file of a runtime's own graph says of `node`; see [`Graph::node_info`].
    ///
    /// # Panics
    ///
    /// If `node` was added before one that has such notes already.
    pub fn node_info(&mut self, node: NodeId, name: &str, value: &str) {
        let last = self.graph.node_info.last().map(|&(last, ..)| last);
        assert!(last.is_none_or(|last| last <= node), "notes are added in the order of nodes");
        let entry = (node, self.text(name), self.text(value));
        self.graph.node_info.push(entry);
    }

    /// Adds a weights file; returns its number for [`WeightRange`](super::WeightRange).
    pub fn weight_file(&mut self, file: WeightFile) -> u32 {
        let files = Arc::make_mut(&mut self.graph.weight_files);
        files.push(file);
        self.graph.n_weight_files = files.len();
        self.graph.n_weight_files as u32 - 1
    }

    /// Sets how many of the model's files, from the first on, are this graph's.
    /// [`Graph::share_weight_files`] sets which they are.
    #[cfg(feature = "onnx")]
    pub(crate) fn set_weight_file_count(&mut self, count: usize) {
        self.graph.n_weight_files = count;
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
            Op::If(_) | Op::Loop(_) => self.graph.has_bodies = true,
            _ => {}
        }
        let first_tensor = self.graph.tensors.len() as u32;
        let node = Node {
            op: spec.op,
            name: self.text(spec.name),
            type_name: self.text(spec.type_name),
            opset: self.opset(spec.opset),
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

    /// Adds a constant that is in no file, for attributes that are inputs of the canonical operator.
    pub fn constant(&mut self, name: &str, dtype: DType, dims: &[u64], value: Value) -> TensorId {
        let op = Op::Constant(Constant { range: None, value: Some(Box::new(value)) });
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
        number(&mut self.graph);
        Ok(self.graph)
    }

    /// The operator set of the node added last, if it is this, else a text of its own.
    fn opset(&mut self, opset: &str) -> Text {
        match self.graph.nodes.last().map(|last| last.opset) {
            Some(known) if self.graph.text(known) == opset => known,
            _ => self.text(opset),
        }
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

impl Graph {
    /// Gives this graph and its bodies one list of the files that hold constants: both may be many.
    #[cfg(feature = "onnx")]
    pub(crate) fn share_weight_files(&mut self, files: Vec<WeightFile>) {
        let files = Arc::new(files);
        change_each(self, |graph| graph.weight_files = Arc::clone(&files));
    }
}

/// Numbers a graph and its bodies in the order of [`Graph::with_bodies`]. A body is numbered again by each graph around
/// it, of which there are few.
fn number(graph: &mut Graph) {
    let mut next = 0;
    change_each(graph, |graph| {
        graph.number = next;
        next += 1;
    });
}

/// Changes a graph and its bodies in the order of [`Graph::with_bodies`].
fn change_each(graph: &mut Graph, mut change: impl FnMut(&mut Graph)) {
    let mut level = vec![graph];
    while !level.is_empty() {
        let mut below = Vec::new();
        for graph in level {
            change(graph);
            if graph.has_bodies {
                below.extend(graph.nodes.iter_mut().flat_map(|node| bodies_mut(&mut node.op)));
            }
        }
        level = below;
    }
}

fn bodies_mut(op: &mut Op) -> impl Iterator<Item = &mut Graph> {
    let bodies = match op {
        Op::If(branches) => [Some(&mut branches.then_body), Some(&mut branches.else_body)],
        Op::Loop(spec) => [Some(&mut spec.body), None],
        _ => [None, None],
    };
    bodies.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::op::If;

    fn branch(inner: Option<If>) -> Graph {
        let mut builder = Builder::new("test.xml".as_ref(), Format::OpenVino);
        if let Some(inner) = inner {
            let op = Op::Parameter;
            let flag = builder.node(NodeSpec { op, name: "flag", ..NodeSpec::default() });
            let flag = builder.output(flag, TensorSpec::default());
            let node = builder.node(NodeSpec { op: Op::If(Box::new(inner)), ..NodeSpec::default() });
            builder.connect(node, &[Some(flag)]);
        }
        builder.finish().unwrap()
    }

    fn branches(then_body: Graph, else_body: Graph) -> If {
        If {
            then_body,
            else_body,
            then_inputs: Vec::new(),
            else_inputs: Vec::new(),
            then_outputs: Vec::new(),
            else_outputs: Vec::new(),
        }
    }

    #[test]
    fn bodies_are_numbered_as_they_are_listed() {
        let inner = branch(Some(branches(branch(None), branch(None))));
        let outer = branch(Some(branches(inner, branch(None))));
        let numbers: Vec<_> = outer.with_bodies().iter().map(|graph| graph.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[cfg(feature = "onnx")]
    #[test]
    fn a_body_has_the_files_that_were_known_when_it_was_read() {
        let file = |path: &str| WeightFile { path: path.into(), len: None, is_pointer: false };
        let mut builder = Builder::new("test.onnx".as_ref(), Format::Onnx);
        builder.set_weight_file_count(1);
        let then_body = builder.finish().unwrap();
        let mut outer = branch(Some(branches(then_body, branch(None))));
        outer.n_weight_files = 2;
        outer.share_weight_files(vec![file("a"), file("b")]);
        let lengths: Vec<_> = outer.with_bodies().iter().map(|graph| graph.weight_files().len()).collect();
        assert_eq!(lengths, [2, 1, 0]);
    }

    #[test]
    fn notes_are_found_by_node_and_name() {
        let mut builder = Builder::new("test.xml".as_ref(), Format::OpenVino);
        let nodes = [(); 3].map(|()| builder.node(NodeSpec::default()));
        builder.info("KV_CACHE_PRECISION", "u8");
        builder.node_info(nodes[0], "a", "1");
        builder.node_info(nodes[2], "a", "2");
        builder.node_info(nodes[2], "b", "3");
        let graph = builder.finish().unwrap();
        assert_eq!(graph.info("KV_CACHE_PRECISION"), Some("u8"));
        assert_eq!(graph.info("OTHER"), None);
        let of = |node: usize, name| graph.node_info(nodes[node], name);
        assert_eq!([of(0, "a"), of(0, "b"), of(1, "a"), of(2, "b")], [Some("1"), None, None, Some("3")]);
    }
}
