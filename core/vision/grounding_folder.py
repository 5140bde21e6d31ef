"""A folder of a grounding model: transformers' own files, and medpipe.json that says how the model is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medpipe.core.checkpoints import sha256_of
from medpipe.core.device import torch_device
from medpipe.core.errors import ModelError
from medpipe.core.hub import model_folder
from medpipe.core.training.durable import put
from medpipe.core.vision.florence import Florence
from medpipe.core.vision.grounding_presets import PRESETS, GroundingPreset, asked_as
from medpipe.core.vision.grounding_prompt import TEMPLATES

if TYPE_CHECKING:
    import torch

MODEL: Final = "medpipe.json"
WEIGHTS: Final = "model.safetensors"
_FORMAT: Final = 1
# Of the published layout, which only its own code reads: this key of the vision configuration is not the class's.
_PUBLISHED: Final = "dim_embed"


@dataclass(frozen=True, slots=True)
class GroundingModel:
    """A model and what is known of it; `facts` stand in records.

    `descriptions` are the sentences by finding that it was trained with, empty where by names alone, None where
    nobody says. `calibrated` are the findings, in lower case, of which it learnt from images without them.
    """

    florence: Florence
    preset: GroundingPreset
    facts: dict[str, Any]
    descriptions: dict[str, str] | None = None
    calibrated: frozenset[str] = frozenset()


def open_model(name: str, preset: str | None, device: str = "cpu") -> GroundingModel:
    """`smoke`, a folder, or a name on the hub; of a training's folder the best weights, else the last.

    A folder with medpipe.json tells how it is asked: a `preset` that is given changes beams and tokens, and must have
    its input and template, but that `ag-kd` and `ag-kd-released` are for the same weights. Of others it is `florence-2`
    where none is given. Weights come from safetensors alone, and no code comes with them.
    Raises ModelError.
    """
    if preset is not None and preset not in PRESETS:
        raise ModelError(f"no preset {preset}; there are {', '.join(PRESETS)}")
    place = torch_device(device)
    if name == "smoke":
        from medpipe.core.vision.florence_new import new_florence

        own = _asked(PRESETS["smoke"], preset, name)
        florence = new_florence("smoke", side=own.side)
        florence.model.to(place)
        return GroundingModel(florence, own, _facts("smoke", None, own, trained=False))
    folder = Path(name)
    for which in ("best", "last"):
        if (folder / which / MODEL).is_file():
            folder = folder / which
            break
    if not folder.is_dir():
        folder = model_folder(name, ("*.json", "*.txt", "*.safetensors"))
    said = _description(folder)
    own = _preset(said, preset, folder) if said is not None else PRESETS[preset or "florence-2"]
    florence = _load(folder, name, own.side, place)
    weights = folder / WEIGHTS
    digest = sha256_of(weights) if weights.is_file() else None
    trained = bool(said.get("trained", True)) if said is not None else True
    facts = _facts(Path(name).name, digest, own, trained=trained)
    if said is None:
        return GroundingModel(florence, own, facts)
    return GroundingModel(florence, own, facts, _descriptions(said, folder), _calibrated(said))


def _facts(name: str, digest: str | None, preset: GroundingPreset, *, trained: bool) -> dict[str, Any]:
    sha = {} if digest is None else {"sha256": digest[:16]}
    return {"name": name, **sha, "preset": preset.name, "template": preset.template, "trained": trained}


def _calibrated(said: Mapping[str, Any]) -> frozenset[str]:
    """Earlier versions say it of all findings together."""
    absent = said.get("asked_absent")
    if not isinstance(absent, dict):
        absent = dict.fromkeys(said.get("findings") or (), bool(said.get("calibrated")))
    return frozenset(str(name).lower() for name, count in absent.items() if count)


def asked_absent(folder: Path) -> dict[str, int]:
    """How often the weights that are there were asked for each finding in an image without it."""
    said = _description(folder) or {}
    return dict(said.get("asked_absent") or {})


def _description(folder: Path) -> dict[str, Any] | None:
    path = folder / MODEL
    if not path.is_file():
        return None
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path} cannot be read as JSON") from None
    if not isinstance(said, dict) or said.get("medpipe_model") != _FORMAT or said.get("task") != "grounding":
        raise ModelError(f"{path} describes no grounding model of format {_FORMAT}")
    return said


def _descriptions(said: Mapping[str, Any], folder: Path) -> dict[str, str] | None:
    found = said.get("descriptions")
    if found is not None and not isinstance(found, dict):
        raise ModelError(f"{folder / MODEL}: descriptions are no mapping of findings to sentences")
    return None if found is None else {str(name): str(sentence) for name, sentence in found.items()}


def _preset(said: Mapping[str, Any], given: str | None, folder: Path) -> GroundingPreset:
    try:
        own = GroundingPreset(**said["preset"])
    except (KeyError, TypeError):
        raise ModelError(f"{folder / MODEL} does not say how the model is asked") from None
    if own.template not in TEMPLATES:
        raise ModelError(f"{folder / MODEL}: no template {own.template}")
    return _asked(own, given, str(folder))


def _asked(own: GroundingPreset, given: str | None, name: str) -> GroundingPreset:
    try:
        return own if given is None else asked_as(own, given)
    except ValueError as error:
        raise ModelError(f"{name} {error}") from None


def _load(folder: Path, name: str, side: int, device: torch.device) -> Florence:
    from transformers import AutoConfig, AutoTokenizer, Florence2ForConditionalGeneration
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise ModelError(f"{name} holds no model: no config.json, no best/{MODEL}", unavailable=True)
    try:
        if _PUBLISHED in json.loads(config_path.read_text("utf-8")).get("vision_config", {}):
            raise ModelError(f"{name} has the published layout: medpipe models convert {name} FOLDER")
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if config.model_type != "florence2":
            raise ModelError(f"{name} is a model of the type {config.model_type}, not florence2")
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = Florence2ForConditionalGeneration.from_pretrained(folder, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"the model {name} cannot be loaded: {first[:200]}", unavailable=True) from None
    return Florence(model.to(device), tokenizer, side)


def write_static(folder: Path, florence: Florence) -> None:
    """What of a model does not change in training: configuration and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    florence.model.config.save_pretrained(folder)
    florence.model.generation_config.save_pretrained(folder)
    florence.tokenizer.save_pretrained(folder)


def write_weights(folder: Path, weights: Mapping[str, Any]) -> None:
    """model.safetensors; a weight that stands under two names is written once, as transformers does."""
    from safetensors.torch import save_file

    written: dict[str, Any] = {}
    seen: set[int] = set()
    for name, value in weights.items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            written[name] = value.detach().cpu().contiguous()
    put(folder / WEIGHTS, lambda part: save_file(written, part, metadata={"format": "pt"}))


def write_description(
    folder: Path, preset: GroundingPreset, *, absent: Mapping[str, int], trained: bool, more: Mapping[str, Any]
) -> None:
    """medpipe.json; `absent` counts by finding the images without it in which it was asked for in training."""
    whole = {"medpipe_model": _FORMAT, "task": "grounding", "preset": preset.facts(),
             "calibrated": bool(absent) and all(absent.values()), "asked_absent": dict(absent),
             "trained": trained, **more}  # fmt: skip
    text = json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
    put(folder / MODEL, lambda part: _write(part, text))


def digest_of(facts: Mapping[str, Any]) -> str:
    """Sixteen hex digits over a run's description."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
