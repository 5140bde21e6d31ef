"""What a run says on stderr: progress on a terminal, failures one a line, a summary."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from medpipe.cli.options import RunOptions
from medpipe.cli.output import State, tally_text

if TYPE_CHECKING:
    from medpipe.cli.process import Done

_SHOWN = 20


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """One line for a terminal: control characters of an id or a name shown, not obeyed."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


class Report:
    """Messages and progress of one run."""

    def __init__(self, command: str, run: RunOptions, total: int | None, said: set[str] | None = None) -> None:
        self._command = command
        self._run = run
        self._failures = self._repeated = 0
        self._said = said
        self._bar = self._progress(total)

    def _progress(self, total: int | None) -> Any:
        if self._run.quiet or not sys.stderr.isatty():
            return None
        from tqdm import tqdm

        # Its watching thread must not exist: later code may fork.
        tqdm.monitor_interval = 0
        return tqdm(total=total, unit=" records", desc=self._command, dynamic_ncols=True, file=sys.stderr)

    def note(self, batch: list[Done]) -> None:
        """Finished inputs."""
        for done in batch:
            if done.failure and not done.more:
                self._note_failure(done)
        if self._bar is not None:
            self._bar.update(sum(not done.more for done in batch))

    def _note_failure(self, done: Done) -> None:
        if self._said is not None and done.message in self._said:
            self._repeated += 1
            return
        if self._said is not None:
            self._said.add(done.message)
        self._failures += 1
        self._fail(done)

    def _fail(self, done: Done) -> None:
        if self._run.quiet or (self._failures > _SHOWN and not self._run.verbose):
            return
        self._say(done.message)
        if self._failures == _SHOWN and not self._run.verbose:
            self._say("further failures are only counted; -v shows them all")

    def _say(self, message: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print(f"{self._command}: {printable(message)}", file=sys.stderr)

    def end(self, state: State, *, complete: bool, check: bool = False) -> None:
        """The summary: always after --check and when something failed or is left, else only when asked for."""
        if self._bar is not None:
            self._bar.close()
        failed = sum(state.failed.values())
        nothing = failed == self._repeated and not state.passed
        if self._run.quiet or (complete and nothing and not self._run.verbose and not check):
            return
        parts = [f"{_count(state.records, 'record')} {'read' if check else 'written'}"]
        if check and not failed:
            parts.append("no errors")
        if failed:
            parts.append(f"{failed} of {_count(state.done, 'input')} failed ({tally_text(state.failed)})")
        if state.passed:
            parts.append(f"{_count(state.passed, 'error record')} from upstream passed through")
        if not complete:
            parts.append("stopped with work left" + ("" if self._run.output == "-" else "; --resume goes on"))
        self._say(", ".join(parts))
