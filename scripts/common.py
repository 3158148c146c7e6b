"""What the scripts share: which memgraph they run, how it gets its inputs, and the sections of documents they write."""

import argparse
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def parser(text):
    """A parser of arguments whose help is a script's docstring, with the option that says which binary is run."""
    made = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--memgraph", metavar="PATH", help="binary to test (default: newest in the target directory)")
    return made


def records_parser(text):
    """The same for a script that holds memgraph against measured records, and writes tables to a document."""
    made = parser(text)
    made.add_argument("--measured", type=pathlib.Path, default=ROOT.parent / "shared/measured", help="the records")
    made.add_argument("--models", type=pathlib.Path, default=ROOT.parent / "shared/models", help="the models of them")
    made.add_argument("--write", type=pathlib.Path, help="the document whose tables are replaced")
    made.add_argument("--only", default="", help="records whose id holds this")
    return made


def find_memgraph(given):
    """The binary to run: `given`, $MEMGRAPH, or the newest build below the target directory."""
    if given or os.environ.get("MEMGRAPH"):
        return str(pathlib.Path(given or os.environ["MEMGRAPH"]).resolve())
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    builds = [path for path in (target / "release/memgraph", target / "debug/memgraph") if path.exists()]
    if not builds:
        print(f"error: no memgraph below {target}\n  help: run `cargo build --release`, or give `--memgraph PATH`",
              file=sys.stderr)
        sys.exit(2)
    return str(max(builds, key=lambda path: path.stat().st_mtime))


def input_words(shapes):
    """The options that give inputs their shapes; `shapes`: name → dims."""
    return [f"--input={name}={'x'.join(map(str, dims))}" for name, dims in shapes.items()]


def replace_section(document, begin, end, text):
    """Puts a text between two markers of a document."""
    before, rest = document.read_text().split(begin)
    _, after = rest.split(end)
    document.write_text(f"{before}{begin}\n{text}\n{end}{after}")
