#!/usr/bin/env python3
"""Writes an IR whose graph is N copies of another one's side by side, to measure how time and memory grow.

    scripts/replicate_ir.py MODEL.xml N OUT.xml

The copies share the model's inputs and its constants' bytes (its .bin is copied next to OUT.xml); layers, edges,
variables and tensor names are renumbered, so that the result is one valid IR with N times the layers.
"""

import pathlib
import re
import shutil
import sys
import xml.etree.ElementTree as ElementTree

UNESCAPED_COMMA = re.compile(r"(?<!\\),")


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    replicate(pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))


def replicate(source, copies, target):
    """Writes `target` and a copy of the weights; returns the number of layers."""
    net = ElementTree.parse(source).getroot()
    layers = net.find("layers").findall("layer")
    edges = net.find("edges").findall("edge")
    shared = {layer.get("id") for layer in layers if layer.get("type") == "Parameter"}
    stride = 1 + max(int(layer.get("id")) for layer in layers)
    originals = [remember(layer) for layer in layers]
    written = 0

    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "w", encoding="utf-8") as out:
        out.write(f'<?xml version="1.0"?>\n<net name="{net.get("name")}" version="{net.get("version")}">\n<layers>\n')
        for copy in range(copies):
            for layer, original in zip(layers, originals):
                if copy and layer.get("type") == "Parameter":
                    continue
                rename(layer, original, copy, stride)
                out.write(ElementTree.tostring(layer, encoding="unicode"))
                written += 1
        out.write("</layers>\n<edges>\n")
        for copy in range(copies):
            for edge in edges:
                ends = {side: edge.get(side) for side in ("from-layer", "to-layer")}
                numbers = {side: int(layer) + (0 if layer in shared else copy * stride) for side, layer in ends.items()}
                out.write(f'<edge from-layer="{numbers["from-layer"]}" from-port="{edge.get("from-port")}" '
                          f'to-layer="{numbers["to-layer"]}" to-port="{edge.get("to-port")}"/>\n')
        out.write("</edges>\n</net>\n")

    weights = target.with_suffix(".bin")
    weights.unlink(missing_ok=True)
    shutil.copyfile(source.with_suffix(".bin"), weights)
    return written


def remember(layer):
    """What `rename` changes: id, name, variable, tensor names per output port."""
    data = layer.find("data")
    variable = None if data is None else data.get("variable_id")
    ports = layer.findall("output/port")
    return layer.get("id"), layer.get("name"), data, variable, [(port, port.get("names")) for port in ports]


def rename(layer, original, copy, stride):
    number, name, data, variable, ports = original
    suffix = f".{copy}" if copy else ""
    layer.set("id", str(int(number) + copy * stride))
    layer.set("name", name + suffix)
    if variable is not None:
        data.set("variable_id", variable + suffix)
    for port, names in ports:
        if names is not None:
            port.set("names", ",".join(part + suffix for part in UNESCAPED_COMMA.split(names)))


if __name__ == "__main__":
    main()
