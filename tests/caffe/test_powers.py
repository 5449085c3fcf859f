"""Powers where Python's ** raises an error or finds a complex number: what C's pow gives, and so Caffe."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplandmark.caffe.proto import caffe_pb2
from deeplandmark.caffe.solvers.learning_rate import learning_rate
from deeplandmark.work.c_power import c_power
from tests.helpers.onnx_runs import net_text, run_both

BEYOND = [(1.5, 1e6, math.inf), (-2.0, 0.5, math.nan), (0.0, -1.0, math.inf), (-1.5, 1e6 + 1, -math.inf)]


@given(st.floats(0.01, 100), st.floats(-20, 20))
def test_usual_powers_are_pythons(base, exponent):
    assert c_power(base, exponent) == base ** exponent


@pytest.mark.parametrize("base, exponent, value", BEYOND)
def test_a_constant_power(base, exponent, value, tmp_path):
    text = net_text(f'type: "Power" power_param {{ scale: 0 shift: {base} power: {exponent} }}', (2, 3))
    for found in run_both(text, 2, tmp_path)["out"]:
        np.testing.assert_array_equal(found, np.full((2, 3), value, np.float32))


def test_rates_that_leave_the_numbers():
    for fields, value in (({"lr_policy": "exp", "gamma": 10.0}, math.inf),
                          ({"lr_policy": "poly", "power": -1.0, "max_iter": 5}, math.inf)):
        assert learning_rate(caffe_pb2.SolverParameter(base_lr=0.1, **fields), 1000) == value
