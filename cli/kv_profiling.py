"""Between requests and the key-value cache of a model: what was measured, planned, tried, as records."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from medpipe.cli.exits import BAD_STREAM, UNAVAILABLE, USAGE, Fatal, side_failure
from medpipe.cli.kv_requests import Request, light, read_request
from medpipe.core.errors import InputError, ModelError
from medpipe.core.kv.attention_statistics import AttentionStatistics, RowSettings
from medpipe.core.kv.budgeted_cache import BudgetedCache, Compression
from medpipe.core.kv.budgets import exact_budgets, requested_total
from medpipe.core.kv.decoder import Decoder, open_decoder
from medpipe.core.kv.int8_cache import layer_bytes
from medpipe.core.kv.methods import CONTROLS, find_method
from medpipe.core.kv.plan import read_plan
from medpipe.core.kv.prompts import Prompt
from medpipe.core.kv.sweep import Baseline, Growth, Tried, measured
from medpipe.core.metrics.text.rouge_l import rouge_l
from medpipe.core.metrics.text.words import TOKENIZERS
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

_SHOWN = {"entropy": "entropy_nats", "normalised": "entropy_normalised", "entropy_tv": "entropy_text_visual_nats",
          "entropy_vt": "entropy_visual_text_nats", "mass_tv": "mass_text_visual",
          "mass_vt": "mass_visual_text"}  # fmt: skip


@dataclass(slots=True)
class Profiling:
    """A decoder with the options of the run."""

    decoder: Decoder
    rows: RowSettings
    read: ReadOptions
    per_head: bool = False
    tokens: int = 0
    growth: Growth = field(default_factory=Growth)

    @classmethod
    def open(cls, command: str, settings: dict[str, Any], device: str, read: ReadOptions, *, quiet: bool) -> Profiling:
        """With the model that `settings` name; Fatal 69 when it is not to be had or its attention out of reach."""
        try:
            decoder = open_decoder(settings["model"], device)
        except ModelError as error:
            raise Fatal(UNAVAILABLE if error.unavailable else BAD_STREAM, str(error)) from None
        tell_untrained(command, decoder.facts, quiet=quiet)
        rows = RowSettings(stride=settings["stride"], causal=settings["causal"])
        more = {name: settings[name] for name in ("per_head", "tokens") if name in settings}
        return cls(decoder, rows, read, growth=Growth(settings.get("every"), settings.get("target")), **more)

    @property
    def label(self) -> str:
        """For `via`."""
        return f"{self.decoder.facts['name']}@{self.decoder.facts['config_sha256']}"

    def measure(self, record: Record) -> Iterator[Record]:
        """Statistics alone."""
        _, prompt, cache, _ = self._read(record)
        yield self._base(record, prompt, cache) | {"layers": [self._layer(one) for one in cache.budgeted]}

    def plan(self, record: Record, compressions: list[Compression]) -> Iterator[Record]:
        """Budgets of each compression, nothing compressed."""
        _, prompt, cache, _ = self._read(record)
        entropies = cache.entropies()
        for one in compressions:
            budgets = one.budgets(entropies, len(entropies), prompt.tokens)
            out = self._base(record, prompt, cache) | self._named(record, one, prompt, cache)
            layers = [
                {"layer": layer.index, **_entropies(layer.statistics), "budget": budget,
                 "fraction": budget / prompt.tokens, "kv_bytes": _kv_bytes(layer, budget),
                 **(_head_budgets(layer, budget) if self.per_head else {})}
                for layer, budget in zip(cache.budgeted, budgets, strict=True)
            ]  # fmt: skip
            yield out | {"kept_total": sum(budgets), "layers": layers}

    def sweep(self, record: Record, compressions: list[Compression]) -> Iterator[Record]:
        """Quality of the full cache, of each compression, and of the cache in eight bits."""
        request, prompt, cache, first = self._read(record)
        base = Baseline.of(self.decoder, cache, first, request.answer, self.tokens)
        whole = cache.kv_bytes()[0]
        yield self._uncut(record, request, prompt, cache, "full", base.whole())
        for one in compressions:
            tried = base.compressed(one, self.growth)
            made = tried.cache
            layers = [
                {"layer": layer.index, **_entropies(measured.statistics), "budget": layer.entries,
                 **({} if layer.compressed is None else layer.compressed.facts()),
                 "kv_bytes": _kv_bytes(layer, layer.entries)}
                for layer, measured in zip(made.budgeted, cache.budgeted, strict=True)
            ]  # fmt: skip
            out = self._base(record, prompt, cache) | self._named(record, one, prompt, cache)
            out |= {"kept_total": sum(layer.entries for layer in made.budgeted)} | _bytes(tried, whole)
            yield out | {"quality": tried.quality} | _scored(request, tried.text) | {"layers": layers}
        yield self._uncut(record, request, prompt, cache, "int8", base.int8())

    def _uncut(
        self, record: Record, request: Request, prompt: Prompt, cache: BudgetedCache, method: str, tried: Tried
    ) -> Record:
        """Of a baseline that keeps every entry: quality, its cache, what is said."""
        kept = prompt.tokens * len(cache.budgeted)
        named = {"id": f"{record['id']}#{method}", "method": method, "ratio": 1.0, "requested_total": kept}
        layers = [
            {"layer": layer.index, **_entropies(layer.statistics), "budget": layer.entries,
             "kv_bytes": layer_bytes(tried.cache.layers[layer.index])}
            for layer in cache.budgeted
        ]  # fmt: skip
        out = self._base(record, prompt, cache) | named | {"kept_total": kept} | _bytes(tried, cache.kv_bytes()[0])
        return out | {"quality": tried.quality} | _scored(request, tried.text) | {"layers": layers}

    def _read(self, record: Record) -> tuple[Request, Prompt, BudgetedCache, Any]:
        request = read_request(record, self.read)
        prompt = self.decoder.prompts.encode(request.prompt, request.images)
        cache, first = measured(self.decoder, prompt, self.rows, self.tokens)
        return request, prompt, cache, first

    def _base(self, record: Record, prompt: Prompt, cache: BudgetedCache) -> Record:
        visual = int(prompt.visual.sum())
        out = light(record) | {
            "decoder": self.decoder.facts, "n_text": prompt.tokens - visual, "n_visual": visual,
            "n_images": prompt.images, "rows": cache.budgeted[0].statistics.rows,  # type: ignore[union-attr]
            "entropy_kind": "full" if cache.entropies()[0].cross_modal is None else "cross-modal",
        }  # fmt: skip
        notes = []
        if out["entropy_kind"] == "full":
            notes.append("no image" if not visual else "nothing but images")
            notes[0] += ": the entropy of whole rows stands in for the cross-modal one"
        if cache.skipped:
            notes.append(f"layers {', '.join(map(str, cache.skipped))} have a window and are left as they are")
        return out | ({"notes": notes} if notes else {})

    def _named(self, record: Record, one: Compression, prompt: Prompt, cache: BudgetedCache) -> Record:
        layers, text = len(cache.budgeted), prompt.tokens - int(prompt.visual.sum())
        total = requested_total(one.ratio, prompt.tokens, layers)
        over = one.method.text_prior and text * layers > total and text < prompt.tokens
        return {
            "id": f"{record['id']}#{one.method.name}-{one.ratio:.12g}", "method": one.method.name, "ratio": one.ratio,
            "requested_total": total, **({"text_over_budget": True} if over else {}),
        }  # fmt: skip

    def _layer(self, layer: Any) -> Record:
        statistics: AttentionStatistics = layer.statistics
        found = {_SHOWN.get(name, name): values for name, values in statistics.means().items()}
        found |= {"entropy_cross_modal_nats": statistics.cross_modal}
        found |= {f"coverage_{share}": statistics.coverage(share / 100) for share in (90, 95)}
        made = {name: _number(float(values.mean())) for name, values in found.items()}
        out = {"layer": layer.index, **made, "kv_bytes": _kv_bytes(layer, layer.entries)}
        if self.per_head:
            out["heads"] = {name: [_number(one) for one in values.tolist()] for name, values in found.items()}
        return out


def tell_untrained(command: str, facts: dict[str, Any], *, quiet: bool) -> None:
    """A line for the user, where the model is one that has learnt nothing."""
    if not quiet and not facts["trained"]:
        print(f"{command}: {facts['name']} is untrained: its numbers mean nothing", file=sys.stderr)


def compressions_of(
    decoder: Decoder, methods: list[str], ratios: list[float], merger: str | None = None, plan: str | None = None
) -> list[Compression]:
    """Every method at every ratio, then a plan's; Fatal 2 for a merger that there is not, 65 or 66 for a plan that is
    none, or another model's."""
    try:
        chosen = [find_method(name).merged_by(None if name in CONTROLS else merger) for name in methods]
        if merger is not None:
            # The controls are what they are; budgets alike with this merger stand beside them.
            chosen.append(find_method("uniform").merged_by(merger))
    except InputError as error:
        raise Fatal(USAGE, str(error)) from None
    found = [Compression(method, ratio) for method in dict.fromkeys(chosen) for ratio in ratios]
    if plan is not None:
        try:
            read = read_plan(plan)
            read.check(decoder.facts["config_sha256"], len(BudgetedCache(decoder.model).budgeted))
        except InputError as error:
            raise side_failure(plan, error) from None
        planned = read.compression(merger)
        found.append(replace(planned, method=replace(planned.method, name=f"plan:{planned.method.name}")))
    return found


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _entropies(statistics: AttentionStatistics | None) -> Record:
    if statistics is None:
        return {}
    return {
        "entropy_nats": _number(float(statistics.entropy.mean())),
        "entropy_cross_modal_nats": _number(float(statistics.cross_modal.mean())),
    }


def _kv_bytes(layer: Any, entries: int) -> int:
    heads, width = layer.keys.shape[1], layer.keys.shape[3] + layer.values.shape[3]
    return int(heads * width * layer.keys.element_size() * entries)


def _head_budgets(layer: Any, budget: int) -> Record:
    """Entries shared out among KV heads by the softmax of their entropies; stored together each takes the largest."""
    entropy = layer.statistics.entropy
    heads = exact_budgets(entropy.softmax(0).tolist(), budget * len(entropy), 1, layer.entries)
    a_head = _kv_bytes(layer, 1) // len(heads)
    return {
        "head_budgets": heads, "head_bytes_logical": a_head * sum(heads),
        "head_bytes_allocated": a_head * max(heads) * len(heads),
    }  # fmt: skip


def _bytes(tried: Tried, whole: int) -> Record:
    held, beside = tried.cache.kv_bytes()
    return {"kv_bytes": held, "kv_bytes_full": whole, "index_bytes": beside, "kv_bytes_end": tried.bytes_end}


def _scored(request: Request, text: str) -> Record:
    if request.answer is None:
        return {}
    said, true = (TOKENIZERS["words"](one) for one in (text, request.answer))
    # An answer of signs alone has no words to compare.
    same = said == true if true else text.strip() == request.answer.strip()
    return {"said": text, "exact_match": float(same), "rouge_l": round(rouge_l(said, true), 6) if true else float(same)}
