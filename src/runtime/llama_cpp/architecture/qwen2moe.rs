//! Qwen 2 with experts, one of which every token uses.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen2moe.cpp.

use super::dense::Decoder;
use super::rules::Architecture;
use crate::error::Result;
use crate::runtime::llama_cpp::blocks::feed_forward::Activation;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::{Id, Op};

/// `qwen2moe`.
pub(super) const QWEN2MOE: Architecture =
    Architecture::decoder("qwen2moe", |build| Decoder { network, ..Decoder::USUAL }.build(build));

fn network(build: &mut Build<'_>, x: Id, layer: u64) -> Result<Id> {
    let kind = Mixture { is_normalized: false, ..Mixture::USUAL };
    let experts = build.experts(x, layer, kind)?;
    let logit = build.linear(x, layer, "ffn_gate_inp_shexp")?;
    let active = build.graph.unary(logit);
    let gate = build.graph.binary(Op::Div, active, logit);
    let names = ["ffn_up_shexp", "ffn_gate_shexp", "ffn_down_shexp"];
    let shared = build.feed_forward_of(x, layer, Activation::Gated, names)?;
    let shared = build.graph.mul(shared, gate);
    Ok(build.graph.add(experts, shared))
}
