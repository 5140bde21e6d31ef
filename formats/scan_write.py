"""Volumes kept as they are counted: small NIfTI-1 files, packed, the same bytes for the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCANNER = 1


def write_scan(
    path: Path, values: NDArray[Any], affine: NDArray[np.float64], tr: float | None = None, slope: float | None = None
) -> None:
    """Write a volume or a run as .nii.gz. OSError when the disk takes no more.

    Args:
        path: the file.
        values: [x, y, z] or [x, y, z, time]; their dtype is the file's.
        affine: [4, 4], from voxels to mm.
        tr: s, for a run.
        slope: brings the values to their unit.
    """
    import nibabel
    from isal import igzip

    header: Any = nibabel.Nifti1Header()
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    header.set_sform(affine, _SCANNER)
    header.set_qform(affine, _SCANNER)
    header.set_zooms((*np.sqrt((affine[:3, :3] ** 2).sum(axis=0)), *([] if tr is None else [tr])))
    header.set_xyzt_units("mm", "sec" if tr is not None else None)
    header.set_slope_inter(slope, 0 if slope is not None else None)
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    content: bytes = header.binaryblock
    content += bytes(int(header.single_vox_offset) - len(content))
    # Neither the name nor the time of writing belongs to the values.
    with path.open("wb") as raw, igzip.IGzipFile(filename="", mode="wb", compresslevel=2, fileobj=raw, mtime=0) as file:
        file.write(content)
        file.write(values.astype(values.dtype.newbyteorder("<")).tobytes(order="F"))
