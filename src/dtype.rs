//! Element types of tensors, those of OpenVINO and ONNX together; `ggml` has those of GGUF files.

mod ggml;

pub use ggml::GgmlType;

use crate::Bytes;
use std::fmt;

macro_rules! dtypes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $bits:expr;)*) => {
        /// The type of a tensor's elements.
        ///
        /// The text form is OpenVINO's (`f16`, `i64`, `boolean`, …).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum DType { $($(#[$doc])* $name,)* }

        impl DType {
            /// Every element type, in declaration order.
            pub const ALL: &'static [DType] = &[$(DType::$name,)*];

            /// The name in reports and JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(DType::$name => $text,)* }
            }

            /// Bits of one element; `None` where elements have no fixed size.
            #[must_use]
            pub fn bits(self) -> Option<u64> {
                match self { $(DType::$name => $bits,)* }
            }

            /// The type called `name`, or `None`.
            #[must_use]
            pub fn from_name(name: &str) -> Option<DType> {
                match name { $($text => Some(DType::$name),)* _ => None }
            }
        }
    };
}

dtypes! {
    /// Not known: the file says `dynamic` or nothing.
    Dynamic = "dynamic", None;
    /// One byte, 0 or 1.
    Boolean = "boolean", Some(8);
    /// One bit.
    U1 = "u1", Some(1);
    /// Two bits.
    U2 = "u2", Some(2);
    /// Three bits.
    U3 = "u3", Some(3);
    /// Four bits.
    U4 = "u4", Some(4);
    /// Six bits.
    U6 = "u6", Some(6);
    /// Eight bits.
    U8 = "u8", Some(8);
    /// 16 bits.
    U16 = "u16", Some(16);
    /// 32 bits.
    U32 = "u32", Some(32);
    /// 64 bits.
    U64 = "u64", Some(64);
    /// Two bits, signed.
    I2 = "i2", Some(2);
    /// Four bits, signed.
    I4 = "i4", Some(4);
    /// Eight bits, signed.
    I8 = "i8", Some(8);
    /// 16 bits, signed.
    I16 = "i16", Some(16);
    /// 32 bits, signed.
    I32 = "i32", Some(32);
    /// 64 bits, signed.
    I64 = "i64", Some(64);
    /// Four-bit normal float.
    NF4 = "nf4", Some(4);
    /// Four-bit float, OCP E2M1.
    F4E2M1 = "f4e2m1", Some(4);
    /// Six-bit float, OCP E2M3.
    F6E2M3 = "f6e2m3", Some(6);
    /// Six-bit float, OCP E3M2.
    F6E3M2 = "f6e3m2", Some(6);
    /// Eight-bit float, OCP E4M3.
    F8E4M3 = "f8e4m3", Some(8);
    /// Eight-bit float, OCP E5M2.
    F8E5M2 = "f8e5m2", Some(8);
    /// Eight-bit exponent, OCP E8M0.
    F8E8M0 = "f8e8m0", Some(8);
    /// IEEE half.
    F16 = "f16", Some(16);
    /// bfloat16.
    BF16 = "bf16", Some(16);
    /// IEEE single.
    F32 = "f32", Some(32);
    /// IEEE double.
    F64 = "f64", Some(64);
    /// Pair of f32.
    Complex64 = "complex64", Some(64);
    /// Pair of f64.
    Complex128 = "complex128", Some(128);
    /// Variable-length text; the handle's size depends on the runtime.
    String = "string", None;
}

impl DType {
    /// Bytes of `elements` packed elements, rounded up to whole bytes, or `None` where the size is not known.
    ///
    /// # Example
    ///
    /// ```
    /// use memgraph::{Bytes, DType};
    ///
    /// assert_eq!(DType::U4.bytes(3), Some(Bytes(2)));
    /// assert_eq!(DType::String.bytes(3), None);
    /// ```
    #[must_use]
    pub fn bytes(self, elements: u64) -> Option<Bytes> {
        let bits = u128::from(elements) * u128::from(self.bits()?);
        u64::try_from(bits.div_ceil(8)).ok().map(Bytes)
    }

    /// Whether elements are real floating-point numbers.
    #[must_use]
    pub fn is_float(self) -> bool {
        use DType::*;
        matches!(self, NF4 | F4E2M1 | F6E2M3 | F6E3M2 | F8E4M3 | F8E5M2 | F8E8M0 | F16 | BF16 | F32 | F64)
    }

    /// Whether elements are integers or booleans.
    #[must_use]
    pub fn is_integral(self) -> bool {
        use DType::*;
        matches!(
            self,
            Boolean | U1 | U2 | U3 | U4 | U6 | U8 | U16 | U32 | U64 | I2 | I4 | I8 | I16 | I32 | I64
        )
    }

    /// Rounds `value` to what an element of this float type holds; other types are left alone.
    #[must_use]
    pub fn round_float(self, value: f64) -> f64 {
        match self {
            DType::F16 => half::f16::from_f64(value).to_f64(),
            DType::BF16 => half::bf16::from_f64(value).to_f64(),
            DType::F32 => f64::from(value as f32),
            _ => value,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
