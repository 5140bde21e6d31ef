"""What a method costs in time and memory: prefill, statistics, choice, decoding, measured in this process alone."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medpipe.core.kv.attention_statistics import RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.continuation import prefill
from medpipe.core.kv.decoder import Decoder
from medpipe.core.kv.int8_cache import Int8Cache
from medpipe.core.kv.methods import METHODS
from medpipe.core.kv.prompts import Prompt

# Every entry kept and nothing measured: the full cache, by the same code.
FULL = Compression(METHODS["recent"], 1.0)


@dataclass(frozen=True, slots=True)
class Timing:
    """How it is timed: the median of `repeats` after a warm-up, and so many tokens decoded."""

    repeats: int = 3
    tokens: int = 32


def cost(
    decoder: Decoder, prompt: Prompt, compression: Compression, rows: RowSettings, timing: Timing, *, int8: bool = False
) -> dict[str, Any]:
    """Seconds, milliseconds a token, and bytes.

    `prefill_s` is all of it: reading the prompt, statistics and choice; `statistics_s` is what reading with the
    statistics that the method needs takes beyond reading alone, `compression_s` the choice, once measured. `peak_bytes`
    is what memory rose by beyond the loaded model, from the first prompt to the last token, before anything is
    repeated. With `int8` what is kept is held in eight bits. Raises InputError.
    """

    def empty(wanted: Compression | None) -> BudgetedCache:
        return BudgetedCache(decoder.model, wanted, prompt.visual, rows)

    def read(wanted: Compression | None) -> BudgetedCache:
        cache = empty(wanted)
        prefill(decoder, prompt, cache, timing.tokens)
        return cache

    def held() -> BudgetedCache | Int8Cache:
        return Int8Cache(read(compression)) if int8 else read(compression)

    before = _reset_peak(decoder.device)
    cache = held()
    after_prefill = cache.kv_bytes()
    steps = _decode(decoder, cache, timing.tokens)
    peak = _peak(decoder.device) - before
    alone = _median(decoder, timing.repeats, lambda: read(FULL))
    whole = _median(decoder, timing.repeats, held)
    found = {
        "prefill_s": whole, "prefill_full_s": alone, "overhead_s": whole - alone, "decode_ms_p50": steps[0],
        "decode_ms_p95": steps[1], "peak_bytes": peak, "kv_bytes_prefill": after_prefill[0],
        "kv_bytes_end": cache.kv_bytes()[0], "index_bytes": after_prefill[1],
        "weight_bytes": sum(one.numel() * one.element_size() for one in decoder.model.parameters()),
    }  # fmt: skip
    if compression.method.measured:
        looked = empty(compression).rows
        measured = read(None)

        def look() -> None:
            prefill(decoder, prompt, BudgetedCache(decoder.model, None, prompt.visual, looked))

        found["statistics_s"] = _median(decoder, timing.repeats, look) - alone
        found["compression_s"] = _median(decoder, timing.repeats, lambda: measured.compressed(compression))
    return found


@torch.inference_mode()
def _decode(decoder: Decoder, cache: BudgetedCache | Int8Cache, tokens: int) -> tuple[float, float]:
    """Milliseconds a token, median and 95th percentile; which token it is does not matter."""
    asked = torch.zeros(1, 1, dtype=torch.long, device=decoder.device)

    def step() -> None:
        decoder.model(input_ids=asked, past_key_values=cache)

    found = sorted(_seconds(decoder, step) * 1000 for _ in range(tokens))
    return statistics.median(found), found[min(len(found) - 1, round(0.95 * len(found)))]


def _median(decoder: Decoder, repeats: int, work: Callable[[], object]) -> float:
    return statistics.median(_seconds(decoder, work) for _ in range(repeats))


def _seconds(decoder: Decoder, work: Callable[[], object]) -> float:
    _wait(decoder.device)
    start = time.perf_counter()
    work()
    _wait(decoder.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _reset_peak(device: torch.device) -> int:
    """Bytes in use now, from which the peak is counted."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    # Where it cannot be reset, the peak since the process began is all that is known; the model is in it.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak(device)


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
