"""PTB-XL (Wagner et al. 2020, doi 10.1038/s41597-020-0495-6) as the default model is trained and judged on it.

Three sets without a patient in common: `train` (folds 1 to 8 of the z-scored recordings), and the two that
only report, `fold9` and `unseen` (raw recordings of patients that the z-scored ones do not have).
"""

from __future__ import annotations

import ast
import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.core.ecg.preprocess_default import FS, LEADS, prepare
from medpipe.core.errors import InputError

SUPERCLASSES: Final = ("NORM", "MI", "STTC", "CD", "HYP")
SUBCLASSES: Final = (
    *("IMI", "AMI", "LMI", "LVH", "RVH", "LAO/LAE", "RAO/RAE", "LAFB/LPFB", "CRBBB", "CLBBB", "IRBBB", "ILBBB"),
    *("IVCD", "AVB", "WPW", "ISC", "ISCA", "ISCI", "NST"),
)
FORMS: Final = (
    *("ABQRS", "PVC", "STD", "VCLVH", "QWAVE", "LOWT", "NT", "PAC", "LPR", "INVT", "LVOLT", "HVOLT", "NDT"),
    *("DIG", "LNGQT"),
)
RHYTHMS: Final = ("SR", "AFIB", "STACH", "SARRH", "SBRAD", "SVARR", "BIGU")
# Single statements within a subclass, known for some recordings only.
STATEMENTS: Final = ("LAFB", "LPFB", "1AVB", "ASMI", "ALMI", "ILMI", "ISCAL", "ISCIL", "ISCIN", "ISCAS", "INJAS")
# Conditions that hold when any of their parts does: what a broader query asks for.
UNIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "BBB": ("CRBBB", "CLBBB", "IRBBB", "ILBBB"),
    "RBBB": ("CRBBB", "IRBBB"),
    "LBBB": ("CLBBB", "ILBBB"),
    "WIDE-QRS": ("CRBBB", "CLBBB", "IVCD"),
    "ISCHAEMIA": ("ISC", "ISCA", "ISCI"),
    "T-WAVE": ("NDT", "NT", "INVT", "LOWT"),
    "ECTOPY": ("PVC", "PAC", "BIGU"),
    "AFIB-AFLT": ("AFIB", "AFLT"),
    "FAST": ("STACH", "SVTAC", "PSVT"),
    "IRREGULAR": ("AFIB", "AFLT", "SARRH", "SVARR", "PVC", "PAC", "BIGU"),
    "ATRIAL": ("LAO/LAE", "RAO/RAE"),
    "ABNORMAL": ("MI", "STTC", "CD", "HYP"),
}
# Rhythms with next to no recordings to learn from: known, but not taught.
RARE_RHYTHMS: Final = ("AFLT", "SVTAC", "PSVT", "PACE")
CONCEPTS: Final = (*SUPERCLASSES, *SUBCLASSES, *FORMS, *RHYTHMS, *STATEMENTS, *UNIONS)

_RATE_LIMIT: Final = 1e-6


@dataclass(frozen=True)
class Recordings:
    """Prepared windows and what is known of them.

    `x` [n, 12, 1000] as `prepare` gives it, `patients` [n], `folds` [n], and `labels`, for each record
    its truth by concept: a concept that is missing there is unknown.
    """

    x: NDArray[np.float32]
    patients: NDArray[np.int64]
    folds: NDArray[np.int64]
    labels: tuple[Mapping[str, bool], ...]

    def targets(self, concepts: Iterable[str] = CONCEPTS) -> NDArray[np.float32]:
        """Truth [n, concepts]: 1, 0, or NaN where it is unknown."""
        wanted = tuple(concepts)
        table = [[known.get(concept, np.nan) for concept in wanted] for known in self.labels]
        return np.array(table, np.float32).reshape(len(self.labels), len(wanted))

    def select(self, rows: NDArray[np.bool_]) -> Recordings:
        """The recordings where `rows` [n] is true."""
        labels = tuple(known for known, kept in zip(self.labels, rows, strict=True) if kept)
        return Recordings(self.x[rows], self.patients[rows], self.folds[rows], labels)


def data_folder() -> Path:
    """The folder `ecg` under the environment's MEDPIPE_DATA. Raises InputError."""
    root = os.environ.get("MEDPIPE_DATA")
    if not root or not (Path(root) / "ecg" / "ptbxl_zscored_100hz").is_dir():
        raise InputError("no-data", "set MEDPIPE_DATA to the folder that holds ecg/ptbxl_zscored_100hz")
    return Path(root) / "ecg"


def load(name: str) -> Recordings:
    """The set `train`, `fold9` or `unseen`. Raises InputError."""
    if name not in ("train", "fold9", "unseen"):
        raise InputError("set", f"no set {name}; there are train, fold9, unseen")
    return _unseen() if name == "unseen" else _zscored("train" if name == "train" else "val")


def _zscored(split: str) -> Recordings:
    folder = data_folder() / "ptbxl_zscored_100hz"
    with np.load(folder / f"{split}.npz", allow_pickle=False) as stored:
        ids, fs = stored["ecg_id"], int(stored["fs"].flat[0])
        names = [_lead(name) for name in stored["leads"]]
        signals = stored["x"].transpose(0, 2, 1) * stored["scale"].flat[0]
    if abs(fs - FS) > _RATE_LIMIT:
        raise InputError("rate", f"{split}.npz is at {fs} Hz, not {FS:g}")
    order = [names.index(lead) for lead in LEADS]
    rows = {int(row["ecg_id"]): row for row in _table(folder / "labels.csv")}
    chosen = [rows[int(ecg_id)] for ecg_id in ids]
    return Recordings(
        np.ascontiguousarray(signals[:, order], np.float32),
        np.array([int(float(row["patient_id"])) for row in chosen]),
        np.array([int(row["strat_fold"]) for row in chosen]),
        tuple(_known_of_lists(row) for row in chosen),
    )


def _unseen() -> Recordings:
    import wfdb

    folder = data_folder()
    listed = _table(folder / "ptbxl_zscored_100hz" / "labels.csv")
    seen = {int(float(row["patient_id"])) for row in listed}
    rows = [row for row in _table(folder / "ptbxl_raw" / "ptbxl_database.csv") if _patient(row) not in seen]
    windows = []
    for row in rows:
        record = wfdb.rdrecord(str(folder / "ptbxl_raw" / row["filename_lr"]))
        x, _ = prepare(record.p_signal.T.astype(np.float32), record.fs, [_lead(name) for name in record.sig_name])
        windows.append(x)
    return Recordings(
        np.stack(windows),
        np.array([_patient(row) for row in rows]),
        np.array([int(row["strat_fold"]) for row in rows]),
        tuple(_known_of_codes(ast.literal_eval(row["scp_codes"])) for row in rows),
    )


def _known_of_codes(codes: Iterable[str]) -> dict[str, bool]:
    """Truth from a full list of statements: every concept is known."""
    found = {code.rstrip("_") for code in codes}
    for code, subclass, superclass in _hierarchy():
        if code.rstrip("_") in codes or code in codes:
            found |= {subclass, superclass}
    return _with_unions({concept: concept in found for concept in (*_names(), *RARE_RHYTHMS)})


def _known_of_lists(row: Mapping[str, str]) -> dict[str, bool]:
    """Truth from the class lists, and from the statements where a recording has them."""
    if row["scp_codes"]:
        return _known_of_codes(ast.literal_eval(row["scp_codes"]))
    subclasses = _listed(row["sub_class"])
    known = {concept: row[concept] == "1" for concept in SUPERCLASSES}
    known |= {concept: concept in subclasses for concept in SUBCLASSES}
    forms = _listed(row["form"])
    known |= {concept: concept in forms for concept in FORMS}
    if row["rhythm"]:
        rhythms = _listed(row["rhythm"])
        known |= {concept: concept in rhythms for concept in (*RHYTHMS, *RARE_RHYTHMS)}
    parents = {code.rstrip("_"): subclass for code, subclass, _ in _hierarchy()}
    known |= {code: False for code in STATEMENTS if parents[code] not in subclasses}
    return _with_unions(known)


def _with_unions(known: dict[str, bool]) -> dict[str, bool]:
    for union, parts in UNIONS.items():
        if any(known.get(part) for part in parts):
            known[union] = True
        elif all(part in known for part in parts):
            known[union] = False
    return known


def _names() -> tuple[str, ...]:
    return tuple(concept for concept in CONCEPTS if concept not in UNIONS)


@lru_cache(maxsize=1)
def _hierarchy() -> tuple[tuple[str, str, str], ...]:
    """Code, subclass and superclass of every diagnostic statement."""
    rows = _table(data_folder() / "ptbxl_raw" / "scp_statements.csv")
    return tuple(
        (row[""], row["diagnostic_subclass"].strip("_"), row["diagnostic_class"]) for row in rows if row["diagnostic"]
    )


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _patient(row: Mapping[str, str]) -> int:
    return int(float(row["patient_id"]))


def _listed(cell: str) -> set[str]:
    return set(ast.literal_eval(cell)) if cell else set()


def _lead(name: str) -> str:
    return "a" + name[1:] if name.startswith("AV") else name
