//! The processor that this program runs on.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, CPUID, leaves 4 and 7; AMD64
//! Architecture Programmer's Manual, volume 3, appendix E.4, leaf 0x8000_001D.

use super::isa::Isa;
use crate::units::Bytes;

/// What CPUID reports of a processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub isa: Isa,
    pub l1d: Option<Bytes>,
    pub l2: Option<Bytes>,
}

/// Reads the processor; `None` where no rule is known of it.
#[cfg(target_arch = "x86_64")]
pub(super) fn read() -> Option<Host> {
    Some(Host { isa: x86::isa()?, l1d: x86::data_cache(1), l2: x86::data_cache(2) })
}

/// No rule is known of other processors.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn read() -> Option<Host> {
    None
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use crate::machine::isa::Isa;
    use crate::units::Bytes;
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    use std::is_x86_feature_detected as has;

    pub(super) fn isa() -> Option<Isa> {
        let has_avx512 = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        if has_avx512 && has!("avx512bf16") {
            return Some(amx().unwrap_or(Isa::Avx512Bf16));
        }
        match () {
            () if has_avx512 && has!("avx512vnni") => Some(Isa::Avx512Vnni),
            () if has_avx512 => Some(Isa::Avx512),
            () if has!("avx2") && has!("fma") && has!("avxvnni") => Some(Isa::Avx2Vnni),
            () if has!("avx2") && has!("fma") => Some(Isa::Avx2),
            () => None,
        }
    }

    /// The instruction set with tiles. The standard library detects tiles in unstable code only.
    fn amx() -> Option<Isa> {
        const BF16: u32 = 1 << 22;
        const TILE: u32 = 1 << 24;
        const INT8: u32 = 1 << 25;
        const FP16: u32 = 1 << 21;
        const TILE_STATE: u32 = 0b11 << 17;
        let all = BF16 | TILE | INT8;
        let is_supported =
            __cpuid_count(7, 0).edx & all == all && __cpuid_count(0xd, 0).eax & TILE_STATE == TILE_STATE;
        let has_fp16 = __cpuid_count(7, 1).eax & FP16 != 0;
        is_supported.then_some(if has_fp16 { Isa::AmxFp16 } else { Isa::Amx })
    }

    /// Bytes of the data or unified cache of a level.
    pub(super) fn data_cache(level: u32) -> Option<Bytes> {
        const INSTRUCTIONS: u32 = 2;
        const AMD_TOPOLOGY: u32 = 0x8000_001D;
        let has_amd_leaf = __cpuid(0x8000_0000).eax >= AMD_TOPOLOGY && __cpuid(AMD_TOPOLOGY).eax & 31 != 0;
        let leaf = if has_amd_leaf { AMD_TOPOLOGY } else { 4 };
        (0..8).find_map(|index| {
            let found = __cpuid_count(leaf, index);
            let kind = found.eax & 31;
            let is_wanted = kind != 0 && kind != INSTRUCTIONS && (found.eax >> 5) & 7 == level;
            let field = |from: u32, bits: u32| u64::from((found.ebx >> from) & ((1 << bits) - 1)) + 1;
            is_wanted
                .then(|| Bytes(field(0, 12) * field(12, 10) * field(22, 10) * (u64::from(found.ecx) + 1)))
        })
    }
}
