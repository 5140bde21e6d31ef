"""The default checkpoint's network, ten-fold by patient over every recording here, the superclasses asked for by name.

No figure of this table has chosen anything: settings are those of `make checkpoint`, which were found within its own
training folds. A fold takes one network (the shipped checkpoint adds soft targets and calibration). The ridge on
spectra and lead correlations learns from the same folds. Brackets: 95 % intervals from 1,000 bootstrap samples of the
patients, seed 0. Run only when named: about half an hour on two cores.

Usage: python bench/tenfold.py [FOLDER], MEDPIPE_DATA set; a second run goes on from what is in FOLDER
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

from medpipe.core.ecg import tenfold


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else str(Path(__file__).parents[1] / "out/tenfold")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        tenfold.main(["--out", folder])
    print(said.getvalue().strip())


if __name__ == "__main__":
    main()
