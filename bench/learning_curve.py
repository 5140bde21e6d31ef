"""How much more data would give: the default network, ten-fold, learnt from a quarter, a half and all of the patients.

The same folds, settings and queries as in the ten-fold table; of the patients to learn from a share is used, drawn
with the fold as seed, and as many epochs, so that less data are seen as often. Brackets: 95 % intervals from 1,000
bootstrap samples of the patients, seed 0. A constant has 0.500. Run only when named: about 20 minutes on two cores
after the ten-fold table.

Usage: python bench/learning_curve.py [FOLDER], MEDPIPE_DATA set; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from tenfold import DRAWS, LEAST, SEED, said

from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import SUPERCLASSES
from medpipe.core.ecg.query_shares import TextSide, zero_shot
from medpipe.core.ecg.tenfold import LEADS, Variant, everyone, judged, learnt_from
from medpipe.core.metrics.repeated import Judged

SHARES = {0.25: "share-0.25", 0.5: "share-0.5", 1.0: "masked"}


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "out/tenfold"
    recordings = everyone()
    wanted = TextSide().shares([name(concept) for concept in SUPERCLASSES])
    panel = Judged(recordings.targets(SUPERCLASSES), SUPERCLASSES, [str(one) for one in recordings.patients], LEAST)
    every = panel.columns.index("macro:all")
    print(f"| records learnt from | {' | '.join(LEADS)} |\n| --- | {' | '.join('---' for _ in LEADS)} |")
    for share, place in SHARES.items():
        variant = Variant(share=share)
        with contextlib.redirect_stdout(sys.stderr):
            logits = judged(variant, folder / place)
        scores = {leads: [zero_shot(one, wanted)] for leads, one in zip(LEADS, logits, strict=True)}
        cells = [said(one, every) for one in panel.measure(scores, DRAWS, SEED).values()]
        count = sum(int(learnt_from(recordings, fold, variant).sum()) for fold in range(variant.folds))
        print(f"| {count / variant.folds:.0f} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
