"""The default checkpoint on other unseen patients, with every label and with sure ones only.

PTB-XL gives each statement a likelihood. Everywhere else here a label counts whatever its likelihood, as in MERL's
tables; a superclass below counts where a statement of it has 100, and records without any such label are left out.
Brackets: 95 % intervals from 1,000 bootstrap samples of the patients, seed 0.

Usage: python bench/sure_labels.py, MEDPIPE_DATA set
"""

from __future__ import annotations

import ast
import csv

import numpy as np

from medpipe.core.ecg import ptbxl
from medpipe.core.ecg.default_model import DefaultModel
from medpipe.core.ecg.evaluate import LEAD_SETS, embeddings, interval, macro, zero_shot
from medpipe.core.ecg.phrases import name
from medpipe.core.ecg.ptbxl import SUPERCLASSES


def table(path: str) -> list[dict[str, str]]:
    with (ptbxl.data_folder() / path).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def sure_labels() -> np.ndarray:
    """[records, superclasses] of the set `unseen`, in its order: 1 where a statement is sure."""
    known = {int(float(row["patient_id"])) for row in table("ptbxl_zscored_100hz/labels.csv")}
    parents = {row[""]: row["diagnostic_class"] for row in table("ptbxl_raw/scp_statements.csv")}
    rows = [row for row in table("ptbxl_raw/ptbxl_database.csv") if int(float(row["patient_id"])) not in known]
    found = [
        {parents.get(code) for code, likelihood in ast.literal_eval(row["scp_codes"]).items() if likelihood >= 100}
        for row in rows
    ]
    return np.array([[concept in one for concept in SUPERCLASSES] for one in found], float)


def main() -> None:
    model, unseen = DefaultModel.load(), ptbxl.load("unseen")
    every, sure = unseen.targets(SUPERCLASSES), sure_labels()
    kept = sure.any(axis=1)
    queries = [name(concept) for concept in SUPERCLASSES]
    print("| labels | records | 12 leads | lead I |")
    print("| --- | --- | --- | --- |")
    for said, truth, rows in (("any likelihood", every, np.ones(len(kept), bool)), ("sure", sure, kept)):
        cells = []
        for present in LEAD_SETS.values():
            scores = zero_shot(model, embeddings(model, unseen, present), queries)[rows]
            low, high = interval(truth[rows], scores, unseen.patients[rows], 1000, 0)
            cells.append(f"{macro(truth[rows], scores):.3f} [{low:.3f}, {high:.3f}]")
        print(f"| {said} | {rows.sum()} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
