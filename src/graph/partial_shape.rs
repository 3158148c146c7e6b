//! Shapes as files declare them: dims may be unknown, bounded or named.

use smallvec::SmallVec;
use std::fmt;

/// Concrete dims of a tensor.
pub type Dims = SmallVec<[u64; 4]>;

/// A declared dimension: an interval of sizes; equal ends mean a known dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dim {
    /// Smallest size.
    pub min: u64,
    /// Largest size; `u64::MAX`: no limit.
    pub max: u64,
}

impl Dim {
    /// Any size.
    pub const ANY: Dim = Dim { min: 0, max: u64::MAX };

    /// Exactly `size`.
    #[must_use]
    pub fn known(size: u64) -> Dim {
        Dim { min: size, max: size }
    }

    /// The size, if there is only one.
    #[must_use]
    pub fn as_known(self) -> Option<u64> {
        (self.min == self.max).then_some(self.min)
    }

    /// Whether `size` is within the interval.
    #[must_use]
    pub fn contains(self, size: u64) -> bool {
        self.min <= size && size <= self.max
    }
}

/// A declared shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialShape {
    /// The dims; `None`: even the rank is unknown.
    pub dims: Option<SmallVec<[Dim; 4]>>,
}

impl PartialShape {
    /// Unknown rank.
    #[must_use]
    pub fn any() -> PartialShape {
        PartialShape { dims: None }
    }

    /// All dims known.
    #[must_use]
    pub fn known(dims: &[u64]) -> PartialShape {
        PartialShape { dims: Some(dims.iter().map(|&dim| Dim::known(dim)).collect()) }
    }

    /// The dims, if every one is known.
    #[must_use]
    pub fn as_known(&self) -> Option<Dims> {
        self.dims.as_ref()?.iter().map(|dim| dim.as_known()).collect()
    }

    /// Whether `dims` fits: same rank, every dim within its interval.
    #[must_use]
    pub fn contains(&self, dims: &[u64]) -> bool {
        self.dims.as_ref().is_none_or(|own| {
            own.len() == dims.len() && own.iter().zip(dims).all(|(dim, &size)| dim.contains(size))
        })
    }
}

impl fmt::Display for PartialShape {
    /// OpenVINO's form: `[?,1..8,3]`, `[...]` for an unknown rank.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(dims) = &self.dims else { return f.write_str("[...]") };
        f.write_str("[")?;
        for (index, dim) in dims.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match (dim.as_known(), dim.min, dim.max) {
                (Some(size), ..) => write!(f, "{size}")?,
                (None, 0, u64::MAX) => f.write_str("?")?,
                (None, min, u64::MAX) => write!(f, "{min}..")?,
                (None, 0, max) => write!(f, "..{max}")?,
                (None, min, max) => write!(f, "{min}..{max}")?,
            }
        }
        f.write_str("]")
    }
}
