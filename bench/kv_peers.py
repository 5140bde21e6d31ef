"""What attention costs beside the prompt itself: core.kv against kvpress, each against its own full cache.

A Llama with random weights (8 layers, 8 heads, 2 of them of keys, 512 wide) reads 4096 tokens in float32. kvpress 0.5.5
runs with transformers 5.2.0 in an environment of its own, core.kv with the transformers of this one; the full cache of
each is transformers' own with sdpa. One process a method, one thread, a short prompt first; they take turns, and the
median of 15 rounds counts. Where seconds of one process differ from round to round by more than what is compared, the
share of a reading that is the method's own is told too: kvpress's hook, and here what is done with attention and after
it, over the rest of the same reading. Times are CPU time of reading the prompt and of what the method does after it;
intervals are of a bootstrap over rounds. Memory is how far the peak of the process while it reads is above that of its
full cache.

Half of the tokens count as of an image. Entropies across are over the keys that a row sees; those of `meda`, as in the
paper, over keys ahead of it too. Column sums are compared with ObservedAttention's scores times the rows they are of.

Usage: KVPRESS_PYTHON=ENV/bin/python python bench/kv_peers.py [statistics] [overhead], ENV as kvpress_worker.py says
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from kv_process import Worker, ours, theirs
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

TOKENS, WARM, ROUNDS, GROUP = 4096, 256, 15, 4
VISUAL = [1024, 3072]
Table = dict[str, NDArray[np.float64]]


def random_llama(folder: Path) -> None:
    """The same weights for all."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=2,
        vocab_size=1000, max_position_embeddings=8192, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)


def prompt_of(count: int) -> list[int]:
    """Tokens drawn at random."""
    drawn: list[int] = torch.randint(0, 1000, (count,), generator=torch.Generator().manual_seed(0)).tolist()
    return drawn


# Of each table the methods: side, name there, and settings.
Method = tuple[Callable[..., Worker], str, tuple[str, ...]]
STATISTICS: dict[str, Method] = {
    "kvpress full": (theirs, "full", ("1",)),
    "kvpress ObservedAttention, eager": (theirs, "ObservedAttention", ("0.2",)),
    "full": (ours, "full", ("1",)),
    "all statistics, all rows": (ours, "statistics", ("1", "1", "causal")),
}
OVERHEAD: dict[str, Method] = {
    "kvpress full": (theirs, "full", ("1",)),
    "kvpress SnapKV": (theirs, "SnapKV", ("0.2",)),
    "full": (ours, "full", ("1",)),
    "meda, every 64th row": (ours, "meda", ("0.2", "64")),
    "meda, every 16th row": (ours, "meda", ("0.2", "16")),
}


def measured(folder: Path, methods: dict[str, Method], sums: bool) -> tuple[Table, Table, Table, float]:
    """CPU seconds, peak bytes, and CPU seconds of the method alone, of each round by method; how far sums are apart."""
    running = {name: side(folder, method, *settings) for name, (side, method, settings) in methods.items()}
    rounds = []
    for tokens, visual in [(WARM, [64, 192]), *[(TOKENS, VISUAL)] * ROUNDS]:
        rounds.append([one.ask(input_ids=prompt_of(tokens), visual=visual) for one in running.values()])
        print(f"round {len(rounds) - 1} of {ROUNDS}", [one["prefill_cpu_s"] for one in rounds[-1]], file=sys.stderr)
    apart = largest_difference(folder, running) if sums else 0.0
    for one in running.values():
        one.end()
    times, peaks, own = (
        {name: np.array([told[place][key] for told in rounds[1:]], float) for place, name in enumerate(running)}
        for key in ("prefill_cpu_s", "peak_bytes", "own_cpu_s")
    )
    return times, peaks, own, apart


def largest_difference(folder: Path, running: dict[str, Worker]) -> float:
    """Between column sums of both sides, against the sum itself."""
    found = []
    for side, name in (("theirs", "kvpress ObservedAttention, eager"), ("ours", "all statistics, all rows")):
        place = folder / f"{side}.safetensors"
        running[name].ask(input_ids=prompt_of(TOKENS), visual=VISUAL, sums=str(place))
        found.append(load_file(place))
    scores, sums = found
    # A score is a mean over rows that see the key, and over the query heads of a group.
    rows = torch.arange(TOKENS, 0, -1) * GROUP
    return max(float((scores[layer] * rows / sums[layer] - 1).abs().max()) for layer in sums)


def shares(times: Table, drawn: NDArray[np.int64]) -> dict[str, float]:
    """Of each method the median time over that of its full cache, in the rounds drawn."""
    medians = {name: float(np.median(one[drawn])) for name, one in times.items()}
    return {name: one / medians[full_of(name)] for name, one in medians.items() if name != full_of(name)}


def full_of(name: str) -> str:
    """The full cache that a method is measured against."""
    return "kvpress full" if name.startswith("kvpress") else "full"


def tabled(times: Table, peaks: Table) -> tuple[dict[str, float], list[dict[str, float]], dict[str, float]]:
    """A table of methods; their shares, these in rounds drawn again, and extra memory."""
    first = shares(times, np.arange(ROUNDS))
    rng = np.random.default_rng(0)
    again = [shares(times, rng.integers(0, ROUNDS, ROUNDS)) for _ in range(2000)]
    # Of the first long prompt of a process: later ones find memory that was left.
    extra = {name: float(peaks[name][0] - peaks[full_of(name)][0]) for name in first}
    print("| method | prefill, CPU s | over its full cache's | 95 % interval | extra peak memory, MiB |")
    print("| --- | --- | --- | --- | --- |")
    for name, found in times.items():
        told = "1 | | "
        if name in first:
            low, high = np.quantile([draw[name] for draw in again], (0.025, 0.975))
            told = f"{first[name]:.3f} | {low:.3f} to {high:.3f} | {extra[name] / 2**20:.0f}"
        print(f"| {name} | {np.median(found):.2f} | {told} |")
    return first, again, extra


def statistics(folder: Path) -> None:
    """All rows, against ObservedAttention."""
    times, peaks, _, apart = measured(folder, STATISTICS, sums=True)
    first, again, extra = tabled(times, peaks)
    eager, whole = first
    low, high = np.quantile([draw[whole] / draw[eager] for draw in again], (0.025, 0.975))
    print("\n| statistics of all rows against ObservedAttention | found | bar |\n| --- | --- | --- |")
    print(
        f"| time over full cache's, times theirs | {first[whole] / first[eager]:.3f} ({low:.3f} to {high:.3f}) | 0.6 |"
    )
    print(f"| extra peak memory, times theirs | {extra[whole] / extra[eager]:.3f} | 0.25 |")
    print(f"| column sums, largest relative difference | {apart:.1e} | 1e-4 |\n")


def overhead(folder: Path) -> None:
    """Sampled rows, against SnapKV."""
    times, peaks, own, _ = measured(folder, OVERHEAD, sums=False)
    first, again, _ = tabled(times, peaks)
    inside = {name: 100 * own[name] / (times[name] - own[name]) for name in first}
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, ROUNDS, ROUNDS) for _ in range(2000)]
    print("\n| overhead beyond SnapKV's, points | over its full cache's | 95 % interval |", end="")
    print(" within the same reading | 95 % interval | bar |\n| --- | --- | --- | --- | --- | --- |")
    snap, *sampled = first
    for name in sampled:
        low, high = np.quantile([100 * (draw[name] - draw[snap]) for draw in again], (0.025, 0.975))
        apart = inside[name] - inside[snap]
        nearer = np.quantile([np.median(apart[rows]) for rows in drawn], (0.025, 0.975))
        bar = "upper end 10" if name == sampled[0] else ""
        whole = f"{100 * (first[name] - first[snap]):.1f} | {low:.1f} to {high:.1f}"
        print(f"| {name} | {whole} | {np.median(apart):.1f} | {nearer[0]:.1f} to {nearer[1]:.1f} | {bar} |")
    told = ", ".join(f"{name} {np.median(one):.1f} %" for name, one in inside.items())
    print(f"\nWithin the same reading, median: {told} of the rest.")


def main() -> None:
    wanted = {"statistics": statistics, "overhead": overhead}
    with tempfile.TemporaryDirectory() as name:
        random_llama(Path(name))
        for one in sys.argv[1:] or wanted:
            wanted[one](Path(name))


if __name__ == "__main__":
    main()
