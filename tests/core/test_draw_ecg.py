"""Pictures are to scale, the same from run to run, and survive odd recordings."""

import io

import numpy as np
import pytest
from PIL import Image
from simulated import ecg

from medpipe.core.draw.ecg import draw_ecg
from medpipe.core.draw.layout import STANDARD, arrange
from medpipe.core.draw.render import render

LEADS = list(STANDARD)


def traces(figure: object) -> list[np.ndarray]:
    """Points of each trace in millimetres, calibration pulses left out."""
    return [line.get_xydata() for line in figure.axes[0].lines if len(line.get_xydata()) != 6]


def test_a_second_is_25_mm_and_a_millivolt_10_mm() -> None:
    signal = np.zeros((1, 1001), np.float32)
    signal[0, 501:] = 1.0
    figure = draw_ecg(signal, 500.0, ["I"], layout="12x1")
    points = traces(figure)[0]
    assert points[-1, 0] - points[0, 0] == pytest.approx(50.0)
    assert np.ptp(points[:, 1]) == pytest.approx(10.0)
    width, height = figure.get_size_inches() * 25.4
    shown = figure.axes[0].get_position()
    assert shown.width * width == pytest.approx(np.ptp(figure.axes[0].get_xlim()))
    assert shown.height * height == pytest.approx(np.ptp(figure.axes[0].get_ylim()))


def test_three_by_four_shows_each_lead_in_its_quarter_and_a_rhythm_strip() -> None:
    page = arrange(ecg(0), 500.0, LEADS, "auto", "II")
    assert page.lines == 4 and len(page.strips) == 13
    assert [(strip.begin, strip.end) for strip in page.strips if strip.row == LEADS.index("V2")] == [(5.0, 7.5)]
    assert page.strips[-1].row == 1 and page.strips[-1].end == 10.0


def test_the_same_recording_gives_the_same_bytes() -> None:
    for kind in ("png", "svg"):
        once, again = (render(draw_ecg(ecg(0), 500.0, LEADS, scores={"a": 0.5}), kind) for _ in range(2))
        assert once == again


@pytest.mark.parametrize("fs", [50.0, 2000.0])
@pytest.mark.parametrize("layout", ["auto", "3x4", "12x1"])
@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 12), slice(3, 5)])
def test_odd_recordings_are_drawn(fs: float, layout: str, rows: slice) -> None:
    signal = ecg(1, seconds=1.5, fs=fs)[rows]
    signal[0, 10:30] = np.nan
    image = Image.open(io.BytesIO(render(draw_ecg(signal, fs, LEADS[rows], layout=layout), "png", dpi=60)))
    assert image.width > 100


def test_what_is_not_in_millivolts_is_said() -> None:
    figure = draw_ecg(1000 * ecg(0)[:2], 500.0, ["I", "x"], units=["mV", "unknown"], title="$x^2$ & <b>")
    assert any("scaled" in text.get_text() for text in figure.axes[0].texts)
    render(figure, "svg")


def test_all_nan_and_giant_amplitudes_stay_on_the_page() -> None:
    signal = ecg(0)
    signal[0], signal[1] = np.nan, 500 * signal[1]
    figure = draw_ecg(signal, 500.0, LEADS)
    low, high = figure.axes[0].get_ylim()
    assert all(
        np.nanmin(points[:, 1]) >= low and np.nanmax(points[:, 1]) <= high
        for points in traces(figure)
        if np.isfinite(points[:, 1]).any()
    )


def test_what_leaves_the_page_and_what_has_no_place_is_said_or_drawn() -> None:
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 0.1, (14, 1000)).astype(np.float32)
    signal[0, 100] = 30.0
    leads = [*STANDARD, "V7", "V8"]
    figure = draw_ecg(signal, 100.0, leads)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"V7", "V8"} <= set(texts) and any("taller than the page: I" in text for text in texts)
