"""Which reader opens which kind of file; adding a format is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader cannot know from the file itself.

    Args:
        fs: sampling rate of CSV files, Hz.
        voi: how grey values are shown: `file`, `none`, a preset, or CENTER,WIDTH.
        slice: of a volume, such as `axial:mid`.
        pictures: whether folders are searched for pictures and volumes too.
    """

    fs: float | None = None
    voi: str = "file"
    slice: str | None = None
    pictures: bool = False


# Kind as `sniff` names it -> module, function, and which options it takes after the path.
READERS: dict[str, tuple[str, str, Callable[[ReadOptions], tuple[Any, ...]]]] = {
    "wfdb": ("medpipe.formats.wfdb_record", "open_wfdb", lambda options: ()),
    "edf": ("medpipe.formats.edf", "open_edf", lambda options: ()),
    "csv": ("medpipe.formats.ecg_csv", "open_csv", lambda options: (options.fs,)),
    "dicom": ("medpipe.formats.dicom", "open_dicom", lambda options: (options.voi,)),
    "image": ("medpipe.formats.picture", "open_picture", lambda options: (options.voi,)),
    "nifti": ("medpipe.formats.nifti_slice", "open_slice", lambda options: (options.slice, options.voi)),
}


def open_file(path: str, kind: str, options: ReadOptions) -> list[Ecg | Image]:
    """The recordings or pictures of a file, samples and pixels not yet read.

    Raises:
        FormatError: the kind holds neither, or the file is damaged.
    """
    if kind not in READERS:
        raise FormatError("unknown-format", _WHY_NOT.get(kind, "the file is of no format that is read"))
    module, function, arguments = READERS[kind]
    reader: Any = getattr(import_module(module), function)
    found = reader(path, *arguments(options))
    return found if isinstance(found, list) else [found]


_WHY_NOT = {
    "empty": "the file is empty",
    "lfs-pointer": "a Git LFS pointer stands in place of the data: run `git lfs pull`",
    "annex-pointer": "a git-annex pointer stands in place of the data: run `git annex get`",
}
