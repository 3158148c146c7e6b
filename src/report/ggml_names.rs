//! The component and layer of a tensor or a node, found in the names that ggml's models use: `blk.3.attn_q.weight`, `cache_k`.
//!
//! Source: llama.cpp 0.5.0, src/llama-arch.cpp (`LLM_TENSOR_NAMES`), tools/mtmd/clip-impl.h (`TN_*`).

/// First words of a name without its layer and the part that they represent; the first that a word starts with decides.
const WORDS: &[(&str, &str)] = &[
    ("attn_qkv", "qkv_proj"),
    ("attn_q_norm", "qk_norm"),
    ("attn_k_norm", "qk_norm"),
    ("attn_qb", "q_proj"),
    ("attn_q", "q_proj"),
    ("attn_kv", "qkv_proj"),
    ("attn_k", "k_proj"),
    ("attn_v", "v_proj"),
    ("attn_output_norm", "post_attention_layernorm"),
    ("attn_out", "o_proj"),
    ("attn_norm", "input_layernorm"),
    ("ln1", "input_layernorm"),
    ("attn_inp", "attention_inputs"),
    ("attn", "scaled_dot_product_attention"),
    ("fattn", "scaled_dot_product_attention"),
    ("kq", "scaled_dot_product_attention"),
    ("cache", "kv_cache"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ln2", "post_attention_layernorm"),
    ("post_", "post_attention_layernorm"),
    ("layer_output_norm", "post_attention_layernorm"),
    ("ffn", "mlp"),
    ("exp_probs", "mlp"),
    ("ssm", "state_space"),
    ("shortconv", "state_space"),
    ("token_embd", "embed_tokens"),
    ("embd", "embed_tokens"),
    ("inp_embd", "embed_tokens"),
    ("per_layer", "embed_tokens"),
    ("position", "position_embed"),
    ("pos_", "position_embed"),
    ("patch_embd", "patch_embed"),
    ("inp_raw", "patch_embed"),
    ("class_embd", "patch_embed"),
    ("rope", "rotary_emb"),
    ("inp_pos", "rotary_emb"),
    ("output_norm", "norm"),
    ("result_norm", "norm"),
    ("post_ln", "norm"),
    ("output", "lm_head"),
    ("result_output", "lm_head"),
    ("deepstack", "projection"),
    ("inp_", "inputs"),
];

/// The part that a name represents, and its layer; `None` where the name is only that of an operator.
pub(super) fn component(name: &str) -> Option<(&'static str, Option<u32>)> {
    let (name, is_projection) = match name.strip_prefix("mm.") {
        Some(rest) => (rest, true),
        None => (name.strip_prefix("v.").unwrap_or(name), false),
    };
    if is_projection {
        return Some(("projection", None));
    }
    let in_layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    let (layer, rest) = match in_layer {
        Some((number, rest)) => (number.parse().ok(), rest),
        None => (None, name),
    };
    let &(_, part) = WORDS.iter().find(|(word, _)| rest.starts_with(word))?;
    Some((part, layer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tensors_are_parts_of_layers() {
        let of = component;
        assert_eq!(of("blk.3.attn_q.weight"), Some(("q_proj", Some(3))));
        assert_eq!(of("blk.3.attn_output.weight"), Some(("o_proj", Some(3))));
        assert_eq!(of("blk.12.ffn_down_exps.weight"), Some(("mlp", Some(12))));
        assert_eq!(of("blk.0.cache_k"), Some(("kv_cache", Some(0))));
        assert_eq!(of("token_embd.weight"), Some(("embed_tokens", None)));
        assert_eq!(of("output_norm.weight"), Some(("norm", None)));
        assert_eq!(of("output.weight"), Some(("lm_head", None)));
        assert_eq!(of("v.blk.1.ln2.bias"), Some(("post_attention_layernorm", Some(1))));
        assert_eq!(of("mm.2.weight"), Some(("projection", None)));
        assert_eq!(of("blk.3.MUL_MAT"), None);
    }
}
