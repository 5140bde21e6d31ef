"""A folder that pre-training has filled: the weights, best and last, and model.json that says what they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from medpipe.core.checkpoints import sha256_of
from medpipe.core.ecg.network import HEADS, EcgNetwork
from medpipe.core.ecg.objective import DECODER, QUERIES, Objective
from medpipe.core.ecg.query_decoder import DecoderShape, QueryDecoder
from medpipe.core.ecg.registry import network_class
from medpipe.core.ecg.torch_weights import fit, read_weights
from medpipe.core.ecg.train_presets import TrainPreset
from medpipe.core.errors import ModelError
from medpipe.core.training.durable import put
from medpipe.core.training.loop import Which

MODEL: Final = "model.json"
_FORMAT: Final = 1
_ENTRY: Final = "medpipe"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the caller knows of a training and the objective does not.

    `text_model` names the frozen text encoder and `text_width` the length of its vectors; `entities` are the names
    behind the queries, in their order; `data` says what was trained on: counts, digests, no paths of patients.
    """

    text_model: str
    text_width: int
    entities: tuple[str, ...]
    data: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained encoder, with its decoder and its entities' text vectors [E, D] where it has them, and its facts."""

    network: EcgNetwork
    decoder: QueryDecoder | None
    queries: Tensor | None
    facts: dict[str, Any]
    sha256: str
    path: Path


def describe(objective: Objective, preset: TrainPreset, facts: RunFacts) -> dict[str, Any]:
    """The run as model.json and its states name it. Raises ValueError where entities and queries differ in number."""
    queries, decoder = objective.queries, objective.decoder
    if queries is not None and len(queries) != len(facts.entities):
        raise ValueError(f"{len(facts.entities)} entities for {len(queries)} text vectors")
    return {
        "medpipe_model": _FORMAT,
        "arch": objective.network.arch,
        "preset": objective.network.preset,
        "objective": preset.objective,
        "train_preset": preset.facts(),
        "train_preset_digest": preset.digest,
        "text": {"model": facts.text_model, "dim": facts.text_width},
        "entities": list(facts.entities) if queries is not None else [],
        "queries_sha256": None if queries is None else _digest(queries),
        "decoder": None if decoder is None else decoder.shape.facts(),
        "data": dict(facts.data),
    }


def run_digest(run: Mapping[str, Any]) -> str:
    """Sixteen hex digits over a run's description, the same in its model.json and its weights."""
    return hashlib.sha256(json.dumps(run, sort_keys=True).encode()).hexdigest()[:16]


def write_weights(folder: Path, which: Which, objective: Objective, digest: str, place: Mapping[str, object]) -> None:
    """best.safetensors or last.safetensors, with the run's digest and the place in training in its metadata."""
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in objective.weights().items()}
    # One entry: safetensors writes several in an order of chance, and the same run is to give the same bytes.
    said = {_ENTRY: json.dumps({"run": digest, **place}, sort_keys=True)}
    put(folder / f"{which}.safetensors", lambda part: save_file(tensors, part, metadata=said))


def rename_weights(folder: Path, which: Which, digest: str) -> None:
    """Let weights that are there belong to the run `digest`: the same run, made longer."""
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    path = folder / f"{which}.safetensors"
    if not path.exists():
        return
    with safe_open(path, framework="pt") as opened:
        said = json.loads(opened.metadata()[_ENTRY])
    if said["run"] == digest:
        return
    said["run"] = digest
    tensors, metadata = load_file(path), {_ENTRY: json.dumps(said, sort_keys=True)}
    put(path, lambda part: save_file(tensors, part, metadata=metadata))


def write_description(folder: Path, run: Mapping[str, Any], result: Mapping[str, object]) -> None:
    """model.json: the run, its digest, and under `result` how far it came."""
    whole = {**run, "run": run_digest(run), "result": dict(result)}
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    put(folder / MODEL, lambda part: _write_text(part, text))


def read_description(folder: Path) -> dict[str, Any]:
    """What model.json says. Raises ModelError."""
    path = folder / MODEL
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} holds no {MODEL}: it is no folder of a trained model", unavailable=True) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read as JSON") from error
    if not isinstance(facts, dict) or facts.get("medpipe_model") != _FORMAT:
        found = facts.get("medpipe_model") if isinstance(facts, dict) else None
        raise ModelError(f"{path} is of format {found}, this version reads {_FORMAT}")
    return facts


def open_trained(
    folder: Path, which: Which = "best", *, arch: str | None = None, text_model: str | None = None
) -> Trained:
    """The model of a trained folder, in eval mode.

    Args:
        folder: what `pretrain` filled.
        which: the weights chosen on validation, or the last.
        arch: must be the folder's; None for that.
        text_model: likewise, the text encoder that new queries would be read with.

    Raises ModelError, naming both sides, where the parts do not belong together or are not what was asked for.
    """
    facts = read_description(folder)
    path = folder / f"{which}.safetensors"
    if not path.is_file():
        raise ModelError(f"{folder} holds no {path.name}: the training has not come so far", unavailable=True)
    for what, asked, real in (("arch", arch, facts.get("arch")), ("text model", text_model, _text_model(facts))):
        if asked is not None and asked != real:
            raise ModelError(f"{folder} was trained with the {what} {real}, {asked} is asked for")
    _check_digest(path, facts)
    try:
        return _opened(path, facts)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{folder / MODEL} does not describe a model: {error!r}"[:200]) from error


def _opened(path: Path, facts: dict[str, Any]) -> Trained:
    weights, arch = read_weights(path), str(facts["arch"])
    decoder_weights = {name.removeprefix(DECODER): value for name, value in weights.items() if name.startswith(DECODER)}
    bare = {name: value for name, value in weights.items() if not name.startswith(HEADS)}
    network = network_class(arch).from_weights(arch, bare, path.name)
    queries, decoder = weights.get(QUERIES), None
    if facts["queries_sha256"] != (None if queries is None else _digest(queries)):
        raise ModelError(f"{path.name} holds the text vectors of other entities than {MODEL} describes")
    if facts["decoder"] is not None:
        decoder = QueryDecoder(DecoderShape(**facts["decoder"]))
        fit(decoder, decoder_weights, path.name, f"the decoder of {MODEL}", ())
        decoder.eval()
    return Trained(network.eval(), decoder, queries, facts, sha256_of(path), path)


def _check_digest(path: Path, facts: Mapping[str, Any]) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            said = json.loads((opened.metadata() or {}).get(_ENTRY, "{}")).get("run")
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} is damaged or no safetensors file: {str(error)[:160]}") from error
    run = {name: value for name, value in facts.items() if name not in ("run", "result")}
    if said != facts.get("run") or said != run_digest(run):
        raise ModelError(f"{path.name} is of the run {said}, {MODEL} describes the run {run_digest(run)}")


def _text_model(facts: Mapping[str, Any]) -> object:
    text = facts.get("text")
    return text.get("model") if isinstance(text, dict) else None


def _digest(queries: Tensor) -> str:
    return hashlib.sha256(queries.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()).hexdigest()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
