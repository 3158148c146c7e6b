#!/usr/bin/env python3
"""Holds the nodes that memgraph says ONNX Runtime executes against the optimized model that ONNX Runtime saves.

    compare_onnxruntime.py [--memgraph PATH] [--models DIR] [--only TEXT] [--require PERCENT] [--show N] [--write FILE]

Every .onnx of fixtures/onnx, and of DIR. Two levels each: `extended`, where nodes are equal by operator type and the name
of their first output, and `all`, where blocked layouts rename tensors, by operator type alone. Weights that were stripped
are zeros in a sparse file. The share is that of nodes in common, of the longer list.

With --write, the table replaces the one in FILE. Exit status: 0 if the share over all models is at least PERCENT at both
levels, else 1.
"""

import collections
import json
import pathlib
import subprocess
import sys
import tempfile

import onnx
import onnxruntime

import common
import crosscheck_onnxruntime

LEVELS = {"extended": "ORT_ENABLE_EXTENDED", "all": "ORT_ENABLE_ALL"}
BEGIN, END = "<!-- compare_onnxruntime.py begin -->", "<!-- compare_onnxruntime.py end -->"


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--models", metavar="DIR", type=pathlib.Path, action="append", default=[], help="folders to look in")
    parser.add_argument("--only", default="", metavar="TEXT", help="only models whose path contains TEXT")
    parser.add_argument("--require", type=float, default=0, metavar="PERCENT", help="the least share that passes")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="list up to N differing nodes of each")
    parser.add_argument("--write", type=pathlib.Path, metavar="FILE", help="the document whose table is replaced")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    fixtures = sorted((common.ROOT / "fixtures/onnx").rglob("*.onnx"))
    models = fixtures + sorted(path for folder in args.models for path in folder.rglob("*.onnx"))
    sums = {level: [0, 0] for level in LEVELS}
    lines = ["| model | nodes executed | equal at `extended`, % | at `all`, by type, % |", "|---|---|---|---|"]
    for path in models:
        if args.only not in str(path):
            continue
        name = path.parent.name if path.stem == "model" else f"{path.parent.name}/{path.stem}"
        shares, count = [], 0
        for level in LEVELS:
            theirs, ours = collections.Counter(saved(path, level)), collections.Counter(predicted(memgraph, path, level))
            count = theirs.total()
            equal, longer = (theirs & ours).total(), max(theirs.total(), ours.total())
            sums[level][0] += equal
            sums[level][1] += longer
            shares.append(100 * equal / longer)
            for title, rest in (("only ONNX Runtime", theirs - ours), ("only memgraph", ours - theirs)):
                for node, times in sorted(rest.items())[: args.show]:
                    print(f"{name}, {level}: {title}: {' '.join(node)}{f' ({times} times)' if times > 1 else ''}")
        lines.append(f"| {name} | {count} | {shares[0]:.1f} | {shares[1]:.1f} |")
    totals = [100 * equal / max(1, longer) for equal, longer in sums.values()]
    lines.append(f"| all | | {totals[0]:.1f} | {totals[1]:.1f} |")
    print("\n".join(lines))
    if args.write:
        common.replace_section(args.write, BEGIN, END, "\n".join(lines))
    return 0 if min(totals) >= args.require else 1


def saved(path, level):
    """Type, and at `extended` the first output, of each node that ONNX Runtime saves."""
    model = onnx.load(path, load_external_data=False)
    with tempfile.TemporaryDirectory(prefix="memgraph-ort-") as folder:
        folder = pathlib.Path(folder)
        crosscheck_onnxruntime.copy_data(path, model, folder)
        (folder / path.name).write_bytes(path.read_bytes())
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[level])
        options.optimized_model_filepath = str(folder / "optimized.onnx")
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimized.data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        onnxruntime.InferenceSession(folder / path.name, options, providers=["CPUExecutionProvider"])
        optimized = onnx.load(folder / "optimized.onnx", load_external_data=False)
    for node in optimized.graph.node:
        kind = f"nchwc.{node.op_type}" if node.domain == "com.microsoft.nchwc" else node.op_type
        yield (kind, next(name for name in node.output if name)) if level == "extended" else (kind,)


def predicted(memgraph, path, level):
    command = [memgraph, "dump", str(path), "--stage", "execution", "--profile", "onnxruntime-cpu"]
    graph = onnx.load(path, load_external_data=False).graph
    sizes = crosscheck_onnxruntime.RUNS[0] | crosscheck_onnxruntime.image_sizes(path.parent / "config.json")
    record = path.parent / "onnxruntime.json"
    if record.exists():
        recorded = json.loads(record.read_text())["sizes"]
        command += [f"--bind={name}={size}" for name, size in recorded.items()]
    else:
        inputs = crosscheck_onnxruntime.model_inputs(graph)
        shapes = {info.name: crosscheck_onnxruntime.zeros(info, sizes).shape for info in inputs}
        command += common.input_words(shapes)
    run = subprocess.run([*command, "--graph-optimization", level], capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise SystemExit(f"error: {path}: {run.stderr}")
    for node in json.loads(run.stdout)["nodes"]:
        yield (node["type"], node["outputs"][0]["tensor"]) if level == "extended" else (node["type"],)


if __name__ == "__main__":
    sys.exit(main())
