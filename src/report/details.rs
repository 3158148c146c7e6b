//! A phase step by step: what is alive at the peak, the steps, the buffers, and what other planners need.

use super::component::{self, Component};
use super::model;
use super::view::View;
use crate::phases::Phase;
use crate::plan::{self, Planner};
use crate::problem::{self, Problem};
use crate::schedule::{StorageClass, TensorRef};
use crate::units::Bytes;

impl View<'_> {
    /// The step of the highest pressure.
    pub(super) fn peak(&self) -> model::Peak {
        let names = self.first_tensors();
        let is_weights = |class| matches!(class, StorageClass::WeightsFile | StorageClass::WeightsAnonymous);
        let own = [(StorageClass::Runtime, "runtime objects"), (StorageClass::Code, "generated code")];
        let is_own = |class| own.iter().any(|&(own, _)| own == class);
        let own = own.map(|(class, name)| model::Live {
            tensor: name.to_owned(),
            node: name.to_owned(),
            bytes: self.class(class).0,
            class: class.into(),
        });
        let mut live: Vec<model::Live> = self
            .alive()
            .map(|id| (id, &self.allocations[id.index()]))
            .filter(|(_, storage)| !is_weights(storage.class) && !is_own(storage.class))
            .map(|(id, storage)| model::Live {
                tensor: self.tensor_name(storage.node, names[id.index()]),
                node: self.node_name(storage.node).to_owned(),
                bytes: storage.bytes.0,
                class: storage.class.into(),
            })
            .chain(own)
            .filter(|live| live.bytes > 0)
            .collect();
        live.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.node.cmp(&b.node)));
        let node = self
            .phase
            .lowered
            .schedule()
            .steps
            .get(self.peak_step as usize)
            .map(|step| self.node_name(step.node).to_owned());
        model::Peak {
            phase: self.phase.name.name().to_owned(),
            step: u64::from(self.peak_step),
            node: node.unwrap_or_default(),
            live,
        }
    }

    /// The tensor of the first value in each storage.
    fn first_tensors(&self) -> Vec<Option<TensorRef>> {
        let mut first = vec![None; self.allocations.len()];
        for value in &self.phase.lowered.schedule().values {
            let slot = &mut first[value.storage.index()];
            *slot = slot.or(value.tensor);
        }
        first
    }

    /// An arena lasts: what another planner needs is the most that it needs in any phase up to this one.
    pub(super) fn planner(&self, planner: Planner, phases: &[Phase]) -> model::Planner {
        let (arena, bound) = (self.phase.plan.arena_size.0, self.peak_pressure.0);
        let gap = if bound == 0 { 0.0 } else { arena as f64 / bound as f64 - 1.0 };
        let mut best = (planner, arena);
        if arena > bound {
            let so_far = phases.iter().filter(|phase| phase.name <= self.phase.name);
            let mut before: Option<&Problem> = None;
            let apart = so_far.map(|phase| &*phase.problem).filter(|&problem| {
                let repeated = before.replace(problem);
                !repeated.is_some_and(|repeated| has_equal_plans(repeated, problem))
            });
            let plans = apart.filter_map(|problem| plan::best_of_greedy(problem).ok());
            let other = plans.map(|(planner, plan)| (planner, plan.arena_size.0)).max_by_key(|other| other.1);
            best = other.filter(|other| other.1 < arena).unwrap_or(best);
        }
        model::Planner {
            name: planner.name().to_owned(),
            arena_bytes: arena,
            lower_bound_bytes: bound,
            gap,
            best_name: best.0.name().to_owned(),
            best_arena_bytes: best.1,
        }
    }

    pub(super) fn steps(&self) -> Vec<model::Step> {
        let components: Vec<Vec<Component>> = self.bodies.iter().map(|body| component::of(body)).collect();
        let mut curve = problem::pressure(&self.phase.problem).into_iter().peekable();
        let mut pressure = Bytes::ZERO;
        let steps = self.phase.lowered.schedule().steps.iter().zip(0_u32..);
        steps
            .map(|(step, now)| {
                while let Some((_, bytes)) = curve.next_if(|(start, _)| *start <= now) {
                    pressure = bytes;
                }
                let component = components[step.node.graph as usize][step.node.node.index()];
                model::Step {
                    index: u64::from(now),
                    node: self.node_name(step.node).to_owned(),
                    op: self.node_type(step.node).to_owned(),
                    component: component.part.to_owned(),
                    pressure_bytes: pressure.0,
                }
            })
            .collect()
    }

    pub(super) fn buffers(&self) -> Vec<model::Buffer> {
        let lowered = self.phase.lowered.schedule();
        let mut tensors: Vec<Vec<String>> = vec![Vec::new(); lowered.storages.len()];
        for value in &lowered.values {
            if let Some(tensor) = value.tensor {
                let node = lowered.storage(value.storage).node;
                tensors[value.storage.index()].push(self.tensor_name(node, Some(tensor)));
            }
        }
        let planned = lowered.planned().zip(&self.phase.problem.buffers).zip(&self.phase.plan.offsets);
        let buffers = planned.enumerate().map(|(id, (((storage, _), buffer), offset))| model::Buffer {
            id: id as u64,
            start: u64::from(buffer.live.start),
            end: u64::from(buffer.live.end),
            size_bytes: buffer.size.0,
            offset_bytes: offset.0,
            tensors: std::mem::take(&mut tensors[storage.index()]),
        });
        buffers.collect()
    }
}

/// Whether planners that do not look at what grows give two problems the same plans: the second run of a set of shapes differs
/// from the first in that alone.
fn has_equal_plans(a: &Problem, b: &Problem) -> bool {
    let mut pairs = a.buffers.iter().zip(&b.buffers);
    a.buffers.len() == b.buffers.len()
        && pairs.all(|(a, b)| (&a.live, a.size, a.alignment) == (&b.live, b.size, b.alignment))
}
