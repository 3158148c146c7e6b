//! The architectures whose graphs are known: one file each, which builds the graph as llama.cpp's code does.

mod bert;
mod deepseek;
mod deepseek2;
mod dense;
mod exaone;
mod falcon_h1;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma3n;
mod gemma4;
mod glm4;
mod gpt2;
mod gpt_oss;
mod granite;
mod hunyuan;
mod jamba;
mod lfm2;
mod llama;
mod llama4;
mod mamba;
mod minicpm3;
mod mistral3;
mod modern_bert;
mod nemotron_h;
mod olmo;
mod olmo2;
mod openelm;
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
mod smollm3;
mod squared;

use crate::error::{Error, ErrorKind, Result};
pub(super) use rules::Architecture;

/// Every architecture.
const ALL: &[Architecture] = &[
    llama::LLAMA,
    llama::LLAMA_EMBED,
    llama::EUROBERT,
    llama::QWEN,
    llama::INTERNLM2,
    llama::XVERSE,
    llama::EXAONE,
    llama::ERNIE4_5,
    llama::PANGU,
    llama::SEED_OSS,
    llama4::LLAMA4,
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
    gemma::GEMMA,
    gemma::GEMMA_EMBEDDING,
    gemma2::GEMMA2,
    gemma3::GEMMA3,
    gemma3n::GEMMA3N,
    gemma4::GEMMA4,
    phi3::PHI3,
    phi3::PHIMOE,
    gpt_oss::GPT_OSS,
    deepseek::DEEPSEEK,
    deepseek::BAILINGMOE,
    deepseek::BAILINGMOE2,
    deepseek::DOTS1,
    deepseek::ERNIE4_5_MOE,
    deepseek::GLM4MOE,
    deepseek::MINIMAX_M2,
    deepseek::OLMOE,
    deepseek::DBRX,
    deepseek2::DEEPSEEK2,
    granite::GRANITE,
    granite::GRANITEMOE,
    granite::GRANITEHYBRID,
    granite::MINICPM,
    minicpm3::MINICPM3,
    mamba::MAMBA,
    mamba::MAMBA2,
    jamba::JAMBA,
    nemotron_h::NEMOTRON_H,
    nemotron_h::NEMOTRON_H_MOE,
    falcon_h1::FALCON_H1,
    lfm2::LFM2,
    lfm2::LFM2MOE,
    gpt2::GPT2,
    gpt2::STARCODER,
    gpt2::STARCODER2,
    gpt2::CODESHELL,
    gpt2::BLOOM,
    gpt2::MPT,
    gpt2::JAIS,
    glm4::GLM4,
    olmo2::OLMO2,
    olmo::OLMO,
    olmo::ORION,
    olmo::REFACT,
    olmo::BAICHUAN,
    olmo::CHATGLM,
    openelm::OPENELM,
    exaone::EXAONE4,
    exaone::EXAONE_MOE,
    hunyuan::HUNYUAN_DENSE,
    hunyuan::HUNYUAN_VL,
    hunyuan::HUNYUAN_MOE,
    smollm3::SMOLLM3,
    squared::ARCEE,
    squared::NEMOTRON,
    squared::APERTUS,
    parallel::COMMAND_R,
    parallel::COHERE2,
    parallel::FALCON,
    parallel::STABLELM,
    parallel::PHI2,
    parallel::GPTNEOX,
    parallel::PLAMO,
    bert::BERT,
    bert::NOMIC_BERT,
    bert::NOMIC_BERT_MOE,
    bert::JINA_BERT_V2,
    bert::JINA_BERT_V3,
    modern_bert::MODERN_BERT,
    modern_bert::NEO_BERT,
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
