"""Windows as the standard defines them, checked against pydicom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from medpipe.formats.errors import FormatError
from medpipe.formats.grey_levels import PRESETS, Range, Window, given_window, levels

VALUES = np.arange(-2048, 4096).astype(np.int16)


@given(
    st.floats(-1500, 3000), st.floats(1, 5000), st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])
)  # fmt: skip
def test_a_window_is_what_pydicom_makes_of_it(center: float, width: float, function: str) -> None:
    data = Dataset()
    data.WindowCenter, data.WindowWidth, data.VOILUTFunction = float(f"{center:.6g}"), float(f"{width:.6g}"), function
    data.BitsStored, data.PixelRepresentation, data.PhotometricInterpretation = 16, 1, "MONOCHROME2"
    expected = (apply_windowing(VALUES, data) + 32768) / 65535
    window = Window(float(data.WindowCenter), float(data.WindowWidth), function)
    np.testing.assert_allclose(window.shares(VALUES.astype(float)), expected, atol=1e-9)


@pytest.mark.parametrize(("width", "function"), [(0.0, "LINEAR"), (0.5, "LINEAR"), (0.0, "SIGMOID"), (-1, "SIGMOID")])
def test_a_window_without_width_is_refused(width: float, function: str) -> None:
    with pytest.raises(FormatError, match="shows nothing"):
        Window(40, width, function)


def test_what_is_no_number_is_black_in_either_sense() -> None:
    values = np.array([np.nan, 0.0, 10.0])
    assert levels(values, Range(0, 10), inverted=False).tolist() == [0, 0, 255]
    assert levels(values, Range(0, 10), inverted=True).tolist() == [0, 255, 0]


def test_windows_are_named_or_given() -> None:
    lung = given_window("lung")
    assert lung is not None and (lung.center, lung.width) == PRESETS["lung"] and lung.origin == "preset lung"
    assert given_window("-600,1500") == Window(-600, 1500, origin="given")
    assert given_window("file") is None and given_window("none") is None
    for wrong in ("luhg", "1", "1,2,3", "1,0", "nan,5"):
        with pytest.raises(ValueError, match="window"):
            given_window(wrong)
