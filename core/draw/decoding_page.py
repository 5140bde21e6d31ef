"""Decoded stories as a page of HTML: the text is read there, searched and copied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import numpy as np

from medpipe.core.draw.decoding import PANELS, Decoding, count_late, draw_decoding
from medpipe.core.draw.page import page
from medpipe.core.draw.render import render
from medpipe.core.draw.shared_words import Mark, clock, common_words, mark_words, printable
from medpipe.core.metrics.text.means import mean
from medpipe.core.metrics.text.scored_story import ScoredStory
from medpipe.core.metrics.text.words import Text

_STYLE: Final = """
:root { --shared: #0060a0; --rank: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --shared: #7cc4f5; --rank: #f08a4b; } figure { background: #fff; } }
figure svg { max-width: 100%; height: auto; }
p { color: var(--quiet); } nav a { color: var(--shared); margin-right: 1em; }
h2 { font-size: 1.05rem; color: var(--ink); margin: 8mm 0 2mm; overflow-wrap: anywhere; }
h2 small { color: var(--quiet); font-weight: 400; margin-left: 1em; }
table.text { table-layout: fixed; }
.text th { position: sticky; top: 0; background: var(--back); text-align: start; font-size: .85rem;
  color: var(--quiet); padding: 1mm 0; }
.text th:first-child, .text td:first-child { width: 4.5em; color: var(--quiet); }
.text th:last-child, .text td:last-child { width: 9em; }
.text td { padding: 1.5mm 5mm 1.5mm 0; text-align: start; }
.text td + td { padding-left: 0; }
.text i, .text b { font-style: normal; color: var(--shared); } .text em { color: var(--quiet); }
.rank { display: inline-block; width: 4em; height: .45em; margin-right: .6em; background:
  linear-gradient(var(--rank) 0 0) 0 / var(--share) 100% no-repeat, var(--line); }
@media print { .text tr { break-inside: avoid; } }
"""
_NOTE: Final = "Blue: in both texts of a window; bold: and not in most windows of the story. For research."
_TAGS: Final = {Mark.common: "i", Mark.telling: "b"}


def decoding_page(decoding: Decoding, title: str, panels: Sequence[str] = PANELS, begin: float = -np.inf) -> bytes:
    """The page, UTF-8: see draw_decoding. All windows stand on it, however many."""
    parts = []
    above = [name for name in panels if name != "text"]
    if above:
        svg = render(draw_decoding(decoding, "", above), "svg")
        parts.append(f"<figure>{svg[svg.index(b'<svg') :].decode()}</figure>")
    else:
        parts.append(f"<p>{escape('; '.join(decoding.summary()))}</p>")
    if "text" in panels:
        count_late(decoding.stories, begin)
        if len(decoding.stories) > 1:
            links = (f'<a href="#s{k}">{_plain(one.story.name)}</a>' for k, one in enumerate(decoding.stories))
            parts.append(f"<nav>{' '.join(links)}</nav>")
        for place, one in enumerate(decoding.stories):
            parts.extend(_story(one, place, begin))
    return page(title, "".join(parts), _NOTE, _STYLE)


def _story(one: ScoredStory, place: int, begin: float) -> Iterator[str]:
    story, common = one.story, common_words(one.story.true)
    score = mean(one.values[0]["identification"])
    said = f"<small>identified {score:.3f}, {one.windows} windows</small>" if np.isfinite(score) else ""
    yield f'<h2 id="s{place}">{_plain(story.name)}{said}</h2><table class="text"><thead><tr>'
    first = "window" if story.times is None else "time"
    yield f"<th>{first}</th><th>true</th><th>decoded</th><th>identified</th></tr></thead><tbody>"
    for k, (true, found) in enumerate(zip(story.true, story.found[0], strict=True)):
        if story.times is not None and story.times[k] < begin:
            continue
        time = str(k + 1) if story.times is None else clock(float(story.times[k]))
        cells = "".join(f'<td dir="auto">{_marked(*pair, common)}</td>' for pair in ((true, found), (found, true)))
        yield f"<tr><td>{time}</td>{cells}<td>{_rank(float(one.values[0]['identification'][k]))}</td></tr>\n"
    yield "</tbody></table>"


def _marked(text: Text, other: Text, common: frozenset[str]) -> str:
    words = []
    for word, mark in mark_words(text, other, common):
        tag = _TAGS.get(mark)
        words.append(f"<{tag}>{escape(word)}</{tag}>" if tag else escape(word))
    return " ".join(words) or "<em>no words</em>"


def _rank(rank: float) -> str:
    if not np.isfinite(rank):
        return ""
    return f'<span class="rank" style="--share:{100 * rank:.0f}%"></span>{rank:.2f}'


def _plain(text: str) -> str:
    return escape(printable(text))
