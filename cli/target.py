"""What `-o` names: standard output, a file by its suffix, a folder of WFDB records, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import typer

from medpipe.cli import finishers
from medpipe.cli.output import FileOutput, Finisher, NoOutput, Output, StreamOutput
from medpipe.cli.process import Encode, Line, encode_line
from medpipe.cli.publish import followed, is_device
from medpipe.core import __version__
from medpipe.formats.arrays import is_array
from medpipe.formats.errors import FormatError
from medpipe.formats.jsonl import Record

HDF5_SUFFIXES = (".h5", ".hdf5")
# Formats that nothing is written in: under such a name JSON Lines would deceive.
_OTHER_FORMATS = {
    ".bdf", ".bz2", ".csv", ".dat", ".dcm", ".edf", ".gii", ".hea", ".html", ".mat", ".nii", ".npy", ".npz", ".parquet",
    ".pkl", ".png", ".pt", ".pth", ".svg", ".tar", ".tsv", ".xz", ".zip",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Target:
    """Where records go, and how a worker encodes them for it."""

    encode: Encode
    path: Path | None = None  # what appears in the end; None for standard output, a device, and nothing
    finisher: Finisher = finishers.rename
    arrays: bool = False
    silent: bool = False
    device: Path | None = None  # a pipe or device, written to as it stands

    def complete(self) -> bool:
        """Whether an earlier run has finished it, with nothing left to resume."""
        if self.path is None or not self.path.exists():
            return False
        # Killed after the part had become the file: only its litter is left.
        if not _beside(self.path, ".part").exists():
            for suffix in (".part.arrays", ".state"):
                _beside(self.path, suffix).unlink(missing_ok=True)
        return not _beside(self.path, ".state").exists()

    def open(
        self,
        command: str,
        digest: str,
        resume_digest: str,
        *,
        resume: bool,
        attributes: Mapping[str, str] = MappingProxyType({}),
    ) -> Output:
        """The output, ready for records; Fatal when it cannot be written or resumed."""
        if self.silent:
            return NoOutput(resume_digest)
        if self.path is None:
            return StreamOutput(resume_digest, self.device)
        if not resume and _beside(self.path, ".state").exists():
            part = _beside(self.path, ".part")
            print(
                f"{command}: {part}, left by a stopped run, is started over; --resume goes on",
                file=sys.stderr,
            )
        provenance = {"medpipe": __version__, "command": command, "options": digest, **attributes}
        return FileOutput(
            self.path, resume_digest, self.finisher, resume=resume, arrays=self.arrays, provenance=provenance
        )


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def choose(output: str, refs: str | None, *, check: bool = False, folders: bool = False) -> Target:
    """The target that the options name; BadParameter when they do not go together."""
    if check:
        return Target(read_through, silent=True)
    output = followed(output)
    is_folder = output.endswith("/") or (output != "-" and Path(output).is_dir())
    if refs is not None:
        return _referring(output, Path(refs), is_folder)
    if is_device(output):
        return Target(encode_line, device=Path(output))
    if output == "-":
        return Target(encode_line)
    if is_folder:
        if not folders:
            raise typer.BadParameter(f"{output} is a folder; give a file name")
        return _wfdb_folder(Path(output))
    path = Path(output)
    if path.suffix in HDF5_SUFFIXES:
        from medpipe.formats.hdf5_write import split

        return Target(split, path, finishers.hdf5, arrays=True)
    packed = path.suffix.lower() in (".gz", ".zst")
    if Path(path.stem if packed else path.name).suffix.lower() in _OTHER_FORMATS:
        raise typer.BadParameter(f"-o {output}: records are written as .jsonl, .jsonl.gz, .jsonl.zst, .h5 or FOLDER/")
    return Target(encode_line, path, finishers.compress if path.suffix in (".gz", ".zst") else finishers.rename)


def _referring(output: str, h5: Path, is_folder: bool) -> Target:
    from medpipe.formats.hdf5_write import split

    if is_folder or is_device(output) or Path(output).suffix in (*HDF5_SUFFIXES, ".gz", ".zst"):
        raise typer.BadParameter("--refs goes with plain JSON Lines: -o FILE.jsonl or standard output")
    if h5.suffix not in HDF5_SUFFIXES:
        raise typer.BadParameter(f"--refs {h5}: the name must end in .h5")
    lines_to = None if output == "-" else Path(output)
    return Target(split, lines_to or h5, finishers.references(h5, lines_to), arrays=True)


def _wfdb_folder(folder: Path) -> Target:
    from medpipe.cli.wfdb_folder import INDEX, encoder, finish

    return Target(encoder(folder), folder / INDEX, finish)


def read_through(record: Record) -> Line:
    """Reads every array to its end, and keeps nothing; FormatError for a signal without one sample."""
    for key, value in record.items():
        if not is_array(value):
            continue
        some = False
        step = max(1, (1 << 22) // max(1, value.shape[0] if value.shape else 1))
        length = value.shape[-1] if value.shape else 1
        for start in range(0, length, step):
            stop = min(length, start + step)
            block = value[..., start:stop] if isinstance(value, np.ndarray) else value.read(start, stop)
            some = some or bool(np.isfinite(block).any())
        if key == "signal" and not some:
            raise FormatError("all-nan", "the signal holds no sample")
    return b"", []
