//! The written graph and the executed one side by side: which steps a runtime's fusions removed, and what each saved.
//!
//! An executed step represents the written nodes whose names it carries. A written node that no step carries is gone:
//! folded, proved to do nothing, or taken in by a neighbour without a trace. Bytes of a step are the results that
//! it writes, model outputs included; views and results in place are none, and neither are states. So the bytes of all
//! pairs add up to all results of either side, and their differences to what the runtime writes less, or more.
//!
//! This says nothing of peaks, which depend on what is alive together; they are reported separately.

use super::model::{Comparison, FusionGroup, Pair};
use crate::graph::{Graph, Op};
use crate::ids::{NodeId, StorageId};
use crate::phases::Phase;
use crate::runtime::{Executed, ExecutedNode};
use crate::schedule::{Draft, Origin, Step, StorageClass};
use crate::units::Bytes;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::{BTreeMap, VecDeque};

/// Compares one phase of a run; `execution` is what `executed` was lowered from. At most `top` rows per table.
///
/// Cost: linear in steps, and a sort.
#[must_use]
pub fn build(
    graph: &Graph,
    written: &Phase,
    executed: &Phase,
    execution: &Executed,
    top: usize,
) -> Comparison {
    let sides = Sides { graph, written: node_bytes(written.lowered.schedule()), execution };
    let (mut pairs, carried) = sides.executed_pairs(&step_bytes(executed.lowered.schedule()));
    let removed = sides.removed(&carried);
    let n_removed = removed.len() as u64;
    pairs.extend(removed);
    let groups = groups(&pairs);
    pairs.retain(|pair| pair.saved_bytes != 0);
    pairs.sort_by(|a, b| {
        let order = b.saved_bytes.unsigned_abs().cmp(&a.saved_bytes.unsigned_abs());
        order.then_with(|| (&a.executed, &a.written).cmp(&(&b.executed, &b.written)))
    });
    let total =
        |bytes: fn(&FusionGroup) -> u64| groups.iter().map(|group| Bytes(bytes(group))).sum::<Bytes>().0;
    Comparison {
        phase: executed.name.name().to_owned(),
        written_steps: sides.written_nodes().count() as u64,
        executed_steps: sides.executed_nodes().count() as u64,
        removed_steps: n_removed,
        written_bytes: total(|group| group.written_bytes),
        executed_bytes: total(|group| group.executed_bytes),
        written_arena_bytes: written.plan.arena_size.0,
        executed_arena_bytes: executed.plan.arena_size.0,
        groups_left_out: groups.len().saturating_sub(top) as u64,
        pairs_left_out: pairs.len().saturating_sub(top) as u64,
        groups: groups.into_iter().take(top).collect(),
        pairs: pairs.into_iter().take(top).collect(),
    }
}

struct Sides<'a> {
    graph: &'a Graph,
    /// Bytes that each node of the written graph writes.
    written: Vec<Bytes>,
    execution: &'a Executed,
}

impl Sides<'_> {
    /// Nodes of the written graph that are steps of a computation.
    fn written_nodes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let nodes = (0..self.graph.nodes().len()).map(NodeId::new);
        nodes
            .filter(|&node| !matches!(self.graph.node(node).op, Op::Constant(_) | Op::Parameter | Op::Result))
    }

    /// Steps of the executed graph that are neither constants nor inputs nor outputs.
    fn executed_nodes(&self) -> impl Iterator<Item = (usize, &ExecutedNode)> {
        let nodes = self.execution.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.computes)
    }

    /// A pair per executed step, and which written nodes they carry: each is carried once, by the first step that names it.
    fn executed_pairs(&self, bytes: &[Bytes]) -> (Vec<Pair>, FxHashSet<NodeId>) {
        let mut by_name: FxHashMap<&str, VecDeque<NodeId>> = FxHashMap::default();
        for node in self.written_nodes() {
            by_name.entry(self.graph.node_name(node)).or_default().push_back(node);
        }
        let mut carried = FxHashSet::default();
        let pairs = self.executed_nodes().map(|(step, node)| {
            let named = node.originals.iter().filter_map(|name| by_name.get_mut(name.as_str())?.pop_front());
            let written: Vec<_> = named.collect();
            carried.extend(written.iter().copied());
            let written_bytes = written.iter().map(|&node| self.written_of(node)).sum::<Bytes>();
            let executed_bytes = bytes.get(step).copied().unwrap_or_default();
            Pair {
                executed: Some(node.name.clone()),
                executed_type: Some(node.kind.clone()),
                written: written.iter().map(|&node| self.graph.node_name(node).to_owned()).collect(),
                written_types: written.iter().map(|&node| self.graph.node_type(node).to_owned()).collect(),
                written_bytes: written_bytes.0,
                executed_bytes: executed_bytes.0,
                saved_bytes: difference(written_bytes, executed_bytes),
            }
        });
        (pairs.collect(), carried)
    }

    /// A pair without an executed side for every written node that no step carries.
    fn removed(&self, carried: &FxHashSet<NodeId>) -> Vec<Pair> {
        let removed = self.written_nodes().filter(|node| !carried.contains(node));
        let pairs = removed.map(|node| {
            let bytes = self.written_of(node);
            Pair {
                written: vec![self.graph.node_name(node).to_owned()],
                written_types: vec![self.graph.node_type(node).to_owned()],
                written_bytes: bytes.0,
                saved_bytes: difference(bytes, Bytes::ZERO),
                ..Pair::default()
            }
        });
        pairs.collect()
    }

    fn written_of(&self, node: NodeId) -> Bytes {
        self.written.get(node.index()).copied().unwrap_or_default()
    }
}

/// Pairs of the same types on both sides, together; the largest difference first.
fn groups(pairs: &[Pair]) -> Vec<FusionGroup> {
    let mut groups: BTreeMap<(Option<&str>, Vec<&str>), FusionGroup> = BTreeMap::new();
    for pair in pairs {
        let types: Vec<&str> = pair.written_types.iter().map(String::as_str).collect();
        let group = groups.entry((pair.executed_type.as_deref(), types)).or_insert_with(|| FusionGroup {
            executed_type: pair.executed_type.clone(),
            written_types: pair.written_types.clone(),
            ..FusionGroup::default()
        });
        group.count += 1;
        group.written_bytes = group.written_bytes.saturating_add(pair.written_bytes);
        group.executed_bytes = group.executed_bytes.saturating_add(pair.executed_bytes);
        group.saved_bytes = group.saved_bytes.saturating_add(pair.saved_bytes);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.saved_bytes.unsigned_abs()));
    groups
}

/// Bytes of results that each step writes to a place of their own.
fn step_bytes(schedule: &Draft) -> Vec<Bytes> {
    let mut places: FxHashSet<(StorageId, Bytes)> = FxHashSet::default();
    let is_result = |class| matches!(class, StorageClass::Activation | StorageClass::Io);
    let mut written = |step: &Step| {
        let values = step.writes.iter().map(|&value| schedule.value(value));
        let own = values.filter(|value| {
            value.origin == Origin::Written
                && is_result(schedule.storage(value.storage).class)
                && places.insert((value.storage, value.offset))
        });
        own.map(|value| value.bytes).sum()
    };
    schedule.steps.iter().map(&mut written).collect()
}

/// The same for the nodes of the written graph: several steps of one node count together, those of bodies do not.
fn node_bytes(schedule: &Draft) -> Vec<Bytes> {
    let mut bytes = Vec::new();
    for (step, written) in schedule.steps.iter().zip(step_bytes(schedule)) {
        if step.node.graph != 0 {
            continue;
        }
        let index = step.node.node.index();
        if bytes.len() <= index {
            bytes.resize(index + 1, Bytes::ZERO);
        }
        bytes[index] += written;
    }
    bytes
}

fn difference(written: Bytes, executed: Bytes) -> i64 {
    let signed = |bytes: Bytes| i64::try_from(bytes.0).unwrap_or(i64::MAX);
    signed(written).saturating_sub(signed(executed))
}
