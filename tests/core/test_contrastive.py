from __future__ import annotations

import math

import pytest
import torch

from medpipe.core.training.contrastive import InfoNce


def test_two_orthogonal_pairs_have_the_closed_form():
    x = torch.tensor([[2.0, 0.0], [0.0, 0.5]])
    one_way = math.log(1 + math.exp(-1 / 0.07))
    # Small as it is, the value is 2 * 6e-7.
    assert float(InfoNce()(x, x)) == pytest.approx(2 * one_way, rel=0.2)
    warm = math.log(1 + math.exp(-1.0))
    assert float(InfoNce(temperature=1.0)(x, x)) == pytest.approx(2 * warm, rel=1e-6)
    assert float(InfoNce(temperature=1.0, directions="mean")(x, x)) == pytest.approx(warm, rel=1e-6)


def test_the_two_directions_differ_and_are_added():
    x, y = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    rows = (math.log(2) + math.log(2)) / 2
    columns = (math.log(1 + math.exp(-1.0)) + math.log(1 + math.exp(1.0))) / 2
    assert float(InfoNce(temperature=1.0)(x, y)) == pytest.approx(rows + columns, rel=1e-6)


def test_lengths_do_not_matter():
    x, y = torch.randn(5, 8), torch.randn(5, 8)
    assert torch.allclose(InfoNce()(x, y), InfoNce()(3 * x, 0.1 * y), atol=1e-5)


def test_half_precision_vectors_are_compared_in_float32():
    x, y = torch.randn(5, 8), torch.randn(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = InfoNce()(x, y)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, InfoNce()(x, y))
