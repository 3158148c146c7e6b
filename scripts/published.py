#!/usr/bin/env python3
"""Writes the section "published rows" of docs/accuracy.md: estimates, predictions and published figures of VLM pipelines.

usage: published.py --memgraph target/release/memgraph --models ../shared/models --write docs/accuracy.md
       published.py --memgraph target/release/memgraph --models ../shared/models --reports examples/published/predictions

Estimates come from fixtures/measured/published_vlm.json by the crate's own formulas; predictions need full-size exports
(stripped of their weights), which are not part of this repository. One profile, one set of options for all rows. `--reports`
writes these predictions as reports, for the checks of examples/published/memgraph.toml.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import common

MB = 1 << 20
# Row of the table: folder with the full-size export.
FULL = {
    "qwen2_5-vl-3b": "qwen2.5-vl-3b-full-fp16",
    "gemma-3-4b-it-f16": "gemma-3-4b-it-full-fp16",
    "llava-1.5-7b-hf-4bit": "llava-1.5-7b-full-int4",
}
OPTIONS = ["--logits", "last", "--new-tokens", "128"]
BEGIN, END = "<!-- published.py begin -->", "<!-- published.py end -->"


def report(binary, arguments):
    out = subprocess.run([binary, *arguments, "--json", "-"], capture_output=True, text=True, check=False)
    if out.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(arguments)}: {out.stderr}")
    return json.loads(out.stdout)


def estimate(binary, row):
    """The published estimate, once the crate's own agrees with it on files of the published lengths."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "config.json").write_text(json.dumps(row["config"]))
        published = row["published_estimate_mb"]
        for name, size in (("vision_embeddings", published["vit"]["weight"]), ("language", published["llm"]["weight"]),
                           ("text_embeddings", row["text_embeddings_mb"])):
            with open(folder / f"openvino_{name}_model.bin", "wb") as file:
                file.truncate(round(size * MB))
        found = report(binary, ["vlm", str(folder), str(row["seq"]), "--profile", "components"])
    total = found["totals"]["total_bytes"] / MB
    if abs(total - published["total"]) > 0.02:
        raise SystemExit(f"{row['model']}: estimate {total:.3f}, published {published['total']}")
    return published["total"]


def prediction(binary, models, row, profile, extra=()):
    folder = FULL.get(row["model"])
    if folder is None or not (models / folder).is_dir():
        return None
    image = {"qwen2_5-vl-3b": 1813, "gemma-3-4b-it-f16": 256, "llava-1.5-7b-hf-4bit": 576}[row["model"]]
    text = row["llm_length"] - image
    return report(binary, ["vlm", str(models / folder), str(row["seq"]), "--text-tokens", str(text), "--profile", profile,
                           *OPTIONS, *extra])


def figure(value, base):
    return "-" if value is None else f"{value:,.0f} ({100 * value / base:.0f} %)"


def fills(found, estimated):
    """Where a prediction's bytes are, in MB, largest first, and the estimate's figures."""
    totals = found["totals"]
    groups = {}
    for live in found["peak"]["live"]:
        key = (live["node"], live["class"])
        count, size = groups.get(key, (0, 0))
        groups[key] = (count + 1, size + live["bytes"])
    kv = totals["kv_cache_bytes"]
    weights = totals["weights_file_bytes"] + totals["weights_anonymous_bytes"]
    rows = [("weights", "", weights), ("KV cache, all layers", "", kv)]
    rest = totals["total_bytes"] - weights - kv
    nodes = [(name, kind, size) for (name, kind), (_, size) in groups.items() if kind != "kv_cache"]
    nodes.sort(key=lambda item: (-item[2], item[0]))
    for name, kind, size in nodes[:6]:
        rows.append((f"`{name}`", kind, size))
        rest -= size
    rows.append(("everything else", "", max(rest, 0)))
    lines = ["| what | class | MB |", "|---|---|---|"]
    lines += [f"| {name} | {kind} | {size / MB:,.1f} |" for name, kind, size in rows]
    lines.append(f"| prediction | | {totals['total_bytes'] / MB:,.1f} |")
    lines.append(f"| component estimate | | {estimated:,.1f} |")
    return lines


def write_reports(binary, models, folder):
    """The predictions as reports without lists of nodes and blocks, and without paths of this machine."""
    rows = json.loads((common.ROOT / "fixtures/measured/published_vlm.json").read_text())["rows"]
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        for profile in ("openvino-gpu", "openvino-cpu"):
            found = prediction(binary, models, row, profile)
            if found is None:
                continue
            found["model"]["path"] = found["model"]["file"] = FULL[row["model"]]
            found["peak"]["live"] = []
            for key in ("blocks", "diagnostics", "breakdown"):
                found[key] = []
            for key in ("components", "suggestions", "accuracy"):
                found.pop(key, None)
            (folder / f"{row['model']}.{profile}.json").write_text(json.dumps(found, indent=1) + "\n")


def section(binary, models):
    rows = json.loads((common.ROOT / "fixtures/measured/published_vlm.json").read_text())["rows"]
    lines = ["| row | SEQ, prompt | estimate | openvino-gpu | openvino-cpu | published OpenVINO | published llama.cpp |",
             "|---|---|---|---|---|---|---|"]
    details = []
    for row in rows:
        estimated = estimate(binary, row)
        gpu = prediction(binary, models, row, "openvino-gpu")
        cpu = prediction(binary, models, row, "openvino-cpu")
        total = lambda found: None if found is None else found["totals"]["total_bytes"] / MB
        measured = row["measured_mb"]
        cells = [figure(total(gpu), estimated), figure(total(cpu), estimated), figure(measured["openvino"], estimated),
                 figure(measured["llama_cpp"], estimated)]
        lines.append(f"| {row['model']} | {row['seq']}, {row['llm_length']} | {estimated:,.2f} | " + " | ".join(cells) + " |")
        if gpu:
            off = abs(total(gpu) - measured["openvino"])
            base = abs(estimated - measured["openvino"])
            details += ["", f"**{row['model']}**: `openvino-gpu` is {off:,.0f} MB from the published figure, the estimate "
                            f"{base:,.0f} MB. Highest in phase `{gpu['peak']['phase']}`."]
            plain = prediction(binary, models, row, "openvino-gpu", ["--xmx", "no"])
            details += [f"Without XMX it would be {total(plain):,.0f} MB."]
            details += ["", *fills(gpu, estimated)]
    return "\n".join(lines + details)


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--models", type=Path, default=common.ROOT.parent / "shared/models")
    parser.add_argument("--write", type=Path)
    parser.add_argument("--reports", type=Path, help="the folder that the predictions are written to")
    arguments = parser.parse_args()
    if arguments.reports is not None:
        write_reports(common.find_memgraph(arguments.memgraph), arguments.models, arguments.reports)
        return
    text = section(common.find_memgraph(arguments.memgraph), arguments.models)
    if arguments.write is None:
        print(text)
        return
    common.replace_section(arguments.write, BEGIN, END, text)


main()
