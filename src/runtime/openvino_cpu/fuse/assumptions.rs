//! What was assumed where no pass had a rule.

use super::work::Work;
use crate::graph::Op;
use crate::runtime::Assumption;
use crate::runtime::openvino_cpu::execution::Kind;

/// A sentence per kind of node that was left as the file has it although the plugin is likely to rewrite it.
pub(super) fn of(work: &Work<'_>) -> Vec<Assumption> {
    let order = work.order();
    let alive = || order.iter().map(|&node| (node, &work.nodes[node]));
    let n_attentions = alive()
        .filter(|(_, node)| node.kind == Kind::ScaledDotProductAttention && node.attention.is_none())
        .count();
    let n_scores = alive()
        .filter(|(_, node)| node.kind == Kind::Softmax)
        .filter(|(_, node)| {
            let producer = node.input(0).map(|edge| &work.nodes[edge.node()].kind);
            matches!(producer, Some(Kind::MatMul | Kind::Eltwise | Kind::Subgraph))
        })
        .filter(|&(node, _)| work.users(node).iter().any(|&(user, _)| work.nodes[user].kind == Kind::MatMul))
        .count();
    let n_bodies = alive()
        .filter(|(_, node)| matches!(work.graph.node(node.source).op, Op::If(_) | Op::Loop(_)))
        .filter(|(_, node)| matches!(node.kind, Kind::Other(_)))
        .count();
    let n_gated = alive().filter(|(_, node)| node.kind == Kind::LlmMlp).count();
    let found = [
        (
            "one-thread-in-tiles",
            if work.options.machine.cores < 2 { n_gated } else { 0 },
            "gated MLPs are computed in tiles, and OpenVINO 2026.4.1 ends with a division by zero when it compiles them for \
             one thread: use two or more, or another precision",
        ),
        (
            "attention-as-written",
            n_attentions + n_scores,
            "attentions have a form that no fusion knows: their scores are counted as tensors",
        ),
        (
            "bodies-as-one-node",
            n_bodies,
            "control-flow nodes are one node each: what their bodies hold is not counted",
        ),
    ];
    let told = found.into_iter().filter(|&(_, count, _)| count > 0);
    told.map(|(rule, count, text)| Assumption { rule, text: format!("{count} {text}") }).collect()
}

/// That a model was asked to be paged and cannot be.
pub(super) fn not_paged() -> Assumption {
    Assumption {
        rule: "attention-not-paged",
        text: "PagedAttention was asked for, and takes models whose every attention keeps keys and values in states of \
               its own, and that have no other states: the model runs with its states, as LLMPipeline falls back"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DYNAMIC, FREE, Net};
    use super::*;
    use crate::DType;
    use crate::graph::op::{AxisSpan, Unary};

    /// Scores, something between them and their Softmax that no attention has, values.
    fn attention(between: Option<Unary>) -> Vec<&'static str> {
        let (mut net, f32, scores) = (Net::new(), DType::F32, [1, 2, FREE, FREE]);
        let [q, v] = ["q", "v"].map(|name| net.input(name, f32, &[1, 2, FREE, 8]));
        let k = net.input("k", f32, &[1, 2, 8, FREE]);
        let product = || Op::MatMul { transpose_a: false, transpose_b: false };
        let mut made = net.op("scores", product(), &[q, k], f32, &scores);
        if let Some(unary) = between {
            made = net.op("between", Op::Unary(unary), &[made], f32, &scores);
        }
        let made = net.op("softmax", Op::Softmax(AxisSpan::LAST), &[made], f32, &scores);
        let out = net.op("out", product(), &[made, v], f32, &[1, 2, FREE, 8]);
        net.result("result", out);
        net.execute(DYNAMIC).assumptions.iter().map(|assumption| assumption.rule).collect()
    }

    #[test]
    fn an_attention_that_no_rule_knows_is_told() {
        assert_eq!(attention(Some(Unary::Tanh)), ["attention-as-written"]);
        assert!(attention(None).is_empty());
    }
}
