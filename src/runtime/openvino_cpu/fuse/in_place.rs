//! Directions of in-place memory, and the copies that conflicting nodes need.
//!
//! * Up: the output shares the memory of the input (Gather and Split as views). Down: the input shares the memory of the output
//!   (Concat as a view, MemoryOutput). Reshape and Scatter* can do both. They take the direction of the producer or, if that
//!   has its own memory, of the first reader with a direction; otherwise up, or down if exactly one other node competes
//!   for the memory.
//! * An edge whose memory both ends define gets a Reorder.
//!
//! In static models, a Reshape is in place only behind a view, since other nodes are in place there as well.
//!
//! Source: `Node::resolveInPlaceDirection`, src/plugins/intel_cpu/src/node.cpp, and `Edge::enforceReorder`,
//! src/plugins/intel_cpu/src/edge.cpp, OpenVINO 2026.4.

use super::work::{Build, Edge, Work};
use crate::runtime::openvino_cpu::execution::Kind;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Which end of a node defines the memory that both share.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// Input and output have memory of their own.
    Neither,
    /// The output is in the memory of the input.
    Up,
    /// The input is in the memory of the output.
    Down,
    /// Up or Down, not resolved yet.
    Either,
}

/// Inserts the copies. Views must be marked before.
///
/// An edge gets a copy if both of its ends define its memory, or if one end does and another reader does too. Edges are
/// visited in the plugin's order; a reader behind a copy no longer competes.
pub(super) fn settle(work: &mut Work<'_>) {
    let order = work.order();
    let places = Places::of(work);
    let directions = directions(work, &order, &places);
    for &node in order.iter() {
        if work.nodes[node].kind == Kind::Reorder {
            unshare(work, &directions, &places, node);
        }
        // Most tensors are neither.
        let is_taken = |&(user, input): &(usize, usize)| takes(work, &directions, user, input);
        if directions[node] != Direction::Up && !work.users(node).iter().any(is_taken) {
            continue;
        }
        let readers = work.uses_by_port(node, work.nodes[node].outputs.len(), Edge::port);
        for (port, readers) in readers.into_iter().enumerate() {
            copy_contested(work, &directions, &places, Edge::new(node, port), readers);
        }
    }
    let mut writers: Vec<(usize, usize)> =
        order.iter().filter(|&&node| overwrites(&work.nodes[node].kind)).map(|&node| (node, 0)).collect();
    if writers.is_empty() {
        return;
    }
    places.sort(&mut writers);
    let mut steps = vec![usize::MAX; work.nodes.len()];
    for (step, &node) in work.order().iter().enumerate() {
        steps[node] = step;
    }
    let mut last = LastReads { steps, readers: FxHashMap::default() };
    for (writer, _) in writers {
        copy_overwritten(work, &mut last, writer);
    }
}

/// Inserts a copy on one edge.
pub(super) fn copy(work: &mut Work<'_>, reader: usize, input: usize, edge: Edge) -> Edge {
    let tensor = work.tensor(edge).clone();
    let source = work.nodes[edge.node()].source;
    let reorder = work.add_reorder(edge, tensor, source);
    work.set_input(reader, input, reorder);
    reorder
}

/// Gives each reader that defines the memory of its input a Reorder of its own.
///
/// Source: `GraphOptimizer::ShareReorders`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph_optimizer.cpp.
fn unshare(work: &mut Work<'_>, directions: &[Direction], places: &Places, reorder: usize) {
    let Some(read) = work.nodes[reorder].input(0) else { return };
    let mut readers: Vec<(usize, usize)> = work.users(reorder).to_vec();
    if readers.len() < 2 {
        return;
    }
    places.sort(&mut readers);
    let places_it = |&(user, input): &(usize, usize)| takes(work, directions, user, input);
    let n_others = readers.iter().filter(|reader| !places_it(reader)).count();
    let own: Vec<(usize, usize)> =
        readers.iter().copied().filter(places_it).skip(usize::from(n_others == 0)).collect();
    for (user, input) in own {
        let (tensor, source) = (work.nodes[reorder].outputs[0].clone(), work.nodes[reorder].source);
        let copied = work.add_reorder(read, tensor, source);
        work.set_input(user, input, copied);
    }
}

/// Whether a reader defines the memory of this input.
fn takes(work: &Work<'_>, directions: &[Direction], user: usize, input: usize) -> bool {
    directions.get(user) == Some(&Direction::Down) && may_share(&work.nodes[user].kind, input)
}

/// Copies the input that a node overwrites, if it is read later, or is a result or a state.
///
/// Source: `Graph::ResolveComplexInplaceConflicts`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.
fn copy_overwritten(work: &mut Work<'_>, last: &mut LastReads, writer: usize) {
    let mut reader = writer;
    while let Some(edge) = work.nodes[reader].input(0).filter(|edge| !work.nodes[edge.node()].is_const()) {
        if last.is_contested(work, edge, reader, writer) {
            let copied = copy(work, reader, 0, edge);
            last.settle_copy(work, edge, reader, copied.node());
            return;
        }
        if work.nodes[edge.node()].kind != Kind::Reshape {
            return;
        }
        reader = edge.node();
    }
}

/// When memory is read for the last time.
///
/// What was found of a node is kept: many nodes may overwrite one tensor that many others read. A copy
/// changes it for what is in place above the copy, up to where the last read stays the same.
struct LastReads {
    /// By node; a copy that is made here has no step yet.
    steps: Vec<usize>,
    /// By node and output, the readers by the last step at which they, or what is in place behind them, read.
    readers: FxHashMap<usize, Vec<BTreeSet<LastRead>>>,
}

/// The last step, the reader, and which of its inputs.
type LastRead = (usize, usize, usize);

impl LastReads {
    /// Whether the memory that a node overwrites is read later by others than `reader` and what is behind it.
    fn is_contested(&mut self, work: &Work<'_>, edge: Edge, reader: usize, writer: usize) -> bool {
        self.find(work, edge.node());
        let Some(readers) = self.readers.get(&edge.node()).and_then(|ports| ports.get(edge.port())) else {
            return false;
        };
        let other = readers.iter().rev().find(|&&(_, user, input)| (user, input) != (reader, 0));
        other.is_some_and(|&(step, ..)| step >= self.steps[writer])
    }

    /// Finds the readers of a node, after those of all that is in place behind it.
    fn find(&mut self, work: &Work<'_>, node: usize) {
        let mut pending = vec![(node, false)];
        while let Some((node, is_ready)) = pending.pop() {
            if self.readers.contains_key(&node) {
                continue;
            }
            if !is_ready {
                pending.push((node, true));
                let behind = work.users(node).iter().filter(|&&(user, input)| is_behind(work, user, input));
                pending.extend(behind.map(|&(user, _)| (user, false)));
                continue;
            }
            let mut ports: Vec<BTreeSet<LastRead>> = Vec::new();
            for &(user, input) in work.users(node) {
                let step = self.step(work, user, input);
                if let (Some(edge), Some(step)) = (work.nodes[user].input(input), step) {
                    ports.resize(ports.len().max(edge.port() + 1), BTreeSet::new());
                    ports[edge.port()].insert((step, user, input));
                }
            }
            self.readers.insert(node, ports);
        }
    }

    /// The last step at which a reader, or what is in place behind it, reads.
    fn step(&self, work: &Work<'_>, user: usize, input: usize) -> Option<usize> {
        let own = match work.nodes[user].kind {
            Kind::ShapeOf => return None,
            Kind::Output | Kind::MemoryOutput => usize::MAX,
            _ => self.steps[user],
        };
        let behind = self.readers.get(&user).filter(|_| is_behind(work, user, input));
        let behind = behind.and_then(|ports| ports.first()?.last());
        Some(behind.map_or(own, |&(step, ..)| own.max(step)))
    }

    /// Takes into account that a copy reads an edge in the place of `reader`.
    fn settle_copy(&mut self, work: &Work<'_>, mut edge: Edge, reader: usize, copy: usize) {
        self.steps.resize(work.nodes.len(), 0);
        let steps = (self.step(work, reader, 0), self.step(work, copy, 0));
        let (Some(old), Some(new)) = steps else { return };
        let (mut old, mut new): (LastRead, LastRead) = ((old, reader, 0), (new, copy, 0));
        while let Some(readers) =
            self.readers.get_mut(&edge.node()).and_then(|ports| ports.get_mut(edge.port()))
        {
            let node = edge.node();
            let before = readers.last().map(|&(step, ..)| step);
            readers.remove(&old);
            readers.insert(new);
            let after = readers.last().map(|&(step, ..)| step);
            let above = work.nodes[node].input(0).filter(|_| edge.port() == 0 && is_behind(work, node, 0));
            let Some(above) = above.filter(|_| before != after) else { return };
            let own = self.steps[node];
            old = (before.map_or(own, |step| own.max(step)), node, 0);
            new = (after.map_or(own, |step| own.max(step)), node, 0);
            edge = above;
        }
    }
}

/// Whether what a node writes can be in the memory of this input.
fn is_behind(work: &Work<'_>, node: usize, input: usize) -> bool {
    input == 0 && may_either(&work.nodes[node].kind)
}

fn copy_contested(
    work: &mut Work<'_>,
    directions: &[Direction],
    places: &Places,
    edge: Edge,
    mut readers: Vec<(usize, usize)>,
) {
    let is_part = directions[edge.node()] == Direction::Up;
    // MemoryOutput copies a part of another tensor itself.
    let takes = |work: &Work<'_>, user: usize, input: usize| {
        takes(work, directions, user, input) && !(is_part && work.nodes[user].kind == Kind::MemoryOutput)
    };
    places.sort(&mut readers);
    let mut n_taking = readers.iter().filter(|&&(user, input)| takes(work, user, input)).count();
    let mut shared = None;
    for (user, input) in readers {
        let own = usize::from(takes(work, user, input));
        let is_placed = is_part || own > 0;
        if !(is_placed && n_taking > own || own > 0 && is_part) {
            continue;
        }
        // Readers that do not define memory share one copy.
        match shared.filter(|_| own == 0) {
            Some(copied) => work.set_input(user, input, copied),
            None => {
                let copied = copy(work, user, input, edge);
                shared = if own == 0 { Some(copied) } else { shared };
            }
        }
        n_taking -= own;
    }
}

/// The order of edges: by the reading node's place in a walk from the last root.
///
/// Source: `Model::get_ordered_ops`, src/core/src/model.cpp, and `Graph::Replicate`, src/plugins/intel_cpu/src/graph.cpp.
struct Places(Vec<usize>);

impl Places {
    fn of(work: &Work<'_>) -> Places {
        let roots =
            work.parameters().iter().chain(work.assigns().iter().rev()).chain(work.results().iter().rev());
        let mut places = vec![usize::MAX; work.nodes.len()];
        for (position, node) in work.walk(roots.copied()).into_iter().enumerate() {
            places[node] = position;
        }
        Places(places)
    }

    fn sort(&self, readers: &mut [(usize, usize)]) {
        readers.sort_unstable_by_key(|&(user, input)| (self.0.get(user).copied(), input));
    }
}

/// The direction of every node.
fn directions(work: &Work<'_>, order: &[usize], places: &Places) -> Vec<Direction> {
    let mut directions = vec![Direction::Neither; work.nodes.len()];
    for &node in order.iter() {
        let of = &work.nodes[node];
        directions[node] = match of.kind {
            Kind::Gather | Kind::Split if of.is_view => Direction::Up,
            Kind::Concat if of.is_view => Direction::Down,
            Kind::MemoryOutput => Direction::Down,
            _ if may_either(&of.kind) && !work.reads_const(node, 0) => Direction::Either,
            _ => Direction::Neither,
        };
    }
    let mut search = Search { work, directions, places, contenders: FxHashMap::default() };
    for &node in order.iter() {
        if search.directions[node] == Direction::Either {
            search.settle(node);
        }
    }
    search.directions
}

/// The neighbors that determine a Reshape's direction.
struct Search<'a, 'g> {
    work: &'a Work<'g>,
    directions: Vec<Direction>,
    places: &'a Places,
    /// By node and output: many Reshapes may read one tensor.
    contenders: FxHashMap<usize, Vec<Contenders>>,
}

/// How many readers of a value compete for its memory.
#[derive(Clone, Copy, Debug, Default)]
struct Contenders {
    /// Those that define it.
    n_down: usize,
    /// These, those that are not resolved yet, and Outputs.
    n_all: usize,
}

impl Search<'_, '_> {
    /// Resolves a Reshape.
    fn settle(&mut self, reshape: usize) {
        let settled = self.settled(reshape);
        self.directions[reshape] = settled;
        let Some(read) = self.work.nodes[reshape].input(0) else { return };
        let above = before_reorders(self.work, read);
        let known = self.contenders.get_mut(&above.node()).and_then(|ports| ports.get_mut(above.port()));
        match (known, settled) {
            (Some(known), Direction::Down) => known.n_down += 1,
            (Some(known), Direction::Up | Direction::Neither) => known.n_all -= 1,
            _ => {}
        }
    }

    fn settled(&mut self, reshape: usize) -> Direction {
        let Some(read) = self.work.nodes[reshape].input(0) else { return Direction::Neither };
        let above = before_reorders(self.work, read);
        let writer = self.directions[above.node()];
        if !self.work.is_dynamic {
            return if writer == Direction::Up { Direction::Up } else { Direction::Neither };
        }
        match writer {
            Direction::Up => return Direction::Up,
            Direction::Down if self.contenders(above).n_down > 0 => return Direction::Up,
            Direction::Down => return Direction::Down,
            Direction::Neither | Direction::Either => {}
        }
        let (below, n_outputs) = self.below(reshape);
        if below != Direction::Neither {
            return below;
        }
        if matches!(self.work.nodes[above.node()].kind, Kind::Input | Kind::MemoryInput) {
            return Direction::Up;
        }
        // The Reshape is one of them.
        match n_outputs + self.contenders(above).n_all {
            2 => Direction::Down,
            _ => Direction::Up,
        }
    }

    /// The readers that compete for the memory of a value. Reorders are looked through.
    fn contenders(&mut self, value: Edge) -> Contenders {
        if !self.contenders.contains_key(&value.node()) {
            let counted = self.count(value.node());
            self.contenders.insert(value.node(), counted);
        }
        let ports = self.contenders.get(&value.node());
        ports.and_then(|ports| ports.get(value.port())).copied().unwrap_or_default()
    }

    /// The readers that compete for the memory of each output of a node.
    fn count(&self, node: usize) -> Vec<Contenders> {
        let mut counts: Vec<Contenders> = Vec::new();
        let mut pending = vec![(node, None)];
        while let Some((of, port)) = pending.pop() {
            for &(user, input) in self.work.users(of) {
                let Some(read) = self.work.nodes[user].input(input) else { continue };
                let port = port.unwrap_or(read.port());
                let kind = &self.work.nodes[user].kind;
                if *kind == Kind::Reorder {
                    pending.push((user, Some(port)));
                } else if may_share(kind, input) {
                    let direction = self.directions[user];
                    let is_open = *kind == Kind::Output || direction == Direction::Either;
                    counts.resize(counts.len().max(port + 1), Contenders::default());
                    counts[port].n_down += usize::from(direction == Direction::Down);
                    counts[port].n_all += usize::from(is_open || direction == Direction::Down);
                }
            }
        }
        counts
    }

    /// The first resolved direction below a Reshape, searched through other Reshapes, and the number of outputs passed.
    fn below(&self, reshape: usize) -> (Direction, usize) {
        let (mut node, mut n_outputs) = (reshape, 0);
        'next: loop {
            for reader in self.readers(Edge::of(node)) {
                n_outputs += usize::from(self.work.nodes[reader].kind == Kind::Output);
                match self.directions[reader] {
                    Direction::Neither => {}
                    Direction::Either => {
                        node = reader;
                        continue 'next;
                    }
                    settled => return (settled, 0),
                }
            }
            return (Direction::Neither, n_outputs);
        }
    }

    /// The readers of a value that can share its memory, in the order of edges. Reorders are looked through, because the
    /// plugin inserts them later.
    fn readers(&self, edge: Edge) -> Vec<usize> {
        let mut readers: Vec<(usize, usize)> = Vec::new();
        let mut pending = vec![edge];
        while let Some(edge) = pending.pop() {
            for &(user, input) in self.work.users(edge.node()) {
                let of = &self.work.nodes[user];
                if of.input(input) != Some(edge) {
                    continue;
                }
                match of.kind {
                    Kind::Reorder => pending.push(Edge::of(user)),
                    _ if may_share(&of.kind, input) => readers.push((user, input)),
                    _ => {}
                }
            }
        }
        self.places.sort(&mut readers);
        readers.into_iter().map(|(user, _)| user).collect()
    }
}

/// Whether a node can share the memory of an input: Reshape, Scatter*, Gather and Split only of the first.
fn may_share(kind: &Kind, input: usize) -> bool {
    input == 0 || !may_either(kind) && !matches!(kind, Kind::Gather | Kind::Split)
}

/// Whether a node can be in place in both directions.
fn may_either(kind: &Kind) -> bool {
    *kind == Kind::Reshape || overwrites(kind)
}

/// Whether a node in place changes the input.
fn overwrites(kind: &Kind) -> bool {
    matches!(kind, Kind::ScatterUpdate | Kind::ScatterElementsUpdate | Kind::ScatterNdUpdate)
}

fn before_reorders(work: &Work<'_>, mut edge: Edge) -> Edge {
    while work.nodes[edge.node()].kind == Kind::Reorder
        && let Some(read) = work.nodes[edge.node()].input(0)
    {
        edge = read;
    }
    edge
}

#[cfg(test)]
mod tests;
