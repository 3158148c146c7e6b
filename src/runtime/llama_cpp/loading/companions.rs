//! Tensors that an architecture has next to others: the bias of a weight, the gate of a network.
//!
//! Source: llama.cpp 0.5.0, src/models/*.cpp (`load_arch_tensors`): tensors that are asked for without `TENSOR_NOT_REQUIRED`.

/// The architectures of a rule.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// These.
    Only(&'static [&'static str]),
    /// All others.
    AllBut(&'static [&'static str]),
}

use Of::{AllBut, Only};

/// The tensors that a file of this architecture has where it has `stem`, in the same layer.
pub(super) fn of<'a>(
    stem: &'a str,
    architecture: &'a str,
    layer: Option<u64>,
) -> impl Iterator<Item = &'static str> + use<'a> {
    // The first layer of ModernBERT has no norm: the embedding has one.
    let is_bare = architecture == "modern-bert" && layer == Some(0);
    let holds = move |of: Of| match of {
        Only(names) => names.contains(&architecture),
        AllBut(names) => !names.contains(&architecture),
    };
    let own = RULES
        .iter()
        .filter(move |(present, needed, _)| *present == stem && !(is_bare && *needed == "attn_norm.weight"));
    own.filter(move |(_, _, of)| holds(*of)).map(|(_, needed, _)| *needed)
}

/// A tensor, another that is there next to it, and where.
const RULES: &[(&str, &str, Of)] = &[
    ("token_embd.weight", "output.weight", Only(OUTPUTS)),
    ("token_embd.weight", "position_embd.weight", Only(&["bert", "gpt2", "starcoder"])),
    ("token_embd.weight", "token_types.weight", Only(&["jina-bert-v2"])),
    ("token_embd.weight", "rope_freqs.weight", Only(&["gemma4"])),
    ("output.weight", "output.bias", Only(&["phi2", "phimoe"])),
    ("output_norm.weight", "output_norm.bias", Only(LAYER_NORMS)),
    ("token_embd_norm.weight", "token_embd_norm.bias", Only(&["bloom"])),
    ("token_embd_norm.weight", "token_embd_norm.bias", Only(ENCODERS)),
    ("attn_output.weight", "attn_norm.weight", Only(&["modern-bert", "neo-bert"])),
    ("attn_norm.weight", "attn_norm.bias", Only(LAYER_NORMS)),
    ("ffn_norm.weight", "ffn_norm.bias", Only(SECOND_LAYER_NORMS)),
    ("attn_output_norm.weight", "attn_output_norm.bias", Only(ENCODERS)),
    ("layer_output_norm.weight", "layer_output_norm.bias", Only(ENCODERS)),
    ("attn_output.weight", "attn_qkv.weight", Only(FUSED)),
    ("attn_qkv.weight", "attn_qkv.bias", Only(&["bloom", "gpt2", "gptneox", "jais", "qwen", "starcoder"])),
    ("attn_output.weight", "attn_output.bias", Only(ATTENTION_BIASES)),
    ("attn_output.weight", "attn_q_norm.weight", Only(HEAD_NORMS)),
    ("attn_k.weight", "attn_k_norm.weight", Only(HEAD_NORMS)),
    ("attn_qkv.weight", "attn_k_norm.weight", Only(&["bailingmoe2", "openelm"])),
    ("ffn_down.weight", "ffn_gate.weight", AllBut(WITHOUT_GATES)),
    ("ffn_gate.weight", "ffn_gate.bias", Only(&["jais"])),
    ("ffn_up.weight", "ffn_up.bias", Only(NETWORK_BIASES)),
    ("ffn_down.weight", "ffn_down.bias", Only(NETWORK_BIASES)),
    ("ffn_down.weight", "ffn_down.bias", Only(&["jina-bert-v2"])),
    ("ffn_down_exps.weight", "ffn_gate_inp.weight", AllBut(&[])),
    ("ffn_up_exps.weight", "ffn_gate_exps.weight", Only(EXPERT_GATES)),
    (
        "ffn_down_exps.weight",
        "exp_probs_b.bias",
        Only(&["glm4moe", "lfm2moe", "minimax-m2", "nemotron_h_moe"]),
    ),
    ("ffn_down_shexp.weight", "ffn_up_shexp.weight", AllBut(&[])),
    ("ffn_down_shexp.weight", "ffn_gate_shexp.weight", AllBut(&["nemotron_h_moe"])),
    ("ffn_gate_inp.weight", "ffn_gate_inp.bias", Only(&["gpt-oss"])),
    ("ffn_gate_exps.weight", "ffn_gate_exps.bias", Only(&["gpt-oss"])),
    ("ffn_up_exps.weight", "ffn_up_exps.bias", Only(&["gpt-oss"])),
    ("ffn_down_exps.weight", "ffn_down_exps.bias", Only(&["gpt-oss"])),
    ("ssm_conv1d.weight", "ssm_conv1d.bias", Only(&["jamba", "mamba", "mamba2"])),
    ("ssm_out.weight", "ssm_norm.weight", AllBut(&["falcon-h1", "jamba", "mamba"])),
    ("ssm_out.weight", "ssm_a", AllBut(&[])),
    ("ssm_out.weight", "ssm_dt.bias", AllBut(&[])),
    ("ssm_out.weight", "ssm_dt_norm.weight", Only(&["jamba"])),
    ("ssm_out.weight", "ssm_b_norm.weight", Only(&["jamba"])),
    ("ssm_out.weight", "ssm_c_norm.weight", Only(&["jamba"])),
];

/// Architectures whose output is never the embedding.
const OUTPUTS: &[&str] = &[
    "apertus",
    "baichuan",
    "bailingmoe",
    "bailingmoe2",
    "codeshell",
    "dbrx",
    "dots1",
    "exaone-moe",
    "gpt-oss",
    "gptneox",
    "internlm2",
    "jais",
    "minimax-m2",
    "nemotron",
    "olmo2",
    "olmoe",
    "orion",
    "phi2",
    "phimoe",
    "plamo",
    "qwen",
    "qwen2moe",
    "stablelm",
    "xverse",
];

/// Those whose norms have a bias.
const LAYER_NORMS: &[&str] = &[
    "bloom",
    "codeshell",
    "falcon",
    "gpt2",
    "gptneox",
    "jais",
    "nemotron",
    "orion",
    "phi2",
    "phimoe",
    "stablelm",
    "starcoder",
    "starcoder2",
];

/// Those where the norm before the network has one as well.
const SECOND_LAYER_NORMS: &[&str] = &[
    "bloom",
    "codeshell",
    "gpt2",
    "gptneox",
    "jais",
    "nemotron",
    "orion",
    "phimoe",
    "starcoder",
    "starcoder2",
];

/// Encoders with norms behind both parts of a layer.
const ENCODERS: &[&str] = &["bert", "jina-bert-v2", "jina-bert-v3", "nomic-bert", "nomic-bert-moe"];

/// Those with one weight for queries, keys and values.
const FUSED: &[&str] = &[
    "bailingmoe2",
    "bloom",
    "dbrx",
    "falcon",
    "gpt2",
    "gptneox",
    "jais",
    "modern-bert",
    "mpt",
    "neo-bert",
    "openelm",
    "qwen",
    "starcoder",
];

/// Those with a bias behind attention.
const ATTENTION_BIASES: &[&str] = &[
    "bloom",
    "codeshell",
    "gpt-oss",
    "gpt2",
    "gptneox",
    "jais",
    "jina-bert-v2",
    "pangu-embedded",
    "phi2",
    "phimoe",
    "starcoder",
    "starcoder2",
];

/// Those with norms of each head's queries and keys.
const HEAD_NORMS: &[&str] = &[
    "apertus",
    "bailingmoe2",
    "dots1",
    "exaone-moe",
    "exaone4",
    "gemma-embedding",
    "gemma3",
    "gemma3n",
    "gemma4",
    "hunyuan-dense",
    "hunyuan-moe",
    "hunyuan_vl",
    "lfm2",
    "lfm2moe",
    "minimax-m2",
    "olmo2",
    "olmoe",
    "openelm",
    "qwen3",
    "qwen35",
    "qwen35moe",
    "qwen3moe",
    "qwen3next",
    "qwen3vl",
    "qwen3vlmoe",
];

/// Those with networks that have no gate, or hold it in another weight.
const WITHOUT_GATES: &[&str] = &[
    "apertus",
    "arcee",
    "bert",
    "bloom",
    "chatglm",
    "codeshell",
    "falcon",
    "glm4",
    "gpt2",
    "gptneox",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "mpt",
    "nemotron",
    "nemotron_h",
    "nemotron_h_moe",
    "neo-bert",
    "nomic-bert-moe",
    "phi2",
    "phi3",
    "starcoder",
    "starcoder2",
];

/// Those whose networks have biases.
const NETWORK_BIASES: &[&str] =
    &["bloom", "codeshell", "gpt2", "gptneox", "jais", "phi2", "starcoder", "starcoder2"];

/// Those whose experts have a gate of their own.
const EXPERT_GATES: &[&str] = &[
    "bailingmoe",
    "bailingmoe2",
    "dbrx",
    "deepseek",
    "deepseek2",
    "dots1",
    "exaone-moe",
    "gemma4",
    "glm4moe",
    "gpt-oss",
    "hunyuan-moe",
    "jamba",
    "lfm2moe",
    "llama4",
    "minimax-m2",
    "olmoe",
    "phimoe",
    "qwen2moe",
    "qwen35moe",
    "qwen3moe",
    "qwen3next",
    "qwen3vlmoe",
];
