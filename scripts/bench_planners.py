#!/usr/bin/env python3
"""Measure every planner on a folder of problems and print the tables of docs/planners.md.

    scripts/bench_planners.py FOLDER [--binary target/release/memgraph] [--time-limit 2]
    scripts/bench_planners.py --pictures PROBLEM.csv
    scripts/bench_planners.py --ablation FOLDER … [--time-limit 2]

The folder holds CSV files in MiniMalloc's format. The first table is the gap to the lower bound in percent, the
second what `exact` took and why it ended. With `--ablation` the table says what `exact` makes of the problems of each
folder, and of tilings made at random, without each of its techniques: how many plans are proved the best, the mean gap
in percent of the others, and seconds for all. With `--pictures` every planner's plan of one small problem is drawn instead: two characters a
step, one line for as many bytes as divide all sizes. Nothing is read from the network.
"""

import argparse
import csv
import itertools
import math
import pathlib
import random
import re
import subprocess
import tempfile
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

# The switches of `plan::Params`, as `memgraph plan --without` has them.
TECHNIQUES = [
    "sections",
    "ejection",
    "fusing",
    "two_searches",
    "restarts",
    "preferences",
    "weights",
    "contacts",
    "fewest_choices",
    "pushing",
    "division",
    "spanning",
    "release_bound",
    "equal_buffers",
]

# Tiles, steps and bytes of the tilings of the ablation.
TILINGS = [
    (tiles, steps, size)
    for tiles in (100, 500, 2000)
    for steps, size in ((100, 1 << 10), (1000, 1 << 20), (10000, 1 << 32))
]


def run(binary, problem, planner, limit, *without):
    """Arena in bytes, gap in percent, why the search ended, and seconds."""
    start = time.monotonic()
    command = [binary, "plan", problem, "--planner", planner, "--time-limit", str(limit)]
    command += [f"--without={name}" for name in without]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds = time.monotonic() - start
    line = next(line for line in text.splitlines() if line.startswith(planner))
    arena = int(re.search(r"arena (\d+) B", line)[1])
    gap = float(re.search(r"gap +([\d.]+) %", line)[1])
    return arena, gap, re.search(r"gap +[\d.]+ % *(.*)", line)[1], seconds


def tiling(tiles, steps, size, seed):
    """Lives and sizes that fill a rectangle: of three tiles the largest is cut, until there are enough."""
    chance = random.Random(seed)
    done = [(0, steps, size)]
    while len(done) < tiles:
        at = max(chance.choices(range(len(done)), k=3), key=lambda at: (done[at][1] - done[at][0]) * done[at][2])
        start, end, height = done[at]
        if chance.random() < 0.5 and end - start > 1:
            cut = chance.randrange(start + 1, end)
            done[at : at + 1] = [(start, cut, height), (cut, end, height)]
        elif height > 1:
            cut = chance.randrange(1, height)
            done[at : at + 1] = [(start, end, cut), (start, end, height - cut)]
    chance.shuffle(done)
    return done


def ablate(binary, folders, limit):
    """Prints what `exact` makes of each set of problems without each of its techniques."""
    with tempfile.TemporaryDirectory() as made:
        for seed, shape in enumerate(TILINGS):
            lines = (f"{at},{start},{end},{size}" for at, (start, end, size) in enumerate(tiling(*shape, seed)))
            path = pathlib.Path(made, "-".join(map(str, shape)) + ".csv")
            path.write_text("\n".join(["id,lower,upper,size", *lines]) + "\n")
        sets = [sorted(folder.glob("*.csv")) for folder in [*folders, pathlib.Path(made)]]
        print("| without | " + " | ".join([*(folder.name for folder in folders), "tilings"]) + " |", flush=True)
        print("|---|" + "---|" * len(sets))
        for without in ((), *((name,) for name in TECHNIQUES)):
            cells = []
            for problems in sets:
                results = [run(binary, problem, "exact", limit, *without) for problem in problems]
                gaps = [gap for _, gap, end, _ in results if end != "optimal"]
                mean = f"{sum(gaps) / len(gaps):.2f} %" if gaps else "—"
                seconds = sum(seconds for *_, seconds in results)
                cells.append(f"{len(results) - len(gaps)} of {len(results)}; {mean}; {seconds:.1f} s")
            print(f"| {without[0] if without else '(all on)'} | " + " | ".join(cells) + " |", flush=True)


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
    parser.add_argument("--ablation", type=pathlib.Path, metavar="FOLDER", nargs="+")
    parser.add_argument("--binary", default="target/release/memgraph")
    parser.add_argument("--time-limit", type=float, default=2.0)
    args = parser.parse_args()
    if args.pictures:
        draw(args.binary, args.pictures)
        return
    if args.ablation:
        ablate(args.binary, args.ablation, args.time_limit)
        return
    if not args.folder:
        parser.error("give a FOLDER, --ablation FOLDER … or --pictures PROBLEM")
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
    print("| problem | arena of `exact` | gap, % | end | seconds |")
    print("|---|---|---|---|---|")
    for name, path in zip(names, problems):
        arena, gap, end, seconds = results[path, "exact"]
        print(f"| {name} | {arena} | {gap:.2f} | {end} | {seconds:.2f} |")


if __name__ == "__main__":
    main()
