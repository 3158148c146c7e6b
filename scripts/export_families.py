#!/usr/bin/env python3
"""Exports models of many families, and records what OpenVINO executes of them.

    export_families.py OUT [NAME[:QUANTIZATION] ...] [--layers N] [--strip DIR] [--list]

Weights are random, widths small, structure as published: configuration classes of transformers, no download. Each decoder
is exported by optimum-intel with its state inside (fp16), each family of encoder_families.py by openvino.convert_model; it is
quantized by nncf if asked (int8, int8sym, int4sym, int4asym), and compiled and run once for 128 tokens, or with the family's
own shapes, in a fresh process, with bf16 and with f32. Writes

* OUT/models/NAME-QUANTIZATION/openvino_*.xml
* OUT/exec/ID.xml.gz, the serialized execution graphs
* OUT/openvino_cpu.json, records for `compare_execution.py --measured OUT --models OUT/models`
* with --strip, DIR/NAME/…: the exports without constants of more than 16 KiB, as the fixtures are

Pinned: torch 2.15.0, transformers 4.57.6, diffusers 0.39.0, optimum-intel 1.27.0, nncf 3.4.0, openvino 2026.4.1. Instructions
are limited to AVX-512 with BF16, as for the recorded runs.
"""

import argparse
import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import encoder_families

TOKENS, BATCH = 128, 1
CONSTANT = re.compile(rb'(<data\b[^>]*?\boffset=")(\d+)("[^>]*?\bsize=")(\d+)(")')
KEPT = 16 << 10

LLAMA = dict(
    hidden_size=512, intermediate_size=1408, num_attention_heads=8, num_key_value_heads=2, vocab_size=8192,
    max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
GPT = dict(n_embd=512, n_head=8, vocab_size=8192)
FALCON = dict(hidden_size=512, num_attention_heads=8, vocab_size=8192, bias=False)
SEQ = dict(
    d_model=512, encoder_ffn_dim=2048, decoder_ffn_dim=2048, encoder_attention_heads=8, decoder_attention_heads=8,
    vocab_size=8192, max_position_embeddings=1024, decoder_start_token_id=0, pad_token_id=0,
)
T5 = dict(d_model=512, d_kv=64, d_ff=1024, num_heads=8, vocab_size=8192, decoder_start_token_id=0)
EXPERTS = dict(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=256)

# Name: configuration class, what differs from its family's table above, the word for the number of layers.
FAMILIES = {
    "llama": ("LlamaConfig", LLAMA | dict(tie_word_embeddings=True)),
    "mistral": ("MistralConfig", LLAMA | dict(sliding_window=256, head_dim=64)),
    "qwen2": ("Qwen2Config", LLAMA | dict(tie_word_embeddings=True)),
    "qwen2-sliding": ("Qwen2Config", LLAMA | dict(use_sliding_window=True, sliding_window=256, max_window_layers=1)),
    "qwen3": ("Qwen3Config", LLAMA | dict(head_dim=128, tie_word_embeddings=True)),
    "qwen3-moe": ("Qwen3MoeConfig", LLAMA | EXPERTS | dict(head_dim=64, norm_topk_prob=True)),
    "qwen2-moe": ("Qwen2MoeConfig", LLAMA | EXPERTS | dict(shared_expert_intermediate_size=512)),
    "mixtral": ("MixtralConfig", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2, sliding_window=None)),
    "gemma": ("GemmaConfig", LLAMA | dict(head_dim=64, num_key_value_heads=1)),
    "gemma2": ("Gemma2Config", LLAMA | dict(head_dim=64, sliding_window=256, query_pre_attn_scalar=64)),
    "gemma3": ("Gemma3TextConfig", LLAMA | dict(head_dim=64, sliding_window=256, query_pre_attn_scalar=64)),
    "phi2": ("PhiConfig", LLAMA | dict(num_key_value_heads=8, partial_rotary_factor=0.5)),
    "phi3": ("Phi3Config", LLAMA | dict(sliding_window=256)),
    "phimoe": ("PhimoeConfig", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2, intermediate_size=512)),
    "gpt2": ("GPT2Config", GPT | dict(n_positions=1024), "n_layer"),
    "gptj": ("GPTJConfig", GPT | dict(rotary_dim=32), "n_layer"),
    "codegen": ("CodeGenConfig", GPT | dict(rotary_dim=32, n_ctx=1024, n_positions=1024), "n_layer"),
    "gpt-neox": ("GPTNeoXConfig", {k: v for k, v in LLAMA.items() if "key" not in k} | dict(rotary_pct=0.25)),
    "gpt-neo": ("GPTNeoConfig", dict(hidden_size=512, attention_types=[[["global", "local"], 1]], num_heads=8,
                                     vocab_size=8192, window_size=256), "num_layers"),
    "gpt-oss": ("GptOssConfig", LLAMA | dict(head_dim=64, num_local_experts=4, num_experts_per_tok=2,
                                             intermediate_size=512, sliding_window=128)),
    "falcon": ("FalconConfig", FALCON | dict(multi_query=True, parallel_attn=True, new_decoder_architecture=False)),
    "falcon-new": ("FalconConfig", FALCON | dict(num_kv_heads=2, new_decoder_architecture=True)),
    "falcon-alibi": ("FalconConfig", FALCON | dict(multi_query=False, parallel_attn=False, alibi=True, bias=True,
                                                   new_decoder_architecture=False)),
    "opt": ("OPTConfig", dict(hidden_size=512, ffn_dim=2048, num_attention_heads=8, vocab_size=8192,
                              word_embed_proj_dim=512)),
    "bloom": ("BloomConfig", dict(hidden_size=512, n_head=8, vocab_size=8192), "n_layer"),
    "mpt": ("MptConfig", dict(d_model=512, n_heads=8, vocab_size=8192), "n_layers"),
    "stablelm": ("StableLmConfig", LLAMA | dict(num_key_value_heads=8, partial_rotary_factor=0.25, use_qkv_bias=True)),
    "olmo": ("OlmoConfig", LLAMA),
    "olmo2": ("Olmo2Config", LLAMA),
    "granite": ("GraniteConfig", LLAMA | dict(embedding_multiplier=12.0, logits_scaling=8.0, residual_multiplier=0.22,
                                              attention_multiplier=0.015625)),
    "granite-moe": ("GraniteMoeConfig", LLAMA | dict(num_local_experts=4, num_experts_per_tok=2)),
    "starcoder2": ("Starcoder2Config", LLAMA | dict(sliding_window=256)),
    "cohere": ("CohereConfig", LLAMA | dict(logit_scale=0.0625)),
    "smollm3": ("SmolLM3Config", LLAMA),
    "glm": ("GlmConfig", LLAMA | dict(head_dim=64)),
    "glm4": ("Glm4Config", LLAMA | dict(head_dim=64)),
    "exaone4": ("Exaone4Config", LLAMA | dict(sliding_window=256, sliding_window_pattern=4)),
    "arcee": ("ArceeConfig", LLAMA),
    "persimmon": ("PersimmonConfig", {k: v for k, v in LLAMA.items() if "key" not in k}),
    "biogpt": ("BioGptConfig", dict(hidden_size=512, num_attention_heads=8, intermediate_size=2048, vocab_size=8192)),
    "xglm": ("XGLMConfig", dict(d_model=512, attention_heads=8, ffn_dim=2048, vocab_size=8192), "num_layers"),
    "gpt-bigcode": ("GPTBigCodeConfig", GPT | dict(n_positions=1024, multi_query=True), "n_layer"),
    "dbrx": ("DbrxConfig", dict(d_model=512, n_heads=8, vocab_size=8192, attn_config=dict(kv_n_heads=2, clip_qkv=8.0),
                                ffn_config=dict(ffn_hidden_size=512, moe_num_experts=4, moe_top_k=2)), "n_layers"),
    "llama4": ("Llama4TextConfig", LLAMA | dict(head_dim=64, num_local_experts=4, num_experts_per_tok=1,
                                                intermediate_size_mlp=1024, attention_chunk_size=2048)),
    "lfm2": ("Lfm2Config", LLAMA),
    "mamba": ("MambaConfig", dict(hidden_size=512, vocab_size=8192)),
    "falcon-mamba": ("FalconMambaConfig", dict(hidden_size=512, vocab_size=8192)),
    "t5": ("T5Config", T5, "num_layers"),
    "flan-t5": ("T5Config", T5 | dict(feed_forward_proj="gated-gelu", tie_word_embeddings=False), "num_layers"),
    "marian": ("MarianConfig", SEQ | dict(max_position_embeddings=512)),
    "bart": ("BartConfig", SEQ),
    "m2m": ("M2M100Config", SEQ),
    "pegasus": ("PegasusConfig", SEQ | dict(max_position_embeddings=512)),
    "mbart": ("MBartConfig", SEQ),
    "blenderbot-small": ("BlenderbotSmallConfig", SEQ),
    "whisper": ("WhisperConfig", dict(d_model=384, encoder_ffn_dim=1536, decoder_ffn_dim=1536, encoder_attention_heads=6,
                                      decoder_attention_heads=6, vocab_size=8192, pad_token_id=0, bos_token_id=1,
                                      eos_token_id=2, decoder_start_token_id=1, begin_suppress_tokens=None)),
}
SEQ2SEQ = ("marian", "bart", "m2m", "pegasus", "mbart", "blenderbot-small")
STATELESS = ("t5", "flan-t5")  # optimum-intel 1.27 does not put their state inside


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*", help="families (default: all), as NAME or NAME:int4sym")
    parser.add_argument("--layers", type=int, default=3, help="layers of each stack (default 3)")
    parser.add_argument("--strip", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--list", action="store_true", help="print the families and stop")
    parser.add_argument("--run", nargs=2, metavar=("XML", "ID"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        return print("\n".join([*FAMILIES, *encoder_families.ENCODERS]))
    if arguments.run:
        return run(arguments.out, pathlib.Path(arguments.run[0]), arguments.run[1])
    for name in arguments.names or [*FAMILIES, *encoder_families.ENCODERS]:
        family, _, quantization = name.partition(":")
        folder = arguments.out / "models" / f"{family}-{quantization or 'fp16'}"
        if not folder.exists():
            export(family, arguments.layers, folder.with_name(f"{family}-fp16"))
            if quantization:
                quantize(folder.with_name(f"{family}-fp16"), folder, quantization)
        for model in sorted(folder.glob("openvino_*.xml")):
            record(arguments.out, folder, model)
            if arguments.strip:
                strip(model, arguments.strip / folder.name)


def export(family, layers, folder):
    """A model with random weights, as optimum-intel exports it."""
    if folder.exists():
        return None
    if family in encoder_families.ENCODERS:
        return encoder_families.export(family, folder)
    import torch
    import transformers
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig

    kind, values, *word = FAMILIES[family]
    if family in SEQ2SEQ or family == "whisper":
        values = values | dict(encoder_layers=layers, decoder_layers=layers)
    elif family == "gpt-neo":
        values = values | dict(num_layers=2)
    elif family == "lfm2":
        kinds = ["full_attention" if layer == 1 else "conv" for layer in range(layers)]
        values = values | dict(num_hidden_layers=layers, layer_types=kinds)
    else:
        values = values | {(word or ["num_hidden_layers"])[0]: layers}
    config = getattr(transformers, kind)(**values)
    torch.manual_seed(0)
    if family == "whisper":
        auto, task = transformers.AutoModelForSpeechSeq2Seq, "automatic-speech-recognition-with-past"
    elif family in SEQ2SEQ + STATELESS:
        auto, task = transformers.AutoModelForSeq2SeqLM, "text2text-generation-with-past"
    else:
        auto, task = transformers.AutoModelForCausalLM, "text-generation-with-past"
    model = auto.from_config(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:  # a gamma of ones is left out by the exporter
                parameter.copy_(torch.randn_like(parameter) * 0.1 + float("norm" in name or "ln" in name))
    source = folder.with_name(f"{family}.hf")
    model.save_pretrained(source)
    if family == "whisper":
        transformers.WhisperFeatureExtractor().save_pretrained(source)
    main_export(str(source), output=str(folder), task=task, ov_config=OVConfig(dtype="fp16"),
                library_name="transformers", stateful=family not in STATELESS, convert_tokenizer=False)
    shutil.rmtree(source)


def quantize(source, folder, quantization):
    import nncf
    import openvino

    modes = nncf.CompressWeightsMode
    options = {
        "int8": dict(mode=modes.INT8_ASYM),
        "int8sym": dict(mode=modes.INT8_SYM),
        "int4sym": dict(mode=modes.INT4_SYM, group_size=128, ratio=1.0),
        "int4asym": dict(mode=modes.INT4_ASYM, group_size=64, ratio=1.0),
    }[quantization]
    folder.mkdir()
    for path in source.glob("openvino_*.xml"):
        model = nncf.compress_weights(openvino.Core().read_model(path), **options)
        openvino.save_model(model, folder / path.name, compress_to_fp16=False)
    shutil.copy(source / "config.json", folder)


def record(out, folder, model):
    """Runs a model in fresh processes, and adds the records."""
    part = model.stem.removeprefix("openvino_").removesuffix("model").strip("_")
    path = out / "openvino_cpu.json"
    records = json.loads(path.read_text()) if path.exists() else []
    for hint in ("def", "f32"):
        identity = "_".join(word for word in (folder.name, part, f"N{TOKENS}", hint) if word)
        command = [sys.executable, __file__, str(out), "--run", str(model), identity]
        environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
        if run.returncode:
            print(identity, "FAILED", run.stderr.strip()[-300:])
            continue
        print(identity)
        made = {
            "id": identity,
            "model": f"{folder.name}/{model.name}",
            "run": {"kind": "gen", "shapes": json.loads(run.stdout)},
            "effective": {"INFERENCE_PRECISION_HINT": "float" if hint == "f32" else "bfloat16"},
        }
        records = [record for record in records if record["id"] != identity] + [made]
    path.write_text(json.dumps(records))


def run(out, path, identity):
    """Compiles and runs a model once, and writes its execution graph."""
    import numpy
    import openvino

    config = {"INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    if identity.endswith("_f32"):
        config["INFERENCE_PRECISION_HINT"] = "f32"
    model = openvino.Core().read_model(path)
    compiled = openvino.Core().compile_model(model, "CPU", config)
    inputs, given = {}, encoder_families.ENCODERS.get(identity.split("-fp16")[0], (None, {}))[1]
    for port in compiled.inputs:
        dims = [dim.get_length() if dim.is_static else None for dim in port.partial_shape]
        known = {"beam_idx": [BATCH], "cache_position": [TOKENS]}
        free = [BATCH if axis == 0 else TOKENS for axis in range(len(dims))]
        if port.any_name == "encoder_hidden_states":
            free[1:] = [1500 if "whisper" in identity else TOKENS, 512]
        shape = known.get(port.any_name, [dim or own for dim, own in zip(dims, free)])
        shape = given.get(port.any_name, (None, shape))[1]
        fill = numpy.ones if "mask" in port.any_name else numpy.zeros
        inputs[port.any_name] = fill(shape, port.element_type.to_dtype())
    compiled.create_infer_request().infer(inputs)
    graphs = out / "exec"
    graphs.mkdir(exist_ok=True)
    plain = graphs / f"{identity}.xml"
    openvino.serialize(compiled.get_runtime_model(), plain, plain.with_suffix(".bin"))
    (graphs / f"{identity}.xml.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    plain.with_suffix(".bin").unlink(missing_ok=True)
    print(json.dumps({name: list(array.shape) for name, array in inputs.items()}))


def strip(model, folder, kept_bytes=KEPT):
    """Constants of up to `kept_bytes` are kept; larger ones get a place past the end of the file."""
    text, weights = model.read_bytes(), model.with_suffix(".bin").read_bytes()
    ranges = sorted({(int(found[2]), int(found[4])) for found in CONSTANT.finditer(text)})
    place, kept = {}, bytearray()
    for offset, size in ranges:
        if size <= kept_bytes:
            place[offset, size] = len(kept)
            kept += weights[offset : offset + size]
    end = len(kept)
    for offset, size in ranges:
        if size > kept_bytes:
            place[offset, size] = end
            end += size
    text = CONSTANT.sub(lambda found: found[1] + b"%d" % place[int(found[2]), int(found[4])] + b"".join(found.groups()[2:]), text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / model.name).write_bytes(text.rstrip() + b"\n<!-- weights stripped; full .bin size: %d bytes -->\n" % end)
    (folder / model.name).with_suffix(".bin").write_bytes(kept)


if __name__ == "__main__":
    sys.exit(main())
