//! Orders of axes: which dim of the data each dim of a transposition's result is.
//!
//! Source: onnxruntime/core/optimizer/transpose_optimization/onnx_transpose_optimization.cc (`InvertPerm`, `ComposePerm`,
//! `UnsqueezePerm`, `SqueezePerm`), ONNX Runtime 1.31.1.

use smallvec::{SmallVec, smallvec};

/// An order of axes: a permutation of 0 to its length.
pub(super) type Axes = SmallVec<[usize; 6]>;

/// The order that these numbers are; nothing if they are not a permutation.
pub(super) fn permutation(numbers: &[i64]) -> Option<Axes> {
    let axes = distinct(numbers, numbers.len())?;
    // Negative axes are not allowed here.
    numbers.iter().all(|&axis| axis >= 0).then_some(axes)
}

/// Axes of a tensor of this rank, counted from its first dim; nothing if one is out of range or there twice.
pub(super) fn distinct(numbers: &[i64], rank: usize) -> Option<Axes> {
    let mut is_seen: SmallVec<[bool; 8]> = smallvec![false; rank];
    let from_first = |&axis: &i64| {
        let axis = if axis < 0 { axis.checked_add_unsigned(rank as u64)? } else { axis };
        let axis = usize::try_from(axis).ok()?;
        let seen = is_seen.get_mut(axis)?;
        (!std::mem::replace(seen, true)).then_some(axis)
    };
    numbers.iter().map(from_first).collect()
}

/// The order that undoes one.
pub(super) fn inverse(axes: &[usize]) -> Axes {
    let mut inverse: Axes = smallvec![0; axes.len()];
    for (place, &axis) in axes.iter().enumerate() {
        inverse[axis] = place;
    }
    inverse
}

/// Two transpositions as one, `first` done before `second`; both of the same length.
pub(super) fn composed(first: &[usize], second: &[usize]) -> Axes {
    second.iter().map(|&axis| first[axis]).collect()
}

/// Whether an order leaves every dim where it is.
pub(super) fn is_identity(axes: &[usize]) -> bool {
    axes.iter().enumerate().all(|(place, &axis)| place == axis)
}

/// The order of what gets dims of 1 at these axes of the result: they stay where they are.
pub(super) fn unsqueezed(added: &[usize], axes: &[usize]) -> Axes {
    let rank = added.len() + axes.len();
    let kept: Axes = (0..rank).filter(|axis| !added.contains(axis)).collect();
    let mut rest = axes.iter();
    let of = |axis| if added.contains(&axis) { Some(axis) } else { rest.next().map(|&from| kept[from]) };
    (0..rank).filter_map(of).collect()
}

/// The order of what is left without these axes of the data.
pub(super) fn squeezed(removed: &[usize], axes: &[usize]) -> Axes {
    let place = |axis: usize| axis - removed.iter().filter(|&&gone| gone < axis).count();
    axes.iter().filter(|axis| !removed.contains(axis)).map(|&axis| place(axis)).collect()
}

/// Where these axes of a transposition's result are in its data, smallest first.
pub(super) fn sorted(of: &[usize], axes: &[usize]) -> Axes {
    let mut sorted: Axes = of.iter().map(|&axis| axes[axis]).collect();
    sorted.sort_unstable();
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(numbers: &[usize]) -> Axes {
        numbers.into()
    }

    #[test]
    fn only_permutations_are_orders() {
        assert_eq!(permutation(&[2, 0, 1]), Some(axes(&[2, 0, 1])));
        for wrong in [&[0, 0][..], &[0, 2], &[-1, 0]] {
            assert_eq!(permutation(wrong), None);
        }
        assert_eq!(distinct(&[-1, 0], 3), Some(axes(&[2, 0])));
        assert_eq!(distinct(&[i64::MIN], 3), None);
    }

    #[test]
    fn an_order_and_its_inverse_cancel() {
        let order = axes(&[2, 0, 1]);
        assert_eq!(inverse(&order), axes(&[1, 2, 0]));
        assert!(is_identity(&composed(&order, &inverse(&order))));
    }

    #[test]
    fn orders_follow_dims_that_come_and_go() {
        // [A, B, C] to [C, A, B]; with dims of 1 around: [1, A, B, 1, C] to [1, C, A, 1, B].
        assert_eq!(unsqueezed(&[0, 3], &[2, 0, 1]), axes(&[0, 4, 1, 3, 2]));
        // Without B of the data.
        assert_eq!(squeezed(&[1], &[2, 0, 1]), axes(&[1, 0]));
        assert_eq!(sorted(&[0, 1], &[2, 0, 1]), axes(&[0, 2]));
    }
}
