"""Settings of Tang et al. 2023 (doi:10.1038/s41593-023-01304-9): of the models that are fitted, and of the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from medpipe.core.fmri.word_placement import Placement
from medpipe.core.training.settings import NamedSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class TangSettings(NamedSettings):
    """How linear models are fitted.

    `layer` of the language model gives a word's vector, read behind `context` words; 0 is the word's own, as the model
    takes it in. `delays` volumes lie between words and the last response to them. `folds` parts of the stories are held
    out in turn to choose penalties, 0 for each story alone; the `voxels` best predicted there are kept. The covariance
    of the noise is shrunk by `shrinkage` to the identity.
    """

    layer: int = 9
    context: int = 5
    placement: Placement = "lanczos"
    delays: int = 4
    folds: int = 5
    voxels: int = 10000
    shrinkage: float = 2 / 3
    validation_share: float = 0.1
    seed: int = 42


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamSettings(NamedSettings):
    """How text is searched for.

    `beam` texts are kept and the likeliest of them go on in `extensions` ways, from words that together have a
    probability of `nucleus` and each at least `ratio` of the likeliest's, behind the words of `seconds`, five at least.
    """

    beam: int = 200
    extensions: int = 5
    nucleus: float = 0.9
    ratio: float = 0.1
    seconds: float = 8.0


TANG: Final = "tang"
_FITTED: Final = TangSettings(name=TANG)
_SEARCHED: Final = BeamSettings(name=TANG)


def tang_settings(name: str) -> TangSettings:
    """The settings of this name; ValueError where there are none."""
    if name != TANG:
        raise ValueError(f"no preset {name} of --stage ridge; there is {TANG}")
    return _FITTED


def beam_settings(name: str = TANG) -> BeamSettings:
    """Likewise, of the decoder."""
    if name != TANG:
        raise ValueError(f"no decoder {name}; there is {TANG}")
    return _SEARCHED
