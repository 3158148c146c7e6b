//! Level 3: convolutions of integers with channels last, and the transpositions around them.
//!
//! Each convolution gets a transposition before and behind it; then they are moved down: through an operator whose data
//! are all transposed, where a transposition follows or more than one goes, until they cancel.
//!
//! Not covered: Split, Pad, Slice and reductions between two convolutions, which keep their transpositions.
//!
//! Source: onnxruntime/core/optimizer/nhwc_transformer.cc and onnxruntime/core/optimizer/transpose_optimization
//! (`ProcessTranspose`, `OrtEPCostCheck`), ONNX Runtime 1.31.1; checked against the graph that it makes of a speech model.

use super::super::kernel::{Kernel, Nhwc};
use super::super::order;
use super::super::work::Work;
use crate::rewrite::Inputs;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::smallvec;

/// Whether there is a convolution of integers.
pub(super) fn applies(work: &Work<'_>) -> bool {
    work.alive().any(|node| work.is(node, Kernel::QLinearConv))
}

/// Puts the channels last.
pub(super) fn transpose(work: &mut Work<'_>) {
    let nodes = order::of(work);
    let mut last = ChannelsLast {
        leading: leading(work, &nodes),
        values: FxHashMap::default(),
        transposed: FxHashMap::default(),
    };
    for node in nodes {
        match work.nodes[node].kind {
            Kernel::QLinearConv => last.convolution(work, node),
            Kernel::Transpose => last.cancel(work, node),
            kind if may_pass(kind) => last.pass(work, node),
            _ => {}
        }
    }
    // Plain readers, and the caller, get the plain form back.
    let mut plain: Vec<(usize, usize)> = last.values.into_iter().collect();
    plain.sort_unstable();
    for (old, new) in plain {
        if work.is_read(old) {
            let source = work.graph.tensor(work.values[old].tensor).node;
            work.add(Kernel::Transpose, source, smallvec![Some(new)], old);
        }
    }
}

struct ChannelsLast {
    /// Values that a transposition is behind, through operators that one can be moved through.
    leading: FxHashSet<usize>,
    /// By plain value that nothing writes any more, the one with its channels last.
    values: FxHashMap<usize, usize>,
    /// By plain value, the one that a new transposition gives.
    transposed: FxHashMap<usize, usize>,
}

impl ChannelsLast {
    fn convolution(&mut self, work: &mut Work<'_>, node: usize) {
        let (Some(data), Some(output)) = (work.input(node, 0), work.output(node)) else { return };
        if work.values[data].shape.is_none() || work.values[output].dims.is_none() {
            return;
        }
        let known = self.values.get(&data).or_else(|| self.transposed.get(&data)).copied();
        let transposed = known.unwrap_or_else(|| {
            let new = fresh(work, data);
            work.add(Kernel::Transpose, work.nodes[node].source, smallvec![Some(data)], new);
            self.transposed.insert(data, new);
            new
        });
        let mut inputs: Inputs<usize> = work.nodes[node].inputs().into();
        inputs[0] = Some(transposed);
        self.replace(work, node, Kernel::Nhwc(Nhwc::Conv), inputs, output);
    }

    /// A transposition of the file that undoes the one that was moved to it.
    fn cancel(&self, work: &mut Work<'_>, node: usize) {
        let (Some(data), Some(output)) = (work.input(node, 0), work.output(node)) else { return };
        let Some(&new) = self.values.get(&data) else { return };
        let axes = work.input(node, 1).and_then(|axes| work.ints(axes)).unwrap_or_default();
        let rank = axes.len() as i64;
        let undoes = rank > 2 && axes.iter().copied().eq([0].into_iter().chain(2..rank).chain([1]));
        if undoes && !work.is_output(output) {
            work.remove(node);
            work.replace(output, new);
        } else {
            work.set_input(node, 0, new);
        }
    }

    fn pass(&mut self, work: &mut Work<'_>, node: usize) {
        let Some(output) = work.output(node) else { return };
        let kind = work.nodes[node].kind;
        let is_data = |value: usize| !work.values[value].is_constant;
        let data = || work.nodes[node].inputs().iter().flatten().copied().filter(|&value| is_data(value));
        let is_worth = matches!(kind, Kernel::MaxPool | Kernel::QLinearGlobalAveragePool)
            || self.leading.contains(&output)
            || data().count() > 1;
        let is_byte = || work.values[output].dtype.bits() == Some(8);
        if !is_worth
            || data().next().is_none()
            || !data().all(|value| self.values.contains_key(&value))
            || kind == Kernel::MaxPool && !is_byte()
        {
            return;
        }
        let transposed =
            |value: &Option<usize>| value.map(|value| *self.values.get(&value).unwrap_or(&value));
        let inputs = work.nodes[node].inputs().iter().map(transposed).collect();
        let kind = match kind {
            Kernel::MaxPool => Kernel::Nhwc(Nhwc::MaxPool),
            Kernel::QLinearAveragePool => Kernel::Nhwc(Nhwc::AveragePool),
            Kernel::QLinearGlobalAveragePool => Kernel::Nhwc(Nhwc::GlobalAveragePool),
            kind => kind,
        };
        self.replace(work, node, kind, inputs, output);
    }

    /// Puts a node in the place of one, which writes the same with its channels last.
    fn replace(
        &mut self,
        work: &mut Work<'_>,
        node: usize,
        kind: Kernel,
        inputs: Inputs<usize>,
        output: usize,
    ) {
        let new = fresh(work, output);
        let source = work.nodes[node].source;
        work.remove(node);
        work.add(kind, source, inputs, new);
        self.values.insert(output, new);
    }
}

/// The values that a transposition is behind.
fn leading(work: &Work<'_>, nodes: &[usize]) -> FxHashSet<usize> {
    let mut leading = FxHashSet::default();
    for &node in nodes.iter().rev() {
        let kind = work.nodes[node].kind;
        let leads = matches!(kind, Kernel::QLinearConv | Kernel::Transpose)
            || may_pass(kind) && work.nodes[node].outputs.iter().any(|value| leading.contains(value));
        if leads {
            leading.extend(work.nodes[node].inputs().iter().flatten().copied());
        }
    }
    leading
}

/// A value like another, its channels last.
fn fresh(work: &mut Work<'_>, like: usize) -> usize {
    let mut value = work.values[like].clone();
    if let Some(dims) = value.dims.as_mut().filter(|dims| dims.len() > 1) {
        dims[1..].rotate_left(1);
    }
    if let Some(shape) = value.shape.as_mut().filter(|shape| shape.len() > 1) {
        shape[1..].rotate_left(1);
    }
    work.add_value(value)
}

/// Whether a transposition can be moved from the data of an operator to its result.
fn may_pass(kind: Kernel) -> bool {
    use Kernel::{
        Add, Cast, Clip, Concat, DequantizeLinear, Div, Elu, Erf, Exp, HardSigmoid, LeakyRelu, Max, MaxPool,
        Min, Mul, Pow, QLinearAdd, QLinearAveragePool, QLinearConcat, QLinearGlobalAveragePool,
        QLinearLeakyRelu, QLinearMul, QLinearSigmoid, QuantizeLinear, Reciprocal, Relu, Resize, Round, Selu,
        Sigmoid, Sign, Softplus, Softsign, Sqrt, Sub, Sum, Tanh,
    };
    matches!(
        kind,
        Add | Cast
            | Clip
            | Concat
            | DequantizeLinear
            | Div
            | Elu
            | Erf
            | Exp
            | HardSigmoid
            | LeakyRelu
            | Max
            | MaxPool
            | Min
            | Mul
            | Pow
            | QLinearAdd
            | QLinearAveragePool
            | QLinearConcat
            | QLinearGlobalAveragePool
            | QLinearLeakyRelu
            | QLinearMul
            | QLinearSigmoid
            | QuantizeLinear
            | Reciprocal
            | Resize
            | Relu
            | Round
            | Selu
            | Sigmoid
            | Sign
            | Softplus
            | Softsign
            | Sqrt
            | Sub
            | Sum
            | Tanh
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;
    use crate::DType;
    use crate::graph::Op;
    use crate::graph::op::{Convolution, ElementType, FilterLayout, Quantized, QuantizedForm};
    use crate::ids::TensorId;

    /// A convolution of bytes by 32 filters of one tap.
    fn convolved(draft: &mut Draft, data: TensorId) -> TensorId {
        let filters = draft.stored(DType::I8, &[32, 32, 1, 1]);
        let (scale, zero) = (draft.number(0.5), draft.stored(DType::U8, &[]));
        let own = draft.stored(DType::I8, &[]);
        let convolution = Convolution { filters: FilterLayout::Flat { groups: 1 }, ..Convolution::default() };
        let op = Op::Convolution(Box::new(convolution));
        let op = Op::Quantized(Box::new(Quantized {
            op,
            form: QuantizedForm::Linear,
            to: ElementType::OfInput(7),
        }));
        draft.outputs(op, &[DType::U8], &[data, filters, scale, zero, scale, own, scale, zero])[0]
    }

    const CONV: Kernel = Kernel::Nhwc(Nhwc::Conv);

    #[test]
    fn transpositions_between_convolutions_cancel() {
        let mut draft = Draft::default();
        let data = draft.input_of(DType::U8, &[1, 32, 8, 8]);
        let first = convolved(&mut draft, data);
        let second = convolved(&mut draft, first);
        draft.returns(second);
        assert_eq!(draft.kinds(transpose), [Kernel::Transpose, CONV, CONV, Kernel::Transpose]);
    }
}
