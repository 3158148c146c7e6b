#!/usr/bin/env python3
"""Writes the list of all operators of the `onnx` wheel, with the operator sets that introduced or changed them.

    scripts/onnx_operators.py > tests/onnx/operators.txt

tests/onnx/operators.rs demands that the reader's tables know each of them.
"""

import collections

import onnx


def main():
    versions = collections.defaultdict(set)
    for schema in onnx.defs.get_all_schemas_with_history():
        versions[schema.domain or "ai.onnx", schema.name].add(schema.since_version)
    print(f"# Operators of onnx {onnx.__version__}: domain, name, versions. Written by scripts/onnx_operators.py.")
    for (domain, name), since in sorted(versions.items()):
        print(domain, name, ",".join(map(str, sorted(since))))


if __name__ == "__main__":
    main()
