"""What causal attention does in one layer, from blocks of rows: exact or sampled, and no n x n matrix.

Scores of a block are taken against the keys that its last row sees, shifted by their maximum, and exponentiated once;
every sum over a row is then a product with a few columns of marks. With e = exp(s - max), z = sum e over the keys of a
set and t = sum e (s - max), the entropy of the row's softmax over that set alone is ln z - t / z.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Final

import torch
from torch import Tensor

# Scores at once: little enough for a CPU's caches, enough to keep a GPU busy.
_CELLS: Final = {"cpu": 2**18, "cuda": 2**26}
_OUT_OF_SIGHT: Final = 1e30
# The lowest score against its row's highest: exponentials too small for float32 take a CPU ten times as long.
_FAINT: Final = -80.0
# A set with less of a row than this is not measured: its softmax would be of rounding errors.
_LEAST: Final = 1e-28


@dataclass(frozen=True, slots=True)
class RowSettings:
    """Which rows are looked at, and how.

    Of `stride` rows one is, the last always. Sums over the last `window` rows, if any, are kept apart. `sinks` first
    keys and `recent` last ones have their mass told. `causal`: cross-modal entropies over the keys that a row sees;
    else, as the paper's equation has it, over all keys of the other kind.
    """

    stride: int = 1
    window: int = 32
    sinks: int = 4
    recent: int = 64
    causal: bool = False


@dataclass(slots=True)
class AttentionStatistics:
    """Of one layer, each [KV heads], the means over its query heads and rows; NaN where there is no such row.

    `entropy` in nats, `normalised` by the log of the keys seen, `effective_keys` its exponential. `_tv` is of text rows
    over visual keys, `_vt` of visual rows over text keys: entropy of attention within them, and their share of it.
    `received` and `window` [KV heads, n] are column sums, of all rows and of the last; sums of sampled rows are scaled
    up to all.
    """

    entropy: Tensor
    normalised: Tensor
    effective_keys: Tensor
    entropy_tv: Tensor
    entropy_vt: Tensor
    mass_tv: Tensor
    mass_vt: Tensor
    mass_sink: Tensor
    mass_recent: Tensor
    received: Tensor = field(repr=False)
    window: Tensor = field(repr=False)
    rows: int = 0

    @property
    def cross_modal(self) -> Tensor:
        """E_CM of MEDA [KV heads]: both entropies added, one alone where the other is not there; NaN without either."""
        both = torch.stack([self.entropy_tv, self.entropy_vt])
        return torch.where(both.isnan().all(0), torch.nan, both.nansum(0))

    def coverage(self, share: float) -> Tensor:
        """The share of keys that receive this share of all attention [KV heads]."""
        ordered = self.received.sort(dim=1, descending=True).values.cumsum(1)
        return ((ordered < share * ordered[:, -1:]).sum(1) + 1) / self.received.shape[1]

    def means(self) -> dict[str, Tensor]:
        """All that is one number a head, by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)[:9]}


@dataclass(slots=True)
class _Rows:
    """Sums of rows, each [KV heads, queries a head, rows]."""

    places: Tensor
    sums: Tensor
    parts: Tensor
    recent: Tensor


@torch.no_grad()
def measure(
    query: Tensor,
    key: Tensor,
    scale: float,
    visual: Tensor | None,
    settings: RowSettings,
    value: Tensor | None = None,
) -> tuple[AttentionStatistics, Tensor | None]:
    """Statistics of a prompt's attention, and its output where `value` is given and every row is looked at.

    Args:
        query: [query heads, n, d], as it meets the keys.
        key: [KV heads, n, d].
        scale: of the scores.
        visual: [n], which tokens are of an image; None for none.
        settings: which rows.
        value: [KV heads, n, d].

    Returns:
        The statistics; the output [query heads, n, d] or None.
    """
    heads, count, width = key.shape
    block = _Block(query.view(heads, -1, count, width), key.float(), scale, visual, settings)
    whole = settings.stride == 1
    output = torch.empty_like(query).view(block.query.shape) if whole and value is not None else None
    values = value.float() if output is not None and value is not None else None
    received, window = (key.new_zeros(heads, count, dtype=torch.float32) for _ in range(2))
    found: list[_Rows] = []
    for places, counted, last in _blocks(count, block, settings):
        rows, columns, out = block.sums(places, values)
        if counted:
            found.append(rows)
            received[:, : columns.shape[1]] += columns
        if last:
            window[:, : columns.shape[1]] = columns
        if output is not None and out is not None:
            output[:, :, places] = out.to(output.dtype)
    seen = sum(len(one.places) for one in found)
    statistics = _reduce(found, block, received * _rows_for_one(found, count).to(received.device), window, seen)
    return statistics, None if output is None else output.view(query.shape)


def _rows_for_one(found: list[_Rows], count: int) -> Tensor:
    """For how many rows one that was looked at stands, by column [n]: few see the last keys."""
    places = torch.cat([one.places for one in found]).cpu().sort().values
    columns = torch.arange(count)
    return (count - columns) / (len(places) - torch.searchsorted(places, columns))


def _blocks(count: int, block: _Block, settings: RowSettings) -> Iterator[tuple[Tensor, bool, bool]]:
    """Rows of each block, whether they count, and whether they are the last window."""
    tail = torch.arange(max(0, count - settings.window), count)
    rows = torch.arange(count - 1, -1, -settings.stride).flip(0)
    whole = settings.stride == 1
    if whole:
        rows = rows[: count - len(tail)]
    for start in range(0, len(rows), block.height):
        yield rows[start : start + block.height], True, False
    if len(tail):
        yield tail, whole, True


class _Block:
    """The prompt, and the sums of some of its rows."""

    def __init__(self, query: Tensor, key: Tensor, scale: float, visual: Tensor | None, settings: RowSettings) -> None:
        self.query, self.key, self.scale, self.settings = query, key, scale, settings
        count = key.shape[1]
        self.visual = torch.zeros(count, dtype=torch.bool, device=key.device) if visual is None else visual
        sinks = torch.arange(count, device=key.device) < settings.sinks
        self.marks = torch.stack([self.visual, ~self.visual, sinks], dim=1).float()
        cells = _CELLS.get(key.device.type, _CELLS["cuda"])
        across = query.shape[0] * query.shape[1] * count
        self.height = min(512, max(32, cells // across))
        # For scores and for their exponentials: memory that is new costs a CPU more than what is done in it.
        self.room = key.new_empty(2, across * max(self.height, min(settings.window, count)))

    def scores(self, places: Tensor, key: Tensor) -> Tensor:
        """[KV heads, queries x rows, keys]."""
        asked = (self.query[:, :, places].float() * self.scale).flatten(1, 2)
        shape = asked.shape[0], asked.shape[1], key.shape[1]
        return torch.bmm(asked, key.mT, out=self.room[0, : math.prod(shape)].view(shape))

    def raised(self, scores: Tensor) -> Tensor:
        """Exponentials of scores, which are put below their row's maximum."""
        scores -= scores.amax(-1, keepdim=True)
        return torch.exp(scores.clamp_min_(_FAINT), out=self.room[1, : scores.numel()].view(scores.shape))

    def sums(self, places: Tensor, values: Tensor | None) -> tuple[_Rows, Tensor, Tensor | None]:
        """Sums of rows, of columns [KV heads, keys], and the output [KV heads, queries a head, rows, d]."""
        first, stop = int(places[0]) + 1, int(places[-1]) + 1
        places = places.to(self.key.device)
        scores = self.scores(places, self.key[:, :stop])
        by_row = scores.view(scores.shape[0], -1, len(places), stop)
        columns = torch.arange(stop, device=places.device)
        seen = (columns[first:] <= places[:, None]).float()
        by_row[..., first:].add_((seen - 1) * _OUT_OF_SIGHT)
        shares = self.raised(scores)
        shares.view_as(by_row)[..., first:].mul_(seen)
        marks = self.marks[:stop]
        sums = shares @ marks
        whole = sums[..., 0] + sums[..., 1]
        low = max(0, first - self.settings.recent)
        band = places[:, None] - columns[low:] < self.settings.recent
        recent = (shares.view_as(by_row)[..., low:] * band).sum(-1)
        out = None
        if values is not None:
            out = (shares @ values[:, :stop] / whole[..., None]).view(*by_row.shape[:3], -1)
        received = torch.bmm(whole.reciprocal()[:, None], shares)[:, 0]
        parts = scores.mul_(shares) @ marks[:, :2]
        shape = by_row.shape[:3]
        return _Rows(places, sums.view(*shape, 3), parts.view(*shape, 2), recent), received, out

    def entropies_unmasked(self, places: Tensor, keys: Tensor) -> Tensor:
        """Mean entropy of rows over a set of keys, those ahead of them too [KV heads]; NaN where one is empty."""
        if not len(places) or not bool(keys.any()):
            return self.key.new_full((self.key.shape[0],), torch.nan)
        chosen = self.key[:, keys]
        found = []
        for start in range(0, len(places), self.height):
            scores = self.scores(places[start : start + self.height], chosen)
            shares = self.raised(scores)
            whole = shares.sum(-1)
            found.append(whole.log() - shares.mul_(scores).sum(-1) / whole)
        return torch.cat(found, 1).mean(1)


def _reduce(found: list[_Rows], block: _Block, received: Tensor, window: Tensor, seen: int) -> AttentionStatistics:
    places = torch.cat([one.places for one in found])
    sums, parts = (torch.cat([getattr(one, name) for one in found], 2) for name in ("sums", "parts"))
    whole = sums[..., 0] + sums[..., 1]
    entropy = whole.log() - (parts[..., 0] + parts[..., 1]) / whole
    text = ~block.visual[places]
    later = places > 0
    crossed = []
    for kind, rows in ((0, text), (1, ~text)):
        there = sums[:, :, rows, kind]
        inside = there.clamp_min(_LEAST).log() - parts[:, :, rows, kind] / there.clamp_min(_LEAST)
        # A row that sees no key of the other kind has nothing to be spread over.
        sees = (there > _LEAST).float()
        crossed += [_mean(inside, sees), _mean(there / whole[:, :, rows], sees)]
    if not block.settings.causal:
        crossed[0] = block.entropies_unmasked(places[text], block.visual)
        crossed[2] = block.entropies_unmasked(places[~text], ~block.visual)
    return AttentionStatistics(
        entropy=entropy.mean((1, 2)),
        normalised=(entropy[:, :, later] / (places[later] + 1).log()).mean((1, 2)),
        effective_keys=entropy.exp().mean((1, 2)),
        entropy_tv=crossed[0],
        entropy_vt=crossed[2],
        mass_tv=crossed[1],
        mass_vt=crossed[3],
        mass_sink=(sums[..., 2] / whole).mean((1, 2)),
        mass_recent=(torch.cat([one.recent for one in found], 2) / whole).mean((1, 2)),
        received=received,
        window=window,
        rows=seen,
    )


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Over the last two axes of [KV heads, queries a head, rows], with weights; NaN where all are none."""
    return (values * weights).sum((1, 2)) / weights.sum((1, 2))
