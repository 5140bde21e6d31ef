"""The runs of a simulated data set, each made when it is its turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medpipe.cli.exits import Interrupted
from medpipe.cli.signals import StopRequest
from medpipe.cli.simulated_folder import RunFiles
from medpipe.cli.simulated_stories import Heard
from medpipe.cli.simulation_options import Given
from medpipe.core.fmri.scan_noise import scan_noise
from medpipe.core.fmri.simulated_confounds import Columns, confounds
from medpipe.core.fmri.simulated_scan import SLOPE, Head, counts, make_head, mixed
from medpipe.core.fmri.simulated_subject import Spread, Subject, make_subject
from medpipe.core.fmri.story import read_topics
from medpipe.core.fmri.word_vectors import WordVectors, impulses

DIM = 32
# Chance is drawn from streams apart: another number of subjects leaves the stories as they are.
_HEAD, _SUBJECT, _NOISE = 1, 2, 3


@dataclass(slots=True)
class Simulation:
    """What all runs share; a signal that asks to stop ends the making of runs with Interrupted."""

    given: Given
    heard: list[Heard]
    stop: StopRequest
    vectors: WordVectors
    head: Head
    subjects: list[Subject]

    @classmethod
    def of(cls, given: Given, heard: list[Heard], stop: StopRequest) -> Self:
        """The head and the listeners, whose weights all stories together scale."""
        head = make_head(given.grid(), np.random.default_rng([given.seed, _HEAD]))
        made = cls(given, heard, stop, WordVectors(DIM, () if given.words else read_topics()), head, [])
        spread = Spread.of((made._course(one) for one in heard), given.tr, DIM + 1)
        for number in range(given.subjects):
            rng = np.random.default_rng([given.seed, _SUBJECT, number])
            made.subjects.append(make_subject(len(head.level), spread, rng))
        return made

    def runs(self) -> Iterator[RunFiles]:
        """Every run of every subject."""
        for place, heard in enumerate(self.heard):
            course = self._course(heard)
            for number, subject in enumerate(self.subjects):
                signal = subject.signal(course, self.given.tr)
                for repeat in range(self.given.repeats if heard.test else 1):
                    self._check_stop()
                    rng = np.random.default_rng([self.given.seed, _NOISE, place, number, repeat])
                    yield RunFiles(number + 1, heard, repeat + 1, *self._scan(subject, signal, rng))

    def _course(self, heard: Heard) -> NDArray[np.float64]:
        """What is said at each tick of a scan."""
        self._check_stop()
        volumes = self.given.volumes(heard.story.seconds)
        return impulses(heard.story, self.vectors, self.given.start, volumes * self.given.tr)

    def _check_stop(self) -> None:
        if self.stop.asked:
            raise Interrupted

    def _scan(
        self, subject: Subject, signal: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.int16], Columns, dict[str, Any]]:
        """Counts, confounds and their sidecar of one run."""
        noise = scan_noise(signal.shape[0], signal.shape[1], rng)
        values = counts(mixed(subject, signal, noise, self.given.ev), self.head, rng)
        return values, *confounds(values[self.head.mask].T * np.float32(SLOPE), noise, self.given.tr, rng)
