#!/usr/bin/env python3
"""Compares memgraph's output shapes with those that ONNX's own backend node tests give.

    scripts/crosscheck_onnx.py [--memgraph PATH] [--only TEXT] [--keep DIR] [-v]

Every node test of the `onnx` package whose inputs and outputs are tensors. Shapes of inputs are given by `--input`,
and numbers by `--value` where a user would know them too: integers and booleans of at most 64 elements, floats of at
most 8. What the models declare of their outputs is taken away first, for memgraph believes it of operators that it
does not know. What the test's outputs really have must be what memgraph says: the same dims and element type, or, where memgraph
says that the shape depends on data, dims that are nowhere larger than memgraph's. Where it says that no shape can be derived
without numbers that it has not, it is asked again with `--allow-opaque`, and must call them unknown.

Exit status: 0 at least 99.5 % of the cases agree exactly or as bounds, 1 fewer do, 2 the check itself could not run.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy
import onnx
import onnx.numpy_helper
from onnx.backend.test.case.node import collect_testcases

import common

REQUIRED_PERCENT = 99.5
MAX_INTEGERS, MAX_FLOATS = 64, 8
TIMEOUT_SECONDS = 60

# What reports call the element types of ONNX.
DTYPES = {
    "FLOAT": "f32", "DOUBLE": "f64", "FLOAT16": "f16", "BFLOAT16": "bf16", "BOOL": "boolean", "STRING": "string",
    "INT2": "i2", "INT4": "i4", "INT8": "i8", "INT16": "i16", "INT32": "i32", "INT64": "i64",
    "UINT2": "u2", "UINT4": "u4", "UINT8": "u8", "UINT16": "u16", "UINT32": "u32", "UINT64": "u64",
    "FLOAT8E4M3FN": "f8e4m3", "FLOAT8E4M3FNUZ": "f8e4m3", "FLOAT8E5M2": "f8e5m2", "FLOAT8E5M2FNUZ": "f8e5m2",
    "FLOAT8E8M0": "f8e8m0", "FLOAT4E2M1": "f4e2m1", "FLOAT6E2M3": "f6e2m3", "FLOAT6E3M2": "f6e3m2",
    "COMPLEX64": "complex64", "COMPLEX128": "complex128",
}  # fmt: skip


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--keep", metavar="DIR", help="leave the models here")
    parser.add_argument("-v", "--verbose", action="store_true", help="cases that agree only as bounds, too")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    counts = collections.Counter()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(args.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="memgraph-onnx-")))
        folder.mkdir(parents=True, exist_ok=True)
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(os.cpu_count()))
        cases = [case for case in tensor_cases() if args.only in case.name]
        outcomes = pool.map(lambda case: check(memgraph, case, folder), cases)
        for case, (verdict, text) in zip(cases, outcomes, strict=True):
            counts[verdict] += 1
            if verdict == "fault" or args.verbose and verdict != "exact":
                print(f"{verdict}: {case.name}: {text}")
    agreeing = counts["exact"] + counts["bound"]
    percent = 100 * agreeing / max(1, len(cases))
    print(f"\n{len(cases)} cases: {counts['exact']} exact, {counts['bound']} as upper bounds, {counts['unknown']} unknown, "
          f"{counts['fault']} differ: {percent:.2f} % agree")
    return 0 if percent >= REQUIRED_PERCENT else 1


def tensor_cases():
    with warnings.catch_warnings():
        # The tests' reference implementations divide by zero on purpose.
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in sorted(cases, key=lambda case: case.name):
        values = [*case.model.graph.input, *case.model.graph.output]
        if case.data_sets and all(value.type.HasField("tensor_type") for value in values):
            yield case


def check(memgraph, case, folder):
    path = folder / f"{case.name}.onnx"
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for output in model.graph.output:
        output.ClearField("type")
    path.write_bytes(model.SerializeToString())
    verdict, text = "exact", ""
    for inputs, outputs in case.data_sets:
        verdict, text = compare(memgraph, case.model.graph, path, inputs, outputs)
        if verdict in ("fault", "unknown"):
            break
    path.unlink(missing_ok=True)
    return verdict, text


def compare(memgraph, graph, path, inputs, outputs):
    command = [memgraph, "dump", str(path), "--stage", "shapes"]
    for info, value in zip(graph.input, map(as_array, inputs), strict=False):
        if value is not None:
            command += given(info.name, value)
    run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    verdict = "exact"
    if run.returncode and "is not known, and the output's shape depends on it" in run.stderr:
        command.append("--allow-opaque")
        run = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
        verdict = "unknown"
    if run.returncode not in ((0, 3) if verdict == "unknown" else (0,)):
        return "fault", f"exit status {run.returncode}: {' '.join(run.stderr.split())[:400]}"
    ours = json.loads(run.stdout)["outputs"]
    for info, value, our in zip(graph.output, outputs, ours, strict=True):
        shape = list(as_array(value).shape)
        dtype = DTYPES[onnx.TensorProto.DataType.Name(info.type.tensor_type.elem_type)]
        if verdict == "unknown" and our["shape"] is None:
            continue
        if our["dtype"] != dtype:
            return "fault", f"output {info.name}: element type {dtype}, memgraph {our['dtype']}"
        if our["shape"] == shape:
            continue
        is_bound = our["bound"] == "upper_bound" and our["shape"] is not None and len(our["shape"]) == len(shape)
        if not is_bound or any(real > bound for real, bound in zip(shape, our["shape"])):
            return "fault", f"output {info.name}: shape {shape}, memgraph {our['shape']} ({our['bound']})"
        verdict = "unknown" if verdict == "unknown" else "bound"
    return verdict, ""


def given(name, value):
    """The command line's arguments for an input."""
    yield from common.input_words({name: value.shape})
    if value.dtype.kind in "iub" and value.size <= MAX_INTEGERS:
        yield f"--value={name}={','.join(str(int(number)) for number in value.ravel())}"
    elif (value.dtype.kind == "f" or value.dtype.name == "bfloat16") and value.size <= MAX_FLOATS:
        yield f"--value={name}={','.join(repr(float(number)) for number in value.ravel())}"


def as_array(value):
    """The test's data as an array; None for an absent optional."""
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    return numpy.asarray(value) if isinstance(value, (numpy.ndarray, numpy.generic)) else None


if __name__ == "__main__":
    sys.exit(main())
