//! The end of a graph: the last norm, logits, and hidden states made one.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_pooling`), src/models/*.cpp.

use super::norm::Norm;
use crate::dtype::GgmlType;
use crate::error::Result;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// Ways to make one hidden state of many, by number.
///
/// Source: include/llama.h (`llama_pooling_type`).
mod pooling {
    pub(super) const MEAN: u64 = 1;
    pub(super) const CLS: u64 = 2;
    pub(super) const LAST: u64 = 3;
    pub(super) const RANK: u64 = 4;
}

/// What follows the product with the output weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) enum Logits {
    /// Nothing.
    Plain,
    /// A factor.
    Scaled,
    /// Bounds by the hyperbolic tangent.
    SoftCapped,
}

impl Build<'_> {
    /// The last norm and the logits; both are read after the run.
    pub(in crate::runtime::llama_cpp) fn finish(&mut self, x: Id, norm: Norm, logits: Logits) -> Result<()> {
        let hidden = self.last_norm(x, norm);
        self.logits(hidden, logits)
    }

    /// As [`finish`](Build::finish), where the last layer runs on all tokens: their hidden states after the norm are read after
    /// the run, and those that are not wanted are left out then.
    pub(in crate::runtime::llama_cpp) fn finish_all(&mut self, x: Id, ids: Id, logits: Logits) -> Result<()> {
        self.graph.layer = None;
        let all = self.norm(x, Norm::Rms, "output_norm");
        self.graph.name(all, "h_nextn");
        self.graph.set_output(all);
        let hidden = self.graph.get_rows(all, ids);
        self.graph.name(hidden, "result_norm");
        self.hidden_is(hidden);
        self.logits(hidden, logits)
    }

    /// The last norm, which is read after the run.
    pub(in crate::runtime::llama_cpp) fn last_norm(&mut self, x: Id, norm: Norm) -> Id {
        self.graph.layer = None;
        let hidden = self.norm(x, norm, "output_norm");
        self.graph.name(hidden, "result_norm");
        self.hidden_is(hidden);
        hidden
    }

    /// The end of an encoder: the last norm, whose result is read after the run.
    pub(in crate::runtime::llama_cpp) fn finish_hidden(&mut self, x: Id, norm: Norm) -> Result<()> {
        let hidden = self.last_norm(x, norm);
        self.graph.expand(hidden);
        Ok(())
    }

    /// The end of an encoder without a last norm.
    pub(in crate::runtime::llama_cpp) fn hidden_only(&mut self, hidden: Id) {
        self.graph.name(hidden, "result_embd");
        self.hidden_is(hidden);
        self.graph.expand(hidden);
    }

    /// Marks the hidden states that are read after the run.
    pub(in crate::runtime::llama_cpp) fn hidden_is(&mut self, hidden: Id) {
        self.graph.set_output(hidden);
        self.hidden = Some(hidden);
    }

    /// The logits, which are read after the run.
    pub(in crate::runtime::llama_cpp) fn logits(&mut self, hidden: Id, kind: Logits) -> Result<()> {
        self.graph.layer = None;
        let weight = self.output_weight()?;
        let mut x = self.graph.mul_mat(weight, hidden);
        if let Some(bias) = self.find("output.bias") {
            x = self.graph.add(x, bias);
        }
        match kind {
            Logits::Plain => {}
            Logits::Scaled => x = self.graph.scale(x),
            Logits::SoftCapped => {
                x = self.graph.scale(x);
                x = self.graph.unary(x);
                x = self.graph.scale(x);
            }
        }
        self.graph.name(x, "result_output");
        self.graph.set_output(x);
        self.graph.expand(x);
        Ok(())
    }

    /// Hidden states made one for each sequence, where they are returned.
    pub(in crate::runtime::llama_cpp) fn pool(&mut self) {
        let Some(hidden) = self.hidden.filter(|_| self.settings.embeddings) else { return };
        let sequences = self.batch.sequences;
        let mut x = match self.of_classifier() {
            pooling::MEAN => {
                let mean = self.graph.input("inp_mean", GgmlType::F32, [self.batch.tokens, sequences, 1, 1]);
                let turned = self.graph.transpose(hidden);
                let turned = self.graph.cont(turned);
                self.graph.mul_mat(turned, mean)
            }
            pooling::CLS | pooling::LAST | pooling::RANK => {
                let ids = self.graph.input("inp_cls", GgmlType::I32, [sequences, 1, 1, 1]);
                self.graph.get_rows(hidden, ids)
            }
            _ => hidden,
        };
        if self.settings.pooling == pooling::RANK {
            x = self.rank(x);
        }
        self.graph.expand(x);
        x = self.projected(x);
        self.graph.name(x, "result_embd_pooled");
        self.graph.set_output(x);
        self.graph.expand(x);
    }

    /// How hidden states become one; before a classifier, as it wants.
    fn of_classifier(&self) -> u64 {
        let own = self.settings.pooling;
        let wanted = self.model.number("classifier.pooling_type");
        // The classifier of ModernBERT wants the mean, where the file does not say otherwise.
        let wanted = wanted.or_else(|| (self.model.architecture == "modern-bert").then_some(pooling::MEAN));
        match (own, wanted) {
            (pooling::RANK, Some(pooling::MEAN)) => pooling::MEAN,
            _ => own,
        }
    }

    /// The products behind the pooling, of files that have their weights.
    ///
    /// Source: src/llama-graph.cpp (`build_dense_out`).
    fn projected(&mut self, x: Id) -> Id {
        let mut x = x;
        if let Some(weight) = self.find("dense_2.weight") {
            x = self.graph.mul_mat(weight, x);
        }
        if let Some(bias) = self.find("dense_2.bias") {
            x = self.graph.add(x, bias);
        }
        match self.find("dense_3.weight") {
            Some(weight) => self.graph.mul_mat(weight, x),
            None => x,
        }
    }

    /// The classifier of a model that ranks.
    fn rank(&mut self, x: Id) -> Id {
        let mut x = x;
        for (name, is_bounded) in [("cls", true), ("cls.output", false)] {
            let Some(weight) = self.find(&format!("{name}.weight")) else { continue };
            x = self.graph.mul_mat(weight, x);
            if let Some(bias) = self.find(&format!("{name}.bias")) {
                x = self.graph.add(x, bias);
            }
            if is_bounded {
                x = self.graph.unary(x);
                if let Some(weight) = self.find("cls.norm.weight") {
                    x = self.norm_with(x, Norm::Layer, Some(weight), None);
                }
            }
        }
        // Qwen's rankers choose between two words.
        if matches!(self.model.architecture, "qwen3" | "qwen3vl") {
            x = self.graph.soft_max(x, None, None);
        }
        x
    }
}
