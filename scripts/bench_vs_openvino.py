#!/usr/bin/env python3
"""Measures memgraph's time and memory: against OpenVINO on one model, and by itself on larger and larger graphs.

    scripts/bench_vs_openvino.py [--memgraph PATH] [--runs N] [--write]

Compared are whole processes on one machine in one run, taken in turns: `memgraph llm fixtures/qwen2.5-0.5b-fp16 1813`
(reads the IR, infers shapes, lowers, plans, verifies, reports) and a Python process that reads the same IR with
OpenVINO and reshapes it to the same inputs, which is the least that a tool built on it would do. What it spends
reading and reshaping, without starting and importing, is shown apart. Needs GNU time. --write puts the tables into docs/performance.md.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import openvino as ov

import common
import oracle
import replicate_ir

MODEL = common.ROOT / "fixtures/qwen2.5-0.5b-fp16/openvino_model.xml"
LENGTH = 1813
COPIES = (1, 10, 100)
PAGE = common.ROOT / "docs/performance.md"
BEGIN, END = "<!-- bench_vs_openvino: begin -->", "<!-- bench_vs_openvino: end -->"

OPENVINO_SIDE = """
import json, sys, time
start = time.perf_counter()
import openvino as ov
imported = time.perf_counter()
model = ov.Core().read_model(sys.argv[1])
read = time.perf_counter()
length = int(sys.argv[2])
model.reshape({parameter: [1] if parameter.partial_shape.rank.get_length() == 1 else [1, length]
               for parameter in model.inputs})
print(json.dumps({"import": imported - start, "read": read - imported, "reshape": time.perf_counter() - read}))
"""


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--runs", type=int, default=15, metavar="N", help="runs of each; the median counts")
    parser.add_argument("--write", action="store_true", help="update docs/performance.md")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    text = "\n".join([machine(memgraph, args.runs), "", *against_openvino(memgraph, args.runs), "",
                      *growth(memgraph, args.runs)])
    print(text)
    if args.write:
        common.replace_section(PAGE, BEGIN, END, text)


def against_openvino(memgraph, runs):
    with oracle.with_full_bin(MODEL) as xml:
        ours = [memgraph, "llm", str(MODEL.parent), str(LENGTH)]
        theirs = [sys.executable, "-c", OPENVINO_SIDE, str(xml), str(LENGTH)]
        samples = [(measure(ours), measure(theirs)) for _ in range(runs + 1)][1:]
    parts = [json.loads(sample.output) for _, sample in samples]
    middle = {part: statistics.median(sample[part] for sample in parts) for part in parts[0]}
    own = statistics.median(sample.seconds for sample, _ in samples)
    whole = statistics.median(sample.seconds for _, sample in samples)
    rows = [
        ("memgraph, whole process", own, peak(sample for sample, _ in samples)),
        ("OpenVINO in Python, whole process", whole, peak(sample for _, sample in samples)),
        ("… of it `read_model`", middle["read"], None),
        ("… of it `reshape`", middle["reshape"], None),
    ]
    yield "| process | median time | peak RSS | times memgraph |"
    yield "|---|---:|---:|---:|"
    for name, seconds, rss in rows:
        memory = "" if rss is None else f"{rss / 2**20:.1f} MiB"
        yield f"| {name} | {seconds * 1e3:.1f} ms | {memory} | {seconds / own:.1f} |"


def growth(memgraph, runs):
    yield "| copies of the model | layers | XML | median time | time per layer | peak RSS | RSS per layer |"
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    with tempfile.TemporaryDirectory(prefix="memgraph-bench-") as folder:
        for copies in COPIES:
            xml = pathlib.Path(folder) / f"x{copies}" / MODEL.name
            layers = replicate_ir.replicate(MODEL, copies, xml)
            command = [memgraph, "llm", str(xml), str(LENGTH)]
            samples = [measure(command) for _ in range(max(3, runs // copies) + 1)][1:]
            seconds, rss = statistics.median(sample.seconds for sample in samples), peak(samples)
            yield (f"| {copies} | {layers} | {xml.stat().st_size / 2**20:.1f} MiB | {seconds * 1e3:.1f} ms | "
                   f"{seconds / layers * 1e6:.2f} µs | {rss / 2**20:.1f} MiB | {rss / layers:.0f} B |")


class Sample:
    """One run of a process: wall-clock seconds, peak resident bytes, standard output."""

    def __init__(self, seconds, rss, output):
        self.seconds, self.rss, self.output = seconds, rss, output


def measure(command):
    # A child inherits the peak RSS of the process that forks it, so GNU time, which is small, starts the command.
    start = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-q", "-f", "%M", *command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(command)} ended with status {done.returncode}:\n{done.stderr}")
    return Sample(seconds, int(done.stderr.split()[-1]) * 1024, done.stdout)


def peak(samples):
    return statistics.median(sample.rss for sample in samples)


def machine(memgraph, runs):
    version = subprocess.run([memgraph, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    cpu = platform.processor() or platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    return (f"{version}, OpenVINO {ov.__version__.split('-')[0]}, Python {platform.python_version()}, {cpu}, "
            f"{os.cpu_count()} cores, medians of {runs} runs.")


if __name__ == "__main__":
    main()
