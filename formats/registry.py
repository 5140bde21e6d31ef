"""Which reader opens which kind of file; adding a format is a file and a line here."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError

# Kind as `sniff` names it -> module and function.
ECG_READERS = {
    "wfdb": ("medpipe.formats.wfdb_record", "open_wfdb"),
    "edf": ("medpipe.formats.edf", "open_edf"),
    "csv": ("medpipe.formats.ecg_csv", "open_csv"),
    "dicom": ("medpipe.formats.dicom_waveform", "open_dicom_waveform"),
}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader cannot know from the file itself."""

    fs: float | None = None


def open_ecg(path: str, kind: str, options: ReadOptions) -> list[Ecg]:
    """The recordings of a file, their samples not yet read.

    Raises:
        FormatError: the kind holds no ECG, or the file is damaged.
    """
    if kind not in ECG_READERS:
        raise FormatError("unknown-format", _WHY_NOT.get(kind, "the file is of no format that holds an ECG"))
    module, function = ECG_READERS[kind]
    reader: Any = getattr(import_module(module), function)
    found = reader(path, options.fs) if kind == "csv" else reader(path)
    return found if isinstance(found, list) else [found]


_WHY_NOT = {
    "empty": "the file is empty",
    "lfs-pointer": "a Git LFS pointer stands in place of the data: run `git lfs pull`",
    "annex-pointer": "a git-annex pointer stands in place of the data: run `git annex get`",
    "nifti": "a NIfTI volume holds no ECG",
    "image": "a picture holds no ECG samples",
}
