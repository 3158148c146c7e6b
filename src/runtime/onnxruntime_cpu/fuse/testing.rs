//! Small graphs for tests of this runtime.

use super::super::kernel::Kernel;
use super::super::options::GraphOptimization;
use super::super::order;
use super::super::work::{OnnxRuntime, Rule, Work};
use super::constants;
use crate::DType;
use crate::graph::op::{
    AxisSpan, Binary, Broadcast, Constant, Convolution, ConvolutionForm, FilterLayout, LayerNorm, Pool,
    PoolKind, Reduce, ReshapeZero, Unary, WeightRange, Window,
};
use crate::graph::{Builder, Dim, Format, Graph, NodeSpec, Op, PartialShape, TensorSpec, Value};
use crate::ids::TensorId;
use crate::rewrite;
use crate::scenario::Scenario;

/// A graph that is being written down.
#[derive(Debug)]
pub(crate) struct Draft {
    builder: Builder,
    /// Sizes of the inputs.
    pub(crate) scenario: Scenario,
}

impl Default for Draft {
    fn default() -> Draft {
        Draft { builder: Builder::new("test".as_ref(), Format::Onnx), scenario: Scenario::default() }
    }
}

impl Draft {
    fn add(&mut self, op: Op, dtype: DType, shape: PartialShape, inputs: &[TensorId]) -> TensorId {
        self.add_all(op, &[dtype], shape, inputs)[0]
    }

    fn add_all(
        &mut self,
        op: Op,
        dtypes: &[DType],
        shape: PartialShape,
        inputs: &[TensorId],
    ) -> Vec<TensorId> {
        let type_name = op.kind().name();
        let name = format!("{type_name}_{}", self.builder.graph().nodes().len());
        let spec = NodeSpec { op, name: &name, type_name, ..NodeSpec::default() };
        let node = self.builder.node(spec);
        let spec = |&dtype: &DType| TensorSpec { dtype, shape: shape.clone(), ..TensorSpec::default() };
        let outputs = dtypes.iter().map(|dtype| self.builder.output(node, spec(dtype))).collect();
        let inputs: Vec<_> = inputs.iter().copied().map(Some).collect();
        self.builder.connect(node, &inputs);
        outputs
    }

    /// A model input of f32.
    pub(crate) fn input(&mut self, dims: &[u64]) -> TensorId {
        self.input_of(DType::F32, dims)
    }

    /// A model input.
    pub(crate) fn input_of(&mut self, dtype: DType, dims: &[u64]) -> TensorId {
        self.add(Op::Parameter, dtype, PartialShape::known(dims), &[])
    }

    /// A model input of f32 with this name, whose dims are free in the file: their names, separated by commas, may be
    /// empty.
    pub(crate) fn free_input(&mut self, name: &str, symbols: &str, dims: &[u64]) -> TensorId {
        let spec = NodeSpec { op: Op::Parameter, name, type_name: "Parameter", ..NodeSpec::default() };
        let node = self.builder.node(spec);
        self.scenario.inputs.push((name.to_owned(), dims.into()));
        let shape = PartialShape { dims: Some(dims.iter().map(|_| Dim::ANY).collect()) };
        let output = self.builder.output(node, TensorSpec { dtype: DType::F32, shape, names: name, symbols });
        self.builder.connect(node, &[]);
        output
    }

    /// A constant of f32 of unknown values, made by the reader of an attribute.
    pub(crate) fn weight(&mut self, dims: &[u64]) -> TensorId {
        let op = Op::Constant(Constant { range: None, value: None });
        self.add(op, DType::F32, PartialShape::known(dims), &[])
    }

    /// An initializer in the model's own file, of unknown values.
    pub(crate) fn stored(&mut self, dtype: DType, dims: &[u64]) -> TensorId {
        let size = dtype.bytes(dims.iter().product()).unwrap().0;
        let range = WeightRange { file: 0, offset: 0, size };
        let op = Op::Constant(Constant { range: Some(range), value: None });
        self.add(op, dtype, PartialShape::known(dims), &[])
    }

    /// A scalar constant of f32.
    pub(crate) fn number(&mut self, number: f64) -> TensorId {
        self.builder.constant("number", DType::F32, &[], Value::floats([number]))
    }

    /// A constant of i64.
    pub(crate) fn ints(&mut self, dims: &[u64], numbers: &[i64]) -> TensorId {
        self.builder.constant("ints", DType::I64, dims, Value::ints(numbers.iter().copied()))
    }

    /// A node of one of the types that the tests know.
    pub(crate) fn node(&mut self, kind: Kernel, inputs: &[TensorId]) -> TensorId {
        let binary = |kind| Op::Binary(kind, Broadcast::Numpy);
        let op = match kind {
            Kernel::Add => binary(Binary::Add),
            Kernel::Sub => binary(Binary::Subtract),
            Kernel::Mul => binary(Binary::Multiply),
            Kernel::Div => binary(Binary::TruncatedDivide),
            Kernel::Pow => binary(Binary::Power),
            Kernel::Erf => Op::Unary(Unary::Erf),
            Kernel::Tanh => Op::Unary(Unary::Tanh),
            Kernel::Sqrt => Op::Unary(Unary::Sqrt),
            Kernel::Exp => Op::Unary(Unary::Exp),
            Kernel::Relu => Op::Unary(Unary::Relu),
            Kernel::Sigmoid => Op::Unary(Unary::Sigmoid),
            Kernel::BiasGelu => binary(Binary::BiasGelu),
            Kernel::Identity => Op::Identity,
            Kernel::ReduceMean => {
                Op::Reduce { kind: Reduce::Mean, keep_dims: true, noop_with_empty_axes: false }
            }
            Kernel::MatMul => Op::MatMul { transpose_a: false, transpose_b: false },
            Kernel::Gemm => Op::Gemm { transpose_a: false, transpose_b: false, has_activation: false },
            Kernel::Where => Op::Select(Broadcast::Numpy),
            Kernel::Transpose => Op::Transpose,
            Kernel::LayerNormalization => Op::LayerNormalization(LayerNorm::default()),
            Kernel::SkipLayerNormalization => Op::SkipLayerNormalization(LayerNorm::default()),
            Kernel::Softmax => Op::Softmax(AxisSpan::LAST),
            Kernel::BatchNormalization => Op::BatchNormalization { epsilon: 1e-5 },
            Kernel::Shape => Op::ShapeOf { to: DType::I64, start: 0, end: None },
            Kernel::Gather => Op::Gather { batch_dims: 0 },
            Kernel::Unsqueeze => Op::Unsqueeze,
            Kernel::Concat => Op::Concat { axis: 0 },
            Kernel::Reshape => Op::Reshape(ReshapeZero::CopiesDim),
            Kernel::GlobalAveragePool => Op::GlobalPool(PoolKind::Average),
            Kernel::MaxPool => {
                let kernel = [2, 2].into_iter().collect();
                Op::Pool(Box::new(Pool { kind: PoolKind::Max, kernel, ..Pool::default() }))
            }
            Kernel::Conv => {
                let filters = FilterLayout::Flat { groups: 1 };
                Op::Convolution(Box::new(Convolution {
                    form: ConvolutionForm::Plain,
                    window: Window::default(),
                    filters,
                }))
            }
            other => panic!("the tests know no {other:?}"),
        };
        self.op(op, inputs)
    }

    /// A node of any operator.
    pub(crate) fn op(&mut self, op: Op, inputs: &[TensorId]) -> TensorId {
        self.add(op, DType::Dynamic, PartialShape::any(), inputs)
    }

    /// A node of any operator with several outputs, of these types.
    pub(crate) fn outputs(&mut self, op: Op, dtypes: &[DType], inputs: &[TensorId]) -> Vec<TensorId> {
        self.add_all(op, dtypes, PartialShape::any(), inputs)
    }

    /// The graph, to be the body of a node.
    pub(crate) fn graph(self) -> Graph {
        self.builder.finish().unwrap()
    }

    /// A model output.
    pub(crate) fn returns(&mut self, tensor: TensorId) {
        let spec = NodeSpec { op: Op::Result, name: "result", type_name: "Result", ..NodeSpec::default() };
        let node = self.builder.node(spec);
        self.builder.connect(node, &[Some(tensor)]);
    }

    /// Kernels of the nodes that are left after a rule, in execution order.
    pub(crate) fn after(self, rule: &Rule) -> Vec<Kernel> {
        self.kinds(|work| apply(work, rule))
    }

    /// The same, at a level.
    pub(crate) fn after_at(self, level: GraphOptimization, rule: &Rule) -> Vec<Kernel> {
        self.kinds(|work| {
            work.options.optimization = level;
            apply(work, rule);
        })
    }

    /// Kernels of the nodes that are left after a pass, in execution order.
    pub(crate) fn kinds(self, pass: impl for<'a> FnOnce(&mut Work<'a>)) -> Vec<Kernel> {
        self.with(|work| {
            pass(work);
            constants::remove_unread(work);
            order::of(work).into_iter().map(|node| work.nodes[node].kind).collect()
        })
    }

    /// What is found of the graph as written.
    pub(crate) fn with<T>(self, find: impl for<'a> FnOnce(&mut Work<'a>) -> T) -> T {
        let graph = self.builder.finish().unwrap();
        let shapes = crate::shape::infer(&graph, &self.scenario).unwrap();
        find(&mut Work::new(&graph, &shapes))
    }
}

/// Tries a rule on every node once.
pub(crate) fn apply(work: &mut Work<'_>, rule: &Rule) {
    let nodes: Vec<usize> = work.alive().collect();
    rewrite::sweep::<OnnxRuntime>(work, &nodes, std::slice::from_ref(rule));
}
