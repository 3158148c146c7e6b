//! Sums of a phase: bytes by storage, and its peak.

use super::model;
use super::view::View;
use crate::machine::PAGE;
use crate::phases::PhaseName;
use crate::schedule::{Known, StorageClass};
use crate::units::Bytes;

impl View<'_> {
    /// Bytes by storage.
    pub(super) fn totals(&self) -> model::Totals {
        let known = self.known();
        model::Totals {
            weights_file_bytes: self.weights_file().0,
            weights_anonymous_bytes: self.weights_anonymous().0,
            arena_bytes: (self.phase.plan.arena_size - self.growing() - self.returned()).0,
            dynamic_bytes: self.growing().0,
            io_bytes: (self.class(StorageClass::Io) + self.class(StorageClass::Output)).0,
            kv_cache_bytes: (self.class(StorageClass::KvCache) + self.class(StorageClass::PresentCache)).0,
            state_bytes: self.class(StorageClass::State).0,
            scratch_bytes: self.class(StorageClass::Workspace).0,
            runtime_bytes: (self.class(StorageClass::Runtime) + self.class(StorageClass::Code)).0,
            temp_bytes: self.temp().0,
            total_bytes: self.total().0,
            least_total_bytes: None,
            lower_bound_bytes: self.peak_pressure.0,
            largest_allocation_bytes: self.largest_allocation().0,
            known: known.into(),
            unknown_tensors: None,
            parts_sum_bytes: None,
        }
    }

    /// Bytes of the arena that hold what the run returns.
    fn returned(&self) -> Bytes {
        self.class(StorageClass::Output) + self.class(StorageClass::PresentCache)
    }

    /// Bytes of the arena that were never written to, so that no page is behind them.
    fn untouched(&self) -> Bytes {
        let plan = &self.phase.plan;
        if plan.touched.is_empty() {
            return Bytes::ZERO;
        }
        let pages =
            plan.touched.iter().map(|range| range.end.next_multiple_of(PAGE) - range.start / PAGE * PAGE);
        plan.arena_size - Bytes(pages.fold(0, u64::saturating_add)).min(plan.arena_size)
    }

    /// The largest block of the arena, or the largest storage outside of it that the runtime allocates.
    fn largest_allocation(&self) -> Bytes {
        let storages = self.allocations.iter();
        let apart = storages
            .filter(|storage| !storage.class.is_planned() && storage.class != StorageClass::WeightsFile)
            .filter(|storage| storage.class != StorageClass::Runtime);
        let inside = self.arena_blocks().into_iter().map(|(_, bytes)| bytes);
        apart.map(|storage| storage.bytes).chain(inside).max().unwrap_or_default()
    }

    /// How the sum of all allocations is known.
    fn known(&self) -> Known {
        let known = self.allocations.iter().map(|held| held.known).fold(Known::Exact, Known::and);
        if self.phase.lowered.schedule().unknown_tensors > 0 { Known::LowerBound } else { known }
    }

    /// The phase's peak.
    pub(super) fn phase(&self) -> model::Phase {
        let residency = &self.phase.outcome.residency;
        let heap = self.weights_anonymous() + self.temp() - self.inputs - residency.device_bytes;
        let file = self.weights_file() - residency.unread_bytes + residency.library_bytes;
        let anonymous = residency
            .anonymous_bytes
            .unwrap_or_else(|| heap - residency.untouched_bytes + residency.kept_bytes - self.untouched());
        let lower = residency.anonymous_lower_bytes.filter(|&lower| lower < anonymous);
        let upper = residency.anonymous_upper_bytes.filter(|&upper| upper > anonymous);
        let step = self.phase.lowered.schedule().steps.get(self.peak_step as usize);
        model::Phase {
            name: self.phase.name.name().to_owned(),
            heap_peak_bytes: heap.0,
            resident_peak_bytes: (anonymous + file).0,
            resident_peak_lower_bytes: lower.map(|lower| (lower + file).0),
            resident_peak_upper_bytes: upper.map(|upper| (upper + file).0),
            resident_known: self.known().and(residency.known).into(),
            file_resident_bytes: file.0,
            tokens: self.tokens(),
            step: step.map(|_| u64::from(self.peak_step)),
            node: step.map(|step| self.node_name(step.node).to_owned()),
            op: step.map(|step| self.node_type(step.node).to_owned()),
            ..model::Phase::default()
        }
    }

    /// Tokens of a sequence once the phase has run.
    fn tokens(&self) -> Option<u64> {
        let scenario = &self.phase.scenario;
        let runs = matches!(self.phase.name, PhaseName::Prefill | PhaseName::Decode);
        scenario.prompt.filter(|_| runs).map(|prompt| prompt.saturating_add(scenario.past))
    }
}
