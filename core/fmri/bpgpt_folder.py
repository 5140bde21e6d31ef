"""A folder of a BP-GPT model: its language model as transformers writes it, its prompt, and medpipe.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from medpipe.core.checkpoints import sha256_of
from medpipe.core.device import torch_device
from medpipe.core.errors import ModelError
from medpipe.core.fmri.bpgpt_settings import BpGptSettings
from medpipe.core.fmri.brain_encoder import BrainEncoder
from medpipe.core.fmri.language_models import load_pretrained
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.prompted_lm import PromptedLm
from medpipe.core.fmri.story_leaks import Grams
from medpipe.core.fmri.text_prompt import TextEncoder, TextMapper
from medpipe.core.training.durable import put

MODEL: Final = "medpipe.json"
PROMPT, VOXELS, STORIES, LM, BERT = "prompt.safetensors", "voxels.safetensors", "stories.safetensors", "lm", "bert"
WEIGHTS: Final = "model.safetensors"
_FORMAT: Final = 1
_TASK: Final = "fmri-text"


@dataclass(frozen=True, slots=True)
class BpGpt:
    """A model of either stage and what is known of it.

    `said` is its description; `stories` are the runs of words of all that it was learnt from or chosen by; `noise`
    is of a brain stage's responses; `facts` stand in records; `place` is where its files are.
    """

    lm: PromptedLm
    prompt: TextMapper | BrainEncoder
    settings: BpGptSettings
    said: dict[str, Any]
    stories: dict[str, Grams]
    noise: VoxelNoise | None
    facts: dict[str, Any]
    place: Path

    def bert(self) -> TextEncoder:
        """The frozen encoder of texts that a text stage was learnt with. Raises ModelError."""
        folder = self.place.parent / BERT
        return TextEncoder(*load_pretrained(folder, "AutoModel", str(folder)))


def open_bpgpt(name: str, device: str = "cpu") -> BpGpt:
    """The best weights of a folder that fmri-train wrote, else the last. Raises ModelError."""
    place, folder = torch_device(device), Path(name)
    folder = next((folder / which for which in ("best", "last") if (folder / which / MODEL).is_file()), folder)
    if not (folder / MODEL).is_file():
        raise ModelError(f"{name} holds no model: fmri-train writes one", unavailable=True)
    said = description(folder / MODEL)
    if said.get("stage") not in ("text", "brain"):
        raise ModelError(f"{name} is of --stage {said.get('stage')}, and no BP-GPT model")
    try:
        settings = settings_of(said["train_preset"])
        prompt = new_prompt(said["stage"], settings, said["prompt"])
        weights = load_tensors(folder / PROMPT)
        prompt.load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{folder / MODEL} and {PROMPT} do not fit: {str(error)[:160]}") from None
    lm = PromptedLm(*load_pretrained(folder / LM, "AutoModelForCausalLM", str(folder / LM)))
    noise = None
    if said["stage"] == "brain":
        rows = {key: value.numpy() for key, value in load_tensors(folder / VOXELS).items()}
        noise = VoxelNoise(rows["mean"], rows["spread"], rows["memory"])
    stories = {key: value.numpy() for key, value in load_tensors(folder / STORIES).items()}
    facts = {"name": Path(name).name, "sha256": sha256_of(folder / PROMPT)[:16], "preset": settings.name,
             "stage": said["stage"]}  # fmt: skip
    lm.to(place).eval()
    prompt.to(place).eval()
    return BpGpt(lm, prompt, settings, said, stories, noise, facts, folder)


def new_prompt(stage: str, settings: BpGptSettings, shape: Mapping[str, int]) -> TextMapper | BrainEncoder:
    """An untrained prompt of a stage; `shape` names BERT's width `given`, that of the language model, and windows."""
    common = {"width": shape["width"], "length": settings.length, "layers": settings.layers, "heads": settings.heads}
    if stage == "text":
        return TextMapper(shape["given"], between=settings.between, dropout=settings.dropout, **common)
    return BrainEncoder(shape["times"], shape["voxels"], dropout=settings.brain_dropout, **common)


def settings_of(facts: Mapping[str, Any]) -> BpGptSettings:
    """Settings from their description in JSON."""
    known = {field.name for field in fields(BpGptSettings)}
    return BpGptSettings(**{name: value for name, value in facts.items() if name in known})


def write_pretrained(folder: Path, model: Any, tokenizer: Any) -> None:
    """A model of transformers and its tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    write_tensors(folder / WEIGHTS, model.state_dict())


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Safetensors; a weight that stands under two names is written once, as transformers does."""
    from safetensors.torch import save_file

    written: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in tensors.items():
        if value.data_ptr() not in seen or value.numel() == 0:
            seen.add(value.data_ptr())
            written[name] = value.detach().cpu().contiguous()
    put(path, lambda part: save_file(written, part, metadata={"format": "pt"}))


def write_description(folder: Path, facts: Mapping[str, Any]) -> None:
    """medpipe.json."""
    text = json.dumps({"medpipe_model": _FORMAT, "task": _TASK, **facts}, indent=1, ensure_ascii=False) + "\n"
    put(folder / MODEL, lambda part: _write(part, text))


def digest_of(facts: Mapping[str, Any]) -> str:
    """Sixteen hex digits over a run's description."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def description(path: Path) -> dict[str, Any]:
    """medpipe.json of a model of any stage. Raises ModelError."""
    try:
        said = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise ModelError(f"{path} cannot be read as JSON") from None
    if not isinstance(said, dict) or said.get("medpipe_model") != _FORMAT or said.get("task") != _TASK:
        raise ModelError(f"{path} describes no model of fmri-train of format {_FORMAT}")
    return said


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Safetensors. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read: {str(error)[:120]}") from None
