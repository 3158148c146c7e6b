#!/usr/bin/env python3
"""Measure every planner on a folder of problems and print the tables of docs/planners.md.

    scripts/bench_planners.py FOLDER [--binary target/release/memgraph] [--time-limit 2]

The folder holds CSV files in MiniMalloc's format. The first table is the gap to the lower bound in percent, the
second what `exact` took. Nothing is read from the network.
"""

import argparse
import pathlib
import re
import subprocess
import time

PLANNERS = [
    "naive",
    "first-fit",
    "best-fit",
    "greedy-by-size",
    "greedy-by-breadth",
    "interval-coloring",
    "openvino",
    "onnxruntime",
    "hill-climb",
    "exact",
]


def run(binary, problem, planner, limit):
    """Arena in bytes, gap in percent, whether it is proved, and seconds."""
    start = time.monotonic()
    command = [binary, "plan", problem, "--planner", planner, "--time-limit", str(limit)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.monotonic() - start
    line = next(line for line in text.splitlines() if line.startswith(planner))
    arena = int(re.search(r"arena (\d+) B", line)[1])
    gap = float(re.search(r"gap +([\d.]+) %", line)[1])
    return arena, gap, line.endswith("optimal"), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--binary", default="target/release/memgraph")
    parser.add_argument("--time-limit", type=float, default=2.0)
    args = parser.parse_args()
    problems = sorted(args.folder.glob("*.csv"))
    results = {
        (path, planner): run(args.binary, path, planner, args.time_limit) for path in problems for planner in PLANNERS
    }
    names = [path.name.split(".")[0] for path in problems]
    print("| planner | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for planner in PLANNERS:
        gaps = (f"{results[path, planner][1]:.1f}" for path in problems)
        print(f"| {planner} | " + " | ".join(gaps) + " |")
    print()
    print("| problem | arena of `exact` | gap, % | proved | seconds |")
    print("|---|---|---|---|---|")
    for name, path in zip(names, problems):
        arena, gap, proved, seconds = results[path, "exact"]
        print(f"| {name} | {arena} | {gap:.2f} | {'yes' if proved else 'no'} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
