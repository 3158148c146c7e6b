//! The graph under rewriting: nodes, what they read, who reads them, and which are left.
//!
//! Positions of nodes never change: a node that goes leaves its place empty, and a new node comes after all others.

use super::uses::{Use, Uses};
use smallvec::{SmallVec, smallvec};
use std::fmt::Debug;
use std::ops::{Deref, DerefMut, Index, IndexMut};

/// What a node reads.
pub(crate) trait Source: Copy + PartialEq + Debug {
    /// The number that uses of it are counted under: that of its writer, or its own where tensors outlive writers.
    fn origin(self) -> usize;
}

/// What a runtime knows of a node.
pub(crate) trait Body: Debug {
    /// What its nodes read.
    type Source: Source;

    /// Whether a node goes as soon as nothing needs it; else a pass calls [`WorkGraph::sweep`].
    const SWEEPS: bool;

    /// What the node at position `own` writes.
    fn origins(&self, own: usize) -> SmallVec<[usize; 1]>;

    /// Adds the provenance of a node that was fused behind this one.
    fn absorb(&mut self, other: &Self);

    /// Takes the name and the provenance of a node in whose place this one is.
    fn rename(&mut self, other: &Self);
}

/// Inputs of a node; an absent optional one is `None`.
pub(crate) type Inputs<S> = SmallVec<[Option<S>; 4]>;

/// Its replacement. It can be read as its body.
#[derive(Clone, Debug)]
pub(crate) struct Vertex<B: Body> {
    body: B,
    inputs: Inputs<B::Source>,
}

impl<B: Body> Vertex<B> {
    /// What the node reads.
    pub(crate) fn inputs(&self) -> &[Option<B::Source>] {
        &self.inputs
    }

    /// Input `index`, if it is there.
    pub(crate) fn input(&self, index: usize) -> Option<B::Source> {
        self.inputs.get(index).copied().flatten()
    }
}

impl<B: Body> Deref for Vertex<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.body
    }
}

impl<B: Body> DerefMut for Vertex<B> {
    fn deref_mut(&mut self) -> &mut B {
        &mut self.body
    }
}

/// The nodes of a graph by position, those that are gone included. Only the graph adds nodes.
#[derive(Debug)]
pub(crate) struct Vertices<B: Body> {
    list: Vec<Vertex<B>>,
    /// Counts nodes that were asked for to be changed.
    n_changed: u64,
}

/// The version of a graph. Nodes, inputs and uses are the same as long as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    state: u64,
    n_changed: u64,
}

impl<B: Body> Vertices<B> {
    /// Number of positions.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them is like this; those that are gone count.
    pub(super) fn any(&self, is_like: fn(&B) -> bool) -> bool {
        self.list.iter().any(|node| is_like(node))
    }

    /// Takes the nodes one by one, the last one first, and frees their memory in between.
    pub(crate) fn for_each_from_last(mut self, mut take: impl FnMut(usize, Vertex<B>)) {
        while !self.list.is_empty() {
            let first = self.list.len().saturating_sub(FREED);
            for index in (first..self.list.len()).rev() {
                if let Some(node) = self.list.pop() {
                    take(index, node);
                }
            }
            self.list.shrink_to_fit();
        }
    }

    /// Changes one node by what another is.
    pub(super) fn pair(&mut self, node: usize, other: usize, change: fn(&mut B, &B)) {
        self.n_changed += 1;
        let Ok([node, other]) = self.list.get_disjoint_mut([node, other]) else { return };
        change(node, other);
    }
}

impl<B: Body> Index<usize> for Vertices<B> {
    type Output = Vertex<B>;

    fn index(&self, node: usize) -> &Vertex<B> {
        &self.list[node]
    }
}

impl<B: Body> IndexMut<usize> for Vertices<B> {
    fn index_mut(&mut self, node: usize) -> &mut Vertex<B> {
        self.n_changed += 1;
        &mut self.list[node]
    }
}

/// A graph under rewriting.
///
/// Who reads what is kept up to date by every change. Where the runtime [sweeps](Body::SWEEPS), a node that lost its last
/// reader is gone with everything that only it needed.
#[derive(Debug)]
pub(crate) struct WorkGraph<B: Body> {
    /// All nodes.
    pub nodes: Vertices<B>,
    /// By node, apart from the nodes: passes look at all of them, of which many are gone, and nodes are in no cache.
    is_gone: Vec<bool>,
    /// Number of names that were made up.
    pub n_named: u32,
    /// By origin.
    uses: Vec<Uses>,
    /// By origin; of 32 bits each, since there may be millions.
    writers: Vec<u32>,
    /// By origin: its writer stays although nothing reads it.
    kept: Vec<bool>,
    /// Counts changes of who reads what.
    state: u64,
}

impl<B: Body> WorkGraph<B> {
    /// A graph of these nodes, which may read each other in any order, and of the origins that are kept.
    pub(crate) fn new(
        nodes: impl IntoIterator<Item = (B, Inputs<B::Source>)>,
        n_origins: usize,
        kept: impl IntoIterator<Item = usize>,
    ) -> Self {
        let nodes = nodes.into_iter();
        let n_nodes = nodes.size_hint().0;
        let mut graph = WorkGraph {
            nodes: Vertices { list: Vec::with_capacity(n_nodes), n_changed: 0 },
            is_gone: Vec::with_capacity(n_nodes),
            n_named: 0,
            uses: vec![Uses::default(); n_origins],
            writers: vec![NO_WRITER; n_origins],
            kept: vec![false; n_origins],
            state: 0,
        };
        kept.into_iter().for_each(|origin| graph.keep(origin));
        for (body, inputs) in nodes {
            graph.insert(body, inputs);
        }
        if B::SWEEPS {
            for node in 0..graph.nodes.len() {
                graph.sweep(node);
            }
        }
        graph
    }

    /// The nodes alone; who reads and writes what is freed.
    pub(crate) fn into_nodes(self) -> Vertices<B> {
        self.nodes
    }

    /// A number that no earlier graph had: while it stays, so does every walk.
    pub(crate) fn state(&self) -> u64 {
        self.state
    }

    /// A value that no earlier graph had: while it stays, nothing has changed.
    pub(super) fn version(&self) -> Version {
        Version { state: self.state, n_changed: self.nodes.n_changed }
    }

    /// Counts a change that walks depend on.
    pub(crate) fn touch(&mut self) {
        self.state += 1;
    }

    /// Registers what a node reads and writes.
    fn enlist(&mut self, node: usize) {
        self.touch();
        for origin in self.nodes[node].origins(node) {
            self.add_origins(origin + 1);
            self.set(origin, Some(node));
        }
        for index in 0..self.nodes[node].inputs.len() {
            if let Some(source) = self.nodes[node].inputs[index] {
                self.add_origins(source.origin() + 1);
                self.uses[source.origin()].push((node, index));
            }
        }
    }

    /// Makes place for the uses of the first `count` origins.
    pub(crate) fn add_origins(&mut self, count: usize) {
        if self.uses.len() < count {
            reserve(&mut self.uses, count);
            reserve(&mut self.writers, count);
            self.uses.resize(count, Uses::default());
            self.writers.resize(count, NO_WRITER);
            self.kept.resize(count, false);
        }
    }

    /// Keeps the writer of an origin although nothing reads it.
    pub(crate) fn keep(&mut self, origin: usize) {
        self.add_origins(origin + 1);
        self.kept[origin] = true;
    }

    /// Whether an origin is kept although nothing reads it.
    pub(crate) fn is_kept(&self, origin: usize) -> bool {
        self.kept[origin]
    }

    /// The node that writes an origin.
    pub(crate) fn writer(&self, origin: usize) -> Option<usize> {
        let writer = self.writers[origin];
        (writer != NO_WRITER).then_some(writer as usize)
    }

    fn set(&mut self, origin: usize, writer: Option<usize>) {
        self.writers[origin] = writer.map_or(NO_WRITER, |writer| writer as u32);
    }

    /// Says which node writes an origin, where a node in its place writes another.
    pub(crate) fn set_writer(&mut self, origin: usize, writer: Option<usize>) {
        self.touch();
        self.set(origin, writer);
    }

    /// Whether something reads what a node writes, or it is kept.
    fn is_needed(&self, node: usize) -> bool {
        let origins = self.nodes[node].origins(node);
        origins.into_iter().any(|origin| self.kept[origin] || !self.uses[origin].is_empty())
    }

    /// Adds a node; returns its position.
    pub(crate) fn insert(&mut self, body: B, inputs: Inputs<B::Source>) -> usize {
        let node = self.nodes.len();
        reserve(&mut self.nodes.list, node + 1);
        self.nodes.list.push(Vertex { body, inputs });
        self.is_gone.push(false);
        self.enlist(node);
        node
    }

    /// Whether the node still exists.
    pub(crate) fn is_alive(&self, node: usize) -> bool {
        !self.is_gone[node]
    }

    /// The uses of an origin, each as long as its reader exists.
    pub(crate) fn uses(&self, origin: usize) -> &Uses {
        &self.uses[origin]
    }

    /// The uses of each of the first `n_ports` outputs of an origin, in order. `port` numbers the outputs.
    ///
    /// Cost: linear in uses and outputs.
    pub(crate) fn uses_by_port(
        &self,
        origin: usize,
        n_ports: usize,
        port: fn(B::Source) -> usize,
    ) -> Vec<Vec<Use>> {
        let mut readers: Vec<Vec<Use>> = vec![Vec::new(); n_ports];
        for &(user, input) in &self.uses[origin] {
            let read = self.nodes[user].input(input).map(port);
            if let Some(readers) = read.and_then(|port| readers.get_mut(port)) {
                readers.push((user, input));
            }
        }
        readers
    }

    /// The only use of an origin.
    pub(crate) fn only_use(&self, origin: usize) -> Option<Use> {
        self.uses[origin].only()
    }

    /// Changes one input of a node.
    pub(crate) fn set_input(&mut self, node: usize, input: usize, source: B::Source) {
        self.touch();
        let old = self.nodes[node].inputs[input].replace(source);
        self.uses[source.origin()].push((node, input));
        if let Some(old) = old {
            self.forget(old.origin(), (node, input));
        }
    }

    /// Changes all inputs of a node.
    pub(crate) fn set_inputs(&mut self, node: usize, inputs: Inputs<B::Source>) {
        self.touch();
        for (input, source) in inputs.iter().enumerate() {
            if let Some(source) = source {
                self.uses[source.origin()].push((node, input));
            }
        }
        let old = std::mem::replace(&mut self.nodes[node].inputs, inputs);
        self.forget_all(node, old);
    }

    /// Makes every reader of `old` read `new`.
    pub(crate) fn replace(&mut self, old: B::Source, new: B::Source) {
        self.replace_for(old, new, |_| true);
    }

    /// Makes those readers of `old` that pass `wants` read `new`.
    pub(crate) fn replace_for(&mut self, old: B::Source, new: B::Source, wants: impl Fn(usize) -> bool) {
        if old == new {
            return;
        }
        self.touch();
        let mut kept: SmallVec<[Use; 2]> = smallvec![];
        for (user, input) in self.uses[old.origin()].take() {
            if self.nodes[user].inputs[input] == Some(old) && wants(user) {
                self.nodes[user].inputs[input] = Some(new);
                self.uses[new.origin()].push((user, input));
            } else {
                kept.push((user, input));
            }
        }
        kept.into_iter().for_each(|found| self.uses[old.origin()].push(found));
        self.sweep_if_unread(old.origin());
    }

    /// Does what [`replace`](Self::replace) does for each pair of old and new, one after the other, in one
    /// look at the uses.
    ///
    /// All that is old has one origin, and nothing that is new has it. `port` numbers its outputs.
    ///
    /// Cost: linear in uses and outputs.
    pub(crate) fn replace_outputs(&mut self, pairs: &[(B::Source, B::Source)], port: fn(B::Source) -> usize) {
        let Some(&(first, _)) = pairs.first() else { return };
        let origin = first.origin();
        debug_assert!(pairs.iter().all(|(old, new)| old.origin() == origin && new.origin() != origin));
        self.touch();
        let n_ports = pairs.iter().map(|&(old, _)| port(old) + 1).max().unwrap_or(0);
        let mut readers: Vec<Vec<Use>> = vec![Vec::new(); n_ports];
        let mut is_replaced = vec![false; n_ports];
        pairs.iter().for_each(|&(old, _)| is_replaced[port(old)] = true);
        let mut kept: SmallVec<[Use; 2]> = smallvec![];
        for (user, input) in self.uses[origin].take() {
            let port = self.nodes[user].inputs[input].map(port);
            match port.filter(|&port| is_replaced.get(port) == Some(&true)) {
                Some(port) => readers[port].push((user, input)),
                None => kept.push((user, input)),
            }
        }
        kept.into_iter().for_each(|found| self.uses[origin].push(found));
        for &(old, new) in pairs {
            for (user, input) in std::mem::take(&mut readers[port(old)]) {
                self.nodes[user].inputs[input] = Some(new);
                self.uses[new.origin()].push((user, input));
            }
        }
        self.sweep_if_unread(origin);
    }

    /// Lets a node read an input no longer.
    pub(crate) fn drop_input(&mut self, node: usize, input: usize) {
        if let Some(old) = self.nodes[node].inputs.get_mut(input).and_then(Option::take) {
            self.touch();
            self.forget(old.origin(), (node, input));
        }
    }

    /// Removes a node, with whatever only it needed. What it wrote has no writer until another node has it.
    pub(crate) fn remove(&mut self, node: usize) {
        let old = self.leave(node);
        self.forget_all(node, old);
    }

    /// Marks a node as gone; returns what it read.
    fn leave(&mut self, node: usize) -> Inputs<B::Source> {
        self.touch();
        self.is_gone[node] = true;
        for origin in self.nodes[node].origins(node) {
            if self.writer(origin) == Some(node) {
                self.set(origin, None);
            }
        }
        std::mem::take(&mut self.nodes[node].inputs)
    }

    fn forget_all(&mut self, node: usize, old: Inputs<B::Source>) {
        for (input, source) in old.into_iter().enumerate() {
            if let Some(source) = source {
                self.forget(source.origin(), (node, input));
            }
        }
    }

    fn forget(&mut self, origin: usize, user: Use) {
        self.uses[origin].remove(user);
        self.sweep_if_unread(origin);
    }

    fn sweep_if_unread(&mut self, origin: usize) {
        if B::SWEEPS
            && self.uses[origin].is_empty()
            && let Some(writer) = self.writer(origin)
        {
            self.sweep(writer);
        }
    }

    /// Removes a node that nothing needs, and whatever only it needed.
    pub(crate) fn sweep(&mut self, node: usize) {
        let mut pending: SmallVec<[usize; 8]> = smallvec![node];
        while let Some(node) = pending.pop() {
            if self.is_gone[node] || self.is_needed(node) {
                continue;
            }
            for (input, source) in self.leave(node).into_iter().enumerate() {
                let Some(source) = source else { continue };
                self.uses[source.origin()].swap_remove((node, input));
                pending.extend(self.writer(source.origin()));
            }
        }
    }

    /// The nodes that `roots` need, and these, inputs before users: a walk from root to root, inputs by number.
    pub(crate) fn walk(&self, roots: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut is_seen = vec![false; self.nodes.len()];
        // Of 32 bits each: a chain is as deep as it has nodes.
        let mut stack: Vec<(u32, u32)> = Vec::new();
        for root in roots {
            if !std::mem::replace(&mut is_seen[root], true) {
                stack.push((root as u32, 0));
            }
            while let Some((node, input)) = stack.last_mut() {
                match self.nodes[*node as usize].inputs.get(*input as usize) {
                    None => {
                        order.push(*node as usize);
                        stack.pop();
                    }
                    Some(source) => {
                        *input += 1;
                        if let Some(writer) = source.and_then(|source| self.writer(source.origin()))
                            && !std::mem::replace(&mut is_seen[writer], true)
                        {
                            stack.push((writer as u32, 0));
                        }
                    }
                }
            }
        }
        order
    }

    /// What contradicts itself: uses without a reader, reads without a use, reads of what is gone. For tests.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for node in 0..self.nodes.len() {
            let of = &self.nodes[node];
            for (input, source) in of.inputs.iter().enumerate() {
                let Some(source) = source else { continue };
                let uses = &self.uses[source.origin()];
                if uses.iter().filter(|&&known| known == (node, input)).count() != 1 {
                    faults.push(format!("input {input} of node {node} is not one use of {source:?}"));
                }
                if B::SWEEPS && self.writer(source.origin()).is_none() {
                    faults.push(format!("node {node} reads {source:?}, whose writer is gone"));
                }
            }
            if self.is_gone[node] && !of.inputs.is_empty() {
                faults.push(format!("node {node} is gone and reads something"));
            }
        }
        for (origin, uses) in self.uses.iter().enumerate() {
            for &(user, input) in uses {
                if self.nodes[user].input(input).map(Source::origin) != Some(origin) {
                    faults.push(format!(
                        "use {input} of origin {origin} by node {user} is not one of its inputs"
                    ));
                }
            }
        }
        faults
    }
}

/// Entries up to which a list doubles when it is full; a longer one grows by an eighth, since twice the nodes of a graph of
/// a million are a gigabyte.
const DOUBLED: usize = 1 << 16;

/// What nothing writes: no graph has so many nodes.
const NO_WRITER: u32 = u32::MAX;

/// Nodes that are taken before their memory is freed.
const FREED: usize = 1 << 16;

/// Makes place for `count` entries and some more.
fn reserve<T>(entries: &mut Vec<T>, count: usize) {
    if count > entries.capacity() {
        let spare = if count < DOUBLED { count } else { count / 8 };
        entries.reserve_exact(count + spare - entries.len());
    }
}

#[cfg(test)]
impl<B: Body> WorkGraph<B> {
    /// Adds a use that no node has.
    pub(super) fn plant_use(&mut self, origin: usize, user: Use) {
        self.uses[origin].push(user);
    }

    /// Marks a node as gone, and leaves its reads and readers.
    pub(super) fn plant_gone(&mut self, node: usize) {
        let inputs = self.leave(node);
        self.nodes[node].inputs = inputs;
    }
}
