"""Pictures of a key-value cache as a page of HTML, with their numbers in a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from matplotlib.figure import Figure

from medpipe.core.draw.page import page
from medpipe.core.draw.render import render

_STYLE: Final = """
figure { background: #fff; } figure svg { max-width: 100%; height: auto; }
div { overflow-x: auto; margin-top: 6mm; } table { font-variant-numeric: tabular-nums; font-size: .85rem; }
th { color: var(--quiet); font-weight: 600; text-align: right; padding: 1mm 0 1mm 4mm; vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
"""


def cache_page(figure: Figure, title: str, note: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """The page, UTF-8; of `rows` the first cell is a name, the others are numbers."""
    svg = render(figure, "svg")
    cells = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    table = f"<div><table><thead><tr>{head}</tr></thead><tbody>{''.join(cells)}</tbody></table></div>"
    return page(title, f"<figure>{svg[svg.index(b'<svg') :].decode()}</figure>{table}", note, _STYLE)
