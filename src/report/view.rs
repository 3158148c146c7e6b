//! One phase with what several parts of the report need.

use super::model::Class;
use crate::graph::Graph;
use crate::ids::StorageId;
use crate::phases::{Phase, PhaseName};
use crate::problem;
use crate::runtime::Allocation;
use crate::schedule::{NodeRef, StorageClass, TensorRef};
use crate::units::Bytes;
use rustc_hash::FxHashMap;

/// One phase, its allocations and its highest step.
pub(super) struct View<'a> {
    pub(super) phase: &'a Phase,
    pub(super) bodies: Vec<&'a Graph>,
    /// Everything that is allocated; the first are the storages of the schedule, by id.
    pub(super) allocations: Vec<Allocation>,
    /// First step of the highest pressure, and that pressure.
    pub(super) peak_step: u32,
    pub(super) peak_pressure: Bytes,
    by_class: FxHashMap<StorageClass, Bytes>,
    /// Bytes of the user's own inputs.
    pub(super) inputs: Bytes,
    /// The earlier phase with a higher pressure, whose blocks the runtime retains.
    pub(super) kept_from: Option<PhaseName>,
}

impl<'a> View<'a> {
    pub(super) fn of(graph: &'a Graph, phase: &'a Phase) -> View<'a> {
        let curve = problem::pressure(&phase.problem);
        let (peak_step, peak_pressure) = curve
            .iter()
            .fold((0, Bytes::ZERO), |best, &(step, bytes)| if bytes > best.1 { (step, bytes) } else { best });
        let mut by_class: FxHashMap<StorageClass, Bytes> = FxHashMap::default();
        let allocations: Vec<Allocation> = phase.allocations().collect();
        for held in &allocations {
            *by_class.entry(held.class).or_default() += held.bytes;
        }
        let inputs = phase.lowered.schedule().user_bytes;
        let (bodies, kept_from) = (graph.with_bodies(), None);
        View { phase, bodies, allocations, peak_step, peak_pressure, by_class, inputs, kept_from }
    }

    pub(super) fn class(&self, class: StorageClass) -> Bytes {
        self.by_class.get(&class).copied().unwrap_or_default()
    }

    /// Constants in mapped pages of their file.
    pub(super) fn weights_file(&self) -> Bytes {
        match self.phase.outcome.residency.is_file_in_heap {
            true => Bytes::ZERO,
            false => self.class(StorageClass::WeightsFile),
        }
    }

    /// Constants in memory of their own.
    pub(super) fn weights_anonymous(&self) -> Bytes {
        self.weights() - self.weights_file()
    }

    pub(super) fn weights(&self) -> Bytes {
        self.class(StorageClass::WeightsFile) + self.class(StorageClass::WeightsAnonymous)
    }

    pub(super) fn total(&self) -> Bytes {
        self.weights() + self.temp()
    }

    pub(super) fn temp(&self) -> Bytes {
        let resident = [
            StorageClass::Io,
            StorageClass::KvCache,
            StorageClass::State,
            StorageClass::Workspace,
            StorageClass::Runtime,
            StorageClass::Code,
        ];
        resident.into_iter().map(|class| self.class(class)).sum::<Bytes>() + self.phase.plan.arena_size
    }

    /// Bytes of the arena's blocks that grow.
    pub(super) fn growing(&self) -> Bytes {
        let blocks = self.phase.plan.blocks.iter().filter(|block| block.grows);
        blocks.map(|block| Bytes(block.bytes.end - block.bytes.start)).sum()
    }

    /// The allocations that the arena consists of: class, and bytes of each.
    pub(super) fn arena_blocks(&self) -> Vec<(Class, Bytes)> {
        let plan = &self.phase.plan;
        if plan.blocks.is_empty() {
            return vec![(Class::Arena, plan.arena_size)];
        }
        let name = |grows| if grows { Class::Dynamic } else { Class::Arena };
        let blocks = plan.blocks.iter();
        blocks.map(|block| (name(block.grows), Bytes(block.bytes.end - block.bytes.start))).collect()
    }

    pub(super) fn node_name(&self, node: NodeRef) -> &str {
        self.bodies[node.graph as usize].node_name(node.node)
    }

    /// A step's number and node, in words.
    #[cfg(feature = "svg")]
    pub(super) fn step_name(&self, step: usize) -> String {
        let node = self.phase.lowered.schedule().steps.get(step).map(|step| self.node_name(step.node));
        node.map_or("after the last step".to_owned(), |node| format!("step {step}, {node}"))
    }

    pub(super) fn node_type(&self, node: NodeRef) -> &str {
        self.bodies[node.graph as usize].node_type(node.node)
    }

    pub(super) fn tensor_name(&self, node: NodeRef, tensor: Option<TensorRef>) -> String {
        let name =
            tensor.and_then(|found| self.bodies[found.graph as usize].tensor_names(found.tensor).next());
        name.unwrap_or(self.node_name(node)).to_owned()
    }

    /// Storages that hold bytes at the peak: everything resident, and the planned ones alive there.
    pub(super) fn alive(&self) -> impl Iterator<Item = StorageId> + '_ {
        let resident = self.allocations.iter().enumerate().filter(|(_, storage)| !storage.class.is_planned());
        let resident = resident.map(|(index, _)| StorageId::new(index));
        let planned = self.phase.lowered.schedule().planned().zip(&self.phase.problem.buffers);
        resident
            .chain(planned.filter(|(_, buffer)| buffer.live.contains(&self.peak_step)).map(|((id, _), _)| id))
    }
}
