//! PagedAttention in place of attention with state, as OpenVINO GenAI converts a model before it compiles it.
//!
//! Tokens become the batch and sequences have length 1, so that exchanging tokens and heads moves nothing:
//! [`lay_out`] turns these transpositions into Reshapes, before a rotation takes them in. [`page`] replaces the
//! attentions once everything else is settled: no mask and no states are left, nor inputs that only these read.
//!
//! The whole model is converted or nothing is: where an attention has no state, or a variable is not a key or value, GenAI
//! falls back to the model as it is.
//!
//! Dims stay in the order of the stateful model (1 x tokens where the converted one has tokens x 1): the bytes are the
//! same. The indices of blocks that replace mask and beams are a few integers, and are left out.
//!
//! Source: `SDPAToPagedAttention`, OpenVINO 2026.4, src/core/src/pass/sdpa_to_paged_attention.cpp; the execution graph
//! of qwen2.5-0.5b after `paged_attention_transformation`; openvino.genai 2026.4, src/cpp/src/llm/pipeline.cpp.

use super::pattern::swaps_heads;
use super::sdpa_state;
use super::work::{Build, Edge, Work};
use crate::graph::Op;
use crate::graph::op::ReshapeZero;
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::FxHashSet;

/// Prepares a model for [`page`] if it can be converted.
pub(super) fn lay_out(work: &mut Work<'_>) {
    let order = work.model_order();
    let attentions = order.iter().filter(|&&node| work.nodes[node].kind == Kind::ScaledDotProductAttention);
    let attentions: Vec<usize> = attentions.copied().collect();
    let have_states = attentions.iter().all(|&node| sdpa_state::has_states(work, node));
    if attentions.is_empty() || !have_states || work.assigns().len() != 2 * attentions.len() {
        return;
    }
    for &node in order.iter() {
        if swaps_heads(work, node) {
            let dims: Vec<i64> =
                work.tensor(Edge::of(node)).dims.iter().map(|dim| dim.size() as i64).collect();
            let source = work.nodes[node].source;
            let pattern = work.add_ints(&dims, source);
            work.nodes[node].kind = Kind::Reshape;
            work.nodes[node].op = Op::Reshape(ReshapeZero::IsZero);
            work.set_input(node, 1, pattern);
        }
    }
    work.is_paged = true;
}

/// Replaces every attention that has taken its state in.
pub(super) fn page(work: &mut Work<'_>) {
    let mut paged = FxHashSet::default();
    for &node in work.order().iter() {
        if work.nodes[node].kind != Kind::ScaledDotProductAttention || work.nodes[node].attention.is_none() {
            continue;
        }
        let kept: Vec<Edge> = (0..3).filter_map(|input| work.nodes[node].input(input)).collect();
        work.read(node, kept);
        work.nodes[node].kind = Kind::PagedAttention;
        paged.insert(node);
    }
    work.remove_assigns(|work, assign| work.producer(assign, 0).is_some_and(|node| paged.contains(&node)));
    for node in paged {
        work.nodes[node].outputs.truncate(1);
    }
    work.drop_unread();
    let mut parameters = std::mem::take(&mut work.roots_mut().parameters);
    parameters.retain(|&parameter| !work.users(parameter).is_empty());
    work.roots_mut().parameters = parameters;
}

#[cfg(test)]
mod tests {
    use super::super::sdpa_state::tests::attention;
    use super::super::testing::{DYNAMIC, lines};
    use super::*;
    use crate::runtime::openvino_cpu::fuse::Options;

    #[test]
    fn attention_with_state_is_paged_and_its_state_is_gone() {
        let graph = attention(false).execute(Options { is_paged: true, ..DYNAMIC });
        assert_eq!(lines(&graph), ["PagedAttentionExtension sdpa f32"]);
        let inputs = graph.nodes.iter().filter(|node| node.kind == Kind::Input);
        assert_eq!(inputs.map(|node| &*node.name).collect::<Vec<_>>(), ["q", "k", "v"]);
        assert!(graph.assumptions.is_empty());
    }

    #[test]
    fn a_model_with_another_reader_of_its_state_stays_as_it_is() {
        let graph = attention(true).execute(Options { is_paged: true, ..DYNAMIC });
        assert!(lines(&graph).iter().all(|line| !line.starts_with("PagedAttention")));
        assert!(graph.assumptions.iter().any(|assumption| assumption.rule == "attention-not-paged"));
    }
}
