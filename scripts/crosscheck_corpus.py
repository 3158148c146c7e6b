#!/usr/bin/env python3
"""Compares memgraph's shapes with OpenVINO's own inference, operator by operator.

    scripts/crosscheck_corpus.py [--memgraph PATH] [--only TEXT] [--keep DIR] [-v]

Two corpora, each a set of small IRs:

* onnx: every node test of the `onnx` package, function bodies spelt out as well, that OpenVINO's ONNX frontend reads,
  with the test's own input shapes;
* opset: the models of scripts/corpus_openvino.py, which holds every operator type of OpenVINO's opsets.

Where OpenVINO leaves a shape open with bare input shapes, small inputs (integers, booleans, lists of floats) become
constants that hold the test's data, each only if more shapes would stay open without it: shapes may depend on values,
and both sides then see them.
Each IR is read back from disk by OpenVINO and by memgraph, and every output port compared: equal where OpenVINO's
shape is static, within its interval where it is not.

Exit status: 0 at least 99 % of the cases of either corpus agree, 1 fewer do, 2 the check itself could not run.
"""

import contextlib
import io
import pathlib
import sys
import tempfile
import warnings
from dataclasses import dataclass, field

import numpy
import onnx
import onnx.numpy_helper
import openvino as ov
from onnx.backend.test.case.node import collect_testcases

import common
import corpus_openvino
import oracle

REQUIRED_PERCENT = 99.0
MAX_CONSTANT_ELEMENTS = 4096


@dataclass
class Tally:
    """What came of one corpus."""

    name: str
    total: int = 0
    read: int = 0
    static: int = 0
    agreeing: int = 0
    ports: int = 0
    faults: list = field(default_factory=list)

    def percent(self):
        return 100.0 * self.agreeing / self.read if self.read else 0.0


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--keep", metavar="DIR", help="leave the IRs here")
    parser.add_argument("-v", "--verbose", action="store_true", help="all faults of a case, not the first alone")
    args = parser.parse_args()

    memgraph = common.find_memgraph(args.memgraph)
    core = ov.Core()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(args.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="memgraph-corpus-")))
        tallies = [
            check_corpus(core, memgraph, "onnx", onnx_cases(core, args.only), folder / "onnx", args.verbose),
            check_corpus(core, memgraph, "opset", opset_cases(args.only), folder / "opset", args.verbose),
        ]
    print(f"\n{'corpus':<8}{'cases':>8}{'read':>8}{'static':>8}{'agree':>8}{'percent':>9}{'ports':>8}")
    for tally in tallies:
        print(f"{tally.name:<8}{tally.total:>8}{tally.read:>8}{tally.static:>8}{tally.agreeing:>8}"
              f"{tally.percent():>9.2f}{tally.ports:>8}")
    return 0 if all(tally.percent() >= REQUIRED_PERCENT for tally in tallies if tally.total) else 1


def check_corpus(core, memgraph, name, cases, folder, verbose):
    """Writes, reads back and compares every case; `cases` yields (name, model or None where OpenVINO reads none)."""
    folder.mkdir(parents=True, exist_ok=True)
    tally = Tally(name)
    for case, model in cases:
        tally.total += 1
        if model is None:
            continue
        xml = folder / f"{case}.xml"
        try:
            ov.serialize(model, xml)
            model = core.read_model(xml)
        except RuntimeError as error:
            # An operator of the frontend alone, which no IR can hold.
            if name != "onnx":
                raise SystemExit(f"error: OpenVINO cannot read back {case}: {error}") from error
            continue
        expected = [port for port in oracle.expected_ports(model) if not is_added(port, xml)]
        tally.read += 1
        tally.static += all(port.is_static() for port in expected)
        try:
            result = oracle.compare(expected, oracle.dump_shapes(memgraph, xml))
        except oracle.MemgraphError as error:
            faults = [" ".join(str(error).split("\n  help:")[0].split())]
        else:
            tally.ports += result.compared
            faults = list(result.faults())
        tally.agreeing += not faults
        for text in faults if verbose else faults[:1]:
            print(f"{name} {case}: {text}")
    return tally


def is_added(port, xml):
    """Whether OpenVINO's reader made this constant up: it gives an opset1 LSTMCell a peephole input of zeros."""
    return port.type == "Const" and f'name="{port.node}"' not in xml.read_text() and " > " not in port.node


def onnx_cases(core, only):
    """(name, model) of every ONNX node test; None where OpenVINO does not read it."""
    with warnings.catch_warnings():
        # The tests' reference implementations divide by zero on purpose.
        warnings.simplefilter("ignore")
        cases = sorted(collect_testcases(None), key=lambda case: case.name)
    for case in cases:
        if only in case.name and case.model is not None:
            yield case.name, onnx_model(core, case)


def onnx_model(core, case):
    inputs, _ = case.data_sets[0]
    try:
        model = core.read_model(io.BytesIO(case.model.SerializeToString()))
        values = dict(zip([value.name for value in case.model.graph.input], map(as_array, inputs)))
        values = {parameter: values[name] for parameter in model.get_parameters()
                  for name in parameter.output(0).get_names() if values.get(name) is not None}
        for parameter, value in values.items():
            parameter.set_partial_shape(ov.PartialShape(list(value.shape)))
        if any(parameter.get_partial_shape().rank.is_dynamic for parameter in model.get_parameters()):
            # A sequence or an optional: an IR has neither, so the input has no shape that could be given.
            return None
        model.validate_nodes_and_infer_types()
        if n_open(model):
            fix_shape_inputs(model, values)
        return model
    except RuntimeError:
        return None


def fix_shape_inputs(model, values):
    """Turns those small inputs into constants without which more shapes would stay open."""
    constants = {}
    for parameter, value in values.items():
        # numpy has no bfloat16.
        is_list = value.dtype.kind in "iub" or (value.dtype.kind in "fV" and value.ndim <= 1)
        if is_list and value.size <= MAX_CONSTANT_ELEMENTS:
            constants[parameter] = ov.op.Constant(parameter.get_element_type(), ov.Shape(value.shape), value.ravel().tolist())
            constants[parameter].set_friendly_name(parameter.get_friendly_name())
    for parameter, constant in constants.items():
        replace(model, parameter, constant)
    fewest = n_open(model)
    for parameter, constant in constants.items():
        replace(model, constant, parameter)
        if n_open(model) > fewest:
            replace(model, parameter, constant)
            model.remove_parameter(parameter)


def replace(model, old, new):
    for user in old.output(0).get_target_inputs():
        user.replace_source_output(new.output(0))
    model.validate_nodes_and_infer_types()


def n_open(model):
    return sum(not port.is_static() for node in model.get_ordered_ops() for port in oracle.ports_of(node))


def as_array(value):
    """The test's data as an array; None for sequences and absent optionals."""
    if isinstance(value, onnx.TensorProto):
        value = onnx.numpy_helper.to_array(value)
    return numpy.asarray(value) if isinstance(value, (numpy.ndarray, numpy.generic)) else None


def opset_cases(only):
    for name, model in corpus_openvino.models():
        if only in name:
            yield name, model


if __name__ == "__main__":
    sys.exit(main())
