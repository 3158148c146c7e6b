#!/usr/bin/env python3
"""Compares memgraph's shapes with those of every tensor that ONNX Runtime computes in a run.

    scripts/crosscheck_onnxruntime.py [--memgraph PATH] [--models DIR] [--only TEXT] [-v]

Each model is run with all its intermediate tensors as outputs, without optimisations, so that every tensor of the file is
there; weights that were stripped are zeros in a sparse file. memgraph is told the input shapes alone. Its dims and
element type must be those of the run, or, where it says that a shape depends on data, nowhere smaller.

Exit status: 0 every tensor agrees, 1 one differs, 2 the check itself could not run.
"""

import itertools
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime

import common

# Sizes for each dim that a model leaves free, by the name that it has there: several runs each.
RUNS = [
    {"batch": 1, "seq": 7, "past": 0, "height": 224, "width": 224},
    {"batch": 2, "seq": 1, "past": 19, "height": 96, "width": 160},
]
SYNONYMS = {
    "batch_size": "batch", "sequence_length": "seq", "decoder_sequence_length": "seq", "hh": "height", "ww": "width",
    "past_sequence_length": "past", "past_decoder_sequence_length": "past", "num_channels": 3,
    "encoder_sequence_length": 11, "encoder_sequence_length_out": 11, "feature_size": 80,
    "sequence": "seq", "source": 11, "frames": 40, "encoder_sequence_length / 2": 11, "total": "total", "total_sequence_length": "total",
    "past_sequence_length + sequence_length": "total", "past_sequence_length + 1": "total",
}  # fmt: skip


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--models", metavar="DIR", type=pathlib.Path, action="append", help="folders of models to look in")
    parser.add_argument("--only", default="", metavar="TEXT", help="only models whose path contains TEXT")
    parser.add_argument("-v", "--verbose", action="store_true", help="all faults, not the first three of a run")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    folders = [common.ROOT / "fixtures", *(args.models or [])]
    models = sorted({path.resolve() for folder in folders for path in folder.rglob("*.onnx") if args.only in str(path)})
    if not models:
        print(f"error: no model in {', '.join(map(str, folders))}", file=sys.stderr)
        return 2
    n_faults = 0
    for path in models:
        for sizes in RUNS:
            sizes = sizes | image_sizes(path.parent / "config.json")
            compared, faults = check(memgraph, path, sizes)
            n_faults += len(faults)
            print(f"{'ok  ' if not faults else 'FAIL'} {path.parent.name}/{path.name} {describe(sizes)}: "
                  f"{compared} tensors")
            for fault in faults if args.verbose else faults[:3]:
                print(f"     {fault}")
            if not has_free_dims(path):
                break
    return 1 if n_faults else 0


def image_sizes(config):
    """What a config says of images: positions of patches are constants in most towers."""
    side = json.loads(config.read_text()).get("image_size") if config.exists() else None
    return {"height": side, "width": side} if isinstance(side, int) else {}


def describe(sizes):
    return " ".join(f"{name}={size}" for name, size in sizes.items())


def has_free_dims(path):
    return any(None in [as_known(dim) for dim in info.type.tensor_type.shape.dim]
               for info in model_inputs(onnx.load(path, load_external_data=False).graph))


def as_known(dim):
    return dim.dim_value if dim.HasField("dim_value") else None


def model_inputs(graph):
    constants = {tensor.name for tensor in graph.initializer}
    return [info for info in graph.input if info.name not in constants]


def check(memgraph, path, sizes):
    """The number of tensors that were compared, and what was found to differ."""
    model = onnx.load(path, load_external_data=False)
    inputs = {info.name: zeros(info, sizes) for info in model_inputs(model.graph)}
    ours = our_shapes(memgraph, path, model.graph, inputs)
    compared, faults = 0, []
    for name, value in run(path, model, inputs):
        our = ours.get(name)
        dtype = str(value.dtype)
        theirs = {"bool": "boolean", "float32": "f32", "float64": "f64", "float16": "f16", "int64": "i64",
                  "int32": "i32", "uint8": "u8", "int8": "i8"}.get(dtype, dtype)
        compared += 1
        if our is None:
            faults.append(f"{name}: not in memgraph's dump")
        elif our["dtype"] != theirs or not fits(our, list(value.shape)):
            faults.append(f"{name}: ONNX Runtime {theirs}{list(value.shape)}, memgraph {our['dtype']}{our['shape']} "
                          f"({our['bound']})")
    return compared, faults


def fits(our, shape):
    if our["shape"] == shape:
        return True
    if our["bound"] != "upper_bound" or our["shape"] is None or len(our["shape"]) != len(shape):
        return False
    return all(real <= bound for real, bound in zip(shape, our["shape"], strict=True))


def zeros(info, sizes):
    """An input of these sizes; ones, so that no mask forbids everything."""
    dims = []
    for dim in info.type.tensor_type.shape.dim:
        size = as_known(dim)
        if size is None:
            size = SYNONYMS.get(dim.dim_param, dim.dim_param)
        if size == "total":
            size = sizes["past"] + sizes["seq"]
        dims.append(size if isinstance(size, int) else sizes[size])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    return numpy.ones(dims, dtype)


def our_shapes(memgraph, path, graph, inputs):
    command = [memgraph, "dump", str(path), "--stage", "shapes"]
    command += common.input_words({name: value.shape for name, value in inputs.items()})
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise SystemExit(f"error: {path}: {run.stderr}")
    ports = {(tensor["node"], tensor["port"]): tensor for tensor in json.loads(run.stdout)["tensors"]}
    shapes = {}
    for node in graph.node:
        named = node.name or next(name for name in node.output if name)
        for port, name in enumerate(node.output):
            if name and (named, port) in ports:
                shapes[name] = ports[named, port]
    return shapes


def run(path, model, inputs):
    """Name and value of every tensor that a node of the main graph gives."""
    names = [name for node in model.graph.node for name in node.output if name]
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names if name not in known)
    with tempfile.TemporaryDirectory(prefix="memgraph-ort-") as folder:
        folder = pathlib.Path(folder)
        copy_data(path, model, folder)
        (folder / path.name).write_bytes(model.SerializeToString())
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(folder / path.name, options, providers=["CPUExecutionProvider"])
        yield from zip(names, session.run(names, inputs), strict=True)


def copy_data(path, model, folder):
    """External data next to the model: as it is, or as many zeros as are needed."""
    ends = {}
    for tensor in itertools.chain(model.graph.initializer):
        entries = {entry.key: entry.value for entry in tensor.external_data}
        if entries:
            end = int(entries.get("offset", 0)) + int(entries.get("length", 0))
            ends[entries["location"]] = max(ends.get(entries["location"], 0), end)
    for location, end in ends.items():
        target = folder / location
        target.parent.mkdir(parents=True, exist_ok=True)
        if (path.parent / location).exists():
            shutil.copyfile(path.parent / location, target)
        else:
            with target.open("wb") as file:
                file.truncate(end)


if __name__ == "__main__":
    sys.exit(main())
