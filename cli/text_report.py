"""What med-score text says of its metrics: notes of what they lack, and a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from medpipe.cli.text_stories import Matched
from medpipe.core.metrics.table import text_table, with_interval
from medpipe.core.metrics.text.score import ALL, TextRow
from medpipe.core.metrics.text.scored_story import Sampling, Story

_TITLES: Final = {
    "identification": "identified", "identification_top1": "first", "wer": "WER", "bleu1": "BLEU-1",
    "meteor_exact_stem": "METEOR stem", "meteor_wordnet": "METEOR WordNet", "bertscore_f1": "BERTScore",
}  # fmt: skip


def explain(
    nulls: Mapping[str, Collection[str]], stories: Sequence[Story], matched: Matched, sampling: Sampling
) -> list[str]:
    """Why there is no null, or none of a kind; `nulls` are those that each story has, and all."""
    truth, by, order = matched.truth, matched.sources.by, matched.sources.order
    notes = [] if truth.stories else [f"no record of {truth.path} has {by}: one story"]
    if all(one.raw == other.raw for story in stories for one, other in zip(story.found[0], story.true, strict=True)):
        notes.append("every text is the true one: are the predictions the truth?")
    decoded, true = [story.found[0] for story in stories], [story.true for story in stories]
    for what, texts in (("decoded", decoded), ("true", true)):
        empty = sum(not one.raw.strip() for several in texts for one in several)
        notes += [f"{empty} {what} texts are empty"] if empty else []
    if sampling.permutations and not truth.times:
        notes.append(f"no record of {truth.path} has {order}: no shifts, no shuffles")
    elif sampling.permutations:
        short = [story.name for story in stories if "shift" not in nulls[story.name]]
        said = f"too short to be shifted by more than {sampling.least:g}: {', '.join(short[:5])}"
        notes += [said + (f" and {len(short) - 5} more" if len(short) > 5 else "")] if short else []
    if not nulls[ALL]:
        notes.append("uncontrolled: no null says what these scores are worth")
    return notes


def show(rows: Sequence[TextRow], *, paired: bool) -> str:
    """Of each story the metrics, an interval beside the first, and p of identification under each null."""
    names = [name for name in _TITLES if name in rows[0].row.estimates]
    nulls = list(rows[-1].nulls)
    header = ["", "windows", "length", *(_TITLES[name] for name in names), *(f"p {null}" for null in nulls)]
    return text_table([_cells(row, names, nulls, paired) for row in rows], header)


def _cells(row: TextRow, names: Sequence[str], nulls: Sequence[str], paired: bool) -> list[str]:
    ratio = row.row.facts["length_ratio"]
    shown = [row.row.id, str(row.row.facts["windows"]), "-" if ratio is None else f"{ratio:.2f}"]
    for name in names:
        one = row.row.estimates[name]
        # With intervals on all of them no terminal is wide enough.
        shown.append(with_interval(one.value, one.interval if name == names[0] else None, signed=paired))
    for null in nulls:
        said: Any = row.nulls.get(null, {}).get(names[0])
        shown.append("-" if said is None else f"{said['p']:.4f}")
    return shown
