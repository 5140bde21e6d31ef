"""Runs of functional images made for tests: NIfTI in every shape that the standard allows, masks, confounds, BIDS."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

SHAPE = (7, 6, 5)
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -8], [0, 0, 3.5, -7], [0, 0, 0, 1]])
MOTION = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]


def values(count: int = 20, seed: int = 0) -> np.ndarray:
    """Counts [x, y, z, time] as a scanner gives them, int16."""
    rng = np.random.default_rng(seed)
    level = rng.integers(200, 900, (*SHAPE, 1))
    drift = np.linspace(0, 40, count) * rng.normal(0, 1, (*SHAPE, 1))
    return (level + drift + rng.normal(0, 12, (*SHAPE, count))).astype(np.int16)


def write_scan(
    path: Path,
    data: np.ndarray,
    *,
    affine: np.ndarray = AFFINE,
    tr: float = 2.0,
    unit: str = "sec",
    version: int = 1,
    order: str = "<",
    slope: float | None = None,
    inter: float = 0.0,
) -> Path:
    """An image whose stored counts are `data`; `slope` and `inter` go into its header."""
    kind = nibabel.Nifti1Header if version == 1 else nibabel.Nifti2Header
    header = kind(endianness=order)
    header.set_data_dtype(data.dtype.newbyteorder(order))
    header.set_data_shape(data.shape)
    header.set_sform(affine, 1)
    header.set_zooms((*np.sqrt((affine[:3, :3] ** 2).sum(axis=0)), *[tr] * (data.ndim - 3)))
    header.set_xyzt_units("mm", unit)
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    if slope is not None:
        header["scl_slope"], header["scl_inter"] = slope, inter
    content = header.binaryblock
    content += bytes(header.single_vox_offset - len(content))
    content += data.astype(data.dtype.newbyteorder(order)).tobytes(order="F")
    if path.suffix == ".gz":
        import gzip

        content = gzip.compress(content, 1, mtime=0)
    path.write_bytes(content)
    return path


def mask() -> np.ndarray:
    """Some voxels, none of them at an edge; bool [x, y, z]."""
    inside = np.zeros(SHAPE, bool)
    inside[1:6, 1:5, 1:4] = np.random.default_rng(1).random((5, 4, 3)) < 0.7
    return inside


def write_mask(path: Path, inside: np.ndarray | None = None, affine: np.ndarray = AFFINE) -> Path:
    """A mask as fMRIPrep writes it, or an atlas."""
    content = mask() if inside is None else inside
    kind = np.uint8 if content.dtype == bool else np.int32
    nibabel.save(nibabel.Nifti1Image(content.astype(kind), affine), path)
    return path


def confounds(count: int = 20, seed: int = 2) -> tuple[list[str], np.ndarray]:
    """Names and values [time, n] of a table with motion, its expansion, CompCor components and displacement."""
    rng = np.random.default_rng(seed)
    motion = rng.normal(0, 0.05, (count, 6))
    change = np.concatenate([np.full((1, 6), np.nan), np.diff(motion, axis=0)])
    columns = {}
    for number, name in enumerate(MOTION):
        columns[name] = motion[:, number]
        columns[f"{name}_derivative1"] = change[:, number]
        columns[f"{name}_power2"] = motion[:, number] ** 2
        columns[f"{name}_derivative1_power2"] = change[:, number] ** 2
    for number in range(3):
        columns[f"a_comp_cor_{number:02d}"] = rng.normal(0, 1, count)
    columns["csf"] = rng.normal(400, 5, count)
    displacement = np.full(count, 0.1)
    displacement[0], displacement[5] = np.nan, 0.9
    columns["framewise_displacement"] = displacement
    return list(columns), np.stack(list(columns.values()), axis=1)


def write_confounds(path: Path, count: int = 20, seed: int = 2) -> Path:
    """The table as fMRIPrep writes it."""
    names, table = confounds(count, seed)
    rows = ["\t".join("n/a" if np.isnan(value) else repr(float(value)) for value in row) for row in table]
    path.write_text("\n".join(["\t".join(names), *rows]) + "\n")
    return path


def write_derivatives(root: Path, tasks: tuple[str, ...] = ("story",), spaces: tuple[str, ...] = ("MNI",)) -> Path:
    """A folder of one subject as fMRIPrep leaves it."""
    folder = root / "sub-01" / "func"
    folder.mkdir(parents=True)
    for seed, task in enumerate(tasks):
        stem = f"sub-01_task-{task}"
        write_confounds(folder / f"{stem}_desc-confounds_timeseries.tsv", seed=seed)
        for space in spaces:
            write_scan(folder / f"{stem}_space-{space}_desc-preproc_bold.nii.gz", values(seed=seed))
            write_mask(folder / f"{stem}_space-{space}_desc-brain_mask.nii.gz")
    return root
