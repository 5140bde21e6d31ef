"""Runs in NIfTI, read volume by volume: NIfTI-1 and 2, either byte order, plain or gzip, scaled."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medpipe.formats.compress import GZIP_MAGIC
from medpipe.formats.errors import FormatError
from medpipe.formats.nibabel_file import load_image
from medpipe.formats.series import Series

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
_AHEAD_BYTES = 1 << 20


@dataclass(slots=True)
class NiftiSeries(Series):
    """See Series; `offset` is where the values begin, `slope` and `inter` scale them."""

    offset: int = 0
    slope: float = 1.0
    inter: float = 0.0
    affine: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))

    def volumes(self) -> Iterator[NDArray[Any]]:
        """See Series. FormatError where the file ends early or is damaged, telling how many volumes were read whole."""
        volume: NDArray[Any] = np.empty(int(np.prod(self.shape[:3])), self.dtype)
        buffer = memoryview(volume.view(np.uint8).data)
        number = 0
        try:
            with open_plain(self.path) as stream:
                _skip(stream, self.offset)
                while number < self.count:
                    _fill(stream, buffer)
                    yield volume
                    number += 1
                # The end of a gzip file holds its checksum.
                stream.read(1)
        except EOFError:
            raise FormatError("truncated", self._short(number)) from None
        except (OSError, ValueError, _gzip_error()) as error:
            said = f"the image is damaged after {self._read(number)} of its {self.count} volumes"
            raise FormatError("damaged", said) from error

    def _short(self, whole: int) -> str:
        return f"the header names {self.count} volumes, the file ends after {self._read(whole)}"

    def _read(self, whole: int) -> str:
        # What was unpacked together with the damage is lost.
        return f"{whole} or more" if str(self.path).endswith(".gz") else str(whole)

    def scaled(self, values: NDArray[Any]) -> NDArray[Any]:
        """See Series."""
        if self.slope == 1.0 and self.inter == 0.0:
            return values
        return values.astype(np.float64) * self.slope + self.inter


def open_nifti(path: str) -> Series:
    """The run of a NIfTI or CIFTI file, by its header alone.

    Raises:
        FormatError: the header is damaged, the image is no run of volumes, or its values are no numbers.
    """
    import nibabel

    image = load_image(path, "NIfTI header")
    if isinstance(image, nibabel.Cifti2Image):
        from medpipe.formats.cifti_series import CiftiSeries

        return CiftiSeries.of(path, image)
    return _series(path, image)


def _series(path: str, image: Any) -> NiftiSeries:
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) != 4:
        raise FormatError("not-4d", f"the image has {len(shape)} dimensions, a run has 4: x, y, z and time")
    if min(shape) < 1:
        raise FormatError("bad-header", "the header gives an image without a voxel")
    dtype = image.get_data_dtype()
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise FormatError("unsupported", f"values of type {dtype} are no plain numbers")
    affine = np.asarray(image.affine, np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise FormatError("bad-header", "the header's affine puts the voxels nowhere")
    proxy = image.dataobj
    series = NiftiSeries(
        "nifti", path, shape, dtype, _tr(image.header), {"affine": affine.tolist()}, offset=int(proxy.offset),
        slope=float(proxy.slope), inter=float(proxy.inter), affine=affine,
    )  # fmt: skip
    _check_size(series)
    return series


def _tr(header: Any) -> float | None:
    try:
        unit = header.get_xyzt_units()[1]
    except KeyError:
        unit = "unknown"
    return round(float(header["pixdim"][4]) * _SECONDS.get(unit, 1.0), 9)


def _check_size(series: NiftiSeries) -> None:
    """A plain file that is too short is told before anything is read of it."""
    with open(series.path, "rb") as stream:
        if stream.read(2) == GZIP_MAGIC:
            return
    volume = int(np.prod(series.shape[:3])) * series.dtype.itemsize
    held = (os.path.getsize(series.path) - series.offset) // volume
    if held < series.count:
        raise FormatError("truncated", f"the header names {series.count} volumes, the file holds {max(held, 0)}")


def open_plain(path: str) -> io.RawIOBase | io.BufferedIOBase:
    """A file's plain bytes, unpacked ahead on a thread where it is gzip."""
    with open(path, "rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    if not packed:
        return io.FileIO(path)
    from isal import igzip_threaded

    unpacked: io.BufferedReader = igzip_threaded.open(path, "rb", threads=1, block_size=_AHEAD_BYTES)
    return unpacked


def _fill(stream: io.RawIOBase | io.BufferedIOBase, buffer: memoryview) -> None:
    # Some readers give less than was asked for.
    while buffer:
        count = stream.readinto(buffer)
        if not count:
            raise EOFError
        buffer = buffer[count:]


def _skip(stream: io.RawIOBase | io.BufferedIOBase, count: int) -> None:
    _fill(stream, memoryview(bytearray(count)))


def _gzip_error() -> type[Exception]:
    from isal import isal_zlib

    error: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # declared as an instance
    return error
