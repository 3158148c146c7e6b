//! Instruction sets of processors.

/// Instruction set of a processor. Each one includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Isa {
    /// AVX2.
    Avx2,
    /// AVX2 with products of bytes (AVX-VNNI).
    Avx2Vnni,
    /// AVX-512 without products of bytes.
    Avx512,
    /// AVX-512 with products of bytes (VNNI).
    Avx512Vnni,
    /// AVX-512 with bfloat16, the set of [`Machine::MEASURED`](super::Machine::MEASURED).
    #[default]
    Avx512Bf16,
    /// AMX tiles of bfloat16 and bytes.
    Amx,
    /// AMX tiles of half precision as well.
    AmxFp16,
}

impl Isa {
    /// Every instruction set, the smallest first.
    pub const ALL: [Isa; 7] =
        [Isa::Avx2, Isa::Avx2Vnni, Isa::Avx512, Isa::Avx512Vnni, Isa::Avx512Bf16, Isa::Amx, Isa::AmxFp16];

    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Isa::Avx2 => "avx2",
            Isa::Avx2Vnni => "avx2-vnni",
            Isa::Avx512 => "avx512",
            Isa::Avx512Vnni => "avx512-vnni",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Amx => "amx",
            Isa::AmxFp16 => "amx-fp16",
        }
    }

    /// The instruction set of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Isa> {
        Isa::ALL.into_iter().find(|isa| isa.name() == name)
    }

    /// Whether vectors have 512 bits.
    #[must_use]
    pub fn has_avx512(self) -> bool {
        self >= Isa::Avx512
    }

    /// Whether products of bfloat16 are instructions.
    #[must_use]
    pub fn has_bf16(self) -> bool {
        self >= Isa::Avx512Bf16
    }

    /// Whether products of bytes are instructions.
    #[must_use]
    pub fn has_vnni(self) -> bool {
        self == Isa::Avx2Vnni || self >= Isa::Avx512Vnni
    }

    /// Whether products of tiles are instructions.
    #[must_use]
    pub fn has_amx(self) -> bool {
        self >= Isa::Amx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for isa in Isa::ALL {
            assert_eq!(Isa::by_name(isa.name()), Some(isa));
        }
    }

    #[test]
    fn features_follow_the_instruction_set() {
        assert!(Isa::Avx2Vnni.has_vnni() && !Isa::Avx512.has_vnni() && Isa::Avx512Vnni.has_vnni());
        assert!(Isa::Amx.has_bf16() && !Isa::Avx512Vnni.has_bf16());
        assert!(Isa::AmxFp16.has_amx() && !Isa::Avx512Bf16.has_amx());
    }
}
