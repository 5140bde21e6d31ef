"""Which reader opens which kind of file; adding a format is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from medpipe.formats.ecg import Ecg
from medpipe.formats.errors import FormatError
from medpipe.formats.image import Image
from medpipe.formats.series import Series


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a reader cannot know from the file itself.

    Args:
        fs: sampling rate of CSV files, Hz.
        voi: how grey values are shown: `file`, `none`, a preset, or CENTER,WIDTH.
        slice: of a volume, such as `axial:mid`.
        pictures: whether folders are searched for pictures and volumes too.
        series: whether images are runs of volumes, not pictures.
    """

    fs: float | None = None
    voi: str = "file"
    slice: str | None = None
    pictures: bool = False
    series: bool = False


# Kind as `sniff` names it -> module, function, and which options it takes after the path.
READERS: dict[str, tuple[str, str, Callable[[ReadOptions], tuple[Any, ...]]]] = {
    "wfdb": ("medpipe.formats.wfdb_record", "open_wfdb", lambda options: ()),
    "edf": ("medpipe.formats.edf", "open_edf", lambda options: ()),
    "csv": ("medpipe.formats.ecg_csv", "open_csv", lambda options: (options.fs,)),
    "dicom": ("medpipe.formats.dicom", "open_dicom", lambda options: (options.voi,)),
    "image": ("medpipe.formats.picture", "open_picture", lambda options: (options.voi,)),
    "nifti": ("medpipe.formats.nifti_slice", "open_slice", lambda options: (options.slice, options.voi)),
}

# The same for runs of functional images.
SERIES: dict[str, tuple[str, str]] = {
    "nifti": ("medpipe.formats.nifti_series", "open_nifti"),
    "gifti": ("medpipe.formats.gifti_series", "open_gifti"),
}


def open_file(path: str, kind: str, options: ReadOptions) -> Sequence[Ecg | Image | Series]:
    """The recordings, pictures or runs of a file, samples and pixels not yet read.

    Raises:
        FormatError: the kind holds none of them, or the file is damaged.
    """
    if options.series:
        return [open_series(path, kind)]
    check_kind(kind, READERS)
    module, function, arguments = READERS[kind]
    reader: Any = getattr(import_module(module), function)
    found = reader(path, *arguments(options))
    return found if isinstance(found, list) else [found]


def open_series(path: str, kind: str) -> Series:
    """The run of functional images in a file, its values not yet read. Raises FormatError."""
    check_kind(kind, SERIES)
    module, function = SERIES[kind]
    opened: Series = getattr(import_module(module), function)(path)
    return opened


def check_kind(kind: str, known: Container[str]) -> None:
    """FormatError for a kind that is not known, with what stands in place of the data where that is clear."""
    if kind not in known:
        raise FormatError(
            kind if kind in _WHY_NOT else "unknown-format", _WHY_NOT.get(kind, "the file is of no format that is read")
        )


_WHY_NOT = {
    "empty": "the file is empty",
    "lfs-pointer": "a Git LFS pointer stands in place of the data: run `git lfs pull`",
    "annex-pointer": "a git-annex pointer stands in place of the data: run `git annex get`",
}
