"""Pictures of a training, and of where a model looked."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import ecg

from medpipe.core.draw.curves import draw_curves
from medpipe.core.draw.ecg import draw_ecg
from medpipe.core.draw.render import render
from medpipe.core.draw.saliency import Saliency
from medpipe.formats.leads import STANDARD_12


def lines(areas: bool) -> list[dict]:
    made = [{"split": "train", "step": k, "epoch": 0, "loss": 1 / k, "lr": 1.0, "timing": {}} for k in range(1, 60)]
    held = {"split": "val", "step": 59, "epoch": 0, "loss": 0.5, "timing": {}}
    return [*made, held | ({"macro_auroc": 0.8, "entities_scored": 3} if areas else {})]


@pytest.mark.parametrize(("areas", "panels"), [(False, 2), (True, 3)])
def test_losses_and_areas_have_panels_of_their_own(areas: bool, panels: int) -> None:
    figure = draw_curves(lines(areas), "mine")
    assert len(figure.axes) == panels
    labels = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
    assert "entities_scored" not in labels and labels.count("macro_auroc") == areas
    assert render(figure, "png").startswith(b"\x89PNG")


def test_a_training_without_validation_is_drawn_all_the_same() -> None:
    assert render(draw_curves(lines(False)[:5], "short"), "svg") and render(draw_curves([], "none"), "svg")


def shaded(saliency: Saliency | None) -> int:
    figure = draw_ecg(ecg(fs=100.0), 100.0, list(STANDARD_12), layout="12x1", saliency=saliency)
    return len(figure.axes[0].collections)


def test_a_lead_is_shaded_where_its_weights_are() -> None:
    weights = np.zeros((2, 10), np.float32)
    weights[1, 3:5] = 1.0
    plain = shaded(None)
    assert shaded(Saliency(weights, ["I", "V1"], 10.0, "x")) == plain + 2
    assert shaded(Saliency(weights[1:], None, 10.0, "x")) == plain + 24
    assert shaded(Saliency(np.zeros((1, 10), np.float32), None, 10.0, "x")) == plain


def test_even_attention_is_no_finding() -> None:
    even = Saliency(
        np.full((12, 10), 1 / 120, np.float32) + np.linspace(0, 1e-5, 10, dtype=np.float32), None, 10.0, "x"
    )
    row = even.row("I")
    assert row is not None and row.max() < 1e-3 and even.strongest == pytest.approx(1, abs=1e-2)


def test_weights_are_shown_on_one_scale_for_all_leads() -> None:
    weights = np.ones((2, 50), np.float32)
    weights[0, 3], weights[1, 7] = 40.0, 10.0
    saliency = Saliency(weights, ["I", "II"], 10.0, "x")
    first, second, absent = (saliency.row(lead) for lead in ("I", "II", "V1"))
    assert first is not None and second is not None and absent is None
    assert first[3] == 1.0 and 0.1 < second[7] < 0.25 and first[0] == second[0] == 0.0


def test_the_shade_moves_with_the_time_that_is_drawn() -> None:
    weights = np.zeros((1, 10), np.float32)
    weights[0, 4] = 1.0
    whole, later = shaded(Saliency(weights, ["I"], 10.0, "x")), shaded(Saliency(weights, ["I"], 10.0, "x", start=6.0))
    assert whole == shaded(None) + 1 and later == shaded(None)
