"""A simulated data set from the command line: its folder, whole or not at all."""

from __future__ import annotations

import sys
from typing import Any

from medpipe.cli.exits import GOOD, WRITE_FAILED, Fatal, Interrupted
from medpipe.cli.signals import StopRequest
from medpipe.cli.simulated_folder import SimulatedFolder, fresh_folder
from medpipe.cli.simulated_runs import DIM, Simulation
from medpipe.cli.simulated_stories import Heard, own_stories, told_stories
from medpipe.cli.simulation_options import Given
from medpipe.core.fmri.scan_noise import PHI, SHARES


def simulate(command: str, given: Given) -> int:
    """Write the data set, whole or not at all; the exit code."""
    heard = _stories(given)
    given.check_size(heard)
    stop = StopRequest()
    stop.install()
    try:
        with fresh_folder(given.output) as folder:
            made = Simulation.of(given, heard, stop)
            runs = _write(SimulatedFolder(folder, given.tr, given.start), made)
    except Interrupted:
        return stop.exit_code
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{given.output}: {error.strerror or error}") from None
    if not given.quiet:
        listeners = f"{given.subjects} listener{'' if given.subjects == 1 else 's'}"
        print(
            f"{command}: {runs} runs, {len(heard)} stories, {listeners}, {len(made.head.level)} voxels, "
            f"explainable variance {given.ev:g}, seed {given.seed}: {given.output}",
            file=sys.stderr,
        )
    return GOOD


def _stories(given: Given) -> list[Heard]:
    if given.words:
        return own_stories(given.words, given.test_stories)
    return told_stories(given.stories, given.test_stories, given.seconds, given.seed, disjoint=given.disjoint)


def _write(folder: SimulatedFolder, made: Simulation) -> int:
    """All files of the data set; how many runs there are."""
    given = made.given
    folder.write_stories([one.story for one in made.heard], phones=given.phones)
    folder.write_truth(_truth(made))
    if given.weights:
        folder.write_weights(made.subjects)
    runs = 0
    for run in made.runs():
        folder.write_run(run, made.head)
        runs += 1
    return runs


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
