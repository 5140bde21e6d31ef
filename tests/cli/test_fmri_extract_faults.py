"""fmri-extract on runs that are odd but readable, and inputs that are none: what is said of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import scans
from conftest import Run
from nibabel import cifti2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A mask, its confounds."""
    scans.write_mask(tmp_path / "m.nii")
    scans.write_confounds(tmp_path / "c.tsv")
    return tmp_path


def record_of(path: Path) -> dict:
    with h5py.File(path) as file:
        return json.loads(file["record"][0])


@pytest.mark.parametrize("fill", [0, 7, np.nan])
@pytest.mark.parametrize("options", [[], ["--zscore"], ["--fwhm", "5"]])
def test_a_lost_frame_is_told_by_its_number(run: Run, folder: Path, options: list[str], fill: float) -> None:
    data = scans.values().astype("f4")
    data[..., [4, 11]] = fill
    scans.write_scan(folder / "x.nii", data)
    done = run("fmri-extract", "x.nii", "--mask", "m.nii", "--drop", "1", *options, "-o", "r.h5", cwd=folder)
    assert b"volumes 4, 11 (from 0) hold one value everywhere, as a lost frame does" in done.stderr
    record = record_of(folder / "r.h5")
    if np.isnan(fill):
        assert done.returncode == 1 and record["error"]["type"] == "no-values"
    else:
        assert done.returncode == 0 and record["quality"]["blank_volumes"] == [4, 11]
        assert len(done.stderr.splitlines()) == 1


def test_a_lost_frame_is_told_of_dense_series(run: Run, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(5, 1, (30, 12)).astype("f4")
    data[9] = 0
    places = cifti2.BrainModelAxis.from_mask(np.ones(12, bool), name="cortex_left")
    nibabel.save(cifti2.Cifti2Image(data, (cifti2.SeriesAxis(0, 1, 30), places)), tmp_path / "x.dtseries.nii")
    run("fmri-extract", "x.dtseries.nii", "--drop", "2", "-o", "x.h5", cwd=tmp_path)
    assert record_of(tmp_path / "x.h5")["quality"]["blank_volumes"] == [9]


def test_frames_that_are_left_out_are_not_told(run: Run, folder: Path) -> None:
    data = scans.values()
    data[..., [0, 5]] = 0
    scans.write_scan(folder / "x.nii", data)
    options = ["--confounds", "c.tsv", "--scrub", "0.5", "--drop", "1", "-o", "r.h5"]
    done = run("fmri-extract", "x.nii", "--mask", "m.nii", *options, cwd=folder)
    assert not done.stderr and "blank_volumes" not in record_of(folder / "r.h5")["quality"]


def test_scrubbing_that_leaves_little_is_told(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    table = [line.split("\t") for line in (folder / "c.tsv").read_text().splitlines()]
    place = table[0].index("framewise_displacement")
    for row, line in enumerate(table[1:]):
        line[place] = "n/a" if row == 0 else str(0.05 * row)
    (folder / "fd.tsv").write_text("\n".join("\t".join(line) for line in table) + "\n")
    options = ["--confounds", "fd.tsv", "-o", "r.h5", "--scrub"]
    few = run("fmri-extract", "x.nii", "--mask", "m.nii", *options, "0.11", cwd=folder)
    assert few.returncode == 0 and few.stderr == b"fmri-extract: x: scrubbing leaves 3 of 20 volumes\n"
    assert not run("fmri-extract", "x.nii", "--mask", "m.nii", *options, "0.5", cwd=folder).stderr
    none = run("fmri-extract", "x.nii", "--mask", "m.nii", *options, "0", cwd=folder)
    assert none.returncode == 1 and b"--scrub 0 leaves 1 of 20 volumes" in none.stderr


def test_pointers_in_place_of_data_have_types_of_their_own(run: Run, folder: Path) -> None:
    (folder / "lfs.nii.gz").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (folder / "unlocked.nii.gz").write_text("/annex/objects/MD5E-s9--0.nii.gz\n")
    (folder / "text.nii.gz").write_text("../../.git/annex/objects/x/y/MD5E-s9--0.nii.gz")
    os.symlink("../../.git/annex/objects/x/y/MD5E-s9--0.nii.gz", folder / "link.nii.gz")
    names = [f"{name}.nii.gz" for name in ("lfs", "unlocked", "text", "link")]
    done = run("fmri-extract", *names, "--mask", "m.nii", cwd=folder)
    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]
    assert [one["type"] for one in errors] == ["lfs-pointer", *["annex-pointer"] * 3]
    assert all("run `git" in one["message"] for one in errors)


def test_a_folder_among_the_inputs_stops_none(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    scans.write_derivatives(folder / "prep")
    done = run("fmri-extract", "prep", "x.nii", "--mask", "m.nii", cwd=folder)
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1 and first["error"]["type"] == "folder" and "responses" in second
    assert "to fmri-extract --bids FOLDER --subject LABEL" in first["error"]["message"]


def test_one_run_given_plain_and_packed_is_told(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    scans.write_scan(folder / "x.nii.gz", scans.values())
    done = run("fmri-extract", "x.nii", "x.nii.gz", "--mask", "m.nii", cwd=folder)
    first, second = map(json.loads, done.stdout.splitlines())
    assert "responses" in first and second["id"] == "x~2"
    assert "ids are paths without suffix" in second["error"]["message"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--detrend", "poly:60"], 2, b"the order of a polynomial is 0 to 9"),
        (["--bids", ".", "--subject", "01"], 2, b"--bids finds the runs: give no other inputs"),
        (["--confounds", "wide.tsv", "--strategy", "6p"], 65, b"wide.tsv: the confounds are text in UTF-16"),
    ],
)
def test_options_and_tables_say_what_is_wrong_with_them(run: Run, folder: Path, options, code, said) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    (folder / "wide.tsv").write_text((folder / "c.tsv").read_text(), encoding="utf-16")
    done = run("fmri-extract", "x.nii", "--mask", "m.nii", *options, cwd=folder)
    assert done.returncode == code and said in b" ".join(done.stderr.replace("│".encode(), b" ").split())


def _moved(kind: str) -> np.ndarray:
    affine = scans.AFFINE.copy()
    if kind == "flipped":
        affine[0], affine[0, 3] = -affine[0], affine[0, 3] + affine[0, 0] * (scans.SHAPE[0] - 1)
    elif kind == "stretched":
        affine[:3, :3] *= 1.1
    elif kind == "tilted":
        turn = np.deg2rad(5)
        affine[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] @ affine[1:3, 1:3]
    else:
        affine[:3, [0, 1]] = affine[:3, [1, 0]]
    return affine


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("flipped", "flipped along x (to R, that of the image to L) against the image"),
        ("stretched", "stretched (voxels of 3.3x3.3x3.85 mm, those of the image 3x3x3.5 mm)"),
        ("tilted", "the mask is turned against the image"),
        ("turned", "turned (axes to A, L, S, those of the image to L, A, S)"),
    ],
)
def test_a_mask_in_another_space_says_how(run: Run, folder: Path, kind: str, said: str) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    scans.write_mask(folder / "other.nii", affine=_moved(kind))
    done = run("fmri-extract", "x.nii", "--mask", "other.nii", cwd=folder)
    assert said in json.loads(done.stdout)["error"]["message"]


def test_a_mask_of_another_size_says_where_both_lie(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "x.nii", scans.values())
    scans.write_mask(folder / "other.nii", np.ones((5, 6, 7), bool), np.diag([2.0, 2, 2, 1]))
    message = json.loads(run("fmri-extract", "x.nii", "--mask", "other.nii", cwd=folder).stdout)["error"]["message"]
    assert "the mask is 5x6x7 voxels of 2x2x2 mm, axes to R, A, S, first at 0.0, 0.0, 0.0 mm" in message
    assert "the image 7x6x5 voxels of 3x3x3.5 mm, axes to L, A, S, first at 9.0, -8.0, -7.0 mm" in message
