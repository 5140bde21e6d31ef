"""Where records go: standard output, or a file that appears under its name only when it is complete.

Until then there is `NAME.part` (lines), `NAME.part.arrays` (raw bytes of arrays, for HDF5) and `NAME.state`
(options digest, inputs done, bytes durable), from which `--resume` goes on.
"""

from __future__ import annotations

import io
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol

import orjson

from medpipe.cli.exits import USAGE, WRITE_FAILED, Fatal
from medpipe.cli.process import Done
from medpipe.cli.publish import standard_output

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
    # Of the file in hand: records that are finished, and the failure among them.
    within: int = 0
    failure: str = ""


class Output(Protocol):
    """A place for finished inputs."""

    state: State

    @property
    def written(self) -> int:
        """Records written so far, those of an input that is not yet finished among them."""
        ...

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
    state.passed += done.passed
    if failure := done.failure or state.failure:
        state.failed[failure] = state.failed.get(failure, 0) + 1
    state.within, state.failure = 0, ""


class StreamOutput:
    """Lines to standard output, or to a pipe or device, as they are finished."""

    def __init__(self, options: str, device: Path | None = None) -> None:
        self.state = State(options)
        self._name = "standard output" if device is None else str(device)
        self._stream = standard_output() if device is None else _open_device(device)

    @property
    def written(self) -> int:
        """See Output."""
        return self.state.records

    def write(self, batch: list[Done]) -> None:
        """Write and flush; BrokenPipeError when the reader has gone, Fatal 74 on a full disk."""
        try:
            for done in batch:
                self._stream.writelines(line for line, _ in done.lines)
                self.state.records += len(done.lines)
                if not done.more:
                    count(self.state, done)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self._silence()
            raise Fatal(WRITE_FAILED, f"{self._name}: {error.strerror}") from None

    def _silence(self) -> None:
        """What could not be written must not be tried again at exit."""
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, self._stream.fileno())
        os.close(null)

    def finish(self) -> None:
        """Everything is already out."""

    def suspend(self) -> None:
        """Everything finished is already out."""


def _open_device(device: Path) -> BinaryIO:
    try:
        return device.open("wb")
    except OSError as error:
        raise Fatal(WRITE_FAILED, f"{device}: {error.strerror}") from None


# Builds the finished files from the part: (part lines, arrays) -> nothing.
Finisher = Callable[["FileOutput"], None]


class NoOutput:
    """Counts, and writes nothing."""

    def __init__(self, options: str) -> None:
        self.state = State(options)

    @property
    def written(self) -> int:
        """See Output."""
        return self.state.records

    def write(self, batch: list[Done]) -> None:
        """Count."""
        for done in batch:
            self.state.records += len(done.lines)
            if not done.more:
                count(self.state, done)

    def finish(self) -> None:
        """Nothing to do."""

    def suspend(self) -> None:
        """Nothing to keep."""


class FileOutput:
    """A part file with its state, made into the named file by a last pass."""

    def __init__(
        self,
        target: Path,
        options: str,
        finisher: Finisher,
        *,
        resume: bool,
        arrays: bool,
        provenance: dict[str, str],
    ) -> None:
        self.target = target
        self.provenance = provenance
        self.part = target.with_name(target.name + ".part")
        self.arrays = target.with_name(target.name + ".part.arrays")
        self.state_file = target.with_name(target.name + ".state")
        self._finisher = finisher
        self._with_arrays = arrays
        self.state = self._restore(options) if resume else State(options)
        self._saved = time.monotonic()
        self._lines, self._blobs = self._open()
        self._ahead = replace(self.state)

    @property
    def written(self) -> int:
        """See Output."""
        return self._ahead.records

    def _restore(self, options: str) -> State:
        if not self.state_file.exists():
            return State(options)
        try:
            state = State(**orjson.loads(self.state_file.read_bytes()))
        except (orjson.JSONDecodeError, TypeError):
            raise Fatal(USAGE, f"{self.state_file}: damaged; start over without --resume") from None
        if state.options != options:
            raise Fatal(
                USAGE,
                f"{self.state_file} was left by a run with other options or inputs, or by another model;"
                " start over without --resume",
            )
        sizes = (self.part, state.bytes), (self.arrays, state.array_bytes)
        for path, size in sizes:
            if size and (not path.exists() or path.stat().st_size < size):
                raise Fatal(USAGE, f"{path} is shorter than its state says; start over without --resume")
        return state

    def _open(self) -> tuple[io.FileIO, io.FileIO | None]:
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            lines = _open_at(self.part, self.state.bytes)
            _lock(lines, self.part)
            blobs = _open_at(self.arrays, self.state.array_bytes) if self._with_arrays else None
            self._save()
        except OSError as error:
            raise Fatal(WRITE_FAILED, f"{self.target}: {error.strerror}") from None
        return lines, blobs

    def write(self, batch: list[Done]) -> None:
        """Append; Fatal 74 when the disk refuses, with everything up to the last checkpoint kept."""
        try:
            for done in batch:
                self._append(done)
            if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
                self._checkpoint()
        except OSError as error:
            self._fail(error)

    def _append(self, done: Done) -> None:
        self._ahead.bytes += _write_all(self._lines, b"".join([line for line, _ in done.lines]))
        if self._blobs is not None:
            for _, blobs in done.lines:
                self._ahead.array_bytes += sum(_write_all(self._blobs, blob) for blob in blobs)
        self._ahead.records += len(done.lines)
        if done.more and not done.finished:
            # A state never points into the middle of a record.
            return
        self.state.bytes, self.state.array_bytes = self._ahead.bytes, self._ahead.array_bytes
        self.state.records = self._ahead.records
        if done.more:
            self.state.within, self.state.failure = done.finished, done.failure or self.state.failure
        else:
            count(self.state, done)

    def _fail(self, error: OSError) -> NoReturn:
        message = f"{self.target}: {error.strerror or error}; run again with --resume when there is room"
        raise Fatal(WRITE_FAILED, message) from None

    def _checkpoint(self) -> None:
        for stream in (self._lines, self._blobs):
            if stream is not None:
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
            self._clear()
        except BrokenPipeError:
            # References to standard output: there is nothing to go on from.
            self._clear()
            raise
        except OSError as error:
            self._fail(error)

    def _clear(self) -> None:
        for path in (self.part, self.arrays, self.state_file):
            path.unlink(missing_ok=True)

    def lines(self) -> Iterator[bytes]:
        """The lines of the finished part."""
        with self.part.open("rb") as stream:
            yield from stream


def _open_at(path: Path, size: int) -> io.FileIO:
    """The file open for appending after its first `size` bytes; what follows, a torn tail, is cut off."""
    stream = io.FileIO(path, "r+b" if path.exists() else "w+b")
    stream.truncate(size)
    stream.seek(size)
    return stream


def _lock(stream: io.FileIO, part: Path) -> None:
    """Keep a second run from writing the same part; not every network file system can."""
    import errno
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise Fatal(WRITE_FAILED, f"{part} is being written by another run") from None


def _write_all(stream: io.FileIO, data: bytes) -> int:
    """Unbuffered: what the disk refuses is not tried again when the file is closed."""
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]
    return len(data)


def tally_text(failed: dict[str, int]) -> str:
    """Counts by type of error, the most frequent first."""
    return ", ".join(f"{kind} {number}" for kind, number in Counter(failed).most_common())
