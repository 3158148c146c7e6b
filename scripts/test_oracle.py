#!/usr/bin/env python3
"""Tests of the cross-checks themselves: a planted fault of each kind must be found."""

import unittest

import corpus_openvino
import openvino as ov
import oracle


def port(*dims, type="MatMul", index=0, dtype="f32"):
    return oracle.Port("node", type, index, dtype, tuple(dim if isinstance(dim, tuple) else (dim, dim) for dim in dims))


def tensor(*shape, type="MatMul", index=0, dtype="f32", bound="exact", node="node"):
    return {"node": node, "type": type, "port": index, "shape": list(shape), "dtype": dtype, "bound": bound}


class Compare(unittest.TestCase):
    def test_equal_ports_agree(self):
        result = oracle.compare([port(2, 3), port(4, index=1)], [tensor(4, index=1), tensor(2, 3)])
        self.assertTrue(result.agrees())
        self.assertEqual((result.compared, result.static), (2, 2))

    def test_faults_are_found(self):
        for name, ours in [("dim", tensor(2, 4)), ("rank", tensor(2, 3, 1)), ("type", tensor(2, 3, dtype="f16")),
                           ("unknown", {**tensor(), "shape": None})]:
            with self.subTest(name):
                result = oracle.compare([port(2, 3)], [ours])
                self.assertEqual(len(result.different), 1)
                self.assertEqual(len(list(result.faults())), 1)

    def test_ports_must_be_there(self):
        self.assertEqual(len(oracle.compare([port(2)], []).missing), 1)
        self.assertEqual(len(oracle.compare([port(2)], [tensor(2), tensor(2, index=1)]).unknown), 1)
        self.assertEqual(oracle.compare([port(2)], [tensor(2), tensor(7, node="dead")]).unknown, [])

    def test_repeated_names_take_one_tensor_each(self):
        self.assertTrue(oracle.compare([port(2), port(3)], [tensor(3), tensor(2)]).agrees())
        self.assertFalse(oracle.compare([port(2), port(2)], [tensor(3), tensor(2)]).agrees())

    def test_dynamic_ports_are_intervals(self):
        for ours, fits in [(tensor(5), True), (tensor(0), False), (tensor(9), False), (tensor(8), True),
                           (tensor(5, bound="upper_bound"), False), (tensor(8, bound="upper_bound"), True),
                           ({**tensor(), "shape": None}, False)]:
            self.assertEqual(port((1, 8)).holds(ours), fits, ours)
        self.assertTrue(port((1, -1)).holds(tensor(10**9, bound="upper_bound")))
        self.assertTrue(port((1, 8), type="Unique").holds(tensor(5, type="Unique", bound="upper_bound")))
        self.assertFalse(port((1, 8), type="Unique").holds(tensor(9, type="Unique", bound="upper_bound")))


class Expected(unittest.TestCase):
    def test_variables_start_as_initialised(self):
        xml, weights = corpus_openvino.ir_of(
            "ReadValue-6 f32[2,3] ; variable_id=state variable_type=f32 variable_shape=?,3 | Assign-6 @0 ; variable_id=state")
        model = ov.Core().read_model(xml.encode(), ov.Tensor(weights))
        for _ in range(2):
            ports = {port.type: str(port) for port in oracle.expected_ports(model)}
            self.assertEqual(ports, {"Parameter": "f32[2,3]", "ReadValue": "f32[2,3]", "Assign": "f32[0..,3]"})

    def test_bodies_are_walked(self):
        names = [port.node for port in oracle.expected_ports(corpus_openvino.if_model()) if " > then > " in port.node]
        self.assertEqual(len(names), 2)

    def test_every_operator_has_a_line(self):
        self.assertGreater(len(corpus_openvino.opset_operators()), 200)
        self.assertGreater(sum(1 for _ in corpus_openvino.models()), 300)


if __name__ == "__main__":
    unittest.main()
