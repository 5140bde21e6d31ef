"""fmri-extract end to end: values, what the record says, what a bad input says, and what a stopped run leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
import scans
from conftest import BIN, Run
from nibabel import cifti2

INSIDE = scans.mask()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run, its mask, its confounds."""
    scans.write_scan(tmp_path / "bold.nii.gz", scans.values(), slope=0.5, inter=100.0)
    scans.write_mask(tmp_path / "m.nii.gz")
    scans.write_confounds(tmp_path / "c.tsv")
    return tmp_path


def expected() -> np.ndarray:
    """Responses [time, voxels] as nibabel and numpy give them."""
    return (scans.values()[INSIDE].T * 0.5 + 100).astype("f4")


def stored(path: Path) -> tuple[np.ndarray, dict]:
    """Responses and record of a run file."""
    with h5py.File(path) as file:
        return file["responses"][()], json.loads(file["record"][0])


def records(output: bytes) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


def test_the_responses_are_the_masked_values(run: Run, folder: Path) -> None:
    done = run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", "-o", "run.h5", cwd=folder)
    assert done.returncode == 0 and not done.stdout and not done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["bold.nii.gz", "c.tsv", "m.nii.gz", "run.h5"]
    found, record = stored(folder / "run.h5")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected())
    assert record["tr"] == 2 and record["start"] == 0 and record["grid"] == list(scans.SHAPE)
    assert record["mask"]["voxels"] == INSIDE.sum() and len(record["mask"]["sha256"]) == 64
    assert record["volumes"] == {"total": 20, "dropped": 0, "scrubbed": 0, "kept": 20}
    np.testing.assert_allclose(record["affine"], scans.AFFINE)
    with h5py.File(folder / "run.h5") as file:
        np.testing.assert_array_equal(file["voxels"], np.argwhere(INSIDE))
        assert file["sample_mask"][()].all() and file["id"][0] == b"bold"


def test_the_file_is_a_record_that_other_commands_read(run: Run, folder: Path) -> None:
    run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", "-o", "run.h5", cwd=folder)
    inline = run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", cwd=folder).stdout
    (line,) = records(run("med-cat", "run.h5", cwd=folder).stdout)
    (same,) = records(inline)
    assert [line.pop("via")[0], line] == [same.pop("via")[0], same] and list(line) == list(same)
    run("med-cat", "run.h5", "-o", "again.h5", cwd=folder)
    (again,) = records(run("med-cat", "again.h5", cwd=folder).stdout)
    assert again["responses"] == line["responses"] and again["voxels"] == line["voxels"]
    assert run("med-cat", "--check", "run.h5", cwd=folder).returncode == 0


def test_responses_of_the_huth_lab_are_a_record(run: Run, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(0, 1, (7, 5)).astype("f4")
    with h5py.File(tmp_path / "story.hf5", "w") as file:
        file["data"] = data
    (line,) = records(run("med-cat", "story.hf5", cwd=tmp_path).stdout)
    assert line["id"] == "story" and line["responses"]["shape"] == [7, 5]
    (piped,) = records(run("med-cat", stdin=(tmp_path / "story.hf5").read_bytes()).stdout)
    assert piped["id"] == "stdin" and piped["responses"] == line["responses"]


def test_many_runs_go_into_a_folder_and_a_bad_one_stops_none(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "other.nii", scans.values(12))
    (folder / "cut.nii").write_bytes((folder / "other.nii").read_bytes()[:2000])
    names = ["bold.nii.gz", "cut.nii", "other.nii"]
    outputs = {}
    for jobs in (1, 2):
        done = run("fmri-extract", *names, "--mask", "m.nii.gz", "-j", jobs, "-o", f"runs{jobs}/", cwd=folder)
        assert done.returncode == 1 and b"cut: the header names 12 volumes, the file holds" in done.stderr
        outputs[jobs] = {path.name: path.read_bytes() for path in (folder / f"runs{jobs}").iterdir()}
    assert outputs[1] == outputs[2] and sorted(outputs[1]) == ["bold.h5", "other.h5", "records.jsonl"]
    made = records(outputs[1]["records.jsonl"])
    assert [one["id"] for one in made] == ["bold", "cut", "other"] and made[1]["error"]["type"] == "truncated"
    (first, _, _) = records(run("med-cat", "runs1/records.jsonl", cwd=folder).stdout)
    assert first["responses"]["shape"] == [20, INSIDE.sum()]


def test_shards_share_a_folder(run: Run, folder: Path) -> None:
    scans.write_scan(folder / "other.nii", scans.values(12))
    for shard in ("0/2", "1/2"):
        names = ("bold.nii.gz", "other.nii", "--mask", "m.nii.gz", "--shard", shard, "-o", "runs/")
        assert run("fmri-extract", *names, cwd=folder).returncode == 0
    assert sorted(path.name for path in (folder / "runs").iterdir()) == [
        "bold.h5", "other.h5", "records.0-of-2.jsonl", "records.1-of-2.jsonl",
    ]  # fmt: skip
    done = run("med-cat", "--interleave", *sorted((folder / "runs").glob("*.jsonl")), cwd=folder)
    assert [one["id"] for one in records(done.stdout)] == ["bold", "other"]


def test_cleaned_responses_are_least_squares_residuals(run: Run, folder: Path) -> None:
    options = ["--confounds", "c.tsv", "--strategy", "6p", "--drop", "2", "--scrub", "0.5", "--detrend", "poly:1"]
    done = run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", *options, "--zscore", "-o", "r.h5", cwd=folder)
    assert done.returncode == 0, done.stderr
    found, record = stored(folder / "r.h5")
    keep = np.ones(18, bool)
    keep[3] = False
    design = np.column_stack([np.ones(18), np.arange(18.0), scans.confounds()[1][2:, :24:4]])[keep]
    signal = expected()[2:][keep].astype(float)
    left = signal - design @ np.linalg.lstsq(design, signal, rcond=None)[0]
    np.testing.assert_allclose(found, left / left.std(axis=0, ddof=1), atol=1e-4)
    assert record["volumes"] == {"total": 20, "dropped": 2, "scrubbed": 1, "kept": 17} and record["start"] == 4
    assert record["confounds"] == scans.MOTION and record["cleaning"] == {
        "drop": 2, "strategy": "6p", "scrub": 0.5, "detrend": ["poly:1"], "zscore": True,
    }  # fmt: skip
    with h5py.File(folder / "r.h5") as file:
        assert list(np.flatnonzero(file["sample_mask"][()] == 0)) == [0, 1, 5]


def test_scrubbing_alone_leaves_values_as_they_are(run: Run, folder: Path) -> None:
    options = ["--confounds", "c.tsv", "--scrub", "0.5", "-o", "r.h5"]
    run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", *options, cwd=folder)
    np.testing.assert_array_equal(stored(folder / "r.h5")[0], np.delete(expected(), 5, axis=0))


def test_parcels_are_means_and_go_back_to_their_voxels(run: Run, folder: Path) -> None:
    atlas = np.where(INSIDE, np.arange(INSIDE.size).reshape(INSIDE.shape) % 3 + 4, 0)
    scans.write_mask(folder / "a.nii", atlas)
    run("fmri-extract", "bold.nii.gz", "--labels", "a.nii", "-o", "p.h5", cwd=folder)
    found, _ = stored(folder / "p.h5")
    values = scans.values() * 0.5 + 100
    np.testing.assert_allclose(
        found, np.stack([values[atlas == name].mean(axis=0) for name in (4, 5, 6)], 1), rtol=1e-5
    )
    assert run("fmri-extract", "p.h5", "--to-nifti", "back.nii", cwd=folder).returncode == 0
    back = nibabel.load(folder / "back.nii").get_fdata()
    np.testing.assert_allclose(back[atlas == 5], np.broadcast_to(found[:, 1], (np.sum(atlas == 5), 20)))
    assert not back[atlas == 0].any()


def test_voxels_without_a_value_are_left_out_of_means(run: Run, tmp_path: Path) -> None:
    data = scans.values().astype("f4")
    voxels = np.argwhere(INSIDE)
    data[tuple(voxels[0])] = np.nan
    data[tuple(voxels[1])] = np.nan
    atlas = np.where(INSIDE, 1, 0)
    atlas[tuple(voxels[1])] = 2
    scans.write_scan(tmp_path / "x.nii", data)
    scans.write_mask(tmp_path / "a.nii", atlas)
    done = run("fmri-extract", "x.nii", "--labels", "a.nii", "-o", "r.h5", cwd=tmp_path)
    found, record = stored(tmp_path / "r.h5")
    assert record["quality"] == {"constant": 0, "not_finite": 1, "left_out": 2}
    assert b"of 2 parcels 1 hold NaN or infinity (zeros), 2 voxels without a value" in done.stderr
    np.testing.assert_allclose(found[:, 0], np.nanmean(data[atlas == 1], axis=0), rtol=1e-5)
    assert not found[:, 1].any()


def test_smoothing_goes_before_the_mask(run: Run, folder: Path) -> None:
    from scipy.ndimage import gaussian_filter

    run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", "--fwhm", "5", "-o", "s.h5", cwd=folder)
    sigma = 5 / np.sqrt(8 * np.log(2)) / np.array([3, 3, 3.5, np.inf])
    smooth = gaussian_filter(scans.values() * 0.5 + 100, [*sigma[:3], 0])
    np.testing.assert_allclose(stored(folder / "s.h5")[0], smooth[INSIDE].T, rtol=1e-4)


@pytest.mark.parametrize("name", ["back.nii", "back.nii.gz"])
def test_the_way_back_is_the_image_within_the_mask(run: Run, folder: Path, name: str) -> None:
    run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", "-o", "r.h5", cwd=folder)
    done = run("fmri-extract", "r.h5", "--to-nifti", name, cwd=folder)
    assert done.returncode == 0 and not done.stdout and not (folder / f"{name}.part").exists()
    image = nibabel.load(folder / name)
    np.testing.assert_array_equal(image.get_fdata()[INSIDE].T, expected())
    assert not image.get_fdata()[~INSIDE].any() and image.header.get_zooms()[3] == 2
    np.testing.assert_allclose(image.affine, scans.AFFINE)
    for wrong, code in (("bold.nii.gz", 65), ("none.h5", 66)):
        failed = run("fmri-extract", wrong, "--to-nifti", "x.nii", cwd=folder)
        assert failed.returncode == code and len(failed.stderr.splitlines()) == 1
    assert not (folder / "x.nii").exists()


def test_derivatives_bring_their_masks_and_confounds(run: Run, tmp_path: Path) -> None:
    scans.write_derivatives(tmp_path / "prep", tasks=("story", "rest"))
    options = ["--bids", "prep", "--subject", "01", "--strategy", "6p", "-o", "runs/", "--no-source"]
    done = run("fmri-extract", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = records((tmp_path / "runs/records.jsonl").read_bytes())
    assert len(made) == 2 and {one["mask"]["voxels"] for one in made} == {INSIDE.sum()}
    done = run("fmri-extract", *options, "--task", "film", cwd=tmp_path)
    assert done.returncode == 66 and b"no preprocessed run of sub-01 that is asked for" in done.stderr


def test_a_dense_series_keeps_its_structures(run: Run, tmp_path: Path) -> None:
    data = np.random.default_rng(0).normal(5, 1, (30, 12)).astype("f4")
    places = cifti2.BrainModelAxis.from_mask(np.ones(12, bool), name="cortex_left")
    nibabel.save(cifti2.Cifti2Image(data, (cifti2.SeriesAxis(0, 1, 30), places)), tmp_path / "x.dtseries.nii")
    done = run("fmri-extract", "x.dtseries.nii", "--drop", "1", "--detrend", "sg:21", "-o", "x.h5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found, record = stored(tmp_path / "x.h5")
    from scipy.signal import savgol_filter

    np.testing.assert_allclose(
        found, data[1:] - savgol_filter(data[1:].astype(float), 21, 2, axis=0) + data[1:].mean(0), atol=1e-4
    )
    assert record["id" if "id" in record else "tr"] == 1 and record["structures"][0]["stop"] == 12


@pytest.mark.parametrize("cleaned", [False, True])
@pytest.mark.parametrize("bad", ["zero", "nan"])
def test_voxels_that_say_nothing_are_counted_and_told(run: Run, tmp_path: Path, cleaned: bool, bad: str) -> None:
    data = scans.values(300).astype("f4")
    first, second, third = np.argwhere(INSIDE)[[0, 7, 20]]
    data[(*first, 250)] = np.nan
    data[tuple(second)] = np.inf
    data[tuple(third)] = 7
    scans.write_scan(tmp_path / "x.nii", data)
    scans.write_mask(tmp_path / "m.nii")
    options = ["--zscore"] if cleaned else []
    done = run("fmri-extract", "x.nii", "--mask", "m.nii", "--bad-voxels", bad, *options, "-o", "r.h5", cwd=tmp_path)
    found, record = stored(tmp_path / "r.h5")
    assert done.returncode == 0 and record["quality"] == {"constant": 1, "not_finite": 2}
    stand = b"NaN" if bad == "nan" else b"zeros"
    constant = stand if cleaned or bad == "nan" else b"as they are"
    assert b"1 do not change (%b), 2 hold NaN or infinity (%b)" % (constant, stand) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    expected_bad = np.nan if bad == "nan" else 0
    np.testing.assert_array_equal(found[:, [0, 7]], expected_bad)
    np.testing.assert_array_equal(found[:, 20], expected_bad if cleaned or bad == "nan" else 7)
    assert np.isfinite(np.delete(found, [0, 7, 20], axis=1)).all()


SIDE = ["--mask", "m.nii.gz"]
BAD = [
    ("three.nii", SIDE, "not-4d", "3 dimensions"),
    ("milli.nii", SIDE, "bad-tr", "looks like ms: give --tr 2"),
    ("zero.nii", SIDE, "bad-tr", "TR of 0"),
    ("moved.nii", SIDE, "other-space", "(+1.00, +0.00, +0.00 voxels)"),
    ("small.nii", SIDE, "other-space", "the mask is 7x6x5 voxels of 3x3x3.5 mm"),
    ("short.nii.gz", SIDE, "truncated", "the header names 20 volumes, the file ends after 0 or more"),
    ("annex.nii.gz", SIDE, "annex-pointer", "git annex get"),
    ("text.nii", SIDE, "unknown-format", "no format that is read"),
    ("none.nii", SIDE, "missing-file", "no such file"),
    ("bold.nii.gz", [], "no-mask", "needs --mask or --labels"),
    ("bold.nii.gz", [*SIDE, "--drop", "20"], "too-short", "20 volumes, 20 are dropped"),
    ("bold.nii.gz", [*SIDE, "--confounds", "long.tsv", "--strategy", "6p"], "length-mismatch", "the image lacks 1"),
    ("bold.nii.gz", [*SIDE, "--detrend", "sg:120"], "too-short", "61 volumes; the run has 20"),
    ("bold.nii.gz", [*SIDE, "--low-pass", "0.25"], "bad-value", "nothing above 0.25 Hz"),
    ("bold.nii.gz", [*SIDE, "--confounds", "c.tsv", "--strategy", "24p"], "too-short", "24 regressors leave nothing"),
    ("c.tsv", SIDE, "unknown-format", "no format"),
]


@pytest.mark.parametrize(("name", "options", "kind", "said"), BAD)
def test_each_bad_input_is_one_clear_line(run: Run, folder: Path, name, options, kind, said) -> None:
    scans.write_scan(folder / "three.nii", scans.values(1)[..., 0])
    scans.write_scan(folder / "milli.nii", scans.values(3), tr=2000)
    scans.write_scan(folder / "zero.nii", scans.values(3), tr=0)
    moved = scans.AFFINE.copy()
    moved[0, 3] += 3
    scans.write_scan(folder / "moved.nii", scans.values(3), affine=moved)
    scans.write_scan(folder / "small.nii", scans.values(3)[:, :, :4])
    (folder / "short.nii.gz").write_bytes((folder / "bold.nii.gz").read_bytes()[:-900])
    (folder / "annex.nii.gz").write_text("/annex/objects/MD5E-s9--0.nii.gz\n")
    (folder / "text.nii").write_text("not an image\n")
    scans.write_confounds(folder / "long.tsv", 21)
    if name == "none.nii":
        assert not (folder / name).exists()
    done = run("fmri-extract", name, *options, cwd=folder)
    (record,) = records(done.stdout)
    assert done.returncode == 1 and record["error"]["type"] == kind and said in record["error"]["message"]
    assert len(done.stderr.splitlines()) == 2 and b"Traceback" not in done.stderr
    into = run("fmri-extract", name, *options, "-o", "r.h5", cwd=folder)
    assert into.returncode == 1
    assert records(run("med-cat", "r.h5", cwd=folder).stdout)[0]["error"] == record["error"]
    assert not [path.name for path in folder.iterdir() if ".part" in path.name or path.suffix == ".state"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--mask", "none.nii"], 66, b"none.nii: no such file"),
        (["--mask", "empty.nii"], 65, b"empty.nii: the mask is empty"),
        (["--mask", "c.tsv"], 65, b"no format that is read"),
        ([*SIDE, "--confounds", "c.tsv", "--strategy", "white_matter"], 65, b"no column white_matter"),
        ([*SIDE, "--confounds", "none.tsv", "--strategy", "6p"], 66, b"none.tsv: no such file"),
        ([*SIDE, "--strategy", "6p"], 2, b"need --confounds"),
        ([*SIDE, "--confounds", "c.tsv"], 2, b"goes with --strategy"),
        ([*SIDE, "--detrend", "fourier:2"], 2, b"is no detrending"),
        ([*SIDE, "--detrend", "poly:1", "--detrend", "poly:2"], 2, b"each way once"),
        ([*SIDE, "--subject", "1"], 2, b"go with --bids"),
        ([*SIDE, "--tr", "nan"], 2, b"--tr"),
        ([*SIDE, "bold.nii.gz", "-o", "r.h5"], 2, b"holds one run"),
    ],
)
def test_options_and_side_inputs_are_checked_before_any_output(run: Run, folder: Path, options, code, said) -> None:
    scans.write_mask(folder / "empty.nii", np.zeros(scans.SHAPE, bool))
    done = run("fmri-extract", "bold.nii.gz", *options, cwd=folder)
    assert done.returncode == code and said in done.stderr and not done.stdout and b"Traceback" not in done.stderr
    assert not (folder / "r.h5").exists()


def test_other_records_pass_or_fail_alone(run: Run, folder: Path) -> None:
    lines = b'{"id":"a","error":{"command":"x","type":"y","message":"z"}}\n{"id":"b"}\n'
    done = run("fmri-extract", "--mask", "m.nii.gz", stdin=lines, cwd=folder)
    first, second = records(done.stdout)
    assert first["error"]["command"] == "x" and second["error"]["type"] == "not-a-scan" and done.returncode == 1


def test_responses_too_large_for_a_line_are_told(run: Run, tmp_path: Path) -> None:
    data = np.zeros((30, 30, 30, 700), np.int8)
    scans.write_scan(tmp_path / "x.nii", data)
    scans.write_mask(tmp_path / "m.nii", np.ones((30, 30, 30), bool))
    done = run("fmri-extract", "x.nii", "--mask", "m.nii", cwd=tmp_path)
    assert done.returncode == 1 and b"72 MiB are too large for a JSON line" in done.stderr


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of 60 and 600 volumes of 40x40x24 voxels, all of them in the mask."""
    root = tmp_path_factory.mktemp("large")
    shape, rng = (40, 40, 24), np.random.default_rng(0)
    scans.write_mask(root / "m.nii", np.ones(shape, bool))
    block = rng.normal(800, 30, (*shape, 60)).astype(np.int16)
    scans.write_scan(root / "60.nii", block)
    scans.write_scan(root / "600.nii", np.concatenate([block] * 10, axis=3))
    return root


PEAK = (
    "import sys; from pathlib import Path; import medpipe.cli.fmri_extract as command\n"
    "try: command.run()\nexcept SystemExit as end: code = end.code\n"
    "status = Path('/proc/self/status').read_text().split()\n"
    "print(code, status[status.index('VmHWM:') + 1])"
)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
@pytest.mark.parametrize("cleaned", [False, True])
def test_memory_does_not_grow_with_the_number_of_volumes(large: Path, tmp_path: Path, cleaned: bool) -> None:
    options = ["--detrend", "poly:1", "--detrend", "cosine:128", "--zscore"] if cleaned else []
    peaks = []
    for count in (60, 600):
        command = [BIN / "python", "-c", PEAK, f"{count}.nii", "--mask", "m.nii", *options, "-o", tmp_path / "r.h5"]
        done = subprocess.run(command, cwd=large, capture_output=True, check=True)
        code, peak = map(int, done.stdout.split())
        assert code == 0
        peaks.append(peak / 1024)
    # The run of 600 is 46 MiB on disk and 88 MiB as responses.
    assert peaks[1] < 1.1 * peaks[0] and peaks[1] < 200


def test_a_killed_run_leaves_no_file_and_goes_on(large: Path, tmp_path: Path) -> None:
    target = tmp_path / "r.h5"
    command = [BIN / "fmri-extract", "600.nii", "--mask", "m.nii", "--zscore", "-o", target]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=large, stderr=subprocess.PIPE)
        while not target.with_name("r.h5.part.arrays").exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not target.exists() or process.returncode == 0
    subprocess.run([*command, "--resume"], cwd=large, check=True, capture_output=True)
    assert sorted(os.listdir(tmp_path)) == ["r.h5"]
    found, record = stored(target)
    assert record["volumes"]["kept"] == 600
    np.testing.assert_allclose(found.std(axis=0, ddof=1), 1, atol=1e-4)


@pytest.mark.parametrize("size", [2_000_000, 80_000_000, 92_200_000])
def test_a_full_disk_is_74_and_one_line(large: Path, tmp_path: Path, size: int) -> None:
    import resource

    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    command = [BIN / "fmri-extract", "600.nii", "--mask", "m.nii", "--zscore", "-o", tmp_path / "r.h5"]
    done = subprocess.run(command, cwd=large, capture_output=True, check=False, preexec_fn=limit)
    assert done.returncode == 74 and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.parametrize("cleaned", [False, True])
@pytest.mark.parametrize("spoilt", ["nan", "constant"])
def test_a_run_of_which_nothing_is_left_is_an_error(run: Run, folder: Path, spoilt: str, cleaned: bool) -> None:
    values = scans.values().astype("f4")
    if spoilt == "nan":
        values[..., 7] = np.nan
    else:
        values[:] = 3
    scans.write_scan(folder / "bold.nii.gz", values)
    options = ["--zscore"] if cleaned else []
    done = run("fmri-extract", "bold.nii.gz", "--mask", "m.nii.gz", *options, "-o", "run.h5", cwd=folder)
    assert done.returncode == 1 and b"nothing is left: of" in done.stderr
    with h5py.File(folder / "run.h5") as file:
        assert json.loads(file["record"][0])["error"]["type"] == "no-values" and "responses" not in file
