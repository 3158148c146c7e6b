//! The language model of Qwen 3 VL: features of several vision layers are added in the first layers.
//!
//! Source: llama.cpp 0.5.0, src/models/qwen3vl.cpp, qwen3vlmoe.cpp.

use super::dense::{Inputs, feed_forward_or_experts, rotary_attention};
use super::rules::Architecture;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::attention::Extra;
use crate::runtime::llama_cpp::blocks::head::Logits;
use crate::runtime::llama_cpp::blocks::mixture::Mixture;
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;

/// `qwen3vl`.
pub(super) const QWEN3VL: Architecture = Architecture::decoder("qwen3vl", build);

/// `qwen3vlmoe`.
pub(super) const QWEN3VLMOE: Architecture = Architecture::decoder("qwen3vlmoe", build);

fn build(build: &mut Build<'_>) -> Result<()> {
    let inputs = Inputs::of(build, 4)?;
    let deep = build.model.number("n_deepstack_layers").unwrap_or(0);
    let (width, tokens) = (build.model.width, build.batch.tokens);
    // The first hidden state is the start of each row of the embedding, where there are more features behind it.
    let embedding = inputs.x;
    let mut x = inputs.x;
    for layer in 0..build.model.layers {
        build.graph.layer = Some(layer as u32);
        let normed = build.layer_norm(x, Norm::Rms, layer, "attn_norm");
        let mut attended = rotary_attention(build, &inputs, normed, layer, Extra::default())?;
        build.wanted(layer, &mut attended, &mut x, inputs.ids);
        let residual = build.graph.add(attended, x);
        let normed = build.layer_norm(residual, Norm::Rms, layer, "ffn_norm");
        let out = feed_forward_or_experts(build, normed, layer, Mixture::USUAL)?;
        x = build.graph.add(out, residual);
        if layer < deep {
            let row = build.graph.get(embedding).nb[1];
            let features = build.graph.view_2d(embedding, [width, tokens], row, (layer + 1) * width * 4);
            x = build.graph.add(x, features);
        }
        build.graph.name(x, "l_out");
    }
    let output =
        build.model.tensor("output.weight").map_or(build.model.vocabulary, |(_, tensor)| tensor.dims[1]);
    if output != build.model.vocabulary {
        let message = format!("the output has {output} rows, and the embedding {}", build.model.vocabulary);
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    build.finish(x, Norm::Rms, Logits::Plain)
}
