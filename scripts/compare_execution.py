#!/usr/bin/env python3
"""Holds predicted execution graphs against those that OpenVINO's CPU plugin serialized.

For each record of the measurements: the multiset of (type, original layers) over all nodes but constants, the same
with the precision of the first output, and the order. Names that OpenVINO numbers (`Gather_24896`) are compared
without the number, and ours that are made up (`Gather#12`) likewise.

    compare_execution.py --measured DIR --models DIR [--binary FILE] [--only TEXT] [--show N] [--markdown FILE]

Exit status: 0 if every record reaches --require percent of names, else 1.
"""

import argparse
import collections
import difflib
import gzip
import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import common

PRECISIONS = {"I8": "u8"}


def plain(name):
    """A name without the number that its maker gave it."""
    name = re.sub(r"#\d+$", "", name)
    name = re.sub(r"[#_]\d+(?=_abc_a1bc_0$|/Dequantization\w+$)", "", name)  # of a made-up sequence or product
    if "/" in name or "." in name:
        return name
    return re.sub(r"_\d+$", "", name)


def read_real(path):
    root = xml.fromstring(gzip.open(path).read())
    nodes = []
    for layer in root.find("layers"):
        data = layer.find("data").attrib
        precisions = data.get("outputPrecisions", "").split(",")
        originals = [name for name in data.get("originalLayersNames", "").split(",") if name]
        output = layer.find("output")
        port = output.find("port") if output is not None else None
        dims = [int(dim.text) for dim in port.findall("dim")] if port is not None else []
        detail = (dims, data.get("outputLayouts", "").split(",")[0], data.get("primitiveType", "").startswith("unknown"))
        nodes.append((int(data["execOrder"]), layer.attrib["type"], originals, precisions[0], detail))
    return [node[1:] for node in sorted(nodes)]


def read_ours(command):
    text = subprocess.run(command, capture_output=True, text=True)
    if text.returncode:
        raise RuntimeError(text.stderr.strip() or f"exit status {text.returncode}")
    nodes = []
    for node in json.loads(text.stdout)["nodes"]:
        outputs = node["outputs"]
        precision = outputs[0]["dtype"] if outputs else ""
        shape = outputs[0]["shape"] if outputs else []
        layout = outputs[0]["layout"] if outputs else ""
        nodes.append((node["type"], node["originals"], precision, (shape, layout, node["is_view"])))
    return nodes


def parameters(model):
    """Each input of the model: its name and its declared dims, -1 for free ones."""
    found = {}
    for _, element in xml.iterparse(model, events=("end",)):
        if element.tag == "layer":
            if element.attrib["type"] == "Parameter":
                names = element.find("output/port").attrib.get("names", element.attrib["name"])
                shape = [dim.strip() for dim in element.find("data").attrib["shape"].split(",") if dim.strip()]
                found[names.split(",")[0]] = [int(dim) if dim.isdigit() else -1 for dim in shape]
            element.clear()
        elif element.tag == "edges":
            break
    return found


def inputs(run, model):
    """The shape of every input in a recorded run."""
    if run["kind"] == "gen":
        return run["shapes"]
    tokens, batch = run["N"], run.get("B", 1)
    shapes = {}
    for name, dims in parameters(model).items():
        if name == "beam_idx":
            shapes[name] = [batch]
        elif name == "position_ids" and len(dims) == 3:
            shapes[name] = [dims[0] if dims[0] > 0 else 3, batch, tokens]
        else:
            shapes[name] = [batch, tokens] + dims[2:]
    return shapes


def command(binary, models, record):
    run, model = record["run"], models / record["model"]
    words = [str(binary), "dump", str(model), "--stage", "execution"]
    words += common.input_words(inputs(run, model))
    words += ["--precision", "f32" if "float" in ((record.get("effective") or {}).get("INFERENCE_PRECISION_HINT") or "bfloat16").replace("bfloat", "") else "bf16"]
    words += ["--reshape", "static" if run.get("reshape") else "dynamic"]
    words += ["--logits", "last" if run.get("slice_last") else "all"]
    return words


def keys(nodes, with_precision):
    made = []
    for kind, originals, precision, _ in nodes:
        if kind == "Const":
            continue
        shown = precision if with_precision and kind not in ("Output", "MemoryOutput") else ""
        made.append((kind, ",".join(plain(name) for name in originals), shown))
    return made


def agreement(real, ours, with_precision):
    """Percent of nodes in common, and what is missing and too many."""
    real, ours = collections.Counter(keys(real, with_precision)), collections.Counter(keys(ours, with_precision))
    common = sum((real & ours).values())
    return 100 * common / max(sum(real.values()), sum(ours.values()), 1), real - ours, ours - real


def details(real, ours):
    """Nodes at the same place whose dims, layouts or views differ; views of the kinds that have a choice."""
    real, ours = ([node for node in nodes if node[0] != "Const"] for nodes in (real, ours))
    differing = []
    for (kind, originals, _, theirs), (*_, own) in zip(real, ours):
        if kind in ("Output", "MemoryInput", "MemoryOutput"):
            continue
        dims = (theirs[0] or [1]) != (own[0] or [1])
        channels_last = theirs[1] in ("acb", "acdb", "acdeb")
        layout = channels_last != (own[1] == "channels_last") and len(theirs[0]) > 2
        view = kind in ("Gather", "Split", "Concatenation") and theirs[2] != own[2]
        if dims or layout or view:
            differing.append(f"{kind} {','.join(originals)}: {theirs} recorded, {own} predicted")
    return differing


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--measured", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--binary", default="target/debug/memgraph")
    parser.add_argument("--only", default="")
    parser.add_argument("--show", type=int, default=0, help="differing nodes to print per record")
    parser.add_argument("--markdown", type=pathlib.Path, help="replace the section between the markers of this file")
    parser.add_argument("--list", type=pathlib.Path, help="write each real graph to this folder, one node per line")
    parser.add_argument("--require", type=float, default=99.0)
    options = parser.parse_args()

    records = json.loads((options.measured / "openvino_cpu.json").read_text())
    rows, worst = [], 100.0
    for record in records:
        graph = options.measured / "exec" / f"{record['id']}.xml.gz"
        if options.only not in record["id"] or not graph.exists():
            continue
        if options.list:
            lines = [" | ".join(key) for key in keys(read_real(graph), True)]
            (options.list / f"{record['id']}.txt").write_text("\n".join(lines) + "\n")
            continue
        try:
            ours = read_ours(command(options.binary, options.models, record))
        except RuntimeError as error:
            print(record["id"], "FAILED", error)
            worst = 0.0
            continue
        real = read_real(graph)
        names, missing, extra = agreement(real, ours, False)
        full, missing_full, extra_full = agreement(real, ours, True)
        is_ordered = keys(real, True) == keys(ours, True)
        if is_ordered:
            order = 100.0
        else:
            order = 100 * difflib.SequenceMatcher(None, keys(real, False), keys(ours, False), False).ratio()
        differing = details(real, ours) if is_ordered else []
        for line in differing[: options.show]:
            print("    ", line)
        constants = [sum(node[0] == "Const" for node in nodes) for nodes in (real, ours)]
        n_nodes = len(keys(real, False))
        rows.append((record["id"], n_nodes, names, full, order, constants, len(differing)))
        worst = min(worst, names)
        print(f"{record['id']:<55} {n_nodes:>5} nodes  names {names:6.2f}  with precision {full:6.2f}  order {order:6.2f}  constants {constants[1]}/{constants[0]}  details {len(differing)}")
        if options.show:
            for sign, counter in (("-", missing_full), ("+", extra_full)):
                for (kind, originals, precision), count in counter.most_common(options.show):
                    print(f"    {sign} {count:>4} {kind} | {originals} | {precision}")
    if options.markdown:
        write(options.markdown, rows)
    return 0 if worst >= options.require else 1


def write(path, rows):
    begin, end = "<!-- begin execution graphs -->", "<!-- end execution graphs -->"
    table = [
        "| run | nodes | names, % | with precision, % | order, % | details | constants predicted / recorded |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, n_nodes, names, full, order, constants, n_differing in rows:
        shown = f"{names:.2f} | {full:.2f} | {order:.2f} | {n_differing} | {constants[1]} / {constants[0]}"
        table.append(f"| {name} | {n_nodes} | {shown} |")
    common.replace_section(path, begin, end, "\n".join(table))


if __name__ == "__main__":
    sys.exit(main())
