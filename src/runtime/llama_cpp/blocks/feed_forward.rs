//! The feed-forward network of a layer.
//!
//! Source: llama.cpp 0.5.0, src/llama-graph.cpp (`build_ffn`).

use crate::error::Result;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// What the network computes between its products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime::llama_cpp) enum Activation {
    /// A gate next to the first product, if the file has one; else a function of it.
    Gated,
    /// The first product is twice as wide and holds the gate.
    Halves,
    /// A function of the first product.
    Plain,
    /// The square of what is above zero in the first product.
    Squared,
}

impl Build<'_> {
    /// The network with the usual names.
    pub(in crate::runtime::llama_cpp) fn feed_forward(
        &mut self,
        x: Id,
        layer: u64,
        kind: Activation,
    ) -> Result<Id> {
        self.feed_forward_of(x, layer, kind, ["ffn_up", "ffn_gate", "ffn_down"])
    }

    /// The network with these names of up, gate and down.
    pub(in crate::runtime::llama_cpp) fn feed_forward_of(
        &mut self,
        x: Id,
        layer: u64,
        kind: Activation,
        [up, gate, down]: [&'static str; 3],
    ) -> Result<Id> {
        let wide = self.linear(x, layer, up)?;
        let has_gate = kind == Activation::Gated && self.layer_part(layer, gate, "weight").is_some();
        let active = if has_gate {
            let gate = self.linear(x, layer, gate)?;
            let limit = self.model.numbers("swiglu_clamp_shexp").is_some();
            if limit {
                return Err(unclamped());
            }
            self.graph.glu(gate, wide)
        } else {
            match kind {
                Activation::Halves => self.graph.glu_halves(wide),
                Activation::Gated | Activation::Plain => self.graph.unary(wide),
                Activation::Squared => {
                    let positive = self.graph.unary(wide);
                    self.graph.apply(Op::Sqr, positive)
                }
            }
        };
        self.graph.name(active, "ffn_act");
        self.linear(active, layer, down)
    }
}

/// The error of models that bound their gates, of which no architecture here is known.
#[cold]
fn unclamped() -> crate::error::Error {
    let message = "the model bounds the gates of its feed-forward networks, which is not modelled";
    crate::error::Error::new(crate::error::ErrorKind::Unsupported, message)
}
