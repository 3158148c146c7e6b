#!/usr/bin/env python3
"""Compares the requests of a first run of ONNX Runtime, one by one, with those that memgraph reports.

    /path/to/venv/bin/python scripts/compare_allocations.py MODEL.onnx --bind batch=1 --bind seq=1 --level disabled

Needs Linux with glibc, `cc`, and the onnxruntime, onnx and numpy wheels. Without an arena and without a memory pattern every
buffer and every workspace is one aligned block of the C library; a preloaded logger lists these blocks in the order in which
they come and go. The same list is made of `memgraph dump --stage lowered`. Sizes are compared rounded up to 64 bytes, as the
runtime does. Printed are how many requests there are on both sides, and the first that differ: they name the node at which
a fusion, the order or the reuse of buffers is another. The exit status is 1 if any differs.
"""

import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import common

LOGGER = r"""
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);
/* Aligned blocks in the order of events; a size of -1 is the end of any block. */
struct event { uint64_t address; int64_t bytes; };
enum { EVENTS = 1 << 21 };
static struct event events[EVENTS];
static long count = -1;
static void add(void *block, int64_t bytes) {
    long at = count < 0 ? EVENTS : __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    if (at < EVENTS) events[at] = (struct event){(uint64_t)block, bytes};
}
void log_start(void) { count = 0; }
long log_stop(void) { long found = count; count = -1; return found < EVENTS ? found : -1; }
struct event *log_events(void) { return events; }
void *aligned_alloc(size_t alignment, size_t bytes) {
    void *block = __libc_memalign(alignment, bytes);
    if (block) add(block, (int64_t)bytes);
    return block;
}
void *memalign(size_t alignment, size_t bytes) { return aligned_alloc(alignment, bytes); }
int posix_memalign(void **out, size_t alignment, size_t bytes) {
    *out = aligned_alloc(alignment, bytes);
    return *out ? 0 : ENOMEM;
}
void free(void *block) {
    if (block) add(block, -1);
    __libc_free(block);
}
"""
ALIGNMENT = 64
SHOWN = 5


class Event(ctypes.Structure):
    _fields_ = [("address", ctypes.c_uint64), ("bytes", ctypes.c_int64)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--bind", action="append", default=[], metavar="SYMBOL=N")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=1x3x224x224")
    parser.add_argument("--level", choices=("disabled", "basic", "extended", "all"), default="all")
    parser.add_argument("--no-mem-reuse", action="store_true")
    parser.add_argument("--memgraph", help="the binary (default: the newest of target/)")
    arguments = parser.parse_args()

    theirs, ours = measured(arguments), predicted(arguments)
    different = [at for at, (a, b) in enumerate(zip(theirs, ours)) if a != b[:2]]
    different += range(min(len(theirs), len(ours)), max(len(theirs), len(ours)))
    print(f"{arguments.model}: {len(theirs)} requests, {len(ours)} told, {len(different)} differ in their place")
    for at in different[:SHOWN]:
        print(f"  {at}: {words(theirs, at)}; told: {words(ours, at)}")
    sys.exit(1 if different else 0)


def words(requests, at):
    if at >= len(requests):
        return "none"
    size, freed, *node = requests[at]
    return f"{size} bytes after {list(freed)} were freed" + "".join(f", {name}" for name in node)


def folded(events):
    """Of ("+", number, bytes, *node) and ("-", number), each request with the earlier ones that were freed before it."""
    requests, freed = [], []
    for kind, number, *rest in events:
        if kind == "-":
            freed.append(number)
        else:
            size, *node = rest
            requests.append((-(-size // ALIGNMENT) * ALIGNMENT, tuple(sorted(freed)), *node))
            freed = []
    return requests


def measured(arguments):
    with tempfile.TemporaryDirectory(prefix="compare_allocations.") as folder:
        folder = pathlib.Path(folder)
        (folder / "logger.c").write_text(LOGGER)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", folder / "logger.so", folder / "logger.c"], check=True)
        here = pathlib.Path(__file__).resolve()
        model = folder / "model.onnx"
        subprocess.run([sys.executable, here.parent / "measure_onnxruntime", "--prepare", arguments.model, model, "embedded"],
                       check=True)
        task = {"model": str(model), "level": arguments.level, "reuse": not arguments.no_mem_reuse,
                "bind": dict(item.rsplit("=", 1) for item in arguments.bind),
                "shapes": dict(item.rsplit("=", 1) for item in arguments.shape)}
        worker = [sys.executable, here, "--worker", json.dumps(task), folder / "events.json"]
        subprocess.run(worker, env=os.environ | {"LD_PRELOAD": str(folder / "logger.so")}, check=True)
        return folded(json.loads((folder / "events.json").read_text()))


def predicted(arguments):
    command = [common.find_memgraph(arguments.memgraph), "dump", arguments.model, "--stage", "lowered", "--profile",
               "onnxruntime-cpu", "--threads", "1", "--graph-optimization", arguments.level]
    command += [word for item in arguments.bind for word in ("--bind", item)]
    command += [word for item in arguments.shape for word in ("--input", item)]
    command += ["--no-mem-reuse"] if arguments.no_mem_reuse else []
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(run.stderr)
    lowered = json.loads(run.stdout)
    steps, values, storages = lowered["steps"], lowered["values"], lowered["storages"]
    resident = {value["storage"] for value in values if value["origin"] == "resident"}
    last = {}
    for position, step in enumerate(steps):
        last.update((values[value]["storage"], position) for value in step["reads"] + step["writes"])
    ends = {}
    for storage, position in last.items():
        ends.setdefault(position, []).append(storage)

    events, numbers = [], {}
    for position, step in enumerate(steps):
        for storage in (values[value]["storage"] for value in step["writes"]):
            if storage not in resident and storage not in numbers and storages[storage]["size_bytes"] > 0:
                numbers[storage] = len(numbers)
                events.append(("+", numbers[storage], storages[storage]["size_bytes"], f"{step['type']} {step['node']}"))
        kept = ("output", "present_cache")
        freed = [storage for storage in ends.get(position, []) if storages[storage]["class"] not in kept]
        events += [("-", numbers[storage]) for storage in freed if storage in numbers]
    return folded(events)


# --- what follows runs in the logged process -----------------------------------------------------------------------


def work(task, result):
    import numpy
    import onnxruntime as ort

    tool = measuring()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.enable_mem_reuse = task["reuse"]
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, tool.LEVELS[task["level"]])
    session = ort.InferenceSession(task["model"], options, providers=["CPUExecutionProvider"])
    feeds = {}
    for port in session.get_inputs():
        dims = [int(dim) for dim in task["shapes"].get(port.name, "").split("x") if dim]
        dims = dims or [dim if isinstance(dim, int) else int(task["bind"][dim]) for dim in port.shape]
        feeds[port.name] = (numpy.ones if "mask" in port.name else numpy.zeros)(dims, tool.TYPES[port.type])
    logger = ctypes.CDLL(None)
    logger.log_stop.restype, logger.log_events.restype = ctypes.c_long, ctypes.POINTER(Event)
    logger.log_start()
    found = session.run(None, feeds)
    count, logged = logger.log_stop(), logger.log_events()
    del found
    if count < 0:
        sys.exit("the logger's table is full")
    events, alive, came = [], {}, 0
    for event in logged[:count]:
        if event.bytes == 0:
            continue
        if event.bytes > 0:
            alive[event.address] = came
            events.append(("+", came, event.bytes))
            came += 1
        elif event.address in alive:
            events.append(("-", alive.pop(event.address)))
    pathlib.Path(result).write_text(json.dumps(events))


def measuring():
    """scripts/measure_onnxruntime as a module: levels and element types are the same."""
    import importlib.machinery
    import importlib.util

    path = pathlib.Path(__file__).resolve().parent / "measure_onnxruntime"
    loader = importlib.machinery.SourceFileLoader("measure_onnxruntime", str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(json.loads(sys.argv[2]), sys.argv[3])
    else:
        main()
