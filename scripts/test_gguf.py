#!/usr/bin/env python3
"""Tests of scripts/gguf_mixes.py: that each tensor gets the type that llama-quantize gave it (fixtures/gguf/mixes.json)."""

import json
import pathlib
import tempfile
import unittest

import gguf_mixes
import make_gguf

RECORDS = pathlib.Path(__file__).resolve().parent.parent / "fixtures/gguf/mixes.json"


class Mixes(unittest.TestCase):
    def test_every_recorded_mix(self):
        records = json.loads(RECORDS.read_text())["mixes"]
        self.assertGreater(len(records), 300)
        made = {}
        with tempfile.TemporaryDirectory() as folder:
            for record in records:
                name = record["model"]
                if name not in made:
                    made[name] = make_gguf.model(name, f"{folder}/{name}.gguf")
                model = made[name]
                before = list(model.t)
                make_gguf.mix(model, record["mix"], record["imatrix"])
                types = {tensor: type_.name.upper() for tensor, _, type_ in model.t}
                model.t = before
                found = gguf_mixes.digest(types)
                self.assertEqual(found, (record["types"], record["digest"]), f"{name} {record['mix']} {record['imatrix']}")

    def test_rows_that_are_not_whole_blocks_get_smaller_ones(self):
        mix = gguf_mixes.Mix("Q4_K_M", "llama", 2, 8, 8)
        rows = [(f"blk.0.ffn_{kind}.weight", (width, 64), None) for kind, width in (("up", 896), ("gate", 2048), ("down", 30))]
        types = [type_.name for _, type_ in sorted(mix.types(rows).items())]
        self.assertEqual(types, ["F16", "Q4_K", "Q5_0"])


if __name__ == "__main__":
    unittest.main()
