//! Small graphs for the tests of the passes.

use super::{Options, execution_graph};
use crate::DType;
use crate::graph::op::{Constant, WeightRange};
use crate::graph::{Builder, Dim, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec, Value, Variable};
use crate::ids::{TensorId, VariableId};
use crate::machine::Machine;
use crate::runtime::openvino_cpu::execution::{ExecutionGraph, Kind, Precision};
use crate::runtime::openvino_cpu::release::Release;
use crate::scenario::Scenario;
use crate::shape::{self, Shapes};

/// A free dim; its size in the run is [`FREE_SIZE`].
pub(super) const FREE: i64 = -1;
/// What free dims are bound to.
pub(super) const FREE_SIZE: u64 = 5;

/// A graph that is being written down, one operator per line.
#[derive(Debug)]
pub(super) struct Net {
    builder: Builder,
    scenario: Scenario,
}

impl Net {
    pub(super) fn new() -> Net {
        Net { builder: Builder::new("test.xml".as_ref(), Format::OpenVino), scenario: Scenario::default() }
    }

    pub(super) fn input(&mut self, name: &str, dtype: DType, dims: &[i64]) -> TensorId {
        let sizes = dims.iter().map(|&dim| u64::try_from(dim).unwrap_or(FREE_SIZE));
        self.scenario.inputs.push((name.to_owned(), sizes.collect()));
        self.op(name, Op::Parameter, &[], dtype, dims)
    }

    /// Gives an input its numbers.
    pub(super) fn value(&mut self, name: &str, values: &[i64]) {
        self.scenario.values.push((name.to_owned(), Value::ints(values.iter().copied())));
    }

    pub(super) fn ints(&mut self, name: &str, values: &[i64]) -> TensorId {
        self.builder.constant(name, DType::I64, &[values.len() as u64], Value::ints(values.iter().copied()))
    }

    /// A scalar integer.
    pub(super) fn int(&mut self, name: &str, value: i64) -> TensorId {
        self.builder.constant(name, DType::I64, &[], Value::ints([value]))
    }

    pub(super) fn number(&mut self, name: &str, value: f64) -> TensorId {
        self.builder.constant(name, DType::F32, &[], Value::floats([value]))
    }

    /// A constant of these numbers.
    pub(super) fn floats(&mut self, name: &str, values: &[f64], dims: &[u64]) -> TensorId {
        self.builder.constant(name, DType::F32, dims, Value::floats(values.iter().copied()))
    }

    /// A constant of the file, too large to have a value.
    pub(super) fn stored(&mut self, name: &str, dtype: DType, dims: &[i64]) -> TensorId {
        let range = Some(WeightRange { file: 0, offset: 0, size: 0 });
        self.op(name, Op::Constant(Constant { range, value: None }), &[], dtype, dims)
    }

    /// A constant too large to have a value.
    pub(super) fn weight(&mut self, name: &str, dtype: DType, dims: &[i64]) -> TensorId {
        self.op(name, Op::Constant(Constant { range: None, value: None }), &[], dtype, dims)
    }

    pub(super) fn op(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[TensorId],
        dtype: DType,
        dims: &[i64],
    ) -> TensorId {
        self.split(name, op, inputs, dtype, &[dims])[0]
    }

    pub(super) fn split(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[TensorId],
        dtype: DType,
        outputs: &[&[i64]],
    ) -> Vec<TensorId> {
        let type_name = super::kind::of(&op, "Other").name().to_owned();
        let node = self.builder.node(NodeSpec { op, name, type_name: &type_name, ..NodeSpec::default() });
        let outputs = outputs.iter().map(|dims| {
            let dims = dims.iter().map(|&dim| u64::try_from(dim).map_or(Dim::ANY, Dim::known));
            let shape = PartialShape { dims: Some(dims.collect()) };
            TensorSpec { dtype, shape, ..TensorSpec::default() }
        });
        let made = outputs.map(|spec| self.builder.output(node, spec)).collect();
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.builder.connect(node, &inputs);
        made
    }

    pub(super) fn variable(&mut self, name: &str, dims: &[i64]) -> VariableId {
        let dims = dims.iter().map(|&dim| u64::try_from(dim).map_or(Dim::ANY, Dim::known));
        let shape = PartialShape { dims: Some(dims.collect()) };
        self.builder.variable(Variable { name: name.to_owned(), shape, dtype: DType::F32 })
    }

    pub(super) fn result(&mut self, name: &str, of: TensorId) {
        let spec = NodeSpec { op: Op::Result, name, type_name: "Result", ..NodeSpec::default() };
        let node = self.builder.node(spec);
        self.builder.connect(node, &[Some(of)]);
    }

    /// The graph, with the shapes of its run.
    pub(super) fn shapes(self) -> (Graph, Shapes) {
        let graph = self.builder.finish().unwrap();
        let shapes = shape::infer(&graph, &self.scenario).unwrap();
        (graph, shapes)
    }

    pub(super) fn execute(self, options: Options) -> ExecutionGraph {
        let (graph, shapes) = self.shapes();
        execution_graph(&graph, &shapes, options).unwrap()
    }

    /// The nodes that are not constants, inputs or outputs: `Kind names dtype`, made-up numbers left away.
    pub(super) fn lines(self, options: Options) -> Vec<String> {
        lines(&self.execute(options))
    }
}

/// Free dims stay free, all floats are f32.
pub(super) const DYNAMIC: Options = Options {
    precision: Precision::F32,
    is_dynamic: true,
    last_logits: false,
    kv_precision: None,
    is_paged: false,
    quantization_group: 0,
    machine: Machine::MEASURED,
    release: Release::V2026_4,
};
/// Dims are known, all floats are f32.
pub(super) const STATIC: Options = Options { is_dynamic: false, ..DYNAMIC };

pub(super) fn lines(graph: &ExecutionGraph) -> Vec<String> {
    let nodes =
        graph.nodes.iter().filter(|node| !matches!(node.kind, Kind::Const | Kind::Input | Kind::Output));
    let plain = |name: &str| name.split('#').next().unwrap_or_default().to_owned();
    let line = nodes.map(|node| {
        let names: Vec<String> = node.originals.iter().map(|name| plain(name)).collect();
        let dtype = node.outputs.first().map_or("", |output| output.dtype.name());
        format!("{} {} {dtype}", node.kind.name(), names.join(","))
    });
    line.collect()
}
