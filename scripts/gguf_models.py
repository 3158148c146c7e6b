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


def plan(norms="attn_norm ffn_norm", norm_bias=False, bias=False, out_bias=None, is_fused=False, head_norm=None, net=gated, net_bias=False, X=0, XF=0, shared=0, choice=False, dense=0, every=1):
    """A layer of a decoder; `head_norm`: `head` or `all`; `X` experts of `XF` from layer `dense` on, in every so many."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, norms, norm_bias)
        if is_fused:
            fused(m, i, E, H, KV, D, bias, out_bias)
        else:
            qkv(m, i, E, H, KV, D, bias, out_bias)
        if head_norm:
            m.T(f"blk.{i}.attn_q_norm.weight", D if head_norm == "head" else H * D)
            m.T(f"blk.{i}.attn_k_norm.weight", D if head_norm == "head" else KV * D)
        if X and i >= dense and (i + 1) % every == 0:
            experts(m, i, E, XF, X, shared, choice)
        else:
            net(m, i, E, F, net_bias)

    return layer


def halves(m, i, E, F, bias=False):
    """A network whose first weight holds the gate."""
    linear(m, i, "ffn_up", E, 2 * F, bias)
    linear(m, i, "ffn_down", F, E, bias)


def mamba(dI, dS, dR, attention, experts_every=0, X=0):
    """A layer of Jamba: attention in some layers, Mamba in the others."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm ffn_norm")
        if i in attention:
            qkv(m, i, E, H, 8, D)
        else:
            linear(m, i, "ssm_in", E, 2 * dI)
            m.T(f"blk.{i}.ssm_conv1d.weight", 4, dI, q=Q.F32)
            m.T(f"blk.{i}.ssm_conv1d.bias", dI)
            linear(m, i, "ssm_x", dI, dR + 2 * dS)
            m.T(f"blk.{i}.ssm_dt_norm.weight", dR)
            m.T(f"blk.{i}.ssm_b_norm.weight", dS)
            m.T(f"blk.{i}.ssm_c_norm.weight", dS)
            linear(m, i, "ssm_dt", dR, dI, True)
            m.T(f"blk.{i}.ssm_a", dS, dI, q=Q.F32)
            m.T(f"blk.{i}.ssm_d", dI)
            linear(m, i, "ssm_out", dI, E)
        if experts_every and i % experts_every == 1:
            experts(m, i, E, F, X)
        else:
            gated(m, i, E, F)

    return layer


def nemotron_h(kinds, dI, dS, nH, nG, X=0, XF=0, shared=0):
    """A layer of Nemotron H, by its letter: M, Mamba 2; `*`, attention; `-`, a network; E, experts."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm")
        match kinds[i]:
            case "M":
                cd = dI + 2 * nG * dS
                linear(m, i, "ssm_in", E, 2 * dI + 2 * nG * dS + nH)
                m.T(f"blk.{i}.ssm_conv1d.weight", 4, cd, q=Q.F32)
                m.T(f"blk.{i}.ssm_conv1d.bias", cd)
                m.T(f"blk.{i}.ssm_dt.bias", nH)
                m.T(f"blk.{i}.ssm_a", 1, nH, q=Q.F32)
                m.T(f"blk.{i}.ssm_d", 1, nH, q=Q.F32)
                m.T(f"blk.{i}.ssm_norm.weight", dI // nG, nG, q=Q.F32)
                linear(m, i, "ssm_out", dI, E)
            case "*":
                qkv(m, i, E, H, 8, D)
            case "-":
                plain(m, i, E, F)
            case "E":
                experts(m, i, E, XF, X, bias=True, gate=False)
                plain_shared(m, i, E, shared)

    return layer


def plain_shared(m, i, E, F):
    """A network without a gate that every token uses."""
    linear(m, i, "ffn_up_shexp", E, F)
    linear(m, i, "ffn_down_shexp", F, E)


def nemotron_settings(kinds, KV, F, dI, dS, nH, nG, **more):
    more["attention.layer_norm_epsilon"] = 1e-5
    widths = [F if kind in "-E" else 0 for kind in kinds]
    return {
        "attention.head_count_kv": [KV if kind == "*" else 0 for kind in kinds], "feed_forward_length": widths,
        "ssm.conv_kernel": 4, "ssm.inner_size": dI, "ssm.state_size": dS, "ssm.time_step_rank": nH, "ssm.group_count": nG, **more,
    }


def latent(qr, rank, rope, nope, v):
    """A layer of MiniCPM 3."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm ffn_norm")
        linear(m, i, "attn_q_a", E, qr)
        m.T(f"blk.{i}.attn_q_a_norm.weight", qr)
        linear(m, i, "attn_q_b", qr, H * (nope + rope))
        linear(m, i, "attn_kv_a_mqa", E, rank + rope)
        m.T(f"blk.{i}.attn_kv_a_norm.weight", rank)
        linear(m, i, "attn_kv_b", rank, H * (nope + v))
        linear(m, i, "attn_output", H * v, E)
        gated(m, i, E, F)

    return layer


def openelm(heads, kv_heads, widths):
    """A layer of OpenELM."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm ffn_norm")
        fused(m, i, E, heads[i], kv_heads[i], D)
        m.T(f"blk.{i}.attn_q_norm.weight", D)
        m.T(f"blk.{i}.attn_k_norm.weight", D)
        gated(m, i, E, widths[i])

    return layer


def lfm2moe(attention, dense, X, XF):
    """A layer of LFM 2 with experts."""

    def layer(m, i, E, H, KV, F, D):
        ones(m, i, E, "attn_norm ffn_norm")
        if i in attention:
            qkv(m, i, E, H, 8, D, norm=D)
        else:
            m.T(f"blk.{i}.shortconv.conv.weight", 3, E, q=Q.F32)
            linear(m, i, "shortconv.in_proj", E, 3 * E)
            linear(m, i, "shortconv.out_proj", E, E)
        if i < dense:
            gated(m, i, E, F)
        else:
            experts(m, i, E, XF, X, bias=True)

    return layer


def bert(net=plain, biases=True, is_fused=False, norms=False, gate_in_up=False, every=0, X=0, net_bias=True):
    """A layer of an encoder with norms behind both parts."""

    def layer(m, i, E, H, KV, F, D):
        if is_fused:
            fused(m, i, E, H, KV, D, biases)
        else:
            qkv(m, i, E, H, KV, D, biases)
        if norms:
            for name in ("attn_q_norm", "attn_k_norm"):
                ones(m, i, E, name, True)
        ones(m, i, E, "attn_output_norm layer_output_norm", True)
        if every and i % every == 1:
            experts(m, i, E, F, X, gate=False)
        elif gate_in_up:
            linear(m, i, "ffn_up", E, 2 * F)
            linear(m, i, "ffn_down", F, E, True)
        else:
            net(m, i, E, F, biases and net_bias)
            if not net_bias:
                m.T(f"blk.{i}.ffn_down.bias", E)

    return layer


def modern_bert(first, halved=True):
    """A layer of ModernBERT, whose first has no norm, or NeoBERT."""

    def layer(m, i, E, H, KV, F, D):
        if i or first:
            ones(m, i, E, "attn_norm")
        ones(m, i, E, "ffn_norm")
        if first:
            qkv(m, i, E, H, KV, D) if first == "three" else fused(m, i, E, H, KV, D)
        else:
            fused(m, i, E, H, KV, D)
        (halves if halved else gated)(m, i, E, F)

    return layer


EPS = {"attention.layer_norm_epsilon": 1e-5}
ENCODER = {"attention.causal": False, "pooling_type": 1, **EPS}
JAMBA = {3, 11}
LFM = {2, 6, 10, 14, 18, 21}
ELM_H, ELM_KV = [12] * 3 + [16] * 9 + [20] * 4, [3] * 3 + [4] * 9 + [5] * 4
ELM_F = [256 * (3 + 2 * i) for i in range(16)]
NANO = "MEMEM*EMEMEM*EME"
NANO_V2 = "M-M-M-MM-M-M-M*-M-M-M*-"
MODELS |= {
    "mini-odd": ("llama", (192, 2, 4, 2, 512, 320, 48), {}, plan()),
    "mini-rank": ("qwen3", (256, 2, 4, 2, 512, 320, 64), {"pooling_type": 4, "classifier.output_labels": ["yes", "no"]}, plan(head_norm="head")),
    "qwen-7b": ("qwen", (4096, 32, 32, 32, 22016, 151936, 128), {}, lambda m, i, E, H, KV, F, D: plan(is_fused=True, bias=True, out_bias=False)(m, i, E, H, KV, F // 2, D)),
    "internlm2-7b": ("internlm2", (4096, 32, 32, 8, 14336, 92544, 128), {}, plan()),
    "xverse-7b": ("xverse", (4096, 32, 32, 32, 11008, 100534, 128), {}, plan()),
    "exaone3-7.8b": ("exaone", (4096, 32, 32, 8, 14336, 102400, 128), {}, plan()),
    "ernie4.5-0.3b": ("ernie4_5", (1024, 18, 16, 2, 3072, 103424, 128), {}, plan()),
    "pangu-1b": ("pangu-embedded", (1536, 26, 12, 6, 6144, 153376, 128), {}, plan(bias=True)),
    "seed-oss-36b": ("seed_oss", (5120, 64, 80, 8, 27648, 155136, 128), {}, plan("attn_norm post_attention_norm", bias=True, out_bias=False)),
    "llama-embed-1b": ("llama-embed", (2048, 16, 32, 8, 8192, 128256, 64), {"attention.causal": False, "pooling_type": 1}, plan()),
    "eurobert-210m": ("eurobert", (768, 12, 12, 12, 3072, 128256, 64), {"attention.causal": False, "pooling_type": 1}, plan()),
    "llama4-scout": ("llama4", (5120, 12, 40, 8, 16384, 202048, 128), moe(16, 1, 8192, **{"interleave_moe_layer_step": 1}), plan(X=16, XF=8192, shared=8192)),
    "llama4-maverick": ("llama4", (5120, 12, 40, 8, 16384, 202048, 128), moe(128, 1, 8192, **{"interleave_moe_layer_step": 2}), plan(X=128, XF=8192, shared=8192, every=2)),
    "gemma-2b": ("gemma", (2048, 18, 8, 1, 16384, 256000, 256), {}, plan()),
    "embeddinggemma-300m": ("gemma-embedding", (768, 24, 3, 1, 1152, 262144, 256), {"attention.sliding_window": 512, "pooling_type": 1, "dense_2_feat_in": 768, "dense_2_feat_out": 3072, "dense_3_feat_in": 3072, "dense_3_feat_out": 768}, plan("attn_norm ffn_norm post_attention_norm post_ffw_norm", head_norm="head")),
    "phi3.5-moe": ("phimoe", (4096, 8, 32, 8, 6400, 32064, 128), moe(16, 2, 6400), plan(norm_bias=True, bias=True, X=16, XF=6400)),
    "phi2": ("phi2", (2560, 32, 32, 32, 10240, 51200, 80), EPS, plan("attn_norm", norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "pythia-1.4b": ("gptneox", (2048, 24, 16, 16, 8192, 50304, 128), EPS | {"use_parallel_residual": True}, plan(norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "neox-serial": ("gptneox", (2048, 8, 16, 16, 8192, 50304, 128), EPS | {"use_parallel_residual": False}, plan(norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "plamo-13b": ("plamo", (5120, 10, 40, 5, 13824, 50432, 128), {}, plan("attn_norm")),
    "command-r7b": ("cohere2", (4096, 32, 32, 8, 14336, 256000, 128), EPS | {"attention.sliding_window": 4096, "logit_scale": 0.25}, plan("attn_norm")),
    "deepseek-moe-16b": ("deepseek", (2048, 28, 16, 16, 10944, 102400, 128), moe(64, 6, 1408, **{"expert_shared_count": 2, "leading_dense_block_count": 1, "expert_weights_scale": 1.0}), plan(X=64, XF=1408, shared=2816, dense=1)),
    "ling-lite": ("bailingmoe", (2048, 28, 16, 4, 5632, 126464, 128), moe(64, 6, 1408, **{"expert_shared_count": 2, "expert_weights_norm": True, "leading_dense_block_count": 0, "expert_weights_scale": 1.0}), plan(X=64, XF=1408, shared=2816)),
    "ling-mini-2": ("bailingmoe2", (2048, 20, 16, 4, 5120, 157184, 128), moe(256, 8, 512, **{"expert_group_count": 8, "expert_group_used_count": 4, "expert_shared_feed_forward_length": 512, "expert_shared_count": 1, "expert_weights_norm": True, "expert_weights_scale": 2.5, "expert_gating_func": 2, "leading_dense_block_count": 1}), plan(is_fused=True, head_norm="head", X=256, XF=512, shared=512, choice=True, dense=1)),
    "dots1": ("dots1", (4096, 8, 32, 32, 10944, 152064, 128), moe(128, 6, 1408, **{"expert_shared_count": 2, "expert_weights_norm": True, "expert_weights_scale": 2.5, "expert_gating_func": 2, "leading_dense_block_count": 1}), plan(head_norm="head", X=128, XF=1408, shared=2816, choice=True, dense=1)),
    "ernie4.5-21b-a3b": ("ernie4_5-moe", (2560, 28, 20, 4, 12288, 103424, 128), moe(64, 6, 1536, **{"expert_shared_feed_forward_length": 3072, "interleave_moe_layer_step": 1, "leading_dense_block_count": 1}), plan(X=64, XF=1536, shared=3072, choice=True, dense=1)),
    "glm4.5-air": ("glm4moe", (4096, 12, 96, 8, 10944, 151552, 128), moe(128, 8, 1408, **{"expert_shared_count": 1, "expert_weights_norm": True, "expert_weights_scale": 1.0, "leading_dense_block_count": 1}), plan("attn_norm post_attention_norm", bias=True, out_bias=False, X=128, XF=1408, shared=1408, choice=True, dense=1)),
    "minimax-m2": ("minimax-m2", (3072, 8, 48, 8, 1536, 200064, 128), moe(256, 8, 1536, **{"expert_gating_func": 2}), plan(head_norm="all", X=256, XF=1536, choice=True)),
    "olmoe-7b": ("olmoe", (2048, 16, 16, 16, 1024, 50304, 128), moe(64, 8, 1024), plan(head_norm="all", X=64, XF=1024)),
    "dbrx": ("dbrx", (6144, 4, 48, 8, 10752, 100352, 128), EPS | moe(16, 4, 10752, **{"attention.clamp_kqv": 8.0}), plan("attn_norm attn_output_norm", is_fused=True, X=16, XF=10752)),
    "minicpm-2b": ("minicpm", (2304, 40, 36, 36, 5760, 122753, 64), {}, plan()),
    "minicpm3-4b": ("minicpm3", (2560, 16, 40, 40, 6400, 73448, 96), {"attention.q_lora_rank": 768, "attention.kv_lora_rank": 256, "attention.key_length": 96, "attention.value_length": 64, "rope.dimension_count": 32}, latent(768, 256, 32, 64, 64)),
    "jamba-mini": ("jamba", (4096, 16, 32, 8, 14336, 65536, 128), {"attention.head_count_kv": [8 if i in JAMBA else 0 for i in range(16)], "rope.dimension_count": None, "ssm.conv_kernel": 4, "ssm.inner_size": 8192, "ssm.state_size": 16, "ssm.time_step_rank": 256} | moe(16, 2, 14336), mamba(8192, 16, 256, JAMBA, 2, 16)),
    "nemotron-nano-2": ("nemotron_h", (4480, len(NANO_V2), 40, 8, 15680, 131072, 128), nemotron_settings(NANO_V2, 8, 15680, 10240, 128, 128, 8), nemotron_h(NANO_V2, 10240, 128, 128, 8)),
    "nemotron-3-nano": ("nemotron_h_moe", (2688, len(NANO), 32, 8, 1856, 131072, 128), nemotron_settings(NANO, 8, 1856, 4096, 128, 64, 8) | moe(128, 6, 1856, **{"expert_shared_feed_forward_length": 3712, "expert_shared_count": 1, "expert_weights_norm": True, "expert_weights_scale": 2.5}), nemotron_h(NANO, 4096, 128, 64, 8, 128, 1856, 3712)),
    "lfm2-8b-a1b": ("lfm2moe", (2048, 24, 32, 8, 7168, 65536, 64), {"attention.head_count_kv": [8 if i in LFM else 0 for i in range(24)], "shortconv.l_cache": 3, "leading_dense_block_count": 2, "expert_gating_func": 2} | moe(32, 4, 1792), lfm2moe(LFM, 2, 32, 1792)),
    "starcoder-1b": ("starcoder", (2048, 24, 16, 1, 8192, 49152, 128), EPS, plan(norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "codeshell-7b": ("codeshell", (4096, 16, 32, 8, 16384, 70144, 128), EPS, plan(norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "bloom-1b7": ("bloom", (2048, 24, 16, 16, 8192, 250880, 128), EPS, plan(norm_bias=True, bias=True, is_fused=True, net=plain, net_bias=True)),
    "mpt-7b": ("mpt", (4096, 16, 32, 32, 16384, 50432, 128), EPS | {"attention.max_alibi_bias": 8.0}, plan(is_fused=True, net=plain)),
    "jais-13b": ("jais", (5120, 8, 40, 40, 13653, 84992, 128), EPS | {"attention.max_alibi_bias": 8.0}, plan(norm_bias=True, bias=True, is_fused=True, net=gated, net_bias=True)),
    "olmo-1b": ("olmo", (2048, 16, 16, 16, 8192, 50304, 128), EPS, plan("")),
    "orion-14b": ("orion", (5120, 8, 40, 40, 15360, 84608, 128), EPS, plan(norm_bias=True)),
    "refact-1.6b": ("refact", (2048, 32, 32, 1, 5632, 49216, 64), {}, plan()),
    "baichuan-7b": ("baichuan", (4096, 32, 32, 32, 11008, 64000, 128), {}, plan()),
    "baichuan2-13b": ("baichuan", (5120, 40, 40, 40, 13696, 125696, 128), {}, plan()),
    "chatglm3-6b": ("chatglm", (4096, 28, 32, 2, 13696, 65024, 128), {"rope.dimension_count": 64}, plan(is_fused=True, bias=True, out_bias=False, net=halves)),
    "openelm-270m": ("openelm", (1280, 16, 12, 3, 768, 32000, 64), {"attention.head_count": ELM_H, "attention.head_count_kv": ELM_KV, "feed_forward_length": ELM_F}, openelm(ELM_H, ELM_KV, ELM_F)),
    "exaone4-1.2b": ("exaone4", (2048, 30, 32, 8, 4096, 102400, 64), {}, plan("post_attention_norm post_ffw_norm", head_norm="head")),
    "exaone4-32b": ("exaone4", (5120, 64, 40, 8, 27392, 102400, 128), {"attention.sliding_window": 4096}, plan("post_attention_norm post_ffw_norm", head_norm="head")),
    "k-exaone": ("exaone-moe", (6144, 12, 64, 8, 18432, 153600, 128), moe(128, 8, 2048, **{"attention.sliding_window": 128, "expert_shared_count": 1, "expert_gating_func": 2, "expert_weights_norm": True, "expert_weights_scale": 2.5, "leading_dense_block_count": 1}), plan(head_norm="head", X=128, XF=2048, shared=2048, choice=True, dense=1)),
    "hunyuan-1.8b": ("hunyuan-dense", (2048, 32, 16, 4, 6144, 120818, 128), {}, plan(head_norm="head")),
    "hunyuan-ocr": ("hunyuan_vl", (1024, 24, 16, 8, 3584, 120818, 128), {"rope.dimension_sections": [16, 16, 16, 16]}, plan(head_norm="head")),
    "hunyuan-a13b": ("hunyuan-moe", (4096, 12, 32, 8, 3072, 128167, 128), moe(64, 8, 3072, **{"expert_shared_feed_forward_length": 3072}), plan(head_norm="head", X=64, XF=3072, shared=3072)),
    "smollm3-3b": ("smollm3", (2048, 36, 16, 4, 11008, 128256, 128), {}, plan()),
    "afm-4.5b": ("arcee", (2560, 36, 20, 4, 18432, 128004, 128), {}, plan(net=plain)),
    "nemotron-mini-4b": ("nemotron", (3072, 32, 24, 8, 9216, 256000, 128), EPS | {"rope.dimension_count": 64}, plan(norm_bias=True, net=plain)),
    "apertus-8b": ("apertus", (4096, 32, 32, 8, 21504, 131072, 128), {"!xielu.alpha_n": [0.8] * 32, "!xielu.alpha_p": [0.8] * 32, "!xielu.beta": [0.5] * 32, "!xielu.eps": [-1e-6] * 32}, plan(head_norm="head", net=plain)),
    "nomic-embed-v2-moe": ("nomic-bert-moe", (768, 12, 12, 12, 3072, 250048, 64), ENCODER | {"moe_every_n_layers": 2, "expert_count": 8, "expert_used_count": 2}, bert(is_fused=True, every=2, X=8)),
    "jina-v2-small": ("jina-bert-v2", (512, 4, 8, 8, 2048, 30528, 64), ENCODER, bert(gate_in_up=True)),
    "jina-v2-code": ("jina-bert-v2", (768, 12, 12, 12, 3072, 61056, 64), ENCODER, bert(net=gated, norms=True, net_bias=False)),
    "jina-v3": ("jina-bert-v3", (1024, 24, 16, 16, 4096, 250002, 64), ENCODER, bert(is_fused=True)),
    "modernbert-base": ("modern-bert", (768, 22, 12, 12, 1152, 50368, 64), ENCODER | {"attention.sliding_window": 128}, modern_bert(None)),
    "neobert": ("neo-bert", (768, 28, 12, 12, 2048, 30522, 64), {"attention.causal": False, "pooling_type": 2}, modern_bert("fused")),
}


# Layers of the models of `few-` names; four of the others.
FEW = {"nemotron-nano-2": 16, "nemotron-3-nano": 6}


def add(m, name):
    """Adds settings and tensors of a model of the table; with `few-` before its name it has few layers and no vocabulary."""
    plain_name = name.removeprefix("few-")
    arch, (E, L, H, KV, F, V, D), settings, layer = MODELS[plain_name]
    if name != plain_name:
        few = FEW.get(plain_name, 4)
        settings = {key: value[:few] if isinstance(value, list) and len(value) == L else value for key, value in settings.items()}
        L = few
    sizes = {"context_length": 32768, "embedding_length": E, "block_count": L, "feed_forward_length": F, "vocab_size": V, "attention.head_count": H, "attention.head_count_kv": KV, "attention.key_length": D, "attention.value_length": D, "rope.dimension_count": D, "attention.layer_norm_rms_epsilon": 1e-6}
    for key, value in (sizes | settings).items():
        if value is not None:
            m.kv(**{key: value})
    if name == plain_name:
        m.vocab(V)
    else:
        m.w.add_tokenizer_model("none")
    outside(m, HEADS.get(arch, ""), E, V, arch)
    P = settings.get("embedding_length_per_layer_input", 0)
    if P:
        m.T("per_layer_token_embd.weight", P * L, V)
        m.T("per_layer_model_proj.weight", E, P * L)
        m.T("per_layer_proj_norm.weight", P)
    if "dense_2_feat_out" in settings:
        m.T("dense_2.weight", E, settings["dense_2_feat_out"])
        m.T("dense_3.weight", settings["dense_2_feat_out"], E)
    if settings.get("pooling_type") == 4:
        m.T("cls.output.weight", E, 2)
    for i in range(L):
        layer(m, i, E, H, KV, F, D)


def outside(m, marks, E, V, arch):
    """Tensors outside of the layers, by the marks of `HEADS`."""
    m.T("token_embd.weight", E, V)
    if "t" in marks:
        m.w.add_token_type_count(2)
        m.T("token_types.weight", E, 2, q=Q.F32)
    if "n" in marks or "N" in marks:
        m.T("token_embd_norm.weight", E)
    if "N" in marks:
        m.T("token_embd_norm.bias", E)
    if "e" in marks:
        m.T("position_embd.weight", E, 32768, q=Q.F32)
    if "x" not in marks:
        m.T("enc.output_norm.weight" if arch == "neo-bert" else "output_norm.weight", E)
    if "b" in marks:
        m.T("output_norm.bias", E)
    if "o" in marks or "p" in marks:
        m.T("output.weight", E, V)
    if "p" in marks:
        m.T("output.bias", V)


# By architecture: `o`, an output weight; `p`, with a bias; `b`, a bias of the last norm; `x`, no last norm; `t`, types of tokens;
# `n`, a norm of the embedding; `N`, with a bias; `e`, an embedding of positions.
HEADS = {
    "internlm2": "o", "qwen3next": "o", "qwen35moe": "o", "qwen": "o", "xverse": "o", "phi2": "bp", "phimoe": "bp", "gptneox": "bo", "plamo": "o",
    "bailingmoe": "o", "bailingmoe2": "o", "dots1": "o", "glm4moe": "o", "minimax-m2": "o", "olmoe": "o", "dbrx": "o", "deepseek": "o",
    "starcoder": "be", "codeshell": "bo", "bloom": "Nb", "jais": "bo", "orion": "bo", "baichuan": "o", "chatglm": "o", "nemotron": "bo",
    "olmo": "x", "nemotron_h": "o", "nemotron_h_moe": "o", "lfm2moe": "xn", "hunyuan-moe": "o", "exaone-moe": "o", "apertus": "o",
    "nomic-bert-moe": "xtN", "jina-bert-v2": "xtN", "jina-bert-v3": "xtN", "modern-bert": "n", "llama4": "o", "seed_oss": "o",
    "pangu-embedded": "o",
}
