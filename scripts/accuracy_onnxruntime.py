#!/usr/bin/env python3
"""Holds the profile onnxruntime-cpu against measured runs of ONNX Runtime.

Needs ../shared/measured (or --measured), ../shared/models (or --models) and nothing else than Python's library.

* Records of kind `heap`: the heap at the peak of the session's creation, of the first and of the second run, over what the
  process held before; the user's arrays, allocated before a run, are no part of it.
* Those of models that other people published, as far as they are there (--more-models): a table of their own, and as many
  must agree as when it was written.
* Records of kind `arena`: what the arena's log says that it grew by until the end of the second run of the first shapes,
  extension by extension, and the resident set at the peak of creation and of both runs.

The resident set holds what the C library keeps of freed memory, which differs between equal processes: the report gives an
interval, and the tables count how often the measured set is in it, 3 % of it or 2 MiB allowed for on either side. With --write, the
tables go to docs/accuracy-onnxruntime.md, between the markers there.
The exit status is 1 if a heap is off by more than 5 %, or an arena is off: by any
extension where regions double, by 5 % in sum where they are as large as requests.
"""

import json
import pathlib
import re
import subprocess
import sys
from collections import Counter

import common
import validated

MIB = 1 << 20
LIMIT = 5.0
BEGIN, END = "<!-- accuracy_onnxruntime.py begin -->", "<!-- accuracy_onnxruntime.py end -->"
PUBLISHED = "<!-- accuracy_onnxruntime.py published begin -->", "<!-- accuracy_onnxruntime.py published end -->"
DOCUMENT = common.ROOT / "docs/accuracy-onnxruntime.md"
LEVELS = {"ORT_DISABLE_ALL": "disabled", "ORT_ENABLE_BASIC": "basic", "ORT_ENABLE_EXTENDED": "extended",
          "ORT_ENABLE_ALL": "all"}


def main():
    parser = common.records_parser(__doc__)
    parser.add_argument("--more-models", type=pathlib.Path, help="published models (default: models-more next to --models)")
    arguments = parser.parse_args()
    arguments.memgraph = common.find_memgraph(arguments.memgraph)

    heaps, arenas = [], []
    for record in json.loads((arguments.measured / "onnxruntime_cpu.json").read_text()):
        if arguments.only in record["id"]:
            (heaps if record["kind"] == "heap" else arenas).append(record)
    heap_rows = [row for record in heaps for row in heap_errors(arguments, record, arguments.models)]
    arena_rows = [arena_errors(arguments, record) for record in arenas]
    published = published_rows(arguments)
    if not heap_rows and not arena_rows and not published:
        sys.exit("no record to compare")

    text = "\n\n".join(tables(heap_rows, arena_rows))
    print(text)
    if arguments.write:
        common.replace_section(arguments.write, BEGIN, END, text)
    if arguments.write and not arguments.only:
        validated.replace("onnxruntime-cpu", counts(heap_rows + published))
    wrong = compare_published(arguments, published)
    missed = [row["id"] for row in heap_rows if abs(row["percent"]) > LIMIT]
    missed += [row["id"] for row in arena_rows if not row["holds"]]
    for line in [f"missed: {identity}" for identity in missed] + wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if missed or wrong else 0)


def counts(rows):
    """What the report's line on accuracy says: heap and resident set of the first inference, over all records."""
    runs = []
    for row in rows:
        kind, machine, version = row["stated"]
        if row["phase"] == "infer":
            release = ".".join(version.split(".")[:2])
            resident = 100 * (row["reported"] - row["resident"]) / row["resident"]
            runs.append(((kind, machine, release), {"heap": row["percent"], "resident": resident}))
    return validated.counted(runs)


def published_rows(arguments):
    """The phases of published models, heap and resident set."""
    models = arguments.more_models or arguments.models.parent / "models-more"
    path = arguments.measured / "onnxruntime_cpu_public.json"
    records = json.loads(path.read_text()) if path.exists() else []
    chosen = [record for record in records if arguments.only in record["id"] and (models / record["model"]).exists()]
    return [row for record in chosen for row in heap_errors(arguments, record, models)]


def compare_published(arguments, rows):
    """Prints and writes the table of published models; what is worse than in the committed one."""
    if not rows:
        return []
    heaps, insides = sum(is_near(row) for row in rows), sum(is_inside(row) for row in rows)
    lines = ["| run, phase | heap predicted, MiB | measured | error, % | resident, MiB: from | to | measured |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        mib = {key: f"{row[key] / MIB:.2f}" for key in ("predicted", "measured", "lower", "upper", "resident")}
        marks = ("" if is_near(row) else " (missed)", "" if is_inside(row) else " (outside)")
        lines.append(f"| {row['id']} | {mib['predicted']} | {mib['measured']} | {row['percent']:+.2f}{marks[0]} | {mib['lower']} "
                     f"| {mib['upper']} | {mib['resident']}{marks[1]} |")
    lines += ["", f"* {heaps} of {len(rows)} heaps within {LIMIT:.0f} % or 1 MiB; {insides} of {len(rows)} resident sets inside"]
    text = "\n".join(lines)
    print(text)
    committed = re.search(r"\* (\d+) of (\d+) heaps within .* or 1 MiB; (\d+) of", DOCUMENT.read_text())
    if arguments.write and not arguments.only:
        common.replace_section(arguments.write, *PUBLISHED, text)
    if committed is None or int(committed[2]) != len(rows):
        return []
    pairs = (("heaps", int(committed[1]), heaps), ("resident sets", int(committed[3]), insides))
    return [f"published models, {what}: {now} agree, {before} did" for what, before, now in pairs if now < before]


def is_near(row):
    return abs(row["predicted"] - row["measured"]) <= max(LIMIT / 100 * row["measured"], MIB)


def is_inside(row):
    """Whether the measured resident set is in the reported interval, 3 % of it or 2 MiB allowed for on either side."""
    slack = max(0.03 * row["resident"], 2 * MIB)
    return row["lower"] - slack <= row["resident"] <= row["upper"] + slack


def analyse(arguments, model, flags):
    command = [arguments.memgraph, "graph", model, "--profile", "onnxruntime-cpu", *flags]
    run = subprocess.run([*map(str, command), "--json", "-"], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"{model}: {run.stderr}")
    report = json.loads(run.stdout)
    return report, {phase["name"]: phase for phase in report["phases"]}


def heap_errors(arguments, record, models):
    run = record["run"]
    flags = ["--weights", run.get("weights", "embedded")]
    for name, dims in run["shapes"].items():
        flags += ["--input", f"{name}={'x'.join(map(str, dims))}"]
    for name, size in run.get("bind", {}).items():
        flags += ["--bind", f"{name}={size}"]
    for key, flag in (("threads", "--threads"), ("level", "--graph-optimization")):
        flags += [flag, run[key]] if key in run else []
    flags += [f"--{key.replace('_', '-')}" for key in ("no_mem_reuse", "no_mem_pattern", "no_prepacking") if key in run]
    if run.get("so", {}).get("enable_cpu_mem_arena") is False or "no_arena" in run:
        flags += ["--arena", "off"]
    report, predicted = analyse(arguments, models / record["model"], flags)
    found = {phase["name"]: phase for phase in record["phases"]}
    created = found.get("drop_model", found["compile"])
    begin, first = found["read_model"], found["infer1"]
    user = {"heap": max(0, first["heap_before"] - created["heap_after"]),
            "rss": max(0, first["rss_before"] - created["rss_after"])}
    for phase, name in (("compile", "compile"), ("infer", "infer1"), ("infer2", "infer2")):
        given = dict.fromkeys(user, 0) if phase == "compile" else user
        measured = found[name]["heap_peak"] - begin["heap_before"] - given["heap"]
        resident = found[name]["rss_peak"] - begin["rss_before"] - given["rss"]
        value, reported = predicted[phase]["heap_peak_bytes"], predicted[phase]["resident_peak_bytes"]
        yield {"id": f"{record['id']}, {phase}", "phase": phase, "stated": validated.row_of(report), "predicted": value, "measured": measured,
               "percent": 100 * (value - measured) / measured, "resident": resident, "reported": reported,
               "lower": predicted[phase].get("resident_peak_lower_bytes", reported),
               "upper": predicted[phase].get("resident_peak_upper_bytes", reported)}


def arena_errors(arguments, record):
    settings = record["settings"]
    first = settings["shapes"][0]
    # One thread: the machine's two are of one core, and the runtime counts cores.
    flags = ["--threads", "1", "--weights", "external" if settings.get("external_data") else "embedded"]
    for name, size in sizes(first).items():
        flags += ["--bind", f"{name}={size}"]
    if "opt" in settings:
        flags += ["--graph-optimization", LEVELS[settings["opt"]]]
    for key, flag in (("reuse", "--no-mem-reuse"), ("pattern", "--no-mem-pattern")):
        if settings.get(key) is False:
            flags.append(flag)
    if settings.get("entries", {}).get("session.disable_prepacking") == "1":
        flags.append("--no-prepacking")
    if settings.get("shrink"):
        flags.append("--arena-shrinkage")
    if settings.get("arena") is False:
        flags += ["--arena", "off"]
    elif settings.get("env"):
        flags += ["--arena", "same-as-requested"]
    report, predicted = analyse(arguments, arguments.models / settings["model"], flags)

    grown = [] if settings.get("arena") is False else [
        size for run in ("RUN0", "RUN1") for size in record["arena_extensions"].get(run, {}).get("list", [])]
    blocks = [block["bytes"] for block in report["blocks"] if block["class"] == "arena" for _ in range(block["count"])]
    # Which regions were given back is not in the record: those that are told to stay must be of the first run.
    if settings.get("shrink"):
        once, again = (Counter(record["arena_extensions"][run]["list"]) for run in ("RUN0", "RUN1"))
        grown = [*again.elements(), *((Counter(blocks) - again) & once).elements()]
    if settings.get("arena") is False:
        blocks = []
    start, created = record["m0"]["VmRSS"], record["create"]["VmRSS"]
    harness = record["runs"][0]["before"]["VmRSS"] - created
    resident = [record["create"]["VmHWM"] - start]
    resident += [run["peak_and_after"]["VmHWM"] - start - harness for run in record["runs"][:2]]
    phases = [predicted[name] for name in ("compile", "infer", "infer2")]
    values = [phase["resident_peak_bytes"] for phase in phases]
    uppers = [phase.get("resident_peak_upper_bytes", phase["resident_peak_bytes"]) for phase in phases]
    in_bytes = sum_of_inputs(report, record)
    return {"id": record["id"], "what": describe(settings), "predicted": sum(blocks), "measured": sum(grown),
            "is_exact": sorted(blocks) == sorted(grown),
            # Regions that double are held to equality, those as large as requests to their sum.
            "holds": sorted(blocks) == sorted(grown) or bool(settings.get("env"))
            and abs(sum(blocks) - sum(grown)) <= LIMIT / 100 * sum(grown), "has_arena": settings.get("arena") is not False,
            "resident": list(zip(values, resident, uppers)) if is_comparable(settings) else [], "io_holds": in_bytes}


def is_comparable(settings):
    """Whether the process held nothing else: a model given as bytes is there once or twice more."""
    return not settings.get("bytes") and not (settings.get("env") and "opt" in settings)


def sum_of_inputs(report, record):
    """Whether inputs and outputs have the bytes that the record has."""
    run = record["runs"][0]
    totals = report["totals"]
    return totals["io_bytes"] + totals["kv_cache_bytes"] == run["in_bytes"] + run["out_bytes"]


def sizes(shape):
    """The free dims of the synthetic models, from a record's words."""
    found = dict(shape)
    if "h" in found:
        found["hh"] = found["ww"] = found.pop("h")
    if "past" in found:
        found["total"] = found["past"] + found["seq"]
    return found


def describe(settings):
    words = [pathlib.Path(settings["model"]).stem, " ".join(f"{key}={value}" for key, value in settings["shapes"][0].items())]
    words += [LEVELS[settings["opt"]]] if "opt" in settings else []
    words += [f"no {key}" for key in ("reuse", "pattern", "arena") if settings.get(key) is False]
    words += ["as requested"] if settings.get("env") else []
    words += ["external weights"] if settings.get("external_data") else []
    words += ["no prepacking"] if settings.get("entries", {}).get("session.disable_prepacking") == "1" else []
    words += ["shrunk after each run"] if settings.get("shrink") else []
    return ", ".join(words)


def tables(heap_rows, arena_rows):
    if heap_rows:
        lines = ["| run, phase | heap predicted, MiB | measured | error, % | resident predicted, MiB | up to | measured | error, % |",
                 "|---|---|---|---|---|---|---|---|"]
        for row in heap_rows:
            mib = {key: f"{row[key] / MIB:.2f}" for key in ("predicted", "measured", "reported", "upper", "resident")}
            lines.append(f"| {row['id']} | {mib['predicted']} | {mib['measured']} | {row['percent']:+.2f} | {mib['reported']} "
                         f"| {mib['upper']} | {mib['resident']} | {100 * (row['reported'] / row['resident'] - 1):+.1f} |")
        worst = max(abs(row["percent"]) for row in heap_rows)
        within = sum(abs(row["percent"]) <= LIMIT for row in heap_rows)
        lines += ["", f"* {within} of {len(heap_rows)} heaps within {LIMIT:.0f} %, worst {worst:.2f} %"]
        yield "\n".join(lines)
    if arena_rows:
        lines = ["| record | run | arena predicted, MiB | measured | extensions | resident: creation, first, second run: "
                 "error, % |", "|---|---|---|---|---|---|"]
        for row in arena_rows:
            resident = ", ".join(f"{100 * (value - found) / found:+.1f}" for value, found, _ in row["resident"])
            extensions = "equal" if row["is_exact"] else "differ"
            lines.append(f"| {row['id']} | {row['what']} | {row['predicted'] / MIB:.2f} | {row['measured'] / MIB:.2f} "
                         f"| {extensions if row['has_arena'] else 'no arena'} | {resident or 'from bytes'} |")
        arenas = [row for row in arena_rows if row["has_arena"]]
        exact = sum(row["is_exact"] for row in arenas)
        near = sum(abs(row["predicted"] - row["measured"]) <= 0.05 * row["measured"] for row in arenas)
        held = sum(row["io_holds"] for row in arena_rows)
        known = [figures for row in arena_rows for figures in row["resident"]]
        resident = [abs(value - found) / found for value, found, _ in known]
        other = [abs(upper - found) / found for value, found, upper in known if abs(value - found) > LIMIT / 100 * found]
        lines += ["", f"* {exact} of {len(arenas)} arenas equal, extension by extension; {near} within {LIMIT:.0f} %",
                  f"* inputs, outputs and caches exact in {held} of {len(arena_rows)} records",
                  f"* {sum(error <= LIMIT / 100 for error in resident)} of {len(resident)} resident sets within {LIMIT:.0f} %",
                  f"* of the {len(other)} others, {sum(error <= LIMIT / 100 for error in other)} within {LIMIT:.0f} % of \"up to\": "
                  "the same process in its other mode"]
        yield "\n".join(lines)


if __name__ == "__main__":
    main()
