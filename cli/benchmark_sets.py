"""The six sets of MERL's zero-shot benchmark: its published split tables, and the recordings in users' own copies.

The tables are those of https://github.com/cheliu-computation/MERL-ICML2024 (`finetune/data_split`): PTB-XL four times
(super, sub, form, rhythm), CPSC2018 (`icbeb`) and Chapman-Shaoxing-Ningbo (`chapman`, here csn).
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.publish import write_whole
from medpipe.core.ecg.benchmark_classes import class_names

SETS: Final[Mapping[str, tuple[str, str]]] = {
    "super": ("ptbxl", "ptbxl/super_class/ptbxl_super_class"),
    "sub": ("ptbxl", "ptbxl/sub_class/ptbxl_sub_class"),
    "form": ("ptbxl", "ptbxl/form/ptbxl_form"),
    "rhythm": ("ptbxl", "ptbxl/rhythm/ptbxl_rhythm"),
    "cpsc": ("cpsc", "icbeb/icbeb"),
    "csn": ("csn", "chapman/chapman"),
}
SPLITS: Final = ("train", "val", "test")
LABELS: Final = ("exact", "merl")
# The column of a table that holds the recording's name or path.
_PATHS: Final = {"ptbxl": "filename_hr", "cpsc": "filename", "csn": "ecg_path"}
_SUFFIXES: Final = (".hea", ".mat")


@dataclass(slots=True)
class BenchmarkSet:
    """One split of one set: ids, patients, labels [records, classes] and the names of its classes."""

    name: str
    ids: list[str]
    patients: list[str]
    classes: list[str]
    labels: NDArray[np.int8]
    paths: list[str]

    def write_truth(self, path: Path) -> None:
        """As a table that med-score and ecg-probe read: id, patient, a column for each class. Fatal 74."""
        stream = io.StringIO(newline="")
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(["id", "patient", *self.classes])
        for ident, patient, row in zip(self.ids, self.patients, self.labels.tolist(), strict=True):
            out.writerow([ident, patient, *row])
        write_whole(stream.getvalue().encode("utf-8", "surrogateescape"), str(path))


def read_set(name: str, splits: Path, recordings: Path, split: str, labels: str) -> BenchmarkSet:
    """A set's table with the recordings that it names.

    Args:
        name: of SETS.
        splits: folder of MERL's tables.
        recordings: the user's copy of the data set.
        split: of SPLITS.
        labels: `exact` takes labels by name, and a class of CSN only where the diagnosis lists it; `merl` takes
            what MERL's tables and loader make of them: substrings in CSN, and for training on the sub-classes of
            PTB-XL the columns by their place in the tables of validation and test.

    Raises:
        Fatal: 66 when a table or the folder is not there, 65 when the table is another one.
    """
    source, stem = SETS[name]
    table = splits / f"{stem}_{split}.csv"
    rows = _rows(table)
    classes = list(class_names(name))
    listed = source == "csn" and labels == "exact"
    needed = (*classes, _PATHS[source], *(["diagnose"] if listed else []))
    if absent := [column for column in needed if column not in rows[0]]:
        raise Fatal(BAD_STREAM, f"{table}: no column {', '.join(absent[:5])}")
    if listed:
        found = [_listed(row["diagnose"], classes) for row in rows]
    elif labels == "merl" and name == "sub" and split == "train":
        found = _labels(table, rows, _by_place(rows, classes, splits / f"{stem}_val.csv"))
    else:
        found = _labels(table, rows, classes)
    ids = [PurePosixPath(row[_PATHS[source]]).stem for row in rows]
    if len(set(ids)) < len(ids):
        raise Fatal(BAD_STREAM, f"{table}: a recording is in it twice")
    patients = [row.get("patient_id") or ident for row, ident in zip(rows, ids, strict=True)]
    paths = list(_located(rows, source, recordings))
    # A record of the other rate has another name, and that is what predictions will call it.
    ids = [PurePosixPath(path).stem for path in paths]
    return BenchmarkSet(name, ids, patients, classes, np.array(found, np.int8), paths)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except OSError as error:
        raise Fatal(NO_STREAM, f"{table}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Fatal(BAD_STREAM, f"{table}: no table: {error}") from None
    if not rows or any(None in row or None in row.values() for row in rows):
        raise Fatal(BAD_STREAM, f"{table}: empty, or a row is cut short")
    return rows


def _listed(diagnoses: str, classes: list[str]) -> list[int]:
    tokens = {token.strip() for token in diagnoses.split(",")}
    return [int(name in tokens) for name in classes]


def _labels(table: Path, rows: list[dict[str, str]], columns: list[str]) -> list[list[int]]:
    """Fatal 65 for a cell that is neither 0 nor 1."""
    for number, row in enumerate(rows, 2):
        for column in columns:
            if not re.fullmatch(r"\s*[01](\.0*)?\s*", row[column]):
                raise Fatal(BAD_STREAM, f"{table}: line {number}, column {column}: {row[column]!r} is neither 0 nor 1")
    return [[int(float(row[column])) for column in columns] for row in rows]


def _by_place(rows: list[dict[str, str]], classes: list[str], other: Path) -> list[str]:
    """The columns that stand where another table has the classes: MERL's loader goes by place. Fatal 65."""
    own, theirs = list(rows[0]), list(_rows(other)[0])
    places = [theirs.index(name) if name in theirs else len(own) for name in classes]
    if max(places) >= len(own):
        raise Fatal(BAD_STREAM, f"{other}: other columns than the classes of the table to train on")
    return [own[place] for place in places]


def _located(rows: list[dict[str, str]], source: str, folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        raise Fatal(NO_STREAM, f"{folder}: no such folder")
    if source == "ptbxl":
        for row in rows:
            high, low = (folder / f"{row.get(column, '')}.hea" for column in ("filename_hr", "filename_lr"))
            # A copy may hold the records of one rate only.
            yield str(low if not high.exists() and low.exists() else high)
        return
    known = _index(str(folder))
    for row in rows:
        stem = PurePosixPath(row[_PATHS[source]]).stem
        # One that is not there is this recording's error, not the run's.
        yield known.get(stem, f"{folder / stem}.hea")


@lru_cache(maxsize=2)
def _index(folder: str) -> dict[str, str]:
    """Where each recording of a copy lies, by its name."""
    found: dict[str, str] = {}
    for parent, _, files in os.walk(folder):
        for file in files:
            stem, suffix = os.path.splitext(file)
            if suffix in _SUFFIXES and (suffix == ".hea" or stem not in found):
                found[stem] = os.path.join(parent, file)
    return found
