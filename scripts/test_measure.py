#!/usr/bin/env python3
"""Tests of scripts/measure_openvino: that its tracker finds the blocks alive at a peak, and loses none."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20

# Runs with the tracker preloaded: three phases of known allocations through malloc and mmap.
WORKLOAD = """
import ctypes, json, mmap, sys
sys.path.insert(0, sys.argv[2])
from test_measure import script
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.realloc.restype = ctypes.c_void_p
libc.realloc.argtypes, libc.free.argtypes = [ctypes.c_void_p, ctypes.c_size_t], [ctypes.c_void_p]
phase = script().Phases(sys.argv[1])
kept = phase("first", lambda: libc.malloc(3 << 20))
def rise_and_fall():
    global kept
    high = [libc.malloc(5 << 20) for _ in range(2)]
    for block in high:
        libc.free(block)
    kept = libc.realloc(kept, 7 << 20)
phase("second", rise_and_fall)
pages = phase("third", lambda: mmap.mmap(-1, 2 << 20))
phase("fourth", pages.close)
json.dump(phase.done, sys.stdout)
"""


def script():
    """scripts/measure_openvino as a module."""
    loader = importlib.machinery.SourceFileLoader("measure_openvino", str(HERE / "measure_openvino"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class Tracker(unittest.TestCase):
    def test_blocks_at_the_peak(self):
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "heap_tracker.so"
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "heap_tracker.c"], check=True)
            output = subprocess.run([sys.executable, "-c", WORKLOAD, library, HERE], capture_output=True, check=True,
                                    env=os.environ | {"LD_PRELOAD": str(library)}).stdout
        first, second, third, fourth = json.loads(output)

        def large(phase, kind):
            return [(size // MIB, name, count) for size, name, k, count in phase["blocks_at_peak"]
                    if k == kind and size >= 2 * MIB]

        self.assertEqual(large(first, "heap"), [(3, "first", 1)])
        # Both blocks of 5 MiB are gone when the phase ends, and were there when it was highest.
        self.assertEqual(large(second, "heap"), [(5, "second", 2), (3, "first", 1)])
        self.assertAlmostEqual(second["heap_peak"] - second["heap_before"], 10 * MIB, delta=MIB // 4)
        self.assertAlmostEqual(second["heap_after"] - second["heap_before"], 4 * MIB, delta=MIB // 4)
        self.assertEqual(large(third, "heap"), [(7, "second", 1)])
        self.assertEqual(third["anon_after"] - third["anon_before"], 2 * MIB)
        self.assertEqual(fourth["anon_after"], third["anon_before"])


class Setups(unittest.TestCase):
    def test_constants_of_an_inflated_model_differ(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "model").mkdir()
            xml = folder / "model" / "openvino_model.xml"
            xml.write_text('<data element_type="f16" shape="8" offset="16" size="16" />\n'
                           '<data element_type="f16" shape="8" offset="32" size="16" />\n'
                           '<data element_type="i64" shape="2" offset="48" size="16" />\n'
                           "<!-- weights stripped; full .bin size: 64 bytes -->\n")
            xml.with_suffix(".bin").write_bytes(bytes(range(16)))
            weights = script().inflated(xml, folder).with_suffix(".bin").read_bytes()
        self.assertEqual((len(weights), weights[:16]), (64, bytes(range(16))))
        self.assertNotEqual(weights[16:32], weights[32:48])
        self.assertEqual(weights[48:], bytes(16))

    def test_a_process_is_shown_other_cores(self):
        code = "import os; print(len(os.sched_getaffinity(0)), open('/sys/devices/system/cpu/online').read().strip())"
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "show_cores.so"
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, HERE / "show_cores.c"], check=True)
            shown = script().sysfs(pathlib.Path(folder) / "sysfs", 5)
            settings = {"LD_PRELOAD": str(library), "SHOW_CORES": "5", "SHOW_CORES_SYSFS": str(shown)}
            output = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=os.environ | settings).stdout
        self.assertEqual(output.decode().split(), ["5", "0-4"])


if __name__ == "__main__":
    unittest.main()
