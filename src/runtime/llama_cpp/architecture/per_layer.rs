//! Embeddings that each layer has of its own, in Gemma 3n and Gemma 4.
//!
//! Source: llama.cpp 0.5.0, src/models/gemma3n.cpp, gemma4.cpp (`build_inp_per_layer`, `project_per_layer_inputs`).

use crate::dtype::GgmlType;
use crate::error::{Error, ErrorKind, Result};
use crate::runtime::llama_cpp::blocks::norm::Norm;
use crate::runtime::llama_cpp::build::Build;
use crate::runtime::llama_cpp::tensor::Id;

/// The embeddings of all layers: their own, and a product with the first hidden state, one layer after the other.
pub(super) fn embeddings(build: &mut Build<'_>, x: Id, width: u64) -> Result<Id> {
    let (layers, tokens) = (build.model.layers, build.batch.tokens);
    let ids = build.graph.input("inp_tokens_per_layer", GgmlType::I32, [tokens, 1, 1, 1]);
    let table = build.need("per_layer_token_embd.weight")?;
    if build.graph.ne(table)[0] != width * layers {
        let message = format!("embeddings of {layers} layers are not {width} wide");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let rows = build.graph.get_rows(table, ids);
    let rows = build.graph.reshape_3d(rows, width, layers, tokens);
    let rows = build.graph.scale(rows);
    build.graph.expand(rows);
    let weight = build.need("per_layer_model_proj.weight")?;
    let made = build.graph.mul_mat(weight, x);
    let made = build.graph.scale(made);
    let made = build.graph.reshape_3d(made, width, layers, tokens);
    let made = build.norm(made, Norm::Rms, "per_layer_proj_norm");
    let sum = build.graph.add(made, rows);
    let sum = build.graph.scale(sum);
    let turned = build.graph.permute(sum, [0, 2, 1, 3]);
    Ok(build.graph.cont(turned))
}

/// The embeddings of one layer.
pub(super) fn of_layer(build: &mut Build<'_>, all: Id, layer: u64) -> Id {
    let ([ne0, ne1, ..], nb) = (build.graph.ne(all), build.graph.get(all).nb);
    build.graph.view_2d(all, [ne0, ne1], nb[1], layer * nb[2])
}
