"""The two sides of a shape cross-check, and how they are compared.

Expected shapes come from OpenVINO alone (`expected_ports`), ours from `memgraph dump --stage shapes` alone
(`dump_shapes`); this module never derives a shape itself. OpenVINO's side is `validate_nodes_and_infer_types` on the
graph as it was read: `Model.reshape` would rewrite the graph first (it folds and fuses), so it cannot be the reference.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field

import openvino as ov

import common

# The IR writes four operators under older names than the C++ classes have.
# OpenVINO 2026.4.1, src/core/src/xml_util/xml_serialize_util.cpp.
IR_TYPE_NAMES = {"Constant": "Const", "PRelu": "PReLU", "Relu": "ReLU", "Softmax": "SoftMax"}

# Operators with bodies, and what the dump calls these.
BODIES = {"If": ("then", "else"), "Loop": ("body",), "TensorIterator": ("body",)}

# Operators whose data-dependent dims OpenVINO bounds loosely, so that a smaller bound of ours may be right: it bounds the
# number of distinct slices along an axis by the number of elements. OpenVINO 2026.4.1, shape inference of Unique.
LOOSE_BOUNDS = {"Unique"}

FULL_BIN_SIZE = re.compile(rb"full \.bin size: (\d+) bytes")


@dataclass(frozen=True)
class Port:
    """One output of one node: `dims` holds a (least, most) pair per dim, or is None where even the rank is unknown.
    `most` is -1 where nothing bounds it."""

    node: str
    type: str
    port: int
    dtype: str
    dims: tuple | None

    @property
    def key(self):
        return self.node, self.type, self.port

    def is_static(self):
        return self.dims is not None and all(least == most for least, most in self.dims)

    def holds(self, ours):
        """Whether a tensor of the dump has this type and is within these dims; an upper bound must be OpenVINO's, if
        it gives one: a shape that depends on data must not come out too small. An unknown shape is right only where
        OpenVINO has no bound either."""
        if self.dtype not in ("dynamic", ours["dtype"]):
            return False
        shape = ours["shape"]
        if self.dims is None:
            return True
        if shape is None:
            return any(most == -1 for _, most in self.dims)
        if len(shape) != len(self.dims):
            return False
        is_tight = ours["bound"] == "upper_bound" and self.type not in LOOSE_BOUNDS
        return all(
            least <= dim and (most == -1 or dim == most or (dim < most and not is_tight))
            for dim, (least, most) in zip(shape, self.dims)
        )

    def __str__(self):
        if self.dims is None:
            return f"{self.dtype}[...]"
        dims = [str(least) if least == most else f"{least}..{'' if most == -1 else most}" for least, most in self.dims]
        return f"{self.dtype}[{','.join(dims)}]"


@dataclass
class Comparison:
    """What came of comparing two lists of ports."""

    compared: int = 0
    static: int = 0
    missing: list = field(default_factory=list)
    different: list = field(default_factory=list)
    unknown: list = field(default_factory=list)

    def agrees(self):
        return not (self.missing or self.different or self.unknown)

    def faults(self):
        """One line per fault, in execution order of each kind."""
        yield from (f"different: {type_} {name!r} port {port}: OpenVINO {theirs}, memgraph {ours}"
                    for (name, type_, port), theirs, ours in self.different)
        yield from (f"missing in memgraph: {port.type} {port.node!r} port {port.port}: OpenVINO {port}"
                    for port in self.missing)
        yield from (f"not in OpenVINO's model: {tensor['type']} {tensor['node']!r} port {tensor['port']}"
                    for tensor in self.unknown)


class MemgraphError(Exception):
    """memgraph ended with an error; the text is what it printed."""

    def __init__(self, status, text):
        super().__init__(f"exit status {status}: {text}")
        self.status = status


@contextlib.contextmanager
def with_full_bin(xml):
    """A path under which OpenVINO can read the IR even if its weights were stripped.

    The XML's last line then gives the full size of the .bin; a sparse copy of that size takes no space, and the
    weights read as zeros. An IR with its weights is used as it is.
    """
    xml = pathlib.Path(xml)
    with open(xml, "rb") as file:
        file.seek(max(0, xml.stat().st_size - 256))
        size = FULL_BIN_SIZE.search(file.read())
    if size is None:
        yield xml
        return
    with tempfile.TemporaryDirectory(prefix="memgraph-oracle-") as folder:
        copy = pathlib.Path(folder) / xml.name
        copy.symlink_to(xml.resolve())
        weights = copy.with_suffix(".bin")
        shutil.copyfile(xml.with_suffix(".bin"), weights)
        os.truncate(weights, int(size[1]))
        yield copy


def expected_ports(model, shapes=None):
    """Every output port of the nodes of `model` as OpenVINO infers it for these parameter shapes, in execution order.

    `shapes`: parameter's friendly name → dims; None keeps all as declared. Variables start as their initialiser says,
    as in a run's first pass. Raises RuntimeError where OpenVINO refuses the shapes. Results are left out: an IR gives
    them no port.
    """
    for parameter in model.get_parameters():
        if shapes is not None:
            parameter.set_partial_shape(ov.PartialShape(list(shapes[parameter.get_friendly_name()])))
    model.validate_nodes_and_infer_types()
    nodes = model.get_ordered_ops()
    if not model.get_variables():
        return [port for node in nodes for port in ports_of(node)]
    # An Assign insists that its variable can hold what it is given, so it is judged before variables are pinned.
    pinned = model.clone()
    pinned_nodes = pinned.get_ordered_ops()
    pin_variables(pinned)
    pinned.validate_nodes_and_infer_types()
    pairs = zip(nodes, pinned_nodes, strict=True)
    return [port for node, twin in pairs for port in ports_of(node if node.get_type_name() == "Assign" else twin)]


def pin_variables(model):
    """Gives each variable the static shape of its initialiser, if it has one, and takes the Assigns out."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "ReadValue" and node.get_input_size() == 1:
            shape = node.get_input_partial_shape(0)
            variable = model.get_variable_by_id(node.get_attributes()["variable_id"])
            if shape.is_static:
                info = ov.op.util.VariableInfo()
                info.variable_id, info.data_type = variable.info.variable_id, variable.info.data_type
                info.data_shape = shape
                variable.update(info)
    for sink in model.get_sinks():
        model.remove_sink(sink)


def ports_of(node, prefix=""):
    """The output ports of `node`, and those of the nodes in its bodies, which are named `outer > body > inner`."""
    type_name = node.get_type_name()
    if type_name == "Result":
        return
    words = BODIES.get(type_name, ())
    for index, word in enumerate(words):
        body = node.get_function(index) if len(words) > 1 else node.get_function()
        for inner in body.get_ordered_ops():
            yield from ports_of(inner, f"{prefix}{node.get_friendly_name()} > {word} > ")
    for index in range(node.get_output_size()):
        shape = node.get_output_partial_shape(index)
        dims = None
        if not shape.rank.is_dynamic:
            dims = tuple((dim.get_min_length(), dim.get_max_length()) for dim in shape)
        dtype = node.get_output_element_type(index).get_type_name()
        yield Port(prefix + node.get_friendly_name(), IR_TYPE_NAMES.get(type_name, type_name), index, dtype, dims)


def dump_shapes(memgraph, file, inputs=None):
    """The tensors of `memgraph dump --stage shapes`, those of bodies named as `ports_of` names them; `inputs`: parameter
    name → dims, given as `--input`."""
    return list(tensors_of(dump(memgraph, file, ["--allow-opaque", *common.input_words(inputs or {})]), ""))


def dump_inputs(memgraph, file, roles):
    """Parameter name → dims as memgraph binds them by role; `roles`: role → number, given as `--bind`."""
    shapes = dump(memgraph, file, [f"--bind={role}={number}" for role, number in roles.items()])
    return {tensor["name"]: tensor["shape"] for tensor in shapes["inputs"]}


def dump(memgraph, file, options):
    command = [memgraph, "dump", str(file), "--stage", "shapes", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
    # 3: complete but for tensors of unknown size.
    if done.returncode not in (0, 3):
        raise MemgraphError(done.returncode, done.stderr.strip())
    return json.loads(done.stdout)


def tensors_of(shapes, prefix):
    yield from ({**tensor, "node": prefix + tensor["node"]} for tensor in shapes["tensors"])
    for body in shapes["graphs"]:
        yield from tensors_of(body, f"{prefix}{body['node']} > {body['body']} > ")


def compare(expected, tensors):
    """Holds the dump's tensors against OpenVINO's ports.

    Nodes are matched by name, type and port; where several share all three, each port of OpenVINO's takes one tensor
    that it holds. A tensor without a counterpart is a fault only if OpenVINO's model has its node: a node that no
    result needs is dropped by OpenVINO's reader.
    """
    ours = defaultdict(list)
    for tensor in tensors:
        ours[tensor["node"], tensor["type"], tensor["port"]].append(tensor)
    result = Comparison()
    for port in expected:
        candidates = ours[port.key]
        if not candidates:
            result.missing.append(port)
            continue
        match = next((tensor for tensor in candidates if port.holds(tensor)), None)
        if match is None:
            result.different.append((port.key, port, describe(candidates[0])))
        candidates.remove(match or candidates[0])
        result.compared += 1
        result.static += port.is_static()
    nodes = {(port.node, port.type) for port in expected}
    left = [tensor for tensors in ours.values() for tensor in tensors]
    result.unknown = [tensor for tensor in left if (tensor["node"], tensor["type"]) in nodes]
    return result


def describe(tensor):
    shape = tensor["shape"]
    return f"{tensor['dtype']}[{'...' if shape is None else ','.join(map(str, shape))}]"
