//! Attention with its key and value state.
//!
//! `ScaledDotProductAttention` whose keys and values are `[Reshape(Broadcast(Unsqueeze(] Concat(Gather(ReadValue,
//! beam), new) [)))]` takes in concatenation, gather and the repetition of heads. It reads q, k, v, mask, scale, beam,
//! and both states, and the writers of the states hang on it.
//!
//! Source: `StatefulSDPAFusion`, OpenVINO 2026.4,
//! src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/stateful_sdpa_fusion.cpp.

use super::attention_dims::AttentionDims;
use super::work::{Dim, Edge, Patch, Rule, Tensor, Work};
use crate::graph::Op;
use crate::runtime::openvino_cpu::execution::{Kind, Layout};
use smallvec::{SmallVec, smallvec};

/// Fuses every attention that has state.
pub(super) const RULE: Rule = Rule {
    name: "attention-state",
    source: "StatefulSDPAFusion, src/plugins/intel_cpu/src/transformations/cpu_opset/common/pass/stateful_sdpa_fusion.cpp",
    on: |node| node.kind == Kind::ScaledDotProductAttention,
    apply: fuse,
    repeats: false,
};

fn fuse(work: &Work<'_>, node: usize) -> Option<Patch> {
    let (key, value) = (state(work, node, 1)?, state(work, node, 2)?);
    if key.beam == value.beam { fuse_states(work, node, &key, &value) } else { None }
}

/// Whether keys and values of an attention come from states that nothing else reads.
pub(super) fn has_states(work: &Work<'_>, attention: usize) -> bool {
    state(work, attention, 1).is_some() && state(work, attention, 2).is_some()
}

/// A state as an attention reads it.
#[derive(Debug)]
struct State {
    new: Edge,
    beam: Edge,
    read: usize,
    /// Dims of keys or values with those of earlier runs, before heads are repeated.
    all: Tensor,
    assigns: Vec<usize>,
}

fn fuse_states(work: &Work<'_>, node: usize, key: &State, value: &State) -> Option<Patch> {
    let query = work.nodes[node].input(0)?;
    let given = |index: usize| work.nodes[node].input(index);
    let mut inputs: SmallVec<[Edge; 8]> = SmallVec::from_slice(&[query, key.new, value.new]);
    inputs.extend(given(3));
    inputs.extend(given(4));
    inputs.extend([key.beam, Edge::of(key.read), Edge::of(value.read)]);
    let dims = |tensor: &Tensor, axis: usize| tensor.dims.get(axis).copied().unwrap_or(Dim::fixed(1));
    let queries = work.tensor(query);
    let attention = AttentionDims {
        batch: smallvec![dims(queries, 0)],
        heads: dims(queries, 1),
        kv_heads: dims(&key.all, 1),
        queries: dims(queries, 2),
        keys: dims(&key.all, 2),
        key_size: dims(queries, 3),
        value_size: dims(&value.all, 3),
        has_mask: given(3)
            .is_some_and(|mask| !work.tensor(mask).is_number() && !work.tensor(mask).is_empty()),
    };
    let states = [key, value].map(|state| Tensor { layout: Layout::Plain, ..state.all.clone() });
    let mut patch = Patch::new(work);
    patch.set_inputs(node, inputs);
    patch.change(node, |node| {
        node.attention = Some(Box::new(attention));
        node.outputs.extend(states);
    });
    for (port, state) in [(1, key), (2, value)] {
        for &assign in &state.assigns {
            patch.set_input(assign, 0, Edge::new(node, port));
        }
    }
    Some(patch)
}

fn state(work: &Work<'_>, attention: usize, input: usize) -> Option<State> {
    let mut concat = work.producer(attention, input)?;
    let mut expected = attention;
    // At most Reshape, Broadcast, Unsqueeze: the repetition of heads.
    for kind in [Kind::Reshape, Kind::Broadcast, Kind::Reshape] {
        if work.nodes[concat].kind == kind {
            expected = concat;
            concat = work.producer(concat, 0)?;
        }
    }
    let Op::Concat { .. } = work.nodes[concat].op else { return None };
    let [Some(gather), Some(new)] = work.nodes[concat].inputs()[..] else { return None };
    if work.nodes[gather.node()].kind != Kind::Gather {
        return None;
    }
    let read = work.producer(gather.node(), 0)?;
    if work.nodes[read].kind != Kind::MemoryInput {
        return None;
    }
    let beam = work.nodes[gather.node()].input(1)?;
    let mut assigns = Vec::new();
    for &(user, _) in work.users(concat) {
        match work.nodes[user].kind {
            Kind::MemoryOutput => assigns.push(user),
            Kind::ShapeOf => {}
            _ if user == expected => {}
            _ => return None,
        }
    }
    (!assigns.is_empty()).then(|| State {
        new,
        beam,
        read,
        all: work.tensor(Edge::of(concat)).clone(),
        assigns,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::{DYNAMIC, FREE, FREE_SIZE, Net};
    use super::*;
    use crate::DType;

    /// One layer of attention with state; keys and values of the state are read as `layers` say.
    pub(in crate::runtime::openvino_cpu::fuse) fn attention(is_read_elsewhere: bool) -> Net {
        let (mut net, f32, dims) = (Net::new(), DType::F32, [1, 2, FREE, 8]);
        let [q, k, v] = ["q", "k", "v"].map(|name| net.input(name, f32, &dims));
        let beam = net.input("beam", DType::I32, &[1]);
        let axis = net.int("axis", 0);
        let mut state = |name: &str, new| {
            let variable = net.variable(name, &[1, 2, FREE, 8]);
            let init = net.weight("init", f32, &[1, 2, 0, 8]);
            let read = net.op("read", Op::ReadValue(variable), &[init], f32, &dims);
            let past = net.op("gather", Op::Gather { batch_dims: 0 }, &[read, beam, axis], f32, &dims);
            let all = net.op("concat", Op::Concat { axis: -2 }, &[past, new], f32, &dims);
            net.op("assign", Op::Assign(variable), &[all], f32, &dims);
            all
        };
        let (keys, values) = (state("key", k), state("value", v));
        let sdpa = Op::ScaledDotProductAttention { causal: false };
        let out = net.op("sdpa", sdpa, &[q, keys, values], f32, &dims);
        net.result("out", out);
        if is_read_elsewhere {
            net.result("keys", keys);
        }
        net
    }

    #[test]
    fn state_is_part_of_the_attention() {
        let graph = attention(false).execute(DYNAMIC);
        let lines = super::super::testing::lines(&graph);
        let memory = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
        assert_eq!((memory("MemoryInput"), memory("MemoryOutput"), lines.len()), (2, 2, 5));
        let fused = graph.nodes.iter().find(|node| node.attention.is_some()).unwrap();
        let sizes = fused.attention.as_ref().unwrap();
        assert_eq!((sizes.queries, sizes.keys, sizes.heads, sizes.kv_heads), (FREE_SIZE, FREE_SIZE, 2, 2));
        assert_eq!(fused.outputs.len(), 3);
    }

    #[test]
    fn state_that_is_read_elsewhere_stays_apart() {
        let lines = attention(true).lines(DYNAMIC);
        assert!(lines.iter().any(|line| line.starts_with("Concatenation")), "{lines:?}");
    }
}
