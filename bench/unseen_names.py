"""Names that nobody taught: nine conditions kept out of training, and asked for by name, out of fold by patient.

Kept out three at a time, five folds each: the labels of the name, of the statements that are part of it and of every
union with it; where one holds, every superclass too; and of the text side every phrase of these and every other
phrase that says one of them. `nearest seen name` takes the taught condition whose name is nearest by the text
encoder. `random words` are three words drawn from the phrases that were taught, the mean over 20 draws. A constant
has 0.500. Brackets: 95 % intervals from 1,000 bootstrap samples of the patients, seed 0; differences are paired. Run
only when named: about 40 minutes on two cores.

Usage: python bench/unseen_names.py [FOLDER], MEDPIPE_DATA set; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tenfold import DRAWS, LEAST, SEED, said

from medpipe.core.ecg.phrases import name, taught
from medpipe.core.ecg.ptbxl import CONCEPTS
from medpipe.core.ecg.query_shares import TextSide, zero_shot
from medpipe.core.ecg.tenfold import Variant, everyone, judged
from medpipe.core.ecg.text_train import share_row
from medpipe.core.ecg.unseen_names import GROUPS, hidden_phrases, kept_out
from medpipe.core.metrics.repeated import Judged

RANDOM = 20


def nearest(side: TextSide, names: Sequence[str]) -> list[str]:
    """For each name the taught concept whose own name is nearest."""
    seen = [concept for concept in CONCEPTS if concept not in kept_out(names)]
    near = side.vectors([name(one) for one in names]) @ side.vectors([name(concept) for concept in seen]).T
    return [seen[place] for place in near.argmax(axis=1)]


def random_words(hidden: np.ndarray) -> list[str]:
    said = [phrase for (phrase, shares), gone in zip(taught(), hidden, strict=True) if shares and not gone]
    words = sorted({word for phrase in said for word in phrase.split()})
    rng = np.random.default_rng(SEED)
    return [" ".join(rng.choice(words, 3, replace=False)) for _ in range(RANDOM)]


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "out/tenfold"
    by_name, by_nearest, by_random, neighbours = [], [], [], []
    for group in GROUPS:
        with contextlib.redirect_stdout(sys.stderr):
            logits = judged(Variant(without=group, folds=5), folder / f"without-{','.join(group)}")[0]
        hidden = hidden_phrases(group)
        side = TextSide(hidden)
        seen = nearest(side, group)
        neighbours += seen
        by_name.append(zero_shot(logits, side.shares([name(one) for one in group])))
        by_nearest.append(zero_shot(logits, np.stack([share_row({concept: 1.0}) for concept in seen])))
        chance = zero_shot(logits, side.shares(random_words(hidden)))
        by_random.append(np.repeat(chance[:, :, None], len(group), axis=2))
    recordings, names = everyone(), [one for group in GROUPS for one in group]
    panel = Judged(recordings.targets(names), names, [str(one) for one in recordings.patients], LEAST)
    drawn = np.concatenate(by_random, axis=2)
    scores = {"name": [np.concatenate(by_name, axis=1)], "nearest": [np.concatenate(by_nearest, axis=1)],
              "random": [drawn[:, k] for k in range(RANDOM)]}  # fmt: skip
    found = panel.measure(scores, DRAWS, SEED)
    print("| name never taught | positives | by its name | nearest seen name | random words | name minus nearest |")
    print("| --- | --- | --- | --- | --- | --- |")
    for column, one in enumerate([*names, "mean"]):
        hits = panel.positives[column] if column < len(names) else ""
        near = f"{neighbours[column]} " if column < len(names) else ""
        cells = [said(found["name"], column), near + said(found["nearest"], column), said(found["random"], column),
                 said(found["name"].minus(found["nearest"]), column)]  # fmt: skip
        print(f"| {one} | {hits} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
