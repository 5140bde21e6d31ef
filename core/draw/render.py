"""A figure as the bytes of a picture."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure


@contextmanager
def any_script() -> Iterator[None]:
    """A letter that the font lacks is a box, and no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def render(figure: Figure, kind: str, dpi: int = 150) -> bytes:
    """The figure as `png` or `svg`; the same figure gives the same bytes."""
    out = io.BytesIO()
    if kind == "png":
        FigureCanvasAgg(figure)
        # Hinted, letters would stand on whole pixels, and words not where they were measured to stand.
        with any_script(), matplotlib.rc_context({"text.hinting": "none"}):
            figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    elif kind == "svg":
        FigureCanvasSVG(figure)
        with any_script(), matplotlib.rc_context({"svg.hashsalt": "medpipe", "svg.fonttype": "path"}):
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    else:
        raise ValueError(f"a picture is png or svg, not {kind}")
    return out.getvalue()
