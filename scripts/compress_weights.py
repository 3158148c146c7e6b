#!/usr/bin/env python3
"""Makes the 8-bit counterpart of a stripped fp16 fixture, for comparisons of the two.

    compress_weights.py fixtures/phi2-fp16-L1 fixtures/phi2-int8-L1

Every fp16 matrix of more than 16 KiB becomes i8 with one fp16 scale per row, in the form that nncf gives it: Constant (i8) ->
Convert -> Multiply, all in fp16. Names of the other nodes stay. The weights of a fixture are not there: each matrix
and its scales have one value, another one for each, since equal constants would be written once.

Version: openvino 2026.4.1.
"""

import argparse
import pathlib
import re
import shutil
import tempfile

import numpy as np
import openvino as ov
import openvino.opset13 as op

import export_families

KEPT = export_families.KEPT


def restored(fixture, folder):
    """A copy of the fixture with a `.bin` of its full size, whose missing part is zero."""
    xml = shutil.copy(fixture / "openvino_model.xml", folder)
    weights = shutil.copy(fixture / "openvino_model.bin", folder)
    size = int(re.search(r"full \.bin size: (\d+) bytes", pathlib.Path(xml).read_text())[1])
    with open(weights, "r+b") as file:
        file.truncate(size)
    return xml


def compress(model):
    count = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f16:
            continue
        shape = node.get_output_shape(0)
        if len(shape) != 2 or np.prod(shape) * 2 <= KEPT:
            continue
        name = node.get_friendly_name()
        readers = list(node.output(0).get_target_inputs())
        small = op.constant(np.full(shape, count + 1, np.int8))
        small.set_friendly_name(name)
        scale = op.constant(np.full((shape[0], 1), count + 1, np.float16))
        scale.set_friendly_name(name + "/scale")
        wide = op.convert(small, "f16")
        scaled = op.multiply(wide, scale)
        wide.set_friendly_name(name + "/convert")
        scaled.set_friendly_name(name + "/fq_weights_1")
        for reader in readers:
            reader.replace_source_output(scaled.output(0))
        count += 1
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixture", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = ov.Core().read_model(restored(arguments.fixture, folder))
        print(compress(model), "matrices")
        made = pathlib.Path(folder) / "out" / "openvino_model.xml"
        made.parent.mkdir()
        ov.serialize(model, made)
        export_families.strip(made, arguments.out)


main()
