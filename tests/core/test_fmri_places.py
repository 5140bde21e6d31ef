"""Strategies name columns, Gaussians have the width that was asked for, parcels are means."""

from __future__ import annotations

import numpy as np
import pytest
from scans import MOTION, confounds

from medpipe.core.errors import InputError
from medpipe.core.fmri.parcels import ParcelMeans
from medpipe.core.fmri.smoothing import smoothed
from medpipe.core.fmri.strategy import strategy_columns

NAMES = confounds()[0]


def test_presets_are_the_papers() -> None:
    assert strategy_columns("6p", NAMES, {}) == MOTION
    full = strategy_columns("24p", NAMES, {})
    assert len(full) == 24 and set(MOTION) < set(full) and "rot_z_derivative1_power2" in full


def test_words_are_put_together_each_column_once() -> None:
    assert strategy_columns("6p, trans_*,csf", NAMES, {})[6:] == [
        f"trans_{axis}{suffix}" for axis in "xyz" for suffix in ("_derivative1", "_power2", "_derivative1_power2")
    ] + ["csf"]
    assert strategy_columns("acompcor:2", NAMES, {}) == ["a_comp_cor_00", "a_comp_cor_01"]
    assert strategy_columns("acompcor:2", NAMES, {"a_comp_cor_00": "CSF"}) == ["a_comp_cor_01", "a_comp_cor_02"]


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        ("acompcor:9", "have 3 components"),
        ("white_matter", "no column white_matter"),
        ("cosine*", "no confound is named like"),
        (",", "names no confound"),
    ],
)
def test_a_column_that_is_missing_is_named(strategy: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        strategy_columns(strategy, NAMES, {})
    assert caught.value.kind == "missing-column"


def test_of_many_missing_columns_a_few_are_named() -> None:
    with pytest.raises(InputError, match=r"no column trans_x_derivative1, .*, trans_y_power2 and 16 more, which 24p"):
        strategy_columns("24p", ["trans_x", "trans_y", "trans_z", "trans_x_power2"], {})


def test_a_point_becomes_a_gaussian_of_the_width_in_every_direction() -> None:
    volume = np.zeros((41, 41, 41), np.float32)
    volume[20, 20, 20] = 1
    made = smoothed(volume, np.diag([2.0, 3.0, -1.5, 1.0]), 12.0)
    assert made.sum() == pytest.approx(1, abs=1e-4)
    for axis, size in enumerate((2, 3, 1.5)):
        line = np.moveaxis(made, axis, 0)[:, 20, 20]
        assert line[20 + round(6 / size)] / line[20] == pytest.approx(0.5, abs=0.01)


def test_what_is_not_finite_spoils_no_neighbour() -> None:
    volume = np.ones((5, 5, 5), np.float32)
    volume[2, 2, 2] = np.nan
    made = smoothed(volume, np.eye(4), 2.0)
    assert np.isnan(made[2, 2, 2]) and np.isnan(made).sum() == 1


def test_parcels_are_means_of_their_voxels() -> None:
    rng = np.random.default_rng(0)
    labels, values = rng.choice([2, 5, 11], 200), rng.normal(0, 1, 200)
    means = ParcelMeans(labels)
    np.testing.assert_array_equal(means.names, [2, 5, 11])
    np.testing.assert_allclose(means(values), [values[labels == name].mean() for name in (2, 5, 11)])


def test_of_a_parcel_the_voxels_that_have_a_value_count() -> None:
    means = ParcelMeans(np.array([1, 1, 2, 3]))
    np.testing.assert_array_equal(means(np.array([4, np.nan, np.inf, 5])), [4, np.nan, 5])
    np.testing.assert_array_equal(means.absent, [False, True, True, False])
