//! From a decoded model to a [`Graph`]: initializers, inputs, nodes in file order, then their edges by name.
//!
//! A body of `If`, `Loop` or `Scan` is a graph of its own. It may read what is outside of it by name alone; such a
//! name becomes a parameter of the body and one more input of its node. A node that calls one of the model's functions
//! is replaced by the function's nodes, with names of their own.

use super::attributes::Layer;
use super::control::{self, Body};
use super::external::Files;
use super::functions::{Scope, domain};
use super::made::{Made, Slot};
use super::ops::{self, Make};
use super::proto::attribute_proto::AttributeType;
use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use super::source::{Source, text};
use super::wire::Counts;
use super::{tensor, types};
use crate::DType;
use crate::error::{Error, ErrorKind, Layer as LayerName, Location, Result};
use crate::formats::limits;
use crate::graph::op::{Constant, Fill, Ints};
use crate::graph::{Builder, Format, Graph, MessageCounts, NodeSpec, Op, PartialShape, TensorSpec, Value};
use crate::ids::{NodeId, TensorId};
use prost::Message;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;

/// Reads a whole model.
pub(super) fn read_model(source: Source<'_>, counts: Counts) -> Result<Graph> {
    let mut model = ModelProto::default();
    // A list that grows node by node is moved again and again.
    if counts.nodes > 0 {
        let node = Vec::with_capacity(counts.nodes.min(limits::MAX_NODES));
        model.graph = Some(GraphProto { node, ..GraphProto::default() });
    }
    model.merge(source.bytes.clone()).map_err(|error| {
        Error::new(ErrorKind::Malformed, format!("the file is not an ONNX model: {error}"))
            .help("the file is cut short or of another format; fetch or export it again")
    })?;
    let graph = model.graph.as_ref().ok_or_else(|| {
        Error::new(ErrorKind::Malformed, "the file holds no graph").help("give an ONNX model")
    })?;
    let mut functions = FxHashMap::default();
    for function in &model.functions {
        let key = (domain(&function.domain)?, text(&function.name)?, text(&function.overload)?);
        functions.insert(key, function);
    }
    let files = Files::new(source.path, source.bytes.len() as u64);
    let mut shared =
        Shared { source, files, functions, nodes: 0, tensors: 0, edges: 0, texts: 0, counts: counts.kept };
    let scope = Scope::of_model(&model.opset_import)?;
    let mut body = read_graph(&mut shared, graph, &scope, 0)?;
    body.graph.share_weight_files(shared.files.list().to_vec());
    Ok(body.graph)
}

/// What the graphs of one file share.
#[derive(Debug)]
pub(super) struct Shared<'m> {
    source: Source<'m>,
    files: Files,
    functions: FxHashMap<(&'m str, &'m str, &'m str), &'m FunctionProto>,
    nodes: usize,
    tensors: usize,
    edges: usize,
    texts: u64,
    counts: MessageCounts,
}

/// Reads a graph: the model's (`depth` 0), or a body.
pub(super) fn read_graph<'m>(
    shared: &mut Shared<'m>,
    proto: &'m GraphProto,
    scope: &Scope<'_, 'm>,
    depth: usize,
) -> Result<Body<'m>> {
    if depth > limits::MAX_BODY_DEPTH {
        return Err(limits::exceeded("bodies within bodies", depth, limits::MAX_BODY_DEPTH));
    }
    let mut builder = Builder::new(shared.source.path, Format::Onnx);
    builder.set_name(text(&proto.name)?);
    builder.set_message(shared.counts);
    let mut reader = GraphReader {
        shared,
        depth,
        builder,
        names: FxHashMap::default(),
        declared: FxHashMap::default(),
        pending: Vec::new(),
        opset: (("", 0), "opset0".to_owned()),
    };
    // At least so many, each of which the message has been counted to have.
    let count = proto.initializer.len() + proto.input.len() + proto.node.len();
    reader.names.reserve(count);
    reader.builder.reserve(count + proto.output.len());
    reader.initializers(proto, scope)?;
    reader.inputs(proto, scope)?;
    for info in proto.value_info.iter().chain(&proto.output) {
        reader.declared.insert(scope.tensor(text(&info.name)?), info);
    }
    for node in &proto.node {
        reader.node(node, scope)?;
    }
    reader.outputs(proto, scope)?;
    reader.finish()
}

/// A graph on its way.
#[derive(Debug)]
pub(super) struct GraphReader<'s, 'm> {
    shared: &'s mut Shared<'m>,
    depth: usize,
    pub(super) builder: Builder,
    names: FxHashMap<Cow<'m, str>, TensorId>,
    declared: FxHashMap<Cow<'m, str>, &'m ValueInfoProto>,
    /// Nodes that read what no node before them gives, a name of a graph around this one or a later node's.
    pending: Vec<(NodeId, SmallVec<[Input<'m>; 4]>)>,
    /// Domain and version of the node added last, and their name.
    opset: ((&'m str, i64), String),
}

/// An input of a node that is to be connected.
#[derive(Debug)]
pub(super) enum Input<'m> {
    Absent,
    Tensor(TensorId),
    Name(Cow<'m, str>),
}

impl<'m> GraphReader<'_, 'm> {
    fn initializers(&mut self, proto: &'m GraphProto, scope: &Scope<'_, 'm>) -> Result<()> {
        for initializer in &proto.initializer {
            let place = &initializer.name;
            let read = |reader: &mut Self| {
                let tensor = tensor::read(initializer, &reader.shared.source, &mut reader.shared.files)?;
                reader.constant(text(place)?, scope, tensor)
            };
            read(self).map_err(|error| self.in_tensor(error, place))?;
        }
        for initializer in &proto.sparse_initializer {
            let place = initializer.values.as_ref().map(|values| values.name.as_ref()).unwrap_or_default();
            let read = |reader: &mut Self| {
                let tensor =
                    tensor::read_sparse(initializer, &reader.shared.source, &mut reader.shared.files)?;
                reader.constant(text(place)?, scope, tensor)
            };
            read(self).map_err(|error| self.in_tensor(error, place))?;
        }
        Ok(())
    }

    fn constant(&mut self, name: &'m str, scope: &Scope<'_, 'm>, tensor: tensor::Tensor) -> Result<()> {
        let name = scope.tensor(name);
        let position = self.shared.source.position(name.as_bytes());
        let shape = tensor.shape();
        let op = Op::Constant(tensor.constant);
        self.count_node(&name)?;
        let spec = NodeSpec { op, name: &name, type_name: "Initializer", position, ..NodeSpec::default() };
        let node = self.builder.node(spec);
        self.give(node, name, TensorSpec { dtype: tensor.dtype, shape, ..TensorSpec::default() })?;
        self.builder.connect(node, &[]);
        Ok(())
    }

    /// Inputs become parameters, except those that have an initializer, which is their default.
    fn inputs(&mut self, proto: &'m GraphProto, scope: &Scope<'_, 'm>) -> Result<()> {
        for input in &proto.input {
            let name = scope.tensor(text(&input.name)?);
            if self.depth > 0 || !self.names.contains_key(&name) {
                self.parameter(name, Some(input))?;
            }
        }
        Ok(())
    }

    fn parameter(&mut self, name: Cow<'m, str>, info: Option<&'m ValueInfoProto>) -> Result<()> {
        let position = info.and_then(|info| self.shared.source.position(&info.name));
        let declared = types::declared(info.and_then(|info| info.r#type.as_ref()));
        self.count_node(&name)?;
        let spec = NodeSpec {
            op: Op::Parameter,
            name: &name,
            type_name: "Parameter",
            position,
            ..NodeSpec::default()
        };
        let node = self.builder.node(spec);
        let dtype = declared.dtype.unwrap_or(DType::Dynamic);
        let spec = TensorSpec { dtype, shape: declared.shape, names: "", symbols: &declared.symbols };
        self.give(node, name, spec)?;
        self.builder.connect(node, &[]);
        Ok(())
    }

    fn outputs(&mut self, proto: &'m GraphProto, scope: &Scope<'_, 'm>) -> Result<()> {
        for output in &proto.output {
            let name = scope.tensor(text(&output.name)?);
            let position = self.shared.source.position(&output.name);
            self.count_node(&name)?;
            let spec = NodeSpec {
                op: Op::Result,
                name: &name,
                type_name: "Result",
                position,
                ..NodeSpec::default()
            };
            let node = self.builder.node(spec);
            self.connect(node, smallvec![Input::Name(name)])?;
        }
        Ok(())
    }

    /// Reads a node.
    pub(super) fn node(&mut self, proto: &'m NodeProto, scope: &Scope<'_, 'm>) -> Result<()> {
        self.translate(proto, scope).map_err(|error| self.in_node(error, proto, scope))
    }

    fn translate(&mut self, proto: &'m NodeProto, scope: &Scope<'_, 'm>) -> Result<()> {
        let (domain, type_name) = (domain(&proto.domain)?, text(&proto.op_type)?);
        if proto.input.len().max(proto.output.len()) > limits::MAX_PORTS {
            let count = proto.input.len().max(proto.output.len());
            return Err(limits::exceeded("ports of one node", count, limits::MAX_PORTS));
        }
        let key = (domain, type_name, text(&proto.overload)?);
        if let Some(&function) = self.shared.functions.get(&key) {
            return self.call(proto, function, scope);
        }
        let attributes = scope.attributes(proto)?;
        let version = scope.version(domain);
        let inputs = proto.input.iter().map(|name| !name.is_empty()).collect();
        let layer = Layer { attributes, version, inputs, outputs: proto.output.len() };
        let mut sources: SmallVec<[Input<'m>; 4]> = SmallVec::new();
        for name in &proto.input {
            let name = scope.tensor(text(name)?);
            if let Cow::Owned(made) = &name {
                self.count_text(made)?;
            }
            sources.push(if name.is_empty() { Input::Absent } else { Input::Name(name) });
        }

        let name = self.node_name(proto, scope)?;
        self.count_node(&name)?;
        let of_attribute = |error: super::attributes::AttributeError| malformed(error.to_string());
        let entry = ops::find(domain, type_name, version);
        let op = match entry.map(|entry| entry.make) {
            None => Op::Opaque,
            Some(Make::Op(make)) => {
                let Made { op, slots } = make(&layer).map_err(of_attribute)?;
                if let Some(slots) = slots {
                    sources = slots.into_iter().map(|slot| self.slot(slot, &name, &mut sources)).collect();
                }
                op
            }
            Some(Make::Constant) => {
                let made = self.constant_node(&layer)?;
                let (constant, dtype, shape) = made;
                return self.add(proto, scope, Op::Constant(constant), sources, Some((dtype, shape)));
            }
            Some(Make::FilledShape) => {
                let to_and_fill = match layer.tensor("value").map_err(of_attribute)? {
                    Some(value) => {
                        let read = tensor::read(value, &self.shared.source, &mut self.shared.files)?;
                        (read.dtype, read.constant.value)
                    }
                    None => (DType::F32, Some(Box::new(Value::floats([0.0])))),
                };
                Op::FromShape { to: Some(to_and_fill.0), fill: Fill::Constant(to_and_fill.1) }
            }
            Some(make @ (Make::If | Make::Loop | Make::Scan | Make::SequenceMap)) => {
                let mut bodies = SmallVec::<[Body<'m>; 2]>::new();
                for name in make.body_names() {
                    let graph = layer.attribute(name).and_then(|attribute| attribute.g.as_deref());
                    let graph = graph
                        .ok_or_else(|| malformed(format!("attribute `{name}` is missing, or no graph")))?;
                    bodies.push(read_graph(self.shared, graph, scope, self.depth + 1)?);
                }
                let (op, captures) = control::node(make, &layer, bodies)?;
                sources.extend(captures.into_iter().map(Input::Name));
                op
            }
        };
        debug_assert!(
            entry.is_none_or(|entry| entry.lists(&op)),
            "the table lists another operator than {op:?}"
        );
        self.add(proto, scope, op, sources, None)
    }

    /// Puts the nodes of a function in the place of a node that calls it.
    fn call(
        &mut self,
        proto: &'m NodeProto,
        function: &'m FunctionProto,
        scope: &Scope<'_, 'm>,
    ) -> Result<()> {
        let name = self.node_name(proto, scope)?;
        self.count_node(&name)?;
        let call = scope.enter(proto, function, name.into_owned())?;
        // A call costs what it hands over, however little of it the function uses.
        self.count_edges(function.input.len() + function.output.len() + function.attribute_proto.len())?;
        for node in &function.node {
            self.node(node, &call.scope)?;
        }
        for (input, output) in call.handed_through {
            self.count_node(&output)?;
            let spec =
                NodeSpec { op: Op::Identity, name: &output, type_name: "Identity", ..NodeSpec::default() };
            let node = self.builder.node(spec);
            self.give(node, output, TensorSpec::default())?;
            self.connect(node, smallvec![Input::Name(input)])?;
        }
        Ok(())
    }

    /// Adds a node with its outputs; its inputs follow when all names are known.
    fn add(
        &mut self,
        proto: &'m NodeProto,
        scope: &Scope<'_, 'm>,
        op: Op,
        sources: SmallVec<[Input<'m>; 4]>,
        known: Option<(DType, PartialShape)>,
    ) -> Result<()> {
        let (domain, type_name) = (domain(&proto.domain)?, text(&proto.op_type)?);
        let version = scope.version(domain);
        if self.opset.0 != (domain, version) {
            let name = if domain.is_empty() { "opset" } else { domain };
            let space = if domain.is_empty() { "" } else { " " };
            self.opset = ((domain, version), format!("{name}{space}{version}"));
        }
        let opset = &self.opset.1;
        let name = self.node_name(proto, scope)?;
        let position = self.shared.source.position(&proto.op_type);
        self.shared.texts = self.shared.texts.saturating_add((opset.len() + type_name.len()) as u64);
        let spec = NodeSpec { op, name: &name, type_name, opset, position, ..NodeSpec::default() };
        let node = self.builder.node(spec);
        // Absent outputs at the end are none at all.
        let n_outputs = proto.output.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        for output in proto.output.iter().take(n_outputs) {
            let name = scope.tensor(text(output)?);
            let declared = self.declared.get(&name).copied();
            let declared = types::declared(declared.and_then(|info| info.r#type.as_ref()));
            let dtype = declared.dtype.unwrap_or(DType::Dynamic);
            let spec = match &known {
                Some((dtype, shape)) => {
                    TensorSpec { dtype: *dtype, shape: shape.clone(), ..TensorSpec::default() }
                }
                None => TensorSpec { dtype, shape: declared.shape, names: "", symbols: &declared.symbols },
            };
            self.give(node, name, spec)?;
        }
        self.connect(node, sources)
    }

    /// Connects a node if all that it reads is known. A file lists nodes after those they read, so few are left, and a name is
    /// looked for while what it was given with is in the caches.
    fn connect(&mut self, node: NodeId, sources: SmallVec<[Input<'m>; 4]>) -> Result<()> {
        self.count_edges(sources.len())?;
        let slot = |source: &Input<'m>| match source {
            Input::Absent => Some(None),
            Input::Tensor(tensor) => Some(Some(*tensor)),
            Input::Name(name) => self.names.get(name).map(|&tensor| Some(tensor)),
        };
        let slots: Option<SmallVec<[Option<TensorId>; 8]>> = sources.iter().map(slot).collect();
        match slots {
            Some(slots) => self.builder.connect(node, &slots),
            None => self.pending.push((node, sources)),
        }
        Ok(())
    }

    /// Adds an output to the node added last.
    pub(super) fn give(&mut self, node: NodeId, name: Cow<'m, str>, spec: TensorSpec<'_>) -> Result<()> {
        self.shared.tensors += 1;
        if self.shared.tensors > limits::MAX_TENSORS {
            return Err(limits::exceeded("number of tensors", self.shared.tensors, limits::MAX_TENSORS));
        }
        self.shared.texts = self.shared.texts.saturating_add((name.len() + spec.symbols.len()) as u64);
        let tensor = self.builder.output(node, TensorSpec { names: &name, ..spec });
        if !name.is_empty()
            && let Some(earlier) = self.names.insert(name, tensor)
        {
            let graph = self.builder.graph();
            let earlier = graph.node_name(graph.tensor(earlier).node).to_owned();
            let name = graph.tensor_names(tensor).next().unwrap_or_default();
            return Err(malformed(format!("two nodes give \"{name}\""))
                .note(format!("the other one is \"{earlier}\""))
                .help("names of tensors are unique in ONNX; re-export the model"));
        }
        Ok(())
    }

    /// An input as its table wants it; what is a constant there is added as one.
    fn slot(&mut self, slot: Slot, name: &str, sources: &mut [Input<'m>]) -> Input<'m> {
        let vector = |length: usize| [length as u64];
        let ints = |values: &Ints| Value::ints(values.iter().copied());
        let (dtype, dims, value) = match slot {
            Slot::Input(index) => {
                return sources.get_mut(index).map_or(Input::Absent, |source| match source {
                    Input::Name(name) => Input::Name(name.clone()),
                    Input::Tensor(tensor) => Input::Tensor(*tensor),
                    Input::Absent => Input::Absent,
                });
            }
            Slot::Absent => return Input::Absent,
            Slot::Ints(values) => (DType::I64, Some(vector(values.len())), ints(&values)),
            Slot::Int(value) => (DType::I64, None, Value::ints([value])),
            Slot::Floats(values) => (DType::F32, Some(vector(values.len())), Value::floats(values)),
        };
        self.shared.nodes += 1;
        self.shared.tensors += 1;
        let dims = dims.as_ref().map_or(&[][..], |dims| dims.as_slice());
        Input::Tensor(self.builder.constant(name, dtype, dims, value))
    }

    /// What a `Constant` holds: one of its attributes.
    fn constant_node(&mut self, layer: &Layer<'_>) -> Result<(Constant, DType, PartialShape)> {
        let (source, files) = (&self.shared.source, &mut self.shared.files);
        if let Some(value) = layer.tensor("value").map_err(|error| malformed(error.to_string()))? {
            let read = tensor::read(value, source, files)?;
            let shape = read.shape();
            return Ok((read.constant, read.dtype, shape));
        }
        if let Some(sparse) =
            layer.attribute("sparse_value").and_then(|attribute| attribute.sparse_tensor.as_deref())
        {
            let read = tensor::read_sparse(sparse, source, files)?;
            let shape = read.shape();
            return Ok((read.constant, read.dtype, shape));
        }
        let listed = layer.attributes.iter().find(|(name, _)| name.starts_with("value_"));
        let (_, attribute) = listed.ok_or_else(|| malformed("a constant without a value"))?;
        let scalar = |dtype, value| (dtype, PartialShape::known(&[]), Some(value));
        let vector = |dtype, length: usize, value| (dtype, PartialShape::known(&[length as u64]), value);
        let few_ints = attribute.ints.len() as u64 <= limits::MAX_INT_ELEMENTS;
        let few_floats = attribute.floats.len() as u64 <= limits::MAX_FLOAT_ELEMENTS;
        let (dtype, shape, value) = match AttributeType::try_from(attribute.r#type) {
            Ok(AttributeType::Int) => scalar(DType::I64, Value::ints([attribute.i])),
            Ok(AttributeType::Float) => scalar(DType::F32, Value::floats([f64::from(attribute.f)])),
            Ok(AttributeType::Ints) => {
                let value = few_ints.then(|| Value::ints(attribute.ints.iter().copied()));
                vector(DType::I64, attribute.ints.len(), value)
            }
            Ok(AttributeType::Floats) => {
                let value =
                    few_floats.then(|| Value::floats(attribute.floats.iter().map(|&value| value.into())));
                vector(DType::F32, attribute.floats.len(), value)
            }
            Ok(AttributeType::String) => (DType::String, PartialShape::known(&[]), None),
            Ok(AttributeType::Strings) => vector(DType::String, attribute.strings.len(), None),
            _ => return Err(malformed("the value of a constant is of no kind that constants have")),
        };
        Ok((Constant { range: None, value: value.map(Box::new) }, dtype, shape))
    }

    /// The node's name, or that of its first output if it has none.
    pub(super) fn node_name(&self, proto: &'m NodeProto, scope: &Scope<'_, 'm>) -> Result<Cow<'m, str>> {
        let name = text(&proto.name)?;
        if !name.is_empty() {
            return Ok(scope.node(name));
        }
        let first = proto.output.iter().find(|output| !output.is_empty()).map(|output| text(output));
        Ok(scope.tensor(first.transpose()?.unwrap_or_default()))
    }

    /// Counts a node and its name against the caps.
    pub(super) fn count_node(&mut self, name: &str) -> Result<()> {
        self.shared.nodes += 1;
        if self.shared.nodes > limits::MAX_NODES {
            return Err(limits::exceeded("number of nodes", self.shared.nodes, limits::MAX_NODES));
        }
        self.count_text(name)
    }

    /// Counts edges against their cap.
    pub(super) fn count_edges(&mut self, count: usize) -> Result<()> {
        self.shared.edges = self.shared.edges.saturating_add(count);
        if self.shared.edges > limits::MAX_EDGES {
            return Err(limits::exceeded("number of edges", self.shared.edges, limits::MAX_EDGES));
        }
        Ok(())
    }

    /// Counts a name against the cap of all texts.
    fn count_text(&mut self, name: &str) -> Result<()> {
        self.shared.texts = self.shared.texts.saturating_add(name.len() as u64);
        if self.shared.texts > limits::MAX_TEXT_BYTES {
            return Err(limits::exceeded("bytes of all names", self.shared.texts, limits::MAX_TEXT_BYTES));
        }
        Ok(())
    }

    /// Connects the nodes that are left by name. What a body does not know is looked for outside of it.
    fn finish(mut self) -> Result<Body<'m>> {
        let n_inputs = self.builder.graph().parameters().len();
        let mut captures: Vec<Cow<'m, str>> = Vec::new();
        for (node, sources) in std::mem::take(&mut self.pending) {
            let mut slots: SmallVec<[Option<TensorId>; 8]> = SmallVec::new();
            for source in sources {
                slots.push(match source {
                    Input::Absent => None,
                    Input::Tensor(tensor) => Some(tensor),
                    Input::Name(name) => match self.names.get(&name) {
                        Some(&tensor) => Some(tensor),
                        None if self.depth > 0 => {
                            captures.push(name.clone());
                            self.parameter(name.clone(), None)?;
                            self.names.get(&name).copied()
                        }
                        None => {
                            return Err(malformed(format!("no node, input or initializer gives \"{name}\""))
                                .at(self.builder.graph().location(node, None))
                                .help("the model is inconsistent; re-export it"));
                        }
                    },
                });
            }
            self.builder.connect(node, &slots);
        }
        self.builder.set_weight_file_count(self.shared.files.list().len());
        Ok(Body { graph: self.builder.finish()?, n_inputs, captures })
    }

    #[cold]
    fn in_tensor(&self, error: Error, name: &[u8]) -> Error {
        let shown = String::from_utf8_lossy(name).into_owned();
        error.at(Location {
            position: self.shared.source.position(name),
            layer: Some(LayerName {
                name: shown,
                type_name: "Initializer".to_owned(),
                ..LayerName::default()
            }),
            ..Location::default()
        })
    }

    #[cold]
    fn in_node(&self, error: Error, proto: &'m NodeProto, scope: &Scope<'_, 'm>) -> Error {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = self.node_name(proto, scope).map_or_else(|_| shown(&proto.name), Cow::into_owned);
        error.at(Location {
            position: self.shared.source.position(&proto.op_type),
            layer: Some(LayerName { name, type_name: shown(&proto.op_type), ..LayerName::default() }),
            ..Location::default()
        })
    }
}

#[cold]
fn malformed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Malformed, message)
}
