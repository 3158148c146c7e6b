//! The pass over the XML: layers, ports, edges and runtime options of one graph.

use super::attributes::{AttributeError, Attributes};
use super::body::{Body, Control};
use super::fault::{at, cut, malformed};
use super::ops::{self, Make};
use super::plain::{Layer, Output, Scan};
use super::tag::{attribute, number};
use super::weights::Weights;
use super::wiring::{Edge, Wiring};
use super::xml::{self, Cursor, Tag};
use super::{executed, text};
use crate::DType;
use crate::error::{Error, ErrorKind, Layer as LayerName, Location, Position, Result};
use crate::formats::limits;
use crate::graph::op::Variable;
use crate::graph::{Builder, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec};
use crate::ids::VariableId;
use rustc_hash::FxHashMap;
use std::path::Path;

/// Reads a whole document.
pub(super) fn read_net(document: &[u8], path: &Path) -> Result<Graph> {
    let mut cursor = Cursor::new(document)?;
    let net = cursor.child()?.filter(|tag| tag.name() == "net");
    let net = net.ok_or_else(|| {
        cursor
            .error("the XML is not an OpenVINO IR: its root is not <net>", 0)
            .help("give the model's own .xml")
    })?;
    let version = attribute(&cursor, &net, "version")?.unwrap_or_default();
    if !matches!(version, "10" | "11") {
        let error = Error::new(
            ErrorKind::Unsupported,
            format!("IR version is \"{version}\", and 10 and 11 are known"),
        );
        return Err(cursor.place(error, net.start).help("re-export the model with OpenVINO 2022 or later"));
    }
    let name = xml::unescape(attribute(&cursor, &net, "name")?.unwrap_or_default());
    let mut shared =
        Shared { path, weights: Weights::next_to(path)?, is_old: false, nodes: 0, tensors: 0, edges: 0 };
    shared.is_old = version == "10";
    let body = read_graph(&mut cursor, &mut shared, &name, 0)?;
    match cursor.child()? {
        Some(tag) => Err(cursor.error(format!("element <{}> is after the model", tag.name()), tag.start)),
        None => Ok(body.graph),
    }
}

/// What the graphs of one file share.
#[derive(Debug)]
struct Shared<'p> {
    path: &'p Path,
    weights: Weights,
    /// An IR of version 10.
    is_old: bool,
    nodes: usize,
    tensors: usize,
    edges: usize,
}

/// Reads the open element as a graph: the model (`depth` 0) or a body.
fn read_graph(cursor: &mut Cursor<'_>, shared: &mut Shared<'_>, name: &str, depth: usize) -> Result<Body> {
    let mut builder = Builder::new(shared.path, Format::OpenVino);
    builder.set_name(name);
    builder.weight_file(shared.weights.file());
    if shared.is_old {
        builder.info("ir_version", "10");
    }
    let mut reader = GraphReader {
        cursor,
        shared,
        depth,
        builder,
        wiring: Wiring::default(),
        variables: Variables::default(),
        layer: Layer::default(),
        position: None,
        control: None,
        parameters: FxHashMap::default(),
        results: FxHashMap::default(),
    };
    while let Some(tag) = reader.cursor.child()? {
        match tag.name() {
            "layers" => reader.layers()?,
            "edges" => reader.edges()?,
            "rt_info" => reader.runtime_info()?,
            _ => reader.cursor.skip()?,
        }
    }
    reader.finish()
}

/// A graph on its way.
#[derive(Debug)]
struct GraphReader<'r, 'p, 'a> {
    cursor: &'r mut Cursor<'a>,
    shared: &'r mut Shared<'p>,
    depth: usize,
    builder: Builder,
    wiring: Wiring,
    variables: Variables,
    /// Reused from layer to layer.
    layer: Layer<'a>,
    /// Where that layer is.
    position: Option<Position>,
    /// Its bodies and port maps.
    control: Option<Box<Control>>,
    /// Layer id → number of the parameter.
    parameters: FxHashMap<i64, u32>,
    /// Layer id → number of the result.
    results: FxHashMap<i64, u32>,
}

impl<'a> GraphReader<'_, '_, 'a> {
    fn layers(&mut self) -> Result<()> {
        loop {
            if self.plain_layer() {
                self.add_layer().map_err(|error| self.in_layer(error))?;
                continue;
            }
            let Some(tag) = self.cursor.child()? else { return Ok(()) };
            if tag.name() == "layer" {
                self.layer(&tag)?;
            } else {
                self.cursor.skip()?;
            }
        }
    }

    /// Reads the next layer without the event parser; `false` where it is needed.
    fn plain_layer(&mut self) -> bool {
        let Some((text, start)) = self.cursor.behind_tag() else { return false };
        let mut scan = Scan::new(text, start);
        self.layer.clear();
        self.control = None;
        let Some(start) = scan.layer(&mut self.layer) else { return false };
        let tensors = self.shared.tensors + self.layer.outputs.len();
        if self.shared.nodes == limits::MAX_NODES || tensors > limits::MAX_TENSORS {
            return false;
        }
        self.shared.nodes += 1;
        self.shared.tensors = tensors;
        self.position = Some(self.cursor.position(start));
        self.cursor.pass_over(scan.at());
        true
    }

    fn layer(&mut self, tag: &Tag<'a>) -> Result<()> {
        self.shared.nodes += 1;
        if self.shared.nodes > limits::MAX_NODES {
            let error = limits::exceeded("number of layers", self.shared.nodes, limits::MAX_NODES);
            return Err(self.cursor.place(error, tag.start));
        }
        self.position = Some(self.cursor.position(tag.start));
        self.control = None;
        let layer = &mut self.layer;
        layer.clear();
        let mut id = None;
        for attribute in tag.attributes() {
            let (name, value) = attribute.map_err(|error| self.cursor.error(error.to_string(), tag.start))?;
            match name {
                "id" => id = Some(value),
                "name" => layer.name = value,
                "type" => layer.type_name = value,
                "version" => layer.version = value,
                _ => {}
            }
        }
        layer.id = number(self.cursor, tag, "id", id)?;
        while let Some(child) = self.cursor.child()? {
            self.layer_part(&child).map_err(|error| self.in_layer(error))?;
        }
        self.add_layer().map_err(|error| self.in_layer(error))
    }

    fn layer_part(&mut self, tag: &Tag<'a>) -> Result<()> {
        match tag.name() {
            "data" => {
                for attribute in tag.attributes() {
                    let error = |error: xml::BadAttribute| self.cursor.error(error.to_string(), tag.start);
                    self.layer.data.push(attribute.map_err(error)?);
                }
                self.cursor.skip()
            }
            "input" => self.inputs(),
            "output" => self.outputs(),
            "rt_info" => self.layer_runtime_info(),
            "port_map" | "then_port_map" | "else_port_map" | "back_edges" => {
                self.control.get_or_insert_default().read_map(self.cursor, tag)
            }
            "body" | "then_body" | "else_body" => self.body(tag),
            _ => self.cursor.skip(),
        }
    }

    fn body(&mut self, tag: &Tag<'a>) -> Result<()> {
        if self.depth == limits::MAX_BODY_DEPTH {
            let error = limits::exceeded("bodies within bodies", self.depth + 1, limits::MAX_BODY_DEPTH);
            return Err(self.cursor.place(error, tag.start));
        }
        let body = read_graph(self.cursor, self.shared, tag.name(), self.depth + 1)?;
        self.control.get_or_insert_default().add_body(tag.name(), body);
        Ok(())
    }

    /// Input ports: only their ids count, for dims are inferred.
    fn inputs(&mut self) -> Result<()> {
        while let Some(tag) = self.cursor.child()? {
            if tag.name() == "port" {
                let label = attribute(self.cursor, &tag, "id")?;
                self.input(&tag, label)?;
            }
            self.cursor.skip()?;
        }
        Ok(())
    }

    fn input(&mut self, tag: &Tag<'_>, label: Option<&str>) -> Result<()> {
        self.layer.inputs.push(number(self.cursor, tag, "id", label)?);
        self.check_ports(self.layer.inputs.len(), tag)
    }

    fn outputs(&mut self) -> Result<()> {
        while let Some(tag) = self.cursor.child()? {
            if tag.name() != "port" {
                self.cursor.skip()?;
                continue;
            }
            let output = self.output(&tag, tag.attributes())?;
            self.layer.outputs.push(output);
            while let Some(part) = self.cursor.child()? {
                if part.name() == "dim" {
                    let dim = self.cursor.text()?;
                    self.output_dim(&part, &dim)?;
                } else {
                    self.cursor.skip()?;
                }
            }
            self.check_ports(self.layer.outputs.len(), &tag)?;
        }
        Ok(())
    }

    /// An output without dims: a scalar or of unknown rank, for the serializer writes both alike.
    fn output(&mut self, tag: &Tag<'a>, attributes: xml::Attributes<'a>) -> Result<Output<'a>> {
        self.shared.tensors += 1;
        if self.shared.tensors > limits::MAX_TENSORS {
            let error = limits::exceeded("number of outputs", self.shared.tensors, limits::MAX_TENSORS);
            return Err(self.cursor.place(error, tag.start));
        }
        let mut output = Output { label: 0, dtype: DType::Dynamic, shape: PartialShape::any(), names: "" };
        let mut label = None;
        for attribute in attributes {
            let (name, value) = attribute.map_err(|error| self.cursor.error(error.to_string(), tag.start))?;
            match name {
                "id" => label = Some(value),
                "precision" | "element_type" => {
                    output.dtype = text::dtype(value).ok_or_else(|| {
                        let message = format!("\"{}\" is not an element type", cut(value));
                        self.cursor.error(message, tag.start)
                    })?;
                }
                "names" => output.names = value,
                _ => {}
            }
        }
        output.label = number(self.cursor, tag, "id", label)?;
        Ok(output)
    }

    /// The next dim of the output that was added last.
    fn output_dim(&mut self, tag: &Tag<'_>, text: &str) -> Result<()> {
        let dim = text::dim(text)
            .ok_or_else(|| self.cursor.error(format!("\"{}\" is not a dim", cut(text)), tag.start))?;
        if let Some(output) = self.layer.outputs.last_mut() {
            let dims = output.shape.dims.get_or_insert_default();
            if dims.len() == limits::MAX_RANK {
                let error = limits::exceeded("rank of a port", dims.len() + 1, limits::MAX_RANK);
                return Err(self.cursor.place(error, tag.start));
            }
            dims.push(dim);
        }
        Ok(())
    }

    fn check_ports(&self, count: usize, tag: &Tag<'_>) -> Result<()> {
        if count > limits::MAX_PORTS {
            let error = limits::exceeded("ports of one layer", count, limits::MAX_PORTS);
            return Err(self.cursor.place(error, tag.start));
        }
        Ok(())
    }

    fn layer_runtime_info(&mut self) -> Result<()> {
        while let Some(tag) = self.cursor.child()? {
            if tag.name() == "attribute" && attribute(self.cursor, &tag, "name")? == Some("decompression") {
                self.layer.is_decompression = true;
            }
            self.cursor.skip()?;
        }
        Ok(())
    }

    /// Adds the layer that was just read.
    fn add_layer(&mut self) -> Result<()> {
        let entry = ops::find(self.layer.type_name, self.layer.version);
        let op = self.operator(entry.map(|entry| entry.make))?;
        debug_assert!(
            entry.is_none_or(|entry| entry.lists(&op)),
            "the table lists another operator than {op:?}"
        );
        let layer = &mut self.layer;
        if let Some(entry) = entry
            && !entry.order.is_empty()
            && entry.order.len() == layer.inputs.len()
        {
            layer.inputs = entry.order.iter().filter_map(|&input| layer.inputs.get(input).copied()).collect();
        }
        let first_tensor = self.builder.graph().tensors().len();
        let node = self.builder.node(NodeSpec {
            op,
            name: &xml::unescape(layer.name),
            type_name: layer.type_name,
            opset: layer.version,
            source_id: layer.id,
            position: self.position,
            is_decompression: layer.is_decompression,
        });
        if matches!(self.builder.graph().node(node).op, Op::Executed) {
            let attributes = Attributes { pairs: &layer.data, inputs: layer.inputs.len() };
            executed::note(&mut self.builder, node, &attributes);
        }
        let labels = layer.outputs.iter().map(|output| output.label);
        let added = self.wiring.add_layer(layer.id, node, &layer.inputs, labels, first_tensor);
        added.map_err(|error| malformed(error.to_string()))?;
        for output in layer.outputs.drain(..) {
            let names = text::tensor_names(output.names);
            let spec = TensorSpec { dtype: output.dtype, shape: output.shape, names: &names, symbols: "" };
            self.builder.output(node, spec);
        }
        Ok(())
    }

    /// The operator of the layer that was just read, which may settle what its outputs declare.
    fn operator(&mut self, make: Option<Make>) -> Result<Op> {
        let layer = &mut self.layer;
        let attributes = Attributes { pairs: &layer.data, inputs: layer.inputs.len() };
        let of_attribute = |error: AttributeError| malformed(error.to_string());
        Ok(match make {
            None if executed::is_executed(&attributes, layer.version) => {
                for output in &mut layer.outputs {
                    output.shape.dims.get_or_insert_default();
                }
                Op::Executed
            }
            None => Op::Opaque,
            Some(Make::Op(make)) => make(&attributes).map_err(of_attribute)?,
            Some(Make::Parameter) => {
                let dtype = attributes.dtype("element_type").map_err(of_attribute)?;
                let shape = attributes.shape("shape").map_err(of_attribute)?;
                if let Some(output) = layer.outputs.first_mut() {
                    (output.dtype, output.shape) = (dtype, shape);
                }
                self.parameters.insert(layer.id, self.builder.graph().parameters().len() as u32);
                Op::Parameter
            }
            Some(Make::Result) => {
                self.results.insert(layer.id, self.builder.graph().results().len() as u32);
                Op::Result
            }
            Some(Make::Constant) => {
                let made = self.shared.weights.constant(&attributes);
                let (constant, dtype, shape) = made.map_err(|error| malformed(error.to_string()))?;
                if let Some(output) = layer.outputs.first_mut() {
                    (output.dtype, output.shape) = (dtype, shape);
                }
                Op::Constant(constant)
            }
            Some(Make::ReadValue) => {
                let name = attributes.text("variable_id").map_err(of_attribute)?;
                let (dtype, shape) = if attributes.raw("variable_shape").is_some() {
                    let dtype = attributes.dtype("variable_type").map_err(of_attribute)?;
                    (dtype, attributes.shape("variable_shape").map_err(of_attribute)?)
                } else {
                    // opset3 declares nothing: the output has the initialiser's type and shape.
                    let output = layer.outputs.first();
                    output.map_or((DType::Dynamic, PartialShape::any()), |output| {
                        (output.dtype, output.shape.clone())
                    })
                };
                Op::ReadValue(self.variables.declare(&name, dtype, shape))
            }
            Some(Make::Assign) => {
                let name = attributes.text("variable_id").map_err(of_attribute)?;
                Op::Assign(self.variables.declare(&name, DType::Dynamic, PartialShape::any()))
            }
            Some(Make::If) => {
                let labels: Vec<u32> = layer.outputs.iter().map(|output| output.label).collect();
                self.control.take().unwrap_or_default().into_if(&layer.inputs, &labels)?
            }
            Some(make @ (Make::Loop | Make::TensorIterator)) => {
                let labels: Vec<u32> = layer.outputs.iter().map(|output| output.label).collect();
                let is_loop = matches!(make, Make::Loop);
                self.control.take().unwrap_or_default().into_loop(&layer.inputs, &labels, is_loop)?
            }
        })
    }

    fn edges(&mut self) -> Result<()> {
        loop {
            let scan = self.cursor.behind_tag().map(|(text, start)| Scan::new(text, start));
            if let Some(mut scan) = scan
                && let Some((start, [from_layer, from_port, to_layer, to_port])) = scan.edge()
            {
                self.cursor.pass_over(scan.at());
                let (from_layer, to_layer) = (from_layer.into(), to_layer.into());
                self.connect(Edge { from_layer, from_port, to_layer, to_port }, start)?;
                continue;
            }
            let Some(tag) = self.cursor.child()? else { return Ok(()) };
            if tag.name() == "edge" {
                let edge = self.edge(&tag)?;
                self.connect(edge, tag.start)?;
            }
            self.cursor.skip()?;
        }
    }

    fn connect(&mut self, edge: Edge, start: usize) -> Result<()> {
        self.shared.edges += 1;
        if self.shared.edges > limits::MAX_EDGES {
            let error = limits::exceeded("number of edges", self.shared.edges, limits::MAX_EDGES);
            return Err(self.cursor.place(error, start));
        }
        self.wiring.connect(edge).map_err(|error| {
            self.cursor
                .error(error.to_string(), start)
                .help("the IR is inconsistent; re-export it, or report the exporter with this line")
        })
    }

    fn edge(&self, tag: &Tag<'_>) -> Result<Edge> {
        let [mut from_layer, mut from_port, mut to_layer, mut to_port] = [None; 4];
        for attribute in tag.attributes() {
            let (name, value) = attribute.map_err(|error| self.cursor.error(error.to_string(), tag.start))?;
            match name {
                "from-layer" => from_layer = Some(value),
                "from-port" => from_port = Some(value),
                "to-layer" => to_layer = Some(value),
                "to-port" => to_port = Some(value),
                _ => {}
            }
        }
        Ok(Edge {
            from_layer: number(self.cursor, tag, "from-layer", from_layer)?,
            from_port: number(self.cursor, tag, "from-port", from_port)?,
            to_layer: number(self.cursor, tag, "to-layer", to_layer)?,
            to_port: number(self.cursor, tag, "to-port", to_port)?,
        })
    }

    fn runtime_info(&mut self) -> Result<()> {
        while let Some(tag) = self.cursor.child()? {
            if tag.name() == "runtime_options" {
                self.runtime_options()?;
            } else {
                self.cursor.skip()?;
            }
        }
        Ok(())
    }

    fn runtime_options(&mut self) -> Result<()> {
        while let Some(tag) = self.cursor.child()? {
            if let Some(value) = attribute(self.cursor, &tag, "value")? {
                self.builder.info(tag.name(), &xml::unescape(value));
            }
            self.cursor.skip()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Body> {
        for (node, slots) in self.wiring.nodes() {
            self.builder.connect(node, slots);
        }
        for variable in self.variables.list {
            self.builder.variable(variable);
        }
        Ok(Body { graph: self.builder.finish()?, parameters: self.parameters, results: self.results })
    }

    /// Names the layer that was just read.
    #[cold]
    fn in_layer(&self, error: Error) -> Error {
        let layer = &self.layer;
        error.at(Location {
            layer: Some(LayerName {
                name: xml::unescape(layer.name).into_owned(),
                id: Some(layer.id),
                type_name: layer.type_name.to_owned(),
                opset: layer.version.to_owned(),
            }),
            ..self.position.map(at).unwrap_or_default()
        })
    }
}

/// Variables by name, in the order of their first use.
#[derive(Debug, Default)]
struct Variables {
    list: Vec<Variable>,
    by_name: FxHashMap<String, VariableId>,
}

impl Variables {
    /// The variable called `name`; a declaration completes what earlier ones left unknown.
    fn declare(&mut self, name: &str, dtype: DType, shape: PartialShape) -> VariableId {
        if let Some(&id) = self.by_name.get(name) {
            if let Some(known) = self.list.get_mut(id.index()) {
                if known.dtype == DType::Dynamic {
                    known.dtype = dtype;
                }
                if known.shape.dims.is_none() {
                    known.shape = shape;
                }
            }
            return id;
        }
        let id = VariableId::new(self.list.len());
        self.list.push(Variable { name: name.to_owned(), shape, dtype });
        self.by_name.insert(name.to_owned(), id);
        id
    }
}
