//! What the bytes of a phase are charged to: nodes, operator types, parts of the model or layers.
//!
//! A storage is charged to one node: the writer of an intermediate result, the first reader of a constant. What the
//! planner could not use is a share of its own, so what the shares hold at the peak adds up to the total.

use super::component::{self, Component};
use super::model;
use super::model::By;
use super::view::View;
use crate::schedule::{Draft, NodeRef, StorageClass};
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use std::borrow::Cow;

impl View<'_> {
    /// What each storage is counted under.
    pub(super) fn keys(&self, by: By) -> Vec<String> {
        let components = |is_wanted: bool| -> Vec<Vec<Component>> {
            self.bodies.iter().filter(|_| is_wanted).map(|body| component::of(body)).collect()
        };
        let layers = components(by == By::Layer);
        let parts: Vec<Vec<Cow<'_, str>>> =
            self.bodies.iter().filter(|_| by == By::Component).map(|body| component::labels(body)).collect();
        let keys = self
            .allocations
            .iter()
            .zip(owners(self.phase.lowered.schedule(), self.allocations.len()))
            .map(|(storage, owner)| {
                let owner = owner.unwrap_or(storage.node);
                match by {
                    _ if storage.class == StorageClass::Runtime => "runtime objects".to_owned(),
                    _ if storage.class == StorageClass::Code => "generated code".to_owned(),
                    By::Node => self.node_name(owner).to_owned(),
                    By::Op => self.node_type(owner).to_owned(),
                    By::Component if storage.class == StorageClass::KvCache => "kv_cache".to_owned(),
                    By::Component => {
                        let part = &*parts[owner.graph as usize][owner.node.index()];
                        let is_result = matches!(
                            storage.class,
                            StorageClass::Activation | StorageClass::Io | StorageClass::Output
                        );
                        if is_result && part == component::HEAD { component::LOGITS } else { part }.to_owned()
                    }
                    By::Layer => layers[owner.graph as usize][owner.node.index()]
                        .layer
                        .map_or("outside of layers".to_owned(), |layer| format!("layer {layer}")),
                }
            });
        keys.collect()
    }

    pub(super) fn breakdown(&self, by: By) -> Vec<model::Share> {
        self.shares(by, |_| true)
    }

    /// The breakdown of some storage classes alone.
    pub(super) fn shares(&self, by: By, counts: impl Fn(StorageClass) -> bool) -> Vec<model::Share> {
        let keys = self.keys(by);
        let mut at_peak = vec![false; self.allocations.len()];
        for id in self.alive() {
            at_peak[id.index()] = true;
        }
        let is_mapped = !self.phase.outcome.residency.is_file_in_heap;
        let mut shares: FxHashMap<String, model::Share> = FxHashMap::default();
        let mut add = |key: String, storage: (StorageClass, u64), is_at_peak: bool| {
            let share = shares.entry(key).or_insert_with_key(|key| model::Share {
                by,
                key: key.clone(),
                bytes: 0,
                weights_bytes: 0,
                weights_file_bytes: 0,
                state_bytes: 0,
                at_peak_bytes: 0,
            });
            let (class, bytes) = storage;
            share.bytes += bytes;
            if class == StorageClass::WeightsFile && is_mapped {
                share.weights_file_bytes += bytes;
            }
            match class {
                StorageClass::WeightsFile | StorageClass::WeightsAnonymous => share.weights_bytes += bytes,
                StorageClass::KvCache | StorageClass::State => share.state_bytes += bytes,
                _ => {}
            }
            if is_at_peak {
                share.at_peak_bytes += bytes;
            }
        };
        let storages = keys.into_iter().zip(&self.allocations).zip(at_peak);
        for ((key, storage), at_peak) in storages.filter(|((_, storage), _)| counts(storage.class)) {
            add(key, (storage.class, storage.bytes.0), at_peak);
        }
        let unused = self.phase.plan.arena_size - self.peak_pressure;
        if unused > Bytes::ZERO && counts(StorageClass::Activation) {
            let name = match self.kept_from {
                Some(phase) => format!("kept from {}", phase.name()),
                None => "unattributed (fragmentation)".to_owned(),
            };
            add(name, (StorageClass::Activation, unused.0), true);
        }
        let mut shares: Vec<_> = shares.into_values().filter(|share| share.bytes > 0).collect();
        shares.sort_by(|a, b| {
            b.at_peak_bytes.cmp(&a.at_peak_bytes).then(b.bytes.cmp(&a.bytes)).then_with(|| a.key.cmp(&b.key))
        });
        shares
    }
}

/// The node that each storage is charged to: the writer of an intermediate result, the first reader of a constant.
fn owners(schedule: &Draft, allocations: usize) -> Vec<Option<NodeRef>> {
    let mut owners = vec![None; allocations];
    for step in &schedule.steps {
        for &value in step.writes.iter().chain(&step.reads) {
            let slot = &mut owners[schedule.value(value).storage.index()];
            *slot = slot.or(Some(step.node));
        }
    }
    owners
}
