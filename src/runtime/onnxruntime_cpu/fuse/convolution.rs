//! Convolutions: what follows one on constants goes into its weights; an activation, and a sum before it, into the node.
//!
//! Source: onnxruntime/core/optimizer/conv_bn_fusion.cc, conv_mul_fusion.cc, conv_add_fusion.cc (level 1),
//! conv_activation_fusion.cc, conv_add_act_fusion.cc (level 2).

use super::super::kernel::Kernel;
use super::super::options::GraphOptimization;
use super::super::work::Work;
use smallvec::smallvec;

/// A BatchNormalization, or a sum or product with a constant, behind a convolution becomes its weights and bias.
pub(super) fn absorb(work: &mut Work<'_>) {
    for conv in work.alive() {
        if !work.is(conv, Kernel::Conv)
            || !work.input(conv, 1).is_some_and(|weight| work.values[weight].is_constant)
        {
            continue;
        }
        let mut conv = conv;
        while let Some(next) = [Kernel::BatchNormalization, Kernel::Mul, Kernel::Add]
            .into_iter()
            .find_map(|kind| work.only_reader(conv, kind))
        {
            let rest_unread =
                work.nodes[next].outputs.iter().skip(1).all(|&value| work.values[value].readers.is_empty());
            let is_norm = work.is(next, Kernel::BatchNormalization);
            let constant =
                if is_norm { work.input(next, 1) } else { work.constant_and_other(next).map(|pair| pair.0) };
            let per_channel = constant
                .filter(|&value| work.values[value].is_constant && (is_norm || is_per_channel(work, value)));
            let (Some(shift), true) = (per_channel, rest_unread) else { break };
            let bias = work.input(conv, 2).unwrap_or(shift);
            let inputs = smallvec![work.input(conv, 0), work.input(conv, 1), Some(bias)];
            conv = work.fuse(&[conv, next], Kernel::Conv, inputs);
        }
    }
}

/// One number per channel: dims of 1 but for the channels.
fn is_per_channel(work: &Work<'_>, value: usize) -> bool {
    let dims = work.values[value].dims.as_deref().unwrap_or_default();
    dims.len() >= 3 && dims.iter().rev().take(2).all(|&dim| dim == 1)
}

/// Relu and its like behind a convolution, and at level 2 alone a sum between them.
///
/// At the highest level blocked convolutions take the sum; see [`super::nchwc`].
pub(super) fn activate(work: &mut Work<'_>, level: GraphOptimization) {
    for conv in work.alive() {
        if !work.is(conv, Kernel::Conv) && !work.is(conv, Kernel::FusedConv) {
            continue;
        }
        let activation = [
            Kernel::Relu,
            Kernel::Sigmoid,
            Kernel::Tanh,
            Kernel::LeakyRelu,
            Kernel::Clip,
            Kernel::HardSigmoid,
        ];
        if let Some(next) = activation.into_iter().find_map(|kind| work.only_reader(conv, kind)) {
            let inputs = work.nodes[conv].inputs.clone();
            // A blocked convolution takes no other activation than Relu.
            let is_left = level == GraphOptimization::All
                && !work.is(next, Kernel::Relu)
                && !work.is(next, Kernel::Clip);
            let kind = if is_left { continue } else { Kernel::FusedConv };
            work.fuse(&[conv, next], kind, inputs);
        }
    }
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
    fn an_activation_goes_into_a_convolution() {
        let of = |kind: Kernel, level| {
            let mut draft = Draft::default();
            let output = convolved(&mut draft);
            let output = draft.node(kind, &[output]);
            draft.returns(output);
            draft.kinds(|work| activate(work, level))
        };
        assert_eq!(of(Kernel::Sigmoid, GraphOptimization::Extended), [Kernel::FusedConv]);
        assert_eq!(of(Kernel::Relu, GraphOptimization::All), [Kernel::FusedConv]);
        // It waits until convolutions that can be blocked are.
        assert_eq!(of(Kernel::Sigmoid, GraphOptimization::All), [Kernel::Conv, Kernel::Sigmoid]);
        assert_eq!(of(Kernel::Sqrt, GraphOptimization::Extended), [Kernel::Conv, Kernel::Sqrt]);
    }
}
