#!/usr/bin/env python3
"""Compares predictions of the profile llama-cpp with what llama.cpp reported.

    accuracy_llama_cpp.py RECORDS.json [--memgraph BINARY] [--headers FOLDER] [--model NAME] [-v]

RECORDS has `headers`: files without data, loaded without extra buffer types. Each is made by make_gguf.py unless FOLDER has
it already. Model, cache and compute bytes, nodes and leafs must be equal. `runs`, if there are any, have the resident set of
files with data: within 3 % or 8 MiB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

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
    return found


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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--memgraph", default="memgraph")
    parser.add_argument("--headers", type=Path)
    parser.add_argument("--model")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    records = json.loads(args.records.read_text())
    folder = args.headers or Path(tempfile.mkdtemp())
    chosen = [record for record in records["headers"] if args.model in (None, record["model"])]
    exact = [header(args.memgraph, folder, record, args.verbose) for record in chosen]
    print(f"headers: {sum(exact)} of {len(exact)} equal")
    return 0 if all(exact) else 1


if __name__ == "__main__":
    sys.exit(main())
