#!/usr/bin/env python3
"""Makes the small quantized models of fixtures/, and records what OpenVINO executes of them.

    export_quantized.py OUT_DIR

Writes OUT_DIR/<model>/openvino_model.xml with its .bin, and OUT_DIR/execution/<model>_<run>.txt, as
`compare_execution.py --list` does: compiled with free and with known dims, in bf16. Weights and calibration data are
random; every constant is small, so that nothing needs to be stripped.

* ptq-image-mini: depthwise convolutions, activations of all kinds, a gate, a residual sum, pools, nearest and linear
  resizing, joins and parts;
* ptq-image-mini-limits: the same with FakeQuantize on f32 weights, as Model Optimizer wrote them;
* ptq-text-mini: one layer of attention and a feed-forward network, quantized as nncf does transformers.

Versions: openvino 2026.4.1, nncf 3.4.0. Run with ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 where the processor has more.
"""

import gzip
import pathlib
import sys
import tempfile

import nncf
import numpy as np
import openvino as ov
import openvino.opset13 as op

import compare_execution

RANDOM = np.random.default_rng(0)


def constant(*shape, scale=None):
    size = scale or 1 / np.sqrt(max(1, np.prod(shape) / shape[0]))
    return op.constant((RANDOM.standard_normal(shape) * size).astype(np.float32))


def ints(*values):
    return op.constant(np.array(values, np.int64))


def named(node, name):
    node.set_friendly_name(name)
    return node


def convolution(x, inputs, outputs, name, kernel=3, stride=1, groups=1):
    strides, pads, ones = [stride] * 2, [kernel // 2] * 2, [1, 1]
    if groups == 1:
        made = op.convolution(x, constant(outputs, inputs, kernel, kernel), strides, pads, pads, ones)
    else:
        filters = constant(groups, outputs // groups, inputs // groups, kernel, kernel)
        made = op.group_convolution(x, filters, strides, pads, pads, ones)
    made = named(made, name)
    return named(op.add(made, constant(1, outputs, 1, 1, scale=0.1)), name + "/bias")


def resized(x, mode, name):
    by = op.constant(np.array([2, 2], np.float32))
    centre = "asymmetric" if mode == "nearest" else "half_pixel"
    made = op.interpolate(x, by, mode, "scales", [0, 0], [0, 0], centre, "floor", axes=ints(2, 3))
    return named(made, name)


def image():
    x = op.parameter(ov.PartialShape([-1, 3, 32, 32]), np.float32, name="x")
    a = named(op.hswish(convolution(x, 3, 16, "stem", stride=2)), "stem/hswish")
    b = named(op.clamp(convolution(a, 16, 32, "wide", kernel=1), 0.0, 6.0), "wide/relu6")
    b = named(op.clamp(convolution(b, 32, 32, "deep", groups=32), 0.0, 6.0), "deep/relu6")
    mean = named(op.reduce_mean(b, ints(2, 3), True), "gate/mean")
    gate = named(op.hsigmoid(convolution(mean, 32, 32, "gate", kernel=1)), "gate/hsigmoid")
    b = convolution(named(op.multiply(b, gate), "gated"), 32, 16, "narrow", kernel=1)
    a = named(op.add(a, b), "residual")
    down = named(op.relu(convolution(a, 16, 32, "down", stride=2)), "down/relu")
    up = resized(convolution(down, 32, 16, "lateral", kernel=1), "nearest", "up")
    both = named(op.add(up, convolution(a, 16, 16, "side", kernel=1)), "both")
    slope = op.constant(np.array([0.1], np.float32))
    fine = named(op.prelu(convolution(both, 16, 16, "fine"), slope), "fine/leaky")
    soft = resized(named(op.max_pool(both, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2]), "most").output(0), "linear_onnx", "soft")
    pooled = named(op.avg_pool(fine, [1, 1], [1, 1], [1, 1], [3, 3], False, "floor", "explicit"), "mean")
    joined = named(op.concat([soft, pooled], 1), "joined")
    parts = named(op.split(joined, op.constant(np.int64(1)), 2), "parts")
    out = named(op.swish(convolution(parts.output(0), 16, 16, "first")), "first/swish")
    out = named(op.concat([out, parts.output(1)], 1), "last/joined")
    out = named(op.sigmoid(convolution(out, 32, 4, "last", kernel=1)), "last/sigmoid")
    return ov.Model([op.result(out)], [x], "image"), (1, 3, 32, 32), {}


def product(x, inputs, outputs, name):
    made = named(op.matmul(x, constant(outputs, inputs), False, True), name)
    return named(op.add(made, constant(1, 1, outputs, scale=0.1)), name + "/bias")


def heads(x, name):
    return named(op.transpose(named(op.reshape(x, ints(0, 0, 4, 8), True), name + "/heads"), ints(0, 2, 1, 3)), name + "/turned")


def norm(x, name):
    made = named(op.mvn(x, ints(-1), True, 1e-5, "inside_sqrt"), name)
    made = named(op.multiply(made, constant(1, 1, 32, scale=1)), name + "/scale")
    return named(op.add(made, constant(1, 1, 32)), name + "/shift")


def text():
    x = op.parameter(ov.PartialShape([-1, -1, 32]), np.float32, name="x")
    first = norm(x, "first")
    query, key, value = (heads(product(first, 32, 32, name), name) for name in ("query", "key", "value"))
    scores = named(op.matmul(query, key, False, True), "scores")
    scores = named(op.softmax(named(op.multiply(scores, op.constant(np.float32(0.35))), "scaled"), -1), "softmax")
    made = named(op.transpose(named(op.matmul(scores, value, False, False), "mixed"), ints(0, 2, 1, 3)), "mixed/turned")
    made = product(named(op.reshape(made, ints(0, 0, 32), True), "mixed/flat"), 32, 32, "out")
    made = named(op.add(x, made), "residual")
    inner = named(op.gelu(product(norm(made, "second"), 32, 64, "inner"), "erf"), "inner/gelu")
    made = named(op.add(made, product(inner, 64, 32, "outer")), "end")
    made = product(norm(made, "last"), 32, 8, "head")
    return ov.Model([op.result(made)], [x], "text"), (1, 12, 32), {"model_type": nncf.ModelType.TRANSFORMER}


def quantized(model, shape, options):
    data = nncf.Dataset([RANDOM.standard_normal(shape).astype(np.float32) for _ in range(4)])
    parameters = nncf.AdvancedQuantizationParameters(disable_bias_correction=True)
    return nncf.quantize(model, data, preset=nncf.QuantizationPreset.MIXED, subset_size=4,
                         advanced_parameters=parameters, **options)


def with_limits(model):
    """Puts FakeQuantize of f32 where i8 weights are converted and multiplied."""
    for node in model.get_ordered_ops():
        convert = node.input_value(0).get_node() if node.get_type_name() == "Multiply" else None
        if convert is None or convert.get_type_name() != "Convert":
            continue
        stored, scale = convert.input_value(0).get_node().data, node.input_value(1).get_node().data
        low, high = op.constant(-127 * scale), op.constant(127 * scale)
        made = op.fake_quantize(op.constant(stored.astype(np.float32) * scale), low, high, low, high, 255)
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(named(made, node.get_friendly_name()).output(0))
    return model


def record(path, shape, is_static, out):
    core = ov.Core()
    model = core.read_model(path)
    if is_static:
        model.reshape(list(shape))
    compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": "2"})
    compiled.create_infer_request().infer({0: np.zeros(shape, np.float32)})
    with tempfile.TemporaryDirectory() as folder:
        graph = pathlib.Path(folder) / "graph.xml"
        ov.serialize(compiled.get_runtime_model(), graph)
        packed = pathlib.Path(folder) / "graph.xml.gz"
        packed.write_bytes(gzip.compress(graph.read_bytes()))
        nodes = compare_execution.read_real(packed)
    lines = [" | ".join(key) for key in compare_execution.keys(nodes, True)]
    out.write_text("\n".join(lines) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "execution").mkdir(parents=True, exist_ok=True)
    made = image()
    models = {"ptq-image-mini": quantized(*made), "ptq-text-mini": None, "ptq-image-mini-limits": None}
    shapes = {"ptq-image-mini": made[1], "ptq-image-mini-limits": made[1]}
    made = text()
    models["ptq-text-mini"], shapes["ptq-text-mini"] = quantized(*made), made[1]
    models["ptq-image-mini-limits"] = with_limits(models["ptq-image-mini"].clone())
    for name, model in models.items():
        path = out / name / "openvino_model.xml"
        path.parent.mkdir(exist_ok=True)
        ov.save_model(model, path, compress_to_fp16=False)
        for is_static, run in ((False, "dyn_def"), (True, "static_def")):
            record(path, shapes[name], is_static, out / "execution" / f"{name}_{run}.txt")


if __name__ == "__main__":
    main()
