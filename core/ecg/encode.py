"""Recordings of any length through an encoder: windows, gaps, quality, batches, pooling."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.cosine import MEAN_OF_UNITS, unit
from medpipe.core.ecg.encoder import Encoder
from medpipe.core.ecg.gaps import fill_gaps
from medpipe.core.ecg.presets import Preset
from medpipe.core.ecg.quality import QualityTally
from medpipe.core.errors import InputError
from medpipe.core.windows import window_bounds

Failures = tuple[type[Exception], ...]


@dataclass(slots=True)
class Recording:
    """What an encoder needs to know of a recording; `read(start, stop)` gives float32 [leads, n].

    `leads` are canonical names, `scale` brings each row to mV (1 where the unit is unknown).
    """

    read: Callable[[int, int], NDArray[np.float32]]
    samples: int
    fs: float
    leads: list[str]
    units: list[str]
    scale: list[float]
    adc_range: list[tuple[float, float]] | None = None


@dataclass(slots=True)
class Encoded:
    """A recording's embedding [dim], its tokens [n, d] if asked for, and what was done on the way."""

    embedding: NDArray[np.float32]
    tokens: NDArray[np.float32] | None
    token_layout: dict[str, Any] | None
    leads_used: list[str]
    leads_ignored: list[str]
    leads_zeroed: list[str]
    quality: dict[str, Any]
    windows: dict[str, Any]


@dataclass(slots=True)
class _Gather:
    """The windows of one recording on their way through the encoder."""

    recording: Recording
    quality: QualityTally
    embeddings: list[NDArray[np.float32]] = field(default_factory=list)
    tokens: list[NDArray[np.float32]] = field(default_factory=list)
    layouts: list[dict[str, Any]] = field(default_factory=list)
    present: NDArray[np.bool_] | None = None
    zeroed: set[str] = field(default_factory=set)
    count: int = 0
    skipped: int = 0
    padded: float = 0.0
    error: Exception | None = None
    whole: bool = False  # every window has been read


def encode_recordings(
    encoder: Encoder,
    recordings: Iterable[Recording | Exception],
    *,
    missing: str = "error",
    tokens: bool = False,
    batch_size: int = 1,
    failures: Failures = (InputError,),
) -> Iterator[Encoded | Exception]:
    """Encode recordings window by window, in order, in memory that does not grow with their length.

    Windows have the encoder's length and touch; a remainder under half a window is left out, a longer one
    padded. A recording whose every window fails, or that raises one of `failures` when it is read, gives
    that error in its place.

    Args:
        encoder: any ECG encoder.
        recordings: what to encode; an error among them comes out in its place.
        missing: `error`, or `zero` for rows of zeros in place of leads that the encoder needs.
        tokens: also keep token-level output.
        batch_size: windows that the encoder sees at once.
        failures: what `read` raises for a bad recording.
    """
    open_ones: deque[_Gather | Exception] = deque()
    waiting: list[tuple[_Gather, NDArray[np.float32], NDArray[np.bool_]]] = []
    for recording in recordings:
        if isinstance(recording, Exception):
            open_ones.append(recording)
        else:
            gather = _Gather(recording, QualityTally())
            open_ones.append(gather)
            for x, present in _prepared(encoder, gather, missing, failures):
                waiting.append((gather, x, present))
                if len(waiting) == batch_size:
                    _flush(encoder, waiting, tokens)
            gather.whole = True
        while open_ones and _is_done(open_ones[0]):
            yield _result(encoder, open_ones.popleft())
    _flush(encoder, waiting, tokens)
    while open_ones:
        yield _result(encoder, open_ones.popleft())


def _is_done(gather: _Gather | Exception) -> bool:
    if isinstance(gather, Exception):
        return True
    return gather.whole and (gather.error is not None or len(gather.embeddings) == gather.count)


def _prepared(
    encoder: Encoder, gather: _Gather, missing: str, failures: Failures
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """The windows of a recording; what ends it early is noted there."""
    try:
        yield from _windows(encoder, gather, missing)
    except failures as error:
        gather.error = error


def _windows(
    encoder: Encoder, gather: _Gather, missing: str
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    recording = gather.recording
    size = max(1, round(encoder.seconds * recording.fs))
    only = recording.samples < size + size / 2
    for start, stop in window_bounds(recording.samples, size):
        try:
            window = _window(encoder, gather, start, stop, missing)
        except InputError:
            if only:
                raise
            # Hours of good signal are not lost to one window without any.
            gather.skipped += 1
            continue
        gather.count += 1
        gather.padded = (size - (stop - start)) / recording.fs
        yield window
    if gather.count == 0:
        raise InputError("no-usable-window", f"none of its {gather.skipped} windows can be used")


def _window(
    encoder: Encoder, gather: _Gather, start: int, stop: int, missing: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    recording = gather.recording
    signal = _physical(recording, start, stop)
    gather.quality.add(signal, recording.fs, recording.leads, recording.units, recording.adc_range)
    filled, leads, counts, dropped = _filled(signal, recording.leads, encoder.leads)
    gather.quality.add_gaps(counts, dropped)
    x, present = encoder.prepare(filled, recording.fs, leads, missing)
    gather.present = present if gather.present is None else gather.present | present
    if encoder.needs_all_leads:
        gather.zeroed.update(lead for lead, there in zip(encoder.leads, present, strict=True) if not there)
    return x, present


def _physical(recording: Recording, start: int, stop: int) -> NDArray[np.float32]:
    signal = recording.read(start, stop)
    if any(factor != 1.0 for factor in recording.scale):
        signal = signal * np.asarray(recording.scale, np.float32)[:, None]
    return signal


def _filled(
    signal: NDArray[np.float32], leads: list[str], wanted: Sequence[str]
) -> tuple[NDArray[np.float32], list[str], dict[str, int], list[str]]:
    """Rows without gaps and their leads, the gaps counted, the leads left out. InputError when nothing moves."""
    filled, counts, dropped = fill_gaps(signal, leads)
    kept = [row for row, lead in enumerate(leads) if lead not in dropped]
    if len(kept) < len(leads):
        filled = filled[kept]
    known = [place for place, row in enumerate(kept) if leads[row] in wanted]
    if known and not np.ptp(filled[known], axis=1).any():
        raise InputError("all-flat", "no lead that the model knows shows any change")
    return filled, [leads[row] for row in kept], counts, dropped


def prepare_window(
    preset: Preset, recording: Recording, start: int, missing: str = "error"
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """One window from sample `start` on, as encoding prepares it: x [rows, samples], present [rows]. InputError."""
    stop = min(recording.samples, start + max(1, round(preset.seconds * recording.fs)))
    filled, leads, _, _ = _filled(_physical(recording, start, stop), recording.leads, preset.leads)
    return preset.prepare(filled, recording.fs, leads, missing)


def _flush(
    encoder: Encoder,
    waiting: list[tuple[_Gather, NDArray[np.float32], NDArray[np.bool_]]],
    tokens: bool,
) -> None:
    if not waiting:
        return
    x = np.stack([one[1] for one in waiting])
    present = np.stack([one[2] for one in waiting])
    for (gather, _, _), embedding in zip(waiting, encoder.encode(x, present), strict=True):
        gather.embeddings.append(embedding)
    if tokens:
        for (gather, _, there), made in zip(waiting, encoder.tokens(x, present), strict=True):
            gather.tokens.append(made)
            gather.layouts.append(_layout(encoder.token_places(there)[: len(made)]))
    waiting.clear()


def _layout(places: Sequence[tuple[str | None, int]]) -> dict[str, Any]:
    """Tokens go lead by lead, each in time; without `leads` every token mixes all of them."""
    leads = list(dict.fromkeys(lead for lead, _ in places if lead is not None))
    pieces = len({piece for _, piece in places})
    return {"leads": leads, "pieces": pieces} if leads else {"pieces": pieces}


def _result(encoder: Encoder, gather: _Gather | Exception) -> Encoded | Exception:
    if isinstance(gather, Exception):
        return gather
    if gather.error is not None:
        return gather.error
    recording, present = gather.recording, gather.present
    known = [lead for lead, there in zip(encoder.leads, present if present is not None else [], strict=True) if there]
    used = [lead for lead in encoder.leads if lead in known and lead in recording.leads]
    windows: dict[str, Any] = {"seconds": encoder.seconds, "count": gather.count, "pooling": encoder.pooling}
    if gather.padded > 0:
        windows["padded_seconds"] = round(gather.padded, 6)
    if gather.skipped:
        windows["skipped"] = gather.skipped
    embeddings = np.stack(gather.embeddings)
    if not np.isfinite(embeddings).all():
        return InputError("not-finite", f"{encoder.name} gives NaN or infinite values for this recording")
    return Encoded(
        embedding=embeddings[0] if len(embeddings) == 1 else _pooled(embeddings, encoder.pooling),
        tokens=np.concatenate(gather.tokens) if gather.tokens else None,
        token_layout=_windows_layout(gather.layouts),
        leads_used=used,
        leads_ignored=[lead for lead in recording.leads if lead not in used],
        leads_zeroed=[lead for lead in encoder.leads if lead in gather.zeroed],
        quality=gather.quality.result(),
        windows=windows,
    )


def _pooled(embeddings: NDArray[np.float32], pooling: str) -> NDArray[np.float32]:
    """[windows, dim] -> [dim]. Unit vectors where scores are cosines: a score is then the mean over windows."""
    windows = unit(embeddings) if pooling == MEAN_OF_UNITS else embeddings
    return np.asarray(windows.mean(axis=0, dtype=np.float64), np.float32)


def _windows_layout(layouts: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not layouts:
        return None
    if any(layout != layouts[0] for layout in layouts):
        return {"windows": layouts}
    return layouts[0] if len(layouts) == 1 else {**layouts[0], "windows": len(layouts)}
