//! The machine that an analysis assumes: instruction set, caches, cores.
//!
//! Runtimes choose kernels, packing and workspace by the processor that they run on. Every rule that depends on it reads
//! this one value.

mod host;
mod isa;

pub use isa::Isa;

use crate::units::Bytes;

/// Bytes of a page of memory: those of Linux on x86-64.
pub(crate) const PAGE: u64 = 4096;

/// The processor that a run is analyzed for.
///
/// The default is [`Machine::MEASURED`]: an analysis does not read the machine that it runs on unless
/// [`Machine::host`] is asked for, so that its result is the same everywhere.
///
/// # Example
///
/// ```
/// use memgraph::machine::{Isa, Machine};
///
/// let mut machine = Machine::default();
/// machine.isa = Isa::Avx2;
/// assert!(!machine.isa.has_avx512());
/// assert_eq!(machine.l2, memgraph::Bytes(1 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Machine {
    /// Instruction set.
    pub isa: Isa,
    /// Level-1 data cache of one core.
    pub l1d: Bytes,
    /// Level-2 cache of one core.
    pub l2: Bytes,
    /// Cores that an inference uses, one thread on each.
    pub cores: u32,
}

impl Machine {
    /// The machine of the measured runs: a 2-core AMD EPYC (Zen 5) with AVX-512 and BF16, without AMX.
    pub const MEASURED: Machine =
        Machine { isa: Isa::Avx512Bf16, l1d: Bytes(48 << 10), l2: Bytes(1 << 20), cores: 2 };

    /// Reads instruction set and caches of the processor that this program runs on; cores are those of
    /// [`Machine::MEASURED`].
    ///
    /// `None` where no rule is known for the processor: it is not x86-64, or has no AVX2.
    #[must_use]
    pub fn host() -> Option<Machine> {
        let found = host::read()?;
        let default = Machine::MEASURED;
        let (l1d, l2) = (found.l1d.unwrap_or(default.l1d), found.l2.unwrap_or(default.l2));
        Some(Machine { isa: found.isa, l1d, l2, ..default })
    }
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::MEASURED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caches of a core are larger than 4 KiB, and the second level is larger than the first.
    #[test]
    fn caches_of_the_host_have_plausible_sizes() {
        if let Some(machine) = Machine::host() {
            assert!(machine.l1d.0 > 4 << 10 && machine.l2 > machine.l1d, "{machine:?}");
        }
    }
}
