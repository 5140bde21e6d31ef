"""What there is to learn grounding from: pictures met with their boxes, by id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.box_truth import one_spelling, read_box_stream
from medpipe.cli.exits import BAD_STREAM, NO_STREAM, USAGE, Fatal
from medpipe.cli.inputs import InputOptions, Item, enumerate_items
from medpipe.cli.load import load
from medpipe.cli.train_options import listed_lines
from medpipe.formats.box_files import Corners
from medpipe.formats.ids import path_id
from medpipe.formats.registry import ReadOptions

Labelled = list[tuple[str, Corners]]


@dataclass(slots=True)
class PictureIndex:
    """Pictures by place, and for each its boxes as (label, corners), its group, and the size, width and height, that
    its boxes are for where that is told; `names` are all labels.

    `without` counts pictures of which nothing is said, `unseen` annotated ones that are not among the inputs, `unmet`
    names of pictures to hold out that are those of none.
    """

    items: list[Item]
    boxes: list[Labelled]
    groups: list[str]
    sizes: list[tuple[int, int] | None]
    names: tuple[str, ...]
    without: int = 0
    unseen: int = 0
    unmet: int = 0

    def select(self, rows: NDArray[np.int64]) -> PictureIndex:
        """Some of the pictures, in that order."""
        return PictureIndex(
            [self.items[row] for row in rows], [self.boxes[row] for row in rows], [self.groups[row] for row in rows],
            [self.sizes[row] for row in rows], self.names, self.without, self.unseen,
        )  # fmt: skip

    def digest(self) -> str:
        """Sixteen hex digits over everything that a training sees of it, but for the pixels."""
        told = hashlib.sha256()
        for item, boxes, group in zip(self.items, self.boxes, self.groups, strict=True):
            told.update(f"{path_id(item.id, 'stem')}\0{boxes}\0{group}\n".encode())
        return told.hexdigest()[:16]


def index_pictures(
    inputs: list[str], files_from: str | None, boxes: str, labels: list[str], by: str | None
) -> PictureIndex:
    """Pictures and their boxes, none of them opened but for the group.

    Pictures without a word in `boxes` stay out: nobody looked at them. Fatal 2, 65 or 66 where nothing can be learnt.
    """
    truth = read_box_stream(boxes)
    named = one_spelling(labels or sorted({label for found in truth.boxes.values() for label, *_ in found}))
    names = tuple(named.values())
    truth.rename(named)
    if not all(name.strip() for name in names):
        raise Fatal(BAD_STREAM, f"{boxes}: a box without a label")
    if not names:
        raise Fatal(USAGE, f"{boxes}: not one box; --labels names what is to be looked for")
    options = InputOptions(inputs, files_from, pictures=True)
    index, met = PictureIndex([], [], [], [], names), set()
    for item in enumerate_items(options):
        if item.kind == "spooled":
            raise Fatal(USAGE, "a training reads its pictures again and again: give files, not standard input")
        name = path_id(item.id, "stem")
        if name not in truth.boxes:
            index.without += 1
            continue
        if name in met:
            raise Fatal(USAGE, f"two pictures are called {name}, and boxes are matched by name: give one of them")
        met.add(name)
        index.items.append(item)
        index.boxes.append([(label, corners) for label, corners, _ in truth.boxes[name] if label in names])
        index.sizes.append(truth.sizes.get(name))
        index.groups.append(name if by is None else _group(item, by, name))
    index.unseen = len(truth.boxes) - len(met)
    if not index.items:
        example = f"{index.without} pictures, such as {next(iter(truth.boxes), 'nothing')!r} in {boxes}"
        raise Fatal(NO_STREAM, f"no picture has its boxes: {example}; they are matched by name")
    return index


def _group(item: Item, by: str, name: str) -> str:
    if item.kind not in ("line", "row"):
        raise Fatal(USAGE, f"--by {by} names a key of records, and {item.path} is a picture")
    return str(load(item, ReadOptions(), keep_source=False)[0].get(by) or name)


def split_pictures(
    index: PictureIndex, share: float, seed: int, listed: str | None
) -> tuple[PictureIndex, PictureIndex | None]:
    """What is trained on and what chooses: the pictures that a file lists, else a share of the groups."""
    unmet = 0
    if listed is not None:
        names = [path_id(item.id, "stem") for item in index.items]
        wanted = {path_id(line, "stem") for line in listed_lines("--validation", listed)}
        held, unmet = np.isin(names, list(wanted)), len(wanted - set(names))
        if not held.any():
            raise Fatal(USAGE, f"--validation {listed}: lists none of the pictures")
    else:
        groups, member = np.unique(index.groups, return_inverse=True)
        order = np.random.default_rng(seed).permutation(len(groups))
        held = np.isin(member, order[: round(share * len(groups))])
    if held.all():
        raise Fatal(USAGE, "every picture is held out: none is left to train on")
    kept, chosen = index.select(np.flatnonzero(~held)), index.select(np.flatnonzero(held))
    chosen.unmet = unmet
    return kept, chosen if held.any() else None
