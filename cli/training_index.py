"""What there is to train on: recordings met with their reports, targets and patients, by id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.entities import report_text
from medpipe.cli.exits import BAD_STREAM, NO_STREAM, USAGE, Fatal
from medpipe.cli.inputs import InputOptions, Item, enumerate_items
from medpipe.cli.load import load
from medpipe.core.ecg.reports.cleaning import cleaned
from medpipe.formats.errors import FormatError
from medpipe.formats.registry import ReadOptions

_UNKNOWN = -1


@dataclass(frozen=True, slots=True)
class TableOptions:
    """Where reports and patients stand: `key` is the column of the recordings' names, `by` that of patients."""

    path: str
    key: str
    report: list[str]
    by: str | None
    words: int


@dataclass(slots=True)
class TrainingIndex:
    """Recordings by place, and for each its text, its targets and its patient.

    items: where each recording is. texts: the different reports. text_of [n]: the place of each recording's report,
    -1 for none. targets [n, E]: 1, 0, -1 where unknown, None without any. groups: the patient, or the recording.
    """

    items: list[Item]
    texts: list[str] = field(default_factory=list)
    text_of: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    targets: NDArray[np.int8] | None = None
    names: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)

    def select(self, rows: NDArray[np.int64]) -> TrainingIndex:
        """Some of the recordings, in that order; texts stay as they are."""
        return TrainingIndex(
            [self.items[row] for row in rows], self.texts, self.text_of[rows],
            None if self.targets is None else self.targets[rows], self.names, [self.groups[row] for row in rows],
            self.left_out,
        )  # fmt: skip

    def digest(self) -> str:
        """Sixteen hex digits over everything that a training sees of it, but for the samples."""
        told = hashlib.sha256()
        for item, place, group in zip(self.items, self.text_of.tolist(), self.groups, strict=True):
            told.update(f"{name_of(item.id)}\0{self.texts[place] if place >= 0 else ''}\0{group}\n".encode())
        if self.targets is not None:
            told.update(self.targets.tobytes())
        return told.hexdigest()[:16]


def name_of(ident: str) -> str:
    """A recording's bare name: how recordings, reports and targets are matched, wherever the files lie."""
    return PurePosixPath(ident).name


def list_recordings(inputs: list[str], files_from: str | None) -> tuple[list[Item], dict[str, str]]:
    """Every recording, none of them opened, and why other inputs are none; Fatal 2 for a stream of lines."""
    options = InputOptions(inputs, files_from)
    items: list[Item] = []
    # Those of a list or a folder are found missing when they are read.
    missing = {path for path in inputs if not (Path(path).exists() or Path(f"{path}.hea").exists())}
    failed: dict[str, str] = {}
    for item in enumerate_items(options):
        if item.kind == "line" or item.kind == "spooled":
            raise Fatal(
                USAGE, f"{item.path}: a stream of lines cannot be read at random; med-cat -o x.h5 makes one that can"
            )
        if item.kind == "failed":
            failed[item.id] = item.payload.decode().partition("\n")[2]
        elif item.path in missing:
            failed[item.path] = "no such file"
        elif item.kind in ("file", "row"):
            items.append(item)
    if not items:
        told = "".join(f"; {ident}: {why}" for ident, why in list(failed.items())[:1])
        raise Fatal(NO_STREAM, f"there is no recording to train on{told}")
    repeated = _repeated(name_of(item.id) for item in items)
    if repeated:
        raise Fatal(BAD_STREAM, f"two recordings are called {repeated}: names must tell them apart")
    return items, failed


def build_index(items: list[Item], table: TableOptions | None, targets: str | None, *, texts: bool) -> TrainingIndex:
    """Recordings that have all that the training needs: a report where `texts`, targets where a file is given."""
    index = TrainingIndex(items, text_of=np.full(len(items), _UNKNOWN), groups=[name_of(item.id) for item in items])
    kept = np.ones(len(items), bool)
    place = {name_of(item.id): row for row, item in enumerate(items)}
    short = 0
    if table is not None:
        short = _add_table(index, place, table, texts=texts)
    if texts:
        kept &= index.text_of >= 0
        index.left_out["no report"] = int((~kept).sum()) - short
        if table is not None:
            index.left_out[f"a report of fewer than {table.words} words (--set report_words=1 keeps them)"] = short
    if targets is not None:
        known = _add_targets(index, place, targets)
        index.left_out["no targets"] = int((kept & ~known).sum())
        kept &= known
    if not kept.any():
        raise Fatal(BAD_STREAM, f"no recording is left: {_told(index.left_out)}; are the names the same on both sides?")
    return index.select(np.flatnonzero(kept))


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} with {why}" for why, count in counts.items() if count)


def _add_table(index: TrainingIndex, place: dict[str, int], table: TableOptions, *, texts: bool) -> int:
    """Patients of the recordings and, where `texts`, their reports; how many reports are too short."""
    if table.path != "-" and not Path(table.path).exists():
        raise Fatal(NO_STREAM, f"--reports {table.path}: no such file")
    columns = (*(table.report if texts else ()), *((table.by,) if table.by else ()))
    options = InputOptions([table.path], id_scheme=f"key:{table.key}", columns=columns)
    seen: dict[str, int] = {}
    found = short = 0
    for record in _records(options):
        row = place.get(name_of(str(record["id"])))
        if row is None or "error" in record:
            continue
        found += 1
        if table.by is not None:
            index.groups[row] = _patient(record, table) or index.groups[row]
        if not texts:
            continue
        given = _report(record, table)
        text = cleaned(given, table.words)
        if text is not None:
            index.text_of[row] = seen.setdefault(text, len(seen))
        else:
            short += bool(given.strip())
    if not found:
        raise Fatal(BAD_STREAM, f"{table.path}: none of its {table.key} is the name of a recording")
    index.texts = list(seen)
    return short


def _patient(record: dict[str, object], table: TableOptions) -> str:
    """The patient's name, empty where the table has none."""
    if table.by not in record:
        raise Fatal(BAD_STREAM, f"{table.path}: {record['id']} has no {table.by}")
    given = record[table.by]
    return "" if given is None else str(given).strip()


def _report(record: dict[str, object], table: TableOptions) -> str:
    try:
        return report_text(record, table.report)
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{table.path}: {record['id']}: {error}") from None


def _add_targets(index: TrainingIndex, place: dict[str, int], path: str) -> NDArray[np.bool_]:
    """Targets of the recordings that have some; which they are."""
    import h5py

    if not Path(path).is_file():
        raise Fatal(NO_STREAM, f"--targets {path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            index.names = str(file.attrs["target_names"]).split("\n")
            ids = [raw.decode() for raw in file["id"][:]]
            rows, values = file["index/targets"][:], file["targets"][:]
    except (OSError, KeyError):
        raise Fatal(BAD_STREAM, f"--targets {path}: no HDF5 file of ecg-entities targets") from None
    known = np.zeros(len(index.items), bool)
    index.targets = np.full((len(index.items), len(index.names)), _UNKNOWN, np.int8)
    for ident, row in zip(ids, rows.tolist(), strict=True):
        mine = place.get(name_of(ident))
        if mine is not None and row >= 0:
            index.targets[mine], known[mine] = values[row], True
    return known


def _records(options: InputOptions) -> Iterator[dict[str, object]]:
    for item in enumerate_items(options):
        try:
            yield load(item, ReadOptions(), keep_source=False)[0]
        except FormatError as error:
            raise Fatal(BAD_STREAM, f"{item.path}: {error}") from None


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def split_validation(index: TrainingIndex, share: float, seed: int) -> tuple[TrainingIndex, TrainingIndex | None]:
    """Training and validation, each patient in one of them, by a hash that no other patient changes."""

    def drawn(group: str) -> float:
        return int.from_bytes(hashlib.sha256(f"{seed}\0{group}".encode()).digest()[:8], "big") / 2**64

    held = np.array([drawn(group) < share for group in index.groups])
    if share <= 0:
        return index, None
    if held.all() or not held.any():
        raise Fatal(USAGE, f"a validation share of {share:g} leaves one side of {len(held)} recordings empty")
    return index.select(np.flatnonzero(~held)), index.select(np.flatnonzero(held))
