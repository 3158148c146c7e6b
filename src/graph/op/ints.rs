//! Lists of attributes.

use smallvec::SmallVec;

/// A short list of integers: strides, axes, pads.
pub type Ints = SmallVec<[i64; 4]>;
