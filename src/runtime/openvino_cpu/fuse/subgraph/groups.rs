//! Subgraphs under construction: which element-wise node joins which one.
//!
//! A group stores what decides whether a node joins it: its inputs and outputs with their number of uses, which are few
//! because a kernel's registers limit them, and a heap of its readers. A join therefore never visits members, and all
//! joins together take O(n log n) in nodes and edges.

use super::super::work::{Edge, Work};
use crate::runtime::openvino_cpu::execution::Kind;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a kernel has registers for: inputs and outputs of one Subgraph.
///
/// Source: `data_ptr_gpr_count` for x86-64 in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.
const MOST_POINTERS: usize = 11;

/// Which nodes are in which group.
#[derive(Debug)]
pub(super) struct Groups {
    /// Per node, the group that it was put in first; [`find`](Self::find) follows later joins.
    of: Vec<Option<usize>>,
    /// Per group, the group that includes it; itself if there is none.
    parent: Vec<usize>,
    all: Vec<Group>,
    /// Per node, the next member of its group.
    next: Vec<Option<usize>>,
    /// Per node, its position in the model.
    position: Vec<usize>,
}

/// One Subgraph under construction.
#[derive(Debug, Default)]
struct Group {
    first: usize,
    /// The member that joined last; its position is that of the group.
    last: usize,
    /// What members read from outside, without constants of one number, and how often.
    inputs: Vec<(Edge, usize)>,
    /// Members with readers outside, and how many inputs of these read them.
    outputs: Vec<(usize, usize)>,
    /// Results of the model that read members.
    n_results: usize,
    /// Nodes before the current one that read members, by a lower bound of their positions; members may be among them.
    readers: BinaryHeap<Reverse<(usize, usize)>>,
}

impl Groups {
    /// No groups yet, for the nodes of `work`; `order` is the order of the model.
    pub(super) fn new(work: &Work<'_>, order: &[usize]) -> Self {
        let n_nodes = work.nodes.len();
        let mut position = vec![0; n_nodes];
        for (index, &node) in order.iter().enumerate() {
            position[node] = index;
        }
        Self {
            of: vec![None; n_nodes],
            parent: Vec::new(),
            all: Vec::new(),
            next: vec![None; n_nodes],
            position,
        }
    }

    /// The members of each group in the order in which they joined, groups by the position of their last member.
    pub(super) fn finish(self) -> Vec<Vec<usize>> {
        let mut roots: Vec<usize> =
            (0..self.all.len()).filter(|&group| self.parent[group] == group).collect();
        roots.sort_by_key(|&group| self.position[self.all[group].last]);
        let members = |group: usize| {
            std::iter::successors(Some(self.all[group].first), |&member| self.next[member]).collect()
        };
        roots.into_iter().map(members).collect()
    }

    /// Puts a node in one group with those that it reads, or in one of its own.
    pub(super) fn add(&mut self, work: &Work<'_>, node: usize) {
        let joined = self.joined(work, node).unwrap_or_default();
        let group = self.all.len();
        let edges: Vec<Edge> = work.nodes[node].inputs().iter().flatten().copied().collect();
        let mut merged = Group { first: node, last: node, ..Group::default() };
        let mut previous: Option<usize> = None;
        for &part in &joined {
            let part = std::mem::take(&mut self.all[part]);
            match previous {
                Some(last) => self.next[last] = Some(part.first),
                None => merged.first = part.first,
            }
            previous = Some(part.last);
            merged.inputs.extend(part.inputs);
            merged.outputs.extend(part.outputs);
            merged.n_results += part.n_results;
            let (mut few, mut many) = (part.readers, std::mem::take(&mut merged.readers));
            if few.len() > many.len() {
                std::mem::swap(&mut few, &mut many);
            }
            many.extend(few);
            merged.readers = many;
        }
        if let Some(last) = previous {
            self.next[last] = Some(node);
        }
        merged.inputs.extend(edges.iter().filter(|edge| !is_number(work, **edge)).map(|&edge| (edge, 1)));
        merged.outputs.push((node, work.users(node).len()));
        merged.n_results += n_results(work, node);
        joined.iter().for_each(|&part| self.parent[part] = group);
        self.parent.push(group);
        self.of[node] = Some(group);
        self.settle(&mut merged, group);
        self.all.push(merged);
    }

    /// Removes reads within a group from its inputs and outputs, and adds up equal inputs.
    fn settle(&mut self, merged: &mut Group, group: usize) {
        let mut inputs: Vec<(Edge, usize)> = Vec::with_capacity(merged.inputs.len());
        for &(edge, uses) in &merged.inputs {
            if self.find(edge.node()) == Some(group) {
                let written = merged.outputs.iter_mut().find(|(member, _)| *member == edge.node());
                if let Some((_, readers)) = written {
                    *readers = readers.saturating_sub(uses);
                }
            } else if let Some((_, known)) = inputs.iter_mut().find(|(known, _)| *known == edge) {
                *known += uses;
            } else {
                inputs.push((edge, uses));
            }
        }
        merged.inputs = inputs;
        merged.outputs.retain(|&(_, readers)| readers > 0);
    }

    /// Records that a node of the model has had its turn: from now on it limits the groups that it reads.
    pub(super) fn pass(&mut self, work: &Work<'_>, node: usize) {
        if work.nodes[node].kind == Kind::Output {
            return;
        }
        let own = self.find(node);
        for edge in work.nodes[node].inputs().iter().flatten() {
            if let Some(group) = self.find(edge.node()).filter(|&group| Some(group) != own) {
                let place = self.place(node);
                self.all[group].readers.push(Reverse((place, node)));
            }
        }
    }

    /// The group of a node, after all joins.
    fn find(&mut self, node: usize) -> Option<usize> {
        let mut group = self.of[node]?;
        while self.parent[group] != group {
            self.parent[group] = self.parent[self.parent[group]];
            group = self.parent[group];
        }
        self.of[node] = Some(group);
        Some(group)
    }

    /// The position of a node, or of the Subgraph that it is in.
    fn place(&mut self, node: usize) -> usize {
        let last = self.find(node).map_or(node, |group| self.all[group].last);
        self.position[last]
    }

    /// The groups that a node joins; `None` if it must not join any.
    fn joined(&mut self, work: &Work<'_>, node: usize) -> Option<Vec<usize>> {
        let edges: Vec<Edge> = work.nodes[node].inputs().iter().flatten().copied().collect();
        let (mut after, mut before) = (self.after(work, &edges), usize::MAX);
        let mut joined: Vec<usize> = Vec::new();
        for edge in &edges {
            let Some(group) = self.find(edge.node()).filter(|group| !joined.contains(group)) else {
                continue;
            };
            let read: Vec<Edge> = self.all[group].inputs.iter().map(|&(edge, _)| edge).collect();
            let (from, to) = (after.max(self.after(work, &read)), before.min(self.before(group)));
            if from < to {
                (after, before) = (from, to);
                joined.push(group);
            }
        }
        self.fits(work, node, &joined).then_some(joined)
    }

    /// Whether one Subgraph can consist of a node and these groups.
    fn fits(&mut self, work: &Work<'_>, node: usize, joined: &[usize]) -> bool {
        let own = work.nodes[node].inputs().iter().flatten().map(|&edge| (edge, 1));
        let reads: Vec<(Edge, usize)> =
            joined.iter().flat_map(|&group| self.all[group].inputs.iter().copied()).chain(own).collect();
        let mut inputs: Vec<Edge> = Vec::new();
        let mut within: Vec<(usize, usize)> = Vec::new();
        for (edge, uses) in reads {
            if self.find(edge.node()).is_some_and(|group| joined.contains(&group)) {
                within.push((edge.node(), uses));
            } else if !inputs.contains(&edge) && !is_number(work, edge) {
                inputs.push(edge);
            }
        }
        let is_open = |&&(member, readers): &&(usize, usize)| {
            let uses: usize = within.iter().filter(|&&(read, _)| read == member).map(|&(_, uses)| uses).sum();
            readers > uses
        };
        let parts = joined.iter().map(|&group| &self.all[group]);
        let written = parts.clone().flat_map(|part| &part.outputs).filter(is_open).count();
        let n_outputs = (written + usize::from(!work.users(node).is_empty())).max(1);
        let results: usize = parts.map(|part| part.n_results).sum();
        inputs.len() + n_outputs <= MOST_POINTERS && results + n_results(work, node) < 2
    }

    /// The position from which on everything that these edges read has run.
    fn after(&mut self, work: &Work<'_>, edges: &[Edge]) -> usize {
        let mut after = 0;
        for edge in edges {
            if !matches!(work.nodes[edge.node()].kind, Kind::Const | Kind::Input) {
                after = after.max(self.place(edge.node()) + 1);
            }
        }
        after
    }

    /// The position behind the first reader of a group that has had its turn. Later readers never limit a join: they
    /// come after the node that joins.
    fn before(&mut self, group: usize) -> usize {
        while let Some(&Reverse((place, reader))) = self.all[group].readers.peek() {
            if self.find(reader) == Some(group) {
                self.all[group].readers.pop();
                continue;
            }
            let now = self.place(reader);
            if now == place {
                return place + 1;
            }
            self.all[group].readers.pop();
            self.all[group].readers.push(Reverse((now, reader)));
        }
        usize::MAX
    }
}

/// Results of the model that read a node.
fn n_results(work: &Work<'_>, node: usize) -> usize {
    work.users(node).iter().filter(|&&(user, _)| work.nodes[user].kind == Kind::Output).count()
}

/// Whether an edge reads a constant of one number, which is inside of a Subgraph.
pub(super) fn is_number(work: &Work<'_>, edge: Edge) -> bool {
    work.nodes[edge.node()].is_const() && work.tensor(edge).is_number()
}
