//! What the runtime knows of dims when it plans: numbers, names of free dims, or nothing.
//!
//! A buffer is reused only where every dim of the two tensors is known to be the same, so that it matters what
//! ONNX Runtime's own inference finds, not what a run has. It is the shape engine's symbolic pass, less what this
//! runtime does not follow: [`is_followed`] is the table. Its inference carries no values, so that of a shape computed by
//! other nodes the rank alone is known; a free dim without a name is not known to be equal to any other.
//!
//! Source: the shape functions of ONNX 1.23; that computed shapes stay unknown is seen on 1.31.1 from the memory
//! patterns of exports whose Reshape takes a computed shape.

use super::kernel::Kernel;
use crate::graph::op::{ReshapeZero, ShapeClass};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, TensorId};
use crate::shape::dim::DimList;
use crate::shape::{
    self, Bound, Dim, Element, Filter, SymbolicScenario, SymbolicShapes, Symbols, TensorInfo,
};

/// Dims; `None`: not even the rank is known.
pub(super) type Shape = Option<DimList>;

/// Whether two tensors are known to have the same dims; scalars are the same.
pub(super) fn are_same(a: &Shape, b: &Shape) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(*b)),
        _ => false,
    }
}

/// What is inferred of every tensor of a graph, from what is known of its parameters.
pub(super) fn infer(graph: &Graph, parameters: Vec<Option<TensorInfo>>, symbols: Symbols) -> SymbolicShapes {
    shape::infer_symbolic(graph, SymbolicScenario { parameters, symbols }, &mut KnownDims { graph })
}

/// The dims of a Reshape with a constant pattern.
pub(super) fn reshape(from: &Shape, pattern: &[i64]) -> Shape {
    let pattern: Vec<Element> = pattern.iter().map(|&size| Element::Known(size)).collect();
    // Of data of unknown rank, the numbers of the pattern are known.
    let unknown = || DimList::from_elem(Dim::Unknown, pattern.len());
    let from = from.clone().unwrap_or_else(unknown);
    let mut dims = shape::reshaped(&from, &pattern, ReshapeZero::CopiesDim, true).ok()?;
    forget_rest(&mut dims, &pattern);
    Some(dims)
}

/// A -1 is known only where it is a number.
fn forget_rest(dims: &mut DimList, pattern: &[Element]) {
    for (dim, size) in dims.iter_mut().zip(pattern) {
        if *size == Element::Known(-1) && dim.known().is_none() {
            *dim = Dim::Unknown;
        }
    }
}

/// The filter: what ONNX Runtime's inference finds of each node.
struct KnownDims<'a> {
    graph: &'a Graph,
}

impl Filter for KnownDims<'_> {
    fn after(
        &mut self,
        node: NodeId,
        tensors: &[TensorInfo],
        outputs: &mut [TensorInfo],
        symbols: &mut Symbols,
    ) {
        let graph = self.graph;
        let op = &graph.node(node).op;
        if matches!(op, Op::Constant(_) | Op::Parameter) {
            return;
        }
        let kernel = Kernel::of(op.kind());
        let input = |index: usize| graph.input(node, index).map(|tensor| &tensors[tensor.index()]);
        // Found once: a node may have many inputs and many outputs.
        let inputs = graph.inputs(node).iter().flatten();
        let has_sizes = inputs.map(|tensor| &tensors[tensor.index()]).all(|input| input.dims.is_some());
        let n_outputs = outputs.len();
        for (port, (tensor, info)) in graph.outputs(node).zip(outputs).enumerate() {
            info.forget_elements();
            let is_known = |info: &TensorInfo| info.bound == Bound::Exact && info.dims.is_some();
            let is_settled = is_known(info) && has_sizes;
            if let (Op::Reshape(_), Some(pattern), Some(mut dims)) =
                (op, input(1).and_then(TensorInfo::integers), info.shape())
            {
                forget_rest(&mut dims, &pattern);
                info.set_shape(dims);
            }
            if !is_settled && !is_followed(op, kernel, (port, n_outputs), input) {
                info.forget_shape();
            }
            if let Some(rank) = rank_alone(op, input).filter(|_| info.shape().is_none()) {
                info.set_shape(DimList::from_elem(Dim::Unknown, rank));
            }
            merge_stated(graph, tensor, info, symbols);
        }
    }
}

/// Most dims that a pattern of numbers from other nodes gives.
///
/// Source: this crate's; far above what a model has.
const MOST_DIMS: usize = 64;

/// The rank of an output of unknown dims: that of a list, or the length of a pattern.
///
/// Source: the shape functions of Shape and Reshape, ONNX 1.23; a product with 1 behind a Reshape to a computed pattern of
/// four numbers is eliminated (`NoopElimination` needs a rank) in the model that 1.31.1 saves.
fn rank_alone<'t>(op: &Op, input: impl Fn(usize) -> Option<&'t TensorInfo>) -> Option<usize> {
    match (op, input(1).and_then(TensorInfo::shape).as_deref()) {
        (Op::ShapeOf { .. }, _) => Some(1),
        (Op::Reshape(_), Some(&[Dim::Known(rank)])) => {
            usize::try_from(rank).ok().filter(|&rank| rank <= MOST_DIMS)
        }
        _ => None,
    }
}

/// Whether the runtime's inference follows free dims through an output.
fn is_followed<'t>(
    op: &Op,
    kernel: Kernel,
    (port, n_outputs): (usize, usize),
    input: impl Fn(usize) -> Option<&'t TensorInfo>,
) -> bool {
    let is_constant = |index: usize| input(index).is_some_and(|input| input.value.is_some());
    let op = match op {
        Op::Quantized(spec) if matches!(spec.op, Op::Binary(..) | Op::Select(_) | Op::Concat { .. }) => {
            &spec.op
        }
        op => op,
    };
    match op {
        Op::Unary(_) | Op::Convert { .. } | Op::Binary(..) | Op::Select(_) | Op::Variadic(_) => true,
        Op::Linear { .. } | Op::Concat { .. } => true,
        Op::Transpose => input(1).is_none() || is_constant(1),
        Op::Reshape(_) | Op::Unsqueeze | Op::ExpandDims | Op::Squeeze { .. } | Op::Reduce { .. } => {
            is_constant(1)
        }
        Op::Gather { .. } => is_constant(2),
        Op::MatMul { transpose_a: false, transpose_b: false } => {
            let is_matrix = |index| input(index).and_then(TensorInfo::rank).is_some_and(|rank| rank > 1);
            kernel == Kernel::MatMul && is_matrix(0) && is_matrix(1)
        }
        Op::ShapeOf { start: 0, end: None, .. } => true,
        Op::MultiHeadAttention(_) | Op::AttentionOfWeights(_) => {
            port == 0 && input(0).and_then(TensorInfo::rank) == Some(3)
        }
        op if op.shape_class() == ShapeClass::SameAsInput => port == 0,
        Op::BatchNormalization { .. } => n_outputs == 1,
        _ => match kernel {
            Kernel::SkipLayerNormalization | Kernel::SkipSimplifiedLayerNormalization => {
                // The sum that goes on as residual.
                matches!(port, 0 | 3)
            }
            Kernel::Identity
            | Kernel::Dropout
            | Kernel::Clip
            | Kernel::Cast
            | Kernel::QuantizeLinear
            | Kernel::DequantizeLinear
            | Kernel::LayerNormalization
            | Kernel::SimplifiedLayerNormalization
            | Kernel::BiasGelu
            | Kernel::FastGelu
            | Kernel::Gelu
            | Kernel::QuickGelu
            | Kernel::Conv
            | Kernel::ConvTranspose
            | Kernel::MaxPool
            | Kernel::AveragePool
            | Kernel::GlobalAveragePool
            | Kernel::GlobalMaxPool => port == 0,
            _ => false,
        },
    }
}

/// Joins what a file states of a shape with what is inferred: a number wins over a name, and the stated name over
/// another.
fn merge_stated(graph: &Graph, tensor: TensorId, info: &mut TensorInfo, symbols: &mut Symbols) {
    let Some(stated) = &graph.tensor(tensor).shape.dims else { return };
    let mut names = graph.symbols(tensor);
    let stated: DimList = stated
        .iter()
        .map(|dim| match (dim.as_known(), names.next().filter(|name| !name.is_empty())) {
            (Some(size), _) => Dim::Known(size),
            (None, Some(name)) => Dim::Symbol(symbols.named(name)),
            (None, None) => Dim::Unknown,
        })
        .collect();
    match info.shape().filter(|inferred| inferred.len() == stated.len()) {
        Some(inferred) => {
            info.set_shape(stated.iter().zip(inferred).map(|(stated, inferred)| stated.meet(inferred)))
        }
        None => info.set_shape(stated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::graph::{Builder, Format, NodeSpec, PartialShape, TensorSpec};
    use smallvec::smallvec;

    /// Symbols of `batch` and of a dim without a name.
    fn symbols() -> (Symbols, Dim, Dim) {
        let mut symbols = Symbols::default();
        let (batch, other) = (Dim::Symbol(symbols.named("batch")), Dim::Symbol(symbols.fresh()));
        (symbols, batch, other)
    }

    #[test]
    fn names_pass_through_a_constant_reshape() {
        let (_, batch, other) = symbols();
        let known = Dim::Known;
        let heads = reshape(&Some(smallvec![batch, other, known(768)]), &[0, 0, 12, 64]);
        assert_eq!(heads, Some(smallvec![batch, other, known(12), known(64)]));
        let image = Some(smallvec![batch, known(768), known(14), known(14)]);
        let flat = reshape(&image, &[0, 768, -1]);
        assert_eq!(flat, Some(smallvec![batch, known(768), known(196)]));
    }

    #[test]
    fn a_minus_one_is_never_a_name() {
        let (_, batch, other) = symbols();
        let from = Some(smallvec![batch, other, Dim::Known(8)]);
        assert_eq!(reshape(&from, &[0, -1, 8]), Some(smallvec![batch, Dim::Unknown, Dim::Known(8)]));
        assert_eq!(reshape(&from, &[-1, 8]), Some(smallvec![Dim::Unknown, Dim::Known(8)]));
    }

    #[test]
    fn unknown_dims_are_not_the_same() {
        let (_, batch, _) = symbols();
        assert!(!are_same(&Some(smallvec![Dim::Unknown]), &Some(smallvec![Dim::Unknown])));
        assert!(are_same(&Some(smallvec![batch]), &Some(smallvec![batch])));
        assert!(!are_same(&None, &None));
    }

    #[test]
    fn the_name_that_a_file_states_stays_where_inference_finds_no_number() {
        // A cache that the file states as [batch, heads, total, ?], of past and new tokens side by side.
        let mut builder = Builder::new("test".as_ref(), Format::Onnx);
        let node = builder.node(NodeSpec { op: Op::Opaque, name: "node", ..NodeSpec::default() });
        let dims = smallvec![crate::graph::Dim::ANY; 4];
        let shape = PartialShape { dims: Some(dims) };
        let tensor = builder.output(
            node,
            TensorSpec { dtype: DType::F32, shape, symbols: "batch,heads,total,", ..TensorSpec::default() },
        );
        let (mut symbols, batch, other) = symbols();
        let inferred = [other, Dim::Known(8), Dim::Unknown, Dim::Known(64)];
        let mut info = TensorInfo::of_shape(DType::F32, inferred);
        merge_stated(builder.graph(), tensor, &mut info, &mut symbols);
        let total = Dim::Symbol(symbols.named("total"));
        assert_eq!(info.shape(), Some(smallvec![batch, Dim::Known(8), total, Dim::Known(64)]));
    }
}
