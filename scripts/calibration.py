#!/usr/bin/env python3
"""Computes the spread of the fitted numbers of openvino-cpu (src/runtime/openvino_cpu/calibration.rs).

Needs the records of ../shared/measured (or --measured), the models of ../shared/models (or --models) and nothing else
than Python's library. Fitted numbers are parts of sums, and a run measures the sum. For each sum, over the runs that have
it: the measured value less the predicted one (objects, generated code, what the allocator keeps), or the measured value itself (library pages),
each as minimum, median and maximum.

* model as read: heap at the end of read_model, over its start; while it is read: the peak of that phase.
* objects: heap at the end of compile, and at the peak of the first inference; everything else in the heap is a rule whose
  blocks are exact in docs/accuracy.md.
* generated code: anonymous maps of 256 KiB at the peak of the first inference.
* library pages: file-backed pages at the end of the phase over those of the process before, less the constants that
  memgraph predicts to be resident: an error of these counts as library pages. In one run of 13 GiB of weights it is 53 MiB.
* kept by the allocator: anonymous pages at the peak of the first inference over those of the process before, less those
  predicted, less what the heap was mispredicted by.

The records are those that the numbers were fitted to (docs/accuracy.md); runs by another host application are left out.
"""

import json
import statistics

import accuracy
import common

KIB, MIB = 1 << 10, 1 << 20
CODE_MAP = 256 * KIB


def main():
    parser = common.records_parser(__doc__)
    arguments = parser.parse_args()
    memgraph = common.find_memgraph(arguments.memgraph)
    records = json.loads((arguments.measured / "openvino_cpu.json").read_text())
    sums = {}
    for record in records:
        if arguments.only in record["id"] and not record["run"].get("rt"):
            report = accuracy.report(memgraph, accuracy.exported(record, arguments.models))
            for name, value in measured(record, report):
                sums.setdefault(name, []).append((value, record["id"]))
    print("| sum | unit | runs | least | median | most | run of least | run of most |\n|---|---|---|---|---|---|---|---|")
    for name, values in sorted(sums.items()):
        (least, first), (most, last) = min(values), max(values)
        median = statistics.median(value for value, _ in values)
        print(f"| {name} | {len(values)} | {least:.2f} | {median:.2f} | {most:.2f} | {first} | {last} |")


def measured(record, report):
    """The sums of one run, each with its name and unit."""
    phases, first = accuracy.phases_of(record)
    predicted = {phase["name"]: phase for phase in report["phases"]}
    inference = accuracy.inference(report)
    read, compiled = phases["read_model"], phases["compile"]
    baseline = record["baseline"]
    group = "static" if "reshape" in record["run"] else "dynamic"
    is_mapped = (record["run"].get("core_props") or {}).get("ENABLE_MMAP") is not False
    streams = int((record.get("effective") or {}).get("NUM_STREAMS", 1))

    if is_mapped:
        load = predicted["load"]["heap_peak_bytes"]
        peak = read["heap_peak"] - read["heap_before"]
        yield "model while it is read, measured over predicted | %", 100 * (peak / load - 1)
    user = accuracy.user_bytes(record)
    heap = first["heap_peak"] + first["anon_peak"] - read["heap_before"] - read["anon_before"] - user
    code = maps(report)
    found = sum(count for size, _, kind, count in first.get("blocks_at_peak", []) if kind == "anon" and size == CODE_MAP)
    if found and streams == 1:
        yield f"generated code, {group}, measured less predicted | maps", found - code
        objects = heap - found * CODE_MAP - (inference["heap_peak_bytes"] - code * CODE_MAP)
        yield f"objects, {group}, first inference, measured less predicted | MiB", objects / MIB
    if not is_mapped or streams > 1:
        return
    products = {"FullyConnected", "Convolution", "MatMul"} & (record.get("exec_layers") or {}).keys()
    kind = "with products" if products else "without products"
    moments = ((read, "load"), (compiled, "compile"), (first, inference["name"]))
    for phase, name in moments:
        constants = predicted[name]["file_resident_bytes"] - library(name, products)
        pages = phase["rss_file_after"] - baseline["RssFile"] - constants
        label = "load" if name == "load" else f"{'compile' if name == 'compile' else 'first inference'}, {kind}, {group}"
        yield f"library pages, {label} | MiB", pages / MIB
    anonymous = first["rss_peak"] - first["rss_file_after"] - baseline["RssAnon"] - user
    expected = inference["resident_peak_bytes"] - inference["file_resident_bytes"]
    kept = anonymous - expected - (heap - inference["heap_peak_bytes"])
    yield f"kept by the allocator, {group}, first inference, measured less predicted | MiB", kept / MIB


def maps(report):
    """How many maps of generated code are predicted."""
    code = [block for block in report["blocks"] if block["class"] == "code" and block["bytes"] == CODE_MAP]
    return sum(block["count"] for block in code)


def library(phase, products):
    """The library pages that memgraph adds to a phase (calibration.rs)."""
    if phase == "load":
        return 42 * MIB // 10
    if phase == "compile":
        return 20 * MIB if products else 12 * MIB
    return 26 * MIB if products else 29 * MIB // 2


if __name__ == "__main__":
    main()
