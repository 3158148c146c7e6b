#!/usr/bin/env python3
"""Write graphs of up to a million nodes, run memgraph on them under every profile, and print CPU time and memory.

    scripts/bench_scaling.py [--nodes 10000,100000,1000000] [--shapes chain,matmul] [--profiles graph,openvino-cpu]
    scripts/bench_scaling.py --write docs/robustness.md
    scripts/bench_scaling.py --make FOLDER --nodes 100000 --shapes captures

The analysis is that of `-q`, without the alternatives that the default text tries. CPU time is that of user and system of
the whole process, which other load changes less than the time that passes; memory is the largest
resident set. A run over `--limit` CPU seconds is ended and shown as `>`. Every file is written to a temporary folder,
one node at a time, and removed after its runs. `exponent` is the slope between the last two sizes: 1 is linear.
"""

import functools
import math
import os
import pathlib
import resource
import subprocess
import tempfile

import common

PROFILES = ["graph", "openvino-cpu", "openvino-gpu", "onnxruntime-cpu"]
FLOAT, INT64, BOOL = 1, 7, 9
BEGIN, END = "<!-- bench_scaling: begin -->", "<!-- bench_scaling: end -->"
# Inputs that one Sum reads: below the limit of the readers.
JOINED = 8192


def varint(number):
    """A protobuf number."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A protobuf field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


@functools.lru_cache(maxsize=64)
def tail(kind, attributes):
    """What nodes of one kind have in common."""
    return field(4, kind) + b"".join(field(5, attribute) for attribute in attributes)


def node(kind, inputs, outputs, attributes=()):
    """A node of a graph, as a field of it."""
    ports = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    return field(1, ports + tail(kind, attributes))


def value(number, name, dims, kind=FLOAT):
    """An input (11) or output (12) of a graph."""
    shape = b"".join(field(1, field(1, dim)) for dim in dims)
    return field(number, field(1, name) + field(2, field(1, field(1, kind) + field(2, shape))))


def initializer(name, dims, data, kind=FLOAT):
    """A constant."""
    return field(5, b"".join(field(1, dim) for dim in dims) + field(2, kind) + field(8, name) + field(9, data))


def body(number, attribute, graph):
    """A graph as an attribute of a node."""
    return field(1, attribute) + field(6, graph) + field(20, number)


def join(names):
    """Nodes that add up any number of values to `y`."""
    level = 0
    while len(names) > 1:
        sums = []
        for first in range(0, len(names), JOINED):
            sums.append(f"s{level}_{len(sums)}" if len(names) > JOINED else "y")
            yield node("Sum", names[first : first + JOINED], [sums[-1]])
        names, level = sums, level + 1


def chain(n):
    """Element-wise nodes one behind the other; each tenth also adds the input."""
    yield value(11, "x", [64])
    for at in range(n):
        before, after = f"v{at - 1}" if at else "x", f"v{at}" if at < n - 1 else "y"
        kind = "Add" if at % 10 == 9 else ["Relu", "Sigmoid", "Tanh"][at % 3]
        yield node(kind, [before, "x"] if kind == "Add" else [before], [after])
    yield value(12, "y", [64])


def matmul(n):
    """Products with one matrix, each followed by a Relu."""
    yield value(11, "x", [4, 16])
    yield initializer("w", [16, 16], bytes(4 * 256))
    for at in range(n):
        before, after = f"v{at - 1}" if at else "x", f"v{at}" if at < n - 1 else "y"
        yield node("Relu", [before], [after]) if at % 2 else node("MatMul", [before, "w"], [after])
    yield value(12, "y", [4, 16])


def fan_out(n):
    """One value that all nodes read, whose results are added up."""
    yield value(11, "x", [64])
    yield node("Sigmoid", ["x"], ["v"])
    for at in range(n):
        yield node("Relu", ["v"], [f"v{at}"])
    yield from join([f"v{at}" for at in range(n)])
    yield value(12, "y", [64])


def outputs(n):
    """A chain of which every node is an output of the model; outputs are half of the nodes."""
    yield value(11, "x", [64])
    for at in range(n // 2):
        yield node(["Relu", "Sigmoid", "Tanh"][at % 3], [f"v{at - 1}" if at else "x"], [f"v{at}"])
    for at in range(n // 2):
        yield value(12, f"v{at}", [64])


def residuals(n):
    """Values of the first half that the second half adds, the last one first."""
    yield value(11, "x", [64])
    half = n // 2
    for at in range(half):
        yield node("Sigmoid", [f"v{at - 1}" if at else "x"], [f"v{at}"])
    for at in range(half):
        before, after = f"a{at - 1}" if at else f"v{half - 1}", f"a{at}" if at < half - 1 else "y"
        yield node("Add", [before, f"v{half - 1 - at}"], [after])
    yield value(12, "y", [64])


def views(n):
    """Reshapes of reshapes."""
    yield value(11, "x", [4, 16])
    yield initializer("a", [2], (64).to_bytes(8, "little") + (1).to_bytes(8, "little"), INT64)
    yield initializer("b", [2], (8).to_bytes(8, "little") + (8).to_bytes(8, "little"), INT64)
    yield node("Relu", ["x"], ["v"])
    for at in range(n):
        before, after = f"v{at - 1}" if at else "v", f"v{at}"
        yield node("Reshape", [before, "ab"[at % 2]], [after])
    yield node("Relu", [f"v{n - 1}"], ["y"])
    yield value(12, "y", [])


def slices(n):
    """Slices of one tensor, added up."""
    yield value(11, "x", [1024, 8])
    for name, number in [("axis", 0), *((f"c{at}", at) for at in range(1025))]:
        yield initializer(name, [1], number.to_bytes(8, "little"), INT64)
    yield node("Relu", ["x"], ["v"])
    for at in range(n):
        yield node("Slice", ["v", f"c{at % 1024}", f"c{at % 1024 + 1}", "axis"], [f"v{at}"])
    yield from join([f"v{at}" for at in range(n)])
    yield value(12, "y", [1, 8])


def captures(n):
    """As many bodies as each of them reads values from outside."""
    count = math.isqrt(n)
    yield value(11, "x", [64])
    yield value(11, "b", [], BOOL)
    for at in range(count):
        yield node("Sigmoid", ["x"], [f"v{at}"])
    names = [f"v{at}" for at in range(count)]
    for at in range(count):
        branches = []
        for word in ["then", "else"]:
            used = names if word == "then" else ["x"]
            inside = node("Sum", used, ["r"]) + field(2, word) + value(12, "r", [64])
            branches.append(body(5, f"{word}_branch", inside))
        yield node("If", ["b"], [f"r{at}"], tuple(branches))
    yield from join([f"r{at}" for at in range(count)])
    yield value(12, "y", [64])


def bodies(n):
    """Bodies with ten nodes each, one behind the other; inputs and outputs of a body are nodes."""
    yield value(11, "x", [64])
    yield value(11, "b", [], BOOL)
    count = n // 25
    for at in range(count):
        before, after = f"v{at - 1}" if at else "x", f"v{at}" if at < count - 1 else "y"
        branches = []
        for word, kind in [("then", "Relu"), ("else", "Tanh")]:
            inside = [node(kind, [f"i{k - 1}" if k else before], [f"i{k}"]) for k in range(10)]
            inside = b"".join(inside) + field(2, word) + value(12, "i9", [64])
            branches.append(body(5, f"{word}_branch", inside))
        yield node("If", ["b"], [after], tuple(branches))
    yield value(12, "y", [64])


def write_onnx(path, parts):
    """A model of the fields of its graph."""
    with tempfile.TemporaryFile() as graph, open(path, "wb") as out:
        for part in parts:
            graph.write(part)
        graph.write(field(2, "g"))
        length = graph.tell()
        graph.seek(0)
        out.write(field(1, 8) + field(8, field(1, "") + field(2, 17)) + varint(7 << 3 | 2) + varint(length))
        while block := graph.read(1 << 24):
            out.write(block)


def write_ir(path, n):
    """An IR: a chain of ReLU and Sigmoid whose values its second half adds, the last one first."""
    half = (n - 2) // 2
    port = '<port id="{}"{}><dim>64</dim></port>'.format
    precision = ' precision="FP32"'
    with open(path, "w", encoding="utf-8") as out:
        out.write('<?xml version="1.0"?>\n<net name="g" version="11">\n<layers>\n')

        def layer(number, kind, inputs, data="", opset="opset1"):
            reads = "".join(port(at, precision) for at in range(inputs))
            reads = f"<input>{reads}</input>" if inputs else ""
            writes = f"<output>{port(inputs, precision)}</output>" if kind != "Result" else ""
            out.write(f'<layer id="{number}" name="n{number}" type="{kind}" version="{opset}">{data}{reads}{writes}</layer>\n')

        layer(0, "Parameter", 0, '<data shape="64" element_type="f32"/>')
        for at in range(1, half + 1):
            layer(at, "ReLU" if at % 2 else "Sigmoid", 1)
        for at in range(half + 1, 2 * half + 1):
            layer(at, "Add", 2, '<data auto_broadcast="numpy"/>')
        layer(2 * half + 1, "Result", 1)
        out.write("</layers>\n<edges>\n")

        def edge(start, port_of, end, port_to):
            out.write(f'<edge from-layer="{start}" from-port="{port_of}" to-layer="{end}" to-port="{port_to}"/>\n')

        for at in range(1, half + 1):
            edge(at - 1, min(at - 1, 1), at, 0)
        for at in range(half + 1, 2 * half + 1):
            edge(at - 1, 2 if at > half + 1 else 1, at, 0)
            edge(2 * half + 1 - at, 1, at, 1)
        edge(2 * half, 2, 2 * half + 1, 0)
        out.write("</edges>\n</net>\n")


SHAPES = {
    "chain": chain,
    "matmul": matmul,
    "fan-out": fan_out,
    "outputs": outputs,
    "residuals": residuals,
    "views": views,
    "slices": slices,
    "captures": captures,
    "bodies": bodies,
}


def make(folder, shape, nodes):
    """Writes one model and returns its path."""
    if shape == "ir-residuals":
        path = folder / f"{shape}-{nodes}.xml"
        write_ir(path, nodes)
        path.with_suffix(".bin").touch()
        return path
    path = folder / f"{shape}-{nodes}.onnx"
    write_onnx(path, SHAPES[shape](nodes))
    return path


def run(binary, path, profile, limit):
    """CPU seconds, or nothing if over the limit; MiB; exit status and the last line of the errors."""

    def limits():
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))

    command = [binary, "graph", str(path), "--profile", profile, "-q"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=limits
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    return (seconds if code >= 0 else None), usage.ru_maxrss / 1024, code, errors.strip().splitlines()[:1]


def exponent(sizes, seconds):
    """The slope between the last two sizes, if both ended and took long enough to be measured."""
    if len(seconds) < 2 or None in seconds[-2:] or seconds[-2] < 0.02:
        return ""
    return f"{math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"


def measure(binary, shape, sizes, profiles, limit):
    """Rows of the table: for each profile the seconds by size, MiB at the last, and the exponent."""
    found = {profile: [] for profile in profiles}
    memory = dict.fromkeys(profiles, 0)
    refused = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = make(pathlib.Path(folder), shape, size)
            for profile in profiles:
                # What did not end does not end with more nodes.
                if None in found[profile] or profile in refused:
                    found[profile].append(None)
                    continue
                seconds, memory[profile], code, errors = run(binary, path, profile, limit)
                if code > 0:
                    refused[profile] = " ".join(errors) or f"exit status {code}"
                found[profile].append(seconds)
            path.unlink()
    for profile in profiles:
        if profile in refused:
            yield f"| {shape} | `{profile}` | " + " | ".join(["–"] * len(sizes)) + f" | | {refused[profile]} |"
            continue
        cells = [f"> {limit}" if seconds is None else f"{seconds:.2f}" for seconds in found[profile]]
        slope = exponent(sizes, found[profile])
        yield f"| {shape} | `{profile}` | " + " | ".join(cells) + f" | {memory[profile]:.0f} | {slope} |"


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--nodes", default="10000,100000,1000000", help="sizes, separated by commas")
    parser.add_argument("--shapes", default=",".join([*SHAPES, "ir-residuals"]))
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--limit", type=int, default=60, help="CPU seconds after which a run is ended")
    parser.add_argument("--make", type=pathlib.Path, metavar="FOLDER", help="only write the models, to this folder")
    parser.add_argument("--write", type=pathlib.Path, help="the document whose table is replaced")
    args = parser.parse_args()
    sizes = [int(word) for word in args.nodes.split(",")]
    if args.make:
        args.make.mkdir(parents=True, exist_ok=True)
        for shape in args.shapes.split(","):
            for size in sizes:
                print(make(args.make, shape, size))
        return
    binary = common.find_memgraph(args.memgraph)
    head = " | ".join(f"{size:,}" for size in sizes)
    lines = [f"| shape | profile | {head} | MiB | exponent |", "|---|---|" + "---:|" * (len(sizes) + 2)]
    print(*lines, sep="\n")
    for shape in args.shapes.split(","):
        profiles = args.profiles.split(",")
        if shape.startswith("ir-"):
            profiles = [profile for profile in profiles if not profile.startswith("onnxruntime")]
        for row in measure(binary, shape, sizes, profiles, args.limit):
            print(row, flush=True)
            lines.append(row)
    if args.write:
        common.replace_section(args.write, BEGIN, END, "\n".join(lines))


if __name__ == "__main__":
    main()
