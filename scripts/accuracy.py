#!/usr/bin/env python3
"""Holds the profile openvino-cpu against measured runs of OpenVINO.

Needs the records of ../shared/measured (or --measured), the models of ../shared/models (or --models) and nothing else
than Python's library. Two tables:

* from the runtime's own execution graphs, which holds the memory rules alone: the block of the static pool, to the page
  (a heap block of n bytes is rounded up to 8 to 96 bytes more, or to a page); the growing blocks of a dynamic graph of
  at least 128 KiB, counts and sizes; the heap at the peak of the first inference, over what the process held before it
  read the model;
* from the exported models, which holds everything: the same blocks, the packed weights, the states, the ten largest
  blocks, the heap with the maps of generated code, and the resident set.

With --write, the tables go to docs/accuracy.md, between the markers there. The exit status is 1 if something is missed
beyond the misses listed below, or if a listed one holds.
"""

import gzip
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

import common
from compare_execution import inputs

MIB = 1 << 20
SMALL = 128 << 10
FIRST_INFERENCE = ("prefill1", "infer1")

# Records whose execution graph tells nothing of what they change, and why.
NOT_COVERED = {
    "_tput": "two streams",
    "_nommap": "ENABLE_MMAP=False",
}

RESNET = "oneDNN pads one 1x1 weight [1024, 512] and four [512, 128] to blocks of 48 outputs; 0.1 MiB"

# What is known to be missed from execution graphs, and why.
KNOWN_EXECUTION = {}

# What is known to be missed from exported models, and why.
KNOWN_IR = {
    "resnet50-fp32_B1_dyn_f32 weights": RESNET,
    "resnet50-fp32_B1_static_f32 weights": RESNET,
    "vit-base-p16-224-fp32_B1_static_f32 heap": "17 kernels fewer were generated than counted (4.2 MiB): MLAS multiplies, and f32 needs few copies",
    "dinov2-base-fp16_B8_dyn_def resident": "44 MiB of blocks were outgrown in the first inference, of which the allocator kept 29",
    "qwen2.5-vl-3b-full-fp16_merger_S7252_def resident": "the user's two masks of 201 MiB were allocated and never written, and are taken off as if they were resident",
}


def main():
    parser = common.records_parser(__doc__)
    parser.add_argument("--verbose", action="store_true", help="print what every run misses")
    arguments = parser.parse_args()
    memgraph = common.find_memgraph(arguments.memgraph)

    records = json.loads((arguments.measured / "openvino_cpu.json").read_text())
    records = [record for record in records if arguments.only in record["id"]]
    execution, ir, left_out = [], [], []
    for record in records:
        identity = record["id"]
        if record["run"].get("rt"):
            left_out.append((identity, "another runner"))
            continue
        ir.append(compare_ir(record, report(memgraph, exported(record, arguments.models))))
        graph = arguments.measured / "exec" / f"{identity}.xml.gz"
        reason = next((reason for part, reason in NOT_COVERED.items() if part in identity), None)
        reason = reason if graph.exists() else "no execution graph"
        if reason:
            left_out.append((identity, f"{reason}: from the exported model only"))
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "execution.xml"
            path.write_bytes(gzip.decompress(graph.read_bytes()))
            execution.append(compare_execution(record, report(memgraph, executed(record, path))))
    if not ir:
        sys.exit("no record to compare")
    if arguments.verbose:
        for row in execution + ir:
            print(json.dumps(row))

    tables = {
        "accuracy.py": execution_table(execution, left_out),
        "accuracy.py ir": ir_table(ir),
    }
    for marker, text in tables.items():
        print(text + "\n")
        if arguments.write:
            common.replace_section(arguments.write, f"<!-- {marker} begin -->", f"<!-- {marker} end -->", text)
    wrong = [*unexpected(execution, KNOWN_EXECUTION), *unexpected(ir, KNOWN_IR)]
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


def unexpected(rows, known):
    """What is missed and not listed, and what is listed and holds."""
    missed = {f"{row['id']} {what}" for row in rows for what, holds in row["holds"].items() if not holds}
    yield from (f"missed: {one}" for one in sorted(missed - known.keys()))
    ran = {row["id"] for row in rows}
    stale = {one for one in known.keys() - missed if one.split()[0] in ran}
    yield from (f"{one} is listed as missed, and holds: take it out" for one in sorted(stale))


def report(memgraph, words):
    """The report of memgraph."""
    run = subprocess.run([memgraph, "graph", *map(str, words), "--json", "-"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{words}: {run.stderr}")
    return json.loads(run.stdout)


def executed(record, path):
    """The words that describe a run to memgraph, from its execution graph."""
    threads = record["effective"]["INFERENCE_NUM_THREADS"]
    return [path, "--threads", threads, "--reshape", "static" if "reshape" in record["run"] else "dynamic"]


def exported(record, models):
    """The words that describe a run to memgraph, from the exported model."""
    run, model = record["run"], models / record["model"]
    words = [model, "--reshape", "static" if "reshape" in run else "dynamic"]
    words += common.input_words(inputs(run, model))
    config = run.get("config") or {}
    streams = int((record.get("effective") or {}).get("NUM_STREAMS", 1))
    threads = int((record.get("effective") or {}).get("INFERENCE_NUM_THREADS", 2))
    words += ["--streams", streams, "--threads", max(threads // streams, 1)]
    words += ["--precision", config.get("INFERENCE_PRECISION_HINT", "bf16")]
    if "KV_CACHE_PRECISION" in config:
        words += ["--kv-precision", config["KV_CACHE_PRECISION"]]
    if run.get("slice_last"):
        words += ["--logits", "last"]
    if (run.get("core_props") or {}).get("ENABLE_MMAP") is False:
        words += ["--mmap", "off"]
    return words


def phases_of(record):
    phases = {phase["name"]: phase for phase in record["phases"]}
    return phases, next(phases[name] for name in FIRST_INFERENCE if name in phases)


def measured_blocks(phases):
    """Heap blocks of at least 128 KiB, by size: the most that one of the phases had."""
    found = {}
    for phase in phases:
        here = {}
        for size, _, kind, count in phase.get("blocks_at_peak", []):
            if kind == "heap":
                here[size] = here.get(size, 0) + count
        found = {size: max(found.get(size, 0), here.get(size, 0)) for size in found | here}
    return found


def without_user(record, first):
    """The blocks of the first inference but the user's arrays, which a dynamic graph reads where they lie."""
    io = record["io_bytes"]
    arrays = [] if "reshape" in record["run"] else list(io.get("in_prefill", io.get("in", {})).values())
    for size, phase, kind, count in first.get("blocks_at_peak", []):
        for _ in range(count if kind == "heap" else 0):
            array = next((array for array in arrays if phase == "create_request" and array <= size <= array + 4096), None)
            if array is None:
                yield size
            else:
                arrays.remove(array)


def missing(wanted, found):
    """The sizes of `wanted` that find no block in `found`, which is used up."""
    lost = []
    for size in sorted(wanted, reverse=True):
        holds = [block for block, left in found.items() if left and fits(block, size)]
        if holds:
            found[min(holds)] -= 1
        else:
            lost.append(size)
    return lost


def fits(block, size):
    """Whether a heap block can be an allocation of `size` bytes: alignment, or where it is mapped the page's end.

    Source: malloc_usable_size of glibc 2.36 on memory that oneDNN aligns to 64 bytes, or that has malloc's own alignment.
    """
    aligned, plain = (-(-(size + 104) // 4096) * 4096 - 64, -(-(size + 24) // 4096) * 4096 - 16)
    return size <= block <= size + 96 or block in (aligned, plain)


def predicted_blocks(report, *classes):
    blocks = [block for block in report["blocks"] if block["class"] in classes and block["bytes"] >= SMALL]
    return [block["bytes"] for block in blocks for _ in range(block["count"])]


def user_bytes(record):
    """What the user's arrays take of the heap: a static graph has blocks of its own for them, where the user writes."""
    io = record["io_bytes"]
    return 0 if "reshape" in record["run"] else sum(io.get("in_prefill", io.get("in", {})).values())


def compare_execution(record, report):
    phases, first = phases_of(record)
    found = measured_blocks((phases["compile"], first))
    wanted = predicted_blocks(report, "arena" if "reshape" in record["run"] else "dynamic")
    lost = missing(wanted, found)
    measured = first["heap_peak"] - phases["read_model"]["heap_before"] - user_bytes(record)
    # Generated code is mapped, not on the heap.
    code = sum(live["bytes"] for live in report["peak"]["live"] if live["node"] == "generated code")
    generators = sum(block["bytes"] * block["count"] for block in report["blocks"] if block["class"] == "code" and block["bytes"] != 256 << 10)
    heap = Figure(inference(report)["heap_peak_bytes"] - code + generators, measured, 0.01, 4 * MIB)
    return {
        "id": record["id"],
        "is_static": "reshape" in record["run"],
        "wanted": len(wanted),
        "bytes": sum(wanted),
        "missing": lost,
        "heap": heap,
        "holds": {"blocks": not lost, "heap": heap.holds},
    }


def inference(report):
    return next(phase for phase in report["phases"] if phase["name"] in ("infer", "prefill"))


class Figure(dict):
    """A predicted figure, the measured one, and whether they agree."""

    def __init__(self, predicted, measured, share, bytes_):
        error = predicted - measured
        super().__init__(predicted=predicted, measured=measured, error=error, percent=100 * error / measured)
        self.holds = abs(error) <= max(share * measured, bytes_)

    def cells(self):
        mark = "" if self.holds else " (missed)"
        return f"{self['predicted'] / MIB:.2f} | {self['measured'] / MIB:.2f} | {self['error'] / MIB:+.2f} | {self['percent']:+.2f}{mark}"


def compare_ir(record, report):
    phases, first = phases_of(record)
    is_static = "reshape" in record["run"]
    read = phases["read_model"]
    parts = {
        "blocks": ("arena",) if is_static else ("dynamic",),
        "weights": ("weights_anonymous",),
        "state": ("kv_cache",),
    }
    lost, wanted = {}, {}
    for part, classes in parts.items():
        wanted[part] = predicted_blocks(report, *classes)
        lost[part] = missing(wanted[part], measured_blocks((phases["compile"], first)))
    # The ten largest blocks that were measured, each of which must have been predicted.
    largest = sorted(without_user(record, first), reverse=True)[:10]
    all_classes = ("arena", "dynamic", "weights_anonymous", "kv_cache", "state", "io", "scratch", "workspace", "code")
    predicted = sorted(predicted_blocks(report, *all_classes))
    unpredicted = []
    for size in largest:
        holds = [one for one in predicted if fits(size, one)]
        if holds:
            predicted.remove(holds[-1])
        else:
            unpredicted.append(size)
    user = user_bytes(record)
    heap = first["heap_peak"] + first["anon_peak"] - read["heap_before"] - read["anon_before"] - user
    resident = first["rss_peak"] - record["baseline"]["VmRSS"] - user
    heap = Figure(inference(report)["heap_peak_bytes"], heap, 0.01, 4 * MIB)
    resident = Figure(inference(report)["resident_peak_bytes"], resident, 0.03, 8 * MIB)
    return {
        "id": record["id"],
        "is_static": is_static,
        "wanted": {part: len(sizes) for part, sizes in wanted.items()},
        "missing": lost,
        "unpredicted": unpredicted,
        "heap": heap,
        "resident": resident,
        "holds": {
            **{part: not sizes for part, sizes in lost.items()},
            "largest": not unpredicted,
            "heap": heap.holds,
            "resident": resident.holds,
        },
    }


def execution_table(rows, left_out):
    lines = [
        "| run | blocks | of these missed | MiB | heap predicted, MiB | measured | error, MiB | error, % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(f"| {row['id']} | {row['wanted']} | {len(row['missing'])} | {row['bytes'] / MIB:.2f} | {row['heap'].cells()} |")
    lines.append("")
    for name, is_static in (("static", True), ("dynamic", False)):
        part = [row for row in rows if row["is_static"] == is_static]
        if part:
            exact = sum(row["holds"]["blocks"] for row in part)
            what = "pools to the page" if is_static else "sets of growing blocks exact"
            lines.append(f"* {name}: {len(part)} runs; {exact} {what}; heap {summary(part, 'heap', '1 % or 4 MiB')}")
    lines += [f"* left out: {identity} ({reason})" for identity, reason in left_out]
    return "\n".join(lines + explained(rows, KNOWN_EXECUTION))


def ir_table(rows):
    lines = [
        "| run | pool or growing blocks | packed weights | states | ten largest | heap predicted, MiB | measured | error, MiB | error, % | resident predicted, MiB | measured | error, MiB | error, % |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        parts = [f"{row['wanted'][part] - len(row['missing'][part])} of {row['wanted'][part]}" for part in row["wanted"]]
        lines.append(f"| {row['id']} | {' | '.join(parts)} | {10 - len(row['unpredicted'])} | {row['heap'].cells()} | {row['resident'].cells()} |")
    lines.append("")
    for what, text in (
        ("blocks", "pools to the page or sets of growing blocks exact"),
        ("weights", "sets of packed and converted weights of at least 128 KiB exact"),
        ("state", "states of at least 128 KiB exact"),
        ("largest", "ten largest blocks exact"),
    ):
        lines.append(f"* {text} in {sum(row['holds'][what] for row in rows)} of {len(rows)} runs")
    lines.append(f"* heap and generated code {summary(rows, 'heap', '1 % or 4 MiB')}")
    lines.append(f"* resident set {summary(rows, 'resident', '3 % or 8 MiB')}")
    return "\n".join(lines + explained(rows, KNOWN_IR))


def summary(rows, what, tolerance):
    errors = [abs(row[what]["percent"]) for row in rows]
    absolute = [abs(row[what]["error"]) / MIB for row in rows]
    return (
        f"within {tolerance} in {sum(row['holds'][what] for row in rows)} of {len(rows)}; "
        f"median {statistics.median(errors):.2f} % ({statistics.median(absolute):.2f} MiB), "
        f"worst {max(errors):.2f} % and {max(absolute):.2f} MiB"
    )


def explained(rows, known):
    ran = {row["id"] for row in rows}
    return [f"* missed: {one}: {reason}" for one, reason in known.items() if one.split()[0] in ran]


if __name__ == "__main__":
    main()
