//! Convolutions: what follows one on constants goes into its weights; an activation, and a sum before it, into the node.
//!
//! Source: onnxruntime/core/optimizer/conv_bn_fusion.cc, conv_mul_fusion.cc, conv_add_fusion.cc (level 1),
//! conv_activation_fusion.cc, conv_add_act_fusion.cc (level 2).

use super::super::kernel::Kernel;
use super::super::options::GraphOptimization;
use super::super::work::{Patch, Rule, Work, fused};
use crate::rewrite::Inputs;
use smallvec::smallvec;

/// A BatchNormalization, or a sum or product with a constant, behind a convolution becomes its weights and bias: a new filter,
/// where others read the old one too.
///
/// Source: onnxruntime/core/optimizer/conv_bn_fusion.cc, conv_mul_fusion.cc, conv_add_fusion.cc.
pub(super) fn absorb(work: &mut Work<'_>) {
    for node in work.alive().filter(|&node| work.is(node, Kernel::Conv)).collect::<Vec<_>>() {
        let mut conv = node;
        while let Some((next, mut inputs)) = absorbed(work, conv) {
            let filter = inputs.get(1).copied().flatten();
            if let Some(filter) =
                filter.filter(|&filter| !work.is(next, Kernel::Add) && is_shared(work, filter))
            {
                let own = work.values[filter].clone();
                let own = work.add_value(own);
                work.values[own].is_constant = true;
                inputs[1] = Some(own);
            }
            conv = work.fuse(&[conv, next], Kernel::Conv, inputs);
        }
    }
}

fn is_shared(work: &Work<'_>, value: usize) -> bool {
    work.uses(value).len() > 1
}

/// Relu and its like behind a convolution; at the highest level those alone that blocked convolutions take.
///
/// At the highest level blocked convolutions take a sum before it too; see [`super::nchwc`].
pub(super) const ACTIVATE: Rule = Rule {
    name: "convolution-activation",
    source: "onnxruntime/core/optimizer/conv_activation_fusion.cc, conv_add_act_fusion.cc",
    on: |node| matches!(node.kind, Kernel::Conv | Kernel::FusedConv),
    apply: |work, conv| activate(work, conv, work.options.optimization == GraphOptimization::All),
    repeats: false,
};

/// Relu and its like behind a convolution that was not blocked.
pub(super) const ACTIVATE_PLAIN: Rule = Rule {
    name: "plain-convolution-activation",
    apply: |work, conv| activate(work, conv, false),
    ..ACTIVATE
};

/// What goes into a convolution, and what this then reads.
fn absorbed(work: &Work<'_>, conv: usize) -> Option<(usize, Inputs<usize>)> {
    work.input(conv, 1).filter(|&weight| work.values[weight].is_constant)?;
    let kinds = [Kernel::BatchNormalization, Kernel::Mul, Kernel::Add];
    let next = kinds.into_iter().find_map(|kind| work.only_reader(conv, kind))?;
    let rest_unread = work.nodes[next].outputs.iter().skip(1).all(|&value| work.is_unread(value));
    let is_norm = work.is(next, Kernel::BatchNormalization);
    let constant =
        if is_norm { work.input(next, 1) } else { work.constant_and_other(next).map(|pair| pair.0) };
    let shift = constant
        .filter(|&value| work.values[value].is_constant && (is_norm || is_per_channel(work, value)))
        .filter(|_| rest_unread)?;
    let bias = work.input(conv, 2).unwrap_or(shift);
    Some((next, smallvec![work.input(conv, 0), work.input(conv, 1), Some(bias)]))
}

fn activate(work: &Work<'_>, conv: usize, blocks: bool) -> Option<Patch> {
    use Kernel::{Clip, HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh};
    let activations = [Relu, Sigmoid, Tanh, LeakyRelu, Clip, HardSigmoid];
    let next = activations.into_iter().find_map(|kind| work.only_reader(conv, kind))?;
    // A blocked convolution takes no other activation than Relu.
    if blocks && !work.is(next, Relu) && !work.is(next, Clip) {
        return None;
    }
    Some(fused(work, &[conv, next], Kernel::FusedConv, work.nodes[conv].inputs().into()))
}

/// One number per channel: dims of 1 but for the channels.
fn is_per_channel(work: &Work<'_>, value: usize) -> bool {
    let dims = work.values[value].dims.as_deref().unwrap_or_default();
    dims.len() >= 3 && dims.iter().rev().take(2).all(|&dim| dim == 1)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Draft;
    use super::*;

    fn convolved(draft: &mut Draft) -> crate::ids::TensorId {
        let (x, filters) = (draft.input(&[1, 3, 8, 8]), draft.weight(&[4, 3, 3, 3]));
        draft.node(Kernel::Conv, &[x, filters])
    }

    #[test]
    fn a_norm_goes_into_the_filters_unless_others_read_before_it() {
        let of = |is_read: bool| {
            let mut draft = Draft::default();
            let output = convolved(&mut draft);
            let statistics = [0; 4].map(|_| draft.weight(&[4]));
            let [gamma, beta, mean, variance] = statistics;
            let normed = draft.node(Kernel::BatchNormalization, &[output, gamma, beta, mean, variance]);
            draft.returns(normed);
            if is_read {
                draft.returns(output);
            }
            draft.kinds(absorb)
        };
        assert_eq!(of(false), [Kernel::Conv]);
        assert_eq!(of(true), [Kernel::Conv, Kernel::BatchNormalization]);
    }

    #[test]
    fn a_filter_that_others_read_is_copied() {
        let mut draft = Draft::default();
        let (x, filters) = (draft.input(&[1, 3, 8, 8]), draft.weight(&[4, 3, 3, 3]));
        for _ in 0..2 {
            let output = draft.node(Kernel::Conv, &[x, filters]);
            let statistics = [0; 4].map(|_| draft.weight(&[4]));
            let [gamma, beta, mean, variance] = statistics;
            let normed = draft.node(Kernel::BatchNormalization, &[output, gamma, beta, mean, variance]);
            draft.returns(normed);
        }
        draft.with(|work| {
            absorb(work);
            let convolutions = work.alive().filter(|&node| work.is(node, Kernel::Conv));
            let read: Vec<_> = convolutions.map(|node| work.input(node, 1)).collect();
            assert_eq!(read.len(), 2);
            assert_ne!(read[0], read[1]);
        });
    }

    #[test]
    fn an_activation_goes_into_a_convolution() {
        let of = |kind: Kernel, level| {
            let mut draft = Draft::default();
            let output = convolved(&mut draft);
            let output = draft.node(kind, &[output]);
            draft.returns(output);
            draft.after_at(level, &ACTIVATE)
        };
        assert_eq!(of(Kernel::Sigmoid, GraphOptimization::Extended), [Kernel::FusedConv]);
        assert_eq!(of(Kernel::Relu, GraphOptimization::All), [Kernel::FusedConv]);
        // It waits until convolutions that can be blocked are.
        assert_eq!(of(Kernel::Sigmoid, GraphOptimization::All), [Kernel::Conv, Kernel::Sigmoid]);
        assert_eq!(of(Kernel::Sqrt, GraphOptimization::Extended), [Kernel::Conv, Kernel::Sqrt]);
    }
}
