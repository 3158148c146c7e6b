#!/usr/bin/env python3
"""Compares memgraph's output shapes of com.microsoft operators with those that ONNX Runtime's CPU kernels give.

    scripts/crosscheck_contrib.py [--memgraph PATH] [--only TEXT] [--keep DIR] [-v]

One model of one node per operator and combination of attributes and optional inputs. ONNX Runtime runs it; memgraph is
given the shapes of the inputs, and the numbers of small ones, as `crosscheck_onnx.py` does. The model declares nothing of
its outputs. Dims and element type of every output must be equal, or, where memgraph says that a shape depends on data,
nowhere smaller.

Which operators take half precision is compared too: the table in src/runtime/onnxruntime_cpu/kernel.rs with the newest
kernels of the wheel, of every domain.

Every operator of that domain that the wheel has a CPU kernel for must have a case, or a reason in NOT_RUN.

Exit status: 0 all cases agree, 1 one differs or an operator has no case, 2 the check itself could not run.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as native

import common
import crosscheck_onnx

DOMAIN = "com.microsoft"
# Whole models as attributes, texts and sparse tensors: what the tables leave opaque on purpose.
NOT_RUN = {
    "BeamSearch": "bodies are whole models", "GreedySearch": "bodies are whole models",
    "Sampling": "bodies are whole models", "WhisperBeamSearch": "bodies are whole models",
    "Tokenizer": "texts", "SparseToDenseMatMul": "a sparse input", "AttnLSTM": "no table has it",
    "MatMulFpQ4": "its weights can be packed by the runtime's own tools alone",
    "BifurcationDetector": "no table has it", "VarlenNGramHashMapping": "no table has it",
    "NGramHashMapping": "no table has it", "HyperConnectionPreMix": "no table has it",
    "HyperConnectionPostMix": "no table has it", "EngramGate": "no table has it",
    "LinearAttentionGate": "no table has it", "DynamicTimeWarping": "no table has it",
    "UnfoldTensor": "no table has it", "ConvTransposeWithDynamicPads": "pads as an input, which no canonical operator has",
}  # fmt: skip


@dataclasses.dataclass
class Const:
    """An input that is an initializer."""

    value: np.ndarray


@dataclasses.dataclass
class Case:
    """One node. An output that is False is absent."""

    op: str
    what: str
    inputs: list
    outputs: list
    attributes: dict

    def shared(self):
        """Inputs that the kernel demands to be the outputs' own buffers."""
        return {"in3": "out1", "in4": "out2"} if self.op == "SparseAttention" else {}


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--keep", metavar="DIR", help="leave the models here")
    parser.add_argument("-v", "--verbose", action="store_true", help="cases that agree, too")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    counts = collections.Counter()
    all_cases = list(cases())
    chosen = [case for case in all_cases if args.only in f"{case.op} {case.what}"]
    with contextlib.ExitStack() as stack:
        folder = args.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="memgraph-contrib-"))
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(os.cpu_count()))
        verdicts = pool.map(lambda item: check(memgraph, *item, folder), enumerate(chosen))
        for case, (verdict, text) in zip(chosen, verdicts, strict=True):
            counts[verdict] += 1
            if args.verbose or verdict in ("fault", "unrun"):
                print(f"{verdict}: {case.op}{f', {case.what}' if case.what else ''}: {text}")
    missing = sorted(kernels() - {case.op for case in all_cases} - NOT_RUN.keys())
    for op in missing:
        print(f"fault: {op}: the CPU provider has a kernel, and there is no case")
    halves = taking_half() ^ told_to_take_half()
    for op in sorted(halves):
        print(f"fault: {op}: kernel and src/runtime/onnxruntime_cpu/kernel.rs differ on half precision")
    print(f"\n{len(chosen)} cases of {len({case.op for case in chosen})} operators: {counts['exact']} exact, "
          f"{counts['bound']} as upper bounds, {counts['fault']} differ; {len(missing)} operators without a case")
    if counts["unrun"]:
        print(f"error: {counts['unrun']} cases were not run", file=sys.stderr)
        return 2
    return 1 if counts["fault"] or missing or halves else 0


def taking_half():
    """Operators of which the newest CPU kernel of some domain takes half precision; copies between devices apart."""
    newest = {}
    for kernel in native.get_all_opkernel_def():
        if kernel.provider == "CPUExecutionProvider" and not kernel.op_name.startswith("Memcpy"):
            newest.setdefault((kernel.domain, kernel.op_name), []).append(kernel)
    return {name for (_, name), found in newest.items()
            for kernel in found if kernel.version_range[0] == max(other.version_range[0] for other in found)
            if any("tensor(float16)" in types for types in kernel.type_constraints.values())}


def told_to_take_half():
    text = (common.ROOT / "src/runtime/onnxruntime_cpu/kernel.rs").read_text()
    rows = [line for line in text.splitlines() if "half: true" in line]
    return {name for row in rows for name in re.findall(r'"(\w+)"', row)}


def kernels():
    """Operators of the domain that the wheel's CPU provider runs."""
    found = native.get_all_opkernel_def()
    return {kernel.op_name for kernel in found if kernel.domain == DOMAIN and kernel.provider == "CPUExecutionProvider"}


def check(memgraph, number, case, folder):
    model, feeds = build(case)
    path = folder / f"{number:03}_{case.op}.onnx"
    path.write_bytes(model.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # The node must stay what it is.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        types = {port.name: port.type for port in session.get_outputs()}
        values = execute(session, feeds, case.shared())
    except Exception as error:
        return "unrun", f"ONNX Runtime does not run it: {' '.join(str(error).split())[:300]}"
    command = [memgraph, "dump", str(path), "--stage", "shapes"]
    for name, value in feeds.items():
        command += crosscheck_onnx.given(name, value)
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if run.returncode:
        return "fault", f"exit status {run.returncode}: {' '.join(run.stderr.split())[:400]}"
    ours = json.loads(run.stdout)["outputs"]
    verdict, shown = "exact", []
    for output, value, our in zip(model.graph.output, values, ours, strict=True):
        theirs = TYPES[types[output.name]]
        shape = list(value.shape())
        shown.append(f"{theirs}{shape}")
        if our["dtype"] == theirs and our["shape"] == shape:
            continue
        bounds = our["shape"] or []
        is_bound = our["bound"] == "upper_bound" and len(bounds) == len(shape)
        if our["dtype"] == theirs and is_bound and all(real <= bound for real, bound in zip(shape, bounds)):
            verdict = "bound"
        else:
            return "fault", f"{output.name}: {theirs}{shape}, memgraph {our['dtype']}{our['shape']} ({our['bound']})"
    return verdict, ", ".join(shown)


def execute(session, feeds, shared):
    binding = session.io_binding()
    held = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in feeds.items()}
    for name, value in held.items():
        binding.bind_ortvalue_input(name, value)
    owners = {output: held[name] for name, output in shared.items()}
    for port in session.get_outputs():
        if port.name in owners:
            binding.bind_ortvalue_output(port.name, owners[port.name])
        else:
            binding.bind_output(port.name)
    session.run_with_iobinding(binding)
    return binding.get_outputs()


# What the runtime calls element types, and what reports do.
TYPES = {
    "tensor(float)": "f32", "tensor(double)": "f64", "tensor(float16)": "f16", "tensor(bfloat16)": "bf16",
    "tensor(int8)": "i8", "tensor(uint8)": "u8", "tensor(int16)": "i16", "tensor(uint16)": "u16",
    "tensor(int32)": "i32", "tensor(uint32)": "u32", "tensor(int64)": "i64", "tensor(bool)": "boolean",
}  # fmt: skip


def build(case):
    """The model of one node, and what is fed to it."""
    names, initializers, inputs, feeds = [], [], [], {}
    for index, value in enumerate(case.inputs):
        name = f"in{index}" if value is not None else ""
        names.append(name)
        if isinstance(value, Const):
            initializers.append(onnx.numpy_helper.from_array(value.value, name))
        elif value is not None:
            dtype = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            inputs.append(onnx.helper.make_tensor_value_info(name, dtype, [f"{name}_{axis}" for axis in range(value.ndim)]))
            feeds[name] = value
    outs = [f"out{index}" if is_there else "" for index, is_there in enumerate(case.outputs)]
    attributes = dict(case.attributes)
    domain = attributes.pop("domain", DOMAIN)
    node = onnx.helper.make_node(case.op, names, outs, name="node", domain=domain, **attributes)
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in outs if name]
    graph = onnx.helper.make_graph([node], "graph", inputs, outputs, initializers)
    sets = [onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid(DOMAIN, 1)]
    return onnx.helper.make_model(graph, opset_imports=sets, ir_version=10), feeds


def f32(*dims):
    return np.full(dims, 0.5, np.float32)


def f16(*dims):
    return np.full(dims, 0.5, np.float16)


def u8(*dims):
    return np.ones(dims, np.uint8)


def i8(*dims):
    return np.ones(dims, np.int8)


def i32(*dims):
    return np.ones(dims, np.int32)


def i64(*dims):
    return np.ones(dims, np.int64)


def ints(*numbers, dtype=np.int32):
    return np.array(numbers, dtype)


def const(value):
    return Const(value)


def cases():
    """Every case; the sizes of one are pairwise different where the operator allows it."""
    for family in (products, quantized, attention, normalization, elementwise, movement, windows, sequences):
        for op, what, inputs, outputs, attributes in family():
            outputs = [True] * outputs if isinstance(outputs, int) else outputs
            yield Case(op, what, inputs, outputs, attributes)


def products():
    for bits, block in ((4, 32), (4, 16), (8, 32), (2, 32)):
        blocks = -(-48 // block)
        weight, scales = const(u8(24, blocks, block * bits // 8)), const(f32(24, blocks))
        spec = {"K": 48, "N": 24, "bits": bits, "block_size": block}
        yield "MatMulNBits", f"{bits} bits, blocks of {block}", [f32(2, 5, 48), weight, scales], 1, spec
    weight, scales = const(u8(24, 2, 16)), const(f32(24, 2))
    spec = {"K": 48, "N": 24, "bits": 4, "block_size": 32}
    for level in range(5):
        yield "MatMulNBits", f"accuracy {level}", [f32(7, 48), weight, scales], 1, spec | {"accuracy_level": level}
    yield "MatMulNBits", "zero points", [f32(1, 48), weight, scales, const(u8(24, 1))], 1, spec
    yield "MatMulNBits", "float zero points", [f32(1, 48), weight, scales, const(f32(24, 2))], 1, spec
    yield "MatMulNBits", "bias", [f32(3, 1, 48), weight, scales, None, None, const(f32(24))], 1, spec
    yield "MatMulNBits", "half", [f16(3, 48), weight, const(f16(24, 2))], 1, spec
    yield "MatMulBnb4", "", [f32(3, 7, 64), const(u8(24 * 64 // 2)), const(f32(24 * 64 // 32))], 1, {
        "K": 64, "N": 24, "block_size": 32, "quant_type": 1}
    for a, b, spec in (
        ((2, 3, 5), (2, 5, 7), {}), ((2, 5, 3), (5, 7), {"transA": 1}), ((3, 5), (7, 5), {"transB": 1}),
        ((4, 5, 3), (4, 7, 5), {"transA": 1, "transB": 1, "alpha": 2.0}), ((2, 3, 5), (4, 1, 5, 7), {}),
        ((5,), (5, 7), {}),
    ):  # fmt: skip
        yield "FusedMatMul", f"{a} by {b}, {spec}", [f32(*a), f32(*b)], 1, spec
    # The dims before the last are one further left.
    yield "FusedMatMul", "batch transposed A", [f32(3, 2, 5), f32(2, 5, 7)], 1, {"transBatchA": 1}
    yield "FusedMatMul", "batch transposed A of 4", [f32(2, 3, 4, 5), f32(3, 4, 5, 7)], 1, {"transBatchA": 1}
    yield "FusedMatMul", "batch transposed both", [f32(3, 2, 5), f32(5, 2, 7)], 1, {"transBatchA": 1, "transBatchB": 1}
    yield "FusedMatMul", "batch transposed A, A", [f32(5, 2, 3), f32(2, 5, 7)], 1, {"transBatchA": 1, "transA": 1}
    yield "FusedMatMul", "batch transposed B, B", [f32(2, 3, 5), f32(7, 2, 5)], 1, {"transBatchB": 1, "transB": 1}
    yield "TransposeMatMul", "", [f32(2, 5, 3), f32(2, 7, 5)], 1, {"transA": 1, "transB": 1}
    relu = {"activation": "Relu"}
    yield "FusedGemm", "", [f32(3, 5), f32(5, 7), f32(7)], 1, relu
    yield "FusedGemm", "transposed", [f32(5, 3), f32(7, 5)], 1, relu | {"transA": 1, "transB": 1}
    yield "MatMulInteger16", "", [np.ones((3, 5), np.int16), np.ones((5, 7), np.int16)], 1, {}
    yield "CDist", "", [f32(3, 5), f32(7, 5)], 1, {"metric": "sqeuclidean"}
    yield "Inverse", "", [np.broadcast_to(np.eye(3, dtype=np.float32), (2, 3, 3)).copy()], 1, {}
    for what, a, b in (("", u8(2, 3, 8), i8(8, 5)), ("unsigned", u8(3, 8), u8(8, 5)), ("batches", u8(2, 1, 3, 8), u8(4, 8, 5))):
        scales = [f32(1), f32(1)]
        yield "MatMulIntegerToFloat", what, [a, b, *scales], 1, {}
    yield "MatMulIntegerToFloat", "all inputs", [
        u8(2, 3, 8), i8(8, 5), f32(1), f32(5), u8(1), i8(5), f32(5)], 1, {}
    yield "DynamicQuantizeMatMul", "", [f32(2, 3, 8), u8(8, 5), f32(1)], 1, {}
    yield "DynamicQuantizeMatMul", "all inputs", [f32(3, 8), const(i8(8, 5)), const(f32(5)), const(i8(5)), f32(5)], 1, {}
    scale, zero = f32(), u8()
    yield "QGemm", "float", [u8(3, 8), scale, zero, u8(8, 5), scale, zero, i32(5)], 1, {}
    yield "QGemm", "quantized", [u8(8, 3), scale, zero, u8(5, 8), scale, zero, None, scale, zero], 1, {
        "transA": 1, "transB": 1}
    experts, size, inner = 4, 16, 24
    first, second = f32(experts, inner, size), f32(experts, size, inner)
    yield "MoE", "", [f32(7, size), f32(7, experts), first, None, second], 1, {"k": 2}
    yield "MoE", "three dims, biases", [
        f32(2, 5, size), f32(10, experts), first, f32(experts, inner), second, f32(experts, size)], 1, {"k": 1}
    size = inner = 32
    yield "QMoE", "4 bits", [
        f32(7, size), f32(7, experts), const(u8(experts, inner, size // 2)), const(f32(experts, inner)), None,
        const(u8(experts, size, inner // 2)), const(f32(experts, size))], 1, {"k": 2, "expert_weight_bits": 4}


def quantized():
    scale, zero = f32(), u8()
    for op in ("QLinearAdd", "QLinearMul"):
        for a, b in (((2, 3, 5), (2, 3, 5)), ((2, 1, 5), (3, 1)), ((5,), (4, 3, 5)), ((), (3, 5))):
            yield op, f"{a} and {b}", [u8(*a), scale, zero, u8(*b), scale, zero, scale, zero], 1, {}
        yield op, "signed", [i8(2, 3), scale, i8(), i8(3), scale, i8(), scale, i8()], 1, {}
    for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
        yield op, "", [u8(2, 3, 5), scale, zero, scale, zero], 1, {}
        yield op, "signed", [i8(2, 3), scale, i8(), scale, i8()], 1, {}
    yield "QLinearSoftmax", "", [u8(2, 3, 5), scale, zero, scale, zero], 1, {"axis": 1, "opset": 13}
    part = [scale, zero]
    yield "QLinearConcat", "", [*part, u8(2, 3), *part, u8(2, 4), *part, u8(2, 1), *part], 1, {"axis": 1}
    yield "QLinearConcat", "negative axis", [*part, u8(2, 3, 5), *part, u8(2, 4, 5), *part], 1, {"axis": -2}
    yield "QLinearWhere", "", [np.ones((3, 1), bool), u8(2, 1, 5), *part, u8(3, 5), *part, *part], 1, {}
    pool = {"kernel_shape": [3, 3]}
    for what, spec in (
        ("", pool), ("strides and pads", pool | {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
        ("rounded up", pool | {"strides": [2, 2], "ceil_mode": 1}), ("same", pool | {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
    ):  # fmt: skip
        yield "QLinearAveragePool", what, [u8(2, 3, 12, 15), *part, *part], 1, spec
        yield "QLinearAveragePool", f"channels last, {what}", [u8(2, 12, 15, 3), *part, *part], 1, spec | {"channels_last": 1}
    yield "QLinearGlobalAveragePool", "", [u8(2, 3, 12, 15), *part, *part], 1, {}
    yield "QLinearGlobalAveragePool", "channels last", [u8(2, 12, 15, 3), *part, *part], 1, {"channels_last": 1}
    filters = const(u8(6, 3, 3, 3))
    fixed = [const(scale), const(zero)]
    yield "QLinearConv", "", [u8(2, 3, 12, 15), *fixed, filters, *fixed, *fixed], 1, {}
    yield "QLinearConv", "strides, dilations, bias", [u8(2, 3, 12, 15), *fixed, filters, *fixed, *fixed, const(i32(6))], 1, {
        "strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 1, 0]}
    yield "QLinearConv", "channels last", [u8(2, 12, 15, 3), *fixed, filters, *fixed, *fixed], 1, {"channels_last": 1}
    yield "QLinearConv", "channels last, same", [u8(2, 12, 15, 3), *fixed, filters, *fixed, *fixed], 1, {
        "channels_last": 1, "auto_pad": "SAME_LOWER", "strides": [2, 2]}
    yield "QuantizeLinear", "", [f32(2, 3, 5), scale, zero], 1, {}
    yield "QuantizeLinear", "per axis, 16 bits", [f32(2, 3, 5), f32(3), np.ones(3, np.int16)], 1, {"axis": 1}
    yield "QuantizeLinear", "no zero point", [f32(2, 3), scale], 1, {}
    yield "DequantizeLinear", "", [u8(2, 3, 5), scale, zero], 1, {}
    yield "DequantizeLinear", "per axis", [i8(2, 3, 5), f32(3), i8(3)], 1, {"axis": 1}
    yield "DequantizeLinear", "accumulators", [i32(2, 3, 5), scale], 1, {}
    rows = const(u8(32, 16))
    yield "GatherBlockQuantized", "4 bits in bytes", [rows, i64(2, 3), const(f32(32, 1))], 1, {
        "bits": 4, "block_size": 32, "quantize_axis": 1}
    yield "GatherBlockQuantized", "8 bits", [const(u8(32, 64)), i32(5), const(f32(32, 2)), const(u8(32, 2))], 1, {
        "bits": 8, "block_size": 32, "quantize_axis": 1}
    packed = const(np.ones((32, 64), ml_dtypes.uint4))
    yield "GatherBlockQuantized", "u4", [packed, i64(2, 3), const(f32(32, 2))], 1, {"block_size": 32, "quantize_axis": 1}
    yield "GatherBlockQuantized", "u4, along the last", [packed, i64(), const(f32(1, 64))], 1, {
        "block_size": 32, "quantize_axis": 0, "gather_axis": 1}


def attention():
    heads, kv, size = 6, 2, 16
    spec = {"num_heads": heads, "kv_num_heads": kv}
    lengths = lambda total, batch=1: [ints(*[total - 1] * batch), ints(total).reshape(())]  # noqa: E731
    query, key = f32(2, 5, heads * size), f32(2, 5, kv * size)
    past = lambda length, batch=1: [f32(batch, kv, length, size)] * 2  # noqa: E731
    tables = [f32(64, size // 2)] * 2
    yield "GroupQueryAttention", "prompt", [query, key, key, None, None, *lengths(5, 2)], 3, spec
    yield "GroupQueryAttention", "output alone", [query, key, key, None, None, *lengths(5, 2)], 1, spec
    yield "GroupQueryAttention", "empty past", [query, key, key, *past(0, 2), *lengths(5, 2)], 3, spec
    # A past and several new tokens: of one prompt at a time.
    query, key = f32(1, 5, heads * size), f32(1, 5, kv * size)
    yield "GroupQueryAttention", "past", [query, key, key, *past(7), *lengths(12)], 3, spec
    step, new = f32(1, 1, heads * size), f32(1, 1, kv * size)
    yield "GroupQueryAttention", "one token", [step, new, new, *past(9), *lengths(10)], 3, spec
    many, news = f32(2, 1, heads * size), f32(2, 1, kv * size)
    yield "GroupQueryAttention", "one token of each", [many, news, news, *past(9, 2), *lengths(10, 2)], 3, spec
    yield "GroupQueryAttention", "cache of 64", [step, new, new, *past(64), *lengths(10)], 3, spec
    whole = f32(1, 5, (heads + 2 * kv) * size)
    yield "GroupQueryAttention", "packed", [whole, None, None, *past(7), *lengths(12)], 3, spec
    rotated = spec | {"do_rotary": 1}
    yield "GroupQueryAttention", "packed, rotated", [whole, None, None, *past(7), *lengths(12), *tables], 3, rotated
    yield "GroupQueryAttention", "window, softcap", [query, key, key, *past(7), *lengths(12), *tables], 3, rotated | {
        "local_window_size": 4, "softcap": 30.0, "rotary_interleaved": 1}
    yield "GroupQueryAttention", "bias, positions", [
        query, key, key, *past(7), *lengths(12), *tables, np.full((1, 5), 7, np.int64), f32(1, heads, 5, 12)], 3, rotated
    yield "GroupQueryAttention", "sinks", [query, key, key, *past(7), *lengths(12), None, None, None, None, f32(heads)], 3, spec
    for kind in (1, 2):
        yield "GroupQueryAttention", f"scores {kind}", [query, key, key, *past(7), *lengths(12)], 4, spec | {"qk_output": kind}
    yield "GroupQueryAttention", "half", [
        f16(1, 5, heads * size), f16(1, 5, kv * size), f16(1, 5, kv * size), f16(1, kv, 7, size), f16(1, kv, 7, size),
        *lengths(12)], 3, spec
    window = spec | {"local_window_size": 8, "sliding_window_cache": 1}
    yield "GroupQueryAttention", "window-sized cache", [step, new, new, *past(8), *lengths(20)], 3, window
    query, key = f32(1, 12, heads * size), f32(1, 12, kv * size)
    yield "GroupQueryAttention", "prompt of more than the window", [query, key, key, *past(8), *lengths(12)], 3, window
    spec = {"num_heads": heads}
    query, key, value = f32(2, 5, heads * size), f32(2, 7, heads * size), f32(2, 7, heads * 8)
    yield "MultiHeadAttention", "", [query, key, value], 1, spec
    yield "MultiHeadAttention", "presents", [query, key, value], 3, spec
    yield "MultiHeadAttention", "bias", [query, key, value, f32(heads * (2 * size + 8))], 1, spec
    yield "MultiHeadAttention", "mask, added scores", [query, key, value, None, i32(2, 7), f32(1, heads, 5, 7)], 1, spec
    apart, old = [f32(2, heads, 7, size)] * 2, [f32(2, heads, 9, size)] * 2
    yield "MultiHeadAttention", "key and value in heads", [query, *apart], 1, spec
    yield "MultiHeadAttention", "past", [query, key, key, None, None, None, *old], 3, spec
    yield "DecoderMaskedMultiHeadAttention", "", [
        f32(2, 1, heads * size), f32(2, 1, heads * size), f32(2, 1, heads * size), None, None, f32(2, heads, 32, size),
        f32(2, heads, 32, size), ints(4)], 3, spec | {"past_present_share_buffer": 1}
    data, weights, bias = f32(2, 5, 32), f32(32, 96), f32(96)
    spec = {"num_heads": 4}
    yield "Attention", "", [data, weights, bias], 1, spec
    yield "Attention", "causal", [data, weights, bias], 1, spec | {"unidirectional": 1}
    yield "Attention", "present", [data, weights, bias], 2, spec
    yield "Attention", "past", [data, weights, bias, None, f32(2, 2, 4, 7, 8)], 2, spec
    yield "Attention", "mask of lengths", [data, weights, bias, ints(5, 3)], 1, spec
    yield "Attention", "mask, added scores", [data, weights, bias, i32(2, 5), None, f32(2, 4, 5, 5)], 1, spec
    yield "Attention", "widths", [data, f32(32, 80), f32(80)], 1, spec | {"qkv_hidden_sizes": [32, 32, 16]}
    inputs = [u8(2, 5, 32), const(u8(32, 96)), f32(96), f32(), f32()]
    yield "QAttention", "", inputs, 1, spec
    yield "QAttention", "mask, zero points", [*inputs, i32(2, 5), u8(), const(u8())], 1, spec
    yield "QAttention", "past", [*inputs, None, u8(), const(u8()), f32(2, 2, 4, 7, 8)], 2, spec | {"unidirectional": 1}
    rows, columns = ints(0, 1, 3, 6, 10).reshape(1, 5), ints(0, 0, 1, 0, 1, 2, 0, 1, 2, 3).reshape(1, 10)
    sparse = {"num_heads": 4, "kv_num_heads": 2, "sparse_block_size": 16, "scale": 0.25}
    yield "SparseAttention", "", [
        f32(1, 5, 4 * 16), f32(1, 5, 2 * 16), f32(1, 5, 2 * 16), f32(1, 2, 64, 16), f32(1, 2, 64, 16), rows, columns,
        ints(5).reshape(()), ints(5)], 3, sparse
    yield "SparseAttention", "packed", [
        f32(1, 1, 8 * 16), None, None, f32(1, 2, 64, 16), f32(1, 2, 64, 16), rows, columns, ints(20).reshape(()), ints(20)
    ], 3, sparse
    position = np.arange(5, dtype=np.int64)
    tables = [f32(32, 8)] * 2
    yield "RotaryEmbedding", "", [f32(2, 5, 48), np.stack([position] * 2), *tables], 1, {}
    yield "RotaryEmbedding", "heads apart", [f32(2, 3, 5, 16), i64(1), *tables], 1, {}
    yield "RotaryEmbedding", "in part", [f32(2, 5, 96), i64(1), *tables], 1, {
        "num_heads": 3, "rotary_embedding_dim": 16, "interleaved": 1}
    yield "MRotaryEmbedding", "", [f32(2, 5, 48), np.stack([np.stack([position] * 2)] * 3), *tables], 1, {
        "mrope_section": [4, 2, 2], "num_heads": 3}
    yield "LinearAttention", "", [f32(2, 5, 4 * 8), f32(2, 5, 2 * 8), f32(2, 5, 2 * 16), None, f32(2, 5, 2), f32(2, 5, 2)], 2, {
        "q_num_heads": 4, "kv_num_heads": 2}
    yield "LinearAttention", "state, more key heads", [
        f32(2, 1, 2 * 8), f32(2, 1, 4 * 8), f32(2, 1, 4 * 16), f32(2, 4, 8, 16), f32(2, 1, 4), f32(2, 1, 4)], 2, {
        "q_num_heads": 2, "kv_num_heads": 4}
    yield "CausalConvWithState", "", [f32(2, 6, 5), f32(6, 1, 4), f32(6), f32(2, 6, 3)], 2, {"activation": "silu"}
    yield "CausalConvWithState", "no state", [f32(2, 6, 5), f32(6, 1, 4)], 2, {}
    yield "CausalConvWithState", "dilated", [f32(2, 6, 9), f32(6, 1, 4)], 2, {"dilation": 2}
    yield "CausalConvWithState", "channels last, of two dims", [f32(2, 9, 3, 2), f32(6, 1, 4)], 2, {"channels_last": 1}
    yield "CausalConvWithState", "channels last", [f32(2, 9, 6), f32(6, 1, 4)], 2, {"channels_last": 1}


def normalization():
    data, gamma = f32(2, 5, 16), f32(16)
    plain = {"domain": ""}
    yield "SimplifiedLayerNormalization", "", [data, gamma], 1, plain
    yield "SimplifiedLayerNormalization", "deviation", [data, gamma], 2, plain | {"axis": -1}
    yield "SimplifiedLayerNormalization", "half", [f16(2, 5, 16), f16(16)], 1, plain
    for op, extra in (("SkipLayerNormalization", [gamma]), ("SkipSimplifiedLayerNormalization", [])):
        yield op, "", [data, data, gamma], 1, {}
        yield op, "all inputs", [data, data, gamma, *extra, gamma], [True, False, False, True], {}
        yield op, "skip of one batch", [data, f32(1, 5, 16), gamma], [True, False, False, True], {}
        yield op, "skip of two dims", [data, f32(5, 16), gamma], 1, {}
        yield op, "two dims", [f32(5, 16), f32(5, 16), gamma], [True, False, False, True], {}
        yield op, "half", [f16(2, 5, 16), f16(2, 5, 16), f16(16)], [True, False, False, True], {}
    ids = i32(2, 5)
    words, places, segments, gamma = (const(value) for value in (f32(30, 16), f32(12, 16), f32(2, 16), f32(16)))
    for what, inputs, outputs in (
        ("", [ids, ids, words, places, segments, gamma, gamma], 2),
        ("mask", [ids, ids, words, places, segments, gamma, gamma, ids], 2),
        ("no segments, sum", [ids, None, words, places, None, gamma, gamma], 3),
        ("positions", [ids, ids, words, places, segments, gamma, gamma, None, ids], 2),
    ):
        yield "EmbedLayerNormalization", what, inputs, outputs, {"epsilon": 1e-12}
    yield "EmbedLayerNormalization", "mask, sum", [ids, ids, words, places, segments, gamma, gamma, ids], 3, {"mask_index_type": 1}
    tables = [const(u8(*dims)) for dims in ((30, 16), (12, 16), (2, 16), (16,), (16,))]
    scales, zeros = [const(f32())] * 5, [const(u8())] * 5
    yield "QEmbedLayerNormalization", "", [ids, ids, *tables, ids, *scales, *zeros], 2, {}
    yield "BranchwiseRMSNorm", "", [f32(2, 5, 3, 16), f32(3, 16)], 1, {}
    yield "GatedRMSNorm", "", [data, gamma, data], 1, {}


def elementwise():
    yield "BiasGelu", "", [f32(2, 5, 16), f32(16)], 1, {}
    for op in ("FastGelu", "Gelu", "QuickGelu", "ScaledSiLU"):
        yield op, "", [f32(2, 5, 16)], 1, {}
    yield "FastGelu", "bias", [f32(2, 5, 16), f32(16)], 1, {}
    yield "QuickGelu", "alpha", [f32(3, 2)], 1, {"alpha": 1.0}
    yield "GatedAdd", "", [f32(2, 5, 16), f32(2, 5, 16), f32(2, 5, 1)], 1, {}
    yield "Trilu", "", [f32(2, 5, 7)], 1, {"upper": 0}
    yield "Trilu", "diagonal", [i64(5, 7), ints(-1, dtype=np.int64).reshape(())], 1, {}
    yield "SampleOp", "", [f32(2, 3)], 1, {}
    for positive, what in ((0, "signed"), (1, "positive")):
        yield "MurmurHash3", what, [i32(2, 3)], 1, {"positive": positive}


def movement():
    for axis in (0, 1, -1):
        yield "ExpandDims", f"axis {axis}", [f32(2, 3, 5), const(ints(axis).reshape(()))], 1, {}
    yield "GatherND", "", [f32(2, 3, 5), i64(4, 2)], 1, {}
    yield "GatherND", "slices", [f32(2, 3, 5), i32(4, 7, 1)], 1, {}
    yield "Pad", "", [f32(2, 3), ints(1, 0, 2, 1, dtype=np.int64), f32(1)], 1, {"mode": "constant"}
    yield "Pad", "two dims of pads", [f32(2, 3), ints(1, 0, 2, 1, dtype=np.int64).reshape(1, 4)], 1, {}
    yield "Range", "", [ints(2).reshape(()), ints(13).reshape(()), ints(3).reshape(())], 1, {}
    yield "Range", "no step", [ints(2).reshape(1), ints(13).reshape(1)], 1, {}
    yield "Range", "floats", [np.array(v, np.float32) for v in (0.0, 1.0, 0.3)], 1, {}
    yield "Unique", "", [np.array([1, 2, 1, 3], np.float32)], 3, {}
    yield "NGramRepeatBlock", "", [i64(2, 5), f32(2, 30)], 1, {"ngram_size": 2}


def windows():
    relu = {"activation": "Relu"}
    yield "FusedConv", "", [f32(2, 3, 12, 15), f32(6, 3, 3, 3), f32(6)], 1, relu | {"pads": [1, 1, 1, 1]}
    yield "FusedConv", "sum", [f32(2, 3, 12, 15), f32(6, 3, 3, 3), f32(6), f32(2, 6, 10, 13)], 1, relu
    yield "FusedConv", "groups, same", [f32(2, 4, 12, 15), f32(6, 2, 3, 3)], 1, relu | {
        "group": 2, "auto_pad": "SAME_UPPER", "strides": [2, 2]}
    pool = {"kernel_shape": [3, 2]}
    for what, spec in (
        ("", pool), ("strides and pads", pool | {"strides": [2, 1], "pads": [1, 0, 1, 1]}),
        ("rounded up, dilated", pool | {"strides": [2, 2], "ceil_mode": 1, "dilations": [1, 2]}),
        ("same", pool | {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ):  # fmt: skip
        yield "NhwcMaxPool", what, [u8(2, 12, 15, 3)], 1, spec
    yield "MaxpoolWithMask", "", [f32(2, 3, 12, 15), i32(2, 3, 12, 15)], 1, {"kernel_shape": [3, 3], "strides": [2, 2]}
    for mode in ("bilinear", "nearest"):
        yield "CropAndResize", mode, [f32(2, 3, 12, 15), f32(5, 4), np.zeros(5, np.int32), ints(6, 7)], 1, {"mode": mode}
    yield "GridSample", "", [f32(2, 3, 12, 15), f32(2, 5, 7, 2)], 1, {}


def sequences():
    for direction, count in (("forward", 1), ("bidirectional", 2)):
        quantities = [const(f32(count)), const(u8(count))]
        yield "DynamicQuantizeLSTM", direction, [
            f32(5, 2, 7), const(u8(count, 7, 24)), const(u8(count, 6, 24)), const(f32(count, 48)), None, None, None, None,
            *quantities, *quantities], 3, {"direction": direction, "hidden_size": 6}
    yield "WordConvEmbedding", "", [i32(4, 9), f32(8, 1, 3, 6), f32(8), f32(20, 6)], 1, {
        "embedding_size": 8, "conv_window_size": 3, "char_embedding_size": 6}


if __name__ == "__main__":
    sys.exit(main())
