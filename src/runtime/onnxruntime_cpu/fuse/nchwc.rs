//! Level 3: convolutions and the nodes between them on blocks of channels.
//!
//! Channels are padded to the block (16 with AVX-512, else 8). A convolution of fewer input channels than a block reads
//! the plain image, one of more channels that four does not divide stays plain; all other inputs are reordered, once, and
//! outputs are reordered back where a plain node reads them. A pool over the whole image is worth no reorder of its own.
//! Sums and activations go into the convolution before them. Of what a blocked node writes the memory planner knows the dims
//! that are numbers: where the input's sides have none, it reuses no buffer and passes none on. What is reordered has all dims
//! of the plain image but the channels.
//!
//! Source: onnxruntime/core/optimizer/nchwc_transformer.cc, and for channels and pools the graphs that ONNX Runtime 1.31.1
//! makes of single nodes (`optimized_model_filepath`); dims: onnxruntime/core/graph/contrib_ops/nchwc_schema_defs.cc.

use super::super::kernel::{Kernel, Nchwc};
use super::super::work::{Node, Work};
use crate::DType;
use crate::graph::Op;
use crate::rewrite::Inputs;
use crate::shape::Dim;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

/// A plain input is reordered where this divides its channels.
///
/// Source: `ReorderInput`, onnxruntime/contrib_ops/cpu/nchwc_ops.cc.
const CHANNELS: u64 = 4;

/// A blocked convolution that may still take a sum or an activation.
#[derive(Clone, Copy, Debug, Default)]
struct Conv {
    node: usize,
    has_sum: bool,
    is_activated: bool,
}

/// Blocked forms by plain value.
struct Blocked {
    block: u64,
    values: FxHashMap<usize, usize>,
    reordered: FxHashMap<usize, usize>,
    convs: FxHashMap<usize, Conv>,
    /// Resized values: the runtime does not see that their sides are those of what they are added to.
    resized: FxHashSet<usize>,
}

/// Whether channels may be put into blocks for such a node.
pub(super) fn starts(node: &Node) -> bool {
    matches!(node.kind, Kernel::Conv | Kernel::FusedConv) || Nchwc::pool(node.kind).is_some()
}

/// Rewrites every convolution, pool, sum, activation and concatenation that can be blocked.
pub(super) fn block(work: &mut Work<'_>) {
    let block = work.options.block();
    let mut blocked = Blocked {
        block,
        values: FxHashMap::default(),
        reordered: FxHashMap::default(),
        convs: FxHashMap::default(),
        resized: FxHashSet::default(),
    };
    for node in super::super::order::of(work) {
        let is_written = work.output(node).is_some();
        if !is_written {
            continue;
        }
        let kind = work.nodes[node].kind;
        match kind {
            Kernel::Conv | Kernel::FusedConv => blocked.convolution(work, node),
            Kernel::Add | Kernel::Mul | Kernel::Sum => blocked.join(work, node),
            Kernel::Relu
            | Kernel::Sigmoid
            | Kernel::Tanh
            | Kernel::LeakyRelu
            | Kernel::Clip
            | Kernel::HardSigmoid => blocked.activation(work, node),
            Kernel::Concat => blocked.concat(work, node),
            Kernel::Resize => blocked.resize(work, node),
            _ => Nchwc::pool(kind).is_some_and(|pool| blocked.pool(work, node, pool)),
        };
    }
    // Plain readers, and the caller, get the plain form back.
    let mut plain: Vec<(usize, usize)> = blocked.values.into_iter().collect();
    plain.sort_unstable();
    for (old, new) in plain {
        if !work.is_unread(old) || work.is_output(old) {
            let source = work.graph.tensor(work.values[old].tensor).node;
            work.add(Kernel::Nchwc(Nchwc::ReorderOutput), source, smallvec![Some(new)], old);
        }
    }
}

impl Blocked {
    fn convolution(&mut self, work: &mut Work<'_>, node: usize) -> bool {
        let (Some(input), Some(weight), Some(output)) =
            (work.input(node, 0), work.input(node, 1), work.output(node))
        else {
            return false;
        };
        let Some(&[filters, channels, _, _]) = work.values[weight].dims.as_deref() else { return false };
        let Some(&[_, inputs, ..]) = work.values[input].dims.as_deref() else { return false };
        if !work.values[weight].is_constant || work.values[output].dtype != DType::F32 || channels == 0 {
            return false;
        }
        let groups = inputs / channels;
        let is_depthwise = channels == 1 && filters == groups;
        let is_plain_input = groups == 1 && channels < self.block;
        if groups == 1 && !is_plain_input && channels % CHANNELS != 0 {
            return false;
        }
        if groups > 1 {
            let per_group = filters / groups;
            let divides = channels % self.block == 0 && per_group % self.block == 0;
            if filters % self.block != 0 || !is_depthwise && !divides {
                return false;
            }
        }
        let source = if is_plain_input { input } else { self.blocked(work, input) };
        let new = self.fresh(work, output);
        let mut inputs: Inputs<usize> = smallvec![Some(source), Some(weight)];
        inputs.push(work.input(node, 2));
        let is_activated = work.is(node, Kernel::FusedConv);
        let made = self.replace(work, node, Kernel::Nchwc(Nchwc::Conv), inputs, new);
        self.convs.insert(new, Conv { node: made, has_sum: false, is_activated });
        self.values.insert(output, new);
        true
    }

    fn pool(&mut self, work: &mut Work<'_>, node: usize, pool: Nchwc) -> bool {
        let (Some(input), Some(output)) = (work.input(node, 0), work.output(node)) else { return false };
        let Some(&[_, channels, _, _]) = work.values[input].dims.as_deref() else { return false };
        let others_unread = work.nodes[node].outputs.iter().skip(1).all(|&value| work.is_unread(value));
        if channels % self.block != 0 || !others_unread || work.values[output].dtype != DType::F32 {
            return false;
        }
        let is_blocked = self.values.contains_key(&input) || self.reordered.contains_key(&input);
        if matches!(pool, Nchwc::GlobalAveragePool | Nchwc::GlobalMaxPool) && !is_blocked {
            return false;
        }
        let source = self.blocked(work, input);
        let new = self.fresh(work, output);
        self.replace(work, node, Kernel::Nchwc(pool), smallvec![Some(source)], new);
        self.values.insert(output, new);
        true
    }

    /// A sum of blocked values goes into a convolution that alone writes one of them; else it runs on blocks.
    fn join(&mut self, work: &mut Work<'_>, node: usize) -> bool {
        let Some(output) = work.output(node) else { return false };
        let Some(plain) = work.nodes[node].inputs().iter().copied().collect::<Option<SmallVec<[usize; 4]>>>()
        else {
            return false;
        };
        let Some(sources) =
            plain.iter().map(|value| self.values.get(value).copied()).collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        if !plain.iter().all(|&value| work.values[value].dims == work.values[output].dims) {
            return false;
        }
        let is_resized = sources.iter().any(|source| self.resized.contains(source));
        if let (&[a, b], false) = (&sources[..], work.is(node, Kernel::Mul) || is_resized) {
            for (index, (own, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                let is_only = work.uses(plain[index]).len() == 1
                    && work.is_unread(own)
                    && !work.is_output(plain[index]);
                let Some(conv) =
                    self.convs.get(&own).copied().filter(|conv| !conv.has_sum && !conv.is_activated)
                else {
                    continue;
                };
                if is_only {
                    let mut inputs: Inputs<usize> = work.nodes[conv.node].inputs().into();
                    inputs.resize(3, None);
                    inputs.push(Some(other));
                    let new = self.fresh(work, output);
                    work.remove(node);
                    let made = self.replace(work, conv.node, Kernel::Nchwc(Nchwc::Conv), inputs, new);
                    self.values.remove(&plain[index]);
                    self.convs.insert(new, Conv { node: made, has_sum: true, is_activated: false });
                    self.values.insert(output, new);
                    return true;
                }
            }
        }
        let new = self.fresh(work, output);
        let kind = work.nodes[node].kind;
        self.replace(work, node, kind, sources.into_iter().map(Some).collect(), new);
        self.values.insert(output, new);
        true
    }

    fn activation(&mut self, work: &mut Work<'_>, node: usize) -> bool {
        let (Some(input), Some(output)) = (work.input(node, 0), work.output(node)) else { return false };
        let Some(&source) = self.values.get(&input) else { return false };
        let is_only = work.uses(input).len() == 1 && work.is_unread(source) && !work.is_output(input);
        match self.convs.get(&source).copied().filter(|conv| is_only && !conv.is_activated) {
            Some(conv) => {
                work.remove(node);
                self.values.remove(&input);
                self.convs.insert(source, Conv { is_activated: true, ..conv });
                self.values.insert(output, source);
                work.values[source].tensor = work.values[output].tensor;
            }
            None => {
                let new = self.fresh(work, output);
                let kind = work.nodes[node].kind;
                self.replace(work, node, kind, smallvec![Some(source)], new);
                self.values.insert(output, new);
            }
        }
        true
    }

    fn concat(&mut self, work: &mut Work<'_>, node: usize) -> bool {
        let Some(output) = work.output(node) else { return false };
        let is_channels = match work.nodes[node].axis {
            Some(axis) => axis == 1,
            None => matches!(work.graph.node(work.nodes[node].source).op, Op::Concat { axis: 1 | -3 }),
        };
        let sources: Option<Inputs<usize>> = work.nodes[node]
            .inputs()
            .iter()
            .map(|value| {
                let value = (*value)?;
                let channels = *work.values[value].dims.as_ref()?.get(1)?;
                let new = self.values.get(&value).copied().filter(|_| channels % self.block == 0)?;
                Some(Some(new))
            })
            .collect();
        let Some(sources) = sources.filter(|_| is_channels) else { return false };
        let new = self.fresh(work, output);
        self.replace(work, node, Kernel::Concat, sources, new);
        self.values.insert(output, new);
        true
    }

    /// A resize by constant factors of a value that is blocked already.
    fn resize(&mut self, work: &mut Work<'_>, node: usize) -> bool {
        let (Some(input), Some(output)) = (work.input(node, 0), work.output(node)) else { return false };
        let Some(&source) = self.values.get(&input) else { return false };
        let scales = work.nodes[node].inputs().iter().skip(1).flatten();
        if !scales.into_iter().all(|&value| work.values[value].is_constant) {
            return false;
        }
        let new = self.fresh(work, output);
        self.resized.insert(new);
        self.replace(work, node, Kernel::Nchwc(Nchwc::Upsample), smallvec![Some(source)], new);
        self.values.insert(output, new);
        true
    }

    /// The blocked form of a value, reordered once if nothing made it.
    fn blocked(&mut self, work: &mut Work<'_>, value: usize) -> usize {
        if let Some(&new) = self.values.get(&value).or_else(|| self.reordered.get(&value)) {
            return new;
        }
        let new = self.padded(work, value);
        let source = work.graph.tensor(work.values[value].tensor).node;
        work.add(Kernel::Nchwc(Nchwc::ReorderInput), source, smallvec![Some(value)], new);
        self.reordered.insert(value, new);
        new
    }

    /// A value like another, with padded channels.
    fn padded(&self, work: &mut Work<'_>, like: usize) -> usize {
        let padded = |channels: u64| channels.checked_next_multiple_of(self.block).unwrap_or(channels);
        let mut value = work.values[like].clone();
        if let Some(channels) = value.dims.as_mut().and_then(|dims| dims.get_mut(1)) {
            *channels = padded(*channels);
        }
        if let Some(dim) = value.shape.as_mut().and_then(|shape| shape.get_mut(1)) {
            *dim = dim.known().map_or(Dim::Unknown, |channels| Dim::Known(padded(channels)));
        }
        work.add_value(value)
    }

    /// A value like another, with padded channels; of its sides, the planner knows those that are numbers.
    fn fresh(&self, work: &mut Work<'_>, like: usize) -> usize {
        let new = self.padded(work, like);
        for dim in work.values[new].shape.iter_mut().flatten().skip(2) {
            if dim.known().is_none() {
                *dim = Dim::Unknown;
            }
        }
        new
    }

    fn replace(
        &self,
        work: &mut Work<'_>,
        node: usize,
        kind: Kernel,
        inputs: Inputs<usize>,
        output: usize,
    ) -> usize {
        let source = work.nodes[node].source;
        work.remove(node);
        work.add(kind, source, inputs, output)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    #[test]
    fn images_are_blocked_and_sequences_are_not() {
        let of = |data: &[u64], filters: &[u64]| {
            let mut draft = Draft::default();
            let (x, filters) = (draft.input(data), draft.weight(filters));
            let output = draft.node(Kernel::Conv, &[x, filters]);
            draft.returns(output);
            draft.kinds(block).contains(&Kernel::Nchwc(Nchwc::Conv))
        };
        assert!(of(&[1, 16, 8, 8], &[16, 16, 3, 3]));
        assert!(!of(&[1, 16, 8], &[16, 16, 3]));
    }

    #[test]
    fn channels_that_four_does_not_divide_stay_plain() {
        let of = |channels: u64| {
            let mut draft = Draft::default();
            let (x, filters) = (draft.input(&[1, channels, 8, 8]), draft.weight(&[32, channels, 1, 1]));
            let output = draft.node(Kernel::Conv, &[x, filters]);
            draft.returns(output);
            draft.kinds(block).contains(&Kernel::Nchwc(Nchwc::Conv))
        };
        assert_eq!([12, 18, 20, 42].map(of), [true, false, true, false]);
    }

    #[test]
    fn a_pool_over_the_whole_image_is_not_worth_a_reorder() {
        let of = |pool: Kernel, is_convolved: bool| {
            let mut draft = Draft::default();
            let (x, filters) = (draft.input(&[1, 32, 8, 8]), draft.weight(&[32, 32, 1, 1]));
            let x = if is_convolved { draft.node(Kernel::Conv, &[x, filters]) } else { x };
            let output = draft.node(pool, &[x]);
            draft.returns(output);
            let kinds = draft.kinds(block);
            Nchwc::pool(pool).is_some_and(|blocked| kinds.contains(&Kernel::Nchwc(blocked)))
        };
        assert!(!of(Kernel::GlobalAveragePool, false));
        assert!(of(Kernel::GlobalAveragePool, true));
        assert!(of(Kernel::MaxPool, false));
    }

    #[test]
    fn sides_that_are_numbers_are_known_and_others_are_not() {
        let of = |is_free: bool, kind: Nchwc| {
            let mut draft = Draft::default();
            let dims = [1, 20, 8, 8];
            let x = if is_free { draft.free_input("x", "n,,h,w", &dims) } else { draft.input(&dims) };
            let filters = draft.weight(&[20, 20, 1, 1]);
            let output = draft.node(Kernel::Conv, &[x, filters]);
            draft.returns(output);
            draft.with(|work| {
                block(work);
                let made = work.alive().find(|&node| work.is(node, Kernel::Nchwc(kind)));
                let output = made.and_then(|node| work.output(node));
                output.and_then(|value| work.values[value].shape.clone()).unwrap_or_default().to_vec()
            })
        };
        assert_eq!(of(false, Nchwc::Conv), [1, 32, 8, 8].map(Dim::Known));
        assert_eq!(of(true, Nchwc::Conv)[1..], [Dim::Known(32), Dim::Unknown, Dim::Unknown]);
        // The names of an image's sides stay while it is reordered.
        let reordered = of(true, Nchwc::ReorderInput);
        assert!(reordered[2..].iter().all(|dim| dim.symbol().is_some()), "{reordered:?}");
    }
}
