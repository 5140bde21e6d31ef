"""A self-contained page around a picture: no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --ink: #16181d; --quiet: #5c6068; --line: #d9dce1; --back: #ffffff; --bar: #2f6f9f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --quiet: #a0a6ae; --line: #3a3f46; --back: #16181d; --bar: #6aaede; }
}
body { margin: 0 auto; max-width: 340mm; padding: 8mm; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.25rem; margin: 0 0 4mm; overflow-wrap: anywhere; }
figure { margin: 0; overflow-x: auto; border: 1px solid var(--line); border-radius: 2mm; }
figure svg { display: block; }
section { display: grid; grid-template-columns: repeat(auto-fit, minmax(80mm, 1fr)); gap: 8mm; margin-top: 6mm; }
h2 { font-size: .95rem; color: var(--quiet); font-weight: 600; margin: 0 0 2mm; }
table { border-collapse: collapse; width: 100%; }
td { padding: 1mm 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td + td { text-align: right; font-variant-numeric: tabular-nums; padding-left: 4mm; }
meter { width: 30mm; }
footer { margin-top: 6mm; color: var(--quiet); font-size: .85rem; }
@media print { body { padding: 0; max-width: none; } figure { border: 0; } }
"""
_NOTE = "Drawn to scale at 100 %: 25 mm/s, 10 mm/mV. For research; not a medical device."


def html_page(
    svg: bytes,
    title: str,
    facts: Sequence[tuple[str, str]],
    scores: Mapping[str, float] | None,
    score_kind: str | None,
    quality: Mapping[str, Any] | None,
) -> bytes:
    """The page of one recording, UTF-8.

    Args:
        svg: the picture, as `render` gives it.
        title: heading.
        facts: name and value of what is known of the recording.
        scores: name to number.
        score_kind: probabilities are drawn as meters.
        quality: as `ecg-encode` writes it.
    """
    picture = svg[svg.index(b"<svg") :].decode()
    tables = [_table("Recording", [(escape(name), escape(value)) for name, value in facts])]
    if scores:
        ordered = sorted(scores.items(), key=lambda one: -one[1])
        tables.append(
            _table(score_kind or "Scores", [(escape(name), _score(value, score_kind)) for name, value in ordered])
        )
    if quality:
        tables.append(
            _table(
                "Quality", [(escape(name.replace("_", " ")), escape(_plain(value))) for name, value in quality.items()]
            )
        )
    return page(title, f"<figure>{picture}</figure><section>{''.join(tables)}</section>", _NOTE)


def page(title: str, body: str, note: str, style: str = "") -> bytes:
    """Markup under a heading, UTF-8: `title` and `note` are text, `body` and `style` go in as they are."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head><body>",
        f"<h1>{escape(title)}</h1>{body}<footer>{escape(note)}</footer></body></html>\n",
    ]
    return "".join(parts).encode()


def _table(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    return f"<div><h2>{escape(heading.capitalize())}</h2><table>{cells}</table></div>"


def _score(value: float, kind: str | None) -> str:
    meter = f'<meter min="0" max="1" value="{value:.4f}"></meter> ' if kind == "probability" else ""
    return f"{meter}{value:.3f}"


def _plain(value: Any) -> str:
    if value is None or value == [] or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
