"""Where records go: standard output, or a file that appears under its name only when it is complete.

Until then there is `NAME.part` (lines), `NAME.part.arrays` (raw bytes of arrays, for HDF5) and `NAME.state`
(options digest, inputs done, bytes durable), from which `--resume` goes on.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import orjson

from medpipe.cli.exits import USAGE, WRITE_FAILED, Fatal
from medpipe.cli.process import Done

_CHECKPOINT_SECONDS = 1.0


@dataclass(slots=True)
class State:
    """What of a run is safely on disk."""

    options: str
    done: int = 0
    bytes: int = 0
    array_bytes: int = 0
    records: int = 0
    passed: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    complete: bool = False


class Output(Protocol):
    """A place for finished inputs."""

    state: State

    def write(self, batch: list[Done]) -> None:
        """Append the lines of finished inputs."""
        ...

    def finish(self) -> None:
        """Make the output appear."""
        ...

    def suspend(self) -> None:
        """Leave a state from which the run can go on."""
        ...


def count(state: State, done: Done) -> None:
    """Add a finished input to the tally."""
    state.done += 1
    state.records += len(done.lines)
    state.passed += done.passed
    if done.failure:
        state.failed[done.failure] = state.failed.get(done.failure, 0) + 1


class StandardOutput:
    """Lines to standard output as they are finished."""

    def __init__(self, options: str) -> None:
        self.state = State(options)
        self._stream = sys.stdout.buffer

    def write(self, batch: list[Done]) -> None:
        """Write and flush; BrokenPipeError when the reader has gone, Fatal 74 on a full disk."""
        try:
            for done in batch:
                for line, _ in done.lines:
                    self._stream.write(line)
                count(self.state, done)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._silence()
            raise Fatal(WRITE_FAILED, f"standard output: {error.strerror}") from None

    def _silence(self) -> None:
        """What could not be written must not be tried again at exit."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def finish(self) -> None:
        """Everything is already out."""

    def suspend(self) -> None:
        """Everything finished is already out."""


# Builds the finished files from the part: (part lines, arrays) -> nothing.
Finisher = Callable[["FileOutput"], None]


class FileOutput:
    """A part file with its state, made into the named file by a last pass."""

    def __init__(self, target: Path, options: str, finisher: Finisher, *, resume: bool, arrays: bool) -> None:
        self.target = target
        self.part = target.with_name(target.name + ".part")
        self.arrays = target.with_name(target.name + ".part.arrays")
        self.state_file = target.with_name(target.name + ".state")
        self._finisher = finisher
        self._with_arrays = arrays
        self.state = self._restore(options) if resume else State(options)
        self._saved = time.monotonic()
        self._lines, self._blobs = self._open()

    @property
    def finished_before(self) -> bool:
        """Whether an earlier run has already completed the file, and left nothing to resume."""
        return self.target.exists() and not self.state_file.exists()

    def _restore(self, options: str) -> State:
        if not self.state_file.exists():
            return State(options)
        try:
            state = State(**orjson.loads(self.state_file.read_bytes()))
        except (orjson.JSONDecodeError, TypeError):
            raise Fatal(USAGE, f"{self.state_file}: damaged; start over without --resume") from None
        if state.options != options:
            raise Fatal(
                USAGE, f"{self.state_file} was left by a run with other options or inputs; start over without --resume"
            )
        sizes = (self.part, state.bytes), (self.arrays, state.array_bytes)
        for path, size in sizes:
            if size and (not path.exists() or path.stat().st_size < size):
                raise Fatal(USAGE, f"{path} is shorter than its state says; start over without --resume")
        return state

    def _open(self) -> tuple[BinaryIO, BinaryIO | None]:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            lines = _open_at(self.part, self.state.bytes)
            blobs = _open_at(self.arrays, self.state.array_bytes) if self._with_arrays else None
            self._save()
        except OSError as error:
            raise Fatal(WRITE_FAILED, f"{self.target}: {error.strerror}") from None
        return lines, blobs

    def write(self, batch: list[Done]) -> None:
        """Append; Fatal 74 when the disk refuses, with everything up to the last checkpoint kept."""
        try:
            for done in batch:
                for line, blobs in done.lines:
                    self._lines.write(line)
                    self.state.bytes += len(line)
                    for blob in blobs:
                        if self._blobs is not None:
                            self._blobs.write(blob)
                            self.state.array_bytes += len(blob)
                count(self.state, done)
            if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
                self._checkpoint()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        # The buffers hold what the disk refused: closing must not try it again.
        for stream in (self._lines, self._blobs):
            if stream is not None:
                os.close(os.dup(stream.fileno()))
                stream.detach() if hasattr(stream, "detach") else None  # type: ignore[attr-defined]
        message = f"{self.target}: {error.strerror}; run again with --resume when there is room"
        raise Fatal(WRITE_FAILED, message) from None

    def _checkpoint(self) -> None:
        for stream in (self._lines, self._blobs):
            if stream is not None:
                stream.flush()
                os.fsync(stream.fileno())
        self._save()
        self._saved = time.monotonic()

    def _save(self) -> None:
        fresh = self.state_file.with_name(self.state_file.name + ".new")
        with fresh.open("wb") as stream:
            stream.write(orjson.dumps(asdict(self.state)))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.state_file)

    def suspend(self) -> None:
        """Make everything finished durable and leave the part."""
        try:
            self._checkpoint()
        except OSError as error:
            self._fail(error)

    def finish(self) -> None:
        """Checkpoint, build the named file, remove part and state."""
        try:
            self.state.complete = True
            self._checkpoint()
            for stream in (self._lines, self._blobs):
                if stream is not None:
                    stream.close()
            self._finisher(self)
            for path in (self.part, self.arrays, self.state_file):
                path.unlink(missing_ok=True)
        except OSError as error:
            message = f"{self.target}: {error.strerror or error}; run again with --resume when there is room"
            raise Fatal(WRITE_FAILED, message) from None

    def lines(self) -> Iterator[bytes]:
        """The lines of the finished part."""
        with self.part.open("rb") as stream:
            yield from stream


def _open_at(path: Path, size: int) -> BinaryIO:
    """The file open for appending after its first `size` bytes; what follows, a torn tail, is cut off."""
    stream = path.open("r+b" if path.exists() else "w+b")
    stream.truncate(size)
    stream.seek(size)
    return stream


def publish(fresh: Path, target: Path) -> None:
    """Give a finished file its name, durably."""
    with fresh.open("rb") as stream:
        os.fsync(stream.fileno())
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def tally_text(failed: dict[str, int]) -> str:
    """Counts by type of error, the most frequent first."""
    return ", ".join(f"{kind} {number}" for kind, number in Counter(failed).most_common())
