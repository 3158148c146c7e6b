//! Graphs in which QuantizeLinear and DequantizeLinear surround operators on floats (QDQ): where they move, and the operators
//! on integers that the groups become.
//!
//! * Level 1: a pair is put behind what only moves data and reads a DequantizeLinear, and before what only moves data and
//!   is quantized; then each reader of a DequantizeLinear has its own.
//! * Level 2: signed data that one DequantizeLinear reads becomes unsigned. An operator that reads DequantizeLinears alone and is
//!   read by QuantizeLinears alone becomes the operator on integers, products and convolutions on unsigned data alone; what only
//!   moves data moves the integers.
//!
//! Not covered: Split, Where, and weights in blocks (`MatMulNBits`).
//!
//! Source: onnxruntime/core/optimizer/qdq_transformer, ONNX Runtime 1.31.1 for x86 (`QDQIsInt8Allowed`).

use super::super::kernel::Kernel;
use super::super::order;
use super::super::work::Work;
use crate::DType;
use crate::rewrite::Inputs;
use smallvec::SmallVec;

/// Whether a graph has quantized data.
pub(super) fn applies(work: &Work<'_>) -> bool {
    work.alive().any(|node| work.is(node, Kernel::DequantizeLinear))
}

/// Moves QuantizeLinear up and DequantizeLinear down, by pairs of both that [`group`] drops.
///
/// Source: `QDQPropagationTransformer`, qdq_propagation.cc.
pub(super) fn propagate(work: &mut Work<'_>) {
    let nodes = order::of(work);
    for &node in nodes.iter().filter(|&&node| work.is(node, Kernel::QuantizeLinear)).collect::<Vec<_>>() {
        propagate_up(work, node);
    }
    for &node in nodes.iter().filter(|&&node| work.is(node, Kernel::DequantizeLinear)).collect::<Vec<_>>() {
        propagate_down(work, node);
    }
}

/// Gives every reader of a DequantizeLinear one of its own.
///
/// Source: `EnsureUniqueDQForNodeUnit`, ensure_unique_dq_for_node_unit.cc.
pub(super) fn separate(work: &mut Work<'_>) {
    for node in order::of(work) {
        if !work.is(node, Kernel::DequantizeLinear) {
            continue;
        }
        let Some(value) = work.output(node) else { continue };
        let first = usize::from(!work.is_output(value));
        let edges: Vec<(usize, usize)> = work.uses(value).iter().skip(first).copied().collect();
        for (reader, index) in edges {
            let own = work.like(value);
            let (source, inputs) = (work.nodes[node].source, work.nodes[node].inputs().into());
            work.add(Kernel::DequantizeLinear, source, inputs, own);
            work.set_input(reader, index, own);
        }
    }
}

/// Puts operators on integers in the place of groups.
///
/// Source: `QDQS8ToU8Transformer`, qdq_s8_to_u8.cc; `QDQSelectorActionTransformer`, selectors_actions/qdq_selectors.cc and
/// qdq_actions.cc.
pub(super) fn group(work: &mut Work<'_>) {
    let nodes = order::of(work);
    for &node in &nodes {
        let is_signed = |value: &usize| work.values[*value].dtype == DType::I8;
        let value =
            work.output(node).filter(|value| work.is(node, Kernel::QuantizeLinear) && is_signed(value));
        if let Some(value) = value.filter(|_| work.only_reader(node, Kernel::DequantizeLinear).is_some()) {
            work.values[value].dtype = DType::U8;
        }
    }
    for node in nodes {
        if !work.is_alive(node) {
            continue;
        }
        let kind = work.nodes[node].kind;
        let kernel = integer_kernel(kind);
        if kernel.is_none() && !moves_data(kind) {
            continue;
        }
        let Some(group) = Group::of(work, node) else { continue };
        match kernel {
            Some(kernel) => group.replace(work, kernel),
            None => group.drop_pair(work),
        }
    }
}

/// An operator between DequantizeLinears and a QuantizeLinear.
#[derive(Debug)]
struct Group {
    node: usize,
    /// One for each input in order, or for the first alone where data is moved.
    dequantize: SmallVec<[usize; 4]>,
    /// Relu or Clip that quantization makes redundant.
    clip: Option<usize>,
    quantize: Option<usize>,
}

impl Group {
    fn of(work: &Work<'_>, node: usize) -> Option<Group> {
        let inputs = || work.nodes[node].inputs().iter().flatten().copied();
        let dequantize: SmallVec<[usize; 4]> = inputs()
            .filter_map(|value| work.writer(value).filter(|&node| work.is(node, Kernel::DequantizeLinear)))
            .collect();
        if dequantize.is_empty() || !dequantize.iter().all(|&dequantize| work.is_private(dequantize)) {
            return None;
        }
        let clip = [Kernel::Relu, Kernel::Clip].into_iter().find_map(|kind| work.only_reader(node, kind));
        let quantize = work.only_reader(clip.unwrap_or(node), Kernel::QuantizeLinear);
        let is_quantized =
            |value: usize| work.readers(value).any(|reader| work.is(reader, Kernel::QuantizeLinear));
        if quantize.is_none() && work.nodes[node].outputs.iter().copied().any(is_quantized) {
            return None;
        }
        if clip.is_some_and(|clip| quantize.is_none_or(|quantize| !is_redundant(work, clip, quantize))) {
            return None;
        }
        Some(Group { node, dequantize, clip, quantize })
    }

    /// The integers that input `index` of the group is.
    fn stored(&self, work: &Work<'_>, index: usize) -> Option<DType> {
        let value = work.input(*self.dequantize.get(index)?, 0)?;
        Some(work.values[value].dtype)
    }

    fn result(&self, work: &Work<'_>) -> Option<DType> {
        work.output(self.quantize?).map(|value| work.values[value].dtype)
    }

    /// Whether all inputs are dequantized.
    fn is_whole(&self, work: &Work<'_>) -> bool {
        work.nodes[self.node].inputs().iter().flatten().count() == self.dequantize.len()
    }

    /// Whether the types are those that an operator on integers takes.
    fn fits(&self, work: &Work<'_>) -> Option<bool> {
        let (data, result) = (self.stored(work, 0)?, self.result(work));
        let is_byte = |dtype: DType| matches!(dtype, DType::U8 | DType::I8);
        let of_result = result.is_none_or(|result| result == data);
        let weights = || {
            let weight = self.stored(work, 1)?;
            Some(is_byte(weight) && (data == DType::U8 || weight == data))
        };
        let is_unsigned = data == DType::U8;
        let bias = || self.stored(work, 2).is_none_or(|bias| bias == DType::I32);
        let of_inputs = match work.nodes[self.node].kind {
            Kernel::MatMul => is_unsigned && self.dequantize.len() == 2 && weights()?,
            Kernel::Gemm => self.is_whole(work) && weights()? && bias(),
            Kernel::Conv => is_unsigned && result.is_some() && self.is_whole(work) && weights()? && bias(),
            _ => {
                let are_equal =
                    (0..self.dequantize.len()).all(|input| self.stored(work, input) == Some(data));
                result.is_some() && self.takes_others(work) && are_equal
            }
        };
        Some(is_byte(data) && of_result && of_inputs)
    }

    /// An operator with one dequantized input may have others, such as axes, where it takes the first alone.
    fn takes_others(&self, work: &Work<'_>) -> bool {
        match work.nodes[self.node].kind {
            Kernel::Add | Kernel::Mul | Kernel::Concat => self.is_whole(work),
            _ => self.dequantize.len() == 1,
        }
    }

    /// Puts an operator on integers in the place of all nodes.
    fn replace(&self, work: &mut Work<'_>, kernel: Kernel) {
        if self.fits(work) != Some(true) {
            return;
        }
        let kernel = match (kernel, self.quantize) {
            (Kernel::QLinearMatMul, None) => Kernel::MatMulIntegerToFloat,
            (kernel, _) => kernel,
        };
        let of = |node: usize, index: usize| work.input(node, index);
        // Data first, then the scale and the zero point of each, as the reader orders the inputs of such operators.
        let (data, bias) = self.dequantize.split_at(match kernel {
            Kernel::QLinearConcat => self.dequantize.len(),
            _ => self.dequantize.len().min(2),
        });
        let mut inputs: Inputs<usize> = data.iter().map(|&node| of(node, 0)).collect();
        inputs.extend(data.iter().flat_map(|&node| [of(node, 1), of(node, 2)]));
        if let Some(quantize) = self.quantize {
            inputs.extend([of(quantize, 1), of(quantize, 2)]);
        }
        inputs.extend(bias.iter().map(|&node| of(node, 0)));
        let source = work.nodes[self.node].source;
        let mut gone: Vec<usize> = self.dequantize.to_vec();
        gone.push(self.node);
        gone.extend(self.clip);
        gone.extend(self.quantize);
        let made = work.fuse(&gone, kernel, inputs);
        // It has the attributes of the operator.
        work.nodes[made].source = source;
    }

    /// Lets the operator move the integers themselves.
    fn drop_pair(&self, work: &mut Work<'_>) {
        let (Some(quantize), &[dequantize], None) = (self.quantize, &self.dequantize[..], self.clip) else {
            return;
        };
        let is_first = work.input(self.node, 0) == work.output(dequantize);
        let is_equal = [1, 2].into_iter().all(|index| is_same(work, dequantize, quantize, index));
        let (Some(data), Some(result)) = (work.input(dequantize, 0), work.output(quantize)) else { return };
        if is_first && is_equal && work.values[data].dtype == work.values[result].dtype {
            work.set_input(self.node, 0, data);
            work.remove(dequantize);
            work.remove(quantize);
            work.write(self.node, 0, result);
        }
    }
}

/// Whether two nodes have the same constant number as an input.
fn is_same(work: &Work<'_>, one: usize, other: usize, index: usize) -> bool {
    let (one, other) = (work.input(one, index), work.input(other, index));
    let number = |value: Option<usize>| value.and_then(|value| work.number(value));
    one == other || number(one).is_some() && number(one) == number(other)
}

/// The operator on integers that an operator on floats becomes.
fn integer_kernel(kind: Kernel) -> Option<Kernel> {
    Some(match kind {
        Kernel::Add => Kernel::QLinearAdd,
        Kernel::AveragePool => Kernel::QLinearAveragePool,
        Kernel::Concat => Kernel::QLinearConcat,
        Kernel::Conv => Kernel::QLinearConv,
        Kernel::Gemm => Kernel::QGemm,
        Kernel::GlobalAveragePool => Kernel::QLinearGlobalAveragePool,
        Kernel::LeakyRelu => Kernel::QLinearLeakyRelu,
        Kernel::MatMul => Kernel::QLinearMatMul,
        Kernel::Mul => Kernel::QLinearMul,
        Kernel::Sigmoid => Kernel::QLinearSigmoid,
        Kernel::Softmax => Kernel::QLinearSoftmax,
        _ => return None,
    })
}

/// Whether an operator gives numbers of its input as they are.
fn moves_data(kind: Kernel) -> bool {
    use Kernel::{Expand, Flatten, Gather, GatherElements, ReduceMax, Resize, Tile};
    can_pass(kind) || matches!(kind, Expand | Flatten | Gather | GatherElements | ReduceMax | Resize | Tile)
}

/// Whether quantization is moved past an operator.
fn can_pass(kind: Kernel) -> bool {
    use Kernel::{MaxPool, Reshape, Slice, Squeeze, Transpose, Unsqueeze};
    matches!(kind, MaxPool | Reshape | Slice | Squeeze | Transpose | Unsqueeze)
}

/// Whether a scale and a zero point are constant numbers.
fn is_of_tensor(work: &Work<'_>, node: usize) -> bool {
    let is_number = |index: usize| {
        work.input(node, index).is_none_or(|value| {
            let value = &work.values[value];
            value.is_constant && value.dims.as_ref().is_some_and(|dims| dims.iter().product::<u64>() == 1)
        })
    };
    work.input(node, 1).is_some() && is_number(1) && is_number(2)
}

/// Whether the range of the integers is within the limits of Relu or Clip.
///
/// Source: `IsClipMadeRedundantByQ`, qdq_transformer/qdq_util.cc.
fn is_redundant(work: &Work<'_>, clip: usize, quantize: usize) -> bool {
    let number = |node: usize, index: usize| work.input(node, index).and_then(|value| work.number(value));
    let (lowest, highest) = match work.output(quantize).map(|value| work.values[value].dtype) {
        Some(DType::U8) => (0.0, 255.0),
        Some(DType::I8) => (-128.0, 127.0),
        _ => return false,
    };
    let zero = if work.input(quantize, 2).is_none() { Some(0.0) } else { number(quantize, 2) };
    // Of data that was signed in the file.
    let is_shifted = |value: usize| lowest == 0.0 && work.values[value].dtype == DType::I8;
    let zero =
        if work.input(quantize, 2).is_some_and(is_shifted) { zero.map(|zero| zero + 128.0) } else { zero };
    let (Some(scale), Some(zero)) = (number(quantize, 1), zero) else { return false };
    if work.is(clip, Kernel::Relu) {
        return zero == lowest;
    }
    let limit = |index: usize, none: f64| match work.input(clip, index) {
        None => Some(none),
        Some(_) => number(clip, index),
    };
    let (Some(min), Some(max)) = (limit(1, f64::NEG_INFINITY), limit(2, f64::INFINITY)) else { return false };
    min <= scale * (lowest - zero) && max >= scale * (highest - zero)
}

fn propagate_up(work: &mut Work<'_>, quantize: usize) {
    let is_between = |work: &Work<'_>, value: usize, reader: usize| {
        !work.is_output(value) && work.is_only_reader(value, reader)
    };
    let value = work.input(quantize, 0).filter(|&value| is_between(work, value, quantize));
    let mut mover = value.and_then(|value| work.writer(value)).filter(|_| is_of_tensor(work, quantize));
    while let Some(node) = mover.filter(|&node| can_pass(work.nodes[node].kind))
        && let Some(data) = work.input(node, 0).filter(|&data| !work.values[data].is_constant)
    {
        mover = work.writer(data);
        let stops =
            |writer: usize| work.is(writer, Kernel::DequantizeLinear) || !is_between(work, data, node);
        if mover.is_some_and(stops) {
            return;
        }
        insert(work, data, &[(node, 0)], quantize);
    }
}

fn propagate_down(work: &mut Work<'_>, dequantize: usize) {
    let only = work.output(dequantize).filter(|&value| !work.is_output(value));
    let Some((reader, _)) = only.and_then(|value| work.only_use(value)) else { return };
    if !is_of_tensor(work, dequantize) {
        return;
    }
    let mut movers = vec![reader];
    while let Some(mover) = movers.pop() {
        let Some(value) = work.output(mover).filter(|_| can_pass(work.nodes[mover].kind)) else { continue };
        let is_output = work.is_output(value);
        let edges: Vec<(usize, usize)> = work.uses(value).to_vec();
        if is_output && edges.is_empty() {
            let inner = work.like(value);
            work.write(mover, 0, inner);
            let stored = quantized(work, inner, dequantize);
            let inputs = with_parameters(work, stored, dequantize);
            let source = work.nodes[dequantize].source;
            work.add(Kernel::DequantizeLinear, source, inputs, value);
            continue;
        }
        let is_next = |&(reader, _): &(usize, usize)| !work.is(reader, Kernel::QuantizeLinear);
        let edges: Vec<(usize, usize)> = edges.into_iter().filter(is_next).collect();
        if is_output || edges.is_empty() {
            continue;
        }
        insert(work, value, &edges, dequantize);
        movers.extend(edges.into_iter().map(|(reader, _)| reader));
    }
}

/// Puts a QuantizeLinear behind a value, and a DequantizeLinear before each of these readers, with the numbers of `like`.
fn insert(work: &mut Work<'_>, value: usize, edges: &[(usize, usize)], like: usize) {
    let stored = quantized(work, value, like);
    let source = work.nodes[like].source;
    for &(reader, index) in edges {
        let floats = work.like(value);
        let inputs = with_parameters(work, stored, like);
        work.add(Kernel::DequantizeLinear, source, inputs, floats);
        work.set_input(reader, index, floats);
    }
}

/// A new QuantizeLinear of a value; returns what it writes.
fn quantized(work: &mut Work<'_>, value: usize, like: usize) -> usize {
    let integers = match work.is(like, Kernel::QuantizeLinear) {
        true => work.output(like),
        false => work.input(like, 0),
    };
    let dtype = integers.map_or(DType::U8, |integers| work.values[integers].dtype);
    let stored = work.like(value);
    work.values[stored].dtype = dtype;
    let inputs = with_parameters(work, value, like);
    work.add(Kernel::QuantizeLinear, work.nodes[like].source, inputs, stored);
    stored
}

/// Data, and the scale and zero point of another node.
fn with_parameters(work: &Work<'_>, data: usize, like: usize) -> Inputs<usize> {
    let parameters = work.nodes[like].inputs().iter().skip(1).copied();
    std::iter::once(Some(data)).chain(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;
    use crate::graph::Op;
    use crate::graph::op::ElementType;
    use crate::ids::TensorId;

    /// Numbers of a draft that all quantization of a test shares.
    struct Quantized {
        draft: Draft,
        scale: TensorId,
        zero: TensorId,
    }

    impl Quantized {
        fn new() -> Quantized {
            let mut draft = Draft::default();
            let (scale, zero) = (draft.number(0.5), draft.stored(DType::U8, &[]));
            Quantized { draft, scale, zero }
        }

        fn quantize(&mut self, data: TensorId) -> TensorId {
            let op = Op::QuantizeLinear { to: ElementType::Is(DType::U8) };
            self.draft.outputs(op, &[DType::U8], &[data, self.scale, self.zero])[0]
        }

        fn dequantize(&mut self, data: TensorId) -> TensorId {
            let op = Op::DequantizeLinear { to: ElementType::Is(DType::F32) };
            self.draft.op(op, &[data, self.scale, self.zero])
        }

        /// Dequantized data that the caller gives.
        fn data(&mut self, dims: &[u64]) -> TensorId {
            let data = self.draft.input_of(DType::U8, dims);
            self.dequantize(data)
        }

        fn kinds(mut self, result: TensorId) -> Vec<Kernel> {
            self.draft.returns(result);
            self.draft.kinds(|work| {
                propagate(work);
                separate(work);
                group(work);
            })
        }
    }

    #[test]
    fn an_operator_between_integers_is_one_on_integers() {
        let of = |kind: Kernel, is_quantized: bool| {
            let mut net = Quantized::new();
            let (a, b) = (net.data(&[8, 8]), net.data(&[8, 8]));
            let result = net.draft.node(kind, &[a, b]);
            let result = if is_quantized { net.quantize(result) } else { result };
            net.kinds(result)
        };
        assert_eq!(of(Kernel::Add, true), [Kernel::QLinearAdd]);
        assert_eq!(of(Kernel::MatMul, true), [Kernel::QLinearMatMul]);
        // A product alone may give floats.
        assert_eq!(of(Kernel::MatMul, false), [Kernel::MatMulIntegerToFloat]);
        assert!(of(Kernel::Add, false).contains(&Kernel::Add));
        assert!(of(Kernel::Sub, true).contains(&Kernel::Sub));
    }

    #[test]
    fn integers_are_moved_and_only_what_computes_has_floats() {
        let mut net = Quantized::new();
        let data = net.data(&[2, 8]);
        let pattern = net.draft.ints(&[2], &[8, 2]);
        let moved = net.draft.node(Kernel::Reshape, &[data, pattern]);
        let result = net.draft.node(Kernel::Erf, &[moved]);
        assert_eq!(net.kinds(result), [Kernel::Reshape, Kernel::DequantizeLinear, Kernel::Erf]);

        let mut net = Quantized::new();
        let data = net.draft.input(&[2, 8]);
        let computed = net.draft.node(Kernel::Erf, &[data]);
        let pattern = net.draft.ints(&[2], &[8, 2]);
        let moved = net.draft.node(Kernel::Reshape, &[computed, pattern]);
        let result = net.quantize(moved);
        assert_eq!(net.kinds(result), [Kernel::Erf, Kernel::QuantizeLinear, Kernel::Reshape]);
    }

    #[test]
    fn each_reader_of_dequantized_data_has_its_own() {
        let mut net = Quantized::new();
        let data = net.data(&[8, 8]);
        let (erf, tanh) = (net.draft.node(Kernel::Erf, &[data]), net.draft.node(Kernel::Tanh, &[data]));
        let result = net.draft.node(Kernel::Sub, &[erf, tanh]);
        let found = net.kinds(result);
        let count = found.iter().filter(|&&kind| kind == Kernel::DequantizeLinear).count();
        assert_eq!((count, found.len()), (2, 5));
    }

    #[test]
    fn signed_data_is_unsigned_where_one_node_reads_it() {
        let of = |readers: usize| {
            let mut net = Quantized::new();
            let op = Op::QuantizeLinear { to: ElementType::Is(DType::I8) };
            let zero = net.draft.stored(DType::I8, &[]);
            let (x, other) = (net.draft.input(&[8, 8]), net.data(&[8, 8]));
            let data = net.draft.outputs(op, &[DType::I8], &[x, net.scale, zero])[0];
            let products: Vec<TensorId> = (0..readers)
                .map(|_| {
                    let data = net.dequantize(data);
                    net.draft.node(Kernel::MatMul, &[data, other])
                })
                .collect();
            let sum = products.into_iter().reduce(|a, b| net.draft.node(Kernel::Sub, &[a, b])).unwrap();
            net.kinds(sum)
        };
        assert!(of(1).contains(&Kernel::MatMulIntegerToFloat));
        assert!(!of(2).contains(&Kernel::MatMulIntegerToFloat));
    }

    #[test]
    fn integers_beyond_a_relu_leave_it() {
        let mut net = Quantized::new();
        let (a, b) = (net.data(&[8, 8]), net.data(&[8, 8]));
        let sum = net.draft.node(Kernel::Add, &[a, b]);
        let relu = net.draft.node(Kernel::Relu, &[sum]);
        let result = net.quantize(relu);
        // The zero point is not known.
        assert!(net.kinds(result).contains(&Kernel::Relu));
    }
}
