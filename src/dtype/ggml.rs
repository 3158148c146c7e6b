//! Element types of GGUF files: numbers in blocks that share scales.

macro_rules! ggml_types {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $text:literal, $elements:literal, $bytes:literal;)*) => {
        /// The type of a stored tensor's elements, as ggml has it.
        ///
        /// A row is a whole number of blocks; a block has [`elements`](GgmlType::elements) in
        /// [`block_bytes`](GgmlType::block_bytes).
        ///
        /// Source: ggml 0.25.3, ggml/include/ggml.h (`ggml_type`) and ggml/src/ggml-common.h (sizes of blocks).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum GgmlType { $($(#[$doc])* $name,)* }

        impl GgmlType {
            /// Every type, by number.
            pub const ALL: &'static [GgmlType] = &[$(GgmlType::$name,)*];

            /// The number in files.
            #[must_use]
            pub fn id(self) -> u32 {
                match self { $(GgmlType::$name => $id,)* }
            }

            /// The name, as ggml prints it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(GgmlType::$name => $text,)* }
            }

            /// Elements of one block; 1 where elements are stored one by one.
            #[must_use]
            pub fn elements(self) -> u64 {
                match self { $(GgmlType::$name => $elements,)* }
            }

            /// Bytes of one block.
            #[must_use]
            pub fn block_bytes(self) -> u64 {
                match self { $(GgmlType::$name => $bytes,)* }
            }
        }
    };
}

ggml_types! {
    /// IEEE single.
    F32 = 0, "f32", 1, 4;
    /// IEEE half.
    F16 = 1, "f16", 1, 2;
    /// 4 bits, one scale.
    Q4_0 = 2, "q4_0", 32, 18;
    /// 4 bits, scale and minimum.
    Q4_1 = 3, "q4_1", 32, 20;
    /// 5 bits, one scale.
    Q5_0 = 6, "q5_0", 32, 22;
    /// 5 bits, scale and minimum.
    Q5_1 = 7, "q5_1", 32, 24;
    /// 8 bits, one scale.
    Q8_0 = 8, "q8_0", 32, 34;
    /// 8 bits, scale and sum.
    Q8_1 = 9, "q8_1", 32, 36;
    /// 2 bits, scales in groups of 16.
    Q2K = 10, "q2_K", 256, 84;
    /// 3 bits, scales in groups of 16.
    Q3K = 11, "q3_K", 256, 110;
    /// 4 bits, scales in groups of 32.
    Q4K = 12, "q4_K", 256, 144;
    /// 5 bits, scales in groups of 32.
    Q5K = 13, "q5_K", 256, 176;
    /// 6 bits, scales in groups of 16.
    Q6K = 14, "q6_K", 256, 210;
    /// 8 bits, for products with the K types.
    Q8K = 15, "q8_K", 256, 292;
    /// 2.06 bits by table.
    IQ2XXS = 16, "iq2_xxs", 256, 66;
    /// 2.31 bits by table.
    IQ2XS = 17, "iq2_xs", 256, 74;
    /// 3.06 bits by table.
    IQ3XXS = 18, "iq3_xxs", 256, 98;
    /// 1.56 bits by table.
    IQ1S = 19, "iq1_s", 256, 50;
    /// 4 bits by table, one scale.
    IQ4NL = 20, "iq4_nl", 32, 18;
    /// 3.44 bits by table.
    IQ3S = 21, "iq3_s", 256, 110;
    /// 2.5 bits by table.
    IQ2S = 22, "iq2_s", 256, 82;
    /// 4.25 bits by table.
    IQ4XS = 23, "iq4_xs", 256, 136;
    /// Eight bits, signed.
    I8 = 24, "i8", 1, 1;
    /// 16 bits, signed.
    I16 = 25, "i16", 1, 2;
    /// 32 bits, signed.
    I32 = 26, "i32", 1, 4;
    /// 64 bits, signed.
    I64 = 27, "i64", 1, 8;
    /// IEEE double.
    F64 = 28, "f64", 1, 8;
    /// 1.75 bits by table.
    IQ1M = 29, "iq1_m", 256, 56;
    /// bfloat16.
    BF16 = 30, "bf16", 1, 2;
    /// 1.69 bits, ternary.
    TQ1_0 = 34, "tq1_0", 256, 54;
    /// 2.06 bits, ternary.
    TQ2_0 = 35, "tq2_0", 256, 66;
    /// OCP E2M1 with an exponent for 32.
    MXFP4 = 39, "mxfp4", 32, 17;
    /// E2M1 with an E4M3 scale for 16.
    NVFP4 = 40, "nvfp4", 64, 36;
    /// One bit, one scale.
    Q1_0 = 41, "q1_0", 128, 18;
    /// 2 bits, one scale.
    Q2_0 = 42, "q2_0", 64, 18;
}

impl GgmlType {
    /// The type with this number in files, if llama.cpp still reads it.
    #[must_use]
    pub fn from_id(id: u32) -> Option<GgmlType> {
        GgmlType::ALL.iter().copied().find(|found| found.id() == id)
    }

    /// The type of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<GgmlType> {
        GgmlType::ALL.iter().copied().find(|found| found.name() == name)
    }

    /// Whether elements are stored in blocks with scales.
    #[must_use]
    pub fn is_quantized(self) -> bool {
        self.elements() > 1
    }

    /// Bytes of `elements` elements in rows; `None` if they are not whole blocks, or past 64 bits.
    ///
    /// # Example
    ///
    /// ```
    /// use memgraph::dtype::GgmlType;
    ///
    /// assert_eq!(GgmlType::Q4K.bytes(512), Some(288));
    /// assert_eq!(GgmlType::Q4K.bytes(100), None);
    /// ```
    #[must_use]
    pub fn bytes(self, elements: u64) -> Option<u64> {
        let is_whole = elements.is_multiple_of(self.elements());
        is_whole.then(|| (elements / self.elements()).checked_mul(self.block_bytes())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_number_and_name() {
        for &own in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(own.id()), Some(own));
            assert_eq!(GgmlType::from_name(own.name()), Some(own));
        }
        assert_eq!(GgmlType::from_id(4), None); // Q4_2, which no version reads any more
    }
}
