//! Norms, with their weight, and with a bias where the file has one.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_norm`).

use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::{Id, Op, Pin};

/// Kind of norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) enum Norm {
    /// Mean and variance.
    Layer,
    /// The same, without a weight.
    Bare,
    /// Root mean square.
    Rms,
}

impl Build<'_> {
    /// A norm with the weight and the bias of this whole name, without the ending.
    pub(in crate::runtime::llama_cpp) fn norm(&mut self, x: Id, kind: Norm, name: &str) -> Id {
        let weight = self.find(&format!("{name}.weight")).or_else(|| self.find(name));
        let bias = self.find(&format!("{name}.bias"));
        if weight.is_none() && kind != Norm::Bare {
            self.miss(None, &format!("{name}.weight"));
        }
        self.norm_with(x, kind, weight, bias)
    }

    /// A norm with the weight and the bias of a layer.
    pub(in crate::runtime::llama_cpp) fn layer_norm(
        &mut self,
        x: Id,
        kind: Norm,
        layer: u64,
        name: &'static str,
    ) -> Id {
        let weight = self.layer_part(layer, name, "weight").or_else(|| self.layer_part(layer, name, ""));
        let bias = self.layer_part(layer, name, "bias");
        if weight.is_none() && kind != Norm::Bare {
            self.miss(Some(layer), &format!("{name}.weight"));
        }
        let made = self.norm_with(x, kind, weight, bias);
        self.graph.name(made, name)
    }

    /// As [`layer_norm`](Build::layer_norm), of the norms behind a network that llama.cpp does not bind to their layer's device.
    ///
    /// Source: src/models/gemma2.cpp, gemma3.cpp, gemma3n.cpp, olmo2.cpp (`ffn_post_norm`).
    pub(in crate::runtime::llama_cpp) fn free_norm(
        &mut self,
        x: Id,
        kind: Norm,
        layer: u64,
        name: &'static str,
    ) -> Id {
        let made = self.layer_norm(x, kind, layer, name);
        if let Some(&normed) = self.graph.get(made).sources.first() {
            self.graph.pin(normed, Pin::None);
        }
        made
    }

    /// A norm with this weight and bias.
    pub(in crate::runtime::llama_cpp) fn norm_with(
        &mut self,
        x: Id,
        kind: Norm,
        weight: Option<Id>,
        bias: Option<Id>,
    ) -> Id {
        let op = match kind {
            Norm::Layer | Norm::Bare => Op::Norm,
            Norm::Rms => Op::RmsNorm,
        };
        let mut x = self.graph.apply(op, x);
        // It could otherwise be computed where the layer before it is.
        if let Some(layer) = self.graph.layer.filter(|_| weight.is_some() || bias.is_some()) {
            self.graph.pin(x, Pin::Layer(layer));
        }
        if let Some(weight) = weight {
            x = self.graph.mul(x, weight);
        }
        if let Some(bias) = bias {
            x = self.graph.add(x, bias);
        }
        x
    }
}
