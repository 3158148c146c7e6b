#!/usr/bin/env python3
"""Looks for shapes on which memgraph and OpenVINO disagree, by mutating the one-line models of the opset corpus.

    scripts/fuzz_shapes.py [--memgraph PATH] [--seed N] [--rounds N] [--only TEXT]

Each round changes every line of scripts/corpus_openvino.py in one to three places: a dim or number everywhere or once,
a flag, a word of an attribute. What OpenVINO still reads is compared port by port; what it refuses memgraph may take or
refuse, but must end with a proper exit status. Where memgraph alone refuses, it is counted as stricter: OpenVINO takes
negative sizes, kernels of 0 and states that do not fit hidden_size. A line that is found belongs into the corpus.

Exit status: 0 nothing found, 1 a difference or a crash, 2 the fuzzer itself could not run.
"""

import pathlib
import random
import re
import sys
import tempfile

import openvino as ov

import common
import corpus_openvino
import oracle

NUMBER = re.compile(r"(?<![\w.-])-?\d+(?![\w.])")
WORDS = [
    ("explicit", "same_upper", "same_lower", "valid"),
    ("floor", "ceil", "ceil_torch"),
    ("false", "true"),
    ("numpy", "none", "pdpd"),
    ("sizes", "scales"),
    ("forward", "reverse", "bidirectional"),
    ("blocks_first", "depth_first"),
]


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N")
    parser.add_argument("--only", default="", metavar="TEXT", help="only lines that contain TEXT")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    core = ov.Core()
    chance = random.Random(args.seed)
    lines = [line for line in corpus_openvino.lines() if args.only in line]
    count = {"read": 0, "refused": 0, "stricter": 0, "found": 0}
    with tempfile.TemporaryDirectory(prefix="memgraph-fuzz-") as folder:
        xml = pathlib.Path(folder) / "case.xml"
        for _ in range(args.rounds):
            for line in lines:
                mutant = mutate(line, chance)
                fault = check(core, memgraph, mutant, xml, count)
                if fault:
                    count["found"] += 1
                    print(f"{mutant}\n    {fault}", flush=True)
    print(f"seed {args.seed}: {count['read']} models compared, {count['refused']} refused by OpenVINO, "
          f"{count['stricter']} by memgraph alone, "
          f"{count['found']} faults")
    return 1 if count["found"] else 0


def check(core, memgraph, line, xml, count):
    """What is wrong with this line, in one line of text; None if nothing is."""
    try:
        text, weights = corpus_openvino.ir_of(line)
    except (KeyError, OverflowError, ValueError):
        # Not a line any more.
        return None
    try:
        ov.serialize(core.read_model(text.encode(), ov.Tensor(weights)), xml)
        expected = oracle.expected_ports(core.read_model(xml))
    except RuntimeError:
        count["refused"] += 1
        expected = None
        xml.write_text(text)
        xml.with_suffix(".bin").write_bytes(weights.tobytes())
    try:
        tensors = oracle.dump_shapes(memgraph, xml)
    except oracle.MemgraphError as error:
        if error.status == 2:
            count["stricter"] += expected is not None
            return None
        return " ".join(str(error).split("\n  help:")[0].split())
    if expected is None:
        return None
    count["read"] += 1
    named = [port for port in expected if port.type != "Const"]
    return next(oracle.compare(named, [tensor for tensor in tensors if tensor["type"] != "Const"]).faults(), None)


def mutate(line, chance):
    head, *rest = line.split(" ", 1)
    body = "".join(rest)
    for _ in range(chance.randint(1, 3)):
        body = mutate_once(body, chance)
    return f"{head} {body}"


def mutate_once(body, chance):
    families = [family for family in WORDS if any(re.search(rf"={word}\b", body) for word in family)]
    if families and chance.random() < 0.3:
        family = chance.choice(families)
        old = chance.choice([word for word in family if re.search(rf"={word}\b", body)])
        return re.sub(rf"={old}\b", f"={chance.choice(family)}", body, count=chance.randint(0, 1))
    numbers = list(NUMBER.finditer(body))
    if not numbers:
        return body
    old = chance.choice(numbers)
    new = chance.choice([int(old[0]) + 1, int(old[0]) - 1, int(old[0]) * 2, 0, 1, chance.randint(-3, 12)])
    attributes = body.find(";") if ";" in body else len(body)
    if old.start() > attributes and int(old[0]) > 0:
        # Strides of 0 and the like: OpenVINO does not look, and no run survives them.
        new = max(new, 1)
    if chance.random() < 0.5:
        return NUMBER.sub(lambda match: str(new) if match[0] == old[0] else match[0], body)
    return body[:old.start()] + str(new) + body[old.end():]


if __name__ == "__main__":
    sys.exit(main())
