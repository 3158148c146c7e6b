"""Headers of architectures whose layers are lists of weights: their sizes as published, and the names of their tensors.

`make_gguf.py` writes them. A row of `MODELS`: architecture, sizes (E, L, H, KV, F, V, D), settings, and a function that adds the
tensors of layer `i`. Sizes of a `mini-` model are small, so that it makes a fixture.
"""
from gguf import GGMLQuantizationType as Q


def ones(m, i, E, names, bias=False):
    """Weights of one dim, with biases where asked."""
    for name in names.split():
        m.T(f"blk.{i}.{name}.weight", E)
        if bias:
            m.T(f"blk.{i}.{name}.bias", E)


def linear(m, i, name, a, b, bias=False):
    """A matrix, with a bias where asked."""
    m.T(f"blk.{i}.{name}.weight", a, b)
    if bias:
        m.T(f"blk.{i}.{name}.bias", b)


def qkv(m, i, E, H, KV, D, bias=False, out_bias=None, norm=0, q=1):
    """Three products and the output's; `norm`: width of the norms of queries and keys; `q`: factor of the queries' width."""
    linear(m, i, "attn_q", E, q * H * D, bias)
    linear(m, i, "attn_k", E, KV * D, bias)
    linear(m, i, "attn_v", E, KV * D, bias)
    linear(m, i, "attn_output", H * D, E, bias if out_bias is None else out_bias)
    if norm:
        m.T(f"blk.{i}.attn_q_norm.weight", norm)
        m.T(f"blk.{i}.attn_k_norm.weight", norm)


def fused(m, i, E, H, KV, D, bias=False, out_bias=None):
    """One product for queries, keys and values."""
    linear(m, i, "attn_qkv", E, (H + 2 * KV) * D, bias)
    linear(m, i, "attn_output", H * D, E, bias if out_bias is None else out_bias)


def gated(m, i, E, F, bias=False, end=""):
    """A network with a gate."""
    for name, a, b in (("ffn_gate", E, F), ("ffn_up", E, F), ("ffn_down", F, E)):
        linear(m, i, name + end, a, b, bias)


def plain(m, i, E, F, bias=False):
    """A network without a gate."""
    linear(m, i, "ffn_up", E, F, bias)
    linear(m, i, "ffn_down", F, E, bias)


def experts(m, i, E, F, X, shared=0, bias=False, gate=True):
    """Experts; `bias`: of the choice."""
    m.T(f"blk.{i}.ffn_gate_inp.weight", E, X, q=Q.F32)
    for name, a, b in (("gate", E, F), ("up", E, F), ("down", F, E)):
        if gate or name != "gate":
            m.T(f"blk.{i}.ffn_{name}_exps.weight", a, b, X)
    if bias:
        m.T(f"blk.{i}.exp_probs_b.bias", X)
    if shared:
        gated(m, i, E, shared, end="_shexp")


def delta(m, i, E, S, K, V, split):
    """A layer of the gated delta rule: heads of `S`, `K` of keys and `V` of values."""
    linear(m, i, "attn_qkv", E, (2 * K + V) * S)
    linear(m, i, "attn_gate", E, V * S)
    m.T(f"blk.{i}.ssm_conv1d.weight", 4, (2 * K + V) * S, q=Q.F32)
    m.T(f"blk.{i}.ssm_dt.bias", V)
    m.T(f"blk.{i}.ssm_a", V)
    if split:
        linear(m, i, "ssm_beta", E, V)
        linear(m, i, "ssm_alpha", E, V)
    else:
        linear(m, i, "ssm_ba", E, 2 * V)
    m.T(f"blk.{i}.ssm_norm.weight", S)
    linear(m, i, "ssm_out", V * S, E)


def qwen_next(S, K, V, split, X=0, XF=0, legacy=False):
    """A layer of Qwen 3 Next (`split` false) or Qwen 3.5."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm post_attention_norm")
        if i % 4 == 3:
            qkv(m, i, E, H, KV, D, norm=D, q=2)
        elif legacy:
            delta(m, i, E, S, K, V, split)
            m.t = [row for row in m.t if row[0] not in (f"blk.{i}.attn_qkv.weight", f"blk.{i}.attn_gate.weight")]
            linear(m, i, "ssm_in", E, (2 * K + 2 * V) * S)
        else:
            delta(m, i, E, S, K, V, split)
        if X:
            experts(m, i, E, XF, X, shared=XF)
            m.T(f"blk.{i}.ffn_gate_inp_shexp.weight", E)
        else:
            gated(m, i, E, F)

    return layer


def ssm(S, K, V):
    return {"ssm.conv_kernel": 4, "ssm.inner_size": S * V, "ssm.state_size": S, "ssm.time_step_rank": V, "ssm.group_count": K}


def gemma4(window, D_full, KV_full, P=0, own=None, X=0, XF=0, every=5, no_v=False):
    """A layer of Gemma 4: of `every` layers the last reads all tokens, with heads of `D_full`."""

    def layer(m, i, E, H, KV, F, D):
        is_full = i % every == every - 1
        d, kv = (D_full, KV_full) if is_full else (D, KV)
        ones(m, i, E, "attn_norm post_attention_norm ffn_norm post_ffw_norm")
        linear(m, i, "attn_q", E, H * d)
        linear(m, i, "attn_output", H * d, E)
        m.T(f"blk.{i}.attn_q_norm.weight", d)
        linear(m, i, "attn_k", E, kv * d)
        m.T(f"blk.{i}.attn_k_norm.weight", d)
        if not (no_v and is_full):
            linear(m, i, "attn_v", E, kv * d)
        if i == every - 1:
            m.T("rope_freqs.weight", d // 2)
        gated(m, i, E, F * 2 if own is not None and i >= own else F)
        if X:
            m.T(f"blk.{i}.ffn_gate_inp.weight", E, X, q=Q.F32)
            m.T(f"blk.{i}.ffn_gate_inp.scale", E)
            m.T(f"blk.{i}.ffn_gate_up_exps.weight", E, 2 * XF, X)
            m.T(f"blk.{i}.ffn_down_exps.weight", XF, E, X)
            m.T(f"blk.{i}.ffn_down_exps.scale", X)
            ones(m, i, E, "pre_ffw_norm_2 post_ffw_norm_1 post_ffw_norm_2")
        if P:
            linear(m, i, "inp_gate", E, P)
            linear(m, i, "proj", P, E)
            ones(m, i, E, "post_norm")
        m.T(f"blk.{i}.layer_output_scale.weight", 1)

    return layer


def gemma4_settings(L, window, D, D_full, P, KV, KV_full, shared=0, every=5, F=0, X=0, used=0, XF=0):
    full = [i % every == every - 1 for i in range(L)]
    found = {
        "attention.sliding_window": window, "attention.sliding_window_pattern": [not one for one in full],
        "attention.key_length": D_full, "attention.value_length": D_full, "attention.key_length_swa": D, "attention.value_length_swa": D,
        "attention.head_count_kv": [KV_full if one else KV for one in full],
        "embedding_length_per_layer_input": P, "attention.shared_kv_layers": shared, "final_logit_softcapping": 30.0,
    }
    if shared:
        found["feed_forward_length"] = [F * 2 if i >= L - shared else F for i in range(L)]
    if X:
        found |= {"expert_count": X, "expert_used_count": used, "expert_feed_forward_length": XF}
    return found


def moe(X, used, XF, **more):
    return {"expert_count": X, "expert_used_count": used, "expert_feed_forward_length": XF, **more}


SECTIONS = {"rope.dimension_sections": [11, 11, 10, 0]}
MODELS = {
    "qwen3-next-80b": ("qwen3next", (2048, 12, 16, 2, 5120, 151936, 256), moe(512, 10, 512, **{"expert_shared_feed_forward_length": 512}) | ssm(128, 16, 32), qwen_next(128, 16, 32, False, 512, 512)),
    "mini-qwen3next": ("qwen3next", (256, 4, 4, 2, 512, 320, 64), moe(8, 2, 128, **{"expert_shared_feed_forward_length": 128}) | ssm(64, 2, 4), qwen_next(64, 2, 4, False, 8, 128)),
    "mini-qwen3next-old": ("qwen3next", (256, 4, 4, 2, 512, 320, 64), moe(8, 2, 128, **{"expert_shared_feed_forward_length": 128}) | ssm(64, 2, 4), qwen_next(64, 2, 4, False, 8, 128, legacy=True)),
    "qwen3.5-4b": ("qwen35", (2560, 32, 16, 4, 9216, 248320, 256), SECTIONS | ssm(128, 16, 32), qwen_next(128, 16, 32, True)),
    "qwen3.5-35b-a3b": ("qwen35moe", (2048, 40, 16, 2, 512, 248320, 256), SECTIONS | moe(256, 8, 512, **{"expert_shared_feed_forward_length": 512}) | ssm(128, 16, 32), qwen_next(128, 16, 32, True, 256, 512)),
    "mini-qwen35": ("qwen35", (256, 4, 4, 2, 512, 320, 64), SECTIONS | ssm(64, 2, 4), qwen_next(64, 2, 4, True)),
    "gemma4-e2b": ("gemma4", (1536, 35, 8, 1, 6144, 262144, 256), gemma4_settings(35, 512, 256, 512, 256, 1, 1, shared=20, F=6144), gemma4(512, 512, 1, P=256, own=15)),
    "gemma4-26b-a4b": ("gemma4", (2816, 30, 16, 8, 2112, 262144, 256), gemma4_settings(30, 1024, 256, 512, 0, 8, 2, every=6, X=128, used=8, XF=704), gemma4(1024, 512, 2, X=128, XF=704, every=6, no_v=True)),
    "gemma4-31b": ("gemma4", (5376, 60, 32, 16, 21504, 262144, 256), gemma4_settings(60, 1024, 256, 512, 0, 16, 4, every=6), gemma4(1024, 512, 4, every=6, no_v=True)),
    "mini-gemma4": ("gemma4", (256, 6, 4, 2, 512, 320, 64), gemma4_settings(6, 128, 64, 128, 64, 2, 1, shared=3, every=3, F=512, X=8, used=2, XF=128), gemma4(128, 128, 1, P=64, own=3, X=8, XF=128, every=3)),
}


def add(m, name):
    """Adds settings and tensors of a model of the table."""
    arch, (E, L, H, KV, F, V, D), settings, layer = MODELS[name]
    sizes = {"context_length": 32768, "embedding_length": E, "block_count": L, "feed_forward_length": F, "vocab_size": V, "attention.head_count": H, "attention.head_count_kv": KV, "attention.key_length": D, "attention.value_length": D, "rope.dimension_count": D, "attention.layer_norm_rms_epsilon": 1e-6}
    for key, value in (sizes | settings).items():
        if value is not None:
            m.kv(**{key: value})
    m.vocab(V)
    head = HEADS.get(arch, "")
    m.T("token_embd.weight", E, V)
    m.T("output_norm.weight", E)
    if "b" in head:
        m.T("output_norm.bias", E)
    if "o" in head:
        m.T("output.weight", E, V)
    P = settings.get("embedding_length_per_layer_input", 0)
    if P:
        m.T("per_layer_token_embd.weight", P * L, V)
        m.T("per_layer_model_proj.weight", E, P * L)
        m.T("per_layer_proj_norm.weight", P)
    for i in range(L):
        layer(m, i, E, H, KV, F, D)


# By architecture: `o`, an output weight; `b`, a bias of the last norm.
HEADS = {"qwen3next": "o", "qwen35moe": "o"}
