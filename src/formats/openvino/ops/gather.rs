//! Operators that pick or place elements by index.

use super::super::attributes::{Attributes, Result};
use super::{Entry, op};
use crate::graph::Op;
use crate::graph::OpKind as K;
use crate::graph::op::Scatter;

pub(super) const TABLE: &[Entry] = &[
    op(&[K::Gather], "Gather", 1, |_| Ok(Op::Gather { batch_dims: 0 })),
    op(&[K::Gather], "Gather", 7, gather),
    op(&[K::Gather], "Gather", 8, gather),
    op(&[K::GatherElements], "GatherElements", 6, |_| Ok(Op::GatherElements)),
    op(&[K::GatherNd], "GatherND", 5, |layer| gather_nd(layer, true)),
    op(&[K::GatherNd], "GatherND", 8, |layer| gather_nd(layer, false)),
    op(&[K::GatherTree], "GatherTree", 1, |_| Ok(Op::GatherTree)),
    op(&[K::ScatterUpdate], "ScatterUpdate", 3, |_| Ok(Op::Scatter(Scatter::Slices))),
    op(&[K::ScatterElements], "ScatterElementsUpdate", 3, |layer| {
        scatter(layer, Scatter::Elements, Scatter::ReducedElements)
    }),
    op(&[K::ScatterElements], "ScatterElementsUpdate", 12, |layer| {
        scatter(layer, Scatter::Elements, Scatter::ReducedElements)
    }),
    op(&[K::ScatterNd], "ScatterNDUpdate", 3, |layer| scatter(layer, Scatter::Nd, Scatter::ReducedNd)),
    op(&[K::ScatterNd], "ScatterNDUpdate", 15, |layer| scatter(layer, Scatter::Nd, Scatter::ReducedNd)),
];

fn gather(layer: &Attributes<'_, '_>) -> Result<Op> {
    Ok(Op::Gather { batch_dims: layer.int_or("batch_dims", 0)? })
}

fn gather_nd(layer: &Attributes<'_, '_>, flatten_batch_dims: bool) -> Result<Op> {
    Ok(Op::GatherNd { batch_dims: layer.int_or("batch_dims", 0)?, flatten_batch_dims })
}

/// Older sets have no `reduction`: what is written replaces what was there.
fn scatter(layer: &Attributes<'_, '_>, plain: Scatter, reduced: Scatter) -> Result<Op> {
    let is_plain = layer.raw("reduction").is_none_or(|reduction| reduction.eq_ignore_ascii_case("none"));
    Ok(Op::Scatter(if is_plain { plain } else { reduced }))
}
