//! The first line, in the form of the published estimators.

use crate::report::model::Totals;
use crate::units::Bytes;
use std::fmt::Write;

/// What the first line calls the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heading {
    /// A language model.
    Llm,
    /// A vision tower.
    Vit,
    /// Any other model.
    Model,
    /// A pipeline: one line for the vision tower, one for the language model, one for all.
    Pipeline,
}

impl Heading {
    /// The words in the line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Heading::Llm => "LLM",
            Heading::Vit => "VIT",
            Heading::Model => "Model",
            Heading::Pipeline => "VIT + LLM + Embeddings",
        }
    }
}

/// A line in the published form, of the sum of some totals.
pub(super) fn published<'a>(
    out: &mut String,
    heading: Heading,
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
    let heading = heading.name();
    writeln!(out, "Total {heading} Runtime Memory {total} MB weight {weights} MB temp {temp} MB")
}
