"""Windows as linear models are fitted to them: whole runs with the words of each volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.fmri_window_index import Window, WindowIndex
from medpipe.cli.fmri_window_source import read_responses
from medpipe.core.fmri.lm_words import LmWords
from medpipe.core.fmri.run_layout import RunLayout, standardised
from medpipe.core.fmri.tang_model import HeardRun
from medpipe.core.fmri.word_placement import Placement, even_times, on_volumes


def check_windows(index: WindowIndex) -> tuple[float, str | None]:
    """TR and mask of windows that linear models can be fitted to; Fatal 65 for others."""
    if index.agreed("lag"):
        raise Fatal(
            BAD_STREAM,
            f"the windows have a lag of {index.agreed('lag')} volumes: linear models have delays of their own, "
            "so cut them by fmri-align --lag-tr 0",
        )
    tr, mask = index.agreed("tr"), index.agreed("mask")
    first = index.windows[0]
    for window in index.windows:
        if window.said["shape"][1] != first.said["shape"][1]:
            raise Fatal(
                BAD_STREAM,
                f"{first.id} has {first.said['shape'][1]} voxels, {window.id} {window.said['shape'][1]}: one kind",
            )
        if not isinstance(window.said["t0"], int | float) or window.said["shape"][0] < len(window.volumes):
            raise Fatal(BAD_STREAM, f"{window.id}: the window does not say when it begins, or lacks responses")
    if not isinstance(tr, int | float) or tr <= 0:
        raise Fatal(BAD_STREAM, f"{first.id}: the windows say no TR")
    return float(tr), mask


def heard_runs(index: WindowIndex, lm: LmWords, placement: Placement, tr: float) -> list[HeardRun]:
    """Stretches without gaps of every run, responses standardised by run. Raises InputError."""
    by_run = sorted(index.windows, key=lambda window: (window.story, window.run))
    return [
        stretch
        for (story, _), windows in groupby(by_run, key=lambda window: (window.story, window.run))
        for stretch in _stretches(story, list(windows), lm, placement, tr)
    ]


def _stretches(
    story: str, windows: Sequence[Window], lm: LmWords, placement: Placement, tr: float
) -> Iterator[HeardRun]:
    lengths = [len(window.volumes) for window in windows]
    layout = RunLayout.of([window.said["t0"] for window in windows], lengths, tr)
    responses = standardised(
        layout.joined([read_responses(window)[:length] for window, length in zip(windows, lengths, strict=True)])
    )
    texts = [""] * layout.bounds[-1]
    for row, window in zip(layout.rows, windows, strict=True):
        texts[row : row + len(window.volumes)] = window.volumes
    for rows in layout.stretches():
        counts = [len(text.split()) for text in texts[rows]]
        words = [word for text in texts[rows] for word in text.split()]
        vectors = lm.vectors(words) if words else np.empty((0, lm.width), np.float32)
        features = on_volumes(vectors, even_times(counts), len(counts), placement)
        yield HeardRun(story, features, np.array(counts), responses[rows])
