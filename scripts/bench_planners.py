#!/usr/bin/env python3
"""Measure every planner on a folder of problems and print the tables of docs/planners.md.

    scripts/bench_planners.py FOLDER [--binary target/release/memgraph] [--time-limit 2]
    scripts/bench_planners.py --pictures PROBLEM.csv

The folder holds CSV files in MiniMalloc's format. The first table is the gap to the lower bound in percent, the
second what `exact` took. With `--pictures` every planner's plan of one small problem is drawn instead: two characters a
step, one line for as many bytes as divide all sizes. Nothing is read from the network.
"""

import argparse
import csv
import itertools
import math
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


def picture(binary, problem, planner):
    """Lines of a drawing of the plan: the name and height, then the arena from the top."""
    command = [binary, "plan", problem, "--planner", planner, "--out", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = list(csv.DictReader(text.splitlines()))
    buffers = [(row["id"], *(int(row[key]) for key in ("lower", "upper", "size", "offset"))) for row in rows]
    unit = math.gcd(*(size for _, _, _, size, _ in buffers), *(offset for *_, offset in buffers))
    steps = max(upper for _, _, upper, _, _ in buffers)
    height = max(offset + size for *_, size, offset in buffers) // unit
    grid = [["··"] * steps for _ in range(height)]
    for name, lower, upper, size, offset in buffers:
        for line, step in itertools.product(range(offset // unit, (offset + size) // unit), range(lower, upper)):
            grid[line][step] = 2 * name
    return [f"{planner} {height}", *("".join(line) for line in reversed(grid))]


def draw(binary, problem):
    """Prints the pictures, three side by side, standing on one line."""
    for planners in (PLANNERS[first : first + 3] for first in range(1, len(PLANNERS), 3)):
        pictures = [picture(binary, problem, planner) for planner in planners]
        height = max(map(len, pictures))
        width = max(len(line) for lines in pictures for line in lines) + 4
        padded = [[""] * (height - len(lines)) + lines for lines in pictures]
        for lines in zip(*padded):
            print("".join(f"{line:{width}}" for line in lines).rstrip())
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--pictures", type=pathlib.Path, metavar="PROBLEM")
    parser.add_argument("--binary", default="target/release/memgraph")
    parser.add_argument("--time-limit", type=float, default=2.0)
    args = parser.parse_args()
    if args.pictures:
        draw(args.binary, args.pictures)
        return
    if not args.folder:
        parser.error("give a FOLDER, or --pictures PROBLEM")
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
