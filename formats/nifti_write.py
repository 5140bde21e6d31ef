"""A run of volumes written as NIfTI, float32, volume by volume."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# What a size may be in a NIfTI-1 header.
_MOST = 32767
_SCANNER = 1


def write_series(
    path: Path, shape: tuple[int, int, int, int], affine: NDArray[np.float64], tr: float,
    volumes: Iterable[NDArray[np.float32]], *, packed: bool,
) -> None:  # fmt: skip
    """Write a run; NIfTI-2 where a size needs it. OSError when the disk takes no more.

    Args:
        path: the file.
        shape: x, y, z and time.
        affine: [4, 4], from voxels to mm.
        tr: s.
        volumes: each [x, y, z].
        packed: gzip; the same bytes for the same run.
    """
    with path.open("wb") as raw:
        stream: Any = raw
        if packed:
            from isal import igzip

            stream = igzip.IGzipFile(filename="", mode="wb", compresslevel=2, fileobj=raw, mtime=0)
        stream.write(_header(shape, affine, tr))
        _write_volumes(stream, volumes)
        if packed:
            stream.close()


def _write_volumes(stream: BinaryIO, volumes: Iterable[NDArray[np.float32]]) -> None:
    for volume in volumes:
        stream.write(np.asarray(volume, "<f4").tobytes(order="F"))


def _header(shape: tuple[int, int, int, int], affine: NDArray[np.float64], tr: float) -> bytes:
    import nibabel

    header: Any = nibabel.Nifti1Header() if max(shape) <= _MOST else nibabel.Nifti2Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(shape)
    header.set_sform(affine, _SCANNER)
    header.set_qform(affine, _SCANNER)
    header.set_zooms((*np.sqrt((affine[:3, :3] ** 2).sum(axis=0)), tr))
    header.set_xyzt_units("mm", "sec")
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    content: bytes = header.binaryblock
    return content + bytes(int(header.single_vox_offset) - len(content))
