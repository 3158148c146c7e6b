//! Groups tensors that share one allocation, and finds its owner.
//!
//! A region is one output port and everything joined to it: views of it, and what is computed in place. All readers
//! of a port share its region.
//!
//! | node | joined with | static | dynamic |
//! |---|---|---|---|
//! | Reshape | input, unless the input alone is constant | yes | yes |
//! | Gather, Split, Concat | input (Concat: all inputs), where the plugin made it a view | yes | yes |
//! | RoPE | input 0, where dims agree | yes | yes |
//! | ScaledDotProductAttention, outputs 1 and 2 | the states that it reads | | yes |
//! | Convolution with a fused sum | the addend, unless it is read later: then the plugin copies it | yes | yes |
//! | Scatter* | input 0, if nothing reads it later and it is not constant | yes | yes |
//! | Reorder `…_fake` | input | yes | yes |
//! | Subgraph, Eltwise | input 0, if every producer has this one reader, input 0 is no Parameter and no constant, and dims and element size agree; a Subgraph must have one reader itself | yes | no |
//! | MVN, Softmax, Pooling | input 0, if nothing else reads it, it is not constant, and sizes agree | yes | no |
//!
//! Where nothing is computed in place (`is_apart`), only views and states are joined. Everything else writes a new tensor. An output of several that nothing reads (the indices of MaxPool) has none.
//!
//! Source: OpenVINO 2026.4.1, src/plugins/intel_cpu/src/graph.cpp (`FormMemoryRegions`, and
//! `ResolveComplexInplaceConflicts` for what is read after it is overwritten) and the `initInPlace` of the
//! nodes named; validated against the pools of 76 static and the blocks of 120 dynamic runs.

#[cfg(test)]
mod tests;

use crate::runtime::openvino_cpu::execution::{ExecutedNode, ExecutionGraph, Kind, Output, Port};
use crate::units::Bytes;

/// Bytes that one or more ports share.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Region {
    /// The ports, by step.
    pub members: Vec<Port>,
    /// Step of the first producer.
    pub start: u32,
    /// Step of the last reader, which still needs it.
    pub finish: u32,
    /// The largest member.
    pub bytes: Bytes,
    /// Who holds the bytes.
    pub holder: Holder,
    /// Its size was not known when the model was compiled.
    pub is_dynamic: bool,
}

/// Who holds the bytes of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Holder {
    /// The plugin's memory managers: the solved pool, or a growing block.
    #[default]
    Pool,
    /// Nobody writes it during a run.
    Constant,
    /// A model input: the user's memory, or a block of its own.
    Input,
    /// A model output: a block of its own.
    Output,
    /// A variable.
    State,
}

/// How a port's bytes relate to those of its region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is written there.
    Written,
    /// The bytes of the node's input 0, or a part of them.
    View,
    /// The bytes of the node's inputs, side by side.
    Joined,
}

/// The regions of a graph.
#[derive(Debug)]
pub(super) struct Regions {
    /// In order of their first member.
    pub list: Vec<Region>,
    ports: Ports,
    region_of: Vec<u32>,
    offset_of: Vec<u64>,
    role_of: Vec<Role>,
}

impl Regions {
    /// The region of a port, the port's place in it, and what it is there; `None` where nothing reads the port.
    pub(super) fn place(&self, port: Port) -> Option<(u32, Bytes, Role)> {
        let index = self.ports.index(port)?;
        let region = *self.region_of.get(index)?;
        if region == u32::MAX {
            return None;
        }
        Some((region, Bytes(*self.offset_of.get(index)?), *self.role_of.get(index)?))
    }
}

/// Finds the regions of a graph; `constants` says which nodes depend on constants alone.
///
/// Cost: nearly linear in edges.
pub(super) fn find(graph: &ExecutionGraph, constants: &[bool]) -> Regions {
    let ports = Ports::of(graph);
    let readers = Readers::of(graph, &ports);
    let mut union = Union::new(ports.total);
    let mut role_of = vec![Role::Written; ports.total];
    let rules = Rules { graph, constants, readers: &readers };
    for (step, node) in (0_u32..).zip(&graph.nodes) {
        rules.join(step, node, &ports, &mut union, &mut role_of);
    }
    collect(graph, constants, ports, &readers, union, role_of)
}

/// Ports as indices without gaps.
#[derive(Debug)]
struct Ports {
    first: Vec<usize>,
    total: usize,
}

impl Ports {
    fn of(graph: &ExecutionGraph) -> Ports {
        let mut total = 0;
        let mut first = Vec::with_capacity(graph.nodes.len() + 1);
        for node in &graph.nodes {
            first.push(total);
            total += node.outputs.len();
        }
        first.push(total);
        Ports { first, total }
    }

    fn index(&self, port: Port) -> Option<usize> {
        let step = port.step as usize;
        let (&start, &end) = (self.first.get(step)?, self.first.get(step + 1)?);
        let index = start.checked_add(port.port as usize)?;
        (index < end).then_some(index)
    }
}

/// Who reads what.
struct Readers {
    /// Edges that leave a node, all ports together.
    of_node: Vec<u32>,
    /// Last step that reads a port.
    last: Vec<Option<u32>>,
    /// A model output reads the port.
    by_result: Vec<bool>,
    /// Something else than a variable's writer reads the port.
    by_others: Vec<bool>,
}

impl Readers {
    fn of(graph: &ExecutionGraph, ports: &Ports) -> Readers {
        let mut readers = Readers {
            of_node: vec![0; graph.nodes.len()],
            last: vec![None; ports.total],
            by_result: vec![false; ports.total],
            by_others: vec![false; ports.total],
        };
        for (step, node) in (0_u32..).zip(&graph.nodes) {
            for &port in &node.inputs {
                let Some(index) = ports.index(port) else { continue };
                readers.of_node[port.step as usize] += 1;
                readers.last[index] = Some(step);
                readers.by_result[index] |= node.kind == Kind::Output;
                readers.by_others[index] |= node.kind != Kind::MemoryOutput;
            }
        }
        readers
    }
}

/// The table of the module.
struct Rules<'a> {
    graph: &'a ExecutionGraph,
    constants: &'a [bool],
    readers: &'a Readers,
}

impl Rules<'_> {
    fn join(&self, step: u32, node: &ExecutedNode, ports: &Ports, union: &mut Union, role_of: &mut [Role]) {
        let role = match node.kind {
            Kind::Split if node.is_view => return self.split(step, node, ports, union, role_of),
            Kind::ScaledDotProductAttention => return self.states(step, node, ports, union),
            Kind::Concat if node.is_view => return self.concat(step, node, ports, union, role_of),
            Kind::Reshape if self.is_constant_like(step, node) => Role::View,
            Kind::Gather | Kind::Transpose if node.is_view => Role::View,
            // `MergeTransposeAndReorder`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph_optimizer.cpp, names a Reorder so
            // that changes the description of its bytes alone.
            Kind::Reorder if node.name.ends_with("_fake") => Role::View,
            _ => Role::Written,
        };
        let input = match node.kind {
            _ if role == Role::View => Some(0),
            _ if self.graph.is_apart => None,
            Kind::Rope if node.is_view => Some(0),
            Kind::Convolution => {
                let addend = node.addend.map(|addend| addend as usize);
                addend.filter(|&addend| self.is_last_reader(step, node, addend, ports))
            }
            Kind::ScatterUpdate | Kind::ScatterElementsUpdate | Kind::ScatterNdUpdate => {
                let is_own = !node.inputs.first().is_some_and(|&port| self.is_constant(port));
                (is_own && self.is_last_reader(step, node, 0, ports)).then_some(0)
            }
            Kind::Subgraph | Kind::Eltwise if !self.graph.is_dynamic => {
                self.is_elementwise_in_place(step, node).then_some(0)
            }
            Kind::Mvn | Kind::Softmax | Kind::Pooling if !self.graph.is_dynamic => {
                (self.is_sole_reader(node) && self.sizes_agree(node)).then_some(0)
            }
            _ => None,
        };
        let (Some(input), Some(output)) = (input, ports.index(Port { step, port: 0 })) else { return };
        let Some(source) = node.inputs.get(input).and_then(|&port| ports.index(port)) else { return };
        let fits = role != Role::View || bytes(node.outputs.first()) <= bytes(self.graph.input(node, 0));
        if fits && union.join(output, source, 0) {
            role_of[output] = role;
        }
    }

    /// An attention writes the states that it reads, its last two inputs.
    fn states(&self, step: u32, node: &ExecutedNode, ports: &Ports, union: &mut Union) {
        let Some(states) = node.inputs.last_chunk::<2>() else { return };
        for (port, &state) in (1_u32..).zip(states) {
            let reads_variable =
                self.graph.node(state.step).is_some_and(|node| node.kind == Kind::MemoryInput);
            if let (Some(output), Some(state)) = (ports.index(Port { step, port }), ports.index(state))
                && reads_variable
            {
                union.join(output, state, 0);
            }
        }
    }

    /// The parts are in the input one behind the other.
    fn split(&self, step: u32, node: &ExecutedNode, ports: &Ports, union: &mut Union, role_of: &mut [Role]) {
        let Some(source) = node.inputs.first().and_then(|&port| ports.index(port)) else { return };
        let mut offset = 0;
        for (port, output) in (0_u32..).zip(&node.outputs) {
            let (Some(index), size) = (ports.index(Port { step, port }), bytes(Some(output))) else { return };
            let fits = offset + size <= bytes(self.graph.input(node, 0));
            if fits && union.join(index, source, offset as i64) {
                role_of[index] = Role::View;
            }
            offset += size;
        }
    }

    /// The inputs are in the output one behind the other, and fill it.
    fn concat(&self, step: u32, node: &ExecutedNode, ports: &Ports, union: &mut Union, role_of: &mut [Role]) {
        let Some(output) = ports.index(Port { step, port: 0 }) else { return };
        let sizes = (0..node.inputs.len()).map(|input| bytes(self.graph.input(node, input)));
        let fills = sizes.clone().sum::<u64>() == bytes(node.outputs.first());
        let mut distinct: Vec<Port> = node.inputs.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let constant = node.inputs.iter().any(|port| self.is_constant(*port));
        if !fills || constant || distinct.len() != node.inputs.len() {
            return;
        }
        // Parts of one region are there already; the runtime copies them (a Reorder before the Concat).
        let sources: Vec<usize> = node.inputs.iter().filter_map(|&port| ports.index(port)).collect();
        let mut roots: Vec<usize> =
            sources.iter().chain([&output]).map(|&index| union.find(index).0).collect();
        roots.sort_unstable();
        roots.dedup();
        if roots.len() <= sources.len() {
            return;
        }
        let mut offset = 0;
        for (source, size) in sources.into_iter().zip(sizes) {
            union.join(source, output, offset as i64);
            offset += size;
        }
        role_of[output] = Role::Joined;
    }

    fn is_constant(&self, port: Port) -> bool {
        self.constants.get(port.step as usize).copied().unwrap_or(false)
    }

    /// The data is constant if and only if the node is.
    fn is_constant_like(&self, step: u32, node: &ExecutedNode) -> bool {
        let data = node.inputs.first().is_some_and(|&port| self.is_constant(port));
        data == self.constants.get(step as usize).copied().unwrap_or(false)
    }

    fn readers(&self, port: &Port) -> u32 {
        self.readers.of_node.get(port.step as usize).copied().unwrap_or(0)
    }

    /// Nobody but `node` reads what makes its input 0, which is not constant.
    fn is_sole_reader(&self, node: &ExecutedNode) -> bool {
        node.inputs.first().is_some_and(|port| self.readers(port) == 1 && !self.is_constant(*port))
    }

    fn is_last_reader(&self, step: u32, node: &ExecutedNode, input: usize, ports: &Ports) -> bool {
        let port = node.inputs.get(input).and_then(|&port| ports.index(port));
        port.is_some_and(|index| self.readers.last[index] == Some(step))
    }

    fn sizes_agree(&self, node: &ExecutedNode) -> bool {
        match (self.graph.input(node, 0), node.outputs.first()) {
            (Some(input), Some(output)) => {
                input.dims == output.dims && input.dtype.bits() == output.dtype.bits()
            }
            _ => false,
        }
    }

    fn is_elementwise_in_place(&self, step: u32, node: &ExecutedNode) -> bool {
        let Some(first) = node.inputs.first() else { return false };
        let kind_of = |port: &Port| self.graph.node(port.step).map(|node| &node.kind);
        let sole = |port: &Port| {
            let through = match self.graph.node(port.step) {
                Some(concat) if concat.kind == Kind::Concat => concat.inputs.as_slice(),
                _ => &[],
            };
            self.readers(port) == 1 && through.iter().all(|port| self.readers(port) == 1)
        };
        let own = self.readers.of_node.get(step as usize).copied().unwrap_or(0);
        !self.is_constant(*first)
            && kind_of(first) != Some(&Kind::Input)
            && self.sizes_agree(node)
            && node.inputs.iter().all(sole)
            && (node.kind != Kind::Subgraph || own == 1)
    }
}

fn bytes(output: Option<&Output>) -> u64 {
    output.and_then(Output::bytes).map_or(0, |bytes| bytes.0)
}

/// Makes the regions of what was joined.
fn collect(
    graph: &ExecutionGraph,
    constants: &[bool],
    ports: Ports,
    readers: &Readers,
    mut union: Union,
    role_of: Vec<Role>,
) -> Regions {
    let mut list: Vec<Region> = Vec::new();
    let mut region_of = vec![u32::MAX; ports.total];
    let mut of_root = vec![u32::MAX; ports.total];
    let mut starts: Vec<i64> = Vec::new();
    let mut placed = vec![0_i64; ports.total];
    let mut index = 0;
    for (step, node) in (0_u32..).zip(&graph.nodes) {
        for (port, output) in (0_u32..).zip(&node.outputs) {
            let (root, offset) = union.find(index);
            if node.outputs.len() > 1 && readers.last[index].is_none() {
                index += 1;
                continue;
            }
            let own = holder(node, constants, step, index, readers);
            if of_root[root] == u32::MAX {
                of_root[root] = list.len() as u32;
                list.push(Region { start: step, finish: step, holder: own, ..Region::default() });
                starts.push(offset);
            }
            let number = of_root[root];
            let region = &mut list[number as usize];
            region.members.push(Port { step, port });
            region.finish = region.finish.max(readers.last[index].unwrap_or(step));
            region.bytes = region.bytes.max(Bytes(bytes(Some(output))));
            region.is_dynamic |= output.is_dynamic;
            region.holder = stronger(region.holder, own);
            starts[number as usize] = starts[number as usize].min(offset);
            (region_of[index], placed[index]) = (number, offset);
            index += 1;
        }
    }
    let offset_of = placed.iter().zip(&region_of).map(|(&offset, &region)| {
        let start = starts.get(region as usize).copied().unwrap_or(offset);
        u64::try_from(offset.saturating_sub(start)).unwrap_or(0)
    });
    let offset_of: Vec<u64> = offset_of.collect();
    for region in &mut list {
        let ends = region.members.iter().filter_map(|&port| {
            let offset = *offset_of.get(ports.index(port)?)?;
            Some(Bytes(offset) + graph.output(port)?.bytes()?)
        });
        region.bytes = region.bytes.max(ends.max().unwrap_or_default());
    }
    Regions { list, ports, region_of, offset_of, role_of }
}

/// Who holds a port on its own account.
fn holder(node: &ExecutedNode, constants: &[bool], step: u32, index: usize, readers: &Readers) -> Holder {
    let is_read = readers.last[index].is_some();
    match node.kind {
        Kind::Input => Holder::Input,
        Kind::MemoryInput => Holder::State,
        _ if readers.by_result[index] => Holder::Output,
        _ if is_read && !readers.by_others[index] => Holder::State,
        _ if constants.get(step as usize).copied().unwrap_or(false) => Holder::Constant,
        _ => Holder::Pool,
    }
}

/// A region touched by an input, an output or a state is theirs; it is constant only if all of it is.
fn stronger(a: Holder, b: Holder) -> Holder {
    let rank = |holder: Holder| match holder {
        Holder::Constant => 0,
        Holder::Pool => 1,
        Holder::Output => 2,
        Holder::State => 3,
        Holder::Input => 4,
    };
    if rank(b) > rank(a) { b } else { a }
}

/// Union-find that keeps where each port starts in relation to its root.
#[derive(Clone, Debug)]
struct Union {
    parent: Vec<usize>,
    /// Start of the port less the start of its parent.
    offset: Vec<i64>,
}

impl Union {
    fn new(ports: usize) -> Union {
        Union { parent: (0..ports).collect(), offset: vec![0; ports] }
    }

    /// The root of a port, and the port's start in relation to the root's.
    fn find(&mut self, port: usize) -> (usize, i64) {
        let (mut root, mut offset) = (port, 0_i64);
        while self.parent[root] != root {
            offset = offset.saturating_add(self.offset[root]);
            root = self.parent[root];
        }
        let (mut at, mut rest) = (port, offset);
        while self.parent[at] != root && at != root {
            let (next, own) = (self.parent[at], self.offset[at]);
            (self.parent[at], self.offset[at]) = (root, rest);
            rest = rest.saturating_sub(own);
            at = next;
        }
        (root, offset)
    }

    /// Lays `port` at `offset` behind the start of `base`; false, and nothing done, if it is elsewhere already.
    fn join(&mut self, port: usize, base: usize, offset: i64) -> bool {
        let ((a, a_offset), (b, b_offset)) = (self.find(port), self.find(base));
        if a == b {
            return a_offset == b_offset.saturating_add(offset);
        }
        self.parent[a] = b;
        self.offset[a] = b_offset.saturating_add(offset).saturating_sub(a_offset);
        true
    }
}
