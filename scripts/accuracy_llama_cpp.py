#!/usr/bin/env python3
"""Compares predictions of the profile llama-cpp with what llama.cpp reported.

    accuracy_llama_cpp.py RECORDS.json [--memgraph BINARY] [--headers FOLDER] [--runs FOLDER] [--model NAME] [-v]

RECORDS has `headers`: files without data, loaded without extra buffer types. Each is made by make_gguf.py unless FOLDER has
it already. Model, cache and compute bytes, nodes and leafs must be equal. With --runs, the resident sets of its `runs` are
compared as well: FOLDER has the files with these names, whose headers are enough. Each phase must be within 3 % or 8 MiB.
`devices` of RECORDS, if there are any, are headers with layers on devices (`measure_llama_cpp devices`): every type of buffer and
the number of splits must be equal.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import validated

HERE = Path(__file__).resolve().parent
WORDS = {1: "on", 0: "off", -1: "auto"}


def arguments(settings):
    """The options of memgraph for the settings of a record."""
    found = ["--front-end", "library", "--flash-attn", WORDS[int(settings.get("fa", -1))]]
    numbers = {"n_ctx": "ctx-size", "n_ubatch": "ubatch-size", "n_seq": "parallel", "n_out": "outputs-max", "n_batch": "batch-size"}
    for key, option in numbers.items():
        if key in settings:
            found += [f"--{option}", str(settings[key])]
    if "n_ctx" not in settings:
        found += ["--ctx-size", "4096"]
    for key, option in {"tk": "cache-type-k", "tv": "cache-type-v"}.items():
        if key in settings:
            found += [f"--{option}", settings[key]]
    flags = {"unified": "kv-unified", "emb": "embedding", "swa_full": "swa-full"}
    found += [f"--{option}" for key, option in flags.items() if int(settings.get(key, 0))]
    if "pooling" in settings:
        found += ["--pooling", ["none", "mean", "cls", "last", "rank"][int(settings["pooling"])]]
    texts = {"ngl": "gpu-layers", "ts": "tensor-split", "ot": "override-tensor"}
    for key, option in texts.items():
        if key in settings:
            found += [f"--{option}", str(settings[key])]
    if "split_none" in settings:
        found += ["--split-mode", "none", "--main-gpu", str(settings["split_none"])]
    switches = {"kqv": "no-kv-offload", "op_offload": "no-op-offload"}
    return found + [f"--{option}" for key, option in switches.items() if not int(settings.get(key, 1))]


def report(binary, file, tokens, options):
    command = [binary, "llm", str(file), str(tokens), *options, "--json", "-"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode not in (0, 3):
        return None, run.stderr.strip()
    return json.loads(run.stdout), ""


def header(binary, folder, record, verbose):
    """Whether a record of a file without data is predicted exactly."""
    file = folder / f"{record['model']}.gguf"
    if not file.exists():
        make = [sys.executable, str(HERE / "make_gguf.py"), record["model"], str(file)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    options = [*arguments(record["settings"]), "--no-mmap", "--no-repack"]
    found, fault = report(binary, file, 16, options)
    wanted = record["breakdown"]["CPU"]
    wanted = (wanted["model"], wanted["context"], wanted["compute"], record["nodes"], record["leafs"])
    if found is None:
        print("ERROR", record["model"], record["settings"], fault.splitlines()[:1])
        return False
    cpp = found["llama_cpp"]
    row = next(row for row in cpp["breakdown"] if row["buffer_type"] == "CPU")
    own = (row["model_bytes"], row["context_bytes"], row["compute_bytes"], cpp["graph_nodes"], cpp["graph_leafs"])
    if own != wanted or verbose:
        print("equal" if own == wanted else "DIFFERS", record["model"], record["settings"], "predicted", own, "reported", wanted)
    return own == wanted


def devices(binary, folder, record, verbose):
    """Whether every type of buffer of a record with devices is predicted exactly, and the splits of the graph."""
    file = folder / f"{record['model']}.gguf"
    count = int(record["devices"]["devices"])
    free = record["devices"].get("free", ",".join(["24576"] * count)).split(",")
    options = ["--device", ",".join(f"cuda{number}" for number in range(count))]
    options += ["--device-memory", ",".join(f"{size}MiB" for size in free)]
    options += [*arguments(record["settings"]), "--no-mmap", "--no-repack"]
    found, fault = report(binary, file, 16, options)
    if found is None:
        print("ERROR", record["model"], record["settings"], fault.splitlines()[:1])
        return False
    cpp = found["llama_cpp"]
    rows = cpp["breakdown"]
    own = {row["buffer_type"]: [row[f"{kind}_bytes"] for kind in ("model", "context", "compute")] for row in rows}
    own = {name: sizes for name, sizes in own.items() if any(sizes)}
    wanted = {name: [row[kind] for kind in ("model", "context", "compute")] for name, row in record["breakdown"].items()}
    wanted = {name: sizes for name, sizes in wanted.items() if any(sizes)}
    splits = int(record["splits"].split(" / ")[0])  # of the pass of a prompt
    same = own == wanted and cpp["graph_splits"] == splits
    if not same or verbose:
        print("equal" if same else "DIFFERS", record["model"], record["devices"], record["settings"])
        print("   predicted", own, cpp["graph_splits"], "\n   reported ", wanted, splits)
    return same


def projector(binary, folder, record, verbose):
    """Whether a pass of a projector of images is predicted exactly: weights and compute, of each device where there is one, and nodes."""
    file = folder / f"{record['model']}.gguf"
    if not file.exists():
        make = [sys.executable, str(HERE / "make_gguf.py"), record["model"], str(file), "--cut"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    settings = record["settings"]
    command = [binary, "vit", str(file), "--flash-attn", WORDS[settings["fa"]], "--json", "-"]
    command += ["--image", "x".join(map(str, settings["image"]))] if "image" in settings else []
    command += ["--device", "cuda0"] if "devices" in record else []
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode not in (0, 3):
        print("ERROR", record["model"], found.stderr.strip().splitlines()[:1])
        return False
    cpp = json.loads(found.stdout)["llama_cpp"]
    rows = {row["buffer_type"]: row["model_bytes"] + row["compute_bytes"] for row in cpp["breakdown"]}
    own = (sum(rows.values()), rows if "devices" in record else None, cpp["graph_nodes"])
    wanted = (record["total"], record.get("devices"), record["nodes"])
    if own != wanted or verbose:
        print("equal" if own == wanted else "DIFFERS", record["model"], settings, "predicted", own, "reported", wanted)
    return own == wanted


def run(binary, folder, record):
    """How many phases of a run with data are predicted within 3 % or 8 MiB, how many there are, and what the report says."""
    settings = record["settings"]
    options = arguments({"fa": 1, **settings})
    switches = {"--no-repack": "repack", "--no-mmap": "mmap"}
    options += [option for option, key in switches.items() if not settings.get(key, 1)]
    options += ["--logits", "all"] if settings.get("all_logits") else []
    found, fault = report(binary, folder / record["model"], settings.get("prompt", 16), options)
    wanted = {"load": "after_load", "compile": "after_ctx", "prefill": "after_prompt"}
    wanted = {phase: record[key]["VmRSS"] - record["m0"]["VmRSS"] for phase, key in wanted.items() if key in record}
    if found is None:
        print("ERROR", record["model"], settings, fault.splitlines()[:1])
        return 0, len(wanted), None
    own = {phase["name"]: phase["resident_peak_bytes"] for phase in found["phases"]}
    near = 0
    for phase, bytes_ in wanted.items():
        if abs(own[phase] - bytes_) <= max(0.03 * bytes_, 8 << 20):
            near += 1
        else:
            print("MISSED", record["model"], settings, phase, "predicted", own[phase], "measured", bytes_)
    last = "prefill" if "prefill" in wanted else None
    stated = last and (validated.row_of(found), {"resident": 100 * (own[last] - wanted[last]) / wanted[last]})
    return near, len(wanted), stated


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--memgraph", default="memgraph")
    parser.add_argument("--headers", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--model")
    parser.add_argument("--write", action="store_true", help="write the counts of --runs to docs/validated.md and validated.json")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    records = json.loads(args.records.read_text())
    folder = args.headers or Path(tempfile.mkdtemp())
    chosen = [record for record in records.get("headers", []) if args.model in (None, record["model"])]
    exact = [header(args.memgraph, folder, record, args.verbose) for record in chosen]
    print(f"headers: {sum(exact)} of {len(exact)} equal")
    counts = []
    if args.runs:
        # Runs that allocate nothing have no resident set of their own.
        measured = [record for record in records["runs"] if not record["settings"].get("no_alloc")]
        counts = [run(args.memgraph, args.runs, record) for record in measured if args.model in (None, record["model"])]
        print(f"resident sets: {sum(near for near, *_ in counts)} of {sum(total for _, total, _ in counts)} within 3 % or 8 MiB")
    split = [devices(args.memgraph, folder, record, args.verbose) for record in records.get("devices", []) if args.model in (None, record["model"])]
    if split:
        print(f"devices: {sum(split)} of {len(split)} equal")
    towers = [projector(args.memgraph, folder, record, args.verbose) for record in records.get("projectors", []) if args.model in (None, record["model"])]
    if towers:
        print(f"projectors: {sum(towers)} of {len(towers)} equal")
    if args.write:
        validated.replace("llama-cpp", validated.counted(stated for *_, stated in counts if stated))
    return 0 if all(exact) and all(split) and all(towers) and all(near == total for near, total, _ in counts) else 1


if __name__ == "__main__":
    sys.exit(main())
