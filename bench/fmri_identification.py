"""Window identification by a ridge decoder of simulated listeners: at stated explainable variances, and at none.

Usage: python bench/fmri_identification.py [--small]

Twelve stories of eight minutes to train on, four of ten minutes held out, 400 voxels of which half are silent, word
vectors of 32 numbers, windows of 20 s, delays of 1 to 4 volumes; penalties chosen on stories held out in four parts.
Rank accuracy is 0.5 by chance; p counts 9,999 circular shifts by more than 30 s within each story. The ceiling of r is
the square root of the explainable variance. Without signal: 200 listeners (four stories of five minutes to train on,
four of ten held out, 12 voxels), their p against the uniform distribution by Kolmogorov and Smirnov.
"""

from __future__ import annotations

import sys

import numpy as np

from medpipe.core.fmri.decoding import fit_decoding
from medpipe.core.fmri.encoding import fit_encoding, score_encoding
from medpipe.core.fmri.identification import Identification, identify
from medpipe.core.fmri.simulated_responses import simulated_responses

TRAIN, HELD, VOXELS = 12, 4, 400
LEVELS, SEEDS, SHIFTS = (0.0, 0.01, 0.03, 0.05, 0.1, 0.3), (0, 1, 2), 9999
NULLS, SILENT = 200, [300.0] * 4 + [600.0] * 4


def identified(features: list[np.ndarray], responses: list[np.ndarray], train: int, shifts: int) -> Identification:
    meant = [one[:, :-1] for one in features]
    model = fit_decoding(responses[:train], meant[:train], folds=min(train, 4))
    decoded = [model.predict(one) for one in responses[train:]]
    return identify(decoded, meant[train:], np.random.default_rng(0), shifts=shifts)


def level(explainable: float, seed: int) -> str:
    """One row of the table."""
    features, responses = simulated_responses([480.0] * TRAIN + [600.0] * HELD, explainable, seed, VOXELS)
    found = identified(features, responses, TRAIN, SHIFTS)
    encoding = fit_encoding(features[:TRAIN], responses[:TRAIN])
    r = np.mean([score_encoding(encoding, features[n], responses[n]).r for n in range(TRAIN, TRAIN + HELD)], axis=0)
    # Silent voxels have none to give: the better half are those that respond.
    best = np.sort(r)[VOXELS // 2 :].mean()
    figures = f"{r.mean():.3f} | {best:.3f} | {explainable**0.5:.3f} | {found.rank_accuracy:.3f}"
    return f"| {explainable:g} | {seed} | {figures} | {found.top1:.3f} | {found.null.max():.3f} | {found.p:.4f} |"


def main() -> None:
    from scipy.stats import kstest

    levels, seeds, nulls = ((0.05,), (0,), 20) if "--small" in sys.argv else (LEVELS, SEEDS, NULLS)
    print(
        "| explainable variance | seed | r | of the better half | its ceiling | rank accuracy | top-1 | null, max | p |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for explainable in levels:
        for seed in seeds:
            print(level(explainable, seed), flush=True)
    found = [identified(*simulated_responses(SILENT, 0.0, seed, 12), HELD, 999).p for seed in range(nulls)]
    test = kstest(found, "uniform")
    print(
        f"\n{nulls} listeners without signal: {np.mean(np.array(found) < 0.05):.3f} of them have p below 0.05, the "
        f"distance from uniform is {test.statistic:.3f} (p {test.pvalue:.3f}; bar: above 0.001)."
    )


if __name__ == "__main__":
    main()
