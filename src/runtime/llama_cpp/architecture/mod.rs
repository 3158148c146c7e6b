//! The architectures whose graphs are known: one file each, which builds the graph as llama.cpp's code does.

mod bert;
mod deepseek2;
mod dense;
mod falcon_h1;
mod gemma2;
mod gemma3;
mod gemma3n;
mod gemma4;
mod glm4;
mod gpt2;
mod gpt_oss;
mod granite;
mod lfm2;
mod llama;
mod mamba;
mod mistral3;
mod olmo2;
mod parallel;
mod per_layer;
mod phi3;
mod qwen2;
mod qwen2moe;
mod qwen3;
mod qwen35;
mod qwen3next;
mod qwen3vl;
mod rules;

use crate::error::{Error, ErrorKind, Result};
pub(super) use rules::Architecture;

/// Every architecture.
const ALL: &[Architecture] = &[
    llama::LLAMA,
    mistral3::MISTRAL3,
    qwen2::QWEN2,
    qwen2::QWEN2VL,
    qwen2moe::QWEN2MOE,
    qwen3::QWEN3,
    qwen3::QWEN3MOE,
    qwen3next::QWEN3NEXT,
    qwen35::QWEN35,
    qwen35::QWEN35MOE,
    qwen3vl::QWEN3VL,
    qwen3vl::QWEN3VLMOE,
    gemma2::GEMMA2,
    gemma3::GEMMA3,
    gemma3n::GEMMA3N,
    gemma4::GEMMA4,
    phi3::PHI3,
    gpt_oss::GPT_OSS,
    deepseek2::DEEPSEEK2,
    granite::GRANITE,
    granite::GRANITEMOE,
    granite::GRANITEHYBRID,
    mamba::MAMBA,
    mamba::MAMBA2,
    falcon_h1::FALCON_H1,
    lfm2::LFM2,
    gpt2::GPT2,
    gpt2::STARCODER2,
    glm4::GLM4,
    olmo2::OLMO2,
    parallel::COMMAND_R,
    parallel::FALCON,
    parallel::STABLELM,
    bert::BERT,
    bert::NOMIC_BERT,
];

/// The architecture of a model.
///
/// # Errors
///
/// If its graph is not known.
pub(super) fn of(name: &str) -> Result<&'static Architecture> {
    ALL.iter().find(|found| found.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|found| found.name).collect();
        Error::new(ErrorKind::Unsupported, format!("the graph of architecture \"{name}\" is not known"))
            .note(format!("known are {}", names.join(", ")))
            .help("use `memgraph quick FILE` for rules of thumb")
    })
}
