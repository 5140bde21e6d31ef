"""What the default model must beat: a ridge on spectra and lead correlations, and a network that learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from medpipe.core.ecg.lead_net import LeadNet
from medpipe.core.ecg.ptbxl import SUPERCLASSES, Recordings

Array = NDArray[np.float64]
Features = Callable[[NDArray[np.float32], NDArray[np.bool_]], Array]
PENALTIES: Final = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
# Of the training recordings, the folds on which the penalty is chosen.
CHOOSING: Final = (7, 8)


def spectra(x: NDArray[np.float32], present: NDArray[np.bool_]) -> Array:
    """Log power of each lead in bands of 0.5 Hz up to 40 Hz, and the correlations of the leads; [n, features]."""
    x = x[:, present].astype(np.float64)
    power = np.square(np.abs(np.fft.rfft(x, axis=-1)))[..., 1:401]
    bands = np.log(power.reshape(*power.shape[:2], -1, 5).sum(-1) + 1e-3).reshape(len(x), -1)
    unit = x / np.sqrt(np.square(x).sum(-1, keepdims=True) + 1e-9)
    rows, columns = np.triu_indices(x.shape[1], 1)
    return np.concatenate([bands, (unit @ unit.transpose(0, 2, 1))[:, rows, columns]], axis=1)


def untrained(seed: int) -> Features:
    """The features of the default network with freshly drawn weights: mean, spread and maximum of its last map."""
    torch.manual_seed(seed)
    network = LeadNet().eval()

    @torch.no_grad()
    def features(x: NDArray[np.float32], present: NDArray[np.bool_]) -> Array:
        found = []
        for part in torch.split(torch.from_numpy(x), 64):
            maps, _ = network.features(*network.visible(part, torch.from_numpy(present).float().expand(len(part), -1)))
            found.append(torch.cat([maps.mean(-1), maps.std(-1), maps.amax(-1)], dim=1))
        return torch.cat(found).double().numpy()

    return features


def fitted(features: Features, train: Recordings, present: NDArray[np.bool_]) -> Callable[[Recordings], Array]:
    """A linear classifier of the five superclasses on features, by ridge; its penalty is chosen within `train`.

    What comes back scores recordings, [n, 5], from the leads that are `present` [12].
    """
    from medpipe.core.ecg.evaluate import auroc

    inputs, truth = features(train.x, present), train.targets(SUPERCLASSES).astype(np.float64)
    mean, spread = inputs.mean(0), inputs.std(0) + 1e-6
    inputs = (inputs - mean) / spread
    held = np.isin(train.folds, CHOOSING)

    def quality(penalty: float) -> float:
        scores = _ridge(inputs[~held], truth[~held], penalty)(inputs[held])
        return float(np.mean([auroc(truth[held, k], scores[:, k]) for k in range(truth.shape[1])]))

    classify = _ridge(inputs, truth, max(PENALTIES, key=quality))
    return lambda recordings: classify((features(recordings.x, present) - mean) / spread)


def _ridge(inputs: Array, truth: Array, penalty: float) -> Callable[[Array], Array]:
    centre = truth.mean(0)
    # By its dual form: there are more features than recordings.
    weights = inputs.T @ np.linalg.solve(inputs @ inputs.T + penalty * np.eye(len(inputs)), truth - centre)
    return lambda new: new @ weights + centre
