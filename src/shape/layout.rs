//! Walks over the elements of small tensors, in row-major order.

use crate::graph::{Elements, Value};
use smallvec::SmallVec;

/// Values of more elements than this are not carried along. Source: shape-driving tensors of exports hold tens of
/// elements; position tables of 2,048 still fit.
pub(crate) const MAX_VALUE_ELEMENTS: u64 = 4096;

/// Largest number of elements of all values of one graph together: 128 MiB. Exports have some 10^5.
pub(super) const MAX_ALL_VALUES: u64 = 1 << 24;

/// Positions of elements in a tensor's row-major order.
pub(super) type Offsets = SmallVec<[usize; 8]>;

/// Steps in elements, one per dim.
pub(super) type Strides = SmallVec<[i64; 6]>;

/// Number of elements, where it does not exceed [`MAX_VALUE_ELEMENTS`].
pub(super) fn small_count(dims: &[u64]) -> Option<usize> {
    let mut count = 1_u64;
    for &dim in dims {
        count = count.saturating_mul(dim);
    }
    (count <= MAX_VALUE_ELEMENTS).then_some(count as usize)
}

/// Steps between neighbours along each dim of a packed tensor.
pub(super) fn strides(dims: &[u64]) -> Strides {
    let mut strides: Strides = dims.iter().map(|_| 0).collect();
    let mut step = 1_i64;
    for (stride, &dim) in strides.iter_mut().zip(dims).rev() {
        *stride = step;
        step = step.saturating_mul(i64::try_from(dim).unwrap_or(i64::MAX));
    }
    strides
}

/// Steps that read a tensor of `dims` as if it were broadcast to `rank` dims: 0 along dims of 1 and along new ones.
pub(super) fn broadcast_strides(dims: &[u64], rank: usize) -> Strides {
    let own = strides(dims).into_iter().zip(dims).map(|(stride, &dim)| if dim == 1 { 0 } else { stride });
    std::iter::repeat_n(0, rank.saturating_sub(dims.len())).chain(own).collect()
}

/// Positions `start + Σ index·stride` of every index within `dims`; `None` if they are too many or negative.
pub(super) fn offsets(dims: &[u64], start: i64, strides: &[i64]) -> Option<Offsets> {
    let count = small_count(dims)?;
    let mut offsets = Offsets::with_capacity(count);
    if count == 0 {
        return Some(offsets);
    }
    let mut index: SmallVec<[u64; 6]> = dims.iter().map(|_| 0).collect();
    let mut offset = start;
    loop {
        offsets.push(usize::try_from(offset).ok()?);
        let mut carried = true;
        for ((index, &dim), &stride) in index.iter_mut().zip(dims).zip(strides).rev() {
            if *index + 1 < dim {
                *index += 1;
                offset = offset.checked_add(stride)?;
                carried = false;
                break;
            }
            offset = offset.checked_sub(stride.checked_mul(*index as i64)?)?;
            *index = 0;
        }
        if carried {
            return Some(offsets);
        }
    }
}

/// The elements at these positions; `None` if one is outside.
pub(super) fn pick(value: &Value, offsets: impl IntoIterator<Item = usize>) -> Option<Value> {
    let offsets = offsets.into_iter();
    let elements = match &value.elements {
        Elements::Int(values) => {
            Elements::Int(offsets.map(|offset| values.get(offset).copied()).collect::<Option<_>>()?)
        }
        Elements::Float(values) => {
            Elements::Float(offsets.map(|offset| values.get(offset).copied()).collect::<Option<_>>()?)
        }
    };
    Some(Value { elements, is_upper_bound: value.is_upper_bound })
}

/// The elements of `value`, a packed tensor of `from` dims, broadcast to `to` the NumPy way.
pub(super) fn broadcast(value: &Value, from: &[u64], to: &[u64]) -> Option<Value> {
    pick(value, offsets(to, 0, &broadcast_strides(from, to.len()))?)
}

#[test]
fn strided_walks_cover_transposes_and_reversals() {
    assert_eq!(offsets(&[3, 2], 0, &[1, 3]).unwrap().as_slice(), [0, 3, 1, 4, 2, 5]);
    assert_eq!(offsets(&[3], 2, &[-1]).unwrap().as_slice(), [2, 1, 0]);
    assert_eq!(offsets(&[], 7, &[]).unwrap().as_slice(), [7]);
    assert_eq!(offsets(&[2], 0, &[-1]), None);
    assert_eq!(offsets(&[u64::MAX, u64::MAX], 0, &[1, 1]), None);
    assert_eq!(offsets(&[0, u64::MAX], 0, &[1, 1]).unwrap().len(), 0);
}
