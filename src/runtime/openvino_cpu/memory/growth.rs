//! When a dynamic graph allocates what, in its first inference: a block that grows is there next to the one it replaces.
//!
//! Nodes run section by section, from sync point to sync point ([`super::life`]), each of which is a section of its own. For a
//! section first the shapes of all of its nodes are computed, and the blocks of their outputs grow; then their weights are
//! packed, their kernels made and the scratchpad grows. A block grows by an allocation of the new size, after which the old one is freed. The heap is
//! fullest where a large block is replaced late, when almost everything else is there. Products in tiles ask as they run, behind
//! all that is prepared ([`super::tiles`]).
//!
//! Source: OpenVINO 2026.4.1, `MemoryBlockWithReuse::resize`, src/plugins/intel_cpu/src/cpu_memory.cpp, and `UpdateNodes`,
//! src/plugins/intel_cpu/src/graph.cpp; heap blocks at the peak of six runs.

use super::code::MAP;
use super::held::{Held, Moment};
use super::life;
use super::tiles::FirstRun;
use crate::problem::{Block, Plan, Problem};
use crate::runtime::openvino_cpu::execution::ExecutionGraph;
use crate::runtime::{Allocation, Placed};
use crate::schedule::{Draft, Known, NodeRef, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashMap;

/// What is allocated in a first inference apart from activations, and when.
#[derive(Debug, Default)]
pub(in crate::runtime::openvino_cpu) struct Growth {
    /// First steps of sections.
    sections: Vec<u32>,
    steps: u32,
    /// What a step allocates when it is prepared: packed weights.
    prepared: Vec<(u32, u64)>,
    /// Lengths of the scratchpad.
    scratch: Vec<(u32, u64)>,
    /// What nodes allocate as they run, behind what is prepared.
    running: Vec<FirstRun>,
    /// Objects, which all steps make.
    everywhere: u64,
}

impl Growth {
    /// What `graph` allocates of `held`, of which `scratch` is one that grows, where `running` asks for more as it runs.
    pub(super) fn new(
        graph: &ExecutionGraph,
        constants: &[bool],
        held: &[Held],
        scratch: Vec<(u32, Bytes)>,
        running: Vec<FirstRun>,
    ) -> Growth {
        let nodes = (0_u32..).zip(&graph.nodes).filter(|(_, node)| !node.is_const());
        let step_of: FxHashMap<NodeRef, u32> = nodes.map(|(step, node)| (node.source, step)).collect();
        let mut growth = Growth {
            sections: sections(&life::sync_points(graph, constants)),
            steps: graph.nodes.len() as u32,
            scratch: scratch.iter().map(|&(step, bytes)| (step, bytes.0)).collect(),
            running,
            ..Growth::default()
        };
        let largest = growth.scratch.iter().map(|&(_, bytes)| bytes);
        let largest = largest.chain(growth.running.iter().map(|run| run.scratch)).max().map(Bytes);
        for held in held.iter().filter(|held| held.since == Moment::Running) {
            match held.class {
                StorageClass::Workspace if Some(held.bytes) == largest => {}
                // Maps are not of the heap, whose peak is taken apart from theirs.
                StorageClass::Code if held.bytes == MAP => {}
                StorageClass::WeightsAnonymous => {
                    let step = step_of.get(&held.node).copied().unwrap_or(0);
                    growth.prepared.push((step, held.bytes.0));
                }
                _ => growth.everywhere = growth.everywhere.saturating_add(held.bytes.0),
            }
        }
        growth.prepared.sort_unstable();
        growth
    }

    /// What of replaced blocks comes on top of all that is there in the end.
    pub(in crate::runtime::openvino_cpu) fn superseded(&self, placed: &Placed<'_>) -> Option<Allocation> {
        let mut resized = resized(placed.problem, placed.plan);
        resized.extend(outputs(placed.lowered.schedule()));
        resized.sort_by_key(|&(step, ..)| step);
        let bytes = self.excess(&resized);
        (bytes > 0).then_some(Allocation {
            class: StorageClass::Workspace,
            bytes: Bytes(bytes),
            node: NodeRef::default(),
            known: Known::Assumed,
        })
    }

    /// The most that is allocated at once, less what is allocated in the end; `resized`: steps, blocks, and their lengths from
    /// then on.
    fn excess(&self, resized: &[(u32, usize, u64)]) -> u64 {
        let mut now = State::default();
        let (mut resized, mut prepared, mut scratch) =
            (resized.iter().peekable(), self.prepared.iter().peekable(), self.scratch.iter().peekable());
        let mut running = self.running.iter().peekable();
        for end in self.sections.iter().copied().chain([u32::MAX]) {
            while let Some(&(_, block, bytes)) = resized.next_if(|&&(step, ..)| step < end) {
                now.resize(block, bytes);
            }
            // The scratchpad is a block as well, behind all others; each of its steps has what was prepared before.
            while let Some(&(step, bytes)) = scratch.next_if(|&&(step, _)| step < end) {
                while let Some(&(_, bytes)) = prepared.next_if(|&&(other, _)| other < step) {
                    now.total = now.total.saturating_add(bytes);
                }
                now.everywhere(self, step);
                now.resize(usize::MAX, bytes);
            }
            while let Some(&(_, bytes)) = prepared.next_if(|&&(step, _)| step < end) {
                now.total = now.total.saturating_add(bytes);
            }
            now.everywhere(self, end.min(self.steps));
            while let Some(run) = running.next_if(|run| run.step < end) {
                now.total = now.total.saturating_add(run.sums);
                now.most = now.most.max(now.total);
                now.resize(usize::MAX, run.scratch);
                now.total -= run.sums;
            }
        }
        now.most.saturating_sub(now.total)
    }
}

/// The first steps of sections: sync points, and what is behind each.
///
/// Source: `Graph::InferDynamic`, OpenVINO 2026.4, src/plugins/intel_cpu/src/graph.cpp.
fn sections(sync_points: &[u32]) -> Vec<u32> {
    let mut sections: Vec<u32> =
        sync_points.iter().flat_map(|&step| [step, step.saturating_add(1)]).collect();
    sections.dedup();
    sections
}

/// What is allocated at a moment.
#[derive(Default)]
struct State {
    blocks: FxHashMap<usize, u64>,
    total: u64,
    /// Of what all steps make.
    spread: u64,
    most: u64,
}

impl State {
    fn resize(&mut self, block: usize, bytes: u64) {
        let old = self.blocks.entry(block).or_default();
        if bytes > *old {
            self.most = self.most.max(self.total.saturating_add(bytes));
            self.total = self.total.saturating_add(bytes - *old);
            *old = bytes;
        }
    }

    /// Objects up to a step: taken to be made evenly.
    fn everywhere(&mut self, growth: &Growth, step: u32) {
        let share = u128::from(growth.everywhere) * u128::from(step) / u128::from(growth.steps.max(1));
        let share = u64::try_from(share).unwrap_or(growth.everywhere).max(self.spread);
        self.total = self.total.saturating_add(share - self.spread);
        self.spread = share;
    }
}

/// Where the plan's growing blocks are resized: steps, blocks and lengths.
fn resized(problem: &Problem, plan: &Plan) -> Vec<(u32, usize, u64)> {
    let block_of = |offset: u64| {
        let index = plan.blocks.partition_point(|block: &Block| block.bytes.end <= offset);
        plan.blocks.get(index).filter(|block| block.grows).map(|_| index)
    };
    let buffers = problem.buffers.iter().zip(&plan.offsets).filter(|(buffer, _)| buffer.grows);
    let found = buffers.filter_map(|(buffer, offset)| {
        Some((buffer.live.start, block_of(offset.0)?, buffer.size.0)).filter(|&(.., bytes)| bytes > 0)
    });
    found.collect()
}

/// Where outputs are allocated; each is a block of its own.
fn outputs(schedule: &Draft) -> Vec<(u32, usize, u64)> {
    let steps = (0_u32..).zip(&schedule.steps);
    let written = steps.flat_map(|(step, now)| now.writes.iter().map(move |&value| (step, value)));
    let storages = written.map(|(step, value)| (step, schedule.value(value).storage));
    let of_output = storages.filter(|&(_, id)| schedule.storage(id).class == StorageClass::Io);
    of_output.map(|(step, id)| (step, usize::MAX / 2 + id.index(), schedule.storage(id).bytes.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_a_first_run_are_next_to_both_scratchpads() {
        let running =
            vec![FirstRun { step: 2, scratch: 70, sums: 30 }, FirstRun { step: 3, scratch: 70, sums: 30 }];
        let growth = Growth { steps: 4, scratch: vec![(1, 50)], running, ..Growth::default() };
        // 100 + 50 + 30 + 70, where 170 stay.
        assert_eq!(growth.excess(&[(0, 0, 100)]), 80);
        // In the second run there is no other scratchpad.
        let later = Growth { running: vec![FirstRun { step: 2, scratch: 50, sums: 30 }], ..growth };
        assert_eq!(later.excess(&[(0, 0, 100)]), 30);
    }

    /// ```text
    /// step     0      1      2 (sync)     3
    /// block 0  100    .      400
    /// block 1         100                 400
    /// weights  10     10     10           10
    /// ```
    #[test]
    fn the_old_block_is_there_until_the_new_one_is() {
        let growth = Growth {
            sections: vec![2],
            steps: 4,
            prepared: (0..4).map(|step| (step, 10)).collect(),
            ..Growth::default()
        };
        let resized = [(0, 0, 100), (1, 1, 100), (2, 0, 400), (3, 1, 400)];
        // At the end: 840. In the last section both grow before the weights of 20 are packed: 400 + 400 + 100 + 20.
        assert_eq!(growth.excess(&resized), 80);
        // In one section nothing is packed before.
        let at_once = Growth { sections: Vec::new(), ..growth };
        assert_eq!(at_once.excess(&resized), 60);
    }

    #[test]
    fn a_scratchpad_that_grows_late_counts_twice() {
        let growth = Growth { steps: 4, scratch: vec![(1, 50), (3, 60)], ..Growth::default() };
        assert_eq!(growth.excess(&[(0, 0, 100)]), 50);
    }
}
