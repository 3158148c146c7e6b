//! The machine that an analysis assumes: instruction set, caches, cores.
//!
//! Runtimes choose kernels, packing and workspace by the processor that they run on. Every rule that depends on it reads
//! this one value.

use crate::units::Bytes;

/// The processor that a run is analyzed for.
///
/// The default is [`Machine::MEASURED`]: an analysis never reads the machine that it runs on, so that its result is the
/// same everywhere.
///
/// # Example
///
/// ```
/// use memgraph::machine::{Isa, Machine};
///
/// let machine = Machine { isa: Isa::Avx2, ..Machine::default() };
/// assert!(!machine.isa.has_avx512());
/// assert_eq!(machine.l2, memgraph::Bytes(1 << 20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Default for Machine {
    fn default() -> Machine {
        Machine::MEASURED
    }
}

/// Instruction set of a processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Isa {
    /// AVX2.
    Avx2,
    /// AVX-512 without bfloat16.
    Avx512,
    /// AVX-512 with bfloat16, the set of [`Machine::MEASURED`].
    #[default]
    Avx512Bf16,
    /// AMX tiles.
    Amx,
    /// 64-bit ARM.
    Arm,
}

impl Isa {
    /// The words of `--isa`.
    pub const NAMES: &'static [&'static str] = &["avx2", "avx512", "avx512-bf16", "amx", "arm"];

    /// The word on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
            Isa::Arm => "arm",
        }
    }

    /// The instruction set of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Isa> {
        [Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Amx, Isa::Arm]
            .into_iter()
            .find(|isa| isa.name() == name)
    }

    /// Whether vectors have 512 bits.
    #[must_use]
    pub fn has_avx512(self) -> bool {
        matches!(self, Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for &name in Isa::NAMES {
            assert_eq!(Isa::by_name(name).map(Isa::name), Some(name));
        }
    }
}
