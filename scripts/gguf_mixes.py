"""The type of each tensor in llama.cpp's quantization mixes, such as Q4_K_M or IQ3_XS.

`Mix(name, arch, hyper-parameters, imatrix).types(tensors)` gives what `llama-quantize` chooses for a file in F16: a type per
tensor, by name, layer, counts of the kinds before it, and row size. The order of tensors is that of llama.cpp's loader: by layer,
then by name.

Source: llama.cpp 0.5.0, src/llama-quant.cpp (`llama_tensor_get_type_impl`, `tensor_type_fallback`, `tensor_allows_quantization`),
src/llama-model-loader.h (`weight_name_comparer`).
"""
import collections
import hashlib
import re

import gguf
from gguf import GGMLQuantizationType as Q

# By mix: the type of most tensors.
MIXES = {
    "Q4_0": Q.Q4_0, "Q4_1": Q.Q4_1, "Q5_0": Q.Q5_0, "Q5_1": Q.Q5_1, "Q8_0": Q.Q8_0, "F16": Q.F16, "BF16": Q.BF16,
    "Q2_K": Q.Q2_K, "Q2_K_S": Q.Q2_K, "Q3_K_S": Q.Q3_K, "Q3_K_M": Q.Q3_K, "Q3_K_L": Q.Q3_K, "Q4_K_S": Q.Q4_K, "Q4_K_M": Q.Q4_K,
    "Q5_K_S": Q.Q5_K, "Q5_K_M": Q.Q5_K, "Q6_K": Q.Q6_K, "TQ1_0": Q.TQ1_0, "TQ2_0": Q.TQ2_0,
    "IQ1_S": Q.IQ1_S, "IQ1_M": Q.IQ1_M, "IQ2_XXS": Q.IQ2_XXS, "IQ2_XS": Q.IQ2_XS, "IQ2_S": Q.IQ2_XS, "IQ2_M": Q.IQ2_S,
    "IQ3_XXS": Q.IQ3_XXS, "IQ3_XS": Q.IQ3_S, "IQ3_S": Q.IQ3_S, "IQ3_M": Q.IQ3_S, "IQ4_NL": Q.IQ4_NL, "IQ4_XS": Q.IQ4_XS,
    "MXFP4_MOE": Q.MXFP4,
}

# Mixes that llama-quantize makes with an importance matrix only.
NEED_IMATRIX = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S"}

# Numbers of the mixes in llama.h (`llama_ftype`).
NUMBERS = {
    "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13,
    "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ2_XXS": 19, "IQ2_XS": 20, "Q2_K_S": 21, "IQ3_XS": 22,
    "IQ3_XXS": 23, "IQ1_S": 24, "IQ4_NL": 25, "IQ3_S": 26, "IQ3_M": 27, "IQ2_S": 28, "IQ2_M": 29, "IQ4_XS": 30, "IQ1_M": 31,
    "BF16": 32, "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38,
}

PLAIN = {Q.F32, Q.F16, Q.BF16}

# Parts of names whose weights keep their type.
KEPT = (
    "_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d",
    "shortconv.conv.weight", "indexer.k_proj.weight", "indexer.q_proj.weight", "attn_rel_b.weight", ".position_embd", "sam.pos_embd",
    "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd", "time_mix_first.weight",
    "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight",
    *(f"time_mix_{name}.weight" for name in "w0 w1 w2 v0 v1 v2 a0 a1 a2 g1 g2".split()),
)

# Kinds of weights by a part of their name, the first that is found.
KINDS = (
    ("attn_qkv.weight", "qkv"), ("attn_kv_b.weight", "kv_b"), ("attn_v.weight", "v"), ("attn_k.weight", "k"), ("attn_q.weight", "q"),
    ("attn_output.weight", "out"), ("ffn_up", "up"), ("ffn_gate", "gate"), ("ffn_down", "down"),
)

# Types whose rows do not fit, and what takes their place.
FALLBACK = {
    **dict.fromkeys((Q.IQ1_S, Q.IQ1_M, Q.IQ2_XXS, Q.IQ2_XS, Q.IQ2_S, Q.IQ3_XXS, Q.IQ3_S, Q.IQ4_XS), Q.IQ4_NL),
    **dict.fromkeys((Q.Q2_K, Q.Q3_K, Q.TQ1_0, Q.TQ2_0), Q.Q4_0),
    Q.Q4_K: Q.Q5_0, Q.Q5_K: Q.Q5_1, Q.Q6_K: Q.Q8_0,
}

LOW = {"IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ2_S", "IQ2_M", "IQ1_M"}
IQ2 = {"IQ2_S", "IQ2_M"}


def order(name):
    """The key of a tensor in the order of the loader."""
    found = re.match(r"blk\.(\d+)\.", name)
    return (int(found[1]) if found else -1, name)


def kind_of(name):
    """The kind of a weight."""
    if name == "output.weight":
        return "output"
    if name in ("token_embd.weight", "per_layer_token_embd.weight"):
        return "embedding"
    return next((kind for part, kind in KINDS if part in name), "other")


def more_bits(layer, layers):
    """Whether a layer is one of those that get more bits: the first eighth, the last, and every third between."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def digest(types):
    """How many tensors have each type, and a digest of names and types, by which records are compared."""
    lines = [f"{name} {types[name]}" for name in sorted(types, key=order)]
    text = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return dict(sorted(collections.Counter(types.values()).items())), text


class Mix:
    """A mix for one model: its architecture, layers, heads of queries and of keys in the first layer, experts."""

    def __init__(self, name, arch, layers, heads=0, kv_heads=0, experts=0, imatrix=None):
        self.name, self.arch, self.layers, self.experts = name, arch, layers, experts
        self.group = heads // kv_heads if kv_heads else 0
        self.imatrix = name in NEED_IMATRIX if imatrix is None else imatrix
        # Models that llama.cpp names 70B, whose values are shared by eight heads.
        self.is_70b = layers == 80 and (arch in ("qwen2", "olmo", "deci") or arch == "llama" and heads != kv_heads)

    def is_kept(self, name, dims):
        """Whether a tensor keeps its type."""
        rank = max((i + 1 for i, dim in enumerate(dims) if dim > 1), default=1)
        if rank < 2 or not name.endswith("weight") or name in ("position_embd.weight", "token_types.weight"):
            return True
        return any(part in name for part in KEPT)

    def types(self, tensors):
        """The types of tensors `(name, dims, type)`, by name."""
        self.seen = dict.fromkeys(("value", "down", "gate", "up"), 0)
        self.values = sum(kind_of(name) in ("v", "qkv", "kv_b") for name, *_ in tensors)
        self.is_tied = all(name != "output.weight" for name, *_ in tensors)
        found = {}
        for name, dims, own in sorted(tensors, key=lambda tensor: order(tensor[0])):
            base = MIXES[self.name]
            if self.is_kept(name, dims):
                found[name] = own
            elif base in PLAIN:
                found[name] = base
            else:
                found[name] = self.fitting(self.chosen(base, name, dims), dims[0])
        return found

    def fitting(self, wanted, row):
        """The type, or one with smaller blocks where rows are not whole blocks."""
        if row % gguf.GGML_QUANT_SIZES[wanted][0] == 0:
            return wanted
        smaller = FALLBACK.get(wanted, wanted)
        return smaller if row % gguf.GGML_QUANT_SIZES[smaller][0] == 0 else Q.F16

    def chosen(self, base, name, dims):
        """What the mix wants for a weight."""
        kind = kind_of(name)
        if kind == "output" or self.is_tied and kind == "embedding":
            return self.of_output(base, dims[0])
        if self.name == "MXFP4_MOE":
            return Q.MXFP4 if len(dims) > 2 and dims[2] > 1 else Q.Q8_0
        if kind == "embedding":
            return self.of_embedding(base)
        if self.name in LOW:
            return self.of_low(base, kind)
        if kind in ("v", "qkv", "kv_b"):
            return self.of_values(base)
        if kind in ("down", "gate", "up"):
            return self.of_network(base, kind, name)
        if kind == "out":
            return self.of_result(base)
        if kind == "k" and self.experts == 8:
            return Q.Q8_0
        if kind in ("k", "q"):
            return {"IQ3_XS": Q.IQ3_XXS, "IQ3_XXS": Q.IQ2_S}.get(self.name, base)
        return base

    def of_output(self, base, row):
        if self.name == "MXFP4_MOE" or self.arch == "falcon" or row % gguf.GGML_QUANT_SIZES[base][0]:
            return Q.Q8_0
        if self.name in LOW or self.name == "IQ3_XXS":
            return Q.Q5_K
        return base if base == Q.Q8_0 else Q.Q6_K

    def of_embedding(self, base):
        by_mix = dict.fromkeys(("IQ2_XXS", "IQ2_XS", "IQ1_S", "IQ1_M"), Q.Q2_K) | dict.fromkeys(("IQ2_S", "IQ2_M", "IQ3_XXS"), Q.IQ3_S)
        return (by_mix | dict.fromkeys(("TQ1_0", "TQ2_0"), Q.Q4_K)).get(self.name, base)

    def of_low(self, base, kind):
        """Mixes of two bits and fewer."""
        better = Q.IQ3_S if self.name in IQ2 else Q.Q2_K
        if kind in ("v", "qkv", "kv_b"):
            return Q.Q4_K if self.group >= 4 or self.experts >= 4 else better
        if kind == "k" and self.experts == 8:
            return Q.Q4_K
        if kind == "down":
            self.seen["down"] += 1
            return better if self.seen["down"] - 1 < self.layers // 8 else base
        if kind == "out":
            if self.experts == 8:
                return Q.Q5_K
            return Q.IQ2_XXS if self.name in ("IQ1_S", "IQ1_M") else Q.IQ3_S if self.name in IQ2 else base
        return base

    def of_values(self, base):
        number = self.seen["value"]
        self.seen["value"] += 1
        wide = self.group >= 4
        by_mix = {
            "Q2_K": Q.Q4_K if wide else Q.Q3_K,
            "Q2_K_S": Q.Q4_K if wide else base,
            "IQ3_XXS": Q.Q4_K if wide else Q.IQ3_XXS if self.imatrix else Q.IQ3_S,
            "IQ3_XS": Q.Q4_K if wide else base,
            "IQ3_S": Q.Q4_K if wide else base,
            "IQ3_M": Q.Q4_K,
            "Q3_K_M": Q.Q5_K if number < 2 else Q.Q4_K,
            "Q3_K_L": Q.Q5_K,
            "IQ4_NL": Q.Q5_K if wide else base,
            "IQ4_XS": Q.Q5_K if wide else base,
            "Q4_K_M": Q.Q6_K if more_bits(number, self.values) else base,
            "Q5_K_M": Q.Q6_K if more_bits(number, self.values) else base,
            "Q4_K_S": Q.Q5_K if number < 4 else base,
        }
        found = by_mix.get(self.name, base)
        if self.is_70b and found in (Q.Q3_K, Q.Q4_K):
            found = Q.Q5_K
        return Q.Q8_0 if self.experts == 8 else found

    def of_network(self, base, kind, name):
        number = self.seen[kind]
        self.seen[kind] += 1
        # Names of experts are not in the order of layers.
        layer = order(name)[0] if self.experts > 1 else number
        eighth = layer < self.layers // 8
        if kind != "down":
            inside = not eighth and layer < 7 * self.layers // 8
            return Q.IQ3_XXS if self.name == "IQ3_XS" and inside else base
        more, is_falcon = more_bits(layer, self.layers), self.arch == "falcon"
        match self.name:
            case "Q2_K":
                return Q.Q3_K
            case "Q2_K_S":
                return Q.Q4_K if eighth else base
            case "IQ3_XXS" if not self.imatrix:
                return Q.Q4_K if eighth else Q.Q3_K
            case "Q3_K_M" if layer < self.layers // 16:
                return Q.Q5_K
            case "Q3_K_M":
                return Q.Q3_K if is_falcon and not more else Q.Q4_K
            case "IQ3_M":
                return Q.Q4_K if eighth or self.experts == 8 and more else base
            case "Q3_K_L":
                return Q.Q4_K if is_falcon else Q.Q5_K
            case "Q4_K_M" if is_falcon:
                return Q.Q6_K if layer < self.layers // 16 else Q.Q5_K if more else Q.Q4_K
            case "Q4_K_M" | "Q5_K_M":
                return Q.Q6_K if more else base
            case "IQ4_NL" | "IQ4_XS":
                return Q.Q5_K if eighth and not self.imatrix else base
            case "Q4_K_S":
                return Q.Q5_K if eighth and not is_falcon else base
            case "Q4_0" | "Q5_0" if self.imatrix and eighth:
                return Q.Q4_1 if self.name == "Q4_0" else Q.Q5_1
        return base

    def of_result(self, base):
        if self.arch == "falcon":
            return Q.Q4_K if self.name == "Q3_K_L" else base
        if self.experts == 8:
            many = "Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS".split()
            return Q.Q5_K if self.name in many else base
        by_mix = {"Q2_K": Q.Q3_K, "IQ3_XXS": Q.IQ3_S, "Q3_K_M": Q.Q4_K, "Q3_K_L": Q.Q5_K, "IQ3_M": Q.Q4_K}
        return by_mix.get(self.name, base)
