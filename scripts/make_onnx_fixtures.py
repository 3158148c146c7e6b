#!/usr/bin/env python3
"""Makes the ONNX fixtures: one small export per domain, with random weights, then without them.

    /path/to/venv/bin/python scripts/make_onnx_fixtures.py [--only NAME] [--out fixtures/onnx] [--measure]

Pinned: torch 2.15.0, transformers 4.57.6, onnx 1.23.2, onnxruntime 1.31.1, optimum-onnx 0.1.0 (another version is
an error). Architectures
are those of published models, reduced in width and depth; dims that a user chooses are symbolic. Initializers of more
than 4 KiB become external data in a file that is not written.

With --measure, each is also run twice by ONNX Runtime (weights of zeros), and `onnxruntime.json` next to it says by how
much the arena was extended in the creation, the first and the second run, under both growth strategies, and what was
reserved next to it.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

PINS = {"torch": "2.15.0", "transformers": "4.57.6", "onnx": "1.23.2", "onnxruntime": "1.31.1", "optimum-onnx": "0.1.0"}
KEEP = 4 << 10
OPSET = 17


def bert(labels=None):
    import transformers as t

    config = t.BertConfig(vocab_size=3000, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
                          intermediate_size=512, max_position_embeddings=256, attn_implementation="eager",
                          **({"num_labels": labels} if labels else {}))
    model = t.BertForSequenceClassification(config) if labels else t.BertModel(config, add_pooling_layer=False)
    return ids_and_mask(model, "logits" if labels else "last_hidden_state")


def ids_and_mask(model, output, batch=2, length=16):
    import torch

    ids = torch.ones(batch, length, dtype=torch.int64)
    free = {0: "batch", 1: "sequence"}
    return model, (ids, torch.ones_like(ids)), ["input_ids", "attention_mask"], [output], {
        "input_ids": free, "attention_mask": free, output: {0: "batch"} if output == "logits" else free}


def generator():
    """A decoder of grouped heads, RMS norms and a gated MLP, with its cache as inputs and outputs."""
    import torch
    import transformers as t

    config = t.LlamaConfig(vocab_size=2000, hidden_size=128, num_hidden_layers=2, num_attention_heads=4,
                           num_key_value_heads=2, intermediate_size=384, max_position_embeddings=512)
    layers, heads, size = 2, 2, 32

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            config._attn_implementation = "eager"
            self.model = t.LlamaForCausalLM(config)

        def forward(self, input_ids, attention_mask, *past):
            from transformers.cache_utils import DynamicCache

            cache = DynamicCache()
            for layer in range(layers):
                cache.update(past[2 * layer], past[2 * layer + 1], layer)
            out = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True)
            found = out.past_key_values
            flat = [tensor for layer in range(layers) for tensor in (found.layers[layer].keys, found.layers[layer].values)]
            return out.logits, *flat

    names = [f"{layer}.{part}" for layer in range(layers) for part in ("key", "value")]
    past = [torch.zeros(2, heads, 5, size) for _ in names]
    ids = torch.ones(2, 3, dtype=torch.int64)
    free = {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "total"},
            "logits": {0: "batch", 1: "sequence"}}
    free |= {f"past_key_values.{name}": {0: "batch", 2: "past"} for name in names}
    free |= {f"present.{name}": {0: "batch", 2: "total"} for name in names}
    return (Decoder(), (ids, torch.ones(2, 8, dtype=torch.int64), *past),
            ["input_ids", "attention_mask", *(f"past_key_values.{name}" for name in names)],
            ["logits", *(f"present.{name}" for name in names)], free)


def whisper():
    import transformers as t

    config = t.WhisperConfig(vocab_size=2000, num_mel_bins=80, d_model=128, encoder_layers=2, decoder_layers=2,
                             encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=512,
                             decoder_ffn_dim=512, max_source_positions=300, max_target_positions=128,
                             attn_implementation="eager", pad_token_id=0, bos_token_id=1, eos_token_id=2,
                             decoder_start_token_id=1)
    return t.WhisperForConditionalGeneration(config)


def transcriber_encoder():
    import torch

    return (whisper().model.encoder, (torch.zeros(1, 80, 600),), ["input_features"], ["last_hidden_state"],
            {"input_features": {0: "batch"}, "last_hidden_state": {0: "batch"}})


def with_encoder(model, decoder, head, width):
    """A decoder that reads ids and the encoder's states, without a cache."""
    import torch

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder, self.head = decoder, head

        def forward(self, input_ids, encoder_hidden_states):
            mask = torch.ones_like(input_ids)
            states = self.decoder(input_ids=input_ids, attention_mask=mask,
                                  encoder_hidden_states=encoder_hidden_states, use_cache=False)
            return self.head(states[0])

    return (Decoder(), (torch.ones(2, 7, dtype=torch.int64), torch.zeros(2, 50, width)),
            ["input_ids", "encoder_hidden_states"], ["logits"],
            {"input_ids": {0: "batch", 1: "sequence"}, "encoder_hidden_states": {0: "batch", 1: "source"},
             "logits": {0: "batch", 1: "sequence"}})


def transcriber_decoder():
    model = whisper()
    return with_encoder(model, model.model.decoder, model.proj_out, 128)


def marian():
    import transformers as t

    config = t.MarianConfig(vocab_size=2000, d_model=128, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
                            decoder_attention_heads=4, encoder_ffn_dim=512, decoder_ffn_dim=512,
                            max_position_embeddings=256, attn_implementation="eager", pad_token_id=0,
                            decoder_start_token_id=0)
    return t.MarianMTModel(config)


def translator_encoder():
    return ids_and_mask(marian().model.encoder, "last_hidden_state")


def translator_decoder():
    model = marian()
    return with_encoder(model, model.model.decoder, model.lm_head, 128)


def detector():
    import torch
    import transformers as t

    config = t.YolosConfig(hidden_size=96, num_hidden_layers=2, num_attention_heads=3, intermediate_size=384,
                           image_size=[128, 160], patch_size=16, num_detection_tokens=20, num_labels=20,
                           attn_implementation="eager", use_mid_position_embeddings=False)
    return (t.YolosForObjectDetection(config), (torch.zeros(2, 3, 128, 160),), ["pixel_values"], ["logits", "pred_boxes"],
            {name: {0: "batch"} for name in ("pixel_values", "logits", "pred_boxes")})


def segmenter():
    import torch
    import transformers as t

    config = t.SegformerConfig(num_encoder_blocks=3, depths=[1, 1, 1], hidden_sizes=[32, 64, 96],
                               num_attention_heads=[1, 2, 3], sr_ratios=[4, 2, 1], patch_sizes=[7, 3, 3],
                               strides=[4, 2, 2], mlp_ratios=[4, 4, 4],
                               decoder_hidden_size=128, num_labels=10)
    return (t.SegformerForSemanticSegmentation(config), (torch.zeros(2, 3, 128, 128),), ["pixel_values"], ["logits"],
            {name: {0: "batch"} for name in ("pixel_values", "logits")})


def synthesizer():
    """The part of a VITS-like synthesizer that makes samples of a spectrogram."""
    import torch
    import transformers as t

    config = t.SpeechT5HifiGanConfig(model_in_dim=80, upsample_initial_channel=128, upsample_rates=[4, 4, 4],
                                     upsample_kernel_sizes=[8, 8, 8], resblock_kernel_sizes=[3, 7],
                                     resblock_dilation_sizes=[[1, 3], [1, 3]])
    return (t.SpeechT5HifiGan(config), (torch.zeros(2, 40, 80),), ["spectrogram"], ["waveform"],
            {"spectrogram": {0: "batch", 1: "frames"}, "waveform": {0: "batch", 1: "samples"}})


def conv(into, out, kernel=3, stride=1):
    import torch

    return torch.nn.Sequential(torch.nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False),
                               torch.nn.BatchNorm2d(out), torch.nn.ReLU())


def ocr_detection():
    """A text detector of the DB kind: a pyramid of four levels, summed from the top, and an upsampled map."""
    import torch

    class Detection(torch.nn.Module):
        def __init__(self):
            super().__init__()
            widths = [32, 48, 64, 96]
            self.stem = conv(3, 32, stride=2)
            self.stages = torch.nn.ModuleList(conv(into, out, stride=2) for into, out in zip([32, *widths], widths))
            self.lateral = torch.nn.ModuleList(torch.nn.Conv2d(width, 64, 1) for width in widths)
            self.smooth = torch.nn.ModuleList(conv(64, 16) for _ in widths)
            self.up = torch.nn.ConvTranspose2d(64, 16, 2, 2)
            self.map = torch.nn.ConvTranspose2d(16, 1, 2, 2)

        def forward(self, x):
            up = torch.nn.functional.interpolate
            x = self.stem(x)
            levels = []
            for stage, lateral in zip(self.stages, self.lateral):
                x = stage(x)
                levels.append(lateral(x))
            for index in (2, 1, 0):
                levels[index] = levels[index] + up(levels[index + 1], scale_factor=2)
            found = [up(smooth(level), scale_factor=2**index)
                     for index, (smooth, level) in enumerate(zip(self.smooth, levels))]
            return torch.sigmoid(self.map(torch.relu(self.up(torch.cat(found, 1)))))

    free = {0: "batch", 2: "height", 3: "width"}
    return Detection(), (torch.zeros(2, 3, 128, 192),), ["image"], ["probability"], {"image": free, "probability": free}


def ocr_recognition():
    """A text recogniser of the CRNN kind: convolutions, then a bidirectional LSTM over the columns."""
    import torch

    class Recognition(torch.nn.Module):
        def __init__(self):
            super().__init__()
            pool = torch.nn.MaxPool2d
            self.features = torch.nn.Sequential(conv(3, 32), pool(2, 2), conv(32, 64), pool(2, 2), conv(64, 96),
                                                pool((2, 1), (2, 1)), conv(96, 96), pool((4, 1), (4, 1)))
            self.rnn = torch.nn.LSTM(96, 64, 2, bidirectional=True, batch_first=True)
            self.head = torch.nn.Linear(128, 100)

        def forward(self, x):
            columns = self.features(x).squeeze(2).transpose(1, 2)
            return torch.softmax(self.head(self.rnn(columns)[0]), -1)

    return (Recognition(), (torch.zeros(2, 3, 32, 160),), ["image"], ["probabilities"],
            {"image": {0: "batch", 3: "width"}, "probabilities": {0: "batch", 1: "columns"}})


def captioner():
    """An image's tokens before those of the text, one decoder over both."""
    import torch
    import transformers as t

    vision = t.CLIPVisionConfig(hidden_size=96, intermediate_size=384, num_hidden_layers=2, num_attention_heads=3,
                                image_size=64, patch_size=16, attn_implementation="eager")
    text = t.GPT2Config(vocab_size=2000, n_embd=96, n_layer=2, n_head=3, n_positions=64, use_cache=False,
                        attn_implementation="eager")

    class Captioner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vision, self.text = t.CLIPVisionModel(vision), t.GPT2LMHeadModel(text)

        def forward(self, pixel_values, input_ids):
            image = self.vision(pixel_values).last_hidden_state
            words = self.text.transformer.wte(input_ids)
            tokens = torch.cat([image, words], 1)
            return self.text(inputs_embeds=tokens, attention_mask=torch.ones_like(tokens[..., 0])).logits

    return (Captioner(), (torch.zeros(2, 3, 64, 64), torch.ones(2, 6, dtype=torch.int64)), ["pixel_values", "input_ids"],
            ["logits"], {"pixel_values": {0: "batch"}, "input_ids": {0: "batch", 1: "sequence"},
                         "logits": {0: "batch", 1: "total"}})


def assistant(is_apart):
    """A decoder as ONNX Runtime GenAI's builder writes it: products with blocks of 4 bits, grouped attention.

    Rotation happens within the attention and products take their data as integers, or both happen apart.
    """
    import numpy
    from onnx import TensorProto, helper, numpy_helper

    vocabulary, hidden, layers, heads, kv_heads, size, inner, positions, block = 2000, 256, 2, 8, 2, 32, 768, 512, 32
    random = numpy.random.default_rng(0)
    nodes, initializers = [], []

    def constant(name, value):
        initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(kind, inputs, name, outputs=None, domain="com.microsoft", **attributes):
        outputs = outputs or [f"{name}/output_0"]
        nodes.append(helper.make_node(kind, inputs, outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def floats(*dims):
        return random.standard_normal(dims, numpy.float32)

    def linear(data, name, rows, columns):
        weight = constant(f"{name}.weight", random.integers(0, 255, (rows, columns // block, block // 2), numpy.uint8))
        scales = constant(f"{name}.scales", floats(rows, columns // block))
        return node("MatMulNBits", [data, weight, scales], name, K=columns, N=rows, bits=4, block_size=block,
                    accuracy_level=0 if is_apart else 4)

    ones, axis = constant("one", numpy.array([1], numpy.int64)), constant("index", numpy.array(1, numpy.int64))
    counted = node("ReduceSum", ["attention_mask", ones], "/mask/ReduceSum", domain="", keepdims=0)
    lengths = node("Cast", [node("Sub", [counted, ones], "/mask/Sub", domain="")], "/mask/Cast", domain="", to=TensorProto.INT32)
    shape = node("Shape", ["attention_mask"], "/mask/Shape", domain="")
    total = node("Gather", [shape, axis], "/mask/Gather", domain="")
    total = node("Cast", [total], "/mask/Total", domain="", to=TensorProto.INT32)
    tables = [constant("cos_cache", floats(positions, size // 2)), constant("sin_cache", floats(positions, size // 2))]

    stream = node("Gather", [constant("embed.weight", floats(vocabulary, hidden)), "input_ids"], "/embed/Gather", domain="")
    branch = None
    free = {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "total"}}
    if is_apart:
        free["position_ids"] = free["input_ids"]
    inputs, outputs = dict.fromkeys(free, TensorProto.INT64), {"logits": ["batch", "sequence", vocabulary]}
    shapes = {name: list(dims.values()) for name, dims in free.items()}

    def norm(name):
        nonlocal stream
        gamma = constant(f"{name}.weight", floats(hidden))
        if branch is None:
            return node("SimplifiedLayerNormalization", [stream, gamma], name, domain="", axis=-1, epsilon=1e-5)
        named = [f"{name}/output_0", "", "", f"{name}/output_3"]
        normed = node("SkipSimplifiedLayerNormalization", [stream, branch, gamma], name, named, epsilon=1e-5)
        stream = named[3]
        return normed

    for layer in range(layers):
        at = f"/layers.{layer}"
        normed = norm(f"{at}/input_norm")
        query, key, value = (linear(normed, f"{at}/attn/{part}_proj", width * size, hidden)
                             for part, width in (("q", heads), ("k", kv_heads), ("v", kv_heads)))
        if is_apart:
            query, key = (node("RotaryEmbedding", [data, "position_ids", *tables], f"{at}/attn/{part}_rotary")
                          for part, data in (("q", query), ("k", key)))
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        for name in past:
            inputs[name], shapes[name] = TensorProto.FLOAT, ["batch", kv_heads, "past", size]
        for name in present:
            outputs[name] = ["batch", kv_heads, "total", size]
        name = f"{at}/attn/GroupQueryAttention"
        found = node("GroupQueryAttention", [query, key, value, *past, lengths, total, *([] if is_apart else tables)], name,
                     [f"{name}/output_0", *present], num_heads=heads, kv_num_heads=kv_heads, do_rotary=int(not is_apart))
        branch = linear(found, f"{at}/attn/o_proj", hidden, heads * size)
        normed = norm(f"{at}/post_norm")
        gate, up = (linear(normed, f"{at}/mlp/{part}_proj", inner, hidden) for part in ("gate", "up"))
        sigmoid = node("Sigmoid", [gate], f"{at}/mlp/Sigmoid", domain="")
        gated = node("Mul", [node("Mul", [gate, sigmoid], f"{at}/mlp/act", domain=""), up], f"{at}/mlp/Mul", domain="")
        branch = linear(gated, f"{at}/mlp/down_proj", hidden, inner)
    linear(norm("/final_norm"), "/lm_head", vocabulary, hidden)
    nodes[-1].output[0] = "logits"

    def info(name, kind, dims):
        return helper.make_tensor_value_info(name, kind, dims)

    graph = helper.make_graph(nodes, "assistant", [info(name, kind, shapes[name]) for name, kind in inputs.items()],
                              [info(name, TensorProto.FLOAT, dims) for name, dims in outputs.items()], initializers)
    sets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8)


# Name: what makes it, and the sizes that its free dims have in a measured run.
FIXTURES = {
    "embedder": (bert, {"batch": 4, "sequence": 128}),
    "reranker": (lambda: bert(1), {"batch": 8, "sequence": 64}),
    "generator": (generator, {"batch": 2, "sequence": 64, "past": 64, "total": 128}),
    "transcriber-encoder": (transcriber_encoder, {"batch": 2}),
    "transcriber-decoder": (transcriber_decoder, {"batch": 2, "sequence": 32, "source": 300}),
    "detector": (detector, {"batch": 8}),
    "segmenter": (segmenter, {"batch": 4}),
    "synthesizer": (synthesizer, {"batch": 2, "frames": 200}),
    "translator-encoder": (translator_encoder, {"batch": 4, "sequence": 64}),
    "translator-decoder": (translator_decoder, {"batch": 4, "sequence": 48, "source": 64}),
    "ocr-detection": (ocr_detection, {"batch": 2, "height": 256, "width": 320}),
    "ocr-recognition": (ocr_recognition, {"batch": 4, "width": 320}),
    "assistant": (lambda: assistant(False), {"batch": 2, "sequence": 64, "past": 0, "total": 64}),
    "assistant-apart": (lambda: assistant(True), {"batch": 2, "sequence": 1, "past": 127, "total": 128}),
    "captioner": (captioner, {"batch": 4, "sequence": 32}),
}


# How ONNX Runtime GenAI 0.18 runs a fixture: the keys that it needs, and a cache that is past and present at once.
GENAI = {
    "assistant": {
        "model": {
            "type": "llama", "context_length": 512, "vocab_size": 2000, "bos_token_id": 1, "eos_token_id": 2,
            "pad_token_id": 0,
            "decoder": {
                "filename": "model.onnx", "head_size": 32, "hidden_size": 256, "num_attention_heads": 8,
                "num_hidden_layers": 2, "num_key_value_heads": 2,
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "inputs": {"input_ids": "input_ids", "attention_mask": "attention_mask",
                           "past_key_names": "past_key_values.%d.key", "past_value_names": "past_key_values.%d.value"},
                "outputs": {"logits": "logits", "present_key_names": "present.%d.key",
                            "present_value_names": "present.%d.value"},
            },
        },
        "search": {"max_length": 512, "past_present_share_buffer": True},
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="fixtures whose name holds this")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("fixtures/onnx"))
    parser.add_argument("--measure", action="store_true", help="run each, and write onnxruntime.json")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(*arguments.worker)
    for name, version in PINS.items():
        found = importlib.metadata.version(name)
        if found.split("+")[0] != version:
            sys.exit(f"error: {name} {found}, and the fixtures are made with {version}")
    for name, (make, sizes) in FIXTURES.items():
        if arguments.only in name:
            export(name, make, arguments.out)
            if arguments.measure:
                measure(name, sizes, arguments.out)
    return 0


def export(name, make, out):
    import onnx
    import torch

    masks_without_vmap()
    torch.manual_seed(0)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    made = make()
    stripped = made if isinstance(made, onnx.ModelProto) else traced(onnx, torch, *made)
    strip(onnx, stripped)
    (folder / "model.onnx").write_bytes(stripped.SerializeToString(deterministic=True))
    if name in GENAI:
        (folder / "genai_config.json").write_text(json.dumps(GENAI[name], indent=1) + "\n")
    print(f"{name}: {(folder / 'model.onnx').stat().st_size} bytes")


def traced(onnx, torch, model, inputs, input_names, output_names, free):
    model.eval()
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        path = os.path.join(scratch, "model.onnx")
        torch.onnx.export(model, inputs, path, input_names=input_names, output_names=output_names, dynamic_axes=free,
                          opset_version=OPSET, dynamo=False)
        return onnx.load(path)


def masks_without_vmap():
    """torch.vmap cannot be traced: masks are made as optimum makes them for its exports."""
    from optimum.exporters.onnx import model_patcher
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    ALL_MASK_ATTENTION_FUNCTIONS.register("sdpa", model_patcher.sdpa_mask_without_vmap)
    ALL_MASK_ATTENTION_FUNCTIONS.register("eager", model_patcher.eager_mask_without_vmap)


def strip(onnx, model):
    """Takes the larger initializers out of the file; what remains shows where they would be."""
    end = 0
    for tensor in model.graph.initializer:
        size = len(tensor.raw_data)
        if size > KEEP:
            onnx.external_data_helper.set_external_data(tensor, "model.onnx.data", offset=end, length=size)
            tensor.ClearField("raw_data")
            end += -(-size // 64) * 64
    for node in model.graph.node:
        node.ClearField("doc_string")
    for key, value in (("stripped_data_bytes", str(end)), ("made_by", "scripts/make_onnx_fixtures.py")):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def measure(name, sizes, out):
    """What the arena's log says of a creation and two runs, by growth strategy."""
    record = {"runtime": f"onnxruntime {PINS['onnxruntime']}", "sizes": sizes, "arena": {}}
    for strategy in ("next-power-of-two", "same-as-requested"):
        command = [sys.executable, __file__, "--worker", str(out / name), json.dumps(sizes), strategy]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stderr[-2000:]}")
        parts = re.split(r"^=== .*$", done.stderr, flags=re.M)
        found = [[int(size) for size in re.findall(r"Extended allocation by (\d+)", part)] for part in parts]
        record["arena"][strategy] = dict(zip(("creation", "first", "second"), found))
        apart = [[int(size) for size in re.findall(r"Reserving memory .* size: (\d+)", part)] for part in parts]
        record["reserved"] = dict(zip(("creation", "first", "second"), apart))
    (out / name / "onnxruntime.json").write_text(json.dumps(record, indent=1) + "\n")
    print(f"  {record['arena']['next-power-of-two']}")


def worker(folder, sizes, strategy):
    """Runs a fixture twice, in a process of its own; the arena logs to standard error."""
    import numpy
    import onnx
    import onnxruntime as ort

    sizes = json.loads(sizes)
    types = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(bool)": "bool"}
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "model.onnx")
        model = onnx.load(os.path.join(folder, "model.onnx"), load_external_data=False)
        pathlib.Path(path).write_bytes(model.SerializeToString())
        end = next(int(entry.value) for entry in model.metadata_props if entry.key == "stripped_data_bytes")
        with open(path + ".data", "wb") as data:
            data.truncate(end)
        ort.set_default_logger_severity(1)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        options.log_severity_level = 1
        if strategy == "same-as-requested":
            info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
            ort.create_and_register_allocator(info, ort.OrtArenaCfg({"arena_extend_strategy": 1}))
            options.add_session_config_entry("session.use_env_allocators", "1")
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feeds = {}
        for port in session.get_inputs():
            shape = [dim if isinstance(dim, int) else sizes[dim] for dim in port.shape]
            fill = numpy.ones if "mask" in port.name else numpy.zeros
            feeds[port.name] = fill(shape, types[port.type])
        for number in range(2):
            print(f"=== run {number}", file=sys.stderr, flush=True)
            session.run(None, feeds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
