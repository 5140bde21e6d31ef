"""Pictures of what kv-profile says: a record's layers, or the quality of all that a sweep has tried."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.kv_costs import COSTS, means
from medpipe.cli.kv_sweeps import Sweep, Tried
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from medpipe.cli.viewing import View
    from medpipe.core.draw.cache_layers import Budgets, LayerMap

# Of layers: what is drawn, and what it is called.
_STATISTICS: Final = {
    "entropy_nats": "entropy, nats", "entropy_normalised": "entropy, of its most",
    "entropy_text_visual_nats": "text to image, nats", "entropy_visual_text_nats": "image to text, nats",
    "entropy_cross_modal_nats": "cross-modal, nats", "mass_text_visual": "mass text to image",
    "mass_visual_text": "mass image to text", "mass_sink": "mass of sinks", "mass_recent": "mass of recent",
    "effective_keys": "effective keys", "coverage_90": "keys for 90 %", "coverage_95": "keys for 95 %",
    "merged": "merged entries", "similarity_mean": "their similarity", "attention_error": "attention error",
}  # fmt: skip
_OF_HEADS: Final = {
    "entropy_cross_modal_nats": "cross-modal entropy, nats", "entropy_nats": "entropy of whole rows, nats",
    "mass_text_visual": "mass of text rows on images",
}  # fmt: skip
_COSTS_SHOWN: Final = {
    "prefill s": "prefill, s", "decode ms": "decoding, ms a token",
    "peak MiB": "peak memory beyond the model, MiB", "KV MiB": "keys and values at the end, MiB",
}  # fmt: skip
# Far above any model's.
_MOST_LAYERS: Final = 4096


def is_profile(record: Record) -> bool:
    """Whether the record is one of kv-profile."""
    return isinstance(record.get("decoder"), dict) and type(record.get("n_text")) is int


def is_swept(record: Record) -> bool:
    """Whether the record is one of kv-profile sweep."""
    return is_profile(record) and isinstance(record.get("quality"), dict)


def is_timed(record: Record) -> bool:
    """Whether the record is one of kv-profile bench."""
    return is_profile(record) and isinstance(record.get("cost"), dict)


def request_of(record: Record) -> str:
    """The id of the request that a record is of."""
    return str(record["id"]).rpartition("#")[0]


def draw_layers(record: Record, view: View, kind: str) -> bytes:
    """One record's layers. Raises FormatError where it has none, or they are none that can be drawn."""
    from medpipe.core.draw.cache_layers import draw_cache_layers

    layers = _layers(record)
    budgets, maps = _budgets(record, layers), layer_maps(layers)
    if budgets is None and not maps:
        raise FormatError("bad-value", "the layers have nothing that can be drawn")
    title = view.title if view.title is not None else str(record["id"])
    places = [one["layer"] for one in layers]
    # On the page of HTML the title stands above.
    figure = draw_cache_layers("" if kind == "html" else title, _said(record), places, budgets, maps)
    names = [name for name in ("budget", *_STATISTICS) if any(_number(one.get(name)) is not None for one in layers)]
    rows = [[str(one["layer"]), *(_text(_number(one.get(name))) for name in names)] for one in layers]
    header = ["layer", *(_STATISTICS.get(name, name) for name in names)]
    return _picture(figure, view, kind, title, header, rows)


def draw_sweep(records: Iterable[Record], title: str, view: View, kind: str) -> bytes:
    """Quality of all that was tried, over all requests of the records. Raises FormatError."""
    from medpipe.core.draw.cache_quality import Measure, Point, draw_cache_quality

    sweep, model = Sweep(), "?"
    for record in records:
        sweep.add(record)
        model = _model(record)
    tried = sweep.tried()
    points = [Point(one.method, one.means["bytes"] or 0.0, one.means, one.intervals, one.best) for one in tried]
    if not all(point.share > 0 for point in points):
        raise FormatError("bad-value", "a cache of no bytes is not drawn")
    measures = [
        Measure("KL", "KL from the full cache, nats", powers=True),
        Measure("top 1", "same likeliest token", share=True),
        Measure("NLL", "change of NLL, nats a token"),
    ]
    if any(one.means["exact"] for one in tried):
        measures.append(Measure("exact", "answers that match exactly", share=True))
    elif any(one.means["ROUGE-L"] is not None for one in tried):
        # Of long answers none is ever met exactly.
        measures.append(Measure("ROUGE-L", "ROUGE-L of the answer", share=True))
    requests = max(one.requests for one in tried)
    said = f"{requests} requests, bands: 95 % of bootstrap draws of them" if requests > 1 else "1 request"
    figure = draw_cache_quality("" if kind == "html" else title, f"{model}    {said}", points, measures)
    names = [one.name for one in measures]
    header = ["method", "ratio", "bytes", *names, "none better"]
    return _picture(figure, view, kind, title, header, [_row(one, names) for one in tried])


def draw_costs(records: Iterable[Record], title: str, view: View, kind: str) -> bytes:
    """Time and memory of all that bench has tried, means over the requests of the records. Raises FormatError."""
    from medpipe.core.draw.cache_costs import Panel, draw_cache_costs

    rows: dict[str, list[list[float | None]]] = {}
    model = "?"
    for record in records:
        try:
            values = [of(record) for of in COSTS.values()]
            name = str(record["method"]) + ("" if record["method"] == "full" else f" {record['ratio']:g}")
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            raise FormatError("bad-value", "the record lacks numbers that kv-profile bench gives") from None
        if not all(value is None or _number(value) is not None for value in values):
            raise FormatError("bad-value", "what should be a number of kv-profile bench is none")
        rows.setdefault(name, []).append(values)
        model = _model(record)
    found = {name: dict(zip(COSTS, means(told), strict=True)) for name, told in rows.items()}
    panels = [
        Panel(shown, [one[name] for one in found.values()], [_cost_said(one, name) for one in found.values()])
        for name, shown in _COSTS_SHOWN.items()
    ]
    requests = max(map(len, rows.values()))
    said = f"{model}    {f'means of {requests} requests' if requests > 1 else '1 request'}"
    said += "    in brackets the speed-up, and its ceiling were bytes all that counts"
    figure = draw_cache_costs("" if kind == "html" else title, said, list(found), panels)
    table = [[name, *(_text(value) for value in one.values())] for name, one in found.items()]
    return _picture(figure, view, kind, title, ["method", *COSTS], table)


def _cost_said(one: dict[str, float | None], name: str) -> str:
    """The number; of decoding with its ceiling too, which a speed-up alone does not tell."""
    value, gain = one[name], one["speed-up"]
    told = "-" if value is None else f"{value:.3g}"
    return f"{told}  ({gain:.2f}x of {one['ceiling']:.2f}x)" if name == "decode ms" and gain is not None else told


def _picture(
    figure: Figure, view: View, kind: str, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> bytes:
    if kind == "html":
        from medpipe.core.draw.cache_page import cache_page

        return cache_page(figure, title, "Of kv-profile. For research.", header, rows)
    from medpipe.core.draw.render import render

    return render(figure, kind, dpi=view.dpi)


def _row(one: Tried, names: Sequence[str]) -> list[str]:
    from medpipe.core.metrics.table import with_interval

    numbers = (with_interval(one.means[name], one.intervals.get(name)) for name in ("bytes", *names))
    return [one.method, f"{one.ratio:g}", *numbers, "*" if one.best else ""]


def _layers(record: Record) -> list[Record]:
    """With the error of each layer's attention among its numbers."""
    layers = record.get("layers")
    if layers is None:
        raise FormatError("no-layers", "the record has no layers to draw: of the full cache, and of one in eight bits")
    numbered = isinstance(layers, list) and all(
        isinstance(one, dict) and type(one.get("layer")) is int and 0 <= one["layer"] < _MOST_LAYERS for one in layers
    )
    if not layers or not numbered:
        raise FormatError("bad-value", "layers is not a list of layers with their numbers")
    quality = record.get("quality")
    errors = quality.get("attention_error") if isinstance(quality, dict) else None
    if not isinstance(errors, list) or len(errors) != len(layers):
        return list(layers)
    return [one | {"attention_error": error} for one, error in zip(layers, errors, strict=True)]


def _budgets(record: Record, layers: list[Record]) -> Budgets | None:
    from medpipe.core.draw.cache_layers import Budgets

    kept = _column(layers, "budget")
    whole = record["n_text"] + (record["n_visual"] if type(record.get("n_visual")) is int else 0)
    if not np.isfinite(kept).all() or whole <= 0:
        return None
    # Where nothing was dropped, nobody has counted.
    visual = _column(layers, "kept_visual")
    return Budgets(kept, visual if np.isfinite(visual).all() else None, float(kept.mean()), whole)


def layer_maps(layers: list[Record]) -> list[LayerMap]:
    """Layers by KV heads where they were told, else layers by statistic."""
    from medpipe.core.draw.cache_layers import LayerMap

    heads = [(title, _by_head([_told(one.get("heads"), name) for one in layers])) for name, title in _OF_HEADS.items()]
    heads.append(("entries of each KV head", _by_head([one.get("head_budgets") for one in layers])))
    maps = [
        LayerMap(title, [f"head {head}" for head in range(len(values))], values)
        for title, values in heads
        if values is not None
    ]
    if any("heads" in one for one in layers):
        return maps
    rows = {name: _column(layers, key) for key, name in _STATISTICS.items()}
    there = {name: row for name, row in rows.items() if np.isfinite(row).any()}
    if there:
        title = "attention, each row in colours from its lowest to its highest"
        maps.insert(0, LayerMap(title, list(there), np.stack(list(there.values())), apart=True))
    return maps


def _told(heads: Any, name: str) -> Any:
    return heads.get(name) if isinstance(heads, dict) else None


def _by_head(told: list[Any]) -> NDArray[np.float64] | None:
    """Numbers [heads, layers]; None where a layer tells no list, or none of them is a number."""
    if not all(isinstance(one, list) and one and len(one) == len(told[0]) for one in told):
        return None
    values = np.array([[_or_nan(value) for value in one] for one in told]).T
    return values if np.isfinite(values).any() else None


def _column(layers: list[Record], name: str) -> NDArray[np.float64]:
    return np.array([_or_nan(one.get(name)) for one in layers], np.float64)


def _or_nan(value: Any) -> float:
    number = _number(value)
    return math.nan if number is None else number


def _number(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}" if value == int(value) else f"{value:.3f}"


def _model(record: Record) -> str:
    decoder = record["decoder"]
    return f"{decoder.get('name')}{'' if decoder.get('trained') else ', untrained'}"


def _said(record: Record) -> str:
    parts = [_model(record), f"{record['n_text']} tokens of text, {record.get('n_visual', 0)} of images"]
    if isinstance(record.get("method"), str) and type(record.get("kept_total")) is int:
        parts.append(f"{record['method']} at {record.get('ratio')}: {record['kept_total']} entries kept")
    return "    ".join(parts)
