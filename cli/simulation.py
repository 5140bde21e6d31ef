"""A simulated data set from the command line: stories, listeners, then one run after another."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from medpipe.cli.exits import GOOD, USAGE, WRITE_FAILED, Fatal, Interrupted
from medpipe.cli.signals import StopRequest
from medpipe.cli.simulated_folder import RunFiles, SimulatedFolder, fresh_folder
from medpipe.cli.simulated_stories import Heard, own_stories, told_stories
from medpipe.core.fmri.scan_noise import PHI, SHARES, scan_noise
from medpipe.core.fmri.simulated_confounds import confounds
from medpipe.core.fmri.simulated_scan import SLOPE, Head, counts, make_head, mixed
from medpipe.core.fmri.simulated_subject import Spread, Subject, make_subject
from medpipe.core.fmri.story import read_topics
from medpipe.core.fmri.word_vectors import WordVectors, impulses

DIM = 32
_TAIL = 10.0
_MOST_SIDE = 256
_LEAST_VOLUMES = 10
# Values of one run in memory.
_MOST_VALUES = 1 << 28
# Chance is drawn from streams apart: another number of subjects leaves the stories as they are.
_HEAD, _SUBJECT, _NOISE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Given:
    """The options as the user gave them."""

    output: str
    ev: float
    subjects: int
    stories: int
    test_stories: int
    repeats: int
    seconds: float
    words: tuple[str, ...]
    disjoint: bool
    start: float
    tr: float
    shape: str
    phones: bool
    weights: bool
    seed: int
    quiet: bool

    def grid(self) -> tuple[int, int, int]:
        """The shape; BadParameter when it is none."""
        if not re.fullmatch(r"\d+,\d+,\d+", self.shape):
            raise typer.BadParameter(f"--shape {self.shape}: it is three numbers, X,Y,Z")
        x, y, z = (int(side) for side in self.shape.split(","))
        if not all(4 <= side <= _MOST_SIDE for side in (x, y, z)):
            raise typer.BadParameter(f"--shape {self.shape}: sides are from 4 to {_MOST_SIDE} voxels")
        return x, y, z

    def volumes(self, seconds: float) -> int:
        """How many a story of `seconds` takes, the silence around it scanned too."""
        return int(np.ceil((self.start + seconds + _TAIL) / self.tr - 1e-9))


@dataclass(slots=True)
class Simulation:
    """What all runs share."""

    given: Given
    heard: list[Heard]
    vectors: WordVectors
    head: Head
    subjects: list[Subject]

    def course(self, heard: Heard) -> NDArray[np.float64]:
        """What is said at each tick of a scan."""
        volumes = self.given.volumes(heard.story.seconds)
        return impulses(heard.story, self.vectors, self.given.start, volumes * self.given.tr)

    def runs(self) -> Iterator[RunFiles]:
        """Every run of every subject, made when it is its turn."""
        for place, heard in enumerate(self.heard):
            course = self.course(heard)
            for number, subject in enumerate(self.subjects):
                signal = subject.signal(course, self.given.tr)
                for repeat in range(self.given.repeats if heard.test else 1):
                    rng = np.random.default_rng([self.given.seed, _NOISE, place, number, repeat])
                    yield self._run(heard, number, repeat, subject, signal, rng)

    def _run(
        self,
        heard: Heard,
        number: int,
        repeat: int,
        subject: Subject,
        signal: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> RunFiles:
        noise = scan_noise(signal.shape[0], signal.shape[1], rng)
        values = counts(mixed(subject, signal, noise, self.given.ev), self.head, rng)
        table, sidecar = confounds(values[self.head.mask].T * np.float32(SLOPE), noise, self.given.tr, rng)
        return RunFiles(number + 1, heard, repeat + 1, values, table, sidecar)


def simulate(command: str, given: Given) -> int:
    """Write the data set, whole or not at all; the exit code."""
    grid = given.grid()
    heard = _stories(given)
    _check_size(given, grid, heard)
    stop = StopRequest()
    stop.install()
    try:
        with fresh_folder(Path(given.output)) as folder:
            made = _simulation(given, grid, heard, stop)
            runs = _write(SimulatedFolder(folder, given.tr, given.start), made, stop)
    except Interrupted:
        return stop.exit_code
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{given.output}: {error.strerror or error}") from None
    if not given.quiet:
        voxels, active = len(made.head.level), int(made.subjects[0].active.sum())
        print(
            f"{command}: {runs} runs of {len(heard)} stories, {voxels} voxels of which {active} respond, explainable "
            f"variance {given.ev:g}, seed {given.seed}: {given.output}",
            file=sys.stderr,
        )
    return GOOD


def _stories(given: Given) -> list[Heard]:
    if given.words:
        return own_stories(given.words, given.test_stories)
    return told_stories(given.stories, given.test_stories, given.seconds, given.seed, disjoint=given.disjoint)


def _check_size(given: Given, grid: tuple[int, int, int], heard: list[Heard]) -> None:
    for one in heard:
        volumes = given.volumes(one.story.seconds)
        if volumes < _LEAST_VOLUMES:
            raise Fatal(USAGE, f"{one.story.name}: {volumes} volumes are too few, {_LEAST_VOLUMES} at the least")
        if volumes * int(np.prod(grid)) > _MOST_VALUES:
            raise Fatal(USAGE, f"{one.story.name}: {volumes} volumes of {given.shape} voxels do not fit into memory")


def _simulation(given: Given, grid: tuple[int, int, int], heard: list[Heard], stop: StopRequest) -> Simulation:
    head = make_head(grid, np.random.default_rng([given.seed, _HEAD]))
    made = Simulation(given, heard, WordVectors(DIM, () if given.words else read_topics()), head, [])
    spread = Spread.of(_courses(made, stop), given.tr, DIM + 1)
    for number in range(given.subjects):
        rng = np.random.default_rng([given.seed, _SUBJECT, number])
        made.subjects.append(make_subject(len(head.level), spread, rng))
    return made


def _write(folder: SimulatedFolder, made: Simulation, stop: StopRequest) -> int:
    """All files of the data set; how many runs there are. Interrupted when a signal asks to stop."""
    given = made.given
    folder.write_stories([one.story for one in made.heard], phones=given.phones)
    folder.write_truth(_truth(made))
    if given.weights:
        folder.write_weights(made.subjects)
    runs = 0
    for run in made.runs():
        _check(stop)
        folder.write_run(run, made.head)
        runs += 1
    return runs


def _courses(made: Simulation, stop: StopRequest) -> Iterator[NDArray[np.float64]]:
    for one in made.heard:
        _check(stop)
        yield made.course(one)


def _check(stop: StopRequest) -> None:
    """Interrupted when a signal asks to stop."""
    if stop.asked:
        raise Interrupted


def _truth(made: Simulation) -> dict[str, Any]:
    given = made.given
    return {
        "explainable_variance": given.ev,
        "noise_shares": SHARES,
        "phi": PHI,
        "seed": given.seed,
        "tr": given.tr,
        "sound_start": given.start,
        "subjects": given.subjects,
        "repeats": given.repeats,
        "voxels": len(made.head.level),
        "active": [int(one.active.sum()) for one in made.subjects],
        "vectors": {"dim": DIM, "topics": not given.words},
        "train": [one.story.name for one in made.heard if not one.test],
        "test": [one.story.name for one in made.heard if one.test],
    }
