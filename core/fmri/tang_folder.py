"""A folder of the linear models of `fmri-train --stage ridge`, with the language model that knows the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.checkpoints import sha256_of
from medpipe.core.device import torch_device
from medpipe.core.errors import ModelError
from medpipe.core.fmri.bpgpt_folder import (
    LM,
    MODEL,
    STORIES,
    description,
    load_tensors,
    write_description,
    write_pretrained,
    write_tensors,
)
from medpipe.core.fmri.fir_model import FirModel
from medpipe.core.fmri.language_models import load_pretrained
from medpipe.core.fmri.lm_words import LmWords
from medpipe.core.fmri.matched_noise import VoxelNoise
from medpipe.core.fmri.response_likelihood import ResponseLikelihood
from medpipe.core.fmri.ridge import RidgeFit
from medpipe.core.fmri.story_leaks import Grams
from medpipe.core.fmri.tang_model import TangModel
from medpipe.core.fmri.tang_settings import TangSettings, tang_settings
from medpipe.core.fmri.word_rate import WordRate

RIDGE: Final = "ridge"
WEIGHTS: Final = "ridge.safetensors"
Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TangDecoder:
    """What of a folder writes text: models, language model, the words that may be said, and whose they are.

    `voxels` are places in the windows' responses; `said`, `stories` and `facts` are as those of a BpGpt.
    """

    lm: LmWords
    words: dict[str, int]
    voxels: NDArray[np.int64]
    likelihood: ResponseLikelihood
    rate: WordRate
    noise: VoxelNoise
    settings: TangSettings
    said: dict[str, Any]
    stories: dict[str, Grams]
    facts: dict[str, Any]

    @classmethod
    def open(cls, name: str, device: str = "cpu") -> Self:
        """From a folder that `write_tang` wrote. Raises ModelError."""
        folder, place = Path(name), torch_device(device)
        said = description(folder / MODEL)
        rows = {key: value.numpy() for key, value in load_tensors(folder / WEIGHTS).items()}
        model, tokenizer = load_pretrained(folder / LM, "AutoModelForCausalLM", str(folder / LM))
        try:
            settings = tang_settings(said["settings"]["name"]).override(said["settings"])
            encoding = fir_model("encoding", said["delays"], rows)
            likelihood = ResponseLikelihood(
                encoding.mean, encoding.spread, encoding.delays, encoding.ridge.intercept,
                rows["likelihood.weighed"], rows["likelihood.products"],
            )  # fmt: skip
            rate = WordRate(fir_model("rate", [-delay for delay in said["delays"]], rows))
            noise = VoxelNoise(rows["noise.mean"], rows["noise.spread"], rows["noise.memory"])
            lm = LmWords(model.to(place), tokenizer, settings.layer, settings.context)
            words = lm.words(said["words"])
            voxels = rows["voxels"]
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{folder / MODEL} and {WEIGHTS} do not fit: {str(error)[:160]}") from None
        stories = {key: value.numpy() for key, value in load_tensors(folder / STORIES).items()}
        facts = {"name": folder.name, "sha256": sha256_of(folder / WEIGHTS)[:16], "preset": settings.name,
                 "stage": RIDGE}  # fmt: skip
        return cls(lm, words, voxels, likelihood, rate, noise, settings, said, stories, facts)


def write_tang(
    folder: Path, model: TangModel, lm: LmWords, stories: Mapping[str, Grams], facts: Mapping[str, Any]
) -> None:
    """All of it; the description last, without which the folder holds no model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_pretrained(folder / LM, lm.model, lm.tokenizer)
    write_tensors(folder / STORIES, {name: torch.from_numpy(rows) for name, rows in stories.items()})
    noise, likelihood = model.noise, model.likelihood
    rows = {
        "voxels": model.voxels, "scores": model.scores,
        "likelihood.weighed": likelihood.weighed, "likelihood.products": likelihood.products,
        "noise.mean": noise.mean, "noise.spread": noise.spread, "noise.memory": noise.memory,
        **_rows("encoding", model.encoding), **_rows("decoding", model.decoding), **_rows("rate", model.rate.model),
    }  # fmt: skip
    write_tensors(folder / WEIGHTS, {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in rows.items()})
    write_description(folder, {"stage": RIDGE, "delays": list(model.encoding.delays), **facts})


def fir_model(name: str, delays: list[int], rows: Tensors) -> FirModel:
    """One of the linear models, `encoding`, `decoding` or `rate`; without the losses that chose its penalties."""
    alphas = rows[f"{name}.alphas"]
    ridge = RidgeFit(rows[f"{name}.weights"], rows[f"{name}.intercept"], alphas, np.empty((0, len(alphas))))
    return FirModel(tuple(delays), rows[f"{name}.mean"], rows[f"{name}.spread"], ridge)


def _rows(name: str, model: FirModel) -> dict[str, NDArray[Any]]:
    ridge = model.ridge
    return {f"{name}.mean": model.mean, f"{name}.spread": model.spread, f"{name}.weights": ridge.weights,
            f"{name}.intercept": ridge.intercept, f"{name}.alphas": ridge.alphas}  # fmt: skip
