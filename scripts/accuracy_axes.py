"""All measured runs of OpenVINO against memgraph: per axis (processor, setting, version) and kind of model.

Of each run: the heap at the peak of the first inference with the maps of generated code, the resident set, both over what
the process held before it read the model and without the user's arrays; and how many nodes of the execution graph agree
in type and original names, in percent.
"""

import concurrent.futures
import json
import statistics
import tomllib
from collections import Counter, defaultdict

import common
import validated
import compare_execution
import records

MIB = records.MIB
SPLIT = common.ROOT / "scripts/accuracy.toml"
PROFILE = "openvino-cpu"
TOLERANCE = {"heap": (0.01, 4 * MIB), "resident": (0.03, 8 * MIB)}
GRAPH = 99.0  # percent of nodes
SHOWN = 25  # blocks and nodes per run, with --verbose
PROCESSES = 2


def compare_all(memgraph, sets, measured, models, only):
    """A row for each run of the sets whose name, model or axis holds `only` and whose model is there."""
    split = tomllib.loads(SPLIT.read_text())
    todo = []
    for name in sets:
        for record in records.read(measured, name):
            model = records.model_path(record, models)
            if model and any(only in text for text in (record["id"], record["model"], axis(name, record))):
                todo.append((name, record, model))
    with concurrent.futures.ThreadPoolExecutor(PROCESSES) as pool:
        return list(pool.map(lambda one: compare(memgraph, split, measured, *one), todo))


def axis(name, record):
    """What a run varies, apart from the model."""
    run = record["run"]
    config = run.get("config") or {}
    if name == "versions":
        return f"version {records.version(record)}"
    if name == "public":
        return "published IR"
    if name in ("own", "amx"):
        words = ["AMX" if name == "amx" else "validation"]
        words += ["several threads"] if run.get("cores", 2) > 2 else []
        words += ["static"] if records.is_static(record) else []
        words += filter(None, [config.get("INFERENCE_PRECISION_HINT")])
        return ", ".join(words)
    if run.get("rt"):
        return "OpenVINO GenAI"
    settings = {
        "CACHE_DIR": "model cache", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "dynamic quantization", "EXECUTION_MODE_HINT": "execution mode",
        "KV_CACHE_PRECISION": "KV precision", "INFERENCE_NUM_THREADS": "threads", "NUM_STREAMS": "streams and hints",
        "PERFORMANCE_HINT": "streams and hints",
    }
    setting = next((text for key, text in settings.items() if key in config), None)
    if setting or run.get("core_props"):
        return setting or "weights read, not mapped"
    static = ", static" if records.is_static(record) else ""
    if record["model"].startswith("wide/"):
        return f"families{static}, {records.isa(record)}"
    return f"transformers and ResNet-50{static}, {records.isa(record)}"


def compare(memgraph, split, measured, name, record, model):
    row = {"set": name, "id": record["id"], "axis": axis(name, record), "isa": records.isa(record), "version": records.version(record)}
    row |= kind(split, record)
    try:
        command, words = records.words(memgraph, name, record, model)
        row["command"] = " ".join(map(str, [command, *words]))
        report = memgraph.report(command, words)
        phase = records.inference(report)
        heap, resident = records.measured_figures(record, name)
        row["heap"] = figure(phase["heap_peak_bytes"], heap, "heap")
        row["resident"] = figure(phase["resident_peak_bytes"], resident, "resident")
        row |= block_differences(record, report)
    except RuntimeError as error:
        row["refused"] = str(error)
        return row
    graph = records.folder(measured, name) / records.SETS[name][1] / f"{record['id']}.xml.gz"
    if command == "graph" and graph.exists():
        row |= graph_differences(memgraph, words, graph)
    return row


def kind(split, record):
    """What accuracy.toml says of the record's model, and of the run if it is a known miss."""
    found = [(len(prefix), group) for group in split["models"] for prefix in group["prefixes"] if record["model"].startswith(prefix)]
    if not found:
        raise SystemExit(f"{SPLIT}: no line for {record['model']}: name its kind, and whether rules were derived from it")
    group = max(found, key=lambda pair: pair[0])[1]
    cause = next((cause["why"] for cause in split.get("causes", []) if any(part in record["id"] for part in cause["runs"])), "")
    return {"kind": group["kind"], "use": group["use"], "cause": cause}


def figure(predicted, measured, what):
    share, bytes_ = TOLERANCE[what]
    error = predicted - measured
    return {"predicted": predicted, "measured": measured, "percent": 100 * error / max(measured, 1),
            "holds": abs(error) <= max(share * measured, bytes_)}


def block_differences(record, report):
    """The blocks of at least 128 KiB that were predicted or measured alone."""
    phases, first = records.phases(record)
    found = records.measured_blocks((phases["compile"], first))
    ours = records.predicted_blocks(report)
    what = defaultdict(set)
    for block in report["blocks"]:
        what[block["bytes"]].add(f"{block['class']}: {block['what']}")
    phase_of = defaultdict(set)
    for size, phase, _, _ in first.get("blocks_at_peak", []):
        phase_of[size].add(phase)
    code = sum(live["bytes"] for live in report["peak"]["live"] if live["node"] == "generated code")
    return {
        "predicted alone": counted(records.missing([size for size in ours if size != 256 << 10], found), what),
        "measured alone": counted(records.unpredicted(list(records.without_user(record, first)), ours), phase_of),
        "generated code": f"{code / MIB:.1f} predicted, {(first['anon_peak'] - phases['read_model']['anon_before']) / MIB:.1f} measured",
    }


def counted(sizes, what):
    most = sorted(Counter(sizes).items(), reverse=True)[:SHOWN]
    return [f"{count} x {size} {'; '.join(sorted(what[size])[:2])}" for size, count in most]


def graph_differences(memgraph, words, graph):
    real = compare_execution.read_real(graph)
    try:
        ours = memgraph.execution(words)
    except RuntimeError as error:
        return {"graph": 0.0, "nodes missing": [str(error)]}
    percent, _, _ = compare_execution.agreement(real, ours, False)
    _, missing, extra = compare_execution.agreement(real, ours, True)
    text = lambda nodes: [f"{count} {' | '.join(key)}" for key, count in nodes.most_common(SHOWN)]
    return {"graph": percent, "nodes missing": text(missing), "nodes extra": text(extra)}


def show(row, is_verbose):
    """Prints a run: a line, and with `is_verbose` what differs."""
    if "refused" in row:
        print(f"{row['set']:8} {row['id']:<56} refused: {row['refused'][:None if is_verbose else 120]}")
    else:
        parts = []
        for what in ("heap", "resident"):
            one = row[what]
            mib = (one["predicted"] - one["measured"]) / MIB
            parts.append(f"{what} {one['percent']:+7.2f} %{' ' if one['holds'] else '*'} {mib:+8.2f} MiB")
        parts.append(f"graph {row['graph']:6.2f} %{' ' if row['graph'] >= GRAPH else '*'}" if "graph" in row else "")
        print(f"{row['set']:8} {row['id']:<56} {'  '.join(parts)}  code MiB {row['generated code']}")
    if is_verbose:
        print("    $ memgraph", row.get("command"))
        for what in ("predicted alone", "measured alone", "nodes missing", "nodes extra"):
            for line in row.get(what, []):
                print(f"    {what}: {line[:200]}")


def counts(rows):
    """How many of the rows agree, by every measure."""
    found = {"runs": len(rows), "refused": sum("refused" in row for row in rows)}
    for what in ("heap", "resident"):
        given = [row[what] for row in rows if what in row]
        found[what] = {"within_tolerance": sum(one["holds"] for one in given)}
        for percent in (1, 3, 10):
            found[what][f"within_{percent}_percent"] = sum(abs(one["percent"]) <= percent for one in given)
    graphs = [row["graph"] for row in rows if "graph" in row]
    found |= {"graphs": len(graphs), "graphs_equal": sum(graph >= GRAPH for graph in graphs)}
    return found


def grouped(rows, *keys):
    """The rows by the values of some keys, in order."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return dict(sorted(groups.items()))


def table(rows):
    """One line per set, axis, kind of model and use; headline figures first, of validation alone."""
    lines = headline(rows)
    lines += ["", "| records | axis | kind of model | use | runs | refused | heap within | resident within | graphs | median heap error, % |",
              "|---|---|---|---|---|---|---|---|---|---|"]
    for (name, what, kind_, use), part in grouped(rows, "set", "axis", "kind", "use").items():
        found = counts(part)
        errors = [abs(row["heap"]["percent"]) for row in part if "heap" in row]
        median = f"{statistics.median(errors):.2f}" if errors else "-"
        graphs = f"{found['graphs_equal']} of {found['graphs']}" if found["graphs"] else "-"
        lines.append(f"| {name} | {what} | {kind_} | {use} | {found['runs']} | {found['refused']} | {found['heap']['within_tolerance']} "
                     f"| {found['resident']['within_tolerance']} | {graphs} | {median} |")
    for (name,), part in grouped(rows, "set").items():
        lines += ["" if name == min(row["set"] for row in rows) else None, f"* {name}: {sentence(part)}"]
    return "\n".join(line for line in lines if line is not None)


def headline(rows):
    held = [row for row in rows if row["use"] == "validation"]
    if not held:
        return ["No record is of a model without derived rules: there is no headline figure, and every "
                "count below is of calibration."]
    return [f"Of models that no rule was derived from: {sentence(held)}."]


def sentence(rows):
    found = counts(rows)
    return (f"{found['runs']} runs, {found['refused']} refused; heap within 1 % or 4 MiB in {found['heap']['within_tolerance']}, "
            f"resident set within 3 % or 8 MiB in {found['resident']['within_tolerance']}, at least 99 % of nodes in "
            f"{found['graphs_equal']} of {found['graphs']} execution graphs")


def misses(rows):
    """Every run that is outside of a tolerance, with its cause where one is known."""
    lines = ["| run | heap, % | resident, % | nodes, % | cause |", "|---|---|---|---|---|"]
    for row in rows:
        if row["set"] == "base" and "refused" not in row and all(row[what]["holds"] for what in TOLERANCE):
            continue
        cells = []
        for what in TOLERANCE:
            one = row.get(what)
            cells.append("refused" if one is None else f"{one['percent']:+.1f}" if not one["holds"] else "")
        cells.append(f"{row['graph']:.2f}" if row.get("graph", 100) < GRAPH else "")
        if any(cells):
            lines.append(f"| {row['id']} | {' | '.join(cells)} | {row['cause']} |")
    return "\n".join(lines)


def summary(rows):
    """What is committed: counts by set and axis, and by kind of model, processor and version."""
    axes = [{"set": name, "axis": what, **counts(part)} for (name, what), part in grouped(rows, "set", "axis").items()]
    kinds = []
    for (kind_, isa, version), part in grouped(rows, "kind", "isa", "version").items():
        held = [row for row in part if row["use"] == "validation"]
        kinds.append({"kind": kind_, "machine": isa, "version": version, "validated": bool(held), **counts(held or part)})
    return {"kinds": kinds, "axes": axes}


def worse(rows):
    """The axes of which fewer runs agree than the committed counts say."""
    now = {(one["set"], one["axis"]): one for one in summary(rows)["axes"]}
    for old in validated.read()["axes"]:
        new = now.get((old["set"], old["axis"]))
        if new is None or new["runs"] != old["runs"]:
            yield f"{old['set']}, {old['axis']}: other runs than when the counts were written; write them again"
            continue
        pairs = {"not refused": (old["runs"] - old["refused"], new["runs"] - new["refused"]),
                 "heap": (old["heap"]["within_tolerance"], new["heap"]["within_tolerance"]),
                 "resident": (old["resident"]["within_tolerance"], new["resident"]["within_tolerance"]),
                 "graphs": (old["graphs_equal"], new["graphs_equal"])}
        for what, (before, after) in pairs.items():
            if after < before:
                yield f"{old['set']}, {old['axis']}, {what}: {after} of {new['runs']} runs agree, {before} did"


def write(rows):
    """Writes the counts for the report and for the next comparison, and docs/validated.md."""
    found = summary(rows)
    validated.replace(PROFILE, found["kinds"], found["axes"])
