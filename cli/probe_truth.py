"""The truth of a probe: labels, patients and the part of the data that each record belongs to."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import orjson
import typer
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.truth import read_truth
from medpipe.formats.compress import decompression_errors, open_decompressed

PARTS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """The column that says which part a record belongs to: by its name, or by a fold's number."""

    column: str
    folds: dict[str, frozenset[int]] | None

    def part(self, value: str) -> str | None:
        """`train`, `val`, `test`, or None for a record that takes no part."""
        if self.folds is None:
            return value if value in PARTS else None
        # Tables that knew an empty cell write whole numbers as 9.0.
        if not re.fullmatch(r"\d+(\.0*)?", value):
            return None
        fold = int(value.partition(".")[0])
        return next((part for part, folds in self.folds.items() if fold in folds), None)


@dataclass(frozen=True, slots=True)
class ProbeTruth:
    """Labels [rows, classes] as 0, 1 or NaN, the row of each id, and of each row its patient and its part."""

    names: list[str]
    rows: dict[str, int]
    labels: NDArray[np.float32]
    patients: list[str]
    parts: list[str | None]
    unclustered: int


def parse_split(column: str, train: str | None, val: str | None, test: str | None) -> Split:
    """The options of the split; BadParameter when they contradict each other."""
    given = dict(zip(PARTS, (train, val, test), strict=True))
    if not any(given.values()):
        return Split(column, None)
    if absent := [f"--{part}-folds" for part, text in given.items() if not text]:
        raise typer.BadParameter(f"{', '.join(absent)} missing: folds are named for all three parts")
    folds = {part: _folds(f"--{part}-folds", str(text)) for part, text in given.items()}
    counted = Counter(fold for chosen in folds.values() for fold in chosen)
    if twice := sorted(fold for fold, times in counted.items() if times > 1):
        raise typer.BadParameter(f"fold {twice[0]} is in two of --train-folds, --val-folds and --test-folds")
    return Split(column, folds)


def _folds(option: str, text: str) -> frozenset[int]:
    chosen: set[int] = set()
    for piece in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", piece)
        if found is None or int(found[2] or found[1]) < int(found[1]):
            raise typer.BadParameter(f"{option} {text}: folds are numbers and ranges, such as 1-8 or 1,2,5-7")
        chosen.update(range(int(found[1]), int(found[2] or found[1]) + 1))
    return frozenset(chosen)


def read_probe_truth(path: str, id_column: str, by: str | None, split: Split, classes: list[str]) -> ProbeTruth:
    """The table; of no `classes` all its other columns are. Fatal 65 and 66 when it cannot serve; BadParameter."""
    if twice := [name for name, times in Counter(classes).items() if times > 1]:
        raise typer.BadParameter(f"--classes names {twice[0]} twice")
    columns = _columns(path)
    needed = [name for name in (id_column, by, split.column) if name is not None]
    wanted = classes or [name for name in columns if name not in needed]
    if absent := [name for name in (*needed, *wanted) if name not in columns]:
        raise Fatal(BAD_STREAM, f"{path}: no column {', '.join(absent[:5])}; there are {', '.join(columns[:12])}")
    if used := [name for name in wanted if name in needed]:
        raise Fatal(BAD_STREAM, f"{path}: the column {used[0]} cannot be a class as well")
    try:
        truth = read_truth(path, id_column, by, wanted)
    except Fatal as fatal:
        hint = "" if classes or "a label is" not in fatal.message else "; --classes names the columns to probe"
        raise Fatal(fatal.code, fatal.message + hint) from None
    told = read_truth(path, id_column, split.column, wanted).clusters or []
    parts = [split.part(value) for value in told]
    _check_parts(path, split, parts, told)
    patients = truth.clusters if truth.clusters is not None else [f"row {row}" for row in range(len(parts))]
    return ProbeTruth(truth.names, truth.rows, truth.labels, patients, parts, truth.unclustered)


def _check_parts(path: str, split: Split, parts: list[str | None], told: list[str]) -> None:
    for part in PARTS:
        if part not in parts:
            values = ", ".join(sorted({value for value in told if not value.startswith("row ")})[:12]) or "nothing"
            raise Fatal(BAD_STREAM, f"{path}: no row is of {part} by the column {split.column}; it holds {values}")


def _columns(path: str) -> list[str]:
    """The names of the columns, as far as the first line tells."""
    try:
        with open(path, "rb") as raw:
            first = open_decompressed(raw).readline().decode("utf-8-sig", "replace")
        if first.lstrip().startswith("{"):
            record = orjson.loads(first)
            labels = record.pop("labels") if isinstance(record.get("labels"), dict) else {}
            return list(record | labels)
        return next(csv.reader([first], delimiter=max(",;\t", key=first.count)), [])
    except orjson.JSONDecodeError:
        raise Fatal(BAD_STREAM, f"{path}: line 1 is not JSON") from None
    except FileNotFoundError:
        raise Fatal(NO_STREAM, f"{path}: no such file") from None
    except decompression_errors():
        raise Fatal(BAD_STREAM, f"{path}: cannot be read, or is damaged") from None


def check_patients(truth: ProbeTruth, ids: list[str]) -> None:
    """Fatal 65 when records of one patient are in two parts."""
    first: dict[str, str] = {}
    torn: dict[str, str] = {}
    for ident in ids:
        patient, part = truth.patients[truth.rows[ident]], truth.parts[truth.rows[ident]]
        other = first.setdefault(patient, ident)
        if truth.parts[truth.rows[other]] != part:
            torn.setdefault(patient, f"{other} ({truth.parts[truth.rows[other]]}) and {ident} ({part})")
    if torn:
        count = f"{len(torn)} patient{'' if len(torn) == 1 else 's'}"
        raise Fatal(BAD_STREAM, f"{count} in two parts of the split, such as that of {next(iter(torn.values()))}")
