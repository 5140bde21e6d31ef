"""The lexicon of `ecg-entities` against the SCP-ECG codes that PTB-XL's readers gave.

The lexicon and its table of codes were written with the reports of folds 1 to 6 and are measured on folds 7 to 9. Every
code that a record lists counts, whatever its likelihood, and so does every code of an entity that the lexicon takes for
present or uncertain. The codes are the readers' judgement of the trace, so that many of them have no word in the report
(`trace only requested`): recall cannot be one. `English` and `German` are what the lexicon's own rule takes a report
for; where it refuses a report, all its codes are missed. The trivial baseline says sinus rhythm and normal ECG of every
record. Intervals: 1,000 bootstrap draws of patients, seed 0.

Measured once before anything was seen of folds 7 to 9: micro F1 0.791 [0.762, 0.820] on the 274 reports that it read,
0.752 [0.717, 0.787] on all 307. Since then negation, doubt, a few abbreviations and the telling of German were mended
on sentences written by hand and on some reports that it had refused; the table is of the lexicon as it was then. Mends
after it (what is not excluded, commas, sentences that end in a figure, inflections) came from the language alone, and
on folds 1 to 6 they change no count.

Usage: python bench/entities.py [FOLDS], MEDPIPE_DATA set
"""

from __future__ import annotations

import ast
import csv
import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.reports.entity import codes
from medpipe.core.ecg.reports.lexicon import Lexicon
from medpipe.core.errors import InputError
from medpipe.core.metrics.bootstrap import draw_weights, interval

TRIVIAL = ("NORM", "SR")
LEAST = 5
Row = tuple[str, str | None, set[str], set[str]]  # patient, language, the readers' codes, the lexicon's


def reports(folds: set[int]) -> dict[str, tuple[str, str, set[str]]]:
    """Patient, report and codes of each record of the folds that has both, by its number."""
    folder = Path(os.environ["MEDPIPE_DATA"]) / "ecg"
    found = {}
    for name in ("ptbxl_raw/ptbxl_database.csv", "ptbxl_zscored_100hz/labels.csv"):
        for row in csv.DictReader((folder / name).open(encoding="utf-8")):
            if row["report"] and row["scp_codes"] and int(row["strat_fold"]) in folds:
                given = set(ast.literal_eval(row["scp_codes"]))
                found[row["ecg_id"]] = str(int(float(row["patient_id"]))), row["report"], given
    return found


def read(folds: set[int]) -> list[Row]:
    """What the lexicon makes of each."""
    lexicon, rows = Lexicon(), []
    for patient, report, given in reports(folds).values():
        try:
            made = lexicon.extract(report)
        except InputError:
            rows.append((patient, None, given, set()))
            continue
        said = {code for one in made.entities if one.status != "absent" for code in codes(one.name).get("scp", [])}
        rows.append((patient, made.language, given, said))
    return rows


def counts(rows: list[Row], without: tuple[str, ...]) -> NDArray[np.float64]:
    """Right, wrong and missed codes of each record [records, 3]."""
    drop = set(without)
    pairs = [(given - drop, said - drop) for _, _, given, said in rows]
    return np.array([[len(given & said), len(said - given), len(given - said)] for given, said in pairs], float)


def f1(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """F1 of sums of right, wrong and missed [..., 3]."""
    return 2 * table[..., 0] / np.maximum(2 * table[..., 0] + table[..., 1] + table[..., 2], 1)


def micro(rows: list[Row], without: tuple[str, ...]) -> str:
    table = counts(rows, without)
    patients = [patient for patient, *_ in rows]
    draws = np.concatenate([f1(weights @ table) for weights in draw_weights(len(rows), 1000, 0, patients)])
    low, high = interval(draws) or (0.0, 0.0)
    return f"{f1(table.sum(0)):.3f} [{low:.3f}, {high:.3f}]"


def macro(rows: list[Row], without: tuple[str, ...]) -> str:
    """The mean over codes that at least LEAST records have."""
    positives = Counter(code for _, _, given, _ in rows for code in given)
    wanted = [code for code, count in positives.items() if count >= LEAST and code not in without]
    each = []
    for code in wanted:
        hits = np.array([[code in given and code in said, code in said - given, code in given - said]
                         for _, _, given, said in rows], float)  # fmt: skip
        each.append(f1(hits.sum(0)))
    return f"{np.mean(each):.3f} ({len(wanted)} codes)" if each else "-"


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else "7-9"
    first, last = map(int, wanted.split("-"))
    rows = read(set(range(first, last + 1)))
    trivial = [(patient, language, given, set(TRIVIAL)) for patient, language, given, _ in rows]
    groups = {
        "every report": rows,
        "reports that the lexicon reads": [row for row in rows if row[1]],
        "English": [row for row in rows if row[1] == "en"],
        "German": [row for row in rows if row[1] == "de"],
        "trivial, every report": trivial,
    }
    print(f"Folds {wanted}.\n")
    print("| reports | records | micro F1 | macro F1 | micro without NORM, SR | macro without NORM, SR |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, group in groups.items():
        cells = [micro(group, ()), macro(group, ()), micro(group, TRIVIAL), macro(group, TRIVIAL)]
        print(f"| {name} | {len(group)} | {' | '.join(cells)} |")
    table = counts([row for row in rows if row[1]], ())
    right, wrong, missed = table.sum(0).astype(int)
    print(f"\nReports that the lexicon reads: {right} codes right, {wrong} wrong, {missed} missed.")


if __name__ == "__main__":
    main()
