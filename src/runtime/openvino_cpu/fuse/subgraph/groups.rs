//! Subgraphs under construction: which element-wise node joins which one.
//!
//! A group stores what decides whether a node joins it: its inputs and outputs with their number of uses, which are few
//! because a kernel's registers limit them, and its readers by place. A join therefore never visits members,
//! and all joins together take O(n log² n) in nodes and edges.

use super::super::work::{Edge, Work};
use crate::runtime::openvino_cpu::execution::Kind;
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// What a kernel has registers for: inputs and outputs of one Subgraph.
///
/// Source: `data_ptr_gpr_count` for x86-64 in src/plugins/intel_cpu/src/transformations/transformation_pipeline.cpp.
const MOST_POINTERS: usize = 11;

/// Which nodes are in which group.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    // Numbers are of 32 bits, since there may be millions.
    /// Per node, the group that it was put in first; [`find`](Self::find) follows later joins.
    of: Vec<Option<u32>>,
    /// Per group, the group that includes it; itself if there is none.
    parent: Vec<u32>,
    all: Vec<Group>,
    /// Per node, the next member of its group.
    next: Vec<Option<u32>>,
    /// Per node, its position in the model.
    position: Vec<u32>,
    /// The order of the model.
    order: &'a [usize],
}

/// One Subgraph under construction.
#[derive(Debug, Default)]
struct Group {
    first: usize,
    /// The member that joined last; its position is that of the group.
    last: usize,
    /// What members read from outside, without constants of one number, and how often; nothing if it is full.
    inputs: Vec<(Edge, usize)>,
    /// Of a node that reads so much that nothing joins it: the position from which on all of that has run.
    full: Option<usize>,
    /// Full groups that read members.
    full_readers: Vec<usize>,
    /// Members with readers outside, and how many inputs of these read them.
    outputs: Vec<(usize, usize)>,
    /// Results of the model that read members.
    n_results: usize,
    /// Nodes before the current one that read members, as lower bounds of their places; members may be among
    /// them. The node at such a position is in the group of the reader: a group that grows meets itself here.
    readers: BTreeSet<u32>,
    /// The last node that reads it and had its turn, and whether this would join it.
    tried: Option<(usize, bool)>,
}

impl<'a> Groups<'a> {
    /// No groups yet, for the nodes of `work`; `order` is the order of the model.
    pub(super) fn new(work: &Work<'_>, order: &'a [usize]) -> Self {
        let n_nodes = work.nodes.len();
        let mut position = vec![0; n_nodes];
        for (index, &node) in order.iter().enumerate() {
            position[node] = index as u32;
        }
        Self {
            of: vec![None; n_nodes],
            parent: Vec::new(),
            all: Vec::new(),
            next: vec![None; n_nodes],
            position,
            order,
        }
    }

    /// The members of each group in the order in which they joined, groups by the position of their last member.
    pub(super) fn finish(self) -> Vec<Vec<usize>> {
        let mut roots: Vec<usize> =
            (0..self.all.len()).filter(|&group| self.parent[group] as usize == group).collect();
        roots.sort_by_key(|&group| self.position[self.all[group].last]);
        let members = |group: usize| {
            std::iter::successors(Some(self.all[group].first), |&member| {
                self.next[member].map(|next| next as usize)
            })
            .collect()
        };
        roots.into_iter().map(members).collect()
    }

    /// Puts a node in one group with those that it reads, or in one of its own.
    pub(super) fn add(&mut self, work: &Work<'_>, node: usize) {
        let joined = self.joined(work, node).unwrap_or_default();
        // The first of them becomes the group of all: a chain of any length is one.
        let group = joined.first().copied().unwrap_or(self.all.len());
        let mut merged = Group { first: node, last: node, ..Group::default() };
        for (place, &part) in joined.iter().enumerate() {
            let part = std::mem::take(&mut self.all[part]);
            // What they read has run only after this node.
            for &reader in &part.full_readers {
                let full = &mut self.all[reader].full;
                *full = full.map(|after| after.max(self.position[node] as usize + 1));
            }
            if place == 0 {
                merged = part;
                continue;
            }
            self.next[merged.last] = Some(part.first as u32);
            merged.last = part.last;
            merged.inputs.extend(part.inputs);
            merged.outputs.extend(part.outputs);
            merged.n_results += part.n_results;
            merged.full_readers.extend(part.full_readers);
            let mut few = part.readers;
            if few.len() > merged.readers.len() {
                std::mem::swap(&mut few, &mut merged.readers);
            }
            merged.readers.extend(few);
        }
        if !joined.is_empty() {
            self.next[merged.last] = Some(node as u32);
            merged.last = node;
        }
        let edges = work.nodes[node].inputs().iter().flatten();
        merged.inputs.extend(edges.filter(|edge| !is_number(work, **edge)).map(|&edge| (edge, 1)));
        merged.outputs.push((node, work.users(node).len()));
        merged.n_results += n_results(work, node);
        joined.iter().for_each(|&part| self.parent[part] = group as u32);
        self.of[node] = Some(group as u32);
        if joined.is_empty() {
            self.parent.push(group as u32);
            self.all.push(Group::default());
        }
        if self.settle(&mut merged, group) {
            merged.inputs = Vec::new();
            let edges: Vec<Edge> = work.nodes[node].inputs().iter().flatten().copied().collect();
            merged.full = Some(self.after(work, &edges));
            for edge in edges {
                let Some(read) = self.find(edge.node()) else { continue };
                let readers = &mut self.all[read].full_readers;
                if readers.last() != Some(&group) {
                    readers.push(group);
                }
            }
        }
        self.all[group] = merged;
    }

    /// Removes reads within a group from its inputs and outputs, and adds up equal inputs. Returns whether
    /// there are too many for any other node to join it: only a node alone has so many.
    fn settle(&mut self, merged: &mut Group, group: usize) -> bool {
        let mut inputs: SmallVec<[(Edge, usize); MOST_POINTERS]> = SmallVec::new();
        let mut within: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        for &(edge, uses) in &merged.inputs {
            if self.find(edge.node()) == Some(group) {
                within.push((edge.node(), uses));
            } else if let Some((_, known)) = inputs.iter_mut().find(|(known, _)| *known == edge) {
                *known += uses;
            } else if inputs.len() + 1 < MOST_POINTERS {
                inputs.push((edge, uses));
            } else {
                return true;
            }
        }
        within.sort_unstable();
        merged.inputs.clear();
        merged.inputs.extend(inputs);
        merged.outputs.retain_mut(|(member, readers)| {
            *readers = readers.saturating_sub(uses_of(&within, *member));
            *readers > 0
        });
        false
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
                self.all[group].readers.insert(place);
            }
        }
    }

    /// The group of a node, after all joins.
    fn find(&mut self, node: usize) -> Option<usize> {
        let mut group = self.of[node]?;
        while self.parent[group as usize] != group {
            self.parent[group as usize] = self.parent[self.parent[group as usize] as usize];
            group = self.parent[group as usize];
        }
        self.of[node] = Some(group);
        Some(group as usize)
    }

    /// The position of a node, or of the Subgraph that it is in.
    fn place(&mut self, node: usize) -> u32 {
        let last = self.find(node).map_or(node, |group| self.all[group].last);
        self.position[last]
    }

    /// The groups that a node joins; `None` if it must not join any. None of them reads another one: the
    /// reader would come between that one and the node.
    fn joined(&mut self, work: &Work<'_>, node: usize) -> Option<SmallVec<[usize; 4]>> {
        let edges: SmallVec<[Edge; 4]> = work.nodes[node].inputs().iter().flatten().copied().collect();
        let (mut after, mut before) = (self.after(work, &edges), usize::MAX);
        let mut joined = SmallVec::new();
        for edge in &edges {
            let Some(group) = self.find(edge.node()) else { continue };
            // One that it does not join at first it does not join later.
            if self.all[group].tried.is_some_and(|(reader, _)| reader == node) {
                continue;
            }
            let read: SmallVec<[Edge; MOST_POINTERS]> =
                self.all[group].inputs.iter().map(|&(edge, _)| edge).collect();
            let full = self.all[group].full;
            let own = full.unwrap_or_else(|| self.after(work, &read));
            let (from, to) = (after.max(own), before.min(self.before(group)));
            let joins = from < to;
            self.all[group].tried = Some((node, joins));
            if joins && full.is_some() {
                return None;
            }
            if joins {
                (after, before) = (from, to);
                joined.push(group);
            }
        }
        self.fits(work, node, &joined).then_some(joined)
    }

    /// Whether one Subgraph can consist of a node and these groups.
    fn fits(&mut self, work: &Work<'_>, node: usize, joined: &[usize]) -> bool {
        let own = work.nodes[node].inputs().iter().flatten().map(|&edge| (edge, 1));
        let reads: SmallVec<[(Edge, usize); MOST_POINTERS]> =
            joined.iter().flat_map(|&group| self.all[group].inputs.iter().copied()).chain(own).collect();
        let mut inputs: SmallVec<[Edge; MOST_POINTERS]> = SmallVec::new();
        let mut within: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        for (edge, uses) in reads {
            let group = self.find(edge.node());
            if group.is_some_and(|group| self.all[group].tried == Some((node, true))) {
                within.push((edge.node(), uses));
            } else if !inputs.contains(&edge) && !is_number(work, edge) {
                // There is an output besides.
                if inputs.len() + 1 == MOST_POINTERS {
                    return false;
                }
                inputs.push(edge);
            }
        }
        within.sort_unstable();
        let is_open = |&&(member, readers): &&(usize, usize)| readers > uses_of(&within, member);
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
                after = after.max(self.place(edge.node()) as usize + 1);
            }
        }
        after
    }

    /// The position behind the first reader of a group that has had its turn. Later readers never limit a join: they
    /// come after the node that joins.
    ///
    /// Cost: a group has few inputs, so that few others list it; it moves once in each of them when it grows.
    fn before(&mut self, group: usize) -> usize {
        while let Some(&place) = self.all[group].readers.first() {
            let reader = self.order[place as usize];
            if self.find(reader) == Some(group) {
                self.all[group].readers.pop_first();
                continue;
            }
            let now = self.place(reader);
            if now == place {
                return place as usize + 1;
            }
            self.all[group].readers.pop_first();
            self.all[group].readers.insert(now);
        }
        usize::MAX
    }
}

/// How many of these reads, which are sorted by what is read, are of one node.
fn uses_of(reads: &[(usize, usize)], node: usize) -> usize {
    let first = reads.partition_point(|&(read, _)| read < node);
    reads[first..].iter().take_while(|&&(read, _)| read == node).map(|&(_, uses)| uses).sum()
}

/// Results of the model that read a node.
fn n_results(work: &Work<'_>, node: usize) -> usize {
    work.users(node).iter().filter(|&&(user, _)| work.nodes[user].kind == Kind::Output).count()
}

/// Whether an edge reads a constant of one number, which is inside of a Subgraph.
pub(super) fn is_number(work: &Work<'_>, edge: Edge) -> bool {
    work.nodes[edge.node()].is_const() && work.tensor(edge).is_number()
}
