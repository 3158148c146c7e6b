//! Dims of a tensor by its name: a rule for each name, and the architectures that differ.
//!
//! Source: llama.cpp 0.5.0, src/models/*.cpp (`load_arch_tensors`), src/llama-model.cpp (`create_tensor_qkv`,
//! `create_tensor_gate_up_exps`, `load_tensors`).

use super::sizes::{Recurrence, Sizes, product};

/// Dims, the fastest first. One of 0 may be any.
pub(super) type Dims = [u64; 4];

/// Copies of the hidden state in Gemma 3n.
///
/// Source: src/llama-hparams.h (`n_altup`).
const COPIES: u64 = 4;

/// Rank of Gemma 3n's product next to attention.
///
/// Source: src/llama-hparams.h (`laurel_rank`).
const LAUREL: u64 = 64;

/// The dims of a tensor of this name, without its layer; `None` if no architecture has one.
pub(super) fn of(stem: &str, sizes: &Sizes<'_>) -> Option<Dims> {
    let rules = [norms, attention, networks, experts, recurrent, whole, factors];
    rules.iter().find_map(|rule| rule(stem, sizes))
}

fn one(a: u64) -> Dims {
    [a, 1, 1, 1]
}

fn two(a: u64, b: u64) -> Dims {
    [a, b, 1, 1]
}

fn three(a: u64, b: u64, c: u64) -> Dims {
    [a, b, c, 1]
}

/// Norms of the hidden state, and of each head.
fn norms(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let (name, _) = stem.rsplit_once('.').unwrap_or((stem, ""));
    Some(match name {
        "attn_norm"
        | "attn_norm_2"
        | "ffn_norm"
        | "attn_output_norm"
        | "layer_output_norm"
        | "output_norm"
        | "enc.output_norm"
        | "token_embd_norm"
        | "cls.norm"
        | "post_attention_norm"
        | "post_ffw_norm"
        | "post_ffw_norm_1"
        | "post_ffw_norm_2"
        | "pre_ffw_norm_2"
        | "post_norm"
        | "laurel_post_norm"
        | "altup_router_norm"
        | "altup_correct_scale" => one(s.width),
        "attn_q_norm" | "attn_k_norm" => {
            let is_query = name == "attn_q_norm";
            match s.architecture {
                "jina-bert-v2" | "mpt" | "olmoe" => one(s.width),
                "olmo2" if is_query => one(s.width),
                "olmo2" => one(product(s.kv_heads, s.width.checked_div(s.heads).unwrap_or(0))),
                "minimax-m2" => one(if is_query { s.queries } else { s.keys }),
                "stablelm" | "command-r" => two(s.head, if is_query { s.heads } else { s.kv_heads }),
                _ => one(s.head),
            }
        }
        "attn_q_a_norm" => one(s.ranks[0]),
        "attn_kv_a_norm" => one(s.ranks[1]),
        "per_layer_proj_norm" => one(s.per_layer),
        "ssm_dt_norm" => one(s.rank),
        "ssm_b_norm" | "ssm_c_norm" => one(s.state),
        "ssm_norm" if s.recurrence == Recurrence::Delta => one(s.delta_head()),
        "ssm_norm" => two(s.inner.checked_div(s.groups).unwrap_or(0), s.groups),
        _ => return None,
    })
}

fn attention(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    // The queries and a gate of their results.
    let is_gated = s.recurrence == Recurrence::Delta;
    let queries = if is_gated { product(s.queries, 2) } else { s.queries };
    let all = match s.is_recurrent {
        true => s.delta_channels(),
        false => queries.saturating_add(s.keys).saturating_add(s.values),
    };
    let [rotary, plain, value] = s.latent;
    let [rank_q, rank] = s.ranks;
    Some(match stem {
        "attn_q.weight" => two(s.width, queries),
        "attn_q.bias" => one(queries),
        "attn_k.weight" => two(s.width, s.keys),
        "attn_k.bias" => one(s.keys),
        "attn_v.weight" => two(s.width, s.values),
        "attn_v.bias" => one(s.values),
        "attn_qkv.weight" => two(s.width, all),
        "attn_qkv.bias" => one(all),
        "attn_output.weight" => two(s.attended, s.width),
        "attn_output.bias" => one(s.width),
        "attn_sinks.weight" => one(s.heads),
        "attn_q_a.weight" => two(s.width, rank_q),
        "attn_q_b.weight" => two(rank_q, queries),
        "attn_kv_a_mqa.weight" => two(s.width, rank + rotary),
        "attn_kv_b.weight" => two(rank, product(s.heads, plain + value)),
        "attn_k_b.weight" => three(plain, rank, s.heads),
        "attn_v_b.weight" => three(rank, value, s.heads),
        _ => return None,
    })
}

fn networks(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let network = if s.architecture == "qwen" { s.network / 2 } else { s.network };
    let up = if s.holds_gate { product(network, 2) } else { network };
    Some(match stem {
        "ffn_up.weight" => two(s.width, up),
        "ffn_up.bias" => one(up),
        "ffn_gate.weight" => two(s.width, network),
        "ffn_gate.bias" => one(network),
        "ffn_down.weight" => two(network, s.width),
        "ffn_down.bias" => one(s.width),
        "ffn.act.scales" => one(network),
        "inp_gate.weight" => two(s.width, s.per_layer),
        "proj.weight" => two(s.per_layer, s.width),
        "altup_correct_coef.weight" => two(COPIES, COPIES),
        "altup_predict_coef.weight" => two(COPIES, COPIES * COPIES),
        "altup_router.weight" => two(s.width, COPIES),
        "laurel_l.weight" => two(s.width, LAUREL),
        "laurel_r.weight" => two(LAUREL, s.width),
        "layer_output_scale.weight" => one(1),
        "shortconv.conv.weight" => two(s.short_kernel, s.width),
        "shortconv.in_proj.weight" => two(s.width, product(s.width, 3)),
        "shortconv.out_proj.weight" => two(s.width, s.width),
        _ => return None,
    })
}

fn experts(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let (network, shared, width) = (s.expert_network, s.shared_network, s.expert_width);
    Some(match stem {
        "ffn_gate_inp.weight" => two(s.width, s.experts),
        "ffn_gate_inp.bias" | "exp_probs_b.bias" => one(s.experts),
        "ffn_gate_inp.scale" | "ffn_gate_inp_shexp.weight" => one(s.width),
        "ffn_gate_exps.weight" | "ffn_up_exps.weight" => three(width, network, s.experts),
        "ffn_gate_up_exps.weight" => three(width, product(network, 2), s.experts),
        "ffn_down_exps.weight" => three(network, width, s.experts),
        "ffn_gate_exps.bias" | "ffn_up_exps.bias" => two(network, s.experts),
        "ffn_down_exps.bias" => two(s.width, s.experts),
        "ffn_gate_shexp.weight" | "ffn_up_shexp.weight" => two(s.width, shared),
        "ffn_down_shexp.weight" => two(shared, s.width),
        "ffn_latent_down.weight" => two(s.width, width),
        "ffn_latent_up.weight" => two(width, s.width),
        _ => return None,
    })
}

fn recurrent(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let (inner, rank, delta) = (s.inner, s.rank, s.delta_values());
    let channels = match s.recurrence {
        Recurrence::Scan => inner,
        Recurrence::HeadScan => inner.saturating_add(product(2 * s.groups, s.state)),
        Recurrence::Delta => s.delta_channels(),
    };
    Some(match (stem, s.recurrence) {
        ("ssm_in.weight", Recurrence::Scan) => two(s.width, product(inner, 2)),
        ("ssm_in.weight", Recurrence::HeadScan) => two(s.width, inner.saturating_add(channels) + rank),
        ("ssm_in.weight", Recurrence::Delta) => two(s.width, channels.saturating_add(delta)),
        ("ssm_conv1d.weight", _) => two(s.kernel, channels),
        ("ssm_conv1d.bias", _) => one(channels),
        ("ssm_x.weight", _) => two(inner, rank + 2 * s.state),
        ("ssm_dt.weight", _) => two(rank, inner),
        ("ssm_dt.bias", Recurrence::Scan) => one(inner),
        ("ssm_dt.bias", _) => one(rank),
        ("ssm_a", Recurrence::Scan) => two(s.state, inner),
        ("ssm_a" | "ssm_d", Recurrence::HeadScan) => two(1, rank),
        ("ssm_a", Recurrence::Delta) => one(rank),
        ("ssm_d", _) => one(inner),
        ("ssm_out.weight", Recurrence::Delta) => two(delta, s.width),
        ("ssm_out.weight", _) => two(inner, s.width),
        ("ssm_alpha.weight" | "ssm_beta.weight", _) => two(s.width, rank),
        ("ssm_ba.weight", _) => two(s.width, product(rank, 2)),
        ("attn_gate.weight", _) => two(s.width, delta),
        _ => return None,
    })
}

/// Tensors of no layer.
fn whole(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let all_layers = product(s.per_layer, s.layers);
    let is_short = matches!(s.architecture, "lfm2" | "lfm2moe");
    let class = if s.architecture == "jina-bert-v2" { 1 } else { s.width };
    Some(match stem {
        "token_embd.weight" | "output.weight" => two(s.width, s.vocabulary),
        "output.bias" => one(s.vocabulary),
        "position_embd.weight" => two(s.width, s.context),
        "token_types.weight" => two(s.width, s.token_types),
        "per_layer_token_embd.weight" => two(all_layers, s.vocabulary),
        "per_layer_model_proj.weight" => two(s.width, all_layers),
        "altup_proj.weight" | "altup_unembd_proj.weight" => three(s.width, s.width, COPIES - 1),
        "rope_freqs.weight" if s.architecture == "gemma4" => one(s.full_head / 2),
        "rope_freqs.weight" | "rope_factors_long.weight" | "rope_factors_short.weight" => one(s.pairs),
        "cls.weight" => two(s.width, class),
        "cls.bias" => one(class),
        "cls.output.weight" => two(s.width, s.classes),
        "cls.output.bias" => one(s.classes),
        "dense_2.weight" => two(s.width, if is_short { s.out } else { s.dense[0] }),
        "dense_2.bias" => one(s.out),
        "dense_3.weight" => two(s.dense[1], s.width),
        _ => return None,
    })
}

/// Factors of quantized weights and of what they are multiplied with: one, or one for each expert.
fn factors(stem: &str, s: &Sizes<'_>) -> Option<Dims> {
    let (name, ending) = stem.rsplit_once('.')?;
    let is_factor = matches!(ending, "scale" | "input_scale");
    is_factor.then(|| one(if name.ends_with("_exps") { s.experts } else { 1 }))
}
