#!/usr/bin/env python3
"""Compares proto/onnx.proto with the descriptors of the `onnx` wheel: every field has the name, number and type that it
has there, and every field of the messages that are read is there or reserved. Texts and packed numbers may be bytes.

Exit status: 0 they agree, 1 they do not.
"""

import pathlib
import re
import sys

from onnx import onnx_ml_pb2

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "proto/onnx.proto"
TYPES = {1: "double", 2: "float", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 12: "bytes", 13: "uint32"}


def main():
    ours = read_schema(SCHEMA.read_text())
    faults = []
    for name, (fields, reserved, values) in ours.items():
        theirs = find(name)
        if values is not None:
            known = {value.name: value.number for value in theirs.values}
            faults += [f"{name}: {value} is not in onnx" for value in values.items() if value not in known.items()]
            faults += [f"{name}: {value} is missing" for value in known.items() if value not in values.items()]
            continue
        known = {field.number: (field.name, type_name(field), field.is_repeated) for field in theirs.fields}
        for number, (field, kind, repeated) in fields.items():
            expected = known.pop(number, None)
            if expected is None or expected[0] != field or expected[2] != repeated or not same(kind, expected[1]):
                faults.append(f"{name}: field {number} is {field} {kind}, and in onnx {expected}")
        faults += [f"{name}: field {number} {known[number]} is neither read nor reserved" for number in known.keys() - reserved]
        faults += [f"{name}: {number} is reserved, and unknown to onnx" for number in reserved - known.keys()]
    print("\n".join(faults) or f"{len(ours)} messages and enums agree with onnx")
    return 1 if faults else 0


def read_schema(text):
    """Name with dots -> ({number: (name, type, repeated)}, {reserved numbers}, {enum values} or None)."""
    found, stack = {}, []
    for line in text.splitlines():
        line = line.split("//")[0].strip()
        if match := re.match(r"(message|enum|oneof) (\w+) \{", line):
            stack.append(None if match[1] == "oneof" else match[2])
            if match[1] != "oneof":
                found[".".join(filter(None, stack))] = ({}, set(), {} if match[1] == "enum" else None)
            continue
        if line == "}":
            stack.pop()
            continue
        scope = ".".join(filter(None, stack))
        if match := re.match(r"reserved ([\d, ]+);", line):
            found[scope][1].update(map(int, match[1].split(",")))
        elif match := re.match(r"(repeated )?(\w+) (\w+) = (\d+);", line):
            found[scope][0][int(match[4])] = (match[3], match[2], bool(match[1]))
        elif match := re.match(r"(\w+) = (\d+);", line):
            found[scope][2][match[1]] = int(match[2])
    return found


def find(name):
    first, *rest = name.split(".")
    found = onnx_ml_pb2.DESCRIPTOR.message_types_by_name[first]
    for part in rest:
        found = found.nested_types_by_name.get(part) or found.enum_types_by_name[part]
    return found


def type_name(field):
    if field.message_type:
        return field.message_type.name
    return field.enum_type.name if field.enum_type else TYPES[field.type]


def same(ours, theirs):
    return ours == theirs or ours == "bytes" and theirs in ("string", "float", "double", "int32", "int64", "uint64")


if __name__ == "__main__":
    sys.exit(main())
