"""Windows of fmri-align as a training takes them: their words in memory, their responses where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medpipe.cli.exits import BAD_STREAM, NO_STREAM, USAGE, Fatal
from medpipe.cli.fmri_treatment import told
from medpipe.cli.inputs import InputOptions, Item, enumerate_items
from medpipe.cli.load import load
from medpipe.core.fmri.story_leaks import Grams, fingerprint, grams
from medpipe.formats.arrays import is_array
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record
from medpipe.formats.registry import ReadOptions

# How windows differ, in words.
_SIDES = {
    "lag": "a lag of {} volumes",
    "mask": "a mask {}",
    "atlas": "an atlas {}",
    "tr": "a TR of {} s",
    "cleaning": "a cleaning by {}",
}


@dataclass(frozen=True, slots=True)
class Window:
    """One window: the words of each volume, and responses [times, voxels], not read yet where they are in a file."""

    id: str
    story: str
    run: str
    volumes: list[str]
    responses: Any
    said: dict[str, Any]

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(filter(None, self.volumes))


@dataclass(slots=True)
class WindowIndex:
    """Windows in the order of the stream; `failed` counts error records, which are left out."""

    windows: list[Window] = field(default_factory=list)
    failed: int = 0

    def stories(self) -> list[str]:
        """Their names, in the order in which they come."""
        return list(dict.fromkeys(window.story for window in self.windows))

    def select(self, stories: Sequence[str]) -> WindowIndex:
        """The windows of some stories."""
        kept = frozenset(stories)
        return WindowIndex([window for window in self.windows if window.story in kept], self.failed)

    def transcripts(self) -> dict[str, list[list[str]]]:
        """The words of each story, run by run."""
        found: dict[str, dict[str, list[str]]] = {}
        for window in self.windows:
            found.setdefault(window.story, {}).setdefault(window.run, []).extend(window.text.split())
        return {story: list(runs.values()) for story, runs in found.items()}

    def grams(self) -> dict[str, Grams]:
        """Hashes of the runs of words of each story."""
        told = self.transcripts()
        return {story: np.unique(np.concatenate([grams(run) for run in runs])) for story, runs in told.items()}

    def digest(self) -> str:
        """Sixteen hex digits over everything that a training sees of it, but for the responses."""
        told = hashlib.sha256()
        for window in self.windows:
            told.update(f"{window.id}\0{window.story}\0{window.volumes}\n".encode("utf-8", "surrogatepass"))
        return told.hexdigest()[:16]

    def agreed(self, name: str) -> Any:
        """What all windows say of themselves under a name; Fatal 65 where they differ."""
        first = self.windows[0]
        other = next((one for one in self.windows if one.said[name] != first.said[name]), None)
        if other is not None:
            raise Fatal(
                BAD_STREAM,
                f"{first.id} has the {name} {_said(first.said[name])}, {other.id} {_said(other.said[name])}:"
                " train on one kind",
            )
        return first.said[name]

    def usual(self, name: str) -> Any:
        """What all windows say of themselves under a name; None where they differ."""
        first = self.windows[0].said[name]
        return first if all(one.said[name] == first for one in self.windows) else None


def read_windows(inputs: list[str], files_from: str | None, *, responses: bool) -> WindowIndex:
    """The windows of streams; Fatal 2, 65 or 66 for what are none."""
    index = WindowIndex()
    for item in enumerate_items(InputOptions(inputs, files_from)):
        if item.kind == "spooled":
            raise Fatal(USAGE, "a training reads its windows again and again: give files, not standard input")
        record = _record(item)
        if "error" in record:
            index.failed += 1
        else:
            index.windows.append(_window(record, responses=responses))
    if not index.windows:
        raise Fatal(NO_STREAM, f"{', '.join(inputs) or files_from}: not one window")
    return index


def _record(item: Item) -> Record:
    if item.kind == "file":
        raise Fatal(BAD_STREAM, f"{item.path}: no stream of windows, as fmri-align writes it, or not there")
    try:
        return load(item, ReadOptions(), keep_source=False)[0]
    except FormatError as error:
        raise Fatal(BAD_STREAM, f"{item.id}: {error}") from None


def _window(record: Record, *, responses: bool) -> Window:
    ident, story, volumes = record["id"], record.get("story"), record.get("tr_texts")
    told = isinstance(volumes, list) and volumes and all(isinstance(text, str) for text in volumes)
    if not isinstance(story, str) or not story or not told:
        raise Fatal(BAD_STREAM, f"{ident}: no window of fmri-align: it has no story, or no tr_texts")
    array: Any = record.get("responses")
    if responses and (not is_array(array) or len(array.shape) != 2):
        raise Fatal(BAD_STREAM, f"{ident}: the window has no responses [time, voxels]")
    shape = list(array.shape) if is_array(array) else None
    return Window(
        ident, story, str(record.get("parent", story)), list(volumes or []), array if responses else None,
        window_facts(record) | {"shape": shape, "volumes": len(volumes or []), "t0": record.get("t0")},
    )  # fmt: skip


def window_facts(record: Record) -> dict[str, Any]:
    """What a model must know of a window: its TR, its voxels, what was done to them, and where it lies."""
    alignment, cleaning = record.get("alignment"), record.get("cleaning")
    digests = {
        name: found.get("sha256") if isinstance(found := record.get(name), dict) else None for name in ("mask", "atlas")
    }
    aligned = alignment if isinstance(alignment, dict) else {}
    return {
        "tr": record.get("tr"),
        **digests,
        "cleaning": cleaning if isinstance(cleaning, dict) else None,
        "lag": aligned.get("lag_tr"),
        "hop": aligned.get("hop"),
        "start": aligned.get("start"),
    }


def disagreement(own: Mapping[str, Any], model: Mapping[str, Any]) -> str | None:
    """What of a window is not as a model knows it, in words that name both; None where nothing that both say differs.

    Args:
        own: facts of the window.
        model: the model's description.
    """
    for name, words in _SIDES.items():
        one, other = own.get(name), model.get(name)
        if one is not None and other is not None and one != other:
            return f"has {words.format(_said(one))}, the model {words.format(_said(other))}"
    return None


def _said(value: Any) -> str:
    return told(value) if isinstance(value, dict) else str(value)


def split_stories(
    index: WindowIndex, share: float, seed: int, listed: Sequence[str] | None
) -> tuple[WindowIndex, WindowIndex | None]:
    """What is learnt from and what chooses, by whole stories: those listed, else a share drawn by seed.

    Stories of the same words, whatever they are called, stay together. Fatal 2 where nothing is left on a side.
    """
    stories = index.stories()
    if listed is not None:
        held = [story for story in stories if story in frozenset(listed)]
        if not held:
            raise Fatal(USAGE, f"none of the stories is {', '.join(list(listed)[:5])}: there are {_named(stories)}")
    else:
        told = index.transcripts()
        alike = {story: fingerprint(told[story][0]) for story in stories}
        groups = list(dict.fromkeys(alike.values()))
        count = max(1, round(share * len(groups))) if share > 0 and len(groups) > 1 else 0
        chosen = {groups[place] for place in np.random.default_rng(seed).permutation(len(groups))[:count]}
        held = [story for story in stories if alike[story] in chosen]
    if len(held) == len(stories):
        raise Fatal(USAGE, "every story is held out: none is left to train on")
    kept = index.select([story for story in stories if story not in frozenset(held)])
    return kept, index.select(held) if held else None


def _named(stories: Sequence[str]) -> str:
    return ", ".join(stories[:5]) + (" ..." if len(stories) > 5 else "")
