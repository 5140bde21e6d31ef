"""med-view on what kv-profile writes: layers of a record, curves of a sweep, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

from medpipe.cli.kv_sweeps import Sweep
from medpipe.cli.view_kv import draw_costs, draw_layers, draw_sweep, layer_maps
from medpipe.cli.viewing import View
from medpipe.core.draw.cache_costs import Panel, draw_cache_costs
from medpipe.core.draw.cache_layers import Budgets, LayerMap, draw_cache_layers
from medpipe.core.draw.cache_quality import Measure, Point, draw_cache_quality
from medpipe.core.kv.pareto import pareto
from medpipe.formats.errors import FormatError
from medpipe.formats.registry import ReadOptions

VIEW = View("-", "png", None, "auto", "II", [], 0.0, None, 80, ReadOptions(), quiet=True)
BASE = {"decoder": {"name": "tiny", "trained": True}, "n_text": 10, "n_visual": 30}


def tried(request: str, method: str, ratio: float, divergence: float) -> dict:
    layers = [{"layer": k, "entropy_nats": 2.0 + k, "budget": 8, "kept_visual": 3.0} for k in range(3)]
    quality = {
        "kl_nats_mean": divergence, "kl_nats_p95": divergence, "top1_agreement": 0.5, "top5_overlap": 0.5,
        "nll_nats_change": 0.1, "attention_error": [0.1, 0.2, 0.3],
    }  # fmt: skip
    sizes = {"kv_bytes": round(1000 * ratio), "kv_bytes_full": 1000, "requested_total": 24, "kept_total": 24}
    name = f"{request}#{method}-{ratio}"
    return {"id": name, **BASE, "method": method, "ratio": ratio, **sizes, "quality": quality, "layers": layers}


SWEPT = [
    tried(request, method, ratio, scale * k / ratio)
    for request, scale in (("a", 1.0), ("b", 3.0))
    for k, method in enumerate(("meda", "random"), 1)
    for ratio in (0.2, 0.5)
]
HEADS = [{"layer": k, "heads": {"entropy_nats": [1.0, 2.0 + k]}, "entropy_nats": 1.5} for k in range(3)]


def lines(*made: dict) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in made).encode()


@pytest.mark.parametrize(
    ("suffix", "options", "there"),
    [
        ("png", (), b"\x89PNG"),
        ("html", (), b"<td>meda</td><td>0.2</td><td>0.200</td><td>10.000 [5.000, 15.000]</td>"),
        ("html", ("--record", "b"), b"<td>meda</td><td>0.2</td><td>0.200</td><td>15.000</td>"),
        ("html", ("--record", "a#meda-0.2"), b"<td>2</td><td>8</td><td>4</td><td>0.300</td>"),
    ],
)
def test_a_sweep_is_drawn_whole_or_a_request_or_a_record(
    run: Run, tmp_path: Path, suffix: str, options: tuple[str, ...], there: bytes
) -> None:
    done = run("med-view", *options, "-o", tmp_path / f"x.{suffix}", stdin=lines(*SWEPT))
    assert done.returncode == 0 and there in (tmp_path / f"x.{suffix}").read_bytes(), done.stderr


def test_a_folder_gets_every_request_and_failed_ones_are_counted(run: Run, tmp_path: Path) -> None:
    failed = {"id": "c", "error": {"command": "kv-profile", "type": "no-prompt", "message": "none"}}
    done = run("med-view", "--format", "svg", "-o", f"{tmp_path}/made/", stdin=lines(failed, *SWEPT))
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["a.svg", "b.svg"]
    assert done.returncode == 1 and b"1 record" in done.stderr


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"id": "x", **BASE, "layers": [{"layer": "two"}]}, "not a list of layers"),
        ({"id": "x", **BASE, "layers": [{"layer": 10**9}]}, "not a list of layers"),
        ({"id": "x", **BASE, "layers": [{"layer": 0, "heads": 3}]}, "nothing that can be drawn"),
        ({"id": "x", **BASE, "cost": {}}, "kv-profile bench gives"),
        ({"id": "x", **BASE, "method": "int8"}, "no layers to draw"),
        (tried("x", "meda", 0.2, 0.1) | {"kv_bytes": 0}, "no bytes"),
        (tried("x", "meda", 0.2, 0.1) | {"kv_bytes": "many"}, "lacks numbers"),
    ],
)
def test_what_cannot_be_drawn_is_said(record: dict, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        if "quality" in record or "cost" in record:
            (draw_sweep if "quality" in record else draw_costs)([record], "x", VIEW, "png")
        draw_layers(record, VIEW, "png")


def timed(request: str, method: str, prefill: float, **more: float) -> dict:
    cost = {"prefill_s": prefill, "prefill_full_s": 1.0, "overhead_s": prefill - 1.0, "decode_ms_p50": 10.0,
            "decode_ms_p95": 12.0, "peak_bytes": 2**21, "kv_bytes_end": 2**20}  # fmt: skip
    return {"id": f"{request}#{method}", **BASE, "method": method, "ratio": 0.2, "cost": cost, **more}


def test_costs_are_drawn_as_means_over_requests(run: Run, tmp_path: Path) -> None:
    gain = {"speed_up": 1.5, "speed_up_ceiling": 2.0}
    made = [timed(name, "full", 1.0) for name in "ab"]
    made += [timed(name, "meda", prefill, **gain) for name, prefill in (("a", 2.0), ("b", 3.0))]
    done = run("med-view", "-o", tmp_path / "x.html", stdin=lines(*made))
    page = (tmp_path / "x.html").read_bytes()
    assert done.returncode == 0 and b"<td>meda 0.2</td><td>2.500</td><td>1.500</td>" in page
    assert run("med-view", "-o", tmp_path / "x.png", "--record", "a", stdin=lines(*made)).returncode == 0


def test_bars_of_costs_are_as_long_as_their_numbers() -> None:
    panel = Panel("prefill, s", [1.0, 2.5, None], ["1", "2.5  (1.50x of 2.00x)", "-"])
    (axes,) = draw_cache_costs("x", "", ["full", "meda 0.2", "random 0.2"], [panel]).axes
    assert [bar.get_width() for bar in axes.patches] == [1.0, 2.5, 0.0] and len(axes.texts) == 3


def test_heads_have_a_row_each_where_they_were_told() -> None:
    page = draw_layers({"id": "x", **BASE, "layers": HEADS}, VIEW, "html").decode()
    assert page.count("<tr>") == 4
    (shown,) = layer_maps(HEADS)
    assert shown.values.tolist() == [[1, 1, 1], [2, 3, 4]] and len(layer_maps(SWEPT[0]["layers"])[0].rows) == 1


def test_bars_are_as_high_as_budgets_and_uniform_is_a_line() -> None:
    budgets = Budgets(np.array([4.0, 8.0]), np.array([1.0, 2.0]), 6.0, 40)
    heads = LayerMap("entropy", ["head 0", "head 1"], np.array([[1.0, 2.0], [3.0, np.nan]]))
    bars, heat, _ = draw_cache_layers("x", "", [0, 2], budgets, [heads]).axes
    tops = sorted(one.get_y() + one.get_height() for one in bars.patches)
    assert tops == [3, 4, 6, 8] and list(bars.lines[0].get_ydata()) == [6, 6]
    assert heat.images[0].get_array().shape == (2, 3) and [one.get_text() for one in heat.texts] == ["1", "2", "3"]


def test_a_curve_goes_through_its_points_and_what_nothing_beats_has_a_ring() -> None:
    points = [Point("meda", share, {"KL": value}, {}, share < 0.3) for share, value in ((0.5, 0.1), (0.2, 0.4))]
    (axes,) = draw_cache_quality("x", "", points, [Measure("KL", "KL", powers=True)]).axes
    curve, rings = axes.lines
    assert curve.get_xydata().tolist() == [[0.2, 0.4], [0.5, 0.1]] and rings.get_xydata().tolist() == [[0.2, 0.4]]


def test_the_pareto_set_has_what_no_other_beats() -> None:
    assert pareto([(1, 5), (2, 3), (2, 4), (3, 3), None, (1, 5)]) == [True, True, False, False, False, True]


def test_means_over_requests_have_intervals_and_one_request_has_none() -> None:
    sweep, alone = Sweep(), Sweep()
    for record in SWEPT:
        sweep.add(record)
    alone.add(SWEPT[0])
    first = sweep.tried()[0]
    assert (first.requests, first.means["KL"], first.intervals["KL"]) == (2, 10.0, (5.0, 15.0)) and first.best
    assert [one.best for one in sweep.tried()] == [True, True, False, False]
    assert alone.tried()[0].intervals["KL"] is None
