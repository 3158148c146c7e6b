//! Memory that is held in addition to the activations, and from which phase on.

use crate::runtime::Allocation;
use crate::runtime::calibration::Estimate;
use crate::schedule::{Known, NodeRef, StorageClass};
use crate::units::Bytes;

/// A part of a run, as far as memory distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::runtime) enum Moment {
    /// The model is being read.
    Loaded,
    /// The model is compiled, and nothing has run.
    Compiled,
    /// An inference runs.
    Running,
}

/// Memory that is not an activation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub class: StorageClass,
    pub bytes: Bytes,
    /// Whom it belongs to, for reports.
    pub node: NodeRef,
    pub known: Known,
    /// It is there from this moment on.
    pub since: Moment,
}

impl Held {
    /// A copy of weights, on the heap.
    pub(super) fn weights(bytes: u64, node: NodeRef, since: Moment) -> Held {
        let (class, known) = (StorageClass::WeightsAnonymous, Known::Exact);
        Held { class, bytes: Bytes(bytes), node, known, since }
    }

    /// Memory of an estimated length.
    pub(super) fn estimated(class: StorageClass, bytes: Estimate, node: NodeRef, since: Moment) -> Held {
        let (bytes, known) = bytes.known();
        Held { class, bytes: Bytes(bytes), node, known, since }
    }

    /// Memory outside of the schedule.
    pub(super) fn allocation(&self) -> Allocation {
        Allocation { class: self.class, bytes: self.bytes, node: self.node, known: self.known }
    }
}

/// The product of sizes; saturates, since sizes of hostile files may be anything.
pub(super) fn product<const N: usize>(factors: [u64; N]) -> u64 {
    factors.into_iter().fold(1, u64::saturating_mul)
}

/// Rounds up to a multiple.
pub(super) fn round_up(value: u64, multiple: u64) -> u64 {
    value.div_ceil(multiple.max(1)).saturating_mul(multiple.max(1))
}
