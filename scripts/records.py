"""Measured runs of OpenVINO: the files of records, and the command line of memgraph for a run."""

import json
import pathlib
import re
import subprocess

import common
import compare_execution

MIB = 1 << 20
SMALL = 128 << 10
FIRST_INFERENCE = ("prefill1", "infer1")

# Name of a set of records: its file, the folder of its execution graphs, and L2 cache per core of its machine.
SETS = {
    "base": ("openvino_cpu.json", "exec", None),
    "wide": ("openvino_cpu_wide.json", "exec-wide", "2MiB"),
    "public": ("openvino_cpu_public.json", "exec-public", "2MiB"),
    "versions": ("openvino_cpu_versions.json", "exec-versions", "2MiB"),
    # Of this repository, with their models: scripts/validation_models.py made them, scripts/measure_openvino the records.
    "own": ("openvino_cpu.json", "exec", None),
    # The same on an Intel Xeon with AMX.
    "amx": ("openvino_cpu_amx.json", "exec-amx", "2MiB"),
}
OWN = common.ROOT / "scripts/validation"
# What a process was shown of the processor, in memgraph's words.
ISA = {"avx2": "avx2", "avx2vnni": "avx2-vnni", "avx512core": "avx512", "avx512": "avx512-vnni", "avx512-bf16": "avx512-bf16",
       "amx": "amx"}
# The nearest of an earlier memgraph, which knew fewer.
NEAREST = {"avx2-vnni": "avx2", "avx512-vnni": "avx512"}
TOKENS_GENERATED = 4  # of a record of GenAI that does not say it


class Memgraph:
    """A binary, and which options it has."""

    def __init__(self, path):
        self.path = path
        self.help = {}
        for command in ("graph", "llm"):
            self.help[command] = subprocess.run([path, command, "--help"], capture_output=True, text=True, check=True).stdout

    def has(self, command, option):
        return re.search(rf"{option}\b(?!-)", self.help[command]) is not None

    def report(self, command, words):
        """The report of a run; a `RuntimeError` says why there is none."""
        ran = subprocess.run([self.path, command, *map(str, words), "--json", "-"], capture_output=True, text=True, check=False)
        if ran.returncode not in (0, 3):
            raise RuntimeError(" ".join(ran.stderr.split()) or f"exit status {ran.returncode}")
        return json.loads(ran.stdout)

    def execution(self, words):
        """The nodes that are executed, as compare_execution reads them."""
        return compare_execution.read_ours([self.path, "dump", *map(str, words), "--stage", "execution"])


def folder(measured, name):
    """Where the records of a set are."""
    return OWN if name in ("own", "amx") else measured


def read(measured, name):
    """The records of a set; none where its file is not there."""
    path = folder(measured, name) / SETS[name][0]
    return json.loads(path.read_text()) if path.exists() else []


def model_path(record, models):
    """The model of a record below one of the folders; `None` where it was not given."""
    models = [OWN / "models", *models]
    return next((folder / record["model"] for folder in models if (folder / record["model"]).exists()), None)


def is_static(record):
    return bool(record["run"].get("reshape") or record["run"].get("static"))


def version(record):
    """The release of the runtime, `2026.4`."""
    found = re.search(r"\d{4}\.\d+", record["runtime"])
    return found.group() if found else "2026.4"


def isa(record):
    return ISA[record.get("isa", "avx512-bf16")]


def shapes(run, model):
    """The shape of every input of a run."""
    if "S" in run:
        return {name: [run.get("B", 1), run["S"]] for name in compare_execution.parameters(model)}
    return compare_execution.inputs(run, model)


def words(memgraph, name, record, model):
    """memgraph's command for a run, and the words after it."""
    run = record["run"]
    if run.get("rt"):
        command = "llm"
        made = [model, run["N"], "--runner", "genai", "--phase", "generate", "--new-tokens", run.get("new", TOKENS_GENERATED)]
        if (run.get("config") or {}).get("ATTENTION_BACKEND") == "SDPA":
            made += ["--attention", "stateful"]
    else:
        command = "graph"
        made = [model, "--reshape", "static" if is_static(record) else "dynamic"]
        made += common.input_words(shapes(run, model))
        made += ["--logits", "last"] if run.get("slice_last") else []
    made += machine_words(memgraph, command, name, record) + setting_words(memgraph, command, record)
    return command, made


def machine_words(memgraph, command, name, record):
    effective = record.get("effective") or {}
    streams, threads = int(effective.get("NUM_STREAMS", 1)), int(effective.get("INFERENCE_NUM_THREADS", 2))
    kind, l2 = isa(record), SETS[name][2]
    is_known = memgraph.has(command, kind) or kind not in NEAREST
    made = ["--streams", streams, "--threads", max(threads // streams, 1), "--isa", kind if is_known else NEAREST[kind]]
    return made + (["--l2", l2] if l2 and memgraph.has(command, "--l2") else [])


def setting_words(memgraph, command, record):
    """The options for the properties that a run was given."""
    run = record["run"]
    config = run.get("config") or {}
    wanted = {
        "--precision": config.get("INFERENCE_PRECISION_HINT"),
        "--kv-precision": config.get("KV_CACHE_PRECISION"),
        "--dynamic-quantization-group": config.get("DYNAMIC_QUANTIZATION_GROUP_SIZE"),
        "--execution-mode": config.get("EXECUTION_MODE_HINT", "").lower() or None,
        "--mmap": "off" if (run.get("core_props") or {}).get("ENABLE_MMAP") is False else None,
        "--cache-dir": model_cache(record, config),
        "--runtime-version": version(record) if version(record) != "2026.4" else None,
    }
    made = []
    for option, value in wanted.items():
        if value is not None and memgraph.has(command, option):
            is_known = option != "--runtime-version" or memgraph.has(command, value)
            made += [option, value] if is_known else []
    return made


def model_cache(record, config):
    """What CACHE_DIR does in a run: the second run of a pair imports, but a cache without weights reads those of the model."""
    if "CACHE_DIR" not in config:
        return None
    return "import" if record["id"].endswith("2") and config.get("CACHE_MODE") != "OPTIMIZE_SIZE" else "first"


def phases(record):
    """The phases by name, and the first inference."""
    named = {phase["name"]: phase for phase in record["phases"]}
    return named, next(named[name] for name in FIRST_INFERENCE if name in named)


def user_bytes(record):
    """What the user's arrays take in addition to the runtime's own blocks: nothing where the user wrote into those, as the runs of
    static graphs did that were recorded first."""
    io = record["io_bytes"]
    is_in_place = is_static(record) and "isa" not in record
    return 0 if is_in_place else sum(io.get("in_prefill", io.get("in", {})).values())


def measured_figures(record, name=None):
    """Heap with anonymous maps, and resident set, of the first inference, over what the process held before the model.

    The arrays of the runs of published models were allocated and never written, so that no page of them is resident.
    """
    named, first = phases(record)
    before, user = named["read_model"], user_bytes(record)
    heap = first["heap_peak"] + first["anon_peak"] - before["heap_before"] - before["anon_before"] - user
    return heap, first["rss_peak"] - record["baseline"]["VmRSS"] - (0 if name == "public" else user)


def inference(report):
    """The phase of a report that a record's first inference is compared with: the higher one, where tokens are generated."""
    found = [phase for phase in report["phases"] if phase["name"] in ("infer", "prefill", "decode")]
    return max(found, key=lambda phase: phase["heap_peak_bytes"])


def fits(block, size):
    """Whether a heap block can be an allocation of `size` bytes: alignment, or where it is mapped the page's end.

    Source: malloc_usable_size of glibc 2.36 on memory that oneDNN aligns to 64 bytes, or that has malloc's own alignment.
    """
    aligned, plain = (-(-(size + 104) // 4096) * 4096 - 64, -(-(size + 24) // 4096) * 4096 - 16)
    return size <= block <= size + 96 or block in (aligned, plain)


def measured_blocks(some_phases):
    """Heap blocks of at least 128 KiB, by size: the most that one of the phases had."""
    found = {}
    for phase in some_phases:
        here = {}
        for size, _, kind, count in phase.get("blocks_at_peak", []):
            if kind == "heap":
                here[size] = here.get(size, 0) + count
        found = {size: max(found.get(size, 0), here.get(size, 0)) for size in found | here}
    return found


def without_user(record, first):
    """The blocks of the first inference but the user's arrays."""
    io = record["io_bytes"]
    arrays = list(io.get("in_prefill", io.get("in", {})).values()) if user_bytes(record) else []
    for size, phase, kind, count in first.get("blocks_at_peak", []):
        for _ in range(count if kind == "heap" else 0):
            array = next((array for array in arrays if phase == "create_request" and array <= size <= array + 4096), None)
            if array is None:
                yield size
            else:
                arrays.remove(array)


def missing(wanted, found):
    """The sizes of `wanted` that find no block in `found`, which is used up."""
    lost = []
    for size in sorted(wanted, reverse=True):
        holds = [block for block, left in found.items() if left and fits(block, size)]
        if holds:
            found[min(holds)] -= 1
        else:
            lost.append(size)
    return lost


def unpredicted(sizes, predicted):
    """The measured `sizes`, largest first, that no block of `predicted` accounts for."""
    left, lost = sorted(predicted), []
    for size in sorted(sizes, reverse=True):
        holds = [one for one in left if fits(size, one)]
        if holds:
            left.remove(holds[-1])
        else:
            lost.append(size)
    return lost


def predicted_blocks(report, *classes):
    """Sizes of the blocks of at least 128 KiB of some classes; of all but files if no class is named."""
    blocks = [block for block in report["blocks"] if block["bytes"] >= SMALL]
    held = [block for block in blocks if block["class"] in classes or not classes and block["class"] != "weights_file"]
    return [block["bytes"] for block in held for _ in range(block["count"])]
