"""What methods cost, each in a process of its own, so that none has the memory of another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpipe.cli.exits import BAD_STREAM, SOFTWARE, UNAVAILABLE, Fatal
from medpipe.cli.kv_profiling import tell_untrained
from medpipe.cli.kv_requests import Request, light, read_request
from medpipe.core.errors import InputError, ModelError
from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import Compression
from medpipe.core.kv.cost import FULL, Timing, cost
from medpipe.core.kv.decoder import open_decoder
from medpipe.core.kv.methods import METHODS
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions


@dataclass(slots=True)
class Bench:
    """Methods to be timed on every request."""

    model: str
    device: str
    read: ReadOptions
    rows: RowSettings
    timing: Timing
    compressions: list[Compression]

    @property
    def label(self) -> str:
        """For `via`."""
        return Path(self.model).name

    def times(self, record: Record) -> Iterator[Record]:
        """The full cache first; every method with what it gains and from which length of output on it pays."""
        request = read_request(record, self.read)
        full = self._apart(request, FULL)
        yield light(record) | {"id": f"{record['id']}#full", "method": "full", "ratio": 1.0} | full
        for one in self.compressions:
            found = self._apart(request, one)
            named = {"id": f"{record['id']}#{one.method.name}-{one.ratio:.12g}", "method": one.method.name}
            yield light(record) | named | {"ratio": one.ratio} | found | _gain(full["cost"], found["cost"])
        found = self._apart(request, FULL, int8=True)
        yield (
            light(record)
            | {"id": f"{record['id']}#int8", "method": "int8", "ratio": 1.0}
            | found
            | _gain(full["cost"], found["cost"])
        )

    def _apart(self, request: Request, compression: Compression, *, int8: bool = False) -> Record:
        """One method in a new process. InputError as there; Fatal when the process died."""
        asked = (self.model, self.device, request, compression, self.rows, self.timing, int8)
        found: Record | tuple[str, str] = _alone("int8" if int8 else compression.method.name, _timed, *asked)
        if isinstance(found, tuple):
            raise InputError(*found)
        return found


def open_bench(settings: dict[str, Any], device: str, read: ReadOptions, *, quiet: bool) -> Bench:
    """As the options say; the model is tried, and opened again in each method's own process. Fatal 69 without it."""
    facts: dict[str, Any] = _alone("the model", _facts, settings["model"], device)
    tell_untrained("kv-profile", facts, quiet=quiet)
    return Bench(
        settings["model"], device, read, RowSettings(stride=settings["stride"], causal=settings["causal"]),
        Timing(settings["repeats"], settings["tokens"]),
        [Compression(METHODS[name], ratio) for name in settings["methods"] for ratio in settings["ratios"]],
    )  # fmt: skip


def _alone(name: str, work: Callable[..., Any], *asked: Any) -> Any:
    """Done in a new process; Fatal when the model is not to be had, or the process died."""
    # Not forked: libraries that have threads do not survive it, and memory would be shared.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(work, *asked).result()
        except BrokenProcessPool:
            raise Fatal(SOFTWARE, f"the process of {name} died (out of memory?)") from None
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None


def _facts(model: str, device: str) -> dict[str, Any]:
    return open_decoder(model, device).facts


def _timed(
    model: str, device: str, request: Request, compression: Compression, rows: RowSettings, timing: Timing, int8: bool
) -> Record | tuple[str, str]:
    decoder = open_decoder(model, device)
    try:
        prompt = decoder.prompts.encode(request.prompt, request.images)
        found = cost(decoder, prompt, compression, rows, timing, int8=int8)
    except InputError as error:
        return error.kind, str(error)
    visual = int(prompt.visual.sum())
    counts = {"n_text": prompt.tokens - visual, "n_visual": visual, "n_images": prompt.images}
    return {"decoder": decoder.facts, **counts, "device": str(decoder.device), "cost": found}


def _gain(full: dict[str, Any], found: dict[str, Any]) -> Record:
    """Against the full cache: speed-up of decoding, its ceiling were bytes all that counts, and when it pays."""
    saved = (full["decode_ms_p50"] - found["decode_ms_p50"]) / 1000
    weights = full["weight_bytes"]
    return {
        "speed_up": round(full["decode_ms_p50"] / found["decode_ms_p50"], 4),
        "speed_up_ceiling": round((weights + full["kv_bytes_end"]) / (weights + found["kv_bytes_end"]), 4),
        # None: however long the output is, it never pays.
        "break_even_tokens": max(0, round(found["overhead_s"] / saved)) if saved > 0 else None,
    }
