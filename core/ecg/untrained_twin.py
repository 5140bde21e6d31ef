"""The encoder that learnt nothing: the architecture of a given one with weights drawn afresh.

A linear probe on a random encoder equals many a pre-trained one (Berger et al., arXiv 2602.17531), so that a probe
without it beside says little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.encoder import Encoder
from medpipe.core.ecg.encoders import open_encoder
from medpipe.core.ecg.registry import ARCHITECTURES
from medpipe.core.ecg.window_features import WindowFeatures
from medpipe.core.errors import ModelError


def untrained_twin(encoder: Encoder, seed: int, *, device: str = "cpu", batch_size: int = 1) -> Encoder:
    """The architecture of `encoder` with weights drawn from `seed`, and its preprocessing.

    Of the default model that is one LeadNet, of which the mean, spread and maximum of the last feature map are
    taken: more features than the model's own embedding has. Raises ModelError for an architecture that cannot be
    drawn, and for a seed that gives `encoder` itself.
    """
    arch = str(getattr(encoder, "arch", "default"))
    if arch == "default":
        return _lead_net(seed)
    if arch == "smoke":
        twin = open_encoder(f"smoke:{seed}", device=device, batch_size=batch_size)
    elif arch in ARCHITECTURES:
        twin = open_encoder("", arch=arch, init="random", seed=seed, device=device, batch_size=batch_size)
    else:
        raise ModelError(f"no untrained weights can be drawn for the architecture {arch}")
    if twin.sha256 == encoder.sha256:
        raise ModelError(f"{encoder.name} is itself the untrained encoder of seed {seed}")
    return twin


def twin_seeds(encoder: Encoder, count: int) -> list[int]:
    """The first `count` seeds, without the one that `encoder` was itself drawn from."""
    if encoder.trained:
        return list(range(count))
    # Drawn weights are named after their seed, but for the tiny model of seed 0.
    last = encoder.name.rpartition(":")[2]
    own = int(last) if last.isdecimal() else 0
    return [seed for seed in range(count + 1) if seed != own][:count]


def _lead_net(seed: int) -> Encoder:
    import torch

    from medpipe.core.ecg.baselines import untrained

    # The caller's own random numbers are not to depend on a baseline.
    with torch.random.fork_rng(devices=[]):
        features = untrained(seed)

    def one(x: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
        return np.asarray(features(x[None], present)[0], np.float32)

    return WindowFeatures(f"random:default:{seed}", one)
