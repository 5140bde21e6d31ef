"""A stream of predictions: the `scores` of each record, as one array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, Fatal
from medpipe.cli.inputs import InputOptions, enumerate_items
from medpipe.cli.load import load
from medpipe.formats.errors import FormatError
from medpipe.formats.registry import ReadOptions


@dataclass(slots=True)
class Predictions:
    """Scores [records, names] in the stream's order, and how many records were errors."""

    ids: list[str]
    names: list[str]
    scores: NDArray[np.float64]
    errors: int


def read_predictions(path: str) -> Predictions:
    """All scores of a stream; Fatal 65 and 66 when it cannot be scored."""
    from pathlib import Path

    if path != "-" and not Path(path).is_file():
        raise Fatal(NO_STREAM, f"{path}: no such file")
    options = InputOptions([path])
    ids: list[str] = []
    names: list[str] = []
    rows: list[list[float]] = []
    errors = 0
    try:
        for item in enumerate_items(options):
            record = load(item, ReadOptions(), keep_source=False)[0]
            if "error" in record:
                errors += 1
                continue
            scores = record.get("scores")
            if not isinstance(scores, dict) or not scores:
                raise Fatal(BAD_STREAM, f"{path}: {record['id']} has no scores; they are made by ecg-zeroshot")
            names = names or list(scores)
            if new := [name for name in scores if name not in names]:
                raise Fatal(BAD_STREAM, f"{path}: {record['id']} has a score {new[0]!r} that the first record has not")
            ids.append(str(record["id"]))
            rows.append([_number(scores, name, str(record["id"]), path) for name in names])
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{path}: {error}") from None
    finally:
        options.close()
    if not rows:
        raise Fatal(BAD_STREAM, f"{path}: holds no record with scores")
    return Predictions(ids, names, np.array(rows), errors)


def _number(scores: dict[str, object], name: str, ident: str, path: str) -> float:
    value = scores.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fatal(BAD_STREAM, f"{path}: {ident} has no score for {name!r} (was it written with --top?)")
    return float(value)
