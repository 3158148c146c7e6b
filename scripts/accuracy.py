#!/usr/bin/env python3
"""Holds the profile openvino-cpu against measured runs of OpenVINO.

Needs the records of ../shared/measured (or --measured), the models of ../shared/models (or --models; --more-models) and
nothing else than Python's library. Of the runs that most rules were derived on, two tables:

* from the runtime's own execution graphs, which holds the memory rules alone: the block of the static pool, to the page
  (a heap block of n bytes is rounded up to 8 to 96 bytes more, or to a page); the growing blocks of a dynamic graph of
  at least 128 KiB, counts and sizes; the heap at the peak of the first inference, over what the process held before it
  read the model;
* from the exported models, which holds everything: the same blocks, the packed weights, the states, the ten largest
  blocks, the heap with the maps of generated code, and the resident set.

Of all records (--file: of some), a line per run and a table per axis: accuracy_axes.py says what is compared.

With --write, the tables go to docs/accuracy.md, between the markers there, and the counts to docs/validated.md and
validated.json. The exit status is 1 if something is missed beyond the misses listed below, if a listed one holds, or if
fewer runs of an axis agree than the committed counts say.
"""

import gzip
import json
import pathlib
import statistics
import sys
import tempfile

import accuracy_axes as axes
import common
import records

MIB = records.MIB

# Records whose execution graph tells nothing of what they change, and why.
NOT_COVERED = {
    "_tput": "two streams",
    "_nommap": "ENABLE_MMAP=False",
}

# What is known to be missed from execution graphs, and why.
KNOWN_EXECUTION = {}

# What is known to be missed from exported models, and why.
KNOWN_IR = {
    "dinov2-base-fp16_B8_dyn_def resident": "44 MiB of blocks were outgrown in the first inference, of which the allocator kept 29",
    "qwen2.5-vl-3b-full-fp16_merger_S7252_def resident": "the user's two masks of 201 MiB were allocated and never written, and are taken off as if they were resident",
}


def main():
    parser = common.records_parser(__doc__)
    parser.add_argument("--more-models", type=pathlib.Path, help="the models of the other records (default: next to --models)")
    parser.add_argument("--file", action="append", choices=records.SETS, help="sets of records (default: all)")
    parser.add_argument("--verbose", action="store_true", help="print what every run misses")
    arguments = parser.parse_args()
    memgraph = records.Memgraph(common.find_memgraph(arguments.memgraph))
    models = [arguments.models, arguments.more_models or arguments.models.parent / "models-more"]
    sets = arguments.file or list(records.SETS)

    wrong, tables = [], {}
    if "base" in sets:
        part_tables, part_wrong = base_tables(memgraph, arguments)
        tables |= part_tables
        wrong += part_wrong
    rows = axes.compare_all(memgraph, sets, arguments.measured, models, arguments.only)
    if not rows:
        sys.exit("no record to compare")
    for row in rows:
        axes.show(row, arguments.verbose)
    if not arguments.only and not arguments.file:
        tables["accuracy.py axes"] = axes.table(rows)
        tables["accuracy.py misses"] = axes.misses(rows)
        wrong += axes.worse(rows)
    for marker, text in tables.items():
        print(f"\n{text}")
        if arguments.write:
            common.replace_section(arguments.write, f"<!-- {marker} begin -->", f"<!-- {marker} end -->", text)
    if arguments.write and not arguments.only and not arguments.file:
        axes.write(rows)
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


def base_tables(memgraph, arguments):
    """The two tables of the runs that the rules were derived on, by marker, and what is wrong with them."""
    execution, ir, left_out = [], [], []
    for record in records.read(arguments.measured, "base"):
        identity = record["id"]
        if arguments.only not in identity:
            continue
        if record["run"].get("rt"):
            left_out.append((identity, "another runner"))
            continue
        command, words = records.words(memgraph, "base", record, arguments.models / record["model"])
        ir.append(compare_ir(record, memgraph.report(command, words)))
        graph = arguments.measured / "exec" / f"{identity}.xml.gz"
        reason = next((reason for part, reason in NOT_COVERED.items() if part in identity), None)
        reason = reason if graph.exists() else "no execution graph"
        if reason:
            left_out.append((identity, f"{reason}: from the exported model only"))
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "execution.xml"
            path.write_bytes(gzip.decompress(graph.read_bytes()))
            execution.append(compare_execution(record, memgraph.report("graph", executed(record, path))))
    if not ir:
        return {}, []
    if arguments.verbose:
        for row in execution + ir:
            print(json.dumps(row))
    wrong = [*unexpected(execution, KNOWN_EXECUTION), *unexpected(ir, KNOWN_IR)]
    return {"accuracy.py": execution_table(execution, left_out), "accuracy.py ir": ir_table(ir)}, wrong


def unexpected(rows, known):
    """What is missed and not listed, and what is listed and holds."""
    missed = {f"{row['id']} {what}" for row in rows for what, holds in row["holds"].items() if not holds}
    yield from (f"missed: {one}" for one in sorted(missed - known.keys()))
    ran = {row["id"] for row in rows}
    stale = {one for one in known.keys() - missed if one.split()[0] in ran}
    yield from (f"{one} is listed as missed, and holds: take it out" for one in sorted(stale))


def executed(record, path):
    """The words that describe a run to memgraph, from its execution graph."""
    threads = record["effective"]["INFERENCE_NUM_THREADS"]
    return [path, "--threads", threads, "--reshape", "static" if records.is_static(record) else "dynamic"]


def compare_execution(record, report):
    phases, first = records.phases(record)
    found = records.measured_blocks((phases["compile"], first))
    wanted = records.predicted_blocks(report, "arena" if records.is_static(record) else "dynamic")
    lost = records.missing(wanted, found)
    measured = first["heap_peak"] - phases["read_model"]["heap_before"] - records.user_bytes(record)
    # Generated code is mapped, not on the heap.
    code = sum(live["bytes"] for live in report["peak"]["live"] if live["node"] == "generated code")
    generators = sum(block["bytes"] * block["count"] for block in report["blocks"] if block["class"] == "code" and block["bytes"] != 256 << 10)
    heap = Figure(records.inference(report)["heap_peak_bytes"] - code + generators, measured, 0.01, 4 * MIB)
    return {
        "id": record["id"],
        "is_static": records.is_static(record),
        "wanted": len(wanted),
        "bytes": sum(wanted),
        "missing": lost,
        "heap": heap,
        "holds": {"blocks": not lost, "heap": heap.holds},
    }


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
    phases, first = records.phases(record)
    is_static = records.is_static(record)
    parts = {
        "blocks": ("arena",) if is_static else ("dynamic",),
        "weights": ("weights_anonymous",),
        "state": ("kv_cache",),
    }
    lost, wanted = {}, {}
    for part, classes in parts.items():
        wanted[part] = records.predicted_blocks(report, *classes)
        lost[part] = records.missing(wanted[part], records.measured_blocks((phases["compile"], first)))
    # The ten largest blocks that were measured, each of which must have been predicted.
    largest = sorted(records.without_user(record, first), reverse=True)[:10]
    unpredicted = records.unpredicted(largest, records.predicted_blocks(report))
    heap, resident = records.measured_figures(record)
    heap = Figure(records.inference(report)["heap_peak_bytes"], heap, 0.01, 4 * MIB)
    resident = Figure(records.inference(report)["resident_peak_bytes"], resident, 0.03, 8 * MIB)
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
