//! Experts: a feed-forward network of which each token uses some parts.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_moe_ffn`).

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::model::Model;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// How the experts of a token are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) enum Gating {
    /// Softmax over all experts.
    Softmax,
    /// Sigmoid of each.
    Sigmoid,
    /// Softmax over those that are used.
    SoftmaxOfUsed,
    /// Sigmoid of each, by which the inputs of the experts are multiplied, not their results.
    SigmoidBefore,
}

impl Gating {
    /// As the file says; `default` where it does not.
    ///
    /// Source: src/llama-hparams.h (`llama_expert_gating_func_type`).
    ///
    /// # Errors
    ///
    /// If it says neither, or another way.
    pub(in crate::runtime::llama_cpp) fn by_file(
        model: &Model<'_>,
        default: Option<Gating>,
    ) -> Result<Gating> {
        let number = model.number("expert_gating_func").unwrap_or(0);
        let known = match number {
            0 => default,
            1 => Some(Gating::Softmax),
            2 => Some(Gating::Sigmoid),
            3 => Some(Gating::SoftmaxOfUsed),
            _ => None,
        };
        known.ok_or_else(|| {
            let message =
                format!("{}.expert_gating_func is {number}, which is not known", model.architecture);
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

/// A mixture of experts.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime::llama_cpp) struct Mixture {
    /// How experts are weighed.
    pub(in crate::runtime::llama_cpp) gating: Gating,
    /// The weights of a token are divided by their sum.
    pub(in crate::runtime::llama_cpp) is_normalized: bool,
    /// The weights are multiplied by the file's factor, if it has one.
    pub(in crate::runtime::llama_cpp) is_scaled: bool,
    /// Experts without a gate square what is above zero.
    pub(in crate::runtime::llama_cpp) is_squared: bool,
}

impl Mixture {
    /// Softmax, and weights that sum to one.
    pub(in crate::runtime::llama_cpp) const USUAL: Mixture =
        Mixture { gating: Gating::Softmax, is_normalized: true, is_scaled: true, is_squared: false };

    /// Weighed as the file says; by `default` where it does not say how.
    ///
    /// # Errors
    ///
    /// As [`Gating::by_file`].
    pub(in crate::runtime::llama_cpp) fn by_file(
        model: &Model<'_>,
        default: Option<Gating>,
    ) -> Result<Mixture> {
        let gating = Gating::by_file(model, default)?;
        let is_normalized = model.flag("expert_weights_norm").unwrap_or(false);
        Ok(Mixture { gating, is_normalized, ..Mixture::USUAL })
    }
}

impl Build<'_> {
    /// The experts of a layer.
    pub(in crate::runtime::llama_cpp) fn experts(&mut self, x: Id, layer: u64, kind: Mixture) -> Result<Id> {
        let logits = self.linear(x, layer, "ffn_gate_inp")?;
        self.experts_of(x, logits, layer, kind)
    }

    /// The experts of a layer, which are chosen by these logits.
    pub(in crate::runtime::llama_cpp) fn experts_of(
        &mut self,
        x: Id,
        logits: Id,
        layer: u64,
        kind: Mixture,
    ) -> Result<Id> {
        let (experts, used) = (self.model.experts, self.model.experts_used(layer));
        let [width, tokens, ..] = self.graph.ne(x);
        let probabilities = match kind.gating {
            Gating::Softmax => self.graph.soft_max(logits, None, None),
            Gating::Sigmoid | Gating::SigmoidBefore => self.graph.unary(logits),
            Gating::SoftmaxOfUsed => logits,
        };
        let is_before = kind.gating == Gating::SigmoidBefore;
        let mut selection = if is_before { logits } else { probabilities };
        if let Some(bias) = self.layer_weight(layer, "exp_probs_b.bias") {
            selection = self.graph.add(selection, bias);
        }
        if self.model.expert_groups > 1 {
            selection = self.of_groups(selection, experts, tokens);
        }
        let ids = self.graph.top_k(selection, used);
        let column = self.graph.reshape_3d(probabilities, 1, experts, tokens);
        let weights = self.graph.get_rows(column, ids);
        let weights = self.weights(weights, kind, [used, tokens]);
        self.graph.name(weights, "ffn_moe_weights");
        self.graph.expand(weights);
        let mut rows = self.graph.reshape_3d(x, width, 1, tokens);
        if is_before {
            let repeated = self.graph.repeat(rows, [width, used, tokens, 1]);
            rows = self.graph.mul(repeated, weights);
        }
        let active = self.gated_experts(rows, layer, ids, kind.is_squared)?;
        let mut out = self.expert_product(active, layer, "ffn_down_exps", ids)?;
        if !is_before {
            out = self.graph.mul(out, weights);
            self.graph.name(out, "ffn_moe_weighted");
        }
        self.graph.expand(out);
        Ok(self.sum_of_used(out, used, [width, tokens]))
    }

    /// Weights of the used experts, as the kind says.
    fn weights(&mut self, weights: Id, kind: Mixture, [used, tokens]: [u64; 2]) -> Id {
        let mut weights = weights;
        if kind.gating == Gating::SoftmaxOfUsed {
            let flat = self.graph.reshape_2d(weights, used, tokens);
            let soft = self.graph.soft_max(flat, None, None);
            weights = self.graph.reshape_3d(soft, 1, used, tokens);
        }
        if kind.is_normalized {
            let flat = self.graph.reshape_2d(weights, used, tokens);
            let sum = self.graph.of_rows(Op::SumRows, flat);
            let bounded = self.graph.apply(Op::Clamp, sum);
            let divided = self.graph.binary(Op::Div, flat, bounded);
            weights = self.graph.reshape_3d(divided, 1, used, tokens);
        }
        let scale = self.model.float("expert_weights_scale").unwrap_or(0.0);
        if kind.is_scaled && scale != 0.0 && scale != 1.0 {
            weights = self.graph.scale(weights);
        }
        weights
    }

    /// Probabilities of the experts in the best groups, those of others far below.
    fn of_groups(&mut self, probabilities: Id, experts: u64, tokens: u64) -> Id {
        let groups = self.model.expert_groups;
        let size = experts / groups;
        let by_group = self.graph.reshape_3d(probabilities, size, groups, tokens);
        let best = self.graph.top_k(by_group, 2);
        let column = self.graph.reshape(by_group, [1, size, groups, tokens]);
        let scores = self.graph.get_rows(column, best);
        let [_, ne1, ne2, ne3] = self.graph.ne(scores);
        let scores = self.graph.reshape_3d(scores, ne1, ne2, ne3);
        let scores = self.graph.of_rows(Op::SumRows, scores);
        let [_, ne1, ne2, _] = self.graph.ne(scores);
        let scores = self.graph.reshape_2d(scores, ne1, ne2);
        let chosen = self.graph.top_k(scores, self.model.expert_groups_used);
        let kept = self.graph.get_rows(by_group, chosen);
        let masked = self.graph.apply(Op::Fill, by_group);
        let masked = self.graph.set_rows(masked, kept, chosen);
        self.graph.reshape_2d(masked, experts, tokens)
    }

    /// Gate and up of the used experts, from one weight or from two.
    fn gated_experts(&mut self, rows: Id, layer: u64, ids: Id, is_squared: bool) -> Result<Id> {
        if self.layer_weight(layer, "ffn_gate_up_exps.weight").is_some() {
            let both = self.expert_product(rows, layer, "ffn_gate_up_exps", ids)?;
            let ([double, ne1, ne2, _], nb) = (self.graph.ne(both), self.graph.get(both).nb);
            let half = double / 2;
            let gate = self.graph.view_3d(both, [half, ne1, ne2], [nb[1], nb[2]], 0);
            let up = self.graph.view_3d(both, [half, ne1, ne2], [nb[1], nb[2]], half.saturating_mul(nb[0]));
            return Ok(self.graph.glu(gate, up));
        }
        let up = self.expert_product(rows, layer, "ffn_up_exps", ids)?;
        if self.layer_weight(layer, "ffn_gate_exps.weight").is_none() {
            let active = self.graph.unary(up);
            return Ok(if is_squared { self.graph.apply(Op::Sqr, active) } else { active });
        }
        let gate = self.expert_product(rows, layer, "ffn_gate_exps", ids)?;
        Ok(self.graph.glu(gate, up))
    }

    fn expert_product(&mut self, x: Id, layer: u64, name: &'static str, ids: Id) -> Result<Id> {
        let weight = self.need_part(layer, name, "weight")?;
        let mut made = self.graph.mul_mat_id(weight, x, ids);
        // The factors of gates and ups in one weight are those of the ups.
        let scaled = if name == "ffn_gate_up_exps" { "ffn_up_exps" } else { name };
        if let Some(scale) = self.layer_part(layer, scaled, "scale") {
            made = self.expert_scale(made, scale, (x, ids));
        }
        if let Some(bias) = self.layer_part(layer, name, "bias") {
            made = self.graph.add_id(made, bias, ids);
        }
        Ok(self.graph.name(made, name))
    }

    /// A product of experts with each expert's factor.
    ///
    /// Source: src/llama-graph.cpp (`build_lora_mm_id`).
    fn expert_scale(&mut self, made: Id, scale: Id, (x, ids): (Id, Id)) -> Id {
        let (experts, tokens) = (self.graph.ne(scale)[0], self.graph.ne(x)[2]);
        let column = self.graph.reshape_3d(scale, 1, experts, 1);
        let all = self.graph.repeat(column, [1, experts, tokens, 1]);
        let own = self.graph.get_rows(all, ids);
        self.graph.mul(made, own)
    }

    /// The sum of the used experts' results. The parts come before the sums.
    fn sum_of_used(&mut self, out: Id, used: u64, [width, tokens]: [u64; 2]) -> Id {
        let nb = self.graph.get(out).nb;
        let mut parts = Vec::with_capacity(used as usize);
        for number in 0..used {
            let part = self.graph.view_2d(out, [width, tokens], nb[2], number.saturating_mul(nb[1]));
            self.graph.expand(part);
            parts.push(part);
        }
        let mut parts = parts.into_iter();
        let Some(mut sum) = parts.next() else { return out };
        for part in parts {
            sum = self.graph.add(sum, part);
            self.graph.expand(sum);
        }
        if used == 1 {
            sum = self.graph.cont(sum);
        }
        self.graph.name(sum, "ffn_moe_out")
    }
}
