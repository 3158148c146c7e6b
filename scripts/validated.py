"""What was measured of each runtime, and how near the estimates were: the counts that a report's line on accuracy is made of.

src/report/validated.json has a row per profile, kind of model, processor and release; docs/validated.md shows the rows. Each
script that compares predictions with records replaces the rows of its own profile.
"""

import json
from collections import defaultdict

import common

COUNTS = common.ROOT / "src/report/validated.json"
DOCUMENT = common.ROOT / "docs/validated.md"
PERCENTS = (1, 3, 10)
HEADER = """# What was measured, and how near the estimates were

Made by `scripts/accuracy.py`, `scripts/accuracy_onnxruntime.py` and `scripts/accuracy_llama_cpp.py` with `--write`; the same
counts are in `src/report/validated.json`, where the report reads its line on accuracy. Per profile, kind of model, processor
and release: how many runs were measured, and of how many the heap and the resident set at the peak of the first inference
(llama.cpp: of the prompt) were within 1, 3 and 10 %. "No" under *validated*: rules were derived from these runs, so that the
counts are not those of unknown models. A kind without a row was not measured; pipelines of several models are such a kind.

| profile | kind of model | processor | release | validated | runs | heap within 1, 3, 10 % | resident within 1, 3, 10 % |
|---|---|---|---|---|---|---|---|
"""


def within(percents):
    """How many deviations are within 1, 3 and 10 %."""
    percents = list(percents)
    return {f"within_{limit}_percent": sum(abs(one) <= limit for one in percents) for limit in PERCENTS}


def row_of(report):
    """Kind of model, processor and version, as a report states them."""
    return report["accuracy"]["kind"], report["accuracy"]["machine"], report["profile"]["version"]


def counted(runs):
    """The rows of runs, each `((kind, machine, release), percents)` with the deviations of `heap` and `resident` or of one."""
    groups = defaultdict(list)
    for key, percents in runs:
        groups[key].append(percents)
    rows = []
    for (kind, machine, version), found in sorted(groups.items()):
        row = {"kind": kind, "machine": machine, "version": version, "validated": False, "runs": len(found)}
        for what in ("heap", "resident"):
            if all(what in one for one in found):
                row[what] = within(one[what] for one in found)
        rows.append(row)
    return rows


def read():
    return json.loads(COUNTS.read_text()) if COUNTS.exists() else {"kinds": [], "axes": []}


def replace(profile, rows, axes=None):
    """Writes the rows of a profile to both files, next to those of the others."""
    found = read()
    found["kinds"] = [row for row in found["kinds"] if row["profile"] != profile]
    found["kinds"] += [{"profile": profile, **row} for row in rows]
    found["kinds"].sort(key=lambda row: (row["profile"], row["kind"], row["machine"], row["version"]))
    found["axes"] = found["axes"] if axes is None else axes
    COUNTS.write_text(json.dumps(found, indent=1) + "\n")
    DOCUMENT.write_text(HEADER + "".join(map(line, found["kinds"])))


def line(row):
    def cell(what):
        return " / ".join(str(row[what][f"within_{limit}_percent"]) for limit in PERCENTS) if what in row else "-"

    cells = [row["profile"], row["kind"], row["machine"], row["version"], "yes" if row["validated"] else "no", row["runs"],
             cell("heap"), cell("resident")]
    return f"| {' | '.join(map(str, cells))} |\n"
