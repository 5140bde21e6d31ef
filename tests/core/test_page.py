"""The page is self-contained, and nothing in a record can break out of its text."""

import re

from simulated import ecg

from medpipe.core.draw.ecg import draw_ecg
from medpipe.core.draw.page import html_page
from medpipe.core.draw.render import render

EVIL = "<script>alert(1)</script>"


def test_markup_in_names_and_queries_stays_text() -> None:
    svg = render(draw_ecg(ecg(0)[:1], 500.0, [EVIL], title=EVIL, scores={EVIL: 0.5}, score_kind=EVIL), "svg")
    page = html_page(svg, EVIL, [(EVIL, EVIL)], {EVIL: 0.5}, EVIL, {EVIL: [EVIL], "reversal": None}).decode()
    assert "<script" not in page.lower()
    assert page.count("&lt;script&gt;") >= 6


def test_nothing_is_fetched() -> None:
    svg = render(draw_ecg(ecg(0), 500.0, ["I"] * 12), "svg")
    page = html_page(svg, "x", [], None, None, None).decode()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!#)""", page)
    assert "url(http" not in page and "@import" not in page
