"""The stories of a training: learnt from, held out, and none of them among those to be tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medpipe.cli.exits import BAD_STREAM, Fatal
from medpipe.cli.fmri_window_index import WindowIndex, read_windows, split_stories
from medpipe.cli.train_options import listed_lines
from medpipe.core.fmri.bpgpt_folder import BpGpt
from medpipe.core.fmri.story_leaks import Grams, leak


@dataclass(frozen=True, slots=True)
class StorySplit:
    """Windows to learn from and to choose by, and the words of all their stories."""

    trained: WindowIndex
    held: WindowIndex | None
    stories: dict[str, Grams]

    def parts(self) -> list[WindowIndex]:
        """Both, or the one."""
        return [self.trained, *([self.held] if self.held is not None else [])]

    def facts(self) -> dict[str, Any]:
        """For a model's description."""
        held = self.held.stories() if self.held is not None else []
        data = {"windows": sum(len(part.windows) for part in self.parts()),
                "digest": [part.digest() for part in self.parts()]}  # fmt: skip
        return {"stories": {"trained": self.trained.stories(), "held": held}, "data": data}


def split_windows(
    index: WindowIndex, share: float, seed: int, validation: str | None, begun: BpGpt | None
) -> StorySplit:
    """By the file of --validation; behind a text stage the stories that it has held out; else by chance.

    Fatal 65 where a story is on both sides under two names.
    """
    listed = listed_lines("--validation", validation) if validation is not None else None
    if listed is None and begun is not None and share > 0:
        before = [story for story in index.stories() if story in begun.said["stories"]["held"]]
        listed = before or None
    trained, held = split_stories(index, share, seed, listed)
    learnt = trained.grams()
    chooses = held.grams() if held is not None else {}
    for story, own in chooses.items():
        if why := leak(story, own, learnt):
            raise Fatal(BAD_STREAM, f"held out and learnt from: {why}")
    return StorySplit(trained, held, learnt | chooses)


def seen_stories(data: StorySplit, begun: BpGpt | None) -> dict[str, Grams]:
    """The words of every story that the model learns from or is chosen by, in both stages."""
    return {**(begun.stories if begun is not None else {}), **data.stories}


def guard_tests(test: list[str], learnt: dict[str, Grams]) -> None:
    """Fatal 65 where a story to be tested on is learnt from, or chooses."""
    for path in test:
        for story, own in read_windows([path], None, responses=False).grams().items():
            if why := leak(story, own, learnt):
                raise Fatal(BAD_STREAM, f"--test {path}: to be tested on and learnt from: {why}")


def counted(index: WindowIndex) -> str:
    """How many stories, in words."""
    number = len(index.stories())
    return f"{number} {'story' if number == 1 else 'stories'}"
