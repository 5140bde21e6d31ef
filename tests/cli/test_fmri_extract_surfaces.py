"""fmri-extract of grayordinates and vertices: masks and parcels, and what is not to be had there."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import scans
from conftest import Run
from nibabel import cifti2

TIMES, LEFT, BELOW = 12, np.arange(40) % 4 != 0, (4, 4, 4)
DATA = np.random.default_rng(0).normal(3, 1, (TIMES, 38)).astype("f4")
INSIDE = np.arange(38) % 3 == 0
LABELS = np.r_[np.repeat([0, 7, 2], 10), np.full(8, 9)].astype("f4")


def dense(path: Path, axis: object, data: np.ndarray, *, surface: int = 40, cortex: bool = False) -> Path:
    """A dense file of 30 vertices and 8 voxels, or of the vertices alone."""
    inside = np.zeros(BELOW, bool)
    inside[1:3, 1:3, 1:3] = True
    left = cifti2.BrainModelAxis.from_surface(np.flatnonzero(LEFT), surface, name="CIFTI_STRUCTURE_CORTEX_LEFT")
    below = cifti2.BrainModelAxis.from_mask(inside, name="thalamus_left", affine=np.diag([2.0, 2, 2, 1]))
    nibabel.save(cifti2.Cifti2Image(data, (axis, left if cortex else left + below)), path)
    return path


def vertices(path: Path, rows: np.ndarray, structure: str = "CortexLeft") -> Path:
    """A GIFTI file of these arrays."""
    meta = nibabel.gifti.GiftiMetaData({"TimeStep": "2"})
    arrays = [nibabel.gifti.GiftiDataArray(one, datatype="NIFTI_TYPE_FLOAT32", meta=meta) for one in rows]
    whole = nibabel.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    nibabel.save(nibabel.GiftiImage(darrays=arrays, meta=whole), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, masks and atlases."""
    root, one = tmp_path_factory.mktemp("surfaces"), cifti2.ScalarAxis(["one"])
    dense(root / "x.dtseries.nii", cifti2.SeriesAxis(0, 2, TIMES), DATA)
    dense(root / "m.dscalar.nii", one, INSIDE[None].astype("f4"))
    dense(root / "cortex.dscalar.nii", one, np.ones((1, 30), "f4"), cortex=True)
    dense(root / "a.dscalar.nii", one, LABELS[None])
    dense(root / "other.dscalar.nii", one, np.ones((1, 38), "f4"), surface=50)
    dense(root / "two.dscalar.nii", cifti2.ScalarAxis(["a", "b"]), np.ones((2, 38), "f4"))
    vertices(root / "x.func.gii", DATA)
    vertices(root / "m.shape.gii", INSIDE[None].astype("f4"))
    vertices(root / "a.label.gii", LABELS[None])
    vertices(root / "right.shape.gii", np.ones((1, 38), "f4"), "CortexRight")
    scans.write_mask(root / "m.nii.gz")
    return root


def stored(path: Path) -> tuple[np.ndarray, dict, dict]:
    """Responses, record and the other arrays of a run file."""
    with h5py.File(path) as file:
        arrays = {name: file[name][()] for name in ("vertices", "labels", "parcel") if name in file}
        return file["responses"][()], json.loads(file["record"][0]), arrays


@pytest.mark.parametrize(("name", "mask"), [("x.dtseries.nii", "m.dscalar.nii"), ("x.func.gii", "m.shape.gii")])
@pytest.mark.parametrize("cleaned", [False, True])
def test_a_mask_takes_its_places(run: Run, folder: Path, tmp_path: Path, name: str, mask: str, cleaned: bool) -> None:
    options = ("--detrend", "poly:0") if cleaned else ()
    done = run("fmri-extract", name, "--mask", mask, *options, "-o", tmp_path / "r.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    found, record, arrays = stored(tmp_path / "r.h5")
    wanted = DATA[:, INSIDE]
    np.testing.assert_allclose(found, wanted - wanted.mean(axis=0) if cleaned else wanted, atol=1e-5)
    assert record["mask"]["places"] == INSIDE.sum() and len(record["mask"]["sha256"]) == 64
    assert record["structures"][-1]["stop"] == INSIDE.sum() == len(arrays["vertices"])


@pytest.mark.parametrize(("name", "atlas"), [("x.dtseries.nii", "a.dscalar.nii"), ("x.func.gii", "a.label.gii")])
def test_parcels_are_means_of_their_places(run: Run, folder: Path, tmp_path: Path, name: str, atlas: str) -> None:
    done = run("fmri-extract", name, "--labels", atlas, "-o", tmp_path / "r.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    found, _, arrays = stored(tmp_path / "r.h5")
    np.testing.assert_array_equal(arrays["labels"], [2, 7, 9])
    np.testing.assert_allclose(
        found, np.stack([DATA[:, one == LABELS].mean(axis=1) for one in (2, 7, 9)], 1), atol=1e-5
    )


def test_a_mask_of_the_cortex_alone_leaves_the_rest_out(run: Run, folder: Path, tmp_path: Path) -> None:
    run("fmri-extract", "x.dtseries.nii", "--mask", "cortex.dscalar.nii", "-o", tmp_path / "r.h5", cwd=folder)
    found, record, _ = stored(tmp_path / "r.h5")
    np.testing.assert_array_equal(found, DATA[:, :30])
    assert [one["name"] for one in record["structures"]] == ["CIFTI_STRUCTURE_CORTEX_LEFT"]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("x.func.gii", ("--fwhm", "6"), "on a surface distances run along the cortex"),
        ("x.dtseries.nii", ("--mask", "other.dscalar.nii"), "of the mask has 50 vertices, that of the run 40 vertices"),
        ("x.func.gii", ("--mask", "right.shape.gii"), "the mask is of CortexRight, the run of CortexLeft"),
        ("x.func.gii", ("--mask", "m.nii.gz"), "the mask is of voxels"),
        ("x.func.gii", ("--labels", "a.dscalar.nii"), "the atlas is of CIFTI_STRUCTURE_CORTEX_LEFT"),
        ("x.dtseries.nii", ("--mask", "two.dscalar.nii"), "one map, this file has 2"),
        ("x.dtseries.nii", ("--mask", "x.func.gii"), "this file has 12 arrays"),
    ],
)
def test_what_does_not_fit_a_surface_is_told(
    run: Run, folder: Path, name: str, options: tuple[str, ...], said: str
) -> None:
    done = run("fmri-extract", name, *options, cwd=folder)
    assert done.returncode and said in (done.stdout + done.stderr).decode() and b"Traceback" not in done.stderr
