#!/usr/bin/env python3
"""Compares memgraph's shapes with OpenVINO's own inference, on every output port of every node of real exports.

    scripts/crosscheck_openvino.py [--models DIR]... [--memgraph PATH] [--only TEXT] [-v]

Takes every IR below fixtures/ and each --models folder through lengths 1, 7, 512, 1813, 8192 and batches 1 and 3; vision
towers through their image sizes. Where OpenVINO's shape is static ours must be equal, element type too; where it is
dynamic ours must be within. Where OpenVINO refuses the input shapes, memgraph must refuse them too. For the comparison
every input's shape is given with `--input`; memgraph must bind the same shapes by role (`--bind batch=3 --bind seq=7`).

Exit status: 0 all agree, 1 a port differs or was not compared, 2 the check itself could not run.
"""

import json
import pathlib
import sys

import openvino as ov

import common
import oracle

ENCODED = 100
LENGTHS = (1, 7, 512, 1813, 8192)
BATCHES = (1, 3)
MAX_FAULTS_SHOWN = 5


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--models", action="append", default=[], metavar="DIR", help="another folder of exports")
    parser.add_argument("--only", default="", metavar="TEXT", help="only files whose path contains TEXT")
    parser.add_argument("-v", "--verbose", action="store_true", help="one line per case, and all faults")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    folders = [common.ROOT / "fixtures", *map(pathlib.Path, args.models)]
    # An export that is in several folders counts once.
    # What has no .bin is an execution graph, which OpenVINO writes and does not read.
    exports = {(xml.parent.name, xml.name): xml for folder in reversed(folders) for xml in folder.rglob("*.xml")
               if xml.with_suffix(".bin").exists()}
    files = [exports[key] for key in sorted(exports) if args.only in str(exports[key])]
    if not files:
        print(f"error: no IR below {', '.join(map(str, folders))}", file=sys.stderr)
        return 2

    core = ov.Core()
    rows = [check_file(core, memgraph, xml, args.verbose) for xml in files]
    print_table(rows)
    return 0 if all(row["ok"] for row in rows) else 1


def check_file(core, memgraph, xml, verbose):
    """All cases of one IR, summed up."""
    name = f"{xml.parent.name}/{xml.stem}"
    row = {"name": name, "nodes": 0, "cases": 0, "refused": 0, "compared": 0, "static": 0,
           "missing": 0, "different": 0, "ok": True}

    def fault(case, text):
        row["ok"] = False
        print(f"{name} {case}: {text}")

    with oracle.with_full_bin(xml) as path:
        model = core.read_model(path)
        row["nodes"] = len(model.get_ordered_ops())
        # memgraph calls an input by its tensor's name, this script by its node's.
        names = {parameter.get_friendly_name(): {parameter.get_friendly_name(), *parameter.output(0).get_names()}
                 for parameter in model.get_parameters()}
        for roles, shapes in cases_of(model, config_of(xml)):
            case = ", ".join(f"{role} {number}" for role, number in roles.items())
            row["cases"] += 1
            try:
                expected = oracle.expected_ports(model, shapes)
            except RuntimeError as error:
                row["refused"] += 1
                try:
                    oracle.dump_shapes(memgraph, xml, shapes)
                    fault(case, f"OpenVINO refuses these inputs, memgraph takes them: {last_line(error)}")
                except oracle.MemgraphError as refusal:
                    if refusal.status != 2:
                        fault(case, f"memgraph should end with status 2: {refusal}")
                continue
            try:
                tensors = oracle.dump_shapes(memgraph, xml, shapes)
                bound = oracle.dump_inputs(memgraph, xml, roles)
            except oracle.MemgraphError as error:
                row["missing"] += len(expected)
                fault(case, error)
                continue
            agree = (any(bound.get(name) == dims for name in names[node]) for node, dims in shapes.items())
            if len(bound) != len(shapes) or not all(agree):
                fault(case, f"by role, memgraph binds {bound}; expected {shapes}")
            result = oracle.compare(expected, tensors)
            row["compared"] += result.compared
            row["static"] += result.static
            row["missing"] += len(result.missing) + len(result.unknown)
            row["different"] += len(result.different)
            faults = list(result.faults())
            shown = faults if verbose else faults[:MAX_FAULTS_SHOWN]
            for text in shown:
                fault(case, text)
            if len(faults) > len(shown):
                print(f"{name} {case}: and {len(faults) - len(shown)} more (-v shows all)")
            if verbose:
                print(f"{name} {case}: {result.compared} ports compared, {result.static} of them static in OpenVINO")
    if row["cases"] == row["refused"]:
        fault("all cases", "OpenVINO takes none of the input shapes: mend `cases_of`")
    return row


def cases_of(model, config):
    """The runs to try: ({role: number}, {parameter: dims}) pairs."""
    parameters = {parameter.get_friendly_name(): parameter.get_partial_shape() for parameter in model.get_parameters()}
    if "pixel_values" in parameters or any(len(shape) == 4 for shape in parameters.values()):
        for batch in BATCHES:
            for height, width in image_sizes(config):
                dims = image_dims(batch, height, width, config)
                yield {"batch": batch, "height": height, "width": width}, bind(parameters, dims)
    elif "window_index" in parameters or "hidden_states" in parameters:
        for length in LENGTHS:
            # Patches come in 2x2 groups, each of which becomes one token.
            patches = 4 * ((length + 3) // 4)
            yield {"patches": patches}, bind(parameters, patch_dims(patches, config))
    else:
        for batch in BATCHES:
            for length in LENGTHS:
                roles = {"batch": batch, "seq": length}
                if "decoder_input_ids" in parameters:
                    # No role says how long the encoder's output is.
                    roles |= {"encoder_hidden_states.0": batch, "encoder_hidden_states.1": ENCODED}
                if "x" in parameters:
                    # A name without a meaning has no roles.
                    roles = {"x.0": batch, "x.1": length}
                yield roles, bind(parameters, text_dims(batch, length))


def text_dims(batch, length):
    """Dims by parameter name for text models; None represents the parameter's own static dim."""
    return {
        "input_ids": (batch, length),
        "input": (batch, length),
        "attention_mask": (batch, length),
        "token_type_ids": (batch, length),
        # M-RoPE has three position ids per token, in front.
        "position_ids": (..., batch, length),
        "inputs_embeds": (batch, length, None),
        "x": (batch, length, None),
        "beam_idx": (batch,),
        "decoder_input_ids": (batch, length),
        # The encoder's output in fixtures/whisper-fp16-L1: the node has no better name.
        "Parameter_4719": (batch, ENCODED, None),
    }


def image_dims(batch, height, width, config):
    vision = config.get("vision_config", config)
    patch = vision.get("patch_size", 16)
    rows, columns = height // patch, width // patch
    return {
        "pixel_values": (batch, 3, height, width),
        "x": (batch, 3, height, width),
        "patch_attention_mask": (batch, rows, columns),
        "patch_position_ids": (batch, rows * columns),
    }


def image_sizes(config):
    """The size that the export was made for, then others: OpenVINO decides which of them the graph takes."""
    vision = config.get("vision_config", config)
    own = vision.get("image_size", 224)
    return dict.fromkeys([(own, own), (224, 224), (448, 448), (336, 512), (1, 1)])


def patch_dims(patches, config):
    vision = config.get("vision_config", {})
    channels = vision.get("in_channels", vision.get("in_chans", 3))
    pixels = channels * vision.get("temporal_patch_size", 2) * vision.get("patch_size", 14) ** 2
    return {
        "hidden_states": (patches, pixels),
        "attention_mask": (1, patches, patches),
        "window_attention_mask": (1, patches, patches),
        "window_index": (patches // 4,),
        "rotary_pos_emb": (patches, None),
    }


def bind(parameters, dims):
    """Static dims for every parameter: its own where it has them, the given ones elsewhere."""
    bound = {}
    for name, shape in parameters.items():
        if name not in dims:
            raise SystemExit(f"error: no dims for parameter {name!r} {shape}; add it to scripts/crosscheck_openvino.py")
        wanted = list(dims[name])
        if wanted[0] is ...:
            wanted[:1] = [None] * (len(shape) - len(wanted) + 1)
        if len(wanted) != len(shape):
            raise SystemExit(f"error: parameter {name!r} has shape {shape}, and is given {len(wanted)} dims")
        bound[name] = [dim.get_length() if dim.is_static else number for dim, number in zip(shape, wanted)]
    return bound


def config_of(xml):
    """The export's config.json; an empty one if it has none."""
    path = xml.parent / "config.json"
    return json.loads(path.read_text()) if path.exists() else {}


def last_line(error):
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def print_table(rows):
    columns = ["nodes", "cases", "refused", "compared", "static", "missing", "different"]
    total = {"name": f"total of {len(rows)}", **{column: sum(row[column] for row in rows) for column in columns}}
    width = max(len(row["name"]) for row in [*rows, total])
    print(f"\n{'model':<{width}} " + " ".join(f"{column:>9}" for column in columns))
    for row in [*rows, total]:
        print(f"{row['name']:<{width}} " + " ".join(f"{row[column]:>9}" for column in columns))


if __name__ == "__main__":
    sys.exit(main())
