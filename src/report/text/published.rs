//! The first line, in the form of the published estimators.

use crate::report::model::Totals;
use crate::units::Bytes;
use std::fmt::Write;

/// The heading of a whole pipeline.
pub const PIPELINE: &str = "VIT + LLM + Embeddings";

/// A line in the published form, of the sum of some totals.
pub(super) fn published<'a>(
    out: &mut String,
    heading: &str,
    totals: impl IntoIterator<Item = &'a Totals>,
) -> std::fmt::Result {
    let mut sums = [Bytes::ZERO; 3];
    for totals in totals {
        let weights = Bytes(totals.weights_file_bytes) + Bytes(totals.weights_anonymous_bytes);
        for (sum, bytes) in
            sums.iter_mut().zip([Bytes(totals.total_bytes), weights, Bytes(totals.temp_bytes)])
        {
            *sum += bytes;
        }
    }
    let [total, weights, temp] = sums.map(Bytes::mb);
    writeln!(out, "Total {heading} Runtime Memory {total} MB weight {weights} MB temp {temp} MB")
}
